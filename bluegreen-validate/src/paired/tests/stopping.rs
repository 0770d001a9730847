//! A run that is stopped early comes to the same.

use bluegreen_core::Verdict::{self, Fail, Inconclusive, Pass};
use proptest::prelude::*;

use super::world::{Change, Population, broken, perfect};
use crate::paired::dice::Dice;
use crate::paired::{Attempt, CaseOutcomes, Curtailed, Rules, curtail, judge, judge_curtailed};

/// The suite as it is after so many cases, when live's attempts were recorded before.
fn after(suite: &[CaseOutcomes], done: usize) -> Vec<CaseOutcomes> {
    let mut so_far = suite.to_vec();
    so_far.iter_mut().skip(done).for_each(|case| case.idle.clear());
    so_far
}

/// Runs the cases until it is decided; after how many it was, and what.
fn run(rules: &Rules, suite: &[CaseOutcomes], step: usize) -> (usize, Curtailed) {
    let mut done = 0;
    loop {
        if let Some(decided) = curtail(rules, suite.len(), &after(suite, done)) {
            return (done, decided);
        }
        assert!(done < suite.len(), "undecided after all");
        done = (done + step).min(suite.len());
    }
}

fn agrees(decided: Curtailed, whole: Verdict) -> bool {
    match decided {
        Curtailed::Verdict(verdict) => verdict == whole,
        Curtailed::NeverPass => whole != Pass,
    }
}

/// A candidate that is worse by 20 points, 200 cases, a recorded baseline.
fn savings(runs: u32, step: usize) -> f64 {
    let rules = Rules { repeats: 1, ..Rules::default() };
    let population = Population::noisy(Change::Everywhere(0.2));
    let mut dice = Dice::new(5);
    let mut saved = 0;
    for _ in 0..runs {
        let suite = population.suite(200, 1, &mut dice);
        let (done, decided) = run(&rules, &suite, step);
        assert!(agrees(decided, judge(&rules, &suite).verdict));
        saved += 200 - done;
    }
    saved as f64 / (200.0 * f64::from(runs))
}

#[test]
fn a_regression_of_20_points_is_stopped_after_less_than_a_third() {
    let saved = savings(12, 4);
    assert!(saved >= 0.7, "{saved} saved");
}

#[test]
#[ignore = "takes minutes without --release; --nocapture shows how much is saved"]
fn how_much_is_saved() {
    let saved = savings(300, 1);
    println!("20 points, 200 cases: {:.1} % saved", 100.0 * saved);
    assert!(saved >= 0.7, "{saved} saved");
    let rules = Rules { repeats: 1, ..Rules::default() };
    for cases in [100, 200, 400] {
        for drop in [0.0, 0.05, 0.1, 0.2, 0.5] {
            let population = Population::noisy(Change::Everywhere(drop));
            let mut dice = Dice::new(3);
            let (mut saved, mut fails, runs) = (0, 0, 60);
            for _ in 0..runs {
                let suite = population.suite(cases, 1, &mut dice);
                let (done, decided) = run(&rules, &suite, 2);
                let so_far = after(&suite, done);
                saved += cases - done;
                fails += u32::from(judge_curtailed(&rules, &so_far, decided).verdict == Fail);
            }
            let share = saved as f64 / (cases * runs) as f64;
            println!("{cases} cases, {drop:.2} worse: {share:.2} saved, {fails} of {runs} fail");
        }
    }
}

#[test]
fn what_is_decided_is_said() {
    let rules = Rules { repeats: 1, ..Rules::default() };
    let one = |suite: Vec<CaseOutcomes>| -> Vec<CaseOutcomes> {
        let single = |attempts: &[Attempt]| attempts[..1].to_vec();
        suite
            .into_iter()
            .map(|case| CaseOutcomes::new(&case.case, single(&case.live), single(&case.idle)))
            .collect()
    };
    // Half of the cases broke: after 16 of them a pass is out of the question.
    let suite = one(broken(100, 50));
    let (done, decided) = run(&rules, &suite, 1);
    assert!(done <= 5 && decided == Curtailed::NeverPass, "{done} {decided:?}");
    let found = judge_curtailed(&rules, &after(&suite, done), decided);
    assert_eq!((found.verdict, found.curtailed), (Inconclusive, Some(decided)));
    assert_eq!(
        found.reasons[0].found,
        format!(
            "stopped after {done} of 100 pairs: it cannot pass any more, even if idle passes all \
             others"
        )
    );
    // It is proven a fail when that much has been seen.
    let found = judge_curtailed(&rules, &after(&suite, 12), Curtailed::NeverPass);
    assert_eq!(found.verdict, Fail);
    // A pass is decided when what is left is less than what may fail.
    let suite = one(perfect(400));
    let (done, decided) = run(&rules, &suite, 1);
    assert!(done < 400 && decided == Curtailed::Verdict(Pass), "{done} {decided:?}");
    let found = judge_curtailed(&rules, &after(&suite, done), decided);
    assert_eq!((found.verdict, found.errors.pairs), (Pass, done as u64));
}

#[test]
fn a_critical_case_decides_at_once() {
    let mut suite = perfect(100);
    suite[0] = CaseOutcomes::new("critical", [Attempt::passed(); 3], [Attempt::failed(); 2]);
    suite[0].critical = true;
    let so_far = after(&suite, 1);
    let decided = curtail(&Rules::default(), 100, &so_far);
    assert_eq!(decided, Some(Curtailed::Verdict(Fail)));
    assert_eq!(judge_curtailed(&Rules::default(), &so_far, decided.unwrap()).verdict, Fail);
}

