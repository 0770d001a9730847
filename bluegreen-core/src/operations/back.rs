//! The way back from a release that is under way: this process takes it over and gives traffic
//! back, and leaves the rest to whoever drove it.

use super::{Operations, actor, busy_because, contracted};
use crate::driver::{Heartbeat, Held};
use crate::release::EventKind;
use crate::{
    Document, Error, ErrorKind, OperationError, Outcome, Phase, PhaseName, Record, Status, Stored,
};

/// How often a release is taken over that others change or take back.
const TRIES: usize = 10;

impl Operations {
    /// Takes the release over and gives traffic back.
    pub(super) async fn go_back(
        &self,
        stored: Stored,
        kind: EventKind,
    ) -> Result<Status, OperationError> {
        let _heartbeat = Heartbeat::start(self.driver.ports.clone());
        let mut it = match stored.document {
            Document::Newer { .. } => return Box::pin(self.go_back_from_newer(stored)).await,
            Document::Current(record) => Held { record, revision: stored.revision },
        };
        // Whether the record has once been told to go back by this process.
        let mut told = false;
        for _ in 0..TRIES {
            let name = it.record.phase.name();
            let going = name.is_backward();
            // Going back already, and somebody sees to it: nothing is added by taking it away.
            let seen_to =
                going && it.record.envelope.holder.is_some() && name != PhaseName::Returning;
            if seen_to || told && name == PhaseName::Done {
                return Ok(self.status_of(it.record));
            }
            self.may_go_back(&it.record).await?;
            let also = if going { EventKind::Resume { actor: actor(&kind) } } else { kind.clone() };
            let (record, live) = (it.record.clone(), it.record.envelope.live);
            // The one has nothing to do with the other, and every millisecond counts.
            let looking = self.driver.glance(&record, live);
            let (taken, glance) = tokio::join!(self.driver.take_over(it, Some(also)), looking);
            it = taken?;
            let name = it.record.phase.name();
            if matches!(&it.record.phase, Phase::Done { outcome: Outcome::RolledBack { .. } }) {
                // Nothing was deployed, so there is nothing to put back.
                self.driver.finish(&it.record).await;
                return Ok(self.status_of(it.record));
            }
            if it.record.envelope.holder.as_ref() != Some(&self.driver.me()) || !name.is_backward()
            {
                continue;
            }
            told = true;
            let epoch = it.record.envelope.epoch;
            let fenced = if name == PhaseName::Returning {
                let going = self.driver.fence_and_give_back(&it.record, live, glance);
                Box::pin(going).await.map(Some)
            } else {
                self.driver.fence(epoch, &it.record).await.map(|()| None)
            };
            it = match fenced {
                Ok(Some(event)) => self.driver.commit(it, event).await?,
                Ok(None) => it,
                Err(error) => {
                    it = self.driver.taken_away(it, error).await?;
                    continue;
                }
            };
            let stuck = it.record.stuck.clone();
            let status = self.status_of(it.record.clone());
            self.driver.let_go(it).await;
            return stuck.map_or(Ok(status), |stuck| Err(OperationError::Stuck { stuck }));
        }
        Err(OperationError::Port(
            Error::new(ErrorKind::Conflict, "take the release over")
                .with_source("someone else changes it again and again"),
        ))
    }

    /// Why there is no way back from here, if there is none.
    async fn may_go_back(&self, record: &Record) -> Result<(), OperationError> {
        if record.phase.name() == PhaseName::Done {
            return Err(busy_because(record, "it has just ended: `rollback` again"));
        }
        if let Some(error) = contracted(record) {
            return Err(error);
        }
        if record.phase.is_past_return() {
            let advice = self.driver.advice(record).await;
            let advice = format!("{advice}; once it is over, `rollback` works again");
            return Err(busy_because(record, advice));
        }
        Ok(())
    }

    fn status_of(&self, record: Record) -> Status {
        Status::of(Some(&Document::Current(record)), self.driver.now())
    }
}
