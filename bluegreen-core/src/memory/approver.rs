//! Somebody who says yes or no when a test tells them to.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::watch;

use crate::{ApprovalRequest, Approver, Decision, Digest, Error, ErrorKind, Result};

/// Decides as it was told to, and waits until it was. Clones are the same.
#[derive(Clone, Debug)]
pub struct MemoryApprover {
    decisions: Arc<watch::Sender<Decisions>>,
}

#[derive(Debug, Default)]
struct Decisions {
    by_digest: BTreeMap<Digest, Decision>,
    always: Option<Decision>,
    asked: Vec<ApprovalRequest>,
}

impl MemoryApprover {
    /// One that has decided nothing yet.
    pub fn new() -> Self {
        Self { decisions: Arc::new(watch::Sender::new(Decisions::default())) }
    }

    /// One that decides everything this way at once.
    pub fn always(decision: Decision) -> Self {
        let approver = Self::new();
        approver.decisions.send_modify(|it| it.always = Some(decision));
        approver
    }

    /// Decides for one digest, before or after it is asked.
    pub fn set(&self, digest: Digest, decision: Decision) {
        self.decisions.send_modify(|it| {
            it.by_digest.insert(digest, decision);
        });
    }

    /// What it was asked, in order; the same request again is not listed again.
    pub fn asked(&self) -> Vec<ApprovalRequest> {
        self.decisions.borrow().asked.clone()
    }

    /// Returns once it was asked for the first time, with that request.
    ///
    /// # Cancel safety
    /// Only waits.
    pub async fn first_request(&self) -> Option<ApprovalRequest> {
        let mut decisions = self.decisions.subscribe();
        let asked = decisions.wait_for(|it| !it.asked.is_empty()).await.ok()?;
        asked.asked.first().cloned()
    }
}

impl Default for MemoryApprover {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Approver for MemoryApprover {
    async fn decide(&self, request: &ApprovalRequest) -> Result<Decision> {
        self.decisions.send_if_modified(|it| {
            let new = !it.asked.contains(request);
            if new {
                it.asked.push(request.clone());
            }
            new
        });
        let mut decisions = self.decisions.subscribe();
        let decided =
            |it: &Decisions| it.by_digest.get(&request.digest).or(it.always.as_ref()).cloned();
        let found = decisions.wait_for(|it| decided(it).is_some()).await;
        let decision = found.ok().and_then(|it| decided(&it));
        decision.ok_or_else(|| {
            Error::new(ErrorKind::Unavailable, format!("wait for approval of {}", request.release))
        })
    }
}
