//! A release by the script, and its way back: one `kubectl patch`.

use bluegreen_tests::{Agent, SERVICE};
use kube::api::ListParams;

use super::Peer;
use crate::article;

pub(super) struct Script(Agent);

impl Peer for Script {
    const NAME: &'static str = "script";

    async fn start() -> Self {
        Self(article::agent().await)
    }

    fn agent(&self) -> &Agent {
        &self.0
    }

    async fn release(&mut self) {
        article::deploy(&self.0).await;
    }

    async fn back(&self) {
        article::back(&self.0).await;
    }

    fn new_pods(&self) -> ListParams {
        ListParams::default().labels(&format!("app={SERVICE},slot=green"))
    }
}
