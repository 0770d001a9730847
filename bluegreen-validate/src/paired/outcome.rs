//! What the cases of a suite came to on both slots.

use serde::{Deserialize, Serialize, Serializer, ser};

/// What one case came to on both slots, attempt by attempt.
///
/// The attempts are in the order of the repeats, and those of equal index are a pair: they were
/// asked at about the same time. A case may be listed before it has been run. Its attempts are
/// then missing, which [`judge`](super::judge) takes for lost and [`curtail`](super::curtail) for
/// still to come.
///
/// ```
/// use bluegreen_validate::paired::{Attempt, CaseOutcomes};
///
/// let live = [Attempt::passed(), Attempt::passed(), Attempt::passed()];
/// let idle = [Attempt::passed(), Attempt::failed(), Attempt::Error];
/// let case = CaseOutcomes::new("refund within 30 days", live, idle)
///     .in_category("refunds")
///     .in_conversation("refund-1")
///     .critical();
/// // The third pair is lost; of the other two, idle failed one that live passed.
/// assert_eq!(case.pairs().count(), 2);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct CaseOutcomes {
    /// The name of the case, unlike that of any other case of the suite.
    pub case: String,
    /// The category that it is counted in besides the whole suite.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// What it shares with other cases: a conversation, a document, a template. Cases of one
    /// conversation say less than as many cases that have nothing to do with each other, and are
    /// counted accordingly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation: Option<String>,
    /// Whether one such case that got worse is enough to fail the candidate.
    #[serde(default, skip_serializing_if = "is_false")]
    pub critical: bool,
    /// Whether it is known to be flaky and kept out of the verdict for a time. It does nothing for a
    /// critical case.
    #[serde(default, skip_serializing_if = "is_false")]
    pub quarantined: bool,
    /// The attempts on the live slot.
    pub live: Vec<Attempt>,
    /// The attempts on the idle slot, which holds the candidate.
    pub idle: Vec<Attempt>,
}

/// What one attempt at a case came to.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[allow(clippy::exhaustive_enums, reason = "there is nothing between these three")]
pub enum Attempt {
    /// Every assertion held.
    Passed {
        /// How good it was, 0 to 1, where that was measured. A number that is not finite makes
        /// the attempt count as [`Error`](Self::Error).
        #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "finite")]
        score: Option<f64>,
    },
    /// Some assertion did not hold.
    Failed {
        /// As in [`Passed`](Self::Passed).
        #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "finite")]
        score: Option<f64>,
        /// Whether all that was wrong with it is that the other slot's answer was preferred. Of live
        /// that says nothing against the suite: see
        /// [`min_live_rate`](super::Rules::min_live_rate).
        #[serde(default, skip_serializing_if = "is_false")]
        beaten: bool,
    },
    /// It is not known: the way to the agent, the agent's provider or a judge did not work.
    /// Neither a pass nor a fail.
    Error,
}

impl Attempt {
    /// A pass without a score.
    pub const fn passed() -> Self {
        Self::Passed { score: None }
    }

    /// A fail without a score.
    pub const fn failed() -> Self {
        Self::Failed { score: None, beaten: false }
    }

    /// Whether it passed; `None` when that is not known.
    pub fn outcome(self) -> Option<bool> {
        match self {
            Self::Passed { score } if is_number(score) => Some(true),
            Self::Failed { score, .. } if is_number(score) => Some(false),
            _ => None,
        }
    }

    /// The score, where there is one and the attempt counts.
    pub fn score(self) -> Option<f64> {
        match self {
            Self::Passed { score } | Self::Failed { score, .. } => score.filter(|s| s.is_finite()),
            Self::Error => None,
        }
    }
}

