//! Amounts that few units have, such as purchases: how often nothing is taken for certainty.

use super::draw::{Draws, runs};
use super::simulated::{LOOKS, most};
use super::*;

/// Amounts that one unit in so many has, log-normal with this σ; of the candidate so many times as often.
#[derive(Clone, Copy, Debug)]
struct Rare {
    probability: f64,
    sigma: f64,
    times: f64,
}

/// An experiment that waits for less than the difference that there is.
fn config(rare: Rare, planned: u64) -> ExperimentConfig {
    let mean = rare.probability * (0.5 * rare.sigma * rare.sigma).exp();
    let mut config =
        ExperimentConfig::new(OutcomeConfig::mean("paid", (rare.times - 1.0).abs() * mean));
    config.horizon.units = Some(planned);
    config.equal = Winner::Candidate;
    config
}

fn add(arm: &mut ArmTally, draws: &mut Draws, (units, probability, sigma): (u64, f64, f64)) {
    let moments = arm.outcomes.entry("paid".to_owned()).or_default();
    let varied = arm.varied.entry("paid".to_owned()).or_default();
    for _ in 0..units {
        let value = if draws.unit() < probability {
            *varied += 1;
            (sigma * draws.normal()).exp()
        } else {
            0.0
        };
        moments.record(value);
    }
    arm.exposed += units;
}

/// How often the difference is not seen, or the wrong way round.
fn missed(count: u32, rare: Rare, planned: u64) -> f64 {
    let config = config(rare, planned);
    let each = planned / 2 / u64::from(LOOKS);
    runs(count, 9, |draws| {
        let (mut memory, mut tally) = (begun(), Tally::default());
        for look in 1..LOOKS {
            add(&mut tally.candidate, draws, (each, rare.probability * rare.times, rare.sigma));
            add(&mut tally.live, draws, (each, rare.probability, rare.sigma));
            let at = BEGAN.plus(std::time::Duration::from_secs(look.into()));
            take_in(&config, &mut memory, &tally, at);
            if let Some((_, conclusion)) = memory.ended {
                let right = if rare.times > 1.0 {
                    Conclusion::CandidateBetter
                } else {
                    Conclusion::LiveBetter
                };
                return conclusion != right && conclusion != Conclusion::UndecidedAtHorizon;
            }
        }
        false
    })
}

/// Of all kinds, with this many runs each; the names of those that err too often.
fn too_often(count: u32, probabilities: &[f64], plans: &[u64]) -> Vec<String> {
    let mut found = Vec::new();
    for (&planned, &probability) in
        plans.iter().flat_map(|it| probabilities.iter().map(move |p| (it, p)))
    {
        for (sigma, times) in [(0.0, 2.0), (0.5, 4.0), (1.0, 0.5), (1.5, 2.0), (1.5, 3.0)] {
            let rare = Rare { probability, sigma, times };
            let share = missed(count, rare, planned);
            println!("{rare:?} of {planned} units: {:.2} %", 100.0 * share);
            if share > most(count) {
                found.push(format!("{rare:?} of {planned} units: {share}"));
            }
        }
    }
    found
}

#[test]
fn what_few_units_have_is_not_missed_for_lack_of_it() {
    assert_eq!(too_often(100, &[0.03, 0.003], &[4_000]), [""; 0]);
}

/// Two thousand experiments of each kind.
#[test]
#[ignore = "takes minutes without optimisation"]
fn thousands_of_experiments_with_what_few_units_have() {
    assert_eq!(too_often(2000, &[0.2, 0.1, 0.03, 0.01, 0.003], &[800, 4_000, 40_000]), [""; 0]);
}

#[test]
fn zeros_decide_nothing() {
    let mut config = ExperimentConfig::new(OutcomeConfig::mean("paid", 1.0));
    config.equal = Winner::Candidate;
    let mut tally = Tally::default();
    let mut draws = Draws::new(1);
    add(&mut tally.candidate, &mut draws, (200, 0.0, 0.0));
    add(&mut tally.live, &mut draws, (200, 0.0, 0.0));
    assert_eq!(ended(&config, &tally), None);
    // One arm that varies is not enough: of the other nothing is known.
    add(&mut tally.candidate, &mut draws, (2000, 0.5, 0.1));
    tally.live.exposed = 2200;
    assert_eq!(ended(&config, &tally), None);
    // As a guardrail it neither stops nor lets pass.
    let mut guarded = completed();
    guarded.guardrails = vec![OutcomeConfig::mean("paid", 1.0)];
    let mut tally = of(7500, 7000);
    for arm in [&mut tally.candidate, &mut tally.live] {
        arm.outcomes.insert("paid".to_owned(), Moments::new(10_000.0, 0.0, 0.0));
        arm.varied.insert("paid".to_owned(), 0);
    }
    assert_eq!(ended(&guarded, &tally), None);
    guarded.guardrails.clear();
    assert_eq!(ended(&guarded, &tally), Some(Conclusion::CandidateBetter));
}
