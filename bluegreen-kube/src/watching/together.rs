//! Several objects that are watched together, each by its name.

use bluegreen_core::Result;
use futures_util::FutureExt as _;
use futures_util::future::{select_all, try_join_all};
use kube::api::DynamicObject;

use super::{View, Watched};

/// Objects as they change, by what they are called here. Each watch finds one at most.
pub(crate) struct Together<N>(Vec<(N, View<DynamicObject>)>);

impl<N> Together<N> {
    /// Watches them all.
    pub(crate) fn new(watches: impl IntoIterator<Item = (N, View<DynamicObject>)>) -> Self {
        Self(watches.into_iter().collect())
    }

    /// The same by watches of one's own.
    pub(crate) fn own(watches: impl IntoIterator<Item = (N, Watched<DynamicObject>)>) -> Self {
        Self::new(watches.into_iter().map(|(name, watched)| (name, View::Own(watched))))
    }

    /// Returns once all of them were looked for.
    pub(crate) async fn listed(&mut self) -> Result<()> {
        let looks = self.0.iter_mut().map(|(_, watched)| async move {
            watched.changed().await?;
            Ok(())
        });
        try_join_all(looks).await.map(drop)
    }

    /// Returns once one of them has changed.
    ///
    /// # Cancel safety
    /// What was read is kept.
    pub(crate) async fn changed(&mut self) -> Result<()> {
        if self.0.is_empty() {
            return std::future::pending().await;
        }
        let changes = self
            .0
            .iter_mut()
            .map(|(_, watched)| async move { watched.changed().await.map(drop) }.boxed());
        select_all(changes).await.0
    }

    /// What `read` makes of all of them as they are now.
    ///
    /// # Errors
    /// The name of one that is not there.
    pub(crate) fn found<T>(&self, read: impl Fn(&N, &DynamicObject) -> T) -> Result<Vec<T>, &N> {
        let found = self.0.iter().map(|(name, watched)| {
            let objects = watched.objects();
            let object = objects.values().next().ok_or(name)?;
            Ok(read(name, object))
        });
        found.collect()
    }
}
