//! What was found.

use std::fmt;

use bluegreen_core::{Problem, Verdict};
use serde::Serialize;

use super::{Danger, Rule};

/// One statement that a rule names.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct MigrationFinding {
    /// The file, or the name that a text was given.
    pub file: String,
    /// The line of the statement's first word, from 1.
    pub line: u64,
    /// The column of it in characters, from 1.
    pub column: u64,
    /// The rule.
    pub rule: Rule,
    /// What the statement may do.
    pub danger: Danger,
    /// The beginning of the statement in one line.
    pub statement: String,
    /// Why the other slot does not bear it.
    pub why: String,
    /// What to do in its place: SQL, or steps.
    pub instead: String,
    /// Why a person has said that it is right all the same; it is a notice then, and refuses nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed: Option<String>,
}

impl MigrationFinding {
    /// `db/0007.sql:3:1`.
    pub fn place(&self) -> String {
        format!("{}:{}:{}", self.file, self.line, self.column)
    }
}

impl fmt::Display for MigrationFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {} ({})", self.place(), self.rule, self.danger)?;
        writeln!(f, "    {}", self.statement)?;
        write!(f, "  why: {}\n  instead: {}", self.why, self.instead)?;
        match &self.allowed {
            Some(reason) => write!(f, "\n  allowed, because {reason}"),
            None => Ok(()),
        }
    }
}

/// All that was found in all files.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Review {
    /// How many files were read.
    pub files: usize,
    /// How many statements were looked at.
    pub statements: usize,
    /// What is wrong with the input: files that are missing, unreadable, too big or no text.
    pub problems: Vec<Problem>,
    /// What refuses the release, by file and line.
    pub findings: Vec<MigrationFinding>,
    /// What was found and does not refuse it, because a person or a setting has said so.
    pub notices: Vec<MigrationFinding>,
}

impl Review {
    /// `Fail` with findings, `Inconclusive` when the input has problems, and otherwise `Pass`: every
    /// statement is known to be safe.
    pub fn verdict(&self) -> Verdict {
        if !self.findings.is_empty() {
            Verdict::Fail
        } else if !self.problems.is_empty() || self.statements == 0 {
            Verdict::Inconclusive
        } else {
            Verdict::Pass
        }
    }

    /// One line for people: `12 statements in 2 files, what breaks the other slot: 3, 1 notice`.
    pub fn summary(&self) -> String {
        let count = |danger| self.findings.iter().filter(|it| it.danger == danger).count();
        let (statements, files) =
            (counted(self.statements, "statement"), counted(self.files, "file"));
        let mut parts = vec![format!("{statements} in {files}")];
        let dangers = [
            (Danger::Breaks, "what breaks the other slot"),
            (Danger::Blocks, "what blocks it"),
            (Danger::Unknown, "what cannot be judged"),
        ];
        for (danger, what) in dangers {
            if count(danger) > 0 {
                parts.push(format!("{what}: {}", count(danger)));
            }
        }
        if self.findings.is_empty() && self.problems.is_empty() {
            parts.push("all known to be safe".to_owned());
        }
        if !self.notices.is_empty() {
            parts.push(counted(self.notices.len(), "notice"));
        }
        if !self.problems.is_empty() {
            parts.push(counted(self.problems.len(), "problem") + " with the input");
        }
        parts.join(", ")
    }
}

fn counted(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// Everything, for people: problems, findings, notices and the summary.
impl fmt::Display for Review {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.problems {
            writeln!(f, "{problem}")?;
        }
        for finding in &self.findings {
            writeln!(f, "{finding}")?;
        }
        for notice in &self.notices {
            writeln!(f, "notice: {notice}")?;
        }
        write!(f, "{}: {}", self.verdict(), self.summary())
    }
}
