//! One run of a case in both slots.

use std::time::Duration;

use bluegreen_core::{Digest, Side, Trial};
use bytes::Bytes;
use futures_util::future::join;
use serde_json::Value;

use super::before::Before;
use super::dialogue::Dialogue;
use super::schedule::Slotted;
use super::{Ledger, Pace};
use crate::prompt::answer::{Answer, Usage};
use crate::prompt::ask::Reply;
use crate::prompt::assess::Outcome;
use crate::prompt::cassette::{Asked, Session, Sought};
use crate::prompt::judge::{Grades, Judging, Purse};
use crate::prompt::prepare::{Prepared, PreparedCase};
use crate::prompt::suite::Suite;
use crate::report::PreferenceReport;

/// The first pause after an answer of 429 that asks for none; it doubles.
pub(in crate::prompt) const PAUSE: Duration = Duration::from_secs(1);

/// What runs need.
pub(super) struct Attempts<'a> {
    pub(super) suite: &'a Suite,
    pub(super) prepared: &'a Prepared,
    pub(super) judging: &'a Judging,
    pub(super) trial: &'a Trial,
    pub(super) ledger: &'a Ledger<'a>,
    pub(super) pace: &'a Pace,
    pub(super) session: Option<&'a Session<'a>>,
    pub(super) before: Option<&'a Before<'a>>,
}

/// What one run of a case came to in both slots.
pub(super) struct Pair {
    pub(super) slotted: Slotted,
    pub(super) live: Tried,
    pub(super) idle: Tried,
    /// What judges said of both answers side by side.
    pub(super) preferences: Vec<PreferenceReport>,
}

impl Pair {
    /// Whether the cassette lacks a side of it.
    pub(super) fn is_unrecorded(&self) -> bool {
        [&self.live, &self.idle].iter().any(|it| it.without == Some(Without::Recording))
    }
}

/// What it came to in one slot.
pub(super) struct Tried {
    pub(super) outcome: Outcome,
    /// What each assertion came to, where they were looked at.
    pub(super) assertions: Vec<Outcome>,
    /// The answers, by turn.
    pub(super) answers: Vec<Answer>,
    /// What it took.
    pub(super) took: Took,
    /// What there was none of, so that there is nothing to assess.
    pub(super) without: Option<Without>,
    /// Whether nothing else is wrong but that the other slot's answer was preferred.
    pub(super) beaten: bool,
}

/// What a conversation came to, before answers of one slot are compared with those of the other.
pub(super) enum Talk {
    /// Every question was answered, and what is graded is, except for comparisons.
    Whole(Vec<Answer>, Grades),
    /// It ended before, and this is what it came to.
    Over(Box<Tried>),
}

/// Calls, also those that came to nothing, and the tokens that are known of them.
#[derive(Clone, Copy, Default)]
pub(super) struct Took {
    pub(super) calls: u64,
    pub(super) usage: Usage,
}

/// What there was none of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Without {
    /// The agent gave no answer at all to some question.
    Answer,
    /// The cassette that is replayed does not have the answer.
    Recording,
    /// The budget had no room for another call.
    Budget,
    /// No request could be made of what the suite says and the answers before, which is the suite's
    /// fault and nobody else's.
    Request,
    /// The case could not be read as it was when the suite was: its file has changed, or is gone.
    Case,
}

/// A question, and what was said before it.
#[derive(Clone, Copy)]
struct Question<'a> {
    case: &'a PreparedCase,
    messages: &'a [Value],
    asked: Asked<'a>,
}