impl CaseOutcomes {
    /// The outcomes of a case that is in no category and no conversation and is not critical.
    pub fn new(
        case: impl Into<String>,
        live: impl IntoIterator<Item = Attempt>,
        idle: impl IntoIterator<Item = Attempt>,
    ) -> Self {
        Self {
            case: case.into(),
            category: None,
            conversation: None,
            critical: false,
            quarantined: false,
            live: live.into_iter().collect(),
            idle: idle.into_iter().collect(),
        }
    }

    /// Puts it in a category.
    #[must_use]
    pub fn in_category(mut self, category: impl Into<String>) -> Self {
        self.category = Some(category.into());
        self
    }

    /// Says which conversation it is part of.
    #[must_use]
    pub fn in_conversation(mut self, conversation: impl Into<String>) -> Self {
        self.conversation = Some(conversation.into());
        self
    }

    /// Makes it critical.
    #[must_use]
    pub fn critical(mut self) -> Self {
        self.critical = true;
        self
    }

    /// Keeps it out of the verdict, unless it is critical.
    #[must_use]
    pub fn quarantined(mut self) -> Self {
        self.quarantined = true;
        self
    }

    /// Whether it counts in the comparison of the slots.
    pub fn counts(&self) -> bool {
        self.critical || !self.quarantined
    }

    /// The pairs of which both sides are known, live first. A pair that lost one side is lost
    /// whole, so that both slots are compared on the same attempts.
    pub fn pairs(&self) -> impl Iterator<Item = (bool, bool)> + '_ {
        let both = self.live.iter().zip(&self.idle);
        both.filter_map(|(live, idle)| Some((live.outcome()?, idle.outcome()?)))
    }
}

fn is_number(score: Option<f64>) -> bool {
    score.is_none_or(f64::is_finite)
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
fn is_false(flag: &bool) -> bool {
    !flag
}

/// JSON knows no NaN and would write `null`, which reads back as an attempt that counts.
#[allow(clippy::ref_option, reason = "serde asks with a reference")]
fn finite<S: Serializer>(score: &Option<f64>, to: S) -> Result<S::Ok, S::Error> {
    match score {
        Some(score) if !score.is_finite() => {
            Err(ser::Error::custom(format_args!("the score {score} is not a finite number")))
        }
        score => score.serialize(to),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_score_that_is_no_number_is_neither_pass_nor_fail() {
        let bad = Attempt::Passed { score: Some(f64::NAN) };
        assert_eq!((bad.outcome(), bad.score()), (None, None));
        assert_eq!(Attempt::Failed { score: Some(f64::INFINITY), beaten: false }.outcome(), None);
        assert_eq!(Attempt::Error.outcome(), None);
        assert_eq!(Attempt::Passed { score: Some(0.5) }.outcome(), Some(true));
        // Written as JSON's null it would come back as a pass.
        assert!(serde_json::to_string(&bad).is_err());
    }

    #[test]
    fn outcomes_read_back_what_they_wrote_and_nothing_else() {
        let attempts = [Attempt::Passed { score: Some(0.25) }, Attempt::failed(), Attempt::Error];
        let case = CaseOutcomes::new("a", attempts, [Attempt::passed()]).in_category("b");
        let text = serde_json::to_string(&case).unwrap();
        assert_eq!(
            text,
            r#"{"case":"a","category":"b","live":[{"passed":{"score":0.25}},{"failed":{}},"error"],"idle":[{"passed":{}}]}"#
        );
        assert_eq!(serde_json::from_str::<CaseOutcomes>(&text).unwrap(), case);
        let more = text.replace("\"case\"", "\"skip\":true,\"case\"");
        assert!(serde_json::from_str::<CaseOutcomes>(&more).is_err());
    }

    #[test]
    fn a_pair_that_lost_one_side_is_lost_whole() {
        let (pass, fail, lost) = (Attempt::passed(), Attempt::failed(), Attempt::Error);
        let case = CaseOutcomes::new("a", [pass, lost, fail, pass], [fail, fail, lost]);
        assert_eq!(case.pairs().collect::<Vec<_>>(), [(true, false)]);
    }
}
