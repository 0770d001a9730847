//! The numbers beside the verdict.

use bluegreen_core::Verdict::Pass;

use super::world::{Change, Population, perfect};
use crate::paired::dice::Dice;
use crate::paired::stats::{Table, tango};
use crate::paired::{Attempt, CaseOutcomes, Method, Power, Rules, calibrate, judge};

const PASS: Attempt = Attempt::passed();
const FAIL: Attempt = Attempt::failed();

#[test]
fn single_attempts_are_compared_by_tangos_interval() {
    let rules = Rules { repeats: 1, ..Rules::default() };
    let suite: Vec<CaseOutcomes> = (0..100)
        .map(|number| match number {
            0..6 => CaseOutcomes::new(number.to_string(), [PASS], [FAIL]),
            6..8 => CaseOutcomes::new(number.to_string(), [FAIL], [PASS]),
            _ => CaseOutcomes::new(number.to_string(), [PASS], [PASS]),
        })
        .collect();
    let found = judge(&rules, &suite);
    let overall = found.overall.unwrap();
    let table = Table { both: 92, live_only: 6, idle_only: 2, neither: 0 };
    let interval = overall.interval;
    assert_eq!((interval.low, interval.high), tango(table, interval.level));
    assert_eq!((overall.method, overall.worse, overall.better), (Method::Tango, 6, 2));
    assert!((overall.mcnemar.unwrap() - 0.289_062_5).abs() < 1e-12);
    assert_eq!((found.live.passed, found.idle.passed, found.live.attempts), (98, 94, 100));
    assert_eq!((found.regressed.len(), found.improved.len(), found.flaky.len()), (6, 2, 0));
}

#[test]
fn conversations_are_counted_as_such() {
    let mut suite = perfect(100);
    for (number, case) in suite.iter_mut().enumerate() {
        case.conversation = Some((number / 5).to_string());
    }
    let overall = judge(&Rules::default(), &suite).overall.unwrap();
    assert_eq!((overall.method, overall.cases, overall.clusters), (Method::Clusters, 100, 20));
    assert!(overall.p_noninferior > 0.05, "20 conversations do not show 5 points");
}

#[test]
fn flaky_cases_and_changes_are_listed_worst_first() {
    let mut suite = perfect(60);
    suite[1] = CaseOutcomes::new("b", [PASS, FAIL, PASS], [PASS, FAIL, FAIL]);
    suite[2] = CaseOutcomes::new("a", [PASS; 3], [FAIL, PASS, PASS]);
    suite[3] = CaseOutcomes::new("c", [PASS; 3], [FAIL; 3]);
    suite[4] = CaseOutcomes::new("d", [FAIL; 3], [PASS; 3]);
    let found = judge(&Rules::default(), &suite);
    let names = |changes: &[crate::paired::CaseChange]| -> Vec<String> {
        changes.iter().map(|change| change.case.clone()).collect()
    };
    assert_eq!(names(&found.regressed), ["c", "a", "b"]);
    assert_eq!(names(&found.improved), ["d"]);
    let flaky: Vec<_> = found.flaky.iter().map(|case| (case.case.as_str(), case.new)).collect();
    assert_eq!(flaky, [("a", true), ("b", false)]);
    // 58 of 60 cases passed three times in a row on live.
    assert!((found.live.all_repeats.unwrap() - 58.0 / 60.0).abs() < 1e-12);
}

/// The preflight promises what happens: with as many cases as it asks for, four of five candidates
/// that are as good as live pass.
fn promised(runs: u32, slack: f64) {
    for repeats in [1u32, 3] {
        let rules = Rules { repeats, ..Rules::default() };
        let population = Population::noisy(Change::Everywhere(0.0));
        let mut dice = Dice::new(9);
        // Twice p (1 - p), averaged over Beta(9.5, 0.5).
        let discordance = 2.0 * 9.5 * 0.5 / (10.0 * 11.0);
        let needed = Power::new(&rules, 1, discordance).needed_cases;
        let cases = usize::try_from(needed).unwrap();
        let passed = (0..runs).filter(|_| {
            let suite = population.suite(cases, usize::try_from(repeats).unwrap(), &mut dice);
            judge(&rules, &suite).verdict == Pass
        });
        let share = passed.count() as f64 / f64::from(runs);
        println!("{repeats} repeats: {needed} cases, {share:.3} pass");
        assert!((share - 0.8).abs() <= slack, "{repeats} repeats: {needed} cases, {share} pass");
    }
}

#[test]
fn the_preflight_promises_what_happens() {
    promised(150, 0.13);
}

#[test]
#[ignore = "counts thousands of suites: run it with --release"]
fn the_preflight_promises_what_happens_in_many_runs() {
    promised(5_000, 0.06);
}

#[test]
fn live_against_itself_tells_how_noisy_the_suite_is() {
    let mut dice = Dice::new(2);
    let suite = Population::noisy(Change::Everywhere(0.0)).suite(200, 3, &mut dice);
    let found = calibrate(&Rules::default(), &suite, 60).unwrap();
    assert_eq!(found.cases, 200);
    assert!((found.discordance - 0.086).abs() < 0.03, "{found:?}");
    assert!((found.pass_rate - 0.95).abs() < 0.02, "{found:?}");
    assert!(found.pass > 0.85 && found.fail < 0.05, "{found:?}");
    assert!((found.pass + found.inconclusive + found.fail - 1.0).abs() < 1e-12);
    assert_eq!(calibrate(&Rules::default(), &suite, 60).unwrap(), found, "by the same seed");
    // Without noise there is nothing to calibrate, and nothing at all without outcomes.
    let steady = calibrate(&Rules::default(), &perfect(100), 5).unwrap();
    assert_eq!((steady.discordance, steady.flaky, steady.pass), (0.0, 0.0, 1.0));
    assert_eq!(calibrate(&Rules::default(), &[], 5), None);
}
