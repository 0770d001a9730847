//! Jobs on the stand-in.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bluegreen_core::conformance::hooks::HooksFixture;
use bluegreen_core::plan::HookPoint;
use bluegreen_core::{Digest, ReleaseId, Timestamp, clock::minutes};
use kube::api::ListParams;
use serde_json::{Value, json};

use super::*;
use crate::stand_in::{Denial, JobEnd, StandIn};

const NAMESPACE: &str = "agents";

/// A suspended `CronJob` whose Job has the agent's container and another one.
fn cron_job(name: &str, image: &str) -> Value {
    json!({
        "apiVersion": "batch/v1", "kind": "CronJob",
        "metadata": {"name": name},
        "spec": {
            "schedule": "0 0 1 1 *", "suspend": true,
            "jobTemplate": {
                "metadata": {"labels": {"team": "data"}},
                "spec": {"backoffLimit": 0, "template": {
                    "metadata": {"labels": {"app": "migrations"}},
                    "spec": {
                        "restartPolicy": "Never",
                        "containers": [
                            {"name": "migrate", "image": image, "env": [
                                {"name": "PASSWORD", "value": "planted-password"},
                                {"name": "BLUEGREEN_SLOT", "value": "mine"},
                            ]},
                            {"name": "agent", "image": "registry.example.com/agent:1"},
                        ],
                    },
                }},
            },
        },
    })
}

async fn world() -> (StandIn, JobHooks) {
    let stand_in = StandIn::new();
    let client = stand_in.client(NAMESPACE);
    let hooks = JobHooks::new(client, Settings::new("agent", NAMESPACE));
    for name in ["good", "bad", "slow"] {
        apply(&hooks, cron_job(name, &format!("registry.example.com/{name}:1"))).await;
    }
    stand_in.jobs_end("/good:", JobEnd::Completes);
    let log = "connecting with planted-password\n\u{1b}[31mERROR\u{1b}[0m: no such table\n".into();
    stand_in.jobs_end("/bad:", JobEnd::Fails { code: 3, log });
    (stand_in, hooks)
}

async fn apply(hooks: &JobHooks, object: Value) {
    let object: DynamicObject = serde_json::from_value(object).unwrap();
    hooks.cron_jobs.create(&PostParams::default(), &object).await.unwrap();
}

fn hook(name: &str) -> Hook {
    Hook::before(HookPoint::Deploying, name, format!("cronjob/{name}"))
}

fn run(name: &str) -> HookRun {
    let deadline = SystemClock.now().plus(minutes(10));
    let mut run = HookRun::new(ReleaseId::new("r7"), hook(name), deadline);
    run.version = "1.3.0".to_owned();
    run.digest = Digest::of(["candidate"]);
    run.images = BTreeMap::from([("agent".to_owned(), "registry.example.com/agent:2".to_owned())]);
    run
}

async fn fixture() -> HooksFixture {
    let (stand_in, hooks) = world().await;
    let jobs = hooks.jobs.clone();
    HooksFixture {
        good: hook("good"),
        bad: hook("bad"),
        missing: hook("missing"),
        deadline: SystemClock.now().plus(minutes(10)),
        starts: Box::new(move || {
            let jobs = jobs.clone();
            Box::pin(async move { jobs.list(&ListParams::default()).await.unwrap().items.len() })
        }),
        runner: Arc::new(hooks),
        guard: Box::new(stand_in),
    }
}

bluegreen_core::hooks_conformance_tests! { conformance: async || fixture().await }

