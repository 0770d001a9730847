//! Plots, as SVG within the page.

use std::fmt::{self, Write};

use bluegreen_core::Verdict;

use super::escape::Escaped;
use crate::paired::Comparison;
use crate::report::text;
use crate::report::{AnswerReport, RunReport};

const LEFT: f64 = 190.0;
const WIDTH: f64 = 560.0;
const ROW: f64 = 26.0;

/// The intervals of the suite and its categories, with zero and the margin of each.
pub(super) fn intervals(
    page: &mut String,
    comparisons: &[(String, Verdict, &Comparison)],
) -> fmt::Result {
    if comparisons.is_empty() {
        return writeln!(page, "<p>Nothing could be compared.</p>");
    }
    let ends = comparisons.iter().flat_map(|(_, _, found)| {
        [found.interval.low, found.interval.high, -found.margin, found.margin]
    });
    let (low, high) =
        ends.fold((0.0, 0.0), |(low, high): (f64, f64), end| (low.min(end), high.max(end)));
    let x = |value: f64| LEFT + WIDTH * (value - low) / (high - low);
    let height = ROW * (comparisons.len() + 1) as f64;
    writeln!(
        page,
        "<svg viewBox=\"0 0 {} {height}\" role=\"img\" aria-label=\"intervals of the difference\">",
        LEFT + WIDTH + 10.0
    )?;
    writeln!(
        page,
        "<line class=\"zero\" x1=\"{0:.1}\" x2=\"{0:.1}\" y1=\"0\" y2=\"{1}\"/>",
        x(0.0),
        height - ROW
    )?;
    for (row, (name, verdict, found)) in comparisons.iter().enumerate() {
        let y = ROW * (row as f64 + 0.5);
        let class = text::verdict_word(*verdict);
        let interval = found.interval;
        let said = format!(
            "{name}: {} points ({} to {}), margin {}, {} cases, {class}",
            text::points(interval.estimate),
            text::points(interval.low),
            text::points(interval.high),
            text::points(-found.margin),
            found.cases
        );
        writeln!(
            page,
            "<g class=\"{class}\"><title>{}</title><text x=\"0\" y=\"{:.1}\">{}</text>\
             <line class=\"margin\" x1=\"{3:.1}\" x2=\"{3:.1}\" y1=\"{4:.1}\" y2=\"{5:.1}\"/>\
             <line class=\"reach\" x1=\"{6:.1}\" x2=\"{7:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
             <circle cx=\"{8:.1}\" cy=\"{y:.1}\" r=\"4.5\"/></g>",
            Escaped(&said),
            y + 4.0,
            Escaped(&text::cut(name, 26)),
            x(-found.margin),
            y - ROW / 2.0,
            y + ROW / 2.0,
            x(interval.low),
            x(interval.high),
            x(interval.estimate)
        )?;
    }
    for value in [low, 0.0, high] {
        writeln!(
            page,
            "<text class=\"axis\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            x(value),
            height - 6.0,
            text::points(value)
        )?;
    }
    writeln!(
        page,
        "</svg><p>Points of the pass rate, idle minus live. Dashed: the margin. An interval right of \
         it passes, one left of it fails.</p>"
    )
}

/// The share of answers up to each value, live beside idle; nothing where nothing was measured.
pub(super) fn distribution(
    page: &mut String,
    title: &str,
    report: &RunReport,
    value: impl Fn(&AnswerReport) -> Option<f64>,
) -> fmt::Result {
    let sorted = |of: fn(&crate::report::PairReport) -> Option<&AnswerReport>| -> Vec<f64> {
        let pairs = report.cases.iter().flat_map(|case| &case.pairs);
        let mut values: Vec<f64> = pairs
            .filter_map(|pair| of(pair).and_then(&value))
            .filter(|value| value.is_finite())
            .collect();
        values.sort_by(f64::total_cmp);
        values
    };
    let (live, idle) = (sorted(|pair| pair.live.as_ref()), sorted(|pair| pair.idle.as_ref()));
    let most = live.last().copied().unwrap_or(0.0).max(idle.last().copied().unwrap_or(0.0));
    if most <= 0.0 {
        return Ok(());
    }
    writeln!(
        page,
        "<figure><figcaption>{}</figcaption><svg viewBox=\"0 0 320 170\" role=\"img\" \
         aria-label=\"{}\"><path class=\"frame\" d=\"M10,10 V150 H310\"/>",
        Escaped(title),
        Escaped(title)
    )?;
    for (name, values) in [("live", &live), ("idle", &idle)] {
        if values.is_empty() {
            continue;
        }
        write!(page, "<path class=\"{name}\" d=\"M10,150")?;
        for (x, y) in steps(values) {
            write!(page, " H{:.1} V{:.1}", 10.0 + 300.0 * x / most, 150.0 - 140.0 * y)?;
        }
        writeln!(page, "\"/>")?;
    }
    writeln!(
        page,
        "<text class=\"axis\" x=\"310\" y=\"165\">{}</text></svg><table><tr><th></th><th>p50</th>\
         <th>p95</th><th>max</th></tr>",
        figure(most)
    )?;
    for (name, values) in [("live", &live), ("idle", &idle)] {
        let [half, most, last] = [50, 95, 100].map(|percent| quantile(values, percent));
        writeln!(
            page,
            "<tr><th class=\"{name}\">{name}</th><td>{half}</td><td>{most}</td><td>{last}</td></tr>"
        )?;
    }
    writeln!(page, "</table></figure>")
}

/// Not more points than can be told apart: value and share of values up to it.
fn steps(values: &[f64]) -> impl Iterator<Item = (f64, f64)> + '_ {
    let every = values.len().div_ceil(300);
    let ranks = (1..=values.len()).filter(move |rank| rank % every == 0 || *rank == values.len());
    ranks.map(|rank| (values[rank - 1], rank as f64 / values.len() as f64))
}

/// The quantile by nearest rank.
fn quantile(sorted: &[f64], percent: usize) -> String {
    let rank = (sorted.len() * percent).div_ceil(100);
    rank.checked_sub(1)
        .and_then(|index| sorted.get(index))
        .map_or("–".to_owned(), |value| figure(*value))
}

/// A number with as many digits as say something.
fn figure(value: f64) -> String {
    if value >= 100.0 {
        format!("{value:.0}")
    } else if value >= 1.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.5}")
    }
}
