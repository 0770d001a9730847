//! Others write to what a release works on.

use super::{
    Always, Arc, Color, Digest, Duration, Judgement, MemoryCluster, ObservedState, Operations,
    Outcome, PhaseName, Plan, Problem, Reason, Releaser, Result, Routing, SwitchStrategy, Trial,
    Validator, Verdict, async_trait, await_phase, change, cluster, minutes, plan, reason, routing,
    running,
};
use crate::plan::OnDrift;
use crate::{Document, ReleaseStore};

/// A validator whose first look never ends.
pub(super) struct Slow(Arc<std::sync::atomic::AtomicU32>);

impl Slow {
    pub(super) fn new() -> Self {
        Self(Arc::default())
    }
}

#[async_trait]
impl Validator for Slow {
    fn name(&self) -> &'static str {
        "slow"
    }

    fn config_digest(&self) -> Digest {
        Digest::of(["slow"])
    }

    async fn check(&self, _: &Plan) -> Result<Vec<Problem>> {
        Ok(Vec::new())
    }

    async fn judge(&self, _: &Trial) -> Result<Judgement> {
        if self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 0 {
            std::future::pending::<()>().await;
        }
        Ok(Judgement::new(Verdict::Pass, "good"))
    }
}

fn on(on_drift: OnDrift) -> Plan {
    let mut plan = plan();
    plan.on_drift = on_drift;
    // A candidate that goes back drains, which is not what is measured here.
    plan.drain.quiet = Duration::ZERO;
    plan
}

type Release = tokio::task::JoinHandle<Outcome>;

fn start(releaser: Releaser, plan: Plan) -> Release {
    tokio::spawn(async move { releaser.run(change("2"), &plan).await.unwrap() })
}

/// A release that has come to this phase.
async fn at(phase: PhaseName, plan: Plan) -> (MemoryCluster, Release) {
    let cluster = cluster();
    let release = start(Releaser::new(cluster.ports("one")), plan);
    await_phase(&cluster, phase).await;
    (cluster, release)
}

/// A release whose gate looks for ever.
async fn judging(plan: Plan) -> (MemoryCluster, Release) {
    let cluster = cluster();
    let release = start(Releaser::new(cluster.ports("one")).gate(Slow::new()), plan);
    await_phase(&cluster, PhaseName::Validating).await;
    (cluster, release)
}

/// What becomes of a release that should notice at once, however long its phase may last.
async fn at_once(release: Release) -> Outcome {
    let before = tokio::time::Instant::now();
    let outcome = release.await.unwrap();
    assert!(before.elapsed() <= Duration::from_secs(1), "after {:?}: {outcome}", before.elapsed());
    outcome
}

fn stuck(outcome: Outcome) -> String {
    match outcome {
        Outcome::Stuck { stuck } => stuck.message,
        other => panic!("should be stuck: {other:?}"),
    }
}

fn external(outcome: Outcome) -> String {
    match reason(outcome) {
        Reason::External { found } => found,
        other => panic!("should be somebody else's doing: {other:?}"),
    }
}

fn foreign() -> ObservedState {
    ObservedState::Foreign("a selector of purple".to_owned())
}

#[tokio::test(start_paused = true)]
async fn traffic_that_is_moved_elsewhere_is_answered_by_the_policy_and_names_who_did_it() {
    let text = "somebody moved traffic: found a selector of purple, wanted green 100 %";
    for policy in [OnDrift::Hold, OnDrift::Accept] {
        let (cluster, release) = at(PhaseName::Baking, on(policy)).await;
        cluster.set_routing(foreign());
        assert_eq!(stuck(at_once(release).await), text);
        let observed = cluster.switch().observe().await.unwrap();
        assert_eq!(observed.state, foreign(), "nobody fights");
    }
    let (cluster, release) = at(PhaseName::Baking, on(OnDrift::Return)).await;
    cluster.set_routing(foreign());
    // No write from there would be a conditional one.
    assert!(stuck(at_once(release).await).contains("a selector of purple"));
}

