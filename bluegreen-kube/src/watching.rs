//! Objects that are listed once and then watched, so that a wait sees every state and polls none.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;

use bluegreen_core::{Error, ErrorKind, Result};
use futures_util::stream::BoxStream;
use futures_util::{FutureExt as _, StreamExt as _};
use kube::runtime::watcher::{self, Event};
use kube::{Api, Resource, ResourceExt as _};
use serde::de::DeserializeOwned;

use crate::error::{Access, during};

mod reflector;
mod source;
mod streamed;
mod together;
mod view;

pub(crate) use reflector::{Broken, Filter, Following, Kind, Scope, number};
pub(crate) use source::{Registry, Watches};
pub(crate) use together::Together;
pub(crate) use view::View;

/// The first pause after a watch that broke, doubled each time up to [`LONGEST`].
const SHORTEST: Duration = Duration::from_millis(50);
/// The longest pause after a watch that broke.
const LONGEST: Duration = Duration::from_secs(2);
/// After so many failures in a row, about six seconds, a wait ends and says why.
const FAILURES: u32 = 8;

/// The objects that a selector finds, by name, as they change.
///
/// Level-triggered: what was missed while nobody looked is part of the next state.
pub(crate) struct Watched<K: Resource> {
    events: BoxStream<'static, watcher::Result<Event<K>>>,
    action: String,
    objects: BTreeMap<String, K>,
    /// What a new list has brought so far.
    listing: BTreeMap<String, K>,
    is_listed: bool,
    failures: u32,
}

impl<K> Watched<K>
where
    K: Resource + Clone + Debug + DeserializeOwned + Send + 'static,
{
    /// Watches what `config` selects. `action` is what errors call it: `"watch service agent"`.
    pub(crate) fn new(api: Api<K>, config: watcher::Config, action: impl Into<String>) -> Self {
        Self {
            events: streamed::events(api, config),
            action: action.into(),
            objects: BTreeMap::new(),
            listing: BTreeMap::new(),
            is_listed: false,
            failures: 0,
        }
    }

    /// Returns the objects once they are listed, and after that each time one has changed.
    ///
    /// # Errors
    /// [`Rejected`](ErrorKind::Rejected) at once when we may not watch;
    /// [`Unavailable`](ErrorKind::Unavailable) when the watch keeps breaking.
    ///
    /// # Cancel safety
    /// What was read is kept.
    pub(crate) async fn changed(&mut self) -> Result<&BTreeMap<String, K>> {
        loop {
            let event = match self.events.next().await {
                Some(Ok(event)) => event,
                Some(Err(error)) => {
                    self.endure(error).await?;
                    continue;
                }
                None => {
                    return Err(Error::new(ErrorKind::Unavailable, self.action.clone())
                        .with_source("the watch ended"));
                }
            };
            // The mark of a new list comes before the list, which may fail.
            if !matches!(event, Event::Init) {
                self.failures = 0;
            }
            if self.take(event) {
                return Ok(&self.objects);
            }
        }
    }

    /// Takes in what has come while nobody looked. Does not wait.
    ///
    /// # Errors
    /// As [`changed`](Self::changed).
    pub(crate) fn catch_up(&mut self) -> Result<()> {
        while let Some(changed) = self.changed().now_or_never() {
            changed?;
        }
        Ok(())
    }

    /// The objects as they were when [`changed`](Self::changed) last returned.
    pub(crate) fn objects(&self) -> &BTreeMap<String, K> {
        &self.objects
    }

    /// The objects as last seen; nothing before they have been listed once.
    pub(crate) fn listed(&self) -> Option<&BTreeMap<String, K>> {
        self.is_listed.then_some(&self.objects)
    }

    /// Takes in one event. Whether the objects are now complete and may be looked at.
    fn take(&mut self, event: Event<K>) -> bool {
        match event {
            Event::Init => {
                self.listing.clear();
                false
            }
            Event::InitApply(object) => {
                self.listing.insert(object.name_any(), object);
                false
            }
            Event::InitDone => {
                self.objects = std::mem::take(&mut self.listing);
                self.is_listed = true;
                true
            }
            Event::Apply(object) => {
                self.objects.insert(object.name_any(), object);
                self.is_listed
            }
            Event::Delete(object) => {
                self.objects.remove(&object.name_any());
                self.is_listed
            }
        }
    }

    async fn endure(&mut self, error: watcher::Error) -> Result<()> {
        let error = in_core(error, &self.action);
        let may_pass = match error.kind() {
            ErrorKind::Unavailable => true,
            // A server that has just started does not know yet who may do what.
            ErrorKind::Rejected => self.failures > 0,
            _ => false,
        };
        if !may_pass || self.failures >= FAILURES {
            return Err(error);
        }
        let pause = SHORTEST.saturating_mul(1 << self.failures).min(LONGEST);
        self.failures += 1;
        tracing::debug!(error = error.chain(), ?pause, "the watch broke");
        tokio::time::sleep(pause).await;
        Ok(())
    }
}

/// Begins with any state that the server still has, which takes two milliseconds where the latest
/// one takes up to a hundred. For waits that no older state can mislead.
pub(crate) fn any(config: watcher::Config) -> watcher::Config {
    config.any_semantic()
}

/// Selects one object by its name.
pub(crate) fn named(name: &str) -> watcher::Config {
    watcher::Config::default().fields(&format!("metadata.name={name}"))
}

fn in_core(error: watcher::Error, action: &str) -> Error {
    match error {
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => during(Access::Read, action)(error),
        watcher::Error::WatchError(status) => {
            during(Access::Read, action)(kube::Error::Api(status))
        }
        error @ watcher::Error::NoResourceVersion => {
            Error::new(ErrorKind::Rejected, action).with_source(error)
        }
    }
}

#[cfg(test)]
mod tests;
