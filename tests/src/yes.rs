//! An approval that nobody has to wait for.

use async_trait::async_trait;
use bluegreen_core::{Actor, ApprovalRequest, Approver, Decision, Result};

/// Somebody who says yes at once.
#[derive(Debug)]
pub struct Yes;

#[async_trait]
impl Approver for Yes {
    async fn decide(&self, _: &ApprovalRequest) -> Result<Decision> {
        Ok(Decision::Approve { actor: Actor::new("bob") })
    }
}
