//! What is stored of the members of a group.

use super::machine::Position;
use super::{Group, GroupError, Member};
use crate::driver::{Driver, Validators};
use crate::release::Next;
use crate::{Document, ErrorKind, OperationError, Phase, Reason, Record, Revision, Stored, Stuck};

/// What is known of one member.
#[derive(Default)]
pub(super) struct View {
    /// Its record, if that is of this start of the group.
    pub(super) record: Option<Record>,
    /// The token of whatever is stored now.
    pub(super) revision: Option<Revision>,
    /// Why somebody has gone back from it after it was over.
    pub(super) undone: Option<Reason>,
}

impl View {
    /// Whether there is nothing left to drive.
    pub(super) fn is_over(&self) -> bool {
        self.record.as_ref().is_none_or(|record| matches!(record.next(), Next::Finish(_)))
    }

    pub(super) fn stuck(&self) -> Option<&Stuck> {
        self.record.as_ref()?.stuck.as_ref()
    }

    /// Why it goes back, if it does.
    pub(super) fn reason(&self) -> Option<&Reason> {
        if self.undone.is_some() {
            return self.undone.as_ref();
        }
        match &self.record.as_ref()?.phase {
            Phase::Returning { reason }
            | Phase::KeepingFailed { reason, .. }
            | Phase::Restoring { reason }
            | Phase::Done { outcome: crate::Outcome::RolledBack { reason } } => Some(reason),
            _ => None,
        }
    }

    pub(super) fn position(&self) -> Position {
        match self.record.as_ref().map_or(Position::Absent, Position::of) {
            Position::Kept if self.undone.is_some() => Position::Back,
            position => position,
        }
    }
}

impl Member {
    /// A hand on its record that has nothing to do with the one that drives it.
    pub(super) fn observer(&self) -> Driver {
        let mut driver = Driver::new(self.releaser.driver.ports.clone(), Validators::default());
        driver.reporter = self.releaser.driver.reporter.clone();
        driver
    }
}

/// What is stored, looked for once.
///
/// # Errors
/// [`OperationError::Newer`] for a record that this version does not drive.
pub(super) async fn load(driver: &Driver) -> Result<Option<(Record, Revision)>, OperationError> {
    let call = crate::Plan::default().call;
    let loading = driver.ports.store.load();
    let stored = driver.bounded_read("load the record", call, loading).await?;
    match stored {
        None => Ok(None),
        Some(Stored { document: Document::Current(record), revision, .. }) => {
            Ok(Some((record, revision)))
        }
        Some(Stored { document: Document::Newer { format, .. }, .. }) => {
            Err(OperationError::Newer { format })
        }
    }
}

/// The same for as long as the store is away.
pub(super) async fn load_surely(
    driver: &Driver,
) -> Result<Option<(Record, Revision)>, OperationError> {
    let mut pause = driver.pauses();
    loop {
        match load(driver).await {
            Err(OperationError::Port(error)) if error.kind() == ErrorKind::Unavailable => {
                driver.pause(&mut pause, &error).await;
            }
            loaded => return loaded,
        }
    }
}

/// What is known of a member in this start of its group. Its release may be over, and another one
/// have followed: then it is in the history.
pub(super) async fn view(driver: &Driver, run: &str, member: &str) -> Result<View, OperationError> {
    let is_ours = |record: &Record| is_of(record, run, member);
    let Some((record, revision)) = load(driver).await? else { return Ok(View::default()) };
    let revision = Some(revision);
    if is_ours(&record) {
        return Ok(View { record: Some(record), revision, undone: None });
    }
    let call = crate::Plan::default().call;
    let listing = driver.ports.store.list();
    let history = driver.bounded_read("list the history", call, listing).await?;
    let history = history.into_iter().filter_map(|document| match document {
        Document::Current(record) => Some(record),
        Document::Newer { .. } => None,
    });
    let all: Vec<Record> = std::iter::once(record).chain(history).collect();
    let found = all.iter().find(|record| is_ours(record)).cloned();
    let undone = found.as_ref().and_then(|found| undone(&all, found));
    Ok(View { record: found, revision, undone })
}

/// Why somebody goes back from a release that is over, unless that has come to nothing.
fn undone(all: &[Record], found: &Record) -> Option<Reason> {
    all.iter().filter(|record| !Position::of(record).is_failed()).find_map(|record| {
        let undo = record.undoes.as_ref()?;
        let (actor, reason) = (undo.actor.clone(), undo.reason.clone());
        (undo.release == found.envelope.release).then_some(Reason::Requested { actor, reason })
    })
}

/// Whether this is the release of that member in this start of its group. The start alone does not say:
/// two members may be one agent, by two connections.
pub(super) fn is_of(record: &Record, run: &str, member: &str) -> bool {
    record.group.as_ref().is_some_and(|it| it.run == run && it.member == member)
}

impl Group {
    /// Which start of this group is under way, as the records of its members say. A failed one that is kept
    /// to be looked at gives way to a later one, which may not have come to all members yet.
    pub(super) async fn find_run(&self) -> Result<String, GroupError> {
        let (mut forward, mut backward) = (Vec::new(), Vec::new());
        for member in &self.members {
            let wrap = |source| GroupError::Member { member: member.name.clone(), source };
            let Some((record, _)) = load_surely(&member.observer()).await.map_err(wrap)? else {
                continue;
            };
            let is_over = matches!(record.next(), Next::Finish(_));
            let gives_way =
                matches!(record.phase, Phase::KeepingFailed { .. } | Phase::Restoring { .. });
            let began = record.started.at;
            let Some(group) = record.group.filter(|it| it.group == self.name && !is_over) else {
                continue;
            };
            if gives_way { &mut backward } else { &mut forward }.push((began, group));
        }
        if let Some((_, first)) = forward.first()
            && let Some((_, other)) = forward.iter().find(|(_, it)| it.run != first.run)
        {
            return Err(self.other(&format!("starts {} and {}", first.run, other.run)));
        }
        let last = backward.into_iter().max_by_key(|(began, _)| *began);
        let Some((_, group)) = forward.into_iter().next().or(last) else {
            return Err(GroupError::NoRelease { group: self.name.clone() });
        };
        if group.shape != self.shape() {
            return Err(self.other(&group.members.join(", ")));
        }
        Ok(group.run)
    }

    fn other(&self, found: &str) -> GroupError {
        let names: Vec<&str> = self.members.iter().map(|it| &*it.name).collect();
        GroupError::OtherGroup {
            group: self.name.clone(),
            found: found.to_owned(),
            wanted: format!("{}, in the order that they have here", names.join(", ")),
        }
    }
}
