//! What stands in the way of an adoption, all at once.

use bluegreen_core::{Color, Phase, Problem, ReleaseStore as _, Result};
use kube::ResourceExt as _;
use serde_json::Value;

use super::Adopt;
use super::seen::Seen;
use super::write::changed;
use crate::cluster::Cluster;
use crate::owners;
use crate::rights::{Right, Rules};

/// What it does, besides reading what every release reads.
const RIGHTS: [Right; 5] = [
    Right::new("create", "apps", "deployments"),
    Right::new("patch", "apps", "deployments"),
    Right::new("list", "", "services"),
    Right::new("patch", "", "services"),
    Right::new("list", "autoscaling", "horizontalpodautoscalers"),
];
const OF_AUTOSCALERS: [Right; 3] = [
    Right::new("get", "autoscaling", "horizontalpodautoscalers"),
    Right::new("create", "autoscaling", "horizontalpodautoscalers"),
    Right::new("patch", "autoscaling", "horizontalpodautoscalers"),
];

impl Cluster {
    pub(super) async fn problems_of(&self, seen: &Seen, how: &Adopt) -> Result<Vec<Problem>> {
        let mut rights = RIGHTS.to_vec();
        if !seen.autoscalers.is_empty() {
            rights.extend(OF_AUTOSCALERS);
        }
        let rules = Rules::default();
        let missing = rules.missing(&self.client, &self.settings, &rights);
        let (mut problems, stored) = tokio::try_join!(missing, self.store.load())?;
        let current = stored.as_ref().map(|stored| stored.document.current());
        if current.is_some_and(|it| !matches!(it.map(|it| &it.phase), Some(Phase::Done { .. }))) {
            problems.push(
                Problem::new("release-under-way", format!("agent {}", self.settings.agent))
                    .found("a release that is not over")
                    .wanted("none while the Deployments are made"),
            );
        }
        problems.extend(self.check_traffic(seen, how));
        problems.extend(self.other_pods(seen).await?);
        problems.extend(self.other_services(seen, how).await?);
        problems.extend(self.check_old(seen, how));
        problems.extend(self.check_slots(seen));
        problems.extend(seen.autoscalers.iter().filter_map(|it| {
            let owner = it
                .metadata
                .owner_references
                .iter()
                .flatten()
                .find(|it| it.controller == Some(true))?;
            let name = it.name_any();
            Some(
                Problem::new("autoscaler-is-made", format!("horizontalpodautoscaler {name}"))
                    .found(format!("it is made by {} {}", owner.kind, owner.name))
                    .wanted("one that can be copied for either slot")
                    .mend(format!(
                        "take {} {} away, adopt, and make one for each slot",
                        owner.kind, owner.name
                    )),
            )
        }));
        for autoscaler in &seen.autoscalers {
            let object = format!("horizontalpodautoscaler {}", autoscaler.name_any());
            let owners = owners::of(&autoscaler.metadata, &["/f:spec/f:scaleTargetRef"]);
            problems.extend(owners.iter().filter(|it| how.refuses(it)).map(|owner| {
                Problem::new("gitops-owner", &object)
                    .found(format!("owned by {owner}, which puts back what others change"))
                    .wanted("nobody who gives it the old Deployment again")
                    .mend(format!("tell it to ignore spec.scaleTargetRef, and then allow {owner}"))
            }));
        }
        Ok(problems)
    }

    /// The live Services once more, which may have been changed while pods got ready.
    pub(super) async fn refuse_other_traffic(&self, seen: &Seen, how: &Adopt) -> Result<()> {
        let mut problems = self.check_traffic(seen, how);
        problems.extend(self.other_pods(seen).await?);
        problems.extend(self.other_services(seen, how).await?);
        problems.retain(Problem::is_refusal);
        if problems.is_empty() {
            return Ok(());
        }
        let problems: Vec<String> = problems.iter().map(Problem::to_string).collect();
        Err(changed(&seen.old.name_any(), &problems.join("; ")))
    }

