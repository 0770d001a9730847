//! How often an experiment finds what is not there, and how soon what is.

use super::draw::{Draws, runs};
use super::*;

pub(super) const LOOKS: u32 = 200;

/// What chance may add to 5 % in so many runs: three standard errors.
pub(super) fn most(count: u32) -> f64 {
    0.05 + 3.0 * (0.05 * 0.95 / f64::from(count)).sqrt()
}

/// Plays one experiment; how it ended, and after how many units of each arm.
fn play(
    config: &ExperimentConfig,
    looks: u32,
    mut more: impl FnMut() -> [Moments; 2],
) -> (Option<Conclusion>, u64) {
    let (mut memory, mut sums) = (begun(), [Moments::default(); 2]);
    for look in 1..=looks {
        let new = more();
        (0..2).for_each(|arm| sums[arm].add(new[arm]));
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small")]
        let units = sums.map(|it| it.count as u64);
        let [candidate, live] =
            [0, 1].map(|place| arm(units[place], &[(&config.primary.metric, sums[place])]));
        let tally = Tally { candidate, live, ..Tally::default() };
        let at = BEGAN.plus(std::time::Duration::from_secs(u64::from(look)));
        take_in(config, &mut memory, &tally, at);
        if let Some((_, conclusion)) = memory.ended {
            return (Some(conclusion), units[0].min(units[1]));
        }
    }
    (None, 0)
}

/// Units of both arms by chance, in the shares one to `others`, of which each counts with the same
/// probability.
fn same(draws: &mut Draws, halvings: u32, others: u32) -> [Moments; 2] {
    let candidate = rate(draws.of_64(halvings), 64);
    let live = (0..others).map(|_| draws.of_64(halvings)).sum();
    [candidate, rate(live, u64::from(64 * others))]
}

fn config(others: u32) -> ExperimentConfig {
    let mut config = completed();
    config.share = 1.0 / f64::from(1 + others);
    // So small that there is never no difference.
    config.primary.margin = 1e-9;
    config
}

fn is_wrong(conclusion: Option<&Conclusion>) -> bool {
    matches!(conclusion, Some(Conclusion::CandidateBetter | Conclusion::LiveBetter))
}

/// Rates of a half, an eighth and of one in 64, and of what does not happen so often.
fn rates(count: u32, halvings: u32, others: u32) -> f64 {
    let config = config(others);
    runs(count, 7, |draws| {
        is_wrong(play(&config, LOOKS, || same(draws, halvings, others)).0.as_ref())
    })
}

/// Log-normal values, as costs are.
fn costs(count: u32) -> f64 {
    let mut config = config(1);
    config.primary = OutcomeConfig::mean("cost", 1e-9);
    runs(count, 8, |draws| {
        let mut more = || {
            [(); 2].map(|()| {
                let mut moments = Moments::default();
                (0..50).for_each(|_| moments.record((0.8 * draws.normal()).exp()));
                moments
            })
        };
        is_wrong(play(&config, LOOKS, &mut more).0.as_ref())
    })
}

#[test]
fn the_same_is_seldom_better_or_worse() {
    for (halvings, others) in [(1, 1), (6, 1), (3, 9)] {
        let found = rates(150, halvings, others);
        assert!(found <= most(150), "1/{}, one to {others}: {found}", 1 << halvings);
    }
    let found = costs(20);
    assert!(found <= most(20), "{found}");
}

/// Ten thousand experiments of each kind.
#[test]
#[ignore = "takes minutes without optimisation"]
fn ten_thousand_experiments_of_the_same() {
    let limit = most(10_000);
    let mut good = true;
    let mut check = |name: &str, found: f64| {
        println!("{name:<40} {:>5.2} % false alarms", 100.0 * found);
        good &= found <= limit;
    };
    for (halvings, others) in [(1, 1), (3, 1), (6, 1), (9, 1), (1, 9), (3, 9), (6, 9), (9, 9)] {
        let name = format!("rate 1/{}, one unit to {others}", 1 << halvings);
        check(&name, rates(10_000, halvings, others));
    }
    check("log-normal cost", costs(10_000));
    assert!(good, "at most {limit} of each");
}

/// The share of experiments that find it, and how many units of each arm the median one needs.
fn power(count: u32, [candidate, live]: [f64; 2], margin: f64, wanted: &Conclusion) -> (f64, u64) {
    let mut config = completed();
    config.primary.margin = margin;
    config.horizon.units = Some(40_000);
    let mut needed = Vec::new();
    let found = (1..=count).filter(|number| {
        let mut draws = Draws::new(u64::from(*number) << 20);
        let mut more = || [rate(draws.of(100, candidate), 100), rate(draws.of(100, live), 100)];
        let (conclusion, units) = play(&config, LOOKS, &mut more);
        let is_found = conclusion.as_ref() == Some(wanted);
        if is_found {
            needed.push(units);
        }
        is_found
    });
    let found = f64::from(u32::try_from(found.count()).unwrap()) / f64::from(count);
    needed.sort_unstable();
    (found, needed.get(needed.len() / 2).copied().unwrap_or(u64::MAX))
}

#[test]
fn what_is_better_is_found() {
    for (rates, margin, wanted, least, most) in [
        ([0.73, 0.70], 0.01, Conclusion::CandidateBetter, 0.9, 11_000),
        ([0.75, 0.70], 0.01, Conclusion::CandidateBetter, 1.0, 4_500),
        ([0.65, 0.70], 0.01, Conclusion::LiveBetter, 1.0, 4_500),
        ([0.70, 0.70], 0.03, Conclusion::NoDifference, 0.9, 12_000),
    ] {
        let (found, median) = power(40, rates, margin, &wanted);
        println!("{rates:?}, {wanted}: {:.0} %, median {median} units per arm", 100.0 * found);
        assert!(found >= least && median <= most, "{rates:?}: {found}, {median}");
    }
}
