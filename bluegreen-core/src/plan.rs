//! The policy of a release: steps, holds, bake, and what becomes of the old slot. Plain data.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::{duration_text, minutes};
use crate::{EvidenceKind, Routing, Share};

mod check;
mod drain;
mod freeze;
mod hook;
mod parts;

pub use drain::{DrainPlan, Leave, OnExpiry};
pub(crate) use freeze::Frozen;
pub use freeze::{Freeze, FreezeOverride};
pub use hook::{Hook, HookPoint};
pub use parts::{
    Allowance, Approval, Bake, Barrier, Conversations, Experiment, OnDrift, OnUndecided, Step,
    Until, WarmUp,
};

/// How a release goes about it.
///
/// The defaults are in one place, here. A plan checks itself with [`problems`](Self::problems),
/// all of them at once; a release refuses to start with one.
///
/// ```
/// use bluegreen_core::{Plan, clock::minutes};
///
/// let plan = Plan::all_at_once().bake(minutes(30)).standby(1);
/// assert!(plan.problems().is_empty());
/// ```
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Plan {
    /// How traffic moves. The last step gives the candidate everything.
    pub steps: Vec<Step>,
    /// What holds a conversation on its slot, if something does. The switch has to be able to pin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conversations: Option<Conversations>,
    /// What follows the last step: guards watch, and rollback is one write.
    pub bake: Bake,
    /// Which evidence shows that traffic follows.
    pub evidence: EvidenceKind,
    /// How long that evidence may take.
    #[serde(with = "duration_text")]
    pub converge: Duration,
    /// How long pods may take to get ready; without it, as long as the slot itself allows.
    #[serde(with = "optional_duration")]
    pub rollout: Option<Duration>,
    /// How long all gates together may take.
    #[serde(with = "duration_text")]
    pub gates: Duration,
    /// How often guards look.
    #[serde(with = "duration_text")]
    pub look: Duration,
    /// Real work for the candidate's pods before they are judged.
    pub warm_up: Option<WarmUp>,
    /// Somebody must say yes before traffic moves.
    pub approval: Option<Approval>,
    /// When no traffic is given to the candidate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub freeze: Option<Freeze>,
    /// Who lets it move all the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub freeze_override: Option<FreezeOverride>,
    /// A comparison of two versions under real traffic.
    pub experiment: Option<Experiment>,
    /// Points where a release waits for the others of its group.
    pub barriers: Vec<Barrier>,
    /// Work to be done at certain points: migrations, jobs.
    pub hooks: Vec<Hook>,
    /// How the slot that lost its traffic gets rid of the work it has in hand.
    pub drain: DrainPlan,
    /// How many pods the old slot keeps.
    pub standby: u32,
    /// How many pods the candidate gets beyond those that live serves with.
    pub headroom: u32,
    /// How long a failed candidate is kept to be looked at. Its pods also serve whatever a routing
    /// layer that is behind may still send them.
    #[serde(with = "duration_text")]
    pub keep_failed: Duration,
    /// What a foreign write to what we route by leads to.
    pub on_drift: OnDrift,
    /// Problems that this release may have, by code.
    pub allow: Vec<Allowance>,
    /// The live slot serves nothing yet: no baseline, and no rollback promised.
    pub bootstrap: bool,
    /// How long one call may take.
    #[serde(with = "duration_text")]
    pub call: Duration,
    /// How long the whole release may take.
    #[serde(with = "duration_text")]
    pub whole: Duration,
    /// How many finished releases are kept.
    pub history: u32,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            steps: vec![Step::new(Share::ALL)],
            conversations: None,
            bake: Bake::default(),
            evidence: EvidenceKind::Endpoints,
            converge: Duration::from_secs(30),
            rollout: None,
            gates: minutes(30),
            look: Duration::from_secs(15),
            warm_up: None,
            approval: None,
            freeze: None,
            freeze_override: None,
            experiment: None,
            barriers: Vec::new(),
            hooks: Vec::new(),
            drain: DrainPlan::default(),
            standby: 0,
            headroom: 0,
            keep_failed: minutes(60),
            on_drift: OnDrift::Hold,
            allow: Vec::new(),
            bootstrap: false,
            call: Duration::from_secs(10),
            whole: minutes(24 * 60),
            history: 20,
        }
    }
}

impl Plan {
    /// All traffic in one switch.
    pub fn all_at_once() -> Self {
        Self::default()
    }

    /// Traffic in steps of so many percent, each held ten minutes unless
    /// [`hold`](Self::hold) says otherwise. A last step of 100 is added where it is missing.
    pub fn canary(percents: impl IntoIterator<Item = u32>) -> Self {
        let mut steps: Vec<Step> =
            percents.into_iter().map(|percent| Step::new(Share::percent(percent))).collect();
        if steps.last().is_none_or(|step| step.share != Share::ALL) {
            steps.push(Step::new(Share::ALL));
        }
        Self { steps, ..Self::default() }
    }

    /// A fixed share for the candidate until the experiment is decided, at most 14 days.
    pub fn experiment(percent: u32) -> Self {
        let horizon = crate::clock::days(14);
        let step = Step::new(Share::percent(percent)).until(Until::Decided { horizon });
        let steps = vec![step, Step::new(Share::ALL)];
        Self { steps, experiment: Some(Experiment::default()), ..Self::default() }
    }

