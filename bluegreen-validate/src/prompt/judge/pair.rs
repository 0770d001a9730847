//! Two answers to one question compared: in both orders, by judges that know them as A and B.

use futures_util::future::{join, join_all};
use serde_json::json;

use bluegreen_core::Digest;

use super::opinion::majority;
use super::{Grade, Judge, Judging, Kind, Opinion, Purse, Stop, Task};
use crate::prompt::answer::Answer;
use crate::prompt::prepare::PreparedCase;
use crate::prompt::suite::{Check, Pairwise};
use crate::report::{JudgeReport, OrderReport, PreferenceReport, Preferred};

/// What a comparison came to for each slot, and what there is to tell about it.
pub(in crate::prompt) struct Compared {
    /// The turn whose answers were compared; behind all turns those of the whole case.
    pub(in crate::prompt) place: usize,
    pub(in crate::prompt) check: Check,
    pub(in crate::prompt) live: Result<Opinion, String>,
    pub(in crate::prompt) idle: Result<Opinion, String>,
    pub(in crate::prompt) report: PreferenceReport,
}

impl Opinion {
    /// That an answer is not worse, whatever judges may say.
    pub(in crate::prompt) fn unbeaten(check: &Check, why: &str) -> Self {
        let wanted = match check {
            Check::Pairwise(pairwise) => wanted(pairwise),
            other => other.name().to_owned(),
        };
        Self { holds: true, score: 1.0, wanted, found: why.to_owned() }
    }
}

/// What one judge says.
struct Vote {
    preferred: Preferred,
    /// With live's answer first, and with the candidate's.
    orders: [(Preferred, String); 2],
}

/// What is compared.
struct Pair<'a> {
    question: String,
    criteria: &'a str,
    live: String,
    idle: String,
}

impl Judging {
    /// Compares the answers of both slots wherever the case wants it. The budget that is spent, if
    /// one is.
    pub(in crate::prompt) async fn compare(
        &self,
        case: &PreparedCase,
        live: &[Answer],
        idle: &[Answer],
        purse: &Purse<'_>,
    ) -> Result<Vec<Compared>, &'static str> {
        let mut all = Vec::new();
        for (place, check) in case.pairwise() {
            let Check::Pairwise(pairwise) = check else { continue };
            let (live, idle) = (said(case, live, place), said(case, idle, place));
            let question = asked(case, place);
            let pair = Pair { question, criteria: &pairwise.criteria, live, idle };
            all.push(self.compared(place, check, pairwise, &pair, purse).await?);
        }
        Ok(all)
    }

    async fn compared(
        &self,
        place: usize,
        check: &Check,
        pairwise: &Pairwise,
        pair: &Pair<'_>,
        purse: &Purse<'_>,
    ) -> Result<Compared, &'static str> {
        let mut report = PreferenceReport::new(&pairwise.criteria);
        let check = check.clone();
        if pair.live == pair.idle {
            // Whatever a judge would say, it would say of both.
            report.preferred = Some(Preferred::Neither);
            let opinion = Opinion::unbeaten(&check, "the same answer of both slots");
            let (live, idle) = (Ok(opinion.clone()), Ok(opinion));
            return Ok(Compared { place, check, live, idle, report });
        }
        let panel: Vec<_> = self.panel(&check).collect();
        let votes = panel.iter().map(|judge| self.preference(judge.as_ref(), pair, purse));
        let votes = join_all(votes).await;
        for (judge, vote) in panel.iter().zip(&votes) {
            report.judges.push(told(judge.name(), vote));
        }
        let of = |worse_if: Preferred| {
            let votes = panel.iter().zip(&votes).map(|(judge, vote)| {
                let vote = vote.as_ref().map(|it| it.grade(worse_if)).map_err(Clone::clone);
                (judge.name(), vote)
            });
            match majority(votes.collect(), wanted(pairwise)) {
                Ok(opinion) => Ok(Ok(opinion)),
                Err(Stop::Untold(why)) => Ok(Err(why)),
                Err(Stop::Budget(budget)) => Err(budget),
            }
        };
        let (live, idle) = (of(Preferred::Idle)?, of(Preferred::Live)?);
        report.preferred = match (&live, &idle) {
            (Ok(live), Ok(idle)) => Some(match (live.holds, idle.holds) {
                (true, false) => Preferred::Live,
                (false, true) => Preferred::Idle,
                _ => Preferred::Neither,
            }),
            _ => None,
        };
        Ok(Compared { place, check, live, idle, report })
    }

    /// What one judge prefers, asked in both orders.
    async fn preference(
        &self,
        judge: &dyn Judge,
        pair: &Pair<'_>,
        purse: &Purse<'_>,
    ) -> Result<Vote, Stop> {
        let live_first = self.ordered(judge, pair, &pair.live, &pair.idle, purse);
        let idle_first = self.ordered(judge, pair, &pair.idle, &pair.live, purse);
        let (live_first, idle_first) = join(live_first, idle_first).await;
        let (one, other) = (live_first?, idle_first?);
        let first = choice(one.score, Preferred::Live, Preferred::Idle);
        let second = choice(other.score, Preferred::Idle, Preferred::Live);
        let preferred = if first == second { first } else { Preferred::Neither };
        Ok(Vote { preferred, orders: [(first, one.reason), (second, other.reason)] })
    }

    async fn ordered(
        &self,
        judge: &dyn Judge,
        pair: &Pair<'_>,
        answer: &str,
        other: &str,
        purse: &Purse<'_>,
    ) -> Result<Grade, Stop> {
        let Pair { question, criteria, .. } = pair;
        let parts = [judge.name(), "pairwise", criteria, question.as_str(), answer, other];
        let kind = Kind::Pair;
        let task = Task { kind, question, measure: criteria, answer, other: Some(other) };
        self.known.once(Digest::of(parts), judge.grade(&task, &self.secret, purse)).await
    }
}

