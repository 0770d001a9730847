//! What a suite can see.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Rules;
use super::stats::cases_for_gate;

/// What a suite of so many cases and repeats can see, to be read before any money is spent on it.
///
/// ```
/// use bluegreen_validate::paired::{Power, Rules};
///
/// let mut rules = Rules::default();
/// rules.repeats = 1;
/// let power = Power::new(&rules, 40, Power::USUAL_DISCORDANCE);
/// assert_eq!(power.to_string(), "40 cases × 1 can only see 12 points; for 5 you need 248");
/// assert!(!power.suffices());
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Power {
    /// The cases.
    pub cases: u64,
    /// The repeats of each.
    pub repeats: u32,
    /// How often two attempts at one case come out differently although nothing has changed.
    pub discordance: f64,
    /// The chance to see that a candidate is as good as live, which the numbers below are for.
    pub power: f64,
    /// The smallest margin for which a candidate as good as live passes with that chance.
    pub visible_margin: f64,
    /// The margin that is asked for.
    pub margin: f64,
    /// The cases that this margin needs.
    pub needed_cases: u64,
}

impl Power {
    /// One pair in ten, which is usual for agents and to be replaced by what
    /// [`calibrate`](super::calibrate) found.
    pub const USUAL_DISCORDANCE: f64 = 0.1;

    /// What so many cases can see under these rules.
    ///
    /// It takes cases for independent, and the candidate for as good as live; one that is better
    /// passes more easily. Conversations of several cases count as little more than one case each.
    pub fn new(rules: &Rules, cases: u64, discordance: f64) -> Self {
        let needed = |margin: f64| {
            cases_for_gate(margin, discordance, rules.repeats, rules.alpha, rules.power)
        };
        // The larger the margin, the fewer cases it needs.
        let (mut blind, mut seen) = (0.0, 1.0);
        for _ in 0..60 {
            let middle = f64::midpoint(blind, seen);
            if needed(middle) > cases {
                blind = middle;
            } else {
                seen = middle;
            }
        }
        Self {
            cases,
            repeats: rules.repeats,
            discordance,
            power: rules.power,
            visible_margin: seen,
            margin: rules.margin,
            needed_cases: needed(rules.margin),
        }
    }

    /// Whether there are enough cases for the margin.
    pub const fn suffices(&self) -> bool {
        self.cases >= self.needed_cases
    }
}

impl fmt::Display for Power {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cases, repeats, needed_cases, .. } = self;
        let margin = Points(self.margin);
        let visible = Points(self.visible_margin);
        if self.suffices() {
            return write!(
                f,
                "{cases} cases × {repeats} can see {visible} points; {margin} are asked for"
            );
        }
        write!(
            f,
            "{cases} cases × {repeats} can only see {visible} points; for {margin} you need \
             {needed_cases}"
        )
    }
}

/// A fraction in points, with a tenth where that says something.
struct Points(f64);

impl fmt::Display for Points {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let points = 100.0 * self.0;
        if points >= 10.0 {
            return write!(f, "{points:.0}");
        }
        // Through a number again, so that 5.0 is written as 5.
        write!(f, "{}", (points * 10.0).round() / 10.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enough_cases_say_what_they_see() {
        let power = Power::new(&Rules::default(), 400, 0.1);
        assert!(power.suffices());
        assert_eq!(power.to_string(), "400 cases × 3 can see 2.3 points; 5 are asked for");
    }

    #[test]
    fn without_any_noise_there_is_still_a_least_number_of_cases() {
        let power = Power::new(&Rules::default(), 58, 0.0);
        assert_eq!(power.needed_cases, 59);
        assert!(!power.suffices());
        assert!(Power::new(&Rules::default(), 0, 0.0).visible_margin > 0.99);
    }
}