    /// How long each step but the last is held.
    #[must_use]
    pub fn hold(mut self, hold: Duration) -> Self {
        for step in &mut self.steps {
            if let Until::Elapsed { hold: current } = &mut step.until {
                *current = hold;
            }
        }
        self
    }

    /// How long guards watch after the last step.
    #[must_use]
    pub fn bake(mut self, bake: Duration) -> Self {
        self.bake.hold = bake;
        self
    }

    /// How many pods the old slot keeps.
    #[must_use]
    pub fn standby(mut self, replicas: u32) -> Self {
        self.standby = replicas;
        self
    }

    /// Conversations stay on their slot until it has drained: the agent sets this cookie to the color
    /// of its slot.
    #[must_use]
    pub fn conversations_by_cookie(mut self, name: impl Into<String>) -> Self {
        self.conversations = Some(Conversations::Cookie { name: name.into() });
        self
    }

    /// The same by a header.
    #[must_use]
    pub fn conversations_by_header(mut self, name: impl Into<String>) -> Self {
        self.conversations = Some(Conversations::Header { name: name.into() });
        self
    }

    /// Which evidence shows that traffic follows.
    #[must_use]
    pub fn evidence(mut self, evidence: EvidenceKind) -> Self {
        self.evidence = evidence;
        self
    }

    /// The candidate's pods are given real work until they are fast, for at most `timeout`, before
    /// gates judge them. What gives it to them is [`Releaser::warm_up`](crate::Releaser::warm_up).
    #[must_use]
    pub fn warm_up(mut self, timeout: Duration) -> Self {
        self.warm_up = Some(WarmUp { timeout });
        self
    }

    /// Somebody must say yes within `timeout` before traffic moves.
    #[must_use]
    pub fn approval(mut self, timeout: Duration) -> Self {
        self.approval = Some(Approval { timeout });
        self
    }

    /// When no traffic is given to the candidate.
    #[must_use]
    pub fn freeze(mut self, freeze: Freeze) -> Self {
        self.freeze = Some(freeze);
        self
    }

    /// Lets traffic move in spite of a freeze. Who and why stay in the history.
    #[must_use]
    pub fn override_freeze(
        mut self,
        by: impl Into<crate::Actor>,
        reason: impl Into<String>,
    ) -> Self {
        self.freeze_override = Some(FreezeOverride::new(by, reason));
        self
    }

    /// Whether no traffic may be given to a candidate now.
    pub(crate) fn frozen(&self, at: crate::Timestamp) -> Option<Frozen> {
        self.freeze.as_ref().filter(|_| self.freeze_override.is_none())?.at(at)
    }

    /// Work to be done at a point of the release; after the hooks of that point that were given before.
    #[must_use]
    pub fn hook(mut self, hook: Hook) -> Self {
        self.hooks.push(hook);
        self
    }

    /// How long the longest stream lasts: pods of both slots must get so much time to end.
    #[must_use]
    pub fn longest_stream(mut self, longest: Duration) -> Self {
        self.drain.longest_stream = Some(longest);
        self
    }

    /// The path of the `POST` that asks the pods of a slot that drains to let their clients go.
    /// [`Leave`] says what is expected of them.
    #[must_use]
    pub fn leave(mut self, path: impl Into<String>) -> Self {
        self.drain.leave = Some(Leave::post(path));
        self
    }

    /// Lets a problem of this code pass.
    #[must_use]
    pub fn allow(mut self, code: impl Into<String>) -> Self {
        self.allow.push(Allowance { code: code.into(), name: None });
        self
    }

    /// Whether a problem of this code, met with this name, may pass.
    pub fn allows(&self, code: &str, name: &str) -> bool {
        self.allow.iter().any(|allowance| {
            allowance.code == code && allowance.name.as_deref().is_none_or(|only| only == name)
        })
    }

    /// The routing of a step when `live` is the slot that had the traffic before.
    pub fn routing(&self, live: crate::Color, step: usize) -> Option<Routing> {
        let step = self.steps.get(step)?;
        let mut routing = Routing::all(live).with_candidate(step.share);
        routing.pins.clone_from(&step.pins);
        routing.pins.extend(self.conversations.iter().flat_map(Conversations::pins));
        routing.mirror.clone_from(&step.mirror);
        Some(routing)
    }

    /// Whether `step` is the last one.
    pub fn is_last(&self, step: usize) -> bool {
        step >= self.steps.len().saturating_sub(1)
    }
}

/// `Option<Duration>` as text, for `#[serde(with)]`.
mod optional_duration {
    use serde::{Deserializer, Serializer};

    use super::{Deserialize, Duration, Serialize, duration_text};

    #[derive(Serialize, Deserialize)]
    #[serde(transparent)]
    struct Text(#[serde(with = "duration_text")] Duration);

    #[allow(clippy::ref_option, reason = "serde gives what the field is")]
    pub(super) fn serialize<S: Serializer>(
        duration: &Option<Duration>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        duration.map(Text).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Duration>, D::Error> {
        Ok(Option::<Text>::deserialize(from)?.map(|text| text.0))
    }
}
