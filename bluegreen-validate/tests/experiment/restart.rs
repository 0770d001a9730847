//! Whoever takes over goes on with the same experiment.

use bluegreen_core::{Finding, Validator, Verdict, Winner};
use bluegreen_validate::{Experiment, Exposures};

use crate::world::{START, config, converse, look, trial_at};

fn told(evidence: &[Finding]) -> Vec<String> {
    evidence.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn it_comes_to_the_same_as_if_it_had_never_been_restarted() {
    let whole = Exposures::new();
    let mut restarted = Exposures::new();
    let experiment = Experiment::new(config(), whole.clone());
    let (mut one, mut two) = (trial_at(START), trial_at(START));
    let (mut verdicts, mut last) = (Vec::new(), None);
    for minute in 0..60 {
        for exposures in [&whole, &restarted] {
            let from = START.plus(std::time::Duration::from_mins(minute));
            converse(exposures, from, (60, 3), [78, 70]);
        }
        // Another process: nothing is left but what was written.
        restarted = Exposures::from_json(&restarted.to_json().unwrap()).unwrap();
        let another = Experiment::new(config(), restarted.clone());
        assert_eq!(another.config_digest(), experiment.config_digest());
        let first = look(&experiment, &mut one).await;
        let second = look(&another, &mut two).await;
        assert_eq!(first, second, "minute {minute}");
        assert_eq!(told(&first.evidence), told(&second.evidence));
        verdicts.push(first.verdict);
        last = Some(first);
    }
    let last = last.unwrap();
    assert_eq!((last.verdict, last.winner), (Verdict::Pass, Some(Winner::Candidate)));
    assert!(verdicts.iter().filter(|it| **it == Verdict::Inconclusive).count() > 5, "{verdicts:?}");
    assert!(last.summary.starts_with("candidate better: +"), "{}", last.summary);
}

#[tokio::test]
async fn what_is_concluded_stands() {
    let exposures = Exposures::new();
    let experiment = Experiment::new(config(), exposures.clone());
    let mut trial = trial_at(START);
    converse(&exposures, START, (3600, 3), [80, 70]);
    let concluded = crate::world::decide(&experiment, &mut trial, 60).await;
    assert_eq!(concluded.verdict, Verdict::Pass);
    // All traffic, then a hotfix, then a recorder that knows nothing, and a clock that went back.
    trial.routing = bluegreen_core::Routing::all(crate::world::CANDIDATE);
    assert_eq!(look(&experiment, &mut trial).await, concluded);
    trial.live.state = crate::world::state(crate::world::LIVE, "1.0.1");
    let empty = Experiment::new(config(), Exposures::new());
    trial.clock = crate::world::Stepping::new(START, crate::world::LOOK);
    assert_eq!(look(&empty, &mut trial).await, concluded);
}

#[cfg(feature = "report")]
#[tokio::test]
async fn a_report_is_made_from_what_a_look_leaves() {
    use bluegreen_validate::report::ExperimentReport;

    let exposures = Exposures::new();
    let experiment = Experiment::new(config(), exposures.clone());
    let mut trial = trial_at(START);
    converse(&exposures, START, (3600, 3), [80, 70]);
    let concluded = crate::world::decide(&experiment, &mut trial, 60).await;
    let report = ExperimentReport::of(experiment.config(), &concluded.state.unwrap()).unwrap();
    assert_eq!(report.winner, Some(Winner::Candidate));
    assert_eq!(report.looks.last().map(|look| look.at), report.ended);
    assert_eq!(report.primary.effect, report.looks.last().map(|look| look.effect));
    assert!(report.to_html().contains("candidate better"));
    assert!(report.to_markdown().contains("2 on green"), "{}", report.to_markdown());
}
