//! The fencing number on an object, and the writes that are conditional on it.

use std::collections::BTreeMap;

use bluegreen_core::{Epoch, Error, ErrorKind, Result};
use serde::Serialize;
use serde_json::{Value, json};

use crate::Settings;
use crate::names::pointer_step;
use crate::printable::quoted;

/// What was found in place of the epoch annotation. A patch has to test exactly that.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Stamp {
    /// No annotations at all.
    NoAnnotations,
    /// Others, but not ours.
    Missing,
    /// This text.
    Text(String),
}

impl Stamp {
    pub(crate) fn read(
        annotations: Option<&BTreeMap<String, String>>,
        settings: &Settings,
    ) -> Self {
        match annotations.map(|found| found.get(&settings.epoch_annotation())) {
            Some(Some(text)) => Self::Text(text.clone()),
            Some(None) => Self::Missing,
            None => Self::NoAnnotations,
        }
    }

    /// The fencing number.
    ///
    /// # Errors
    /// The text that is there and is none.
    pub(crate) fn epoch(&self) -> Result<Epoch, &str> {
        match self {
            Self::NoAnnotations | Self::Missing => Ok(Epoch::default()),
            Self::Text(text) => text.parse().map(Epoch::new).map_err(|_| text.as_str()),
        }
    }

    /// Refuses a write of `epoch` where a higher one is stamped.
    pub(crate) fn refuse_higher(&self, epoch: Epoch, action: &str) -> Result<()> {
        match self.epoch() {
            Ok(found) if found <= epoch => Ok(()),
            Ok(found) => Err(Error::new(ErrorKind::Conflict, action)
                .with_source(format!("found epoch {found}, wanted at most {epoch}"))),
            Err(text) => Err(Error::new(ErrorKind::Rejected, action)
                .with_source(format!("found epoch {}, which is no number", quoted(text)))),
        }
    }

    /// Tests what is there in place of the epoch, and writes ours.
    ///
    /// A JSON Patch cannot test that something is missing. For that the object must be just as it
    /// was read, at `resource_version`.
    pub(crate) fn push(
        &self,
        operations: &mut Vec<Value>,
        resource_version: &str,
        epoch: u64,
        settings: &Settings,
    ) {
        let (key, ours) = (settings.epoch_annotation(), epoch.to_string());
        match self {
            Self::Text(text) => {
                operations.push(test(&annotation(&key), text));
                operations.push(json!({"op": "replace", "path": annotation(&key), "value": ours}));
            }
            Self::Missing => {
                operations.push(test("/metadata/resourceVersion", resource_version));
                operations.push(annotate(&key, &ours));
            }
            Self::NoAnnotations => {
                operations.push(test("/metadata/resourceVersion", resource_version));
                operations.push(json!({"op": "add", "path": "/metadata/annotations", "value": {}}));
                operations.push(annotate(&key, &ours));
            }
        }
    }
}

/// The operation that tests a value.
pub(crate) fn test(path: &str, value: impl Serialize) -> Value {
    json!({"op": "test", "path": path, "value": value})
}

/// The operation that writes an annotation where there are some.
pub(crate) fn annotate(key: &str, value: &str) -> Value {
    json!({"op": "add", "path": annotation(key), "value": value})
}

/// The pointer to an annotation.
pub(crate) fn annotation(key: &str) -> String {
    format!("/metadata/annotations/{}", pointer_step(key))
}

/// What several writes that went out together come to. `what` is what one of them was of.
///
/// A refusal is told as it is. Where one write was made and another certainly was not, the whole
/// is [`Unknown`](ErrorKind::Unknown): it had an effect, so it is to be read before deciding.
pub(crate) fn all(results: Vec<Result<()>>, what: &str) -> Result<()> {
    let some_done = results.iter().any(Result::is_ok);
    let rank = |error: &Error| match error.kind() {
        ErrorKind::Conflict => 0,
        ErrorKind::Unknown => 1,
        ErrorKind::Rejected => 2,
        ErrorKind::NotFound => 3,
        _ => 4,
    };
    match results.into_iter().filter_map(Result::err).min_by_key(rank) {
        None => Ok(()),
        Some(error) if some_done && error.kind() == ErrorKind::Unavailable => {
            Err(Error::new(ErrorKind::Unknown, error.action().to_owned())
                .with_source(format!("another {what} was written: {}", error.chain())))
        }
        Some(error) => Err(error),
    }
}
