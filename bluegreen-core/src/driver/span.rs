//! Spans of what a driver does, for `tracing`. What they are called, and what they carry, is in
//! `docs/observability.md`, and never a secret: records and reports have all of it too.

use std::future::Future;

use tracing::field::{Empty, display};
use tracing::{Instrument as _, Span};

use crate::observability::PhaseEnd;
use crate::release::Phase as At;
use crate::{Actor, Judgement, OperationError, Outcome, PhaseName, Ports, Record, Result, Status};

/// How many bytes of what went wrong a span carries at most.
const DESCRIPTION: usize = 400;

/// The span of one release, as this process drives it. What is not known yet is filled in by
/// [`begun`] and [`ended`].
pub(crate) fn release(ports: &Ports, actor: &Actor) -> Span {
    tracing::info_span!(
        "release",
        "deployment.name" = %ports.agent,
        "deployment.id" = Empty,
        "deployment.status" = Empty,
        "k8s.cluster.name" = %ports.cluster,
        "k8s.namespace.name" = ports.namespace.as_deref(),
        "bluegreen.actor" = %actor,
        "bluegreen.holder" = %ports.liveness.holder(),
        "bluegreen.version" = Empty,
        "bluegreen.digest" = Empty,
        "bluegreen.outcome" = Empty,
        "error.type" = Empty,
        "otel.status_code" = Empty,
        "otel.status_description" = Empty,
    )
}

/// The release has a record.
pub(crate) fn begun(span: &Span, record: &Record) {
    span.record("deployment.id", display(&record.envelope.release));
    span.record("bluegreen.version", record.change.version());
    span.record("bluegreen.digest", display(&record.change.digest));
}

/// Drives a release in its span, and keeps there how it ended.
pub(crate) async fn ended(
    span: &Span,
    driving: impl Future<Output = Result<Outcome, OperationError>>,
) -> Result<Outcome, OperationError> {
    let mut unended = Unended(Some(span));
    let result = driving.instrument(span.clone()).await;
    unended.0 = None;
    match &result {
        Ok(outcome) => {
            let went_well = matches!(outcome, Outcome::Released | Outcome::Concluded { .. });
            span.record("bluegreen.outcome", outcome.key());
            span.record("deployment.status", if went_well { "succeeded" } else { "failed" });
            if !went_well {
                let kind = match outcome {
                    Outcome::RolledBack { reason } => reason.key(),
                    other => other.key(),
                };
                failed(span, kind, &outcome.to_string());
            }
        }
        Err(error) => {
            span.record("bluegreen.outcome", "error");
            span.record("deployment.status", "failed");
            failed(span, error.key(), &crate::chain(error));
        }
    }
    result
}

/// A release that nobody waits for any longer is interrupted: it stays where it is.
struct Unended<'a>(Option<&'a Span>);

impl Drop for Unended<'_> {
    fn drop(&mut self) {
        if let Some(span) = self.0 {
            span.record("bluegreen.outcome", PhaseEnd::Interrupted.as_str());
        }
    }
}

/// The span of something that a person asks for while, or after, a release is driven.
pub(crate) fn operation(ports: &Ports, operation: &'static str, actor: &Actor) -> Span {
    tracing::info_span!(
        "operation",
        "otel.name" = operation,
        "bluegreen.operation" = operation,
        "deployment.name" = %ports.agent,
        "deployment.id" = Empty,
        "k8s.cluster.name" = %ports.cluster,
        "k8s.namespace.name" = ports.namespace.as_deref(),
        "bluegreen.actor" = %actor,
        "bluegreen.holder" = %ports.liveness.holder(),
        "error.type" = Empty,
        "otel.status_code" = Empty,
        "otel.status_description" = Empty,
    )
}

/// Carries an operation out in its span, and keeps there what went wrong.
pub(crate) async fn done(
    span: &Span,
    operation: impl Future<Output = Result<Status, OperationError>>,
) -> Result<Status, OperationError> {
    let result = operation.instrument(span.clone()).await;
    match &result {
        Ok(status) => {
            if let Some(envelope) = &status.envelope {
                span.record("deployment.id", display(&envelope.release));
            }
        }
        Err(error) => failed(span, error.key(), &crate::chain(error)),
    }
    result
}

