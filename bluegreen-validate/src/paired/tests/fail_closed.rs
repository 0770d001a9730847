//! Everything that other tools let pass, and this must not.

use bluegreen_core::Verdict::{self, Fail, Inconclusive, Pass};

use super::world::{broken, perfect};
use crate::paired::{Attempt, CaseOutcomes, Rules, judge};

const PASS: Attempt = Attempt::passed();
const FAIL: Attempt = Attempt::failed();

#[track_caller]
fn verdict(outcomes: &[CaseOutcomes], wanted: Verdict, reason: &str) {
    let found = judge(&Rules::default(), outcomes);
    assert_eq!(found.verdict, wanted, "{:#?}", found.reasons);
    let reasons: Vec<String> = found.reasons.iter().map(ToString::to_string).collect();
    assert!(reasons.iter().any(|found| found == reason), "{reason}\nin {reasons:#?}");
}

#[test]
fn a_suite_in_order_passes_so_that_the_rest_of_these_tests_say_something() {
    verdict(
        &perfect(100),
        Pass,
        "suite: wanted idle at most 5 points below live, found +0.0 points, 90 % interval -2.7 to \
         +2.7, 100 cases: 0 worse, 0 better",
    );
}

#[test]
fn no_cases_are_no_pass() {
    verdict(&[], Inconclusive, "suite: wanted cases to compare, found not one");
}

#[test]
fn cases_that_never_ran_are_no_pass() {
    let suite: Vec<CaseOutcomes> =
        (0..100).map(|number| CaseOutcomes::new(number.to_string(), [], [])).collect();
    verdict(
        &suite,
        Inconclusive,
        "suite: wanted at most 5.0 % of pairs lost to errors, found 300 of 300 lost, 300 never run",
    );
}

#[test]
fn few_cases_are_no_pass_however_good_they_are() {
    verdict(&perfect(19), Inconclusive, "suite: wanted at least 20 cases compared, found 19");
    verdict(
        &perfect(40),
        Inconclusive,
        "suite: wanted idle at most 5 points below live, found +0.0 points, 90 % interval -6.8 to \
         +6.8, 40 cases: 0 worse, 0 better; 40 cases × 3 can only see 7.2 points; for 5 you need 59",
    );
}

/// A judge or provider that is down is not the candidate's fault, and no pass either.
#[test]
fn an_outage_is_neither_fail_nor_pass() {
    let mut suite = perfect(100);
    for case in suite.iter_mut().take(10) {
        (case.live, case.idle) = (vec![Attempt::Error; 3], vec![Attempt::Error; 3]);
    }
    verdict(
        &suite,
        Inconclusive,
        "suite: wanted at most 5.0 % of pairs lost to errors, found 30 of 300 lost, 30 on both \
         slots at once, which is upstream of them",
    );
    // Also where what is left would be a fail: it may be the part that is hard.
    let mut suite = broken(100, 40);
    suite.iter_mut().skip(40).take(10).for_each(|case| case.live = vec![Attempt::Error; 3]);
    verdict(
        &suite,
        Inconclusive,
        "suite: wanted at most 5.0 % of pairs lost to errors, found 30 of 300 lost, 30 on live \
         alone",
    );
    // Within the budget it is left out on both sides.
    let mut suite = perfect(100);
    suite.iter_mut().take(4).for_each(|case| case.live = vec![Attempt::Error; 3]);
    let found = judge(&Rules::default(), &suite);
    assert_eq!((found.verdict, found.overall.unwrap().cases), (Pass, 96));
}

