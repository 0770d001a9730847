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
    /// Those of the tokens read that the model had read before.
    #[serde(default)]
    pub(in crate::prompt) cached: u64,
    /// Calls that took nobody knows how much, when no call had told yet what one takes.
    #[serde(default)]
    unpriced: u64,
    /// What calls at other prices cost more, or less, than at those of the suite.
    #[serde(default)]
    extra: f64,
    /// Tokens read and written by the dearest call so far, as which those count that are under way.
    #[serde(default)]
    dearest: (u64, u64),
    /// The most that one call at other prices cost more.
    #[serde(default)]
    dearest_extra: f64,
}

impl Spent {
    pub(in crate::prompt) fn usage(self) -> Usage {
        Usage { input: self.input, output: self.output, cached: self.cached }
    }

    /// What calls at other prices cost more, or less, than at those of the suite.
    pub(in crate::prompt) fn extra(self) -> f64 {
        self.extra
    }
}

/// Keeps the budgets.
pub(in crate::prompt) struct Ledger<'a> {
    budget: Budget,
    prices: Option<&'a Prices>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    spent: Spent,
    /// The calls under way, each of which may take as much as the dearest so far.
    open: u64,
    /// The calls of which nobody knows what they took: each is taken to be as dear as the dearest.
    unknown: u64,
    dearest: Usage,
    dearest_extra: f64,
    /// An answer did not tell its tokens, although there is a budget of them.
    untold: bool,
}

impl State {
    /// What was spent, what is being spent, and what so many calls more may take.
    fn expected(&self, more: u64) -> Usage {
        let calls = self.open.saturating_add(self.unknown).saturating_add(more);
        let dearest = self.dearest;
        self.spent.usage().plus(Usage {
            input: dearest.input.saturating_mul(calls),
            output: dearest.output.saturating_mul(calls),
            // What is not known yet may be read for the first time.
            cached: 0,
        })
    }

    /// What calls at other prices cost more, those that may come to so much among them.
    #[allow(clippy::cast_precision_loss, reason = "nobody makes 2^53 calls")]
    fn extra(&self, more: u64) -> f64 {
        let calls = self.open.saturating_add(self.unknown).saturating_add(more);
        self.spent.extra + self.dearest_extra * calls as f64
    }
}

/// A call under way. Where it is dropped before it is known what it took, nobody knows.
pub(in crate::prompt) struct Call<'a> {
    ledger: &'a Ledger<'a>,
    is_known: bool,
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        let mut state = self.ledger.state();
        state.open -= 1;
        if !self.is_known {
            state.unknown = state.unknown.saturating_add(1);
        }
    }
}

impl Call<'_> {
    /// It took this.
    pub(in crate::prompt) fn took(mut self, usage: Usage) {
        self.is_known = true;
        let mut state = self.ledger.state();
        let all = state.spent.usage().plus(usage);
        state.spent.input = all.input;
        state.spent.output = all.output;
        state.spent.cached = all.cached;
        state.dearest.input = state.dearest.input.max(usage.input);
        state.dearest.output = state.dearest.output.max(usage.output);
    }

    /// It took this, at these prices if they are not the suite's.
    pub(in crate::prompt) fn took_at(self, usage: Usage, prices: Option<&Prices>) {
        if let (Some(own), Some(prices)) = (prices, self.ledger.prices) {
            let extra = usage.cost(own) - usage.cost(prices);
            let mut state = self.ledger.state();
            state.spent.extra += extra;
            state.dearest_extra = state.dearest_extra.max(extra);
        }
        self.took(usage);
    }

    /// It was turned away before anything was spent.
    pub(in crate::prompt) fn took_nothing(mut self) {
        self.is_known = true;
    }

    /// It was answered, and the answer does not tell what it took.
    pub(in crate::prompt) fn took_untold(mut self) {
        self.is_known = true;
        self.ledger.state().untold = true;
    }
}

