//! What releases tell to machines that watch machines: metrics, and the words that spans share with
//! them.
//!
//! [`ReleaseMetrics`] is a [`Reporter`](crate::Reporter) that makes metrics of what it is told, and
//! hands them to a [`MetricSink`]: the [`Exposition`] here, which is what Prometheus scrapes, or any
//! other library by a few lines. Whoever asks for no metrics has none, and nothing depends on them.
//!
//! Spans need nothing: a driver makes them by `tracing`, and a subscriber of the host, such as
//! `tracing-opentelemetry`, gets them as they are. `docs/observability.md` lists them.
//!
//! ```
//! # use bluegreen_core::{Ports, Progress, Releaser, Reporter};
//! use std::sync::Arc;
//!
//! use bluegreen_core::observability::{Exposition, ReleaseMetrics};
//!
//! fn with_metrics(ports: Ports, exposition: &Arc<Exposition>) -> Releaser {
//!     let metrics = ReleaseMetrics::new(&ports, exposition.clone());
//!     Releaser::new(ports).report(move |progress: &Progress| {
//!         println!("{progress}");
//!         metrics.report(progress);
//!     })
//! }
//! // And whoever asks for `/metrics` gets `exposition.text()`.
//! ```

mod exposition;
mod family;
mod phase_end;
mod releases;
mod sink;

pub use exposition::Exposition;
pub use family::{FAMILIES, Family, Kind};
pub use phase_end::PhaseEnd;
pub use releases::ReleaseMetrics;
pub use sink::MetricSink;

#[cfg(test)]
mod tests;
