//! One look: doubt, ask, take in, say.

use bluegreen_core::{Finding, Judgement, Result, Timestamp, Trial, Verdict, Winner};

use super::decide::{Conclusion, Void, take_in};
use super::memory::Memory;
use super::render::found;
use super::{Asked, Cohort, Effect, ExperimentConfig, Kind, OutcomeConfig, Outcomes, Tally};

/// Why nothing new is known: asked, found and wanted.
struct Trouble {
    asked: &'static str,
    found: String,
    wanted: String,
}

/// Takes one look.
pub(super) async fn look(
    config: &ExperimentConfig,
    source: &dyn Outcomes,
    trial: &Trial,
) -> Result<Judgement> {
    let now = trial.clock.now();
    let known = Memory::read(&config.name, trial.state.as_deref())?;
    let share = trial.routing.share_of(trial.candidate.state.color);
    let is_planned = share == config.planned() && trial.routing.mirror.is_none();
    let mut memory = match known {
        Some(memory) => memory,
        None if is_planned => Memory::begin(trial, now),
        None => {
            let finding = Finding::new("routing", planned(config), trial.routing.to_string());
            let summary = format!("waits for {}, found {}", planned(config), trial.routing);
            return Ok(Judgement::new(Verdict::Inconclusive, summary).with_evidence(vec![finding]));
        }
    };
    if memory.ended.is_some() {
        return told(config, &memory, None);
    }
    if now < memory.until {
        let trouble = Trouble {
            asked: "the clock",
            found: now.to_string(),
            wanted: format!("{}, the last look, or later", memory.until),
        };
        return told(config, &memory, Some(trouble));
    }
    if let Some(conclusion) = changed(config, &memory, trial, is_planned) {
        memory.ended = Some((now, conclusion));
        return told(config, &memory, None);
    }
    match ask(config, source, trial, &memory, now).await {
        Ok(tally) => {
            take_in(config, &mut memory, &tally, now);
            told(config, &memory, None)
        }
        Err(trouble) => told(config, &memory, Some(trouble)),
    }
}

fn planned(config: &ExperimentConfig) -> String {
    format!("{} for the candidate", config.planned())
}

/// What has become of what was to be compared.
fn changed(
    config: &ExperimentConfig,
    memory: &Memory,
    trial: &Trial,
    is_planned: bool,
) -> Option<Conclusion> {
    let sides = [
        ("the candidate", &memory.candidate, &trial.candidate.state),
        ("live", &memory.live, &trial.live.state),
    ];
    for (name, began, now) in sides {
        if began.digest == now.digest() && began.arm.color == now.color {
            continue;
        }
        let version = now.running.version.as_deref().unwrap_or("without a version");
        return Some(Conclusion::Void {
            reason: Void::Superseded,
            found: format!("{name} on {} runs {version}, {}", now.color, now.digest().short()),
            wanted: format!(
                "{} on {}, {}, with which it began",
                began.arm.version.as_deref().unwrap_or("without a version"),
                began.arm.color,
                began.digest.short()
            ),
        });
    }
    (!is_planned).then(|| Conclusion::Void {
        reason: Void::Weights,
        found: trial.routing.to_string(),
        wanted: format!("{} from begin to end", planned(config)),
    })
}

/// All outcomes so far, if they can be had. Whether an outcome can be believed is seen for each of them: one bad
/// value hides neither harm by another nor that the time is over.
async fn ask(
    config: &ExperimentConfig,
    source: &dyn Outcomes,
    trial: &Trial,
    memory: &Memory,
    now: Timestamp,
) -> Result<Tally, Trouble> {
    let cohort = Cohort {
        unit: config.unit,
        candidate: memory.candidate.arm.clone(),
        live: memory.live.arm.clone(),
        since: memory.began,
        until: now,
        outcomes: config.outcomes().map(Asked::of).collect(),
    };
    let asked = "outcomes";
    let tally = tokio::select! {
        biased;
        tally = source.tally(&cohort) => tally.map_err(|error| Trouble {
            asked,
            found: error.chain(),
            wanted: "an answer of the source of outcomes".to_owned(),
        })?,
        () = trial.clock.sleep(config.timeout) => {
            let found = format!("no answer within {}", humantime::format_duration(config.timeout));
            return Err(Trouble { asked, found, wanted: "an answer in time".to_owned() });
        }
    };
    if let Some([found, wanted]) = tally.contradiction() {
        return Err(Trouble { asked, found, wanted });
    }
    Ok(tally)
}

