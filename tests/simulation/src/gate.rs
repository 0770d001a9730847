//! The gate of every release: it passes unless the schedule says otherwise.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bluegreen_core::{
    Digest, Error, ErrorKind, Finding, Judgement, Plan, Problem, Result, Trial, Validator, Verdict,
};

use crate::schedule::Judged;
use crate::stage::Stage;

pub(crate) struct Gate(pub(crate) Arc<Stage>);

#[async_trait]
impl Validator for Gate {
    fn name(&self) -> &'static str {
        "gate"
    }

    fn config_digest(&self) -> Digest {
        Digest::of(["gate"])
    }

    async fn check(&self, _: &Plan) -> Result<Vec<Problem>> {
        Ok(Vec::new())
    }

    async fn judge(&self, trial: &Trial) -> Result<Judgement> {
        // Long enough for something to happen meanwhile.
        trial.clock.sleep(Duration::from_millis(200)).await;
        let state = &trial.candidate.state;
        match self.0.judge(state) {
            None => Ok(Judgement::new(Verdict::Pass, "good")),
            Some(Judged::Fail) => {
                let finding = Finding::new("candidate", "good", "bad");
                Ok(Judgement::new(Verdict::Fail, "bad").with_evidence(vec![finding]))
            }
            Some(Judged::Inconclusive) => Ok(Judgement::new(Verdict::Inconclusive, "no data")),
            Some(Judged::Unreachable) => Err(Error::new(ErrorKind::Unavailable, "ask the agent")),
        }
    }
}
