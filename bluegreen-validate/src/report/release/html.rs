//! One HTML page that needs no network and no script.

use std::fmt::{self, Write};

use super::{ReleaseReport, plot};
use crate::report::experiment::html::STYLE;
use crate::report::html::escape::Escaped;
use crate::report::html::head::Head;
use crate::report::text::verdict_word;

const ADDED: &str = include_str!("page.css");

impl ReleaseReport {
    /// One HTML page with how it stands, traffic and metrics over time with their bounds and the moment of
    /// each decision as plots, and what was decided. It loads nothing, and nothing in it is run.
    pub fn to_html(&self) -> String {
        let mut page = String::new();
        // Writing to a String cannot fail.
        let _ = self.write_html(&mut page);
        page
    }

    fn write_html(&self, page: &mut String) -> fmt::Result {
        let (name, state) = (self.name(), self.state());
        let styles = &[STYLE, ADDED];
        Head { name: &name, state: &state, mood: self.mood(), styles, script: None }.write(page)?;
        write!(page, "<dl>")?;
        for (name, value) in self.facts() {
            write!(page, "<div><dt>{name}</dt><dd>{}</dd></div>", Escaped(&value))?;
        }
        writeln!(page, "</dl></header><main>")?;
        let history = self.history();
        plot::shares(page, self, &history)?;
        for metric in &self.metrics {
            plot::metric(page, self, metric, &history)?;
        }
        for experiment in &self.experiments {
            let (name, decision) = (Escaped(&experiment.name), experiment.decision());
            let (mood, decision) = (experiment.mood(), Escaped(&decision));
            writeln!(page, "<h2>{name}: <span class=\"{mood}\">{decision}</span></h2>")?;
            experiment.write_findings(page)?;
        }
        self.write_validators(page)?;
        if !history.is_empty() {
            writeln!(page, "<h2>Decisions</h2><table>")?;
        }
        for it in &history {
            let mood = it.kind.mood().unwrap_or("plain");
            let what = Escaped(&it.what);
            writeln!(page, "<tr><td>{}</td><td class=\"{mood}\">{what}</td></tr>", it.at)?;
        }
        if !history.is_empty() {
            writeln!(page, "</table>")?;
        }
        writeln!(page, "</main></body></html>")
    }

    fn write_validators(&self, page: &mut String) -> fmt::Result {
        if self.validators.is_empty() {
            return Ok(());
        }
        writeln!(
            page,
            "<h2>Validators</h2><table><tr><th>name</th><th>verdict</th><th>looks</th><th>why</th>\
             </tr>"
        )?;
        for it in &self.validators {
            let (word, name) = (verdict_word(it.verdict), Escaped(&it.name));
            writeln!(
                page,
                "<tr><td>{name}</td><td class=\"{word}\">{word}</td><td>{}</td><td>{}</td></tr>",
                it.looks,
                Escaped(&it.summary)
            )?;
        }
        writeln!(page, "</table>")
    }
}
