//! How traffic is routed, read from the routes.

use bluegreen_core::{Observed, ObservedState, Result, Routing};
use futures_util::future::try_join_all;
use kube::runtime::watcher;

use super::RouteWeights;
use super::name::RouteName;
use super::note::Note;
use super::object::Object;
use super::rule::Slots;
use crate::watching::{Filter, Scope, Together, Watched, named, number};

impl RouteWeights {
    pub(super) async fn read_routing(&self) -> Result<Observed> {
        let read = try_join_all(self.routes.iter().map(|name| self.read(name))).await?;
        Ok(agree(&read, &self.slots))
    }

    pub(super) async fn watch_routing(&self, known: &Observed) -> Result<Observed> {
        let mut watched = self.watch_with_others();
        watched.listed().await?;
        loop {
            let observed = match watched.found(|name, found| self.remember(name, found)) {
                Ok(found) => agree(&found, &self.slots),
                Err(missing) => {
                    let text = format!("{missing} is not there");
                    Observed::new(ObservedState::Foreign(text), known.epoch)
                }
            };
            if observed.state != known.state {
                return Ok(observed);
            }
            watched.changed().await?;
        }
    }

    /// Watches all routes for a long time: by the watch that others share, if there is one.
    fn watch_with_others(&self) -> Together<RouteName> {
        let watch = |name: &RouteName| {
            let last = self.known.last(name);
            let at_least = last.and_then(|route| route.whole.metadata.resource_version.clone());
            let watched = self.watches.watched(
                &self.api(name.kind),
                Scope::all().with_managers(),
                &Filter::named(&name.name),
                number(at_least.as_deref()),
                self.action("watch", name),
            );
            (name.clone(), watched)
        };
        Together::new(self.routes.iter().map(watch))
    }

    /// Watches all routes, each by its name.
    pub(super) fn watch_routes(
        &self,
        adjust: fn(watcher::Config) -> watcher::Config,
    ) -> Together<RouteName> {
        let watch = |name: &RouteName| {
            let action = self.action("watch", name);
            let watched = Watched::new(self.api(name.kind), adjust(named(&name.name)), action);
            (name.clone(), watched)
        };
        Together::own(self.routes.iter().map(watch))
    }
}

/// What the routes together say.
pub(super) fn agree(routes: &[Object], slots: &Slots) -> Observed {
    let epochs = routes.iter().filter_map(|route| route.stamp.epoch().ok());
    let epoch = epochs.max().unwrap_or_default();
    let foreign = |found: String| Observed::new(ObservedState::Foreign(found), epoch);
    let mut found = Vec::with_capacity(routes.len());
    for route in routes {
        match route.routing(slots) {
            Ok(routing) => found.push(routing),
            Err(other) => return foreign(other),
        }
    }
    let Some(first) = found.first() else { return foreign("no route".to_owned()) };
    if found.iter().all(|routing| routing == first) {
        return Observed::routed(first.clone(), epoch);
    }
    // A shift that stopped on its way has left its note on those that it came to.
    // One epoch makes many, so it has to be one that explains where they all are. From where one
    // begins, another may have begun before: a way back may stop on its way, too.
    let explains = |note: &&Note| {
        let is_on_its_way = |(route, at): (&Object, &Routing)| {
            *at == note.from || *at == note.to || route.is_after(&note.from, at)
        };
        routes.iter().zip(&found).all(is_on_its_way)
    };
    let notes = routes.iter().filter_map(Object::note).filter(explains);
    if let Some(note) = notes.max_by_key(|note| note.epoch) {
        let (from, to) = (note.from.clone(), note.to.clone());
        return Observed::new(ObservedState::Between { from, to }, epoch);
    }
    let each = routes.iter().zip(&found);
    let each: Vec<_> = each.map(|(route, routing)| format!("{}: {routing}", route.name)).collect();
    foreign(format!("routes that disagree: {}", each.join("; ")))
}
