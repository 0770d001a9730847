//! What a session says of itself: transactions and settings.

use sqlparser::ast::{ContextModifier, Expr, ObjectName, Reset, Set, Statement, Value};

use super::{Judge, shown};
use crate::migrations::Rule;

/// Settings that change no meaning of what follows.
const HARMLESS: [&str; 12] = [
    "application_name",
    "client_encoding",
    "client_min_messages",
    "deadlock_timeout",
    "idle_in_transaction_session_timeout",
    "innodb_lock_wait_timeout",
    "maintenance_work_mem",
    "statement_timeout",
    "time_zone",
    "timezone",
    "transaction_timeout",
    "work_mem",
];

impl Judge<'_> {
    pub(super) fn session(&mut self, statement: &Statement, line: u64) {
        match statement {
            Statement::Set(set) => self.set(set),
            Statement::Reset(reset) => match &reset.reset {
                Reset::ConfigurationParameter(name) => self.reset(name),
                _ => self.reset(&ObjectName(Vec::new())),
            },
            Statement::Use(_) => self.known.forget_unqualified(),
            Statement::StartTransaction { statements, .. } => {
                if !statements.is_empty() {
                    return self.opaque("a block of statements");
                }
                self.known.session.transaction.get_or_insert(line);
            }
            Statement::Commit { .. } => self.known.session.ends_transaction(),
            // What was made is there no more, also what is believed to be new.
            Statement::Rollback { .. } => {
                self.known = crate::migrations::known::Known::default();
                self.unknown("what is left after ROLLBACK");
            }
            _ => {}
        }
    }

    fn set(&mut self, set: &Set) {
        match set {
            Set::SingleAssignment { scope, variable, values, .. } => {
                self.assign(scope.as_ref(), variable, values);
            }
            Set::MultipleAssignments { assignments } => {
                for one in assignments {
                    self.assign(one.scope.as_ref(), &one.name, std::slice::from_ref(&one.value));
                }
            }
            Set::SetTimeZone { .. } | Set::SetNames { .. } | Set::SetNamesDefault {} => {}
            _ => self.unknown("this setting"),
        }
    }

    fn assign(&mut self, scope: Option<&ContextModifier>, variable: &ObjectName, values: &[Expr]) {
        let name = variable.to_string().to_ascii_lowercase();
        let name = name.trim_start_matches("@@").trim_start_matches("session.");
        if matches!(scope, Some(ContextModifier::Global)) {
            return self.unknown(&format!("the setting {} of the whole server", shown(name)));
        }
        let timeout = if self.is_postgres() { "lock_timeout" } else { "lock_wait_timeout" };
        if name == timeout {
            let is_default = values.len() == 1
                && matches!(values.first(), Some(it) if it.to_string().eq_ignore_ascii_case("default"));
            let unit = if self.is_postgres() { 1 } else { 1000 };
            let bounds = values.len() == 1 && values.first().is_some_and(|it| bounds(it, unit));
            let bounds = (!is_default).then_some(bounds);
            let session = &mut self.known.session;
            match scope {
                // Outside a transaction it is over at once.
                Some(ContextModifier::Local)
                    if session.transaction.is_none() && !self.settings.in_transactions => {}
                Some(ContextModifier::Local) => session.local_lock_timeout = bounds,
                _ => session.lock_timeout = bounds,
            }
        } else if name == "search_path" {
            self.known.forget_unqualified();
        } else if !HARMLESS.contains(&name) {
            self.unknown(&format!("the setting {}", shown(name)));
        }
    }

    fn reset(&mut self, name: &ObjectName) {
        let name = name.to_string().to_ascii_lowercase();
        if name.is_empty() || name == "lock_timeout" {
            self.known.session.lock_timeout = None;
            self.known.session.local_lock_timeout = None;
        }
        if name.is_empty() || name == "search_path" {
            self.known.forget_unqualified();
        }
    }

    /// At the end of a file: a transaction that is still open.
    pub(in crate::migrations) fn ends(&mut self) -> Option<(u64, super::Said)> {
        let line = self.known.session.transaction?;
        self.say(
            Rule::UncommittedTransaction,
            "its locks are held until the connection ends, and then all of it is taken back",
            "COMMIT; at the end of the file",
        );
        self.said.pop().map(|said| (line, said))
    }
}

/// The longest wait for a lock that bounds anything: everybody behind it waits as long.
const LONGEST_MILLIS: u64 = 60_000;

/// Whether it is a time that bounds a wait, and not 0, which is for ever. A number without a unit is of so
/// many milliseconds.
fn bounds(value: &Expr, unit: u64) -> bool {
    let Expr::Value(value) = value else { return false };
    let text = match &value.value {
        Value::Number(number, _) => number.clone(),
        Value::SingleQuotedString(text) => text.clone(),
        _ => return false,
    };
    let text = text.trim();
    let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
    let unit = match text[digits.len()..].trim() {
        "" => unit,
        "ms" => 1,
        "s" => 1000,
        "min" => LONGEST_MILLIS,
        // Microseconds are rounded, and hours are no bound.
        _ => return false,
    };
    digits
        .parse::<u64>()
        .is_ok_and(|value| (1..=LONGEST_MILLIS).contains(&value.saturating_mul(unit)))
}
