//! What numbers come to, and how often they mislead.

use super::*;
use crate::experiment::{ArmTally, Horizon};
use crate::guard::Better;
use crate::sequential::Moments;

pub(in crate::experiment) mod draw;
mod simulated;
mod zeros;

pub(super) const BEGAN: Timestamp = Timestamp::from_unix_millis(1_767_225_600_000);

pub(super) fn arm(units: u64, outcomes: &[(&str, Moments)]) -> ArmTally {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small")]
    let other = |it: &Moments| (it.count - 1.0).max(0.0) as u64;
    let varied = outcomes.iter().map(|(name, it)| ((*name).to_owned(), other(it))).collect();
    let outcomes = outcomes.iter().map(|(name, it)| ((*name).to_owned(), *it)).collect();
    ArmTally { exposed: units, contaminated: 0, outcomes, varied }
}

/// So many of so many.
pub(super) fn rate(hits: u64, units: u64) -> Moments {
    #[allow(clippy::cast_precision_loss, reason = "small numbers")]
    let (hits, units) = (hits as f64, units as f64);
    Moments::new(units, hits, hits)
}

pub(in crate::experiment) fn begun() -> Memory {
    use bluegreen_core::memory::MemoryCluster;
    use bluegreen_core::{Color, Configuration, ReleaseId, Side, SlotState, Trial};
    let cluster = MemoryCluster::new("agent", Configuration::default());
    let side = |color: Color| {
        let state = SlotState::new(color, color.as_str(), Configuration::default());
        Side::new(state, std::sync::Arc::new(cluster.client(color)))
    };
    let trial = Trial::new(
        ReleaseId::new("r"),
        side(Color::Green),
        side(Color::Blue),
        Timestamp::default(),
    );
    Memory::begin(&trial, BEGAN)
}

fn ended(config: &ExperimentConfig, tally: &Tally) -> Option<Conclusion> {
    let mut memory = begun();
    take_in(config, &mut memory, tally, BEGAN.plus(std::time::Duration::from_mins(1)));
    memory.ended.map(|(_, conclusion)| conclusion)
}

fn of(candidate: u64, live: u64) -> Tally {
    let both = [candidate, live].map(|hits| arm(10_000, &[("completed", rate(hits, 10_000))]));
    let [candidate, live] = both;
    Tally { candidate, live, ..Tally::default() }
}

fn completed() -> ExperimentConfig {
    ExperimentConfig::new(OutcomeConfig::rate("completed").margin(0.03))
}

#[test]
fn the_interval_decides() {
    let config = completed();
    assert_eq!(ended(&config, &of(7500, 7000)), Some(Conclusion::CandidateBetter));
    assert_eq!(ended(&config, &of(7000, 7500)), Some(Conclusion::LiveBetter));
    assert_eq!(ended(&config, &of(7010, 7000)), Some(Conclusion::NoDifference));
    assert_eq!(ended(&config, &of(7130, 7000)), None);
    let mut config = completed();
    config.primary.better = Better::Lower;
    assert_eq!(ended(&config, &of(7500, 7000)), Some(Conclusion::LiveBetter));
    config.min_units = 10_001;
    assert_eq!(ended(&config, &of(7500, 7000)), None, "there are too few");
    assert_eq!(ended(&config, &Tally::default()), None);
}

#[test]
fn a_small_difference_that_is_certain_does_not_matter() {
    let mut config = completed();
    config.primary.margin = 0.2;
    assert_eq!(ended(&config, &of(7500, 7000)), Some(Conclusion::NoDifference));
    assert_eq!(Conclusion::NoDifference.winner(Winner::Live), Some(Winner::Live));
    assert_eq!(Conclusion::NoDifference.winner(Winner::Candidate), Some(Winner::Candidate));
}

fn with_cost(candidate: f64) -> Tally {
    let mut tally = of(7500, 7000);
    let cost = |mean: f64| Moments::new(10_000.0, 1e4 * mean, 1e4 * (mean * mean + 1.0));
    tally.candidate.outcomes.insert("cost".to_owned(), cost(candidate));
    tally.live.outcomes.insert("cost".to_owned(), cost(5.0));
    for arm in [&mut tally.candidate, &mut tally.live] {
        arm.varied.insert("cost".to_owned(), 5000);
    }
    tally
}

