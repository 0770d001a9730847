//! Who drives: a process follows another one while that lives, and fences it off when it takes over.

use std::time::Duration;

use super::{Driver, Held, LONGEST_PAUSE};
use crate::release::{Event, EventKind, Next};
use crate::{
    Epoch, Error, ErrorKind, HolderId, OperationError, Progress, Record, Result, Vitality,
};

/// How long after its write to the record the lease of a holder is looked for. It renews both at
/// once, and the one may be seen before the other.
pub(super) const MOMENT: Duration = Duration::from_secs(1);

impl Driver {
    /// Waits while another process drives. Returns with a record that is over, or that this
    /// process has taken over. The holder's lease is looked for `first` from now: a [`MOMENT`] where
    /// its write may be quite new.
    pub(super) async fn follow(
        &self,
        mut held: Held,
        mut first: Duration,
    ) -> Result<Held, OperationError> {
        self.report(&Progress::TakenOver { by: held.record.envelope.holder.clone() });
        loop {
            let Some(other) = held.record.envelope.holder.clone() else {
                if matches!(held.record.next(), Next::Finish(_)) {
                    return Ok(held);
                }
                return self.take_over(held, None).await;
            };
            if other == self.me() {
                return Ok(held);
            }
            tokio::select! {
                biased;
                changed = self.changed(&held) => (held, first) = (changed?, MOMENT),
                () = self.await_gone(&other, first) => return self.take_over(held, None).await,
            }
        }
    }

    /// Returns once `holder` is known to be gone. Looks at its lease `first` from now, and then again
    /// and again.
    pub(crate) async fn await_gone(&self, holder: &HolderId, first: Duration) {
        self.ports.clock.sleep(first).await;
        let step = (self.ports.liveness.time_to_live() / 3).min(LONGEST_PAUSE);
        loop {
            let asking = self.ports.liveness.vitality(holder);
            let call = crate::Plan::default().call;
            if let Ok(Vitality::Gone) = self.bounded_read("read the lease", call, asking).await {
                return;
            }
            self.ports.clock.sleep(step).await;
        }
    }

    /// Makes the record this process's own, with the next epoch, and says why in `also`.
    pub(crate) async fn take_over(
        &self,
        held: Held,
        also: Option<EventKind>,
    ) -> Result<Held, OperationError> {
        let at = self.now();
        let call = held.record.plan.call;
        let mut record = held.record;
        let epoch = record.envelope.epoch.next();
        record = record.apply(Event::new(at, EventKind::TakenOver { holder: self.me(), epoch }))?;
        if let Some(kind) = also {
            record = record.apply(Event::new(at, kind))?;
        }
        // Without a lease others take the release away again, which disturbs but does no harm.
        // So it is not waited for before the record is written, as on the way back every
        // millisecond counts, and what cannot be renewed does not stop it.
        let announcing = async {
            if let Err(error) = self.announce(call).await {
                self.report(&Progress::note(error.chain()));
            }
        };
        tokio::join!(self.save(record, held.revision), announcing).0
    }

    /// Renews the lease before this process holds a record: others take a holder without one for
    /// dead.
    pub(crate) async fn announce(&self, call: Duration) -> Result<()> {
        self.bounded("renew the lease", call, self.ports.liveness.renew()).await
    }

    /// The same before the record of a release that is over is replaced. Whoever ended that one
    /// may have died before it was in the history.
    pub(crate) async fn announce_after(&self, last: Option<&Record>, call: Duration) -> Result<()> {
        let keeping = async {
            if let Some(last) = last {
                self.finish(last).await;
            }
        };
        tokio::join!(self.announce(call), keeping).0
    }

    /// Stamps the epoch on everything that the release writes. Before this has succeeded
    /// nothing else is read or written.
    pub(crate) async fn fence(&self, epoch: Epoch, record: &Record) -> Result<()> {
        let (switch, slots) =
            tokio::join!(self.fence_switch(epoch, record), self.fence_slots(epoch, record));
        switch.and(slots)
    }

    /// What has become of a release whose fence failed: the record as another process, which has
    /// taken it over meanwhile, has left it.
    ///
    /// # Errors
    /// `error`, if it was something else.
    pub(crate) async fn taken_away(
        &self,
        held: Held,
        error: Error,
    ) -> Result<Held, OperationError> {
        if error.kind() == ErrorKind::Conflict
            && let Ok(found) = self.load().await
        {
            let found = super::record::held(found)?;
            if found.record.envelope.epoch > held.record.envelope.epoch {
                return Ok(found);
            }
        }
        Err(error.into())
    }

    pub(super) async fn fence_switch(&self, epoch: Epoch, record: &Record) -> Result<()> {
        let call = record.plan.call;
        self.until_available(call, || {
            self.bounded("fence the switch", call, self.ports.switch.fence(epoch))
        })
        .await
    }

    pub(super) async fn fence_slots(&self, epoch: Epoch, record: &Record) -> Result<()> {
        let (blue, green) = (&self.ports.slots.blue, &self.ports.slots.green);
        let call = record.plan.call;
        self.until_available(call, || async {
            let (blue, green) = tokio::join!(
                self.bounded("fence the blue slot", call, blue.fence(epoch)),
                self.bounded("fence the green slot", call, green.fence(epoch)),
            );
            if_there(blue).and(if_there(green))
        })
        .await
    }
}

/// What is not there cannot be written to by anybody, and whoever needs it finds that out.
pub(super) fn if_there(fenced: Result<()>) -> Result<()> {
    fenced.or_else(|error| if error.kind() == ErrorKind::NotFound { Ok(()) } else { Err(error) })
}
