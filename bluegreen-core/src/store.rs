//! Where the record of a release outlives the process.

use async_trait::async_trait;
use bytes::Bytes;

use crate::{Document, Problem, Record, ReleaseId, Result, Revision};

/// The largest record in bytes.
pub const MAX_RECORD: usize = 64 * 1024;
/// The largest blob in bytes.
pub const MAX_BLOB: usize = 512 * 1024;

/// Keeps the record of an agent's release, the finished ones, and blobs.
///
/// # Contract
/// * `loads_what_was_saved`.
/// * `the_first_save_needs_an_empty_store`: [`Conflict`](crate::ErrorKind::Conflict) otherwise.
/// * `refuses_a_stale_writer`: of two that loaded the same revision the second to save gets a
///   [`Conflict`](crate::ErrorKind::Conflict) and changes nothing.
/// * `of_two_saves_at_once_exactly_one_wins`.
/// * `knows_the_revision_of_what_it_saved`: [`written`](Self::written) is that of the last save, by
///   nobody else.
/// * `refuses_a_record_that_is_too_large` with [`Rejected`](crate::ErrorKind::Rejected).
/// * `watching_sees_a_save`, also one that came before the watch but after the revision.
/// * `lists_what_was_archived_newest_first`, and archiving the same release again replaces it.
/// * `keeps_at_most_so_many`: older finished releases go, the newest stay.
/// * `a_blob_reads_back`, replaces its predecessor, and an unknown one is `None`.
/// * `refuses_a_blob_that_is_too_large` with [`Rejected`](crate::ErrorKind::Rejected).
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait ReleaseStore: Send + Sync {
    /// What stands in the way of saving: rights, mostly. Reads only.
    async fn check(&self) -> Result<Vec<Problem>>;

    /// The record and its revision; `None` if there was never a release.
    async fn load(&self) -> Result<Option<Stored>>;

    /// Writes the document if the stored one is still at `expected` (`None`: if there is none).
    ///
    /// # Errors
    /// [`Conflict`](crate::ErrorKind::Conflict) if it is not; [`Unknown`](crate::ErrorKind::Unknown)
    /// when the answer was lost: load before deciding.
    async fn save(&self, document: &Document, expected: Option<Revision>) -> Result<Revision>;

    /// Which revision is stored, and who else wrote it, without a look at what it says: also of
    /// what cannot be read as a record. `None` where nothing is stored.
    async fn written(&self) -> Result<Option<Written>>;

    /// Returns once the stored revision differs from `known`, with what is stored then.
    ///
    /// # Cancel safety
    /// Only waits; compares revisions, not events.
    async fn watch(&self, known: Option<Revision>) -> Result<Option<Stored>>;

    /// Keeps a finished record. At most `keep` finished ones stay.
    async fn archive(&self, record: &Record, keep: u32) -> Result<()>;

    /// The finished records, newest first.
    async fn list(&self) -> Result<Vec<Document>>;

    /// Keeps `content` under `name` for this release.
    async fn put_blob(&self, release: &ReleaseId, name: &str, content: Bytes) -> Result<()>;

    /// What is kept under `name` for this release.
    async fn blob(&self, release: &ReleaseId, name: &str) -> Result<Option<Bytes>>;
}

/// A document with the token to replace it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Stored {
    /// What is stored.
    pub document: Document,
    /// Its compare-and-set token.
    pub revision: Revision,
}

impl Stored {
    /// A document and its token.
    pub fn new(document: Document, revision: Revision) -> Self {
        Self { document, revision }
    }
}

/// Which revision is stored, and by whom.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Written {
    /// The compare-and-set token.
    pub revision: Revision,
    /// Who wrote it, if that was not this library and is known: the name of a field manager.
    pub by: Option<String>,
}

impl Written {
    /// A revision that was written by `by`, or by this library.
    pub fn new(revision: Revision, by: Option<String>) -> Self {
        Self { revision, by }
    }
}
