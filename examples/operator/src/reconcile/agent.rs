//! The agent that an object names: finding it, what speaks against a release, and a task for it.

use std::sync::PoisonError;

use bluegreen_core::{Document, Outcome, PhaseName, Record, Slot as _, SlotState};
use bluegreen_kube::{Cluster, ConnectError};
use kube::runtime::reflector::ObjectRef;
use tokio::time::timeout;

use super::{Failure, Found, Look};
use crate::decide::{is_retried, rolled_back};
use crate::drive::{Job, Order};
use crate::status::{Attempt, End};
use crate::wanted::Wanted;

/// Why there is no agent.
pub(super) struct NoAgent {
    /// It has no Service any more, so there is no traffic either.
    pub(super) is_gone: bool,
    pub(super) why: String,
}

impl Look<'_> {
    /// The agent, or why there is none.
    pub(super) async fn cluster(&self) -> Result<Result<Cluster, NoAgent>, Failure> {
        let service = &self.object.spec.service;
        let agents = || self.context.agents.lock().unwrap_or_else(PoisonError::into_inner);
        // Whatever failed, or was refused, may have been found where it is no longer.
        let ended = self.context.drivers.ended(&self.uid());
        let is_doubtful = ended.is_some_and(|it| !matches!(it.result, Ok(Outcome::Released)));
        if is_doubtful && !self.context.drivers.is_driving(&self.uid()) {
            agents().remove(service);
        }
        if let Some(known) = agents().get(service).cloned() {
            return Ok(Ok(known));
        }
        let context = self.context;
        let connecting = Cluster::builder(context.client.clone(), &context.namespace, service)
            .cluster_name(&context.cluster_name)
            .liveness(context.liveness.clone())
            .connect();
        match connecting.await {
            Ok(cluster) => {
                agents().insert(service.clone(), cluster.clone());
                Ok(Ok(cluster))
            }
            Err(ConnectError::Call(error)) => Err(Failure::of_port("find the agent", &error)),
            Err(error) => Ok(Err(NoAgent {
                is_gone: matches!(error, ConnectError::NoService { .. }),
                why: bluegreen_core::chain(&error),
            })),
        }
    }

    /// The attempt, at its end already where live runs what is asked for, or where exactly that ended
    /// rolled back and nobody asked for another try.
    pub(super) async fn unless_needless(
        &self,
        cluster: &Cluster,
        wanted: &Wanted,
        found: &Found,
    ) -> Result<Attempt, Failure> {
        let mut attempt = self.first(wanted, found.record());
        let operations = cluster.operations();
        // The one has nothing to do with the other, and the release waits for both.
        let (live, history) = tokio::join!(live(cluster), operations.history());
        let history = history.map_err(|error| Failure::of("read the history", &error))?;
        // What is not clear is for the preflight to say.
        let Some(live) = live else { return Ok(attempt) };
        let resolved = wanted.change.resolve(&live.running, &cluster.settings().version_env);
        let Ok(resolved) = resolved else { return Ok(attempt) };
        let digest = resolved.digest.to_string();
        if resolved.digest == live.digest() {
            attempt.end = Some(End::UpToDate);
            attempt.message = Some("live runs it already".to_owned());
        } else if !is_retried(found.attempt.as_ref(), self.object.spec.retry.as_deref()) {
            // Who ended the last release may have died before it was in the history.
            let ended = found.record().filter(|it| it.phase.name() == PhaseName::Done);
            let before: Vec<&Record> =
                ended.into_iter().chain(history.iter().filter_map(Document::current)).collect();
            let before = rolled_back(&before, &digest);
            attempt.end = before.is_some().then_some(End::Blocked);
            attempt.message = before;
        }
        attempt.digest = Some(digest);
        Ok(attempt)
    }

    /// Begins a task, in place of the one that there was.
    pub(super) async fn start(&self, cluster: Cluster, attempt: Option<Attempt>, job: Job) {
        let Some(attempt) = attempt else { return };
        self.context.drivers.stop(&self.uid()).await;
        let object = ObjectRef::from_obj(self.object);
        let (uid, actor) = (self.uid(), self.actor());
        self.context.drivers.start(Order { uid, object, cluster, actor, attempt }, job);
    }
}

/// The slot that has all traffic, if one does.
async fn live(cluster: &Cluster) -> Option<SlotState> {
    let call = cluster.settings().call;
    let observed = timeout(call, cluster.switch().observe()).await.ok()?.ok()?;
    let routing = observed.routing().filter(|it| it.is_whole())?;
    timeout(call, cluster.slot(routing.live).state()).await.ok()?.ok()
}
