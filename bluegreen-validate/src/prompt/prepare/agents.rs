//! What is wrong with how a suite's agent is spoken to.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::Flaws;
use crate::HeaderText;
use crate::prompt::ask::Place;
use crate::prompt::suite::{A2aAgent, Agent, HttpAgent, OpenAiAgent, ResponsesAgent};
use crate::smoke::prepare as requests;

impl Flaws<'_> {
    pub(super) fn check_agent(&mut self) {
        match &self.suite.agent {
            Agent::Http(agent) => self.within("http", |flaws| flaws.check_http(agent)),
            Agent::Openai(agent) => self.within("openai", |flaws| flaws.check_openai(agent)),
            Agent::Responses(agent) => {
                self.within("responses", |flaws| flaws.check_responses(agent));
            }
            Agent::A2a(agent) => self.within("a2a", |flaws| flaws.check_a2a(agent)),
        }
    }

    fn check_http(&mut self, agent: &HttpAgent) {
        self.within("method", |flaws| {
            if let Err(found) = requests::method(&agent.method) {
                flaws.say("prompt-agent", found, "a method like POST, in capitals");
            }
        });
        self.check_headers();
        let places = [
            ("answer", Some(&agent.answer)),
            ("tool_calls", agent.tool_calls.as_ref()),
            ("usage", agent.usage.as_ref()),
            ("finish_reason", agent.finish_reason.as_ref()),
        ];
        for (name, place) in places {
            self.within(name, |flaws| {
                if let Some(Err(found)) = place.map(|place| Place::parse(place)) {
                    let wanted =
                        "`text`, a JSON pointer like `/reply` or a JSONPath like `$.reply`";
                    flaws.say("prompt-agent", found, wanted);
                }
            });
        }
    }

    fn check_openai(&mut self, agent: &OpenAiAgent) {
        self.check_headers();
        self.check_agent_model(&agent.model);
        let own = ["messages", "model", "stream", "stream_options", "n"];
        self.check_parameters(&agent.parameters, &own);
    }

    fn check_responses(&mut self, agent: &ResponsesAgent) {
        self.check_headers();
        self.check_agent_model(&agent.model);
        // A response in the background is none yet, and the suite tells the conversation itself.
        let own = [
            "background",
            "conversation",
            "input",
            "instructions",
            "model",
            "previous_response_id",
            "stream",
            "tools",
        ];
        self.check_parameters(&agent.parameters, &own);
        for (index, tool) in agent.tools.iter().enumerate() {
            if tool.get("type").and_then(Value::as_str).is_none() {
                self.along(&["tools".into(), index.into()], |flaws| {
                    flaws.say("prompt-agent", tool.to_string(), "a tool with a type");
                });
            }
        }
    }

    fn check_a2a(&mut self, agent: &A2aAgent) {
        self.check_headers();
        for (index, mode) in agent.output_modes.iter().enumerate() {
            let halves = mode.split_once('/').filter(|(kind, rest)| {
                !kind.is_empty() && !rest.is_empty() && !mode.contains(char::is_whitespace)
            });
            if halves.is_none() {
                self.along(&["output_modes".into(), index.into()], |flaws| {
                    flaws.say("prompt-agent", format!("{mode:?}"), "a media type like text/plain");
                });
            }
        }
    }

    fn check_agent_model(&mut self, model: &str) {
        self.within("model", |flaws| {
            if model.trim().is_empty() {
                flaws.say("prompt-agent", "an empty name", "the name of a model");
            }
        });
    }

    /// `own` are the fields that the suite fills in.
    fn check_parameters(&mut self, parameters: &Map<String, Value>, own: &[&str]) {
        for name in own.iter().copied().filter(|name| parameters.contains_key(*name)) {
            self.along(&["parameters".into(), name.into()], |flaws| {
                flaws.say("prompt-agent", name, "no field that the suite fills in itself");
            });
        }
    }

    fn check_headers(&mut self) {
        let headers = self.suite.agent.headers();
        self.within("headers", |flaws| flaws.check_header_map(headers));
    }

    pub(super) fn check_header_map(&mut self, headers: &BTreeMap<String, HeaderText>) {
        for (name, text) in headers {
            self.within(name.as_str(), |flaws| {
                match requests::header_name(name) {
                    Err(found) => flaws.say("prompt-agent", found, "the name of a header"),
                    Ok(name) if requests::is_carriage(&name) => {
                        let wanted = "no header about how the message is carried";
                        flaws.say("prompt-agent", format!("`{name}`"), wanted);
                    }
                    Ok(_) => {}
                }
                let value = requests::resolve(text).and_then(|text| requests::header_value(&text));
                if let Err(found) = value {
                    flaws.say("prompt-agent", found, "a value that can be sent");
                }
            });
        }
    }
}
