//! What gets another name.

use sqlparser::ast::{
    AlterFunctionOperation, AlterSchemaOperation, AlterTypeOperation, AlterViewOperation, Ident,
    ObjectName, Statement,
};

use super::{Judge, shown};
use crate::migrations::Rule;
use crate::migrations::known::{Kind, column};

impl Judge<'_> {
    pub(super) fn renames(&mut self, statement: &Statement) {
        match statement {
            Statement::RenameTable(renames) => {
                for rename in renames {
                    if !self.is_new(Kind::Table, &rename.old_name) {
                        self.locks(&shown(&rename.old_name));
                    }
                    self.rename_table(&rename.old_name, &rename.new_name);
                }
            }
            Statement::AlterSchema(alter) => {
                for operation in &alter.operations {
                    match operation {
                        AlterSchemaOperation::Rename { .. } => {
                            self.renamed("the schema", &shown(&alter.name));
                        }
                        AlterSchemaOperation::OwnerTo { .. } => self.owner(&shown(&alter.name)),
                        _ => self.unknown(&format!("this change of {}", shown(&alter.name))),
                    }
                }
            }
            Statement::AlterView(alter) => {
                let name = shown(&alter.name);
                if self.is_new(Kind::View, &alter.name) {
                    return;
                }
                match &alter.operation {
                    AlterViewOperation::RenameTo { .. }
                    | AlterViewOperation::RenameColumn { .. }
                    | AlterViewOperation::SetSchema { .. } => self.renamed("the view", &name),
                    AlterViewOperation::OwnerTo(_) => self.owner(&name),
                    AlterViewOperation::As { .. } => self.say(
                        Rule::ReplaceObject,
                        format!(
                            "the old version reads the new {name} from now on, and was never \
                             tested with it"
                        ),
                        format!("CREATE VIEW {name}_v2 AS …; drop {name} in a contract release"),
                    ),
                    _ => self.unknown(&format!("this change of {name}")),
                }
            }
            Statement::AlterFunction(alter) => {
                let name = &alter.function.name;
                if self.is_new(Kind::Function, name) {
                    return;
                }
                match &alter.operation {
                    AlterFunctionOperation::RenameTo { .. }
                    | AlterFunctionOperation::SetSchema { .. } => {
                        self.renamed("the function", &shown(name));
                    }
                    AlterFunctionOperation::OwnerTo(_) => self.owner(&shown(name)),
                    _ => self.unknown(&format!("this change of {}", shown(name))),
                }
            }
            Statement::AlterType(alter) => self.alter_type(&alter.name, &alter.operation),
            // ALTER INDEX … RENAME: no statement of an application has the name of an index.
            _ => {}
        }
    }

    fn alter_type(&mut self, name: &ObjectName, operation: &AlterTypeOperation) {
        if self.is_new(Kind::Type, name) {
            return;
        }
        let name = shown(name);
        match operation {
            AlterTypeOperation::Rename(_) => self.renamed("the type", &name),
            AlterTypeOperation::AddValue(add) => self.say(
                Rule::AddEnumValue,
                format!(
                    "the old version does not know {} and reads it in {name} as soon as the new \
                     one writes it",
                    shown(&add.value)
                ),
                "let a release read the value before one writes it, and allow it with that reason",
            ),
            AlterTypeOperation::RenameValue(rename) => self.say(
                Rule::RenameEnumValue,
                format!(
                    "the old version writes and compares {}, which {name} does not have any more",
                    shown(&rename.from)
                ),
                "ALTER TYPE … ADD VALUE, read both, write the new one, leave the old one",
            ),
        }
    }

    pub(super) fn rename_table(&mut self, from: &ObjectName, to: &ObjectName) {
        let key = self.key(from);
        if self.known.has_made(Kind::Table, key.as_ref()) {
            self.known.forget(Kind::Table, key.as_ref());
            // The new name is in the schema of the table, whatever is written.
            let mut renamed = key.unwrap_or_default();
            let new = self.key(to).and_then(|mut key| key.pop());
            renamed.pop();
            renamed.extend(new);
            return self.known.make(Kind::Table, Some(renamed));
        }
        let (from, to) = (shown(from), shown(to));
        self.say(
            Rule::RenameTable,
            format!("every statement of the old version that names {from} fails"),
            format!(
                "CREATE VIEW {to} AS SELECT … FROM {from} for the new version; or a new table \
                 that both write, and {from} dropped in a contract release"
            ),
        );
    }

    pub(super) fn rename_column(&mut self, table: &ObjectName, from: &Ident, to: &Ident) {
        let key = self.key(table);
        let dialect = self.settings.dialect;
        let old = column(dialect, from);
        if let Some(found) = self.known.column(key.as_ref(), &old) {
            self.known.forget_column(key.as_ref(), &old);
            return self.known.add_column(key.as_ref(), column(dialect, to), found);
        }
        let (table, from, to) = (shown(table), shown(from), shown(to));
        self.say(
            Rule::RenameColumn,
            format!("every statement of the old version that names {table}.{from} fails"),
            format!(
                "ALTER TABLE {table} ADD COLUMN {to} …; write both, fill old rows in batches, \
                 read {to}; drop {from} in a contract release"
            ),
        );
    }

    pub(super) fn renamed(&mut self, what: &str, name: &str) {
        self.say(
            Rule::RenameObject,
            format!("every statement of the old version that names {what} {name} fails"),
            "make a new one under the new name, use that, drop the old one in a contract release",
        );
    }
}
