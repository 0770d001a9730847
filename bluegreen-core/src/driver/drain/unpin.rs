//! Conversations are no longer held on the old slot.

use super::Driver;
use crate::release::EventKind;
use crate::{Error, ErrorKind, ObservedState, Record, Result, Routing};

impl Driver {
    /// Takes the pins out of the routing.
    pub(crate) async fn unpin(&self, record: &Record, to: &Routing) -> EventKind {
        let unpinning = || self.try_unpin(record, to);
        match self.until_available(record.plan.call, unpinning).await {
            Ok(event) => event,
            Err(error) => EventKind::Stuck {
                message: error.chain(),
                advice: "the candidate is live; mend this and `resume`".to_owned(),
            },
        }
    }

    async fn try_unpin(&self, record: &Record, to: &Routing) -> Result<EventKind> {
        let (call, from) = (record.plan.call, &record.envelope.routing);
        for _ in 0..5 {
            let observing = self.ports.switch.observe();
            let observed = self.bounded_read("observe the routing", call, observing).await?;
            if observed.routing() == Some(to) {
                let evidence = self.converged(record, to).await?;
                return Ok(EventKind::Shifted { evidence });
            }
            let found = observed.state.to_string();
            if observed.routing() == Some(&Routing::all(record.envelope.live)) {
                return Ok(EventKind::MovedBack { found });
            }
            // The strategy's own way between two routings: it goes on from there.
            let is_between = matches!(observed.state, ObservedState::Between { .. });
            if observed.routing() != Some(from) && !is_between {
                return Ok(EventKind::Stuck {
                    message: format!("found {found}, wanted {from} or {to}"),
                    advice: "put the routing back and `resume`, or `rollback`".to_owned(),
                });
            }
            let shifting = self.ports.switch.shift(from, to, record.envelope.epoch);
            match self.bounded("take the pins away", call, shifting).await {
                Err(error) if matches!(error.kind(), ErrorKind::Conflict | ErrorKind::Unknown) => {}
                result => result?,
            }
        }
        Err(Error::new(ErrorKind::Conflict, "take the pins away")
            .with_source("someone else changes the routing again and again"))
    }
}
