//! Ctrl-C, and a log that goes on while nothing is answered.

use std::time::Duration;

use bluegreen_core::Verdict;
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::agents::Agent;
use crate::desk;
use crate::program::{Folder, SUITE, command, ended};

#[cfg(unix)]
#[tokio::test]
async fn an_interrupted_run_reports_what_it_saw() {
    for signal in ["-INT", "-TERM"] {
        let live = Agent::good().await;
        // It falls silent in the middle of the run.
        let idle = Agent::new(20, |request, _| desk::answer(request, false)).await;
        let folder = Folder::new();
        let all =
            ["run", SUITE, "--live", &live.url, "--idle", &idle.url, "--out", &folder.path("")];
        let child = command(&all).spawn().unwrap();
        // 8 conversations are under way, all of which wait.
        idle.asked(28).await;
        let id = child.id().unwrap().to_string();
        let sent = tokio::process::Command::new("kill").args([signal, &id]).status().await.unwrap();
        assert!(sent.success());
        let ended = ended(child).await;
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.err.contains("interrupted"), "{}", ended.err);
        let report = folder.report("report.json");
        assert_eq!(report.verdict.verdict, Verdict::Inconclusive);
        assert_eq!(report.recomputed(), report.verdict);
        let stopped = report.stopped.unwrap();
        assert!(stopped.found.ends_with("when the run was stopped"), "{stopped}");
        assert!(report.spent.calls >= 8, "{:?}", report.spent);
        assert!(folder.read("report.html").contains("when the run was stopped"));
        assert!(folder.read("junit.xml").contains("when the run was stopped"));
    }
}

#[tokio::test]
async fn progress_is_told_also_while_nothing_comes() {
    let live = Agent::good().await;
    let idle = Agent::new(20, |request, _| desk::answer(request, false)).await;
    let all = ["run", SUITE, "--live", &live.url, "--idle", &idle.url];
    let mut child = command(&all).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut told = Vec::new();
    while told.len() < 4 {
        let next = tokio::time::timeout(Duration::from_mins(1), lines.next_line());
        let next = next.await.unwrap().unwrap().unwrap();
        if next.contains(" pairs, ") {
            told.push(next);
        }
    }
    let last = told.last().unwrap();
    assert!(last.contains("8 under way") && last.contains(" left"), "{told:?}");
    assert!(last.contains(" of 1000 calls, ") && last.contains(" of 1 spent"), "{told:?}");
    child.kill().await.unwrap();
}
