//! One case: what is asked, once or in several turns.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Assertion;

/// One case of a [`Suite`](super::Suite).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", schemars(extend("oneOf" = crate::prompt::schema::either("prompt", "turns"))))]
#[non_exhaustive]
pub struct Case {
    /// What reports call it. No other case of the suite is called so.
    pub id: String,
    /// What kind of case it is. Each category is judged by itself, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// What the case has in common with others: cases of one document, or one template, are no
    /// independent evidence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Whether the candidate fails if this case alone gets worse.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub critical: bool,
    /// Whether it is known to be flaky, and kept out of the verdict for a time.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub quarantined: bool,
    /// Variables for the templates in prompts, assertions and the agent's body.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub vars: BTreeMap<String, Value>,
    /// What is asked, a template, where there is one turn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// What is asked in several turns, one after the other's answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub turns: Vec<Turn>,
    /// What the last answer must be like. Of several turns, tool calls, tokens and cost are those
    /// of all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub assert: Vec<Assertion>,
    /// The score from which on the case passes: the weighted mean of the scores of its assertions.
    /// Without it every assertion must hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
}

impl Case {
    /// A case of one turn.
    pub fn new(id: impl Into<String>, prompt: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            category: None,
            group: None,
            critical: false,
            quarantined: false,
            vars: BTreeMap::new(),
            prompt: Some(prompt.into()),
            turns: Vec::new(),
            assert: Vec::new(),
            threshold: None,
        }
    }

    /// Wants one thing more of the last answer.
    #[must_use]
    pub fn assert(mut self, assertion: impl Into<Assertion>) -> Self {
        self.assert.push(assertion.into());
        self
    }

    /// Puts it into a category.
    #[must_use]
    pub fn category(mut self, category: impl Into<String>) -> Self {
        self.category = Some(category.into());
        self
    }

    /// What the answers of its turns must be like.
    pub(crate) fn turns_asserts(&self) -> impl Iterator<Item = &Assertion> {
        self.turns.iter().flat_map(|turn| &turn.assert)
    }

    /// Leaves of it what is asked.
    pub(crate) fn only_ask(&mut self) {
        self.assert.clear();
        (self.threshold, self.critical, self.quarantined) = (None, false, false);
        (self.category, self.group) = (None, None);
        self.turns.iter_mut().for_each(|turn| turn.assert.clear());
    }

    /// Sets a variable.
    #[must_use]
    pub fn var(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.vars.insert(name.into(), value.into());
        self
    }

    /// Makes the candidate fail if this case alone gets worse.
    #[must_use]
    pub fn critical(mut self) -> Self {
        self.critical = true;
        self
    }
}

/// One turn of a [`Case`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
#[cfg_attr(feature = "schema", schemars(extend("oneOf" = crate::prompt::schema::either("prompt", "messages"))))]
#[non_exhaustive]
pub struct Turn {
    /// What the user says, a template.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// Messages of any role instead, the last of which asks: results of tools, say.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub messages: Vec<Message>,
    /// What this turn's answer must be like.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub assert: Vec<Assertion>,
}

impl Turn {
    /// The user says this.
    pub fn new(prompt: impl Into<String>) -> Self {
        Self { prompt: Some(prompt.into()), ..Self::default() }
    }
}

/// A message of a [`Turn`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Message {
    /// `user`, `system`, `developer`, `assistant` or `tool`.
    pub role: String,
    /// Its text, a template, or its parts as chat completions have them.
    pub content: Value,
    /// Of a `tool`: the name of the tool whose call of the last answer this is the result of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl Message {
    /// A message.
    pub fn new(role: impl Into<String>, content: impl Into<Value>) -> Self {
        Self { role: role.into(), content: content.into(), name: None }
    }

    /// As a chat completion's request has it.
    pub(crate) fn sent(&self) -> Value {
        let mut sent = json!({"role": self.role, "content": self.content});
        if let Some(name) = &self.name {
            sent["name"] = name.clone().into();
        }
        sent
    }

    /// Its text, for people.
    pub(crate) fn shown(&self) -> String {
        self.content.as_str().map_or_else(|| self.content.to_string(), str::to_owned)
    }
}
