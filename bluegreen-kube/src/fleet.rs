//! Many agents that one process drives.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bluegreen_core::{HolderId, Liveness, Result, Throttle};
use futures_util::future::join_all;
use kube::Client;

use crate::cluster::{ClusterBuilder, unique_holder};
use crate::rights::Rules;
use crate::watching::{Registry, Watches};
use crate::{Cluster, LeaseLiveness, Settings};

/// For how long a shared watch that says nothing is believed at most: it finds out by itself within
/// two and a half minutes that its connection is dead.
const TRUST: Duration = Duration::from_hours(2);

/// Many agents that one process drives over one client: a thousand releases that wait cost the API
/// server hardly more than one.
///
/// * **Watches** are shared: one of each kind and namespace. Each brings what all releases of the
///   namespace wait for, and keeps it as JSON without `managedFields`.
/// * **Leases** are shared: one for each namespace with agents of the fleet, renewed about every five
///   seconds whatever number of releases is driven.
/// * What may be done in a namespace is asked once for releases that begin together.
/// * How much goes on at a time is limited for all together, by a [`Throttle`]; a rollback waits for nobody.
///
/// A fleet needs no other rights than its agents do: all of them have `list` and `watch` in their namespace.
/// A release goes as it does without one. Before its traffic moves it reads and watches for itself, because
/// there every millisecond counts; from then on it waits on the shared watches.
///
/// The memory of a fleet grows with what its namespaces hold: all Deployments, Services, and the
/// `ReplicaSet`s and pods that carry the slot label, some three kilobytes each.
///
/// ```no_run
/// # async fn example(client: kube::Client) -> Result<(), Box<dyn std::error::Error>> {
/// use bluegreen_core::{Change, Plan};
/// use bluegreen_kube::Fleet;
///
/// let fleet = Fleet::new(client);
/// let (search, support) = (
///     fleet.cluster("ai-agents", "search").connect().await?,
///     fleet.cluster("ai-agents", "support").connect().await?,
/// );
/// let change = |agent| Change::image("agent", format!("registry.example.com/{agent}:1.3.0"));
/// let plan = Plan::all_at_once();
/// let (search, support) = (search.releaser(), support.releaser());
/// tokio::join!(search.run(change("search"), &plan), support.run(change("support"), &plan));
/// fleet.resign().await?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Fleet {
    client: Client,
    holder: HolderId,
    time_to_live: Option<Duration>,
    seed: u64,
    throttle: Throttle,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    registry: Arc<Registry>,
    /// By namespace and the name of our own annotation.
    /// By namespace: in each there can be only one of this process's name.
    leases: Mutex<BTreeMap<String, Arc<LeaseLiveness>>>,
    /// By namespace.
    rules: Mutex<BTreeMap<String, Rules>>,
}

impl Fleet {
    /// A fleet without agents, whose process calls itself `<host>-<pid>-<milliseconds>`.
    pub fn new(client: Client) -> Self {
        let holder = unique_holder();
        let seed = seed_of(&holder);
        let (throttle, shared) = (Throttle::new(), Arc::new(Shared::of(seed)));
        Self { client, holder, time_to_live: None, seed, throttle, shared }
    }

    /// What this process calls itself, unique for each start of it. For a fleet that has no agents
    /// yet: those that it has share nothing with it any more.
    #[must_use]
    pub fn with_holder(mut self, holder: impl Into<HolderId>) -> Self {
        self.holder = holder.into();
        self.shared = Arc::new(Shared::of(self.seed));
        self
    }

    /// For how long a renewal of the leases is good: see [`LeaseLiveness::with_time_to_live`]. For a
    /// fleet that has no agents yet.
    #[must_use]
    pub fn with_time_to_live(mut self, time_to_live: Duration) -> Self {
        self.time_to_live = Some(time_to_live);
        self.shared = Arc::new(Shared::of(self.seed));
        self
    }

    /// What decides when which watch comes back after an outage, so that they do not come back
    /// together; made from the name of the process unless said otherwise. For a fleet that has no agents yet.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self.shared = Arc::new(Shared::of(seed));
        self
    }

    /// With other limits of how much goes on at a time. For a fleet that has no agents yet.
    #[must_use]
    pub fn with_throttle(mut self, throttle: Throttle) -> Self {
        self.throttle = throttle;
        self
    }

    /// An agent of this fleet, named after its live Service. It is to be [connected
    /// to](ClusterBuilder::connect), within a tokio runtime that lives as long as the fleet.
    pub fn cluster(
        &self,
        namespace: impl Into<String>,
        service: impl Into<String>,
    ) -> ClusterBuilder {
        Cluster::builder(self.client.clone(), namespace, service).of_fleet(self.clone())
    }

    /// What this process calls itself.
    pub fn holder(&self) -> &HolderId {
        &self.holder
    }

    /// Gives all leases back, so that others need not wait for them to lapse. For the end of the
    /// process: releases that go on renew them again.
    ///
    /// # Errors
    /// That of the first lease that could not be given back; all are tried.
    pub async fn resign(&self) -> Result<()> {
        let leases: Vec<_> = lock(&self.shared.leases).values().cloned().collect();
        join_all(leases.iter().map(|lease| lease.resign())).await.into_iter().collect()
    }

    pub(crate) fn watches(&self) -> Watches {
        Watches::of(Arc::clone(&self.shared.registry))
    }

    pub(crate) fn rules(&self, namespace: &str) -> Rules {
        lock(&self.shared.rules).entry(namespace.to_owned()).or_default().clone()
    }

    /// The lease of this process in the namespace of `settings`.
    pub(crate) fn liveness(&self, settings: &Settings) -> Arc<dyn Liveness> {
        let key = settings.namespace.clone();
        let make = || {
            let (client, rules) = (self.client.clone(), self.rules(&settings.namespace));
            let lease = LeaseLiveness::new(client, settings.clone(), self.holder.clone());
            let lease = lease.sharing(&rules);
            Arc::new(match self.time_to_live {
                Some(time_to_live) => lease.with_time_to_live(time_to_live),
                None => lease,
            })
        };
        Arc::clone(lock(&self.shared.leases).entry(key).or_insert_with(make)) as _
    }

    pub(crate) fn throttle(&self) -> Throttle {
        self.throttle.clone()
    }

    /// For how long the watches of this agent are believed: not the same time for all, or those that
    /// began together would read together for ever.
    pub(crate) fn trust(&self, settings: &Settings) -> Duration {
        let mut hasher = DefaultHasher::new();
        (self.seed, &settings.namespace, settings.agent.as_str()).hash(&mut hasher);
        let step = u32::try_from(hasher.finish() % 1_000).unwrap_or_default();
        TRUST / 2 + TRUST / 2 * step / 1_000
    }
}

impl Shared {
    fn of(seed: u64) -> Self {
        Self { registry: Arc::new(Registry::new(seed)), ..Self::default() }
    }
}

fn seed_of(holder: &HolderId) -> u64 {
    let mut hasher = DefaultHasher::new();
    holder.as_str().hash(&mut hasher);
    hasher.finish()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every change of these maps is one insertion.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Fleet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fleet").field("holder", &self.holder).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
