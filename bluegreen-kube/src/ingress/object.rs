//! One Ingress as it was read.

use std::sync::Arc;

use bluegreen_core::{Color, Pair};
use kube::ResourceExt as _;
use kube::api::DynamicObject;
use serde_json::Value;

use super::note::Note;
use crate::Settings;
use crate::printable::{printable, quoted};
use crate::stamp::Stamp;

/// What a switch needs to know of an Ingress.
#[derive(Clone, Debug)]
pub(super) struct Object {
    pub(super) name: String,
    pub(super) uid: String,
    pub(super) resource_version: String,
    pub(super) stamp: Stamp,
    /// The last shift, where the annotation says of one.
    pub(super) note: Option<Note>,
    pub(super) whole: Arc<DynamicObject>,
}

impl Object {
    pub(super) fn read(found: &DynamicObject, settings: &Settings) -> Self {
        let annotations = found.metadata.annotations.as_ref();
        let text = annotations.and_then(|all| all.get(&settings.transition_annotation()));
        Self {
            name: found.name_any(),
            uid: found.uid().unwrap_or_default(),
            resource_version: found.resource_version().unwrap_or_default(),
            stamp: Stamp::read(annotations, settings),
            note: text.and_then(|text| Note::parse(text)),
            whole: Arc::new(found.clone()),
        }
    }

    /// Every backend that leads to a slot, and which.
    pub(super) fn ours(&self, slots: &Pair<String>) -> Vec<(Place<'_>, Color)> {
        let all = places(&self.whole.data).into_iter();
        all.filter_map(|place| Some((place, color_of(place.service(), slots)?))).collect()
    }

    /// Where it leads.
    ///
    /// # Errors
    /// What else was found, in words.
    pub(super) fn color(&self, slots: &Pair<String>) -> Result<Color, String> {
        let name = &self.name;
        if let Err(text) = self.stamp.epoch() {
            return Err(format!(
                "ingress {name} has the epoch {}, which is no number",
                quoted(text)
            ));
        }
        let ours = self.ours(slots);
        let Some((first, color)) = ours.first() else {
            let Pair { blue, green, .. } = slots;
            return Err(format!("ingress {name} has no path that leads to {blue} or {green}"));
        };
        match ours.iter().find(|(_, other)| other != color) {
            None => Ok(*color),
            Some((other, _)) => Err(format!(
                "ingress {name} disagrees with itself: {first} leads to {}, {other} to {}",
                slots.of(*color),
                slots.of(color.other()),
            )),
        }
    }
}

/// The slot whose Service has this name.
pub(super) fn color_of(service: &str, slots: &Pair<String>) -> Option<Color> {
    Color::BOTH.into_iter().find(|color| slots.of(*color) == service)
}

/// A backend of an Ingress, and what leads to it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    /// Which rule and which of its paths; nothing for the default backend.
    pub(crate) at: Option<(usize, usize)>,
    pub(crate) host: &'a str,
    pub(crate) path: &'a str,
    pub(crate) path_type: &'a str,
    pub(crate) backend: &'a Value,
}

impl Place<'_> {
    /// The name of its Service; empty where it leads to something else.
    pub(crate) fn service(&self) -> &str {
        self.backend["service"]["name"].as_str().unwrap_or_default()
    }

    /// The port of its Service: a name or a number.
    pub(crate) fn port(&self) -> &Value {
        let port = &self.backend["service"]["port"];
        if port["name"].is_string() { &port["name"] } else { &port["number"] }
    }

    /// The pointer to the backend.
    pub(crate) fn pointer(&self) -> String {
        match self.at {
            None => "/spec/defaultBackend".to_owned(),
            Some((rule, path)) => format!("/spec/rules/{rule}/http/paths/{path}/backend"),
        }
    }

    /// Whether the same requests come here.
    pub(crate) fn is_like(&self, other: &Place<'_>) -> bool {
        let is_default = (self.at.is_none(), other.at.is_none());
        match is_default {
            (true, true) => true,
            (false, false) => {
                (self.host, self.path, self.path_type) == (other.host, other.path, other.path_type)
            }
            _ => false,
        }
    }
}

impl std::fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.at.is_none() {
            return write!(f, "the default backend");
        }
        let path = if self.path.is_empty() { "/" } else { self.path };
        write!(f, "path {}", printable(&format!("{}{path}", self.host), 200))
    }
}

/// The class of an Ingress; in the annotation where it is old.
pub(crate) fn class(ingress: &DynamicObject) -> Option<String> {
    match &ingress.data["spec"]["ingressClassName"] {
        Value::String(class) => Some(class.clone()),
        _ => ingress.metadata.annotations.as_ref()?.get("kubernetes.io/ingress.class").cloned(),
    }
}

/// Every backend of an Ingress.
pub(crate) fn places(ingress: &Value) -> Vec<Place<'_>> {
    let spec = &ingress["spec"];
    let mut places = Vec::new();
    if spec["defaultBackend"].is_object() {
        let backend = &spec["defaultBackend"];
        places.push(Place { at: None, host: "", path: "", path_type: "", backend });
    }
    for (rule, found) in list(&spec["rules"]).iter().enumerate() {
        for (path, leading) in list(&found["http"]["paths"]).iter().enumerate() {
            places.push(Place {
                at: Some((rule, path)),
                host: found["host"].as_str().unwrap_or_default(),
                path: leading["path"].as_str().unwrap_or_default(),
                path_type: leading["pathType"].as_str().unwrap_or_default(),
                backend: &leading["backend"],
            });
        }
    }
    places
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
