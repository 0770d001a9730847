//! One HTML page that needs no network.

use std::fmt::{self, Write};

use super::text;
use super::{RunReport, Usage};

mod case;
mod diff;
pub(super) mod escape;
pub(super) mod head;
mod plot;

use escape::Escaped;
use head::Head;

const STYLE: &str = include_str!("html/page.css");
const SCRIPT: &str = include_str!("html/page.js");
/// The only script that a browser runs in the page, whatever an answer contains.
const SCRIPT_HASH: &str = "sha256-DjTV39tn0ycUMTCYUYAPOkK484BazRoenrBRrThS8TM=";

impl RunReport {
    /// One HTML page with everything: verdict and reasons, intervals as a plot, the cases that got
    /// worse first, with both answers side by side and what differs in them, flaky cases, times and
    /// costs; with filter and search.
    ///
    /// It loads nothing, and nothing in an answer is run.
    pub fn to_html(&self) -> String {
        let mut page = String::new();
        // Writing to a String cannot fail.
        let _ = self.write_html(&mut page);
        page
    }

    fn write_html(&self, page: &mut String) -> fmt::Result {
        let verdict = text::verdict_word(self.verdict.verdict);
        let head = Head {
            name: &self.suite,
            state: verdict,
            mood: verdict,
            styles: &[STYLE],
            script: Some(SCRIPT_HASH),
        };
        head.write(page)?;
        self.write_facts(page)?;
        writeln!(page, "</header><main>\n<section><h2>Why</h2><ul>")?;
        for reason in &self.verdict.reasons {
            writeln!(page, "<li>{}</li>", Escaped(&reason.to_string()))?;
        }
        writeln!(page, "</ul><p>{}.</p></section>", Escaped(&self.verdict.power.to_string()))?;
        writeln!(page, "<section><h2>Pass rates compared</h2>")?;
        self.write_rates(page)?;
        plot::intervals(page, &text::comparisons(self))?;
        writeln!(page, "</section>")?;
        self.write_cases(page)?;
        self.write_flaky(page)?;
        self.write_effort(page)?;
        writeln!(page, "</main><script>{SCRIPT}</script></body></html>")
    }

    fn write_facts(&self, page: &mut String) -> fmt::Result {
        write!(page, "<dl>")?;
        let started = self.started.to_string();
        let took = humantime::format_duration(self.took).to_string();
        let fixed =
            [("live", &self.live), ("idle", &self.idle), ("started", &started), ("took", &took)];
        let facts = self.facts.iter().map(|(name, value)| (name.as_str(), value));
        for (name, value) in fixed.into_iter().chain(facts).filter(|(_, value)| !value.is_empty()) {
            write!(page, "<div><dt>{}</dt><dd>{}</dd></div>", Escaped(name), Escaped(value))?;
        }
        writeln!(page, "</dl>")
    }

    fn write_rates(&self, page: &mut String) -> fmt::Result {
        write!(
            page,
            "<table><tr><th></th><th>passed</th><th>rate</th><th>95 % interval</th>\
             <th>passes all repeats</th></tr>"
        )?;
        for (name, rate) in [("live", self.verdict.live), ("idle", self.verdict.idle)] {
            let all = rate.all_repeats.map_or_else(|| "–".to_owned(), text::percent);
            write!(
                page,
                "<tr><th>{name}</th><td>{} of {}</td><td>{}</td><td>{} to {}</td><td>{all}</td></tr>",
                rate.passed,
                rate.attempts,
                text::percent(rate.share),
                text::percent(rate.low),
                text::percent(rate.high)
            )?;
        }
        writeln!(page, "</table>")
    }

    fn write_cases(&self, page: &mut String) -> fmt::Result {
        writeln!(
            page,
            "<section><h2>Cases</h2><p class=\"tools\"><input id=\"search\" type=\"search\" \
             placeholder=\"search names, questions, answers\" aria-label=\"search\">"
        )?;
        let kinds =
            ["all", "regressed", "improved", "critical", "failing", "flaky", "lost", "quarantined"];
        write!(page, "<select id=\"kind\" aria-label=\"kind of case\">")?;
        for kind in kinds {
            write!(page, "<option>{kind}</option>")?;
        }
        writeln!(page, "</select> <output id=\"count\"></output></p><div id=\"cases\">")?;
        // Those that got worse come first, and are compared first.
        let budget = diff::Budget::of_page();
        for case in text::worst_first(self) {
            case::write(page, &budget, self, case)?;
        }
        writeln!(page, "</div></section>")
    }

    fn write_flaky(&self, page: &mut String) -> fmt::Result {
        if self.verdict.flaky.is_empty() {
            return Ok(());
        }
        write!(
            page,
            "<section><h2>Flaky cases</h2><table><tr><th>case</th><th>live</th><th>idle</th>\
             <th></th></tr>"
        )?;
        for case in &self.verdict.flaky {
            write!(
                page,
                "<tr><td>{}</td><td>{} of {}</td><td>{} of {}</td><td>{}</td></tr>",
                Escaped(&case.case),
                case.live_passed,
                case.live_attempts,
                case.idle_passed,
                case.idle_attempts,
                if case.new { "only on idle" } else { "" }
            )?;
        }
        writeln!(page, "</table></section>")
    }

    fn write_effort(&self, page: &mut String) -> fmt::Result {
        let (live, idle) = self.usage();
        write!(
            page,
            "<section><h2>Time and cost</h2><table><tr><th></th><th>calls</th>\
             <th>tokens read</th><th>tokens written</th><th>cost</th></tr>"
        )?;
        for (name, usage) in [
            ("live", live),
            ("idle", idle),
            ("judges", self.judges),
            ("all that was spent", self.spent),
        ] {
            let Usage { calls, input_tokens, output_tokens, cost, .. } = usage;
            let cost = cost.map_or_else(|| "–".to_owned(), |cost| format!("{cost:.4}"));
            write!(
                page,
                "<tr><th>{name}</th><td>{calls}</td><td>{input_tokens}</td>\
                 <td>{output_tokens}</td><td>{cost}</td></tr>"
            )?;
        }
        writeln!(page, "</table><div class=\"plots\">")?;
        plot::distribution(page, "whole answer, ms", self, |answer| {
            answer.millis.map(|millis| millis as f64)
        })?;
        plot::distribution(page, "first token, ms", self, |answer| {
            answer.first_token_millis.map(|millis| millis as f64)
        })?;
        plot::distribution(page, "tokens written", self, |answer| {
            let tokens = answer.usage.output_tokens;
            (tokens > 0).then_some(tokens as f64)
        })?;
        plot::distribution(page, "cost of an answer", self, |answer| answer.usage.cost)?;
        writeln!(page, "</div></section>")
    }
}
