//! Traffic moves forward: what was judged must still be what is there, and enough of it.

use std::time::Duration;

use super::Driver;
use super::ahead::{Ahead, Seen};
use crate::release::EventKind;
use crate::{Evidence, Observed, Progress, Record, Result, Routing, SlotState};

/// What an attempt to move traffic came to.
enum Attempt {
    /// It is written, and this is what was seen just before.
    Written(Box<Ahead>),
    /// The candidate was too small and has been raised, which took its time: all that was seen
    /// before is old.
    Raised,
    Event(EventKind),
}

impl Driver {
    pub(super) async fn shift(
        &self,
        record: &Record,
        to: &Routing,
        mut ahead: Option<Ahead>,
    ) -> (EventKind, Seen) {
        // Before any traffic nothing is given up by going back, so the step has a bound.
        let deadline = self.now().plus(record.plan.gates);
        let mut attempt = self.tried(deadline, || self.try_shift(record, to, ahead.take())).await;
        while matches!(attempt, Ok(Attempt::Raised)) && self.now() < deadline {
            attempt = self.tried(deadline, || self.try_shift(record, to, None)).await;
        }
        match attempt {
            Ok(Attempt::Event(event)) => (event, Seen::Nothing),
            Ok(Attempt::Raised) => {
                let message = format!("live kept growing until {deadline}");
                (EventKind::Failed { message }, Seen::Nothing)
            }
            Ok(Attempt::Written(seen)) => match self.converged(record, to).await {
                Ok(evidence) => (EventKind::Shifted { evidence }, Seen::All(seen)),
                Err(error) => {
                    let message = format!("traffic did not follow: {}", error.chain());
                    (EventKind::Failed { message }, Seen::Nothing)
                }
            },
            Err(error) => (EventKind::Failed { message: error.chain() }, Seen::Nothing),
        }
    }

    async fn try_shift(
        &self,
        record: &Record,
        to: &Routing,
        ahead: Option<Ahead>,
    ) -> Result<Attempt> {
        if record.passed.as_ref() != Some(&record.change.digest) {
            return Ok(Attempt::Event(EventKind::Failed {
                message: "the gates did not pass for this digest".to_owned(),
            }));
        }
        let ahead = self.ahead_or_now(record, ahead).await?;
        let Ahead { read, candidate, live, observed, known } = ahead;
        let seen = |candidate, live| {
            let observed = Observed::routed(to.clone(), record.envelope.epoch);
            Attempt::Written(Box::new(Ahead { read, candidate, live, observed, known }))
        };
        let binding = candidate.binding();
        if let Some(judged) = &record.candidate
            && !judged.is_same(&binding)
        {
            let found =
                format!("template {}, judged {}", binding.template_hash, judged.template_hash);
            // Once it may have traffic it is not judged again, but sent back.
            return Ok(Attempt::Event(if observed.routing() == Some(&Routing::all(live.color)) {
                EventKind::CandidateChanged { found }
            } else {
                EventKind::Failed { message: format!("the candidate changed: {found}") }
            }));
        }
        if observed.routing() == Some(to) {
            return Ok(seen(candidate, live));
        }
        if let Some(event) = unexpected(record, to, &observed) {
            return Ok(Attempt::Event(event));
        }
        if self.raise(record, &candidate, &live).await? {
            return Ok(Attempt::Raised);
        }
        if !known {
            self.known(record, &candidate, record.plan.converge).await?;
        }
        let shifting = self.ports.switch.shift(&record.envelope.routing, to, record.envelope.epoch);
        self.bounded("shift traffic", record.plan.call, shifting).await?;
        Ok(seen(candidate, live))
    }

    /// Waits until the switch strategy knows all ready pods of the candidate, those that were just
    /// added included. As late as this, because it learns of them while the gates judge.
    pub(super) async fn known(
        &self,
        record: &Record,
        candidate: &SlotState,
        limit: Duration,
    ) -> Result<()> {
        let pods = ready(candidate);
        let known = self.ports.switch.await_known(candidate.color, &pods);
        let action = "wait until the switch knows the pods";
        self.bounded_read_unqueued(action, record.plan.converge.min(limit), known).await
    }

    /// Waits for the evidence that the plan wants, and for longer where the cluster was away: that
    /// nothing can be seen, or nobody could act, is no evidence of anything.
    pub(super) async fn converged(&self, record: &Record, to: &Routing) -> Result<Evidence> {
        let begun = self.now();
        let latest = || self.settled_by(begun).plus(record.plan.converge);
        let mut deadline = latest();
        let evidence = loop {
            let trying = self.tried(deadline, || {
                let converging = self.ports.switch.converge(to, &record.plan.evidence);
                let left = deadline.since(self.now());
                self.bounded_read_unqueued("wait until traffic follows", left, converging)
            });
            let result = trying.await;
            let later = latest();
            if result.is_ok() || later <= deadline {
                break result?;
            }
            deadline = later;
        };
        self.report(&Progress::Shifted {
            routing: to.clone(),
            evidence: evidence.clone(),
            took: self.now().since(begun),
        });
        Ok(evidence)
    }
}

/// The identities of the pods that are ready.
fn ready(slot: &SlotState) -> Vec<String> {
    slot.pods.iter().filter(|pod| pod.ready).map(|pod| pod.uid.clone()).collect()
}

/// What a routing that is neither where the release was nor where it goes leads to.
fn unexpected(record: &Record, to: &Routing, observed: &Observed) -> Option<EventKind> {
    let (live, candidate) = (record.envelope.live, record.candidate_color());
    let found = observed.state.to_string();
    match observed.routing() {
        Some(routing) if *routing == record.envelope.routing => None,
        Some(routing) if *routing == Routing::all(live) => Some(EventKind::MovedBack { found }),
        Some(routing) if *routing == Routing::all(candidate) => Some(EventKind::Stuck {
            message: format!("traffic was moved forward by someone else: {found}"),
            advice: "`rollback` to take it back, or `resume` to go on from here".to_owned(),
        }),
        Some(_) => Some(EventKind::Stuck {
            message: format!("found {found}, wanted {} or {to}", record.envelope.routing),
            advice: "put the routing back and `resume`, or `rollback`".to_owned(),
        }),
        None => match &observed.state {
            // The strategy's own way between two routings: it goes on from there.
            crate::ObservedState::Between { .. } => None,
            _ => Some(EventKind::Stuck {
                message: format!("found {found}, wanted {} or {to}", record.envelope.routing),
                advice: "put the routing back and `resume`, or `rollback`".to_owned(),
            }),
        },
    }
}
