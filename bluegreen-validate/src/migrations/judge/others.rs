//! All other statements.

use sqlparser::ast::{ObjectName, Statement};

use super::{Judge, shown};
use crate::migrations::Rule;

impl Judge<'_> {
    pub(super) fn others(&mut self, statement: &Statement) {
        match statement {
            // Nobody waits for these, and nobody reads anything else because of them.
            Statement::Analyze(_)
            | Statement::Comment { .. }
            | Statement::CreateExtension(_)
            | Statement::CreateRole(_)
            | Statement::CreateUser(_)
            | Statement::CreateCollation(_)
            | Statement::Grant(_)
            | Statement::GrantRole(_)
            | Statement::ShowVariable { .. }
            | Statement::ShowVariables { .. } => {}
            Statement::Revoke(_) | Statement::RevokeRole(_) | Statement::Deny(_) => self.say(
                Rule::Revoke,
                "what the old version may do by this right fails from now on",
                "in a contract release, when no version that needs the right runs",
            ),
            Statement::AlterPolicy(policy) => {
                self.locks(&shown(&policy.table_name));
                self.row_security(&policy.table_name);
            }
            Statement::AlterTrigger(_) => self.change_trigger("the trigger"),
            Statement::Lock(_) | Statement::LockTables { .. } => self.say(
                Rule::LocksTable,
                "both versions wait for the table until the lock is given back",
                "no LOCK: what follows takes the lock that it needs, for as long as it needs it",
            ),
            Statement::Vacuum(vacuum) => {
                if vacuum.full {
                    let table = vacuum.table_name.clone().unwrap_or_else(|| ObjectName(Vec::new()));
                    self.rewrites(&table, "VACUUM FULL");
                }
            }
            Statement::OptimizeTable { name, .. } => self.rewrites(name, "OPTIMIZE TABLE"),
            Statement::RefreshMaterializedView(refresh) => {
                if refresh.concurrently {
                    return;
                }
                self.locks(&shown(&refresh.name));
                self.say(
                    Rule::LocksTable,
                    format!(
                        "both versions wait to read {} until it is refreshed",
                        shown(&refresh.name)
                    ),
                    "REFRESH MATERIALIZED VIEW CONCURRENTLY, which needs a unique index",
                );
            }
            Statement::Call(_)
            | Statement::Execute { .. }
            | Statement::Prepare { .. }
            | Statement::If(_)
            | Statement::Case(_)
            | Statement::While(_)
            | Statement::Copy { .. }
            | Statement::LoadData { .. } => self.opaque("something from elsewhere"),
            _ => self.unknown("this kind of statement"),
        }
    }

    pub(super) fn owner(&mut self, what: &str) {
        self.say(
            Rule::ChangeOwner,
            format!("what the old version may do as the owner of {what} fails from now on"),
            "GRANT what the new owner needs; change the owner when no version that is the old \
             one runs",
        );
    }

    pub(super) fn row_security(&mut self, table: &ObjectName) {
        self.say(
            Rule::RowSecurity,
            format!(
                "the old version sees or writes other rows of {} than it is meant to",
                shown(table)
            ),
            "policies on a new table or view that the new version uses; or a release before, in \
             which every version says who it is",
        );
    }

    pub(super) fn change_trigger(&mut self, what: &str) {
        self.say(
            Rule::ChangeTrigger,
            format!("the old version relies on what {what} does with what it writes"),
            "leave it until no version that relies on it runs; then, in a contract release",
        );
    }
}
