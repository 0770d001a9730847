//! Drives all members at once, and says what follows from where they are.

use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use tokio::task::JoinSet;

use super::machine::{Order, Position, Step};
use super::view::{View, is_of, load, view};
use super::{Group, GroupError, GroupOutcome};
use crate::driver::Driver;
use crate::release::{Event, EventKind};
use crate::{Document, ErrorKind, OperationError, Outcome, Problem, Progress, Reason};

/// How long it takes at most until the members are looked at again, whatever their watches say.
const TRUST: Duration = crate::clock::minutes(1);
/// The same while something that was to be said could not be.
const SOON: Duration = Duration::from_secs(1);

type Ended = Result<Outcome, OperationError>;

/// One process's hand on a group.
struct Driving<'a> {
    group: &'a Group,
    run: String,
    order: Order,
    seats: Vec<Seat>,
    tasks: JoinSet<(usize, Ended)>,
    /// It goes on with what another process began.
    resumes: bool,
}

/// What this process has to do with one member.
struct Seat {
    driver: Driver,
    view: View,
    running: bool,
    /// What the last attempt to drive it came to.
    ended: Option<Ended>,
    /// It is to be driven even if it is stuck.
    resume: bool,
    /// Why it could not be looked at, or told something, the last time.
    trouble: Option<OperationError>,
}

impl Group {
    pub(super) async fn begin(&self) -> Result<GroupOutcome, GroupError> {
        let found = self.all_problems().await?;
        let problems: Vec<Problem> = found.into_iter().filter(Problem::is_refusal).collect();
        if !problems.is_empty() {
            return Ok(GroupOutcome::Refused { problems });
        }
        let starts = self.members.first().map(|member| {
            let driver = member.observer();
            format!("{}-{}", driver.me(), driver.now().unix_millis())
        });
        self.drive(starts.unwrap_or_default(), false).await
    }

    pub(super) async fn go_on(&self) -> Result<GroupOutcome, GroupError> {
        let run = self.find_run().await?;
        self.drive(run, true).await
    }

    async fn drive(&self, run: String, resumes: bool) -> Result<GroupOutcome, GroupError> {
        let seats = self.members.iter().map(|member| Seat {
            driver: member.observer(),
            view: View::default(),
            running: false,
            ended: None,
            resume: resumes,
            trouble: None,
        });
        let (order, seats) = (self.order(), seats.collect());
        Driving { group: self, run, order, seats, tasks: JoinSet::new(), resumes }.drive().await
    }
}

