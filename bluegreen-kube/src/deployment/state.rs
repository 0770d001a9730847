//! The state of a slot from the objects that it consists of.

use bluegreen_core::{Color, Digest, Replicas, Result, SlotState};
use k8s_openapi::api::core::v1::Pod;
use serde_json::Value;

use super::json::canonical;
use super::object::Seen;
use super::pods::{self, Sets};
use super::secrets::Secrets;
use super::template;
use crate::Settings;

/// Puts together what a slot runs and how it fares.
pub(super) fn assemble<'a>(
    color: Color,
    settings: &Settings,
    seen: Seen<'_>,
    sets: &Sets,
    pods: impl Iterator<Item = &'a Pod>,
) -> Result<SlotState> {
    let running = template::read(seen.template(), settings);
    let mut state = SlotState::new(color, seen.uid(), running);
    state.template_hash = template_hash(seen.template());
    state.epoch = seen.epoch()?;
    state.open = seen.annotation(&settings.found_annotation()).is_some();
    let own: Vec<&Pod> = pods.filter(|pod| sets.has(pod)).collect();
    let ready = own.iter().filter(|pod| pods::is_ready(pod));
    let serving = ready.clone().count();
    let current = ready.filter(|pod| sets.is_current(pod)).count();
    state.replicas = Replicas::new(seen.replicas(), number(current), number(serving));
    state.pods = own.into_iter().map(pods::state).collect();
    if state.pods.iter().any(|pod| pod.trouble.is_some()) {
        let secrets = Secrets::in_value(seen.template());
        for trouble in state.pods.iter_mut().filter_map(|pod| pod.trouble.as_mut()) {
            *trouble = secrets.hide_in(trouble);
        }
    }
    state.pods.sort();
    Ok(state)
}

/// A hash of everything that pods are made from.
pub(super) fn template_hash(template: &Value) -> String {
    Digest::of([canonical(template)]).as_str().to_owned()
}

fn number(count: usize) -> u32 {
    count.try_into().unwrap_or(u32::MAX)
}
