//! Statements about rows.

use sqlparser::ast::{
    AssignmentTarget, Delete, FromTable, Insert, ObjectName, OnConflictAction, OnInsert, SetExpr,
    Statement, TableFactor, TableObject, TableWithJoins, Update,
};
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::Token;

use super::{Judge, shown};
use crate::migrations::Rule;
use crate::migrations::known::{Kind, column};

/// Functions that compute and do nothing else.
const HARMLESS: [&str; 30] = [
    "abs",
    "array",
    "avg",
    "coalesce",
    "concat",
    "count",
    "current_timestamp",
    "date_trunc",
    "format",
    "gen_random_uuid",
    "greatest",
    "json_array",
    "json_build_object",
    "json_object",
    "jsonb_build_object",
    "least",
    "length",
    "lower",
    "max",
    "md5",
    "min",
    "now",
    "nullif",
    "row",
    "substring",
    "sum",
    "trim",
    "upper",
    "uuid",
    "uuid_generate_v4",
];

impl Judge<'_> {
    pub(super) fn data(&mut self, statement: &Statement) {
        match statement {
            Statement::Update(update) => self.update(update),
            Statement::Delete(delete) => self.delete(delete),
            Statement::Insert(insert) => self.insert(insert),
            Statement::Truncate(truncate) => {
                for target in &truncate.table_names {
                    self.truncate(&target.name, truncate.cascade.is_some());
                }
            }
            Statement::Merge(merge) => match &merge.table {
                TableFactor::Table { name, .. } if self.is_new(Kind::Table, name) => self.calls(),
                TableFactor::Table { name, .. } => self.updates(name, &[]),
                _ => self.unknown("MERGE"),
            },
            _ => self.query(),
        }
    }

    fn update(&mut self, update: &Update) {
        let Some(name) = only_table(&update.table) else {
            return self.updates(&ObjectName(Vec::new()), &[]);
        };
        if self.is_new(Kind::Table, name) {
            return self.calls();
        }
        let mut columns = Vec::new();
        for assignment in &update.assignments {
            let names = match &assignment.target {
                AssignmentTarget::ColumnName(name) => std::slice::from_ref(name),
                AssignmentTarget::Tuple(names) => names,
            };
            let last = |name: &ObjectName| name.0.last().and_then(|part| part.as_ident()).cloned();
            columns.extend(names.iter().map(last));
        }
        let key = self.key(name);
        let is_new = |ident: &sqlparser::ast::Ident| {
            self.known.column(key.as_ref(), &column(self.settings.dialect, ident)).is_some()
        };
        let all_new = columns.iter().all(|ident| ident.as_ref().is_some_and(is_new));
        let names: Vec<String> = columns.iter().flatten().map(shown).collect();
        if all_new {
            let table = shown(name);
            let names = names.join(", ");
            self.say(
                Rule::Backfill,
                format!(
                    "every row of {table} that it changes stays locked until all of them are, \
                     and the old version waits to write them"
                ),
                format!(
                    "fill {names} in batches of some thousand rows, each in a transaction of its \
                     own, from a job beside the release"
                ),
            );
        } else if update.selection.is_none() {
            self.say(
                Rule::UpdateAllRows,
                format!(
                    "the old version reads other values in all rows of {}, and waits to write them",
                    shown(name)
                ),
                "write a new column, and let the old one as it is; in batches, with a WHERE",
            );
        } else {
            self.updates(name, &names);
        }
    }

    fn updates(&mut self, table: &ObjectName, columns: &[String]) {
        let what = if columns.is_empty() { "values".to_owned() } else { columns.join(", ") };
        self.say(
            Rule::UpdateRows,
            format!(
                "the old version reads other {what} in rows of {}, and waits while they are \
                 locked",
                shown(table)
            ),
            "write a new column, and let the old one as it is; where both versions take the new \
             values, allow it with that reason",
        );
    }

    fn delete(&mut self, delete: &Delete) {
        let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
        // What stands before FROM may be other names of what stands behind it.
        let tables: Vec<Option<&ObjectName>> = from.iter().map(only_table).collect();
        let is_new =
            |table: Option<&ObjectName>| table.is_some_and(|table| self.is_new(Kind::Table, table));
        if !tables.is_empty() && tables.iter().copied().all(is_new) {
            return self.calls();
        }
        let tables: Vec<&ObjectName> = tables.into_iter().flatten().collect();
        let table = tables.first().map_or_else(|| "the table".to_owned(), shown);
        let (rule, which) = match delete.selection {
            None => (Rule::DeleteAllRows, "any row"),
            Some(_) => (Rule::DeleteRows, "those rows"),
        };
        self.say(
            rule,
            format!("the old version does not find {which} of {table} any more"),
            "mark rows in a new column that the new version heeds; delete in batches, in a \
             contract release, with a WHERE",
        );
    }

    fn truncate(&mut self, table: &ObjectName, cascades: bool) {
        if self.is_new(Kind::Table, table) && !cascades {
            return;
        }
        self.locks(&shown(table));
        let too =
            if cascades { ", and with CASCADE none of any table that refers to it" } else { "" };
        self.say(
            Rule::Truncate,
            format!("the old version finds no row of {}{too}", shown(table)),
            "a new table that the new version reads; drop the old one in a contract release",
        );
    }

    /// Rows that are added are to both versions what any writer adds.
    fn insert(&mut self, insert: &Insert) {
        let TableObject::TableName(table) = &insert.table else {
            return self.unknown("INSERT into something else than a table");
        };
        let new = self.is_new(Kind::Table, table);
        let replaces = match &insert.on {
            Some(OnInsert::OnConflict(conflict)) => {
                !matches!(conflict.action, OnConflictAction::DoNothing)
            }
            Some(_) => true,
            None => insert.replace_into || insert.overwrite || insert.or.is_some(),
        };
        if replaces && !new {
            return self.updates(table, &[]);
        }
        let values =
            insert.source.as_ref().is_none_or(|it| matches!(&*it.body, SetExpr::Values(_)));
        if !values && !self.is_postgres() {
            self.say(
                Rule::LocksTable,
                "INSERT … SELECT locks all rows that it reads until it ends, and both versions \
                 wait to write them",
                "copy in batches from a job beside the release",
            );
        }
        self.calls();
    }

    fn query(&mut self) {
        let acts = [Keyword::INTO, Keyword::FOR, Keyword::LOCK];
        if self.says(&acts) {
            self.opaque("a query that locks or writes");
        } else {
            self.calls();
        }
    }

    /// Says so where a function is called of which nobody knows what it does, or where a query within
    /// the statement writes.
    pub(super) fn calls(&mut self) {
        let values =
            [Keyword::VALUES, Keyword::SELECT, Keyword::SET, Keyword::WITH, Keyword::USING];
        let from = self.words.iter().position(|token| is_one_of(token, &values)).unwrap_or(0);
        // What a DELETE calls may stand anywhere behind its table.
        let deletes = self.words.first().is_some_and(|it| is_one_of(it, &[Keyword::DELETE]));
        let words = &self.words[if deletes { 1 } else { from }..];
        let writes = [Keyword::DELETE, Keyword::UPDATE, Keyword::INSERT, Keyword::MERGE];
        // The first word is that of the statement itself, and DO UPDATE is part of an INSERT.
        let within = words.windows(2).any(|two| {
            is_one_of(&two[1], &writes) && !is_one_of(&two[0], &[Keyword::DO, Keyword::KEY])
        });
        if within {
            return self.opaque("a query that writes within another statement");
        }
        let called = words.windows(2).enumerate().find_map(|(at, two)| match two {
            [Token::Word(word), Token::LParen] => {
                let name = word.value.to_ascii_lowercase();
                // What another schema calls so is another function.
                let is_of_schema = at > 0 && words[at - 1] == Token::Period;
                let harmless = word.quote_style.is_none()
                    && !is_of_schema
                    && (HARMLESS.contains(&name.as_str()) || is_syntax(word.keyword));
                (!harmless).then_some(name)
            }
            _ => None,
        });
        if let Some(name) = called {
            self.opaque(&format!("the function {}", shown(&name)));
        }
    }

    pub(super) fn opaque(&mut self, what: &str) {
        self.say(
            Rule::OpaqueCode,
            format!("{what} is run, and what it does to either version is not seen here"),
            "say what it does in statements of their own; or allow it, with what it does as the \
             reason",
        );
    }

    /// Whether one of these words is in the statement.
    pub(super) fn says(&self, words: &[Keyword]) -> bool {
        self.words.iter().any(|token| is_one_of(token, words))
    }
}

