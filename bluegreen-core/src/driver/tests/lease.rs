//! Who holds a record has a lease by then: others take a holder without one for dead, and the
//! release away from it.

use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use super::{Arc, Operations, Releaser, await_phase, change, cluster, plan};
use crate::memory::MemoryLiveness;
use crate::{HolderId, Liveness, PhaseName, Progress, Vitality};

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
