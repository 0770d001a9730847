//! Columns that are changed or dropped.

use sqlparser::ast::{AlterColumnOperation, DataType, Ident, ObjectName};

use super::expression::is_null;
use super::{Judge, shown};
use crate::migrations::Rule;
use crate::migrations::known::{NewColumn, column};

impl Judge<'_> {
    pub(super) fn alter_column(
        &mut self,
        table: &ObjectName,
        ident: &Ident,
        op: &AlterColumnOperation,
    ) {
        let key = self.key(table);
        let name = column(self.settings.dialect, ident);
        let found = self.known.column(key.as_ref(), &name);
        let shows = format!("{}.{}", shown(table), shown(ident));
        match op {
            AlterColumnOperation::SetNotNull => {
                if found.is_none_or(NewColumn::stays_null) {
                    self.say(
                        Rule::SetNotNull,
                        format!(
                            "the old version may write NULL in {shows}: from now on that fails"
                        ),
                        "make every version that runs write a value, fill old rows in batches; \
                         SET NOT NULL in a contract release",
                    );
                }
                if self.is_postgres() && !self.known.is_filled(key.as_ref(), &name) {
                    self.not_null_scans(table, ident);
                }
                if let Some(column) = self.known.column_mut(key.as_ref(), &name) {
                    column.nullable = false;
                }
            }
            AlterColumnOperation::DropNotNull if found.is_none() => self.say(
                Rule::DropNotNull,
                format!(
                    "the old version does not expect the NULL that the new one may write in \
                     {shows}"
                ),
                "let a release read NULL before one writes it; DROP NOT NULL when no older \
                 version runs",
            ),
            AlterColumnOperation::SetDefault { .. } if found.is_none() => self.say(
                Rule::ChangeDefault,
                format!(
                    "what the old version leaves out of its INSERTs becomes another value in \
                     {shows}"
                ),
                "write the new value from the new version; leave the default until no older one \
                 runs",
            ),
            AlterColumnOperation::SetDefault { value } => {
                if let Some(column) = self.known.column_mut(key.as_ref(), &name) {
                    column.has_default = !is_null(value);
                }
            }
            AlterColumnOperation::DropDefault if found.is_none_or(|it| !it.nullable) => self.say(
                Rule::DropDefault,
                format!(
                    "the old version leaves {shows} out of its INSERTs: they fail, or store NULL \
                     where it does not expect it"
                ),
                "keep the default until no version that relies on it runs; then, in a contract \
                 release",
            ),
            AlterColumnOperation::DropDefault => {
                if let Some(column) = self.known.column_mut(key.as_ref(), &name) {
                    column.has_default = false;
                }
            }
            AlterColumnOperation::SetDataType { data_type, .. } => {
                self.modify_column(table, ident, data_type);
                // From another length of text nothing is rewritten, and from anything else it is
                // refused already.
                let is_text = matches!(
                    data_type,
                    DataType::Text | DataType::Varchar(_) | DataType::CharacterVarying(_)
                );
                if !is_text {
                    self.rewrites(table, "another type");
                }
            }
            AlterColumnOperation::DropNotNull => {
                if let Some(column) = self.known.column_mut(key.as_ref(), &name) {
                    column.nullable = true;
                }
            }
            AlterColumnOperation::AddGenerated { .. } if found.is_none() => self.say(
                Rule::ChangeDefault,
                format!(
                    "the old version's own values for {shows} are refused or overtaken by numbers"
                ),
                "number a new column in a new table, and move to it",
            ),
            _ => self.unknown(&format!("this change of {shows}")),
        }
    }

    fn not_null_scans(&mut self, table: &ObjectName, ident: &Ident) {
        let (table, column) = (shown(table), shown(ident));
        self.say(
            Rule::NotNullScans,
            format!("{table} is read through for a NULL while nobody reads or writes it"),
            format!(
                "ALTER TABLE {table} ADD CONSTRAINT c CHECK ({column} IS NOT NULL) NOT VALID; \
                 then VALIDATE CONSTRAINT c; then SET NOT NULL, which reads nothing; then DROP \
                 CONSTRAINT c"
            ),
        );
    }

    pub(super) fn modify_column(&mut self, table: &ObjectName, ident: &Ident, to: &DataType) {
        let key = self.key(table);
        let name = column(self.settings.dialect, ident);
        // MySQL's form says the whole column anew, and may leave out the default that old writers need.
        if self.is_postgres() && self.known.column(key.as_ref(), &name).is_some() {
            return;
        }
        let (table, column, to) = (shown(table), shown(ident), shown(to));
        self.say(
            Rule::ChangeColumnType,
            format!(
                "the old version reads and writes {table}.{column} as what it was: as {to} its \
                 statements may fail, cut values off or compare them otherwise"
            ),
            format!(
                "ALTER TABLE {table} ADD COLUMN {column}_new {to}; write both, fill old rows in \
                 batches, read the new one; drop {column} in a contract release. Where {to} only \
                 has more room than before, allow it with that reason"
            ),
        );
    }

    pub(super) fn drop_column(&mut self, table: &ObjectName, ident: &Ident, cascades: bool) {
        let key = self.key(table);
        let name = column(self.settings.dialect, ident);
        if !cascades && self.known.column(key.as_ref(), &name).is_some() {
            return self.known.forget_column(key.as_ref(), &name);
        }
        let (table, column) = (shown(table), shown(ident));
        self.say(
            Rule::DropColumn,
            format!("every statement of the old version that names {table}.{column} fails"),
            format!(
                "stop reading and writing {column} in this release; ALTER TABLE {table} DROP \
                 COLUMN {column} in a contract release, when no version that knows it runs or \
                 can come back"
            ),
        );
    }
}
