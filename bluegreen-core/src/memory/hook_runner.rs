//! Hooks that run as a test tells them to.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;

use super::lock;
use crate::plan::Hook;
use crate::{
    Clock, Error, ErrorKind, HookOutcome, HookRun, HookRunner, Problem, ReleaseId, Result,
    Timestamp,
};

/// What becomes of a hook that is run.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum HookScript {
    /// It ends well after this time.
    Succeeds(Duration),
    /// It fails after this time.
    Fails(Duration, HookOutcome),
}

/// Runs hooks by the clock, each as it was [set](Self::set). What was started goes on whether or not
/// somebody waits for it. Clones are the same.
#[derive(Clone)]
pub struct MemoryHooks {
    state: Arc<Mutex<State>>,
    clock: Arc<dyn Clock>,
}

/// Called when an attempt begins.
type Witness = Arc<dyn Fn(&HookRun) + Send + Sync>;

#[derive(Clone, Default)]
pub(super) struct State {
    scripts: BTreeMap<String, HookScript>,
    started: Vec<(HookRun, Timestamp, HookOutcome)>,
    witness: Option<Witness>,
}

impl MemoryHooks {
    /// One that knows no hook yet.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self::sharing(Arc::default(), clock)
    }

    pub(super) fn sharing(state: Arc<Mutex<State>>, clock: Arc<dyn Clock>) -> Self {
        Self { state, clock }
    }

    /// What becomes of hooks with this `run`, from the next attempt on.
    pub fn set(&self, run: impl Into<String>, script: HookScript) {
        lock(&self.state).scripts.insert(run.into(), script);
    }

    /// Hooks with this `run` end well at once.
    pub fn succeed(&self, run: impl Into<String>) {
        self.set(run, HookScript::Succeeds(Duration::ZERO));
    }

    /// Hooks with this `run` fail at once.
    pub fn fail(&self, run: impl Into<String>, reason: &str, log: &str) {
        self.set(run, HookScript::Fails(Duration::ZERO, HookOutcome::failed(reason, log)));
    }

    /// Hooks with this `run` are not there any more.
    pub fn remove(&self, run: &str) {
        lock(&self.state).scripts.remove(run);
    }

    /// Is told of every attempt that begins, before it does.
    pub fn on_start(&self, witness: impl Fn(&HookRun) + Send + Sync + 'static) {
        lock(&self.state).witness = Some(Arc::new(witness));
    }

    /// Every attempt that was begun, in order.
    pub fn started(&self) -> Vec<HookRun> {
        lock(&self.state).started.iter().map(|(run, ..)| run.clone()).collect()
    }

    /// How often hooks of this name have succeeded by now in one release.
    pub fn successes(&self, release: &ReleaseId, hook: &str) -> usize {
        let now = self.clock.now();
        let state = lock(&self.state);
        let ended = state.started.iter().filter(|(run, ends, outcome)| {
            let is_it = run.release == *release && run.hook.name == hook;
            is_it && *ends <= now && *outcome == HookOutcome::Succeeded
        });
        ended.count()
    }

    /// When the attempt ends, and how. Begins it if it has not.
    fn begin(&self, run: &HookRun) -> Result<(Timestamp, HookOutcome)> {
        let now = self.clock.now();
        let is_it = |other: &HookRun| {
            (&other.release, &other.hook.name, other.attempt)
                == (&run.release, &run.hook.name, run.attempt)
        };
        let witness = {
            let state = lock(&self.state);
            if let Some((_, ends, outcome)) = state.started.iter().find(|(it, ..)| is_it(it)) {
                return Ok((*ends, outcome.clone()));
            }
            state.witness.clone()
        };
        if let Some(witness) = witness {
            witness(run);
        }
        let mut state = lock(&self.state);
        let (takes, outcome) = match state.scripts.get(&run.hook.run) {
            None => {
                let action = format!("run hook {}", run.hook.name);
                let found = format!("nothing is called {}", run.hook.run);
                return Err(Error::new(ErrorKind::NotFound, action).with_source(found));
            }
            Some(HookScript::Succeeds(takes)) => (*takes, HookOutcome::Succeeded),
            Some(HookScript::Fails(takes, outcome)) => (*takes, outcome.clone()),
        };
        let mut ended = (now.plus(takes), outcome);
        if ended.0 > run.deadline {
            ended = (run.deadline, HookOutcome::failed("ended at its deadline", ""));
        }
        state.started.push((run.clone(), ended.0, ended.1.clone()));
        Ok(ended)
    }
}

impl fmt::Debug for MemoryHooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryHooks").field("started", &self.started()).finish_non_exhaustive()
    }
}

#[async_trait]
impl HookRunner for MemoryHooks {
    async fn check(&self, hook: &Hook) -> Result<Vec<Problem>> {
        if lock(&self.state).scripts.contains_key(&hook.run) {
            return Ok(Vec::new());
        }
        let problem = Problem::new("hook-missing", format!("plan, hook {}", hook.name));
        let problem = problem.found(format!("nothing is called {}", hook.run));
        Ok(vec![problem.wanted("a hook that a test has set")])
    }

    async fn run(&self, run: &HookRun) -> Result<HookOutcome> {
        let (ends, outcome) = self.begin(run)?;
        self.clock.sleep(ends.since(self.clock.now())).await;
        Ok(outcome)
    }
}
