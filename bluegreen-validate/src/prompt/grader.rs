//! Graders of one's own: code that says how good an answer is.

use std::sync::Arc;

use async_trait::async_trait;
use bluegreen_core::Result;

mod input;

pub use input::{AgentAnswer, AgentToolCall, Exchange, GraderInput, TokenUsage};

/// Code of one's own that says how good an answer is: what no assertion of a file can look at.
///
/// A suite names it, `grader: whole-parcels`, and the program that runs the suite brings it, by
/// [`PromptRegression::grading`](crate::PromptRegression::grading) or
/// [`Suite::grading`](super::Suite::grading). Where a suite names one that nobody brought, it is
/// refused before anything is asked.
///
/// ```
/// use async_trait::async_trait;
/// use bluegreen_core::{Error, ErrorKind, Result};
/// use bluegreen_validate::PromptRegression;
/// use bluegreen_validate::prompt::{Grade, Grader, GraderInput};
///
/// /// Wants every parcel number to be one that there is.
/// struct WholeParcels;
///
/// #[async_trait]
/// impl Grader for WholeParcels {
///     fn name(&self) -> &str {
///         "whole-parcels"
///     }
///
///     fn version(&self) -> &str {
///         "2"
///     }
///
///     fn is_timed(&self) -> bool {
///         false
///     }
///
///     async fn grade(&self, input: &GraderInput) -> Result<Grade> {
///         let digits = input.value["digits"].as_u64().ok_or_else(|| {
///             Error::new(ErrorKind::Rejected, "read `digits` of the assertion's value")
///         })?;
///         let numbers = input.answer.text.split(|it: char| !it.is_ascii_digit());
///         let all: Vec<&str> = numbers.filter(|it| !it.is_empty()).collect();
///         let whole = all.iter().filter(|it| it.len() as u64 == digits).count();
///         if whole == all.len() {
///             return Ok(Grade::pass());
///         }
///         let reason = format!("{} of {} numbers are whole", whole, all.len());
///         Ok(Grade::fail().scoring(0.9 * whole as f64 / all.len() as f64).because(reason))
///     }
/// }
///
/// let text = r#"
/// agent: { openai: { model: agent } }
/// rules: { min_cases: 2, margin: 0.5 }
/// cases:
///   - id: parcels
///     prompt: Where are my parcels?
///     assert: [{ grader: { name: whole-parcels, value: { digits: 8 } }, weight: 2 }]
///   - { id: hello, prompt: Hello!, assert: [{ not-is-refusal: }] }
/// "#;
/// let gate = PromptRegression::from_text("suite.yaml", text)?;
/// // It says where it is named that nobody brought it.
/// assert!(gate.problems()[0].object.starts_with("suite.yaml:7:"));
/// assert!(gate.grading(WholeParcels).problems().is_empty());
/// # Ok::<(), bluegreen_validate::ConfigError>(())
/// ```
///
/// # Contract
/// * [`name`](Self::name), [`version`](Self::version) and [`is_timed`](Self::is_timed) are the same at every call, and two that
///   would grade differently differ in name or version. These are part of [`Suite::digest`](super::Suite::digest)
///   where an assertion names the grader: a look that goes on with another version begins anew.
/// * It is not told which slot an answer is of, and must not find it out: both are graded alike.
/// * It is asked once about each answer of a run, at most
///   [`Suite::concurrency`](super::Suite::concurrency) times at once for each slot. Answers from a cassette or
///   a baseline are graded anew. What it spends itself is in no budget of the suite.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait Grader: Send + Sync {
    /// What assertions call it: 1 to 100 printable characters.
    fn name(&self) -> &str;

    /// What tells it from others of its name: the number of its release, a digest of its settings.
    /// 1 to 200 printable characters.
    fn version(&self) -> &str;

    /// Whether it looks at the times of an answer. Those of another day are no measure, so that live
    /// is asked for such cases even where a [`Baseline`](super::Baseline) has its answers.
    fn is_timed(&self) -> bool;

    /// Grades one answer. It has as long as an answer may take, [`Suite::timeout`](super::Suite::timeout).
    ///
    /// # Errors
    /// That it can't be told, for whatever reason. The run of the case is lost then, also under
    /// `not-`: it is neither a pass nor a fail. So it is with a grade that contradicts itself, and
    /// when the time is over.
    ///
    /// # Cancel safety
    /// May be dropped at any await, and leaves no task behind.
    async fn grade(&self, input: &GraderInput) -> Result<Grade>;
}

/// A grader that several share.
#[async_trait]
impl<T: Grader + ?Sized> Grader for Arc<T> {
    fn name(&self) -> &str {
        (**self).name()
    }

    fn version(&self) -> &str {
        (**self).version()
    }

    fn is_timed(&self) -> bool {
        (**self).is_timed()
    }

    async fn grade(&self, input: &GraderInput) -> Result<Grade> {
        (**self).grade(input).await
    }
}

/// How good an answer is.
///
/// One that passes with a score of 0, fails with a score of 1, or has a score outside of that
/// contradicts itself, and says nothing.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Grade {
    /// Whether it will do.
    pub pass: bool,
    /// How good it is, from 0 to 1.
    pub score: f64,
    /// Why, for people. May be empty.
    pub reason: String,
}

impl Grade {
    /// It will do, with a score of 1.
    pub fn pass() -> Self {
        Self { pass: true, score: 1.0, reason: String::new() }
    }

    /// It will not, with a score of 0.
    pub fn fail() -> Self {
        Self { pass: false, score: 0.0, reason: String::new() }
    }

    /// The same with another score, from 0 to 1.
    #[must_use]
    pub fn scoring(mut self, score: f64) -> Self {
        self.score = score;
        self
    }

    /// The same with a reason.
    #[must_use]
    pub fn because(mut self, reason: impl Into<String>) -> Self {
        self.reason = reason.into();
        self
    }

    /// The same, or what is wrong with it.
    pub(super) fn checked(self) -> Result<Self, String> {
        let Self { pass, score, .. } = self;
        // NaN is in no range.
        if !(0.0..=1.0).contains(&score) {
            return Err(format!("the score {score}, of 0 to 1"));
        }
        if (pass && score <= 0.0) || (!pass && score >= 1.0) {
            return Err(format!("a verdict that contradicts itself: pass {pass}, score {score}"));
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grade_that_contradicts_itself_is_none() {
        for (grade, fits) in [
            (Grade::pass(), true),
            (Grade::fail(), true),
            (Grade::pass().scoring(0.1), true),
            (Grade::fail().scoring(0.9), true),
            (Grade::pass().scoring(0.0), false),
            (Grade::fail().scoring(1.0), false),
            (Grade::pass().scoring(1.1), false),
            (Grade::fail().scoring(-0.1), false),
            (Grade::pass().scoring(f64::NAN), false),
        ] {
            assert_eq!(grade.clone().checked().is_ok(), fits, "{grade:?}");
        }
    }

    #[tokio::test]
    async fn a_mock_is_a_grader_as_any_other() {
        let mut mock = MockGrader::new();
        mock.expect_name().return_const("mock".to_owned());
        mock.expect_grade()
            .returning(|input| Ok(Grade::pass().because(input.answer.text.as_str())));
        let shared: Arc<dyn Grader> = Arc::new(mock);
        let case = crate::prompt::Case::new("a", "Where is it?");
        let input = GraderInput::new(case, AgentAnswer::new("Here."));
        assert_eq!(shared.grade(&input).await.unwrap().reason, "Here.");
        assert_eq!(shared.name(), "mock");
    }
}
