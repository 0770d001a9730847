//! The events that wait, at most so many, and what became of the others.

use std::collections::VecDeque;
use std::fmt;

use bluegreen_core::ReleaseId;
use tokio::sync::watch;

use super::config::Detail;
use super::event::Event;

/// What became of the events that were reported.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Delivery {
    /// How many the receiver took.
    pub delivered: u64,
    /// How many it refused, or did not take however often they were tried.
    pub given_up: u64,
    /// How many were not tried: too many waited, or the receiver wants no more.
    pub dropped: u64,
    /// How many wait, the one that is being sent included.
    pub waiting: u64,
    /// Why the last one that was given up was.
    pub problem: Option<String>,
}

impl Delivery {
    /// Whether the receiver took everything.
    pub fn is_complete(&self) -> bool {
        self.given_up == 0 && self.dropped == 0 && self.waiting == 0
    }
}

impl fmt::Display for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "notifications: {} delivered", self.delivered)?;
        let others = [
            (self.given_up, "given up"),
            (self.dropped, "dropped"),
            (self.waiting, "not delivered in time"),
        ];
        for (count, what) in others.into_iter().filter(|(count, _)| *count > 0) {
            write!(f, ", {count} {what}")?;
        }
        self.problem.iter().try_for_each(|problem| write!(f, " ({problem})"))
    }
}

/// What became of one event.
#[derive(Debug)]
pub(super) enum End {
    Delivered,
    /// Why not.
    GivenUp(String),
    /// The receiver wants no more, neither this one nor others.
    Gone(String),
}

/// The events that wait.
pub(super) struct Queue {
    most: usize,
    state: watch::Sender<State>,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Event>,
    is_sending: bool,
    is_gone: bool,
    told: u64,
    release: Option<ReleaseId>,
    delivery: Delivery,
}

impl State {
    fn drop_one(&mut self, event: &Event, why: &str) {
        self.delivery.dropped += 1;
        tracing::warn!(what = event.what, why, "a notification is dropped");
    }
}

impl Queue {
    pub(super) fn new(most: usize) -> Self {
        Self { most, state: watch::Sender::new(State::default()) }
    }

    /// Lets an event wait that is told with this `detail`. Where too many do, the oldest goes that is
    /// no outcome: how a release ended is what people need to know.
    pub(super) fn push(&self, mut event: Event, detail: Detail) {
        self.state.send_modify(|state| {
            if event.release.is_some() {
                state.release.clone_from(&event.release);
            }
            event.release.clone_from(&state.release);
            if event.is_outcome() {
                state.release = None;
            }
            if event.detail > detail {
                return;
            }
            state.told += 1;
            event.number = state.told;
            if state.is_gone {
                state.drop_one(&event, "the receiver wants no more");
                return;
            }
            state.waiting.push_back(event);
            if state.waiting.len() > self.most {
                let oldest = state.waiting.iter().position(|it| !it.is_outcome());
                if let Some(event) = state.waiting.remove(oldest.unwrap_or_default()) {
                    state.drop_one(&event, "too many wait");
                }
            }
        });
    }

    /// The next event once there is one, and how many were lost before it. It has to be
    /// [`end`](Self::end)ed.
    ///
    /// # Cancel safety
    /// No event is lost.
    pub(super) async fn next(&self) -> (Event, u64) {
        let mut changes = self.state.subscribe();
        loop {
            let mut next = None;
            self.state.send_if_modified(|state| {
                let lost = state.delivery.dropped + state.delivery.given_up;
                next = state.waiting.pop_front().map(|event| (event, lost));
                state.is_sending = next.is_some();
                next.is_some()
            });
            if let Some(next) = next {
                return next;
            }
            // The sender lives as long as this queue.
            let _ = changes.wait_for(|state| !state.waiting.is_empty()).await;
        }
    }

    /// Says what became of the event that was taken last.
    pub(super) fn end(&self, event: &Event, end: End) {
        self.state.send_modify(|state| {
            state.is_sending = false;
            match end {
                End::Delivered => state.delivery.delivered += 1,
                End::GivenUp(why) => {
                    tracing::warn!(what = event.what, why, "a notification is given up");
                    state.delivery.given_up += 1;
                    state.delivery.problem = Some(why);
                }
                End::Gone(why) => {
                    tracing::warn!(what = event.what, why, "no more notifications are sent");
                    state.delivery.given_up += 1;
                    state.delivery.problem = Some(why);
                    state.is_gone = true;
                    for event in std::mem::take(&mut state.waiting) {
                        state.drop_one(&event, "the receiver wants no more");
                    }
                }
            }
        });
    }

