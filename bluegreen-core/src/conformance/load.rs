//! What every [`Load`] has to pass.

use std::sync::Arc;

use super::{Guard, must};
use crate::{Color, Load};

/// Something that counts work, while one slot has some.
#[allow(missing_debug_implementations, reason = "it holds trait objects")]
#[allow(clippy::exhaustive_structs, reason = "a fixture is built as a literal")]
pub struct LoadFixture {
    /// What counts.
    pub load: Arc<dyn Load>,
    /// The slot that has work in hand; the other one has none.
    pub busy: Color,
    /// How much it has.
    pub in_hand: u64,
    /// What must live as long.
    pub guard: Guard,
}

/// Makes a test of each promise of [`Load`](crate::Load), from an async closure that
/// returns a
/// [`LoadFixture`](crate::conformance::load::LoadFixture). See [`conformance`](crate::conformance).
#[macro_export]
macro_rules! load_conformance_tests {
    ($(#[$attribute:meta])* $name:ident: $fixture:expr $(,)?) => {
        $crate::__conformance_tests! {
            load { $(#[$attribute])* } $name ($fixture) [
                an_idle_slot_has_nothing_in_hand,
                work_in_hand_is_counted,
            ]
        }
    };
    ($fixture:expr $(,)?) => {
        $crate::load_conformance_tests! { load: $fixture }
    };
}

/// A slot without work has nothing in hand, which is known.
pub async fn an_idle_slot_has_nothing_in_hand(it: &LoadFixture) {
    let idle = must("counting", it.load.in_flight(it.busy.other()).await);
    assert_eq!(idle, Some(0), "the idle slot has nothing in hand");
}

/// All work in hand is counted.
pub async fn work_in_hand_is_counted(it: &LoadFixture) {
    assert!(it.in_hand > 0, "the fixture has to have work in hand");
    let busy = must("counting", it.load.in_flight(it.busy).await);
    assert_eq!(busy, Some(it.in_hand), "the busy slot has that much in hand");
}
