//! Results on standard output, progress on standard error.

use std::fmt::Display;
use std::io::{IsTerminal, Write as _};
use std::time::{Duration, Instant};

use bluegreen_core::{
    ChangeDiff, Color, DiffLine, DiffLineKind, Document, Problem, Progress, Reporter, Status,
    Verdict,
};
use bluegreen_kube::Done;
use console::StyledObject;
use indicatif::ProgressBar;
use serde_json::{Value, json};

use crate::Failure;
use crate::cli::Adoption;

/// Progress: a moving line on a terminal, plain lines elsewhere.
pub(crate) struct Screen {
    begun: Instant,
    bar: Option<ProgressBar>,
}

impl Screen {
    pub(crate) fn new() -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new_spinner();
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        Self { begun: Instant::now(), bar }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Reporter for Screen {
    fn report(&self, progress: &Progress) {
        // A guard that passes says the same every few seconds: on a terminal it moves the line.
        let routine = matches!(progress, Progress::Judged { judgement, .. }
            if judgement.verdict == Verdict::Pass);
        let line = format!("{:>8.2}s  {progress}", self.begun.elapsed().as_secs_f64());
        match &self.bar {
            Some(bar) => {
                bar.set_message(progress.to_string());
                if !routine {
                    bar.println(line);
                }
            }
            None => say(line),
        }
    }
}

pub(crate) fn warning(text: &str) {
    say(format_args!("warning: {text}"));
}

/// Why the program ends with anything but success, and what to do about it.
pub(crate) fn failure(failure: &Failure, as_json: bool) {
    let (name, text) = match failure {
        Failure::Error(text) => ("error", text.clone()),
        Failure::Busy(text) => ("busy", text.clone()),
        Failure::Interrupted => (
            "interrupted",
            "the release stays where it is: `resume` goes on, `rollback` takes it back".to_owned(),
        ),
        Failure::Outcome(outcome) => ("outcome", outcome.to_string()),
    };
    if as_json {
        let outcome = match failure {
            Failure::Outcome(outcome) => serde_json::to_value(outcome).unwrap_or_default(),
            _ => Value::Null,
        };
        print(json!({ "result": name, "message": text, "outcome": outcome }));
    } else {
        say(format_args!("{name}: {text}"));
    }
}

pub(crate) fn status(status: &Status, as_json: bool) {
    if !as_json {
        print(status);
        for operation in &status.operations {
            print(format_args!("  next: deploy {}", command(operation)));
        }
        return;
    }
    let value = json!({
        "result": "status",
        "envelope": status.envelope,
        "version": status.record.as_ref().map(|record| record.change.version()),
        "phase": status.record.as_ref().map(|record| record.phase.name()),
        "record": status.record,
        "awaited": status.awaited,
        "since": status.since,
        "deadline": status.deadline,
        "operations": status.operations,
    });
    print(value);
}

fn command(operation: &str) -> &str {
    match operation {
        "start" => "deploy --image IMAGE",
        "override-freeze" => "override-freeze --reason REASON",
        other => other,
    }
}

pub(crate) fn plan(diff: Option<&ChangeDiff>, problems: &[Problem], as_json: bool) {
    if as_json {
        print(json!({ "result": "plan", "diff": diff, "problems": problems }));
        return;
    }
    for line in diff.map(ChangeDiff::lines).unwrap_or_default() {
        print(coloured(&line, console::colors_enabled()));
    }
    if problems.is_empty() {
        print("nothing stands in the way");
    }
    for problem in problems {
        let kind = if problem.is_refusal() { "problem" } else { "warning" };
        print(format_args!("{kind}: {problem}"));
    }
}

/// A line of a difference, in the colours that people know from other tools.
fn coloured(line: &DiffLine, with_colours: bool) -> StyledObject<&str> {
    let text = console::style(line.text.as_str());
    let text = match line.kind {
        DiffLineKind::Heading => text.bold(),
        DiffLineKind::Place => text.cyan(),
        DiffLineKind::Removed => text.red(),
        DiffLineKind::Added => text.green(),
        DiffLineKind::Note => text.dim(),
        _ => text,
    };
    text.force_styling(with_colours)
}

/// What takes so long about an adoption, for who waits.
pub(crate) fn adopting(it: &Adoption) {
    eprintln!(
        "the pods of {} may take {} to be ready; those of {} go on for {} after that",
        it.slot(Color::Blue),
        humantime::format_duration(it.ready),
        it.deployment,
        humantime::format_duration(it.drain),
    );
}

pub(crate) fn done(done: &[Done], as_json: bool) {
    let lines: Vec<String> = done.iter().map(ToString::to_string).collect();
    if as_json {
        print(json!({ "result": "done", "done": lines }));
    } else if lines.is_empty() {
        print("nothing to do");
    } else {
        print(lines.join("\n"));
    }
}

pub(crate) fn history(documents: &[Document], as_json: bool) {
    if as_json {
        let records: Vec<Value> = documents
            .iter()
            .map(
                |document| json!({ "envelope": document.envelope(), "record": document.current() }),
            )
            .collect();
        print(json!({ "result": "history", "releases": records }));
        return;
    }
    for document in documents {
        let Some(record) = document.current() else {
            print(format_args!("{}  of a newer version", document.envelope().release));
            continue;
        };
        let started = &record.started;
        let end = record.trail.last().map(|entry| entry.what.as_str()).unwrap_or_default();
        let release = &record.envelope.release;
        let (at, by, version) = (started.at, &started.by, record.change.version());
        print(format_args!("{release:<6} {at}  {version:<24} by {by}: {end}"));
        for result in &record.hooks {
            print(format_args!("       {result}"));
        }
        if let Some(undo) = &record.undoes {
            print(format_args!(
                "       undoes {}, for {}: {}",
                undo.release, undo.actor, undo.reason
            ));
        }
    }
}

/// Writes a line to standard output. That nobody reads it is no reason to stop a release.
fn print(line: impl Display) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Writes a line to standard error, likewise.
fn say(line: impl Display) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use bluegreen_core::{Change, ConfigFiles, Configuration, Container};

    use super::*;

    #[test]
    fn what_is_taken_away_is_red_and_what_is_new_is_green_only_with_colours() {
        let agent = BTreeMap::from([("agent".to_owned(), Container::new("agent:1"))]);
        let live = Configuration::new(agent);
        let files = |text: &'static str| ConfigFiles::new([("system.txt", text)]);
        let change = Change::files("agent-prompts", files("Be brief.\n")).version("2");
        let change = change.resolve(&live, "AGENT_VERSION").unwrap();
        let known = BTreeMap::from([("agent-prompts".to_owned(), files("Be kind.\n"))]);
        let diff = change.diff(&live, &known, &BTreeSet::new());
        let show = |colours: bool| -> Vec<String> {
            diff.lines().iter().map(|line| coloured(line, colours).to_string()).collect()
        };
        let plain = show(false);
        assert_eq!(plain[plain.len() - 2..], ["-Be kind.", "+Be brief."]);
        assert_eq!(plain.join("\n") + "\n", diff.to_string());
        let coloured = show(true);
        let wanted = ["\u{1b}[31m-Be kind.\u{1b}[0m", "\u{1b}[32m+Be brief.\u{1b}[0m"];
        assert_eq!(coloured[coloured.len() - 2..], wanted);
    }
}
