//! What answers take.

use serde::{Deserialize, Serialize};

/// Calls, tokens and money.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Usage {
    /// Calls.
    pub calls: u64,
    /// Tokens that were read.
    pub input_tokens: u64,
    /// Tokens that were written.
    pub output_tokens: u64,
    /// Those of the tokens read that the model had read before, where it said so.
    #[serde(skip_serializing_if = "is_zero")]
    pub cached_tokens: u64,
    /// What it cost, in the currency of the prices; nothing where no price is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<f64>,
}

impl Usage {
    /// Adds what something else took. A cost stays unknown while none is known, and a sum that a
    /// number has no room for is the largest number.
    pub fn add(&mut self, more: Self) {
        self.calls = self.calls.saturating_add(more.calls);
        self.input_tokens = self.input_tokens.saturating_add(more.input_tokens);
        self.output_tokens = self.output_tokens.saturating_add(more.output_tokens);
        self.cached_tokens = self.cached_tokens.saturating_add(more.cached_tokens);
        self.cost = match (self.cost, more.cost) {
            (Some(cost), Some(more)) => Some(cost + more),
            (cost, more) => cost.or(more),
        };
    }
}

/// Whether it need not be written.
#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
pub(crate) fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_stay_within_what_a_number_has_room_for() {
        let mut usage =
            Usage { calls: 1, input_tokens: u64::MAX, output_tokens: 2, ..Usage::default() };
        usage.add(Usage {
            calls: u64::MAX,
            input_tokens: 1,
            output_tokens: 3,
            cached_tokens: 1,
            cost: Some(1.0),
        });
        let wanted = Usage {
            calls: u64::MAX,
            input_tokens: u64::MAX,
            output_tokens: 5,
            cached_tokens: 1,
            cost: Some(1.0),
        };
        assert_eq!(usage, wanted);
    }
}
