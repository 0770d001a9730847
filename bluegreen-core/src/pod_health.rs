//! The guard that is always on: the candidate's pods stay up.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use async_trait::async_trait;

use crate::{
    Digest, Finding, Judgement, Plan, Problem, Result, SlotState, Timestamp, Trial, Validator,
    Verdict,
};

/// Watches the candidate's pods: none may restart, and as many as wanted must be ready.
///
/// * A container that was started again after the first look fails the candidate at once.
/// * No pod serving fails it at once.
/// * Fewer ready pods than wanted are [`Inconclusive`](Verdict::Inconclusive) for the grace (a
///   pod that was evicted is replaced in that time), and then fail it.
///
/// Every release has it. When it is the only guard the report says so, because pods that are up
/// say nothing about what they answer.
#[derive(Clone, Debug)]
pub struct PodHealth {
    grace: Duration,
}

/// The name under which records and reports know [`PodHealth`].
pub const POD_HEALTH: &str = "pod-health";

impl Default for PodHealth {
    fn default() -> Self {
        Self { grace: Duration::from_secs(5) }
    }
}

impl PodHealth {
    /// With another time for which pods may be missing. Five seconds by default.
    #[must_use]
    pub fn with_grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Judges a state of the slot, given what the last look left.
    pub fn judge_state(&self, state: &SlotState, last: Option<&[u8]>, now: Timestamp) -> Judgement {
        let mut memory = Memory::read(last);
        let mut findings = Vec::new();
        for pod in &state.pods {
            let known = memory.restarts.entry(pod.uid.clone()).or_insert_with(|| {
                // A pod that comes later than the first look has no earlier life to forgive.
                if last.is_some() { 0 } else { pod.restarts }
            });
            if pod.restarts > *known {
                findings.push(
                    Finding::new(
                        format!("pod {}", pod.name),
                        "no restarts",
                        format!("{} more {}", pod.restarts - *known, reason(pod.trouble.as_ref())),
                    )
                    .asked("restarts"),
                );
            }
        }
        let numbers = state.replicas;
        let missing = numbers.ready < numbers.wanted;
        memory.missing_since = missing.then(|| memory.missing_since.unwrap_or(now));
        let missing_for = memory.missing_since.map(|since| now.since(since)).unwrap_or_default();
        if missing {
            for pod in state.pods.iter().filter(|pod| !pod.ready) {
                findings.push(Finding::new(
                    format!("pod {}", pod.name),
                    "ready",
                    format!("not ready {}", reason(pod.trouble.as_ref())),
                ));
            }
        }
        let restarted = findings.iter().any(|finding| finding.asked == "restarts");
        let summary = format!("{} of {} pods ready", numbers.ready, numbers.wanted);
        let verdict = if restarted {
            Verdict::Fail
        } else if numbers.serving == 0 || missing && missing_for >= self.grace {
            if findings.is_empty() {
                findings.push(Finding::new("slot", "pods that serve", summary.clone()));
            }
            Verdict::Fail
        } else if missing {
            Verdict::Inconclusive
        } else {
            Verdict::Pass
        };
        Judgement::new(verdict, summary).with_evidence(findings).with_state(memory.write())
    }
}

fn reason(trouble: Option<&String>) -> String {
    trouble.map(|trouble| format!("({trouble})")).unwrap_or_default()
}

#[async_trait]
impl Validator for PodHealth {
    fn name(&self) -> &'static str {
        POD_HEALTH
    }

    fn config_digest(&self) -> Digest {
        Digest::of([POD_HEALTH.as_bytes(), &self.grace.as_millis().to_be_bytes()])
    }

    async fn check(&self, _: &Plan) -> Result<Vec<Problem>> {
        Ok(Vec::new())
    }

    async fn judge(&self, trial: &Trial) -> Result<Judgement> {
        let now = trial.clock.now();
        Ok(self.judge_state(&trial.candidate.state, trial.state.as_deref(), now))
    }
}

