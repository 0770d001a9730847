//! What the canary and its primaries must be like for nginx to make them one.

use std::collections::BTreeMap;

use bluegreen_core::Problem;
use kube::api::DynamicObject;

use crate::canary::{IngressCanary, marks, objects};
use crate::ingress::canary::{CANARY, PREFIX, is_canary};
use crate::ingress::check::Found;
use crate::ingress::check::has_port;
use crate::ingress::{Place, class, places};
use crate::pod::is_ready;
use crate::printable::{printable, quoted};
use crate::selector::matches;

impl IngressCanary {
    /// The Ingresses that the canary is one of: those that lead to the agent and are no canaries.
    fn primaries<'a>(
        &'a self,
        found: &'a Found,
    ) -> impl Iterator<Item = (&'a String, &'a DynamicObject)> {
        let services = self.primary_services();
        found.ingresses.iter().filter(move |(name, ingress)| {
            let leads = places(&ingress.data).iter().any(|it| services.contains(&it.service()));
            **name != self.canary && !is_canary(&ingress.metadata) && leads
        })
    }

    pub(super) fn path_problems(&self, canary: &DynamicObject, found: &Found) -> Vec<Problem> {
        let object = self.object("Ingress", &self.canary);
        let mut problems = Vec::new();
        if canary.metadata.deletion_timestamp.is_some() {
            problems.push(Problem::new("being-deleted", &object).found("it is being deleted"));
        }
        if let Err(text) = objects::epoch(&canary.metadata, &self.settings) {
            problems.push(
                Problem::new("bad-epoch", &object)
                    .found(quoted(&text))
                    .wanted("a whole number, or no annotation"),
            );
        }
        if !is_canary(&canary.metadata) {
            problems.push(
                Problem::new("not-a-canary", &object)
                    .found(format!("no annotation {CANARY}: \"true\""))
                    .wanted("it: without it nginx would take this for another primary"),
            );
        }
        let ours = places(&canary.data);
        if ours.is_empty() {
            problems.push(
                Problem::new("no-path", &object)
                    .found("no path")
                    .wanted("the hosts and paths of the primary"),
            );
        }
        for place in &ours {
            problems.extend(self.about_place(place, canary, &object, found));
        }
        for (name, other) in &found.ingresses {
            let theirs = places(&other.data);
            let same = ours.iter().find(|it| theirs.iter().any(|other| other.is_like(it)));
            if let Some(same) = same
                && *name != self.canary
                && is_canary(&other.metadata)
            {
                problems.push(
                    Problem::new("two-canaries", self.object("Ingress", name))
                        .found(format!("{same}, which {} has, too", self.canary))
                        .wanted("one canary for it: nginx takes one of them only"),
                );
            }
        }
        problems
    }

    fn about_place(
        &self,
        place: &Place<'_>,
        canary: &DynamicObject,
        object: &str,
        found: &Found,
    ) -> Vec<Problem> {
        let object = format!("{object}, {place}");
        let mut problems = Vec::new();
        if place.at.is_none() {
            let problem = Problem::new("canary-default", &object).found("a default backend");
            problems.push(problem.wanted("rules with paths: nginx has no canary for it"));
            return problems;
        }
        if place.service() == self.service {
            let service = found.services.get(&self.service);
            if service.is_some_and(|service| !has_port(service, place.port())) {
                let port = printable(&place.port().to_string(), 100);
                problems.push(
                    Problem::new("no-port", &object)
                        .found(format!("port {port}, which {} does not have", self.service))
                        .wanted("a port of the Service"),
                );
            }
        } else {
            problems.push(
                Problem::new("other-backend", &object)
                    .found(format!("it leads to {}", quoted(place.service())))
                    .wanted(format!("every path of the canary to lead to {}", self.service)),
            );
        }
        let class =
            |it: &DynamicObject| class(it).map_or_else(|| "none".to_owned(), |it| quoted(&it));
        let mut near = None;
        for (name, primary) in self.primaries(found) {
            let theirs = places(&primary.data);
            let services = self.primary_services();
            let theirs = theirs.iter().filter(|it| services.contains(&it.service()));
            for other in theirs {
                if other.is_like(place) {
                    if class(primary) == class(canary) {
                        return problems;
                    }
                    near = Some(format!("Ingress {name} has it for the class {}", class(primary)));
                } else if (other.host, other.path) == (place.host, place.path) && near.is_none() {
                    let kinds = (quoted(other.path_type), quoted(place.path_type));
                    near = Some(format!(
                        "Ingress {name} has it with the type {}, not {}",
                        kinds.0, kinds.1
                    ));
                }
            }
        }
        problems.push(
            Problem::new("no-primary-path", &object)
                .found(near.unwrap_or_else(|| "no primary has it".to_owned()))
                .wanted("the same host, path, path type and class in an Ingress of the agent"),
        );
        problems
    }

    /// What stands in the primaries that would make nginx do something else.
    pub(super) fn primary_problems(&self, found: &Found) -> Vec<Problem> {
        let mut problems = Vec::new();
        let services = self.primary_services();
        let canary = found.ingresses.get(&self.canary);
        let covered = canary.map(|it| places(&it.data)).unwrap_or_default();
        let mut has_primary = false;
        for (name, primary) in self.primaries(found) {
            has_primary = true;
            let object = self.object("Ingress", name);
            let annotations = objects::annotations(primary);
            let marks = marks::of_canaries(&annotations);
            if !marks.is_empty() {
                problems.push(
                    Problem::new("canary-on-primary", &object)
                        .found(printable(&marks.join(", "), 300))
                        .wanted("no annotation of canaries on the primary"),
                );
            }
            problems.extend(affinity(&annotations, &object));
            for place in places(&primary.data) {
                if services.contains(&place.service())
                    && !covered.iter().any(|it| it.is_like(&place))
                {
                    problems.push(
                        Problem::new("uncovered-path", format!("{object}, {place}"))
                            .found(format!("{} does not have it", self.canary))
                            .wanted("every path of the agent in the canary: others get no share")
                            .warning(),
                    );
                }
            }
        }
        if let Some(canary) = canary {
            let object = self.object("Ingress", &self.canary);
            problems.extend(affinity(&objects::annotations(canary), &object));
        }
        if !has_primary {
            problems.push(
                Problem::new("no-primary", self.object("Ingress", "?"))
                    .found(format!("no Ingress that leads to {}", services.join(" or ")))
                    .wanted("the one that has the traffic, which the canary takes a share of"),
            );
        }
        problems.extend(self.empty_primary(found));
        problems
    }

    /// nginx answers with 503, also what the canary would get, where the primary has no endpoints.
    fn empty_primary(&self, found: &Found) -> Option<Problem> {
        let live = self.primary_services();
        let is_ready_behind = |name: &str| {
            let Some(service) = found.services.get(name) else { return false };
            let selector = crate::ingress::slots::selector(service);
            let mut pods =
                found.pods.iter().filter(|pod| matches(&selector, kube::ResourceExt::labels(*pod)));
            !selector.is_empty() && pods.any(is_ready)
        };
        let is_empty = !live.iter().any(|name| is_ready_behind(name));
        is_empty.then(|| {
            Problem::new("empty-primary", self.object("Service", &live.join(" and ")))
                .found("no ready pod")
                .wanted("one that is ready: without it nginx answers all requests with 503")
                .warning()
        })
    }
}

/// What keeps clients where they are, whatever the weight.
fn affinity(annotations: &BTreeMap<String, String>, object: &str) -> Vec<Problem> {
    let text = |name: &str| annotations.get(&format!("{PREFIX}{name}"));
    let mut problems = Vec::new();
    if let Some(found) = text("affinity") {
        problems.push(
            Problem::new("session-affinity", object)
                .found(format!("affinity {}", quoted(found)))
                .wanted("none: cookies come before weights, and a weight of 0 gives nobody back"),
        );
    }
    if text("service-upstream").is_some_and(|found| found == "true") {
        problems.push(
            Problem::new("service-upstream", object)
                .found("service-upstream \"true\"")
                .wanted(
                    "none: connections that nginx keeps stay on the pods that they were made to",
                )
                .warning(),
        );
    }
    problems
}
