//! Everything that stands in the way of a shift, found before anything is touched.

use std::time::Duration;

use bluegreen_core::{Color, Epoch, ErrorKind, EvidenceKind, Load, Problem, Result, Routing};
use tokio::time::{Instant, sleep};

use super::QueueSwitch;
use super::converge::PACE;
use super::count::Count;
use super::right::{New, Right};
use super::shift::params;
use crate::error::write;
use crate::ingress::check::owner_problem;
use crate::owners;
use crate::printable::quoted;
use crate::rights::Right as Verb;
use crate::trial::refusal;

/// What a switch by a right to pull needs.
const RIGHTS: [Verb; 5] = [
    Verb::new("get", "", "configmaps"),
    Verb::new("list", "", "configmaps"),
    Verb::new("watch", "", "configmaps"),
    Verb::new("update", "", "configmaps"),
    Verb::new("get", "apps", "deployments"),
];

/// How long a plan waits for evidence unless it says otherwise.
const CONVERGE: Duration = Duration::from_secs(30);
/// How long workers that are ready may take until they have read the right for the first time.
const FIRST_READ: Duration = Duration::from_secs(5);

impl QueueSwitch {
    pub(super) async fn find_problems(
        &self,
        routings: &[Routing],
        evidence: &EvidenceKind,
    ) -> Result<Vec<Problem>> {
        let mut problems = self.beyond(routings);
        problems.extend(self.about_evidence(evidence));
        let (found, missing) = tokio::join!(
            self.read_opt(),
            self.rules.missing(&self.client, &self.settings, &RIGHTS)
        );
        let missing = missing?;
        let may_try = missing.is_empty();
        problems.extend(missing);
        let found = match found {
            // What is missing is the right to look.
            Err(error) if error.kind() == ErrorKind::Rejected && !may_try => return Ok(problems),
            found => found?,
        };
        if self.config_map == self.settings.config_map() {
            problems.push(
                Problem::new("not-a-right", self.object())
                    .found("the record of the release")
                    .wanted("a ConfigMap of its own for the right to pull"),
            );
            return Ok(problems);
        }
        let Some(right) = found else {
            problems.push(
                Problem::new("no-right", self.object())
                    .found("no such ConfigMap")
                    .wanted(format!("one whose key {} names the slot that pulls", self.key))
                    .mend("let init make it, or create it"),
            );
            return Ok(problems);
        };
        problems.extend(self.about_map(&right));
        if may_try {
            if let Ok(live) = right.holder {
                problems.extend(self.about_slots(live).await?);
            }
            problems.extend(self.try_writes(&right, routings).await?);
        }
        Ok(problems)
    }

    fn beyond(&self, routings: &[Routing]) -> Vec<Problem> {
        use bluegreen_core::SwitchStrategy as _;
        let capabilities = self.capabilities();
        let lacking = routings.iter().flat_map(|routing| {
            capabilities.lacks(routing).into_iter().map(move |lack| (routing, lack))
        });
        lacking
            .map(|(routing, lack)| {
                Problem::new("beyond-capabilities", format!("routing {routing}"))
                    .found("a switch by the right to pull: all or nothing")
                    .wanted(lack)
                    .mend("choose a plan without it")
            })
            .collect()
    }

    fn about_evidence(&self, evidence: &EvidenceKind) -> Option<Problem> {
        let problem = Problem::new("evidence", "plan, evidence");
        if *evidence != EvidenceKind::Endpoints {
            return Some(problem.found(evidence.to_string()).wanted(
                "evidence by endpoints: workers answer nobody, they say whether they pull",
            ));
        }
        // Also where workers are counted: what does not answer is not known before that.
        let is_late = self.settles >= CONVERGE;
        is_late.then(|| {
            Problem::new("settles-late", self.object())
                .found(format!("workers that take {:?} to hear of a change", self.settles))
                .wanted(format!(
                    "a plan whose `converge` is longer than that ({CONVERGE:?} by default)"
                ))
                .mend("set `converge`")
                .warning()
        })
    }

