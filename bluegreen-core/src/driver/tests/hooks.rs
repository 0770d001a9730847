//! Hooks of plans, from preflight to the end.

use super::*;
use crate::clock::minutes;
use crate::memory::HookScript;
use crate::plan::{Hook, HookPoint};
use crate::{HookOutcome, HookRun, Phase, Record};

fn with(mut plan: Plan, point: HookPoint) -> Plan {
    plan.hooks.push(Hook::before(point, "migrate", "job"));
    plan
}

async fn record(cluster: &MemoryCluster) -> Record {
    let status = Operations::new(cluster.ports("observer")).status().await.unwrap();
    status.record.unwrap()
}

/// What the slots were at the start of each attempt: the pods of blue and green.
fn witness(cluster: &MemoryCluster) -> Arc<Mutex<Vec<(usize, usize)>>> {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (kept, world) = (seen.clone(), cluster.clone());
    cluster.hooks().on_start(move |_: &HookRun| {
        let pods = Color::BOTH.map(|color| world.pods(color).len());
        kept.lock().unwrap().push((pods[0], pods[1]));
    });
    seen
}

#[tokio::test(start_paused = true)]
async fn a_hook_is_told_what_is_released() {
    let cluster = cluster();
    cluster.hooks().set("job", HookScript::Succeeds(minutes(2)));
    let seen = witness(&cluster);
    let plan = with(plan(), HookPoint::Deploying);
    let outcome = Releaser::new(cluster.ports("one")).run(change("2"), &plan).await.unwrap();
    assert_eq!(outcome, Outcome::Released);
    assert_eq!(*seen.lock().unwrap(), [(3, 0)], "before anything was deployed");
    let started = cluster.hooks().started();
    let [run] = started.as_slice() else { panic!("{started:?}") };
    let record = record(&cluster).await;
    assert_eq!(run.release, record.envelope.release);
    assert_eq!((&*run.version, run.candidate, run.attempt), ("2", Color::Green, 1));
    assert_eq!(run.images["agent"], "example.com/agent:2");
    assert_eq!(run.digest, record.change.digest);
    assert!(record.hooks[0].is_success() && record.hooks[0].hook == "migrate");
    let history = Operations::new(cluster.ports("observer")).history().await.unwrap();
    assert_eq!(history[0].current().unwrap().hooks, record.hooks);
}

#[tokio::test(start_paused = true)]
async fn a_migration_that_fails_before_the_deploy_leaves_everything_as_it_was() {
    let cluster = cluster();
    cluster.hooks().fail("job", "exit code 1", "ERROR: no such table");
    let plan = with(plan(), HookPoint::Deploying);
    let releaser = Releaser::new(cluster.ports("one"));
    let outcome = releaser.run(change("2"), &plan).await.unwrap();
    let text = reason(outcome).to_string();
    assert_eq!(text, "failed: hook migrate, attempt 1: exit code 1");
    assert_eq!(running(&cluster, Color::Green).await, ("1".to_owned(), 0));
    let status = Operations::new(cluster.ports("observer")).status().await.unwrap();
    assert!(status.to_string().contains("\n  | ERROR: no such table\n"), "{status}");

    // Mended, the next release runs it.
    cluster.hooks().succeed("job");
    let outcome = releaser.run(change("2"), &plan).await.unwrap();
    assert_eq!(outcome, Outcome::Released);
}

#[tokio::test(start_paused = true)]
async fn what_takes_longer_than_it_may_has_failed() {
    let cluster = cluster();
    cluster.hooks().set("job", HookScript::Succeeds(minutes(11)));
    let plan = with(plan(), HookPoint::Deploying);
    let outcome = Releaser::new(cluster.ports("one")).run(change("2"), &plan).await.unwrap();
    assert!(reason(outcome).to_string().contains("deadline"));
}

#[tokio::test(start_paused = true)]
async fn a_runner_that_says_nothing_is_not_waited_for_without_end() {
    let cluster = cluster();
    let mut runner = crate::MockHookRunner::new();
    runner.expect_check().returning(|_| Ok(Vec::new()));
    runner.expect_run().returning(|_| Err(crate::Error::new(ErrorKind::Unavailable, "run a hook")));
    let ports = cluster.ports("one").with_hooks(Arc::new(runner));
    let plan = with(plan(), HookPoint::Deploying);
    let outcome = Releaser::new(ports).run(change("2"), &plan).await.unwrap();
    assert!(reason(outcome).to_string().contains("it had not ended by"));
}

