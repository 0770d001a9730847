use std::time::Duration;

use bluegreen_core::clock::days;
use bluegreen_core::{Actor, Timestamp};

use crate::paired::{Attempt, CaseOutcomes, FlakeLedger};

const PASS: Attempt = Attempt::passed();
const FAIL: Attempt = Attempt::failed();

fn day(number: u64) -> Timestamp {
    Timestamp::default().plus(days(20_000 + number))
}

fn mixed(name: &str) -> CaseOutcomes {
    CaseOutcomes::new(name, [PASS, FAIL, PASS], [PASS; 3])
}

#[test]
fn a_case_is_flaky_when_it_was_so_in_two_runs() {
    let mut ledger = FlakeLedger::default();
    let steady = CaseOutcomes::new("steady", [PASS; 3], [FAIL; 3]);
    let broken = CaseOutcomes::new("broken", [FAIL; 3], [PASS; 3]);
    ledger.record(&[mixed("weather"), steady.clone(), broken.clone()], day(0));
    assert_eq!(ledger.flaky(day(0)).count(), 0, "one bad run is no proof");
    ledger.record(&[mixed("weather"), steady, broken], day(1));
    let flaky: Vec<_> = ledger.flaky(day(1)).map(|(name, _)| name).collect();
    assert_eq!(flaky, ["weather"]);
    let history = &ledger.cases["weather"];
    assert_eq!((history.runs, history.passed, history.failed), (2, 4, 2));
    assert!((history.pass_all(2).unwrap() - 0.4).abs() < 1e-12);
    let (rate, low, high) = history.failure_rate();
    assert!((rate - 2.5 / 7.0).abs() < 1e-12 && 0.05 < low && low < rate && high < 0.75);
}

#[test]
fn what_came_to_nothing_is_no_run() {
    let mut ledger = FlakeLedger::default();
    ledger.record(&[CaseOutcomes::new("lost", [Attempt::Error; 3], [PASS; 3])], day(0));
    assert!(ledger.cases.is_empty());
}

#[test]
fn quarantine_ends_by_itself() {
    let ann = Actor::new("ann");
    let mut ledger = FlakeLedger::default();
    ledger.record(&[mixed("weather")], day(0));
    ledger.record(&[mixed("weather")], day(1));
    ledger.quarantine("weather", &ann, "the service is down", day(2), days(7)).unwrap();
    let mut suite = [mixed("weather"), mixed("other")];
    ledger.apply(&mut suite, day(8));
    assert_eq!(suite.each_ref().map(|case| case.quarantined), [true, false]);
    assert_eq!((ledger.expired(day(8)).count(), ledger.flaky(day(8)).count()), (0, 0));
    ledger.apply(&mut suite, day(9));
    assert!(!suite[0].quarantined);
    assert_eq!(ledger.expired(day(9)).map(|(name, _)| name).collect::<Vec<_>>(), ["weather"]);
    assert_eq!(ledger.flaky(day(9)).count(), 1);
    assert_eq!(ledger.release("weather").unwrap().actor, ann);
    assert_eq!((ledger.release("weather"), ledger.release("unknown")), (None, None));
}

#[test]
fn a_quarantine_has_a_reason_an_end_and_a_case() {
    let ann = Actor::new("ann");
    let mut ledger = FlakeLedger::default();
    ledger.record(&[mixed("weather")], day(0));
    let mut refused = |case: &str, reason: &str, time: Duration| {
        ledger.quarantine(case, &ann, reason, day(0), time).unwrap_err().to_string()
    };
    assert_eq!(
        refused("weather", " ", days(1)),
        "case weather: found no reason, wanted why it is kept out [flake-quarantine]"
    );
    assert_eq!(
        refused("weather", "down", days(91)),
        "case weather: found 2months 30days 2h 52m 48s, wanted more than nothing and at most 90 \
         days [flake-quarantine]"
    );
    assert!(refused("weather", "down", Duration::ZERO).contains("found 0s"));
    assert_eq!(
        refused("wether", "down", days(1)),
        "case wether: found no such case, wanted a case that has been run [flake-quarantine]"
    );
}

#[test]
fn what_is_newly_flaky_is_the_candidates_doing() {
    let mut ledger = FlakeLedger::default();
    ledger.record(&[mixed("weather"), CaseOutcomes::new("refund", [PASS; 3], [])], day(0));
    let now = ["weather", "refund", "new"]
        .map(|name| CaseOutcomes::new(name, [PASS; 3], [PASS, FAIL, PASS]));
    assert_eq!(ledger.newly_flaky(&now).collect::<Vec<_>>(), ["refund"]);
}

#[test]
fn a_ledger_reads_back_what_it_wrote_and_forgets_what_is_gone() {
    let mut ledger = FlakeLedger::default();
    ledger.record(&[mixed("weather")], day(0));
    ledger.record(&[mixed("refund")], day(30));
    ledger.quarantine("refund", &Actor::new("ann"), "down", day(30), days(1)).unwrap();
    let text = serde_json::to_string(&ledger).unwrap();
    assert_eq!(serde_json::from_str::<FlakeLedger>(&text).unwrap(), ledger);
    assert!(serde_json::from_str::<FlakeLedger>(r#"{"case": {}}"#).is_err());
    ledger.forget(day(31), days(30));
    assert_eq!(ledger.cases.keys().collect::<Vec<_>>(), ["refund"]);
}
