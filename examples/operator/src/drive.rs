//! The tasks that drive releases, one for each object at most.

use std::collections::BTreeMap;
use std::mem::{self, Discriminant};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bluegreen_core::Outcome;
use kube::runtime::reflector::ObjectRef;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::crd::AgentRelease;
use crate::decide::Doing;
use crate::status::Attempt;

mod task;
#[cfg(test)]
mod tests;

use task::{Failed, carry_out};
pub(crate) use task::{Job, Order, has_other_gates};

/// How a task ended.
#[derive(Clone, Debug)]
pub(crate) struct Ended {
    /// What came of it, or why nothing did.
    pub(crate) result: Result<Outcome, String>,
    /// When.
    pub(crate) at: Instant,
    /// Whether it was to begin a release, and not to end the one that there was.
    pub(crate) began: bool,
    /// Whether it has panicked.
    pub(crate) has_panicked: bool,
    /// How many tasks of the same kind in a row have come to nothing, this one included if it has.
    pub(crate) failures: u32,
}

/// What is known of one object.
#[derive(Default)]
struct Entry {
    attempt: Option<Attempt>,
    /// The name of the object of the last task.
    name: String,
    /// The agent of the last task.
    service: String,
    task: Option<JoinHandle<()>>,
    ended: Option<Ended>,
    /// What the last task was to do, and how many of these have come to nothing since one did not.
    last: Option<Discriminant<Job>>,
    /// The same, as decisions see it.
    does: Option<Doing>,
    failures: u32,
}

impl Entry {
    fn is_driving(&self) -> bool {
        self.task.as_ref().is_some_and(|task| !task.is_finished())
    }

    fn doing(&self) -> Doing {
        self.does.filter(|_| self.is_driving()).unwrap_or(Doing::Nothing)
    }
}

/// All tasks of this process. Dropping it stops them, and leaves the releases to be resumed.
pub(crate) struct Drivers {
    all: Arc<Mutex<BTreeMap<String, Entry>>>,
    /// Releases that begin take a place. Those that are under way go on in any case.
    places: Arc<Semaphore>,
    news: mpsc::UnboundedSender<ObjectRef<AgentRelease>>,
}

impl Drivers {
    /// At most so many releases that this process has begun, and who is told of ends.
    pub(crate) fn new(places: usize, news: mpsc::UnboundedSender<ObjectRef<AgentRelease>>) -> Self {
        Self { all: Arc::default(), places: Arc::new(Semaphore::new(places)), news }
    }

    fn with<R>(&self, uid: &str, act: impl FnOnce(&mut Entry) -> R) -> R {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        act(all.entry(uid.to_owned()).or_default())
    }

    fn read<R>(&self, uid: &str, look: impl FnOnce(&Entry) -> R) -> Option<R> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).get(uid).map(look)
    }

    /// Of how many objects something is known.
    pub(crate) fn len(&self) -> usize {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Forgets objects that are gone, but for those that something is still driven for.
    pub(crate) fn retain(&self, is_there: impl Fn(&str) -> bool) {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|uid, entry| entry.is_driving() || is_there(uid));
    }

    /// Whether something is driven for an object.
    pub(crate) fn is_driving(&self, uid: &str) -> bool {
        self.read(uid, Entry::is_driving).unwrap_or_default()
    }

    /// Whether something is driven at this agent for another object than this one.
    pub(crate) fn is_another_at(&self, service: &str, uid: &str) -> bool {
        let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().any(|(other, it)| other != uid && it.service == service && it.is_driving())
    }

    /// What is done for an object right now.
    pub(crate) fn doing(&self, uid: &str) -> Doing {
        self.read(uid, Entry::doing).unwrap_or(Doing::Nothing)
    }

    /// What this process did last for an object: newer than its status, where there is any.
    pub(crate) fn attempt(&self, uid: &str) -> Option<Attempt> {
        self.read(uid, |it| it.attempt.clone()).flatten()
    }

    /// Notes what has become of an attempt.
    pub(crate) fn note(&self, uid: &str, attempt: &Attempt) {
        self.with(uid, |it| it.attempt = Some(attempt.clone()));
    }

    /// How the last task of an object ended.
    pub(crate) fn ended(&self, uid: &str) -> Option<Ended> {
        self.read(uid, |it| it.ended.clone()).flatten()
    }

    /// Stops the task of an object, wherever it is: a release stays where it is, to be resumed.
    pub(crate) async fn stop(&self, uid: &str) {
        let task = self.with(uid, |it| {
            it.ended = None;
            it.task.take()
        });
        if let Some(task) = task {
            task.abort();
            // It ends at its next await.
            let _ = task.await;
        }
    }

    /// Forgets an object, and stops its task.
    pub(crate) async fn forget(&self, uid: &str) {
        self.stop(uid).await;
        self.all.lock().unwrap_or_else(PoisonError::into_inner).remove(uid);
    }

    /// Forgets objects that had this name before the one with this uid, and stops their tasks.
    pub(crate) async fn forget_namesakes(&self, name: &str, uid: &str) {
        let gone: Vec<String> = {
            let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
            let others = all.iter().filter(|(other, it)| *other != uid && it.name == name);
            others.map(|(other, _)| other.clone()).collect()
        };
        for uid in gone {
            self.forget(&uid).await;
        }
    }

    /// Stops everything.
    pub(crate) fn stop_all(&self) {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        for entry in all.values_mut() {
            if let Some(task) = entry.task.take() {
                task.abort();
            }
        }
    }

    /// Begins a task, in place of the one that there was.
    pub(crate) fn start(&self, order: Order, job: Job) {
        let (all, places, news) = (self.all.clone(), self.places.clone(), self.news.clone());
        let (uid, name) = (order.uid.clone(), order.object.name.clone());
        let service = order.cluster.settings().agent.to_string();
        let attempt = order.attempt.clone();
        let does = job.doing();
        let began = does == Doing::Beginning;
        let kind = mem::discriminant(&job);
        let failures = self.with(&uid, |it| {
            if it.last.replace(kind) != Some(kind) {
                it.failures = 0;
            }
            it.failures.saturating_add(1)
        });
        let task = async move {
            let result = Box::pin(carry_out(&order, job, &places, failures)).await;
            let has_panicked = matches!(result, Err(Failed::Panicked));
            let result = result.map_err(|failed| failed.to_string());
            let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(entry) = all.get_mut(&order.uid) {
                let has_failed = result.as_ref().map_or(true, is_stuck);
                let failures = if has_failed { failures } else { 0 };
                let at = Instant::now();
                entry.ended = Some(Ended { result, at, began, has_panicked, failures });
                entry.failures = failures;
                entry.task = None;
            }
            drop(all);
            // Nobody listens any more when the process ends.
            let _ = news.send(order.object);
        };
        let before = self.with(&uid, |it| {
            it.attempt = Some(attempt);
            it.name = name;
            (it.service, it.does) = (service, Some(does));
            it.ended = None;
            it.task.replace(tokio::spawn(task))
        });
        if let Some(before) = before {
            before.abort();
        }
    }
}

impl Drop for Drivers {
    fn drop(&mut self) {
        self.stop_all();
    }
}

fn is_stuck(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Stuck { .. })
}

/// How long what has come to nothing so many times in a row is let alone.
pub(crate) fn back_off(failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(6);
    (Duration::from_secs(1) * (1 << doublings)).min(Duration::from_mins(1))
}
