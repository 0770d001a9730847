//! Some objects for a long time, by a watch of one's own or by one that others share.

use std::borrow::Cow;
use std::collections::BTreeMap;

use bluegreen_core::Result;
use kube::Resource;

use super::{Following, Kind, Watched};

/// Some objects by name, as they change.
///
/// Of a shared watch nothing is kept here while nothing changes: there may be a thousand who wait.
pub(crate) enum View<K: Resource> {
    /// By a watch of one's own.
    Own(Watched<K>),
    /// By one that others share, and what errors call it.
    Shared(Following<K>, String),
}

impl<K: Kind> View<K> {
    /// Returns the objects once they are listed, and after that each time one of them may have changed.
    ///
    /// # Errors
    /// As [`Watched::changed`].
    ///
    /// # Cancel safety
    /// No change is lost.
    pub(crate) async fn changed(&mut self) -> Result<Cow<'_, BTreeMap<String, K>>> {
        match self {
            Self::Own(watched) => watched.changed().await.map(Cow::Borrowed),
            Self::Shared(following, action) => match following.changed().await {
                Ok(()) => Ok(Cow::Owned(following.objects())),
                Err(broken) => Err(broken.during(action.clone())),
            },
        }
    }

    /// The objects after [`changed`](Self::changed) has returned. Those of a shared watch may be newer.
    pub(crate) fn objects(&self) -> Cow<'_, BTreeMap<String, K>> {
        match self {
            Self::Own(watched) => Cow::Borrowed(watched.objects()),
            Self::Shared(following, _) => Cow::Owned(following.objects()),
        }
    }
}
