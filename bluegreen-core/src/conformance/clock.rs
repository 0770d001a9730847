//! What every [`Clock`] has to pass.

use std::time::Duration;

use super::within;
use crate::Clock;

/// Makes a test of each promise of [`Clock`](crate::Clock), from an async closure that
/// returns the
/// clock. See [`conformance`](crate::conformance).
#[macro_export]
macro_rules! clock_conformance_tests {
    ($(#[$attribute:meta])* $name:ident: $fixture:expr $(,)?) => {
        $crate::__conformance_tests! {
            clock { $(#[$attribute])* } $name ($fixture) [
                tells_one_time,
            ]
        }
    };
    ($fixture:expr $(,)?) => {
        $crate::clock_conformance_tests! { clock: $fixture }
    };
}

/// The time does not go back while one sleeps, and has moved on by about the time slept.
pub async fn tells_one_time(it: &dyn Clock) {
    let length = Duration::from_millis(100);
    let mut before = it.now();
    for _ in 0..3 {
        within("a sleep", it.sleep(length)).await;
        let after = it.now();
        let passed = after.since(before);
        // Timers and wall clocks may be a few milliseconds apart.
        assert!(passed >= length / 2, "{length:?} were slept and {passed:?} have passed");
        before = after;
    }
}
