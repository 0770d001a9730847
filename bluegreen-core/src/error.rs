//! The one error of all traits: what a caller may do about it, and what was being done.

use std::error::Error as StdError;
use std::fmt;

/// The result of every trait method of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What a caller may do about an [`Error`].
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Somebody else changed the object first: read it again and decide anew.
    Conflict,
    /// The object does not exist.
    NotFound,
    /// It will not work however often it is tried.
    Rejected,
    /// It certainly had no effect, and may work when it is tried again.
    Unavailable,
    /// It may or may not have had its effect: read before deciding.
    Unknown,
}

impl ErrorKind {
    /// The kind as programs write it, in `snake_case`.
    pub fn key(self) -> &'static str {
        match self {
            Self::Conflict => "conflict",
            Self::NotFound => "not_found",
            Self::Rejected => "rejected",
            Self::Unavailable => "unavailable",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Conflict => "changed by someone else",
            Self::NotFound => "not found",
            Self::Rejected => "rejected",
            Self::Unavailable => "unavailable",
            Self::Unknown => "outcome unknown",
        })
    }
}

type Source = Box<dyn StdError + Send + Sync>;

/// What went wrong in an implementation of one of the traits.
///
/// `Display` prints this level only (`patch service agent: changed by someone else`);
/// the causes are in [`source`](StdError::source), and [`chain`](Self::chain) prints all of
/// them on one line.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    action: String,
    source: Option<Source>,
}

impl Error {
    /// An error of `kind` met while doing `action`, a lower-case fragment that names the
    /// object: `"patch service agent"`.
    pub fn new(kind: ErrorKind, action: impl Into<String>) -> Self {
        Self { kind, action: action.into(), source: None }
    }

    /// The same error with its cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Source>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What the caller may do about it.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What was being done.
    pub fn action(&self) -> &str {
        &self.action
    }

    /// This error and all its causes on one line, as it is stored in a record.
    pub fn chain(&self) -> String {
        chain(self)
    }
}

/// An error and all its causes on one line.
///
/// A cause is left out when the text before it already ends with it, because some libraries
/// print their source in their own `Display`.
pub fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let part = error.to_string();
        if !text.ends_with(&part) {
            text.push_str(": ");
            text.push_str(&part);
        }
        cause = error.source();
    }
    text.replace(['\n', '\r'], " ")
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.action, self.kind)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_is_one_level_and_chain_is_all() {
        let error = Error::new(ErrorKind::Conflict, "patch service agent")
            .with_source("the test of /spec/selector failed");
        assert_eq!(error.to_string(), "patch service agent: changed by someone else");
        assert_eq!(
            error.chain(),
            "patch service agent: changed by someone else: the test of /spec/selector failed"
        );
    }

    #[test]
    fn a_cause_that_is_already_printed_is_not_repeated() {
        #[derive(Debug, thiserror::Error)]
        #[error("outer: inner")]
        struct Outer(#[source] Inner);
        #[derive(Debug, thiserror::Error)]
        #[error("inner")]
        struct Inner;
        assert_eq!(chain(&Outer(Inner)), "outer: inner");
    }
}
