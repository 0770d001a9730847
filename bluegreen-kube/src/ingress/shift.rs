//! The two writes to Ingresses: the stamp of a fencing number, and the shift itself.

use bluegreen_core::{Color, Epoch, Error, ErrorKind, ObservedState, Result};
use futures_util::future::{join_all, try_join_all};

use super::object::Object;
use super::observe::agree;
use super::{IngressSwitch, patch};
use crate::error::{read, write};
use crate::json_patch;
use crate::stamp::all;

/// How often a write is decided anew because the object was changed in between.
const ATTEMPTS: usize = 5;

impl IngressSwitch {
    pub(super) async fn fence_all(&self, epoch: Epoch) -> Result<()> {
        let fences = self.ingresses.iter().map(|name| self.fence_one(name, epoch));
        all(join_all(fences).await, "ingress")
    }

    async fn fence_one(&self, name: &str, epoch: Epoch) -> Result<()> {
        let action = self.action("patch", name);
        let mut conflict = None;
        let mut recent = self.known.recent(name);
        for _ in 0..ATTEMPTS {
            let ingress = match recent.take() {
                Some(recent) => recent,
                None => self.read(name).await?,
            };
            ingress.stamp.refuse_higher(epoch, &action)?;
            let operations = patch::stamp(&ingress, epoch, &self.settings);
            match self.patch(name, operations).await {
                Ok(()) => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Conflict => conflict = Some(error),
                Err(error) => return Err(error),
            }
        }
        Err(conflict.unwrap_or_else(|| Error::new(ErrorKind::Conflict, action)))
    }

    /// Writes all Ingresses, at the same time, with one patch each. Where there are several, they
    /// are read before.
    pub(super) async fn shift_all(&self, from: Color, to: Color, epoch: Epoch) -> Result<()> {
        let refuse = |kind, found: String| {
            Err(Error::new(kind, format!("shift traffic to {to}")).with_source(found))
        };
        if self.ingresses.is_empty() {
            let found = "found no ingress, wanted the name of one".to_owned();
            return refuse(ErrorKind::Rejected, found);
        }
        if let [only] = self.ingresses.as_slice() {
            self.refuse_empty(from, to).await?;
            let known = match self.known.last(only) {
                Some(known) => (known, false),
                None => (self.read(only).await?, true),
            };
            return self.shift_one(known, false, (from, to), epoch).await;
        }
        let read = try_join_all(self.ingresses.iter().map(|name| self.read(name))).await?;
        let state = agree(&read, &self.slots.names).state;
        // A shift that came to some of the Ingresses only goes on, or back, from where each is.
        let is_between = matches!(state, ObservedState::Between { .. });
        // Where one of them cannot be written, the others had better stay as they are.
        let may_be = |ingress: &Object| {
            let at = ingress.color(&self.slots.names);
            at.is_ok_and(|at| at == to || at == from || is_between)
        };
        if !read.iter().all(may_be) {
            return refuse(ErrorKind::Conflict, format!("found {state}, wanted {from} 100 %"));
        }
        let is_leaving = |ingress: &Object| ingress.color(&self.slots.names) != Ok(to);
        if read.iter().any(is_leaving) {
            self.refuse_empty(to.other(), to).await?;
        }
        let moves =
            read.into_iter().map(|it| self.shift_one((it, true), is_between, (from, to), epoch));
        all(join_all(moves).await, "ingress")
    }

    async fn shift_one(
        &self,
        (mut ingress, mut is_read): (Object, bool),
        is_between: bool,
        (from, to): (Color, Color),
        epoch: Epoch,
    ) -> Result<()> {
        let (name, uid) = (ingress.name.clone(), ingress.uid.clone());
        let action = self.action("patch", &name);
        let conflict = |found: String| Error::new(ErrorKind::Conflict, &action).with_source(found);
        let mut last = None;
        for _ in 0..ATTEMPTS {
            ingress.stamp.refuse_higher(epoch, &action)?;
            let found = ingress.color(&self.slots.names);
            match found {
                Ok(at) if at == to && is_read => return self.stamp_if_older(&ingress, epoch).await,
                Ok(at) if at == from || is_between && at != to => {
                    let (slots, settings) = (&self.slots.names, &self.settings);
                    let operations = patch::shift(&ingress, (at, to), epoch, slots, settings);
                    match self.patch(&name, operations).await {
                        Ok(()) => return Ok(()),
                        Err(error) if error.kind() == ErrorKind::Conflict => last = Some(error),
                        Err(error) => return Err(error),
                    }
                }
                Ok(at) if is_read => {
                    return Err(conflict(format!("found {at} 100 %, wanted {from} 100 %")));
                }
                Err(found) if is_read => {
                    return Err(conflict(format!("found {found}, wanted {from} 100 %")));
                }
                // It was so when it was last read.
                Ok(_) | Err(_) => {}
            }
            (ingress, is_read) = (self.read(&name).await?, true);
            if ingress.uid != uid {
                return Err(conflict(format!("found uid {}, wanted {uid}", ingress.uid)));
            }
        }
        Err(last.unwrap_or_else(|| Error::new(ErrorKind::Conflict, action)))
    }

    /// It is as it should be, and nothing is left to do but to fence off older drivers.
    async fn stamp_if_older(&self, ingress: &Object, epoch: Epoch) -> Result<()> {
        if ingress.stamp.epoch() == Ok(epoch) {
            return Ok(());
        }
        self.fence_one(&ingress.name, epoch).await
    }

    /// Refuses to send traffic to a slot that has nobody to answer it: a controller answers it
    /// itself then, with 503. Whoever asks for it looks again.
    async fn refuse_empty(&self, from: Color, to: Color) -> Result<()> {
        let service = self.slots.names.of(to);
        if from == to
            || self.slots.was_just_listed(service, to)
            || self.slots.serves(service).await?
        {
            return Ok(());
        }
        let found = format!("Service {service}: found no endpoint that serves, wanted one");
        Err(Error::new(ErrorKind::Unavailable, format!("shift traffic to {to} 100 %"))
            .with_source(found))
    }

    /// Reads an Ingress and remembers it.
    pub(super) async fn read(&self, name: &str) -> Result<Object> {
        let api = self.api();
        let found = read(self.settings.call, self.action("read", name), api.get(name));
        Ok(self.remember(name, &found.await?))
    }

    async fn patch(&self, name: &str, operations: Vec<serde_json::Value>) -> Result<()> {
        let action = self.action("patch", name);
        let (params, patch) = (json_patch::params(false), json_patch::of(operations, &action)?);
        let api = self.api();
        let call = json_patch::send(&self.client, &api, name, &params, &patch);
        let found = write(self.settings.call, action, call).await?;
        self.remember(name, &found);
        Ok(())
    }
}
