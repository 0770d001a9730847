//! Work to be done at a point of a release, and what is wrong with it.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Plan;
use crate::Problem;
use crate::clock::{duration_text, minutes};

/// More hooks than a record has room for what came of them.
const MOST_HOOKS: usize = 16;
/// How long a name may be.
const LONGEST_NAME: usize = 63;

/// Work to be done at a point of a release: a migration, say.
///
/// The hooks of one point run one after the other, in the plan's order. Each has to succeed before
/// the release goes on. In one release no hook that has succeeded runs again; one that failed runs
/// again only where the release waits for that (before the old slot retires, and after it).
///
/// ```
/// use bluegreen_core::{Plan, clock::minutes, plan::{Hook, HookPoint}};
///
/// let expand = Hook::before(HookPoint::Deploying, "expand", "cronjob/agent-expand");
/// let contract = Hook::before(HookPoint::Done, "contract", "cronjob/agent-contract");
/// let plan = Plan::all_at_once().hook(expand.timeout(minutes(5))).hook(contract);
/// assert!(plan.problems().is_empty());
/// ```
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Hook {
    /// What reports call it: lower-case letters, digits and dashes, each name once in a plan.
    pub name: String,
    /// When it is done.
    pub before: HookPoint,
    /// What runs it, in the notation of whoever does: `cronjob/agent-expand` on Kubernetes.
    pub run: String,
    /// How long it may take. One that takes longer has failed.
    #[serde(with = "duration_text", default = "ten_minutes")]
    pub timeout: Duration,
}

/// A point of a release.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum HookPoint {
    /// Before the candidate is deployed: migrations that only add. When one fails, nothing was
    /// deployed.
    Deploying,
    /// Before the first traffic, with the gates passed. When one fails, that is as if a gate had.
    Shifting,
    /// Before the old slot retires, with all traffic on the candidate. When one fails the release
    /// waits for somebody, and traffic stays where it is.
    Retiring,
    /// After it has retired and its last pod is gone: migrations that take something away. When one
    /// fails the release waits for somebody. From its beginning on there is no rollback: the old
    /// version may not understand the data any more.
    Done,
}

impl Hook {
    /// Work to be done before `before`, which may take ten minutes.
    pub fn before(before: HookPoint, name: impl Into<String>, run: impl Into<String>) -> Self {
        Self { name: name.into(), before, run: run.into(), timeout: ten_minutes() }
    }

    /// The same with another time that it may take.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }
}

impl HookPoint {
    /// The point in words: `before deploying`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deploying => "before deploying",
            Self::Shifting => "before the first traffic",
            Self::Retiring => "before the old slot retires",
            Self::Done => "after the old slot has retired",
        }
    }
}

impl fmt::Display for HookPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Plan {
    pub(super) fn check_hooks(&self, problems: &mut Vec<Problem>) {
        let mut say = |object: String, found: String, wanted: &str| {
            problems.push(Problem::new("plan-hooks", object).found(found).wanted(wanted));
        };
        if self.hooks.len() > MOST_HOOKS {
            say("plan, hooks".into(), format!("{} hooks", self.hooks.len()), "at most 16");
        }
        for (number, hook) in self.hooks.iter().enumerate() {
            let object = format!("plan, hook {}", hook.name);
            if !is_name(&hook.name) {
                say(
                    format!("plan, hooks[{number}].name"),
                    format!("{:?}", hook.name),
                    "1 to 63 lower-case letters, digits and dashes, no dash at either end",
                );
            }
            if self.hooks[..number].iter().any(|other| other.name == hook.name) {
                say(object.clone(), "two hooks of this name".into(), "each name once");
            }
            if hook.run.trim().is_empty() {
                say(object.clone(), "nothing to run".into(), "what runs it: `cronjob/NAME`, say");
            }
            if hook.before == HookPoint::Done && self.standby > 0 {
                say(
                    object,
                    format!("it runs once the old slot is gone, and standby is {}", self.standby),
                    "standby 0, or the hook before `retiring`: the pods that stand by may not \
                     understand the data after it",
                );
            }
        }
    }
}

/// Whether names of Jobs can be made of it.
fn is_name(name: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=LONGEST_NAME).contains(&name.len())
        && name.bytes().all(is_inner)
        && !name.starts_with('-')
        && !name.ends_with('-')
}

fn ten_minutes() -> Duration {
    minutes(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn objects(plan: &Plan) -> Vec<String> {
        plan.problems().into_iter().map(|problem| problem.object).collect()
    }

    #[test]
    fn all_that_is_wrong_with_hooks_is_said_at_once() {
        let hook = |name: &str, run: &str| Hook::before(HookPoint::Deploying, name, run);
        let plan = Plan::all_at_once()
            .hook(hook("Expand", "cronjob/expand"))
            .hook(hook("twice", "cronjob/expand"))
            .hook(hook("twice", " "))
            .hook(hook("-dash", "x").timeout(Duration::ZERO));
        assert_eq!(
            objects(&plan),
            [
                "plan, hook -dash, timeout",
                "plan, hooks[0].name",
                "plan, hook twice",
                "plan, hook twice",
                "plan, hooks[3].name",
            ]
        );
        let many = (0..17).map(|number| hook(&format!("hook-{number}"), "x"));
        assert_eq!(objects(&many.fold(Plan::all_at_once(), Plan::hook)), ["plan, hooks"]);
    }

    #[test]
    fn what_takes_something_away_needs_the_old_slot_at_zero() {
        let contract = Hook::before(HookPoint::Done, "contract", "cronjob/contract");
        let plan = Plan::all_at_once().hook(contract);
        assert_eq!(plan.problems(), []);
        let problems = plan.standby(1).problems();
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert_eq!(problems[0].object, "plan, hook contract");
        assert!(problems[0].found.contains("standby is 1"), "{}", problems[0]);
    }

    #[test]
    fn a_plan_file_names_hooks_as_the_code_does() {
        let text = r#"{"hooks": [{"name": "expand", "before": "deploying", "run": "cronjob/x"}]}"#;
        let plan: Plan = serde_json::from_str(text).unwrap();
        let hook = Hook::before(HookPoint::Deploying, "expand", "cronjob/x");
        assert_eq!(plan, Plan::all_at_once().hook(hook));
    }
}
