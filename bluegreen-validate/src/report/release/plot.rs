//! Traffic and metrics over time, with the moment of each decision, as SVG within the page.

use std::fmt::{self, Write};

use bluegreen_core::Timestamp;

use super::{Decision, MetricReport, Point, ReleaseReport, Shares};
use crate::guard::Bounded;
use crate::report::chart::Chart;
use crate::report::html::escape::Escaped;

const HEIGHT: f64 = 160.0;

/// One slot's values at a look; `None` where there are none.
type Of = fn(&Point) -> Option<Bounded>;

/// One slot's share.
type Part = fn(&Shares) -> f64;

/// The share of each slot.
pub(super) fn shares(
    page: &mut String,
    report: &ReleaseReport,
    history: &[Decision],
) -> fmt::Result {
    let points = report.shares.points();
    if points.is_empty() {
        return writeln!(page, "<p>No traffic was moved.</p>");
    }
    writeln!(
        page,
        "<figure><figcaption>Traffic: <span class=\"key blue\">blue</span>, \
         <span class=\"key green\">green</span></figcaption>"
    )?;
    let chart = Chart::new(time(report), (0.0, 1.0), HEIGHT);
    chart.open(page, "traffic over time", "share of the traffic")?;
    let of: [(&str, Part); 2] = [("blue", |it| it.blue), ("green", |it| it.green)];
    for (slot, share) in of {
        // A share holds until the next one.
        let ends = points.iter().skip(1).map(|it| it.at).chain([report.until]);
        let steps = points.iter().zip(ends);
        let steps = steps.flat_map(|(it, end)| [(it.at, share(it)), (end, share(it))]);
        chart.line(page, &format!("shown {slot}"), steps)?;
    }
    for (value, label) in [(0.0, "0 %"), (0.5, "50 %"), (1.0, "100 %")] {
        chart.level(page, "margin", (value, label))?;
    }
    marks(page, &chart, history)?;
    chart.close(page)?;
    writeln!(page, "</figure>")
}

/// A metric of both slots, with its bounds.
pub(super) fn metric(
    page: &mut String,
    report: &ReleaseReport,
    metric: &MetricReport,
    history: &[Decision],
) -> fmt::Result {
    let points = metric.points.points();
    let Some(last) = points.last() else { return Ok(()) };
    writeln!(
        page,
        "<figure><figcaption>{}, {}: {} <span class=\"key candidate\">candidate</span>, \
         <span class=\"key live\">live</span></figcaption>",
        Escaped(&metric.guard),
        Escaped(&metric.metric),
        Escaped(&format!("{}: {}.", metric.found(last), last.verdict)),
    )?;
    let of: [(&str, Of); 2] = [("live", |it| it.live), ("candidate", |it| Some(it.candidate))];
    let (low, high) = reach(points);
    let chart = Chart::new(time(report), (low, high), HEIGHT);
    chart.open(page, "metric over time", &metric.metric)?;
    for (slot, value) in of {
        let band: Vec<_> = points
            .iter()
            .filter_map(|it| {
                let (at, it) = (it.at, value(it)?);
                it.lower.or(it.upper)?;
                Some((at, it.lower.unwrap_or(low), it.upper.unwrap_or(high)))
            })
            .collect();
        chart.band(page, &format!("around {slot}"), &band)?;
        let line = points.iter().filter_map(|it| Some((it.at, value(it)?.value)));
        chart.line(page, &format!("shown {slot}"), line)?;
    }
    for value in [low, high] {
        chart.level(page, "margin", (value, &metric.number(value)))?;
    }
    marks(page, &chart, history)?;
    chart.close(page)?;
    writeln!(page, "</figure>")
}

/// From the lowest to the highest value and of the bounds those of later looks: the first ones are so wide
/// that nothing else would be seen.
fn reach(points: &[Point]) -> (f64, f64) {
    let slots = |it: &Point| [Some(it.candidate), it.live].into_iter().flatten();
    let values = points.iter().flat_map(slots).map(|it| it.value);
    let later = points[points.len() / 3..].iter().flat_map(slots);
    let bounds = later.flat_map(|it| [it.lower, it.upper]).flatten();
    let all = values.chain(bounds).filter(|it| it.is_finite());
    let (low, high) =
        all.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), it| (low.min(it), high.max(it)));
    if low <= high { (low, high) } else { (0.0, 1.0) }
}

/// From when to when there is anything to show.
fn time(report: &ReleaseReport) -> (Timestamp, Timestamp) {
    (report.began, report.until.max(report.began))
}

fn marks(page: &mut String, chart: &Chart, history: &[Decision]) -> fmt::Result {
    for it in history {
        if let Some(mood) = it.kind.mood() {
            chart.mark(page, &format!("decision {mood}"), (it.at, &it.what))?;
        }
    }
    Ok(())
}
