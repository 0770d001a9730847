//! The two writes to live Services: the stamp of a fencing number, and the switch itself.

use bluegreen_core::{Color, Epoch, Error, ErrorKind, Result, Routing};
use futures_util::future::join_all;
use k8s_openapi::api::core::v1::Service;

use super::live::{Live, select, transition};
use super::{Known, ServiceSwitch, patch};
use crate::error::{read, write};
use crate::selector::{Selector, in_words};
use crate::slotless::Leads;
use crate::stamp::all;

/// How often a write is decided anew because the object was changed in between.
const ATTEMPTS: usize = 5;

impl ServiceSwitch {
    pub(super) async fn fence_all(&self, epoch: Epoch) -> Result<()> {
        let fences = self.services.iter().map(|name| self.fence_one(name, epoch));
        all(join_all(fences).await, "service")
    }

    /// Stamps the epoch on one Service. This is the first write of a release, so it also names
    /// the live slot in a selector that names none: later the candidate has pods, too.
    pub(super) async fn fence_one(&self, name: &str, epoch: Epoch) -> Result<()> {
        let action = self.action("patch", name);
        let mut conflict = None;
        let mut recent = self.recent(name);
        for _ in 0..ATTEMPTS {
            let live = match recent.take() {
                Some(recent) => recent.live,
                None => self.read(name).await?.live,
            };
            live.stamp.refuse_higher(epoch, &action)?;
            let operations = match self.leads(&live).await? {
                Some(Leads::To(color)) => {
                    let label = &self.settings.slot_label;
                    tracing::info!(service = name, %color, "the selector gets the slot key");
                    let wanted = select(&live.selector, label, color);
                    patch::complete(&live, &wanted, epoch.number(), &self.settings)
                }
                _ => patch::stamp(&live, epoch.number(), &self.settings),
            };
            match self.patch(name, operations).await {
                Ok(()) => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Conflict => conflict = Some(error),
                Err(error) => return Err(error),
            }
        }
        Err(conflict.unwrap_or_else(|| Error::new(ErrorKind::Conflict, action)))
    }

    /// Moves every live Service, all at the same time, with one patch each.
    pub(super) async fn shift_all(&self, from: &Routing, to: &Routing, epoch: Epoch) -> Result<()> {
        let moves =
            self.services.iter().map(|name| self.shift_one(name, from.live, to.live, epoch));
        all(join_all(moves).await, "service")
    }

    async fn shift_one(&self, name: &str, from: Color, to: Color, epoch: Epoch) -> Result<()> {
        let action = self.action("patch", name);
        let label = &self.settings.slot_label;
        let Known { mut live, base, .. } = match self.known(name) {
            Some(known) => known,
            None => self.read(name).await?,
        };
        let new = select(&base, label, to);
        let uid = live.uid.clone();
        let mut conflict = None;
        for _ in 0..ATTEMPTS {
            live.stamp.refuse_higher(epoch, &action)?;
            let old = self.selector_of(&live, &base, from).await?;
            let text = transition(from, to, epoch);
            let operations = patch::shift(&live, &old, &new, epoch.number(), &text, &self.settings);
            match self.patch(name, operations).await {
                Ok(()) => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Conflict => conflict = Some(error),
                Err(error) => return Err(error),
            }
            live = self.read(name).await?.live;
            if live.uid != uid {
                return Err(Error::new(ErrorKind::Conflict, action)
                    .with_source(format!("found uid {}, wanted {uid}", live.uid)));
            }
            if live.selector == new {
                live.stamp.refuse_higher(epoch, &action)?;
                return self.stamp_if_older(&live, epoch).await;
            }
            let old = self.selector_of(&live, &base, from).await?;
            refuse_other(&live, &old, &action)?;
        }
        Err(conflict.unwrap_or_else(|| Error::new(ErrorKind::Conflict, action)))
    }

    /// What the selector of a Service is while it leads to `from`.
    async fn selector_of(&self, live: &Live, base: &Selector, from: Color) -> Result<Selector> {
        Ok(match self.leads(live).await? {
            Some(Leads::To(color)) if color == from => live.selector.clone(),
            _ => select(base, &self.settings.slot_label, from),
        })
    }

    /// It is where it should be, and nothing is left to do but to fence off older drivers.
    async fn stamp_if_older(&self, live: &Live, epoch: Epoch) -> Result<()> {
        if live.epoch() == Ok(epoch) {
            return Ok(());
        }
        self.fence_one(&live.name, epoch).await
    }

    /// Reads a live Service and remembers it.
    pub(super) async fn read(&self, name: &str) -> Result<Known> {
        let service = self.get(name).await?;
        Ok(self.remember(&service))
    }

    pub(super) async fn get(&self, name: &str) -> Result<Service> {
        let call = self.services_api.get(name);
        read(self.settings.call, self.action("read", name), call).await
    }

    async fn patch(&self, name: &str, operations: Vec<serde_json::Value>) -> Result<()> {
        let action = self.action("patch", name);
        let (params, patch) = (patch::params(false), patch::of(operations, &action)?);
        let call = self.services_api.patch(name, &params, &patch);
        let service = write(self.settings.call, action, call).await?;
        self.remember(&service);
        Ok(())
    }
}

fn refuse_other(live: &Live, wanted: &Selector, action: &str) -> Result<()> {
    if live.selector == *wanted {
        return Ok(());
    }
    let (found, wanted) = (in_words(&live.selector), in_words(wanted));
    Err(Error::new(ErrorKind::Conflict, action)
        .with_source(format!("found selector {found}, wanted {wanted}")))
}
