//! Everything that could stand in the way, on one list, before anything is touched.

use super::Driver;
use super::ahead::Ahead;
use crate::release::{Foundation, Started, Undo};
use crate::{
    Actor, Change, Color, Epoch, Error, ErrorKind, EvidenceKind, Intent, Observed, Plan, Problem,
    Record, ResolvedChange, Result, Role, Routing, SlotState, ValidatorRef,
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
    ///
    /// # Errors
    /// Only when it cannot be found out: what is missing, or may not be read, is a problem.
    pub(crate) async fn preflight(
        &self,
        wanted: &Wanted,
        plan: &Plan,
        actor: &Actor,
        last: Epoch,
    ) -> Result<Preflight> {
        let mut problems = plan.problems();
        let (mut unread, read) = (Unread::default(), self.now());
        let observing = self.ports.switch.observe();
        let observed = self.bounded_read("observe the routing", plan.call, observing).await;
        let observed = unread.keep(observed)?;
        let live = observed
            .as_ref()
            .and_then(Observed::routing)
            .filter(|it| it.is_whole() && it.pins.is_empty());
        let live = live.map(|it| it.live);
        if let Some(observed) = &observed
            && live.is_none()
        {
            problems.push(self.not_whole(observed));
        }
        // Where it is not known which slot is live, either could be the one that changes.
        let idle = live.map_or(Color::Green, Color::other);
        let (other_state, idle_state) = self.both(idle, plan, &mut unread).await?;
        let live_state = other_state.as_ref().filter(|_| live.is_some());
        let resolved = match (wanted, live_state) {
            (Wanted::Undo(change, undo), _) => Some((change.clone(), Some(undo.clone()))),
            (Wanted::Delta(_), None) => None,
            (Wanted::Delta(change), Some(state)) => {
                match change.resolve(&state.running, &self.ports.version_env) {
                    Ok(resolved) => Some((resolved, None)),
                    Err(found) => {
                        problems.extend(found);
                        None
                    }
                }
            }
        };
        if let Some(state) = live_state {
            let change = resolved.as_ref().map(|(change, _)| change);
            problems.extend(about_live(state, change, plan));
        }
        // Without a change that fits, everything else is still looked at, with what runs.
        let change = resolved.as_ref().map_or_else(
            || {
                let running = other_state.as_ref().or(idle_state.as_ref());
                let running = running.map(|state| state.running.clone());
                ResolvedChange::exactly(running.unwrap_or_default())
            },
            |(change, _)| change.clone(),
        );
        if let Some(frozen) = plan.frozen(read) {
            problems.push(
                Problem::new("frozen", "plan, freeze")
                    .found(format!("{}, until {}", frozen.why, frozen.until))
                    .wanted("a time at which traffic may move")
                    .mend("the release waits for it before its first traffic")
                    .warning(),
            );
        }
        let replicas = live_state.map_or(1, super::deploy::wanted);
        let replicas = replicas.saturating_add(plan.headroom);
        let found = self.checks(&change, plan, live, replicas, &mut unread).await?;
        unread.explained_by(&found)?;
        for problem in found {
            if !problems.contains(&problem) {
                problems.push(problem);
            }
        }
        let live_state = other_state.filter(|_| live.is_some());
        let (Some(observed), Some(live_state), Some(idle_state), Some((change, undoes))) =
            (observed, live_state, idle_state, resolved)
        else {
            return Ok(Preflight { record: None, ahead: None, problems });
        };
        for problem in &mut problems {
            if plan.allow.iter().any(|it| it.code == problem.code && it.name.is_none()) {
                *problem = problem.clone().warning();
            }
        }
        let epoch = [last, observed.epoch, live_state.epoch, idle_state.epoch].into_iter().max();
        let record = Record::new(Foundation {
            agent: self.ports.agent.clone(),
            cluster: self.ports.cluster.clone(),
            live: live_state.color,
            epoch: epoch.unwrap_or_default().next(),
            holder: self.me(),
            started: Started { at: self.now(), by: actor.clone() },
            plan: plan.clone(),
            change,
            baseline: ResolvedChange::exactly(live_state.running.clone()),
            gates: refs(&self.validators.gates),
            guards: refs(&self.validators.guards),
            warm_up: self.validators.warm_up.as_deref().map(ValidatorRef::of),
            undoes,
        });
        let (candidate, live) = (idle_state, live_state);
        let ahead = Ahead { read, candidate, live, observed, known: false };
        Ok(Preflight { record: Some(record), ahead: Some(ahead), problems })
    }

    fn not_whole(&self, observed: &Observed) -> Problem {
        let (agent, switch) = (&self.ports.agent, self.ports.switch.name());
        Problem::new("routing", format!("routing of {agent} by {switch}"))
            .found(observed.state.to_string())
            .wanted("all traffic on one slot, blue or green")
            .mend("give it all to the slot that is to be live")
    }

    /// The other slot and the idle one, as far as they can be read.
    async fn both(
        &self,
        idle: Color,
        plan: &Plan,
        unread: &mut Unread,
    ) -> Result<(Option<SlotState>, Option<SlotState>)> {
        let (live, idle) = (self.ports.slots.of(idle.other()), self.ports.slots.of(idle));
        let (live, idle) = tokio::join!(
            self.bounded_read("read the live slot", plan.call, live.state()),
            self.bounded_read("read the idle slot", plan.call, idle.state()),
        );
        Ok((unread.keep(live)?, unread.keep(idle)?))
    }

    async fn checks(
        &self,
        change: &ResolvedChange,
        plan: &Plan,
        live: Option<Color>,
        replicas: u32,
        unread: &mut Unread,
    ) -> Result<Vec<Problem>> {
        let intent = |role| Intent::new(role, change.clone(), replicas, plan.clone());
        let live_role = if live.is_some() { Role::Live } else { Role::Idle };
        let (idle_intent, live_intent) = (intent(Role::Idle), intent(live_role));
        let lives = live.map_or(Color::BOTH.to_vec(), |live| vec![live]);
        let steps = lives.into_iter().flat_map(|live| {
            (0..plan.steps.len()).filter_map(move |step| plan.routing(live, step))
        });
        let routings: Vec<Routing> = steps.collect();
        let evidence: &EvidenceKind = &plan.evidence;
        // Dry runs of writes and many reviews of rights: longer than one call.
        let limit = plan.call.saturating_mul(3);
        let (ports, slots) = (&self.ports, &self.ports.slots);
        let idle = slots.of(live.map_or(Color::Green, Color::other));
        let other = slots.of(idle.color().other());
        let (idle, live, switch, store, liveness, load) = tokio::join!(
            self.bounded_read("check the idle slot", limit, idle.check(&idle_intent)),
            self.bounded_read("check the live slot", limit, other.check(&live_intent)),
            self.bounded_read("check the switch", limit, ports.switch.check(&routings, evidence)),
            self.bounded_read("check the store", limit, ports.store.check()),
            self.bounded_read("check the lease", limit, ports.liveness.check()),
            self.check_load(plan, live),
        );
        let mut problems = Vec::new();
        for found in [idle, live, switch, store, liveness] {
            problems.extend(unread.keep(found)?.into_iter().flatten());
        }
        problems.extend(load);
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
        problems.extend(self.check_hooks(plan, limit).await?);
        if plan.warm_up.is_some() && it.warm_up.is_none() {
            problems.push(
                Problem::new("warm-up", "plan, warm_up")
                    .found("no validator that warms up")
                    .wanted("one, by `Releaser::warm_up`"),
            );
        }
        if let (None, Some(idle)) = (&plan.warm_up, &it.warm_up) {
            // It may be meant for other plans of the same releaser, so this refuses nothing.
            problems.push(
                Problem::new("warm-up", "plan, warm_up")
                    .found(format!("none, so that `{}` warms nothing up", idle.name()))
                    .wanted("how long it may take, by `Plan::warm_up`")
                    .warning(),
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
        Ok(problems)
    }
}

/// What could not be read because it is not there, or because we may not. The checks say which,
/// and what to do, so these errors are kept back until they had their say.
#[derive(Default)]
struct Unread(Vec<Error>);

impl Unread {
    fn keep<T>(&mut self, read: Result<T>) -> Result<Option<T>> {
        match read {
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Rejected) => {
                self.0.push(error);
                Ok(None)
            }
            read => read.map(Some),
        }
    }

    /// The first of the errors, unless one of the problems tells why.
    fn explained_by(self, problems: &[Problem]) -> Result<()> {
        match self.0.into_iter().next() {
            Some(error) if !problems.iter().any(Problem::is_refusal) => Err(error),
            _ => Ok(()),
        }
    }
}

/// What a release of `change`, if that is known, finds wrong with what live runs.
fn about_live(state: &SlotState, change: Option<&ResolvedChange>, plan: &Plan) -> Vec<Problem> {
    let mut problems = Vec::new();
    let running = ResolvedChange::exactly(state.running.clone());
    if let Some(change) = change.filter(|change| change.digest == running.digest) {
        problems.push(
            Problem::new("no-change", "change")
                .found(format!("live runs exactly that already ({})", change.version()))
                .wanted("something that live does not run"),
        );
    }
    if state.replicas.serving == 0 && !plan.bootstrap {
        problems.push(
            Problem::new("nothing-live", format!("slot {}", state.color))
                .found("no pod that serves")
                .wanted("a live slot that serves, so that there is a way back")
                .mend("for a first release set `bootstrap` in the plan"),
        );
    }
    problems
}

fn refs(validators: &[std::sync::Arc<dyn crate::Validator>]) -> Vec<ValidatorRef> {
    validators.iter().map(|it| ValidatorRef::of(it.as_ref())).collect()
}
