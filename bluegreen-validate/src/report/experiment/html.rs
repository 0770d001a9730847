//! One HTML page that needs no network and no script.

use std::fmt::{self, Write};

use super::{ExperimentReport, plot};
use crate::report::html::escape::Escaped;

pub(in crate::report) const STYLE: &str = include_str!("page.css");

impl ExperimentReport {
    /// One HTML page with the decision, the outcomes, and the effect with its bounds look after look as a
    /// plot. It loads nothing, and nothing in it is run.
    pub fn to_html(&self) -> String {
        let mut page = String::new();
        // Writing to a String cannot fail.
        let _ = self.write_html(&mut page);
        page
    }

    fn write_html(&self, page: &mut String) -> fmt::Result {
        let (name, decision) = (Escaped(&self.name), self.decision());
        let (decision, mood) = (Escaped(&decision), self.mood());
        write!(
            page,
            "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
             style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\">\n\
             <meta name=\"viewport\" content=\"width=device-width\">\n\
             <title>{name}: {decision}</title>\n<style>{STYLE}</style></head><body>\n\
             <header><h1>{name} <span class=\"{mood}\">{decision}</span></h1>\n<dl>"
        )?;
        for (name, value) in self.facts() {
            write!(page, "<div><dt>{name}</dt><dd>{}</dd></div>", Escaped(&value))?;
        }
        writeln!(page, "</dl></header><main>")?;
        self.write_findings(page)?;
        writeln!(page, "</main></body></html>")
    }

    /// Why it ended so, the outcomes, and the plot.
    pub(in crate::report) fn write_findings(&self, page: &mut String) -> fmt::Result {
        if let Some(why) = self.why() {
            writeln!(page, "<p>{}</p>", Escaped(&why))?;
        }
        write!(
            page,
            "<table><tr><th>outcome</th><th>better</th><th>candidate</th><th>live</th>\
             <th>difference</th><th>bounds</th><th>margin</th></tr>"
        )?;
        for outcome in self.outcomes() {
            let metric = Escaped(&outcome.metric);
            write!(page, "<tr><td>{metric}</td><td>{}</td>", outcome.wanted())?;
            for cell in outcome.cells() {
                write!(page, "<td>{}</td>", Escaped(&cell))?;
            }
            write!(page, "</tr>")?;
        }
        writeln!(page, "</table>")?;
        plot::effect(page, self)
    }
}
