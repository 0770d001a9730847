//! What is known when a run begins.

use std::sync::Arc;

use bluegreen_core::{Digest, Timestamp, Trial};

use super::saved::SavedBook;
use crate::prompt::made::Made;
use crate::prompt::prepare::Prepared;
use crate::prompt::run::Results;
use crate::prompt::suite::Suite;

/// What is known when a run begins.
pub(in crate::prompt::run) struct Begun<'a, 'r> {
    pub(in crate::prompt::run) suite: &'a Suite,
    pub(in crate::prompt::run) digest: &'a Digest,
    pub(in crate::prompt::run) prepared: &'a Prepared,
    /// What that is a part of.
    pub(in crate::prompt::run) made: &'a Arc<Made>,
    pub(in crate::prompt::run) trial: &'a Trial,
    /// With what is known from before.
    pub(in crate::prompt::run) results: &'r Results,
    /// What the state of the last look has of it.
    pub(in crate::prompt::run) book: Option<SavedBook>,
    /// Pairs that are planned.
    pub(in crate::prompt::run) planned: usize,
    /// When it began, and until when it may last.
    pub(in crate::prompt::run) now: Timestamp,
    pub(in crate::prompt::run) until: Timestamp,
    /// What else a report says of it, by name.
    pub(in crate::prompt::run) facts: Vec<(&'static str, String)>,
}
