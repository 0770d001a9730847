//! A Deployment as a slot of the agent.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bluegreen_core::{
    Color, ConfigFiles, Epoch, Error, ErrorKind, Intent, Problem, ResolvedChange, Result, Slot,
    SlotState,
};
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::core::DynamicObject;
use kube::discovery::ApiResource;
use kube::{Api, Client};

use crate::rights::{Right, Rules};
use crate::watching::Watches;
use crate::{PodClient, Settings, error, owners};

mod check;
mod deadlock;
mod files;
mod found;
mod json;
mod keys;
mod note;
mod object;
mod patch;
mod pods;
mod recent;
mod rollout;
mod scalers;
pub(crate) mod secrets;
mod state;
mod template;
mod wait;
mod write;

use object::Seen;
use pods::Sets;
pub(crate) use pods::statuses;
use recent::Belongings;
pub(crate) use recent::Recent;
pub(crate) use secrets::Secrets;

/// For how long the scheduler may find no node for a pod before a rollout is given up.
const PATIENCE: Duration = Duration::from_secs(10);

/// One Deployment as a slot.
///
/// # What it writes
/// A deploy is one JSON Patch that tests the Deployment's identity, its epoch, and the whole
/// old value of everything that it replaces: template, replicas and update strategy. What was
/// found is kept in an annotation until the deploy is committed or reverted. All fields of the
/// template that a change does not name stay, also those that this library does not know.
///
/// Its size is set through the `scale` subresource, with the resource version of a Deployment
/// that was read and whose epoch was good. A fence always writes, so that the late request of
/// an older driver has a resource version that is gone.
///
/// # What it needs
/// The verbs `get`, `list`, `watch` and `patch` on `deployments`, `update` on
/// `deployments/scale`, `list` and `watch` on `replicasets` and `pods`, `list` on
/// `horizontalpodautoscalers` and `resourcequotas`; where it has an autoscaler, `get` and `patch` on
/// `horizontalpodautoscalers`, and on KEDA's `scaledobjects` where one of those makes it.
///
/// # A deadlock that it ends
/// Where a change of size was overtaken by another, the Deployment controller may wait without end for
/// a change that there is not, and roll out nothing any more (kubernetes/kubernetes#138036). A wait for
/// readiness sees that by the annotation of the one `ReplicaSet` with pods, and corrects it. That is what
/// it would `patch` on `replicasets` for; without the right its error says what to type.
///
/// # Autoscalers
/// While a release is under way, a `HorizontalPodAutoscaler` of either slot may make it larger, but
/// not smaller: the candidate has no load before it has traffic, and the old slot none after. What it
/// was told before stands in an annotation, and is told again at the end, whatever that is.
///
/// Its bounds belong to the role: a deploy gives the candidate's those of live's, and a revert gives
/// them back. Where the old slot becomes a standby that is smaller than its autoscaler's minimum, that is
/// lowered. Where KEDA makes both, these are the bounds of its `ScaledObject`s: a deploy waits up to five
/// seconds until KEDA has brought them to the autoscaler, and a slot that is left with no pods may rest at
/// none. Where KEDA makes only one of the two, or a slot has several, bounds stay as they are.
#[derive(Clone)]
pub struct DeploymentSlot {
    client: Client,
    api: Api<DynamicObject>,
    sets: Api<DynamicObject>,
    pods: Api<Pod>,
    settings: Settings,
    color: Color,
    name: String,
    other: Option<String>,
    /// What requests to the slot's pods need.
    reach: Vec<Right>,
    patience: Duration,
    recent: Recent,
    rules: Rules,
    watches: Watches,
}

