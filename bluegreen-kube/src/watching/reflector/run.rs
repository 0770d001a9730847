//! The task that keeps a shared watch going.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bluegreen_core::{ErrorKind, Result};
use futures_util::StreamExt as _;
use kube::Api;
use kube::api::{ListParams, WatchEvent, WatchParams};
use tokio::time::{Instant, timeout};

use super::cache::{Cache, Entry};
use super::{Broken, Kind, Scope, lock, number};
use crate::error::{Access, during};
use crate::watching::streamed::{COMPLETE, LASTS};

/// A watch on which not even a bookmark has come for so long is dead: the server sends one about
/// every minute.
const SILENCE: Duration = Duration::from_secs(150);
/// How long a call may take that is not the watch itself.
const CALL: Duration = Duration::from_secs(30);
/// The first pause after a failure, doubled each time up to [`LONGEST`].
const SHORTEST: Duration = Duration::from_millis(50);
/// The longest pause after a failure.
const LONGEST: Duration = Duration::from_secs(5);
/// After failures for so long those who wait are told, as by a watch of their own.
const PATIENCE: Duration = Duration::from_secs(6);

/// Watches until it is aborted.
pub(super) async fn run<K: Kind>(
    api: Api<K>,
    scope: Scope<K>,
    seed: u64,
    cache: Arc<Mutex<Cache>>,
) {
    let mut task = Task { api, scope, seed, cache, from: None, failures: 0, since: None, turn: 0 };
    loop {
        let begun = Instant::now();
        match task.watch().await {
            Err(error) => {
                let pause = task.failed(&error);
                tracing::debug!(error = error.chain(), ?pause, "a shared watch broke");
                tokio::time::sleep(pause).await;
            }
            // What has ended in good order is gone on with at once, unless that is all it does.
            Ok(End::Over) if begun.elapsed() < LONGEST => {
                tokio::time::sleep(task.spread(LONGEST)).await;
            }
            Ok(_) => {}
        }
    }
}

/// How a watch has ended well.
enum End {
    /// All was listed instead, and is to be watched now.
    Listed,
    /// Its time was over.
    Over,
}

struct Task<K> {
    api: Api<K>,
    scope: Scope<K>,
    seed: u64,
    cache: Arc<Mutex<Cache>>,
    /// From which resource version to go on; from what there is, if from none.
    from: Option<String>,
    failures: u32,
    /// Since when it fails.
    since: Option<Instant>,
    turn: u64,
}

impl<K: Kind> Task<K> {
    /// One watch, from its beginning to its end.
    async fn watch(&mut self) -> Result<End> {
        let is_first = self.from.is_none();
        let lasts = self.spread(Duration::from_secs(LASTS.into()));
        let params = WatchParams {
            label_selector: self.selector(),
            timeout: u32::try_from(lasts.as_secs()).ok(),
            bookmarks: true,
            send_initial_events: is_first,
            ..WatchParams::default()
        };
        let from = self.from.clone().unwrap_or_default();
        let begun = timeout(CALL, self.api.watch(&params, &from)).await;
        let source = match begun {
            Ok(Ok(source)) => source,
            // What a server says that has no streaming lists, or that has them switched off.
            Ok(Err(kube::Error::Api(status))) if is_first && status.code == 422 => {
                return self.list().await;
            }
            Ok(Err(error)) => {
                // From where it was it can't go on, as is mostly told by an event.
                if matches!(&error, kube::Error::Api(status) if matches!(status.code, 400 | 410)) {
                    self.from = None;
                }
                return Err(self.in_core(error));
            }
            Err(_) => return Err(self.no_answer()),
        };
        self.follow(source.boxed(), is_first).await
    }

