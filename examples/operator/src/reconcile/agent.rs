//! The agent that an object names: finding it, what speaks against a release, and a task for it.

use std::sync::PoisonError;

use bluegreen_kube::{Cluster, ConnectError};
use kube::runtime::reflector::ObjectRef;

use super::{Failure, Look};
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
        // Whatever failed may have been found where it is no longer.
        if self.failure().is_some() && !self.context.drivers.is_driving(&self.uid()) {
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
            Err(ConnectError::Call(error)) => Err(Failure::of("find the agent", &error)),
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
        last: Option<&Attempt>,
        mut attempt: Attempt,
    ) -> Result<Attempt, Failure> {
        let ports = cluster.ports();
        let looking = tokio::time::timeout(cluster.settings().call, ports.switch.observe());
        let Ok(Ok(observed)) = looking.await else { return Ok(attempt) };
        // What is not clear is for the preflight to say.
        let Some(routing) = observed.routing().filter(|it| it.is_whole()) else {
            return Ok(attempt);
        };
        let reading = ports.slots.of(routing.live).state();
        let Ok(Ok(live)) = tokio::time::timeout(cluster.settings().call, reading).await else {
            return Ok(attempt);
        };
        let Ok(resolved) = wanted.change.resolve(&live.running, &ports.version_env) else {
            return Ok(attempt);
        };
        let digest = resolved.digest.to_string();
        if resolved.digest == live.digest() {
            attempt.end = Some(End::UpToDate);
            attempt.message = Some("live runs it already".to_owned());
        } else if !is_retried(last, self.object.spec.retry.as_deref()) {
            let history = cluster.operations().history().await;
            let history = history.map_err(|error| Failure::of("read the history", &error))?;
            let before = rolled_back(&history, &digest);
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
