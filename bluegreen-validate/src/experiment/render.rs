//! Numbers as people read them.

use super::{Effect, Kind, OutcomeConfig};
use crate::guard::rounded;

/// A difference with its sign, in points where it is one of rates.
pub(crate) fn amount(kind: Kind, value: f64) -> String {
    let sign = if value < 0.0 { "" } else { "+" };
    match kind {
        Kind::Rate => format!("{sign}{} points", rounded(100.0 * value)),
        Kind::Mean => format!("{sign}{}", rounded(value)),
    }
}

/// A mean, or a rate in per cent.
pub(crate) fn level(kind: Kind, value: f64) -> String {
    match kind {
        Kind::Rate => format!("{} %", rounded(100.0 * value)),
        Kind::Mean => rounded(value),
    }
}

/// What is known of an outcome, in one line.
pub(super) fn found(outcome: &OutcomeConfig, effect: Option<&Effect>) -> String {
    let Some(it) = effect else {
        return "too few outcomes, or too much alike, to compare".to_owned();
    };
    let kind = outcome.kind;
    format!(
        "{} ({} to {}): candidate {} of {} units, live {} of {}",
        amount(kind, it.difference),
        amount(kind, it.lower),
        amount(kind, it.upper),
        level(kind, it.candidate),
        it.candidate_units,
        level(kind, it.live),
        it.live_units
    )
}
