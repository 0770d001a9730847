//! Queries that are ready made.

use std::fmt;

use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::{Deserialize, Deserializer, de};

use super::queries::Queries;
use crate::smoke::one_or_many;

/// Failed units of all: requests, generations.
const ERRORS: &str = "errors";
/// Seconds until the end of an answer.
const LATENCY: &str = "latency";
/// Seconds until an answer begins.
const TIME_TO_FIRST_TOKEN: &str = "time-to-first-token";
/// Tokens that one request made.
const TOKENS: &str = "tokens";
/// Tokens that one request brought.
const INPUT_TOKENS: &str = "input-tokens";

/// What counts, and under which names.
///
/// | set | `errors` | `latency` | `time-to-first-token` | `tokens`, `input-tokens` |
/// |---|---|---|---|---|
/// | `ingress-nginx` | status 5xx | whole answers | first header | |
/// | `envoy` | status 5xx | whole answers | | |
/// | `istio` | status 5xx | whole answers | | |
/// | `linkerd` | classified as failures | whole answers | | |
/// | `traefik` | status 5xx | whole answers | | |
/// | `vllm` | aborted generations | whole answers | first token | of one request |
/// | `otel-gen-ai` | operations with `error.type` | operations | first chunk | of one operation |
///
/// Times are in seconds, whatever the source has. A stream is answered when it ends: of streams
/// the time to the first token says more. Each metric has a long name too, `istio/errors`, by which it
/// is found where several sets have the short one.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ReadySet {
    /// The Ingress controller of nginx. A slot is its Service: as the backend of an Ingress, and as
    /// that of a canary Ingress. Where one Service's selector moves between the slots, these
    /// metrics can't tell them apart.
    IngressNginx,
    /// Envoy, and what is built on it. A slot is its cluster, `$cluster`, which has to be among
    /// the values.
    Envoy,
    /// Istio's sidecars, as the receiving side counts. A slot is its Deployment.
    Istio,
    /// Linkerd's proxies, as the receiving side counts. A slot is its Deployment.
    Linkerd,
    /// Traefik. A slot is its Service, by any of the Kubernetes providers.
    Traefik,
    /// vLLM's own metrics. A slot is the pods of its Deployment.
    Vllm,
    /// The semantic conventions of OpenTelemetry for generative AI, of agents as clients of
    /// models. A slot is the Deployment in the resource of the metrics.
    OtelGenAi,
}

