//! Where watches come from: each a new one, or those that a fleet shares.

use std::any::{Any, type_name};
use std::collections::BTreeMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use kube::Api;

use super::reflector::{Filter, Following, Kind, Reflector, Scope};
use super::{View, Watched};

type Shared = dyn Any + Send + Sync;

/// The shared watches of a fleet, for as long as somebody has them.
#[derive(Default)]
pub(crate) struct Registry {
    seed: u64,
    all: Mutex<BTreeMap<String, Weak<Shared>>>,
}

impl Registry {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, all: Mutex::default() }
    }

    fn get<K: Kind>(&self, key: &str, api: &Api<K>, scope: Scope<K>) -> Arc<Reflector<K>> {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let found = all.get(key).and_then(Weak::upgrade);
        if let Some(found) = found.and_then(|found| found.downcast().ok()) {
            return found;
        }
        let mut hasher = DefaultHasher::new();
        (self.seed, key).hash(&mut hasher);
        let new = Arc::new(Reflector::start(api.clone(), scope, hasher.finish()));
        all.retain(|_, watch| watch.strong_count() > 0);
        let kept: Arc<Shared> = Arc::clone(&new) as _;
        all.insert(key.to_owned(), Arc::downgrade(&kept));
        new
    }
}

/// Where the parts of one agent get their watches. Shared ones are kept while the agent is.
#[derive(Clone, Default)]
pub(crate) struct Watches(Option<Arc<Kept>>);

struct Kept {
    registry: Arc<Registry>,
    all: Mutex<BTreeMap<String, Arc<Shared>>>,
}

impl Watches {
    /// Those of a fleet.
    pub(crate) fn of(registry: Arc<Registry>) -> Self {
        Self(Some(Arc::new(Kept { registry, all: Mutex::default() })))
    }

    /// Whether others have the same watches.
    pub(crate) fn are_shared(&self) -> bool {
        self.0.is_some()
    }

    /// What `filter` finds, by the watch that all of a fleet share, from no older state than the
    /// resource version `at_least`. Nothing where nobody shares.
    pub(crate) fn follow<K: Kind>(
        &self,
        api: &Api<K>,
        scope: Scope<K>,
        filter: Filter,
        at_least: u64,
    ) -> Option<Following<K>> {
        let kept = self.0.as_ref()?;
        let managers = if scope.with_managers { "managers" } else { "" };
        let key =
            format!("{}?{}#{managers} {}", api.resource_url(), scope.labels, type_name::<K>());
        let key = format!("{key} {}", scope.kept.0);
        let mut all = kept.all.lock().unwrap_or_else(PoisonError::into_inner);
        let found = all.get(&key).cloned().and_then(|found| found.downcast().ok());
        let reflector: Arc<Reflector<K>> = found.unwrap_or_else(|| {
            let found = kept.registry.get(&key, api, scope);
            all.insert(key, Arc::clone(&found) as _);
            found
        });
        Some(Following::new(reflector, filter, at_least))
    }

    /// The same, or a watch of its own where nobody shares, which begins with the latest state.
    pub(crate) fn watched<K: Kind>(
        &self,
        api: &Api<K>,
        scope: Scope<K>,
        filter: &Filter,
        at_least: u64,
        action: impl Into<String>,
    ) -> View<K> {
        match self.follow(api, scope, filter.clone(), at_least) {
            Some(following) => View::Shared(following, action.into()),
            None => View::Own(Watched::new(api.clone(), filter.config(), action)),
        }
    }
}

impl fmt::Debug for Watches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Watches").field(&self.0.is_some()).finish()
    }
}