    /// Returns once nothing waits and nothing is being sent.
    pub(super) async fn idle(&self) {
        let mut changes = self.state.subscribe();
        let _ = changes.wait_for(|state| state.waiting.is_empty() && !state.is_sending).await;
    }

    /// What became of everything so far.
    pub(super) fn delivery(&self) -> Delivery {
        let state = self.state.borrow();
        let waiting = state.waiting.len() as u64 + u64::from(state.is_sending);
        Delivery { waiting, ..state.delivery.clone() }
    }
}

#[cfg(test)]
mod tests {
    use bluegreen_core::{Outcome, PhaseName, Progress, Timestamp};

    use super::*;

    fn push(queue: &Queue, progress: &Progress) {
        queue.push(Event::of(progress, Timestamp::default()), Detail::Everything);
    }

    fn entered(release: &str) -> Progress {
        let release = ReleaseId::new(release);
        let (phase, since) = (PhaseName::Deploying, Timestamp::default());
        Progress::Entered { release, phase, since, deadline: None }
    }

    fn released() -> Progress {
        Progress::Finished { outcome: Outcome::Released }
    }

    #[tokio::test]
    async fn events_come_in_order_with_their_release_and_a_number() {
        let queue = Queue::new(10);
        push(&queue, &Progress::note("before"));
        push(&queue, &entered("r1"));
        push(&queue, &Progress::note("during"));
        push(&queue, &released());
        push(&queue, &Progress::note("after"));
        let mut seen = Vec::new();
        for _ in 0..5 {
            let (event, lost) = queue.next().await;
            assert_eq!(lost, 0);
            let release = event.release.as_ref().map(|it| it.as_str().to_owned());
            seen.push((event.number, event.what, release));
            queue.end(&event, End::Delivered);
        }
        let r1 = || Some("r1".to_owned());
        assert_eq!(
            seen,
            [
                (1, "note", None),
                (2, "entered", r1()),
                (3, "note", r1()),
                (4, "released", r1()),
                (5, "note", None),
            ]
        );
        queue.idle().await;
        let delivery = queue.delivery();
        assert!(delivery.is_complete() && delivery.delivered == 5, "{delivery}");
    }

    #[tokio::test]
    async fn where_too_many_wait_outcomes_stay_and_the_next_tells_how_many_are_lost() {
        let queue = Queue::new(2);
        push(&queue, &released());
        for number in 0..4 {
            push(&queue, &Progress::note(number.to_string()));
        }
        assert_eq!((queue.delivery().waiting, queue.delivery().dropped), (2, 3));
        let (first, lost) = queue.next().await;
        assert_eq!((first.what, lost), ("released", 3));
        queue.end(&first, End::GivenUp("status 400".into()));
        let (next, lost) = queue.next().await;
        assert_eq!((next.text.as_str(), lost), ("3", 4));
        // More outcomes than fit: the newest are worth most.
        let queue = Queue::new(2);
        for _ in 0..3 {
            push(&queue, &released());
        }
        assert_eq!(queue.next().await.0.number, 2);
    }

    #[tokio::test]
    async fn a_receiver_that_wants_no_more_gets_no_more() {
        let queue = Queue::new(10);
        push(&queue, &Progress::note("1"));
        push(&queue, &Progress::note("2"));
        let (event, _) = queue.next().await;
        queue.end(&event, End::Gone("status 410 Gone".into()));
        push(&queue, &released());
        queue.idle().await;
        let delivery = queue.delivery();
        assert_eq!(
            delivery.to_string(),
            "notifications: 0 delivered, 1 given up, 2 dropped (status 410 Gone)"
        );
        assert!(!delivery.is_complete());
    }

    #[test]
    fn what_is_told_follows_the_detail() {
        let queue = Queue::new(10);
        for detail in [Detail::Outcomes, Detail::Milestones, Detail::Everything] {
            for progress in [Progress::note("1"), entered("r1"), released()] {
                queue.push(Event::of(&progress, Timestamp::default()), detail);
            }
        }
        assert_eq!(queue.delivery().waiting, 1 + 2 + 3);
    }
}
