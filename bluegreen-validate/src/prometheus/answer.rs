//! What Prometheus answers, read as if it were not to be trusted.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{self, IgnoredAny};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::counters::{Bound, Part, Series};
use crate::excerpt::Mask;

/// How much later than asked a sample may be: times are rounded to milliseconds.
const TOLERANCE: u64 = 1;
/// How far from what was asked the time of a single value may be. Some stores round it.
const ROUNDING: u64 = 1000;

/// What was asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    pub(super) part: Part,
    /// Samples of counters, and not single values.
    pub(super) samples: bool,
    /// The earliest and the latest sample, in Unix milliseconds.
    pub(super) from: u64,
    pub(super) until: u64,
    /// The labels of a target.
    pub(super) target_labels: &'a [String],
}

/// An answer of any status.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(default)]
    status: String,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
    #[serde(rename = "errorType", default)]
    kind: String,
    #[serde(default)]
    error: String,
    #[serde(default)]
    warnings: Vec<String>,
    /// `VictoriaMetrics`' way to say that some of its nodes did not answer.
    #[serde(rename = "isPartial", default)]
    is_partial: bool,
}

#[derive(Deserialize)]
struct Data<'a> {
    #[serde(rename = "resultType")]
    kind: String,
    #[serde(borrow)]
    result: &'a RawValue,
}

#[derive(Deserialize)]
struct Item {
    #[serde(default)]
    metric: BTreeMap<String, String>,
    #[serde(default)]
    values: Vec<(Seconds, Number)>,
    #[serde(default)]
    value: Option<(Seconds, Number)>,
    #[serde(default)]
    histogram: Option<IgnoredAny>,
    #[serde(default)]
    histograms: Option<IgnoredAny>,
}

/// What Prometheus itself says is wrong, of an answer with a status that is no success.
pub(super) fn complaint(body: &[u8], mask: &Mask) -> String {
    match serde_json::from_slice::<Envelope<'_>>(body) {
        Ok(it) if !it.error.is_empty() => {
            format!("{}: {}", mask.excerpt(it.kind.as_bytes()), mask.excerpt(it.error.as_bytes()))
        }
        _ => mask.excerpt(body),
    }
}

/// The series of an answer.
///
/// # Errors
/// What was found, and what was wanted.
pub(super) fn series(body: &[u8], asked: Asked<'_>, mask: &Mask) -> Result<Vec<Series>, String> {
    let malformed = |error: serde_json::Error| {
        let error = mask.excerpt(error.to_string().as_bytes());
        format!("found an answer that is none of Prometheus: {error}")
    };
    let envelope: Envelope<'_> = serde_json::from_slice(body).map_err(malformed)?;
    if envelope.status != "success" {
        let found = mask.excerpt(envelope.status.as_bytes());
        return Err(format!(
            "found the status {found} ({}), wanted `success`",
            complaint(body, mask)
        ));
    }
    if let Some(warning) = envelope.warnings.first() {
        let warning = mask.excerpt(warning.as_bytes());
        return Err(format!("found the warning {warning}, wanted all there is"));
    }
    if envelope.is_partial {
        return Err("found a part (`isPartial`), wanted all there is".to_owned());
    }
    let data = envelope.data.ok_or("found no data in the answer")?;
    let data: Data<'_> = serde_json::from_str(data.get()).map_err(malformed)?;
    let wanted = if asked.samples { "matrix" } else { "vector" };
    if data.kind != wanted {
        let found = mask.excerpt(data.kind.as_bytes());
        let how = match &*data.kind {
            "vector" => "; select counters over `[$window]`, or say that these are values",
            "matrix" => "; without values the range of a counter is what is wanted",
            _ => "",
        };
        return Err(format!("found a result of the type {found}, wanted `{wanted}`{how}"));
    }
    let items: Vec<Item> = serde_json::from_str(data.result.get()).map_err(malformed)?;
    items.into_iter().map(|item| item.read(asked, mask)).collect()
}

impl Item {
    fn read(self, asked: Asked<'_>, mask: &Mask) -> Result<Series, String> {
        let name = || mask.excerpt(format!("{:?}", self.metric).as_bytes());
        if self.histogram.is_some() || self.histograms.is_some() {
            return Err(format!("{}: found a native histogram, wanted a number", name()));
        }
        let (samples, from, until) = if asked.samples {
            (&self.values, asked.from, asked.until + TOLERANCE)
        } else {
            let value = self.value.as_ref();
            let value = value.ok_or_else(|| format!("{}: found no value", name()))?;
            let from = asked.until.saturating_sub(ROUNDING);
            (&vec![*value], from, asked.until + ROUNDING)
        };
        let mut read: Vec<(u64, f64)> = Vec::with_capacity(samples.len());
        let mut before = None;
        for &(Seconds(at), Number(value)) in samples {
            if !(from..=until).contains(&at) {
                let (at, from, until) = (seconds(at), seconds(from), seconds(until));
                return Err(format!(
                    "{}: found a sample of the time {at}, wanted one from {from} to {until}",
                    name()
                ));
            }
            if before.replace(at).is_some_and(|before| before >= at) {
                return Err(format!("{}: found times that do not rise", name()));
            }
            if !(value.is_finite() && value >= 0.0) {
                let found = format!("found {value} at {}", seconds(at));
                return Err(format!("{}: {found}, wanted a number from 0 on", name()));
            }
            // A little late is taken for the end, unless the end itself is there.
            let at = at.min(asked.until);
            if read.last().is_none_or(|(last, _)| *last < at) {
                read.push((at, value));
            }
        }
        let bound = match (asked.part, self.metric.get("le")) {
            (Part::Buckets, Some(bound)) => {
                let wrong = || format!("{}: found no number as le", name());
                Some(Bound::parse(bound).ok_or_else(wrong)?)
            }
            (Part::Buckets, None) => return Err(format!("{}: found a bucket without le", name())),
            _ => None,
        };
        let target = asked.target_labels.iter().map(|label| self.metric.get(label));
        let target = format!("{:?}", target.collect::<Vec<_>>());
        let child = self.metric.iter().filter(|(label, _)| !matches!(&***label, "__name__" | "le"));
        let child = format!("{:?}", child.collect::<Vec<_>>());
        Ok(Series {
            name: self.metric.get("__name__").cloned(),
            target,
            child,
            bound,
            samples: read,
        })
    }
}

/// A time as Prometheus writes it.
pub(super) fn seconds(millis: u64) -> String {
    format!("{}.{:03}", millis / 1000, millis % 1000)
}

/// Seconds since 1970 with a fraction, kept as milliseconds.
#[derive(Clone, Copy)]
struct Seconds(u64);

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let seconds = f64::deserialize(from)?;
        if !(0.0..=1e12).contains(&seconds) {
            return Err(de::Error::custom(format_args!("{seconds:?} is no time")));
        }
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is not negative and small enough"
        )]
        Ok(Self((seconds * 1000.0).round() as u64))
    }
}

/// A number that is written as a text, because it may be none.
#[derive(Clone, Copy)]
struct Number(f64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Number;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number as text")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Number, E> {
                text.parse().map(Number).map_err(|_| E::custom("a value is no number"))
            }
        }
        from.deserialize_str(Visitor)
    }
}

#[cfg(test)]
mod tests;
