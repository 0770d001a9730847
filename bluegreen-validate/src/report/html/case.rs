//! One case on the page.

use std::fmt::{self, Write};

use super::diff::{self, Budget};
use super::escape::Escaped;
use crate::report::text::{self, Traits};
use crate::report::{AnswerReport, CaseReport, PairReport, PreferenceReport, Preferred, RunReport};

/// Writes one case, closed unless it got worse.
pub(super) fn write(
    page: &mut String,
    budget: &Budget,
    report: &RunReport,
    case: &CaseReport,
) -> fmt::Result {
    let traits = Traits::of(report, case);
    let words = traits.words();
    let open = if traits.regressed || traits.critical { " open" } else { "" };
    write!(
        page,
        "<details class=\"case\" data-kinds=\"{}\"{open}><summary><b>{}</b>",
        words.join(" "),
        Escaped(&case.case)
    )?;
    if let Some(category) = &case.category {
        write!(page, " <i>{}</i>", Escaped(category))?;
    }
    if case.critical && !traits.critical {
        write!(page, " <span class=\"tag\">is critical</span>")?;
    }
    for word in words {
        write!(page, " <span class=\"tag {word}\">{word}</span>")?;
    }
    writeln!(page, "{}</summary>", Marks(&case.pairs))?;
    writeln!(page, "<h4>asked</h4><pre>{}</pre>", Escaped(&case.asked))?;
    for (number, pair) in (1..).zip(&case.pairs) {
        if case.pairs.len() > 1 {
            write!(page, "<h4>repeat {number}</h4>")?;
        }
        write!(page, "<div class=\"pair\">")?;
        answer(page, "live", pair.live.as_ref())?;
        answer(page, "idle", pair.idle.as_ref())?;
        write!(page, "</div>")?;
        for preference in &pair.preferences {
            compared(page, preference)?;
        }
        if let (Some(live), Some(idle)) = (&pair.live, &pair.idle) {
            diff::write(page, budget, &live.text, &idle.text)?;
        }
    }
    writeln!(page, "</details>")
}

fn answer(page: &mut String, name: &str, answer: Option<&AnswerReport>) -> fmt::Result {
    let Some(answer) = answer else {
        return write!(page, "<div><h5>{name}: not asked</h5></div>");
    };
    let outcome = text::outcome(answer.outcome);
    write!(page, "<div><h5 class=\"{outcome}\">{name} {outcome}")?;
    if let Some(score) = answer.outcome.score() {
        write!(page, ", score {score:.2}")?;
    }
    if let Some(millis) = answer.millis {
        write!(page, ", {millis} ms")?;
    }
    write!(page, "</h5>")?;
    if let Some(error) = &answer.error {
        write!(page, "<p class=\"lost\">{}</p>", Escaped(error))?;
    }
    write!(page, "<pre>{}</pre>", Escaped(&answer.text))?;
    if !answer.assertions.is_empty() {
        write!(page, "<ul class=\"asserts\">")?;
        for assertion in &answer.assertions {
            let held = match assertion.held {
                Some(true) => "passed",
                Some(false) => "failed",
                None => "lost",
            };
            write!(page, "<li class=\"{held}\">{}", Escaped(&assertion.name))?;
            if !assertion.reason.is_empty() {
                write!(page, ": {}", Escaped(&assertion.reason))?;
            }
            write!(page, "</li>")?;
        }
        write!(page, "</ul>")?;
    }
    write!(page, "</div>")
}

/// What judges said of both answers side by side, with their reasons in either order.
fn compared(page: &mut String, preference: &PreferenceReport) -> fmt::Result {
    let better = |preferred: Option<Preferred>| match preferred {
        Some(Preferred::Neither) => "neither is better".to_owned(),
        Some(preferred) => format!("{preferred} is better"),
        None => "it can't be told which is better".to_owned(),
    };
    write!(page, "<p>compared by <i>{}</i>: ", Escaped(&preference.criteria))?;
    write!(page, "<b>{}</b></p>", better(preference.preferred))?;
    if preference.judges.is_empty() {
        return Ok(());
    }
    write!(page, "<ul class=\"asserts\">")?;
    for judge in &preference.judges {
        write!(page, "<li>{}: {}", Escaped(&judge.judge), better(judge.preferred))?;
        if let Some(error) = &judge.error {
            write!(page, "; {}", Escaped(error))?;
        }
        for order in &judge.orders {
            let said = better(Some(order.preferred));
            write!(page, "<br>{} as A: {said}: {}", order.first, Escaped(&order.reason))?;
        }
        write!(page, "</li>")?;
    }
    write!(page, "</ul>")
}

/// One mark per attempt, live above idle.
struct Marks<'a>(&'a [PairReport]);

impl fmt::Display for Marks<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<span class=\"marks\">")?;
        for name in ["live", "idle"] {
            write!(f, " {name} ")?;
            for pair in self.0 {
                let answer = if name == "live" { &pair.live } else { &pair.idle };
                let outcome =
                    answer.as_ref().map_or("missing", |answer| text::outcome(answer.outcome));
                let mark = match outcome {
                    "passed" => "✓",
                    "failed" => "✗",
                    "lost" => "?",
                    _ => "·",
                };
                write!(f, "<span class=\"{outcome}\" title=\"{outcome}\">{mark}</span>")?;
            }
        }
        write!(f, "</span>")
    }
}
