//! One statement after another, against the rules.

use sqlparser::ast::{ObjectName, Statement};
use sqlparser::tokenizer::Token;

use super::known::{Key, Kind, Known, key};
use super::parse::{Parsed, Tree};
use super::{Dialect, Rule, Settings};

mod alter;
mod column;
mod constraint;
mod data;
mod drops;
mod expression;
mod index;
mod makes;
mod new_column;
mod others;
mod rename;
mod session;

/// What a rule says of a statement.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) rule: Rule,
    pub(super) why: String,
    pub(super) instead: String,
}

/// The rules, with what is known so far.
#[derive(Debug)]
pub(super) struct Judge<'a> {
    pub(super) settings: &'a Settings,
    pub(super) known: Known,
    said: Vec<Said>,
    /// The words and signs of the statement.
    words: Vec<Token>,
    /// Whether it is a DROP INDEX CONCURRENTLY, which the tree does not tell.
    concurrently: bool,
}

impl<'a> Judge<'a> {
    pub(super) fn new(settings: &'a Settings) -> Self {
        Self {
            settings,
            known: Known::default(),
            said: Vec::new(),
            words: Vec::new(),
            concurrently: false,
        }
    }

    /// What is to be said of what was parsed, which begins at `line`.
    pub(super) fn judge(&mut self, parsed: Parsed, line: u64) -> Vec<Said> {
        self.words = parsed.words;
        self.concurrently = parsed.concurrently;
        match &parsed.tree {
            Tree::Statement(statement) => self.statement(statement, line),
            Tree::Reindex => self.reindex(),
            Tree::Cluster => self.rewrites(&ObjectName(Vec::new()), "CLUSTER"),
            Tree::Do => self.opaque("a block of code"),
        }
        let phase = self.settings.phase;
        let mut said = std::mem::take(&mut self.said);
        said.retain(|said| said.rule.holds_in(phase));
        said
    }

    fn statement(&mut self, statement: &Statement, line: u64) {
        match statement {
            Statement::CreateTable(table) => self.create_table(table),
            Statement::CreateIndex(index) => self.create_index(index),
            Statement::AlterTable(table) => self.alter_table(table),
            Statement::Update(_)
            | Statement::Delete(_)
            | Statement::Insert(_)
            | Statement::Truncate(_)
            | Statement::Merge(_)
            | Statement::Query(_) => self.data(statement),
            Statement::Drop { .. }
            | Statement::DropFunction(_)
            | Statement::DropProcedure { .. }
            | Statement::DropDomain(_)
            | Statement::DropTrigger(_)
            | Statement::DropPolicy(_)
            | Statement::DropRule(_)
            | Statement::DropExtension(_)
            | Statement::DropOperator(_)
            | Statement::DropOperatorFamily(_)
            | Statement::DropOperatorClass(_) => self.drops(statement),
            Statement::RenameTable(_)
            | Statement::AlterSchema(_)
            | Statement::AlterIndex { .. }
            | Statement::AlterView(_)
            | Statement::AlterFunction(_)
            | Statement::AlterType(_) => self.renames(statement),
            Statement::Set(_)
            | Statement::Reset(_)
            | Statement::Use(_)
            | Statement::StartTransaction { .. }
            | Statement::Commit { .. }
            | Statement::Rollback { .. }
            | Statement::Savepoint { .. }
            | Statement::ReleaseSavepoint { .. } => self.session(statement, line),
            Statement::CreateView(_)
            | Statement::CreateFunction(_)
            | Statement::CreateProcedure { .. }
            | Statement::CreateTrigger(_)
            | Statement::CreateRule(_)
            | Statement::CreatePolicy(_)
            | Statement::CreateType { .. }
            | Statement::CreateDomain(_)
            | Statement::CreateSequence { .. }
            | Statement::CreateSchema { .. } => self.makes(statement),
            others => self.others(others),
        }
    }

    fn say(&mut self, rule: Rule, why: impl Into<String>, instead: impl Into<String>) {
        self.said.push(Said { rule, why: why.into(), instead: instead.into() });
    }

    fn unknown(&mut self, what: &str) {
        self.say(
            Rule::UnknownStatement,
            format!("no rule knows what {what} does to the version that runs meanwhile"),
            "leave it out of the release, or find out and say \
             `-- bluegreen: allow unknown-statement because …`",
        );
    }

    fn key(&self, name: &ObjectName) -> Option<Key> {
        key(self.settings.dialect, name)
    }

    fn is_postgres(&self) -> bool {
        self.settings.dialect == Dialect::Postgres
    }

    fn is_new(&self, kind: Kind, name: &ObjectName) -> bool {
        self.known.has_made(kind, self.key(name).as_ref())
    }

    fn in_transaction(&self) -> bool {
        self.settings.in_transactions || self.known.session.transaction.is_some()
    }

    /// A lock that readers or writers wait for is asked for on `what`.
    fn locks(&mut self, what: &str) {
        let session = &mut self.known.session;
        // What the files say comes after what was said elsewhere.
        let said = session.local_lock_timeout.or(session.lock_timeout);
        if said.unwrap_or(self.settings.lock_timeout_elsewhere) || session.told {
            return;
        }
        session.told = true;
        let (setting, value) = match self.settings.dialect {
            Dialect::Postgres => ("lock_timeout", "'2s'"),
            Dialect::Mysql => ("SESSION lock_wait_timeout", "2"),
        };
        self.say(
            Rule::MissingLockTimeout,
            format!(
                "while it waits for its lock on {what}, behind one long query, every query of both \
                 versions that comes after waits behind it"
            ),
            format!("SET {setting} = {value}; before it, and try again when it gives up"),
        );
    }
}

/// A name fit to be shown.
fn shown(name: &(impl ToString + ?Sized)) -> String {
    crate::excerpt::Mask::default().beginning_of(name.to_string().as_bytes())
}
