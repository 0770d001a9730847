//! How traffic is routed, read from the primary, the canary and the canary's Service.

use bluegreen_core::{Color, ErrorKind, Observed, ObservedState, Result, Routing};
use k8s_openapi::api::core::v1::Service;
use kube::api::DynamicObject;

use super::marks::Asked;
use super::objects::Note;
use super::steps::State;
use super::{IngressCanary, objects};
use crate::Settings;
use crate::error::read;
use crate::ingress::api;
use crate::printable::quoted;
use crate::selector::in_words;
use crate::watching::{Filter, Scope, View};

/// Everything that the routing is read from, as it was at one time.
pub(super) struct Read {
    pub(super) main: Observed,
    pub(super) canary: DynamicObject,
    pub(super) service: Service,
}

impl IngressCanary {
    pub(super) async fn read(&self) -> Result<Read> {
        let (main, canary, service) =
            tokio::try_join!(self.inner().observe(), self.get_canary(), self.get_service())?;
        Ok(Read { main, canary, service })
    }

    pub(super) async fn get_canary(&self) -> Result<DynamicObject> {
        let ingresses = api(&self.client, &self.settings.namespace);
        let action = format!("read ingress {}/{}", self.settings.namespace, self.canary);
        read(self.settings.call, action, ingresses.get(&self.canary)).await
    }

    pub(super) async fn get_service(&self) -> Result<Service> {
        let action = format!("read service {}/{}", self.settings.namespace, self.service);
        read(self.settings.call, action, self.slots.services.get(&self.service)).await
    }

    /// The same; `None` where there is no canary, or no Service of it, and the primary is all that there
    /// is. Who takes away the canary gives its share back, and stands in nobody's way.
    pub(super) async fn read_if_there(&self) -> Result<(Observed, Option<Read>)> {
        match self.read().await {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                // If the primary is what is missing, that is said now.
                Ok((self.inner().observe().await?, None))
            }
            read => read.map(|read| (read.observed(&self.settings), Some(read))),
        }
    }

    pub(super) async fn watch_routing(&self, known: &Observed) -> Result<Observed> {
        let mut objects = self.watch_objects();
        loop {
            // Whatever has changed, all of it is read, so that it is of one time.
            let (observed, found) = self.read_if_there().await?;
            if observed.state != known.state {
                return Ok(observed);
            }
            let main = found.map_or(observed, |found| found.main);
            tokio::select! {
                changed = self.inner().watch(&main) => drop(changed?),
                changed = objects.changed() => changed?,
            }
        }
    }

    /// Watches the canary and its Service.
    pub(super) fn watch_objects(&self) -> Objects {
        let namespace = &self.settings.namespace;
        let (canary, service) = (&self.canary, &self.service);
        // What is told is read anew, so it need not be the latest.
        Objects {
            canary: self.watches.watched(
                &api(&self.client, namespace),
                Scope::all().with_managers(),
                &Filter::named(canary),
                0,
                format!("watch ingress {namespace}/{canary}"),
            ),
            service: self.watches.watched(
                &self.slots.services,
                Scope::all().with_managers(),
                &Filter::named(service),
                0,
                format!("watch service {namespace}/{service}"),
            ),
        }
    }
}

/// The canary and its Service as they change.
pub(super) struct Objects {
    canary: View<DynamicObject>,
    service: View<Service>,
}

impl Objects {
    /// Returns once one of them was listed or has changed.
    ///
    /// # Cancel safety
    /// What was read is kept.
    pub(super) async fn changed(&mut self) -> Result<()> {
        tokio::select! {
            changed = self.canary.changed() => changed.map(drop),
            changed = self.service.changed() => changed.map(drop),
        }
    }
}

impl Read {
    /// What it says.
    pub(super) fn observed(&self, settings: &Settings) -> Observed {
        let metadata = [&self.canary.metadata, &self.service.metadata];
        let epochs = metadata.map(|it| objects::epoch(it, settings));
        let highest = epochs.iter().filter_map(|it| it.as_ref().ok()).max().copied();
        let epoch = highest.unwrap_or_default().max(self.main.epoch);
        let state = match self.decode(settings) {
            Ok(state) => state,
            Err(found) => ObservedState::Foreign(found),
        };
        Observed::new(state, epoch)
    }

    fn decode(&self, settings: &Settings) -> Result<ObservedState, String> {
        if let ObservedState::Foreign(_) = &self.main.state {
            return Ok(self.main.state.clone());
        }
        let (canary, asked) = self.canary(settings)?;
        let last = objects::last(&self.canary, settings);
        let through = |main: Color| asked.routing(main, last.as_ref().map(|note| &note.to));
        let main = match &self.main.state {
            ObservedState::Between { from, to } => {
                // The weight goes last: until then the canary is as it was before the move.
                let before = if canary == from.live { from.clone() } else { through(from.live) };
                return Ok(ObservedState::Between { from: before, to: Routing::all(to.live) });
            }
            ObservedState::Routed(routing) => routing.live,
            other => return Ok(other.clone()),
        };
        if asked.is_nothing() {
            return Ok(match last.filter(|note| note.is_moving && note.to.live == main) {
                // It has moved, and nothing is asked for yet that was to be.
                Some(Note { from, to, .. }) => ObservedState::Between { from, to },
                None => ObservedState::Routed(Routing::all(main)),
            });
        }
        if canary == main {
            // All of it goes to one slot, whichever way it takes.
            let from = through(main.other());
            return Ok(ObservedState::Between { from, to: Routing::all(main) });
        }
        Ok(ObservedState::Routed(through(main)))
    }

    /// Which slot the canary's Service selects, and what the canary is asked for.
    fn canary(&self, settings: &Settings) -> Result<(Color, Asked), String> {
        for (kind, metadata) in
            [("ingress", &self.canary.metadata), ("service", &self.service.metadata)]
        {
            if let Err(text) = objects::epoch(metadata, settings) {
                let name = metadata.name.as_deref().unwrap_or_default();
                let text = quoted(&text);
                return Err(format!("{kind} {name} has the epoch {text}, which is no number"));
            }
        }
        let Some(color) = objects::color(&self.service, settings) else {
            let selector = in_words(&crate::ingress::slots::selector(&self.service));
            let service = objects::named("service", &self.service);
            return Err(format!("{service} selects {selector}, which is no slot"));
        };
        let asked = Asked::read(&objects::annotations(&self.canary));
        let in_words = |found| format!("{} has {found}", objects::named("ingress", &self.canary));
        Ok((color, asked.map_err(in_words)?))
    }

    /// The same for the plan of the writes that lead to `to`.
    ///
    /// # Errors
    /// What else was found.
    pub(super) fn state(&self, to: Color, settings: &Settings) -> Result<State, String> {
        let main = match &self.main.state {
            ObservedState::Routed(routing) => routing.live,
            // A move of the primary that stopped half way is to be made, wherever it goes.
            ObservedState::Between { .. } => to.other(),
            other => return Err(other.to_string()),
        };
        let (canary, asked) = self.canary(settings)?;
        Ok(State { main, canary, asked })
    }
}
