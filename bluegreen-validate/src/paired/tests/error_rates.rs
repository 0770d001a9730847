//! How often the gate is wrong, counted in made-up suites of which the truth is known.
//!
//! `cargo test` counts few of them; many, in a minute or two, are counted by
//! `cargo test --release -p bluegreen-validate paired::tests::error_rates -- --ignored --nocapture`.

use bluegreen_core::Verdict;

use super::world::{Change, Population};
use crate::paired::dice::Dice;
use crate::paired::{CaseOutcomes, Rules, judge};

#[derive(Clone, Copy, PartialEq)]
enum Shape {
    /// Cases and repeats.
    Cases(usize, usize),
    /// Conversations and cases in each.
    Conversations(usize, usize),
}

/// Shares of pass, inconclusive and fail.
fn shares(population: &Population, shape: Shape, runs: u32) -> [f64; 3] {
    let mut dice = Dice::new(11);
    let mut counts = [0u32; 3];
    for _ in 0..runs {
        let (suite, repeats): (Vec<CaseOutcomes>, u32) = match shape {
            Shape::Cases(cases, repeats) => {
                (population.suite(cases, repeats, &mut dice), u32::try_from(repeats).unwrap())
            }
            Shape::Conversations(count, turns) => {
                (population.conversations(count, turns, &mut dice), 1)
            }
        };
        let rules = Rules { repeats, ..Rules::default() };
        counts[match judge(&rules, &suite).verdict {
            Verdict::Pass => 0,
            Verdict::Inconclusive => 1,
            Verdict::Fail => 2,
        }] += 1;
    }
    counts.map(|count| f64::from(count) / f64::from(runs))
}

/// Alpha, and what the share may exceed it by for being counted in so few runs.
fn allowed(runs: u32, deviations: f64) -> f64 {
    0.05 + deviations * (0.05 * 0.95 / f64::from(runs)).sqrt()
}

fn worse_by_the_margin() -> Vec<(&'static str, Population, Shape)> {
    use Change::{Concentrated, Everywhere};
    let shapes = [
        Shape::Cases(52, 1),
        Shape::Cases(87, 1),
        Shape::Cases(100, 1),
        Shape::Cases(100, 3),
        Shape::Cases(200, 1),
        Shape::Cases(200, 3),
        Shape::Conversations(60, 4),
    ];
    let mut all = Vec::new();
    for shape in shapes {
        all.push(("steady, a few break", Population::steady(Concentrated(0.05)), shape));
        all.push(("noisy, a few break", Population::noisy(Concentrated(0.05)), shape));
        all.push(("noisy, all drop", Population::noisy(Everywhere(0.05)), shape));
    }
    all
}

fn name(shape: Shape) -> String {
    match shape {
        Shape::Cases(cases, repeats) => format!("{cases} cases × {repeats}"),
        Shape::Conversations(count, turns) => format!("{count} conversations of {turns}"),
    }
}

/// A candidate that is worse by exactly the margin passes at most as often as alpha says, and is
/// failed at most as often: also where the regression hides in a few cases, and where few
/// differences make the usual approximations too bold.
fn errors_within_alpha(runs: u32, deviations: f64) {
    let most = allowed(runs, deviations);
    for (what, population, shape) in worse_by_the_margin() {
        let [pass, open, fail] = shares(&population, shape, runs);
        println!("{:24} {what:20} pass {pass:.4} open {open:.4} fail {fail:.4}", name(shape));
        assert!(pass <= most, "{}, {what}: {pass} pass, {most} may", name(shape));
        assert!(fail <= most, "{}, {what}: {fail} fail, {most} may", name(shape));
    }
}

#[test]
fn in_few_runs() {
    // Four deviations: of 42 shares none is so far off by chance.
    errors_within_alpha(100, 4.0);
}

#[test]
#[ignore = "counts 420,000 suites, which takes minutes: see above"]
fn in_many_runs() {
    errors_within_alpha(20_000, 3.0);
}

/// And it is of use: it passes what is as good, and fails what is clearly worse.
#[test]
fn good_candidates_pass_and_bad_ones_fail() {
    let same = Population::noisy(Change::Everywhere(0.0));
    let [pass, _, fail] = shares(&same, Shape::Cases(200, 3), 100);
    assert!(pass >= 0.9 && fail == 0.0, "{pass} pass, {fail} fail");
    let worse = Population::noisy(Change::Concentrated(0.2));
    let [pass, _, fail] = shares(&worse, Shape::Cases(200, 3), 100);
    assert!(fail >= 0.95 && pass == 0.0, "{pass} pass, {fail} fail");
}

/// How candidates fare, as a table, and that those fare well which the documentation says it of.
#[test]
#[ignore = "judges 80,000 suites: run it with --release, and --nocapture for the table"]
fn how_candidates_fare() {
    for shape in [
        Shape::Cases(100, 1),
        Shape::Cases(100, 3),
        Shape::Cases(200, 3),
        Shape::Cases(300, 1),
        Shape::Cases(300, 3),
    ] {
        for drop in [0.0, 0.05, 0.1, 0.2] {
            for (what, change) in [
                ("all drop", Change::Everywhere(drop)),
                ("a few break", Change::Concentrated(drop)),
            ] {
                let [pass, open, fail] = shares(&Population::noisy(change), shape, 2_000);
                let name = name(shape);
                // Three deviations of a share of 5 % in as many runs.
                let most = 0.05 + 3.0 * (0.05_f64 * 0.95 / 2_000.0).sqrt();
                assert!(drop < 0.05 || pass <= most, "{name}, {what} by {drop}: {pass} pass");
                if shape == Shape::Cases(100, 3) {
                    assert!(drop > 0.0 || pass >= 0.8, "{name}, as good as live: {pass} pass");
                    assert!(drop < 0.2 || fail >= 0.95, "{name}, 20 points worse: {fail} fail");
                }
                println!(
                    "{name:16} {drop:.2} {what:12} pass {pass:.3} open {open:.3} fail {fail:.3}"
                );
            }
        }
    }
}