    /// Takes in what comes until the watch ends. `is_listing` while all that there is comes first.
    async fn follow(
        &mut self,
        mut source: futures_util::stream::BoxStream<'static, kube::Result<WatchEvent<K>>>,
        mut is_listing: bool,
    ) -> Result<End> {
        let mut listing = BTreeMap::new();
        if !is_listing {
            // Whether it goes on, its first event says.
            lock(&self.cache).set_broken(None);
        }
        loop {
            let Ok(next) = timeout(SILENCE, source.next()).await else {
                if is_listing {
                    return Err(self.no_answer());
                }
                // All is listed anew, over another connection if this one is dead: a server that was put
                // back to what it was before has nothing to say from here on.
                self.from = None;
                return Ok(End::Over);
            };
            let event = match next {
                None if is_listing => return Err(self.no_answer()),
                None => return Ok(End::Over),
                Some(Err(error)) => return Err(self.in_core(error)),
                Some(Ok(event)) => event,
            };
            if !is_listing && !matches!(event, WatchEvent::Error(_)) {
                self.works();
            }
            match event {
                WatchEvent::Added(object) | WatchEvent::Modified(object) => {
                    let version = object.meta().resource_version.clone();
                    let Some((name, entry)) = Entry::of(object, &self.scope) else { continue };
                    if is_listing {
                        listing.insert(name, entry);
                    } else {
                        lock(&self.cache).put(name, entry, number(version.as_deref()));
                        self.from = version;
                    }
                }
                WatchEvent::Deleted(object) if is_listing => {
                    listing.remove(object.meta().name.as_deref().unwrap_or_default());
                }
                WatchEvent::Deleted(object) => {
                    let version = object.meta().resource_version.clone();
                    let name = object.meta().name.clone().unwrap_or_default();
                    lock(&self.cache).remove(&name, number(version.as_deref()));
                    self.from = version;
                }
                WatchEvent::Bookmark(mark) => {
                    let version = mark.metadata.resource_version;
                    let reached = number(Some(&version));
                    if is_listing && mark.metadata.annotations.contains_key(COMPLETE) {
                        is_listing = false;
                        lock(&self.cache).replace(std::mem::take(&mut listing), reached);
                        self.works();
                    }
                    if !is_listing {
                        lock(&self.cache).come_to(reached);
                        self.from = Some(version);
                    }
                }
                WatchEvent::Error(status) => {
                    // Too old a version: all is listed anew.
                    self.from = None;
                    return Err(self.in_core(kube::Error::Api(status.boxed())));
                }
            }
        }
    }

    /// Lists all where a watch cannot begin with that. The next watch goes on from there.
    async fn list(&mut self) -> Result<End> {
        let labels = self.selector();
        let params = ListParams { label_selector: labels, ..ListParams::default() };
        let found = match timeout(CALL, self.api.list(&params)).await {
            Ok(Ok(found)) => found,
            Ok(Err(error)) => return Err(self.in_core(error)),
            Err(_) => return Err(self.no_answer()),
        };
        let version = found.metadata.resource_version;
        let entries = found.items.into_iter().filter_map(|object| Entry::of(object, &self.scope));
        lock(&self.cache).replace(entries.collect(), number(version.as_deref()));
        self.from = version;
        self.works();
        Ok(End::Listed)
    }

    fn works(&mut self) {
        (self.failures, self.since) = (0, None);
        lock(&self.cache).set_broken(None);
    }

    /// Tells those who wait, if it is time for that. How long to pause.
    fn failed(&mut self, error: &bluegreen_core::Error) -> Duration {
        let since = *self.since.get_or_insert_with(Instant::now);
        // A server that has just started does not know yet who may do what.
        let is_refused = error.kind() == ErrorKind::Rejected && self.failures == 0;
        if is_refused || since.elapsed() >= PATIENCE {
            lock(&self.cache).set_broken(Some(Broken::new(error)));
        }
        let pause = SHORTEST.saturating_mul(1 << self.failures.min(7)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        self.spread(pause)
    }

    /// Between three quarters of a time and all of it: many watches are cut off by the same outage,
    /// and must neither come back nor end together.
    fn spread(&mut self, whole: Duration) -> Duration {
        self.turn += 1;
        let mut hasher = DefaultHasher::new();
        (self.seed, self.turn).hash(&mut hasher);
        let step = u32::try_from(hasher.finish() % 1_000).unwrap_or_default();
        whole * 3 / 4 + whole / 4 * step / 1_000
    }

    fn selector(&self) -> Option<String> {
        (!self.scope.labels.is_empty()).then(|| self.scope.labels.clone())
    }

    fn action(&self) -> String {
        format!("watch {}", self.api.resource_url())
    }

    fn in_core(&self, error: kube::Error) -> bluegreen_core::Error {
        during(Access::Read, self.action())(error)
    }

    fn no_answer(&self) -> bluegreen_core::Error {
        bluegreen_core::Error::new(ErrorKind::Unavailable, self.action())
            .with_source("the watch did not begin")
    }
}