#[tokio::test]
async fn a_job_is_what_its_cron_job_says_with_what_is_released() {
    let (stand_in, hooks) = world().await;
    assert_eq!(hooks.run(&run("good")).await.unwrap(), HookOutcome::Succeeded);
    let job = stand_in.object("jobs.batch", NAMESPACE, "agent-r7-good-1").unwrap();
    let (labels, spec) = (&job["metadata"]["labels"], &job["spec"]);
    assert_eq!(labels["team"], "data");
    assert_eq!(labels["bluegreen.dev/purpose"], "hook");
    assert_eq!(spec["template"]["metadata"]["labels"]["app"], "migrations");
    assert_eq!(job["metadata"]["annotations"]["bluegreen.dev/release"], "r7");
    assert!(job["metadata"]["ownerReferences"].is_null(), "its history is not the CronJob's");
    assert_eq!((&spec["backoffLimit"], &spec["suspend"]), (&json!(0), &json!(false)));
    assert_eq!(spec["ttlSecondsAfterFinished"], 604_800);
    let deadline = spec["activeDeadlineSeconds"].as_i64().unwrap();
    assert!((590..=600).contains(&deadline), "{deadline}");

    let containers = &spec["template"]["spec"]["containers"];
    assert_eq!(containers[0]["image"], "registry.example.com/good:1");
    assert_eq!(containers[1]["image"], "registry.example.com/agent:2");
    let env = containers[0]["env"].as_array().unwrap();
    let value = |name: &str| {
        let mut found = env.iter().filter(|it| it["name"] == name);
        let value = found.next().unwrap()["value"].as_str().unwrap();
        assert!(found.next().is_none(), "{name} is there once");
        value
    };
    assert_eq!(value("BLUEGREEN_RELEASE"), "r7");
    assert_eq!(value("BLUEGREEN_VERSION"), "1.3.0");
    assert_eq!(value("BLUEGREEN_DIGEST"), Digest::of(["candidate"]).as_str());
    assert_eq!((value("BLUEGREEN_SLOT"), value("PASSWORD")), ("green", "planted-password"));
}

#[tokio::test]
async fn a_template_s_own_limits_stay_where_they_are_the_stricter_ones() {
    let (_, hooks) = world().await;
    let mut object = cron_job("strict", "registry.example.com/good:1");
    let spec = &mut object["spec"]["jobTemplate"]["spec"];
    (spec["activeDeadlineSeconds"], spec["ttlSecondsAfterFinished"]) = (json!(60), json!(100));
    spec["suspend"] = json!(true);
    let object: DynamicObject = serde_json::from_value(object).unwrap();
    let now = Timestamp::from_unix_millis(1_764_000_000_000);
    let mut run = run("strict");
    run.deadline = now.plus(minutes(10));
    let made = job::made(&hooks.settings, &object, &run, now).unwrap();
    assert_eq!(made.data["spec"]["activeDeadlineSeconds"], 60);
    // Whoever comes back after a crash has to find it.
    assert_eq!(made.data["spec"]["ttlSecondsAfterFinished"], 86_400);
    assert!(made.data["spec"]["suspend"].is_null());
    run.hook.name = "a".repeat(63);
    let name = job::name(&hooks.settings, &run);
    assert!(name.len() <= 63, "{name}");
    run.attempt = 2;
    assert_ne!(job::name(&hooks.settings, &run), name);
}

#[tokio::test]
async fn a_failure_tells_what_its_pod_said_and_no_secret() {
    let (_, hooks) = world().await;
    let outcome = hooks.run(&run("bad")).await.unwrap();
    let HookOutcome::Failed { reason, log } = outcome else { panic!("{outcome:?}") };
    assert_eq!(
        reason,
        "job agent-r7-bad-1: BackoffLimitExceeded: Job has reached the specified backoff limit; pod \
         agent-r7-bad-1-0, container agent ended with exit code 3 (Error)"
    );
    assert_eq!(log, "connecting with ***\nERROR: no such table");
}

#[tokio::test]
async fn without_the_right_to_logs_a_failure_is_told_without_one() {
    let (stand_in, hooks) = world().await;
    stand_in.deny(Denial::new("get", "pods/log"));
    let problems = hooks.check(&hook("bad")).await.unwrap();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(!problems[0].is_refusal() && problems[0].mend.contains("rbac-hooks.yaml"));
    let outcome = hooks.run(&run("bad")).await.unwrap();
    let HookOutcome::Failed { reason, log } = outcome else { panic!("{outcome:?}") };
    assert!(log.is_empty() && reason.contains("exit code 3 (Error); its log could not be read"));
}

