use std::time::Duration;

use bluegreen_core::{Timestamp, Verdict};
use quick_junit::{NonSuccessKind, Report, TestCaseStatus};
use sha2::{Digest, Sha256};

use super::*;
use crate::paired::{Attempt, Rules};

const EVIL: &str =
    "</pre><script>alert(1)</script><img src=x onerror='alert(2)'>\u{0} ]]> ```` @all";

fn answer(passed: bool, text: &str) -> AnswerReport {
    let outcome = if passed { Attempt::passed() } else { Attempt::failed() };
    let mut answer = AnswerReport::new(outcome, text);
    answer.millis = Some(if passed { 800 } else { 1_200 });
    answer.first_token_millis = Some(150);
    answer.usage.output_tokens = 40;
    answer.usage.cost = Some(0.002);
    answer.assertions =
        vec![AssertionReport::new("contains \"30 days\"", Some(passed), "as it is")];
    answer
}

/// 60 cases in two categories, of which idle breaks the first eight; one is lost, one flaky and
/// one in quarantine.
fn report() -> RunReport {
    let cases = (0..60).map(|number| {
        let mut case = CaseReport::new(format!("case {number}"), "May I send it back?");
        case.category = Some(if number % 2 == 0 { "refunds" } else { "greetings" }.to_owned());
        for repeat in 0..3 {
            let live = answer(true, "Yes, you may, within 30 days.");
            let idle = match number {
                0..8 => answer(false, EVIL),
                30 => answer(repeat != 1, "Yes, within 30 days."),
                _ => answer(true, "Yes, you may, within 30 days."),
            };
            case.add_pair(live, idle);
        }
        case
    });
    let mut cases: Vec<CaseReport> = cases.collect();
    cases[0].critical = true;
    cases[40].quarantined = true;
    for pair in &mut cases[50].pairs {
        let mut lost = AnswerReport::new(Attempt::Error, "");
        lost.error = Some("503 from the provider".to_owned());
        (pair.live, pair.idle) = (Some(lost.clone()), Some(lost));
    }
    let started = Timestamp::from_unix_millis(1_764_547_200_000);
    let mut report = RunReport::judged("support | desk", &Rules::default(), cases, started);
    "agent 1.2.0".clone_into(&mut report.live);
    "agent 1.3.0".clone_into(&mut report.idle);
    report.took = Duration::from_secs(90);
    report.facts.insert("judge".to_owned(), "judge-large <pinned>".to_owned());
    report
}

#[test]
fn json_has_all_that_the_verdict_is_computed_from() {
    let report = report();
    assert_eq!(report.verdict.verdict, Verdict::Fail);
    let mut read: RunReport = serde_json::from_str(&report.to_json().unwrap()).unwrap();
    assert_eq!(read, report);
    assert_eq!(read.recomputed(), report.verdict);
    read.cases[20].pairs[0].idle = Some(answer(false, ""));
    assert_ne!(read.recomputed(), report.verdict, "another answer, another verdict");
    read.cases[20].pairs[0].idle.as_mut().unwrap().outcome =
        Attempt::Passed { score: Some(f64::NAN) };
    assert!(read.to_json().is_err());
}

#[test]
fn an_answer_that_is_missing_before_the_last_is_lost() {
    let mut case = CaseReport::new("a", "");
    case.add_pair(answer(true, ""), answer(true, ""));
    case.add_pair(answer(true, ""), answer(true, ""));
    case.pairs[0].idle = None;
    case.pairs[1].live = None;
    let outcomes = case.outcomes();
    assert_eq!(outcomes.live, [Attempt::passed()]);
    assert_eq!(outcomes.idle, [Attempt::Error, Attempt::passed()]);
}

#[test]
fn junit_fails_by_the_verdict_and_lists_the_cases() {
    let text = report().to_junit().unwrap();
    let read = Report::deserialize_from_str(&text).unwrap();
    let [verdict, cases] = &read.test_suites[..] else { panic!("{}", read.test_suites.len()) };
    assert_eq!((verdict.tests, verdict.failures), (1, 1));
    assert_eq!((cases.tests, cases.failures, cases.errors), (60, 9, 1));
    let skipped =
        |case: &&quick_junit::TestCase| matches!(case.status, TestCaseStatus::Skipped { .. });
    assert_eq!(cases.test_cases.iter().filter(skipped).count(), 1);
    let failing: Vec<_> = cases
        .test_cases
        .iter()
        .filter(|case| {
            matches!(case.status, TestCaseStatus::NonSuccess { kind: NonSuccessKind::Failure, .. })
        })
        .map(|case| case.name.as_str())
        .collect();
    assert_eq!(failing[..3], ["case 0", "case 1", "case 2"]);
    let TestCaseStatus::NonSuccess { message, description, .. } = &cases.test_cases[1].status
    else {
        panic!("case 1 got worse")
    };
    assert_eq!(message.as_deref(), Some("passes on live 100.0 %, on idle 0.0 %"));
    let shown = description.as_deref().unwrap();
    assert!(shown.contains("live passed:\nYes, you may, within 30 days."), "{shown}");
    assert!(shown.contains("idle failed (contains \"30 days\": as it is):"), "{shown}");

    let mut undecided = report();
    undecided.verdict.verdict = Verdict::Inconclusive;
    let read = Report::deserialize_from_str(&undecided.to_junit().unwrap()).unwrap();
    assert_eq!(read.test_suites[0].errors, 1, "inconclusive is no pass");
}

