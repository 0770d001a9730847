//! What the Services of the slots must be like, and which others lead to the same pods.

use bluegreen_core::{Color, Pair, Problem};
use k8s_openapi::api::core::v1::Service;

use super::Found;
use crate::ports;
use crate::route::RouteWeights;
use crate::route::slots::selector;
use crate::selector::{Selector, in_words, matches};
use crate::slot_service::{about_service, has};

impl RouteWeights {
    pub(super) fn backend_problems(&self, found: &Found) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut bases: Vec<Selector> = Vec::new();
        for color in Color::BOTH {
            let kind = self.slots.backend.kind();
            let name = self.slots.names.of(color);
            let object = format!("{kind} {}/{name}", self.settings.namespace);
            let Some(mut selector) = found.selector(self, color) else {
                let problem = Problem::new("no-backend", object)
                    .found(format!("no such {kind}"))
                    .wanted(format!("the {kind} of the slot {color}"))
                    .mend(format!("create it, or say what the {kind}s of the slots are called"));
                problems.push(problem);
                continue;
            };
            problems.extend(self.about_selector(&selector, color, &object, found));
            let service = found.services.get(name).filter(|_| self.is_between_services());
            if let Some(service) = service {
                problems.extend(about_service(service, &object));
                let templates = found.templates.iter();
                let templates = templates.filter(|(_, it)| has(it, &selector));
                problems.extend(ports::problems(service, &object, templates));
            }
            selector.remove(&self.settings.slot_label);
            bases.push(selector);
        }
        if let [blue, green] = bases.as_slice() {
            if blue == green {
                self.keep_base(blue);
            } else {
                let object = format!("{}s {}", self.slots.backend.kind(), self.slots.in_words());
                problems.push(
                    Problem::new("slots-disagree", object)
                        .found(format!("selectors {} and {}", in_words(blue), in_words(green)))
                        .wanted("selectors that differ in the slot only"),
                );
            }
        }
        problems.extend(self.unlisted_services(found));
        problems
    }

    /// It has to select exactly the pods of its slot.
    fn about_selector(
        &self,
        selector: &Selector,
        color: Color,
        object: &str,
        found: &Found,
    ) -> Option<Problem> {
        let label = &self.settings.slot_label;
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

    /// Other Services that lead to pods of a slot: what comes through them does not move. The one
    /// that the agent is named after may well be among them, and is only told of.
    fn unlisted_services(&self, found: &Found) -> Vec<Problem> {
        let slots = self.selectors(found);
        let pods: Vec<_> = found
            .templates
            .values()
            .filter_map(|template| template.metadata.as_ref()?.labels.as_ref())
            .chain(found.pods.iter().map(kube::ResourceExt::labels))
            .filter(|labels| slots.iter().any(|it| matches(it, labels)))
            .collect();
        let is_slot = |name: &String| {
            let Pair { blue, green, .. } = &self.slots.names;
            self.is_between_services() && (name == blue || name == green)
        };
        let is_known = |name: &String| {
            is_slot(name)
                || self.ignored_services.contains(name)
                || *name == self.settings.preview_service()
        };
        let leads = |service: &Service| {
            let selector = selector(service);
            !selector.is_empty() && pods.iter().any(|labels| matches(&selector, labels))
        };
        let others = found.services.iter().filter(|(name, _)| !is_known(name));
        others
            .filter(|(_, service)| leads(service))
            .map(|(name, service)| {
                let object = format!("Service {}/{name}", self.settings.namespace);
                let problem = Problem::new("unlisted-service", object)
                    .found(format!(
                        "it selects {}, which finds pods of a slot",
                        in_words(&selector(service))
                    ))
                    .wanted("requests to come through the routes only: these do not move")
                    .mend("name it with ignore_service, if that is meant");
                if *name == self.settings.agent.as_str() { problem.warning() } else { problem }
            })
            .collect()
    }

    /// Answers can show a version only if it is known which one is wanted.
    pub(super) fn untold_versions(&self, found: &Found) -> Vec<Problem> {
        let selectors = self.selectors(found);
        self.version.untold(&self.settings, &found.templates, |labels| {
            selectors.iter().any(|selector| matches(selector, labels))
        })
    }

    /// What the slots select.
    fn selectors(&self, found: &Found) -> Vec<Selector> {
        let all = Color::BOTH.into_iter().filter_map(|color| found.selector(self, color));
        all.filter(|selector| !selector.is_empty()).collect()
    }
}
