//! What stands in the way of freezing an autoscaler, and what one would do to a release.

use bluegreen_core::{ErrorKind, Intent, Problem, Result, Role};
use kube::ResourceExt as _;
use serde_json::Value;

use super::bounds::{self, Bounds};
use super::{Autoscaler, Autoscalers, Kind, patch};
use crate::rights::{Right, Rules};
use crate::stamp::Stamp;
use crate::trial::refusal;
use crate::{owners, printable};

/// Sets the number of pods, whatever else would.
const PAUSED_REPLICAS: &str = "autoscaling.keda.sh/paused-replicas";

/// Everything about the autoscalers of a slot that stands in the way of `intent`, each with the name
/// by which a plan may allow it. `other` are those of the other slot.
///
/// # Errors
/// Only when it cannot be found out.
pub(crate) async fn problems(
    of: Autoscalers<'_>,
    other: Option<Autoscalers<'_>>,
    rules: &Rules,
    intent: &Intent,
) -> Result<Vec<(Problem, String)>> {
    let found = match of.find().await {
        Ok(found) => found,
        // The missing right is a problem already, or becomes one: who may not read a ScaledObject
        // may not write it either.
        Err(error) if error.kind() == ErrorKind::Rejected => {
            // Who may not even list them is told so with the rights of the slot, and nothing is known
            // of who makes them.
            let list = [Right::new("list", "autoscaling", "horizontalpodautoscalers")];
            if !rules.missing(of.client, of.settings, &list).await?.is_empty() {
                return Ok(Vec::new());
            }
            let missing = rules.missing(of.client, of.settings, &Kind::Keda.rights()).await?;
            return Ok(missing.into_iter().map(named_after_object).collect());
        }
        // KEDA is about to take the autoscaler away.
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut problems = Vec::new();
    let mut needed: Vec<_> = found.iter().flat_map(|it| it.kind.rights()).collect();
    needed.sort();
    needed.dedup();
    let missing = rules.missing(of.client, of.settings, &needed).await?;
    let may_try = missing.is_empty();
    problems.extend(missing.into_iter().map(named_after_object));
    let deployment = |problem| (problem, of.deployment.to_owned());
    problems.extend(rivals(&of, &found).map(deployment));
    // What cannot be read of the other slot is told of the other slot.
    let theirs = match &other {
        Some(other) if intent.role == Role::Idle => other.find().await.ok(),
        _ => None,
    };
    let due = theirs.as_deref().and_then(|theirs| bounds::due(&found, theirs));
    for it in &found {
        let named = |problem| (problem, it.object.name_any());
        problems.extend(sizes(&of, it, due.as_ref(), intent).into_iter().map(named));
        let lowers = it.enlarges(intent.plan.standby);
        problems.extend(owner_problems(&of, it, due.is_some() || lowers));
        if may_try {
            problems.extend(trial(&of, it).await?.map(named));
        }
    }
    if let Some((other, theirs)) = other.zip(theirs) {
        problems.extend(difference(&of, &found, &other, &theirs).map(deployment));
    }
    Ok(problems)
}

fn named_after_object(problem: Problem) -> (Problem, String) {
    let name = problem.object.clone();
    (problem, name)
}

fn object(of: &Autoscalers<'_>, it: &Autoscaler) -> String {
    format!("{} {}/{}", it.kind.as_str(), of.settings.namespace, it.object.name_any())
}

fn rivals(of: &Autoscalers<'_>, found: &[Autoscaler]) -> Option<Problem> {
    let names: Vec<String> = found.iter().map(ToString::to_string).collect();
    (names.len() > 1).then(|| {
        let object = format!("Deployment {}/{}", of.settings.namespace, of.deployment);
        Problem::new("autoscalers", object)
            .found(names.join(" and "))
            .wanted("at most one autoscaler: each undoes what the other does")
            .mend("delete all but one")
    })
}

/// What its bounds would do to the sizes that a release gives the slot; `due` are those of live, where
/// it gets them.
fn sizes(
    of: &Autoscalers<'_>,
    it: &Autoscaler,
    due: Option<&Bounds>,
    intent: &Intent,
) -> Vec<Problem> {
    let object = object(of, it);
    let mut problems = Vec::new();
    if let Some(paused) = it.object.annotations().get(PAUSED_REPLICAS) {
        problems.push(
            Problem::new("autoscaler-paused", &object)
                .found(format!("annotation {PAUSED_REPLICAS}: {}", printable::quoted(paused)))
                .wanted("none: KEDA gives the slot that size whatever the release says")
                .mend("remove the annotation"),
        );
    }
    if let Some(maximum) = due.map_or_else(|| it.maximum(), Bounds::maximum)
        && intent.role == Role::Idle
        && maximum < intent.replicas
    {
        problems.push(
            Problem::new("autoscaler-maximum", &object)
                .found(format!("at most {maximum} pods"))
                .wanted(format!("at least {}: as many as live has, with headroom", intent.replicas))
                .mend(if due.is_some() {
                    "raise the maximum of live's"
                } else {
                    "raise its maximum"
                }),
        );
    }
    problems
}

/// Who would put back what a freeze writes, and the bounds where these are written, too.
fn owner_problems(of: &Autoscalers<'_>, it: &Autoscaler, bounds: bool) -> Vec<(Problem, String)> {
    let (field, what) = match it.kind {
        Kind::Horizontal => ("/f:spec/f:behavior".to_owned(), "spec.behavior"),
        Kind::Keda => {
            let step = crate::names::pointer_step(patch::PAUSED_SCALE_IN);
            (format!("/f:metadata/f:annotations/f:{step}"), "its annotations")
        }
    };
    let [min, max] = it.kind.fields();
    let (mut fields, mut what) = (vec![field], what.to_owned());
    if bounds {
        fields.extend([min, max].map(|field| format!("/f:spec/f:{field}")));
        what = format!("{what}, spec.{min} and spec.{max}");
    }
    let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
    let owners = owners::of(&it.object.metadata, &fields).into_iter();
    let reconcilers = owners.filter(|owner| owners::is_reconciler(owner));
    reconcilers
        .map(|owner| {
            let problem = Problem::new("gitops-owner", format!("{}, {what}", object(of, it)))
                .found(format!("owned by {owner}, which puts back what others change"))
                .wanted("no such owner")
                .mend(format!("tell it to ignore {what}, and then allow gitops-owner for {owner}"));
            (problem, owner)
        })
        .collect()
}

/// Tries to freeze it without effect, with the stamp that is there.
async fn trial(of: &Autoscalers<'_>, it: &Autoscaler) -> Result<Option<Problem>> {
    let object = object(of, it);
    let stamp = Stamp::read(it.object.metadata.annotations.as_ref(), of.settings);
    let epoch = match stamp.epoch() {
        Ok(epoch) => epoch,
        Err(text) => {
            let problem = Problem::new("bad-epoch", object)
                .found(printable::quoted(text))
                .wanted("a whole number, or no annotation");
            return Ok(Some(problem));
        }
    };
    let operations = match patch::freeze(it, epoch, of.settings) {
        Ok(operations) => operations,
        Err(why) => return Ok(Some(Problem::new("autoscaler", object).found(why))),
    };
    let tried = of.send(it, &format!("try to freeze {it}"), operations, true).await;
    refusal(object, "freezes it", tried)
}

/// Whoever serves after the release is to grow as the one before did.
fn difference(
    of: &Autoscalers<'_>,
    ours: &[Autoscaler],
    other: &Autoscalers<'_>,
    theirs: &[Autoscaler],
) -> Option<Problem> {
    let [ours, theirs] = [ours, theirs].map(<[Autoscaler]>::first);
    let object =
        |of: &Autoscalers<'_>| format!("Deployment {}/{}", of.settings.namespace, of.deployment);
    let problem = Problem::new("autoscalers-differ", object(of));
    let problem = match (ours, theirs) {
        (None, None) => return None,
        (None, Some(theirs)) => problem
            .found("no autoscaler")
            .wanted(format!("one like {theirs}: the slot is to serve in its place"))
            .mend("make one for each slot"),
        (Some(ours), None) => problem
            .found(ours.to_string())
            .wanted(format!("none, or one for {}, too", other.deployment)),
        (Some(ours), Some(theirs)) => {
            // Those bounds belong to the role.
            let bounds = if ours.kind == theirs.kind { 2 } else { 0 };
            let differing: Vec<String> = ["minReplicas", "maxReplicas", "metrics", "behavior"]
                .into_iter()
                .skip(bounds)
                .filter(|field| ours.spec[*field] != theirs.spec[*field])
                .map(|field| match (&ours.spec[field], &theirs.spec[field]) {
                    (Value::Number(ours), Value::Number(theirs)) => {
                        format!("{field} {ours}, not {theirs}")
                    }
                    _ => format!("other {field}"),
                })
                .collect();
            if differing.is_empty() {
                return None;
            }
            problem
                .found(format!("{ours} with {}", differing.join(", ")))
                .wanted(format!("the same as {theirs}: they stay with the slot"))
        }
    };
    Some(problem.warning())
}
