//! How long it is waited before something is tried again.

use std::sync::Arc;
use std::time::Duration;

use kube::runtime::controller::Action;

use super::{Context, Failure, Found, Look};
use crate::crd::AgentRelease;
use crate::decide::Step;
use crate::drive::back_off;

/// After which pause what failed is tried again.
pub(super) const PAUSE: Duration = Duration::from_secs(15);
/// The same where it should not wait for long: on the way back.
pub(super) const BREATH: Duration = Duration::from_secs(2);
/// After which pause it is looked whether what was refused still is.
pub(super) const REFUSED: Duration = Duration::from_mins(1);

/// What failed is tried again a little later. The controller tells of it.
#[allow(clippy::needless_pass_by_value, reason = "the controller gives what it gives")]
pub(crate) fn failed(_: Arc<AgentRelease>, _: &Failure, _: Arc<Context>) -> Action {
    Action::requeue(PAUSE)
}

impl Look<'_> {
    /// How long it is waited before what was decided is done.
    pub(super) fn pause(&self, found: &Found) -> Duration {
        let Some(ended) = self.context.drivers.ended(&self.uid()) else { return Duration::ZERO };
        let has_failed = ended.result.is_err();
        let pause = match found.step {
            Step::Again => REFUSED,
            Step::Abort(_) if has_failed => BREATH,
            Step::Resume | Step::Begin if ended.has_panicked => back_off(ended.failures),
            Step::Resume => PAUSE,
            Step::Begin if has_failed && !found.asks_for_another() => PAUSE,
            _ => Duration::ZERO,
        };
        pause.saturating_sub(ended.at.elapsed())
    }
}
