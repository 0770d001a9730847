//! Suites in files.

use std::path::Path;

use serde_json::{Map, Value};

use super::prepare;
use super::promptfoo;
use super::suite::Suite;
use crate::config_error::{self, ConfigError};
use crate::document::{self, Source};

/// Reads a suite from a file, of our own form or promptfoo's.
pub(super) fn from_file(path: &Path) -> Result<Suite, ConfigError> {
    let (name, text) = (path.display().to_string(), config_error::text_of(path)?);
    let source = Source { name: &name, text: &text };
    // A text that is no map at all is told so below.
    let top: Result<Map<String, Value>, _> = document::read(source, |_, _| Vec::new());
    let is_ours = |key: &str| matches!(key, "agent" | "cases");
    match top {
        Ok(top) if !top.keys().any(|key| is_ours(key)) && promptfoo::is_one(&top) => {
            promptfoo::from_file(path, None)
        }
        _ => from_text(&name, &text),
    }
}

/// Reads a suite from a text.
pub(super) fn from_text(name: &str, text: &str) -> Result<Suite, ConfigError> {
    let check = |suite: &Suite, original: document::Original<'_>| {
        prepare::prepare(&suite.while_reading(), original).1
    };
    let (mut suite, notes) = document::read_with_notes(Source { name, text }, check)
        .map_err(|problems| ConfigError::new(name, problems))?;
    for note in notes.into_iter().filter(|note| note.problem.code == prepare::NAMED) {
        let (path, grader) = (document::text_of(&note.path), note.problem.found);
        suite.graders.found_at(path, grader, note.place);
    }
    Ok(suite)
}
