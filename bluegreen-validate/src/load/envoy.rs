//! Work in hand, as the Envoys in front of a slot count it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bluegreen_core::{
    AgentClient, Clock, Color, Error, ErrorKind, Load, Pair, Result, SystemClock,
};

use super::address::AddressClient;
use super::ask::Question;
use super::count::{Count, Series};
use crate::fetch::Fetch;

/// Requests or connections that Envoy has open to a slot.
///
/// Envoy counts per cluster, so each slot needs a cluster of its own, as where an `HTTPRoute` or an
/// `HTTPProxy` names two Services. Where traffic moves by the selector of one Service both slots
/// are the same cluster, and this counts nothing of use: ask the pods then
/// ([`PodLoad`](super::PodLoad)).
///
/// ```
/// use bluegreen_validate::{EnvoyGauge, EnvoyLoad};
///
/// let load = EnvoyLoad::at(["10.0.7.1:9901"], "agents/agent-blue/80", "agents/agent-green/80")
///     .gauge(EnvoyGauge::Connections);
/// ```
///
/// # What is known
/// Every Envoy is asked, all at once, and the sum is known when each of them has the gauge. A
/// cluster that an Envoy has dropped has none; what is open there is then not known.
pub struct EnvoyLoad {
    envoys: Arc<dyn AgentClient>,
    clusters: Pair<String>,
    gauge: EnvoyGauge,
    question: Question,
}

/// What Envoy counts.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum EnvoyGauge {
    /// `upstream_rq_active`: requests that are not answered to their end, streams included.
    #[default]
    Requests,
    /// `upstream_cx_active`: connections, with those that only wait for the next request. For
    /// traffic that is not HTTP.
    Connections,
}

impl EnvoyGauge {
    fn name(self) -> &'static str {
        match self {
            Self::Requests => "upstream_rq_active",
            Self::Connections => "upstream_cx_active",
        }
    }
}

impl EnvoyLoad {
    /// The Envoys that a client reaches: on Kubernetes a `PodClient` of their pods and their
    /// port for statistics. All of them are asked, since each counts only what passes through it.
    pub fn new(
        envoys: Arc<dyn AgentClient>,
        blue: impl Into<String>,
        green: impl Into<String>,
    ) -> Self {
        let count = Count::Metrics(Vec::new());
        Self {
            envoys,
            clusters: Pair::new(blue.into(), green.into()),
            gauge: EnvoyGauge::default(),
            question: Question::new("/stats/prometheus", count, Arc::new(SystemClock)),
        }
    }

    /// The Envoys whose statistics are at these addresses, each `host:port`, and what they call
    /// the clusters of the two slots.
    pub fn at<A: Into<String>>(
        addresses: impl IntoIterator<Item = A>,
        blue: impl Into<String>,
        green: impl Into<String>,
    ) -> Self {
        Self::new(Arc::new(AddressClient::new(addresses)), blue, green)
    }

    /// What is counted; requests unless said otherwise.
    #[must_use]
    pub fn gauge(mut self, gauge: EnvoyGauge) -> Self {
        self.gauge = gauge;
        self
    }

    /// Where the statistics are; `/stats/prometheus` unless said otherwise.
    #[must_use]
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.question.fetch.path = path.into();
        self
    }

    /// How long one Envoy may take to answer; 5 s unless said otherwise.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.question.fetch.timeout = timeout;
        self
    }

    /// Another clock.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.question.fetch.clock = clock;
        self
    }

    fn question(&self, slot: Color) -> Question {
        let gauge = self.gauge.name();
        let cluster = self.clusters.of(slot).clone();
        let series = Series {
            name: format!("envoy_cluster_{gauge}"),
            labels: vec![("envoy_cluster_name".to_owned(), cluster)],
        };
        // An Envoy of many clusters has megabytes of statistics.
        let path = format!("{}?filter={gauge}$", self.question.fetch.path);
        let fetch = Fetch { path, ..self.question.fetch.clone() };
        Question { fetch, count: Count::Metrics(vec![series]) }
    }
}

#[async_trait]
impl Load for EnvoyLoad {
    async fn in_flight(&self, slot: Color) -> Result<Option<u64>> {
        let question = self.question(slot);
        let now = || question.fetch.within("for all Envoys", self.envoys.pods());
        let envoys = now().await?;
        if envoys.is_empty() {
            let error = Error::new(ErrorKind::Unavailable, "ask Envoy for its open requests");
            return Err(error.with_source("there is no Envoy to ask"));
        }
        let whose = format!("cluster {}", self.clusters.of(slot));
        question.sum(&whose, self.envoys.as_ref(), envoys, now).await.map(Some)
    }
}

impl fmt::Debug for EnvoyLoad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnvoyLoad")
            .field("clusters", &self.clusters)
            .field("gauge", &self.gauge)
            .finish_non_exhaustive()
    }
}
