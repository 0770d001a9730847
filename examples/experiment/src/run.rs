//! An experiment from its beginning to its end, on whatever cluster.

use std::sync::Arc;

use async_trait::async_trait;
use bluegreen_core::{
    Actor, Change, Digest, Judgement, OperationError, Outcome, Plan, Problem, Progress, Releaser,
    Reporter as _, Result, Trial, Validator, Verdict, Winner,
};
use bluegreen_validate::Experiment;
use bluegreen_validate::experiment::Conclusion;
use bluegreen_validate::report::ExperimentReport;
use tokio::sync::Notify;

use crate::report::Report;

/// How an experiment has ended, as an exit code says it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Ending {
    CandidateWon,
    Refused,
    WentBack,
    Stuck,
    LiveStays,
    Undecided,
}

impl Ending {
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::CandidateWon => 0,
            Self::Refused => 3,
            Self::WentBack => 4,
            Self::Stuck => 5,
            Self::LiveStays => 6,
            Self::Undecided => 7,
        }
    }

    /// From what the release and the experiment have come to, where it may have been only to be reported.
    pub(crate) fn of(
        outcome: &Outcome,
        report: Option<&ExperimentReport>,
        report_only: bool,
    ) -> Self {
        let is_candidate = report.and_then(|it| it.winner) == Some(Winner::Candidate);
        match outcome {
            Outcome::Refused { .. } => return Self::Refused,
            Outcome::Stuck { .. } => return Self::Stuck,
            Outcome::Released | Outcome::Concluded { winner: Winner::Candidate } => {
                return Self::CandidateWon;
            }
            _ => {}
        }
        match report.and_then(|it| it.conclusion.as_ref()) {
            Some(Conclusion::Harm { .. }) => Self::WentBack,
            Some(Conclusion::UndecidedAtHorizon | Conclusion::Void { .. }) => Self::Undecided,
            Some(_) if is_candidate && report_only => Self::CandidateWon,
            // It had won, and its bake sent it back.
            Some(_) if is_candidate => Self::WentBack,
            Some(_) => Self::LiveStays,
            None if matches!(outcome, Outcome::Concluded { .. }) => Self::Undecided,
            None => Self::WentBack,
        }
    }
}

/// An experiment that says who has won and leaves it at that.
pub(crate) struct Told(pub(crate) Experiment);

#[async_trait]
impl Validator for Told {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn config_digest(&self) -> Digest {
        Digest::of(["experiment, only told", self.0.config_digest().as_str()])
    }

    async fn check(&self, plan: &Plan) -> Result<Vec<Problem>> {
        self.0.check(plan).await
    }

    async fn judge(&self, trial: &Trial) -> Result<Judgement> {
        let mut judgement = self.0.judge(trial).await?;
        // Harm has no winner: it ends what it would end anyway.
        if judgement.winner.take().is_some() {
            judgement.verdict = Verdict::Inconclusive;
        }
        Ok(judgement)
    }
}

/// What is to be done.
pub(crate) enum Task {
    Run(Box<(Change, Plan)>),
    Resume,
}

/// Everything that an experiment needs.
pub(crate) struct Stage<'a> {
    pub(crate) releaser: Releaser,
    pub(crate) experiment: Experiment,
    pub(crate) report: &'a Report,
    pub(crate) actor: Actor,
    pub(crate) report_only: bool,
}

impl Stage<'_> {
    /// The releaser that drives the experiment.
    pub(crate) fn releaser(&self) -> Releaser {
        let (releaser, experiment) = (self.releaser.clone(), self.experiment.clone());
        let releaser = releaser.actor(self.actor.clone());
        if self.report_only { releaser.guard(Told(experiment)) } else { releaser.guard(experiment) }
    }

    /// Drives it to its end, and tells `screen` of everything. Where it is only to be reported who has won,
    /// traffic goes back as soon as that is known.
    ///
    /// # Cancel safety
    /// May be dropped at any await: the experiment stays where it is, and can be resumed.
    pub(crate) async fn drive(
        &self,
        task: Task,
        screen: impl Fn(&Progress) + Send + Sync + 'static,
    ) -> std::result::Result<Outcome, OperationError> {
        let (log, decided) = (self.report.log.clone(), Arc::new(Notify::new()));
        let (name, heard) = (self.experiment.name().to_owned(), decided.clone());
        let releaser = self.releaser().report(move |progress: &Progress| {
            screen(progress);
            log.report(progress);
            let is_its =
                matches!(progress, Progress::Judged { validator, .. } if *validator == name);
            // After the look is stored, so that whoever resumes finds it decided.
            if is_its && log.snapshot().experiments.iter().any(|it| it.conclusion.is_some()) {
                heard.notify_one();
            }
        });
        let operations = releaser.operations();
        let driving = async {
            match task {
                Task::Run(wanted) => releaser.run(wanted.0, &wanted.1).await,
                Task::Resume => releaser.resume().await,
            }
        };
        let concluded = async {
            if self.report_only {
                decided.notified().await;
            } else {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            // If it has ended by itself there is nothing to be taken back.
            biased;
            outcome = driving => return outcome,
            () = concluded => {}
            never = self.report.keep(&operations) => match never {},
        }
        let conclusion = self.report.experiment().and_then(|it| it.conclusion);
        let conclusion = conclusion.map_or("decided".to_owned(), |it| it.to_string());
        let reason = format!("{}: {conclusion}; only to be reported", self.experiment.name());
        operations.rollback(self.actor.clone(), reason).await?;
        operations.finish().await
    }
}
