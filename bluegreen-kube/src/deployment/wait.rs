//! The waits of a slot, on watches.

use bluegreen_core::{Error, ErrorKind, Result, SlotState};
use k8s_openapi::api::core::v1::Pod;
use kube::core::{DynamicObject, Selector};
use kube::runtime::watcher;
use tokio::time::{Instant, sleep_until};

use super::object::Seen;
use super::pods::Sets;
use super::rollout::{Patience, Progress, is_complete_by_pods};
use super::secrets::Secrets;
use super::{DeploymentSlot, state};
use crate::watching::{Watched, named};

/// The watches of a Deployment and what belongs to it.
pub(super) struct Streams {
    deployments: Watched<DynamicObject>,
    sets: Watched<DynamicObject>,
    pods: Watched<Pod>,
}

/// Everything that a slot consists of, as it changes.
struct Watches<'a> {
    slot: &'a DeploymentSlot,
    streams: Streams,
}

impl<'a> Watches<'a> {
    fn new(slot: &'a DeploymentSlot, selector: &Selector) -> Self {
        let selected = || watcher::Config::default().labels_from(selector);
        let api = slot.api.clone();
        let streams = Streams {
            deployments: Watched::new(api, named(&slot.name), slot.action("watch")),
            sets: Watched::new(slot.sets.clone(), selected(), slot.action("watch replicasets of")),
            pods: Watched::new(slot.pods.clone(), selected(), slot.action("watch pods of")),
        };
        Self { slot, streams }
    }

    /// Those that the rollout has left, if that was a moment ago, as they are by now.
    fn left(slot: &'a DeploymentSlot) -> Result<Option<Self>> {
        let Some(mut streams) = slot.recent.unpark(&slot.name) else { return Ok(None) };
        streams.deployments.catch_up()?;
        streams.sets.catch_up()?;
        streams.pods.catch_up()?;
        Ok(Some(Self { slot, streams }))
    }

    /// Returns after each change of any of them.
    async fn changed(&mut self) -> Result<()> {
        tokio::select! {
            changed = self.streams.deployments.changed() => changed.map(drop),
            changed = self.streams.sets.changed() => changed.map(drop),
            changed = self.streams.pods.changed() => changed.map(drop),
        }
    }

    /// The Deployment, once it and what belongs to it were listed.
    fn seen(&self, verb: &str) -> Result<Option<Seen<'_>>> {
        let (Some(deployments), Some(_), Some(_)) = (
            self.streams.deployments.listed(),
            self.streams.sets.listed(),
            self.streams.pods.listed(),
        ) else {
            return Ok(None);
        };
        let object = deployments.get(&self.slot.name);
        match object.map(|object| self.slot.seen(object)) {
            Some(seen) if !seen.is_ending() => Ok(Some(seen)),
            _ => Err(self.slot.gone(verb)),
        }
    }

    fn sets(&self) -> impl Iterator<Item = &DynamicObject> {
        self.streams.sets.listed().into_iter().flat_map(|sets| sets.values())
    }

    fn pods(&self) -> impl Iterator<Item = &Pod> {
        self.streams.pods.listed().into_iter().flat_map(|pods| pods.values())
    }

    fn state(&self, seen: Seen<'_>) -> Result<SlotState> {
        let sets = Sets::of(seen, self.sets());
        state::assemble(self.slot.color, &self.slot.settings, seen, &sets, self.pods())
    }
}

/// Waits until the rollout has ended well, or is sure not to.
pub(super) async fn ready(slot: &DeploymentSlot) -> Result<SlotState> {
    const VERB: &str = "roll out";
    let selector = slot.seen(&*slot.recent(&slot.name).await?).selector()?;
    let mut watches = Watches::new(slot, &selector);
    let mut patience = Patience::new(slot.patience);
    let mut recheck = None;
    loop {
        tokio::select! {
            changed = watches.changed() => changed?,
            () = until(recheck) => {}
        }
        let Some(seen) = watches.seen(VERB)? else { continue };
        let sets = Sets::of(seen, watches.sets());
        let progress = if is_complete_by_pods(seen, &sets, watches.pods()) {
            Progress::Complete
        } else {
            patience.look(Instant::now(), seen, &sets, watches.pods())
        };
        match progress {
            Progress::Complete => {
                // The watch of the pods may be a little behind that of the Deployment.
                let state = watches.state(seen)?;
                let counts = state.replicas;
                if counts.ready == counts.wanted && counts.serving == counts.wanted {
                    slot.recent.park(&slot.name, watches.streams);
                    return Ok(state);
                }
                recheck = None;
            }
            Progress::Waiting(next) => recheck = next,
            Progress::Hopeless(why) => {
                let why = Secrets::in_value(seen.template()).hide_in(&why);
                return Err(Error::new(ErrorKind::Rejected, slot.action(VERB)).with_source(why));
            }
        }
    }
}

/// Waits until the state differs from `known`.
pub(super) async fn change(slot: &DeploymentSlot, known: &SlotState) -> Result<SlotState> {
    let mut watches = if let Some(left) = Watches::left(slot)? {
        left
    } else {
        let selector = slot.seen(&*slot.recent(&slot.name).await?).selector()?;
        let mut new = Watches::new(slot, &selector);
        new.changed().await?;
        new
    };
    loop {
        if let Some(seen) = watches.seen("watch")? {
            let state = watches.state(seen)?;
            if state != *known {
                return Ok(state);
            }
        }
        watches.changed().await?;
    }
}

async fn until(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}
