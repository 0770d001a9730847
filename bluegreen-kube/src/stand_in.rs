//! A small stateful stand-in for the API server, for tests without a cluster.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use bluegreen_kube::stand_in::StandIn;
//! use k8s_openapi::api::core::v1::ConfigMap;
//! use kube::Api;
//!
//! let stand_in = StandIn::new();
//! let maps: Api<ConfigMap> = Api::default_namespaced(stand_in.client("agents"));
//! maps.create(&Default::default(), &serde_json::from_value(serde_json::json!({
//!     "metadata": { "name": "prompts" },
//! }))?).await?;
//! assert_eq!(stand_in.count("create", "configmaps"), 1);
//! # Ok(())
//! # }
//! ```
//!
//! It answers as the real server of version 1.37 did when it was asked the same, down to the
//! `details` of a refusal: resource versions, conflicts, the patches with their `test`, dry
//! runs, `/scale`, `/status`, watches, `managedFields`, defaults, and 422 for what is evidently
//! wrong. Its controllers make `ReplicaSet`s, pods and endpoint slices. They have done all they
//! can before a request is answered, so nothing has to be waited for that no test asked for.
//!
//! # What it does not do
//! * Server-side apply, port-forward, exec, eviction, discovery and `OpenAPI`.
//! * Unknown fields of custom resources are kept. Nothing of them is checked, but for evident
//!   mistakes in [routes](StandIn::add_gateway_api) of the Gateway API.
//! * Only evident mistakes are refused. Quotas are kept, not enforced; autoscalers don't scale.
//! * A later page of a list shows what is there then, not what was there at the first.
//! * At most 250 pods are made for the sizes of a namespace, whatever those are.
//! * `minReadySeconds` counts as zero, and a rollout that is resized in its middle is not
//!   resized in proportion. A progress deadline counts from the change, not from the last
//!   progress.
//! * All deletes are in the background; `Orphan` and `Foreground` are not told apart.
//! * Jobs run one pod, once, and end as a test [says](StandIn::jobs_end); only pods of these have
//!   logs. `CronJob`s start nothing.
//! * Slices are of IPv4 only, there is one node, and `stringData` stays what it is.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kube::Client;
use tokio::sync::watch as channel;
use tokio::task::JoinSet;

use self::pods::Timer;
use self::state::State;

mod call;
mod defaults;
mod delete;
mod endpoints;
mod faults;
mod gateway;
mod hooks;
mod ingress;
mod jobs;
mod json;
mod managed;
mod patch;
mod pod_status;
mod pods;
mod read;
mod replica_sets;
mod resource;
mod rights;
mod rollout;
mod rollout_status;
mod selector;
mod serve;
mod state;
mod status;
mod store;
mod strategic;
mod validate;
mod watch;
mod write;

pub use self::faults::{Failure, Fault};
pub use self::jobs::JobEnd;
pub use self::pods::Startup;
pub use self::rights::Denial;

/// The stand-in. Clones are the same server.
///
/// It lives as long as it or a client of it does.
#[derive(Clone)]
pub struct StandIn {
    shared: Arc<Shared>,
}

/// A controller that can be [paused](StandIn::pause).
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Controller {
    /// Deployments, `ReplicaSet`s and pods.
    Workloads,
    /// Endpoint slices.
    Endpoints,
    /// What a gateway says of its routes.
    Gateways,
}

impl StandIn {
    /// A server with one node and no namespaces.
    pub fn new() -> Self {
        Self {
            shared: Arc::new(Shared {
                state: Mutex::new(State::new()),
                news: channel::Sender::new(0),
                timers: Mutex::new(JoinSet::new()),
            }),
        }
    }

    /// A client that may do everything. The namespace is made when it is missing.
    ///
    /// # Panics
    /// Outside a tokio runtime: kube's client starts a task.
    pub fn client(&self, namespace: &str) -> Client {
        self.client_as("admin", namespace)
    }

    /// A client of a user, who may do what is not [denied](Self::deny).
    ///
    /// # Panics
    /// Outside a tokio runtime: kube's client starts a task.
    pub fn client_as(&self, user: &str, namespace: &str) -> Client {
        self.add_namespace(namespace);
        let door = serve::Door::new(Arc::clone(&self.shared), user);
        Client::new(door, namespace)
    }
}

impl Default for StandIn {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for StandIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = self.shared.look(|state| state.store.version());
        f.debug_struct("StandIn").field("version", &version).finish_non_exhaustive()
    }
}

/// What the clients of one server share.
struct Shared {
    state: Mutex<State>,
    /// The version of the newest change.
    news: channel::Sender<u64>,
    timers: Mutex<JoinSet<()>>,
}

impl Shared {
    /// Reads, or changes what no watch shows.
    fn look<R>(&self, look: impl FnOnce(&mut State) -> R) -> R {
        look(&mut lock(&self.state))
    }

    /// Changes something, and lets the controllers answer to it.
    fn change<R>(self: &Arc<Self>, change: impl FnOnce(&mut State) -> R) -> R {
        let mut state = lock(&self.state);
        let result = change(&mut state);
        state.settle();
        let due = std::mem::take(&mut state.due);
        self.news.send_replace(state.store.version());
        drop(state);
        for (after, timer) in due {
            self.set(after, timer);
        }
        result
    }

    /// Sets a timer. It ends with the server.
    fn set(self: &Arc<Self>, after: std::time::Duration, timer: Timer) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let shared = Arc::downgrade(self);
        let mut timers = lock(&self.timers);
        while timers.try_join_next().is_some() {}
        timers.spawn_on(
            async move {
                tokio::time::sleep(after).await;
                if let Some(shared) = shared.upgrade() {
                    shared.change(|state| pods::fire(state, &timer));
                }
            },
            &runtime,
        );
    }

    fn news(&self) -> channel::Receiver<u64> {
        self.news.subscribe()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
