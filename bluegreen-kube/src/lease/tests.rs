use bluegreen_core::conformance::liveness::LivenessFixture;
use bluegreen_core::memory::TokioClock;

use super::*;
use crate::stand_in::{Failure, Fault, StandIn};

bluegreen_core::liveness_conformance_tests!(async || {
    let stand_in = StandIn::new();
    LivenessFixture {
        here: Arc::new(lease(&stand_in, "here").with_time_to_live(Duration::from_secs(1))),
        there: Arc::new(lease(&stand_in, "there")),
        clock: Arc::new(SystemClock),
        guard: Box::new(()),
    }
});

fn lease(stand_in: &StandIn, holder: &str) -> LeaseLiveness {
    let settings = Settings::new("agent-service", "ai-agents");
    LeaseLiveness::new(stand_in.client("ai-agents"), settings, holder)
}

#[tokio::test(start_paused = true)]
async fn many_renewals_are_one_write() {
    let stand_in = StandIn::new();
    let clock = Arc::new(TokioClock::new());
    let here = lease(&stand_in, "here").with_clock(Arc::clone(&clock) as Arc<dyn Clock>);
    let renewals = (0..100).map(|_| here.renew());
    futures_util::future::try_join_all(renewals).await.unwrap();
    assert_eq!((stand_in.count("create", "leases"), stand_in.count("update", "leases")), (1, 0));
    clock.sleep(Duration::from_secs(4)).await;
    here.renew().await.unwrap();
    assert_eq!(stand_in.count("update", "leases"), 1);
}

#[tokio::test(start_paused = true)]
async fn many_that_wait_for_a_renewal_that_fails_fail_with_it() {
    let stand_in = StandIn::new();
    stand_in.fail(Fault::new("create", "leases", Failure::Hang));
    let clock = Arc::new(TokioClock::new());
    let here = lease(&stand_in, "here").with_clock(Arc::clone(&clock) as Arc<dyn Clock>);
    let renewals = futures_util::future::join_all((0..100).map(|_| here.renew())).await;
    assert!(renewals.iter().all(Result::is_err));
    assert_eq!(stand_in.count("create", "leases"), 1);
    here.renew().await.unwrap();
    assert_eq!(stand_in.count("create", "leases"), 2);
}

#[tokio::test(start_paused = true)]
async fn another_process_of_the_same_name_waits_until_the_lease_lapsed() {
    let stand_in = StandIn::new();
    let clock = Arc::new(TokioClock::new());
    let process = || lease(&stand_in, "same").with_clock(Arc::clone(&clock) as Arc<dyn Clock>);
    let (old, new) = (process(), process());
    old.renew().await.unwrap();
    let error = new.renew().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.chain().contains("another process calls itself same"), "{}", error.chain());
    clock.sleep(new.time_to_live()).await;
    new.renew().await.unwrap();
    let error = old.renew().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "it was taken over");
    // What is not ours any more is not given back.
    old.resign().await.unwrap();
    let there = lease(&stand_in, "there");
    assert_eq!(there.vitality(&new.holder()).await.unwrap(), Vitality::Alive);
}

#[tokio::test]
async fn a_lease_that_somebody_deleted_is_made_again() {
    let stand_in = StandIn::new();
    let clock = Arc::new(TokioClock::new());
    let here = lease(&stand_in, "here").with_time_to_live(Duration::from_secs(1));
    here.renew().await.unwrap();
    here.api.delete("bluegreen-here", &DeleteParams::default()).await.unwrap();
    clock.sleep(Duration::from_millis(300)).await;
    here.renew().await.unwrap();
    assert_eq!(here.vitality(&"here".into()).await.unwrap(), Vitality::Alive);
}

#[tokio::test]
async fn a_renewal_that_was_dropped_does_not_outlive_the_process() {
    for verb in ["create", "update"] {
        let stand_in = StandIn::new();
        let here = lease(&stand_in, "here").with_time_to_live(Duration::from_secs(1));
        if verb == "update" {
            here.renew().await.unwrap();
            SystemClock.sleep(Duration::from_millis(300)).await;
        }
        stand_in.fail(Fault::new(verb, "leases", Failure::Hang).after_the_effect());
        let dropped = tokio::time::timeout(Duration::from_millis(50), here.renew()).await;
        assert!(dropped.is_err(), "the answer to {verb} does not come");
        here.resign().await.unwrap();
        let left = here.api.get_opt("bluegreen-here").await.unwrap();
        assert_eq!(left, None, "after a {verb} that was dropped");
    }
}

#[test]
fn a_time_to_live_is_whole_seconds() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let _entered = runtime.enter();
    let stand_in = StandIn::new();
    for (millis, wanted) in [(0, 1), (1, 1), (1000, 1), (1001, 2), (15_000, 15)] {
        let lease = lease(&stand_in, "here").with_time_to_live(Duration::from_millis(millis));
        assert_eq!(lease.time_to_live(), Duration::from_secs(wanted), "{millis} ms");
    }
}
