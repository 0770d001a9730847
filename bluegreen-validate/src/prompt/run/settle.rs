//! What both slots' answers come to, where they are compared with one another as well.

use super::attempt::{Attempts, Talk, Tried};
use crate::prompt::answer::Answer;
use crate::prompt::assess::Outcome;
use crate::prompt::judge::{ALONE, Compared, Grades, Opinion};
use crate::prompt::prepare::PreparedCase;
use crate::prompt::suite::Check;
use crate::report::PreferenceReport;

impl Attempts<'_> {
    /// What a run of a case came to, live first.
    pub(super) async fn settled(
        &self,
        case: &PreparedCase,
        live: Talk,
        idle: Talk,
    ) -> (Tried, Tried, Vec<PreferenceReport>) {
        match (live, idle) {
            (Talk::Whole(live, of_live), Talk::Whole(idle, of_idle)) => {
                match self.judging.compare(case, &live, &idle, &self.purse()).await {
                    Ok(compared) => self.both(case, (live, of_live), (idle, of_idle), compared),
                    Err(budget) => (Tried::unpaid(budget), Tried::unpaid(budget), Vec::new()),
                }
            }
            (Talk::Whole(live, grades), Talk::Over(idle)) => {
                let live = self.alone(case, live, grades, &idle);
                (live, *idle, Vec::new())
            }
            (Talk::Over(live), Talk::Whole(idle, grades)) => {
                let idle = self.alone(case, idle, grades, &live);
                (*live, idle, Vec::new())
            }
            (Talk::Over(live), Talk::Over(idle)) => (*live, *idle, Vec::new()),
        }
    }

    fn both(
        &self,
        case: &PreparedCase,
        (live, mut of_live): (Vec<Answer>, Grades),
        (idle, mut of_idle): (Vec<Answer>, Grades),
        compared: Vec<Compared>,
    ) -> (Tried, Tried, Vec<PreferenceReport>) {
        let mut reports = Vec::with_capacity(compared.len());
        let lost = |opinion: &Result<Opinion, String>| opinion.as_ref().is_ok_and(|it| !it.holds);
        let holds = |answers: &[Answer], grades: &Grades| {
            matches!(self.by_itself(case, answers, grades.clone()), Outcome::Held(_))
        };
        // An answer that is broken all the same can't win: what pleases a judge would hide it.
        let is_fit = !compared.iter().any(|it| lost(&it.live)) || holds(&idle, &of_idle);
        let is_beaten =
            is_fit && compared.iter().any(|it| lost(&it.live)) && holds(&live, &of_live);
        for Compared { place, check, live, idle, report } in compared {
            let live = match live {
                Ok(opinion) if !opinion.holds && !is_fit => {
                    Ok(Opinion::unbeaten(&check, "the other answer does not hold by itself"))
                }
                live => live,
            };
            of_live.add(place, &check, live);
            of_idle.add(place, &check, idle);
            reports.push(report);
        }
        let live = Tried { beaten: is_beaten, ..self.assessed(case, live, &of_live) };
        (live, self.assessed(case, idle, &of_idle), reports)
    }

    /// What answers come to, whatever a comparison may say.
    pub(super) fn by_itself(
        &self,
        case: &PreparedCase,
        answers: &[Answer],
        mut grades: Grades,
    ) -> Outcome {
        for (place, check) in case.pairwise() {
            grades.add(place, check, Ok(Opinion::unbeaten(check, "")));
        }
        let prices = self.suite.prices.as_ref();
        self.prepared.assess(case, answers, prices, &grades).0
    }

    /// What the answers of one slot come to where the other has none.
    fn alone(
        &self,
        case: &PreparedCase,
        answers: Vec<Answer>,
        mut grades: Grades,
        other: &Tried,
    ) -> Tried {
        let opinion = |check: &Check| match &other.outcome {
            // It said something that is no answer, and nothing is worse than that.
            Outcome::Broken(_) => Ok(Opinion::unbeaten(check, "no answer of the other slot")),
            _ => Err(ALONE.to_owned()),
        };
        for (place, check) in case.pairwise() {
            grades.add(place, check, opinion(check));
        }
        self.assessed(case, answers, &grades)
    }

    fn assessed(&self, case: &PreparedCase, answers: Vec<Answer>, grades: &Grades) -> Tried {
        let prices = self.suite.prices.as_ref();
        let (outcome, assertions) = self.prepared.assess(case, &answers, prices, grades);
        Tried { assertions, ..Tried::of(outcome, answers) }
    }
}
