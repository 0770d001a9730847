//! What voids an experiment, and what it does not believe.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bluegreen_core::{
    Error, ErrorKind, Judgement, Plan, Result, Routing, Share, Timestamp, Validator, Verdict,
    Winner,
};
use bluegreen_validate::experiment::{
    Cohort, Exposures, Horizon, Kind, OutcomeConfig, Outcomes, Tally,
};
use bluegreen_validate::sequential::Moments;
use bluegreen_validate::{Experiment, ExperimentConfig};

use crate::world::{
    CANDIDATE, LIVE, LOOK, START, Stepping, at, config, converse, decide, look, state, trial_at,
};

fn is_void(judgement: &Judgement, reason: &str) {
    assert_eq!(judgement.verdict, Verdict::Inconclusive, "{judgement}");
    assert_eq!(judgement.winner, None, "{judgement}");
    let wanted = format!("void, {reason}: ");
    assert!(judgement.summary.starts_with(&wanted), "{judgement}");
    assert_eq!(judgement.evidence[0].subject, reason);
}

#[tokio::test]
async fn a_hotfix_of_either_side_voids_it() {
    for color in [CANDIDATE, LIVE] {
        let exposures = Exposures::new();
        converse(&exposures, START, (3600, 3), [80, 70]);
        let experiment = Experiment::new(config(), exposures);
        let mut trial = trial_at(START);
        assert!(look(&experiment, &mut trial).await.summary.starts_with("not decided"));
        let side = if color == CANDIDATE { &mut trial.candidate } else { &mut trial.live };
        // The same version label, and another image.
        let mut hotfix = state(color, "hotfix").running;
        hotfix.version.clone_from(&side.state.running.version);
        side.state.running = hotfix;
        let voided = look(&experiment, &mut trial).await;
        is_void(&voided, "superseded");
        assert_eq!(look(&experiment, &mut trial).await, voided, "and it stays void");
    }
}

#[tokio::test]
async fn it_waits_for_its_share_and_is_void_when_that_changes() {
    let exposures = Exposures::new();
    let experiment = Experiment::new(config(), exposures.clone());
    let mut trial = trial_at(START);
    trial.routing = Routing::all(LIVE).with_candidate(Share::percent(5));
    let waiting = look(&experiment, &mut trial).await;
    assert_eq!((waiting.verdict, waiting.state), (Verdict::Inconclusive, None));
    assert_eq!(waiting.summary, "waits for 50 % for the candidate, found blue 95 %, green 5 %");
    trial.routing = Routing::all(LIVE).with_candidate(Share::percent(50));
    converse(&exposures, at(60), (600, 3), [80, 70]);
    assert!(look(&experiment, &mut trial).await.summary.starts_with("not decided"));
    trial.routing = Routing::all(LIVE).with_candidate(Share::percent(60));
    is_void(&look(&experiment, &mut trial).await, "weights");
}

#[tokio::test]
async fn units_that_are_lost_void_it() {
    let exposures = Exposures::new();
    for number in 0..30_000_u64 {
        let unit = number.to_string();
        let (color, version) = if number % 2 == 0 { (CANDIDATE, "2") } else { (LIVE, "1") };
        // Every tenth of the candidate's is never told of: those that would not have completed.
        if number % 20 != 0 {
            exposures.expose(&unit, color, version, at(1 + number));
            let value = if number % 20 == 1 { 0.0 } else { 1.0 };
            exposures.outcome(&unit, "completed", value, at(2 + number));
        }
    }
    let mut config = config();
    config.min_units = 12_000; // or it would be better long before
    let experiment = Experiment::new(config, exposures);
    let mut trial = trial_at(START);
    trial.clock = Stepping::new(START, Duration::from_mins(10));
    is_void(&decide(&experiment, &mut trial, 60).await, "sample ratio");
}

#[tokio::test]
async fn a_clock_that_went_back_changes_nothing() {
    let exposures = Exposures::new();
    converse(&exposures, START, (600, 3), [80, 70]);
    let experiment = Experiment::new(config(), exposures.clone());
    let mut trial = trial_at(START);
    let clock = Stepping::new(START, Duration::ZERO);
    trial.clock = clock.clone();
    look(&experiment, &mut trial).await;
    clock.set(at(300));
    look(&experiment, &mut trial).await;
    let kept = trial.state.clone();

    clock.set(at(299));
    let judgement = look(&experiment, &mut trial).await;
    assert_eq!(judgement.verdict, Verdict::Inconclusive);
    assert!(judgement.summary.starts_with("the clock: 2026-01-01T00:04:59"), "{judgement}");
    assert_eq!(trial.state, kept);

    clock.set(at(360));
    assert!(look(&experiment, &mut trial).await.summary.starts_with("not decided"));
}

