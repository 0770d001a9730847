//! The right to pull work: a key of a ConfigMap that names one slot, moved by one conditional write.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use bluegreen_core::{
    Capabilities, Color, Epoch, Error, ErrorKind, Evidence, EvidenceKind, Load, Observed,
    ObservedState, Pair, Problem, Result, Routing, SwitchStrategy,
};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, Client};

use crate::error::read_opt;
use crate::remembered::Remembered;
use crate::rights::Rules;
use crate::watching::{Watched, named};
use crate::{Settings, owners};

mod check;
mod converge;
mod count;
mod right;
mod shift;
mod start;

#[cfg(test)]
mod tests;

use right::Right;

/// The key that names the slot, unless said otherwise.
const KEY: &str = "pull";
/// How long workers may take to hear who has the right, unless said otherwise.
const SETTLES: Duration = Duration::from_secs(20);

/// Moves work between the slots of an agent that has no Service and pulls its work from a queue:
/// a key of a ConfigMap says which slot has the right to pull, `blue` or `green`.
///
/// A shift is one PUT of the ConfigMap, which carries the version at which it was read: it does what was
/// decided or nothing. Other keys, labels and annotations of the ConfigMap stay as they are. All work
/// goes to one slot: a plan with shares, pins or a mirror is refused.
///
/// **Workers have to keep to the right**: they look at the key, pull only while it names their slot, and
/// finish what they have in hand when it does not any more. `docs/queue-workers.md` says how. While
/// they hear of a change both slots may pull for a moment, so this gives no more order than a queue with
/// several consumers does.
///
/// Evidence is what the workers say: [`counting`](Self::counting) names what counts those that pull. There is
/// evidence once somebody of the slot with the right pulls, and nobody of the other. Where nothing
/// counts them, or it cannot be known, there is evidence [`settles_in`](Self::settles_in) after the
/// key was seen to be right. So there is on a way back from a candidate that goes on pulling without the right:
/// what ends it is that the release puts its slot back. Evidence by answers is refused: nobody answers.
///
/// A slot without ready pods does not get the right.
///
/// Needs the verbs `get`, `list`, `watch` and `update` on `configmaps`, and `get` on `deployments`.
///
/// ```no_run
/// # fn made(client: kube::Client) {
/// use std::time::Duration;
///
/// use bluegreen_kube::{QueueSwitch, Settings};
///
/// let switch = QueueSwitch::new(client, Settings::new("agent", "ai-agents"), "agent-queue")
///     .with_key("consumer")
///     .settles_in(Duration::from_secs(90));
/// # }
/// ```
pub struct QueueSwitch {
    client: Client,
    settings: Settings,
    maps: Api<ConfigMap>,
    deployments_api: Api<Deployment>,
    config_map: String,
    key: String,
    deployments: Pair<String>,
    /// What counts the workers that pull. It is made of the slots, which are made beside this.
    pulling: OnceLock<Arc<dyn Load>>,
    settles: Duration,
    allowed_owners: BTreeSet<String>,
    /// The ConfigMap as it was last read or written.
    known: Remembered<String, Right>,
    /// The slots that were seen to have ready pods.
    ready: Remembered<&'static str, ()>,
    rules: Rules,
}

impl QueueSwitch {
    /// A switch by the key `pull` of this ConfigMap. The Deployments of the slots are
    /// `<agent>-blue` and `<agent>-green` unless said otherwise.
    pub fn new(client: Client, settings: Settings, config_map: impl Into<String>) -> Self {
        Self {
            maps: Api::namespaced(client.clone(), &settings.namespace),
            deployments_api: Api::namespaced(client.clone(), &settings.namespace),
            client,
            config_map: config_map.into(),
            key: KEY.to_owned(),
            deployments: Pair::from_fn(|color| format!("{}-{color}", settings.agent)),
            settings,
            pulling: OnceLock::new(),
            settles: SETTLES,
            allowed_owners: BTreeSet::new(),
            known: Remembered::default(),
            ready: Remembered::default(),
            rules: Rules::default(),
        }
    }

    /// Shares the question of rights with other parts.
    pub(crate) fn sharing(mut self, rules: &Rules) -> Self {
        self.rules = rules.clone();
        self
    }

    /// The key of the ConfigMap that names the slot; `pull` unless said otherwise.
    #[must_use]
    pub fn with_key(mut self, key: impl Into<String>) -> Self {
        self.key = key.into();
        self
    }

    /// The Deployments of the slots; `<agent>-blue` and `<agent>-green` unless said otherwise.
    #[must_use]
    pub fn with_deployments(mut self, blue: impl Into<String>, green: impl Into<String>) -> Self {
        self.deployments = Pair::new(blue.into(), green.into());
        self
    }

    /// What counts the workers of a slot that pull, or may do so any moment. A worker that has
    /// stopped pulling is none, whatever it still has in hand. Nothing unless said otherwise.
    #[must_use]
    pub fn counting(mut self, pulling: Arc<dyn Load>) -> Self {
        self.pulling = OnceLock::from(pulling);
        self
    }

    /// The same, later: only the first time counts.
    pub(crate) fn count_by(&self, pulling: Arc<dyn Load>) {
        // Whoever has said so before has said so on purpose.
        let _ = self.pulling.set(pulling);
    }

