//! The way back: traffic first, in one write, without asking the candidate.

use std::time::Duration;

use super::Driver;
use crate::release::EventKind;
use crate::{Color, ErrorKind, Observed, ObservedState, Record, Result, Routing, Share};

/// How long the way back waits to know how both slots fare. Not knowing does not stop it.
const GLANCE: Duration = Duration::from_secs(1);

/// How often the plan's time is waited for traffic to come back. More than once, because whoever
/// programs the nodes may have been cut off by what made the release fail.
const PATIENCE: u32 = 10;

/// What the way back begins with.
pub(crate) struct Glance {
    observed: Result<Observed>,
    /// With how many pods the other slot serves, if the one that gets the traffic has none.
    elsewhere: Result<Option<u32>>,
}

impl Driver {
    /// A look at where traffic goes, and whether there are pods to give it back to.
    pub(crate) async fn glance(&self, record: &Record, to: Color) -> Glance {
        let observing = self.ports.switch.observe();
        let (observed, elsewhere) = tokio::join!(
            self.bounded_read("observe the routing", record.plan.call, observing),
            self.bounded_read("glance at the slots", GLANCE, self.only_elsewhere(to)),
        );
        Glance { observed, elsewhere }
    }

    /// Begins a way back right after a takeover: gives traffic back to `to` while the slots are
    /// fenced, by a write that fences the switch itself. Where that write cannot be made on what
    /// was `seen`, fences first, as everywhere else.
    ///
    /// # Errors
    /// What stands in the way of a fence.
    pub(crate) async fn fence_and_give_back(
        &self,
        record: &Record,
        to: Color,
        seen: Glance,
    ) -> Result<()> {
        let epoch = record.envelope.epoch;
        let giving = self.give_back_as_seen(record, to, seen);
        let (given, fenced) = tokio::join!(giving, self.fence_slots(epoch, record));
        if !given {
            self.fence_switch(epoch, record).await?;
        }
        fenced
    }

    /// One try on what was seen before the fence. The write tests all of it, so what has changed
    /// meanwhile makes it fail, and it stamps the epoch as a fence does.
    async fn give_back_as_seen(&self, record: &Record, to: Color, seen: Glance) -> bool {
        let (Ok(observed), Ok(None)) = (seen.observed, seen.elsewhere) else { return false };
        let Some(from) = observed.routing().filter(|from| **from != Routing::all(to)) else {
            return false;
        };
        let target = Routing::all(to);
        let shifting = self.ports.switch.shift(from, &target, record.envelope.epoch);
        self.bounded("give traffic back", record.plan.call, shifting).await.is_ok()
    }

    /// Gives traffic back to `to`.
    pub(crate) async fn give_back(&self, record: &Record, to: Color) -> EventKind {
        let target = Routing::all(to);
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
            let error = match self.converged(record, &target).await {
                Ok(evidence) => return EventKind::Returned { evidence },
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
            self.pause(&mut super::tries::Pause::default(), &error).await;
        }
    }

    async fn try_give_back(&self, record: &Record, to: Color) -> Result<Option<EventKind>> {
        let call = record.plan.call;
        let target = Routing::all(to);
        for _ in 0..5 {
            let Glance { observed, elsewhere } = self.glance(record, to).await;
            let observed = observed?;
            if observed.routing() == Some(&target) {
                return Ok(None);
            }
            if let Ok(Some(serving)) = elsewhere {
                return Ok(Some(EventKind::Stuck {
                    message: format!(
                        "{to} serves with no pod and {} with {serving}: traffic stays there",
                        to.other(),
                    ),
                    advice: format!("bring up pods of {to}, then `resume`"),
                }));
            }
            // No write from there would be a conditional one.
            if let ObservedState::Foreign(found) = &observed.state {
                return Ok(Some(EventKind::Stuck {
                    message: format!("found {found}, wanted {}", record.envelope.routing),
                    advice: format!("move traffic to {to} by hand, then `resume`"),
                }));
            }
            let from = observed.routing().unwrap_or(&record.envelope.routing).clone();
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

    /// With how many pods the other slot serves, if `color` serves with none. The other one is not
    /// asked for longer than it matters: it may be what is broken.
    async fn only_elsewhere(&self, color: Color) -> Result<Option<u32>> {
        let slots = &self.ports.slots;
        if slots.of(color).state().await?.replicas.serving > 0 {
            return Ok(None);
        }
        let serving = slots.of(color.other()).state().await?.replicas.serving;
        Ok((serving > 0).then_some(serving))
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
        self.bounded("put the slot back", call, failed.revert(epoch)).await?;
        let (a, b) = tokio::join!(
            self.bounded("thaw the candidate's autoscaler", call, failed.thaw(epoch)),
            self.bounded("thaw the live autoscaler", call, live.thaw(epoch)),
        );
        a.and(b)?;
        Ok(EventKind::Restored)
    }
}
