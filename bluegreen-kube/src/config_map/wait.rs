//! Waiting for somebody else to change the record.

use std::time::Duration;

use bluegreen_core::{Result, Revision, Stored};
use k8s_openapi::api::core::v1::ConfigMap;
use tokio::time::Instant;

use super::{ConfigMapStore, objects};
use crate::Purpose;
use crate::watching::{Filter, Following, Scope, Watched, named, number};

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
        // A record that there is not may be one that a shared watch has not heard of yet.
        if let Some(revision) = &known
            && let Some(following) = self.following(revision)
            && let Some(changed) = self.follow(following, revision).await?
        {
            return Ok(Some(changed));
        }
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

    /// The record by the watch that others share, if there is one: that of the records of all agents.
    fn following(&self, known: &Revision) -> Option<Following<ConfigMap>> {
        let records = format!("{}={}", self.settings.purpose_label(), Purpose::Record.as_str());
        let filter = Filter::named(&self.settings.config_map());
        let at_least = number(Some(known.as_str()));
        self.watches.follow(&self.api, Scope::labelled(records), filter, at_least)
    }

    /// The record once it has changed; nothing where it is gone from the shared watch. Then it may still
    /// be there, without the label by which that one finds it: somebody may have taken it away.
    async fn follow(
        &self,
        mut following: Following<ConfigMap>,
        known: &Revision,
    ) -> Result<Option<Stored>> {
        let name = self.settings.config_map();
        let action = self.action("watch", &name);
        loop {
            following.changed().await.map_err(|broken| broken.during(action.clone()))?;
            let mut objects = following.objects();
            let found = objects.remove(&name);
            let revision = found.as_ref().map(|map| objects::revision(map, &action)).transpose()?;
            if revision.as_ref() != Some(known) {
                return found.map(|map| self.stored(&map)).transpose();
            }
        }
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