    fn about_map(&self, right: &Right) -> Vec<Problem> {
        let (object, map) = (self.object(), &right.whole);
        let key = format!("{object}, data.{}", self.key);
        let mut problems = Vec::new();
        if map.metadata.deletion_timestamp.is_some() {
            problems.push(Problem::new("being-deleted", &object).found("it is being deleted"));
        }
        if map.immutable == Some(true) {
            problems.push(
                Problem::new("immutable-right", &object)
                    .found("immutable: true")
                    .wanted("a ConfigMap that can be written")
                    .mend("delete it and create it without `immutable`"),
            );
        }
        if let Err(text) = right.stamp.epoch() {
            let annotation = self.settings.epoch_annotation();
            problems.push(
                Problem::new("bad-epoch", &object)
                    .found(format!("annotation {annotation}: {}", quoted(text)))
                    .wanted("a whole number, or no annotation")
                    .mend("remove the annotation while no release is under way"),
            );
        }
        let text = map.data.as_ref().and_then(|data| data.get(&self.key));
        match text {
            None => problems.push(
                Problem::new("no-right", &key)
                    .found("no such key")
                    .wanted("blue or green: the slot that pulls")
                    .mend("let init name the slot that alone has pods, or write it"),
            ),
            Some(text) if Color::parse(text.trim()).is_none() => problems.push(
                Problem::new("unknown-slot", &key)
                    .found(quoted(text))
                    .wanted("blue or green: the slot that pulls"),
            ),
            Some(_) => {}
        }
        let mut owners = owners::of(&map.metadata, &[&self.field()]);
        owners.retain(|owner| !self.allowed_owners.contains(owner));
        let what = format!("the key {}", self.key);
        problems.extend(owners.iter().map(|owner| owner_problem(owner, &key, &what)));
        problems
    }

    /// What the slots themselves say to it.
    async fn about_slots(&self, live: Color) -> Result<Vec<Problem>> {
        let idle = live.other();
        let mut problems = Vec::new();
        let (here, there) = tokio::try_join!(self.ready_pods(live), self.ready_pods(idle))?;
        if here == 0 && there > 0 {
            problems.push(
                Problem::new("empty-slot", format!("slot {live}"))
                    .found(format!(
                        "no pod that is ready, although it is to pull; {idle} has {there}"
                    ))
                    .wanted("the right with a slot that has pods"),
            );
        }
        let Some(load) = self.pulling.get() else { return Ok(problems) };
        let counts = self.counts(load.as_ref(), live, here > 0).await;
        if let Count::Known(count @ 1..) = &counts.1 {
            problems.push(
                Problem::new("both-pull", format!("slot {idle}"))
                    .found(format!("{count} that pull, although the right is {live}'s"))
                    .wanted("workers that pull only while the right is theirs")
                    .mend("see docs/queue-workers.md, and scale the slot down meanwhile"),
            );
        }
        if counts.0 == Count::Known(0) && here > 0 {
            problems.push(
                Problem::new("nobody-pulls", format!("slot {live}"))
                    .found(format!("{here} ready pods, none of which pulls"))
                    .wanted("workers that pull while the right is theirs, and say so also when there is \
                             no work")
                    .mend("see docs/queue-workers.md: is it the metric of workers that may pull?"),
            );
        }
        for (slot, count) in [(live, &counts.0), (idle, &counts.1)] {
            if let Count::Unknown(why) = count {
                problems.push(
                    Problem::new("pulling-unknown", format!("slot {slot}"))
                        .found(why.clone())
                        .wanted(format!("how many pull: without it {:?} are waited", self.settles))
                        .warning(),
                );
            }
        }
        Ok(problems)
    }

    /// How many pull of live and of the other slot. A worker may be ready before it has read the right
    /// for the first time: where `is_wanted` and nobody of live pulls, they are asked again for a while.
    async fn counts(&self, load: &dyn Load, live: Color, is_wanted: bool) -> (Count, Count) {
        let until = Instant::now() + self.settles.min(FIRST_READ);
        loop {
            let counts = tokio::join!(self.count(load, live), self.count(load, live.other()));
            if !is_wanted || counts.0 != Count::Known(0) || Instant::now() >= until {
                return counts;
            }
            tracing::debug!(%live, "no worker of live pulls yet");
            sleep(PACE).await;
        }
    }

    /// Tries the writes of `routings` without effect, from how it is now.
    async fn try_writes(&self, right: &Right, routings: &[Routing]) -> Result<Vec<Problem>> {
        let Ok(from) = right.holder else { return Ok(Vec::new()) };
        let epoch = right.stamp.epoch().unwrap_or_else(|_| Epoch::default());
        let mut problems = Vec::new();
        for to in Color::BOTH {
            if to == from || !routings.iter().any(|routing| routing.live == to) {
                continue;
            }
            let map = right.rewritten(New::Holder(&self.key, to), epoch, &self.settings);
            let params = params(true);
            let call = self.maps.replace(&self.config_map, &params, &map);
            let tried = match write(self.settings.call, self.action("update"), call).await {
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                tried => tried.map(drop),
            };
            let wanted = format!("gives {to} the right to pull");
            problems.extend(refusal(self.object(), &wanted, tried)?);
        }
        Ok(problems)
    }
}
