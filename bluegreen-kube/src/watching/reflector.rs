//! One watch of the objects of a kind for all who wait for some of them.
//!
//! A thousand releases of one process wait for a thousand Deployments. One watch of the namespace
//! brings what a thousand watches would, over one connection.

use std::fmt::Debug;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bluegreen_core::{Error, ErrorKind};
use kube::{Api, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::wire::AbortOnDrop;

mod cache;
mod filter;
mod follow;
mod run;

use cache::Cache;
pub(crate) use cache::number;
pub(crate) use filter::Filter;
pub(crate) use follow::Following;

/// Which objects of a kind one watch is of, and what of them is kept.
#[derive(Clone, Debug)]
pub(crate) struct Scope<K> {
    /// A label selector; empty for all.
    pub(crate) labels: String,
    /// Whether it is kept who manages which field.
    pub(crate) with_managers: bool,
    /// What is kept of each, in a word, and what takes the rest away.
    pub(crate) kept: (&'static str, fn(&mut K)),
}

impl<K> Scope<K> {
    /// The objects with these labels, without their managers.
    pub(crate) fn labelled(labels: impl Into<String>) -> Self {
        Self { labels: labels.into(), with_managers: false, kept: ("all", |_| {}) }
    }

    /// All objects, without their managers.
    pub(crate) fn all() -> Self {
        Self::labelled("")
    }

    /// The same with their managers.
    pub(crate) fn with_managers(mut self) -> Self {
        self.with_managers = true;
        self
    }

    /// The same without what `take_away` takes from each. Whoever shares the watch calls what is left
    /// by the same name.
    pub(crate) fn only(mut self, name: &'static str, take_away: fn(&mut K)) -> Self {
        self.kept = (name, take_away);
        self
    }
}

/// A kind that can be kept as JSON: a parsed object takes several times the memory, and is needed
/// only when it has changed.
pub(crate) trait Kind:
    Resource + Clone + Debug + DeserializeOwned + Serialize + Send + 'static
{
}

impl<K> Kind for K where K: Resource + Clone + Debug + DeserializeOwned + Serialize + Send + 'static {}

/// The watch, as long as somebody has it.
#[derive(Debug)]
pub(crate) struct Reflector<K> {
    cache: Arc<Mutex<Cache>>,
    _task: AbortOnDrop,
    kind: PhantomData<fn() -> K>,
}

impl<K: Kind> Reflector<K> {
    /// Begins to watch. `seed` decides when it comes back after an outage.
    ///
    /// Must be called within a tokio runtime.
    pub(crate) fn start(api: Api<K>, scope: Scope<K>, seed: u64) -> Self {
        let cache = Arc::new(Mutex::new(Cache::default()));
        let task = tokio::spawn(run::run(api, scope, seed, Arc::clone(&cache)));
        Self { cache, _task: AbortOnDrop(task.abort_handle()), kind: PhantomData }
    }
}

fn lock(cache: &Mutex<Cache>) -> MutexGuard<'_, Cache> {
    // Every change of the cache is whole before anything in it could panic.
    cache.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Why nothing can be seen. Told to everybody who waits, so in words.
#[derive(Clone, Debug)]
pub(crate) struct Broken {
    kind: ErrorKind,
    why: String,
}

impl Broken {
    fn new(error: &Error) -> Self {
        Self { kind: error.kind(), why: error.chain() }
    }

    /// The error of whoever waits, who calls it `action`.
    pub(crate) fn during(self, action: impl Into<String>) -> Error {
        Error::new(self.kind, action).with_source(self.why)
    }
}

#[cfg(test)]
mod tests;