/// Whose answer is better, of which one was the first.
fn choice(score: f64, first: Preferred, second: Preferred) -> Preferred {
    if score > 0.75 {
        first
    } else if score < 0.25 {
        second
    } else {
        Preferred::Neither
    }
}

impl Vote {
    /// The verdict on the slot that is worse if `worse_if` is preferred.
    fn grade(&self, worse_if: Preferred) -> Grade {
        let pass = self.preferred != worse_if;
        let score = if pass { 1.0 } else { 0.0 };
        let [(first, one), (second, other)] = &self.orders;
        let which = match self.preferred {
            Preferred::Live => "live is better in both orders".to_owned(),
            Preferred::Idle => "the candidate is better in both orders".to_owned(),
            Preferred::Neither => format!("a tie: {first} and {second}"),
        };
        let reason = format!("{which}; live as A: {one}; the candidate as A: {other}");
        Grade { pass, score, reason }
    }
}

/// What a report says of a judge.
fn told(name: &str, vote: &Result<Vote, Stop>) -> JudgeReport {
    let mut report = JudgeReport::new(name);
    match vote {
        Ok(vote) => {
            report.preferred = Some(vote.preferred);
            let firsts = [Preferred::Live, Preferred::Idle].into_iter();
            let orders = firsts.zip(&vote.orders);
            report.orders = orders
                .map(|(first, (preferred, reason))| OrderReport::new(first, *preferred, reason))
                .collect();
        }
        Err(Stop::Untold(why)) => report.error = Some(why.clone()),
        Err(Stop::Budget(budget)) => report.error = Some(format!("the budget is spent: {budget}")),
    }
    report
}

fn wanted(pairwise: &Pairwise) -> String {
    format!("an answer that is not worse than the other slot's by \"{}\"", pairwise.criteria)
}

/// What was asked up to this place. Of several turns each message is JSON by itself, so that none
/// can pretend to be another.
fn asked(case: &PreparedCase, place: usize) -> String {
    if case.turns.len() == 1 {
        return case.all_asked();
    }
    let mut lines = Vec::new();
    for (number, turn) in (1..).zip(case.turns.iter().take(place + 1)) {
        for message in &turn.messages {
            let (role, content) = (&message.role, &message.content);
            lines.push(json!({"turn": number, "role": role, "content": content}).to_string());
        }
    }
    lines.join("\n")
}

/// What one slot said up to this place: all of it, because what it said before is another in each.
fn said(case: &PreparedCase, answers: &[Answer], place: usize) -> String {
    if case.turns.len() == 1 {
        return answers.first().map(Answer::shown).unwrap_or_default();
    }
    let answers = (1..).zip(answers.iter().take(place + 1));
    let lines = answers
        .map(|(number, answer)| json!({"turn": number, "content": answer.shown()}).to_string());
    lines.collect::<Vec<_>>().join("\n")
}

/// There is nothing to compare an answer with.
pub(in crate::prompt) const ALONE: &str = "there is no answer of the other slot to compare it with";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_holds_in_both_orders_is_a_preference() {
        use Preferred::{Idle, Live, Neither};
        let of = |one: f64, other: f64| {
            let (first, second) = (choice(one, Live, Idle), choice(other, Idle, Live));
            if first == second { first } else { Neither }
        };
        assert_eq!((of(1.0, 0.0), of(0.0, 1.0)), (Live, Idle));
        // A judge that always takes the first, or the second, prefers nobody.
        assert_eq!((of(1.0, 1.0), of(0.0, 0.0)), (Neither, Neither));
        assert_eq!((of(1.0, 0.5), of(0.5, 0.0), of(0.5, 0.5)), (Neither, Neither, Neither));
    }
}