/// What is known, as a judgement.
fn told(config: &ExperimentConfig, memory: &Memory, trouble: Option<Trouble>) -> Result<Judgement> {
    let mut evidence = Vec::new();
    let effects = memory.state.effects.iter().map(Option::as_ref).chain(std::iter::repeat(None));
    let mut findings: Vec<Finding> = config
        .outcomes()
        .zip(effects)
        .enumerate()
        .map(|(place, (outcome, effect))| match memory.state.doubts.get(&outcome.metric) {
            Some([found, wanted]) => Finding::new(&outcome.metric, wanted, found),
            None => finding(config, outcome, effect, place == 0),
        })
        .collect();
    let (verdict, winner, summary) = match (trouble, &memory.ended) {
        (Some(trouble), _) => {
            let summary = format!("{}: {}", trouble.asked, trouble.found);
            evidence.push(Finding::new(trouble.asked, trouble.wanted, trouble.found));
            (Verdict::Inconclusive, None, summary)
        }
        (None, None) => {
            let primary = memory.state.effects.first().and_then(Option::as_ref);
            let doubt = memory.state.doubts.get(&config.primary.metric);
            let known = match doubt {
                Some([found, wanted]) => format!("found {found}, wanted {wanted}"),
                None => found(&config.primary, primary),
            };
            (Verdict::Inconclusive, None, format!("not decided: {known}"))
        }
        (None, Some((_, conclusion))) => {
            let winner = conclusion.winner(config.equal);
            let verdict = match (conclusion, winner) {
                (Conclusion::Harm { .. }, _) => Verdict::Fail,
                (Conclusion::UndecidedAtHorizon, _) | (_, None) => Verdict::Inconclusive,
                (_, Some(Winner::Candidate)) => Verdict::Pass,
                (_, Some(_)) => Verdict::Fail,
            };
            let detail = match conclusion {
                Conclusion::Void { reason, found, wanted } => {
                    evidence.push(Finding::new(reason.to_string(), wanted.clone(), found.clone()));
                    found.clone()
                }
                Conclusion::Harm { metric, found } => {
                    // The guardrail that was hit comes first.
                    findings.sort_by_key(|finding| finding.subject != *metric);
                    found.clone()
                }
                _ => found(&config.primary, memory.state.effects.first().and_then(Option::as_ref)),
            };
            (verdict, winner, format!("{conclusion}: {detail}"))
        }
    };
    evidence.append(&mut findings);
    evidence.extend(outside(memory));
    let mut judgement = Judgement::new(verdict, summary)
        .with_evidence(evidence)
        .with_state(memory.write(&config.name)?);
    judgement.winner = winner;
    Ok(judgement)
}

/// Units and exposures that have no part in it. Where a label does not say what the configuration says, that
/// may be all of them.
fn outside(memory: &Memory) -> Vec<Finding> {
    let (state, mut findings) = (&memory.state, Vec::new());
    if state.foreign > 0 {
        let strangers: Vec<String> = state.strangers.iter().map(ToString::to_string).collect();
        let found = if strangers.is_empty() {
            format!("{} units on neither", state.foreign)
        } else {
            format!("{} units on others, such as {}", state.foreign, strangers.join("; "))
        };
        let wanted = format!("units on {} or on {}", memory.candidate.arm, memory.live.arm);
        findings.push(Finding::new("versions", wanted, found));
    }
    if state.refused > 0 {
        let found = format!("{} exposures refused", state.refused);
        findings.push(Finding::new("room", "room for all units", found));
    }
    findings
}

fn finding(
    config: &ExperimentConfig,
    outcome: &OutcomeConfig,
    effect: Option<&Effect>,
    is_primary: bool,
) -> Finding {
    let margin = match outcome.kind {
        Kind::Rate => format!("{} points", crate::guard::rounded(100.0 * outcome.margin)),
        Kind::Mean => crate::guard::rounded(outcome.margin),
    };
    let wanted = if is_primary {
        format!("a difference, or less than {margin}, of {} units of each", config.min_units)
    } else {
        format!("worse by less than {margin}, of {} units of each", config.min_units)
    };
    Finding::new(&outcome.metric, wanted, found(outcome, effect))
}
