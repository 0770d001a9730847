//! What a suite can see.

use serde::{Deserialize, Serialize};

/// What a suite of so many cases and repeats can see.
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
