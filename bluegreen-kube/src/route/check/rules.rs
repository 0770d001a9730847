//! What the rules of a route must be like.

use bluegreen_core::{Color, Problem};
use kube::ResourceExt as _;
use serde_json::Value;

use super::Found;
use crate::pod::is_ready;
use crate::printable::{printable, quoted};
use crate::route::RouteWeights;
use crate::route::object::Object;
use crate::route::pin;
use crate::route::rule::{Rule, Split, backends};
use crate::selector::matches;

impl RouteWeights {
    pub(super) fn rule_problems(
        &self,
        route: &Object,
        object: &str,
        found: &Found,
    ) -> Vec<Problem> {
        let mut problems = Vec::new();
        if route.whole.metadata.deletion_timestamp.is_some() {
            problems.push(Problem::new("being-deleted", object).found("it is being deleted"));
        }
        if let Err(text) = route.stamp.epoch() {
            problems.push(
                Problem::new("bad-epoch", object)
                    .found(format!(
                        "annotation {}: {}",
                        self.settings.epoch_annotation(),
                        quoted(text)
                    ))
                    .wanted("a whole number, or no annotation")
                    .mend("remove the annotation while no release is under way"),
            );
        }
        let added = route.added().unwrap_or_default();
        let mut is_ours = false;
        for (index, rule) in route.rules.iter().enumerate() {
            if added.contains(&index) {
                continue;
            }
            let object = format!("{object}, rule {index}");
            match self.slots.read(rule) {
                Rule::Other => {}
                Rule::One(color) => problems.push(
                    Problem::new("one-slot-rule", object)
                        .found(format!("it leads to {} only", self.slots.names.of(color)))
                        .wanted("both slots, or none of them: its requests do not move")
                        .mend("add the other one with weight 0"),
                ),
                Rule::Twice(color) => problems.push(
                    Problem::new("backend-twice", object)
                        .found(format!("two references to {}", self.slots.names.of(color)))
                        .wanted("one for each slot"),
                ),
                Rule::Both(split) => {
                    is_ours = true;
                    problems.extend(self.split_problems(route, rule, &split, &object, found));
                }
            }
        }
        if !is_ours {
            problems.push(
                Problem::new("no-rule", object)
                    .found(format!("no rule that leads to {}", self.slots.in_words()))
                    .wanted("backendRefs with both of them, one with weight 0")
                    .mend("add them, or say what the Services of the slots are called"),
            );
        } else if let (true, Err(text)) = (problems.is_empty(), route.routing(&self.slots)) {
            let annotation = self.settings.transition_annotation();
            problems.push(
                Problem::new("no-routing", object)
                    .found(text)
                    .wanted("weights that agree, and rules as the last shift left them")
                    .mend(format!(
                        "put them right, and where rules of pins are gone remove {annotation}"
                    )),
            );
        }
        problems
    }

    fn split_problems(
        &self,
        route: &Object,
        rule: &Value,
        split: &Split,
        object: &str,
        found: &Found,
    ) -> Vec<Problem> {
        let mut problems = Vec::new();
        if split.weights.blue + split.weights.green == 0 {
            problems.push(
                Problem::new("weights-zero", object)
                    .found("weight 0 for both slots, to which gateways answer with an error")
                    .wanted("a weight for the slot that is to have the traffic"),
            );
        }
        if !split.others.is_empty() {
            problems.push(
                Problem::new("other-backend", object)
                    .found(format!("a weight for {}, too", split.others_in_words()))
                    .wanted("no share for anything but the slots")
                    .mend("give it weight 0, or a rule of its own"),
            );
        }
        if !rule["sessionPersistence"].is_null() {
            problems.push(
                Problem::new("session-persistence", object)
                    .found("sessionPersistence, which keeps sessions on a slot with weight 0")
                    .wanted("none: no rollback could take those back")
                    .mend("hold conversations by a pin of the plan"),
            );
        }
        let is_noted = route.note().is_some_and(|note| note.to.mirror.is_some());
        let mirrors = |color| pin::mirrored(rule, &self.slots, color);
        if !is_noted && Color::BOTH.into_iter().any(|color| mirrors(color) != Ok(None)) {
            problems.push(
                Problem::new("foreign-mirror", object)
                    .found("a RequestMirror to a slot that no release has made")
                    .wanted("none: it would be taken for the plan's mirror"),
            );
        }
        for color in Color::BOTH {
            problems.extend(self.about_backend(rule, split, color, object, found));
        }
        problems
    }

    fn about_backend(
        &self,
        rule: &Value,
        split: &Split,
        color: Color,
        object: &str,
        found: &Found,
    ) -> Vec<Problem> {
        let mut problems = Vec::new();
        let backend = self.slots.names.of(color);
        let ready = |color| self.ready(color, found);
        if *split.weights.of(color) > 0 && ready(color) == 0 {
            let problem = Problem::new("empty-slot", object)
                .found(format!("a weight for {backend}, which has no ready pod"))
                .wanted("a weight only for a slot that can answer");
            // Before a first release there may be no pods at all.
            problems.push(if ready(color.other()) == 0 { problem.warning() } else { problem });
        }
        // The ports of a pool are its own.
        let service = found.services.get(backend).filter(|_| self.is_between_services());
        let Some(service) = service else { return problems };
        let port = &backends(rule)[*split.at.of(color)]["port"];
        let spec = service.spec.as_ref();
        let has = spec
            .and_then(|spec| spec.ports.as_ref())
            .is_some_and(|ports| ports.iter().any(|it| Some(i64::from(it.port)) == port.as_i64()));
        if !has {
            problems.push(
                Problem::new("no-port", object)
                    .found(format!(
                        "port {} of {backend}, which has no such port",
                        printable(&port.to_string(), 100)
                    ))
                    .wanted("a port of the Service"),
            );
        }
        problems
    }

    /// How many pods of a slot are ready.
    fn ready(&self, color: Color, found: &Found) -> usize {
        let Some(selector) = found.selector(self, color) else { return 0 };
        let pods = found.pods.iter().filter(|pod| matches(&selector, pod.labels()));
        pods.filter(|pod| is_ready(pod)).count()
    }

    /// Routes that lead to a slot, and that nobody named.
    pub(super) fn unlisted_routes(&self, found: &Found) -> Vec<Problem> {
        let is_known = |name: &crate::route::RouteName| {
            self.routes.contains(name) || self.ignored_routes.contains(&name.name)
        };
        let leads =
            |route: &&Object| route.rules.iter().any(|rule| self.slots.read(rule) != Rule::Other);
        let others = found.routes.values().filter(|route| !is_known(&route.name));
        others
            .filter(leads)
            .map(|route| {
                Problem::new("unlisted-route", self.object(&route.name))
                    .found("a rule that leads to a slot")
                    .wanted("every route that leads to the agent to move with the switch")
                    .mend("name it with with_route, or with ignore_route if it is to stay")
            })
            .collect()
    }
}
