//! Results on standard output, progress on standard error.

use std::io::{IsTerminal, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use bluegreen_validate::prompt::{Baseline, Cassette, RunProgress};
use bluegreen_validate::report::RunReport;
use indicatif::ProgressBar;

use crate::Failure;

/// More reasons and cases than anybody reads on a terminal; the reports have all of them.
const MOST: usize = 15;

/// Progress: a moving line on a terminal, plain lines elsewhere.
pub(crate) struct Screen {
    begun: Instant,
    bar: Option<ProgressBar>,
}

impl Screen {
    pub(crate) fn new() -> Self {
        let bar = std::io::stderr().is_terminal().then(ProgressBar::new_spinner);
        Self { begun: Instant::now(), bar }
    }

    /// How often it is told something: a line in a log is for ever.
    pub(crate) fn pace(&self) -> Duration {
        Duration::from_millis(if self.bar.is_some() { 150 } else { 2_000 })
    }

    pub(crate) fn tell(&self, progress: &RunProgress) {
        let line = format!("{:>7.1}s  {progress}", self.begun.elapsed().as_secs_f64());
        match &self.bar {
            Some(bar) => {
                bar.set_message(line);
                bar.tick();
            }
            None => say(&line),
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// A line for people; that nobody reads it any more ends nothing.
pub(crate) fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// What came of a cassette.
pub(crate) fn cassette(cassette: &Cassette) {
    say(&format!("cassette: {}", cassette.counts()));
    if let Some(problem) = cassette.problem() {
        say(&format!("warning: the cassette does not have the rest of the answers: {problem}"));
    }
}

/// What came of a baseline.
pub(crate) fn baseline(baseline: &Baseline) {
    say(&format!("baseline: {}", baseline.counts()));
}

/// The verdict, why, and the cases that got worse.
///
/// `reasons` are why attempts came to nothing: slot, reason, and how often.
pub(crate) fn verdict(report: &RunReport, reasons: &[(&str, String, u64)]) {
    let found = &report.verdict;
    let percent = |share: f64| format!("{:.1} %", 100.0 * share);
    let mut lines = vec![format!(
        "{}: {}: idle passes {} of {} ({}), live {} of {} ({})",
        report.suite,
        found.verdict,
        found.idle.passed,
        found.idle.attempts,
        percent(found.idle.share),
        found.live.passed,
        found.live.attempts,
        percent(found.live.share),
    )];
    lines.extend(found.reasons.iter().take(MOST).map(|reason| format!("  {reason}")));
    lines.extend(more(found.reasons.len(), "reasons"));
    lines.extend(found.regressed.iter().take(MOST).map(|case| {
        let (live, idle) = (percent(case.live), percent(case.idle));
        format!("  got worse: {}, which idle passes in {idle} and live in {live}", case.case)
    }));
    lines.extend(more(found.regressed.len(), "cases that got worse"));
    lines.extend(found.flaky.iter().filter(|case| case.new).take(MOST).map(|case| {
        format!("  newly flaky: {}, {} of {}", case.case, case.idle_passed, case.idle_attempts)
    }));
    lines.extend(reasons.iter().take(5).map(|(name, why, count)| {
        let plural = if *count == 1 { "attempt" } else { "attempts" };
        format!("  lost: {count} {plural} on {name}: {why}")
    }));
    let spent = report.spent;
    let tokens = spent.input_tokens.saturating_add(spent.output_tokens);
    let cost = spent.cost.map_or_else(String::new, |cost| format!(", {cost:.4} of money"));
    lines.push(format!("  spent: {} calls, {tokens} tokens{cost}", spent.calls));
    out(&lines);
}

fn more(all: usize, what: &str) -> Option<String> {
    (all > MOST).then(|| format!("  and {} more {what}", all - MOST))
}

pub(crate) fn written(paths: &[&Path]) {
    let lines: Vec<String> =
        paths.iter().map(|path| format!("  report: {}", path.display())).collect();
    out(&lines);
}

pub(crate) fn out(lines: &[String]) {
    let mut out = std::io::stdout().lock();
    for line in lines {
        let _ = writeln!(out, "{line}");
    }
}

pub(crate) fn failure(failure: &Failure) {
    match failure {
        Failure::Error(text) => say(&format!("error: {text}")),
        Failure::Unusable(problems) => {
            let plural = if problems.len() == 1 { "problem" } else { "problems" };
            say(&format!("{} {plural}, so nothing was asked:", problems.len()));
            for problem in problems {
                say(&format!("  {problem}"));
            }
        }
    }
}
