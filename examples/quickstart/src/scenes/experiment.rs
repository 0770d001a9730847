//! Two prompts compared by what comes of conversations with each.

use std::time::Duration;

use bluegreen_core::plan::{Experiment as Decides, Until};
use bluegreen_core::{Change, Outcome as Ended, Plan, Winner};
use bluegreen_validate::ExperimentConfig;
use bluegreen_validate::experiment::{Experiment, Horizon, Missing, OutcomeConfig};
use bluegreen_validate::report::ExperimentReport;
use tokio::time::timeout;

use super::{LONG, begin, expect};
use crate::agent::SLOT;
use crate::customers::{COMPLETED, RIGHT};
use crate::proxy::EXPERIMENT;
use crate::report::Row;
use crate::stage::{Outcome, PROMPT, Stage};

/// How long a conversation is waited for: until its customer has gone, and somebody has read it.
const SETTLES: Duration = Duration::from_millis(500);

/// When it ends undecided. Half a minute is enough for a difference as large as this one.
const HORIZON: Duration = Duration::from_secs(30);

/// How often it is looked.
const LOOK: Duration = Duration::from_millis(500);

/// A prompt that helps those who are not at home. Half of all conversations get it until it is known
/// whether more of them end well; then all do.
pub(crate) async fn experiment(stage: &Stage) -> Outcome<Row> {
    let name = begin("8 an experiment: half of them each");
    let prompt = format!("{PROMPT} Offer the neighbours.");
    let (row, report) = compare(stage, name, &prompt, "1.8.0").await?;
    let is_won = row.ended.starts_with("concluded") && report.winner == Some(Winner::Candidate);
    expect(name, &row.ended, is_won)?;
    Ok(row)
}

/// Compares a prompt with the one that is live, by conversations that are really held.
pub(crate) async fn compare(
    stage: &Stage,
    name: &'static str,
    prompt: &str,
    version: &str,
) -> Outcome<(Row, ExperimentReport)> {
    let (tally, customers) = stage.questions.customers(stage.proxy.exposures());
    let (releaser, log) = stage.driver(&format!("driver-{version}"));
    let (config, change) = (config(), Change::default().env("PROMPT", prompt).version(version));
    let releaser = releaser.guard(Experiment::new(config.clone(), stage.proxy.exposures()));
    let plan = plan(stage);
    let releasing = timeout(LONG, Box::pin(releaser.run(change, &plan)));
    let ended = tokio::select! {
        ended = releasing => ended??,
        never = customers.read() => match never {},
    };
    releaser.operations().resign().await?;
    expect(name, &ended.to_string(), matches!(ended, Ended::Concluded { .. }))?;
    let last = log.state_of(&config.name).ok_or("the experiment has never looked")?;
    let report = ExperimentReport::of(&config, &last)?;
    println!("\n{}", report.to_markdown());
    let (switch, ended) = (log.switch(), format!("{ended}; {}", found(&report)));
    Ok((Row { name, tally, switch, back: None, ended, must_lose_nothing: true }, report))
}

/// More conversations have to end well, by five points or more, and no fewer may be right.
fn config() -> ExperimentConfig {
    let rate = |metric| OutcomeConfig::rate(metric).settling(SETTLES, Missing::LeaveOut);
    let mut config = ExperimentConfig::new(rate(COMPLETED).margin(0.05));
    EXPERIMENT.clone_into(&mut config.name);
    // A few hundred conversations don't tell small differences: the margin is wide.
    config.guardrails = vec![rate(RIGHT).margin(0.2)];
    let mut horizon = Horizon::default();
    (horizon.time, horizon.units) = (Some(HORIZON), Some(600));
    config.horizon = horizon;
    config
}

/// Half of the conversations until it is decided; each stays where it has begun.
fn plan(stage: &Stage) -> Plan {
    let mut plan = stage.plan();
    plan.steps = Plan::experiment(50).steps;
    plan.steps[0].until = Until::Decided { horizon: HORIZON };
    let mut decides = Decides::default();
    decides.primary = Some(EXPERIMENT.to_owned());
    plan.experiment = Some(decides);
    plan.look = LOOK;
    plan.bake.hold = LOOK;
    plan.drain.quiet = LOOK;
    plan.conversations_by_header(SLOT)
}

/// The effect with its bounds, and how many conversations each version had.
fn found(report: &ExperimentReport) -> String {
    let conclusion = report.conclusion.as_ref().map_or("undecided".to_owned(), ToString::to_string);
    let effect = report.primary.effect.map_or("no effect known".to_owned(), |it| {
        let points = [it.difference, it.lower, it.upper].map(|it| format!("{:+.1}", 100.0 * it));
        let [difference, lower, upper] = points;
        format!("{difference} points ({lower} to {upper})")
    });
    let (candidate, live) = (report.candidate.exposed, report.live.exposed);
    format!(
        "{conclusion}: {} {effect}; {candidate} conversations with the candidate, {live} with live",
        report.primary.metric
    )
}
