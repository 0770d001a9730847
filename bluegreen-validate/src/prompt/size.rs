//! How much a suite asks, and what it can see.

use super::{Case, PromptRegression};
use crate::paired::Power;

impl PromptRegression {
    /// What the suite can see, to be read before anything is spent on it: with as many cases as count
    /// for the verdict, and `discordance`, how often two attempts at one case come out differently
    /// although nothing has changed ([`Power::USUAL_DISCORDANCE`] until it is measured).
    pub fn power(&self, discordance: f64) -> Power {
        let suite = &self.suite;
        let counts = |case: &&Case| !case.quarantined && suite.unsupported(case).is_none();
        let mut cases = suite.cases.iter().filter(counts).count();
        if suite.case_file.is_some()
            && let Some(prepared) = &self.ready().prepared
        {
            let all = &prepared.cases;
            cases = (0..all.len()).filter(|index| !all.traits(*index).quarantined).count();
        }
        Power::new(&suite.rules, cases as u64, discordance)
    }

    /// How many cases are run, and how many questions they ask of one agent in one repeat, turn by
    /// turn. Both are 0 where a problem refuses the suite.
    pub fn size(&self) -> (usize, u64) {
        let made = self.ready();
        let cases = made.prepared.as_ref().map(|prepared| &prepared.cases);
        cases.map_or((0, 0), |cases| (cases.len(), cases.turns()))
    }
}
