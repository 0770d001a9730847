//! Live's answers from an earlier run, instead of asking for them again.

use bytes::Bytes;
use http::Request;

use super::attempt::{Attempts, Talk, Took, Tried};
use super::audit::Audit;
use super::dialogue::Dialogue;
use super::schedule::Slotted;
use crate::prompt::assess::Outcome;
use crate::prompt::cassette::{Asked, Found, Known, Sought};
use crate::prompt::prepare::{Prepared, PreparedCase};
use crate::prompt::suite::Suite;

/// What live answered before, and whether that may be taken.
pub(super) struct Before<'a> {
    pub(super) known: &'a Known<'a>,
    audit: Audit,
}

impl<'a> Before<'a> {
    pub(super) fn new(
        known: &'a Known<'a>,
        suite: &Suite,
        prepared: &Prepared,
        todo: &[Slotted],
    ) -> Self {
        // Scores decide there, and a sample that passes or fails says nothing of them.
        let todo = if suite.rules.score_margin.is_some() { &[] } else { todo };
        Self { known, audit: Audit::of(known, suite, prepared, todo) }
    }
}

impl Attempts<'_> {
    /// Has the conversation of a case with live, or takes what it answered before.
    pub(super) async fn live(&self, case: &PreparedCase, slotted: Slotted) -> (Talk, Took) {
        let ask = || self.one(&self.trial.live, case, slotted, "live");
        let Some(Before { known, audit }) = self.before else { return ask().await };
        if audit.asks_anew(slotted) {
            let now = ask().await;
            let before = match self.remembered(known, case, slotted, false) {
                Some(remembered) => self.passed(case, &self.heard(case, remembered).await),
                None => None,
            };
            audit.add(known.baseline(), before, self.passed(case, &now.0));
            return now;
        }
        // What the cassette of this run has is of this run.
        if self.session.is_some_and(|it| it.has_live(&case.id, slotted.repeat)) {
            return ask().await;
        }
        if !audit.may_take(slotted).await {
            return ask().await;
        }
        match self.remembered(known, case, slotted, true) {
            Some(remembered) => (self.heard(case, remembered).await, Took::default()),
            None => ask().await,
        }
    }

    /// What was said before, graded today.
    async fn heard(&self, case: &PreparedCase, remembered: Remembered) -> Talk {
        match remembered {
            Remembered::Whole(dialogue) => self.graded(case, dialogue.answers).await,
            Remembered::Broken(tried) => Talk::Over(tried),
        }
    }

    /// Whether a conversation passes by itself, where that can be told.
    fn passed(&self, case: &PreparedCase, talk: &Talk) -> Option<bool> {
        let outcome = match talk {
            Talk::Whole(answers, grades) => &self.by_itself(case, answers, grades.clone()),
            Talk::Over(tried) => &tried.outcome,
        };
        match outcome {
            Outcome::Held(_) => Some(true),
            Outcome::Broken(_) => Some(false),
            Outcome::Unknown(_) => None,
        }
    }

    /// The whole of a conversation as it was, or nothing: an agent that is asked for the rest of it
    /// may not remember its beginning. What is used goes into the cassette of this run.
    fn remembered(
        &self,
        known: &Known<'_>,
        case: &PreparedCase,
        slotted: Slotted,
        is_used: bool,
    ) -> Option<Remembered> {
        let of = |slot: &&'static str| self.remembered_of(known, slot, case, slotted);
        let (remembered, taken) = known.slots().iter().find_map(of)?;
        if is_used {
            known.used(taken.len());
            let Some(session) = self.session else { return Some(remembered) };
            for (asked, request, found) in &taken {
                let asked = Asked { slot: "live", ..*asked };
                if let Sought::Ask(key) = session.seek(asked, request, false) {
                    let (name, body) = (&found.conversation, request.body());
                    session.keep(&key, asked, name, body, &found.reply, found.at);
                }
            }
        }
        Some(remembered)
    }

    /// The same as one slot of the earlier run had it.
    fn remembered_of<'c>(
        &self,
        known: &Known<'_>,
        slot: &'static str,
        case: &'c PreparedCase,
        slotted: Slotted,
    ) -> Option<(Remembered, Vec<Taken<'c>>)> {
        let (mut dialogue, mut broken) = (Dialogue::default(), None);
        let mut taken: Vec<Taken<'_>> = Vec::with_capacity(case.turns.len());
        for (turn, said) in case.turns.iter().enumerate() {
            if let Err(tried) = dialogue.say(said) {
                broken = Some(tried);
                break;
            }
            let asked = Asked { slot, case: &case.id, turn, repeat: slotted.repeat };
            let Prepared { asker: agent, templates, .. } = self.prepared;
            let messages = &dialogue.messages;
            let request = agent.request(templates, &case.vars, messages, "conversation").ok()?;
            let found = known.find(asked, &request)?;
            if taken.first().is_some_and(|(.., it)| it.conversation != found.conversation) {
                return None;
            }
            let reply = found.reply.clone();
            taken.push((asked, request, found));
            if let Err(tried) = dialogue.hear(reply) {
                broken = Some(tried);
                break;
            }
        }
        let remembered = broken.map_or(Remembered::Whole(dialogue), Remembered::Broken);
        Some((remembered, taken))
    }
}

/// A question, what asked it, and what was answered.
type Taken<'c> = (Asked<'c>, Request<Bytes>, Found);

/// A conversation from before.
enum Remembered {
    /// With an answer to every turn.
    Whole(Dialogue),
    /// That ended with what was no answer, or could not go on.
    Broken(Box<Tried>),
}
