//! Suites in files.

use std::path::Path;

use super::prepare;
use super::promptfoo;
use super::suite::Suite;
use crate::config_error::{self, ConfigError};
use crate::document::{self, Document, Source};

/// Reads a suite from a file, of our own form or promptfoo's.
pub(super) fn from_file(path: &Path) -> Result<Suite, ConfigError> {
    let (name, text) = (path.display().to_string(), config_error::text_of(path)?);
    let document = parsed(&name, &text)?;
    let keys = document.keys();
    let is_ours = keys.iter().any(|key| matches!(*key, "agent" | "cases"));
    if !is_ours && promptfoo::is_one(&keys) {
        return promptfoo::from_file(path, None);
    }
    suite_of(&name, document)
}

/// Reads a suite from a text.
pub(super) fn from_text(name: &str, text: &str) -> Result<Suite, ConfigError> {
    suite_of(name, parsed(name, text)?)
}

fn parsed<'a>(name: &'a str, text: &'a str) -> Result<Document<'a>, ConfigError> {
    Document::parse(Source { name, text }).map_err(|problems| ConfigError::new(name, problems))
}

fn suite_of(name: &str, document: Document<'_>) -> Result<Suite, ConfigError> {
    let check = |suite: &Suite, original: document::Original<'_>| {
        prepare::prepare(&suite.while_reading(), original).1
    };
    let (mut suite, notes) =
        document.read_with_notes(check).map_err(|problems| ConfigError::new(name, problems))?;
    for note in notes.into_iter().filter(|note| note.problem.code == prepare::NAMED) {
        let (path, grader) = (document::text_of(&note.path), note.problem.found);
        suite.graders.found_at(path, grader, note.place);
    }
    Ok(suite)
}
