//! The object itself: whose it is, and what is written to it.

use std::future::Future;
use std::time::Duration;

use bluegreen_core::{Clock as _, Status, SystemClock};
use bluegreen_kube::Cluster;
use kube::api::{Patch, PatchParams};
use kube::runtime::controller::Action;
use kube::{Api, Resource as _, ResourceExt as _};
use serde_json::json;

use super::{Failure, Look};
use crate::crd::AgentRelease;
use crate::decide::ACTOR;
use crate::status::{AgentReleaseStatus, Attempt, Is, Say};

/// How long one call to the API server may take.
const CALL: Duration = Duration::from_secs(10);
/// Who owns the status.
const MANAGER: &str = "bluegreen-operator";
/// Keeps an object there until its release is over. It is set only while one is under way, so that
/// objects at rest, and their namespace, can be deleted without an operator.
pub(super) const FINALIZER: &str = "bluegreen.dev/release";

impl Look<'_> {
    pub(super) fn name(&self) -> String {
        self.object.name_any()
    }

    pub(super) fn uid(&self) -> String {
        self.object.uid().unwrap_or_default()
    }

    /// Who begins its releases, in records.
    pub(super) fn actor(&self) -> String {
        format!("{ACTOR}{}", self.name())
    }

    pub(super) fn is_deleted(&self) -> bool {
        self.object.meta().deletion_timestamp.is_some()
    }

    /// The ConfigMap with the record of the agent, as messages name it.
    pub(super) fn record_name(&self, cluster: &Cluster) -> String {
        format!("ConfigMap {}/{}", self.context.namespace, cluster.settings().config_map())
    }

    fn api(&self) -> Api<AgentRelease> {
        Api::namespaced(self.context.client.clone(), &self.context.namespace)
    }

    /// Says what there is to say, unless the object says it already. Whether something was written: then
    /// the object is looked at once more.
    pub(super) async fn write_status(
        &self,
        say: &Say,
        attempt: Option<&Attempt>,
        release: Option<&Status>,
    ) -> Result<bool, Failure> {
        let before = self.object.status.clone().unwrap_or_default();
        let generation = self.object.meta().generation;
        let next = before.next(generation, say, attempt, release, SystemClock.now());
        if next == before {
            return Ok(false);
        }
        self.put_status(&next).await.map(|()| true)
    }

    /// Says why it cannot be looked after. Nothing else is known by now, so nothing else is said.
    pub(super) async fn fail(&self, why: &str) -> Result<(), Failure> {
        let before = self.object.status.clone().unwrap_or_default();
        let say = Say::new(Is::Reconciling, "Failed", format!("{why}; it is tried again"));
        // That the spec was looked at is not so: a newer one is still to be.
        let next = before.saying(before.observed_generation, &say, SystemClock.now());
        if next == before {
            return Ok(());
        }
        self.put_status(&next).await
    }

    async fn put_status(&self, next: &AgentReleaseStatus) -> Result<(), Failure> {
        let patch = Patch::Apply(json!({
            "apiVersion": AgentRelease::api_version(&()),
            "kind": AgentRelease::kind(&()),
            "status": next,
        }));
        let (api, name) = (self.api(), self.name());
        // Nobody else has business there.
        let params = PatchParams::apply(MANAGER).force();
        let writing = api.patch_status(&name, &params, &patch);
        bounded("write the status", writing).await.map(drop)
    }

    /// Sets the finalizer.
    pub(super) async fn keep(&self) -> Result<(), Failure> {
        let mut all = self.object.finalizers().to_vec();
        if self.is_deleted() || all.iter().any(|it| it == FINALIZER) {
            return Ok(());
        }
        all.push(FINALIZER.to_owned());
        self.write_finalizers(&all).await
    }

    /// Takes the finalizer away.
    pub(super) async fn unkeep(&self) -> Result<(), Failure> {
        let mut all = self.object.finalizers().to_vec();
        if !all.iter().any(|it| it == FINALIZER) {
            return Ok(());
        }
        all.retain(|it| it != FINALIZER);
        self.write_finalizers(&all).await
    }

    /// Lets an object that is deleted go, with its release over.
    pub(super) async fn let_go(&self) -> Result<Action, Failure> {
        self.context.drivers.forget(&self.uid()).await;
        self.unkeep().await?;
        Ok(Action::await_change())
    }

    async fn write_finalizers(&self, all: &[String]) -> Result<(), Failure> {
        let version = self.object.resource_version();
        let patch = json!({"metadata": {"finalizers": all, "resourceVersion": version}});
        let params = PatchParams { field_manager: Some(MANAGER.into()), ..PatchParams::default() };
        let (api, name, patch) = (self.api(), self.name(), Patch::Merge(patch));
        bounded("write the finalizers", api.patch(&name, &params, &patch)).await.map(drop)
    }

    /// Leaves the agent to another object. Whatever is under way is that one's, and not this one's.
    pub(super) async fn give_way(&self, rival: &str) -> Result<Action, Failure> {
        self.context.drivers.forget(&self.uid()).await;
        self.unkeep().await?;
        if self.is_deleted() {
            return Ok(Action::await_change());
        }
        self.duplicate(rival, None).await
    }

    pub(super) async fn duplicate(
        &self,
        rival: &str,
        attempt: Option<&Attempt>,
    ) -> Result<Action, Failure> {
        let service = &self.object.spec.service;
        let text = format!("found {rival}, which has Service {service} too, wanted one object");
        self.write_status(&Say::new(Is::Stalled, "Duplicate", text), attempt, None).await?;
        // That the other one is gone is not told here.
        Ok(Action::requeue(super::REFUSED))
    }

    pub(super) async fn missing(&self, why: String) -> Result<Action, Failure> {
        let attempt = self.attempt(None);
        let say = Say::new(Is::Reconciling, "AgentNotFound", why);
        self.write_status(&say, attempt.as_ref(), None).await?;
        Ok(Action::requeue(super::PAUSE))
    }
}

/// What a call comes to, within its bound.
async fn bounded<T>(
    action: &str,
    call: impl Future<Output = kube::Result<T>>,
) -> Result<T, Failure> {
    match tokio::time::timeout(CALL, call).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => {
            let is_newer = matches!(&error, kube::Error::Api(status) if status.code == 409);
            Err(Failure { is_newer, ..Failure::of(action, &error) })
        }
        Err(late) => Err(Failure::of(action, &late)),
    }
}
