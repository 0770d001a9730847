//! The four ends of a run, and the reports of each.

use bluegreen_core::Verdict;
use bluegreen_validate::report::RunReport;
use quick_junit::Report;

use crate::agents::Agent;
use crate::program::{Ended, Folder, SUITE, gate};

async fn run(live: &Agent, idle: &Agent, more: &[&str]) -> Ended {
    let all = ["run", SUITE, "--live", &live.url, "--idle", &idle.url];
    gate(&[&all, more].concat()).await
}

/// All four reports, read back; they say the same.
fn read(folder: &Folder, verdict: Verdict) -> RunReport {
    let report = folder.report("report.json");
    assert_eq!(report.verdict.verdict, verdict);
    assert_eq!(report.recomputed(), report.verdict);
    let junit = Report::deserialize_from_str(&folder.read("junit.xml")).unwrap();
    let [whole, cases] = &junit.test_suites[..] else { panic!("{junit:?}") };
    assert_eq!(whole.failures + whole.errors, usize::from(verdict != Verdict::Pass));
    assert_eq!(cases.tests, report.cases.len());
    let words = format!("support desk <span class=\"{verdict}\">{verdict}</span>");
    let page = folder.read("report.html");
    assert!(page.contains(&words) && page.ends_with("</html>\n"), "{page}");
    assert!(folder.read("report.md").starts_with(&format!("## support desk: {verdict}\n")));
    report
}

#[tokio::test]
async fn an_agent_that_is_as_good_passes() {
    let (live, idle, folder) = (Agent::good().await, Agent::good().await, Folder::new());
    let out = folder.path("reports/of/this");
    let ended = run(&live, &idle, &["--out", &out, "--live-name", "1.2.0"]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.out.starts_with("support desk: pass: "), "{}", ended.out);
    assert!(ended.out.contains("report.html"), "{}", ended.out);
    // Before anything was spent, and at the end.
    assert!(ended.err.contains("cases × 3 can see 13 points; 15 are asked for"), "{}", ended.err);
    assert!(ended.err.trim_end().ends_with("; over"), "{}", ended.err);
    let named = |name: &str| std::fs::read_to_string(format!("{out}/{name}")).unwrap();
    let report = RunReport::from_json(&named("report.json")).unwrap();
    assert_eq!((report.live.as_str(), report.idle.as_str()), ("1.2.0", idle.url.as_str()));
    assert_eq!(report.recomputed().verdict, Verdict::Pass);
    // Every case passes on both sides: it is a suite for this agent.
    assert_eq!(report.verdict.live.passed, report.verdict.live.attempts);
    // Calls that were under way when it was decided may not have come.
    let asked = live.times_asked() + idle.times_asked();
    assert!((asked..=asked + 16).contains(&report.spent.calls), "{asked}, {:?}", report.spent);
}

#[tokio::test]
async fn an_agent_that_got_worse_fails_with_the_cases() {
    let (live, idle, folder) = (Agent::good().await, Agent::regressed().await, Folder::new());
    let ended = run(&live, &idle, &["--out", &folder.path("")]).await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.out.contains("got worse: hours, on Monday"), "{}", ended.out);
    let report = read(&folder, Verdict::Fail);
    let critical: Vec<_> = report.verdict.critical.iter().map(|it| it.case.as_str()).collect();
    assert!(critical.iter().any(|case| case.starts_with("refund, ")), "{critical:?}");
    let case = report.cases.iter().find(|case| case.case == "refund, too late").unwrap();
    let idle = case.pairs[0].idle.as_ref().unwrap();
    assert_eq!(idle.text, "I have refunded 20 euros for order 9.");
    let page = folder.read("report.md");
    assert!(page.contains("<summary>refund, "), "{page}");
}

#[tokio::test]
async fn a_run_whose_budget_is_spent_is_inconclusive() {
    let (live, idle, folder) = (Agent::good().await, Agent::good().await, Folder::new());
    let limits = ["--max-calls", "50", "--out", &folder.path("")];
    let ended = run(&live, &idle, &limits).await;
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.out.contains("the budget was spent: calls"), "{}", ended.out);
    let report = read(&folder, Verdict::Inconclusive);
    assert_eq!((report.spent.calls, live.times_asked() + idle.times_asked()), (50, 50));
    assert!(!ended.out.contains("upstream"), "{}", ended.out);
    assert!(report.stopped.is_some());
}

