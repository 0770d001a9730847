//! Suites in files.

use std::cell::Cell;
use std::path::Path;

use serde::Deserialize;

use super::made::Made;
use super::prepare;
use super::promptfoo;
use super::suite::Suite;
use crate::config_error::{self, ConfigError};
use crate::document::{self, Document, Source};

/// A suite that was read.
pub(super) struct Found {
    pub(super) suite: Suite,
    /// The same made ready, where nothing is missing that is no part of its file.
    pub(super) made: Option<Made>,
}

/// Reads a suite from a file, of our own form or promptfoo's.
pub(super) fn from_file(path: &Path) -> Result<Found, ConfigError> {
    let (name, text) = (path.display().to_string(), config_error::text_of(path)?);
    let document = parsed(&name, &text)?;
    let keys = document.keys();
    let is_ours = keys.iter().any(|key| matches!(*key, "agent" | "cases"));
    if !is_ours && promptfoo::is_one(&keys) {
        return promptfoo::from_file(path, None).map(|suite| Found { suite, made: None });
    }
    suite_of(&name, document, path.parent().unwrap_or(Path::new("")))
}

/// Reads a suite from a text.
pub(super) fn from_text(name: &str, text: &str) -> Result<Found, ConfigError> {
    suite_of(name, parsed(name, text)?, Path::new(""))
}

fn parsed<'a>(name: &'a str, text: &'a str) -> Result<Document<'a>, ConfigError> {
    Document::parse(Source { name, text }).map_err(|problems| ConfigError::new(name, problems))
}

fn suite_of(name: &str, document: Document<'_>, folder: &Path) -> Result<Found, ConfigError> {
    let made = Cell::new(None);
    let check = |suite: &WhileReading, original: document::Original<'_>| {
        if let Some(file) = &suite.0.case_file {
            file.look_from(folder);
        }
        let (prepared, problems) = prepare::prepare(&suite.0, original);
        let said = problems.iter().map(|(_, problem)| problem.clone()).collect();
        made.set(Some(Made { prepared, problems: said }));
        problems
    };
    let (WhileReading(mut suite), notes) =
        document.read_with_notes(check).map_err(|problems| ConfigError::new(name, problems))?;
    suite.graders.have_been_read();
    let mut made = made.into_inner();
    for note in notes.into_iter().filter(|note| note.problem.code == prepare::NAMED) {
        // Who brings it comes now, and then it is seen whether all is there.
        made = None;
        let (path, grader) = (document::text_of(&note.path), note.problem.found);
        suite.graders.found_at(path, grader, note.place);
    }
    Ok(Found { suite, made })
}

/// A suite while its file is read: who brings graders comes later.
#[derive(Deserialize)]
#[serde(from = "Suite")]
struct WhileReading(Suite);

impl From<Suite> for WhileReading {
    fn from(mut suite: Suite) -> Self {
        suite.graders.are_being_read();
        Self(suite)
    }
}
