//! Who waits for others: whoever goes forward, and nobody who goes back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::Driver;
use crate::throttle::{Place, Turn};
use crate::{PhaseName, Progress, Record};

/// Whether a driver may be made to wait.
#[derive(Clone, Default)]
pub(crate) struct Haste {
    /// Somebody has asked for something and wants to see it done.
    is_asked: bool,
    /// The release goes back.
    is_back: Arc<AtomicBool>,
}

impl Haste {
    /// That of an operation, which is never made to wait.
    pub(crate) fn of_operation() -> Self {
        Self { is_asked: true, is_back: Arc::default() }
    }

    /// The release is in this state, or will be when it is saved. One that goes back does so to its
    /// end.
    pub(crate) fn follow(&self, record: &Record) {
        if record.phase.name().is_backward() {
            self.hurry();
        }
    }

    /// It is about to go back.
    pub(super) fn hurry(&self) {
        self.is_back.store(true, Ordering::Relaxed);
    }

    fn waits(&self) -> bool {
        !self.is_asked && !self.is_back.load(Ordering::Relaxed)
    }
}

/// Whether a release in this phase is on its way to its switch: it acts, and others wait for it to
/// have done so.
pub(super) fn is_on_its_way(phase: PhaseName) -> bool {
    matches!(
        phase,
        PhaseName::Preflight
            | PhaseName::RunningHook
            | PhaseName::Deploying
            | PhaseName::RollingOut
            | PhaseName::WarmingUp
            | PhaseName::Validating
            | PhaseName::Shifting
    )
}

impl Driver {
    /// The same driver for another run, of which it is not known yet whether it goes back. Clones share
    /// what is known of that.
    pub(crate) fn afresh(&self) -> Self {
        Self { haste: Haste::default(), ..self.clone() }
    }

    /// The place of a call among those of all releases of the process. That it is waited for does not
    /// count as time of the call, and is bounded by the times of theirs.
    pub(super) async fn place(&self) -> Option<Place> {
        match &self.ports.throttle {
            Some(throttle) if self.haste.waits() => Some(throttle.call(self.namespace()).await),
            _ => None,
        }
    }

    /// The place of a release that begins. Says so when it has to be waited for.
    ///
    /// # Cancel safety
    /// Only waits.
    pub(crate) async fn turn(&self) -> Option<Turn> {
        let throttle = self.ports.throttle.as_ref()?;
        let namespace = self.namespace();
        if let Some(turn) = throttle.try_turn(namespace) {
            return Some(turn);
        }
        let text = "waits for its turn: other releases of the namespace are on their way";
        self.report(&Progress::note(text));
        Some(throttle.turn(namespace).await)
    }

    fn namespace(&self) -> &str {
        self.ports.namespace.as_deref().unwrap_or_default()
    }
}
