//! The way back: traffic first, in one write, without asking the candidate.

use std::fmt;
use std::pin::pin;
use std::time::Duration;

use super::Driver;
use super::takeover::if_there;
use crate::release::EventKind;
use crate::{
    Color, ErrorKind, Observed, ObservedState, Progress, Record, Replicas, Result, Routing, Share,
};

/// How long the way back waits to know how both slots fare. Not knowing does not stop it.
const GLANCE: Duration = Duration::from_secs(1);

/// How long the slots are fenced after traffic was given back, if it has not followed before.
const AHEAD: Duration = Duration::from_millis(250);

/// How often the plan's time is waited for traffic to come back. More than once, because whoever
/// programs the nodes may have been cut off by what made the release fail.
const PATIENCE: u32 = 10;

/// What the way back begins with.
pub(crate) struct Glance {
    observed: Result<Observed>,
    /// How damaged the slot is that is to get the traffic, if it is.
    damage: Result<Option<Damage>>,
}

impl Glance {
    /// Whether traffic is better off where it is, as far as that is known.
    fn is_better_there(&self) -> Option<&Damage> {
        self.damage.as_ref().ok()?.as_ref().filter(|damage| damage.is_better_there())
    }
}

/// The slot that is to get the traffic does not serve with all its pods.
#[derive(Clone, Copy, Debug)]
struct Damage {
    to: Color,
    here: Replicas,
    there: Replicas,
}

impl Damage {
    /// More pods serve on the other slot, and it is damaged too, or this one serves with none.
    /// Where the other one is whole, something else than its pods is wrong with it.
    fn is_better_there(&self) -> bool {
        let Self { here, there, .. } = self;
        there.serving > here.serving && (here.serving == 0 || there.serving < there.wanted)
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { to, here, there } = self;
        write!(f, "{to} serves with {} of {} pods", here.serving, here.wanted)?;
        write!(f, ", {} with {} of {}", to.other(), there.serving, there.wanted)
    }
}

impl Driver {
    /// A look at where traffic goes, and whether there are pods to give it back to.
    pub(crate) async fn glance(&self, record: &Record, to: Color) -> Glance {
        let observing = self.ports.switch.observe();
        let (observed, damage) = tokio::join!(
            self.bounded_read("observe the routing", record.plan.call, observing),
            self.bounded_read("glance at the slots", GLANCE, self.damage(to)),
        );
        Glance { observed, damage }
    }

    /// The way back right after a takeover: gives traffic back to `to` by a write that fences the
    /// switch itself. Where that write cannot be made on what was `seen`, fences first, as
    /// everywhere else.
    ///
    /// # Errors
    /// What stands in the way of a fence.
    pub(crate) async fn fence_and_give_back(
        &self,
        record: &Record,
        to: Color,
        seen: Glance,
    ) -> Result<EventKind> {
        let epoch = record.envelope.epoch;
        if !self.give_back_as_seen(record, to, seen).await {
            self.fence(epoch, record).await?;
            return Ok(self.give_back(record, to).await);
        }
        // The slots have no part in it, and whoever makes traffic follow should not have to wait
        // behind their fences.
        let mut following = pin!(self.followed(record, to));
        let early = tokio::select! {
            biased;
            followed = &mut following => Some(followed),
            () = self.ports.clock.sleep(AHEAD) => None,
        };
        let fencing = self.fence_slots(epoch, record);
        let (followed, fenced) = if let Some(followed) = early {
            (followed, fencing.await)
        } else {
            tokio::join!(following, fencing)
        };
        fenced?;
        match followed {
            Ok(event) => Ok(event),
            Err(_) => Ok(self.give_back(record, to).await),
        }
    }

    /// One try on what was seen before the fence. The write tests all of it, so what has changed
    /// meanwhile makes it fail, and it stamps the epoch as a fence does.
    async fn give_back_as_seen(&self, record: &Record, to: Color, seen: Glance) -> bool {
        if seen.is_better_there().is_some() {
            return false;
        }
        let Ok(observed) = seen.observed else { return false };
        let Some(from) = observed.routing().filter(|from| **from != Routing::all(to)) else {
            return false;
        };
        let target = Routing::all(to);
        let shifting = self.ports.switch.shift(from, &target, record.envelope.epoch);
        self.bounded("give traffic back", record.plan.call, shifting).await.is_ok()
    }

    /// Gives traffic back to `to`.
    pub(crate) async fn give_back(&self, record: &Record, to: Color) -> EventKind {
        let mut waits = 0;
        loop {
            // Never gives up on what is merely away.
            let written =
                self.until_available(record.plan.call, || self.try_give_back(record, to)).await;
            match written {
                Ok(None) => {}
                Ok(Some(event)) => return event,
                Err(error) => {
                    return EventKind::Stuck {
                        message: format!("traffic was not given back to {to}: {}", error.chain()),
                        advice: "move it by hand (see the README), then `resume`".to_owned(),
                    };
                }
            }
            let error = match self.followed(record, to).await {
                Ok(event) => return event,
                Err(error) => error,
            };
            waits += 1;
            if waits == PATIENCE {
                return EventKind::Stuck {
                    message: format!(
                        "traffic was given back to {to}, but did not follow: {}",
                        error.chain()
                    ),
                    advice: "look at the endpoints of the live Service, then `resume`".to_owned(),
                };
            }
            self.pause(&mut self.pauses(), &error).await;
        }
    }

