//! Markdown, for a pull request.

use std::fmt::{self, Write};

use super::text::{self, cut};
use super::{AnswerReport, CaseReport, RunReport};

/// The characters that a comment has room for.
const ROOM: usize = 65_536;

/// How much is shown.
#[derive(Clone, Copy)]
struct Most {
    /// Cases with both answers.
    cases: usize,
    /// Characters of an answer.
    text: usize,
    /// Reasons, names and categories.
    lines: usize,
}

/// From what is good to read down to what fits whatever the names are.
const SIZES: [Most; 4] = [
    Most { cases: 10, text: 1_500, lines: 20 },
    Most { cases: 5, text: 1_000, lines: 10 },
    Most { cases: 3, text: 500, lines: 5 },
    Most { cases: 1, text: 200, lines: 2 },
];

impl RunReport {
    /// Markdown for a pull request: verdict, reasons, a table of intervals, the cases that got
    /// worse with both answers, and the flaky ones. It stays below 65,536 characters, which is
    /// what a comment may have: what is left out is counted.
    pub fn to_markdown(&self) -> String {
        let mut page = String::new();
        for most in SIZES {
            page.clear();
            // Writing to a String cannot fail.
            let _ = self.write_markdown(&mut page, most);
            if page.chars().count() < ROOM {
                break;
            }
        }
        page
    }

    fn write_markdown(&self, page: &mut String, most: Most) -> fmt::Result {
        let verdict = &self.verdict;
        writeln!(page, "## {}: {}\n", inline(&self.suite), text::verdict_word(verdict.verdict))?;
        if !self.live.is_empty() || !self.idle.is_empty() {
            writeln!(
                page,
                "{} (idle) against {} (live)\n",
                inline(&self.idle),
                inline(&self.live)
            )?;
        }
        for reason in verdict.reasons.iter().take(most.lines) {
            writeln!(page, "- {}", inline(&reason.to_string()))?;
        }
        more(page, most, verdict.reasons.len(), "reasons")?;
        self.markdown_table(page, most)?;
        self.markdown_cases(page, most)?;
        if !verdict.flaky.is_empty() {
            let names = verdict.flaky.iter().take(most.lines).map(|case| {
                let new = if case.new { " (new)" } else { "" };
                format!(
                    "{}{new}: live {} of {}, idle {} of {}",
                    inline(&case.case),
                    case.live_passed,
                    case.live_attempts,
                    case.idle_passed,
                    case.idle_attempts
                )
            });
            let names: Vec<String> = names.collect();
            writeln!(page, "\n**Flaky:** {}", names.join("; "))?;
            more(page, most, verdict.flaky.len(), "flaky cases")?;
        }
        let errors = verdict.errors;
        writeln!(
            page,
            "\n{} cases × {}, {} of {} pairs lost to errors. {}.",
            self.cases.len(),
            verdict.rules.repeats,
            errors.lost(),
            errors.pairs,
            verdict.power
        )?;
        let spent = self.spent;
        if spent.calls > 0 {
            let cost = spent.cost.map_or_else(String::new, |cost| format!(", at {cost:.4}"));
            let tokens = spent.input_tokens.saturating_add(spent.output_tokens);
            let took = humantime::format_duration(self.took);
            writeln!(page, "\n{} calls, {tokens} tokens{cost}, in {took}.", spent.calls)?;
        }
        Ok(())
    }

    fn markdown_table(&self, page: &mut String, most: Most) -> fmt::Result {
        let comparisons = text::comparisons(self);
        if comparisons.is_empty() {
            return Ok(());
        }
        writeln!(
            page,
            "\n| | verdict | difference | interval | margin | cases | worse | better |"
        )?;
        writeln!(page, "|---|---|--:|--:|--:|--:|--:|--:|")?;
        for (name, verdict, found) in comparisons.iter().take(1 + most.lines) {
            let (interval, margin) = (found.interval, -found.margin);
            writeln!(
                page,
                "| {} | {} | {} | {} to {} | {} | {} | {} | {} |",
                inline(name),
                text::verdict_word(*verdict),
                text::points(interval.estimate),
                text::points(interval.low),
                text::points(interval.high),
                text::points(margin),
                found.cases,
                found.worse,
                found.better
            )?;
        }
        more(page, most, comparisons.len() - 1, "categories")?;
        let level = 100.0 * (1.0 - 2.0 * self.verdict.rules.alpha);
        writeln!(page, "\nPoints of the pass rate, idle minus live; intervals at {level:.0} %.")
    }

    fn markdown_cases(&self, page: &mut String, most: Most) -> fmt::Result {
        let worse: Vec<&CaseReport> = text::worst_first(self)
            .into_iter()
            .filter(|case| {
                let traits = text::Traits::of(self, case);
                traits.regressed || traits.critical
            })
            .collect();
        if worse.is_empty() {
            return Ok(());
        }
        writeln!(page, "\n### Got worse\n")?;
        for case in worse.iter().take(most.cases) {
            writeln!(page, "<details><summary>{}</summary>\n", inline(&case.case))?;
            block(page, "asked", &case.asked, most)?;
            if let Some((live, idle)) = text::telling_pair(case) {
                answer(page, "live", live, most)?;
                answer(page, "idle", idle, most)?;
            }
            writeln!(page, "</details>")?;
        }
        let rest = worse.len().saturating_sub(most.cases);
        if rest > 0 { writeln!(page, "\nand {rest} more cases") } else { Ok(()) }
    }
}

fn answer(page: &mut String, name: &str, answer: &AnswerReport, most: Most) -> fmt::Result {
    let why = text::why(answer);
    let outcome = text::outcome(answer.outcome);
    let title = if why.is_empty() {
        format!("{name} {outcome}")
    } else {
        format!("{name} {outcome}, {}", inline(&why))
    };
    block(page, &title, &answer.text, most)
}

/// A text as it is, in a fence that is longer than any in it.
fn block(page: &mut String, title: &str, text: &str, most: Most) -> fmt::Result {
    let text = cut(text, most.text);
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    writeln!(page, "{title}:\n{fence}text\n{text}\n{fence}\n")
}

fn more(page: &mut String, most: Most, all: usize, what: &str) -> fmt::Result {
    let rest = all.saturating_sub(most.lines);
    if rest > 0 { writeln!(page, "\nand {rest} more {what}") } else { Ok(()) }
}

/// A text on one line in which nothing is markup.
pub(super) fn inline(text: &str) -> String {
    let mut line = String::new();
    for c in cut(text, 500).chars() {
        match c {
            '\n' | '\r' | '\t' => line.push(' '),
            '&' => line.push_str("&amp;"),
            '<' => line.push_str("&lt;"),
            '>' => line.push_str("&gt;"),
            // A zero-width space, so that nobody is notified.
            '@' => line.push_str("@\u{200B}"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '!' | '~' => {
                line.push('\\');
                line.push(c);
            }
            c => line.push(c),
        }
    }
    line
}
