//! The conditional writes of a switch, as JSON Patches that test everything they build on.

use bluegreen_core::{Color, Epoch, Routing};
use serde_json::{Value, json};

use super::note::{Note, identity};
use super::object::Object;
use super::pin;
use super::rule::{Rule, Slots, Split, backends};
use crate::Settings;
use crate::stamp::{annotate, test};

/// Stamps `epoch` on a route, and changes nothing else.
pub(super) fn stamp(route: &Object, epoch: Epoch, settings: &Settings) -> Vec<Value> {
    let mut operations = vec![test("/metadata/uid", &route.uid)];
    route.stamp.push(&mut operations, &route.resource_version, epoch.number(), settings);
    operations
}

/// Gives the slots their shares of `to`, on a route that was read with the routing `from`.
///
/// Where only weights change, every list of backends with one in it is tested and replaced as a
/// whole, since the API server knows such lists only as one. Where rules come or go, that is the
/// list of all rules.
///
/// # Errors
/// What was found that cannot be built on.
pub(super) fn shift(
    route: &Object,
    from: &Routing,
    to: &Routing,
    epoch: Epoch,
    slots: &Slots,
    settings: &Settings,
) -> Result<Vec<Value>, String> {
    let Made { rules, added } = make(route, to, slots)?;
    let mut operations = vec![test("/metadata/uid", &route.uid)];
    route.stamp.push(&mut operations, &route.resource_version, epoch.number(), settings);
    if differ_in_weights_only(&route.rules, &rules, slots) {
        let pairs = route.rules.iter().zip(&rules).enumerate();
        for (index, (old, new)) in pairs.filter(|(_, (_, new))| is_both(slots, new)) {
            let path = format!("/spec/rules/{index}/backendRefs");
            operations.push(test(&path, backends(old)));
            operations.push(json!({"op": "replace", "path": path, "value": backends(new)}));
        }
    } else {
        operations.push(test("/spec/rules", &route.rules));
        operations.push(json!({"op": "replace", "path": "/spec/rules", "value": rules}));
    }
    let note = serde_json::to_string(&Note::new(from, to, epoch, added));
    let note = note.map_err(|error| error.to_string())?;
    operations.push(annotate(&settings.transition_annotation(), &note));
    Ok(operations)
}

/// The rules of a route as they are to be.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) rules: Vec<Value>,
    /// Those of them that are there for pins, by their identity.
    pub(super) added: Vec<String>,
}

/// Makes the rules of a route what `to` wants them to be. Rules that do not lead to both slots
/// stay as they are, and the ones for pins come after all others: where two match a request
/// equally well, the first is chosen.
pub(super) fn make(route: &Object, to: &Routing, slots: &Slots) -> Result<Made, String> {
    let old = route.added()?;
    let (mut rules, mut splits) = (Vec::new(), Vec::new());
    for (index, rule) in route.rules.iter().enumerate() {
        if old.contains(&index) {
            continue;
        }
        let mut rule = rule.clone();
        if let Rule::Both(split) = slots.read(&rule) {
            weigh(&mut rule, &split, to);
            pin::remirror(&mut rule, &split, to, slots);
            splits.push((index, rule.clone(), split));
        }
        rules.push(rule);
    }
    let mut added = Vec::new();
    for pin in &to.pins {
        for (index, rule, split) in &splits {
            let pinned = pin::rule(rule, split, pin, route.name.kind);
            let mut pinned =
                pinned.map_err(|found| format!("{}, rule {index}: {found}", route.name))?;
            if pin.color() != to.live {
                // It would get each of its own requests twice.
                pin::unmirror(&mut pinned, slots);
            }
            added.push(identity(&pinned));
            rules.push(pinned);
        }
    }
    Ok(Made { rules, added })
}

/// Writes the shares of `to` as weights, in parts of a million.
fn weigh(rule: &mut Value, split: &Split, to: &Routing) {
    for color in Color::BOTH {
        let weight = to.share_of(color).as_parts_per_million();
        rule["backendRefs"][*split.at.of(color)]["weight"] = weight.into();
    }
}

fn is_both(slots: &Slots, rule: &Value) -> bool {
    matches!(slots.read(rule), Rule::Both(_))
}

/// Whether the rules differ in the backends of those that lead to both slots, and in nothing else:
/// a rule of a pin that leads elsewhere than before is not the rule that it was.
fn differ_in_weights_only(old: &[Value], new: &[Value], slots: &Slots) -> bool {
    let rest = |rule: &Value| {
        let mut rest = rule.clone();
        if let Some(rest) = rest.as_object_mut() {
            rest.remove("backendRefs");
        }
        rest
    };
    let is_kept =
        |(old, new): (&Value, &Value)| old == new || is_both(slots, new) && rest(old) == rest(new);
    old.len() == new.len() && old.iter().zip(new).all(is_kept)
}
