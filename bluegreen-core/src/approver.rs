//! People, or programs in their stead, who say yes or no before traffic moves.

use async_trait::async_trait;

use crate::{Actor, Digest, ReleaseId, Result, Timestamp};

/// Decides whether a candidate that passed its gates may have traffic.
///
/// Without one a release waits for the operation `approve`.
///
/// # Contract
/// * `answers_for_the_digest_that_was_asked`.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait Approver: Send + Sync {
    /// Returns once it is decided. The caller bounds it by the request's deadline.
    ///
    /// # Cancel safety
    /// May be dropped and asked again with the same request.
    async fn decide(&self, request: &ApprovalRequest) -> Result<Decision>;
}

/// What is to be approved.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct ApprovalRequest {
    /// The release.
    pub release: ReleaseId,
    /// The digest that the approval is for, and for nothing else.
    pub digest: Digest,
    /// The version of the candidate.
    pub version: String,
    /// Until when it is waited for.
    pub deadline: Timestamp,
}

impl ApprovalRequest {
    /// A request.
    pub fn new(
        release: ReleaseId,
        digest: Digest,
        version: impl Into<String>,
        deadline: Timestamp,
    ) -> Self {
        Self { release, digest, version: version.into(), deadline }
    }
}

/// Yes or no.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Decision {
    /// The candidate may have traffic.
    Approve {
        /// Who said so.
        actor: Actor,
    },
    /// It may not.
    Deny {
        /// Who said so.
        actor: Actor,
        /// Why.
        reason: String,
    },
}
