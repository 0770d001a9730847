//! Markdown, for a pull request or a chat.

use std::fmt::{self, Write};

use super::ReleaseReport;
use crate::report::markdown::inline;

/// The most decisions that are told: the last ones.
const MOST: usize = 50;

impl ReleaseReport {
    /// Markdown with how it stands, a table of the metrics, and the last decisions.
    pub fn to_markdown(&self) -> String {
        let mut page = String::new();
        // Writing to a String cannot fail.
        let _ = self.write_markdown(&mut page);
        page
    }

    fn write_markdown(&self, page: &mut String) -> fmt::Result {
        writeln!(page, "## {}: {}\n", inline(&self.name()), inline(&self.state()))?;
        for (name, value) in self.facts() {
            writeln!(page, "- {name}: {}", inline(&value))?;
        }
        if !self.metrics.is_empty() {
            writeln!(page, "\n| guard | metric | candidate | live | verdict | looks |")?;
            writeln!(page, "|---|---|---|---|---|---|")?;
        }
        for it in &self.metrics {
            let Some(point) = it.points.last() else { continue };
            let live = point.live.map_or("–".to_owned(), |live| it.value(&live));
            writeln!(
                page,
                "| {} | {} | {} | {live} | {} | {} |",
                inline(&it.guard),
                inline(&it.metric),
                it.value(&point.candidate),
                point.verdict,
                it.points.count()
            )?;
        }
        let history = self.history();
        if !history.is_empty() {
            writeln!(page, "\n| when | what |\n|---|---|")?;
        }
        for it in &history[history.len().saturating_sub(MOST)..] {
            writeln!(page, "| {} | {} |", it.at, inline(&it.what))?;
        }
        for it in &self.experiments {
            write!(page, "\n{}", it.to_markdown())?;
        }
        Ok(())
    }
}
