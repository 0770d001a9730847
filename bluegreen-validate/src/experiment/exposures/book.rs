//! What is recorded of units.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use bluegreen_core::clock::days;
use bluegreen_core::{Color, Digest, Timestamp};
use serde::{Deserialize, Serialize, Serializer};

use super::{Exposed, ExposureCounts, Noted};
use crate::experiment::Unit;

/// The most versions, and the most metrics.
const MOST_NAMES: usize = 256;
/// How long ago a conversation has to have begun to be over when an experiment begins.
const LONGEST_CONVERSATION: Duration = days(7);
/// The longest name of a version or a metric in bytes.
const LONGEST: usize = 256;
/// The largest value, of either sign: the squares of as many as there is room for have a finite sum.
const LARGEST: f64 = 1e149;
/// What is written has a version of its own.
const VERSION: u32 = 1;

/// The last 128 bits of a unit's digest: nobody finds two units with the same.
pub(super) fn key(unit: &str) -> u128 {
    let digest = Digest::of(["bluegreen unit 1", unit]);
    let hex: String = digest.as_str().chars().filter(char::is_ascii_hexdigit).collect();
    // A prefix of the notation has hexadecimal digits too, and the end has none but the digest's.
    let last = hex.len().saturating_sub(32);
    u128::from_str_radix(&hex[last..], 16).unwrap_or(0)
}

/// A unit and what is known of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Record {
    #[serde(with = "hex")]
    key: u128,
    /// When and on which of the versions it was first seen; `None` in what an earlier version has written and
    /// forgotten.
    pub(super) first: Option<(Timestamp, u8)>,
    pub(super) mixed: bool,
    /// The metric, when, and the value.
    outcomes: Vec<(u8, Timestamp, f64)>,
}

impl Record {
    /// Its outcome of a metric until then.
    pub(super) fn outcome(&self, metric: u8, until: Timestamp) -> Option<f64> {
        let of = |it: &&(u8, Timestamp, f64)| it.0 == metric && it.1 <= until;
        self.outcomes.iter().find(of).map(|(_, _, value)| *value)
    }
}

/// All units, in the order in which they came: sums are the same after a restart.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(try_from = "Written")]
pub(super) struct Book {
    room: usize,
    since: Option<(Unit, Timestamp)>,
    pub(super) arms: Vec<(Color, String)>,
    pub(super) metrics: Vec<String>,
    pub(super) units: Vec<Record>,
    index: HashMap<u128, u32>,
    counts: ExposureCounts,
    /// The metrics that the last look asked for as rates.
    pub(super) rates: Vec<String>,
}

