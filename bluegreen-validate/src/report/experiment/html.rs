//! One HTML page that needs no network and no script.

use std::fmt::{self, Write};

use super::{ExperimentReport, plot};
use crate::report::html::escape::Escaped;
use crate::report::html::head::Head;

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
        let (decision, mood) = (self.decision(), self.mood());
        let head =
            Head { name: &self.name, state: &decision, mood, styles: &[STYLE], script: None };
        head.write(page)?;
        write!(page, "<dl>")?;
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
