//! What every [`Approver`] has to pass.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use super::{Guard, must, within};
use crate::{Actor, ApprovalRequest, Approver, Decision, Digest, ReleaseId};

/// Lets the people behind an approver answer a request in a certain way.
pub type Answer = Box<
    dyn Fn(ApprovalRequest, Decision) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync,
>;

/// An approver, and the people behind it.
#[allow(missing_debug_implementations, reason = "it holds trait objects")]
#[allow(clippy::exhaustive_structs, reason = "a fixture is built as a literal")]
pub struct ApproverFixture {
    /// The approver that is checked.
    pub approver: Arc<dyn Approver>,
    /// Lets the people behind it answer a request, before or after it is made.
    pub answer: Answer,
    /// Until when requests may be answered: a few minutes from now.
    pub deadline: crate::Timestamp,
    /// What must live as long.
    pub guard: Guard,
}

/// Makes a test of each promise of [`Approver`](crate::Approver), from an async closure that
/// returns an
/// [`ApproverFixture`](crate::conformance::approver::ApproverFixture). See [`conformance`](crate::conformance).
#[macro_export]
macro_rules! approver_conformance_tests {
    ($(#[$attribute:meta])* $name:ident: $fixture:expr $(,)?) => {
        $crate::__conformance_tests! {
            approver { $(#[$attribute])* } $name ($fixture) [
                answers_for_the_digest_that_was_asked,
            ]
        }
    };
    ($fixture:expr $(,)?) => {
        $crate::approver_conformance_tests! { approver: $fixture }
    };
}

/// Each request gets the answer that was given for its digest, whichever came first, and the same
/// one when it is asked again.
pub async fn answers_for_the_digest_that_was_asked(it: &ApproverFixture) {
    let request = |digest: &str| {
        let (release, digest) = (ReleaseId::new("r1"), Digest::of([digest]));
        ApprovalRequest::new(release, digest, "1.3.0", it.deadline)
    };
    let approve = Decision::Approve { actor: Actor::new("ann") };
    let deny = Decision::Deny { actor: Actor::new("bob"), reason: "too soon".to_owned() };
    let (good, bad) = (request("good"), request("bad"));
    within("an answer", (it.answer)(bad.clone(), deny.clone())).await;
    let decided = within("a decision", async {
        tokio::join!(it.approver.decide(&good), (it.answer)(good.clone(), approve.clone())).0
    });
    assert_eq!(must("a decision", decided.await), approve, "the good one was approved");
    for (request, decision) in [(bad, deny), (good, approve)] {
        let decided = within("a decision", it.approver.decide(&request)).await;
        assert_eq!(must("a decision", decided), decision, "each has its own answer");
    }
}
