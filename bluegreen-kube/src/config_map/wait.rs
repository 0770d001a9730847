//! Waiting for somebody else to change the record.

use std::time::Duration;

use bluegreen_core::{Result, Revision, Stored};
use k8s_openapi::api::core::v1::ConfigMap;
use tokio::time::Instant;

use super::{ConfigMapStore, objects};
use crate::watching::{Watched, named};

/// How old a watch may get before another one is begun for the next wait. A connection can be
/// dead without a word.
const OLDEST: Duration = Duration::from_mins(1);

/// The watch of one wait, kept for the next: a driver waits for the record in every phase.
pub(super) struct Kept {
    begun: Instant,
    watched: Watched<ConfigMap>,
}

impl ConfigMapStore {
    pub(super) async fn await_change(&self, known: Option<Revision>) -> Result<Option<Stored>> {
        // Where two wait at the same time, the second has a watch of its own.
        let (mut shared, mut own) = (self.kept.try_lock().ok(), None);
        let kept = shared.as_deref_mut().unwrap_or(&mut own);
        let (name, begun) = (self.settings.config_map(), Instant::now());
        let is_good = |kept: &Kept| {
            // Without the record it may not have heard of it yet, or of its end.
            let has_it = known.is_none() || kept.watched.objects().contains_key(&name);
            has_it && kept.begun.elapsed() < OLDEST
        };
        if kept.as_ref().is_some_and(|kept| !is_good(kept)) {
            *kept = None;
        }
        let watched = &mut kept
            .get_or_insert_with(|| {
                let action = self.action("watch", &name);
                Kept { begun, watched: Watched::new(self.api.clone(), named(&name), action) }
            })
            .watched;
        let changed = self.next(watched, &name, known.as_ref()).await;
        if changed.is_err() {
            *kept = None;
        }
        changed
    }

    async fn next(
        &self,
        watched: &mut Watched<ConfigMap>,
        name: &str,
        known: Option<&Revision>,
    ) -> Result<Option<Stored>> {
        let action = self.action("watch", name);
        if watched.listed().is_none() {
            watched.changed().await?;
        }
        watched.catch_up()?;
        loop {
            let found = watched.objects().get(name);
            let revision = found.map(|map| objects::revision(map, &action)).transpose()?;
            if revision.as_ref() != known && !is_older(revision.as_ref(), known) {
                return found.map(|map| self.stored(map)).transpose();
            }
            watched.changed().await?;
        }
    }
}

/// Whether a watch that was kept has not come as far as what is known. One that has just begun is
/// never behind.
fn is_older(found: Option<&Revision>, known: Option<&Revision>) -> bool {
    let number = |revision: Option<&Revision>| revision?.as_str().parse::<u64>().ok();
    matches!((number(found), number(known)), (Some(found), Some(known)) if found < known)
}