impl ReadySet {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::IngressNginx,
        Self::Envoy,
        Self::Istio,
        Self::Linkerd,
        Self::Traefik,
        Self::Vllm,
        Self::OtelGenAi,
    ];

    /// What files call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::IngressNginx => "ingress-nginx",
            Self::Envoy => "envoy",
            Self::Istio => "istio",
            Self::Linkerd => "linkerd",
            Self::Traefik => "traefik",
            Self::Vllm => "vllm",
            Self::OtelGenAi => "otel-gen-ai",
        }
    }

    /// Other matchers than the usual ones for the series of a slot.
    pub fn select(self, matchers: impl Into<String>) -> QuerySet {
        QuerySet { set: self, select: vec![matchers.into()] }
    }

    /// The usual matchers for the series of a slot. What several of them find is added up.
    fn matchers(self) -> &'static [&'static str] {
        match self {
            Self::IngressNginx => &[
                r#"namespace="$namespace",service="$service",canary="""#,
                r#"namespace="$namespace",canary=~"${namespace:regex}-${service:regex}-[^-]+""#,
            ],
            Self::Envoy => &[r#"envoy_cluster_name="$cluster""#],
            Self::Istio => &[concat!(
                r#"reporter="destination",destination_workload_namespace="$namespace","#,
                r#"destination_workload="$deployment""#
            )],
            Self::Linkerd => {
                &[r#"namespace="$namespace",deployment="$deployment",direction="inbound""#]
            }
            Self::Traefik => {
                &[r#"service=~"${namespace:regex}-${service:regex}-[^-@]+@kubernetes.*""#]
            }
            // The pods of a Deployment have the hash of a ReplicaSet and five characters more.
            Self::Vllm => {
                &[r#"namespace="$namespace",pod=~"${deployment:regex}-[a-z0-9]+-[a-z0-9]{5}""#]
            }
            Self::OtelGenAi => {
                &[r#"k8s_namespace_name="$namespace",k8s_deployment_name="$deployment""#]
            }
        }
    }

    /// The queries of each metric, with `$select` for the series of a slot.
    fn queries(self) -> Vec<(&'static str, Queries)> {
        let rate = |name: &str, failed: &str| {
            let all = format!("{name}{{$select}}[$window]");
            Queries::rate(all, format!("{name}{{$select,{failed}}}[$window]"))
        };
        let histogram = |name: &str| Queries::histogram(name, "$select");
        match self {
            Self::IngressNginx => {
                let name = |what| format!("nginx_ingress_controller_{what}");
                vec![
                    (ERRORS, rate(&name("requests"), r#"status=~"5..""#)),
                    (LATENCY, histogram(&name("request_duration_seconds"))),
                    (TIME_TO_FIRST_TOKEN, histogram(&name("header_duration_seconds"))),
                ]
            }
            Self::Envoy => vec![
                (ERRORS, rate("envoy_cluster_upstream_rq", r#"envoy_response_code=~"5..""#)),
                (LATENCY, histogram("envoy_cluster_upstream_rq_time").scale(0.001)),
            ],
            Self::Istio => vec![
                (ERRORS, rate("istio_requests_total", r#"response_code=~"5..""#)),
                (LATENCY, histogram("istio_request_duration_milliseconds").scale(0.001)),
            ],
            Self::Linkerd => vec![
                (ERRORS, rate("response_total", r#"classification="failure""#)),
                (LATENCY, histogram("response_latency_ms").scale(0.001)),
            ],
            Self::Traefik => vec![
                (ERRORS, rate("traefik_service_requests_total", r#"code=~"5..""#)),
                (LATENCY, histogram("traefik_service_request_duration_seconds")),
            ],
            Self::Vllm => {
                // Its labels are those of the target.
                let up = |queries: Queries| {
                    let began = "process_start_time_seconds{$select}[$window]";
                    queries.targets("up{$select}[$window]").targets(began)
                };
                let histogram = |name: &str| up(histogram(&format!("vllm:{name}")));
                let ended = rate("vllm:request_success_total", r#"finished_reason=~"abort|error""#);
                vec![
                    (ERRORS, up(ended)),
                    (LATENCY, histogram("e2e_request_latency_seconds")),
                    (TIME_TO_FIRST_TOKEN, histogram("time_to_first_token_seconds")),
                    (TOKENS, histogram("request_generation_tokens")),
                    (INPUT_TOKENS, histogram("request_prompt_tokens")),
                ]
            }
            Self::OtelGenAi => {
                let tokens = |kind: &str| {
                    let select = format!(r#"$select,gen_ai_token_type="{kind}""#);
                    Queries::histogram("gen_ai_client_token_usage", &select)
                };
                let operation = "gen_ai_client_operation";
                vec![
                    (
                        ERRORS,
                        rate(&format!("{operation}_duration_seconds_count"), r#"error_type!="""#),
                    ),
                    (LATENCY, histogram(&format!("{operation}_duration_seconds"))),
                    (
                        TIME_TO_FIRST_TOKEN,
                        histogram(&format!("{operation}_time_to_first_chunk_seconds")),
                    ),
                    (TOKENS, tokens("output")),
                    (INPUT_TOKENS, tokens("input")),
                ]
            }
        }
    }
}

/// Queries that are ready made, with matchers for the series of a slot. In files the name of the
/// set, or `{set: istio, select: 'destination_workload="$deployment"'}`.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct QuerySet {
    /// The set.
    pub set: ReadySet,
    /// The matchers; the usual ones where there are none.
    pub select: Vec<String>,
}

impl QuerySet {
    /// The queries of each metric of the set.
    pub(super) fn queries(&self) -> Vec<(&'static str, Queries)> {
        let usual = || self.set.matchers().iter().map(|it| (*it).to_owned()).collect();
        let matchers = if self.select.is_empty() { usual() } else { self.select.clone() };
        let filled = |queries: &mut Vec<String>| {
            let each = queries.iter().flat_map(|query| {
                matchers.iter().map(move |matchers| query.replace("$select", matchers))
            });
            *queries = each.collect();
        };
        let mut all = self.set.queries();
        for (_, it) in &mut all {
            for queries in
                [&mut it.count, &mut it.hits, &mut it.sum, &mut it.buckets, &mut it.targets]
            {
                filled(queries);
            }
        }
        all
    }
}

impl From<ReadySet> for QuerySet {
    fn from(set: ReadySet) -> Self {
        Self { set, select: Vec::new() }
    }
}

impl<'de> Deserialize<'de> for QuerySet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Selected {
            set: ReadySet,
            #[serde(deserialize_with = "one_or_many::list")]
            select: Vec<String>,
        }
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = QuerySet;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a set, or {set: …, select: …}")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<QuerySet, E> {
                ReadySet::deserialize(StrDeserializer::new(text)).map(Into::into)
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<QuerySet, A::Error> {
                let it = Selected::deserialize(MapAccessDeserializer::new(map))?;
                Ok(QuerySet { set: it.set, select: it.select })
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}
