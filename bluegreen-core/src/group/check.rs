//! What is wrong with a group, all at once, before anything is touched.

use std::collections::BTreeMap;
use std::time::Duration;

use super::machine::Order;
use super::{Group, GroupError, Member};
use crate::plan::{HookPoint, OnUndecided};
use crate::{Plan, Problem};

/// More members than their records have room for.
const MOST_MEMBERS: usize = 50;
/// How long a name may be.
const LONGEST_NAME: usize = 253;
/// What a rollout takes at most where the plan leaves that to the slot.
const ROLLOUT: Duration = crate::clock::minutes(10);

impl Group {
    /// Everything that is wrong with the group by itself, without looking at any cluster.
    #[must_use]
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        self.check_names(&mut problems);
        self.check_order(&mut problems);
        for member in &self.members {
            check_plan(member, &mut problems);
        }
        self.check_patience(&mut problems);
        problems
    }

    /// These, and what every member's own preflight finds.
    pub(super) async fn all_problems(&self) -> Result<Vec<Problem>, GroupError> {
        let mut problems = self.problems();
        for member in &self.members {
            let wrap = |source| GroupError::Member { member: member.name.clone(), source };
            let plan = self.plan(member);
            let membership = self.membership(member, "");
            let found = member.releaser.check_member(&member.change, &plan, &membership).await;
            problems.extend(found.map_err(wrap)?.into_iter().map(|mut problem| {
                problem.object = format!("member {}, {}", member.name, problem.object);
                problem
            }));
        }
        Ok(problems)
    }

    fn check_names(&self, problems: &mut Vec<Problem>) {
        let mut say = |object: String, found: String, wanted: &str| {
            problems.push(Problem::new("group-members", object).found(found).wanted(wanted));
        };
        let count = self.members.len();
        if count == 0 || count > MOST_MEMBERS {
            say(self.object(), format!("{count} members"), "1 to 50 members");
        }
        let names = self.members.iter().map(|it| ("member", &it.name));
        for (what, name) in [("group", &self.name)].into_iter().chain(names) {
            if name.is_empty() || name.len() > LONGEST_NAME || name.chars().any(char::is_control) {
                let wanted = "1 to 253 characters, no control characters";
                say(format!("{what} {name:?}"), format!("{} bytes", name.len()), wanted);
            }
        }
        let mut times: BTreeMap<&str, u32> = BTreeMap::new();
        for member in &self.members {
            *times.entry(&member.name).or_default() += 1;
        }
        for (name, times) in times.into_iter().filter(|(_, times)| *times > 1) {
            let wanted = "each member once; `named` tells agents of the same name apart";
            say(format!("{}, member {name}", self.object()), format!("{times} times"), wanted);
        }
        for (number, member) in self.members.iter().enumerate() {
            let is_same = |other: &&Member| {
                other.name != member.name && other.releaser.is_same_as(&member.releaser)
            };
            for other in self.members.iter().take(number).filter(is_same) {
                let object = format!("{}, agent {}", self.object(), member.releaser.agent());
                let found = format!("members {} and {}", other.name, member.name);
                say(object, found, "one member for each agent");
            }
        }
    }

    fn check_order(&self, problems: &mut Vec<Problem>) {
        let mut say = |member: &str, found: String, wanted: &str| {
            let object = format!("group {}, member {member}, after", self.name);
            problems.push(Problem::new("group-order", object).found(found).wanted(wanted));
        };
        for member in &self.members {
            let unknown = |name: &&String| !self.members.iter().any(|it| it.name == **name);
            for name in member.after.iter().filter(unknown) {
                say(&member.name, format!("{name:?}"), "the name of a member of this group");
            }
        }
        let circle = self.order().in_cycles();
        if let Some(first) = circle.first().and_then(|first| self.members.get(*first)) {
            let names = circle.iter().filter_map(|it| self.members.get(*it)).map(|it| &*it.name);
            let names: Vec<&str> = names.collect();
            let found = format!("a cycle, of {}", names.join(", "));
            say(&first.name, found, "an order in which no member comes after itself");
        }
    }

    fn check_patience(&self, problems: &mut Vec<Problem>) {
        let Some(patience) = self.patience else { return };
        let need = self.need();
        let text = |time| humantime::format_duration(time).to_string();
        if patience < need {
            let wanted = format!(
                "at least {}: so long the plans may take, and a member that has waited in vain takes \
                 all back",
                text(need)
            );
            let problem = Problem::new("group-patience", format!("{}, patience", self.object()));
            problems.push(problem.found(text(patience)).wanted(wanted));
        } else if patience > crate::clock::days(366) {
            let problem = Problem::new("group-patience", format!("{}, patience", self.object()));
            problems.push(problem.found(text(patience)).wanted("at most a year"));
        }
    }

    /// Who comes after whom, as far as names are known.
    pub(super) fn order(&self) -> Order {
        let number = |name: &String| self.members.iter().position(|it| it.name == *name);
        let before = self.members.iter().map(|it| it.after.iter().filter_map(number).collect());
        Order::new(before.collect())
    }

    /// How long a member may have to wait for the others, if all take as long as their plans let them.
    pub(super) fn need(&self) -> Duration {
        let order = self.order();
        let ready = self.members.iter().map(|it| until_ready(&it.plan)).max().unwrap_or_default();
        if order.has_cycle() {
            return ready;
        }
        // When each has all traffic, found in as many rounds as there are members at most.
        let mut moved = vec![Duration::ZERO; self.members.len()];
        for _ in 0..self.members.len() {
            for (number, member) in self.members.iter().enumerate() {
                let before = order.before(number).iter().filter_map(|it| moved.get(*it));
                let begins = before.max().copied().unwrap_or_default();
                moved[number] = begins.saturating_add(moving(&member.plan));
            }
        }
        let ends = moved.iter().zip(&self.members).map(|(moved, member)| {
            let bake = &member.plan.bake;
            moved.saturating_add(extended(bake.hold, bake.on_undecided))
        });
        // The first wait may begin at once, and is over when all are ready and traffic of those before has
        // followed. The second one begins after that of all others to be ready, and lasts to the last bake.
        let before = (0..self.members.len()).flat_map(|number| order.before(number));
        let switched = before.filter_map(|it| moved.get(*it)).max().copied().unwrap_or_default();
        ends.max().unwrap_or_default().max(ready.saturating_add(switched))
    }

    fn object(&self) -> String {
        format!("group {}", self.name)
    }
}

