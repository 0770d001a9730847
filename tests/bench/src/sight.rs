//! What happens, seen by a watch that has nothing to do with what is measured.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bluegreen_tests::{Agent, SERVICE};
use futures_util::TryStreamExt as _;
use k8s_openapi::api::core::v1::{Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::ResourceExt as _;
use kube::runtime::{WatchStreamExt as _, watcher};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// When pods became ready, the selector changed, and the endpoints did.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// The creation (as seen) of each pod that runs a version, by name.
    pub(crate) created: Vec<(String, String, Instant)>,
    /// When each of them was first seen ready.
    pub(crate) ready: Vec<(String, String, Instant)>,
    /// Each selector's slot, and when it was seen.
    pub(crate) selected: Vec<(String, Instant)>,
    /// The slots that the live Service's endpoints were of, and when that was seen.
    pub(crate) listed: Vec<(BTreeSet<String>, Instant)>,
}

/// Watches an agent until it is dropped.
pub(crate) struct Sight {
    seen: Arc<Mutex<Seen>>,
    news: watch::Receiver<()>,
    _watching: JoinSet<()>,
}

impl Sight {
    pub(crate) fn start(agent: &Agent) -> Self {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let (tell, news) = watch::channel(());
        let tell = Arc::new(tell);
        let mut watching = JoinSet::new();
        let (pods, kept, told) = (agent.api::<Pod>(), seen.clone(), tell.clone());
        watching.spawn(async move {
            let mut stream = Box::pin(
                watcher(pods, watcher::Config::default()).default_backoff().applied_objects(),
            );
            while let Ok(Some(pod)) = stream.try_next().await {
                pod_seen(&mut kept.lock().unwrap(), &pod);
                told.send_replace(());
            }
        });
        let (slices, kept, told) = (agent.api::<EndpointSlice>(), seen.clone(), tell.clone());
        watching.spawn(async move {
            let query = format!("kubernetes.io/service-name={SERVICE}");
            let config = watcher::Config::default().labels(&query);
            let mut stream = Box::pin(watcher(slices, config).default_backoff().applied_objects());
            while let Ok(Some(slice)) = stream.try_next().await {
                let mut seen = kept.lock().unwrap();
                seen.listed.push((slots_of(&slice), Instant::now()));
                drop(seen);
                told.send_replace(());
            }
        });
        let (services, kept) = (agent.api::<Service>(), seen.clone());
        watching.spawn(async move {
            let config = watcher::Config::default().fields(&format!("metadata.name={SERVICE}"));
            let mut stream =
                Box::pin(watcher(services, config).default_backoff().applied_objects());
            while let Ok(Some(service)) = stream.try_next().await {
                let selector = service.spec.and_then(|spec| spec.selector).unwrap_or_default();
                let slot = selector.get("slot").cloned().unwrap_or_default();
                let mut seen = kept.lock().unwrap();
                if seen.selected.last().is_none_or(|(last, _)| *last != slot) {
                    seen.selected.push((slot, Instant::now()));
                }
                drop(seen);
                tell.send_replace(());
            }
        });
        Self { seen, news, _watching: watching }
    }

    /// Returns what `find` finds, once it does.
    pub(crate) async fn until<T>(&self, find: impl Fn(&Seen) -> Option<T>) -> T {
        let mut news = self.news.clone();
        let waiting = async {
            loop {
                news.borrow_and_update();
                if let Some(found) = find(&self.seen.lock().unwrap()) {
                    return found;
                }
                news.changed().await.unwrap();
            }
        };
        tokio::time::timeout(Duration::from_mins(2), waiting).await.expect("within two minutes")
    }

    /// When the last of three pods of this version, created after `since`, became ready; and
    /// when the first of them was created.
    pub(crate) async fn three_ready(&self, version: &str, since: Instant) -> (Instant, Instant) {
        self.three(since, |_, of| of == version).await
    }

    /// The same of the pods of a slot, whatever they run.
    pub(crate) async fn three_ready_of(&self, slot: &str, since: Instant) -> (Instant, Instant) {
        let prefix = format!("agent-{slot}-");
        self.three(since, |name, _| name.starts_with(&prefix)).await
    }

    async fn three(
        &self,
        since: Instant,
        is_meant: impl Fn(&str, &str) -> bool,
    ) -> (Instant, Instant) {
        self.until(|seen| {
            let new = |list: &[(String, String, Instant)]| -> Vec<Instant> {
                let of = list.iter().filter(|(name, of, at)| is_meant(name, of) && *at >= since);
                of.map(|(_, _, at)| *at).collect()
            };
            let (created, ready) = (new(&seen.created), new(&seen.ready));
            if ready.len() < 3 {
                return None;
            }
            Some((*created.iter().min()?, *ready.iter().max()?))
        })
        .await
    }

    /// When the endpoints were first only this slot's, after `since`. Three pods fit into one slice.
    pub(crate) async fn only(&self, slot: &str, since: Instant) -> Instant {
        self.until(|seen| {
            let is_only = |of: &BTreeSet<String>| of.len() == 1 && of.contains(slot);
            let mut all = seen.listed.iter();
            all.find(|(of, at)| is_only(of) && *at >= since).map(|(_, at)| *at)
        })
        .await
    }

    /// When this slot was selected, after `since`.
    pub(crate) async fn selected(&self, slot: &str, since: Instant) -> Instant {
        self.until(|seen| {
            let mut all = seen.selected.iter();
            all.find(|(of, at)| of == slot && *at >= since).map(|(_, at)| *at)
        })
        .await
    }
}

fn pod_seen(seen: &mut Seen, pod: &Pod) {
    let now = Instant::now();
    let (name, version) = (pod.name_any(), pod.labels().get("version").cloned());
    let version = version.unwrap_or_default();
    if !seen.created.iter().any(|(known, ..)| *known == name) {
        seen.created.push((name.clone(), version.clone(), now));
    }
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    let is_ready = conditions
        .is_some_and(|all| all.iter().any(|one| one.type_ == "Ready" && one.status == "True"));
    if is_ready && !seen.ready.iter().any(|(known, ..)| *known == name) {
        seen.ready.push((name, version, now));
    }
}

/// The slots of the pods that a slice lists, by the names of their Deployments.
fn slots_of(slice: &EndpointSlice) -> BTreeSet<String> {
    let pods =
        slice.endpoints.iter().flatten().filter_map(|one| one.target_ref.as_ref()?.name.clone());
    pods.filter_map(|name| name.split('-').nth(1).map(str::to_owned)).collect()
}
