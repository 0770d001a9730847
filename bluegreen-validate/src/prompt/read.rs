//! Suites in files.

use std::path::Path;

use super::prepare;
use super::suite::Suite;
use crate::config_error::{self, ConfigError};
use crate::document::{self, Source};

/// Reads a suite from a file.
pub(super) fn from_file(path: &Path) -> Result<Suite, ConfigError> {
    from_text(&path.display().to_string(), &config_error::text_of(path)?)
}

/// Reads a suite from a text.
pub(super) fn from_text(name: &str, text: &str) -> Result<Suite, ConfigError> {
    document::read(Source { name, text }, |suite, original| prepare::prepare(suite, original).1)
        .map_err(|problems| ConfigError::new(name, problems))
}
