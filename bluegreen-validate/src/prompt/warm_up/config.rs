//! A warm-up as data.

use std::time::Duration;

use bluegreen_core::Digest;
use bluegreen_core::clock::duration_text;
use serde::{Deserialize, Serialize};

use crate::ConfigError;
use crate::canonical::canonical;
use crate::document::{self, Source};
use crate::prompt::prepare;
use crate::prompt::suite::{Agent, one_or_many};

/// A warm-up as data: what a file holds and what [`ModelWarmUp`](super::ModelWarmUp) is made from.
///
/// Unknown fields are refused by name.
/// [`ModelWarmUp::from_file`](super::ModelWarmUp::from_file) shows a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ModelWarmUpConfig {
    /// What progress, records and errors call it; `warm-up` unless told otherwise.
    #[serde(default = "named")]
    pub name: String,
    /// How the agent is spoken to. Chat completions, responses and A2A are asked to stream; an agent with
    /// a request of its own kind has to have `reading: stream` or `reading: events`.
    pub agent: Agent,
    /// What is asked, one after another and again from the first. They are no templates.
    #[serde(deserialize_with = "one_or_many")]
    pub prompts: Vec<String>,
    /// Within which time the first token is to come, from sending the question on.
    #[serde(with = "duration_text")]
    pub first_token: Duration,
    /// How many answers in a row it has to; 3 unless told otherwise.
    #[serde(default = "three")]
    pub consecutive: u32,
    /// How many questions one pod gets, at most; 50 unless told otherwise.
    #[serde(default = "fifty")]
    pub attempts: u32,
    /// How many questions one pod has in hand at a time, at most; 1 unless told otherwise.
    #[serde(default = "one")]
    pub concurrency: u32,
    /// How many questions all pods get together, at most; 1,000 unless told otherwise.
    #[serde(default = "thousand")]
    pub calls: u64,
    /// How long one answer may take, from sending to its end; 60 s unless told otherwise.
    #[serde(default = "minute", with = "duration_text")]
    pub timeout: Duration,
    /// How long all of it may take, from the first look on; without it, as long as the plan lets it.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::optional_duration")]
    pub time: Option<Duration>,
    /// The most bytes of the body of one answer; 1 MiB unless told otherwise.
    #[serde(default = "mebibyte")]
    pub max_body: usize,
}

impl ModelWarmUpConfig {
    /// These questions and this limit, with the defaults for everything else.
    pub fn new(
        agent: impl Into<Agent>,
        prompts: impl IntoIterator<Item = impl Into<String>>,
        limit: Duration,
    ) -> Self {
        Self {
            name: named(),
            agent: agent.into(),
            prompts: prompts.into_iter().map(Into::into).collect(),
            first_token: limit,
            consecutive: three(),
            attempts: fifty(),
            concurrency: one(),
            calls: thousand(),
            timeout: minute(),
            time: None,
            max_body: mebibyte(),
        }
    }

    /// One digest of all settings. It depends on nothing else: the order of keys in a file, or the value
    /// of an environment variable, makes no other digest.
    pub fn digest(&self) -> Digest {
        // Everything in it has text keys and finite numbers, so this does not fail; and if it
        // ever did, the error's text would not be the digest of any settings that work.
        let text = match serde_json::to_value(self) {
            Ok(value) => canonical(&value),
            Err(error) => error.to_string(),
        };
        Digest::of(["bluegreen warm-up 1", &text])
    }
}

/// Settings from a text.
pub(super) fn parse(name: &str, text: &str) -> Result<ModelWarmUpConfig, ConfigError> {
    document::read(Source { name, text }, |config, original| prepare::warm_up(config, original).1)
        .map_err(|problems| ConfigError::new(name, problems))
}

fn named() -> String {
    "warm-up".to_owned()
}

fn one() -> u32 {
    1
}

fn three() -> u32 {
    3
}

fn fifty() -> u32 {
    50
}

fn thousand() -> u64 {
    1000
}

fn minute() -> Duration {
    Duration::from_mins(1)
}

fn mebibyte() -> usize {
    1024 * 1024
}
