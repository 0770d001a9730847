//! HTTP to the pods of one slot, whatever share of traffic it has.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use bluegreen_core::{AgentClient, AnswerBody, Error, ErrorKind, PodRef, Problem, Result, Target};
use bytes::Bytes;
use http::{Request, Response};
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::{Api, Client};

use crate::Settings;
use crate::error::read;
use crate::rights::{Right, Rules};

mod body;
mod found;
mod pool;
mod request;
mod route;

#[cfg(test)]
mod tests;

pub(crate) use found::is_ready;
use found::{Found, Known};
use pool::Pool;
pub use route::Route;

/// Talks to the pods of one slot.
///
/// Each request goes over a connection of its own unless [`pooled`](Self::pooled) says otherwise:
/// one that was opened before a switch still leads to where it led then, and a validator wants
/// to know of now. Requests carry no deadline of their own; the caller bounds them.
///
/// A request opens connections, so what a connection costs is what it costs. kube's own client
/// leaves Nagle's algorithm on, and each new TLS connection then waits 40 ms for a delayed
/// acknowledgement: build it on a connector with `set_nodelay(true)`.
///
/// Needs the verb `list` on `pods`, and `get` and `create` on `pods/portforward` for
/// [`Route::PortForward`].
#[derive(Clone)]
pub struct PodClient {
    client: Client,
    api: Api<Pod>,
    settings: Settings,
    /// The label selector of the slot's pods.
    selector: String,
    route: Route,
    port: Option<u16>,
    known: Arc<Known>,
    looking: Arc<tokio::sync::Mutex<()>>,
    pool: Option<Arc<Pool>>,
    turn: Arc<AtomicUsize>,
    rules: Rules,
}

impl PodClient {
    /// A client of the pods that `selector` finds (`app=agent,slot=green`), through the API
    /// server.
    pub fn new(client: Client, settings: Settings, selector: impl Into<String>) -> Self {
        Self {
            api: Api::namespaced(client.clone(), &settings.namespace),
            client,
            settings,
            selector: selector.into(),
            route: Route::PortForward,
            port: None,
            known: Arc::default(),
            looking: Arc::default(),
            pool: None,
            turn: Arc::default(),
            rules: Rules::default(),
        }
    }

    /// The way that connections take.
    #[must_use]
    pub fn with_route(mut self, route: Route) -> Self {
        self.route = route;
        self
    }

    /// The port that the agent listens on; the first TCP port that a pod declares unless said
    /// otherwise.
    #[must_use]
    pub fn with_port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// Keeps connections for the next request to the same pod. For load, not for judging.
    #[must_use]
    pub fn pooled(mut self) -> Self {
        self.pool = Some(Arc::default());
        self
    }

    /// The rights that requests need and this process lacks.
    pub async fn check(&self) -> Result<Vec<Problem>> {
        self.rules.missing(&self.client, &self.settings, &self.needed()).await
    }

    pub(crate) fn needed(&self) -> Vec<Right> {
        let mut needed = vec![Right::new("list", "", "pods")];
        if self.route == Route::PortForward {
            // Older API servers ask for the first of the two, newer ones for both.
            needed.extend(
                ["get", "create"].map(|verb| Right::new(verb, "", "pods").of_part("portforward")),
            );
        }
        needed
    }

    /// The slot's pods, as fresh as `params` ask for.
    async fn list(&self, params: ListParams) -> Result<Vec<Found>> {
        let params = params.labels(&self.selector);
        let action = format!("list pods {} in {}", self.selector, self.settings.namespace);
        let pods = read(self.settings.call, action, self.api.list(&params)).await?;
        let mut found: Vec<Found> = pods.items.iter().filter_map(Found::read).collect();
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }

    /// All of the slot's pods, as they are now.
    async fn list_all(&self) -> Result<Vec<Found>> {
        let found = self.list(ListParams::default()).await?;
        self.known.replace(&found);
        Ok(found)
    }

    /// One pod. Where it is never changes, so the server's cache will do if the pod is in it: that
    /// takes a millisecond or two, where the latest list takes up to a hundred.
    async fn look_up(&self, pod: &PodRef) -> Result<Option<Found>> {
        // Requests to several pods begin together, and one list is for all of them.
        let _one_at_a_time = self.looking.lock().await;
        if let Some(found) = self.known.get(&pod.uid) {
            return Ok(Some(found));
        }
        self.known.add(&self.list(ListParams::default().match_any()).await?);
        if let Some(found) = self.known.get(&pod.uid) {
            return Ok(Some(found));
        }
        let named = ListParams::default().fields(&format!("metadata.name={}", pod.name));
        self.known.add(&self.list(named).await?);
        Ok(self.known.get(&pod.uid))
    }

    async fn find(&self, target: &Target) -> Result<Found> {
        match target {
            Target::Any => self.any().await,
            Target::Pod(pod) => {
                if let Some(found) = self.known.get(&pod.uid) {
                    return Ok(found);
                }
                self.look_up(pod).await?.ok_or_else(|| {
                    let reason =
                        format!("no pod of {} has its identity {}", self.selector, pod.uid);
                    Error::new(ErrorKind::NotFound, self.action(&pod.name)).with_source(reason)
                })
            }
            _ => Err(Error::new(ErrorKind::Rejected, self.action("of another kind of target"))
                .with_source("this client does not know it")),
        }
    }

    /// The ready pods in turns.
    async fn any(&self) -> Result<Found> {
        let mut ready = match self.known.all() {
            Some(known) => known,
            None => self.list_all().await?,
        };
        ready.retain(|pod| pod.is_ready);
        if ready.is_empty() {
            let action = format!("send to {} in {}", self.selector, self.settings.namespace);
            return Err(
                Error::new(ErrorKind::Unavailable, action).with_source("no pod of it is ready")
            );
        }
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % ready.len();
        Ok(ready.swap_remove(turn))
    }

    fn action(&self, pod: &str) -> String {
        format!("send to pod {}/{pod}", self.settings.namespace)
    }
}

#[async_trait]
impl AgentClient for PodClient {
    async fn pods(&self) -> Result<Vec<PodRef>> {
        let found = self.list_all().await?;
        let ready = found.into_iter().filter(|pod| pod.is_ready);
        Ok(ready.map(|pod| PodRef::new(pod.name, pod.uid)).collect())
    }

    async fn send(&self, to: &Target, request: Request<Bytes>) -> Result<Response<AnswerBody>> {
        let pod = self.find(to).await?;
        let done = self.send_to(&pod, request).await;
        if done.is_err() {
            // It may be gone, or somewhere else by now: look before the next request.
            self.known.forget(&pod.uid);
        }
        done
    }
}

impl fmt::Debug for PodClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PodClient")
            .field("namespace", &self.settings.namespace)
            .field("selector", &self.selector)
            .field("route", &self.route)
            .finish_non_exhaustive()
    }
}
