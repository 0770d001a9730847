//! The writes: the stamp of a fencing number, and a shift step by step.

use bluegreen_core::{Color, Epoch, Error, ErrorKind, ObservedState, Result, Routing, Share};
use k8s_openapi::api::core::v1::Service;
use kube::Api;
use kube::api::DynamicObject;
use serde_json::Value;

use super::marks::Asked;
use super::objects::{self, Note};
use super::observe::Read;
use super::steps::{Step, steps};
use super::{IngressCanary, Inner};
use crate::error::write;
use crate::ingress::api;
use crate::json_patch;
use crate::stamp::{Stamp, all};

/// How often a write is decided anew because the object was changed in between.
const ATTEMPTS: usize = 5;

impl IngressCanary {
    pub(super) async fn fence_all(&self, epoch: Epoch) -> Result<()> {
        let (inner, canary, service) = tokio::join!(
            self.inner().fence(epoch),
            self.fence_canary(epoch),
            self.fence_service(epoch)
        );
        all(vec![inner, canary, service], "object")
    }

    async fn fence_canary(&self, epoch: Epoch) -> Result<()> {
        let mut attempts = 0;
        loop {
            let found = match self.get_canary().await {
                // Nobody can write to what is not there.
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
                found => found?,
            };
            self.refuse_higher(&found.metadata, epoch, "ingress")?;
            let operations = objects::stamp(&found.metadata, epoch, &self.settings);
            attempts += 1;
            let written = self.patch_canary(operations).await.map(drop);
            if attempts == ATTEMPTS || !is_conflict(&written) {
                return written;
            }
        }
    }

    async fn fence_service(&self, epoch: Epoch) -> Result<()> {
        let mut attempts = 0;
        loop {
            let found = match self.get_service().await {
                // Nobody can write to what is not there.
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
                found => found?,
            };
            self.refuse_higher(&found.metadata, epoch, "service")?;
            let operations = objects::stamp(&found.metadata, epoch, &self.settings);
            attempts += 1;
            let written = self.patch_service(operations).await.map(drop);
            if attempts == ATTEMPTS || !is_conflict(&written) {
                return written;
            }
        }
    }

    /// Makes the canary's Service select the candidate, while nothing comes through it.
    pub(super) async fn select_idle(&self, candidate: Color, epoch: Epoch) -> Result<()> {
        let action = format!("prepare service {}/{}", self.settings.namespace, self.service);
        let mut attempts = 0;
        loop {
            let found = self.read().await?;
            self.refuse_higher(&found.service.metadata, epoch, "service")?;
            let conflict = |found| Error::new(ErrorKind::Conflict, &action).with_source(found);
            let state = found.state(candidate, &self.settings).map_err(conflict)?;
            if state.canary == candidate {
                return Ok(());
            }
            if !state.asked.is_nothing() {
                return Err(Error::new(ErrorKind::Rejected, &action).with_source(format!(
                    "found requests that come through it to {}, wanted none",
                    state.canary
                )));
            }
            let operations = objects::select(&found.service, candidate, epoch, &self.settings);
            attempts += 1;
            let written = self.patch_service(operations).await.map(drop);
            if attempts == ATTEMPTS || !is_conflict(&written) {
                return written;
            }
        }
    }

