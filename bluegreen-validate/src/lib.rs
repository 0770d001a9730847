#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod canonical;
mod config_error;
mod counters;
mod document;
mod excerpt;
pub mod experiment;
mod exposition;
mod fetch;
mod guard;
mod load;
#[cfg(feature = "migrations")]
#[cfg_attr(docsrs, doc(cfg(feature = "migrations")))]
pub mod migrations;
#[cfg(feature = "notify")]
#[cfg_attr(docsrs, doc(cfg(feature = "notify")))]
pub mod notify;
mod observations;
mod optional_duration;
pub mod paired;
mod percentile;
mod pod_metrics;
mod prometheus;
#[cfg(feature = "prompts")]
#[cfg_attr(docsrs, doc(cfg(feature = "prompts")))]
pub mod prompt;
#[cfg(any(feature = "prompts", feature = "report"))]
#[cfg_attr(docsrs, doc(cfg(any(feature = "prompts", feature = "report"))))]
pub mod report;
#[cfg(any(feature = "notify", feature = "prompts"))]
mod retry_after;
pub mod sequential;
mod smoke;

pub use bluegreen_core::PodHealth;
pub use config_error::ConfigError;
pub use experiment::{Experiment, ExperimentConfig, Exposures};
pub use guard::{
    Better, ErrorRate, ErrorRateConfig, Guard, GuardConfig, Guards, GuardsConfig, Margin, Mean,
    MeanConfig, Quantile, QuantileConfig, Sampling, Statistic, Threshold, ThresholdConfig,
};
pub use guard::{Bounded, Reading, Scale};
pub use load::{AddressClient, EnvoyGauge, EnvoyLoad, PodLoad};
#[cfg(feature = "migrations")]
pub use migrations::Migrations;
pub use observations::Observations;
pub use percentile::Percentile;
pub use pod_metrics::{PodMetric, PodMetrics, Selector};
pub use prometheus::{Prometheus, PrometheusConfig, Queries, QuerySet, ReadySet, SlotValue};
#[cfg(feature = "prompts")]
pub use prompt::{ModelWarmUp, PromptRegression, ToolContract};
pub use serde_json::{Value, json};
pub use smoke::{
    Body, Expect, HeaderRule, HeaderText, Latency, Request, Smoke, SmokeConfig, StatusRange,
    Streaming, TextRule, VERSION_HEADER, VersionEcho,
};
