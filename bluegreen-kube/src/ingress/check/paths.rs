//! What the paths of an Ingress must be like.

use bluegreen_core::{Color, Problem};
use k8s_openapi::api::core::v1::Service;
use kube::ResourceExt as _;
use serde_json::Value;

use super::Found;
use crate::ingress::object::{Object, Place, class, color_of, places};
use crate::ingress::{IngressSwitch, canary};
use crate::pod::is_ready;
use crate::printable::{printable, quoted};
use crate::selector::matches;

impl IngressSwitch {
    pub(super) fn path_problems(
        &self,
        ingress: &Object,
        object: &str,
        found: &Found,
    ) -> Vec<Problem> {
        let mut problems = Vec::new();
        if ingress.whole.metadata.deletion_timestamp.is_some() {
            problems.push(Problem::new("being-deleted", object).found("it is being deleted"));
        }
        if canary::is_canary(&ingress.whole.metadata) {
            problems.push(
                Problem::new("is-canary", object)
                    .found(format!("annotation {}", canary::CANARY))
                    .wanted("the Ingress that has the traffic, without it"),
            );
        }
        if let Err(text) = ingress.stamp.epoch() {
            let annotation = self.settings.epoch_annotation();
            problems.push(
                Problem::new("bad-epoch", object)
                    .found(format!("annotation {annotation}: {}", quoted(text)))
                    .wanted("a whole number, or no annotation")
                    .mend("remove the annotation while no release is under way"),
            );
        }
        let ours = ingress.ours(&self.slots.names);
        for (place, _) in &ours {
            problems.extend(self.port_problems(place, object, found));
        }
        problems.extend(self.foreign_paths(ingress, object, found));
        if ours.is_empty() {
            problems.push(
                Problem::new("no-path", object)
                    .found(format!(
                        "no path that leads to {} or {}",
                        self.slots.names.blue, self.slots.names.green
                    ))
                    .wanted("paths that lead to the Service of the slot that has the traffic")
                    .mend("lead them there, or say what the Services of the slots are called"),
            );
            return problems;
        }
        match ingress.color(&self.slots.names) {
            Ok(color) => problems.extend(self.empty_slot(color, object, found)),
            Err(text) if ingress.stamp.epoch().is_ok() => problems.push(
                Problem::new("no-routing", object)
                    .found(text)
                    .wanted("all paths that lead to a slot to lead to the same one"),
            ),
            Err(_) => {}
        }
        problems
    }

    /// Every path keeps its port, so both Services have to have it.
    fn port_problems(&self, place: &Place<'_>, object: &str, found: &Found) -> Vec<Problem> {
        let port = place.port();
        let lacking = Color::BOTH.into_iter().filter(|color| {
            let service = found.services.get(self.slots.names.of(*color));
            service.is_some_and(|service| !has_port(service, port))
        });
        lacking
            .map(|color| {
                Problem::new("no-port", format!("{object}, {place}"))
                    .found(format!(
                        "port {}, which {} does not have",
                        printable(&port.to_string(), 100),
                        self.slots.names.of(color)
                    ))
                    .wanted("a port that the Services of both slots have")
            })
            .collect()
    }

    /// Paths that lead elsewhere are left alone. One that leads to pods of a slot all the same was
    /// not meant to.
    fn foreign_paths(&self, ingress: &Object, object: &str, found: &Found) -> Vec<Problem> {
        let all = places(&ingress.whole.data).into_iter();
        let (mut problems, mut alone) = (Vec::new(), Vec::new());
        for place in all.filter(|it| color_of(it.service(), &self.slots.names).is_none()) {
            let name = printable(place.service(), 63);
            let service = found.services.get(place.service());
            let is_stray = service.is_some_and(|service| self.leads_to_a_slot(service, found));
            if is_stray && !self.ignored_services.contains(place.service()) {
                problems.push(
                    Problem::new("stray-path", format!("{object}, {place}"))
                        .found(format!("Service {name}, which finds pods of a slot"))
                        .wanted("the Service of a slot: these requests do not move")
                        .mend("lead it to the slot, or name the Service with ignore_service"),
                );
            } else if name.is_empty() {
                alone.push(format!("{place} to no Service"));
            } else {
                alone.push(format!("{place} to {name}"));
            }
        }
        if !alone.is_empty() {
            let (count, shown) = (alone.len(), 10);
            alone.truncate(shown);
            let more = count.saturating_sub(shown);
            let more = if more == 0 { String::new() } else { format!(", and {more} more") };
            problems.push(
                Problem::new("foreign-paths", object)
                    .found(format!("{}{more}", alone.join(", ")))
                    .wanted("that they are to stay as they are")
                    .warning(),
            );
        }
        problems
    }

