//! The bounds of an autoscaler, which belong to the role of its slot: the candidate gets those of live
//! before it gets pods, and its own again where it is reverted. A slot that is left as a standby may be
//! as small as the plan wants it.

use bluegreen_core::Epoch;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::note::Note;
use super::{Autoscaler, Kind, number};
use crate::Settings;

/// How small and how large it may make a Deployment. What is not said is `null`.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct Bounds {
    min: Value,
    max: Value,
}

/// Bounds that were given in place of others.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Moved {
    found: Bounds,
    given: Bounds,
}

impl Kind {
    pub(super) const fn fields(self) -> [&'static str; 2] {
        match self {
            Self::Horizontal => ["minReplicas", "maxReplicas"],
            Self::Keda => ["minReplicaCount", "maxReplicaCount"],
        }
    }
}

impl Bounds {
    fn of(it: &Autoscaler) -> Self {
        let [min, max] = it.kind.fields().map(|field| it.object.data["spec"][field].clone());
        Self { min, max }
    }

    /// The most pods, where it is said how many.
    pub(super) fn maximum(&self) -> Option<u32> {
        number(&self.max)
    }

    /// Whether the `HorizontalPodAutoscaler` goes by them. One that KEDA makes gets them only when KEDA
    /// looks at its own object.
    pub(super) fn are_followed_by(&self, it: &Autoscaler) -> bool {
        let [min, max] = match it.kind {
            Kind::Horizontal => return true,
            Kind::Keda => [number(&self.min).unwrap_or(0).max(1), number(&self.max).unwrap_or(100)],
        };
        number(&it.spec["minReplicas"]) == Some(min) && it.maximum() == Some(max)
    }

    /// What makes these the bounds of an autoscaler.
    fn write(&self, it: &Autoscaler, operations: &mut Vec<Value>) {
        for (field, value) in it.kind.fields().into_iter().zip([&self.min, &self.max]) {
            let path = format!("/spec/{field}");
            if !value.is_null() {
                operations.push(json!({"op": "add", "path": path, "value": value}));
            } else if !it.object.data["spec"][field].is_null() {
                operations.push(json!({"op": "remove", "path": path}));
            }
        }
    }
}

/// The bounds that the one autoscaler of a candidate is to have: those of the one of live, unless it
/// has them. Two kinds do not mean the same by what they leave out.
pub(crate) fn due(own: &[Autoscaler], live: &[Autoscaler]) -> Option<Bounds> {
    let ([own], [live]) = (own, live) else { return None };
    let alike = own.kind == live.kind;
    alike.then(|| Bounds::of(live)).filter(|bounds| *bounds != Bounds::of(own))
}

/// The bounds that the one autoscaler of a candidate has where KEDA makes it: what made them due may have
/// ended before KEDA came.
pub(crate) fn told(own: &[Autoscaler]) -> Option<Bounds> {
    let [own] = own else { return None };
    (own.kind == Kind::Keda).then(|| Bounds::of(own))
}

/// Gives it these, and keeps what it had. Nothing where it has them.
pub(super) fn give(
    it: &Autoscaler,
    given: &Bounds,
    epoch: Epoch,
    settings: &Settings,
) -> Result<Vec<Value>, String> {
    let now = Bounds::of(it);
    if now == *given {
        return Ok(Vec::new());
    }
    let mut note = Note::read(it, settings)?.unwrap_or_else(|| Note::of(it));
    // Given again, what was found first is what was found.
    let found = note.moved.take().map_or(now, |moved| moved.found);
    note.moved = Some(Moved { found, given: given.clone() });
    let mut operations = super::patch::begin(it, epoch, settings);
    operations.push(note.write(settings)?);
    given.write(it, &mut operations);
    Ok(operations)
}

/// Gives it back those that it had. What somebody else has given it meanwhile stays.
pub(super) fn give_back(
    it: &Autoscaler,
    epoch: Epoch,
    settings: &Settings,
) -> Result<Vec<Value>, String> {
    let Some(mut note) = Note::read(it, settings)? else { return Ok(Vec::new()) };
    let mut operations = super::patch::begin(it, epoch, settings);
    // The number is written also where there is nothing to give back: the bounds that an older driver was
    // about to give may still be on their way.
    let Some(Moved { found, given }) = note.moved.take() else { return Ok(operations) };
    operations.push(note.write(settings)?);
    if Bounds::of(it) == given {
        found.write(it, &mut operations);
    }
    Ok(operations)
}

/// Lets it make the Deployment as small as this, where it may not yet.
pub(super) fn lower(
    it: &Autoscaler,
    least: u32,
    epoch: Epoch,
    settings: &Settings,
) -> Result<Vec<Value>, String> {
    let Bounds { min, max } = Bounds::of(it);
    // Where nothing is said, one of KEDA goes down to nothing, and a HorizontalPodAutoscaler to one pod.
    if number(&min).is_none_or(|min| min <= least) {
        return Ok(Vec::new());
    }
    give(it, &Bounds { min: least.into(), max }, epoch, settings)
}
