//! What a live Service itself must be like.

use bluegreen_core::Problem;
use k8s_openapi::api::core::v1::Service;

use crate::Settings;
use crate::selector::in_words;
use crate::service::live::Live;
use crate::slotless::Leads;

/// `leads` says where it leads if its selector names no slot.
pub(super) fn problems(
    service: &Service,
    object: &str,
    settings: &Settings,
    leads: Option<&Leads>,
) -> Vec<Problem> {
    let spec = service.spec.clone().unwrap_or_default();
    let live = Live::read(service, settings);
    let label = &settings.slot_label;
    let refuse = |code: &str| Problem::new(code, object);
    let mut problems = Vec::new();
    if service.metadata.deletion_timestamp.is_some() {
        problems.push(refuse("being-deleted").found("it is being deleted"));
    }
    if spec.type_.as_deref() == Some("ExternalName") {
        problems.push(
            refuse("external-name")
                .found("type ExternalName")
                .wanted("a Service that selects pods"),
        );
    } else if live.selector.is_empty() {
        problems.push(
            refuse("no-selector")
                .found("no selector")
                .wanted(format!("a selector with {label}=blue or {label}=green")),
        );
    } else if let Some(leads) = leads {
        problems.push(no_slot_key(object, &in_words(&live.selector), label, leads));
    } else if live.color(label).is_none() {
        problems.push(
            refuse("no-slot-key")
                .found(format!("selector {}", in_words(&live.selector)))
                .wanted(format!("{label}=blue or {label}=green in it"))
                .mend(format!("add {label} with the slot that has the traffic now")),
        );
    }
    if let Err(text) = live.epoch() {
        problems.push(
            refuse("bad-epoch")
                .found(format!("annotation {}: {text:?}", settings.epoch_annotation()))
                .wanted("a whole number, or no annotation")
                .mend("remove the annotation while no release is under way"),
        );
    }
    if spec.session_affinity.as_deref() == Some("ClientIP") {
        problems.push(
            refuse("session-affinity")
                .found("sessionAffinity ClientIP")
                .wanted("None: clients stay with a pod only until the switch")
                .warning(),
        );
    }
    if spec.publish_not_ready_addresses == Some(true) {
        problems.push(
            refuse("publishes-not-ready")
                .found("publishNotReadyAddresses true")
                .wanted("false: pods get traffic before they are ready")
                .warning(),
        );
    }
    problems
}

fn no_slot_key(object: &str, selector: &str, label: &str, leads: &Leads) -> Problem {
    let problem = Problem::new("no-slot-key", object);
    match leads {
        Leads::To(color) => problem
            .found(format!("selector {selector}, which finds pods of {color} only"))
            .wanted(format!("{label}={color} in it"))
            .mend("the release adds it before anything else")
            .warning(),
        Leads::Unclear(found) => problem
            .found(format!("selector {selector}, which finds {found}"))
            .wanted(format!("{label}=blue or {label}=green in it, or pods of one slot only"))
            .mend(format!("add {label} with the slot that is to have the traffic")),
    }
}