    /// What to do where the copy is not one any more.
    pub(super) fn way_out(&self, seen: &Seen) -> String {
        let name = self.slots.blue.name();
        let selected: Vec<String> = seen
            .services
            .iter()
            .filter(|it| it.names_slot(self))
            .map(|it| it.object.name_any())
            .collect();
        if selected.is_empty() {
            return format!("delete deployment {name} and begin again");
        }
        let slot = &self.settings.slot_label;
        format!(
            "take {slot} off the selector of service {} first, which has no other pods, then delete \
             deployment {name} and begin again",
            selected.join(" and ")
        )
    }

    /// Traffic has to come by the selectors of Services.
    fn check_traffic(&self, seen: &Seen, how: &Adopt) -> Vec<Problem> {
        let mut problems = Vec::new();
        if let Some(other) = self
            .routes
            .first()
            .map(|it| format!("route {}", it.name))
            .or_else(|| self.ingresses.first().map(|it| format!("ingress {it}")))
            .or_else(|| self.queue.as_ref().map(|it| format!("configmap {}", it.config_map())))
        {
            problems.push(
                Problem::new("not-by-services", other)
                    .found("traffic that a route or an Ingress is to move between two Services, or work that is pulled")
                    .wanted(
                        "live Services whose selectors move it: adopt first, and name it later",
                    ),
            );
        }
        let labels = &seen.old.data["spec"]["template"]["metadata"]["labels"];
        let slot = &self.settings.slot_label;
        for service in &seen.services {
            let name = service.object.name_any();
            let object = format!("service {name}, spec.selector");
            let mut selector = service.selector.clone();
            let color = selector.remove(slot);
            if color.as_deref().is_some_and(|it| it != Color::Blue.as_str()) {
                let found = format!("{slot}={}", color.as_deref().unwrap_or_default());
                let wanted = format!("no label {slot}, or {slot}=blue after an interruption");
                problems.push(Problem::new("selects-a-slot", &object).found(found).wanted(wanted));
            }
            if selector.contains_key(&self.settings.version_label) {
                let found = format!("the label {}", self.settings.version_label);
                let wanted = "a selector without it: the next version would get no requests";
                problems
                    .push(Problem::new("selects-a-version", &object).found(found).wanted(wanted));
            }
            if selector.is_empty() || selector.iter().any(|(key, value)| labels[key] != **value) {
                let query: Vec<_> =
                    selector.iter().map(|(key, value)| format!("{key}={value}")).collect();
                problems.push(
                    Problem::new("not-its-pods", &object).found(query.join(",")).wanted(format!(
                        "labels of the pods of deployment {}",
                        seen.old.name_any()
                    )),
                );
            }
            let owners = owners::of(&service.object.metadata, &["/f:spec/f:selector"]);
            problems.extend(owners.iter().filter(|it| how.refuses(it)).map(|owner| {
                Problem::new("gitops-owner", &object)
                    .found(format!("owned by {owner}, which puts back what others change"))
                    .wanted("nobody who takes the slot label away again")
                    .mend(format!("tell it to ignore spec.selector, and then allow {owner}"))
            }));
        }
        problems
    }

