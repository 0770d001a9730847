//! Metrics as the text that Prometheus scrapes.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};

use super::{Family, Kind, MetricSink};

/// How many bytes of a label's value are kept.
const VALUE: usize = 128;

/// Keeps metrics, and writes them in Prometheus' text format.
///
/// It keeps one series for each combination of labels that it was told of, for as long as it lives:
/// as many as agents, phases and validators make.
#[derive(Debug, Default)]
pub struct Exposition {
    families: Mutex<BTreeMap<&'static str, Known>>,
}

#[derive(Debug)]
struct Known {
    family: &'static Family,
    /// By the labels, as they are written.
    series: BTreeMap<String, Series>,
}

#[derive(Debug, Default)]
struct Series {
    /// The sum, or what a gauge is set to.
    value: f64,
    /// In each bucket of a histogram; the last one is the infinite one.
    buckets: Vec<u64>,
}

impl Exposition {
    /// The value of the header `Content-Type` of the text.
    pub const CONTENT_TYPE: &'static str = "text/plain; version=0.0.4; charset=utf-8";

    /// One that knows nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// All metrics, in the order of their names.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let families = self.families.lock().unwrap_or_else(PoisonError::into_inner);
        for (name, known) in &*families {
            // To write to a string cannot fail.
            let _ = known.write(name, &mut text);
        }
        text
    }
}

impl MetricSink for Exposition {
    fn record(&self, family: &'static Family, labels: &[(&'static str, &str)], value: f64) {
        let mut families = self.families.lock().unwrap_or_else(PoisonError::into_inner);
        let known = families
            .entry(family.name)
            .or_insert_with(|| Known { family, series: BTreeMap::new() });
        let series = known.series.entry(written(labels)).or_default();
        match family.kind {
            Kind::Counter => series.value += value.max(0.0),
            Kind::Gauge => series.value = value,
            Kind::Histogram { buckets } => {
                series.value += value;
                series.buckets.resize(buckets.len() + 1, 0);
                let bucket = buckets.partition_point(|bound| *bound < value);
                if let Some(count) = series.buckets.get_mut(bucket) {
                    *count = count.saturating_add(1);
                }
            }
        }
    }
}

impl Known {
    fn write(&self, name: &str, to: &mut String) -> std::fmt::Result {
        let kind = match self.family.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram { .. } => "histogram",
        };
        writeln!(to, "# HELP {name} {}\n# TYPE {name} {kind}", self.family.help)?;
        for (labels, series) in &self.series {
            let Kind::Histogram { buckets } = self.family.kind else {
                let braces =
                    if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
                writeln!(to, "{name}{braces} {}", series.value)?;
                continue;
            };
            let comma = if labels.is_empty() { "" } else { "," };
            let bounds = buckets.iter().map(ToString::to_string).chain(["+Inf".to_owned()]);
            let mut total = 0_u64;
            for (count, bound) in series.buckets.iter().zip(bounds) {
                total = total.saturating_add(*count);
                writeln!(to, "{name}_bucket{{{labels}{comma}le=\"{bound}\"}} {total}")?;
            }
            let braces = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
            writeln!(to, "{name}_sum{braces} {}\n{name}_count{braces} {total}", series.value)?;
        }
        Ok(())
    }
}

/// Labels as they stand between the braces. Those without a value are left out.
fn written(labels: &[(&'static str, &str)]) -> String {
    let mut text = String::new();
    for (name, value) in labels.iter().filter(|(_, value)| !value.is_empty()) {
        if !text.is_empty() {
            text.push(',');
        }
        let _ = write!(text, "{name}=\"");
        for character in value[..value.floor_char_boundary(VALUE)].chars() {
            match character {
                '\\' => text.push_str("\\\\"),
                '"' => text.push_str("\\\""),
                '\n' => text.push_str("\\n"),
                other => text.push(other),
            }
        }
        text.push('"');
    }
    text
}
