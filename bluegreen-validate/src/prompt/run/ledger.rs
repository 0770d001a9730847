//! What a run has cost so far, and whether it may go on.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::prompt::answer::Usage;
use crate::prompt::suite::{Budget, Prices, Suite};

/// What was spent, by all looks together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(in crate::prompt) struct Spent {
    pub(in crate::prompt) calls: u64,
    pub(in crate::prompt) input: u64,
    pub(in crate::prompt) output: u64,
}

impl Spent {
    pub(in crate::prompt) fn usage(self) -> Usage {
        Usage { input: self.input, output: self.output }
    }
}

/// Keeps the budgets.
pub(super) struct Ledger<'a> {
    budget: Budget,
    prices: Option<&'a Prices>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    spent: Spent,
    /// The calls under way, each of which may take as much as the dearest so far.
    open: u64,
    dearest: Usage,
    /// An answer did not tell its tokens, although there is a budget of them.
    untold: bool,
}

/// A call under way. It is over when it is dropped.
pub(super) struct Call<'a> {
    ledger: &'a Ledger<'a>,
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        self.ledger.state().open -= 1;
    }
}

impl<'a> Ledger<'a> {
    pub(super) fn new(suite: &'a Suite, spent: Spent) -> Self {
        let state = Mutex::new(State { spent, ..State::default() });
        Self { budget: suite.budget, prices: suite.prices.as_ref(), state }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn spent(&self) -> Spent {
        self.state().spent
    }

    /// The budget that has no room for another call.
    pub(super) fn exhausted(&self) -> Option<&'static str> {
        let state = self.state();
        let counts = self.budget.tokens.is_some() || self.budget.money.is_some();
        if state.untold && counts {
            return Some("tokens, which answers do not tell");
        }
        if self.budget.calls.is_some_and(|calls| state.spent.calls >= calls) {
            return Some("calls");
        }
        let dearest = state.dearest;
        let mut expected = state.spent.usage();
        expected.input =
            expected.input.saturating_add(dearest.input.saturating_mul(state.open + 1));
        expected.output =
            expected.output.saturating_add(dearest.output.saturating_mul(state.open + 1));
        if self.budget.tokens.is_some_and(|tokens| expected.total() > tokens) {
            return Some("tokens");
        }
        let cost = self.prices.map(|prices| expected.cost(prices));
        match (self.budget.money, cost) {
            (Some(money), Some(cost)) if cost > money => Some("money"),
            _ => None,
        }
    }

    /// Begins a call if there is room for it.
    pub(super) fn begin(&'a self) -> Result<Call<'a>, &'static str> {
        if let Some(budget) = self.exhausted() {
            return Err(budget);
        }
        let mut state = self.state();
        state.spent.calls += 1;
        state.open += 1;
        Ok(Call { ledger: self })
    }

    /// What an answer took.
    pub(super) fn add(&self, usage: Option<Usage>) {
        let mut state = self.state();
        let Some(usage) = usage else {
            state.untold = true;
            return;
        };
        state.spent.input = state.spent.input.saturating_add(usage.input);
        state.spent.output = state.spent.output.saturating_add(usage.output);
        state.dearest.input = state.dearest.input.max(usage.input);
        state.dearest.output = state.dearest.output.max(usage.output);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::prompt::suite::HttpAgent;

    fn suite(budget: Budget) -> Suite {
        let mut suite = Suite::new(HttpAgent::post("/", json!({}), "text"), []);
        suite.budget = budget;
        suite.prices = Some(Prices::new(1e6, 1e6));
        suite
    }

    #[test]
    fn calls_are_kept_exactly() {
        let suite = suite(Budget { calls: Some(2), ..Budget::default() });
        let ledger = Ledger::new(&suite, Spent { calls: 1, ..Spent::default() });
        drop(ledger.begin().ok());
        assert_eq!(ledger.begin().err(), Some("calls"));
        assert_eq!(ledger.spent().calls, 2);
    }

    #[test]
    fn tokens_and_money_are_kept_with_what_is_under_way() {
        let usage = Usage { input: 30, output: 10 };
        for budget in [
            Budget { tokens: Some(100), ..Budget::default() },
            Budget { money: Some(100.0), ..Budget::default() },
        ] {
            let suite = suite(budget);
            let ledger = Ledger::new(&suite, Spent::default());
            let first = ledger.begin();
            assert!(first.is_ok());
            ledger.add(Some(usage));
            drop(first);
            // 40 are spent; one more may take 40, and two more 80.
            let second = ledger.begin();
            assert!(second.is_ok());
            assert!(ledger.begin().is_err());
        }
    }

    #[test]
    fn an_answer_that_does_not_tell_its_tokens_ends_a_run_that_counts_them() {
        let counting = suite(Budget { tokens: Some(100), ..Budget::default() });
        let ledger = Ledger::new(&counting, Spent::default());
        ledger.add(None);
        assert!(ledger.exhausted().is_some());
        let free = suite(Budget::default());
        let ledger = Ledger::new(&free, Spent::default());
        ledger.add(None);
        assert_eq!(ledger.exhausted(), None);
    }
}
