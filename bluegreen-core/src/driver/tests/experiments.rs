//! Steps that an experiment ends.

use super::{
    Arc, Color, Digest, Duration, Judgement, MemoryCluster, Mutex, Operations, Outcome, PhaseName,
    Plan, Problem, Releaser, Result, Routing, TokioClock, Trial, Validator, Verdict, async_trait,
    await_phase, change, configuration, minutes, reason, routing,
};
use crate::clock::days;
use crate::plan::{OnUndecided, Step, Until};
use crate::{Reason, Share, Winner};

/// A guard that decides at its tenth look, and has no say where nothing can be compared.
#[derive(Clone)]
struct Deciding {
    verdict: Verdict,
    winner: Option<Winner>,
    /// How many looks there were, and the versions that live was seen with.
    seen: Arc<Mutex<(u32, Vec<String>)>>,
}

impl Deciding {
    fn new(verdict: Verdict, winner: Option<Winner>) -> Self {
        Self { verdict, winner, seen: Arc::default() }
    }
}

#[async_trait]
impl Validator for Deciding {
    fn name(&self) -> &'static str {
        "deciding"
    }

    fn config_digest(&self) -> Digest {
        Digest::of(["deciding"])
    }

    async fn check(&self, _: &Plan) -> Result<Vec<Problem>> {
        Ok(Vec::new())
    }

    async fn judge(&self, trial: &Trial) -> Result<Judgement> {
        let mut seen = self.seen.lock().unwrap();
        seen.0 += 1;
        let version = trial.live.state.running.version.clone().unwrap_or_default();
        if seen.1.last() != Some(&version) {
            seen.1.push(version);
        }
        if seen.0 < 10 || trial.routing.is_whole() {
            return Ok(Judgement::new(Verdict::Inconclusive, "not yet"));
        }
        let mut judgement = Judgement::new(self.verdict, "decided");
        judgement.winner = self.winner;
        Ok(judgement)
    }
}

fn cluster() -> MemoryCluster {
    MemoryCluster::builder("agent", configuration("1"))
        .replicas(3)
        .clock(TokioClock::default())
        .capabilities(crate::Capabilities::ALL)
        .build()
}

fn plan() -> Plan {
    let mut plan = Plan::experiment(50).bake(minutes(1));
    plan.experiment.get_or_insert_default().primary = Some("deciding".to_owned());
    (plan.drain.quiet, plan.drain.max) = (Duration::ZERO, Duration::ZERO);
    plan
}

