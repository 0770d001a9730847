//! Reports on a run of a suite, for people and for other programs.
//!
//! A [`RunReport`] is plain data: what was asked, what both slots answered, and the verdict. It is
//! written as [JSON](RunReport::to_json), from which the verdict can be computed again; as
//! [`JUnit` XML](RunReport::to_junit) for a CI; as [Markdown](RunReport::to_markdown) for a pull
//! request; and as one [HTML page](RunReport::to_html) that needs no network.
//!
//! An [`ExperimentReport`] is the same for an experiment.
#![allow(clippy::cast_precision_loss, reason = "counts and sums are far below 2^52")]

mod experiment;
mod html;
mod junit;
mod markdown;
mod run;
#[cfg(test)]
mod tests;
mod text;

pub use experiment::{ArmReport, ExperimentReport, LookReport, OutcomeReport};
pub use run::{AnswerReport, AssertionReport, CaseReport, PairReport, RunReport, Usage};
