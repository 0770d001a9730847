//! What a Deployment has to look like to be a slot.

use std::collections::BTreeMap;

use bluegreen_core::Problem;
use kube::core::SelectorExt as _;
use serde_json::Value;

use super::{Report, grace};
use crate::deployment::object::Seen;
use crate::deployment::template::items;

/// An annotation may not make all of them larger than this many bytes.
const MAX_ANNOTATIONS: usize = 256 * 1024;

pub(super) fn check(report: &mut Report<'_>, seen: Seen<'_>, other: Option<Seen<'_>>) {
    let name = seen.name();
    if seen.is_ending() {
        let problem = Problem::new("being-deleted", &report.object).found("it is being deleted");
        report.add(problem, &name);
    }
    if seen.is_paused() {
        let problem = Problem::new("paused", format!("{}, spec.paused", report.object))
            .found("true")
            .wanted("false: a paused Deployment rolls nothing out")
            .mend(format!("kubectl rollout resume deployment {name}"));
        report.add(problem, &name);
    }
    check_selector(report, seen, other);
    check_probes(report, seen);
    grace::check(report, seen);
    check_size(report, seen);
}

fn check_selector(report: &mut Report<'_>, seen: Seen<'_>, other: Option<Seen<'_>>) {
    let settings = seen.settings();
    let name = seen.name();
    let object = format!("{}, spec.selector", report.object);
    let labels = seen.at("/spec/selector/matchLabels");
    let color = seen.labels().and_then(|labels| labels.get(&settings.slot_label));
    let selected = labels[&settings.slot_label].as_str();
    let in_template = seen.template()["metadata"]["labels"][&settings.slot_label].as_str();
    if selected.is_none() {
        let problem = Problem::new("selector-lacks-slot", &object)
            .found(format!("no label {}", settings.slot_label))
            .wanted(format!(
                "{}: blue or green, so that no pod is of both slots",
                settings.slot_label
            ))
            .mend("a selector cannot be changed: make the Deployment anew under another name");
        report.add(problem, &name);
    } else if selected != in_template || color.is_some_and(|color| Some(color.as_str()) != selected)
    {
        let problem = Problem::new("slot-labels-differ", &object)
            .found(format!(
                "{} in the selector, {} in the template, {} on the Deployment",
                selected.unwrap_or("nothing"),
                in_template.unwrap_or("nothing"),
                color.map_or("nothing", String::as_str),
            ))
            .wanted("the same color in all three");
        report.add(problem, &name);
    }
    if !labels[&settings.version_label].is_null() {
        let problem = Problem::new("selector-has-version", &object)
            .found(format!("the label {}", settings.version_label))
            .wanted("a selector without it: a selector cannot be changed, a version does")
            .mend("make the Deployment anew, or choose another version label");
        report.add(problem, &name);
    }
    if let Some(other) = other
        && (finds(seen, other) || finds(other, seen))
    {
        let problem = Problem::new("selectors-overlap", &object)
            .found(format!("the pods of {} and {name} are found by one selector", other.name()))
            .wanted("two selectors that find no pod of the other slot");
        report.add(problem, &name);
    }
}

/// Whether the selector of one finds the pods of the other.
fn finds(one: Seen<'_>, other: Seen<'_>) -> bool {
    let labels: BTreeMap<String, String> =
        serde_json::from_value(other.template()["metadata"]["labels"].clone()).unwrap_or_default();
    one.selector().is_ok_and(|selector| selector.matches(&labels))
}

fn check_probes(report: &mut Report<'_>, seen: Seen<'_>) {
    let containers = items(&seen.template()["spec"]["containers"]);
    let lacks = |container: &&Value| container["readinessProbe"].is_null();
    let mut lacking: Vec<&Value> = containers
        .iter()
        .filter(|container| lacks(container) && !items(&container["ports"]).is_empty())
        .collect();
    if lacking.is_empty() && containers.iter().all(|container| lacks(&container)) {
        lacking.extend(containers.first());
    }
    for container in lacking {
        let container = container["name"].as_str().unwrap_or_default();
        let object = format!("{}, container {container}", report.object);
        let problem = Problem::new("no-readiness-probe", object)
            .found("no readinessProbe")
            .wanted("a readinessProbe: without one every pod counts as ready at once")
            .mend(format!("add spec.template.spec.containers[{container}].readinessProbe"));
        report.add(problem, container);
    }
}

/// What was found must fit beside the other annotations.
fn check_size(report: &mut Report<'_>, seen: Seen<'_>) {
    let settings = seen.settings();
    let own = settings.found_annotation();
    let others: usize = seen
        .annotations()
        .into_iter()
        .flatten()
        .filter(|(key, _)| **key != own)
        .map(|(key, value)| key.len() + value.len())
        .sum();
    // As JSON in an annotation, with some room for our other ones.
    let found = seen.template().to_string().len() + seen.strategy().to_string().len() + 1024;
    if others + found > MAX_ANNOTATIONS {
        let problem =
            Problem::new("template-too-large", format!("{}, metadata.annotations", report.object))
                .found(format!("{others} bytes, and {found} needed to keep the template"))
                .wanted(format!("at most {MAX_ANNOTATIONS} together"))
                .mend("move what is long in the template to a ConfigMap");
        report.add(problem, &seen.name());
    }
}