    /// How long after a change all workers have heard of it and stopped pulling, or begun; 20 s unless
    /// said otherwise. It is waited for where nothing says who pulls, so the plan's `converge` (30 s) has
    /// to be longer.
    #[must_use]
    pub fn settles_in(mut self, settles: Duration) -> Self {
        self.settles = settles;
        self
    }

    /// Lets a field manager own the key that this switch writes, although it is known to put back
    /// what others change (`argocd-controller`, `kustomize-controller`). It must have been told to
    /// leave the key alone.
    #[must_use]
    pub fn allow_owner(mut self, manager: impl Into<String>) -> Self {
        self.allowed_owners.insert(manager.into());
        self
    }

    /// The ConfigMap with the right.
    pub fn config_map(&self) -> &str {
        &self.config_map
    }

    fn action(&self, verb: &str) -> String {
        format!("{verb} configmap {}/{}", self.settings.namespace, self.config_map)
    }

    /// The ConfigMap as problems name it.
    fn object(&self) -> String {
        format!("ConfigMap {}/{}", self.settings.namespace, self.config_map)
    }

    /// The key as the API server's notes on owners name it.
    fn field(&self) -> String {
        format!("/f:data/f:{}", self.key)
    }

    fn remember(&self, found: &ConfigMap) -> Right {
        let right = Right::read(found, &self.key, &self.settings);
        self.known.keep(self.config_map.clone(), right.clone());
        right
    }

    /// Reads the right and remembers it; `None` where there is no such ConfigMap.
    async fn read_opt(&self) -> Result<Option<Right>> {
        let call = self.maps.get(&self.config_map);
        let found = read_opt(self.settings.call, self.action("read"), call).await?;
        Ok(found.map(|found| self.remember(&found)))
    }

    async fn read(&self) -> Result<Right> {
        let missing = || Error::new(ErrorKind::NotFound, self.action("read"));
        self.read_opt().await?.ok_or_else(missing)
    }

    /// How many pods of a slot are ready; none where it has no Deployment.
    async fn ready_pods(&self, color: Color) -> Result<u32> {
        let name = self.deployments.of(color);
        let action = format!("read deployment {}/{name}", self.settings.namespace);
        let call = self.deployments_api.get(name);
        let found = read_opt(self.settings.call, action, call).await?;
        let ready = found.and_then(|it| it.status?.ready_replicas);
        Ok(ready.and_then(|it| u32::try_from(it).ok()).unwrap_or_default())
    }

    fn watched(&self) -> Watched<ConfigMap> {
        Watched::new(self.maps.clone(), named(&self.config_map), self.action("watch"))
    }
}

#[async_trait]
impl SwitchStrategy for QueueSwitch {
    #[allow(clippy::unnecessary_literal_bound, reason = "the trait has this signature")]
    fn name(&self) -> &str {
        "queue-right"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::SWITCH_ONLY
    }

    async fn check(&self, routings: &[Routing], evidence: &EvidenceKind) -> Result<Vec<Problem>> {
        // On the heap: it looks at many things at once.
        Box::pin(self.find_problems(routings, evidence)).await
    }

    async fn fence(&self, epoch: Epoch) -> Result<()> {
        self.stamp(epoch).await
    }

    async fn observe(&self) -> Result<Observed> {
        Ok(self.read().await?.observed())
    }

    async fn prepare(&self, candidate: Color, epoch: Epoch) -> Result<()> {
        self.note_candidate(candidate, epoch).await
    }

    async fn await_known(&self, candidate: Color, pods: &[String]) -> Result<()> {
        self.refuse_early(candidate, pods).await
    }

    async fn shift(&self, from: &Routing, to: &Routing, epoch: Epoch) -> Result<()> {
        let action = || format!("shift the right to pull to {to}");
        let lacks = self.capabilities().lacks(to);
        if !lacks.is_empty() {
            let reason = format!("switch {} has no {}", self.name(), lacks.join(", "));
            return Err(Error::new(ErrorKind::Rejected, action()).with_source(reason));
        }
        if !self.capabilities().lacks(from).is_empty() {
            let reason = format!("wanted to find {from}, which a right to pull cannot be");
            return Err(Error::new(ErrorKind::Conflict, action()).with_source(reason));
        }
        self.give(from.live, to.live, epoch).await
    }

    async fn converge(&self, to: &Routing, evidence: &EvidenceKind) -> Result<Evidence> {
        self.await_evidence(to, evidence).await
    }

    async fn watch(&self, known: &Observed) -> Result<Observed> {
        let mut watched = self.watched();
        loop {
            let found = watched.changed().await?.get(&self.config_map);
            let observed = if let Some(found) = found {
                self.remember(found).observed()
            } else {
                let text = format!("configmap {} is not there", self.config_map);
                Observed::new(ObservedState::Foreign(text), known.epoch)
            };
            if observed.state != known.state {
                return Ok(observed);
            }
        }
    }

    async fn author(&self) -> Result<Option<String>> {
        let right = self.read().await?;
        Ok(owners::latest(&right.whole.metadata, &[&self.field()]))
    }
}

impl fmt::Debug for QueueSwitch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueueSwitch")
            .field("namespace", &self.settings.namespace)
            .field("config_map", &self.config_map)
            .field("key", &self.key)
            .field("deployments", &self.deployments)
            .finish_non_exhaustive()
    }
}
