//! Gates, warm-up and approval: everything that must say yes before traffic.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use super::Driver;
use super::ahead::{Ahead, Seen};
use crate::release::EventKind;
use crate::{
    ApprovalRequest, Checkpoint, Decision, ErrorKind, Judgement, Progress, Record, ReleaseId,
    ReleaseStore, Result, Side, SlotState, Timestamp, Trial, Validator, Verdict,
};

impl Driver {
    pub(super) async fn gates(
        &self,
        record: &Record,
        deadline: Timestamp,
        mut ahead: Option<Ahead>,
    ) -> (EventKind, Seen) {
        let undecided = |message| (EventKind::Undecided { message }, Seen::Nothing);
        let judging = self.tried(deadline, || self.try_gates(record, deadline, ahead.take()));
        tokio::select! {
            biased;
            result = judging => result.unwrap_or_else(|error| undecided(error.chain())),
            () = self.sleep_until(deadline) => {
                undecided(format!("the gates had not decided by {deadline}"))
            }
        }
    }

    async fn try_gates(
        &self,
        record: &Record,
        deadline: Timestamp,
        ahead: Option<Ahead>,
    ) -> Result<(EventKind, Seen)> {
        // What was read ahead came with the phase: no gate was asked in it yet.
        let mut memory = Memory::new(ahead.is_some());
        let ahead = self.ahead_or_now(record, ahead).await?;
        let binding = ahead.candidate.binding();
        if let Some(judged) = &record.candidate
            && !judged.is_same(&binding)
        {
            let found =
                format!("template {}, wanted {}", binding.template_hash, judged.template_hash);
            return Ok((EventKind::CandidateChanged { found }, Seen::Nothing));
        }
        for gate in &self.validators.gates {
            let name = format!("gate-{}", gate.name());
            let sides = (&ahead.candidate, &ahead.live);
            let judgement = self.look(record, gate, &name, sides, deadline, &mut memory).await?;
            let message = format!("gate {}: {}", gate.name(), told(&judgement));
            match judgement.verdict {
                Verdict::Pass => {}
                Verdict::Fail => return Ok((EventKind::Unfit { message }, Seen::Nothing)),
                Verdict::Inconclusive => {
                    return Ok((EventKind::Undecided { message }, Seen::Nothing));
                }
            }
        }
        Ok((EventKind::Passed, Seen::All(Box::new(ahead))))
    }

    pub(super) async fn warm_up(&self, record: &Record, deadline: Timestamp) -> EventKind {
        let Some(warm_up) = &self.validators.warm_up else { return EventKind::Warmed };
        // Why it is not warm yet. It is what the one who reads of the end wants to know.
        let mut last = None;
        let warming = async {
            loop {
                let (candidate, live) = match self.states(record).await {
                    Ok(states) => states,
                    Err(error) => {
                        last = Some(error.chain());
                        self.pause(&mut self.pauses(), &error).await;
                        continue;
                    }
                };
                let (sides, mut memory) = ((&candidate, &live), Memory::new(false));
                let looking = self.look(record, warm_up, "warm-up", sides, deadline, &mut memory);
                match looking.await {
                    Ok(judgement) if judgement.verdict == Verdict::Pass => {
                        return EventKind::Warmed;
                    }
                    Ok(judgement) if judgement.verdict == Verdict::Fail => {
                        let message = format!("{}: {}", warm_up.name(), told(&judgement));
                        return EventKind::Unfit { message };
                    }
                    Ok(judgement) => {
                        last = Some(told(&judgement));
                        self.ports.clock.sleep(std::time::Duration::from_millis(500)).await;
                    }
                    Err(error) => {
                        // At the end there is the error, too, that there is no time left.
                        if self.now() < deadline {
                            last = Some(error.chain());
                        }
                        self.pause(&mut self.pauses(), &error).await;
                    }
                }
            }
        };
        let warmed = tokio::select! {
            biased;
            event = warming => Some(event),
            () = self.sleep_until(deadline) => None,
        };
        warmed.unwrap_or_else(|| {
            let last = last.map_or_else(String::new, |why| format!(": {why}"));
            let message = format!("the candidate was not warm by {deadline}{last}");
            EventKind::Undecided { message }
        })
    }

