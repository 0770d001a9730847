//! A contract of tools as data, and what may be wrong with it.

use std::collections::BTreeMap;
use std::time::Duration;

use bluegreen_core::clock::duration_text;
use bluegreen_core::{Digest, Problem};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::canonical::canonical;
use crate::document::{self, Source, Step, text_of};
use crate::smoke::prepare as requests;
use crate::{ConfigError, HeaderText};

/// A contract of tools as data: what a file holds and what
/// [`ToolContract`](super::ToolContract) is made from. Unknown fields are refused by name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ToolContractConfig {
    /// What progress, records and errors call it; `tools` unless told otherwise.
    pub name: String,
    /// Path and query of the MCP endpoint; `/mcp` unless told otherwise.
    pub path: String,
    /// Headers to send, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, HeaderText>,
    /// The version of MCP that is asked for, 2025-06-18 unless told otherwise; the server may name
    /// another one that it speaks. From 2026-07-28 on there are no sessions.
    pub protocol: String,
    /// The tools that there must be, by name. Without this they are those that live offers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tools: Option<BTreeMap<String, PinnedTool>>,
    /// What becomes of other descriptions, titles and defaults; they are told unless said otherwise.
    pub descriptions: Strictness,
    /// What becomes of tools that are new; nothing unless said otherwise.
    pub more: Strictness,
    /// How long it may take to list the tools of one slot.
    #[serde(with = "duration_text")]
    pub timeout: Duration,
    /// The most bytes of the body of one answer.
    pub max_body: usize,
}

/// A tool that there must be. With neither schema nor digest its name is all that counts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct PinnedTool {
    /// The JSON Schema of its arguments, with which that of the candidate must go together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema: Option<Value>,
    /// What [`ToolContract::digest_of`](super::ToolContract::digest_of) tells of it: nothing at all may
    /// be different then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Its description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// What becomes of a difference that no call fails by.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Strictness {
    /// Nothing.
    Ignore,
    /// It is among the evidence.
    #[default]
    Tell,
    /// The candidate fails by it.
    Fail,
}

impl Default for ToolContractConfig {
    fn default() -> Self {
        Self {
            name: "tools".to_owned(),
            path: "/mcp".to_owned(),
            headers: BTreeMap::new(),
            protocol: "2025-06-18".to_owned(),
            tools: None,
            descriptions: Strictness::Tell,
            more: Strictness::Ignore,
            timeout: Duration::from_secs(30),
            max_body: 4 * 1024 * 1024,
        }
    }
}

impl ToolContractConfig {
    /// The tools as live offers them at `path`, with the defaults for everything else.
    pub fn new(path: impl Into<String>) -> Self {
        Self { path: path.into(), ..Self::default() }
    }

    /// One digest of all settings.
    pub fn digest(&self) -> Digest {
        // Everything in it has text keys and finite numbers, so this does not fail; and if it
        // ever did, the error's text would not be the digest of any settings that work.
        let text = match serde_json::to_value(self) {
            Ok(value) => canonical(&value),
            Err(error) => error.to_string(),
        };
        Digest::of(["bluegreen tools 1", &text])
    }

    /// Everything that is wrong with these settings, all at once.
    pub fn problems(&self) -> Vec<Problem> {
        flaws(self).into_iter().map(|(_, problem)| problem).collect()
    }
}

/// Settings from a text.
pub(super) fn parse(name: &str, text: &str) -> Result<ToolContractConfig, ConfigError> {
    document::read(Source { name, text }, |config, _| flaws(config))
        .map_err(|problems| ConfigError::new(name, problems))
}

/// Every problem, with the path to what it is about.
fn flaws(config: &ToolContractConfig) -> Vec<(Vec<Step>, Problem)> {
    let mut flaws = Vec::new();
    let mut say = |path: &[&str], found: String, wanted: &str| {
        let path: Vec<Step> = path.iter().copied().map(Step::from).collect();
        let object = format!("{}, {}", config.name, text_of(&path));
        flaws.push((path, Problem::new("tool-contract", object).found(found).wanted(wanted)));
    };
    let is_name =
        |name: &str| !name.is_empty() && name.len() <= 100 && !name.chars().any(char::is_control);
    if !is_name(&config.name) {
        say(&["name"], format!("{:?}", config.name), "1 to 100 printable characters");
    }
    if let Err(found) = requests::uri(&config.path) {
        say(&["path"], found, "path and query, beginning with `/`");
    }
    for (name, text) in &config.headers {
        match requests::header_name(name) {
            Err(found) => say(&["headers", name], found, "the name of a header"),
            Ok(it) if requests::is_carriage(&it) => {
                say(&["headers", name], format!("`{name}`"), "no header about how it is carried");
            }
            Ok(_) => {}
        }
        if let Err(found) = requests::resolve(text).and_then(|it| requests::header_value(&it)) {
            say(&["headers", name], found, "a value that can be sent");
        }
    }
    if !is_name(&config.protocol) || requests::header_value(&config.protocol).is_err() {
        say(&["protocol"], format!("{:?}", config.protocol), "a version like 2025-06-18");
    }
    if config.timeout.is_zero() || config.timeout > Duration::from_hours(1) {
        let found = humantime::format_duration(config.timeout).to_string();
        say(&["timeout"], found, "more than nothing and at most 1h");
    }
    if config.max_body == 0 || config.max_body > 64 << 20 {
        say(&["max_body"], config.max_body.to_string(), "1 to 67108864 bytes");
    }
    let Some(tools) = &config.tools else { return flaws };
    if tools.is_empty() {
        say(&["tools"], "no tools".to_owned(), "at least one, or no `tools` for those of live");
    }
    for (name, tool) in tools {
        if name.is_empty() {
            say(&["tools"], "a tool without a name".to_owned(), "the name of a tool");
        }
        if tool.schema.as_ref().is_some_and(|it| !it.is_object()) {
            say(&["tools", name, "schema"], "no JSON Schema".to_owned(), "a map");
        }
        if tool.schema.is_some() && tool.digest.is_some() {
            say(&["tools", name], "`schema` and `digest`".to_owned(), "one of them");
        }
        let is_digest = |text: &String| {
            text.strip_prefix("sha256:").is_some_and(|it| {
                it.len() == 64 && it.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f'))
            })
        };
        if let Some(digest) = tool.digest.as_ref().filter(|it| !is_digest(it)) {
            let wanted = "`sha256:` and 64 hexadecimal digits";
            say(&["tools", name, "digest"], format!("`{digest}`"), wanted);
        }
    }
    flaws
}
