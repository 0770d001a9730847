//! What every [`Validator`] has to pass.

use std::sync::Arc;

use super::{Guard, must, within};
use crate::{Judgement, Result, Trial, Validator, Verdict};

/// How many looks a validator may take until it has decided.
const LOOKS: u32 = 100;

/// A validator, and three candidates for it.
///
/// A validator that needs several looks gets them, one after the other at once, each with the
/// state that the last one left; in the world of `good` and `bad` there has to be enough to see.
#[allow(missing_debug_implementations, reason = "it holds trait objects")]
#[allow(clippy::exhaustive_structs, reason = "a fixture is built as a literal")]
pub struct ValidatorFixture {
    /// The validator that is checked.
    pub validator: Arc<dyn Validator>,
    /// One of the same kind that would judge differently: another limit, another suite.
    pub other: Arc<dyn Validator>,
    /// A candidate that has to pass.
    pub good: Trial,
    /// One that has to fail.
    pub bad: Trial,
    /// One that can't be reached, or of which nothing is known.
    pub unreachable: Trial,
    /// What must live as long.
    pub guard: Guard,
}

/// Makes a test of each promise of [`Validator`](crate::Validator), from an async closure that
/// returns a
/// [`ValidatorFixture`](crate::conformance::validator::ValidatorFixture). See [`conformance`](crate::conformance).
#[macro_export]
macro_rules! validator_conformance_tests {
    ($(#[$attribute:meta])* $name:ident: $fixture:expr $(,)?) => {
        $crate::__conformance_tests! {
            validator { $(#[$attribute])* } $name ($fixture) [
                has_a_name_and_a_digest,
                passes_a_good_candidate,
                fails_a_bad_one_with_evidence,
                an_unreachable_candidate_never_passes,
            ]
        }
    };
    ($fixture:expr $(,)?) => {
        $crate::validator_conformance_tests! { validator: $fixture }
    };
}

/// Name and digest are the same at every call, and other settings have another digest.
#[allow(clippy::unused_async, reason = "all checks are async, for the macro")]
pub async fn has_a_name_and_a_digest(it: &ValidatorFixture) {
    let validator = &*it.validator;
    assert!(!validator.name().is_empty(), "it has a name");
    assert_eq!(validator.name(), validator.name(), "its name stays");
    assert_eq!(validator.config_digest(), validator.config_digest(), "its digest stays");
    let other = it.other.config_digest();
    assert_ne!(validator.config_digest(), other, "other settings have another digest");
}

/// A good candidate passes.
pub async fn passes_a_good_candidate(it: &ValidatorFixture) {
    let judgement = must("judging a good candidate", decide(it, &it.good).await);
    assert_eq!(judgement.verdict, Verdict::Pass, "a good candidate passes: {judgement:?}");
}

/// A bad candidate fails, and a finding says what was wanted and found.
pub async fn fails_a_bad_one_with_evidence(it: &ValidatorFixture) {
    let judgement = must("judging a bad candidate", decide(it, &it.bad).await);
    assert_eq!(judgement.verdict, Verdict::Fail, "a bad candidate fails: {judgement:?}");
    assert!(!judgement.summary.is_empty(), "there is a line for people");
    let says = judgement.evidence.iter().any(|it| !it.wanted.is_empty() && !it.found.is_empty());
    assert!(says, "a finding says what was wanted and found: {:?}", judgement.evidence);
}

/// A candidate that can not be reached does not pass, at whatever look.
pub async fn an_unreachable_candidate_never_passes(it: &ValidatorFixture) {
    if let Ok(judgement) = decide(it, &it.unreachable).await {
        assert_ne!(judgement.verdict, Verdict::Pass, "no data is never a pass: {judgement:?}");
    }
}

/// Looks until it is decided.
async fn decide(it: &ValidatorFixture, trial: &Trial) -> Result<Judgement> {
    let mut trial = trial.clone();
    loop {
        let judgement = within("a look", it.validator.judge(&trial)).await?;
        if judgement.verdict != Verdict::Inconclusive || trial.look == LOOKS {
            return Ok(judgement);
        }
        trial.look += 1;
        trial.state = judgement.state;
    }
}
