//! Indexes that are made.

use sqlparser::ast::{CreateIndex, ObjectName};

use super::{Judge, shown};
use crate::migrations::Rule;
use crate::migrations::known::Kind;

impl Judge<'_> {
    pub(super) fn create_index(&mut self, index: &CreateIndex) {
        let table = &index.table_name;
        if let Some(name) = index.name.as_ref().filter(|_| !index.if_not_exists) {
            // In MySQL it is its table's alone, in PostgreSQL it stands in its table's schema.
            let schema = self.key(table).map(|mut key| (key.pop(), key).1);
            let key = self.key(name).filter(|key| self.is_postgres() && key.len() == 1);
            let key = schema.zip(key).map(|(schema, name)| [schema, name].concat());
            self.known.make(Kind::Index, key);
        }
        if self.is_new(Kind::Table, table) {
            if index.concurrently {
                self.needs_no_transaction("CREATE INDEX");
            }
            return;
        }
        if index.unique {
            self.unique(table, &index.columns, index.nulls_distinct != Some(false));
        }
        if index.concurrently {
            self.needs_no_transaction("CREATE INDEX");
        } else if self.is_postgres() {
            self.locks(&shown(table));
            self.not_concurrently(index, table);
        } else {
            self.locks(&shown(table));
            self.algorithm(table, &index.alter_options);
        }
    }

    pub(super) fn reindex(&mut self) {
        if self.concurrently {
            return self.needs_no_transaction("REINDEX");
        }
        self.locks("the table of the index");
        self.say(
            Rule::IndexNotConcurrently,
            "both versions wait for the table until its indexes are made anew",
            "REINDEX … CONCURRENTLY, outside a transaction",
        );
    }

    fn not_concurrently(&mut self, index: &CreateIndex, table: &ObjectName) {
        let unique = if index.unique { "UNIQUE " } else { "" };
        let name = index.name.as_ref().map_or_else(|| "i".to_owned(), shown);
        let table = shown(table);
        self.say(
            Rule::IndexNotConcurrently,
            format!("both versions wait to write {table} until the index is made"),
            format!(
                "CREATE {unique}INDEX CONCURRENTLY {name} ON {table} (…), outside a transaction"
            ),
        );
    }

    /// What is done concurrently is refused in a transaction.
    pub(super) fn needs_no_transaction(&mut self, what: &str) {
        if self.in_transaction() {
            self.say(
                Rule::ConcurrentlyInTransaction,
                format!(
                    "{what} CONCURRENTLY fails in a transaction, and the migration stops halfway"
                ),
                "put it into a file of its own, and tell the tool to open no transaction for it",
            );
        }
    }
}
