//! What an answer must be like, as data.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use bluegreen_core::clock::duration_text;
use http::StatusCode;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::Value;

use super::one_or_many;
use crate::Percentile;

/// The header in which agents name their version, unless told otherwise.
pub const VERSION_HEADER: &str = "x-agent-version";

/// What one answer must be like.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Expect {
    /// The status; 200 to 299 unless told otherwise.
    #[serde(skip_serializing_if = "is_default")]
    pub status: StatusRange,
    /// Rules for headers by name. Of a header that comes several times one must do.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "one_or_many::map")]
    pub headers: BTreeMap<String, Vec<HeaderRule>>,
    /// Rules for the body as text. It must then be UTF-8.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "one_or_many::list")]
    pub body: Vec<TextRule>,
    /// Values in a JSON body by JSON pointer (RFC 6901). Numbers are compared as numbers: `1` is
    /// `1.0`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub json: BTreeMap<String, Value>,
    /// JSON pointers at which there must be something, whatever it is.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub json_present: BTreeSet<String>,
    /// Where the answer must name the candidate's version label, if it must.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<VersionEcho>,
}

impl Expect {
    /// Whether any of it is about the body.
    pub(super) fn reads_body(&self) -> bool {
        !self.body.is_empty() || self.reads_json()
    }

    /// Whether any of it is about the body as JSON.
    pub(super) fn reads_json(&self) -> bool {
        !self.json.is_empty()
            || !self.json_present.is_empty()
            || matches!(self.version, Some(VersionEcho::Json(_)))
    }
}

/// A status or a range of them: `200`, or in a file `"200-299"`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct StatusRange {
    /// The lowest status that will do.
    pub from: u16,
    /// The highest one.
    pub to: u16,
}

impl StatusRange {
    /// Whether `status` will do.
    pub fn contains(self, status: StatusCode) -> bool {
        (self.from..=self.to).contains(&status.as_u16())
    }

    fn parse(text: &str) -> Option<Self> {
        match text.split_once('-') {
            Some((from, to)) => {
                Some(Self { from: from.trim().parse().ok()?, to: to.trim().parse().ok()? })
            }
            None => text.trim().parse::<u16>().ok().map(Self::from),
        }
    }
}

impl Default for StatusRange {
    fn default() -> Self {
        Self { from: 200, to: 299 }
    }
}

impl From<u16> for StatusRange {
    fn from(status: u16) -> Self {
        Self { from: status, to: status }
    }
}

impl From<StatusCode> for StatusRange {
    fn from(status: StatusCode) -> Self {
        status.as_u16().into()
    }
}

impl From<RangeInclusive<u16>> for StatusRange {
    fn from(range: RangeInclusive<u16>) -> Self {
        Self { from: *range.start(), to: *range.end() }
    }
}

impl fmt::Display for StatusRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.from)?;
        if self.to == self.from { Ok(()) } else { write!(f, "-{}", self.to) }
    }
}

impl Serialize for StatusRange {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.from == self.to {
            serializer.serialize_u16(self.from)
        } else {
            serializer.collect_str(self)
        }
    }
}

impl<'de> Deserialize<'de> for StatusRange {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = StatusRange;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a status like 200 or a range of them like \"200-299\"")
            }

            fn visit_u64<E: de::Error>(self, status: u64) -> Result<StatusRange, E> {
                u16::try_from(status)
                    .map(StatusRange::from)
                    .map_err(|_| E::invalid_value(de::Unexpected::Unsigned(status), &self))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<StatusRange, E> {
                StatusRange::parse(text)
                    .ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// What a header must be like.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum HeaderRule {
    /// There with exactly this value.
    Equals(String),
    /// There with a value that has this in it.
    Contains(String),
    /// There.
    Present,
    /// Not there.
    Absent,
}

/// What a body must be like as text.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TextRule {
    /// Exactly this.
    Equals(String),
    /// With this in it.
    Contains(String),
    /// Without this in it.
    Lacks(String),
}

/// Where an answer names the version that gave it.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum VersionEcho {
    /// In this header, which must come exactly once.
    Header(String),
    /// At this JSON pointer, as a string.
    Json(String),
}

impl Default for VersionEcho {
    fn default() -> Self {
        Self::Header(VERSION_HEADER.to_owned())
    }
}

/// A limit for a percentile of the times of a burst of requests to one pod.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Latency {
    /// Which percentile.
    pub percentile: Percentile,
    /// The longest that it may be.
    #[serde(with = "duration_text")]
    pub limit: Duration,
    /// How many requests each pod gets.
    pub requests: u32,
    /// How many of them it has at once.
    pub concurrency: u32,
}

impl Latency {
    /// `percentile` of `requests` requests, `concurrency` at a time, within `limit`.
    pub fn new(percentile: Percentile, limit: Duration, requests: u32, concurrency: u32) -> Self {
        Self { percentile, limit, requests, concurrency }
    }
}

/// How an answer must arrive piece by piece.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Streaming {
    /// At least so many pieces must arrive at different times.
    pub min_pieces: u32,
    /// The longest silence between two pieces, and between the last one and the end.
    #[serde(with = "duration_text")]
    pub max_gap: Duration,
}

impl Streaming {
    /// At least `min_pieces` pieces, with silences of at most `max_gap`.
    pub fn new(min_pieces: u32, max_gap: Duration) -> Self {
        Self { min_pieces, max_gap }
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
