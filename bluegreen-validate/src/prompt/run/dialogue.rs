//! What is said in one conversation, turn by turn.

use serde_json::{Value, json};

use super::attempt::Tried;
use crate::prompt::answer::{Answer, ToolCall};
use crate::prompt::ask::Reply;
use crate::prompt::assess::{Broken, Outcome};
use crate::prompt::prepare::PreparedTurn;
use crate::prompt::suite::Message;

/// A conversation as far as it has come.
#[derive(Default)]
pub(super) struct Dialogue {
    /// What the next request says.
    pub(super) messages: Vec<Value>,
    pub(super) answers: Vec<Answer>,
}

impl Dialogue {
    /// Adds what is said in a turn, if it can be said after the answers before.
    pub(super) fn say(&mut self, turn: &PreparedTurn) -> Result<(), Box<Tried>> {
        for message in &turn.messages {
            match linked(message, self.answers.last()) {
                Ok(message) => self.messages.push(message),
                Err(broken) => return Err(self.broken(broken)),
            }
        }
        Ok(())
    }

    /// Adds what was answered, if it is an answer.
    pub(super) fn hear(&mut self, reply: Reply) -> Result<(), Box<Tried>> {
        match reply {
            Reply::Answer(answer) => {
                self.messages.push(said(&answer));
                self.answers.push(*answer);
                Ok(())
            }
            Reply::Malformed(found) => {
                let wanted = "an answer where the suite says that it is".to_owned();
                Err(self.broken(Broken { score: 0.0, wanted, found }))
            }
            Reply::Busy(_) => {
                let why = "status 429, however often it was asked".to_owned();
                Err(Box::new(Tried::away(why)))
            }
            Reply::Lost(why) => Err(Box::new(Tried::away(why))),
        }
    }

    fn broken(&mut self, broken: Broken) -> Box<Tried> {
        Box::new(Tried::of(Outcome::Broken(broken), std::mem::take(&mut self.answers)))
    }
}

/// A message as it is sent. The result of a tool names the call that it belongs to; where the
/// agent made no such call, the conversation can't go on.
fn linked(message: &Message, last: Option<&Answer>) -> Result<Value, Broken> {
    let mut linked = message.sent();
    if message.role != "tool" {
        return Ok(linked);
    }
    let name = message.name.as_deref().unwrap_or_default();
    let calls = last.map_or(&[][..], |answer| answer.tool_calls.as_slice());
    let Some((at, call)) = calls.iter().enumerate().find(|(_, call)| call.name == name) else {
        let calls: Vec<String> = calls.iter().map(ToolCall::shown).collect();
        let found = if calls.is_empty() { "no tool calls".to_owned() } else { calls.join(", ") };
        let wanted = format!("a call of {name}, whose result comes next");
        return Err(Broken { score: 0.0, wanted, found });
    };
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
