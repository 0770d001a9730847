//! What is wrong with a plan, all at once.

use std::time::Duration;

use super::{Conversations, Freeze, HookPoint, OnUndecided, Plan, Until};
use crate::clock::days;
use crate::{EvidenceKind, Problem, Share};

/// Longer than anything that a release waits for.
const LONGEST: Duration = days(366);
/// More steps than a record has room for.
const MOST_STEPS: usize = 50;

impl Plan {
    /// Everything that is wrong with this plan by itself, without looking at any cluster.
    ///
    /// What this version does not do is a problem too, so that it is never passed over in silence.
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        self.check_steps(&mut problems);
        self.check_durations(&mut problems);
        self.check_drain(&mut problems);
        self.check_counts(&mut problems);
        self.check_freeze(&mut problems);
        self.check_hooks(&mut problems);
        self.check_barriers(&mut problems);
        problems
    }

    fn check_steps(&self, problems: &mut Vec<Problem>) {
        let mut say = |object: String, found: String, wanted: &str| {
            problems.push(Problem::new("plan-steps", object).found(found).wanted(wanted));
        };
        let count = self.steps.len();
        if count == 0 || count > MOST_STEPS {
            say("plan, steps".into(), format!("{count} steps"), "1 to 50 steps");
        }
        let mut last = None;
        for (number, step) in self.steps.iter().enumerate() {
            let object = format!("plan, steps[{number}]");
            let parts = step.share.as_parts_per_million();
            if !step.share.is_valid() {
                say(object.clone(), format!("{parts} parts per million"), "at most 1000000");
            }
            if step.share == Share::NONE && step.mirror.is_none() && step.pins.is_empty() {
                say(object.clone(), "no share, pins or mirror".into(), "something for candidate");
            }
            if last.is_some_and(|last| step.share <= last) {
                say(
                    object.clone(),
                    format!("{} after {}", step.share, last.unwrap_or_default()),
                    "a larger share than that of the step before",
                );
            }
            if step.mirror.as_ref().is_some_and(|mirror| !mirror.share.is_valid()) {
                say(format!("{object}.mirror"), "more than everything".into(), "at most 1000000");
            }
            let decided = matches!(step.until, Until::Decided { .. });
            if decided && self.experiment.is_none() {
                say(
                    format!("{object}.until"),
                    "`decided` without an experiment".into(),
                    "an experiment, or `elapsed` or `approved`",
                );
            }
            if let Until::Elapsed { hold } | Until::Approved { timeout: hold } = &step.until
                && hold.is_zero()
                && !self.is_last(number)
            {
                say(
                    format!("{object}.until"),
                    "a hold of zero".into(),
                    "long enough for a look of the guards, or no such step",
                );
            }
            check_undecided(&format!("{object}.on_undecided"), step.on_undecided, &mut say);
            last = Some(step.share);
        }
        if let Some(step) = self.steps.last()
            && step.share.is_valid()
            && step.share != Share::ALL
        {
            say(
                format!("plan, steps[{}]", count - 1),
                step.share.to_string(),
                "100 % as the last step",
            );
        }
        if let Some(name) = self.conversations.as_ref().map(Conversations::name)
            && http::HeaderName::from_bytes(name.as_bytes()).is_err()
        {
            say("plan, conversations.name".into(), format!("{name:?}"), "a header's or cookie's");
        }
        check_undecided("plan, bake.on_undecided", self.bake.on_undecided, &mut say);
    }

    fn check_durations(&self, problems: &mut Vec<Problem>) {
        let mut durations = vec![
            ("converge".to_owned(), self.converge, true),
            ("gates".to_owned(), self.gates, true),
            ("look".to_owned(), self.look, true),
            ("call".to_owned(), self.call, true),
            ("whole".to_owned(), self.whole, true),
            ("bake.hold".to_owned(), self.bake.hold, false),
            ("keep_failed".to_owned(), self.keep_failed, false),
            ("drain.quiet".to_owned(), self.drain.quiet, false),
            ("drain.max".to_owned(), self.drain.max, false),
        ];
        durations.extend(
            self.drain.longest_stream.map(|time| ("drain.longest_stream".to_owned(), time, true)),
        );
        durations.extend(self.rollout.map(|time| ("rollout".to_owned(), time, true)));
        durations
            .extend(self.warm_up.as_ref().map(|it| ("warm_up.timeout".into(), it.timeout, true)));
        durations
            .extend(self.approval.as_ref().map(|it| ("approval.timeout".into(), it.timeout, true)));
        for (number, step) in self.steps.iter().enumerate() {
            durations.push((format!("steps[{number}].until"), step.until.length(), false));
        }
        durations.extend(
            self.hooks.iter().map(|it| (format!("hook {}, timeout", it.name), it.timeout, true)),
        );
        for (name, duration, positive) in durations {
            let text = humantime::format_duration(duration);
            let problem = Problem::new("plan-duration", format!("plan, {name}"));
            if duration > LONGEST {
                problems.push(problem.found(text.to_string()).wanted("at most a year"));
            } else if positive && duration.is_zero() {
                problems.push(problem.found("0s").wanted("more than nothing"));
            }
        }
    }

    fn check_drain(&self, problems: &mut Vec<Problem>) {
        let drain = &self.drain;
        let longest = drain.longest_stream.unwrap_or_default();
        for (name, at_least) in [("quiet", drain.quiet), ("longest_stream", longest)] {
            if drain.max < at_least {
                let found = humantime::format_duration(drain.max);
                problems.push(
                    Problem::new("plan-duration", "plan, drain.max")
                        .found(found.to_string())
                        .wanted(format!("at least as long as drain.{name}")),
                );
            }
        }
        let Some(leave) = &drain.leave else { return };
        let problem = |found| {
            Problem::new("plan-leave", "plan, drain.leave")
                .found(found)
                .wanted("a method, and a path from its first `/` on")
        };
        match leave.request() {
            Err(error) => {
                let found = format!("{} {:?}: {error}", leave.method, leave.path);
                problems.push(problem(found));
            }
            Ok(_) if !leave.path.starts_with('/') => {
                problems.push(problem(format!("{:?}", leave.path)));
            }
            Ok(_) => {}
        }
    }

    fn check_counts(&self, problems: &mut Vec<Problem>) {
        let mut check = |name: &str, count: u32, least: u32, most: u32| {
            if count < least || count > most {
                problems.push(
                    Problem::new("plan-count", format!("plan, {name}"))
                        .found(count.to_string())
                        .wanted(format!("{least} to {most}")),
                );
            }
        };
        check("standby", self.standby, 0, 10_000);
        check("headroom", self.headroom, 0, 10_000);
        check("history", self.history, 1, 1_000);
        if let EvidenceKind::Answers { in_a_row, .. } = self.evidence {
            check("evidence.in_a_row", in_a_row, 1, 10_000);
        }
    }

    fn check_freeze(&self, problems: &mut Vec<Problem>) {
        problems.extend(self.freeze.iter().flat_map(Freeze::problems));
        if self.freeze_override.as_ref().is_some_and(|it| !it.is_complete()) {
            problems.push(
                Problem::new("plan-freeze", "plan, freeze_override")
                    .found("no name, or no reason")
                    .wanted("who lets traffic move in spite of the freeze, and why"),
            );
        }
    }

    fn check_barriers(&self, problems: &mut Vec<Problem>) {
        let mut say = |name: &str, found: String, wanted: &str| {
            let problem = Problem::new("plan-barrier", format!("plan, barrier {name}"));
            problems.push(problem.found(found).wanted(wanted));
        };
        for (number, it) in self.barriers.iter().enumerate() {
            if !matches!(it.before, HookPoint::Shifting | HookPoint::Retiring) {
                let found = format!("a barrier before {}", it.before);
                say(&it.name, found, "one before shifting or before retiring");
            }
            let earlier = self.barriers.iter().take(number);
            if earlier.clone().any(|other| other.before == it.before) {
                let found = format!("another barrier before {}", it.before);
                say(&it.name, found, "one of each kind");
            }
            if it.timeout.is_zero() || it.timeout > LONGEST {
                let found = humantime::format_duration(it.timeout).to_string();
                say(&it.name, found, "a timeout of more than nothing, at most a year");
            }
        }
    }
}

