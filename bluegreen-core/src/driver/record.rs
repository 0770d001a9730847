//! The record that a driver holds: changed by what has happened, and saved at its revision.

use super::Driver;
use super::ahead::{Ahead, Seen};
use crate::release::{Drift, Event, EventKind};
use crate::throttle::Place;
use crate::{
    Document, Error, ErrorKind, OperationError, Phase, Progress, Record, Result, Revision, Stored,
    chain,
};

/// A record that this process holds, and the token to replace it.
#[derive(Clone)]
pub(crate) struct Held {
    pub(crate) record: Record,
    pub(crate) revision: Revision,
}

impl Driver {
    /// Applies what has happened and saves it. When somebody changed the record meanwhile, what
    /// has happened is forgotten, and the effect performed again if it is still wanted.
    pub(crate) async fn commit(&self, held: Held, kind: EventKind) -> Result<Held, OperationError> {
        let fades = matches!(&kind, EventKind::Looked { look } if look.failed.is_none());
        let record = held.record.clone().apply(Event::new(self.now(), kind))?;
        if !fades {
            return self.save(record, held.revision).await;
        }
        // That all was well is not kept for a store that is away: guards look again instead. That
        // others came first says nothing of the store.
        let place = self.place().await;
        let saving = self.save_in(place, record, held.revision.clone());
        tokio::select! {
            biased;
            saved = saving => saved,
            () = self.ports.clock.sleep(held.record.plan.call) => Ok(held),
        }
    }

    /// Commits, and meanwhile reads what the next effect will want to know: the two have nothing
    /// to do with each other, and together they take no longer than the slower one.
    pub(super) async fn commit_and_read(
        &self,
        held: Held,
        kind: EventKind,
        seen: Seen,
    ) -> Result<(Held, Option<Ahead>), OperationError> {
        let is_wanted = matches!(
            kind,
            EventKind::Ready { .. } | EventKind::Passed | EventKind::Approved { .. }
        );
        let record = held.record.clone();
        let next = record.clone().apply(Event::new(self.now(), kind.clone()));
        let shifts = next.is_ok_and(|next| matches!(next.phase, Phase::Shifting { .. }));
        let reading = async {
            let ahead = match seen {
                Seen::All(ahead) if ahead.is_good_at(self.now()) => *ahead,
                _ if !is_wanted => return Ok(None),
                Seen::Candidate(candidate) => self.read_beside(&record, *candidate).await?,
                _ => self.read_ahead(&record).await?,
            };
            Ok::<_, Error>(Some(if shifts { self.with_known(&record, ahead).await } else { ahead }))
        };
        let (held, ahead) = tokio::join!(self.commit(held, kind), reading);
        // What could not be read is read again by the effect that needs it.
        Ok((held?, ahead.unwrap_or_default()))
    }

    /// Saves a record at its revision, for as long as the store is away.
    pub(crate) async fn save(
        &self,
        record: Record,
        expected: Revision,
    ) -> Result<Held, OperationError> {
        self.save_in(None, record, expected).await
    }

    /// The same with the place of the first try, if there is one already.
    async fn save_in(
        &self,
        mut place: Option<Place>,
        mut record: Record,
        mut expected: Revision,
    ) -> Result<Held, OperationError> {
        let mut document = Document::Current(record.clone());
        let mut pause = self.pauses();
        loop {
            // From here on it is known where it goes.
            self.haste.follow(&record);
            let here = match place.take() {
                None => self.place().await,
                here => here,
            };
            let saving = self.ports.store.save(&document, Some(expected.clone()));
            let saving = self.bounded_unqueued("save the record", record.plan.call, saving);
            let saved = saving.await;
            drop(here);
            let error = match saved {
                Ok(revision) => return Ok(Held { record, revision }),
                Err(error) => error,
            };
            match error.kind() {
                ErrorKind::Conflict | ErrorKind::Unknown => {
                    // A save whose answer was lost looks like a conflict with oneself.
                    let found = self.load().await.map(Some);
                    if let Ok(Some(stored)) = &found
                        && stored.document == document
                    {
                        return Ok(Held { record, revision: stored.revision.clone() });
                    }
                    if let Some((drift, revision)) =
                        self.foreign_record(&record, &expected, &found).await
                    {
                        (record, expected) = (self.put_back(record, drift), revision);
                        document = Document::Current(record.clone());
                        continue;
                    }
                    match found {
                        Ok(Some(stored)) if stored.revision != expected => return held(stored),
                        Err(error) if error.kind() == ErrorKind::NotFound => {
                            return Err(OperationError::Port(error));
                        }
                        Ok(_) | Err(_) => {}
                    }
                }
                ErrorKind::Rejected if !self.may_pass(&error) => return Err(error.into()),
                ErrorKind::NotFound => return Err(error.into()),
                ErrorKind::Unavailable | ErrorKind::Rejected => {}
            }
            self.pause(&mut pause, &error).await;
        }
    }

    /// The record to write over what somebody else wrote in its place. Where that leads nowhere,
    /// because the release is nearly over, it goes on as it was.
    fn put_back(&self, record: Record, drift: Drift) -> Record {
        let event = Event::new(self.now(), EventKind::Drifted { drift });
        record.clone().apply(event).unwrap_or(record)
    }

    /// The stored record; an error of kind `NotFound` when there is none.
    pub(crate) async fn load(&self) -> Result<Stored> {
        let loading = self.ports.store.load();
        let call = crate::Plan::default().call;
        self.bounded_read("load the record", call, loading)
            .await?
            .ok_or_else(|| Error::new(ErrorKind::NotFound, "load the record"))
    }

    /// Returns once somebody else changed the record. One that nobody should have written is
    /// answered by what it leads to, which has to be saved at the revision that comes with it.
    pub(super) async fn changed(&self, held: &Held) -> Result<Held, OperationError> {
        let mut pause = self.pauses();
        loop {
            let found = self.ports.store.watch(Some(held.revision.clone())).await;
            if let Some(record) = found.as_ref().ok().and_then(|it| it.as_ref()?.document.current())
            {
                self.haste.follow(record);
            }
            if let Some((drift, revision)) =
                Box::pin(self.foreign_record(&held.record, &held.revision, &found)).await
            {
                let record = self.put_back(held.record.clone(), drift);
                return Box::pin(self.save(record, revision)).await;
            }
            match found {
                Ok(Some(stored)) => return self::held(stored),
                Ok(None) => {
                    return Err(OperationError::Port(
                        Error::new(ErrorKind::NotFound, "watch the record")
                            .with_source("it was deleted while the release was under way"),
                    ));
                }
                Err(error) => self.pause(&mut pause, &error).await,
            }
        }
    }

    /// Keeps the finished record for the history. Its loss does not undo the release.
    pub(crate) async fn finish(&self, record: &Record) {
        let archiving = self.ports.store.archive(record, record.plan.history);
        if let Err(error) = self.bounded("archive the record", record.plan.call, archiving).await {
            self.report(&Progress::note(format!("not in the history: {}", chain(&error))));
        }
    }

    /// Gives the record up, so that another process need not wait for the lease to lapse.
    pub(crate) async fn let_go(&self, held: Held) {
        let _ = self.commit(held, EventKind::LetGo).await;
    }
}

/// The record of a stored document, if this version can drive it.
pub(crate) fn held(stored: Stored) -> Result<Held, OperationError> {
    match stored.document {
        Document::Current(record) => Ok(Held { record, revision: stored.revision }),
        Document::Newer { format, .. } => Err(OperationError::Newer { format }),
    }
}
