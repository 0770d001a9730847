//! Times at which no traffic moves forward.

use super::*;
use crate::Timestamp;
use crate::plan::Freeze;

/// 2026-11-27, a Friday, at this hour of UTC; Berlin is an hour ahead.
fn friday(hour: u64, minute: u64) -> Timestamp {
    Timestamp::from_unix_millis(1_795_737_600_000).plus(minutes(hour * 60 + minute))
}

fn monday() -> Timestamp {
    friday(3 * 24 + 7, 0)
}

fn cluster_at(start: Timestamp) -> MemoryCluster {
    let clock = TokioClock::starting_at(start);
    MemoryCluster::builder("agent", configuration("1")).replicas(3).clock(clock).build()
}

fn frozen(mut plan: Plan) -> Plan {
    plan.keep_failed = Duration::ZERO;
    // A weekend has many looks.
    plan.look = minutes(5);
    plan.freeze(Freeze::new("Europe/Berlin").window("Fri 16:00 - Mon 08:00"))
}

/// Everything that was told, and when.
type Told = Arc<Mutex<Vec<(Timestamp, Progress)>>>;

fn telling(releaser: Releaser, cluster: &MemoryCluster) -> (Releaser, Told) {
    let (told, clock) = (Told::default(), cluster.clock());
    let kept = told.clone();
    let releaser = releaser.report(move |progress: &Progress| {
        kept.lock().unwrap().push((clock.now(), progress.clone()));
    });
    (releaser, told)
}

/// When traffic moved.
fn shifts(told: &Told) -> Vec<Timestamp> {
    let told = told.lock().unwrap();
    told.iter().filter(|(_, it)| matches!(it, Progress::Shifted { .. })).map(|it| it.0).collect()
}

async fn trail(cluster: &MemoryCluster) -> String {
    let status = Operations::new(cluster.ports("observer")).status().await.unwrap();
    let lines = status.record.unwrap().trail.into_iter().map(|entry| entry.what);
    lines.collect::<Vec<_>>().join("\n")
}

/// A guard that finds the candidate unfit from some time on.
struct UnfitFrom(Timestamp);

#[async_trait]
impl Validator for UnfitFrom {
    fn name(&self) -> &'static str {
        "unfit-from"
    }

    fn config_digest(&self) -> Digest {
        Digest::of([self.0.to_string()])
    }

    async fn check(&self, _: &Plan) -> Result<Vec<Problem>> {
        Ok(Vec::new())
    }

    async fn judge(&self, trial: &Trial) -> Result<Judgement> {
        let is_unfit = trial.clock.now() >= self.0;
        Ok(Judgement::new(if is_unfit { Verdict::Fail } else { Verdict::Pass }, "by the clock"))
    }
}

#[tokio::test(start_paused = true)]
async fn a_release_that_begins_in_a_freeze_waits_before_its_first_traffic() {
    let cluster = cluster_at(friday(16, 0));
    let (releaser, told) = telling(Releaser::new(cluster.ports("one")), &cluster);
    let plan = frozen(Plan::all_at_once().bake(minutes(30)));
    let problems = releaser.check(&change("2"), &plan).await.unwrap();
    let warning = problems.iter().find(|it| it.code == "frozen").unwrap();
    assert!(!warning.is_refusal(), "{warning}");
    assert!(warning.found.contains("until 2026-11-30T07:00:00.000Z"), "{warning}");

    assert_eq!(releaser.run(change("2"), &plan).await.unwrap(), Outcome::Released);
    let shifts = shifts(&told);
    assert!(shifts[0] >= monday() && shifts[0] < monday().plus(minutes(1)), "{shifts:?}");
    let entered = told.lock().unwrap().iter().find_map(|(_, it)| match it {
        Progress::Entered { phase: PhaseName::Frozen, deadline, .. } => *deadline,
        _ => None,
    });
    assert_eq!(entered, Some(monday()));
    let trail = trail(&cluster).await;
    assert!(trail.contains("no traffic moves until 2026-11-30T07:00:00.000Z"), "{trail}");
}

#[tokio::test(start_paused = true)]
async fn a_canary_that_comes_into_a_freeze_keeps_its_share_until_it_is_over() {
    let cluster = cluster_at(friday(14, 45));
    let (releaser, told) = telling(Releaser::new(cluster.ports("one")), &cluster);
    let plan = frozen(Plan::canary([10]).hold(minutes(30)).bake(minutes(30)));
    assert_eq!(releaser.run(change("2"), &plan).await.unwrap(), Outcome::Released);
    let shifts = shifts(&told);
    assert!(shifts[0] < friday(14, 50) && shifts[1] >= monday(), "{shifts:?}");
    assert!(shifts[1] < monday().plus(minutes(1)), "{shifts:?}");
}

