//! A queue from which workers pull, and the way on which they hear who has the right to.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, Client};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use crate::Access;
use crate::agent::soon;

/// The ConfigMap with the right to pull.
pub const QUEUE: &str = "agent-queue";
/// How often an item is put into the queue.
const PACE: Duration = Duration::from_millis(25);

/// Items, each of which is given away once. At `/right` it reads the slot that may pull from the API
/// server, anew each time, as a proxy beside each worker does that has the account of the workers.
#[derive(Debug)]
pub struct Queue {
    shared: Arc<Shared>,
    address: SocketAddr,
    _task: JoinSet<()>,
}

#[derive(Default)]
struct Shared {
    items: Mutex<Items>,
    /// How many items there were, and how many of them are done.
    counts: watch::Sender<(u64, u64)>,
    maps: OnceLock<Api<ConfigMap>>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("counts", &*self.counts.borrow()).finish_non_exhaustive()
    }
}

#[derive(Debug, Default)]
struct Items {
    waiting: VecDeque<u64>,
    /// How many each version took.
    taken: BTreeMap<String, u64>,
    /// The versions that did each item.
    done: BTreeMap<u64, Vec<String>>,
}

impl Queue {
    /// An empty one, which pods of this cluster can reach.
    pub async fn start(access: &Access) -> Self {
        let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let address = SocketAddr::new(crate::metrics::seen_from(access), port);
        let shared = Arc::<Shared>::default();
        let mut task = JoinSet::new();
        task.spawn(serve(listener, shared.clone()));
        Self { shared, address, _task: task }
    }

    /// Where workers reach it.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on `/right` says what a client with this account reads in the ConfigMap.
    pub fn right_from(&self, client: Client, namespace: &str) {
        self.shared.maps.set(Api::namespaced(client, namespace)).expect("it is said once");
    }

    /// Puts items into it without a pause, until what is returned is dropped.
    pub fn feed(&self) -> JoinSet<()> {
        let shared = self.shared.clone();
        let mut feeding = JoinSet::new();
        feeding.spawn(async move {
            let mut pace = interval(PACE);
            pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                pace.tick().await;
                shared.counts.send_modify(|(all, _)| {
                    *all += 1;
                    shared.items().waiting.push_back(*all);
                });
            }
        });
        feeding
    }

    /// How many items a version took.
    pub fn taken_by(&self, version: &str) -> u64 {
        self.tally()(version)
    }

    /// The same, to be asked by somebody else.
    pub fn tally(&self) -> impl Fn(&str) -> u64 + Send + Sync + use<> {
        let shared = self.shared.clone();
        move |version| shared.items().taken.get(version).copied().unwrap_or_default()
    }

    /// Returns once so many more items are done.
    pub async fn goes_on(&self, more: u64) {
        let mut counts = self.shared.counts.subscribe();
        let wanted = counts.borrow().1 + more;
        soon("more work", counts.wait_for(|(_, done)| *done >= wanted)).await.unwrap();
    }

    /// Returns once nothing is left to be done. How many versions did an item more than once, and how
    /// many items there were.
    pub async fn drained(&self) -> (Vec<u64>, u64) {
        let mut counts = self.shared.counts.subscribe();
        soon("the end of all work", counts.wait_for(|(all, done)| all == done)).await.unwrap();
        let items = self.shared.items();
        let often = items.done.iter().filter(|(_, by)| by.len() != 1).map(|(item, _)| *item);
        (often.collect(), items.done.len() as u64)
    }
}

impl Shared {
    fn items(&self) -> MutexGuard<'_, Items> {
        self.items.lock().unwrap()
    }

    fn take(&self, version: &str) -> Option<String> {
        let mut items = self.items();
        let item = items.waiting.pop_front()?;
        *items.taken.entry(version.to_owned()).or_default() += 1;
        Some(item.to_string())
    }

    /// What is done twice counts once: it is found out at the end.
    fn done(&self, item: u64, version: &str) {
        let mut items = self.items();
        items.done.entry(item).or_default().push(version.to_owned());
        let done = items.done.len() as u64;
        drop(items);
        self.counts.send_modify(|counts| counts.1 = done);
    }

    async fn right(&self) -> Option<String> {
        let map = self.maps.get()?.get(QUEUE).await.ok()?;
        map.data?.remove("pull")
    }

    async fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        let query = request.uri().query().unwrap_or_default();
        let of = |name: &str| {
            let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
        };
        let version = of("version").unwrap_or_default();
        let (status, body) = match request.uri().path() {
            "/right" => match self.right().await {
                Some(slot) => (StatusCode::OK, slot),
                None => (StatusCode::SERVICE_UNAVAILABLE, String::new()),
            },
            "/take" => match self.take(version) {
                Some(item) => (StatusCode::OK, item),
                None => (StatusCode::NO_CONTENT, String::new()),
            },
            "/done" => {
                self.done(of("item").unwrap().parse().unwrap(), version);
                (StatusCode::OK, String::new())
            }
            _ => (StatusCode::NOT_FOUND, String::new()),
        };
        Response::builder().status(status).body(Full::from(body)).unwrap()
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let shared = shared.clone();
        connections.spawn(async move {
            let service = service_fn(move |request: Request<Incoming>| {
                let shared = shared.clone();
                async move { Ok::<_, Infallible>(shared.answer(&request).await) }
            });
            // A worker that goes away in the middle asks again.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
        while connections.try_join_next().is_some() {}
    }
}