#[tokio::test(start_paused = true)]
async fn traffic_that_is_moved_before_anything_has_passed_is_never_accepted() {
    let everything = Routing::all(Color::Green);
    for policy in [OnDrift::Hold, OnDrift::Accept] {
        let (cluster, release) = judging(on(policy)).await;
        cluster.move_routing(everything.clone());
        let text = "somebody moved traffic: found green 100 %, wanted blue 100 %";
        assert_eq!(stuck(at_once(release).await), text);
    }
    let (cluster, release) = judging(on(OnDrift::Return)).await;
    cluster.move_routing(everything.clone());
    // The candidate is put back only once it has no traffic, and nobody takes it from it.
    assert!(stuck(at_once(release).await).contains("green may have traffic"));
    assert_eq!(routing(&cluster).await, everything);
}

#[tokio::test(start_paused = true)]
async fn the_last_step_of_a_canary_that_somebody_else_made_is_accepted() {
    let cluster = cluster();
    let mut plan = Plan::canary([10]).hold(minutes(10)).bake(minutes(10));
    (plan.on_drift, plan.keep_failed) = (OnDrift::Accept, Duration::ZERO);
    let release = start(Releaser::new(cluster.ports("one")), plan);
    await_phase(&cluster, PhaseName::Holding).await;
    cluster.move_routing(Routing::all(Color::Green));
    await_phase(&cluster, PhaseName::Baking).await;
    assert_eq!(release.await.unwrap(), Outcome::Released);
}

#[tokio::test(start_paused = true)]
async fn a_candidate_that_is_changed_while_it_is_judged() {
    let (cluster, release) = judging(on(OnDrift::Hold)).await;
    cluster.edit_template(Color::Green);
    assert!(stuck(at_once(release).await).starts_with("somebody changed the candidate: found"));

    let (cluster, release) = judging(on(OnDrift::Return)).await;
    cluster.edit_template(Color::Green);
    assert!(external(at_once(release).await).starts_with("somebody changed the candidate"));
    assert_eq!(running(&cluster, Color::Green).await, ("1".to_owned(), 0));

    // What somebody has only restarted is judged again, from the start.
    let (cluster, release) = judging(on(OnDrift::Accept)).await;
    cluster.edit_template(Color::Green);
    assert_eq!(release.await.unwrap(), Outcome::Released);

    // And what runs something else is another release.
    let (cluster, release) = judging(on(OnDrift::Accept)).await;
    cluster.edit_configuration(Color::Green, super::configuration("3"));
    assert!(stuck(at_once(release).await).starts_with("somebody changed the candidate: found"));
}

#[tokio::test(start_paused = true)]
async fn a_candidate_that_is_changed_while_it_starts_is_not_what_was_deployed() {
    let script = crate::memory::Script::ReadyAfter(Duration::from_secs(10));
    let cluster = MemoryCluster::builder("agent", super::configuration("1"))
        .replicas(3)
        .clock(super::TokioClock::default())
        .runner(super::ScriptedRunner::new().on_image("example.com/agent:2", script))
        .build();
    let release = start(Releaser::new(cluster.ports("one")), on(OnDrift::Hold));
    await_phase(&cluster, PhaseName::RollingOut).await;
    cluster.edit_configuration(Color::Green, super::configuration("3"));
    let text = "somebody changed the candidate: found configuration";
    assert!(stuck(at_once(release).await).starts_with(text));
}

