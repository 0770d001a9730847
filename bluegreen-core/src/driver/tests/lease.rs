//! Who holds a record has a lease by then: others take a holder without one for dead, and the
//! release away from it.

use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use super::{Arc, Duration, Operations, Outcome, Releaser, await_phase, change, cluster, plan};
use crate::memory::{Fault, Faults, MemoryCluster, MemoryLiveness};
use crate::{ErrorKind, HolderId, Liveness, OperationError, PhaseName, Progress, Status, Vitality};

/// Whether a holder lives, asked where nothing can be waited for.
fn lives(observer: &MemoryLiveness, holder: &str) -> bool {
    let holder = HolderId::new(holder);
    let mut asking = pin!(observer.vitality(&holder));
    let mut context = Context::from_waker(Waker::noop());
    matches!(asking.as_mut().poll(&mut context), Poll::Ready(Ok(Vitality::Alive)))
}

#[tokio::test(start_paused = true)]
async fn whoever_holds_a_record_is_alive_to_others() {
    let cluster = cluster();
    let told = Arc::new(AtomicUsize::new(0));
    let release = |holder: &'static str| {
        let (observer, told) = (cluster.liveness("observer"), told.clone());
        Releaser::new(cluster.ports(holder)).report(move |progress: &Progress| {
            if let Progress::Entered { .. } = progress {
                assert!(lives(&observer, holder), "{holder} drives without a lease: {progress}");
                told.fetch_add(1, Ordering::Relaxed);
            }
        })
    };
    let (one, two) = (release("one"), release("two"));
    let first = tokio::spawn(async move { one.run(change("2"), &plan()).await });
    await_phase(&cluster, PhaseName::Baking).await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    let second = tokio::spawn(async move { two.resume().await });
    let operations = Operations::new(cluster.ports("three"));
    let mut known = None;
    loop {
        let stored = operations.watch(known).await.unwrap().unwrap();
        if stored.document.envelope().holder == Some("two".into()) {
            break;
        }
        known = Some(stored.revision);
    }
    second.abort();
    operations.abort("ann", "second thoughts").await.unwrap();
    assert!(lives(&cluster.liveness("observer"), "three"));
    assert!(told.load(Ordering::Relaxed) >= 4);
}

/// What somebody is told who wants to begin another release now.
async fn advice(cluster: &MemoryCluster) -> String {
    let other = Releaser::new(cluster.ports("other"));
    match other.run(change("3"), &plan()).await {
        Err(OperationError::Busy { advice, .. }) => advice,
        other => panic!("it should be busy: {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn the_advice_is_to_resume_when_nobody_drives_any_more() {
    let cluster = cluster();
    let one = Releaser::new(cluster.ports("one"));
    let operations = one.operations();
    let release = tokio::spawn(async move { one.run(change("2"), &plan()).await });
    await_phase(&cluster, PhaseName::Baking).await;
    assert_eq!(
        advice(&cluster).await,
        "one drives it: wait, `abort` it, or `resume` it once one is gone"
    );
    release.abort();
    assert!(release.await.unwrap_err().is_cancelled());
    operations.resign().await.unwrap();
    assert_eq!(
        advice(&cluster).await,
        "nobody drives it any more, one is gone: `resume` or `abort` it"
    );
    let finishing = operations.finish().await.unwrap_err().to_string();
    assert!(finishing.contains("not on its way back; nobody drives it any more"), "{finishing}");
}

#[tokio::test(start_paused = true)]
async fn the_advice_is_not_to_abort_what_cannot_be_aborted() {
    let cluster = cluster();
    let faults = Faults::new();
    faults.always("slot.scale", Fault::Hang);
    let one = Releaser::new(faults.around(cluster.ports("one")));
    let operations = one.operations();
    let release = tokio::spawn(async move { one.run(change("2"), &plan()).await });
    await_phase(&cluster, PhaseName::Retiring).await;
    release.abort();
    assert!(release.await.unwrap_err().is_cancelled());
    operations.resign().await.unwrap();
    assert_eq!(advice(&cluster).await, "nobody drives it any more, one is gone: `resume` it");
    let error = operations.rollback("ann", "wrong refunds").await.unwrap_err().to_string();
    assert!(error.ends_with("`resume` it; once it is over, `rollback` works again"), "{error}");
}

/// An abort in the middle of a deploy, by a process whose fences are late and whose renewals of its
/// lease end like this. The driver hears of it only by what it saves next.
async fn aborted(renewal: Fault, fences: Duration) -> Result<Status, OperationError> {
    let cluster = cluster();
    let (deaf, late) = (Faults::new(), Faults::new());
    deaf.always("store.watch", Fault::Hang);
    deaf.always("slot.deploy", Fault::Delay(Duration::from_millis(300)));
    late.always("liveness.renew", renewal);
    for fence in ["slot.fence", "switch.fence"] {
        late.always(fence, Fault::Delay(fences));
    }
    let one = Releaser::new(deaf.around(cluster.ports("one")));
    let two = Operations::new(late.around(cluster.ports("two")));
    let release = tokio::spawn(async move { one.run(change("2"), &plan()).await });
    await_phase(&cluster, PhaseName::Deploying).await;
    let aborted = two.abort("ann", "second thoughts").await;
    let outcome = release.await.unwrap().unwrap();
    assert!(matches!(outcome, Outcome::RolledBack { .. }), "{outcome}");
    aborted
}

#[tokio::test(start_paused = true)]
async fn who_hears_by_its_own_save_that_it_has_lost_a_release_waits_for_the_lease_too() {
    let status = aborted(Fault::Delay(Duration::from_millis(500)), Duration::from_millis(900))
        .await
        .unwrap();
    assert_eq!(status.record.unwrap().envelope.holder, Some("two".into()));
}

#[tokio::test(start_paused = true)]
async fn an_abort_has_not_failed_where_another_process_goes_back_instead() {
    let status =
        aborted(Fault::Before(ErrorKind::Unavailable), Duration::from_secs(3)).await.unwrap();
    let record = status.record.unwrap();
    let phase = record.phase.name();
    assert!(phase.is_backward() || phase == PhaseName::Done, "{phase}");
    assert_ne!(record.envelope.holder, Some("two".into()));
}