impl Driving<'_> {
    async fn drive(mut self) -> Result<GroupOutcome, GroupError> {
        let mut is_known = false;
        loop {
            while let Some(joined) = self.tasks.try_join_next() {
                self.note(joined);
            }
            self.look(is_known).await?;
            is_known = true;
            let positions: Vec<Position> = self.seats.iter().map(Seat::position).collect();
            let (mut moved, mut unsaid) = (false, false);
            for (member, step) in self.order.next(&positions) {
                let done = match step {
                    Step::Begin => self.begin(member),
                    Step::Say(word) => {
                        let said = self.say(member, EventKind::Grouped { word }).await;
                        unsaid |= !said;
                        said
                    }
                    Step::TakeBack => {
                        let event = self.back(positions[member].may_have_traffic());
                        let said = self.say(member, event).await;
                        unsaid |= !said;
                        said
                    }
                };
                moved |= done;
            }
            if moved {
                continue;
            }
            if let Some(number) = self.seats.iter().position(Seat::is_undriven)
                && let Some(Err(source)) = self.seats[number].ended.take()
            {
                // Its candidate may have traffic that no guard looks at, and the others would wait for it.
                return Err(self.member_error(number, source));
            }
            self.revive();
            if self.tasks.is_empty() {
                if let Some(number) = self.seats.iter().position(Seat::is_out_of_reach)
                    && let Some(source) = self.seats[number].trouble.take()
                {
                    return Err(self.member_error(number, source));
                }
                if !unsaid && self.seats.iter().all(|seat| seat.trouble.is_none()) {
                    return self.outcome();
                }
            }
            self.wait(if unsaid { SOON } else { TRUST }).await;
        }
    }

    /// Looks at all members. One that cannot be seen is where it was seen last.
    async fn look(&mut self, is_known: bool) -> Result<(), GroupError> {
        for number in 0..self.seats.len() {
            let mut pause = self.seats[number].driver.pauses();
            loop {
                let seat = &self.seats[number];
                let error =
                    match view(&seat.driver, &self.run, &self.group.members[number].name).await {
                        Ok(view) => {
                            (self.seats[number].view, self.seats[number].trouble) = (view, None);
                            break;
                        }
                        Err(error) if is_known => {
                            self.seats[number].trouble = Some(error);
                            break;
                        }
                        Err(error) => error,
                    };
                match error {
                    OperationError::Port(error) if error.kind() == ErrorKind::Unavailable => {
                        seat.driver.pause(&mut pause, &error).await;
                    }
                    source => return Err(self.member_error(number, source)),
                }
            }
        }
        Ok(())
    }

    /// Begins a release, once. A process that resumes does so only when it is known that it is the
    /// one that drives.
    fn begin(&mut self, number: usize) -> bool {
        if self.seats[number].running || (self.resumes && !self.seats.iter().any(Seat::is_held)) {
            return false;
        }
        let member = &self.group.members[number];
        let (releaser, change) = (member.releaser.clone(), member.change.clone());
        let plan = self.group.plan(member);
        let membership = self.group.membership(member, &self.run);
        self.tasks
            .spawn(async move { (number, releaser.run_member(change, &plan, membership).await) });
        self.seats[number].running = true;
        true
    }

    /// Drives whoever can go on and is not driven here. One that another process drives is asked for
    /// again and again while a member is driven here, since that process may die.
    fn revive(&mut self) {
        let drives = self.seats.iter().any(|seat| seat.running && seat.is_held());
        for (number, seat) in self.seats.iter_mut().enumerate() {
            let has_failed = match &seat.ended {
                Some(Err(OperationError::Busy { .. })) => !drives,
                ended => matches!(ended, Some(Err(_))),
            };
            let can_go_on = (seat.view.stuck().is_none() && !has_failed) || seat.resume;
            // What it was seen as may be long over.
            let is_unseen = seat.trouble.is_some();
            if seat.view.is_over() || seat.running || !can_go_on || is_unseen {
                continue;
            }
            let releaser = self.group.members[number].releaser.clone();
            self.tasks.spawn(async move { (number, releaser.resume().await) });
            (seat.running, seat.resume) = (true, false);
        }
    }

    /// Tells a member, if that makes sense to it. Says whether it is stored; where that is not known,
    /// the next look finds out.
    async fn say(&mut self, number: usize, kind: EventKind) -> bool {
        let seat = &mut self.seats[number];
        let Ok(Some((record, revision))) = load(&seat.driver).await else { return false };
        if !is_of(&record, &self.run, &self.group.members[number].name) {
            return false;
        }
        let call = record.plan.call;
        let Ok(record) = record.apply(Event::new(seat.driver.now(), kind)) else { return false };
        let what = record.trail.last().map(|entry| entry.what.clone()).unwrap_or_default();
        let document = Document::Current(record);
        let saving = seat.driver.ports.store.save(&document, Some(revision));
        if let Err(error) = seat.driver.bounded("tell a member of a group", call, saving).await {
            seat.driver.report(&Progress::note(error.chain()));
            seat.trouble = Some(error.into());
            return false;
        }
        seat.driver.report(&Progress::note(what));
        // What it could not go on with may be over by that.
        (seat.ended, seat.resume) = (None, false);
        true
    }

    /// Why a member is taken back, and how.
    fn back(&self, has_traffic: bool) -> EventKind {
        let cause = self.cause().map_or_else(
            || "a member was not found any more".to_owned(),
            |(member, reason)| format!("member {member}: {reason}"),
        );
        let actor = self.group.by();
        if has_traffic {
            EventKind::Rollback { actor, reason: cause }
        } else {
            EventKind::Abort { actor, reason: cause }
        }
    }

    /// The member that went back first of itself, and why.
    fn cause(&self) -> Option<(String, Reason)> {
        let ours = self.group.by();
        let is_ours = |reason: &Reason| matches!(reason, Reason::Aborted { actor, .. } | Reason::Requested { actor, .. } if *actor == ours);
        let mut causes = Vec::new();
        for (seat, member) in self.seats.iter().zip(&self.group.members) {
            if let Some(reason) = seat.reason() {
                let since = seat.view.record.as_ref().map(|record| record.since);
                causes.push((is_ours(&reason), since, member.name.clone(), reason));
            }
        }
        let first = causes.into_iter().min_by_key(|(is_ours, since, ..)| (*is_ours, *since));
        first.map(|(_, _, member, reason)| (member, reason))
    }

    /// Waits until something may have changed, at most this long.
    async fn wait(&mut self, most: Duration) {
        let watching = self.seats.iter().map(|seat| {
            let driver = seat.driver.clone();
            let revision = seat.view.revision.clone();
            // What is known of it is old, so that a watch would answer at once.
            let is_unseen = seat.trouble.is_some();
            Box::pin(async move {
                if is_unseen || driver.ports.store.watch(revision).await.is_err() {
                    driver.ports.clock.sleep(SOON).await;
                }
            }) as Pin<Box<dyn Future<Output = ()> + Send>>
        });
        let mut watches: Vec<_> = watching.collect();
        let changed = std::future::poll_fn(|context| {
            let is_any = watches.iter_mut().any(|it| it.as_mut().poll(context).is_ready());
            if is_any { Poll::Ready(()) } else { Poll::Pending }
        });
        let clock = self.seats.first().map(|seat| seat.driver.ports.clock.clone());
        let has_tasks = !self.tasks.is_empty();
        let sleeping = async {
            match clock {
                Some(clock) => clock.sleep(most).await,
                None => std::future::pending().await,
            }
        };
        let joined = tokio::select! {
            biased;
            joined = self.tasks.join_next(), if has_tasks => joined,
            () = changed => None,
            () = sleeping => None,
        };
        if let Some(joined) = joined {
            self.note(joined);
        }
    }

    fn note(&mut self, joined: Result<(usize, Ended), tokio::task::JoinError>) {
        match joined {
            Ok((number, ended)) => {
                if let Some(seat) = self.seats.get_mut(number) {
                    (seat.running, seat.ended) = (false, Some(ended));
                }
            }
            // A validator of the user's has panicked, and that is not swallowed here.
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => {}
        }
    }

    fn outcome(mut self) -> Result<GroupOutcome, GroupError> {
        if let Some(number) = self.seats.iter().position(Seat::is_open)
            && let Some(Err(source)) = self.seats[number].ended.take()
        {
            return Err(self.member_error(number, source));
        }
        let named = || self.seats.iter().zip(&self.group.members);
        if let Some((seat, member)) = named().find(|(seat, _)| seat.view.stuck().is_some())
            && let Some(stuck) = seat.view.stuck().cloned()
        {
            return Ok(GroupOutcome::Stuck { member: member.name.clone(), stuck });
        }
        let at = |is: fn(Position) -> bool| {
            let those = named().filter(move |(seat, _)| is(seat.position()));
            those.map(|(_, member)| member.name.clone()).collect::<Vec<_>>()
        };
        let (kept, back) = (at(|it| it == Position::Kept), at(Position::is_failed));
        Ok(match (kept.is_empty(), self.cause()) {
            (false, _) if back.is_empty() => GroupOutcome::Released,
            (true, Some((member, reason))) => GroupOutcome::RolledBack { member, reason },
            _ => GroupOutcome::Split { kept, back },
        })
    }

    fn member_error(&self, number: usize, source: OperationError) -> GroupError {
        let name = self.group.members.get(number).map(|member| member.name.clone());
        GroupError::Member { member: name.unwrap_or_default(), source }
    }
}