    /// Waits until traffic has come back, and then says what should be known of the slot that has it.
    async fn followed(&self, record: &Record, to: Color) -> Result<EventKind> {
        let evidence = self.converged(record, &Routing::all(to)).await?;
        Ok(EventKind::Returned { evidence, caveats: self.caveats(to).await })
    }

    async fn try_give_back(&self, record: &Record, to: Color) -> Result<Option<EventKind>> {
        let call = record.plan.call;
        let target = Routing::all(to);
        for _ in 0..5 {
            let glance = self.glance(record, to).await;
            if let (Ok(observed), Some(damage)) = (&glance.observed, glance.is_better_there())
                && observed.routing() != Some(&target)
            {
                return Ok(Some(EventKind::Stuck {
                    message: format!("{damage}: traffic stays there"),
                    advice: format!("bring up pods of {to}, then `resume`"),
                }));
            }
            let observed = glance.observed?;
            if observed.routing() == Some(&target) {
                return Ok(None);
            }
            let from = match observed.state {
                // From there a shift that stopped half-way may go back, wherever the record says
                // that traffic was: somebody may have moved it before.
                ObservedState::Routed(from) | ObservedState::Between { from, .. } => from,
                // No write from there would be a conditional one.
                ObservedState::Foreign(found) => {
                    return Ok(Some(EventKind::Stuck {
                        message: format!("found {found}, wanted {}", record.envelope.routing),
                        advice: format!("move traffic to {to} by hand, then `resume`"),
                    }));
                }
            };
            let shifting = self.ports.switch.shift(&from, &target, record.envelope.epoch);
            match self.bounded("give traffic back", call, shifting).await {
                Err(error) if error.kind() == ErrorKind::Conflict => {}
                Err(error) if error.kind() == ErrorKind::Unknown => {}
                result => return result.map(|()| None),
            }
        }
        Err(crate::Error::new(ErrorKind::Conflict, "give traffic back")
            .with_source("someone else changes the routing again and again"))
    }

    /// How damaged `to` is, if it is. The other slot is not asked for longer than it matters: it may
    /// be what is broken.
    async fn damage(&self, to: Color) -> Result<Option<Damage>> {
        let replicas = async |color: Color| match self.ports.slots.of(color).state().await {
            // A slot that is gone serves with nothing.
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Replicas::default()),
            state => state.map(|state| state.replicas),
        };
        let here = replicas(to).await?;
        if here.serving >= here.wanted.max(1) {
            return Ok(None);
        }
        let there = replicas(to.other()).await?;
        Ok(Some(Damage { to, here, there }))
    }

    /// What somebody should know who goes back to this slot. Asked for no longer than a moment.
    async fn caveats(&self, to: Color) -> Vec<String> {
        let slot = self.ports.slots.of(to);
        let asking = self.bounded_read("ask for caveats", GLANCE, slot.caveats());
        let looking = self.bounded_read("glance at the slots", GLANCE, self.damage(to));
        let (caveats, damage) = tokio::join!(asking, looking);
        let mut caveats = caveats.unwrap_or_default();
        caveats.extend(damage.ok().flatten().map(|damage| damage.to_string()));
        for caveat in &caveats {
            self.report(&Progress::note(format!("traffic is back, but: {caveat}")));
        }
        caveats
    }

    pub(super) async fn restore(&self, record: &Record, slot: Color) -> EventKind {
        let restoring = || self.try_restore(record, slot);
        match self.until_available(record.plan.call, restoring).await {
            Ok(event) => event,
            Err(error) => EventKind::Stuck {
                message: error.chain(),
                advice: format!("traffic is safe; put the slot {slot} back and `resume`"),
            },
        }
    }

    async fn try_restore(&self, record: &Record, slot: Color) -> Result<EventKind> {
        let (call, epoch) = (record.plan.call, record.envelope.epoch);
        // Somebody may have moved traffic here meanwhile: then it has to keep its pods.
        let observing = self.ports.switch.observe();
        let observed = self.bounded_read("observe the routing", call, observing).await?;
        if observed.routing().is_none_or(|routing| routing.share_of(slot) != Share::NONE) {
            return Ok(EventKind::Stuck {
                message: format!("{slot} may have traffic: found {}", observed.state),
                advice: format!("move traffic to {} by hand, then `resume`", slot.other()),
            });
        }
        let (failed, live) = (self.ports.slots.of(slot), self.ports.slots.of(slot.other()));
        match self.bounded("put the slot back", call, failed.revert(epoch)).await {
            // Somebody has deleted it, and everything that could be put back.
            Err(error) if error.kind() == ErrorKind::NotFound => {
                self.report(&Progress::note(format!("not put back: {}", error.chain())));
            }
            result => result?,
        }
        let (a, b) = tokio::join!(
            self.bounded("thaw the candidate's autoscaler", call, failed.thaw(epoch)),
            self.bounded("thaw the live autoscaler", call, live.thaw(epoch)),
        );
        if_there(a).and(if_there(b))?;
        Ok(EventKind::Restored)
    }
}
