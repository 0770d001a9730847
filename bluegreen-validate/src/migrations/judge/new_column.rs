//! Columns that are added.

use sqlparser::ast::{
    ColumnDef, ColumnOption, DataType, Expr, ForeignKeyConstraint, GeneratedExpressionMode, Ident,
    ObjectName,
};

use super::expression::{is_constant, is_null, null_passes};
use super::{Judge, shown};
use crate::migrations::Rule;
use crate::migrations::known::{Kind, NewColumn, column};

/// What the options of a column come to.
#[derive(Debug, Default)]
struct Options {
    not_null: bool,
    has_default: bool,
    numbered: bool,
}

impl Judge<'_> {
    pub(super) fn add_column(
        &mut self,
        table: &ObjectName,
        new: bool,
        def: &ColumnDef,
        if_not_exists: bool,
    ) {
        let key = self.key(table);
        let name = column(self.settings.dialect, &def.name);
        let shows = format!("{}.{}", shown(table), shown(&def.name));
        let options = options(def);
        let added = NewColumn {
            nullable: !options.not_null,
            has_default: options.has_default || options.numbered,
        };
        if !new && !if_not_exists {
            self.known.add_column(key.as_ref(), name, added);
        }
        for option in &def.options {
            self.column_option(table, new, def, added, &option.option);
        }
        if new {
            return;
        }
        if options.not_null && !added.has_default {
            self.say(
                Rule::AddRequiredColumn,
                format!(
                    "the old version does not know {shows}: each of its INSERTs fails, as it \
                     gives no value for a column that demands one"
                ),
                format!(
                    "ALTER TABLE {} ADD COLUMN {} {}; with a constant DEFAULT or NULL; SET NOT \
                     NULL in a contract release, when every writer knows it",
                    shown(table),
                    shown(&def.name),
                    shown(&def.data_type)
                ),
            );
        }
        if options.numbered {
            self.say(
                Rule::AutoIncrementColumn,
                format!(
                    "every row of {} gets its number while nobody reads or writes",
                    shown(table)
                ),
                "a nullable column; a sequence as its DEFAULT in a statement of its own; numbers \
                 for old rows in batches",
            );
        }
        if self.is_postgres() && def.data_type == DataType::JSON {
            self.say(
                Rule::JsonColumn,
                format!(
                    "values of the type json can not be compared: SELECT DISTINCT * and GROUP BY \
                     of the old version on {} fail from now on",
                    shown(table)
                ),
                format!("ALTER TABLE {} ADD COLUMN {} jsonb", shown(table), shown(&def.name)),
            );
        }
    }

    fn column_option(
        &mut self,
        table: &ObjectName,
        new: bool,
        def: &ColumnDef,
        added: NewColumn,
        option: &ColumnOption,
    ) {
        if let ColumnOption::ForeignKey(key) = option {
            self.references(&key.foreign_table, key);
        }
        if new {
            return;
        }
        match option {
            ColumnOption::Default(value) if !is_constant(value) => self.say(
                Rule::VolatileDefault,
                format!(
                    "the default of {} may be another one for every row, so that {} is written \
                     anew while nobody reads or writes it",
                    shown(&def.name),
                    shown(table)
                ),
                format!(
                    "ADD COLUMN {0} {1}; then, in a statement of its own, ALTER COLUMN {0} SET \
                     DEFAULT …; old rows in batches",
                    shown(&def.name),
                    shown(&def.data_type)
                ),
            ),
            ColumnOption::Generated { generation_expr: Some(_), generation_expr_mode, .. }
                if *generation_expr_mode == Some(GeneratedExpressionMode::Stored) =>
            {
                self.say(
                    Rule::StoredGeneratedColumn,
                    format!(
                        "{} is computed for every row while nobody reads or writes it",
                        shown(&def.name)
                    ),
                    "a nullable column that the new version writes, filled in batches; or a \
                     VIRTUAL one",
                );
            }
            ColumnOption::Unique(_) | ColumnOption::PrimaryKey(_) => {
                // Numbers that the database gives do not repeat each other.
                if !added.stays_null() && !options(def).numbered {
                    self.violates(
                        Rule::AddUnique,
                        table,
                        &format!("{} to be unique", shown(&def.name)),
                    );
                }
                self.builds_index(table);
            }
            ColumnOption::ForeignKey(_) => {
                if !added.stays_null() {
                    let what = format!("{} to refer to a row that exists", shown(&def.name));
                    self.violates(Rule::AddForeignKey, table, &what);
                }
                self.validates(table);
            }
            ColumnOption::Check(check) => {
                let passes = self.null_passes(table, &check.expr);
                if !passes {
                    self.violates(Rule::AddCheck, table, "a condition to hold");
                }
                self.validates(table);
            }
            ColumnOption::Null
            | ColumnOption::NotNull
            | ColumnOption::Default(_)
            | ColumnOption::Generated { .. }
            | ColumnOption::Identity(_)
            | ColumnOption::DialectSpecific(_)
            | ColumnOption::CharacterSet(_)
            | ColumnOption::Collation(_)
            | ColumnOption::Comment(_)
            | ColumnOption::OnUpdate(_)
            | ColumnOption::Srid(_)
            | ColumnOption::Invisible => {}
            _ => self.unknown(&format!("an option of the column {}", shown(&def.name))),
        }
    }

    /// A condition that holds of every row in which the columns of this release are NULL.
    pub(super) fn null_passes(&self, table: &ObjectName, check: &Expr) -> bool {
        let key = self.key(table);
        let is_null = |ident: &Ident| {
            let name = column(self.settings.dialect, ident);
            self.known.column(key.as_ref(), &name).is_some_and(NewColumn::stays_null)
        };
        null_passes(check, &is_null)
    }

    /// A reference to a table that old versions delete from.
    pub(super) fn references(&mut self, to: &ObjectName, key: &ForeignKeyConstraint) {
        use sqlparser::ast::ReferentialAction::{Cascade, SetDefault, SetNull};
        if self.is_new(Kind::Table, to) {
            return;
        }
        self.locks(&shown(to));
        if !matches!(key.on_delete, Some(Cascade | SetNull | SetDefault)) {
            self.say(
                Rule::ReferenceHoldsRows,
                format!(
                    "the old version does not know what refers to {0}: its DELETE FROM {0} fails \
                     as soon as the new one has written a row that does",
                    shown(to)
                ),
                "ON DELETE CASCADE or SET NULL; or no reference before a contract release; or, \
                 where no version deletes such rows, allow it with that reason",
            );
        }
    }
}

fn options(def: &ColumnDef) -> Options {
    let mut all = Options::default();
    if let DataType::Custom(name, _) = &def.data_type {
        let name = name.to_string().to_ascii_lowercase();
        let serial = ["serial", "bigserial", "smallserial", "serial2", "serial4", "serial8"];
        all.numbered = serial.contains(&name.as_str());
        all.not_null = all.numbered;
    }
    for option in &def.options {
        match &option.option {
            ColumnOption::NotNull | ColumnOption::PrimaryKey(_) => all.not_null = true,
            ColumnOption::Default(value) => all.has_default |= !is_null(value),
            ColumnOption::Generated { generation_expr: Some(_), .. } => all.has_default = true,
            ColumnOption::Generated { .. } | ColumnOption::Identity(_) => {
                all.numbered = true;
                all.not_null = true;
            }
            ColumnOption::DialectSpecific(tokens) => {
                let is = |token: &sqlparser::tokenizer::Token| {
                    token.to_string().eq_ignore_ascii_case("AUTO_INCREMENT")
                };
                all.numbered |= tokens.iter().any(is);
            }
            _ => {}
        }
    }
    all
}
