//! From the command line to a change, a plan, and an experiment.

use std::time::Duration;

use bluegreen_core::clock::days;
use bluegreen_core::plan::{Experiment as Decides, Step, Until};
use bluegreen_core::{Change, ConfigFiles, EvidenceKind, Plan, Share, Vantage};
use bluegreen_validate::ExperimentConfig;

use crate::cli::{Experiment, Fed};

/// How many answers in a row show that everything goes to one slot.
const IN_A_ROW: u32 = 20;

/// The settings of the file, or all that is wrong with them.
pub(crate) fn config(fed: &Fed) -> Result<ExperimentConfig, Vec<String>> {
    let config = ExperimentConfig::from_file(&fed.experiment)
        .map_err(|error| error.problems().iter().map(ToString::to_string).collect::<Vec<_>>())?;
    if fed.listen.is_none() && fed.events.is_none() {
        let wanted = "found neither --listen nor --events, wanted somebody who tells of exposures \
                      and outcomes";
        return Err(vec![wanted.to_owned()]);
    }
    Ok(config)
}

/// What the candidate is.
pub(crate) fn change(wanted: &Experiment) -> Result<Change, Vec<String>> {
    let (mut change, mut wrong) = (Change::default(), Vec::new());
    for image in &wanted.image {
        match image.split_once('=') {
            Some((container, image)) => change = change.and_image(container, image),
            None => wrong.push(format!("--image {image}: found no `=`, wanted CONTAINER=IMAGE")),
        }
    }
    for variable in &wanted.env {
        match variable.split_once('=') {
            Some((name, value)) => change = change.env(name, value),
            // It may be a value that nobody is to see.
            None => wrong.push("--env: found no `=`, wanted NAME=VALUE".to_owned()),
        }
    }
    for files in &wanted.prompts {
        match files.split_once('=').map(|(name, folder)| (name, ConfigFiles::read(folder))) {
            Some((config_map, Ok(files))) => change = change.and_files(config_map, files),
            Some((_, Err(error))) => wrong.push(format!("--prompts: {}", error.chain())),
            None => wrong.push(format!("--prompts {files}: found no `=`, wanted CONFIGMAP=FOLDER")),
        }
    }
    if wanted.image.is_empty() && wanted.env.is_empty() && wanted.prompts.is_empty() {
        let none = "found neither --prompts nor --image nor --env, wanted what the candidate is";
        wrong.push(none.to_owned());
    }
    if wrong.is_empty() { Ok(change.version(&wanted.version)) } else { Err(wrong) }
}

/// The metrics of which outcomes may be told.
pub(crate) fn metrics(config: &ExperimentConfig) -> Vec<String> {
    let all = std::iter::once(&config.primary).chain(&config.guardrails);
    all.map(|it| it.metric.clone()).collect()
}

/// One share until it is decided, and then everything or nothing.
pub(crate) fn plan(wanted: &Experiment, config: &ExperimentConfig) -> Plan {
    let horizon = config.horizon.time.unwrap_or(days(14));
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the settings were checked: it lies between 0 and a million"
    )]
    let share = Share::parts_per_million((config.share * 1e6).round() as u32);
    let mut plan = Plan::experiment(50).bake(wanted.bake).conversations_by_header(&wanted.header);
    plan.steps[0] = Step::new(share).until(Until::Decided { horizon });
    let mut decides = Decides::default();
    decides.primary = Some(config.name.clone());
    plan.experiment = Some(decides);
    plan.look = wanted.look;
    plan.keep_failed = Duration::ZERO;
    plan.drain.quiet = wanted.quiet;
    plan.drain.max = plan.drain.max.max(wanted.quiet);
    plan.whole = plan
        .whole
        .max(horizon.saturating_add(wanted.bake.saturating_mul(3)).saturating_add(days(1)));
    if let Some(url) = &wanted.through {
        let vantage = Vantage::Url { url: url.clone() };
        plan = plan.evidence(EvidenceKind::Answers { vantage, in_a_row: IN_A_ROW });
    }
    plan
}