#[tokio::test(start_paused = true)]
async fn a_candidate_with_traffic_that_is_changed_is_watched_on_and_waits_for_somebody() {
    let edits: [fn(&MemoryCluster); 3] = [
        |cluster| cluster.edit_template(Color::Green),
        |cluster| cluster.edit_configuration(Color::Green, super::configuration("3")),
        |cluster| cluster.edit_replicas(Color::Green, 2),
    ];
    for edit in edits {
        let (cluster, release) = at(PhaseName::Baking, on(OnDrift::Hold)).await;
        edit(&cluster);
        let operations = Operations::new(cluster.ports("two"));
        let paused = async {
            let mut known = None;
            loop {
                let stored = operations.watch(known).await.unwrap().unwrap();
                let record = stored.document.current().unwrap();
                if let Some(paused) = &record.paused {
                    break (paused.by.to_string(), record.phase.name());
                }
                known = Some(stored.revision);
            }
        };
        let paused = tokio::time::timeout(Duration::from_secs(1), paused).await.unwrap();
        assert_eq!(paused, ("somebody".to_owned(), PhaseName::Baking));
        assert!(!release.is_finished());
        // Its pods are new, and good; whoever has looked at them lets it go on.
        operations.unpause("ann").await.unwrap();
        assert_eq!(release.await.unwrap(), Outcome::Released);
    }
    let (cluster, release) = at(PhaseName::Baking, on(OnDrift::Hold)).await;
    cluster.edit_template(Color::Green);
    cluster.stop_replacing(Color::Green);
    cluster.kill_all(Color::Green);
    assert!(matches!(reason(release.await.unwrap()), Reason::Unfit { .. }), "guards go on looking");

    let (cluster, release) = at(PhaseName::Baking, on(OnDrift::Return)).await;
    cluster.edit_template(Color::Green);
    external(at_once(release).await);

    let (cluster, release) = at(PhaseName::Baking, on(OnDrift::Accept)).await;
    cluster.edit_template(Color::Green);
    assert_eq!(release.await.unwrap(), Outcome::Released);
}

#[tokio::test(start_paused = true)]
async fn what_happens_while_a_guard_takes_its_time_is_noticed() {
    let edits: [fn(&MemoryCluster); 2] = [
        |cluster| cluster.edit_template(Color::Green),
        |cluster| cluster.move_routing(Routing::all(Color::Blue)),
    ];
    for edit in edits {
        let cluster = cluster();
        let releaser = Releaser::new(cluster.ports("one")).guard(Slow::new());
        let release = start(releaser, on(OnDrift::Return));
        await_phase(&cluster, PhaseName::Baking).await;
        edit(&cluster);
        external(at_once(release).await);
    }
}

#[tokio::test(start_paused = true)]
async fn a_record_that_somebody_writes_over_is_put_back_once() {
    let overwrite: fn(&MemoryCluster) = |cluster| {
        let mut record = cluster.store().peek(|it| it.unwrap().current().unwrap().clone());
        record.envelope.live = record.envelope.live.other();
        cluster.store().overwrite(Some(Document::Current(record)));
    };
    let garble: fn(&MemoryCluster) = |cluster| cluster.store().garble();
    for (policy, write) in
        [(OnDrift::Hold, overwrite), (OnDrift::Hold, garble), (OnDrift::Accept, garble)]
    {
        let (cluster, release) = at(PhaseName::Baking, on(policy)).await;
        write(&cluster);
        let message = stuck(at_once(release).await);
        assert!(message.starts_with("somebody changed the record"), "{message}");
        let record = cluster.store().load().await.unwrap().unwrap().document;
        let record = record.current().unwrap().clone();
        assert_eq!(record.envelope.live, Color::Blue, "it is the release's own again");
        assert!(record.stuck.is_some(), "and it waits for somebody");
        Operations::new(cluster.ports("two")).rollback("ann", "who was that?").await.unwrap();
        assert_eq!(routing(&cluster).await, Routing::all(Color::Blue));
    }
    let (cluster, release) = at(PhaseName::Baking, on(OnDrift::Return)).await;
    garble(&cluster);
    assert!(external(at_once(release).await).starts_with("somebody changed the record"));
}

#[tokio::test(start_paused = true)]
async fn a_candidate_that_is_deleted_costs_no_way_back() {
    for phase in [PhaseName::Baking, PhaseName::Draining] {
        let (cluster, release) = at(phase, plan()).await;
        cluster.vanish(Color::Green);
        let outcome = release.await.unwrap();
        assert!(matches!(reason(outcome), Reason::Failed { .. }));
        assert_eq!(routing(&cluster).await, Routing::all(Color::Blue));
    }
    // Also where nobody has noticed, because nobody drives.
    let (cluster, release) = at(PhaseName::Baking, plan()).await;
    release.abort();
    assert!(release.await.unwrap_err().is_cancelled());
    cluster.vanish(Color::Green);
    let operations = Operations::new(cluster.ports("two"));
    operations.rollback("ann", "it is gone").await.unwrap();
    assert_eq!(routing(&cluster).await, Routing::all(Color::Blue));
    assert!(matches!(operations.finish().await.unwrap(), Outcome::RolledBack { .. }));
}

