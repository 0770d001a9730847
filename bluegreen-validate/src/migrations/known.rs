//! What is known when a statement is looked at: what this release has made itself, and the session.

use std::collections::{BTreeMap, BTreeSet};

use sqlparser::ast::{Ident, ObjectName, ObjectNamePart};

use super::Dialect;

/// A name as the database compares it, part by part.
pub(super) type Key = Vec<String>;

/// What kind of thing a name is of.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Kind {
    Table,
    View,
    Index,
    Type,
    Function,
    Sequence,
    Schema,
}

/// A column that this release has added to a table that was there before.
#[derive(Clone, Copy, Debug)]
pub(super) struct NewColumn {
    pub(super) nullable: bool,
    pub(super) has_default: bool,
}

impl NewColumn {
    /// Old writers leave NULL in it.
    pub(super) fn stays_null(self) -> bool {
        self.nullable && !self.has_default
    }
}

/// What this release has made. Old versions know nothing of it, so that it may be changed freely.
#[derive(Debug, Default)]
pub(super) struct Known {
    made: BTreeSet<(Kind, Key)>,
    columns: BTreeMap<Key, BTreeMap<String, NewColumn>>,
    /// Constraints of this release that demand a value in a column, by table and name.
    demands: BTreeMap<(Key, String), String>,
    /// Columns in which there is no NULL, as such a constraint has shown.
    filled: BTreeSet<(Key, String)>,
    pub(super) session: Session,
}

/// What a session has said; every file has one of its own.
#[derive(Debug, Default)]
pub(super) struct Session {
    /// The line of the `BEGIN`.
    pub(super) transaction: Option<u64>,
    /// Whether waits are bounded, where it has been said; in the transaction, that comes first.
    pub(super) lock_timeout: Option<bool>,
    pub(super) local_lock_timeout: Option<bool>,
    /// Where names without a schema are looked for was said, so what they mean is not known.
    pub(super) path_is_set: bool,
    /// It has been said that there is none.
    pub(super) told: bool,
    /// Constraints that were added in the open transaction.
    pub(super) constraints: BTreeSet<String>,
}

impl Session {
    pub(super) fn ends_transaction(&mut self) {
        self.transaction = None;
        self.local_lock_timeout = None;
        self.constraints.clear();
    }
}

impl Known {
    pub(super) fn make(&mut self, kind: Kind, key: Option<Key>) {
        // A function is more than its name: one with other arguments may have been there before.
        if kind == Kind::Function {
            return;
        }
        let path_is_set = self.session.path_is_set;
        let key = key.filter(|key| key.len() > 1 || !path_is_set);
        self.made.extend(key.map(|key| (kind, key)));
    }

    pub(super) fn has_made(&self, kind: Kind, key: Option<&Key>) -> bool {
        key.is_some_and(|key| self.made.contains(&(kind, key.clone())))
    }

    /// It is gone; what has its name from now on is something else.
    pub(super) fn forget(&mut self, kind: Kind, key: Option<&Key>) {
        if let Some(key) = key {
            self.made.remove(&(kind, key.clone()));
            self.columns.remove(key);
        }
    }

    /// Nothing is known to be new any more.
    pub(super) fn forget_all(&mut self) {
        let session = std::mem::take(&mut self.session);
        *self = Self { session, ..Self::default() };
    }

    /// Names without a schema mean something else from now on.
    pub(super) fn forget_unqualified(&mut self) {
        self.session.path_is_set = true;
        self.made.retain(|(_, key)| key.len() > 1);
        self.columns.retain(|key, _| key.len() > 1);
    }

    pub(super) fn add_column(&mut self, table: Option<&Key>, column: String, new: NewColumn) {
        if let Some(table) = table {
            self.columns.entry(table.clone()).or_default().insert(column, new);
        }
    }

    pub(super) fn column(&self, table: Option<&Key>, column: &str) -> Option<NewColumn> {
        self.columns.get(table?)?.get(column).copied()
    }

    pub(super) fn column_mut(
        &mut self,
        table: Option<&Key>,
        column: &str,
    ) -> Option<&mut NewColumn> {
        self.columns.get_mut(table?)?.get_mut(column)
    }

    /// `constraint` demands that `column` is not NULL in rows that are written from now on.
    pub(super) fn demand(&mut self, table: Option<&Key>, constraint: String, column: String) {
        self.demands.extend(table.map(|table| ((table.clone(), constraint), column)));
    }

    /// Whether `constraint` is one of this release's that demand a value; it is gone then.
    pub(super) fn drop_demand(&mut self, table: Option<&Key>, constraint: &str) -> bool {
        let at = table.map(|table| (table.clone(), constraint.to_owned()));
        at.is_some_and(|at| self.demands.remove(&at).is_some())
    }

    /// `constraint` is known to hold of all rows.
    pub(super) fn validate(&mut self, table: Option<&Key>, constraint: &str) {
        let Some(table) = table else { return };
        if let Some(column) = self.demands.get(&(table.clone(), constraint.to_owned())) {
            self.filled.insert((table.clone(), column.clone()));
        }
    }

    pub(super) fn is_filled(&self, table: Option<&Key>, column: &str) -> bool {
        table.is_some_and(|table| self.filled.contains(&(table.clone(), column.to_owned())))
    }

    pub(super) fn forget_column(&mut self, table: Option<&Key>, column: &str) {
        if let Some(columns) = table.and_then(|table| self.columns.get_mut(table)) {
            columns.remove(column);
        }
    }
}

/// The name as it is compared; none if it is computed.
pub(super) fn key(dialect: Dialect, name: &ObjectName) -> Option<Key> {
    let part = |part: &ObjectNamePart| match part {
        ObjectNamePart::Identifier(ident) => Some(match dialect {
            // Whether capitals count in names of tables hangs on the server's file system.
            Dialect::Mysql => ident.value.clone(),
            Dialect::Postgres => column(dialect, ident),
        }),
        ObjectNamePart::Function(_) => None,
    };
    name.0.iter().map(part).collect()
}

/// The name of a column as it is compared.
pub(super) fn column(dialect: Dialect, ident: &Ident) -> String {
    match (dialect, ident.quote_style) {
        (Dialect::Postgres, Some(_)) => ident.value.clone(),
        _ => ident.value.to_lowercase(),
    }
}