impl Attempts<'_> {
    /// Runs a case in both slots at the same time, so that what both depend on is the same for
    /// both.
    pub(super) async fn pair(&self, slotted: Slotted) -> Pair {
        let case = match self.prepared.case(slotted.case) {
            Ok(case) => case,
            Err(why) => {
                let (live, idle) = (Tried::unread(&why), Tried::unread(&why));
                return Pair { slotted, live, idle, preferences: Vec::new() };
            }
        };
        let case = &*case;
        let live = self.live(case, slotted);
        let idle = self.one(&self.trial.candidate, case, slotted, "idle");
        let (live, idle) = if slotted.live_first {
            join(live, idle).await
        } else {
            let (idle, live) = join(idle, live).await;
            (live, idle)
        };
        let ((live, of_live), (idle, of_idle)) = (live, idle);
        // Most runs have nothing to compare, and need no room for it.
        let (live, idle, preferences) = Box::pin(self.settled(case, live, idle)).await;
        let (live, idle) = (Tried { took: of_live, ..live }, Tried { took: of_idle, ..idle });
        let pair = Pair { slotted, live, idle, preferences };
        if [&pair.live, &pair.idle].iter().all(|it| it.without == Some(Without::Answer)) {
            // What both depend on may be back in a moment.
            self.pace.slow_down(self.trial.clock.now(), PAUSE);
        }
        pair
    }

    /// Has the conversation of a case with one slot, and what it said graded.
    pub(super) async fn one(
        &self,
        side: &Side,
        case: &PreparedCase,
        slotted: Slotted,
        slot: &str,
    ) -> (Talk, Took) {
        let mut took = Took::default();
        let talk = self.talk(side, case, slotted, slot, &mut took).await;
        (talk, took)
    }

    async fn talk(
        &self,
        side: &Side,
        case: &PreparedCase,
        slotted: Slotted,
        slot: &str,
        took: &mut Took,
    ) -> Talk {
        let is_named = self.session.is_some() || self.prepared.asker.tells_conversations();
        let name = is_named.then(|| self.conversation(case, slotted, slot));
        let mut conversation = (name.unwrap_or_default(), false);
        let mut dialogue = Dialogue::default();
        for (number, turn) in case.turns.iter().enumerate() {
            if let Err(tried) = dialogue.say(turn) {
                return Talk::Over(tried);
            }
            let asked = Asked { slot, case: &case.id, turn: number, repeat: slotted.repeat };
            let question = Question { case, messages: &dialogue.messages, asked };
            let heard = match self.reply(side, question, &mut conversation, took).await {
                Ok(reply) => dialogue.hear(reply),
                Err(tried) => Err(tried),
            };
            if let Err(tried) = heard {
                return Talk::Over(tried);
            }
        }
        self.graded(case, dialogue.answers).await
    }

    /// Answers to all turns, with what others made of them.
    pub(super) async fn graded(&self, case: &PreparedCase, answers: Vec<Answer>) -> Talk {
        if !case.is_graded() {
            return Talk::Whole(answers, Grades::default());
        }
        let purse = self.purse();
        // Most runs have nothing to grade, and need no room for it.
        match Box::pin(self.judging.grades(case, &answers, &purse)).await {
            Ok(grades) => Talk::Whole(answers, grades),
            Err(budget) => Talk::Over(Box::new(Tried::unpaid(budget))),
        }
    }

    /// The answer to a question: from the cassette, if it is there, or else the agent's. Of the
    /// conversation, its name, and whether the agent was asked in it.
    async fn reply(
        &self,
        side: &Side,
        question: Question<'_>,
        (conversation, is_asked): &mut (String, bool),
        took: &mut Took,
    ) -> Result<Reply, Box<Tried>> {
        let Prepared { asker, templates, .. } = self.prepared;
        let Question { case, messages, asked } = question;
        let request = |conversation: &str| {
            let request = asker.request(templates, &case.vars, messages, conversation);
            request.map_err(|why| Box::new(Tried::unasked(&why)))
        };
        let key = match self.session {
            None => None,
            Some(session) => match session.seek(asked, &request("conversation")?, *is_asked) {
                Sought::Found(reply, name) => {
                    // What the agent remembers of it goes by this name.
                    *conversation = name;
                    return Ok(reply);
                }
                Sought::Ask(key) => Some((session, key)),
                Sought::Missing(why) => {
                    return Err(Box::new(Tried::without(Without::Recording, why)));
                }
            },
        };
        *is_asked = true;
        let request = request(conversation)?;
        let body = request.body().clone();
        let reply = self
            .ask(side, request, took)
            .await
            .map_err(|budget| Box::new(Tried::unpaid(budget)))?;
        if let Some((session, key)) = key {
            session.keep(&key, asked, conversation, &body, &reply, self.trial.clock.now());
        }
        Ok(reply)
    }

    /// Asks once, and again after the pause that an answer of 429 asks for, unless a budget is spent:
    /// this one.
    async fn ask(
        &self,
        side: &Side,
        request: http::Request<Bytes>,
        took: &mut Took,
    ) -> Result<Reply, &'static str> {
        let clock = self.trial.clock.as_ref();
        let mut tries = 0;
        loop {
            self.pace.wait(clock).await;
            let call = self.ledger.begin()?;
            let asker = &self.prepared.asker;
            took.calls += 1;
            let (reply, usage) = asker.ask(side.client.as_ref(), clock, request.clone()).await;
            took.usage = took.usage.plus(usage.unwrap_or_default());
            match (&reply, usage) {
                (_, Some(usage)) => call.took(usage),
                (Reply::Busy(_), None) => call.took_nothing(),
                (Reply::Answer(_), None) => call.took_untold(),
                (Reply::Malformed(_) | Reply::Lost(_), None) => drop(call),
            }
            match reply {
                Reply::Busy(after) => {
                    let pause = after.unwrap_or(PAUSE.saturating_mul(1 << tries.min(6)));
                    let now = clock.now();
                    if pause > self.suite.longest_pause || now.plus(pause) >= self.trial.deadline {
                        self.pace.forbid(pause);
                        let pause = humantime::format_duration(pause);
                        let why = format!("status 429, again only after {pause}");
                        return Ok(Reply::Lost(why));
                    }
                    self.pace.slow_down(now, pause);
                    if tries == self.suite.retries {
                        return Ok(Reply::Busy(after));
                    }
                    tries += 1;
                }
                Reply::Answer(answer) => {
                    self.pace.answered();
                    return Ok(Reply::Answer(answer));
                }
                other => return Ok(other),
            }
        }
    }

    /// What those who grade are paid from, which is what the agents are paid from.
    pub(super) fn purse(&self) -> Purse<'_> {
        let (ledger, clock) = (self.ledger, self.trial.clock.as_ref());
        Purse { ledger, clock, suite: self.suite, deadline: self.trial.deadline }
    }

    /// A name that no other conversation has, also not one from before a crash.
    fn conversation(&self, case: &PreparedCase, slotted: Slotted, slot: &str) -> String {
        let now = self.trial.clock.now().unix_millis().to_string();
        let repeat = slotted.repeat.to_string();
        let release = self.trial.release.as_str();
        let digest = Digest::of([release, case.id.as_str(), repeat.as_str(), slot, now.as_str()]);
        let text: String = digest.as_str().chars().skip("sha256:".len()).take(20).collect();
        format!("c{text}")
    }
}

impl Tried {
    pub(super) fn of(outcome: Outcome, answers: Vec<Answer>) -> Self {
        Self {
            outcome,
            assertions: Vec::new(),
            answers,
            took: Took::default(),
            without: None,
            beaten: false,
        }
    }

    /// The last answer.
    pub(super) fn shown(&self) -> String {
        self.answers.last().map(Answer::shown).unwrap_or_default()
    }

    pub(super) fn away(why: String) -> Self {
        Self::without(Without::Answer, why)
    }

    pub(super) fn unpaid(budget: &str) -> Self {
        Self::without(Without::Budget, format!("the budget is spent: {budget}"))
    }

    fn unread(why: &str) -> Self {
        Self::without(Without::Case, format!("the case could not be read: {why}"))
    }

    fn unasked(why: &str) -> Self {
        Self::without(Without::Request, format!("no request could be made: {why}"))
    }

    fn without(what: Without, why: String) -> Self {
        Self { without: Some(what), ..Self::of(Outcome::Unknown(why), Vec::new()) }
    }
}
