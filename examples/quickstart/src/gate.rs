//! A validator of one's own: answers must have in them what a customer needs.

use async_trait::async_trait;
use bluegreen_core::{
    Digest, Finding, Judgement, Plan, Problem, Result, Side, Target, Trial, Validator, Verdict,
};

use crate::agent::{END, question};

/// What is asked, and what every good answer says.
const CASES: [(&str, &[&str]); 2] = [
    ("Where is parcel 4711?", &["4711", "Tuesday"]),
    ("Has parcel 1234 been sent?", &["1234", "on its way"]),
];

/// Asks both slots, and refuses a candidate that leaves out what live says.
pub(crate) struct Answers;

#[async_trait]
impl Validator for Answers {
    fn name(&self) -> &'static str {
        "answers"
    }

    fn config_digest(&self) -> Digest {
        let words = CASES.iter().flat_map(|(asked, wanted)| std::iter::once(asked).chain(*wanted));
        Digest::of(words.copied())
    }

    async fn check(&self, _: &Plan) -> Result<Vec<Problem>> {
        Ok(Vec::new())
    }

    async fn judge(&self, trial: &Trial) -> Result<Judgement> {
        let mut evidence = Vec::new();
        for (asked, wanted) in CASES {
            let (live, candidate) =
                (ask(&trial.live, asked).await?, ask(&trial.candidate, asked).await?);
            let is_good = |answer: &str| wanted.iter().all(|word| answer.contains(word));
            if is_good(&live) && !is_good(&candidate) {
                let (wanted, found) = (format!("as live: {live:?}"), format!("{candidate:?}"));
                evidence.push(Finding::new("answer", wanted, found).asked(asked));
            }
        }
        let verdict = if evidence.is_empty() { Verdict::Pass } else { Verdict::Fail };
        let summary = format!("{} of {} answers got worse", evidence.len(), CASES.len());
        Ok(Judgement::new(verdict, summary).with_evidence(evidence))
    }
}

async fn ask(side: &Side, asked: &str) -> Result<String> {
    let answer = side.client.send(&Target::Any, question(asked)).await?;
    let body = answer.into_body().collect(10_000).await?;
    Ok(String::from_utf8_lossy(&body).trim_end_matches(END).trim().to_owned())
}
