//! What matters of a record.

use bluegreen_core::plan::OnExpiry;
use bluegreen_core::{
    Color, Digest, Document, Epoch, Outcome, Phase, PhaseName, ReleaseId, Routing,
};

/// What matters of a record.
#[derive(Clone, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "they have nothing to do with each other")]
pub(crate) struct Brief {
    pub(crate) release: ReleaseId,
    pub(crate) phase: PhaseName,
    pub(crate) epoch: Epoch,
    pub(crate) holder: Option<String>,
    pub(crate) live: Color,
    pub(crate) digest: Digest,
    /// Where the plan sends traffic.
    pub(crate) routings: Vec<Routing>,
    /// Where the record says that traffic goes.
    pub(crate) routing: Routing,
    pub(crate) standby: u32,
    pub(crate) kept: bool,
    pub(crate) drains: bool,
    pub(crate) cuts: bool,
    /// It undoes another one: then what counts is what the old slot is to run.
    pub(crate) undoes: bool,
    pub(crate) stuck: Option<String>,
    pub(crate) is_paused: bool,
    pub(crate) outcome: Option<Outcome>,
}

impl Brief {
    pub(crate) fn of(document: Option<&Document>) -> Option<Self> {
        let record = document?.current()?;
        let plan = &record.plan;
        let steps = (0..plan.steps.len()).filter_map(|it| plan.routing(record.envelope.live, it));
        Some(Self {
            release: record.envelope.release.clone(),
            phase: record.phase.name(),
            epoch: record.envelope.epoch,
            holder: record.envelope.holder.as_ref().map(|it| it.as_str().to_owned()),
            live: record.envelope.live,
            digest: record.change.digest.clone(),
            routings: steps.collect(),
            routing: record.envelope.routing.clone(),
            standby: plan.standby,
            kept: record.kept,
            drains: !plan.drain.max.is_zero(),
            cuts: plan.drain.on_expiry == OnExpiry::Cut,
            undoes: record.undoes.is_some(),
            stuck: record.stuck.as_ref().map(ToString::to_string),
            is_paused: record.paused.is_some(),
            outcome: match &record.phase {
                Phase::Done { outcome } => Some(outcome.clone()),
                _ => None,
            },
        })
    }
}