fn is_one_of(token: &Token, words: &[Keyword]) -> bool {
    matches!(token, Token::Word(word) if word.quote_style.is_none() && words.contains(&word.keyword))
}

/// What has brackets after it and is no function.
fn is_syntax(keyword: Keyword) -> bool {
    use Keyword as K;
    matches!(
        keyword,
        K::VALUES
            | K::VALUE
            | K::IN
            | K::AS
            | K::EXISTS
            | K::FROM
            | K::WHERE
            | K::AND
            | K::OR
            | K::NOT
            | K::ON
            | K::SELECT
            | K::CAST
            | K::INTERVAL
            | K::CASE
            | K::WHEN
            | K::THEN
            | K::ELSE
            | K::UNION
            | K::ALL
            | K::ANY
            | K::BY
            | K::OVER
            | K::VARCHAR
            | K::CHAR
            | K::NUMERIC
            | K::DECIMAL
            | K::TIMESTAMP
            | K::JOIN
            | K::USING
            | K::DISTINCT
            | K::LIMIT
            | K::RETURNING
            | K::EXTRACT
            | K::INT
            | K::CONFLICT
    )
}

/// The table, where there is one without joins.
fn only_table(from: &TableWithJoins) -> Option<&ObjectName> {
    match &from.relation {
        TableFactor::Table { name, .. } if from.joins.is_empty() => Some(name),
        _ => None,
    }
}