impl Book {
    pub(super) fn new(room: usize) -> Self {
        Self {
            room: room.min(u32::MAX as usize),
            since: None,
            arms: Vec::new(),
            metrics: Vec::new(),
            units: Vec::new(),
            index: HashMap::new(),
            counts: ExposureCounts::default(),
            rates: Vec::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.units.len()
    }

    pub(super) fn counts(&self) -> ExposureCounts {
        self.counts
    }

    pub(super) fn expose(
        &mut self,
        key: u128,
        color: Color,
        version: &str,
        at: Timestamp,
    ) -> Exposed {
        if let Some((Unit::User, since)) = self.since
            && at < since
        {
            add_one(&mut self.counts.early);
            return Exposed::Early;
        }
        let is_arm = |(known, name): &(Color, String)| *known == color && name == version;
        let known = self.arms.iter().position(is_arm);
        let has_room = self.index.contains_key(&key) || self.units.len() < self.room;
        let is_new = known.is_none();
        if !has_room || is_new && (self.arms.len() >= MOST_NAMES || version.len() > LONGEST) {
            add_one(&mut self.counts.refused);
            return Exposed::Refused;
        }
        if is_new {
            self.arms.push((color, version.to_owned()));
        }
        let arm = number(known.unwrap_or(self.arms.len() - 1));
        let Some(unit) = self.index.get(&key).and_then(|it| self.units.get_mut(*it as usize))
        else {
            self.index.insert(key, u32::try_from(self.units.len()).unwrap_or(u32::MAX));
            self.units.push(Record {
                key,
                first: Some((at, arm)),
                mixed: false,
                outcomes: Vec::new(),
            });
            return Exposed::First;
        };
        let Some((first, of)) = unit.first else {
            unit.first = Some((at, arm));
            return Exposed::First;
        };
        unit.mixed |= of != arm;
        if at < first {
            unit.first = Some((at, arm));
        }
        if unit.mixed { Exposed::Contaminated } else { Exposed::Again }
    }

    pub(super) fn outcome(&mut self, key: u128, metric: &str, value: f64, at: Timestamp) -> Noted {
        if !is_number(value) {
            add_one(&mut self.counts.invalid);
            return Noted::NotANumber;
        }
        if self.rates.iter().any(|rate| rate == metric) && !is_hit_or_miss(value) {
            add_one(&mut self.counts.invalid);
            return Noted::NotARate;
        }
        let known = self.metrics.iter().position(|name| name == metric);
        if known.is_none() && (self.metrics.len() >= MOST_NAMES || metric.len() > LONGEST) {
            add_one(&mut self.counts.invalid);
            return Noted::Refused;
        }
        let found = self.index.get(&key).and_then(|it| self.units.get_mut(*it as usize));
        let Some((unit, first)) = found.and_then(|unit| Some(unit.first?.0).map(|at| (unit, at)))
        else {
            add_one(&mut self.counts.unknown);
            return Noted::UnknownUnit;
        };
        if at < first {
            add_one(&mut self.counts.invalid);
            return Noted::Early;
        }
        if known.is_none() {
            self.metrics.push(metric.to_owned());
        }
        let metric = number(known.unwrap_or(self.metrics.len() - 1));
        let Some(old) = unit.outcomes.iter_mut().find(|it| it.0 == metric) else {
            unit.outcomes.push((metric, at, value));
            return Noted::Kept;
        };
        add_one(&mut self.counts.repeated);
        if at < old.1 {
            return Noted::Outdated;
        }
        *old = (metric, at, value);
        Noted::Replaced
    }

    /// An experiment asks. The one that asked last changes nothing; another one begins, and there is room again
    /// for what has no part in it: users of before, conversations that are over by all appearances, and
    /// versions and metrics that no unit has.
    pub(super) fn begin(&mut self, unit: Unit, since: Timestamp) {
        if self.since == Some((unit, since)) {
            return;
        }
        self.since = Some((unit, since));
        let is_over = |first: Timestamp| match unit {
            Unit::User => first < since,
            Unit::Conversation => first.plus(LONGEST_CONVERSATION) < since,
        };
        self.units.retain(|unit| unit.first.is_some_and(|(first, _)| !is_over(first)));
        self.units.shrink_to_fit();
        self.index = self.units.iter().map(|unit| unit.key).zip(0..).collect();
        self.forget_names();
    }

    /// Makes room for other names in place of those that no unit has.
    fn forget_names(&mut self) {
        let of_units = self.units.iter().filter_map(|unit| Some(unit.first?.1)).collect();
        let arms = renumber(&mut self.arms, &of_units);
        let of_outcomes =
            self.units.iter().flat_map(|unit| &unit.outcomes).map(|it| it.0).collect();
        let metrics = renumber(&mut self.metrics, &of_outcomes);
        for unit in &mut self.units {
            if let Some((_, arm)) = &mut unit.first {
                *arm = arms.get(arm).copied().unwrap_or(*arm);
            }
            for (metric, ..) in &mut unit.outcomes {
                *metric = metrics.get(metric).copied().unwrap_or(*metric);
            }
        }
    }
}

/// Keeps the names with these numbers, in their order; the new number of each.
fn renumber<T>(names: &mut Vec<T>, used: &BTreeSet<u8>) -> BTreeMap<u8, u8> {
    let mut place = 0;
    names.retain(|_| {
        place += 1;
        used.contains(&number(place - 1))
    });
    used.iter().copied().zip(0..=u8::MAX).collect()
}

/// Whether a rate has such values.
#[allow(clippy::float_cmp, reason = "both are exact, and nothing near them is meant")]
fn is_hit_or_miss(value: f64) -> bool {
    value == 0.0 || value == 1.0
}

/// Whether it is one that can be summed up.
fn is_number(value: f64) -> bool {
    value.abs() <= LARGEST
}

fn number(place: usize) -> u8 {
    u8::try_from(place).unwrap_or(u8::MAX)
}

/// Counts on from whatever was read.
fn add_one(count: &mut u64) {
    *count = count.saturating_add(1);
}

/// A book as it is written: nothing of it is copied for that.
#[derive(Serialize)]
struct Writing<'a> {
    version: u32,
    room: usize,
    since: &'a Option<(Unit, Timestamp)>,
    arms: &'a [(Color, String)],
    metrics: &'a [String],
    units: &'a [Record],
    counts: ExposureCounts,
}