#[tokio::test(start_paused = true)]
async fn the_loser_of_an_experiment_has_not_failed() {
    for (verdict, winner, live) in [
        (Verdict::Pass, Winner::Candidate, Color::Green),
        (Verdict::Fail, Winner::Live, Color::Blue),
        (Verdict::Inconclusive, Winner::Live, Color::Blue),
    ] {
        let cluster = cluster();
        let began = cluster.clock().now();
        let releaser =
            Releaser::new(cluster.ports("one")).guard(Deciding::new(verdict, Some(winner)));
        let outcome = releaser.run(change("2"), &plan()).await.unwrap();
        assert_eq!(outcome, Outcome::Concluded { winner }, "{verdict}");
        assert_eq!(routing(&cluster).await, Routing::all(live));
        assert!(cluster.clock().now().since(began) < minutes(10), "as soon as it is decided");
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_without_a_winner_is_one() {
    let cluster = cluster();
    let mut plan = plan();
    plan.keep_failed = Duration::ZERO;
    let releaser = Releaser::new(cluster.ports("one")).guard(Deciding::new(Verdict::Fail, None));
    let outcome = releaser.run(change("2"), &plan).await.unwrap();
    assert!(matches!(reason(outcome), Reason::Unfit { .. }));
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_names_the_candidate_promotes_nobody() {
    let cluster = cluster();
    let mut plan = plan();
    plan.keep_failed = Duration::ZERO;
    let guard = Deciding::new(Verdict::Fail, Some(Winner::Candidate));
    let outcome = Releaser::new(cluster.ports("one")).guard(guard).run(change("2"), &plan).await;
    assert!(matches!(reason(outcome.unwrap()), Reason::Unfit { .. }));
    assert_eq!(routing(&cluster).await, Routing::all(Color::Blue));
}

#[tokio::test(start_paused = true)]
async fn a_live_slot_that_is_gone_after_the_decision_takes_no_traffic() {
    let cluster = cluster();
    let guard = Deciding::new(Verdict::Pass, Some(Winner::Candidate));
    let releaser = Releaser::new(cluster.ports("one")).guard(guard);
    let mut plan = plan();
    plan.bake.hold = minutes(30);
    let release = tokio::spawn(async move { releaser.run(change("2"), &plan).await });
    await_phase(&cluster, PhaseName::Baking).await;
    cluster.vanish(Color::Blue);
    cluster.clock().sleep(minutes(10)).await;
    assert_eq!(routing(&cluster).await, Routing::all(Color::Green));
    assert!(!release.is_finished(), "the bake goes on");
    release.abort();
}

#[tokio::test(start_paused = true)]
async fn what_is_never_decided_goes_back_at_the_horizon() {
    let cluster = cluster();
    let began = cluster.clock().now();
    let guard = Deciding::new(Verdict::Inconclusive, None);
    let releaser = Releaser::new(cluster.ports("one")).guard(guard);
    let mut plan = plan();
    plan.look = minutes(60);
    let outcome = releaser.run(change("2"), &plan).await.unwrap();
    assert_eq!(outcome, Outcome::Concluded { winner: Winner::Live });
    assert!(cluster.clock().now().since(began) >= days(14));
}

#[tokio::test(start_paused = true)]
async fn a_paused_experiment_is_looked_at_no_more_often() {
    let cluster = cluster();
    let guard = Deciding::new(Verdict::Pass, Some(Winner::Candidate));
    let releaser = Releaser::new(cluster.ports("one")).guard(guard.clone());
    let release = tokio::spawn(async move { releaser.run(change("2"), &plan()).await });
    await_phase(&cluster, PhaseName::Holding).await;
    let operations = Operations::new(cluster.ports("two"));
    operations.pause("ann").await.unwrap();
    cluster.clock().sleep(minutes(60)).await;
    let looks = guard.seen.lock().unwrap().0;
    assert!((200..=310).contains(&looks), "about every 12 seconds: {looks}");
    operations.unpause("ann").await.unwrap();
    let outcome = release.await.unwrap().unwrap();
    assert_eq!(outcome, Outcome::Concluded { winner: Winner::Candidate });
}

#[tokio::test(start_paused = true)]
async fn what_somebody_promotes_undecided_is_released() {
    // Also where more steps follow, in which there is nothing to compare either.
    let mut more = plan();
    let mut next = Step::new(Share::percent(75)).until(Until::Elapsed { hold: minutes(5) });
    next.on_undecided = OnUndecided::Return;
    more.steps.insert(1, next);
    for plan in [plan(), more] {
        let cluster = cluster();
        let guard = Deciding::new(Verdict::Inconclusive, None);
        let releaser = Releaser::new(cluster.ports("one")).guard(guard);
        let release = tokio::spawn(async move { releaser.run(change("2"), &plan).await });
        await_phase(&cluster, PhaseName::Holding).await;
        Operations::new(cluster.ports("two")).promote("ann").await.unwrap();
        assert_eq!(release.await.unwrap().unwrap(), Outcome::Released);
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_of_live_is_seen() {
    let cluster = cluster();
    let guard = Deciding::new(Verdict::Inconclusive, None);
    let releaser = Releaser::new(cluster.ports("one")).guard(guard.clone());
    let release = tokio::spawn(async move { releaser.run(change("2"), &plan()).await });
    await_phase(&cluster, PhaseName::Holding).await;
    cluster.edit_configuration(Color::Blue, configuration("1.0.1"));
    cluster.clock().sleep(minutes(10)).await;
    assert_eq!(guard.seen.lock().unwrap().1, ["1", "1.0.1"]);
    release.abort();
}
