//! What the canary's Service must be like.

use bluegreen_core::Problem;
use k8s_openapi::api::core::v1::Service;

use crate::canary::{IngressCanary, objects};
use crate::ingress::check::{Found, about_selector};
use crate::ingress::places;
use crate::ingress::slots::selector;
use crate::ports;
use crate::printable::quoted;
use crate::selector::in_words;
use crate::slot_service::{about_service, has};

impl IngressCanary {
    pub(super) fn service_problems(&self, found: &Found) -> Vec<Problem> {
        let object = self.object("Service", &self.service);
        let Some(service) = found.services.get(&self.service) else {
            return vec![
                Problem::new("no-backend", object)
                    .found("no such Service")
                    .wanted("a Service for the canary, which nothing else leads to")
                    .mend("create it with the selector of a slot, or say what it is called"),
            ];
        };
        let mut problems = about_service(service, &object);
        if let Err(text) = objects::epoch(&service.metadata, &self.settings) {
            problems.push(
                Problem::new("bad-epoch", &object)
                    .found(quoted(&text))
                    .wanted("a whole number, or no annotation"),
            );
        }
        let chosen = selector(service);
        match objects::color(service, &self.settings) {
            Some(color) => {
                let label = &self.settings.slot_label;
                problems.extend(about_selector(&chosen, label, color, &object, found));
            }
            None => problems.push(
                Problem::new("slot-selector", &object)
                    .found(format!("selector {}", in_words(&chosen)))
                    .wanted(format!(
                        "the label {} with the color of a slot",
                        self.settings.slot_label
                    )),
            ),
        }
        // A host may live longer than the labels of its pods.
        let mut base = chosen.clone();
        base.remove(&self.settings.slot_label);
        self.slots.keep_base(&base);
        problems.extend(self.base_problem(service, found, &object));
        let templates = found.templates.iter().filter(|(_, it)| has(it, &chosen));
        problems.extend(ports::problems(service, &object, templates));
        if self.primary_services().contains(&self.service.as_str()) {
            problems.push(
                Problem::new("shared-service", &object)
                    .found("the primary leads to it, too")
                    .wanted("a Service of the canary's own: nginx knows backends by their Service"),
            );
        }
        for (name, ingress) in found.ingresses.iter().filter(|(name, _)| **name != self.canary) {
            if places(&ingress.data).iter().any(|it| it.service() == self.service) {
                problems.push(
                    Problem::new("shared-service", &object)
                        .found(format!("Ingress {name} leads to it"))
                        .wanted(
                            "the canary alone to lead to it: nginx knows backends by their Service",
                        ),
                );
            }
        }
        problems.extend(self.owner_problems(
            &service.metadata,
            &["/f:spec/f:selector"],
            &format!("{object}, spec.selector"),
            "the selector",
        ));
        problems
    }

    /// It has to find the pods that the primary's Service finds, but for the slot.
    fn base_problem(&self, service: &Service, found: &Found, object: &str) -> Option<Problem> {
        let label = &self.settings.slot_label;
        let base = |service: &Service| {
            let mut base = selector(service);
            base.remove(label);
            base
        };
        let primary = self.primary_services().into_iter().find_map(|it| found.services.get(it))?;
        let (ours, theirs) = (base(service), base(primary));
        (ours != theirs).then(|| {
            Problem::new("slots-disagree", object)
                .found(format!("selector {} without the slot", in_words(&ours)))
                .wanted(format!("{}, as the primary's Service has it", in_words(&theirs)))
        })
    }
}