impl Serialize for Book {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let Self { room, since, arms, metrics, units, counts, .. } = self;
        let (version, room, counts) = (VERSION, *room, *counts);
        Writing { version, room, since, arms, metrics, units, counts }.serialize(to)
    }
}

/// A book as it is read.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    version: u32,
    room: usize,
    since: Option<(Unit, Timestamp)>,
    arms: Vec<(Color, String)>,
    metrics: Vec<String>,
    units: Vec<Record>,
    counts: ExposureCounts,
}

impl TryFrom<Written> for Book {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let Written { version, room, since, arms, metrics, units, counts } = written;
        if version != VERSION {
            return Err(format!("found exposures of the format {version}, wanted {VERSION}"));
        }
        let names = arms.len().max(metrics.len());
        if names > MOST_NAMES || units.len() > room || room > u32::MAX as usize {
            return Err(format!(
                "found {names} names and {} units with room for {room}, wanted no more than there is \
                 room for",
                units.len()
            ));
        }
        let mut names = arms.iter().map(|(_, version)| version).chain(&metrics);
        if let Some(name) = names.find(|name| name.len() > LONGEST) {
            return Err(format!("found a name of {} bytes, wanted {LONGEST}", name.len()));
        }
        let index: HashMap<u128, u32> = units.iter().map(|unit| unit.key).zip(0..).collect();
        if index.len() != units.len() {
            return Err("found a unit twice, wanted each once".to_owned());
        }
        for unit in &units {
            let arm = unit.first.map_or(0, |(_, arm)| arm);
            let is_known = unit.first.is_none() || usize::from(arm) < arms.len();
            let are_known = unit.outcomes.iter().all(|it| usize::from(it.0) < metrics.len());
            if !is_known || !are_known {
                let wanted = "wanted those that are listed";
                return Err(format!("found a unit of an unknown version or metric, {wanted}"));
            }
            let mut of = unit.outcomes.iter().enumerate();
            if of.any(|(place, it)| unit.outcomes[..place].iter().any(|other| other.0 == it.0)) {
                return Err("found two outcomes of a metric of a unit, wanted one".to_owned());
            }
            if let Some((_, _, value)) = unit.outcomes.iter().find(|it| !is_number(it.2)) {
                return Err(format!("found the outcome {value}, wanted at most {LARGEST}"));
            }
        }
        Ok(Self { room, since, arms, metrics, units, index, counts, rates: Vec::new() })
    }
}

/// A key as 32 digits: JSON's numbers are not so large.
mod hex {
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(key: &u128, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&format_args!("{key:032x}"))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<u128, D::Error> {
        let text = String::deserialize(from)?;
        u128::from_str_radix(&text, 16).map_err(de::Error::custom)
    }
}