    fn check_old(&self, seen: &Seen, how: &Adopt) -> Vec<Problem> {
        let (name, spec) = (seen.old.name_any(), &seen.old.data["spec"]);
        let object = format!("deployment {name}");
        let mut problems = Vec::new();
        let mut add = |code: &str, at: &str, found: String, wanted: &str| {
            let object = if at.is_empty() { object.clone() } else { format!("{object}, {at}") };
            problems.push(Problem::new(code, object).found(found).wanted(wanted));
        };
        let slot = &self.settings.slot_label;
        for at in ["/selector/matchLabels", "/template/metadata/labels"] {
            if let Some(color) = spec.pointer(at).and_then(|it| it[slot].as_str()) {
                let wanted = "no slot label: where there is one, init makes the other slot";
                let at = format!("spec{}", at.replace('/', "."));
                add("is-a-slot", &at, format!("{slot}={color}"), wanted);
            }
        }
        if Color::BOTH.iter().any(|color| self.slots.of(*color).name() == name) {
            let wanted = "names for the slots that no Deployment has: a selector cannot be changed";
            add("name-is-taken", "", "the name of a slot".to_owned(), wanted);
        }
        if seen.old.metadata.deletion_timestamp.is_some() {
            add("being-deleted", "", "it is being deleted".to_owned(), "one that serves");
        }
        for owner in owners::of(&seen.old.metadata, &["/f:spec"]) {
            if how.refuses(&owner) {
                let found = format!("owned by {owner}, which puts back what others change");
                let wanted = "nobody who gives it pods again: tell it to ignore spec.replicas and allow \
                              it, or let it go; give it both slots later";
                add("gitops-owner", "", found, wanted);
            }
        }
        if spec["paused"] == true {
            let wanted = "false: it may be in the middle of a rollout";
            add("paused", "spec.paused", "true".to_owned(), wanted);
        }
        if seen.is_selected(self, Color::Blue) {
            return problems;
        }
        let status = &seen.old.data["status"];
        let size = u64::from(seen.replicas());
        let count = |key: &str| status[key].as_u64().unwrap_or_default();
        let is_observed = status["observedGeneration"].as_i64() == seen.old.metadata.generation;
        if size == 0 {
            add("no-pods", "spec.replicas", "0".to_owned(), "pods that serve");
        } else if !is_observed
            || ["replicas", "updatedReplicas", "availableReplicas"]
                .iter()
                .any(|it| count(it) != size)
        {
            let found = format!(
                "{} pods, {} of them updated, {} available",
                count("replicas"),
                count("updatedReplicas"),
                count("availableReplicas")
            );
            add("rolling", "status", found, &format!("a rollout that is over: {size} of each"));
        }
        let containers = spec.pointer("/template/spec/containers").and_then(Value::as_array);
        let containers: Vec<&Value> = containers.into_iter().flatten().collect();
        let lacks = |container: &Value| container["readinessProbe"].is_null();
        let none_has = containers.iter().all(|it| lacks(it));
        for (index, container) in containers.into_iter().enumerate() {
            let has_ports = container["ports"].as_array().is_some_and(|it| !it.is_empty());
            if lacks(container) && (has_ports || none_has && index == 0) {
                let at = format!("container {}", container["name"].as_str().unwrap_or_default());
                let wanted = "a readinessProbe: without one every pod counts as ready at once";
                add("no-readiness-probe", &at, "no readinessProbe".to_owned(), wanted);
            }
        }
        problems
    }

    /// What has the name of a slot already has to be of this adoption.
    fn check_slots(&self, seen: &Seen) -> Vec<Problem> {
        let note = self.settings.adopted_annotation();
        let uid = seen.old.uid();
        let mut problems = Vec::new();
        for color in Color::BOTH {
            let Some(slot) = seen.slots.of(color) else { continue };
            let object = format!("deployment {}", slot.name_any());
            if slot.annotations().get(&note) != uid.as_ref() {
                let wanted = format!("nothing, or what was made from {}", seen.old.name_any());
                let problem =
                    Problem::new("slot-is-taken", &object).found("a Deployment of that name");
                problems.push(problem.wanted(wanted).mend("name other Deployments for the slots"));
            } else if color == Color::Blue
                && !seen.is_selected(self, color)
                && !self.is_copy(&seen.old, slot)
            {
                let wanted = format!("the template of {}", seen.old.name_any());
                let mend = self.way_out(seen);
                problems.push(
                    Problem::new("not-a-copy", format!("{object}, spec.template"))
                        .found("another template")
                        .wanted(wanted)
                        .mend(mend),
                );
            }
        }
        problems
    }
}