#[tokio::test]
async fn units_that_were_lost_void_it_though_others_come() {
    let mut trial = trial_at(START);
    let exposures = Exposures::new();
    converse(&exposures, START, (30, 3), [80, 70]);
    trial.clock = Stepping::new(at(60), LOOK);
    let judgement = look(&Experiment::new(config(), exposures), &mut trial).await;
    assert!(judgement.summary.starts_with("not decided"), "{judgement}");
    // It began at the first look, so these are the first that count.
    let exposures = Exposures::new();
    converse(&exposures, at(61), (50, 4), [80, 70]);
    let judgement = look(&Experiment::new(config(), exposures), &mut trial).await;
    assert!(judgement.summary.starts_with("not decided"), "{judgement}");

    // A restart with a recorder that knows nothing, but for a few that have come since.
    let emptied = Exposures::new();
    converse(&emptied, at(125), (20, 4), [100, 0]);
    let experiment = Experiment::new(config(), emptied.clone());
    let voided = look(&experiment, &mut trial).await;
    is_void(&voided, "lost units");
    assert_eq!(voided.evidence[0].found, "80 units");
    assert_eq!(voided.evidence[0].wanted, "about 200, which there were before");
    // More than there ever were.
    converse(&emptied, at(180), (600, 4), [100, 0]);
    assert_eq!(look(&experiment, &mut trial).await, voided, "and it stays void");
}

/// An exposure that is told of late may show that a conversation was under way before.
#[tokio::test]
async fn a_unit_that_turns_out_to_have_no_part_is_no_loss() {
    let exposures = Exposures::new();
    converse(&exposures, START, (600, 1), [70, 70]);
    let experiment = Experiment::new(config(), exposures.clone());
    let mut trial = trial_at(START);
    trial.clock = Stepping::new(START, 12 * LOOK);
    look(&experiment, &mut trial).await;
    look(&experiment, &mut trial).await;
    exposures.expose(&format!("{START}-0"), LIVE, "1", Timestamp::default());
    let judgement = look(&experiment, &mut trial).await;
    assert!(judgement.summary.starts_with("not decided"), "{judgement}");
}

#[tokio::test]
async fn versions_that_nobody_compares_and_refused_units_are_told_of() {
    let exposures = Exposures::with_room(40);
    converse(&exposures, at(1), (10, 3), [80, 70]);
    for number in 0..12 {
        exposures.expose(&format!("other-{number}"), CANDIDATE, "2.0.1-rc", at(5));
    }
    let experiment = Experiment::new(config(), exposures);
    let mut trial = trial_at(START);
    look(&experiment, &mut trial).await;
    let judgement = look(&experiment, &mut trial).await;
    let told = |subject: &str| {
        let finding = judgement.evidence.iter().find(|it| it.subject == subject).unwrap();
        [finding.found.clone(), finding.wanted.clone()]
    };
    assert_eq!(
        told("versions"),
        ["10 units on others, such as 2.0.1-rc on green", "units on 2 on green or on 1 on blue"]
    );
    assert_eq!(told("room"), ["2 exposures refused", "room for all units"]);
}

/// A source that says whatever it is told to.
struct Says(fn() -> Result<Tally>);

#[async_trait]
impl Outcomes for Says {
    async fn tally(&self, _: &Cohort) -> Result<Tally> {
        (self.0)()
    }
}

/// A source that never answers.
struct Silent;

#[async_trait]
impl Outcomes for Silent {
    async fn tally(&self, _: &Cohort) -> Result<Tally> {
        std::future::pending().await
    }
}

fn arms(moments: Moments) -> Tally {
    let mut tally = Tally::default();
    for arm in [&mut tally.candidate, &mut tally.live] {
        arm.exposed = 1000;
        arm.outcomes.insert("completed".to_owned(), moments);
    }
    tally
}

#[tokio::test(start_paused = true)]
async fn hostile_numbers_and_silence_are_inconclusive() {
    let sources: Vec<Arc<dyn Outcomes>> = vec![
        Arc::new(Says(|| Err(Error::new(ErrorKind::Unavailable, "ask the warehouse")))),
        Arc::new(Says(|| Ok(Tally::default()))),
        Arc::new(Says(|| Ok(arms(Moments::new(f64::NAN, 0.0, 0.0))))),
        Arc::new(Says(|| Ok(arms(Moments::new(500.0, f64::INFINITY, f64::INFINITY))))),
        Arc::new(Says(|| Ok(arms(Moments::new(-500.0, -100.0, 100.0))))),
        Arc::new(Says(|| Ok(arms(Moments::new(500.0, 600.0, 600.0))))),
        Arc::new(Says(|| Ok(arms(Moments::new(500.0, 400.0, 1.0))))),
        Arc::new(Says(|| Ok(arms(Moments::new(1e300, 1e300, 1e300))))),
        Arc::new(Silent),
    ];
    for (number, source) in sources.into_iter().enumerate() {
        for kind in [Kind::Rate, Kind::Mean] {
            let mut config = config();
            config.primary.kind = kind;
            let experiment = Experiment::new(config, source.clone());
            let mut trial = trial_at(START);
            for _ in 0..3 {
                let judgement = look(&experiment, &mut trial).await;
                assert_eq!(judgement.verdict, Verdict::Inconclusive, "{number}: {judgement}");
                assert_eq!(judgement.winner, None, "{number}: {judgement}");
                assert!(!judgement.evidence.is_empty());
            }
        }
    }
}

