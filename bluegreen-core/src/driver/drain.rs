//! A slot without traffic ends the work it has in hand, and is made smaller.

use std::time::Duration;

use super::Driver;
use crate::release::EventKind;
use crate::{Color, ErrorKind, Record, Result, Share, Timestamp};

impl Driver {
    pub(super) async fn drain(
        &self,
        record: &Record,
        slot: Color,
        deadline: Timestamp,
    ) -> EventKind {
        let (note, expired) = self.drained(record, slot, deadline).await;
        EventKind::Drained { note, expired }
    }

    /// Waits until the slot has had nothing in hand for the quiet period. Where that cannot be
    /// measured, waits for that period and says so.
    pub(super) async fn drained(
        &self,
        record: &Record,
        slot: Color,
        deadline: Timestamp,
    ) -> (String, bool) {
        let quiet = record.plan.drain.quiet;
        let Some(load) = &self.ports.load else {
            self.sleep_until(record.since.plus(quiet)).await;
            return (format!("{slot}: work in hand cannot be measured, waited {quiet:?}"), false);
        };
        let mut quiet_since = None;
        loop {
            let counting = load.in_flight(slot);
            let count = self.bounded_read("count work in hand", record.plan.call, counting).await;
            let now = self.now();
            quiet_since = match count {
                Ok(Some(0)) => quiet_since.or(Some(now)),
                Ok(Some(_)) => None,
                Ok(None) | Err(_) => quiet_since,
            };
            if let Some(since) = quiet_since
                && now.since(since) >= quiet
            {
                return (format!("{slot} has had nothing in hand for {quiet:?}"), false);
            }
            if now >= deadline {
                return (format!("{slot} still has work in hand at {deadline}: {count:?}"), true);
            }
            self.ports.clock.sleep(Duration::from_millis(500).min(deadline.since(now))).await;
        }
    }

    pub(super) async fn retire(
        &self,
        record: &Record,
        slot: Color,
        replicas: Option<u32>,
    ) -> EventKind {
        let retiring = || self.try_retire(record, slot, replicas);
        match self.until_available(record.plan.call, retiring).await {
            Ok(event) => event,
            Err(error) => EventKind::Stuck {
                message: error.chain(),
                advice: "the candidate is live; mend this and `resume`".to_owned(),
            },
        }
    }

    async fn try_retire(
        &self,
        record: &Record,
        slot: Color,
        replicas: Option<u32>,
    ) -> Result<EventKind> {
        let (call, epoch) = (record.plan.call, record.envelope.epoch);
        let observing = self.ports.switch.observe();
        let observed = self.bounded_read("observe the routing", call, observing).await?;
        if observed.routing().is_none_or(|routing| routing.share_of(slot) != Share::NONE) {
            return Ok(EventKind::Stuck {
                message: format!("{slot} has traffic: {}", observed.state),
                advice: "the slot was not made smaller; put the routing back and `resume`".into(),
            });
        }
        let (old, new) = (self.ports.slots.of(slot), self.ports.slots.of(slot.other()));
        self.bounded("settle the candidate", call, new.commit(epoch)).await?;
        if let Some(replicas) = replicas {
            match self.bounded("scale the old slot", call, old.scale(replicas, epoch)).await {
                Err(error) if error.kind() == ErrorKind::Conflict => {
                    self.bounded("scale the old slot", call, old.scale(replicas, epoch)).await?;
                }
                result => result?,
            }
        }
        let (a, b) = tokio::join!(
            self.bounded("thaw the old slot's autoscaler", call, old.thaw(epoch)),
            self.bounded("thaw the live slot's autoscaler", call, new.thaw(epoch)),
        );
        a.and(b)?;
        Ok(EventKind::Retired)
    }
}
