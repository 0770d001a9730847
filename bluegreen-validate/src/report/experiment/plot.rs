//! The effect with its confidence sequence over the looks, as SVG within the page.

use std::fmt::{self, Write};

use bluegreen_core::Timestamp;

use super::ExperimentReport;
use crate::experiment::{Effect, amount};
use crate::report::html::escape::Escaped;

const LEFT: f64 = 110.0;
const TOP: f64 = 10.0;
const WIDTH: f64 = 700.0;
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
    let whole = end.since(report.began).as_secs_f64().max(1.0);
    let x = |at: Timestamp| LEFT + WIDTH * at.since(report.began).as_secs_f64() / whole;
    let y = |value: f64| TOP + HEIGHT * (1.0 - (value.clamp(-most, most) / most)) / 2.0;
    let (right, bottom) = (LEFT + WIDTH, TOP + HEIGHT);
    let kind = report.primary.kind;
    writeln!(
        page,
        "<svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"difference over time\">\
         <title>{}</title><path class=\"frame\" d=\"M{LEFT},{TOP} V{bottom} H{right}\"/>",
        right + 30.0,
        bottom + 40.0,
        Escaped(&format!("{}, candidate less live", report.primary.metric)),
    )?;
    write!(page, "<polygon class=\"band\" points=\"")?;
    for look in &looks {
        write!(page, "{:.1},{:.1} ", x(look.at), y(look.effect.upper))?;
    }
    for look in looks.iter().rev() {
        write!(page, "{:.1},{:.1} ", x(look.at), y(look.effect.lower))?;
    }
    write!(page, "\"/><polyline class=\"effect\" points=\"")?;
    for look in &looks {
        write!(page, "{:.1},{:.1} ", x(look.at), y(look.effect.difference))?;
    }
    writeln!(page, "\"/>")?;
    for (class, value) in [("zero", 0.0), ("margin", margin), ("margin", -margin)] {
        let y = y(value);
        writeln!(
            page,
            "<line class=\"{class}\" x1=\"{LEFT}\" x2=\"{right}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            LEFT - 6.0,
            y + 4.0,
            Escaped(&amount(kind, value)),
        )?;
    }
    if let Some(at) = report.ended {
        let (x, mood) = (x(at), report.mood());
        writeln!(
            page,
            "<line class=\"decision {mood}\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{TOP}\" y2=\"{bottom}\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            x - 6.0,
            TOP + 14.0,
            Escaped(&report.decision()),
        )?;
    }
    for (anchor, at) in [("start", report.began), ("end", end)] {
        writeln!(
            page,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{at}</text>",
            x(at),
            bottom + 18.0,
        )?;
    }
    writeln!(
        page,
        "</svg><p>{}, candidate less live ({} is better), with bounds that hold at all looks at once. \
         Dashed: the smallest difference that matters.</p>",
        Escaped(&report.primary.metric),
        report.primary.wanted(),
    )
}
