//! What holds of every suite.

use bluegreen_core::Verdict;
use proptest::prelude::*;

use crate::paired::{Attempt, CaseOutcomes, Rules, judge};

fn rank(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Fail => 0,
        Verdict::Inconclusive => 1,
        Verdict::Pass => 2,
    }
}

fn attempt() -> impl Strategy<Value = Attempt> {
    prop_oneof![
        16 => Just(Attempt::passed()),
        3 => Just(Attempt::failed()),
        1 => Just(Attempt::Error),
    ]
}

fn case(repeats: usize) -> impl Strategy<Value = CaseOutcomes> {
    let attempts = || prop::collection::vec(attempt(), repeats);
    let alike = prop_oneof![3 => Just(true), 1 => Just(false)];
    (attempts(), attempts(), alike, 0u8..6, 0u8..60).prop_map(
        |(live, idle, alike, category, more)| {
            let idle = if alike { live.clone() } else { idle };
            let mut case = CaseOutcomes::new("", live, idle);
            case.category = (category < 2).then(|| format!("category {category}"));
            case.conversation = (more < 12).then(|| format!("conversation {}", more % 4));
            case.critical = more == 59;
            case.quarantined = more == 58;
            case
        },
    )
}

fn suite() -> impl Strategy<Value = (Rules, Vec<CaseOutcomes>)> {
    (1usize..=3).prop_flat_map(|repeats| {
        let cases = prop::collection::vec(case(repeats), 0..120);
        cases.prop_map(move |mut cases| {
            for (number, case) in cases.iter_mut().enumerate() {
                case.case = format!("case {number}");
            }
            (Rules { repeats: u32::try_from(repeats).unwrap(), ..Rules::default() }, cases)
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    /// A pass of idle that becomes a fail never makes the verdict better.
    #[test]
    fn to_fail_more_is_never_better((rules, suite) in suite(), picks in prop::collection::vec(any::<prop::sample::Index>(), 1..12)) {
        let mut last = judge(&rules, &suite).verdict;
        let mut suite = suite;
        for pick in picks {
            let passes: Vec<(usize, usize)> = suite
                .iter()
                .enumerate()
                .flat_map(|(case, outcomes)| {
                    let idle = outcomes.idle.iter().enumerate();
                    idle.filter(|(_, attempt)| attempt.outcome() == Some(true))
                        .map(move |(index, _)| (case, index))
                })
                .collect();
            if passes.is_empty() {
                break;
            }
            let (case, index) = passes[pick.index(passes.len())];
            suite[case].idle[index] = Attempt::failed();
            let next = judge(&rules, &suite).verdict;
            prop_assert!(rank(next) <= rank(last), "{last} became {next}");
            last = next;
        }
    }

    #[test]
    fn the_order_of_the_cases_does_not_matter((rules, suite) in suite(), seed in any::<u64>()) {
        let mut shuffled = suite.clone();
        let mut dice = crate::paired::dice::Dice::new(seed);
        for last in (1..shuffled.len()).rev() {
            shuffled.swap(last, dice.below(last + 1));
        }
        prop_assert_eq!(judge(&rules, &suite), judge(&rules, &shuffled));
    }

    /// Two slots that came out alike in every attempt differ by nothing, and exchanging them
    /// changes nothing.
    #[test]
    fn equal_slots_can_be_exchanged((rules, mut suite) in suite()) {
        for case in &mut suite {
            case.idle.clone_from(&case.live);
        }
        let found = judge(&rules, &suite);
        prop_assert!(found.verdict != Verdict::Fail);
        prop_assert_eq!(found.live, found.idle);
        for case in &mut suite {
            std::mem::swap(&mut case.live, &mut case.idle);
        }
        prop_assert_eq!(&judge(&rules, &suite), &found);
        if let Some(overall) = found.overall {
            prop_assert!(overall.interval.estimate.abs() < 1e-12);
            prop_assert!((overall.interval.low + overall.interval.high).abs() < 1e-9);
        }
    }

    /// Of any two slots, the difference turns its sign, and not both pass as clearly better.
    #[test]
    fn exchanging_the_slots_turns_the_difference((rules, suite) in suite()) {
        let mut turned = suite.clone();
        for case in &mut turned {
            std::mem::swap(&mut case.live, &mut case.idle);
        }
        let (one, other) = (judge(&rules, &suite), judge(&rules, &turned));
        prop_assert_eq!(one.live, other.idle);
        prop_assert_eq!(&one.regressed.len(), &other.improved.len());
        if let (Some(one), Some(other)) = (one.overall, other.overall) {
            let (one, other) = (one.interval, other.interval);
            prop_assert!((one.estimate + other.estimate).abs() < 1e-9);
            prop_assert!((one.low + other.high).abs() < 1e-6, "{one:?} {other:?}");
        }
    }

    #[test]
    fn the_interval_holds_the_estimate_and_agrees_with_the_p_values((rules, suite) in suite()) {
        if let Some(overall) = judge(&rules, &suite).overall {
            let interval = overall.interval;
            prop_assert!(interval.low <= interval.estimate && interval.estimate <= interval.high);
            prop_assert!((-1.0..=1.0).contains(&interval.low) && interval.high <= 1.0);
            // The exact p value may be the larger, so a pass implies the interval and not the
            // other way round.
            if overall.verdict == Verdict::Pass {
                prop_assert!(interval.low > -overall.margin - 1e-9);
            }
            if overall.verdict == Verdict::Fail {
                prop_assert!(interval.high < -overall.margin + 1e-9);
            }
        }
    }
}
