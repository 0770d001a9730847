//! One live Service as it was read, and what the live ones together say about the routing.

use std::collections::BTreeMap;

use bluegreen_core::{Color, Epoch, Observed, ObservedState, Routing};
use k8s_openapi::api::core::v1::Service;
use kube::ResourceExt as _;

use crate::Settings;
use crate::selector::{Selector, in_words};
use crate::stamp::Stamp;

/// What a switch needs to know of a live Service.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Live {
    pub(super) name: String,
    pub(super) uid: String,
    pub(super) resource_version: String,
    pub(super) selector: Selector,
    pub(super) stamp: Stamp,
    /// The transition annotation.
    pub(super) transition: Option<String>,
}

impl Live {
    pub(super) fn read(service: &Service, settings: &Settings) -> Self {
        let annotations = service.metadata.annotations.as_ref();
        let text = |key: String| annotations.and_then(|found| found.get(&key)).cloned();
        let spec = service.spec.as_ref();
        Self {
            name: service.name_any(),
            uid: service.uid().unwrap_or_default(),
            resource_version: service.resource_version().unwrap_or_default(),
            selector: spec.and_then(|spec| spec.selector.clone()).unwrap_or_default(),
            stamp: Stamp::read(annotations, settings),
            transition: text(settings.transition_annotation()),
        }
    }

    /// The selector without the slot.
    pub(super) fn base(&self, slot_label: &str) -> Selector {
        let mut base = self.selector.clone();
        base.remove(slot_label);
        base
    }

    /// The slot that it selects, if it selects one.
    pub(super) fn color(&self, slot_label: &str) -> Option<Color> {
        self.selector.get(slot_label).and_then(|value| Color::parse(value))
    }

    /// The fencing number.
    ///
    /// # Errors
    /// The text that is there and is none.
    pub(super) fn epoch(&self) -> Result<Epoch, &str> {
        self.stamp.epoch()
    }
}

/// The selector of `base` and one slot.
pub(super) fn select(base: &Selector, slot_label: &str, color: Color) -> Selector {
    let mut selector = base.clone();
    selector.insert(slot_label.to_owned(), color.to_string());
    selector
}

/// What the transition annotation says: from where, to where, by which epoch.
pub(super) fn transition(from: Color, to: Color, epoch: Epoch) -> String {
    format!("{from}->{to}@{epoch}")
}

fn parse_transition(text: &str) -> Option<(Color, Color, u64)> {
    let (colors, epoch) = text.split_once('@')?;
    let (from, to) = colors.split_once("->")?;
    Some((Color::parse(from)?, Color::parse(to)?, epoch.parse().ok()?))
}

/// What the live Services together say. `known` has the base selectors as they were before.
pub(super) fn decode(
    lives: &[Live],
    known: &BTreeMap<String, Selector>,
    slot_label: &str,
) -> Observed {
    let epochs = lives.iter().filter_map(|live| live.epoch().ok());
    let epoch = epochs.max().unwrap_or_default();
    let mut colors = Vec::with_capacity(lives.len());
    for live in lives {
        match color_of(live, known.get(&live.name), slot_label) {
            Ok(color) => colors.push(color),
            Err(found) => return Observed::new(ObservedState::Foreign(found), epoch),
        }
    }
    let Some(first) = colors.first().copied() else {
        return Observed::new(ObservedState::Foreign("no live Service".to_owned()), epoch);
    };
    if colors.iter().all(|color| *color == first) {
        return Observed::routed(Routing::all(first), epoch);
    }
    let last = lives.iter().filter_map(|live| parse_transition(live.transition.as_deref()?));
    let (from, to) = match last.max_by_key(|(_, _, epoch)| *epoch) {
        Some((from, to, _)) if from != to => (from, to),
        _ => (first, first.other()),
    };
    let (from, to) = (Routing::all(from), Routing::all(to));
    Observed::new(ObservedState::Between { from, to }, epoch)
}

/// The slot of one Service, or what else was found.
fn color_of(live: &Live, known: Option<&Selector>, slot_label: &str) -> Result<Color, String> {
    let name = &live.name;
    if let Err(text) = live.epoch() {
        return Err(format!("service {name} has the epoch {text:?}, which is no number"));
    }
    let Some(color) = live.color(slot_label) else {
        return Err(match live.selector.get(slot_label) {
            Some(value) => format!("service {name} selects {slot_label}={value}"),
            None => format!("service {name} selects {}, no {slot_label}", in_words(&live.selector)),
        });
    };
    match known {
        Some(known) if *known != live.base(slot_label) => {
            let wanted = in_words(&select(known, slot_label, color));
            Err(format!("service {name} selects {}, wanted {wanted}", in_words(&live.selector)))
        }
        _ => Ok(color),
    }
}
