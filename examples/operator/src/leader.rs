//! Of several processes one works: the one that has the Lease `bluegreen-operator`.

use std::sync::Arc;
use std::time::Duration;

use bluegreen_core::{Liveness, chain};
use tokio::time::{Instant, sleep, timeout};

/// The Lease of the leader. Its releases have another one, that of the process: what the leader of
/// yesterday still sends fails, because whoever took its releases over has fenced them.
pub(crate) struct Leadership {
    lease: Arc<dyn Liveness>,
}

impl Leadership {
    pub(crate) fn new(lease: Arc<dyn Liveness>) -> Self {
        Self { lease }
    }

    /// Returns once this process leads.
    ///
    /// # Cancel safety
    /// May be dropped; [`resign`](Self::resign) then, as a renewal may be under way.
    pub(crate) async fn gained(&self) {
        let mut last = String::new();
        while let Err(why) = self.renew().await {
            if why != last {
                crate::tell("stands by", &why);
                last = why;
            }
            sleep(self.step()).await;
        }
    }

    /// Returns once this process may no longer lead, and why.
    pub(crate) async fn lost(&self) -> String {
        // Others count from when they saw the last renewal, which is not before it was sent.
        let mut renewed = Instant::now();
        loop {
            sleep(self.step()).await;
            let began = Instant::now();
            match self.renew().await {
                Ok(()) => renewed = began,
                Err(why) if renewed.elapsed() >= self.step() * 3 => return why,
                Err(why) => crate::tell("leader", &why),
            }
        }
    }

    /// Gives the Lease back, so that another process need not wait for it to lapse.
    pub(crate) async fn resign(&self) {
        let _ = timeout(self.step(), self.lease.resign()).await;
    }

    async fn renew(&self) -> Result<(), String> {
        match timeout(self.step(), self.lease.renew()).await {
            Ok(renewed) => renewed.map_err(|error| chain(&error)),
            Err(_) => Err("the API server does not answer".to_owned()),
        }
    }

    fn step(&self) -> Duration {
        self.lease.time_to_live() / 5
    }
}

#[cfg(test)]
mod tests {
    use bluegreen_kube::stand_in::StandIn;
    use bluegreen_kube::{LeaseLiveness, Settings};

    use super::*;

    const BOUND: Duration = Duration::from_secs(20);

    fn leadership(stand_in: &StandIn) -> Leadership {
        let settings = Settings::new("operator", "agents");
        let lease = LeaseLiveness::new(stand_in.client("agents"), settings, "operator");
        Leadership::new(Arc::new(lease.with_time_to_live(Duration::from_secs(3))))
    }

    #[tokio::test]
    async fn one_leads_and_the_next_one_as_soon_as_it_says_that_it_ends() {
        let stand_in = StandIn::new();
        let (one, two) = (leadership(&stand_in), leadership(&stand_in));
        timeout(BOUND, one.gained()).await.unwrap();
        assert!(timeout(Duration::from_millis(100), two.gained()).await.is_err());
        one.resign().await;
        timeout(BOUND, two.gained()).await.unwrap();
        let why = timeout(BOUND, one.lost()).await.unwrap();
        assert!(why.contains("another process calls itself operator and lives"), "{why}");
        assert!(timeout(Duration::from_millis(100), two.lost()).await.is_err());
    }
}