#[test]
fn markdown_shows_what_got_worse_and_no_markup_of_answers() {
    let page = report().to_markdown();
    assert!(page.starts_with("## support \\| desk: fail\n"), "{page}");
    assert!(page.contains("| all cases | fail | "), "{page}");
    assert!(page.contains("| refunds | "), "{page}");
    assert!(page.contains("<summary>case 7</summary>"), "{page}");
    assert!(page.contains("**Flaky:** case 30 (new): live 3 of 3, idle 2 of 3"), "{page}");
    // An answer with a fence in it stands in a longer one.
    assert!(page.contains("`````text\n"), "{page}");
    assert!(!page.contains("\n@all"));
}

#[test]
fn a_comment_has_room_for_the_markdown_of_a_large_run() {
    let cases = (0..400).map(|number| {
        let mut case =
            CaseReport::new(format!("{number} {}", "<&|".repeat(300)), "why? ".repeat(9_000));
        case.add_pair(answer(true, &"yes ".repeat(9_000)), answer(false, &"no ".repeat(9_000)));
        case.critical = true;
        case
    });
    let report =
        RunReport::judged("large", &Rules::default(), cases.collect(), Timestamp::default());
    let page = report.to_markdown();
    assert!(page.chars().count() < 65_536, "{} characters", page.chars().count());
    assert!(page.contains(" more cases") && page.contains(" more reasons"));
}

#[test]
fn html_loads_nothing_and_runs_nothing_of_an_answer() {
    let page = report().to_html();
    assert_eq!(page.matches("<script").count(), 1);
    assert_eq!(page.matches("http").count(), 1, "only of the policy");
    for tag in page.split('<').skip(1).map(|rest| rest.split('>').next().unwrap()) {
        let loads =
            ["img", "link", "iframe", "object", "a "].iter().any(|name| tag.starts_with(name));
        let active = ["src=", "href=", " on"].iter().any(|attribute| tag.contains(attribute));
        assert!(!loads && !active, "<{tag}>");
    }
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
    assert!(page.contains("judge-large &lt;pinned&gt;"));
    assert!(page.contains("; base-uri 'none'; form-action 'none'\">"));
    assert!(!page.contains('\0'));
}

#[test]
fn html_shows_what_got_worse_first() {
    let page = report().to_html();
    let place = |text: &str| page.find(text).unwrap_or_else(|| panic!("{text} is not in {page}"));
    let worse = place("data-kinds=\"critical regressed failing\" open><summary><b>case 0</b>");
    assert!(worse < place("<b>case 7</b>") && place("<b>case 7</b>") < place("<b>case 9</b>"));
    assert!(place("data-kinds=\"lost\"><summary><b>case 50</b>") > worse);
    place("data-kinds=\"quarantined\"><summary><b>case 40</b>");
    // Both answers, with what differs.
    place("<h5 class=\"passed\">live passed, 800 ms</h5><pre>Yes, you may, within 30 days.</pre>");
    place("<del>");
    place("503 from the provider");
    // One row for all cases and one for each category, and the distributions.
    assert_eq!(page.matches("class=\"reach\"").count(), 3);
    for title in ["whole answer, ms", "first token, ms", "tokens written", "cost of an answer"] {
        place(&format!("<figcaption>{title}</figcaption>"));
    }
    place("<td>800</td><td>1200</td>");
}

/// Every element that is opened is closed, in order.
#[test]
fn html_is_well_formed() {
    let page = report().to_html();
    let body = page.split_once("<body>").unwrap().1.split_once("<script>").unwrap().0;
    let mut open: Vec<&str> = Vec::new();
    for tag in body.split('<').skip(1) {
        let tag = tag.split_once('>').unwrap().0;
        let name = tag.trim_start_matches('/').split([' ', '/']).next().unwrap();
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name), "closing {tag}");
        } else if !tag.ends_with('/') && !matches!(name, "input" | "meta") {
            open.push(name);
        }
    }
    // What is around the script is closed after it.
    assert_eq!(open, [] as [&str; 0]);
}

/// A page with a script that its policy does not name would have neither filter nor search.
#[test]
fn the_policy_names_the_script() {
    let page = report().to_html();
    let script = page.split_once("<script>").unwrap().1.split_once("</script>").unwrap().0;
    let named = page.split_once("'sha256-").unwrap().1.split_once('\'').unwrap().0;
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut encoded = String::new();
    for bytes in Sha256::digest(script.as_bytes()).chunks(3) {
        let mut three = [0; 3];
        three[..bytes.len()].copy_from_slice(bytes);
        let number = u32::from_be_bytes([0, three[0], three[1], three[2]]);
        for place in 0..4 {
            let six = usize::try_from(number >> (18 - 6 * place) & 63).unwrap();
            encoded.push(if place <= bytes.len() { alphabet[six] as char } else { '=' });
        }
    }
    assert_eq!(named, encoded);
}