#[tokio::test]
async fn an_agent_that_does_not_answer_is_inconclusive_and_said_to_be_it() {
    let (live, folder) = (Agent::good().await, Folder::new());
    let nobody = {
        let gone = Agent::good().await;
        gone.url.clone()
    };
    let files = ["--json", &folder.path("report.json")];
    let all = ["run", SUITE, "--live", &live.url, "--idle", &nobody];
    let ended = gate(&[&all[..], &files].concat()).await;
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.out.contains(&format!("on idle: connect to {nobody}")), "{ended:?}");
    assert_eq!(folder.report("report.json").verdict.verdict, Verdict::Inconclusive);
}

#[tokio::test]
async fn what_cannot_be_used_is_said_at_once_and_nobody_is_asked() {
    let (live, folder) = (Agent::good().await, Folder::new());
    let suite = folder.path("suite.yaml");
    let text = std::fs::read_to_string(SUITE).unwrap();
    let text = text.replacen("margin: 0.15", "margn: 0.15", 1);
    std::fs::write(&suite, text.replacen("word-count", "wordcount", 1)).unwrap();
    let file = folder.path("suite.yaml/report.json");
    let all = ["run", &suite, "--live", &live.url, "--idle", "agent:8080", "--json", &file];
    let ended = gate(&all).await;
    assert_eq!((ended.code, ended.out.as_str()), (Some(3), ""), "{ended:?}");
    for wanted in [
        "suite.yaml:26:3, rules.margn",
        "margn",
        "wordcount",
        "--idle: found `agent:8080`",
        "cannot be written",
    ] {
        assert!(ended.err.contains(wanted), "{wanted}: {}", ended.err);
    }
    assert_eq!(live.times_asked(), 0);
    // Neither are options.
    for arguments in [
        &["run", SUITE, "--live", "http://a", "--idle", "http://b", "--repeats", "0"][..],
        &["check", SUITE, "--max-cost=-1"],
        &["check", "no-such-file.yaml"],
        &["check", SUITE, "--no-such-option"],
        &["render", SUITE],
        &["run", SUITE],
    ] {
        let ended = gate(arguments).await;
        assert_eq!(ended.code, Some(3), "{arguments:?}: {ended:?}");
        assert!(!ended.err.is_empty());
    }
}

#[tokio::test]
async fn a_check_says_what_the_suite_can_see() {
    let ended = gate(&["check", SUITE]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.out.contains("cases × 3 can see 13 points; 15 are asked for"), "{}", ended.out);
    let ended = gate(&["check", SUITE, "--margin", "0.05", "--repeats", "1"]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.out.contains("can only see 15 points; for 5 you need 248"), "{}", ended.out);
    assert_eq!(gate(&["--help"]).await.code, Some(0));
}

#[tokio::test]
async fn a_report_that_was_changed_is_not_rendered() {
    let (live, idle, folder) = (Agent::good().await, Agent::regressed().await, Folder::new());
    let json = folder.path("report.json");
    assert_eq!(run(&live, &idle, &["--json", &json]).await.code, Some(1));
    let again = ["render", &json, "--html", &folder.path("again.html")];
    let ended = gate(&again).await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(folder.read("again.html").contains("hours, on Monday"));
    let changed = folder.read("report.json").replacen("\"fail\"", "\"pass\"", 1);
    std::fs::write(&json, changed).unwrap();
    let ended = gate(&again).await;
    assert_eq!(ended.code, Some(3), "{ended:?}");
    assert!(ended.err.contains("it has been changed"), "{}", ended.err);
}

/// Whoever copies the workflow gets options that there are.
#[tokio::test]
async fn the_workflow_uses_options_that_there_are() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/gate.yaml");
    let text = std::fs::read_to_string(path).unwrap();
    let (_, command) = text.split_once("\n          gate run").unwrap();
    let (command, _) = command.split_once("\n\n").unwrap();
    let options: Vec<_> = command.split_whitespace().filter(|it| it.starts_with("--")).collect();
    let help = gate(&["run", "--help"]).await.out;
    assert!(options.len() >= 5, "{options:?}");
    for option in options {
        assert!(help.contains(&format!(" {option} <")), "{option}: {help}");
    }
}