/// What contradicts being released together, whatever the others do.
fn check_plan(member: &Member, problems: &mut Vec<Problem>) {
    let plan = &member.plan;
    let mut say = |what: &str, found: &str, wanted: &str| {
        let object = format!("member {}, plan, {what}", member.name);
        problems.push(Problem::new("group-plan", object).found(found).wanted(wanted));
    };
    if plan.experiment.is_some() {
        let wanted = "none: it may end with what is live now, and the group is for all candidates";
        say("experiment", "an experiment", wanted);
    }
    if plan.bootstrap {
        let wanted = "a live slot to go back to, when another member fails";
        say("bootstrap", "a release without a way back", wanted);
    }
    if !plan.barriers.is_empty() {
        say("barriers", "barriers of its own", "none: the group sets them");
    }
}

/// How long everything before the traffic may take.
pub(super) fn until_ready(plan: &Plan) -> Duration {
    let hooks = plan
        .hooks
        .iter()
        .filter(|hook| matches!(hook.before, HookPoint::Deploying | HookPoint::Shifting));
    let parts = [
        plan.rollout.unwrap_or(ROLLOUT),
        plan.warm_up.as_ref().map_or(Duration::ZERO, |it| it.timeout),
        plan.gates,
        plan.approval.as_ref().map_or(Duration::ZERO, |it| it.timeout),
    ];
    sum(parts.into_iter().chain(hooks.map(|hook| hook.timeout)))
}

/// How long the steps may take until the candidate has all traffic.
fn moving(plan: &Plan) -> Duration {
    let holds = plan.steps.iter().enumerate().filter(|(number, _)| !plan.is_last(*number));
    let holds = holds.map(|(_, step)| extended(step.until.length(), step.on_undecided));
    sum(holds.chain(plan.steps.iter().map(|_| plan.converge)))
}

fn extended(length: Duration, on_undecided: OnUndecided) -> Duration {
    match on_undecided {
        OnUndecided::Extend { times } => length.saturating_mul(times.max(1)),
        OnUndecided::Return | OnUndecided::Proceed => length,
    }
}

fn sum(parts: impl Iterator<Item = Duration>) -> Duration {
    parts.fold(Duration::ZERO, Duration::saturating_add)
}
