//! The release in a few lines, for a terminal.

use super::{MetricReport, Point, ReleaseReport};
use crate::guard::{Bounded, Scale, rounded};

impl ReleaseReport {
    /// A line for each thing that is worth looking at now: the release, each metric with its value, its
    /// bounds, the units and the verdict, and what other validators say. Nothing in them moves a terminal's
    /// cursor.
    pub fn lines(&self) -> Vec<String> {
        let mut first = format!("{}: {}", self.name(), self.state());
        if let Some(deadline) = self.deadline.filter(|_| self.outcome.is_none()) {
            first = format!("{first}, until {deadline}");
        }
        if let Some(shares) = self.shares.last() {
            first = format!("{first}; {shares}");
        }
        let mut lines = vec![first];
        for it in &self.metrics {
            lines.extend(it.points.last().map(|point| {
                let named = if it.guard == it.metric {
                    it.metric.clone()
                } else {
                    format!("{}, {}", it.guard, it.metric)
                };
                format!("{named}: {}: {}", it.found(point), point.verdict)
            }));
        }
        for it in &self.experiments {
            let [candidate, live, difference, bounds, _] = it.primary.cells();
            lines.push(format!(
                "{}, {}: {difference} ({bounds}), candidate {candidate}, live {live}: {}",
                it.name,
                it.primary.metric,
                it.decision()
            ));
        }
        for it in &self.validators {
            lines.push(format!("{}: {}: {}", it.name, it.verdict, it.summary));
        }
        lines.iter().map(|line| plain(line)).collect()
    }
}

impl MetricReport {
    /// Both slots' values with their bounds and units.
    pub(super) fn found(&self, point: &Point) -> String {
        let live = point.live.map(|it| format!(", live {}", self.value(&it)));
        format!("candidate {}{}", self.value(&point.candidate), live.unwrap_or_default())
    }

    /// One slot's.
    pub(super) fn value(&self, it: &Bounded) -> String {
        let number = |value: f64| self.number(value);
        let bounds = match (it.lower, it.upper) {
            (None, None) => String::new(),
            (lower, upper) => {
                let bound = |it: Option<f64>| it.map_or("no bound".to_owned(), number);
                format!(" ({} to {})", bound(lower), bound(upper))
            }
        };
        format!("{}{bounds} of {:.0}", number(it.value), it.units)
    }

    pub(super) fn number(&self, value: f64) -> String {
        match self.scale {
            Scale::Share => format!("{} %", rounded(100.0 * value)),
            Scale::Number => rounded(value),
        }
    }
}

/// A text on one line, without what a terminal would obey.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