/// Four hard cases that idle does not answer are within the budget; had it failed them it would
/// not pass.
#[test]
fn a_candidate_does_not_pass_by_not_answering() {
    let mut suite = perfect(100);
    suite.iter_mut().take(4).for_each(|case| case.idle = vec![Attempt::Error; 3]);
    verdict(
        &suite,
        Inconclusive,
        "suite: wanted an answer from idle where live answers, found 12 attempts lost on idle \
         alone: had it failed them, it would not pass",
    );
    // One that does not matter does not hold it up.
    let mut suite = perfect(100);
    suite[0].idle[0] = Attempt::Error;
    assert_eq!(judge(&Rules::default(), &suite).verdict, Pass);
    // Nor is it left out: an attempt that was never made is lost.
    let mut suite = perfect(100);
    suite.iter_mut().take(4).for_each(|case| case.idle.clear());
    assert_eq!(judge(&Rules::default(), &suite).verdict, Inconclusive);
}

#[test]
fn a_score_that_is_no_number_is_lost_and_does_not_pass() {
    let mut suite = perfect(100);
    for case in suite.iter_mut().take(10) {
        case.idle = vec![Attempt::Passed { score: Some(f64::NAN) }; 3];
    }
    verdict(
        &suite,
        Inconclusive,
        "suite: wanted at most 5.0 % of pairs lost to errors, found 30 of 300 lost, 30 on idle \
         alone",
    );
}

/// If everything fails on both slots, they do not differ.
#[test]
fn a_baseline_that_fails_everything_is_no_baseline() {
    let mut suite = perfect(100);
    for case in &mut suite {
        (case.live, case.idle) = (vec![FAIL; 3], vec![FAIL; 3]);
    }
    verdict(&suite, Inconclusive, "live: wanted live itself to pass 50 %, found 0.0 %");
}

#[test]
fn rules_that_make_no_sense_prove_nothing() {
    let rules = Rules { margin: f64::NAN, alpha: 0.7, ..Rules::default() };
    for suite in [perfect(100), broken(100, 90)] {
        let found = judge(&rules, &suite);
        assert_eq!(found.verdict, Inconclusive);
        let objects: Vec<_> = found.reasons.iter().map(|finding| &finding.subject).collect();
        assert_eq!(objects[..2], ["rules.margin", "rules.alpha"]);
    }
}

#[test]
fn two_cases_of_one_name_are_no_pass() {
    let mut suite = perfect(100);
    suite[7].case = suite[3].case.clone();
    verdict(
        &suite,
        Inconclusive,
        "suite: wanted a name for each case, found more than one case named case 3",
    );
}

#[test]
fn quarantine_hides_neither_much_nor_what_is_critical() {
    let mut suite = perfect(100);
    suite.iter_mut().take(11).for_each(|case| case.quarantined = true);
    verdict(
        &suite,
        Inconclusive,
        "suite: wanted at most 10 % of cases in quarantine, found 11 of 100",
    );
    let mut suite = broken(100, 5);
    suite.iter_mut().take(5).for_each(|case| case.quarantined = true);
    verdict(
        &suite,
        Pass,
        "suite: wanted every case, found left out, in quarantine: case 0, case 1, case 2, case 3, \
         case 4",
    );
    suite[2].critical = true;
    verdict(
        &suite,
        Fail,
        "critical case case 2: wanted idle to fail fewer than 2 times, found idle failed 3 times, \
         live failed 0 times",
    );
}

#[test]
fn what_was_never_run_is_not_said_to_be_lost_by_live() {
    let mut suite = perfect(60);
    suite[0] = CaseOutcomes::new("refund", [PASS], [Attempt::Error]).critical();
    let found = judge(&Rules::default(), &suite);
    let told: Vec<String> = found.reasons.iter().map(ToString::to_string).collect();
    let told = told.iter().find(|it| it.contains("critical case refund")).unwrap();
    let wanted =
        "idle failed 0 times and lost 1 attempts, live failed 0 times; 2 pairs were never run";
    assert!(told.contains(wanted), "{told}");
}