#[tokio::test(start_paused = true)]
async fn guards_look_during_a_freeze_and_traffic_goes_back_at_once() {
    let cluster = cluster_at(friday(14, 45));
    let saturday = friday(30, 0);
    let releaser = Releaser::new(cluster.ports("one")).guard(UnfitFrom(saturday));
    let (releaser, told) = telling(releaser, &cluster);
    let plan = frozen(Plan::canary([10]).hold(minutes(30)));
    let outcome = releaser.run(change("2"), &plan).await.unwrap();
    assert!(reason(outcome).to_string().starts_with("unfit"));
    let back = shifts(&told)[1];
    assert!(back >= saturday && back < saturday.plus(minutes(6)), "{back}");
    assert_eq!(routing(&cluster).await, Routing::all(Color::Blue));
}

#[tokio::test(start_paused = true)]
async fn somebody_takes_traffic_back_during_a_freeze_and_calls_a_release_off() {
    for (start, percent) in [(friday(14, 45), 10), (friday(16, 0), 0)] {
        let cluster = cluster_at(start);
        let releaser = Releaser::new(cluster.ports("one"));
        let plan = frozen(Plan::canary([10]).hold(minutes(30)));
        let release = tokio::spawn(async move { releaser.run(change("2"), &plan).await });
        await_phase(&cluster, PhaseName::Frozen).await;
        let share = routing(&cluster).await.share_of(Color::Green);
        assert_eq!(share, crate::Share::percent(percent));
        let operations = Operations::new(cluster.ports("two"));
        assert!(operations.promote("ann").await.is_err(), "a freeze is not promoted away");
        operations.rollback("ann", "wrong refunds").await.unwrap();
        assert_eq!(routing(&cluster).await, Routing::all(Color::Blue));
        let why = reason(release.await.unwrap().unwrap());
        assert_eq!(why.to_string(), "asked for by ann: wrong refunds");
        assert!(cluster.clock().now() < friday(20, 0), "long before its end");
    }
}

#[tokio::test(start_paused = true)]
async fn an_ended_release_is_undone_during_a_freeze() {
    let cluster = cluster_at(friday(13, 0));
    let releaser = Releaser::new(cluster.ports("one"));
    let plan = frozen(Plan::all_at_once().bake(Duration::ZERO).standby(3));
    assert_eq!(releaser.run(change("2"), &plan).await.unwrap(), Outcome::Released);
    cluster.clock().sleep(friday(20, 0).since(cluster.clock().now())).await;
    Operations::new(cluster.ports("two")).rollback("ann", "wrong refunds").await.unwrap();
    assert_eq!(routing(&cluster).await, Routing::all(Color::Blue));
    assert!(cluster.clock().now() < friday(22, 0));
}

#[tokio::test(start_paused = true)]
async fn who_overrides_a_freeze_says_who_and_why_and_that_stays() {
    let cluster = cluster_at(friday(16, 0));
    let releaser = Releaser::new(cluster.ports("one"));
    let plan = frozen(Plan::all_at_once());
    let begun = plan.clone();
    let release = tokio::spawn(async move { releaser.run(change("2"), &begun).await });
    await_phase(&cluster, PhaseName::Frozen).await;
    let operations = Operations::new(cluster.ports("two"));
    let status = operations.status().await.unwrap();
    assert_eq!(status.operations, ["override-freeze", "pause", "abort"]);
    for (actor, reason) in [("", "urgent"), ("ann", " ")] {
        assert!(operations.override_freeze(actor, reason).await.is_err());
    }
    operations.override_freeze("ann", "a hole in refunds").await.unwrap();
    assert_eq!(release.await.unwrap().unwrap(), Outcome::Released);
    assert!(cluster.clock().now() < friday(20, 0));
    let said = "ann lets traffic move in spite of the freeze: a hole in refunds";
    assert!(trail(&cluster).await.contains(said));

    // The same said before.
    let cluster = cluster_at(friday(16, 0));
    let releaser = Releaser::new(cluster.ports("one"));
    let plan = plan.override_freeze("ann", "a hole in refunds");
    assert!(releaser.check(&change("2"), &plan).await.unwrap().is_empty());
    assert_eq!(releaser.run(change("2"), &plan).await.unwrap(), Outcome::Released);
    assert!(cluster.clock().now() < friday(20, 0));
    assert!(trail(&cluster).await.contains(said));
    let unsaid = plan.override_freeze("ann", "");
    assert_eq!(unsaid.problems().len(), 1);
    let without = Plan::all_at_once();
    releaser.run(change("3"), &without).await.unwrap();
    assert!(operations.override_freeze("ann", "nothing is frozen").await.is_err());
}
