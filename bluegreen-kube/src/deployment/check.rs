//! Everything about a Deployment that stands in the way of a release, all at once.

use std::sync::Arc;

use bluegreen_core::{ErrorKind, Intent, Plan, Problem, Result, Role};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use kube::core::DynamicObject;

use super::object::Seen;
use super::pods;
use super::recent::Belongings;
use super::{DeploymentSlot, files, state};
use crate::autoscaler;
use crate::rights::Right;

mod differences;
mod grace;
mod owners;
mod quantity;
mod quota;
mod shape;
mod trial;

/// What a release does with a slot, on its way forward and back.
const RIGHTS: [Right; 12] = [
    Right::new("get", "apps", "deployments"),
    Right::new("list", "apps", "deployments"),
    Right::new("watch", "apps", "deployments"),
    Right::new("patch", "apps", "deployments"),
    Right::new("update", "apps", "deployments").of_part("scale"),
    Right::new("list", "apps", "replicasets"),
    Right::new("watch", "apps", "replicasets"),
    Right::new("patch", "apps", "replicasets").optional(),
    Right::new("list", "", "pods"),
    Right::new("watch", "", "pods"),
    Right::new("list", "autoscaling", "horizontalpodautoscalers"),
    Right::new("list", "", "resourcequotas"),
];

/// What was read for the check.
struct Read {
    object: Arc<DynamicObject>,
    belongings: Belongings,
    /// The Deployment of the other slot.
    other: Option<Arc<DynamicObject>>,
}

/// Reads and judges.
pub(super) async fn problems(slot: &DeploymentSlot, intent: &Intent) -> Result<Vec<Problem>> {
    let mut report = Report::new(slot, &intent.plan);
    let mut needed = RIGHTS.to_vec();
    if intent.role == Role::Idle {
        needed.extend(slot.reach.iter().filter(|right| !RIGHTS.contains(&right.required())));
    }
    let (rights, read) =
        tokio::join!(slot.rules.missing(&slot.client, &slot.settings, &needed), read(slot));
    let rights = rights?;
    let is_allowed_to = !rights.iter().any(Problem::is_refusal);
    for problem in rights {
        let name = problem.object.clone();
        report.add(problem, &name);
    }
    let read = match read {
        Ok(read) => read,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let problem = Problem::new("no-deployment", &report.object)
                .found("no such Deployment")
                .wanted("a Deployment for this slot")
                .mend("let init make it, or name the one that there is");
            report.add(problem, &slot.name);
            return Ok(report.problems);
        }
        // What is missing is the right to read it.
        Err(error) if error.kind() == ErrorKind::Rejected && !is_allowed_to => {
            return Ok(report.problems);
        }
        Err(error) => return Err(error),
    };
    let seen = slot.seen(&read.object);
    let other = read.other.as_ref().map(|other| slot.seen(other));
    shape::check(&mut report, seen, other);
    check_pods(&mut report, seen, &read);
    owners::check(&mut report, seen);
    check_autoscalers(&mut report, slot, intent).await?;
    let config = &intent.change.configuration;
    if intent.role == Role::Live {
        check_live(&mut report, slot, seen, &read)?;
        let plain = files::plain_problems(&report.object, seen.template(), config, &slot.settings);
        for problem in plain {
            report.add(problem, &slot.name);
        }
    } else {
        if is_allowed_to {
            for problem in files::problems(slot, seen.template(), config).await? {
                let name = problem.object.clone();
                report.add(problem, &name);
            }
        }
        if let Some(other) = other {
            differences::check(&mut report, seen, other);
        }
        quota::check(&mut report, slot, seen, intent).await?;
    }
    if is_allowed_to {
        trial::check(&mut report, slot, intent).await?;
    }
    Ok(report.problems)
}

async fn read(slot: &DeploymentSlot) -> Result<Read> {
    let other = async {
        match &slot.other {
            Some(name) => slot.recent(name).await.map(Some),
            None => Ok(None),
        }
    };
    let (object, other) = tokio::join!(slot.recent(&slot.name), other);
    let object = object?;
    // That the other one is missing is found by the check of the other slot.
    let other = match other {
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        other => other?,
    };
    let belongings = match slot.recent.belongings(&object) {
        Some(belongings) => belongings,
        None => slot.list(slot.seen(&object)).await?,
    };
    Ok(Read { object, belongings, other })
}

/// Each pod that the selector finds must be the Deployment's own: a Service finds it too.
fn check_pods(report: &mut Report<'_>, seen: Seen<'_>, read: &Read) {
    let ended = |pod: &&Pod| {
        let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
        matches!(phase, Some("Succeeded" | "Failed"))
    };
    let (sets, pods) = &*read.belongings;
    let foreign: Vec<String> = pods
        .iter()
        .filter(|pod| !ended(pod) && !sets.has(pod))
        .map(|pod| {
            let owner = pods::owner(&pod.metadata).map_or_else(
                || "nobody".to_owned(),
                |owner| format!("{} {}", owner.kind, owner.name),
            );
            format!("{} of {owner}", pod.name_any())
        })
        .collect();
    if !foreign.is_empty() {
        let problem = Problem::new("foreign-pods", format!("{}, spec.selector", report.object))
            .found(format!("it also finds {}", foreign.join(", ")))
            .wanted("only the pods of this Deployment")
            .mend("give those pods other labels: they would get traffic");
        report.add(problem, &seen.name());
    }
}

async fn check_autoscalers(
    report: &mut Report<'_>,
    slot: &DeploymentSlot,
    intent: &Intent,
) -> Result<()> {
    let other = slot.other.as_deref().map(|name| slot.autoscalers(name));
    let own = slot.autoscalers(&slot.name);
    for (problem, name) in autoscaler::problems(own, other, &slot.rules, intent).await? {
        report.add(problem, &name);
    }
    Ok(())
}

fn check_live(
    report: &mut Report<'_>,
    slot: &DeploymentSlot,
    seen: Seen<'_>,
    read: &Read,
) -> Result<()> {
    let (sets, pods) = &*read.belongings;
    let state = state::assemble(slot.color, &slot.settings, seen, sets, pods.iter())?;
    if state.replicas.serving == 0 && !report.plan.bootstrap {
        let problem = Problem::new("no-live-pods", &report.object)
            .found("no pod that is ready")
            .wanted("at least one, to compare with and to go back to")
            .mend("make the slot healthy, or release with a bootstrap plan");
        report.add(problem, &seen.name());
    }
    Ok(())
}

/// The problems so far, and what the plan allows.
#[derive(Debug)]
struct Report<'a> {
    object: String,
    plan: &'a Plan,
    problems: Vec<Problem>,
}

impl<'a> Report<'a> {
    fn new(slot: &DeploymentSlot, plan: &'a Plan) -> Self {
        let object = format!("Deployment {}/{}", slot.settings.namespace, slot.name);
        Self { object, plan, problems: Vec::new() }
    }

    /// Adds a problem, as a warning when the plan allows its code for `name` or its object.
    fn add(&mut self, problem: Problem, name: &str) {
        let is_allowed = self.plan.allows(&problem.code, name)
            || self.plan.allows(&problem.code, &problem.object);
        self.problems.push(if is_allowed { problem.warning() } else { problem });
    }
}

#[cfg(test)]
mod tests;