    fn empty_slot(&self, color: Color, object: &str, found: &Found) -> Option<Problem> {
        let ready = |color| self.ready(color, found);
        if ready(color) > 0 {
            return None;
        }
        let problem = Problem::new("empty-slot", object)
            .found(format!("{}, which has no ready pod", self.slots.names.of(color)))
            .wanted("a slot that can answer");
        // Before a first release there may be no pods at all.
        Some(if ready(color.other()) == 0 { problem.warning() } else { problem })
    }

    /// How many pods of a slot are ready.
    fn ready(&self, color: Color, found: &Found) -> usize {
        let Some(selector) = self.selector(color, found) else { return 0 };
        let pods = found.pods.iter().filter(|pod| matches(&selector, pod.labels()));
        pods.filter(|pod| is_ready(pod)).count()
    }

    /// Ingresses that nobody named: those that lead to a slot, and those that get the same requests
    /// as one of ours.
    pub(super) fn unlisted_ingresses(&self, ours: &[Object], found: &Found) -> Vec<Problem> {
        let is_known =
            |name: &String| self.ingresses.contains(name) || self.ignored_ingresses.contains(name);
        let mut problems = Vec::new();
        for (name, other) in found.ingresses.iter().filter(|(name, _)| !is_known(name)) {
            let theirs = places(&other.data);
            if theirs.iter().any(|it| color_of(it.service(), &self.slots.names).is_some()) {
                problems.push(
                    Problem::new("unlisted-ingress", self.object(name))
                        .found("a path that leads to a slot")
                        .wanted("every Ingress that leads to the agent to move with the switch")
                        .mend("name it with with_ingress, or with ignore_ingress if it is to stay"),
                );
            } else if !canary::is_canary(&other.metadata)
                && let Some((ingress, place)) = self.same(ours, other, &theirs)
            {
                problems.push(
                    Problem::new("same-path", self.object(name))
                        .found(format!("{place}, which ingress {} has, too", ingress.name))
                        .wanted("one Ingress for it: controllers choose one of them by its age")
                        .mend("take it out of one of them, or name it with ignore_ingress"),
                );
            }
        }
        problems
    }

    /// A controller learns of a Service by the Ingresses that lead to it. Envoy's answer with 503 from
    /// when they have the new route until they have the endpoints, so both Services had better be
    /// known all the time.
    pub(super) fn cold_slots(&self, found: &Found) -> Vec<Problem> {
        let others = found.ingresses.iter().filter(|(name, _)| !self.ingresses.contains(name));
        let known: Vec<&str> = others
            .flat_map(|(_, other)| places(&other.data))
            .map(|place| place.backend["service"]["name"].as_str().unwrap_or_default())
            .collect();
        let names = Color::BOTH.map(|color| self.slots.names.of(color));
        let cold = names.into_iter().filter(|name| !known.contains(&name.as_str()));
        cold.map(|name| {
            Problem::new("cold-backend", format!("Service {}/{name}", self.settings.namespace))
                .found("no Ingress that always leads to it")
                .wanted("one: some controllers answer with 503 while they hear of a Service")
                .mend("make an Ingress with a host for each slot, and name it with ignore_ingress")
                .warning()
        })
        .collect()
    }

    /// One of our paths whose requests may come to another Ingress of the same class.
    fn same<'a>(
        &self,
        ours: &'a [Object],
        other: &kube::api::DynamicObject,
        theirs: &[Place<'_>],
    ) -> Option<(&'a Object, Place<'a>)> {
        let ours = ours.iter().filter(|it| class(&it.whole) == class(other));
        ours.flat_map(|ingress| {
            let places = ingress.ours(&self.slots.names).into_iter();
            places.map(move |(place, _)| (ingress, place))
        })
        .find(|(_, place)| theirs.iter().any(|it| it.is_like(place)))
    }
}

/// Whether a Service has the port with this name or number.
pub(crate) fn has_port(service: &Service, wanted: &Value) -> bool {
    let ports = service.spec.as_ref().and_then(|spec| spec.ports.as_deref()).unwrap_or_default();
    ports.iter().any(|port| match wanted {
        Value::String(name) => port.name.as_ref() == Some(name),
        number => Some(i64::from(port.port)) == number.as_i64(),
    })
}
