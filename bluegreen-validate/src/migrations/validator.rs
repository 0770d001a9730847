//! Migrations as a gate of a release.

use async_trait::async_trait;
use bluegreen_core::{
    Digest, Error, ErrorKind, Finding, Judgement, Plan, Problem, Result, Trial, Validator, Verdict,
};

use super::{MigrationFinding, Migrations};
use crate::ConfigError;

#[async_trait]
impl Validator for Migrations {
    fn name(&self) -> &str {
        &self.settings.name
    }

    fn config_digest(&self) -> Digest {
        self.digest()
    }

    async fn check(&self, _: &Plan) -> Result<Vec<Problem>> {
        if self.versions.is_some() {
            return Ok(self.problems());
        }
        Ok(self.review().problems)
    }

    async fn judge(&self, trial: &Trial) -> Result<Judgement> {
        let version = trial.candidate.state.running.version.clone().unwrap_or_default();
        let Some(review) = self.review_of(&version) else {
            let summary = format!("no migrations are known of the version {version}");
            return Ok(Judgement::new(Verdict::Inconclusive, summary));
        };
        let verdict = review.verdict();
        if verdict == Verdict::Inconclusive {
            let wrong = ConfigError::new(&self.settings.name, review.problems);
            return Err(Error::new(ErrorKind::Rejected, "judge migrations").with_source(wrong));
        }
        let mut findings: Vec<&MigrationFinding> = review.findings.iter().collect();
        findings.sort_by_key(|it| it.danger);
        let evidence = findings.into_iter().chain(&review.notices).map(evidence).collect();
        Ok(Judgement::new(verdict, review.summary()).with_evidence(evidence))
    }
}

fn evidence(finding: &MigrationFinding) -> Finding {
    let found = format!("{} ({}): {}", finding.rule, finding.danger, finding.why);
    let wanted = match &finding.allowed {
        Some(reason) => format!("allowed, because {reason}"),
        None => finding.instead.clone(),
    };
    Finding::new(finding.place(), wanted, found).asked(&finding.statement)
}
