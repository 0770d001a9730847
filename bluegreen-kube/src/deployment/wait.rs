//! The waits of a slot, on watches.

use std::time::Duration;

use bluegreen_core::{Error, ErrorKind, Result, SlotState};
use k8s_openapi::api::core::v1::Pod;
use kube::core::{DynamicObject, Selector};
use kube::runtime::watcher;
use tokio::time::{Instant, sleep_until};

use super::object::Seen;
use super::pods::Sets;
use super::rollout::{Patience, Progress, is_complete_by_pods};
use super::secrets::Secrets;
use super::{DeploymentSlot, deadlock, state};
use crate::watching::{Watched, named};

mod followed;

use followed::Followed;

/// How old watches may get before others are begun. A connection can be dead without a word.
const OLDEST: Duration = Duration::from_mins(1);

/// The watches of a Deployment and what belongs to it.
pub(super) struct Streams {
    begun: Instant,
    deployments: Watched<DynamicObject>,
    sets: Watched<DynamicObject>,
    pods: Watched<Pod>,
}

/// Everything that a slot consists of, as it changes. Whoever watches it next goes on with the same
/// watches, unless they have failed.
struct Watches<'a> {
    slot: &'a DeploymentSlot,
    /// Nothing once they have failed.
    streams: Option<Streams>,
}

impl Drop for Watches<'_> {
    fn drop(&mut self) {
        if let Some(streams) = self.streams.take_if(|it| it.begun.elapsed() < OLDEST) {
            self.slot.recent.park(&self.slot.name, streams);
        }
    }
}

impl<'a> Watches<'a> {
    fn new(slot: &'a DeploymentSlot, selector: &Selector) -> Self {
        let selected = || watcher::Config::default().labels_from(selector);
        let api = slot.api.clone();
        let streams = Streams {
            begun: Instant::now(),
            deployments: Watched::new(api, named(&slot.name), slot.action("watch")),
            sets: Watched::new(slot.sets.clone(), selected(), slot.action("watch replicasets of")),
            pods: Watched::new(slot.pods.clone(), selected(), slot.action("watch pods of")),
        };
        Self { slot, streams: Some(streams) }
    }

    /// Those that the last wait has left, if that was a moment ago, as they are by now.
    fn left(slot: &'a DeploymentSlot) -> Result<Option<Self>> {
        let Some(mut streams) = slot.recent.unpark(&slot.name) else { return Ok(None) };
        streams.deployments.catch_up()?;
        streams.sets.catch_up()?;
        streams.pods.catch_up()?;
        Ok(Some(Self { slot, streams: Some(streams) }))
    }

    /// Returns after each change of any of them.
    async fn changed(&mut self) -> Result<()> {
        let Some(streams) = &mut self.streams else { return Err(self.slot.gone("watch")) };
        let changed = tokio::select! {
            changed = streams.deployments.changed() => changed.map(drop),
            changed = streams.sets.changed() => changed.map(drop),
            changed = streams.pods.changed() => changed.map(drop),
        };
        if changed.is_err() {
            self.streams = None;
        }
        changed
    }

    /// The Deployment, once it and what belongs to it were listed.
    fn seen(&self, verb: &str) -> Result<Option<Seen<'_>>> {
        let listed = self.streams.as_ref().and_then(|streams| {
            streams.sets.listed().and(streams.pods.listed()).and(streams.deployments.listed())
        });
        let Some(deployments) = listed else { return Ok(None) };
        let object = deployments.get(&self.slot.name);
        match object.map(|object| self.slot.seen(object)) {
            Some(seen) if !seen.is_ending() => Ok(Some(seen)),
            _ => Err(self.slot.gone(verb)),
        }
    }

    fn sets(&self) -> impl Iterator<Item = &DynamicObject> {
        let listed = self.streams.as_ref().and_then(|streams| streams.sets.listed());
        listed.into_iter().flat_map(|sets| sets.values())
    }

    fn pods(&self) -> impl Iterator<Item = &Pod> {
        let listed = self.streams.as_ref().and_then(|streams| streams.pods.listed());
        listed.into_iter().flat_map(|pods| pods.values())
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
    let (mut recheck, mut begun) = (None, None);
    loop {
        tokio::select! {
            changed = watches.changed() => changed?,
            () = until(recheck) => {}
        }
        let Some(seen) = watches.seen(VERB)? else { continue };
        let (template, replicas) =
            begun.get_or_insert_with(|| (seen.template().clone(), seen.replicas()));
        if template != seen.template() || *replicas > seen.replicas() {
            let text = "what was deployed has been changed meanwhile";
            return Err(Error::new(ErrorKind::Conflict, slot.action(VERB)).with_source(text));
        }
        let sets = Sets::of(seen, watches.sets());
        if let Some(set) = deadlock::culprit(seen, &sets, watches.sets()) {
            deadlock::end(slot, set, seen.replicas()).await?;
            // The watch tells what has become of it.
            recheck = None;
            continue;
        }
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
    match Followed::of(slot).await? {
        Some(followed) => followed.change(known).await,
        None => Box::pin(change_alone(slot, known)).await,
    }
}

/// The same by watches of one's own.
async fn change_alone(slot: &DeploymentSlot, known: &SlotState) -> Result<SlotState> {
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