#[tokio::test(start_paused = true)]
async fn what_takes_something_away_runs_once_the_old_slot_is_gone() {
    let cluster = cluster();
    cluster.hooks().succeed("job");
    let seen = witness(&cluster);
    let plan = with(plan(), HookPoint::Done);
    let releaser = Releaser::new(cluster.ports("one"));
    assert_eq!(releaser.run(change("2"), &plan).await.unwrap(), Outcome::Released);
    assert_eq!(*seen.lock().unwrap(), [(0, 3)]);

    let operations = releaser.operations();
    let error = operations.rollback("ann", "wrong refunds").await.unwrap_err();
    let OperationError::Contracted { hook, version } = &error else { panic!("{error:?}") };
    assert_eq!((&**hook, &**version), ("migrate", "1"));
    assert_eq!(routing(&cluster).await, Routing::all(Color::Green));
    assert_eq!(operations.status().await.unwrap().operations, ["start"]);
    // A later release that takes nothing away can be undone.
    releaser.run(change("3"), &super::plan()).await.unwrap();
    operations.rollback("ann", "wrong refunds").await.unwrap();
    assert_eq!(routing(&cluster).await, Routing::all(Color::Green));
}

#[tokio::test(start_paused = true)]
async fn a_slot_that_keeps_its_pods_keeps_what_they_need() {
    let cluster = cluster();
    cluster.hooks().succeed("job");
    cluster.load().set(Color::Blue, Some(1));
    let plan = with(plan(), HookPoint::Done);
    let releaser = Releaser::new(cluster.ports("one"));
    let outcome = releaser.run(change("2"), &plan).await.unwrap();
    let Outcome::Stuck { stuck } = outcome else { panic!("{outcome:?}") };
    assert!(stuck.message.contains("found 3 replicas, wanted 0"), "{stuck}");
    assert!(cluster.hooks().started().is_empty());

    cluster.load().set(Color::Blue, Some(0));
    cluster.edit_replicas(Color::Blue, 0);
    assert_eq!(releaser.resume().await.unwrap(), Outcome::Released);
    assert_eq!(cluster.hooks().started().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn one_that_fails_at_the_end_is_mended_and_resumed() {
    for point in [HookPoint::Retiring, HookPoint::Done] {
        let cluster = cluster();
        cluster.hooks().fail("job", "exit code 1", "locked");
        let plan = with(plan(), point);
        let releaser = Releaser::new(cluster.ports("one"));
        let outcome = releaser.run(change("2"), &plan).await.unwrap();
        let Outcome::Stuck { stuck } = outcome else { panic!("{outcome:?}") };
        assert_eq!(stuck.at, PhaseName::RunningHook);
        assert_eq!(routing(&cluster).await, Routing::all(Color::Green), "traffic stays");
        cluster.hooks().succeed("job");
        assert_eq!(releaser.resume().await.unwrap(), Outcome::Released);
        let attempts: Vec<u32> = cluster.hooks().started().iter().map(|run| run.attempt).collect();
        assert_eq!(attempts, [1, 2]);
        let record = record(&cluster).await;
        assert_eq!(record.hooks.len(), 2);
        assert!(
            matches!(&record.hooks[0].outcome, HookOutcome::Failed { log, .. } if log == "locked")
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_release_ends_without_a_hook_that_cannot_be_mended() {
    let cluster = cluster();
    cluster.hooks().fail("job", "exit code 1", "");
    let releaser = Releaser::new(cluster.ports("one"));
    let plan = with(plan(), HookPoint::Done);
    let outcome = releaser.run(change("2"), &plan).await.unwrap();
    assert!(matches!(outcome, Outcome::Stuck { .. }), "{outcome:?}");
    let operations = releaser.operations();
    let status = operations.status().await.unwrap();
    assert_eq!(status.operations, ["resume", "promote"]);
    let error = operations.abort("ann", "no").await.unwrap_err();
    assert!(matches!(error, OperationError::Contracted { .. }), "{error}");
    let status = operations.promote("ann").await.unwrap();
    assert!(matches!(status.record.unwrap().phase, Phase::Done { outcome: Outcome::Released }));
    // It may have done half of it.
    let error = operations.rollback("ann", "no").await.unwrap_err();
    assert!(matches!(error, OperationError::Contracted { .. }), "{error}");
    assert_eq!(releaser.run(change("3"), &super::plan()).await.unwrap(), Outcome::Released);
}

#[tokio::test(start_paused = true)]
async fn a_crash_starts_no_migration_twice() {
    for point in [HookPoint::Deploying, HookPoint::Shifting, HookPoint::Retiring, HookPoint::Done] {
        let cluster = cluster();
        cluster.hooks().set("job", HookScript::Succeeds(minutes(5)));
        let plan = with(plan(), point);
        let first = Releaser::new(cluster.ports("one"));
        tokio::select! {
            outcome = first.run(change("2"), &plan) => panic!("not yet: {outcome:?}"),
            () = async {
                await_phase(&cluster, PhaseName::RunningHook).await;
                tokio::time::sleep(minutes(1)).await;
            } => {}
        }
        let second = Releaser::new(cluster.ports("two"));
        assert_eq!(second.resume().await.unwrap(), Outcome::Released);
        assert_eq!(cluster.hooks().started().len(), 1, "{point}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_release_is_called_off_while_a_hook_runs() {
    for point in [HookPoint::Deploying, HookPoint::Shifting, HookPoint::Retiring] {
        let cluster = cluster();
        cluster.hooks().set("job", HookScript::Succeeds(minutes(5)));
        let plan = with(plan(), point);
        let releaser = Releaser::new(cluster.ports("one"));
        let release = tokio::spawn(async move { releaser.run(change("2"), &plan).await });
        await_phase(&cluster, PhaseName::RunningHook).await;
        Operations::new(cluster.ports("two")).abort("ann", "wrong one").await.unwrap();
        let reason = reason(release.await.unwrap().unwrap());
        assert!(matches!(reason, Reason::Aborted { .. }), "{point}: {reason}");
        assert_eq!(routing(&cluster).await, Routing::all(Color::Blue), "{point}");
        assert_eq!(running(&cluster, Color::Green).await, ("1".to_owned(), 0), "{point}");
        let history = Operations::new(cluster.ports("observer")).history().await.unwrap();
        assert_eq!(history.len(), 1, "{point}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_hook_that_nothing_runs_is_a_problem_before_the_release() {
    let cluster = cluster();
    let mut ports = cluster.ports("one");
    ports.hooks = None;
    let plan = with(plan(), HookPoint::Deploying);
    let problems = Releaser::new(ports).check(&change("2"), &plan).await.unwrap();
    let problem = problems.iter().find(|it| it.code == "hooks").unwrap();
    assert!(problem.wanted.contains("Ports::with_hooks"), "{problem}");
    // Nor is one that the runner does not know.
    let problems = Releaser::new(cluster.ports("one")).check(&change("2"), &plan).await.unwrap();
    assert!(problems.iter().any(|it| it.code == "hook-missing"), "{problems:?}");
}

#[tokio::test(start_paused = true)]
async fn a_process_without_a_runner_leaves_the_release_to_another() {
    let cluster = cluster();
    cluster.hooks().set("job", HookScript::Succeeds(minutes(5)));
    let plan = with(plan(), HookPoint::Deploying);
    let first = Releaser::new(cluster.ports("one"));
    tokio::select! {
        outcome = first.run(change("2"), &plan) => panic!("not yet: {outcome:?}"),
        () = await_phase(&cluster, PhaseName::RunningHook) => {}
    }
    let mut ports = cluster.ports("two");
    ports.hooks = None;
    let outcome = Releaser::new(ports).resume().await.unwrap();
    let Outcome::Stuck { stuck } = outcome else { panic!("{outcome:?}") };
    assert!(stuck.advice.contains("Ports::with_hooks"), "{stuck}");
    let outcome = Releaser::new(cluster.ports("three")).resume().await.unwrap();
    assert_eq!(outcome, Outcome::Released);
}