    pub(super) async fn await_approval(&self, record: &Record, deadline: Timestamp) -> EventKind {
        let request = ApprovalRequest::new(
            record.envelope.release.clone(),
            record.change.digest.clone(),
            record.change.version(),
            deadline,
        );
        let deciding = async {
            match &self.ports.approver {
                Some(approver) => self.tried(deadline, || approver.decide(&request)).await,
                // Somebody will change the record by `approve`.
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            decision = deciding => match decision {
                Ok(Decision::Approve { actor }) => EventKind::Approved { actor },
                Ok(Decision::Deny { actor, reason }) => EventKind::Abort { actor, reason },
                Err(error) => EventKind::Undecided { message: error.chain() },
            },
            () = self.sleep_until(deadline) => EventKind::Undecided {
                message: format!("nobody said yes by {deadline}"),
            },
        }
    }

    /// One look of one validator, with the state that its last look left; keeps the new one.
    pub(super) async fn look(
        &self,
        record: &Record,
        validator: &Arc<dyn Validator>,
        blob: &str,
        (candidate, live): (&SlotState, &SlotState),
        deadline: Timestamp,
        memory: &mut Memory,
    ) -> Result<Judgement> {
        let (release, call) = (&record.envelope.release, record.plan.call);
        if !memory.known.contains_key(blob) && !memory.is_first {
            let reading = self.ports.store.blob(release, blob);
            let kept = self.bounded_read("read a validator's state", call, reading).await?;
            memory.known.insert(blob.to_owned(), Kept::read(kept.as_ref()));
        }
        let (look, state) = memory.known.get(blob).cloned().unwrap_or((1, None));
        let checkpoint = Kept {
            store: self.ports.store.clone(),
            release: release.clone(),
            blob: blob.to_owned(),
            look,
        };
        let side = |state: &SlotState| {
            Side::new(state.clone(), self.ports.clients.of(state.color).clone())
        };
        let mut trial = Trial::new(release.clone(), side(candidate), side(live), deadline);
        trial.digest = record.change.digest.clone();
        trial.routing = record.envelope.routing.clone();
        trial.look = look;
        trial.state.clone_from(&state);
        trial.progress = self.reporter.clone();
        trial.clock = self.ports.clock.clone();
        trial.checkpoint = Arc::new(checkpoint.clone());
        let left = deadline.since(self.now());
        let judging = super::span::judged(validator.name(), look, validator.judge(&trial));
        let judgement = tokio::select! {
            biased;
            judgement = judging => judgement?,
            () = self.ports.clock.sleep(left) => {
                return Err(crate::Error::new(
                    ErrorKind::Rejected,
                    format!("judge by {}", validator.name()),
                )
                .with_source("the time for it is over"));
            }
        };
        if judgement.verdict == Verdict::Fail {
            self.haste.hurry();
        }
        if let Some(next) = &judgement.state
            && Some(next) != state.as_ref()
        {
            let saving = checkpoint.save(next.clone());
            self.bounded("keep a validator's state", call, saving).await?;
        }
        let next = judgement.state.clone().or(state);
        memory.known.insert(blob.to_owned(), (look.saturating_add(1), next));
        self.report(&Progress::Judged {
            validator: validator.name().to_owned(),
            judgement: judgement.clone(),
        });
        Ok(judgement)
    }
}

/// A judgement and the first of what it rests on, on one line.
pub(super) fn told(judgement: &Judgement) -> String {
    match judgement.evidence.first() {
        Some(first) => format!("{judgement} ({first})"),
        None => judgement.to_string(),
    }
}

/// What is known of the states of validators: the next look and what it begins with, by blob.
/// While one process looks, nobody else writes them.
pub(super) struct Memory {
    known: BTreeMap<String, (u32, Option<Bytes>)>,
    /// No validator has looked before, so there is nothing to read.
    is_first: bool,
}

impl Memory {
    /// Of looks that are the first ever, or of later ones.
    pub(super) fn new(is_first: bool) -> Self {
        Self { known: BTreeMap::new(), is_first }
    }
}

/// Keeps a validator's state: the number of the look in four bytes, then the state itself.
#[derive(Clone)]
struct Kept {
    store: Arc<dyn ReleaseStore>,
    release: ReleaseId,
    blob: String,
    look: u32,
}

impl Kept {
    /// The number of the next look, and the state it begins with.
    fn read(kept: Option<&Bytes>) -> (u32, Option<Bytes>) {
        let Some((number, state)) = kept.and_then(|bytes| bytes.split_first_chunk::<4>()) else {
            return (1, None);
        };
        (u32::from_be_bytes(*number).saturating_add(1), Some(Bytes::copy_from_slice(state)))
    }
}

#[async_trait]
impl Checkpoint for Kept {
    async fn save(&self, state: Bytes) -> Result<()> {
        let mut content = self.look.to_be_bytes().to_vec();
        content.extend_from_slice(&state);
        self.store.put_blob(&self.release, &self.blob, content.into()).await
    }
}
