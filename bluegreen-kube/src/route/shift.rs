//! The two writes to routes: the stamp of a fencing number, and the shift itself.

use bluegreen_core::{Color, Epoch, Error, ErrorKind, ObservedState, Result, Routing, Share};
use futures_util::future::{join_all, try_join_all};

use super::name::RouteName;
use super::object::Object;
use super::observe::agree;
use super::{RouteWeights, patch};
use crate::error::{read, write};
use crate::json_patch;
use crate::stamp::all;

/// How often a write is decided anew because the object was changed in between.
const ATTEMPTS: usize = 5;

impl RouteWeights {
    pub(super) async fn fence_all(&self, epoch: Epoch) -> Result<()> {
        let fences = self.routes.iter().map(|name| self.fence_one(name, epoch));
        all(join_all(fences).await, "route")
    }

    async fn fence_one(&self, name: &RouteName, epoch: Epoch) -> Result<()> {
        let action = self.action("patch", name);
        let mut conflict = None;
        let mut recent = self.known.recent(name);
        for _ in 0..ATTEMPTS {
            let route = match recent.take() {
                Some(recent) => recent,
                None => self.read(name).await?,
            };
            route.stamp.refuse_higher(epoch, &action)?;
            let operations = patch::stamp(&route, epoch, &self.settings);
            match self.patch(name, operations).await {
                Ok(()) => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Conflict => conflict = Some(error),
                Err(error) => return Err(error),
            }
        }
        Err(conflict.unwrap_or_else(|| Error::new(ErrorKind::Conflict, action)))
    }

    /// Writes all routes, at the same time, with one patch each. Where there are several, they are
    /// read before.
    pub(super) async fn shift_all(&self, from: &Routing, to: &Routing, epoch: Epoch) -> Result<()> {
        if self.routes.is_empty() {
            return Err(Error::new(ErrorKind::Rejected, format!("shift traffic to {to}"))
                .with_source("found no route, wanted the name of one"));
        }
        if let [only] = self.routes.as_slice() {
            self.refuse_empty(std::slice::from_ref(from), to).await?;
            let known = match self.known.last(only) {
                Some(known) => (known, false),
                None => (self.read(only).await?, true),
            };
            return self.shift_one(known, false, from, to, epoch).await;
        }
        let routes = try_join_all(self.routes.iter().map(|name| self.read(name))).await?;
        let state = agree(&routes, &self.slots).state;
        // A shift that came to some of the routes only goes on, or back, from where each is.
        let is_between = matches!(state, ObservedState::Between { .. });
        // Where one of them cannot be written, the others had better stay as they are.
        let may_be = |route: &Object| {
            let at = route.routing(&self.slots);
            at.is_ok_and(|at| at == *to || at == *from || is_between && route.is_after(from, &at))
        };
        if !routes.iter().all(may_be) {
            return Err(Error::new(ErrorKind::Conflict, format!("shift traffic to {to}"))
                .with_source(format!("found {state}, wanted {from}")));
        }
        let at = routes.iter().filter_map(|route| route.routing(&self.slots).ok());
        let at: Vec<Routing> = at.chain([from.clone()]).collect();
        self.refuse_empty(&at, to).await?;
        let moves =
            routes.into_iter().map(|it| self.shift_one((it, true), is_between, from, to, epoch));
        all(join_all(moves).await, "route")
    }

    async fn shift_one(
        &self,
        (mut route, mut is_read): (Object, bool),
        is_between: bool,
        from: &Routing,
        to: &Routing,
        epoch: Epoch,
    ) -> Result<()> {
        let (name, uid) = (route.name.clone(), route.uid.clone());
        let action = self.action("patch", &name);
        let conflict = |found: String| Error::new(ErrorKind::Conflict, &action).with_source(found);
        let mut last = None;
        for _ in 0..ATTEMPTS {
            route.stamp.refuse_higher(epoch, &action)?;
            let found = route.routing(&self.slots);
            match found {
                Ok(at) if at == *to && is_read => return self.stamp_if_older(&route, epoch).await,
                Ok(at) if at == *from || is_between && route.is_after(from, &at) => {
                    let (slots, settings) = (&self.slots, &self.settings);
                    let operations = patch::shift(&route, from, to, epoch, slots, settings);
                    let operations = operations.map_err(conflict)?;
                    match self.patch(&name, operations).await {
                        Ok(()) => return Ok(()),
                        Err(error) if error.kind() == ErrorKind::Conflict => last = Some(error),
                        Err(error) => return Err(error),
                    }
                }
                Ok(at) if is_read => {
                    return Err(conflict(format!("found {at}, wanted {from}")));
                }
                Err(found) if is_read => {
                    return Err(conflict(format!("found {found}, wanted {from}")));
                }
                // It was so when it was last read.
                Ok(_) | Err(_) => {}
            }
            (route, is_read) = (self.read(&name).await?, true);
            if route.uid != uid {
                return Err(conflict(format!("found uid {}, wanted {uid}", route.uid)));
            }
        }
        Err(last.unwrap_or_else(|| Error::new(ErrorKind::Conflict, action)))
    }

    /// It is as it should be, and nothing is left to do but to fence off older drivers.
    async fn stamp_if_older(&self, route: &Object, epoch: Epoch) -> Result<()> {
        if route.stamp.epoch() == Ok(epoch) {
            return Ok(());
        }
        self.fence_one(&route.name, epoch).await
    }

    /// Refuses to send more requests than any route of `from` does to a slot that has nobody to
    /// answer them: a gateway answers them itself then, with 503.
    async fn refuse_empty(&self, from: &[Routing], to: &Routing) -> Result<()> {
        let pins = |routing: &Routing, color: Color| {
            routing.pins.iter().filter(|pin| pin.color() == color).count()
        };
        for color in Color::BOTH {
            let gains = |from: &Routing| {
                to.share_of(color) > from.share_of(color) || pins(to, color) > pins(from, color)
            };
            if !from.iter().any(gains) || self.was_just_listed(color) || self.serves(color).await? {
                continue;
            }
            let backend = self.slots.names.of(color);
            // A slot that gets everything is waited for: whoever asks for it looks again.
            let is_whole = to.share_of(color) == Share::ALL;
            let kind = if is_whole { ErrorKind::Unavailable } else { ErrorKind::Conflict };
            return Err(Error::new(kind, format!("shift traffic to {to}")).with_source(format!(
                "{} {backend}: found no endpoint that serves, wanted one",
                self.slots.backend.kind()
            )));
        }
        Ok(())
    }

    /// Reads a route and remembers it.
    pub(super) async fn read(&self, name: &RouteName) -> Result<Object> {
        let api = self.api(name.kind);
        let found = read(self.settings.call, self.action("read", name), api.get(&name.name));
        Ok(self.remember(name, &found.await?))
    }

    async fn patch(&self, name: &RouteName, operations: Vec<serde_json::Value>) -> Result<()> {
        let action = self.action("patch", name);
        let (params, patch) = (json_patch::params(false), json_patch::of(operations, &action)?);
        let api = self.api(name.kind);
        let call = json_patch::send(&self.client, &api, &name.name, &params, &patch);
        let found = write(self.settings.call, action, call).await?;
        self.remember(name, &found);
        Ok(())
    }
}
