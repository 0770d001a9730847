//! What is new, and what takes the place of something.

use sqlparser::ast::{
    ColumnOption, CreateTable, CreateView, ObjectName, SchemaName, Statement, TableConstraint,
};

use super::{Judge, shown};
use crate::migrations::Rule;
use crate::migrations::known::Kind;

impl Judge<'_> {
    pub(super) fn create_table(&mut self, table: &CreateTable) {
        let name = &table.name;
        if table.or_replace {
            self.replaced("table", name);
        }
        // What has the name of a table that may have been there before is not known to be new, and
        // a temporary one only hides it.
        if !table.if_not_exists && !table.or_replace && !table.temporary {
            let key = self.key(name);
            self.known.make(Kind::Table, key);
        }
        for column in &table.columns {
            for option in &column.options {
                if let ColumnOption::ForeignKey(key) = &option.option {
                    self.references(&key.foreign_table, key);
                }
            }
        }
        for constraint in &table.constraints {
            if let TableConstraint::ForeignKey(key) = constraint {
                self.references(&key.foreign_table, key);
            }
        }
        if let Some(parent) = &table.partition_of
            && !self.is_new(Kind::Table, parent)
        {
            self.locks(&shown(parent));
            self.say(
                Rule::PartitionLocks,
                format!("both versions wait for {} while it gets its partition", shown(parent)),
                "CREATE TABLE … (LIKE …), then ALTER TABLE … ATTACH PARTITION, which locks less",
            );
        }
        if table.query.is_some() {
            self.calls();
        }
        let inherits = table.inherits.iter().flatten().any(|it| !self.is_new(Kind::Table, it));
        if inherits {
            self.unknown("a child of a table that was there before");
        }
    }

    pub(super) fn makes(&mut self, statement: &Statement) {
        match statement {
            Statement::CreateView(view) => self.create_view(view),
            Statement::CreateFunction(function) => {
                let (name, replaces) = (&function.name, function.or_replace || function.or_alter);
                self.made(Kind::Function, "function", name, replaces, function.if_not_exists);
            }
            Statement::CreateProcedure { name, or_alter, .. } => {
                self.made(Kind::Function, "procedure", name, *or_alter, false);
            }
            Statement::CreateTrigger(trigger) => {
                if trigger.or_replace || trigger.or_alter {
                    self.replaced("trigger", &trigger.name);
                }
                self.acts_on(&trigger.table_name, "trigger");
            }
            Statement::CreateRule(rule) => self.acts_on(&rule.table_name, "rule"),
            Statement::CreatePolicy(policy) if !self.is_new(Kind::Table, &policy.table_name) => {
                self.locks(&shown(&policy.table_name));
                self.row_security(&policy.table_name);
            }
            Statement::CreateType { name, .. } => {
                self.made(Kind::Type, "type", name, false, false);
            }
            Statement::CreateDomain(domain) => {
                self.made(Kind::Type, "domain", &domain.name, false, false);
            }
            Statement::CreateSequence { name, if_not_exists, .. } => {
                self.made(Kind::Sequence, "sequence", name, false, *if_not_exists);
            }
            Statement::CreateSchema {
                schema_name: SchemaName::Simple(name),
                or_replace,
                if_not_exists,
                ..
            } => self.made(Kind::Schema, "schema", name, *or_replace, *if_not_exists),
            _ => {}
        }
    }

    fn create_view(&mut self, view: &CreateView) {
        let replaces = view.or_replace || view.or_alter;
        if !view.temporary {
            self.made(Kind::View, "view", &view.name, replaces, view.if_not_exists);
        }
        // Its query runs now.
        if view.materialized {
            self.calls();
        }
    }

    fn made(&mut self, kind: Kind, what: &str, name: &ObjectName, replaces: bool, maybe: bool) {
        let known = self.is_new(kind, name);
        if replaces && !known {
            self.replaced(what, name);
        } else if !maybe {
            let key = self.key(name);
            self.known.make(kind, key);
        }
    }

    fn replaced(&mut self, what: &str, name: &ObjectName) {
        let shown = shown(name);
        self.say(
            Rule::ReplaceObject,
            format!(
                "if there is a {what} {shown} already, the old version uses the new one from now \
                 on, and was never tested with it"
            ),
            format!(
                "CREATE it under another name ({shown}_v2) that the new version uses; drop \
                 {shown} in a contract release"
            ),
        );
    }

    fn acts_on(&mut self, table: &ObjectName, what: &str) {
        if self.is_new(Kind::Table, table) || self.is_new(Kind::View, table) {
            return;
        }
        let table = shown(table);
        self.locks(&table);
        self.say(
            Rule::AddTrigger,
            format!(
                "the {what} acts on what the old version writes to {table}: it can change it, \
                 refuse it or make it slow"
            ),
            "do it in the new version; a trigger that only keeps an old and a new column the \
             same may be allowed with that reason",
        );
    }
}
