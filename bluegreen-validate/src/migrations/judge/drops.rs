//! What is dropped.

use sqlparser::ast::{ObjectName, ObjectType, Statement};

use super::{Judge, shown};
use crate::migrations::Rule;
use crate::migrations::known::Kind;

impl Judge<'_> {
    pub(super) fn drops(&mut self, statement: &Statement) {
        match statement {
            Statement::Drop { object_type, names, table, temporary, .. } => {
                if let Some(table) = table
                    && !self.is_new(Kind::Table, table)
                {
                    // In MySQL an index is dropped beside reads and writes, once it has its lock.
                    self.locks(&shown(table));
                }
                for name in names {
                    if *temporary {
                        continue;
                    }
                    let on_new =
                        table.as_ref().is_some_and(|table| self.is_new(Kind::Table, table));
                    if !on_new {
                        self.dropped(*object_type, name);
                    }
                }
            }
            Statement::DropFunction(drop) => {
                for function in &drop.func_desc {
                    self.gone(Rule::DropFunction, Kind::Function, "function", &function.name);
                }
            }
            Statement::DropProcedure { proc_desc, .. } => {
                for procedure in proc_desc {
                    self.gone(Rule::DropFunction, Kind::Function, "procedure", &procedure.name);
                }
            }
            Statement::DropDomain(drop) => {
                self.gone(Rule::DropType, Kind::Type, "domain", &drop.name);
            }
            Statement::DropTrigger(drop) => {
                let on_new = drop.table_name.as_ref();
                if !on_new.is_some_and(|table| self.is_new(Kind::Table, table)) {
                    self.locks("the table of the trigger");
                    self.change_trigger(&shown(&drop.trigger_name));
                }
            }
            Statement::DropPolicy(drop) => {
                if !self.is_new(Kind::Table, &drop.table_name) {
                    self.locks(&shown(&drop.table_name));
                    self.row_security(&drop.table_name);
                }
            }
            Statement::DropRule(drop) => {
                if !self.is_new(Kind::Table, &drop.table_name) {
                    self.locks(&shown(&drop.table_name));
                    self.change_trigger(&shown(&drop.name));
                }
            }
            _ => self.drop_one(Rule::DropObject, "what it names"),
        }
    }

    fn dropped(&mut self, kind: ObjectType, name: &ObjectName) {
        match kind {
            ObjectType::Table | ObjectType::ForeignTable => {
                if !self.is_new(Kind::Table, name) {
                    self.locks(&shown(name));
                }
                self.gone(Rule::DropTable, Kind::Table, "table", name);
            }
            ObjectType::View | ObjectType::MaterializedView => {
                self.gone(Rule::DropView, Kind::View, "view", name);
            }
            ObjectType::Index => {
                if self.is_new(Kind::Index, name) {
                    return self.known.forget(Kind::Index, self.key(name).as_ref());
                }
                self.drop_index(&shown(name));
                if self.concurrently {
                    self.needs_no_transaction("DROP INDEX");
                } else if self.is_postgres() {
                    self.locks("the table of the index");
                    self.say(
                        Rule::IndexNotConcurrently,
                        format!(
                            "both versions wait for the table while {} is dropped",
                            shown(name)
                        ),
                        format!("DROP INDEX CONCURRENTLY {}, outside a transaction", shown(name)),
                    );
                }
            }
            ObjectType::Schema | ObjectType::Database => self.say(
                Rule::DropSchema,
                format!("all that the old version reads and writes in {} is gone", shown(name)),
                "drop what is in it by name, in contract releases, and the empty schema by hand",
            ),
            ObjectType::Sequence => {
                self.gone(Rule::DropSequence, Kind::Sequence, "sequence", name);
            }
            ObjectType::Type => self.gone(Rule::DropType, Kind::Type, "type", name),
            ObjectType::Role | ObjectType::User | ObjectType::Group => self.say(
                Rule::Revoke,
                format!("whoever of the old version logs in as {} does not any more", shown(name)),
                "in a contract release, when nothing that runs uses it",
            ),
            _ => self.drop_one(Rule::DropObject, &shown(name)),
        }
    }

    fn gone(&mut self, rule: Rule, kind: Kind, what: &str, name: &ObjectName) {
        let key = self.key(name);
        if self.known.has_made(kind, key.as_ref()) {
            return self.known.forget(kind, key.as_ref());
        }
        self.drop_one(rule, &format!("the {what} {}", shown(name)));
    }

    fn drop_one(&mut self, rule: Rule, what: &str) {
        self.say(
            rule,
            format!("every statement of the old version that needs {what} fails"),
            "stop using it in this release; drop it in a contract release, when no version that \
             knows it runs or can come back",
        );
    }

    pub(super) fn drop_index(&mut self, index: &str) {
        self.say(
            Rule::DropIndex,
            format!(
                "queries of the old version that {index} serves read whole tables, and its ON \
                 CONFLICT fails where {index} is the unique index it means"
            ),
            format!("drop {index} in a contract release, when no version that needs it runs"),
        );
    }
}
