//! What every [`Liveness`] has to pass.

use std::sync::Arc;

use super::{Guard, must, patience};
use crate::{Clock, HolderId, Liveness, Vitality};

/// Two processes that see each other's leases.
///
/// Their time to live has to be a few seconds at most, because it is waited for, and much longer
/// than a call takes.
#[allow(missing_debug_implementations, reason = "it holds trait objects")]
#[allow(clippy::exhaustive_structs, reason = "a fixture is built as a literal")]
pub struct LivenessFixture {
    /// A process that has not renewed its lease yet.
    pub here: Arc<dyn Liveness>,
    /// Another one, which watches it.
    pub there: Arc<dyn Liveness>,
    /// The clock by which `there` judges.
    pub clock: Arc<dyn Clock>,
    /// What must live as long.
    pub guard: Guard,
}

/// Makes a test of each promise of [`Liveness`](crate::Liveness), from an async closure that
/// returns a
/// [`LivenessFixture`](crate::conformance::liveness::LivenessFixture). See [`conformance`](crate::conformance).
#[macro_export]
macro_rules! liveness_conformance_tests {
    ($(#[$attribute:meta])* $name:ident: $fixture:expr $(,)?) => {
        $crate::__conformance_tests! {
            liveness { $(#[$attribute])* } $name ($fixture) [
                a_renewed_holder_is_alive,
                a_silent_holder_lapses,
                a_holder_that_resigned_is_gone_at_once,
                an_unknown_holder_is_gone,
            ]
        }
    };
    ($fixture:expr $(,)?) => {
        $crate::liveness_conformance_tests! { liveness: $fixture }
    };
}

/// Who renews in time is alive, for longer than one time to live.
pub async fn a_renewed_holder_is_alive(it: &LivenessFixture) {
    for round in 0..6 {
        must("renewing", it.here.renew().await);
        assert_eq!(look(it).await, Vitality::Alive, "round {round}: it was renewed just now");
        it.clock.sleep(it.here.time_to_live() / 4).await;
        assert_eq!(look(it).await, Vitality::Alive, "round {round}: it was renewed in time");
    }
}

/// Who does not renew is gone after its time to live, and not before.
pub async fn a_silent_holder_lapses(it: &LivenessFixture) {
    must("renewing", it.here.renew().await);
    let began = it.clock.now();
    assert_eq!(look(it).await, Vitality::Alive, "a lease that is seen first is alive");
    let last = began.plus(it.here.time_to_live()).plus(patience());
    while look(it).await == Vitality::Alive {
        assert!(it.clock.now() < last, "it is silent, and still alive after {:?}", patience());
        it.clock.sleep(it.here.time_to_live() / 10).await;
    }
    let lasted = it.clock.now().since(began);
    assert!(lasted >= it.here.time_to_live(), "it was gone after {lasted:?} already");
    must("renewing", it.here.renew().await);
    assert_eq!(look(it).await, Vitality::Alive, "a lease that changes again is alive again");
}

/// Who resigned need not be waited for.
pub async fn a_holder_that_resigned_is_gone_at_once(it: &LivenessFixture) {
    must("renewing", it.here.renew().await);
    assert_eq!(look(it).await, Vitality::Alive, "it was renewed just now");
    must("resigning", it.here.resign().await);
    assert_eq!(look(it).await, Vitality::Gone, "it has resigned");
    must("resigning again", it.here.resign().await);
}

/// Who never had a lease is gone.
pub async fn an_unknown_holder_is_gone(it: &LivenessFixture) {
    let nobody = HolderId::new("conformance-nobody");
    let vitality = must("looking for nobody", it.there.vitality(&nobody).await);
    assert_eq!(vitality, Vitality::Gone, "nobody is gone");
    assert_eq!(look(it).await, Vitality::Gone, "and so is who did not renew yet");
}

async fn look(it: &LivenessFixture) -> Vitality {
    must("looking after the other", it.there.vitality(&it.here.holder()).await)
}
