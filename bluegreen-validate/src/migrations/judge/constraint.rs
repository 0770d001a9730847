//! Constraints: what old writers may violate, and how the table is read for them.

use sqlparser::ast::{
    ConstraintReferenceMatchKind, Expr, Ident, IndexColumn, NullsDistinctOption, ObjectName,
    TableConstraint,
};

use super::{Judge, shown};
use crate::migrations::Rule;
use crate::migrations::known::{NewColumn, column};

impl Judge<'_> {
    pub(super) fn add_constraint(
        &mut self,
        table: &ObjectName,
        new: bool,
        constraint: &TableConstraint,
        not_valid: bool,
    ) {
        if let TableConstraint::ForeignKey(key) = constraint {
            self.references(&key.foreign_table, key);
        }
        if new {
            return;
        }
        match constraint {
            TableConstraint::Unique(unique) => {
                let repeats = unique.nulls_distinct != NullsDistinctOption::NotDistinct;
                self.unique(table, &unique.columns, repeats);
                self.builds_index(table);
            }
            TableConstraint::PrimaryKey(_) => {
                self.violates(Rule::AddUnique, table, "a primary key, unique and never NULL");
                self.builds_index(table);
            }
            TableConstraint::PrimaryKeyUsingIndex(_) => {
                self.violates(Rule::AddUnique, table, "a primary key, which is never NULL");
            }
            TableConstraint::ForeignKey(key) => {
                self.remember(key.name.as_ref());
                // MATCH FULL minds a NULL beside a value.
                let full = key.match_kind == Some(ConstraintReferenceMatchKind::Full);
                let null = !(full && key.columns.len() > 1)
                    && key.columns.iter().any(|it| self.stays_null(table, it));
                if !null {
                    let to = format!("its rows to refer to rows of {}", shown(&key.foreign_table));
                    self.violates(Rule::AddForeignKey, table, &to);
                }
                if !not_valid {
                    self.validates(table);
                }
            }
            TableConstraint::Check(check) => {
                self.remember(check.name.as_ref());
                if !self.null_passes(table, &check.expr) {
                    let what = format!("{} to hold", shown(&check.expr));
                    self.violates(Rule::AddCheck, table, &what);
                }
                if let (Some(name), Expr::IsNotNull(of)) = (&check.name, unnested(&check.expr))
                    && let Expr::Identifier(ident) = unnested(of)
                {
                    let dialect = self.settings.dialect;
                    let key = self.key(table);
                    let (name, column) = (column(dialect, name), column(dialect, ident));
                    self.known.demand(key.as_ref(), name, column);
                }
                if !not_valid {
                    self.validates(table);
                }
            }
            TableConstraint::Exclude(_) => {
                self.violates(Rule::AddExclusion, table, "its rows to exclude each other");
                self.builds_index(table);
            }
            // The index of the first has demanded it before. The others are of MySQL, and whether they
            // block is said by their algorithm.
            TableConstraint::UniqueUsingIndex(_)
            | TableConstraint::Index(_)
            | TableConstraint::FulltextOrSpatial(_) => {}
        }
    }

    /// A column in which old writers leave NULL.
    fn stays_null(&self, table: &ObjectName, ident: &Ident) -> bool {
        let key = self.key(table);
        let name = column(self.settings.dialect, ident);
        self.known.column(key.as_ref(), &name).is_some_and(NewColumn::stays_null)
    }

    /// Rows with a NULL among what is to be unique do not repeat each other, unless NULLs are said to
    /// be the same.
    pub(super) fn unique(&mut self, table: &ObjectName, columns: &[IndexColumn], distinct: bool) {
        let null = distinct
            && columns.iter().any(|it| match &it.column.expr {
                Expr::Identifier(ident) => self.stays_null(table, ident),
                _ => false,
            });
        if !null {
            let names: Vec<String> = columns.iter().map(|it| shown(&it.column.expr)).collect();
            self.violates(Rule::AddUnique, table, &format!("({}) to be unique", names.join(", ")));
        }
    }

    pub(super) fn violates(&mut self, rule: Rule, table: &ObjectName, demand: &str) {
        let table = shown(table);
        self.say(
            rule,
            format!(
                "from now on {table} demands {demand}; the old version does not know of it, and \
                 what it writes may be refused"
            ),
            "make every version that runs keep to it, mend old rows in batches; demand it in a \
             contract release, NOT VALID first",
        );
    }

    pub(super) fn builds_index(&mut self, table: &ObjectName) {
        if !self.is_postgres() {
            return;
        }
        let table = shown(table);
        self.say(
            Rule::ConstraintBuildsIndex,
            format!("an index is made of all of {table} while nobody reads or writes it"),
            format!(
                "CREATE UNIQUE INDEX CONCURRENTLY i ON {table} (…); then ALTER TABLE {table} ADD \
                 CONSTRAINT c UNIQUE USING INDEX i"
            ),
        );
    }

    pub(super) fn validates(&mut self, table: &ObjectName) {
        if !self.is_postgres() {
            return;
        }
        let table = shown(table);
        self.say(
            Rule::ConstraintValidates,
            format!("all rows of {table} are read while nobody writes it"),
            format!(
                "ALTER TABLE {table} ADD CONSTRAINT c … NOT VALID; then, in a transaction of its \
                 own, ALTER TABLE {table} VALIDATE CONSTRAINT c"
            ),
        );
    }

    fn remember(&mut self, name: Option<&Ident>) {
        let name = name.map(|name| column(self.settings.dialect, name));
        self.known.session.constraints.extend(name);
    }

    pub(super) fn validate_constraint(&mut self, table: &ObjectName, ident: &Ident) {
        let key = self.key(table);
        let name = column(self.settings.dialect, ident);
        self.known.validate(key.as_ref(), &name);
        if self.in_transaction() && self.known.session.constraints.contains(&name) {
            self.say(
                Rule::ValidateInTransaction,
                format!(
                    "the transaction that has added {} still holds its lock on {} while all rows \
                     are read",
                    shown(ident),
                    shown(table)
                ),
                "VALIDATE CONSTRAINT in a transaction, or a file, of its own",
            );
        }
    }

    /// `named` has the name as it is compared, if it has one.
    pub(super) fn drop_constraint(&mut self, table: &ObjectName, what: &str, named: Option<&str>) {
        let key = self.key(table);
        if named.is_some_and(|name| self.known.drop_demand(key.as_ref(), name)) {
            return;
        }
        let table = shown(table);
        self.say(
            Rule::DropConstraint,
            format!(
                "the old version may rely on {what} of {table}: by ON CONFLICT, which fails \
                 without it, or by not expecting rows that it kept out"
            ),
            "keep it until no version that relies on it runs; then, in a contract release",
        );
    }
}

fn unnested(mut expr: &Expr) -> &Expr {
    while let Expr::Nested(inner) = expr {
        expr = inner;
    }
    expr
}