impl<'a> Ledger<'a> {
    pub(in crate::prompt) fn new(suite: &'a Suite, spent: Spent) -> Self {
        let unknown = spent.unpriced;
        let (input, output) = spent.dearest;
        let dearest = Usage { input, output, cached: 0 };
        let dearest_extra = spent.dearest_extra;
        let state = State { spent, unknown, dearest, dearest_extra, ..State::default() };
        let state = Mutex::new(state);
        Self { budget: suite.budget, prices: suite.prices.as_ref(), state }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was spent, and what the calls under way will have taken should nothing more be heard.
    pub(super) fn spent(&self) -> Spent {
        let state = self.state();
        let Usage { input, output, cached } = state.expected(0);
        let is_priced = state.dearest != Usage::default();
        let unpriced = if is_priced { 0 } else { state.open.saturating_add(state.unknown) };
        let extra = state.extra(0);
        let dearest = (state.dearest.input, state.dearest.output);
        let dearest_extra = state.dearest_extra;
        let calls = state.spent.calls;
        Spent { calls, input, output, cached, unpriced, extra, dearest, dearest_extra }
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
        let expected = state.expected(1);
        if self.budget.tokens.is_some_and(|tokens| expected.total() > tokens) {
            return Some("tokens");
        }
        let cost = self.prices.map(|prices| expected.cost(prices) + state.extra(1));
        match (self.budget.money, cost) {
            (Some(money), Some(cost)) if cost > money => Some("money"),
            _ => None,
        }
    }

    /// Begins a call if there is room for it.
    pub(in crate::prompt) fn begin(&'a self) -> Result<Call<'a>, &'static str> {
        if let Some(budget) = self.exhausted() {
            return Err(budget);
        }
        let mut state = self.state();
        state.spent.calls += 1;
        state.open += 1;
        Ok(Call { ledger: self, is_known: false })
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
        let usage = Usage { input: 30, output: 10, cached: 0 };
        for budget in [
            Budget { tokens: Some(100), ..Budget::default() },
            Budget { money: Some(100.0), ..Budget::default() },
        ] {
            let suite = suite(budget);
            let ledger = Ledger::new(&suite, Spent::default());
            ledger.begin().unwrap().took(usage);
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
        ledger.begin().unwrap().took_untold();
        assert!(ledger.exhausted().is_some());
        let free = suite(Budget::default());
        let ledger = Ledger::new(&free, Spent::default());
        ledger.begin().unwrap().took_untold();
        assert_eq!(ledger.exhausted(), None);
    }

    #[test]
    fn a_call_of_which_nothing_is_heard_is_as_dear_as_the_dearest() {
        let usage = Usage { input: 30, output: 10, cached: 0 };
        let suite = suite(Budget { tokens: Some(170), ..Budget::default() });
        let ledger = Ledger::new(&suite, Spent::default());
        // Nobody knows what one takes yet.
        drop(ledger.begin().unwrap());
        ledger.begin().unwrap().took_nothing();
        assert_eq!(ledger.spent().usage(), Usage::default());
        ledger.begin().unwrap().took(usage);
        assert_eq!(ledger.spent().usage().total(), 80);
        // 80 are spent; one more may take 40, and two more 80.
        drop(ledger.begin().unwrap());
        let under_way = ledger.begin().unwrap();
        assert_eq!(ledger.spent().usage().total(), 160);
        under_way.took_nothing();
        assert_eq!(ledger.spent().usage().total(), 120);
        drop(ledger.begin().unwrap());
        assert_eq!(ledger.begin().err(), Some("tokens"));
    }

    #[test]
    fn calls_at_other_prices_cost_what_they_do() {
        let usage = Usage { input: 10, output: 0, cached: 0 };
        let suite = suite(Budget { money: Some(100.0), ..Budget::default() });
        let ledger = Ledger::new(&suite, Spent::default());
        ledger.begin().unwrap().took_at(usage, Some(&Prices::new(4e6, 0.0)));
        assert!((ledger.spent().extra() - 30.0).abs() < 1e-9);
        // 40 are spent; one more may take 40, and two more 80: for the next look as well.
        let second = ledger.begin();
        assert!(second.is_ok());
        assert_eq!(ledger.begin().err(), Some("money"));
        drop(second);
        let first = Ledger::new(&suite, Spent::default());
        first.begin().unwrap().took_at(usage, Some(&Prices::new(4e6, 0.0)));
        let kept = serde_json::to_value(first.spent()).unwrap();
        let next = Ledger::new(&suite, serde_json::from_value(kept).unwrap());
        let second = next.begin();
        assert!(second.is_ok());
        assert_eq!(next.begin().err(), Some("money"));
    }

    #[test]
    fn what_the_dearest_call_took_is_known_to_the_next_look() {
        let suite = suite(Budget { tokens: Some(100), ..Budget::default() });
        let first = Ledger::new(&suite, Spent::default());
        first.begin().unwrap().took(Usage { input: 30, output: 10, cached: 0 });
        let kept = serde_json::to_value(first.spent()).unwrap();
        let second = Ledger::new(&suite, serde_json::from_value(kept).unwrap());
        // 40 are spent; one more may take 40, and two more 80.
        let under_way = second.begin();
        assert!(under_way.is_ok());
        assert_eq!(second.begin().err(), Some("tokens"));
    }

    #[test]
    fn what_one_look_could_not_price_the_next_one_does() {
        let suite = suite(Budget { tokens: Some(100), ..Budget::default() });
        let first = Ledger::new(&suite, Spent::default());
        drop(first.begin().unwrap());
        drop(first.begin().unwrap());
        let kept = serde_json::to_value(first.spent()).unwrap();
        let second = Ledger::new(&suite, serde_json::from_value(kept).unwrap());
        second.begin().unwrap().took(Usage { input: 30, output: 10, cached: 0 });
        let wanted =
            Spent { calls: 3, input: 90, output: 30, dearest: (30, 10), ..Spent::default() };
        assert_eq!(second.spent(), wanted);
        assert_eq!(second.begin().err(), Some("tokens"));
        // A state from before there were such calls.
        let before = json!({"calls": 1, "input": 2, "output": 3});
        let before: Spent = serde_json::from_value(before).unwrap();
        assert_eq!(Ledger::new(&suite, before).spent(), before);
    }
}