impl Seat {
    /// Whether there is something left to drive that can go on.
    fn is_open(&self) -> bool {
        !self.view.is_over() && self.view.stuck().is_none()
    }

    /// Whether its record says that this process drives it.
    fn is_held(&self) -> bool {
        let holder = self.view.record.as_ref().and_then(|it| it.envelope.holder.as_ref());
        holder == Some(&self.driver.me())
    }

    /// Whether what stands in the way of looking at it, or of telling it something, stays.
    fn is_out_of_reach(&self) -> bool {
        match &self.trouble {
            None => false,
            Some(OperationError::Port(error)) => match error.kind() {
                ErrorKind::Unavailable | ErrorKind::Unknown | ErrorKind::Conflict => false,
                ErrorKind::NotFound | ErrorKind::Rejected => !self.driver.may_pass(error),
            },
            Some(_) => true,
        }
    }

    /// Whether nobody drives what could go on, as far as is known here.
    fn is_undriven(&self) -> bool {
        let has_failed = match &self.ended {
            Some(Err(error)) => !matches!(error, OperationError::Busy { .. }),
            _ => false,
        };
        has_failed && self.is_open() && !self.running && !self.resume
    }

    fn position(&self) -> Position {
        match (&self.view.record, &self.ended) {
            // It did not come to a record, and nothing was touched.
            (None, Some(_)) if !self.running => Position::Back,
            _ => self.view.position(),
        }
    }

    /// Why it goes back, or did not begin.
    fn reason(&self) -> Option<Reason> {
        if self.view.record.is_some() {
            return self.view.reason().cloned();
        }
        let message = match self.ended.as_ref()? {
            Ok(outcome) => outcome.to_string(),
            Err(error) => error.to_string(),
        };
        Some(Reason::Failed { message })
    }
}