#[tokio::test]
async fn a_job_that_somebody_deletes_has_failed() {
    let (stand_in, hooks) = world().await;
    let slow = run("slow");
    let waiting = hooks.run(&slow);
    let deleting = async {
        while stand_in.object("jobs.batch", NAMESPACE, "agent-r7-slow-1").is_none() {
            tokio::task::yield_now().await;
        }
        while stand_in.count("watch", "jobs") < 2 {
            tokio::task::yield_now().await;
        }
        hooks.jobs.delete("agent-r7-slow-1", &kube::api::DeleteParams::default()).await.unwrap();
    };
    let both = async { tokio::join!(waiting, deleting).0 };
    let outcome = tokio::time::timeout(Duration::from_secs(30), both).await.unwrap().unwrap();
    let HookOutcome::Failed { reason, .. } = outcome else { panic!("{outcome:?}") };
    assert!(reason.contains("was deleted before it had ended"), "{reason}");
}

#[tokio::test]
async fn what_an_earlier_release_left_running_ends_first() {
    let (stand_in, hooks) = world().await;
    let mut earlier = run("slow");
    earlier.release = ReleaseId::new("r6");
    hooks.begin(&earlier).await.unwrap();
    let mut next = run("slow");
    next.deadline = SystemClock.now().plus(Duration::from_millis(300));
    let error = hooks.run(&next).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected);
    assert!(error.chain().contains("still under way since before: job agent-r6-slow-1"), "{error}");
    assert!(stand_in.object("jobs.batch", NAMESPACE, "agent-r7-slow-1").is_none());

    let next = run("slow");
    let ending = async {
        while stand_in.count("watch", "jobs") < 2 {
            tokio::task::yield_now().await;
        }
        stand_in.jobs_end("/slow:", JobEnd::Completes);
    };
    let both = async { tokio::join!(hooks.run(&next), ending).0 };
    let outcome = tokio::time::timeout(Duration::from_secs(30), both).await.unwrap().unwrap();
    assert_eq!(outcome, HookOutcome::Succeeded);
}

#[tokio::test]
async fn somebody_else_s_job_of_the_same_name_is_not_taken_for_ours() {
    let (_, hooks) = world().await;
    let mut other = run("good");
    other.digest = Digest::of(["another candidate"]);
    hooks.run(&other).await.unwrap();
    let error = hooks.run(&run("good")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected);
    assert!(error.chain().contains("it is of something else"), "{}", error.chain());
}

#[tokio::test]
async fn everything_in_the_way_is_said_before_a_release() {
    let (stand_in, hooks) = world().await;
    let mut object = cron_job("loud", "registry.example.com/good:1");
    object["spec"]["suspend"] = json!(false);
    let pod = &mut object["spec"]["jobTemplate"]["spec"]["template"];
    pod["metadata"]["labels"]["slot"] = json!("blue");
    apply(&hooks, object).await;
    let mut object = cron_job("refused", "registry.example.com/good:1");
    object["spec"]["jobTemplate"]["spec"]["template"]["spec"]["restartPolicy"] = json!("Always");
    apply(&hooks, object).await;

    let codes = async |hook: Hook| {
        let problems = hooks.check(&hook).await.unwrap();
        problems.into_iter().map(|it| it.code).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(codes(hook("loud")).await, "hook-scheduled hook-labels");
    assert_eq!(codes(hook("refused")).await, "write-refused");
    assert_eq!(codes(hook("missing")).await, "hook-missing");
    assert_eq!(codes(Hook::before(HookPoint::Done, "x", "job/x")).await, "hook-run");
    assert_eq!(codes(hook("good")).await, "");
    assert!(stand_in.object("jobs.batch", NAMESPACE, "agent-preflight-good-1").is_none());

    for verb in ["get", "list", "watch", "create"] {
        stand_in.deny(Denial::new(verb, "jobs"));
        let problems = JobHooks::new(stand_in.client(NAMESPACE), hooks.settings.clone());
        let problems = problems.check(&hook("good")).await.unwrap();
        stand_in.allow_all();
        let objects: Vec<&str> = problems.iter().map(|it| it.object.as_str()).collect();
        assert_eq!(objects, [format!("namespace agents, right to {verb} jobs of batch")]);
    }
}
