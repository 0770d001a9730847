//! Reports on a run of a suite, for people and for other programs.
//!
//! A [`RunReport`] is plain data: what was asked, what both slots answered, and the verdict. It is
//! written as [JSON](RunReport::to_json), from which the verdict can be computed again; and, with the
//! feature `report`, as `JUnit` XML for a CI (`to_junit`), as Markdown for a pull request
//! (`to_markdown`), and as one HTML page that needs no network (`to_html`).
//!
//! With the feature `prompts` a run makes one: `prompt::Recorder`. With `report` there is an
//! `ExperimentReport`, too, which is the same for an experiment, and a `ReleaseReport`, which a `ReleaseLog`
//! makes of what a release tells.
#![allow(clippy::cast_precision_loss, reason = "counts and sums are far below 2^52")]

#[cfg(feature = "report")]
mod chart;
#[cfg(feature = "report")]
mod experiment;
#[cfg(feature = "report")]
mod html;
#[cfg(feature = "report")]
mod junit;
#[cfg(feature = "report")]
mod markdown;
mod preference;
#[cfg(feature = "report")]
mod release;
mod run;
#[cfg(feature = "prompts")]
mod stream;
#[cfg(all(test, feature = "report"))]
mod tests;
#[cfg(feature = "report")]
mod text;
mod usage;

#[cfg(feature = "report")]
pub use experiment::{ArmReport, ExperimentReport, LookReport, OutcomeReport};
pub use preference::{JudgeReport, OrderReport, PreferenceReport, Preferred};
#[cfg(feature = "report")]
pub use release::{
    Decision, DecisionKind, MetricReport, Point, ReleaseLog, ReleaseReport, Series, Shares,
    ValidatorReport,
};
pub use run::{AnswerReport, AssertionReport, CaseReport, PairReport, RunReport};
pub use usage::Usage;
#[cfg(feature = "prompts")]
pub(crate) use usage::is_zero;