#[tokio::test(start_paused = true)]
async fn a_slot_that_is_gone_is_given_no_traffic() {
    let (cluster, release) = at(PhaseName::Baking, plan()).await;
    release.abort();
    assert!(release.await.unwrap_err().is_cancelled());
    cluster.vanish(Color::Blue);
    let operations = Operations::new(cluster.ports("two"));
    let result = operations.rollback("ann", "wrong refunds").await;
    assert!(result.is_err(), "{result:?}");
    assert_eq!(routing(&cluster).await, Routing::all(Color::Green));
}

#[tokio::test(start_paused = true)]
async fn the_way_back_takes_the_better_side_where_both_are_damaged_and_says_so() {
    // Ready pods of blue, of green, and whether traffic goes back.
    let cases = [(3, 1, true), (1, 3, true), (1, 2, false), (2, 2, true), (2, 1, true)];
    for (blue, green, goes_back) in cases {
        let (cluster, release) = at(PhaseName::Baking, plan()).await;
        release.abort();
        assert!(release.await.unwrap_err().is_cancelled());
        for (color, ready) in [(Color::Blue, blue), (Color::Green, green)] {
            cluster.mark_unready(color, 3 - ready, "its node is away");
        }
        let operations = Operations::new(cluster.ports("two"));
        let result = operations.rollback("ann", "wrong refunds").await;
        let case = format!("blue {blue}, green {green}: {result:?}");
        assert_eq!(result.is_ok(), goes_back, "{case}");
        let live = if goes_back { Color::Blue } else { Color::Green };
        assert_eq!(routing(&cluster).await, Routing::all(live), "{case}");
        let trail = operations.status().await.unwrap().record.unwrap().trail;
        let told = format!("blue serves with {blue} of 3 pods, green with {green} of 3");
        let is_told = trail.iter().any(|entry| entry.what.contains(&told));
        assert_eq!(is_told, blue < 3, "{case}: {trail:#?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_should_be_known_of_the_old_slot_is_in_the_report() {
    let (cluster, release) = at(PhaseName::Baking, plan()).await;
    cluster.add_caveat(Color::Blue, "its key is old");
    Operations::new(cluster.ports("two")).rollback("ann", "wrong refunds").await.unwrap();
    release.await.unwrap();
    let trail = Operations::new(cluster.ports("two")).status().await.unwrap().record.unwrap().trail;
    assert!(trail.iter().any(|entry| entry.what.contains("; its key is old")), "{trail:#?}");
}

#[tokio::test(start_paused = true)]
async fn nobody_is_accused_of_what_the_release_does_itself() {
    let cluster = cluster();
    let told = Arc::new(std::sync::Mutex::new(Vec::new()));
    let kept = told.clone();
    let releaser = Releaser::new(cluster.ports("one"))
        .gate(Always(Verdict::Pass))
        .report(move |progress: &crate::Progress| kept.lock().unwrap().push(progress.to_string()));
    for number in ["2", "3"] {
        releaser.run(change(number), &plan()).await.unwrap();
    }
    let told = told.lock().unwrap().join("\n");
    assert!(!told.contains("somebody") && !told.contains("someone else"), "{told}");
}

#[tokio::test(start_paused = true)]
async fn a_step_that_was_written_before_a_pause_is_the_releases_own() {
    let cluster = cluster();
    let faults = crate::memory::Faults::new();
    // The step is written, and the process that wrote it does not live to save that.
    faults.on("switch.converge", 1, crate::memory::Fault::Hang);
    let first = Releaser::new(faults.around(cluster.ports("one")));
    let release = tokio::spawn(async move { first.run(change("2"), &plan()).await });
    faults.hung(1).await;
    Operations::new(cluster.ports("two")).pause("ann").await.unwrap();
    release.abort();
    assert!(release.await.unwrap_err().is_cancelled());
    let resumed = Releaser::new(cluster.ports("three"));
    let release = tokio::spawn(async move { resumed.resume().await });
    tokio::time::sleep(minutes(10)).await;
    assert!(!release.is_finished(), "it is paused");
    Operations::new(cluster.ports("two")).unpause("ann").await.unwrap();
    assert_eq!(release.await.unwrap().unwrap(), Outcome::Released);
}