#[test]
fn nothing_is_decided_before_anything_is_known() {
    let rules = Rules::default();
    assert_eq!(curtail(&rules, 100, &[]), None);
    assert_eq!(curtail(&rules, 100, &after(&perfect(100), 0)), None);
    // But ten cases can never pass, however they come out.
    assert_eq!(curtail(&rules, 10, &[]), Some(Curtailed::NeverPass));
    assert_eq!(
        curtail(&Rules { alpha: 2.0, ..rules.clone() }, 100, &[]),
        Some(Curtailed::Verdict(Inconclusive))
    );
    assert_eq!(curtail(&rules, usize::MAX, &[]), None);
    // With scores to be looked at, a pass takes them all.
    let rules = Rules { score_margin: Some(0.1), ..rules };
    assert_eq!(curtail(&rules, 400, &after(&perfect(400), 399)), None);
}

/// Live is asked case by case, so nothing is known of what is to come: it still stops, later.
#[test]
fn without_a_baseline_it_stops_later() {
    let rules = Rules { repeats: 1, ..Rules::default() };
    let suite = broken(100, 100);
    let until = |done: usize| {
        let mut so_far = suite.clone();
        for (number, case) in so_far.iter_mut().enumerate() {
            let keep = usize::from(number < done);
            case.live.truncate(keep);
            case.idle.truncate(keep);
        }
        curtail(&rules, 100, &so_far)
    };
    let stopped = (0..=100).find(|done| until(*done).is_some()).unwrap();
    assert!((40..60).contains(&stopped), "{stopped}");
    let unlisted = |done: usize| {
        let mut so_far = suite[..done].to_vec();
        for case in &mut so_far {
            case.live.truncate(1);
            case.idle.truncate(1);
        }
        curtail(&rules, 100, &so_far)
    };
    assert_eq!((0..=100).find(|done| unlisted(*done).is_some()), Some(stopped));
}

/// What live fails as well as the candidate is no reason to release, whole or stopped.
#[test]
fn a_pass_waits_until_live_is_known_to_be_good_enough() {
    let rules = Rules { repeats: 1, ..Rules::default() };
    let suite = |failing: usize| -> Vec<CaseOutcomes> {
        let pair = |number| if number < failing { Attempt::failed() } else { Attempt::passed() };
        let case = |number| CaseOutcomes::new(format!("{number}"), [pair(number)], [pair(number)]);
        (0..100).map(case).collect()
    };
    let first = |suite: &[CaseOutcomes], done: usize| {
        let mut so_far = suite.to_vec();
        for case in so_far.iter_mut().skip(done) {
            case.live.clear();
            case.idle.clear();
        }
        curtail(&rules, 100, &so_far)
    };
    for failing in [60, 100] {
        let suite = suite(failing);
        assert_eq!(judge(&rules, &suite).verdict, Inconclusive);
        for done in 0..=100 {
            let decided = first(&suite, done);
            assert_ne!(decided, Some(Curtailed::Verdict(Pass)), "{failing} after {done}");
        }
    }
    let suite = suite(0);
    assert_eq!(judge(&rules, &suite).verdict, Pass);
    assert!((0..100).any(|done| first(&suite, done) == Some(Curtailed::Verdict(Pass))));
}

/// Live that only lost comparisons has shown nothing against the suite.
#[test]
fn live_may_be_beaten_everywhere() {
    let rules = Rules { repeats: 1, ..Rules::default() };
    let suite = |beaten: bool| -> Vec<CaseOutcomes> {
        let live = Attempt::Failed { score: None, beaten };
        let case = |number| CaseOutcomes::new(format!("{number}"), [live], [Attempt::passed()]);
        (0..60).map(case).collect()
    };
    assert_eq!(judge(&rules, &suite(true)).verdict, Pass);
    let found = judge(&rules, &suite(false));
    assert_eq!(found.verdict, Inconclusive);
    assert!(found.reasons.iter().any(|reason| reason.subject == "live"), "{:?}", found.reasons);
    let mut quarantined = suite(true);
    quarantined.iter_mut().skip(3).for_each(|case| case.live = vec![Attempt::failed()]);
    assert_eq!(judge(&rules, &quarantined).verdict, Inconclusive);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whenever it says that something is decided, the whole run comes to that.
    #[test]
    fn what_is_decided_is_what_all_cases_come_to(
        seed in any::<u64>(), cases in 20usize..90, repeats in 1usize..=3, drop in 0.0f64..0.5,
        done in 0.0f64..1.0, margin in 0.05f64..0.3, marks in any::<u64>(),
    ) {
        let rules = Rules { repeats: u32::try_from(repeats).unwrap(), margin, ..Rules::default() };
        let mut dice = Dice::new(seed);
        let change = if seed % 2 == 0 { Change::Everywhere(drop) } else { Change::Concentrated(drop) };
        let mut suite = Population::noisy(change).suite(cases, repeats, &mut dice);
        for (number, case) in suite.iter_mut().enumerate() {
            case.category = (marks & 1 == 1 && number % 2 == 0).then(|| "even".to_owned());
            case.conversation = (marks & 2 == 2).then(|| format!("{}", number / 3));
            case.critical = marks & 4 == 4 && number % 16 == 0;
        }
        let whole = judge(&rules, &suite).verdict;
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let done = (done * cases as f64) as usize;
        let known = curtail(&rules, cases, &after(&suite, done));
        prop_assert!(known.is_none_or(|decided| agrees(decided, whole)), "{known:?} {whole}");
        let mut asked_anew = after(&suite, done);
        asked_anew.iter_mut().skip(done).for_each(|case| case.live.clear());
        let unknown = curtail(&rules, cases, &asked_anew);
        prop_assert!(unknown.is_none_or(|decided| agrees(decided, whole)), "{unknown:?} {whole}");
    }
}
