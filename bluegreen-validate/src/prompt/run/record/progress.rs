//! How far a run has come.

use std::fmt;
use std::time::Duration;

use crate::prompt::suite::Budget;
use crate::report::Usage;

/// How far a run of a suite has come. A pair is one run of a case in both slots.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct RunProgress {
    /// The pairs that are planned: cases times repeats. It may be over with fewer.
    pub planned: usize,
    /// The pairs that have been run, also by looks before this one.
    pub known: usize,
    /// The pairs that are under way.
    pub running: usize,
    /// The pairs in which live passed and the candidate failed.
    pub worse: usize,
    /// The pairs of which at least one attempt came to nothing.
    pub lost: usize,
    /// What was spent, by all looks together; what calls take that are under way is estimated.
    pub spent: Usage,
    /// What may be spent.
    pub budget: Budget,
    /// How long this look has lasted.
    pub elapsed: Duration,
    /// How long the rest takes at the pace of this look, and at most until its deadline. `None`
    /// before the first pair has come, and when it is over.
    pub left: Option<Duration>,
    /// Whether it is over, or was dropped.
    pub over: bool,
}

impl RunProgress {
    /// It is over.
    pub(super) fn end(&mut self) {
        (self.over, self.running, self.left) = (true, 0, None);
    }
}

impl fmt::Display for RunProgress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { planned, known, running, worse, lost, spent, budget, left, .. } = self;
        write!(f, "{known} of {planned} pairs, {running} under way, {worse} got worse, ")?;
        write!(f, "{lost} lost; {}", spent.calls)?;
        budget.calls.iter().try_for_each(|most| write!(f, " of {most}"))?;
        write!(f, " calls, {}", spent.input_tokens.saturating_add(spent.output_tokens))?;
        budget.tokens.iter().try_for_each(|most| write!(f, " of {most}"))?;
        write!(f, " tokens")?;
        if let Some(cost) = spent.cost {
            write!(f, ", {cost:.4}")?;
            budget.money.iter().try_for_each(|most| write!(f, " of {most}"))?;
            write!(f, " spent")?;
        }
        match left {
            Some(left) => {
                // Rounded up: nothing is over in no time.
                let left = Duration::from_secs(left.as_secs() + 1);
                write!(f, "; about {} left", humantime::format_duration(left))
            }
            None if self.over => f.write_str("; over"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_how_much_of_what_is_spent_and_what_is_left() {
        let mut progress = RunProgress {
            planned: 60,
            known: 20,
            running: 4,
            worse: 2,
            spent: Usage {
                calls: 48,
                input_tokens: 900,
                output_tokens: 60,
                cached_tokens: 0,
                cost: Some(0.25),
            },
            left: Some(Duration::from_millis(61_500)),
            ..RunProgress::default()
        };
        assert_eq!(
            progress.to_string(),
            "20 of 60 pairs, 4 under way, 2 got worse, 0 lost; 48 calls, 960 tokens, 0.2500 spent; \
             about 1m 2s left"
        );
        progress.budget = Budget { calls: Some(100), money: Some(5.0), ..Budget::default() };
        progress.end();
        assert_eq!(
            progress.to_string(),
            "20 of 60 pairs, 0 under way, 2 got worse, 0 lost; 48 of 100 calls, 960 tokens, 0.2500 \
             of 5 spent; over"
        );
    }
}
