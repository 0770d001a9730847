//! What every [`HookRunner`] has to pass.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use super::{Guard, for_a_moment, must, within};
use crate::plan::Hook;
use crate::{
    ErrorKind, HookOutcome, HookRun, HookRunner, MAX_HOOK_LOG, Problem, ReleaseId, Timestamp,
};

/// Says how often anything was started so far.
pub type Starts = Box<dyn Fn() -> Pin<Box<dyn Future<Output = usize> + Send>> + Send + Sync>;

/// A runner, and hooks that it knows.
#[allow(missing_debug_implementations, reason = "it holds trait objects")]
#[allow(clippy::exhaustive_structs, reason = "a fixture is built as a literal")]
pub struct HooksFixture {
    /// The runner that is checked.
    pub runner: Arc<dyn HookRunner>,
    /// A hook that ends well.
    pub good: Hook,
    /// A hook that logs something and fails.
    pub bad: Hook,
    /// A hook of something that is not there.
    pub missing: Hook,
    /// When hooks have to have ended: a few minutes from now.
    pub deadline: Timestamp,
    /// How often anything was started so far, by anybody.
    pub starts: Starts,
    /// What must live as long.
    pub guard: Guard,
}

impl HooksFixture {
    fn run(&self, hook: &Hook, attempt: u32) -> HookRun {
        let mut run = HookRun::new(ReleaseId::new("r7"), hook.clone(), self.deadline);
        (run.version, run.attempt) = ("1.3.0".to_owned(), attempt);
        run
    }

    async fn outcome(&self, hook: &Hook, attempt: u32) -> HookOutcome {
        let run = self.run(hook, attempt);
        must("running a hook", within("a hook", self.runner.run(&run)).await)
    }
}

/// Makes a test of each promise of [`HookRunner`](crate::HookRunner), from an async closure that
/// returns a [`HooksFixture`](crate::conformance::hooks::HooksFixture). See
/// [`conformance`](crate::conformance).
#[macro_export]
macro_rules! hooks_conformance_tests {
    ($(#[$attribute:meta])* $name:ident: $fixture:expr $(,)?) => {
        $crate::__conformance_tests! {
            hooks { $(#[$attribute])* } $name ($fixture) [
                runs_an_attempt_once,
                goes_on_when_a_wait_was_dropped,
                a_new_attempt_runs_again,
                a_failure_has_its_reason_and_log,
                a_hook_that_is_not_there_is_a_problem,
            ]
        }
    };
    ($fixture:expr $(,)?) => {
        $crate::hooks_conformance_tests! { hooks: $fixture }
    };
}

/// Asked again, at the same time or later, it says the same, and nothing was started twice.
pub async fn runs_an_attempt_once(it: &HooksFixture) {
    let both = async { tokio::join!(it.outcome(&it.good, 1), it.outcome(&it.good, 1)) };
    let succeeded = (HookOutcome::Succeeded, HookOutcome::Succeeded);
    assert_eq!(both.await, succeeded, "both wait for the one attempt");
    assert_eq!(it.outcome(&it.good, 1).await, HookOutcome::Succeeded, "and so does a later one");
    assert_eq!((it.starts)().await, 1, "one attempt is started once");
}

/// What was let go of is followed when it is asked for again.
pub async fn goes_on_when_a_wait_was_dropped(it: &HooksFixture) {
    let run = it.run(&it.good, 1);
    for _ in 0..3 {
        let _ = for_a_moment(it.runner.run(&run)).await;
    }
    assert_eq!(it.outcome(&it.good, 1).await, HookOutcome::Succeeded, "it has gone on");
    assert_eq!((it.starts)().await, 1, "one attempt is started once");
}

/// The next attempt is another one, and so is another hook of the same release.
pub async fn a_new_attempt_runs_again(it: &HooksFixture) {
    for attempt in [1, 2] {
        let outcome = it.outcome(&it.bad, attempt).await;
        assert!(matches!(outcome, HookOutcome::Failed { .. }), "it fails: {outcome:?}");
    }
    assert_eq!((it.starts)().await, 2, "each attempt is started");
    assert_eq!(it.outcome(&it.good, 1).await, HookOutcome::Succeeded, "the other hook is good");
    assert_eq!((it.starts)().await, 3, "so is another hook");
}

/// A failure is told with its reason and the end of its log, in a form that fits a record.
pub async fn a_failure_has_its_reason_and_log(it: &HooksFixture) {
    let HookOutcome::Failed { reason, log } = it.outcome(&it.bad, 1).await else {
        panic!("the bad hook has to fail");
    };
    assert!(!reason.is_empty(), "there is a reason");
    assert!(!log.is_empty() && log.len() <= MAX_HOOK_LOG, "a log that fits: {} bytes", log.len());
    let is_plain = |it: char| it == '\n' || !it.is_control();
    assert!(log.chars().all(is_plain), "nothing moves a cursor: {log:?}");
}

/// What is not there is found out before a release begins, and when somebody has taken it away since.
pub async fn a_hook_that_is_not_there_is_a_problem(it: &HooksFixture) {
    let missing = must("checking", within("a check", it.runner.check(&it.missing)).await);
    assert!(missing.iter().any(Problem::is_refusal), "the release is refused: {missing:?}");
    let good = must("checking", within("a check", it.runner.check(&it.good)).await);
    assert!(!good.iter().any(Problem::is_refusal), "one that is there is none: {good:?}");
    let run = it.run(&it.missing, 1);
    match within("a hook", it.runner.run(&run)).await {
        Ok(outcome) => panic!("running what is not there has to fail: it gave {outcome:?}"),
        Err(error) => assert!(
            matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Rejected),
            "it is not tried again: {}",
            error.chain()
        ),
    }
    assert_eq!((it.starts)().await, 0, "nothing was started");
}
