//! `ALTER TABLE`, one change after another.

use sqlparser::ast::{
    AlterTable, AlterTableAlgorithm, AlterTableLock, AlterTableOperation, DetachPartitionMode,
    ObjectName, RenameTableNameKind,
};

use super::{Judge, shown};
use crate::migrations::Rule;
use crate::migrations::known::{Kind, column};

impl Judge<'_> {
    pub(super) fn alter_table(&mut self, alter: &AlterTable) {
        let table = &alter.name;
        let new = self.is_new(Kind::Table, table);
        if !new {
            let is_gentle = |operation: &AlterTableOperation| {
                // Neither readers nor writers wait for these.
                matches!(operation, AlterTableOperation::ValidateConstraint { .. })
            };
            if !alter.operations.iter().all(is_gentle) {
                self.locks(&shown(table));
            }
            if !self.is_postgres() {
                self.algorithm(table, &alter.operations);
            }
        }
        for operation in &alter.operations {
            self.operation(table, new, operation);
        }
    }

    /// The server is to refuse what it can not do beside reads and writes, and not to do it all the same.
    pub(super) fn algorithm(&mut self, table: &ObjectName, operations: &[AlterTableOperation]) {
        let mut gentle = false;
        for operation in operations {
            match operation {
                AlterTableOperation::Algorithm { algorithm: AlterTableAlgorithm::Copy, .. }
                | AlterTableOperation::Lock {
                    lock: AlterTableLock::Shared | AlterTableLock::Exclusive,
                    ..
                } => {
                    return self.say(
                        Rule::CopiesTable,
                        format!(
                            "while {} is copied or locked, both versions wait to write",
                            shown(table)
                        ),
                        "ALGORITHM=INSTANT, or LOCK=NONE; what neither can do, gh-ost or \
                         pt-online-schema-change can",
                    );
                }
                AlterTableOperation::Algorithm {
                    algorithm: AlterTableAlgorithm::Instant, ..
                }
                | AlterTableOperation::Lock { lock: AlterTableLock::None, .. } => gentle = true,
                _ => {}
            }
        }
        if !gentle {
            self.say(
                Rule::AlgorithmNotStated,
                format!(
                    "where the server can not do it beside reads and writes it copies {} under a \
                     lock, and does not say so",
                    shown(table)
                ),
                "add `, ALGORITHM=INSTANT` or `, LOCK=NONE`: then the server refuses what would \
                 block",
            );
        }
    }

    fn operation(&mut self, table: &ObjectName, new: bool, operation: &AlterTableOperation) {
        match operation {
            AlterTableOperation::AddConstraint { constraint, not_valid } => {
                self.add_constraint(table, new, constraint, *not_valid);
            }
            AlterTableOperation::RenameTable {
                table_name: RenameTableNameKind::As(name) | RenameTableNameKind::To(name),
            } => self.rename_table(table, name),
            AlterTableOperation::RenameColumn { old_column_name, new_column_name } if !new => {
                self.rename_column(table, old_column_name, new_column_name);
            }
            AlterTableOperation::AddColumn { if_not_exists, column_def, .. } => {
                self.add_column(table, new, column_def, *if_not_exists);
            }
            // Old versions know nothing of a new table, and nobody waits for it.
            _ if new && !is_about_another(operation) => {}
            AlterTableOperation::DropColumn { column_names, drop_behavior, .. } => {
                let cascades = drop_behavior.is_some_and(|it| it.to_string() == "CASCADE");
                for name in column_names {
                    self.drop_column(table, name, cascades);
                }
            }
            AlterTableOperation::DropConstraint { name, .. }
            | AlterTableOperation::DropForeignKey { name, .. } => {
                self.drop_constraint(
                    table,
                    &shown(name),
                    Some(&column(self.settings.dialect, name)),
                );
            }
            AlterTableOperation::DropPrimaryKey { .. } => {
                self.drop_constraint(table, "the primary key", None);
            }
            AlterTableOperation::DropIndex { name } => self.drop_index(&shown(name)),
            AlterTableOperation::AlterColumn { column_name, op } => {
                self.alter_column(table, column_name, op);
            }
            AlterTableOperation::ChangeColumn { old_name, new_name, data_type, .. } => {
                if column(self.settings.dialect, old_name)
                    != column(self.settings.dialect, new_name)
                {
                    self.rename_column(table, old_name, new_name);
                }
                self.modify_column(table, new_name, data_type);
            }
            AlterTableOperation::ModifyColumn { col_name, data_type, .. } => {
                self.modify_column(table, col_name, data_type);
            }
            AlterTableOperation::ValidateConstraint { name } => {
                self.validate_constraint(table, name);
            }
            // Nothing that an application says has the name of a constraint but ON CONFLICT.
            AlterTableOperation::RenameConstraint { old_name, .. } => {
                self.renamed("the constraint", &shown(old_name));
            }
            others => self.other_operation(table, others),
        }
    }

    /// What has to do with neither columns nor constraints.
    fn other_operation(&mut self, table: &ObjectName, operation: &AlterTableOperation) {
        match operation {
            AlterTableOperation::OwnerTo { .. } => self.owner(&shown(table)),
            AlterTableOperation::SetLogged | AlterTableOperation::SetUnlogged => {
                self.rewrites(table, "SET LOGGED or UNLOGGED");
            }
            AlterTableOperation::AttachPartitionOf { .. }
            | AlterTableOperation::AttachPartition { .. } => {
                self.say(
                    Rule::PartitionLocks,
                    format!(
                        "the partition is read through to see that its rows belong to {}",
                        shown(table)
                    ),
                    "add a CHECK with the bounds to the partition NOT VALID and validate it in \
                     releases before: then it is not read, and allow this with that reason",
                );
            }
            AlterTableOperation::DetachPartitionOf {
                mode: Some(DetachPartitionMode::Concurrently),
                ..
            } => {
                self.drop_rows_of_partition(table);
                self.needs_no_transaction("DETACH PARTITION");
            }
            AlterTableOperation::DetachPartitionOf { .. }
            | AlterTableOperation::DetachPartition { .. } => {
                self.drop_rows_of_partition(table);
                self.say(
                    Rule::PartitionLocks,
                    format!(
                        "both versions wait for {} while its partition is detached",
                        shown(table)
                    ),
                    "ALTER TABLE … DETACH PARTITION … CONCURRENTLY, outside a transaction",
                );
            }
            AlterTableOperation::DropPartitions { .. } => self.drop_rows_of_partition(table),
            AlterTableOperation::EnableRowLevelSecurity
            | AlterTableOperation::DisableRowLevelSecurity
            | AlterTableOperation::ForceRowLevelSecurity
            | AlterTableOperation::NoForceRowLevelSecurity => self.row_security(table),
            AlterTableOperation::EnableTrigger { name }
            | AlterTableOperation::EnableAlwaysTrigger { name }
            | AlterTableOperation::EnableReplicaTrigger { name }
            | AlterTableOperation::DisableTrigger { name }
            | AlterTableOperation::EnableRule { name }
            | AlterTableOperation::EnableAlwaysRule { name }
            | AlterTableOperation::EnableReplicaRule { name }
            | AlterTableOperation::DisableRule { name } => {
                self.change_trigger(&format!("{} of {}", shown(name), shown(table)));
            }
            // Judged for the whole statement; fillfactor and the like change nothing that is read.
            AlterTableOperation::Algorithm { .. }
            | AlterTableOperation::Lock { .. }
            | AlterTableOperation::AutoIncrement { .. }
            | AlterTableOperation::SetOptionsParens { .. }
            | AlterTableOperation::ResetOptions { .. } => {}
            _ => self.unknown(&format!("this change of {}", shown(table))),
        }
    }

    pub(super) fn rewrites(&mut self, table: &ObjectName, what: &str) {
        self.say(
            Rule::RewritesTable,
            format!(
                "{what} writes every row of {} anew; until then nobody reads or writes it",
                shown(table)
            ),
            "a new table or column beside the old one, filled in batches by both versions",
        );
    }

    fn drop_rows_of_partition(&mut self, table: &ObjectName) {
        self.say(
            Rule::DeleteRows,
            format!(
                "the old version does not find the rows of that partition of {} any more",
                shown(table)
            ),
            "keep the partition until no version that reads it runs; then, in a contract release",
        );
    }
}

/// Whether a table becomes, or ceases to be, a part of another one, which may be old.
fn is_about_another(operation: &AlterTableOperation) -> bool {
    let text = operation.to_string().to_ascii_uppercase();
    ["ATTACH", "DETACH", "INHERIT", "NO INHERIT"].iter().any(|it| text.starts_with(it))
}
