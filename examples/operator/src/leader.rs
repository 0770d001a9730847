//! Of several processes one works: the one that has the Lease `bluegreen-operator`.

use std::sync::Arc;
use std::time::Duration;

use bluegreen_core::{ErrorKind, Liveness, chain};
use tokio::time::{Instant, sleep, timeout, timeout_at};

/// The Lease of the leader. Its releases have another one, that of the process: what the leader of
/// yesterday still sends fails, because whoever took its releases over has fenced them.
pub(crate) struct Leadership {
    lease: Arc<dyn Liveness>,
}

impl Leadership {
    pub(crate) fn new(lease: Arc<dyn Liveness>) -> Self {
        Self { lease }
    }

    /// Returns once this process leads, with the instant from which others count.
    ///
    /// # Cancel safety
    /// May be dropped; [`resign`](Self::resign) then, as a renewal may be under way.
    pub(crate) async fn gained(&self) -> Instant {
        let mut last = String::new();
        loop {
            let began = Instant::now();
            match self.renew().await {
                Ok(()) => return began,
                Err(NotRenewed { why, .. }) if why != last => {
                    crate::tell("stands by", &why);
                    last = why;
                }
                Err(_) => {}
            }
            sleep(self.lease.time_to_live() / 5).await;
        }
    }

    /// Returns once this process may no longer lead, and why: at once where another one leads, and
    /// otherwise before another one may, if nothing was heard of the Lease since `renewed`.
    ///
    /// # Cancel safety
    /// As of [`gained`](Self::gained).
    pub(crate) async fn lost(&self, mut renewed: Instant) -> String {
        let mut last = "it was not renewed in time".to_owned();
        loop {
            // Others count from when they saw the last renewal, which is not before it was sent.
            let end = renewed + self.lease.time_to_live() * 4 / 5;
            if timeout_at(end, sleep(self.step())).await.is_err() {
                return last;
            }
            let began = Instant::now();
            match timeout_at(end, self.renew()).await {
                Ok(Ok(())) => renewed = began,
                Ok(Err(NotRenewed { why, by_another: true })) => return why,
                Ok(Err(NotRenewed { why, .. })) => {
                    crate::tell("leader", &why);
                    last = why;
                }
                Err(_) => return last,
            }
        }
    }

    /// Gives the Lease back, so that another process need not wait for it to lapse.
    pub(crate) async fn resign(&self) {
        let _ = timeout(self.step(), self.lease.resign()).await;
    }

    async fn renew(&self) -> Result<(), NotRenewed> {
        match timeout(self.step(), self.lease.renew()).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(NotRenewed {
                by_another: error.kind() == ErrorKind::Conflict,
                why: chain(&error),
            }),
            Err(_) => {
                let why = "the API server does not answer".to_owned();
                Err(NotRenewed { by_another: false, why })
            }
        }
    }

    /// The time between two renewals. What was renewed a quarter of its time to live ago is not written
    /// again, and would be taken here for renewed.
    fn step(&self) -> Duration {
        self.lease.time_to_live() / 3
    }
}

/// Why the Lease was not renewed.
struct NotRenewed {
    why: String,
    /// Another process has it.
    by_another: bool,
}

#[cfg(test)]
mod tests {
    use bluegreen_core::memory::TokioClock;
    use bluegreen_kube::stand_in::{Failure, Fault, StandIn};
    use bluegreen_kube::{LeaseLiveness, Settings};
    use k8s_openapi::api::coordination::v1::Lease;
    use kube::Api;
    use kube::api::DeleteParams;

    use super::*;

    const BOUND: Duration = Duration::from_mins(1);
    const TIME_TO_LIVE: Duration = Duration::from_secs(15);

    fn leadership(stand_in: &StandIn) -> Leadership {
        let settings = Settings::new("operator", "agents");
        let lease = LeaseLiveness::new(stand_in.client("agents"), settings, "operator")
            .with_clock(Arc::new(TokioClock::new()));
        Leadership::new(Arc::new(lease.with_time_to_live(TIME_TO_LIVE)))
    }

    #[tokio::test(start_paused = true)]
    async fn one_leads_and_the_next_one_as_soon_as_it_says_that_it_ends() {
        let stand_in = StandIn::new();
        let (one, two) = (leadership(&stand_in), leadership(&stand_in));
        let since = timeout(BOUND, one.gained()).await.unwrap();
        assert!(timeout(Duration::from_millis(100), two.gained()).await.is_err());
        one.resign().await;
        let later = timeout(BOUND, two.gained()).await.unwrap();
        let why = timeout(BOUND, one.lost(since)).await.unwrap();
        assert!(why.contains("another process calls itself operator and lives"), "{why}");
        assert!(timeout(BOUND, two.lost(later)).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_told_of_another_leader_stops_at_once() {
        let stand_in = StandIn::new();
        let (one, two) = (leadership(&stand_in), leadership(&stand_in));
        let since = timeout(BOUND, one.gained()).await.unwrap();
        // Somebody takes the Lease away, and another process is there first.
        let leases: Api<Lease> = Api::namespaced(stand_in.client("agents"), "agents");
        leases.delete("bluegreen-operator", &DeleteParams::default()).await.unwrap();
        timeout(BOUND, two.gained()).await.unwrap();
        let began = Instant::now();
        let why = timeout(BOUND, one.lost(since)).await.unwrap();
        assert!(why.contains("another process calls itself operator and lives"), "{why}");
        let (took, step) = (began.elapsed(), one.step());
        assert!(took < step * 2, "the next renewal is after {step:?}, found {took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn who_hears_nothing_stops_before_others_may_lead() {
        for failure in [Failure::Hang, Failure::Status(503)] {
            let stand_in = StandIn::new();
            let one = leadership(&stand_in);
            let since = timeout(BOUND, one.gained()).await.unwrap();
            stand_in.fail(Fault::new("*", "leases", failure).times(1000));
            timeout(BOUND, one.lost(since)).await.unwrap();
            let took = since.elapsed();
            // One renewal that fails is not yet a reason.
            assert!(took > one.step() * 2 && took < TIME_TO_LIVE, "{failure:?}: {took:?}");
        }
    }
}
