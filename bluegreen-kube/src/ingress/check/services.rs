//! What the Services of the slots must be like, and which others lead to the same pods.

use bluegreen_core::{Color, Pair, Problem};
use k8s_openapi::api::core::v1::Service;

use super::Found;
use crate::ingress::IngressSwitch;
use crate::ingress::slots::selector;
use crate::ports;
use crate::selector::{Selector, in_words, matches};
use crate::slot_service::{about_service, has};

impl IngressSwitch {
    pub(super) fn service_problems(&self, found: &Found) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut bases: Vec<Selector> = Vec::new();
        let Pair { blue, green, .. } = &self.slots.names;
        if blue == green {
            let object = format!("Service {}/{blue}", self.settings.namespace);
            let problem = Problem::new("slots-disagree", object).found("it is to be both slots");
            problems.push(problem.wanted("a Service for each slot"));
        }
        for color in Color::BOTH {
            let name = self.slots.names.of(color);
            let object = format!("Service {}/{name}", self.settings.namespace);
            let Some(service) = found.services.get(name) else {
                let problem = Problem::new("no-backend", object)
                    .found("no such Service")
                    .wanted(format!("the Service of the slot {color}"))
                    .mend("create it, or say what the Services of the slots are called");
                problems.push(problem);
                continue;
            };
            let mut selector = selector(service);
            problems.extend(about_selector(
                &selector,
                &self.settings.slot_label,
                color,
                &object,
                found,
            ));
            problems.extend(about_service(service, &object));
            let templates = found.templates.iter().filter(|(_, it)| has(it, &selector));
            problems.extend(ports::problems(service, &object, templates));
            selector.remove(&self.settings.slot_label);
            bases.push(selector);
        }
        if let [one, other] = bases.as_slice() {
            if one == other {
                self.slots.keep_base(one);
            } else {
                problems.push(
                    Problem::new("slots-disagree", format!("Services {blue} and {green}"))
                        .found(format!("selectors {} and {}", in_words(one), in_words(other)))
                        .wanted("selectors that differ in the slot only"),
                );
            }
        }
        problems.extend(self.unlisted_services(found));
        problems
    }

    /// Other Services that lead to pods of a slot: what comes through them does not move. The one
    /// that the agent is named after may well be among them, and is only told of.
    fn unlisted_services(&self, found: &Found) -> Vec<Problem> {
        let Pair { blue, green, .. } = &self.slots.names;
        let preview = self.settings.preview_service();
        let is_known = |name: &String| {
            [blue, green, &preview].contains(&name) || self.ignored_services.contains(name)
        };
        let others = found.services.iter().filter(|(name, _)| !is_known(name));
        others
            .filter(|(_, service)| self.leads_to_a_slot(service, found))
            .map(|(name, service)| {
                let object = format!("Service {}/{name}", self.settings.namespace);
                let problem = Problem::new("unlisted-service", object)
                    .found(format!(
                        "it selects {}, which finds pods of a slot",
                        in_words(&selector(service))
                    ))
                    .wanted("requests to come through the Ingresses only: these do not move")
                    .mend("name it with ignore_service, if that is meant");
                if *name == self.settings.agent.as_str() { problem.warning() } else { problem }
            })
            .collect()
    }

    /// Whether a Service finds pods of a slot.
    pub(super) fn leads_to_a_slot(&self, service: &Service, found: &Found) -> bool {
        let slots = self.selectors(found);
        let templates = found.templates.values();
        let of_templates = templates.filter_map(|it| it.metadata.as_ref()?.labels.as_ref());
        let mut labels = of_templates
            .chain(found.pods.iter().map(kube::ResourceExt::labels))
            .filter(|labels| slots.iter().any(|it| matches(it, labels)));
        let selector = selector(service);
        !selector.is_empty() && labels.any(|labels| matches(&selector, labels))
    }

    /// Answers can show a version only if it is known which one is wanted.
    pub(super) fn untold_versions(&self, found: &Found) -> Vec<Problem> {
        let selectors = self.selectors(found);
        self.version.untold(&self.settings, &found.templates, |labels| {
            selectors.iter().any(|selector| matches(selector, labels))
        })
    }

    /// What the Service of a slot selects, if there is one and it selects anything.
    pub(super) fn selector(&self, color: Color, found: &Found) -> Option<Selector> {
        let service = found.services.get(self.slots.names.of(color))?;
        Some(selector(service)).filter(|selector| !selector.is_empty())
    }

    fn selectors(&self, found: &Found) -> Vec<Selector> {
        Color::BOTH.into_iter().filter_map(|color| self.selector(color, found)).collect()
    }
}

/// A slot's Service has to select exactly the pods of its slot.
pub(crate) fn about_selector(
    selector: &Selector,
    label: &str,
    color: Color,
    object: &str,
    found: &Found,
) -> Option<Problem> {
    let problem = Problem::new("slot-selector", object);
    if selector.get(label).map(String::as_str) != Some(color.as_str()) {
        let problem = problem.found(format!("selector {}", in_words(selector)));
        return Some(
            problem.wanted(format!("{label}={color} in it: exactly the pods of its slot")),
        );
    }
    let templates = found.templates.iter().filter(|(_, template)| has(template, selector));
    let names: Vec<&str> = templates.map(|(name, _)| name.as_str()).collect();
    (names.len() > 1).then(|| {
        problem
            .found(format!("it selects pods of {}", names.join(" and ")))
            .wanted("the pods of one Deployment: exactly those of its slot")
    })
}
