//! Values over time, as SVG within a page.

use std::fmt::{self, Write};

use bluegreen_core::Timestamp;

use super::html::escape::Escaped;

const LEFT: f64 = 110.0;
const TOP: f64 = 10.0;
const WIDTH: f64 = 700.0;

/// Two axes: time from left to right, and values from below to above.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chart {
    began: Timestamp,
    end: Timestamp,
    low: f64,
    high: f64,
    height: f64,
}

impl Chart {
    /// Axes for values between `low` and `high`, which are finite. Values beyond them are cut off.
    pub(super) fn new(
        (began, end): (Timestamp, Timestamp),
        (low, high): (f64, f64),
        height: f64,
    ) -> Self {
        // Axes of one value have it in the middle.
        let spare = if high > low { 0.0 } else { low.abs().max(1.0) };
        Self { began, end, low: low - spare, high: high + spare, height }
    }

    fn x(&self, at: Timestamp) -> f64 {
        let whole = self.end.since(self.began).as_secs_f64().max(1.0);
        LEFT + WIDTH * (at.since(self.began).as_secs_f64() / whole).min(1.0)
    }

    fn y(&self, value: f64) -> f64 {
        // Halves first: the difference of two large numbers may be beyond all numbers.
        let whole = self.high / 2.0 - self.low / 2.0;
        let part = (value.clamp(self.low, self.high) / 2.0 - self.low / 2.0) / whole;
        TOP + self.height * (1.0 - part)
    }

    fn right() -> f64 {
        LEFT + WIDTH
    }

    fn bottom(&self) -> f64 {
        TOP + self.height
    }

    /// Begins the plot. `label` says what it is, and `title` what of.
    pub(super) fn open(&self, page: &mut String, label: &str, title: &str) -> fmt::Result {
        writeln!(
            page,
            "<svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\">\
             <title>{}</title><path class=\"frame\" d=\"M{LEFT},{TOP} V{bottom} H{}\"/>",
            Self::right() + 30.0,
            self.bottom() + 40.0,
            Escaped(label),
            Escaped(title),
            Self::right(),
            bottom = self.bottom(),
        )
    }

    /// An area between bounds.
    pub(super) fn band(
        &self,
        page: &mut String,
        class: &str,
        points: &[(Timestamp, f64, f64)],
    ) -> fmt::Result {
        if points.is_empty() {
            return Ok(());
        }
        write!(page, "<polygon class=\"{class}\" points=\"")?;
        for (at, _, upper) in points {
            write!(page, "{:.1},{:.1} ", self.x(*at), self.y(*upper))?;
        }
        for (at, lower, _) in points.iter().rev() {
            write!(page, "{:.1},{:.1} ", self.x(*at), self.y(*lower))?;
        }
        writeln!(page, "\"/>")
    }

    /// A line through points.
    pub(super) fn line(
        &self,
        page: &mut String,
        class: &str,
        points: impl IntoIterator<Item = (Timestamp, f64)>,
    ) -> fmt::Result {
        write!(page, "<polyline class=\"{class}\" points=\"")?;
        for (at, value) in points {
            write!(page, "{:.1},{:.1} ", self.x(at), self.y(value))?;
        }
        writeln!(page, "\"/>")
    }

    /// A value that does not change, with its name on the left.
    pub(super) fn level(
        &self,
        page: &mut String,
        class: &str,
        (value, label): (f64, &str),
    ) -> fmt::Result {
        let y = self.y(value);
        writeln!(
            page,
            "<line class=\"{class}\" x1=\"{LEFT}\" x2=\"{}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            Self::right(),
            LEFT - 6.0,
            y + 4.0,
            Escaped(label),
        )
    }

    /// A moment, which says what it is when it is pointed at.
    pub(super) fn mark(
        &self,
        page: &mut String,
        class: &str,
        (at, what): (Timestamp, &str),
    ) -> fmt::Result {
        let (x, bottom) = (self.x(at), self.bottom());
        writeln!(
            page,
            "<line class=\"{class}\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{TOP}\" y2=\"{bottom}\">\
             <title>{}</title></line>",
            Escaped(what),
        )
    }

    /// A text left of a moment.
    pub(super) fn text(&self, page: &mut String, at: Timestamp, what: &str) -> fmt::Result {
        writeln!(
            page,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            self.x(at) - 6.0,
            TOP + 14.0,
            Escaped(what),
        )
    }

    /// Names both ends of the time, and ends the plot.
    pub(super) fn close(&self, page: &mut String) -> fmt::Result {
        for (anchor, at) in [("start", self.began), ("end", self.end)] {
            writeln!(
                page,
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{at}</text>",
                self.x(at),
                self.bottom() + 18.0,
            )?;
        }
        writeln!(page, "</svg>")
    }
}