#[tokio::test]
async fn one_arm_alone_never_wins() {
    let exposures = Exposures::new();
    for number in 0..2000_u64 {
        exposures.expose(&number.to_string(), CANDIDATE, "2", at(number));
        exposures.outcome(&number.to_string(), "completed", 1.0, at(number));
    }
    let experiment = Experiment::new(config(), exposures);
    let mut trial = trial_at(START);
    let judgement = decide(&experiment, &mut trial, 40).await;
    is_void(&judgement, "sample ratio");
}

#[tokio::test]
async fn the_horizon_ends_it_for_live() {
    let exposures = Exposures::new();
    converse(&exposures, START, (600, 1), [70, 70]);
    let mut config = config();
    config.horizon = Horizon::default();
    config.horizon.time = Some(5 * LOOK);
    let experiment = Experiment::new(config, exposures);
    let mut trial = trial_at(START);
    for _ in 0..5 {
        assert_eq!(look(&experiment, &mut trial).await.winner, None);
    }
    let judgement = look(&experiment, &mut trial).await;
    assert_eq!((judgement.verdict, judgement.winner), (Verdict::Inconclusive, Some(Winner::Live)));
    assert!(judgement.summary.starts_with("undecided at horizon: "), "{judgement}");
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_with_all_problems() {
    let mut config = ExperimentConfig::new(OutcomeConfig::mean("", f64::NAN));
    config.share = f64::NAN;
    let experiment = Experiment::new(config, Exposures::new());
    let error = experiment.judge(&trial_at(Timestamp::default())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected);
    assert!(error.chain().contains("primary.margin: found NaN"), "{}", error.chain());
    let problems = experiment.check(&Plan::experiment(50)).await.unwrap();
    assert!(problems.len() >= 4, "{problems:?}");
}

/// One bad value of an outcome: the others, the shares and the horizon are looked at all the same.
#[tokio::test]
async fn a_bad_value_of_one_outcome_hides_nothing_else() {
    let mut config = config();
    config.guardrails = vec![OutcomeConfig::rate("safe").margin(0.01)];
    config.horizon.time = Some(100 * LOOK);

    // The primary is bad, and the guardrail is harmed.
    let harmed = Experiment::new(config.clone(), Says(|| Ok(with_safe(f64::NAN, [700.0, 990.0]))));
    let judgement = look(&harmed, &mut trial_at(START)).await;
    assert_eq!(judgement.verdict, Verdict::Fail, "{judgement}");
    assert!(judgement.summary.starts_with("harm by safe: "), "{judgement}");
    let bad = judgement.evidence.iter().find(|it| it.subject == "completed").unwrap();
    assert!(bad.found.contains("a sum of NaN"), "{bad}");

    // It is bad and nothing else is wrong: no winner until the horizon, and live then.
    let fine = Experiment::new(config.clone(), Says(|| Ok(with_safe(f64::NAN, [990.0, 990.0]))));
    let mut trial = trial_at(START);
    let judgement = look(&fine, &mut trial).await;
    assert!(judgement.summary.starts_with("not decided: found a sum of NaN"), "{judgement}");
    let judgement = decide(&fine, &mut trial, 101).await;
    assert!(judgement.summary.starts_with("undecided at horizon: "), "{judgement}");
    assert_eq!(judgement.winner, Some(Winner::Live));

    // A guardrail of which nothing is believed lets nobody pass.
    let better = || Ok(with_safe(900.0, [-5.0, 990.0]));
    let judgement =
        look(&Experiment::new(config.clone(), Says(better)), &mut trial_at(START)).await;
    assert_eq!(judgement.winner, None, "{judgement}");
    let better = || Ok(with_safe(900.0, [1000.0, 1000.0]));
    config.guardrails[0].margin = 0.05;
    let judgement = look(&Experiment::new(config, Says(better)), &mut trial_at(START)).await;
    assert_eq!(judgement.winner, Some(Winner::Candidate), "{judgement}");
}

/// Of a thousand units of each arm: so many of the candidate's completed and 500 of live's, and so many were
/// safe.
fn with_safe(completed: f64, safe: [f64; 2]) -> Tally {
    let mut tally = arms(Moments::new(1000.0, 500.0, 500.0));
    let moments = Moments::new(1000.0, completed, completed);
    tally.candidate.outcomes.insert("completed".to_owned(), moments);
    for (arm, safe) in [&mut tally.candidate, &mut tally.live].into_iter().zip(safe) {
        arm.outcomes.insert("safe".to_owned(), Moments::new(1000.0, safe, safe));
    }
    tally
}
