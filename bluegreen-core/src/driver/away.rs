//! When the cluster did not answer: what comes soon after that is judged with more patience.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::Driver;
use crate::{Error, ErrorKind, Timestamp};

/// For how long what is refused is tried again after the cluster did not answer. A server that has
/// just started does not know yet who may do what.
const STARTING: Duration = Duration::from_secs(30);

/// For how long after the cluster did not answer those may lag behind who make traffic follow:
/// controllers and nodes were cut off too, and try again ever less often, once a minute at last.
const LAG: Duration = crate::clock::minutes(1);

/// When a call was last not answered, as far as this process knows.
#[derive(Clone, Default)]
pub(crate) struct Away(Arc<AtomicU64>);

impl Away {
    /// Notes that a call was not answered, if that is what its error says.
    pub(super) fn note(&self, error: &Error, now: Timestamp) {
        if matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Unknown) {
            self.0.fetch_max(now.unix_millis(), Ordering::Relaxed);
        }
    }

    fn last(&self) -> Option<Timestamp> {
        match self.0.load(Ordering::Relaxed) {
            0 => None,
            millis => Some(Timestamp::from_unix_millis(millis)),
        }
    }
}

impl Driver {
    /// Whether a refusal may be one of a server that has just started.
    pub(crate) fn may_pass(&self, error: &Error) -> bool {
        let last = self.away.last();
        error.kind() == ErrorKind::Rejected
            && last.is_some_and(|last| self.now().since(last) < STARTING)
    }

    /// From when it counts that traffic does not follow what was written at `begun`.
    pub(super) fn settled_by(&self, begun: Timestamp) -> Timestamp {
        self.away.last().map_or(begun, |last| begun.max(last.plus(LAG)))
    }
}
