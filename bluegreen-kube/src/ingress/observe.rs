//! How traffic is routed, read from the Ingresses.

use bluegreen_core::{Color, Observed, ObservedState, Pair, Result, Routing};
use futures_util::future::try_join_all;

use super::IngressSwitch;
use super::note::Note;
use super::object::Object;
use crate::watching::{Filter, Scope, Together, Watched, named, number};

impl IngressSwitch {
    pub(super) async fn read_routing(&self) -> Result<Observed> {
        let read = try_join_all(self.ingresses.iter().map(|name| self.read(name))).await?;
        Ok(agree(&read, &self.slots.names))
    }

    pub(super) async fn watch_routing(&self, known: &Observed) -> Result<Observed> {
        let mut watched = self.watch_with_others();
        watched.listed().await?;
        loop {
            let observed = match watched.found(|name, found| self.remember(name, found)) {
                Ok(found) => agree(&found, &self.slots.names),
                Err(missing) => {
                    let text = format!("ingress {missing} is not there");
                    Observed::new(ObservedState::Foreign(text), known.epoch)
                }
            };
            if observed.state != known.state {
                return Ok(observed);
            }
            watched.changed().await?;
        }
    }

    /// Watches all Ingresses for a long time: by the watch that others share, if there is one.
    fn watch_with_others(&self) -> Together<String> {
        let watch = |name: &String| {
            let last = self.known.last(name.as_str());
            let at_least = last.map(|ingress| ingress.resource_version);
            let watched = self.watches.watched(
                &self.api(),
                Scope::all().with_managers(),
                &Filter::named(name),
                number(at_least.as_deref()),
                self.action("watch", name),
            );
            (name.clone(), watched)
        };
        Together::new(self.ingresses.iter().map(watch))
    }

    /// Watches all Ingresses, each by its name.
    pub(super) fn watch_ingresses(&self) -> Together<String> {
        let watch = |name: &String| {
            let watched = Watched::new(self.api(), named(name), self.action("watch", name));
            (name.clone(), watched)
        };
        Together::own(self.ingresses.iter().map(watch))
    }
}

/// What the Ingresses together say.
pub(super) fn agree(ingresses: &[Object], slots: &Pair<String>) -> Observed {
    let epochs = ingresses.iter().filter_map(|ingress| ingress.stamp.epoch().ok());
    let epoch = epochs.max().unwrap_or_default();
    let foreign = |found: String| Observed::new(ObservedState::Foreign(found), epoch);
    let mut found = Vec::with_capacity(ingresses.len());
    for ingress in ingresses {
        match ingress.color(slots) {
            Ok(color) => found.push(color),
            Err(other) => return foreign(other),
        }
    }
    let Some(first) = found.first() else { return foreign("no ingress".to_owned()) };
    if found.iter().all(|color| color == first) {
        return Observed::routed(Routing::all(*first), epoch);
    }
    // A shift that stopped on its way has left its note on those that it came to, and on no other:
    // where one has the note and is elsewhere, somebody has moved it since.
    let explains = |note: &Note| {
        let is_on_its_way = |(ingress, at): (&Object, &Color)| {
            *at == note.to || *at == note.from && ingress.note != Some(*note)
        };
        note.from != note.to && ingresses.iter().zip(&found).all(is_on_its_way)
    };
    let arrived = ingresses
        .iter()
        .zip(&found)
        .filter_map(|(ingress, at)| ingress.note.filter(|note| note.to == *at));
    if let Some(note) = arrived.filter(explains).max_by_key(|note| note.epoch) {
        let (from, to) = (Routing::all(note.from), Routing::all(note.to));
        return Observed::new(ObservedState::Between { from, to }, epoch);
    }
    let each = ingresses.iter().zip(&found);
    let each: Vec<_> =
        each.map(|(ingress, color)| format!("{}: {}", ingress.name, slots.of(*color))).collect();
    foreign(format!("ingresses that disagree: {}", each.join("; ")))
}
