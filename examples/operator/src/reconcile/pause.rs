//! How long it is waited before something is tried again.

use std::sync::Arc;
use std::time::Duration;

use bluegreen_core::{PhaseName, Record};
use kube::runtime::controller::Action;

use super::{Context, Failure, Found, Look};
use crate::crd::AgentRelease;
use crate::decide::Step;
use crate::drive::back_off;

/// After which pause what failed is tried again.
pub(super) const PAUSE: Duration = Duration::from_secs(15);
/// The same where it should not wait for long: on the way back.
pub(super) const BREATH: Duration = Duration::from_secs(1);
/// On which parts of the way back.
const URGENT: [PhaseName; 2] = [PhaseName::Returning, PhaseName::Restoring];
/// After which pause it is looked whether what was refused still is.
pub(super) const REFUSED: Duration = Duration::from_mins(1);

/// What failed is tried again a little later. The controller tells of it.
#[allow(clippy::needless_pass_by_value, reason = "the controller gives what it gives")]
pub(crate) fn failed(object: Arc<AgentRelease>, _: &Failure, _: Arc<Context>) -> Action {
    // All that is known of it is what was seen last.
    let phase = object.status.as_ref().and_then(|it| it.phase.as_deref());
    let is_urgent = URGENT.iter().any(|it| Some(it.key()) == phase);
    let is_deleted = object.metadata.deletion_timestamp.is_some();
    Action::requeue(if is_urgent || is_deleted { BREATH } else { PAUSE })
}

impl Look<'_> {
    /// How long it is waited before what was decided is done.
    pub(super) fn pause(&self, found: &Found) -> Duration {
        let Some(ended) = self.context.drivers.ended(&self.uid()) else { return Duration::ZERO };
        let has_failed = ended.result.is_err();
        let pause = match found.step {
            // Somebody has done something about it.
            _ if self.is_new() => Duration::ZERO,
            Step::Again => REFUSED,
            Step::Abort(_) if has_failed => BREATH,
            Step::Resume if found.record().is_some_and(is_urgent) => {
                back_off(ended.failures).min(PAUSE)
            }
            Step::Resume | Step::Begin if ended.has_panicked => back_off(ended.failures),
            Step::Resume => PAUSE,
            Step::Begin if has_failed && !found.asks_for_another() => PAUSE,
            _ => Duration::ZERO,
        };
        pause.saturating_sub(ended.at.elapsed())
    }

    /// Whether the spec is newer than what the status is about.
    fn is_new(&self) -> bool {
        let seen = self.object.status.as_ref().and_then(|it| it.observed_generation);
        self.object.metadata.generation != seen
    }
}

/// Whether a release is on a way back on which every second counts.
fn is_urgent(record: &Record) -> bool {
    URGENT.contains(&record.phase.name())
}
