//! One rolling Deployment becomes two slots, while it serves.

use std::collections::BTreeSet;
use std::time::Duration;

use bluegreen_core::{
    Color, Error, ErrorKind, EvidenceKind, Pair, Problem, Result, Routing, Slot as _,
};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::core::DynamicObject;
use kube::runtime::watcher;
use kube::{Api, ResourceExt as _};

use super::{AdoptError, Cluster, Done};
use crate::owners;
use crate::slices::{Listed, SERVICE_NAME};
use crate::watching::{Watched, any};

mod check;
mod others;
mod seen;
mod write;

use seen::Seen;
use write::changed;

/// How [`adopt`](Cluster::adopt) makes two slots of one Deployment.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Adopt {
    /// How long the pods of the new Deployment may take to be ready. 10 minutes.
    pub ready: Duration,
    /// How long the old pods go on after the last request was sent to them, for what they have in
    /// hand and for routers that hear of it late. Nothing is measured, so it should be longer than
    /// the longest answer. 30 seconds.
    pub drain: Duration,
    /// Field managers that may own the old Deployment, its autoscalers and the selectors of live Services
    /// although they are known to put back what others change (`argocd-controller`). They must have been
    /// told to leave `spec.replicas`, `spec.scaleTargetRef` and `spec.selector` of these alone. None.
    pub allowed_owners: BTreeSet<String>,
    /// Services that may lead to pods of both slots from now on. None.
    pub ignored_services: BTreeSet<String>,
}

/// How often it is looked again at what somebody else changes.
const ATTEMPTS: usize = 5;
/// How long the endpoints of live Services may take to be the new pods only.
const FOLLOWS: Duration = Duration::from_secs(30);

impl Default for Adopt {
    fn default() -> Self {
        Self {
            ready: Duration::from_mins(10),
            drain: Duration::from_secs(30),
            allowed_owners: BTreeSet::new(),
            ignored_services: BTreeSet::new(),
        }
    }
}

impl Adopt {
    /// Whether this manager stands in the way.
    fn refuses(&self, owner: &str) -> bool {
        owners::is_reconciler(owner) && !self.allowed_owners.contains(owner)
    }
}

impl Cluster {
    /// Makes two slots of an agent that one rolling Deployment runs, while it serves: the slots are
    /// the Deployments that the [builder](super::ClusterBuilder::deployment) was told of, neither of
    /// which has to be there.
    ///
    /// 1. The blue one is made as a copy with the slot label, with as many pods. Live Services find
    ///    its pods as soon as these are ready, beside the old ones, which run the same.
    /// 2. Once all are ready, the selectors of the live Services get the slot label, by one
    ///    conditional write each, and only the new pods get requests.
    /// 3. Autoscalers of the old Deployment are copied for the green slot, and given to the blue one.
    /// 4. After [`drain`](Adopt::drain) the old Deployment is given 0 replicas. It is not deleted:
    ///    with its old size, and without the slot label in the selectors, everything is as before.
    /// 5. The green one is made as a copy without pods.
    ///
    /// `told` hears of each thing that was done. What was interrupted goes on when it is called
    /// again with the same names; what is done already is not done again.
    ///
    /// # Errors
    /// [`Refused`](AdoptError::Refused) with everything that stands in the way, before anything is
    /// written. [`Failed`](AdoptError::Failed) when a call fails, the new pods do not get ready, or
    /// what serves is changed meanwhile. The old pods are there until nothing selects them any more.
    ///
    /// # Cancel safety
    /// Can be dropped at any time, and called again.
    ///
    /// ```no_run
    /// # async fn example(client: kube::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// use bluegreen_core::Color;
    /// use bluegreen_kube::{Adopt, Cluster};
    ///
    /// let cluster = Cluster::builder(client, "ai-agents", "agent-service")
    ///     .deployment(Color::Blue, "agent-blue")
    ///     .deployment(Color::Green, "agent-green")
    ///     .connect()
    ///     .await?;
    /// cluster.adopt("agent-service", &Adopt::default(), |done| println!("{done}")).await?;
    /// # Ok(()) }
    /// ```
    pub async fn adopt(
        &self,
        deployment: &str,
        how: &Adopt,
        told: impl Fn(&Done) + Send + Sync,
    ) -> Result<(), AdoptError> {
        let mut seen = self.see(deployment).await?;
        let problems = self.problems_of(&seen, how).await?;
        if problems.iter().any(Problem::is_refusal) {
            return Err(AdoptError::Refused { deployment: deployment.to_owned(), problems });
        }
        if !seen.is_selected(self, Color::Blue) {
            let pods;
            (seen, pods) = self.stand_in_for(seen, how, &told).await?;
            self.refuse_other_traffic(&seen, how).await?;
            within(FOLLOWS, "wait for the new endpoints", self.await_listed(&seen, &pods)).await?;
            for service in seen.services.iter().filter(|it| !it.names_slot(self)) {
                told(&self.name_slot(&service.object, Color::Blue).await?);
            }
        }
        self.await_traffic().await?;
        for autoscaler in &seen.autoscalers {
            if let Some(done) = self.copy_autoscaler(autoscaler, Color::Green).await? {
                told(&done);
            }
            // Not a copy: an autoscaler whose pods another one's selector finds does nothing.
            told(&self.retarget(autoscaler, Color::Blue).await?);
        }
        if seen.replicas() > 0 {
            tokio::time::sleep(how.drain).await;
            self.await_traffic().await?;
            if let Some(done) = self.retire(deployment).await? {
                told(&done);
            }
        }
        if seen.slots.green.is_none() {
            let blue = self.see(deployment).await?.slots.blue;
            let blue = blue.ok_or_else(|| self.missing(Color::Blue))?;
            told(&self.copy(&blue, Color::Green).await?);
        }
        Ok(())
    }

