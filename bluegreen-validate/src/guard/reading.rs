//! What a guard knew at a look, as numbers for reports.

use bluegreen_core::{Timestamp, Verdict};
use serde::{Deserialize, Serialize};

/// What the values of a metric are.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Scale {
    /// Shares from 0 to 1, which people read in per cent.
    Share,
    /// Numbers in the metric's own unit.
    #[default]
    Number,
}

/// A value of one slot with its bounds, from so many units.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Bounded {
    /// The value. It is finite.
    pub value: f64,
    /// What it is at least; `None` where there is no such bound.
    pub lower: Option<f64>,
    /// What it is at most; `None` where there is no such bound.
    pub upper: Option<f64>,
    /// From how many units.
    pub units: f64,
}

impl Bounded {
    /// A value between bounds; `None` for a value that is none, as that of no units. A bound that is not
    /// finite is no bound.
    pub fn new(value: f64, [lower, upper]: [f64; 2], units: f64) -> Option<Self> {
        let bound = |it: f64| it.is_finite().then_some(it);
        (value.is_finite() && units.is_finite()).then(|| Self {
            value,
            lower: bound(lower),
            upper: bound(upper),
            units,
        })
    }
}

/// What a guard knew of both slots at one look.
///
/// Guards keep the last one in the state that each look leaves, so that whoever hears of a
/// [`Judgement`](bluegreen_core::Judgement) has the numbers that it rests on, too:
///
/// ```
/// use bluegreen_core::Progress;
/// use bluegreen_validate::Reading;
///
/// fn print(progress: &Progress) {
///     let Progress::Judged { validator, judgement } = progress else { return };
///     for (guard, reading) in Reading::of(validator, judgement.state.as_deref()) {
///         println!("{guard}: {} of {} units", reading.candidate.value, reading.candidate.units);
///     }
/// }
/// ```
///
/// The bounds of both slots are those that a guard decides by. They hold together, at all looks at once
/// until traffic is shared in another way, but for the guard's α.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Reading {
    /// The metric.
    pub metric: String,
    /// What its values are.
    #[serde(default)]
    pub scale: Scale,
    /// Until when units are counted.
    pub at: Timestamp,
    /// What the guard by itself made of it.
    pub verdict: Verdict,
    /// The candidate.
    pub candidate: Bounded,
    /// Live at the same time, or before where all traffic is the candidate's; `None` where the guard does
    /// not look at it, or knows nothing of it.
    pub live: Option<Bounded>,
}

/// As much as is needed here of what a guard, or several together, keep.
#[derive(Deserialize)]
struct Kept {
    #[serde(default)]
    told: Option<Reading>,
    #[serde(default)]
    guards: Vec<(String, Option<Alone>)>,
}

#[derive(Deserialize)]
struct Alone {
    #[serde(default)]
    told: Option<Reading>,
}

impl Reading {
    /// The last readings of guards by their names, from the state that a look of `validator` has left. There
    /// are none in what other validators keep, and none before a guard has had any units.
    pub fn of(validator: &str, state: Option<&[u8]>) -> Vec<(String, Self)> {
        let kept = state.and_then(|state| serde_json::from_slice::<Kept>(state).ok());
        let Some(Kept { told, guards }) = kept else { return Vec::new() };
        let parts = guards.into_iter().filter_map(|(name, it)| Some((name, it?.told?)));
        told.map(|told| (validator.to_owned(), told)).into_iter().chain(parts).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_number_is_no_value_and_no_bound() {
        assert_eq!(Bounded::new(f64::NAN, [0.0, 1.0], 0.0), None);
        assert_eq!(Bounded::new(1.0, [0.0, 1.0], f64::INFINITY), None);
        let open = Bounded::new(0.5, [f64::NEG_INFINITY, f64::NAN], 3.0).unwrap();
        assert_eq!((open.lower, open.upper), (None, None));
    }

    #[test]
    fn what_others_keep_has_no_readings() {
        for state in [&b"?"[..], b"{}", b"7", br#"{"guards": 7}"#, br#"{"told": {"at": 1}}"#] {
            assert_eq!(Reading::of("mine", Some(state)), []);
        }
        assert_eq!(Reading::of("mine", None), []);
    }
}