impl DeploymentSlot {
    /// The Deployment `name` as the slot of this color.
    pub fn new(client: Client, settings: Settings, color: Color, name: impl Into<String>) -> Self {
        let namespace = &settings.namespace;
        let deployments = ApiResource::erase::<Deployment>(&());
        let sets = ApiResource::erase::<ReplicaSet>(&());
        Self {
            api: Api::namespaced_with(client.clone(), namespace, &deployments),
            sets: Api::namespaced_with(client.clone(), namespace, &sets),
            pods: Api::namespaced(client.clone(), namespace),
            client,
            settings,
            color,
            name: name.into(),
            other: None,
            reach: Vec::new(),
            patience: PATIENCE,
            recent: Recent::default(),
            rules: Rules::default(),
            watches: Watches::default(),
        }
    }

    /// The Deployment of the other slot, which preflight compares this one with.
    #[must_use]
    pub fn with_other(mut self, name: impl Into<String>) -> Self {
        self.other = Some(name.into());
        self
    }

    /// The way on which validators reach the slot's pods, so that preflight warns of rights that
    /// it lacks. Only a release with validators that talk to pods needs them.
    #[must_use]
    pub fn with_client(mut self, client: &PodClient) -> Self {
        self.reach = client.needed().into_iter().map(Right::optional).collect();
        self
    }

    /// For how long it is waited for what may pass by itself: that no node takes a pod, that a
    /// quota lets none be made. Ten seconds by default; where nodes are added on demand it takes
    /// minutes.
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Shares what it reads with the other slot, and the question of rights with other parts.
    pub(crate) fn sharing(mut self, recent: &Recent, rules: &Rules) -> Self {
        (self.recent, self.rules) = (recent.clone(), rules.clone());
        self
    }

    /// Waits on watches that others share.
    pub(crate) fn watching(mut self, watches: &Watches) -> Self {
        self.watches = watches.clone();
        self
    }

    /// The name of the Deployment.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn action(&self, verb: &str) -> String {
        format!("{verb} deployment {}", self.name)
    }

    fn seen<'a>(&'a self, object: &'a DynamicObject) -> Seen<'a> {
        Seen::new(object, &self.settings)
    }

    async fn get(&self) -> Result<Arc<DynamicObject>> {
        self.get_named(&self.name).await
    }

    async fn get_named(&self, name: &str) -> Result<Arc<DynamicObject>> {
        let action = format!("read deployment {name}");
        let object = Arc::new(error::read(self.settings.call, action, self.api.get(name)).await?);
        self.recent.put(object.clone());
        Ok(object)
    }

    /// A Deployment as it was a moment ago, or as it is now.
    async fn recent(&self, name: &str) -> Result<Arc<DynamicObject>> {
        match self.recent.get(name) {
            Some(object) => Ok(object),
            None => self.get_named(name).await,
        }
    }

    /// The Deployment as it is now, and what belongs to it: both at once where its selector is
    /// known, which never changes.
    async fn look(&self) -> Result<(Arc<DynamicObject>, Belongings)> {
        let Some(last) = self.recent.last(&self.name) else {
            let object = self.get().await?;
            let belongings = self.list(self.seen(&object)).await?;
            return Ok((object, belongings));
        };
        let params = ListParams::default().labels_from(&self.seen(&last).selector()?).match_any();
        let (object, pods) = tokio::try_join!(self.get(), self.list_pods(&params))?;
        let seen = self.seen(&object);
        let belongings = if object.metadata.uid == last.metadata.uid {
            Arc::new(self.sort(seen, pods).await?)
        } else {
            Arc::new(self.list_anew(seen).await?)
        };
        self.recent.put_belongings(&self.name, belongings.clone());
        Ok((object, belongings))
    }

    /// Its `ReplicaSets`, its pods, and others that its selector finds.
    ///
    /// The server answers with what it has in its cache in a millisecond or two; to be sure of the
    /// latest state takes it up to a hundred. The Deployment itself is always the latest, so where
    /// its numbers are those of the pods in the cache, the cache will do.
    async fn list(&self, seen: Seen<'_>) -> Result<Belongings> {
        let belongings = Arc::new(self.list_anew(seen).await?);
        self.recent.put_belongings(&self.name, belongings.clone());
        Ok(belongings)
    }

    async fn list_anew(&self, seen: Seen<'_>) -> Result<(Sets, Vec<Pod>)> {
        let params = ListParams::default().labels_from(&seen.selector()?);
        let pods = self.list_pods(&params.clone().match_any()).await?;
        self.sort(seen, pods).await
    }

    /// The pods of the cache with the sets that they belong to, or the latest of both.
    async fn sort(&self, seen: Seen<'_>, pods: Vec<Pod>) -> Result<(Sets, Vec<Pod>)> {
        let params = ListParams::default().labels_from(&seen.selector()?);
        if let Some(sets) = Sets::evident(seen, &pods) {
            return Ok((sets, pods));
        }
        let (sets, pods) = tokio::try_join!(self.list_sets(&params), self.list_pods(&params))?;
        Ok((Sets::of(seen, sets.iter()), pods))
    }

    async fn list_sets(&self, params: &ListParams) -> Result<Vec<DynamicObject>> {
        let action = self.action("list replicasets of");
        Ok(error::read(self.settings.call, action, self.sets.list(params)).await?.items)
    }

    async fn list_pods(&self, params: &ListParams) -> Result<Vec<Pod>> {
        let action = self.action("list pods of");
        Ok(error::read(self.settings.call, action, self.pods.list(params)).await?.items)
    }

    fn gone(&self, verb: &str) -> Error {
        Error::new(ErrorKind::NotFound, self.action(verb))
    }
}

