//! Several agents released together: all of them, or none.

use std::time::Duration;

use crate::plan::{Barrier, HookPoint};
use crate::release::Membership;
use crate::{Actor, Change, Digest, Plan, Problem, Releaser};

mod check;
mod drive;
mod machine;
mod member;
mod outcome;
mod view;

pub use outcome::{GroupError, GroupOutcome};

/// Releases several agents together: all gates pass before the first traffic moves, traffic moves in
/// the order that was said, and all stay once all have baked. One that fails takes all back, in the
/// reverse order.
///
/// ```no_run
/// # use bluegreen_core::Ports;
/// # async fn example(tools: Ports, agent: Ports) -> Result<(), bluegreen_core::GroupError> {
/// use bluegreen_core::{Change, Group, Member, Plan, Releaser, clock::minutes};
///
/// let plan = Plan::all_at_once().bake(minutes(30));
/// let image = |name: &str| Change::image(name, format!("registry.example.com/{name}:1.3.0"));
/// let outcome = Group::new("checkout")
///     .member(Member::new(Releaser::new(tools), image("tools"), &plan))
///     .member(Member::new(Releaser::new(agent), image("agent"), &plan).after("tools"))
///     .run()
///     .await?;
/// println!("{outcome}");
/// # Ok(()) }
/// ```
///
/// Each member is a release of its own, with its own record, lease, gates, guards and plan; what this
/// adds are two waits and a word that ends them, by compare-and-set of the member's record. There is no
/// record of the group that could be lost: what comes next follows from where its members are.
///
/// 1. Every member runs on to the point before its traffic: pods, gates, approval, hooks.
/// 2. Once all are there, traffic of those moves that come after nobody, then that of those after them
///    once it has followed in whole, and so on.
/// 3. Each bakes, and then its guards go on looking until all have baked.
/// 4. Then all are *bound*, one by one: none goes back by itself any more. Once all are, they stay,
///    and the old slots end.
///
/// Before the last point any member that goes back, whoever or whatever is the cause, takes all back:
/// those without traffic at once, the others as soon as nobody who came after them has traffic. To call
/// a group off, `abort` or `rollback` any of its members. After it each is rolled back by itself.
#[derive(Clone, Debug)]
#[must_use]
pub struct Group {
    name: String,
    members: Vec<Member>,
    patience: Option<Duration>,
    actor: Option<Actor>,
}

/// One agent of a group: what is released of it, how, and after whom.
#[derive(Clone, Debug)]
#[must_use]
pub struct Member {
    name: String,
    releaser: Releaser,
    change: Change,
    plan: Plan,
    after: Vec<String>,
}

impl Member {
    /// A member that `releaser` releases, named after its agent.
    pub fn new(releaser: Releaser, change: Change, plan: &Plan) -> Self {
        let name = releaser.agent().as_str().to_owned();
        Self { name, releaser, change, plan: plan.clone(), after: Vec::new() }
    }

    /// Another name, where agents of the same name, of several namespaces or clusters, are released
    /// together.
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Its traffic moves after all of that of the member of this name, and goes back before it.
    pub fn after(mut self, name: impl Into<String>) -> Self {
        self.after.push(name.into());
        self
    }
}

impl Group {
    /// A group without members. The name is part of its members' records, and `resume` finds them
    /// by it.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), members: Vec::new(), patience: None, actor: None }
    }

    /// Adds a member. Those that are not told to come after one another move at the same time.
    pub fn member(mut self, member: Member) -> Self {
        self.members.push(member);
        self
    }

    /// How long a member waits for the others, at each of its two waits, before it goes back: where
    /// nobody drives the group any more, say. A day more than the plans may take unless said otherwise.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = Some(patience);
        self
    }

    /// Who takes members back when another one fails; the group's name unless said otherwise.
    pub fn actor(mut self, actor: impl Into<Actor>) -> Self {
        self.actor = Some(actor.into());
        self
    }

    /// Everything that stands in the way, of the group itself and of each member. Reads only.
    ///
    /// # Errors
    /// [`GroupError::Member`] when that cannot be found out.
    pub async fn check(&self) -> Result<Vec<Problem>, GroupError> {
        Box::pin(self.all_problems()).await
    }

    /// Releases all members, from preflight to the end.
    ///
    /// Returns [`GroupOutcome::Refused`] with every problem of all members at once, before anything was
    /// touched.
    ///
    /// # Errors
    /// [`GroupError::Member`] when one cannot be driven; the others are where their records say.
    ///
    /// # Cancel safety
    /// May be dropped at any await: all members stay where they are, stored, and
    /// [`resume`](Self::resume) goes on. Nobody looks at the candidates until then.
    pub async fn run(&self) -> Result<GroupOutcome, GroupError> {
        Box::pin(self.begin()).await
    }

    /// Goes on with the release of this group that is stored, from any process that has the same
    /// members: those that had not begun are begun, unless one has gone back.
    ///
    /// # Errors
    /// [`GroupError::NoRelease`] if none is under way, [`GroupError::OtherGroup`] if it began with other
    /// members, [`GroupError::Member`] as of [`Releaser::resume`].
    ///
    /// # Cancel safety
    /// As of [`run`](Self::run).
    pub async fn resume(&self) -> Result<GroupOutcome, GroupError> {
        Box::pin(self.go_on()).await
    }

    fn by(&self) -> Actor {
        self.actor.clone().unwrap_or_else(|| Actor::new(format!("group {}", self.name)))
    }

    /// What the record of this member says of its group.
    fn membership(&self, member: &Member, run: &str) -> Membership {
        let members = self.members.iter().map(|it| it.name.clone()).collect();
        Membership::new(&self.name, run, &member.name, members, self.shape())
    }

    /// Who is in the group, and who comes after whom.
    fn shape(&self) -> Digest {
        let mut parts = Vec::new();
        for member in &self.members {
            parts.push(format!("member {}", member.name));
            let mut after = member.after.clone();
            after.sort();
            after.dedup();
            parts.extend(after.into_iter().map(|name| format!("after {name}")));
        }
        Digest::of(parts)
    }

    /// The plan of a member with the two waits in it.
    fn plan(&self, member: &Member) -> Plan {
        let timeout = self.patience.unwrap_or_else(|| self.need().saturating_add(DAY));
        let mut plan = member.plan.clone();
        plan.barriers = [HookPoint::Shifting, HookPoint::Retiring]
            .map(|before| Barrier::before(before, &self.name, timeout))
            .into();
        plan
    }
}

const DAY: Duration = crate::clock::days(1);

#[cfg(test)]
mod tests;
