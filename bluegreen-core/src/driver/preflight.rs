//! Everything that could stand in the way, on one list, before anything is touched.

use std::time::Duration;

use super::Driver;
use super::ahead::Ahead;
use crate::release::{Foundation, Started, Undo};
use crate::{
    Actor, Change, Color, Epoch, EvidenceKind, Intent, Observed, Plan, Problem, Record,
    ResolvedChange, Result, Role, Routing, ValidatorRef,
};

/// What a look before the start came to.
pub(crate) struct Preflight {
    /// The record that the release would begin with, if it is known what live runs.
    pub(crate) record: Option<Record>,
    /// What was read for it.
    pub(crate) ahead: Option<Ahead>,
    /// Everything that was found, warnings included.
    pub(crate) problems: Vec<Problem>,
}

/// What is to be released.
pub(crate) enum Wanted {
    /// A delta to what live runs.
    Delta(Change),
    /// Exactly this, because another release is undone.
    Undo(ResolvedChange, Undo),
}

impl Driver {
    /// Looks for everything that stands in the way. Reads only.
    pub(crate) async fn preflight(
        &self,
        wanted: &Wanted,
        plan: &Plan,
        actor: &Actor,
        last: Epoch,
    ) -> Result<Preflight> {
        let mut problems = plan.problems();
        let (call, read) = (plan.call, self.now());
        let observing = self.ports.switch.observe();
        let observed = self.bounded_read("observe the routing", call, observing).await?;
        let Some(live) = observed.routing().filter(|it| it.is_whole()).map(|it| it.live) else {
            // Either slot may be the one to get traffic.
            problems.extend(self.checks_around(plan, &Color::BOTH).await?);
            allow(&mut problems, plan);
            problems.push(self.not_whole(&observed));
            return Ok(Preflight { record: None, ahead: None, problems });
        };
        let (live_slot, idle_slot) = (self.ports.slots.of(live), self.ports.slots.of(live.other()));
        let (live_state, idle_state) = tokio::join!(
            self.bounded_read("read the live slot", call, live_slot.state()),
            self.bounded_read("read the idle slot", call, idle_slot.state()),
        );
        let (live_state, idle_state) = (live_state?, idle_state?);
        let (change, undoes) = match wanted {
            Wanted::Delta(change) => {
                match change.resolve(&live_state.running, &self.ports.version_env) {
                    Ok(resolved) => (resolved, None),
                    Err(found) => {
                        problems.extend(self.checks_around(plan, &[live]).await?);
                        allow(&mut problems, plan);
                        problems.extend(found);
                        return Ok(Preflight { record: None, ahead: None, problems });
                    }
                }
            }
            Wanted::Undo(change, undo) => (change.clone(), Some(undo.clone())),
        };
        let baseline = ResolvedChange::exactly(live_state.running.clone());
        if change.digest == baseline.digest {
            problems.push(
                Problem::new("no-change", "change")
                    .found(format!("live runs exactly that already ({})", change.version()))
                    .wanted("something that live does not run"),
            );
        }
        if live_state.replicas.serving == 0 && !plan.bootstrap {
            problems.push(
                Problem::new("nothing-live", format!("slot {live}"))
                    .found("no pod that serves")
                    .wanted("a live slot that serves, so that there is a way back")
                    .mend("for a first release set `bootstrap` in the plan"),
            );
        }
        let replicas = super::deploy::wanted(&live_state).saturating_add(plan.headroom);
        problems.extend(self.checks(&change, plan, live, replicas).await?);
        allow(&mut problems, plan);
        let epoch = [last, observed.epoch, live_state.epoch, idle_state.epoch].into_iter().max();
        let record = Record::new(Foundation {
            agent: self.ports.agent.clone(),
            cluster: self.ports.cluster.clone(),
            live,
            epoch: epoch.unwrap_or_default().next(),
            holder: self.me(),
            started: Started { at: self.now(), by: actor.clone() },
            plan: plan.clone(),
            change,
            baseline,
            gates: refs(&self.validators.gates),
            guards: refs(&self.validators.guards),
            warm_up: self.validators.warm_up.as_deref().map(ValidatorRef::of),
            undoes,
        });
        let ahead = Ahead { read, candidate: idle_state, live: live_state, observed };
        Ok(Preflight { record: Some(record), ahead: Some(ahead), problems })
    }

