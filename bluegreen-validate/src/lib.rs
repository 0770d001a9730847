#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod config_error;
mod counters;
mod document;
mod excerpt;
mod exposition;
mod fetch;
mod load;
mod observations;
mod percentile;
mod pod_metrics;
mod prometheus;
mod smoke;

pub use bluegreen_core::PodHealth;
pub use config_error::ConfigError;
pub use load::{AddressClient, EnvoyGauge, EnvoyLoad, PodLoad};
pub use observations::Observations;
pub use percentile::Percentile;
pub use pod_metrics::{PodMetric, PodMetrics, Selector};
pub use prometheus::{Prometheus, PrometheusConfig, Queries, QuerySet, ReadySet, SlotValue};
pub use serde_json::{Value, json};
pub use smoke::{
    Body, Expect, HeaderRule, HeaderText, Latency, Request, Smoke, SmokeConfig, StatusRange,
    Streaming, TextRule, VERSION_HEADER, VersionEcho,
};
