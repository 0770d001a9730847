//! Graders of one's own, asked in time.

use std::collections::HashMap;
use std::sync::Arc;

use super::opinion::nobody;
use super::{Opinion, Purse, Stop};
use crate::prompt::answer::Answer;
use crate::prompt::grader::{AgentAnswer, Exchange, Grader, GraderInput};
use crate::prompt::prepare::PreparedCase;
use crate::prompt::suite::{Case, GraderCheck, Suite};

/// The graders of one's own, and the cases as they are shown to them.
pub(super) struct Own {
    graders: Vec<Arc<dyn Grader>>,
    cases: HashMap<String, Arc<Case>>,
}

impl Own {
    pub(super) fn new(suite: &Suite) -> Self {
        let graders = suite.graders.brought().to_vec();
        let cases = if graders.is_empty() { &[][..] } else { &suite.cases };
        let cases = cases.iter().map(|case| (case.id.clone(), Arc::new(case.clone())));
        Self { graders, cases: cases.collect() }
    }

    /// What a grader says of the answer in this place: a turn, or behind all turns.
    pub(super) async fn opinion(
        &self,
        check: &GraderCheck,
        (case, answers, place): (&PreparedCase, &[Answer], usize),
        answer: &Answer,
        purse: &Purse<'_>,
    ) -> Result<Opinion, Stop> {
        let name = check.name.as_str();
        let untold = |why: String| Stop::Untold(format!("grader {name}: {why}"));
        let grader = self.graders.iter().find(|it| it.name() == name);
        let grader = grader.ok_or_else(|| nobody("nobody brought the grader"))?;
        let written = case.written.as_ref().or_else(|| self.cases.get(&case.id));
        let written = written.ok_or_else(|| nobody("there is no such case"))?;
        let input = GraderInput {
            case: written.clone(),
            vars: case.vars.clone(),
            value: check.value.clone(),
            conversation: conversation(case, answers, place),
            answer: AgentAnswer::of(answer),
        };
        let timeout = purse.suite.timeout;
        let grade = tokio::select! {
            biased;
            grade = grader.grade(&input) => grade.map_err(|error| untold(error.chain()))?,
            () = purse.clock.sleep(timeout) => {
                let timeout = humantime::format_duration(timeout);
                return Err(untold(format!("no grade within {timeout}")));
            }
        };
        let grade = grade.checked().map_err(untold)?;
        let enough = check.threshold.is_none_or(|least| grade.score >= least);
        let least = check.threshold.map(|least| format!(" with a score of at least {least}"));
        let wanted = format!("that the grader {name} lets it pass{}", least.unwrap_or_default());
        let found = format!("score {}, {}", grade.score, grade.reason);
        Ok(Opinion { holds: grade.pass && enough, score: grade.score, wanted, found })
    }
}

/// What was said and answered up to this place.
fn conversation(case: &PreparedCase, answers: &[Answer], place: usize) -> Vec<Exchange> {
    let turns = case.turns.iter().zip(answers).take(place.saturating_add(1));
    let exchange = |(turn, answer): (&crate::prompt::prepare::PreparedTurn, &Answer)| {
        Exchange::new(turn.messages.clone(), AgentAnswer::of(answer))
    };
    turns.map(exchange).collect()
}