#[test]
fn a_guardrail_stops_and_one_that_is_open_holds_back() {
    let mut config = completed();
    config.guardrails = vec![OutcomeConfig::mean("cost", 0.1).better(Better::Lower)];
    let found = ended(&config, &with_cost(5.3));
    assert!(matches!(found, Some(Conclusion::Harm { metric, .. }) if metric == "cost"));
    assert_eq!(ended(&config, &with_cost(5.0)), Some(Conclusion::CandidateBetter));
    config.guardrails[0].margin = 0.03;
    assert_eq!(ended(&config, &with_cost(5.02)), None, "it may be worse by the margin");
    assert_eq!(ended(&config, &of(7500, 7000)), None, "nothing is known of its cost");
    // Worse, and certainly by less than matters.
    config.guardrails[0].margin = 0.5;
    assert_eq!(ended(&config, &with_cost(5.3)), Some(Conclusion::CandidateBetter));
    // Live wins whatever guardrails say, unless they are harmed.
    config.equal = Winner::Live;
    config.primary.margin = 0.2;
    assert_eq!(ended(&config, &of(7500, 7000)), Some(Conclusion::NoDifference));
    config.equal = Winner::Candidate;
    assert_eq!(ended(&config, &of(7500, 7000)), None);
}

#[test]
fn shares_that_are_off_void_it_whatever_is_better() {
    let mut tally = of(7500, 7000);
    tally.live.exposed = 11_000;
    let found = ended(&completed(), &tally);
    let Some(Conclusion::Void { reason: Void::SampleRatio, found, wanted }) = found else {
        panic!("{found:?}")
    };
    assert_eq!(found, "10000 units of the candidate and 11000 of live");
    assert_eq!(wanted, "50 % of them with the candidate");
    let mut config = completed();
    config.share = 10.0 / 21.0;
    assert_eq!(ended(&config, &tally), Some(Conclusion::CandidateBetter));
}

#[test]
fn evidence_of_wrong_shares_is_not_forgotten() {
    let (config, mut memory) = (completed(), begun());
    let at = |minutes: u64| BEGAN.plus(std::time::Duration::from_mins(minutes));
    let off = Tally { candidate: arm(60, &[]), live: arm(20, &[]), ..Tally::default() };
    take_in(&config, &mut memory, &off, at(1));
    let kept = memory.ratio;
    assert!(kept > 3.0, "{kept}");
    take_in(&config, &mut memory, &of(0, 0), at(2));
    assert!(memory.ratio.to_bits() == kept.to_bits(), "{}", memory.ratio);
}

#[test]
fn units_on_both_versions_void_it_when_there_are_many() {
    let mut tally = of(7500, 7000);
    (tally.candidate.exposed, tally.live.exposed) = (10_600, 10_600);
    (tally.candidate.contaminated, tally.live.contaminated) = (460, 600);
    assert_eq!(ended(&completed(), &tally), Some(Conclusion::CandidateBetter));
    tally.candidate.contaminated = 461;
    let found = ended(&completed(), &tally);
    assert!(matches!(found, Some(Conclusion::Void { reason: Void::Contamination, .. })));
}

#[test]
fn it_ends_at_the_horizon() {
    let mut config = completed();
    config.horizon = Horizon { time: None, units: Some(20_000) };
    assert_eq!(ended(&config, &of(7110, 7000)), Some(Conclusion::UndecidedAtHorizon));
    assert_eq!(ended(&config, &of(7800, 7000)), Some(Conclusion::CandidateBetter));
    config.horizon = Horizon { time: Some(std::time::Duration::from_mins(1)), units: None };
    assert_eq!(ended(&config, &Tally::default()), Some(Conclusion::UndecidedAtHorizon));
    config.horizon.time = Some(std::time::Duration::from_secs(61));
    assert_eq!(ended(&config, &Tally::default()), None);
}

#[test]
fn units_are_waited_for_until_the_last_has_settled() {
    let mut config = completed();
    config.horizon = Horizon { time: None, units: Some(20_000) };
    let minutes = std::time::Duration::from_mins;
    config.guardrails =
        vec![OutcomeConfig::rate("safe").settling(minutes(60), crate::experiment::Missing::Zero)];
    let mut memory = begun();
    for (at, is_over) in [(1, false), (30, false), (60, false), (61, true)] {
        take_in(&config, &mut memory, &of(7110, 7000), BEGAN.plus(minutes(at)));
        assert_eq!(memory.ended.is_some(), is_over, "{at}");
    }
    assert_eq!(memory.ended.unwrap().1, Conclusion::UndecidedAtHorizon);
    // Who comes to a decision meanwhile needs not wait.
    let mut memory = begun();
    take_in(&config, &mut memory, &of(7110, 7000), BEGAN.plus(minutes(1)));
    take_in(&config, &mut memory, &of(7000, 7500), BEGAN.plus(minutes(2)));
    assert_eq!(memory.ended.unwrap().1, Conclusion::LiveBetter);
}