    /// Makes the blue Deployment as large as the old one, also where that grows meanwhile, and waits
    /// until all of it is ready. Returns everything as it is then, and the identities of its pods.
    async fn stand_in_for(
        &self,
        mut seen: Seen,
        how: &Adopt,
        told: &(impl Fn(&Done) + Send + Sync),
    ) -> Result<(Seen, Vec<String>)> {
        let (old, name) = (seen.old.name_any(), self.slots.blue.name());
        for _ in 0..ATTEMPTS {
            match &seen.slots.blue {
                None => {
                    let copy = self.slot_of(&seen.old, name, Color::Blue, seen.replicas());
                    self.create(&copy, name).await?;
                    told(&Done::Adopted { deployment: name.to_owned(), from: old.clone() });
                }
                // Another look finds out what has changed in between.
                Some(blue) if seen::replicas(blue) < seen.replicas() => {
                    self.resize(blue, seen.replicas(), Vec::new()).await.or_else(unless_changed)?;
                }
                Some(_) => {}
            }
            let action = format!("wait for the pods of deployment {name}");
            let state = within(how.ready, action, self.slots.blue.await_ready()).await?;
            seen = self.see(&old).await?;
            let blue = seen.slots.blue.as_ref().ok_or_else(|| self.missing(Color::Blue))?;
            if !self.is_copy(&seen.old, blue) {
                // It would take the traffic back to what was before.
                let found = format!(
                    "found that it was changed while {name} got ready, wanted the same pods: {}",
                    self.way_out(&seen)
                );
                return Err(changed(&old, &found));
            }
            if seen.replicas() <= seen::replicas(blue) {
                let pods = state.pods.into_iter().filter(|pod| pod.ready).map(|pod| pod.uid);
                return Ok((seen, pods.collect()));
            }
        }
        Err(changed(&old, &format!("found that it grew faster than {name}, {ATTEMPTS} times")))
    }

    /// Waits until all live Services list every one of these pods: a selector that is narrowed
    /// before that may lead to nobody for a moment.
    async fn await_listed(&self, seen: &Seen, pods: &[String]) -> Result<()> {
        let names: Vec<String> = seen.services.iter().map(|it| it.object.name_any()).collect();
        let query = format!("{SERVICE_NAME} in ({})", names.join(","));
        let config = any(watcher::Config::default().labels(&query));
        let api: Api<EndpointSlice> =
            Api::namespaced(self.client.clone(), &self.settings.namespace);
        let action = format!("watch endpointslices of {}", names.join(", "));
        let mut slices = Watched::new(api, config, action);
        loop {
            let found = slices.changed().await?;
            let lists = |name: &String| Listed::of(found.values(), name).serves_all(pods);
            if names.iter().all(lists) {
                return Ok(());
            }
        }
    }

    /// Waits until the endpoints of all live Services are pods of the blue slot only.
    async fn await_traffic(&self) -> Result<()> {
        let to = Routing::all(Color::Blue);
        let following = self.switch.converge(&to, &EvidenceKind::Endpoints);
        within(FOLLOWS, "wait until traffic follows", following).await.map(drop)
    }

    /// Whether a slot runs what the old Deployment runs.
    fn is_copy(&self, old: &DynamicObject, slot: &DynamicObject) -> bool {
        let copy = self.slot_of(old, &slot.name_any(), Color::Blue, 0);
        copy.data["spec"]["template"] == slot.data["spec"]["template"]
    }

    fn missing(&self, color: Color) -> Error {
        Error::new(ErrorKind::NotFound, format!("read deployment {}", self.slots.of(color).name()))
    }

    async fn see(&self, deployment: &str) -> Result<Seen> {
        let names = Pair::from_fn(|color| self.slots.of(color).name());
        Seen::read(&self.client, &self.settings, deployment, names, &self.services).await
    }
}

/// Nothing where it is changed by somebody else.
fn unless_changed(error: Error) -> Result<()> {
    if error.kind() == ErrorKind::Conflict { Ok(()) } else { Err(error) }
}

async fn within<T>(
    limit: Duration,
    action: impl Into<String>,
    waiting: impl Future<Output = Result<T>>,
) -> Result<T> {
    tokio::time::timeout(limit, waiting).await.unwrap_or_else(|_| {
        let late = format!("it did not come within {} s", limit.as_secs_f64());
        Err(Error::new(ErrorKind::Unavailable, action).with_source(late))
    })
}
