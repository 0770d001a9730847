//! The effect with its confidence sequence over the looks, as SVG within the page.

use std::fmt::{self, Write};

use super::ExperimentReport;
use crate::experiment::{Effect, amount};
use crate::report::chart::Chart;
use crate::report::html::escape::Escaped;

const HEIGHT: f64 = 280.0;

/// The effect from the beginning to the last look: its bounds as a band, zero, the smallest difference that
/// matters, and when it was decided.
pub(super) fn effect(page: &mut String, report: &ExperimentReport) -> fmt::Result {
    let is_drawn =
        |it: &Effect| [it.lower, it.difference, it.upper].iter().all(|it| it.is_finite());
    let looks: Vec<_> = report.looks.iter().filter(|look| is_drawn(&look.effect)).collect();
    let Some(last) = looks.last() else {
        return writeln!(page, "<p>Nothing could be compared yet.</p>");
    };
    // The first bounds are so wide that nothing else would be seen: they are cut off.
    let typical = looks[looks.len() / 3].effect;
    let margin = report.primary.margin;
    let most =
        [typical.lower.abs(), typical.upper.abs(), 1.5 * margin].into_iter().fold(0.0, f64::max);
    let most = 1.1 * most.max(f64::MIN_POSITIVE);
    let end = report.ended.map_or(last.at, |at| at.max(last.at));
    let chart = Chart::new((report.began, end), (-most, most), HEIGHT);
    let kind = report.primary.kind;
    let title = format!("{}, candidate less live", report.primary.metric);
    chart.open(page, "difference over time", &title)?;
    let bounds: Vec<_> =
        looks.iter().map(|look| (look.at, look.effect.lower, look.effect.upper)).collect();
    chart.band(page, "band", &bounds)?;
    chart.line(page, "effect", looks.iter().map(|look| (look.at, look.effect.difference)))?;
    for (class, value) in [("zero", 0.0), ("margin", margin), ("margin", -margin)] {
        chart.level(page, class, (value, &amount(kind, value)))?;
    }
    if let Some(at) = report.ended {
        let decision = report.decision();
        chart.mark(page, &format!("decision {}", report.mood()), (at, &decision))?;
        chart.text(page, at, &decision)?;
    }
    chart.close(page)?;
    writeln!(
        page,
        "<p>{}, candidate less live ({} is better), with bounds that hold at all looks at once. \
         Dashed: the smallest difference that matters.</p>",
        Escaped(&report.primary.metric),
        report.primary.wanted(),
    )
}
