//! Waiting for some of the objects of a shared watch.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::FutureExt as _;
use tokio::sync::Notify;

use super::cache::Listener;
use super::{Broken, Filter, Kind, Reflector, lock};

/// Some objects of a shared watch as they change.
///
/// Level-triggered, as [`Watched`](crate::watching::Watched): what was missed while nobody looked is
/// part of the next state.
#[derive(Debug)]
pub(crate) struct Following<K> {
    reflector: Arc<Reflector<K>>,
    listener: Arc<Listener>,
    has_begun: bool,
}

impl<K: Kind> Following<K> {
    /// Follows what `filter` finds, from no older state than `at_least`: the watch may be a little
    /// behind what its user has read or written himself.
    pub(crate) fn new(reflector: Arc<Reflector<K>>, filter: Filter, at_least: u64) -> Self {
        let listener = Arc::new(Listener { filter, at_least, news: Notify::new() });
        lock(&reflector.cache).listen(&listener);
        Self { reflector, listener, has_begun: false }
    }

    /// Returns once the objects are there to be looked at, and after that each time one of them
    /// may have changed.
    ///
    /// # Cancel safety
    /// No change is lost.
    pub(crate) async fn changed(&mut self) -> Result<(), Broken> {
        loop {
            if !self.has_begun && self.begins()? {
                return Ok(());
            }
            self.listener.news.notified().await;
            if self.has_begun {
                return match lock(&self.reflector.cache).broken.clone() {
                    Some(broken) => Err(broken),
                    None => Ok(()),
                };
            }
        }
    }

    fn begins(&mut self) -> Result<bool, Broken> {
        let cache = lock(&self.reflector.cache);
        if let Some(broken) = &cache.broken {
            return Err(broken.clone());
        }
        self.has_begun = cache.is_listed && cache.progress >= self.listener.at_least;
        // What was told until now is part of what is there to be looked at.
        let _ = self.listener.news.notified().now_or_never();
        Ok(self.has_begun)
    }

    /// The objects as they are by now.
    pub(crate) fn objects(&self) -> BTreeMap<String, K> {
        lock(&self.reflector.cache).find(&self.listener.filter)
    }
}