#[test]
fn one_critical_case_is_enough() {
    let critical = |live: [Attempt; 3], idle: [Attempt; 3]| {
        let mut suite = perfect(200);
        suite[0] = CaseOutcomes::new("refund", live, idle).critical();
        judge(&Rules::default(), &suite).verdict
    };
    assert_eq!(critical([PASS; 3], [FAIL, FAIL, PASS]), Fail);
    assert_eq!(critical([FAIL, PASS, PASS], [FAIL, FAIL, PASS]), Fail);
    assert_eq!(critical([PASS; 3], [FAIL, PASS, PASS]), Pass, "once may be chance");
    assert_eq!(critical([FAIL, FAIL, PASS], [FAIL; 3]), Pass, "live fails it too");
    let lost = Attempt::Error;
    assert_eq!(critical([PASS; 3], [FAIL, lost, PASS]), Inconclusive, "it may have failed twice");
    assert_eq!(critical([PASS, lost, lost], [FAIL; 3]), Inconclusive, "live may have, too");
    assert_eq!(critical([PASS; 3], [lost, PASS, PASS]), Pass);
    // Whatever else is known or not.
    let alone = [CaseOutcomes::new("refund", [PASS; 3], [FAIL; 3]).critical()];
    assert_eq!(judge(&Rules::default(), &alone).verdict, Fail);
}

#[test]
fn a_category_may_fail_or_hold_up_the_whole() {
    let suite = |cases: usize, failing: usize| {
        let mut suite = perfect(400);
        for (number, case) in suite.iter_mut().take(cases).enumerate() {
            case.category = Some("refunds".to_owned());
            if number < failing {
                case.idle = vec![FAIL; 3];
            }
        }
        judge(&Rules::default(), &suite)
    };
    assert_eq!(suite(40, 0).verdict, Pass);
    let found = suite(40, 13);
    assert_eq!(found.overall.as_ref().unwrap().verdict, Inconclusive);
    assert_eq!((found.verdict, found.categories[0].verdict), (Fail, Fail));
    assert!(found.reasons[0].to_string().starts_with("category refunds: wanted idle at most 10 "));
    let found = suite(40, 3);
    assert_eq!(found.overall.as_ref().unwrap().verdict, Pass);
    assert_eq!((found.verdict, found.categories[0].verdict), (Inconclusive, Inconclusive));
    // Too small to be asked for proof, but not too small to prove that it got worse.
    let found = suite(8, 1);
    assert_eq!((found.verdict, found.categories[0].judged), (Pass, false));
    assert!(
        found.reasons[1].to_string().ends_with("too few to be judged by itself, 30 are asked for")
    );
    assert_eq!(suite(8, 8).verdict, Fail);
}

/// Of many categories one looks worse by chance; Holm's correction allows for it.
#[test]
fn many_categories_need_more_proof() {
    let suite = |categories: usize| {
        let mut suite = perfect(12 * categories);
        for (number, case) in suite.iter_mut().enumerate() {
            case.category = Some(format!("category {}", number / 12));
            if number < 8 {
                case.idle = vec![FAIL; 3];
            }
        }
        let found = judge(&Rules::default(), &suite);
        (found.verdict, found.categories[0].comparison.as_ref().unwrap().verdict)
    };
    assert_eq!(suite(1), (Fail, Fail));
    assert_eq!(suite(25), (Pass, Fail));
}

#[test]
fn scores_must_not_drop_where_that_is_asked() {
    let rules = Rules { score_margin: Some(0.05), ..Rules::default() };
    let suite = |drop: f64, scored: bool| {
        let mut suite = perfect(100);
        for (number, case) in suite.iter_mut().enumerate() {
            let live = 0.8 + (number % 10) as f64 / 100.0;
            let spread = (number % 7) as f64 / 100.0;
            let score = |score: f64| scored.then_some(score);
            case.live = vec![Attempt::Passed { score: score(live) }; 3];
            case.idle = vec![Attempt::Passed { score: score(live - drop + spread) }; 3];
        }
        judge(&rules, &suite)
    };
    assert_eq!(suite(0.03, true).verdict, Pass);
    assert_eq!(suite(0.08, true).verdict, Inconclusive);
    assert_eq!(suite(0.20, true).verdict, Fail);
    let found = suite(0.03, false);
    assert_eq!(found.verdict, Inconclusive);
    assert_eq!(found.reasons[0].found, "no scores");
    // No spread at all is not certainty.
    let mut suite = perfect(30);
    for case in &mut suite {
        case.live = vec![Attempt::Passed { score: Some(0.9) }; 3];
        case.idle = case.live.clone();
    }
    let found = judge(&rules, &suite).scores.unwrap();
    assert_eq!(found.verdict, Inconclusive);
    assert!(found.interval.low < -0.05);
}