#[async_trait]
impl Slot for DeploymentSlot {
    fn color(&self) -> Color {
        self.color
    }

    async fn state(&self) -> Result<SlotState> {
        let (object, belongings) = self.look().await?;
        let (sets, pods) = &*belongings;
        state::assemble(self.color, &self.settings, self.seen(&object), sets, pods.iter())
    }

    async fn check(&self, intent: &Intent) -> Result<Vec<Problem>> {
        check::problems(self, intent).await
    }

    async fn fence(&self, epoch: Epoch) -> Result<()> {
        write::fence(self, epoch).await
    }

    async fn deploy(&self, change: &ResolvedChange, replicas: u32, epoch: Epoch) -> Result<()> {
        Box::pin(self.take_bounds(replicas, epoch)).await?;
        write::deploy(self, change, replicas, epoch).await
    }

    async fn await_ready(&self) -> Result<SlotState> {
        wait::ready(self).await
    }

    async fn scale(&self, replicas: u32, epoch: Epoch) -> Result<()> {
        write::scale(self, replicas, epoch).await?;
        Box::pin(self.lower_bounds(replicas, epoch)).await
    }

    async fn freeze(&self, epoch: Epoch) -> Result<()> {
        let found = self.autoscalers_for("freeze", epoch).await?;
        self.autoscalers(&self.name).freeze(found, epoch).await
    }

    async fn thaw(&self, epoch: Epoch) -> Result<()> {
        let found = self.autoscalers_for("thaw", epoch).await?;
        self.autoscalers(&self.name).thaw(found, epoch).await
    }

    async fn commit(&self, epoch: Epoch) -> Result<()> {
        write::commit(self, epoch).await
    }

    async fn revert(&self, epoch: Epoch) -> Result<()> {
        write::revert(self, epoch).await?;
        Box::pin(self.give_back_bounds(epoch)).await
    }

    async fn watch(&self, known: &SlotState) -> Result<SlotState> {
        wait::change(self, known).await
    }

    async fn author(&self) -> Result<Option<String>> {
        let object = self.get().await?;
        Ok(owners::latest(&object.metadata, &["/f:spec/f:template", "/f:spec/f:replicas"]))
    }

    async fn caveats(&self) -> Result<Vec<String>> {
        keys::newer(self).await
    }

    async fn files(&self, config_map: &str) -> Result<Option<ConfigFiles>> {
        files::read(self, config_map).await
    }
}

impl fmt::Debug for DeploymentSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeploymentSlot")
            .field("namespace", &self.settings.namespace)
            .field("name", &self.name)
            .field("color", &self.color)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
pub(crate) mod tests;
