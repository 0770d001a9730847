//! One run of a case in both slots.

use std::time::Duration;

use bluegreen_core::{Digest, Side, Trial};
use bytes::Bytes;
use futures_util::future::join;
use serde_json::{Value, json};

use super::schedule::Slotted;
use super::{Ledger, Pace};
use crate::prompt::answer::{Answer, ToolCall, Usage};
use crate::prompt::ask::Reply;
use crate::prompt::assess::{Broken, Outcome};
use crate::prompt::cassette::{Asked, Session, Sought};
use crate::prompt::judge::{Judging, Purse};
use crate::prompt::prepare::{Prepared, PreparedCase};
use crate::prompt::suite::Suite;

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
}

/// What one run of a case came to in both slots.
pub(super) struct Pair {
    pub(super) slotted: Slotted,
    pub(super) live: Tried,
    pub(super) idle: Tried,
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
        let case = &self.prepared.cases[slotted.case];
        let live = self.one(&self.trial.live, case, slotted, "live");
        let idle = self.one(&self.trial.candidate, case, slotted, "idle");
        let (live, idle) = if slotted.live_first {
            join(live, idle).await
        } else {
            let (idle, live) = join(idle, live).await;
            (live, idle)
        };
        let pair = Pair { slotted, live, idle };
        if [&pair.live, &pair.idle].iter().all(|it| it.without == Some(Without::Answer)) {
            // What both depend on may be back in a moment.
            self.pace.slow_down(self.trial.clock.now(), PAUSE);
        }
        pair
    }

    /// Runs a case in one slot.
    async fn one(&self, side: &Side, case: &PreparedCase, slotted: Slotted, slot: &str) -> Tried {
        let mut took = Took::default();
        let tried = self.talk(side, case, slotted, slot, &mut took).await;
        Tried { took, ..tried }
    }

    async fn talk(
        &self,
        side: &Side,
        case: &PreparedCase,
        slotted: Slotted,
        slot: &str,
        took: &mut Took,
    ) -> Tried {
        let mut conversation = (self.conversation(case, slotted, slot), false);
        let mut messages: Vec<Value> = Vec::new();
        let mut answers: Vec<Answer> = Vec::with_capacity(case.turns.len());
        for (number, turn) in case.turns.iter().enumerate() {
            for message in &turn.messages {
                match linked(message, answers.last()) {
                    Ok(message) => messages.push(message),
                    Err(broken) => return Tried::of(Outcome::Broken(broken), answers),
                }
            }
            let asked = Asked { slot, case: &case.id, turn: number, repeat: slotted.repeat };
            let question = Question { case, messages: &messages, asked };
            let reply = self.reply(side, question, &mut conversation, took).await;
            let reply = match reply {
                Ok(reply) => reply,
                Err(tried) => return *tried,
            };
            match reply {
                Reply::Answer(answer) => {
                    messages.push(said(&answer));
                    answers.push(*answer);
                }
                Reply::Malformed(found) => {
                    let wanted = "an answer where the suite says that it is".to_owned();
                    let broken = Broken { score: 0.0, wanted, found };
                    return Tried::of(Outcome::Broken(broken), answers);
                }
                Reply::Busy(_) => {
                    let why = "status 429, however often it was asked".to_owned();
                    return Tried::away(why);
                }
                Reply::Lost(why) => return Tried::away(why),
            }
        }
        let prices = self.suite.prices.as_ref();
        let purse = self.purse();
        // Most runs have nothing to grade, and need no room for it.
        let grades = match Box::pin(self.judging.grades(case, &answers, &purse)).await {
            Ok(grades) => grades,
            Err(budget) => return Tried::unpaid(budget),
        };
        let (outcome, assertions) = self.prepared.assess(case, &answers, prices, &grades);
        Tried { assertions, ..Tried::of(outcome, answers) }
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
    fn purse(&self) -> Purse<'_> {
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
    fn of(outcome: Outcome, answers: Vec<Answer>) -> Self {
        Self { outcome, assertions: Vec::new(), answers, took: Took::default(), without: None }
    }

    /// The last answer.
    pub(super) fn shown(&self) -> String {
        self.answers.last().map(Answer::shown).unwrap_or_default()
    }

    fn away(why: String) -> Self {
        Self::without(Without::Answer, why)
    }

    fn unpaid(budget: &str) -> Self {
        Self::without(Without::Budget, format!("the budget is spent: {budget}"))
    }

    fn unasked(why: &str) -> Self {
        Self::without(Without::Request, format!("no request could be made: {why}"))
    }

    fn without(what: Without, why: String) -> Self {
        Self { without: Some(what), ..Self::of(Outcome::Unknown(why), Vec::new()) }
    }
}

/// A message as it is sent. The result of a tool names the call that it belongs to; where the
/// agent made no such call, the conversation can't go on.
fn linked(message: &Value, last: Option<&Answer>) -> Result<Value, Broken> {
    if message.get("role").and_then(Value::as_str) != Some("tool") {
        return Ok(message.clone());
    }
    let name = message.get("name").and_then(Value::as_str).unwrap_or_default();
    let calls = last.map_or(&[][..], |answer| answer.tool_calls.as_slice());
    let Some((at, call)) = calls.iter().enumerate().find(|(_, call)| call.name == name) else {
        let calls: Vec<String> = calls.iter().map(ToolCall::shown).collect();
        let found = if calls.is_empty() { "no tool calls".to_owned() } else { calls.join(", ") };
        let wanted = format!("a call of {name}, whose result comes next");
        return Err(Broken { score: 0.0, wanted, found });
    };
    let mut linked = message.clone();
    linked["tool_call_id"] = call.id.clone().unwrap_or_else(|| format!("call_{at}")).into();
    Ok(linked)
}

/// What the agent said, as the next request repeats it.
fn said(answer: &Answer) -> Value {
    let mut message = json!({"role": "assistant", "content": answer.text});
    if let Some(thread) = &answer.thread {
        message["thread"] = json!(thread);
    }
    if !answer.tool_calls.is_empty() {
        let calls = answer.tool_calls.iter().enumerate().map(|(at, call)| {
            let arguments = match &call.arguments {
                Ok(value) => value.to_string(),
                Err(text) => text.clone(),
            };
            let id = call.id.clone().unwrap_or_else(|| format!("call_{at}"));
            let function = json!({"name": call.name, "arguments": arguments});
            json!({"id": id, "type": "function", "function": function})
        });
        message["tool_calls"] = calls.collect();
        if answer.text.is_empty() {
            message["content"] = Value::Null;
        }
    }
    message
}
