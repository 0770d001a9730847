//! Columns that are added, changed or dropped.

use sqlparser::ast::{
    AlterColumnOperation, ColumnDef, ColumnOption, DataType, ForeignKeyConstraint,
    GeneratedExpressionMode, Ident, ObjectName,
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
                    "the old version does not know {shows}: each of its INSERTs fails, as it gives no \
                     value for a column that demands one"
                ),
                format!(
                    "ALTER TABLE {} ADD COLUMN {} {}; with a constant DEFAULT or NULL; SET NOT NULL in a \
                     contract release, when every writer knows it",
                    shown(table),
                    shown(&def.name),
                    shown(&def.data_type)
                ),
            );
        }
        if options.numbered {
            self.say(
                Rule::AutoIncrementColumn,
                format!("every row of {} gets its number while nobody reads or writes", shown(table)),
                "a nullable column; a sequence as its DEFAULT in a statement of its own; numbers for \
                 old rows in batches",
            );
        }
        if self.is_postgres() && def.data_type == DataType::JSON {
            self.say(
                Rule::JsonColumn,
                format!(
                    "values of the type json can not be compared: SELECT DISTINCT * and GROUP BY of the \
                     old version on {} fail from now on",
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
                    "the default of {} may be another one for every row, so that {} is written anew \
                     while nobody reads or writes it",
                    shown(&def.name),
                    shown(table)
                ),
                format!(
                    "ADD COLUMN {0} {1}; then, in a statement of its own, ALTER COLUMN {0} SET DEFAULT \
                     …; old rows in batches",
                    shown(&def.name),
                    shown(&def.data_type)
                ),
            ),
            ColumnOption::Generated { generation_expr: Some(_), generation_expr_mode, .. }
                if *generation_expr_mode == Some(GeneratedExpressionMode::Stored) =>
            {
                self.say(
                    Rule::StoredGeneratedColumn,
                    format!("{} is computed for every row while nobody reads or writes it", shown(&def.name)),
                    "a nullable column that the new version writes, filled in batches; or a VIRTUAL one",
                );
            }
            ColumnOption::Unique(_) | ColumnOption::PrimaryKey(_) => {
                if !added.stays_null() {
                    self.violates(Rule::AddUnique, table, &format!("{} to be unique", shown(&def.name)));
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
    pub(super) fn null_passes(&self, table: &ObjectName, check: &sqlparser::ast::Expr) -> bool {
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
                    "the old version does not know what refers to {0}: its DELETE FROM {0} fails as soon \
                     as the new one has written a row that does",
                    shown(to)
                ),
                "ON DELETE CASCADE or SET NULL; or no reference before a contract release; or, where no \
                 version deletes such rows, allow it with that reason",
            );
        }
    }

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
                        format!("the old version may write NULL in {shows}: from now on that fails"),
                        "make every version that runs write a value, fill old rows in batches; SET NOT \
                         NULL in a contract release",
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
                format!("the old version does not expect the NULL that the new one may write in {shows}"),
                "let a release read NULL before one writes it; DROP NOT NULL when no older version runs",
            ),
            AlterColumnOperation::SetDefault { .. } if found.is_none() => self.say(
                Rule::ChangeDefault,
                format!("what the old version leaves out of its INSERTs becomes another value in {shows}"),
                "write the new value from the new version; leave the default until no older one runs",
            ),
            AlterColumnOperation::SetDefault { value } => {
                if let Some(column) = self.known.column_mut(key.as_ref(), &name) {
                    column.has_default = !is_null(value);
                }
            }
            AlterColumnOperation::DropDefault if found.is_none_or(|it| !it.nullable) => self.say(
                Rule::DropDefault,
                format!(
                    "the old version leaves {shows} out of its INSERTs: they fail, or store NULL where \
                     it does not expect it"
                ),
                "keep the default until no version that relies on it runs; then, in a contract release",
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
                let is_text = matches!(data_type, DataType::Text | DataType::Varchar(_) | DataType::CharacterVarying(_));
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
                format!("the old version's own values for {shows} are refused or overtaken by numbers"),
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
                "ALTER TABLE {table} ADD CONSTRAINT c CHECK ({column} IS NOT NULL) NOT VALID; then VALIDATE \
                 CONSTRAINT c; then SET NOT NULL, which reads nothing; then DROP CONSTRAINT c"
            ),
        );
    }

    pub(super) fn modify_column(&mut self, table: &ObjectName, ident: &Ident, to: &DataType) {
        let key = self.key(table);
        let name = column(self.settings.dialect, ident);
        if self.known.column(key.as_ref(), &name).is_some() {
            return;
        }
        let (table, column, to) = (shown(table), shown(ident), shown(to));
        self.say(
            Rule::ChangeColumnType,
            format!(
                "the old version reads and writes {table}.{column} as what it was: as {to} its statements \
                 may fail, cut values off or compare them otherwise"
            ),
            format!(
                "ALTER TABLE {table} ADD COLUMN {column}_new {to}; write both, fill old rows in batches, read \
                 the new one; drop {column} in a contract release. Where {to} only has more room than \
                 before, allow it with that reason"
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
                "stop reading and writing {column} in this release; ALTER TABLE {table} DROP COLUMN {column} \
                 in a contract release, when no version that knows it runs or can come back"
            ),
        );
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
