//! Markdown, for a pull request or a chat.

use std::fmt::{self, Write};

use super::ExperimentReport;
use crate::report::markdown::inline;

impl ExperimentReport {
    /// Markdown with the decision, what it rests on, and a table of the outcomes. With the names that an
    /// experiment may have it stays below 65,536 characters, which is what a comment may have.
    pub fn to_markdown(&self) -> String {
        let mut page = String::new();
        // Writing to a String cannot fail.
        let _ = self.write_markdown(&mut page);
        page
    }

    fn write_markdown(&self, page: &mut String) -> fmt::Result {
        writeln!(page, "## {}: {}\n", inline(&self.name), inline(&self.decision()))?;
        if let Some(why) = self.why() {
            writeln!(page, "{}\n", inline(&why))?;
        }
        writeln!(page, "| outcome | better | candidate | live | difference | bounds | margin |")?;
        writeln!(page, "|---|---|---|---|---|---|---|")?;
        for outcome in self.outcomes() {
            let [candidate, live, difference, bounds, margin] = outcome.cells();
            writeln!(
                page,
                "| {} | {} | {candidate} | {live} | {difference} | {bounds} | {margin} |",
                inline(&outcome.metric),
                outcome.wanted(),
            )?;
        }
        writeln!(page, "\nThe bounds hold at all looks at once, but for {}.\n", self.alpha)?;
        for (name, value) in self.facts() {
            writeln!(page, "- {name}: {}", inline(&value))?;
        }
        Ok(())
    }
}