    fn not_whole(&self, observed: &Observed) -> Problem {
        let (agent, switch) = (&self.ports.agent, self.ports.switch.name());
        Problem::new("routing", format!("routing of {agent} by {switch}"))
            .found(observed.state.to_string())
            .wanted("all traffic on one slot, blue or green")
            .mend("give it all to the slot that is to be live")
    }

    async fn checks(
        &self,
        change: &ResolvedChange,
        plan: &Plan,
        live: Color,
        replicas: u32,
    ) -> Result<Vec<Problem>> {
        let intent = |role| Intent::new(role, change.clone(), replicas, plan.clone());
        let (idle_intent, live_intent) = (intent(Role::Idle), intent(Role::Live));
        let (limit, slots) = (limit(plan), &self.ports.slots);
        let idle = slots.of(live.other()).check(&idle_intent);
        let (idle, live, around) = tokio::join!(
            self.bounded_read("check the idle slot", limit, idle),
            self.bounded_read("check the live slot", limit, slots.of(live).check(&live_intent)),
            self.checks_around(plan, std::slice::from_ref(&live)),
        );
        let mut problems = idle?;
        problems.extend(live?);
        problems.extend(around?);
        problems.dedup();
        Ok(problems)
    }

    /// What can be checked although it is not known what would be deployed where.
    async fn checks_around(&self, plan: &Plan, live: &[Color]) -> Result<Vec<Problem>> {
        let steps = || 0..plan.steps.len();
        let routings: Vec<Routing> = live
            .iter()
            .flat_map(|live| steps().filter_map(|step| plan.routing(*live, step)))
            .collect();
        let evidence: &EvidenceKind = &plan.evidence;
        let (limit, ports) = (limit(plan), &self.ports);
        let (switch, store, liveness) = tokio::join!(
            self.bounded_read("check the switch", limit, ports.switch.check(&routings, evidence)),
            self.bounded_read("check the store", limit, ports.store.check()),
            self.bounded_read("check the lease", limit, ports.liveness.check()),
        );
        let mut problems = Vec::new();
        for found in [switch?, store?, liveness?] {
            problems.extend(found);
        }
        for routing in &routings {
            for lack in ports.switch.capabilities().lacks(routing) {
                problems.push(
                    Problem::new("capabilities", format!("plan, routing {routing}"))
                        .found(format!("{} cannot make {lack}", ports.switch.name()))
                        .wanted("a plan that the switch strategy can carry out"),
                );
            }
        }
        let it = &self.validators;
        for validator in it.gates.iter().chain(&it.guards).chain(&it.warm_up) {
            let checking = validator.check(plan);
            problems.extend(self.bounded_read("check a validator", limit, checking).await?);
        }
        if plan.warm_up.is_some() && it.warm_up.is_none() {
            problems.push(
                Problem::new("warm-up", "plan, warm_up")
                    .found("no validator that warms up")
                    .wanted("one, by `Releaser::warm_up`"),
            );
        }
        let primary = plan.experiment.as_ref().map(|it| it.primary.as_deref());
        if let Some(primary) = primary
            && !it.guards.iter().any(|guard| Some(guard.name()) == primary)
        {
            problems.push(
                Problem::new("experiment", "plan, experiment.primary")
                    .found(primary.unwrap_or("nothing").to_owned())
                    .wanted("the name of a guard of this release"),
            );
        }
        problems.dedup();
        Ok(problems)
    }
}

/// Dry runs of writes and many reviews of rights take longer than one call.
fn limit(plan: &Plan) -> Duration {
    plan.call.saturating_mul(3)
}

/// Makes warnings of what the plan allows wherever it is found.
fn allow(problems: &mut [Problem], plan: &Plan) {
    for problem in problems {
        if plan.allow.iter().any(|it| it.code == problem.code && it.name.is_none()) {
            *problem = problem.clone().warning();
        }
    }
}

fn refs(validators: &[std::sync::Arc<dyn crate::Validator>]) -> Vec<ValidatorRef> {
    validators.iter().map(|it| ValidatorRef::of(it.as_ref())).collect()
}