/// The span of a phase.
fn phase(name: PhaseName) -> Span {
    tracing::info_span!(
        "phase",
        "otel.name" = name.key(),
        "bluegreen.phase" = name.key(),
        "bluegreen.step" = Empty,
        "bluegreen.hook" = Empty,
        "bluegreen.deadline" = Empty,
        "bluegreen.phase.outcome" = Empty,
        "error.type" = Empty,
        "otel.status_code" = Empty,
    )
}

/// The preflight in its span. Whether it refuses is the outcome of the release.
pub(crate) async fn preflight<T>(looking: impl Future<Output = Result<T>>) -> Result<T> {
    let span = phase(PhaseName::Preflight);
    let result = looking.instrument(span.clone()).await;
    let end = if result.is_ok() { PhaseEnd::Completed } else { PhaseEnd::Returned };
    span.record("bluegreen.phase.outcome", end.as_str());
    result
}

/// One look of a validator in its span. Guards look often, so it is one for debugging.
pub(crate) async fn judged(
    validator: &str,
    look: u32,
    judging: impl Future<Output = Result<Judgement>>,
) -> Result<Judgement> {
    let span = tracing::debug_span!(
        "judge",
        "bluegreen.validator" = validator,
        "bluegreen.look" = look,
        "bluegreen.verdict" = Empty,
        "error.type" = Empty,
        "otel.status_code" = Empty,
        "otel.status_description" = Empty,
    );
    let result = judging.instrument(span.clone()).await;
    match &result {
        Ok(judgement) => {
            span.record("bluegreen.verdict", judgement.verdict.key());
        }
        Err(error) => failed(&span, error.kind().key(), &error.chain()),
    }
    result
}

fn failed(span: &Span, kind: &str, description: &str) {
    let end = description.floor_char_boundary(DESCRIPTION);
    span.record("error.type", kind);
    span.record("otel.status_code", "ERROR");
    span.record("otel.status_description", &description[..end]);
}

/// The span of the phase that a release is in, if it is in one.
#[derive(Default)]
pub(super) struct Phase(Option<(PhaseName, Span)>);

impl Phase {
    /// The release has come to this phase, which is the end of the one before.
    pub(super) fn enter(&mut self, record: &Record) {
        let name = record.phase.name();
        if name == PhaseName::Done {
            // How the last phase ended is known with the outcome.
            return;
        }
        if let Some((last, _)) = &self.0 {
            self.ends(PhaseEnd::of(*last, name));
        }
        let span = phase(name);
        match &record.phase {
            At::Shifting { step } | At::Holding { step, .. } | At::Frozen { step, .. } => {
                span.record("bluegreen.step", *step);
            }
            At::RunningHook { hook, .. } => {
                let hook = record.plan.hooks.get(*hook).map(|hook| hook.name.as_str());
                span.record("bluegreen.hook", hook);
            }
            _ => {}
        }
        if let Some(deadline) = record.phase.deadline() {
            span.record("bluegreen.deadline", display(deadline));
        }
        self.0 = Some((name, span));
    }

    /// The phase has ended like that.
    pub(super) fn ends(&mut self, end: PhaseEnd) {
        let Some((_, span)) = self.0.take() else { return };
        span.record("bluegreen.phase.outcome", end.as_str());
        if matches!(end, PhaseEnd::Returned | PhaseEnd::Stuck) {
            span.record("error.type", end.as_str());
            span.record("otel.status_code", "ERROR");
        }
    }

    /// The release has ended like that, or is stuck.
    pub(super) fn ends_with(&mut self, outcome: &Outcome) {
        if let Some((last, _)) = &self.0 {
            self.ends(PhaseEnd::with(*last, outcome));
        }
    }

    /// The span, to do something in.
    pub(super) fn span(&self) -> Span {
        self.0.as_ref().map_or_else(Span::current, |(_, span)| span.clone())
    }
}

impl Drop for Phase {
    fn drop(&mut self) {
        // The process goes, or an error ends its work: another one goes on with the phase.
        self.ends(PhaseEnd::Interrupted);
    }
}