fn check_undecided(
    object: &str,
    on_undecided: OnUndecided,
    say: &mut impl FnMut(String, String, &str),
) {
    if let OnUndecided::Extend { times } = on_undecided
        && !(1..=100).contains(&times)
    {
        say(object.to_owned(), format!("extend {times} times"), "1 to 100 times");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Barrier, DrainPlan, Leave, Step};

    fn objects(plan: &Plan) -> Vec<String> {
        plan.problems().into_iter().map(|problem| problem.object).collect()
    }

    #[test]
    fn the_paved_paths_have_no_problems() {
        assert_eq!(Plan::all_at_once().problems(), []);
        assert_eq!(Plan::canary([5, 25, 100]).problems(), []);
        assert_eq!(Plan::canary([5]).steps.len(), 2);
        assert_eq!(Plan::experiment(50).problems(), []);
    }

    #[test]
    fn all_problems_are_reported_at_once() {
        let mut plan = Plan::canary([150, 20, 20]).hold(Duration::ZERO).bake(days(4000));
        plan.look = Duration::ZERO;
        plan.history = 0;
        plan.drain.max = Duration::ZERO;
        plan.barriers.push(Barrier::before(HookPoint::Done, "all", days(1)));
        assert_eq!(
            objects(&plan),
            [
                "plan, steps[0]",
                "plan, steps[0].until",
                "plan, steps[1]",
                "plan, steps[1].until",
                "plan, steps[2]",
                "plan, steps[2].until",
                "plan, look",
                "plan, bake.hold",
                "plan, drain.max",
                "plan, history",
                "plan, barrier all",
            ]
        );
    }

    #[test]
    fn a_plan_that_does_not_end_with_everything_is_refused() {
        let plan = Plan { steps: vec![Step::new(Share::percent(50))], ..Plan::default() };
        assert_eq!(objects(&plan), ["plan, steps[0]"]);
        assert_eq!(objects(&Plan { steps: Vec::new(), ..Plan::default() }), ["plan, steps"]);
    }

    #[test]
    fn a_drain_that_cannot_be_is_refused() {
        let mut plan = Plan::all_at_once().longest_stream(days(1)).leave("admin/leave");
        assert_eq!(objects(&plan), ["plan, drain.max", "plan, drain.leave"]);
        plan.drain.max = days(1);
        for (method, path) in [("PO ST", "/leave"), ("POST", "/le ave"), ("POST", "")] {
            plan.drain.leave = Some(Leave::post(path).method(method));
            assert_eq!(objects(&plan), ["plan, drain.leave"], "{method} {path}");
        }
        plan.drain.leave = Some(Leave::post("/leave?now").method("PUT"));
        assert_eq!(plan.problems(), []);
        let text = serde_json::to_string(&plan).unwrap();
        assert_eq!(serde_json::from_str::<Plan>(&text).unwrap(), plan);
        let stored: DrainPlan = serde_json::from_str(r#"{"quiet": "3s"}"#).unwrap();
        assert_eq!((stored.leave, stored.longest_stream), (None, None));
    }

    #[test]
    fn an_unknown_field_is_refused_by_name() {
        let error = serde_json::from_str::<Plan>(r#"{"bakee": {}}"#).unwrap_err();
        assert!(error.to_string().contains("`bakee`"), "{error}");
        let plan: Plan = serde_json::from_str(r#"{"bake": {"hold": "5m"}}"#).unwrap();
        assert_eq!(plan, Plan::default().bake(Duration::from_mins(5)));
    }

    #[test]
    fn a_malformed_duration_is_refused_with_what_was_found() {
        for text in ["5x", "five minutes", "", "5"] {
            let plan = format!(r#"{{"bake": {{"hold": "{text}"}}}}"#);
            let error = serde_json::from_str::<Plan>(&plan).unwrap_err().to_string();
            assert!(error.contains(&format!("`{text}`")) && error.contains("30m"), "{error}");
        }
    }
}