/// What a t interval of no spread would pass.
#[test]
fn cases_that_agree_are_not_certainty() {
    let found = judge(&Rules::default(), &perfect(30)).overall.unwrap();
    let student = found.student.unwrap();
    assert!(student.low.abs() < 1e-12, "Student's t sees no doubt at all");
    assert_eq!(found.verdict, Inconclusive);
    assert!(found.interval.low < -0.05);
}

#[test]
fn a_verdict_reads_back_what_it_wrote() {
    let mut suite = broken(100, 20);
    suite[50].idle[1] = FAIL;
    suite[51].category = Some("refunds".to_owned());
    suite[52] = CaseOutcomes::new("critical", [PASS; 3], [FAIL; 3]).critical();
    let verdict = judge(&Rules::default(), &suite);
    let text = serde_json::to_string(&verdict).unwrap();
    let read: crate::paired::SuiteVerdict = serde_json::from_str(&text).unwrap();
    assert_eq!(read, verdict);
    // With the rules in it and the outcomes, it is computed again.
    assert_eq!(judge(&read.rules, &suite), verdict);
    let more = text.replacen('{', r#"{"more":1,"#, 1);
    assert!(serde_json::from_str::<crate::paired::SuiteVerdict>(&more).is_err());
}

/// A number that nobody means must not keep anybody waiting.
#[test]
fn repeats_beyond_all_bounds_are_named_at_once() {
    let rules = Rules { repeats: u32::MAX, ..Rules::default() };
    let found = judge(&rules, &perfect(20));
    assert_eq!(found.verdict, Inconclusive);
    assert_eq!(found.reasons[0].subject, "rules.repeats");
    assert_eq!(found.overall.unwrap().cases, 20, "what was asked is counted all the same");
}

#[test]
fn an_interval_without_bounds_says_so() {
    let rules = Rules { score_margin: Some(0.05), ..Rules::default() };
    let mut suite = perfect(30);
    for case in &mut suite {
        case.live = vec![Attempt::Passed { score: Some(7.0) }; 3];
        case.idle = case.live.clone();
    }
    let found = judge(&rules, &suite);
    let scores = found.reasons.iter().find(|finding| finding.subject == "scores").unwrap();
    assert_eq!(scores.found, "+0.000, 90 % interval unbounded, 30 cases");
}

#[test]
fn scores_that_add_up_to_no_number_decide_nothing() {
    let rules = Rules { score_margin: Some(0.05), ..Rules::default() };
    let (least, most) = (f64::MIN, f64::MAX);
    for (live, idle) in [(most, most), (most, least), (least, most), (most, 0.5)] {
        let mut suite = perfect(30);
        for (number, case) in suite.iter_mut().enumerate() {
            // Something has to vary.
            let factor = if number % 2 == 0 { 1.0 } else { 0.5 };
            case.live = vec![Attempt::Passed { score: Some(factor * live) }; 3];
            case.idle = vec![Attempt::Passed { score: Some(factor * idle) }; 3];
        }
        let found = judge(&rules, &suite);
        let scores = found.scores.as_ref().unwrap();
        assert_eq!(scores.verdict, Inconclusive, "{live} and {idle}: {scores:?}");
        let text = serde_json::to_string(&found).unwrap();
        assert_eq!(serde_json::from_str::<crate::paired::SuiteVerdict>(&text).unwrap(), found);
        let reason = found.reasons.iter().find(|finding| finding.subject == "scores").unwrap();
        assert!(reason.found.contains("interval unbounded") && reason.found.len() < 60, "{reason}");
    }
}