/// What one look leaves for the next: restarts by pod, and since when pods are missing.
#[derive(Default)]
struct Memory {
    restarts: BTreeMap<String, u32>,
    missing_since: Option<Timestamp>,
}

impl Memory {
    /// Reads what [`write`](Self::write) wrote; whatever else there is begins anew.
    fn read(bytes: Option<&[u8]>) -> Self {
        let mut memory = Self::default();
        let text = bytes.map(String::from_utf8_lossy).unwrap_or_default();
        for line in text.lines() {
            match line.split_once('=') {
                Some(("missing-since", millis)) => {
                    memory.missing_since = millis.parse().ok().map(Timestamp::from_unix_millis);
                }
                Some((uid, count)) => {
                    let count = count.parse().unwrap_or_default();
                    memory.restarts.insert(uid.to_owned(), count);
                }
                None => {}
            }
        }
        memory
    }

    fn write(&self) -> String {
        let mut text = String::new();
        for (uid, count) in &self.restarts {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{uid}={count}");
        }
        if let Some(since) = self.missing_since {
            let _ = writeln!(text, "missing-since={}", since.unix_millis());
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::Verdict::{Fail, Inconclusive, Pass};
    use super::*;
    use crate::{Color, Configuration, PodState, Replicas};

    const NOW: Timestamp = Timestamp::from_unix_millis(1_000_000);

    fn state(ready: &[bool]) -> SlotState {
        let mut state = SlotState::new(Color::Green, "uid", Configuration::default());
        state.pods = ready
            .iter()
            .enumerate()
            .map(|(n, ready)| PodState::new(format!("pod-{n}"), format!("uid-{n}"), *ready))
            .collect();
        let count = u32::try_from(ready.iter().filter(|ready| **ready).count()).unwrap();
        state.replicas = Replicas::new(u32::try_from(ready.len()).unwrap(), count, count);
        state
    }

    fn verdicts(looks: &[(SlotState, u64)]) -> Vec<Verdict> {
        let (guard, mut last) = (PodHealth::default(), None);
        let mut verdicts = Vec::new();
        for (state, seconds) in looks {
            let now = NOW.plus(Duration::from_secs(*seconds));
            let judgement = guard.judge_state(state, last.as_deref(), now);
            verdicts.push(judgement.verdict);
            last = judgement.state;
        }
        verdicts
    }

    #[test]
    fn missing_pods_fail_after_the_grace_and_not_before() {
        let (good, bad) = (state(&[true, true]), state(&[true, false]));
        let looks = [(good.clone(), 0), (bad.clone(), 1), (bad.clone(), 5), (bad.clone(), 6)];
        assert_eq!(verdicts(&looks), [Pass, Inconclusive, Inconclusive, Fail]);
        let looks = [(bad.clone(), 0), (bad.clone(), 4), (good, 5), (bad.clone(), 6), (bad, 10)];
        assert_eq!(
            verdicts(&looks),
            [Inconclusive, Inconclusive, Pass, Inconclusive, Inconclusive]
        );
    }

    #[test]
    fn a_restart_fails_at_once_and_an_old_one_does_not() {
        let mut restarted = state(&[true, true]);
        restarted.pods[1].restarts = 3;
        assert_eq!(verdicts(&[(restarted.clone(), 0), (restarted.clone(), 1)]), [Pass; 2]);
        let looks = [(state(&[true, true]), 0), (restarted, 1)];
        assert_eq!(verdicts(&looks), [Pass, Fail]);
    }

    #[test]
    fn a_slot_without_pods_fails_with_evidence() {
        let mut none = state(&[]);
        none.replicas.wanted = 3;
        let judgement = PodHealth::default().judge_state(&none, None, NOW);
        assert_eq!(judgement.verdict, Fail);
        assert!(!judgement.evidence.is_empty());
    }
}
