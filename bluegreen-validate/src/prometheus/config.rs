//! What there is to say about a Prometheus.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use bluegreen_core::clock::duration_text;
use bluegreen_core::{Color, Pair};
use serde::de::value::MapAccessDeserializer;
use serde::{Deserialize, Deserializer, de};

use super::queries::Queries;
use super::sets::QuerySet;
use crate::HeaderText;

/// A [`Prometheus`](super::Prometheus) as data: what a file holds.
///
/// Unknown fields are refused by name. It is read and never written, since it may hold a token.
/// [`Prometheus::from_file`](super::Prometheus::from_file) shows a file.
#[derive(Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct PrometheusConfig {
    /// Where it is: `http://prometheus.monitoring:9090`, with a path if it has one. Nothing of it
    /// may be secret.
    pub url: String,
    /// The namespace of the agent, `$namespace` in queries.
    pub namespace: String,
    /// The name of the agent, `$agent` in queries.
    pub agent: String,
    /// What else queries name, and the values of `$deployment` and `$service` where these are not
    /// the agent's name, a dash and the slot.
    #[serde(default)]
    pub values: BTreeMap<String, SlotValue>,
    /// Headers that go with each request.
    #[serde(default)]
    pub headers: BTreeMap<String, HeaderText>,
    /// A token that goes with each request as `authorization: Bearer …`.
    #[serde(default)]
    pub bearer: Option<HeaderText>,
    /// How long one query may take, from sending to the end of the answer.
    #[serde(default = "timeout", with = "duration_text")]
    pub timeout: Duration,
    /// The most bytes that an answer may have. A sample takes about thirty.
    #[serde(default = "max_body")]
    pub max_body: usize,
    /// How long before a window samples are looked for with which the counting in it begins. It
    /// has to be longer than the time between two scrapes.
    #[serde(default = "lookback", with = "duration_text")]
    pub lookback: Duration,
    /// By how much all windows are moved back, for samples that come late.
    #[serde(default, with = "duration_text")]
    pub delay: Duration,
    /// The labels by which scraped targets are told apart.
    #[serde(default = "target_labels")]
    pub target_labels: Vec<String>,
    /// Queries that are ready made.
    #[serde(default)]
    pub sets: Vec<QuerySet>,
    /// Queries for each metric, by its name; they come before those of the sets.
    #[serde(default)]
    pub metrics: BTreeMap<String, Queries>,
}

fn timeout() -> Duration {
    Duration::from_secs(10)
}

fn max_body() -> usize {
    8 * 1024 * 1024
}

fn lookback() -> Duration {
    Duration::from_mins(5)
}

fn target_labels() -> Vec<String> {
    ["job", "instance"].map(str::to_owned).into()
}

impl PrometheusConfig {
    /// A Prometheus at `url`, and the agent whose metrics it has; without any queries yet.
    pub fn new(
        url: impl Into<String>,
        namespace: impl Into<String>,
        agent: impl Into<String>,
    ) -> Self {
        Self {
            url: url.into(),
            namespace: namespace.into(),
            agent: agent.into(),
            values: BTreeMap::new(),
            headers: BTreeMap::new(),
            bearer: None,
            timeout: timeout(),
            max_body: max_body(),
            lookback: lookback(),
            delay: Duration::ZERO,
            target_labels: target_labels(),
            sets: Vec::new(),
            metrics: BTreeMap::new(),
        }
    }

    /// Queries that are ready made.
    #[must_use]
    pub fn with(mut self, set: impl Into<QuerySet>) -> Self {
        self.sets.push(set.into());
        self
    }

    /// The queries of one metric.
    #[must_use]
    pub fn metric(mut self, name: impl Into<String>, queries: Queries) -> Self {
        self.metrics.insert(name.into(), queries);
        self
    }

    /// What stands for `$name` in queries for each slot.
    #[must_use]
    pub fn value(
        mut self,
        name: impl Into<String>,
        blue: impl Into<String>,
        green: impl Into<String>,
    ) -> Self {
        self.values.insert(name.into(), SlotValue(Pair::new(blue.into(), green.into())));
        self
    }

    /// A header that goes with each request.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.insert(name.into(), HeaderText::Literal(value.into()));
        self
    }

    /// A token that goes with each request. It is shown nowhere.
    #[must_use]
    pub fn bearer(mut self, token: impl Into<String>) -> Self {
        self.bearer = Some(HeaderText::Literal(token.into()));
        self
    }

    /// A token that is read from an environment variable of this process.
    #[must_use]
    pub fn bearer_from_env(mut self, variable: impl Into<String>) -> Self {
        self.bearer = Some(HeaderText::Env { env: variable.into() });
        self
    }

    /// How long one query may take; 10 s unless said otherwise.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The most bytes that an answer may have; 8 MiB unless said otherwise.
    #[must_use]
    pub fn max_body(mut self, bytes: usize) -> Self {
        self.max_body = bytes;
        self
    }

    /// How long before a window samples are looked for with which counting begins; 5 min unless
    /// said otherwise.
    #[must_use]
    pub fn lookback(mut self, lookback: Duration) -> Self {
        self.lookback = lookback;
        self
    }

    /// By how much all windows are moved back; not at all unless said otherwise.
    #[must_use]
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// What stands for a place in a query, but for `$window` and `$select`.
    pub(super) fn place(&self, name: &str, slot: Color) -> Option<String> {
        if let Some(SlotValue(value)) = self.values.get(name) {
            return Some(value.of(slot).clone());
        }
        match name {
            "slot" => Some(slot.to_string()),
            "namespace" => Some(self.namespace.clone()),
            "agent" => Some(self.agent.clone()),
            "deployment" | "service" => Some(format!("{}-{slot}", self.agent)),
            _ => None,
        }
    }
}

impl fmt::Debug for PrometheusConfig {
    /// Without what may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrometheusConfig")
            .field("url", &shown(&self.url))
            .field("namespace", &self.namespace)
            .field("agent", &self.agent)
            .field("values", &self.values)
            .field("headers", &self.headers.keys())
            .field("sets", &self.sets)
            .field("metrics", &self.metrics)
            .finish_non_exhaustive()
    }
}

/// A URL without what in it could be secret, and is refused.
pub(super) fn shown(url: &str) -> String {
    let url = crate::excerpt::without_query(url);
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://***@{host}"),
        (None, Some((_, host))) => format!("***@{host}"),
        _ => url.to_owned(),
    }
}

/// What stands for a place in queries, for each slot. In files a text, or a text for each slot.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SlotValue(pub Pair<String>);

impl<'de> Deserialize<'de> for SlotValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Both {
            blue: String,
            green: String,
        }
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = SlotValue;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, or {blue: …, green: …} with one for each slot")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<SlotValue, E> {
                Ok(SlotValue(Pair::new(text.to_owned(), text.to_owned())))
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<SlotValue, A::Error> {
                let Both { blue, green } = Both::deserialize(MapAccessDeserializer::new(map))?;
                Ok(SlotValue(Pair::new(blue, green)))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}
