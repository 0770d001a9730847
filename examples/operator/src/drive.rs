//! The tasks that drive releases, one for each object at most.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bluegreen_core::{
    Change, OperationError, Outcome, Phase, Plan, Problem, Releaser, Reporter, chain,
};
use bluegreen_kube::{AnnotationApprover, Cluster};
use bluegreen_validate::{Request, Smoke};
use kube::runtime::reflector::ObjectRef;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::crd::AgentRelease;
use crate::status::Attempt;

/// How long the last Events may take to be written.
const FLUSH: Duration = Duration::from_secs(2);

/// What a task is to do.
#[derive(Debug)]
pub(crate) enum Job {
    /// Release this.
    Begin { change: Change, plan: Plan },
    /// The same, if it is no longer refused: nothing is written before that is known.
    Again { change: Change, plan: Plan },
    /// Go on with what there is.
    Resume,
    /// Take back what there is.
    Abort { reason: &'static str },
}

/// How a task ended.
#[derive(Clone, Debug)]
pub(crate) struct Ended {
    /// What came of it, or why nothing did.
    pub(crate) result: Result<Outcome, String>,
    /// When.
    pub(crate) at: Instant,
    /// Whether it was to begin a release, and not to end the one that there was.
    pub(crate) began: bool,
}

/// What is known of one object.
#[derive(Default)]
struct Entry {
    attempt: Option<Attempt>,
    task: Option<JoinHandle<()>>,
    ended: Option<Ended>,
}

/// All tasks of this process. Dropping it stops them, and leaves the releases to be resumed.
pub(crate) struct Drivers {
    all: Arc<Mutex<BTreeMap<String, Entry>>>,
    /// Releases that begin take a place. Those that are under way go on in any case.
    places: Arc<Semaphore>,
    news: mpsc::UnboundedSender<ObjectRef<AgentRelease>>,
}

/// For whom a task drives.
pub(crate) struct Order {
    /// The object's uid.
    pub(crate) uid: String,
    /// The object.
    pub(crate) object: ObjectRef<AgentRelease>,
    /// The agent.
    pub(crate) cluster: Cluster,
    /// Who begins the release.
    pub(crate) actor: String,
    /// What the operator does for it.
    pub(crate) attempt: Attempt,
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

    /// Whether something is driven for an object.
    pub(crate) fn is_driving(&self, uid: &str) -> bool {
        self.with(uid, |it| it.task.as_ref().is_some_and(|task| !task.is_finished()))
    }

    /// What this process did last for an object: newer than its status, where there is any.
    pub(crate) fn attempt(&self, uid: &str) -> Option<Attempt> {
        self.with(uid, |it| it.attempt.clone())
    }

    /// Notes what has become of an attempt.
    pub(crate) fn note(&self, uid: &str, attempt: &Attempt) {
        self.with(uid, |it| it.attempt = Some(attempt.clone()));
    }

    /// How the last task of an object ended.
    pub(crate) fn ended(&self, uid: &str) -> Option<Ended> {
        self.with(uid, |it| it.ended.clone())
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
        let uid = order.uid.clone();
        let attempt = order.attempt.clone();
        let began = matches!(job, Job::Begin { .. } | Job::Again { .. });
        let task = async move {
            let result = Box::pin(carry_out(&order, job, &places)).await;
            let result = result.map_err(|error| chain(&error));
            let ended = Ended { result, at: Instant::now(), began };
            let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(entry) = all.get_mut(&order.uid) {
                entry.ended = Some(ended);
                entry.task = None;
            }
            drop(all);
            // Nobody listens any more when the process ends.
            let _ = news.send(order.object);
        };
        let before = self.with(&uid, |it| {
            it.attempt = Some(attempt);
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

async fn carry_out(order: &Order, job: Job, places: &Semaphore) -> Result<Outcome, OperationError> {
    let cluster = &order.cluster;
    let events = Arc::new(cluster.events(cluster.liveness().holder().as_str()));
    let heard = events.clone();
    let object = order.object.name.clone();
    let releaser = releaser(order).report(move |progress: &bluegreen_core::Progress| {
        crate::tell(&object, progress);
        heard.report(progress);
    });
    let result = match job {
        Job::Begin { change, plan } => begin(&releaser, change, &plan, places).await,
        Job::Again { change, plan } => match refusals(&releaser, &change, &plan).await {
            Ok(problems) if problems.is_empty() => begin(&releaser, change, &plan, places).await,
            Ok(problems) => Ok(Outcome::Refused { problems }),
            Err(error) => Err(error),
        },
        Job::Resume => releaser.resume().await,
        Job::Abort { reason } => abort(&releaser, &order.actor, reason).await,
    };
    events.flush(FLUSH).await;
    result
}

/// What releases this agent, with the gates of the attempt.
fn releaser(order: &Order) -> Releaser {
    let cluster = &order.cluster;
    let approver = AnnotationApprover::new(cluster.client().clone(), cluster.settings());
    let ports = cluster.ports().with_approver(Arc::new(approver));
    let releaser = Releaser::new(ports).actor(order.actor.as_str());
    match order.attempt.smoke.split_first() {
        Some((first, more)) => {
            let smoke = Smoke::get(first);
            releaser.gate(more.iter().fold(smoke, |smoke, path| smoke.and(Request::get(path))))
        }
        None => releaser,
    }
}

async fn begin(
    releaser: &Releaser,
    change: Change,
    plan: &Plan,
    places: &Semaphore,
) -> Result<Outcome, OperationError> {
    // It is never closed; and if it were, that would be no reason to release nothing.
    let _place = places.acquire().await;
    releaser.run(change, plan).await
}

async fn refusals(
    releaser: &Releaser,
    change: &Change,
    plan: &Plan,
) -> Result<Vec<Problem>, OperationError> {
    let mut problems = releaser.check(change, plan).await?;
    problems.retain(Problem::is_refusal);
    Ok(problems)
}

/// Takes traffic back at once, and then puts the candidate's slot back.
async fn abort(releaser: &Releaser, actor: &str, reason: &str) -> Result<Outcome, OperationError> {
    let operations = releaser.operations();
    let status = operations.abort(actor, reason).await?;
    match status.record.map(|record| record.phase) {
        Some(Phase::Done { outcome }) => Ok(outcome),
        _ => operations.finish().await,
    }
}