    pub(super) async fn shift_all(&self, from: &Routing, to: &Routing, epoch: Epoch) -> Result<()> {
        let action = format!("shift traffic to {to}");
        let conflict = |found: String| Error::new(ErrorKind::Conflict, &action).with_source(found);
        let (observed, found) = self.read_if_there().await?;
        let Some(found) = found else {
            // All of it can be moved without a canary, and back.
            return match observed.state {
                ObservedState::Routed(at) if to.is_whole() && to.pins.is_empty() => {
                    self.inner().shift(&at, to, epoch).await
                }
                ObservedState::Between { .. } if to.is_whole() && to.pins.is_empty() => {
                    self.inner().shift(&Routing::all(to.live.other()), to, epoch).await
                }
                found => Err(conflict(format!("found {found} and no canary, wanted {from}"))),
            };
        };
        for metadata in [&found.canary.metadata, &found.service.metadata] {
            self.refuse_higher(metadata, epoch, "object")?;
        }
        if observed.epoch > epoch {
            let lower = format!("found epoch {}, wanted at most {epoch}", observed.epoch);
            return Err(conflict(lower));
        }
        match &observed.state {
            ObservedState::Routed(at) if at == to => {
                return self.stamp_if_older(&found, epoch).await;
            }
            ObservedState::Routed(at) if at == from => {}
            ObservedState::Between { .. } => {}
            other => return Err(conflict(format!("found {other}, wanted {from}"))),
        }
        let asked = Asked::of(to).map_err(|lacks| {
            Error::new(ErrorKind::Rejected, &action).with_source(lacks.join(", "))
        })?;
        let state = found.state(to.live, &self.settings).map_err(conflict)?;
        let writes = steps(&state, to, &asked);
        self.refuse_empty(&observed.state, to, &asked).await?;
        let note = |is_moving| Note { from: from.clone(), to: to.clone(), is_moving };
        let writes =
            told(writes, &state.asked, &asked, objects::last(&found.canary, &self.settings), to);
        let mut has_written = false;
        let Read { mut canary, mut service, .. } = found;
        let count = writes.len();
        for (index, step) in writes.into_iter().enumerate() {
            let is_last = index + 1 == count;
            let done = match &step {
                Step::Main(color) => {
                    let (there, here) = (Routing::all(*color), Routing::all(color.other()));
                    self.inner().shift(&here, &there, epoch).await
                }
                Step::Ask(asked) => self
                    .ask(&canary, asked, &note(!is_last), epoch)
                    .await
                    .map(|written| canary = written),
                Step::Select(color) => {
                    let operations = objects::select(&service, *color, epoch, &self.settings);
                    self.patch_service(operations).await.map(|written| service = written)
                }
            };
            match done {
                Ok(()) => has_written = true,
                // The whole had an effect, so it is to be read before deciding.
                Err(error) if has_written && error.kind() == ErrorKind::Unavailable => {
                    return Err(Error::new(ErrorKind::Unknown, &action).with_source(error));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Writes what the canary is asked for. Whoever has changed other annotations meanwhile is no
    /// reason not to; whoever has changed these is.
    async fn ask(
        &self,
        canary: &DynamicObject,
        asked: &Asked,
        note: &Note,
        epoch: Epoch,
    ) -> Result<DynamicObject> {
        let action = format!("patch ingress {}/{}", self.settings.namespace, self.canary);
        let before = Asked::read(&objects::annotations(canary));
        let mut found = canary.clone();
        let mut last = None;
        for _ in 0..ATTEMPTS {
            let operations = objects::ask(&found, asked, note, epoch, &self.settings);
            let operations = operations
                .map_err(|error| Error::new(ErrorKind::Rejected, &action).with_source(error))?;
            match self.patch_canary(operations).await {
                Err(error) if error.kind() == ErrorKind::Conflict => last = Some(error),
                done => return done,
            }
            found = self.get_canary().await?;
            self.refuse_higher(&found.metadata, epoch, "ingress")?;
            if found.metadata.uid != canary.metadata.uid
                || Asked::read(&objects::annotations(&found)) != before
            {
                break;
            }
        }
        Err(last.unwrap_or_else(|| Error::new(ErrorKind::Conflict, action)))
    }

    /// It is as it should be, and nothing is left to do but to fence off older drivers.
    async fn stamp_if_older(&self, found: &Read, epoch: Epoch) -> Result<()> {
        let metadata = [&found.canary.metadata, &found.service.metadata];
        let is_stamped =
            |it: &&kube::api::ObjectMeta| objects::epoch(it, &self.settings) == Ok(epoch);
        if metadata.iter().all(is_stamped) && found.main.epoch == epoch {
            return Ok(());
        }
        self.fence_all(epoch).await
    }

    /// Refuses a share for a slot that has nobody to answer it. A canary without endpoints would
    /// leave its share to the primary; a primary without any gets 503 for all requests, those of
    /// the canary too.
    async fn refuse_empty(&self, state: &ObservedState, to: &Routing, asked: &Asked) -> Result<()> {
        let (ObservedState::Routed(from) | ObservedState::Between { from, .. }) = state else {
            return Ok(());
        };
        let refuse = |color: Color, found: String| {
            // A slot that gets everything is waited for: whoever asks for it looks again.
            let is_whole = to.share_of(color) == Share::ALL;
            let kind = if is_whole { ErrorKind::Unavailable } else { ErrorKind::Conflict };
            let found = format!("{found}: found no endpoint that serves, wanted one");
            Err(Error::new(kind, format!("shift traffic to {to}")).with_source(found))
        };
        if !asked.is_nothing() {
            for service in self.behind_primary(from.live, to.live) {
                if !self.slots.serves(&service).await? {
                    return refuse(to.live, format!("Service {service} of the primary"));
                }
            }
            let candidate = to.live.other();
            let gains = to.share_of(candidate) > from.share_of(candidate)
                || !to.pins.is_empty() && to.pins != from.pins;
            let knows = self.slots.was_just_listed(&self.service, candidate);
            if gains && !knows && !self.serves(candidate).await? {
                return refuse(candidate, format!("the pods of {candidate}"));
            }
        }
        let is_moving = to.share_of(to.live) > from.share_of(to.live);
        let knows = self.slots.was_just_listed(&self.service, to.live);
        if is_moving && !knows && !self.serves(to.live).await? {
            return refuse(to.live, format!("the pods of {}", to.live));
        }
        Ok(())
    }

    /// The Services that the primary leads to, now or soon.
    fn behind_primary(&self, now: Color, soon: Color) -> Vec<String> {
        match &self.inner {
            Inner::Service(switch) => switch.services().to_vec(),
            Inner::Ingress(switch) => {
                let mut names = vec![switch.slot_services().of(now).clone()];
                if now != soon {
                    names.push(switch.slot_services().of(soon).clone());
                }
                names
            }
        }
    }

    /// Whether any pod of a slot serves.
    async fn serves(&self, color: Color) -> Result<bool> {
        let pods = self.slots.slot_pods(kube::api::ListParams::default().match_any()).await?;
        Ok(pods.of(color).iter().any(crate::pod::is_ready))
    }

    fn refuse_higher(
        &self,
        metadata: &kube::api::ObjectMeta,
        epoch: Epoch,
        kind: &str,
    ) -> Result<()> {
        let name = metadata.name.as_deref().unwrap_or_default();
        let stamp = Stamp::read(metadata.annotations.as_ref(), &self.settings);
        stamp.refuse_higher(epoch, &format!("patch {kind} {}/{name}", self.settings.namespace))
    }

    pub(super) async fn patch_canary(&self, operations: Vec<Value>) -> Result<DynamicObject> {
        let ingresses = api(&self.client, &self.settings.namespace);
        self.patch(&ingresses, "ingress", &self.canary, operations, false).await
    }

    async fn patch_service(&self, operations: Vec<Value>) -> Result<Service> {
        self.patch(&self.slots.services, "service", &self.service, operations, false).await
    }

    pub(super) async fn patch<K>(
        &self,
        api: &Api<K>,
        kind: &str,
        name: &str,
        operations: Vec<Value>,
        is_dry_run: bool,
    ) -> Result<K>
    where
        K: kube::Resource + Clone + serde::de::DeserializeOwned,
    {
        let action = format!("patch {kind} {}/{name}", self.settings.namespace);
        let params = json_patch::params(is_dry_run);
        let patch = json_patch::of(operations, &action)?;
        let call = json_patch::send(&self.client, api, name, &params, &patch);
        write(self.settings.call, action, call).await
    }
}

/// The writes with those of the note that whoever finds the objects half way reads.
///
/// Where the primary goes first and more is to follow, that is told before. So it is where an older
/// note would be taken for what happens then; and what is told to be under way is told to be over.
fn told(
    writes: Vec<Step>,
    now: &Asked,
    asked: &Asked,
    last: Option<Note>,
    to: &Routing,
) -> Vec<Step> {
    let left = last.filter(|note| note.is_moving);
    let begins_with_primary = matches!(writes.first(), Some(Step::Main(_)));
    let misleads = left.as_ref().is_some_and(|note| note.to.live == to.live);
    let is_announced = begins_with_primary && (misleads || !asked.is_nothing());
    let announced = is_announced.then(|| Step::Ask(now.clone()));
    let is_ended = matches!(writes.last(), Some(Step::Ask(_)));
    let is_open = is_announced || left.is_some();
    let end = (is_open && !is_ended).then(|| Step::Ask(asked.clone()));
    announced.into_iter().chain(writes).chain(end).collect()
}

fn is_conflict(written: &Result<()>) -> bool {
    written.as_ref().is_err_and(|error| error.kind() == ErrorKind::Conflict)
}
