use std::time::Duration;

use bluegreen_core::clock::minutes;
use bluegreen_core::{Color, Epoch, Intent, Plan, Problem, ResolvedChange, Role, Slot as _};
use serde_json::{Value, json};

use super::super::tests::{change, deployment, slot_of};
use super::super::{DeploymentSlot, PATIENCE};
use crate::Settings;
use crate::stand_in::{Denial, StandIn};

struct World {
    stand_in: StandIn,
    idle: DeploymentSlot,
    live: DeploymentSlot,
    change: ResolvedChange,
}

impl World {
    async fn new(idle: Value) -> Self {
        let stand_in = StandIn::new();
        let live = slot_of(&stand_in, Color::Blue, deployment(Color::Blue, 2)).await;
        let idle = slot_of(&stand_in, Color::Green, idle).await;
        let change = change(&live, "registry.example.com/agent:2").await;
        let (live, idle) = (live.with_other("agent-green"), idle.with_other("agent-blue"));
        Self { stand_in, idle, live, change }
    }

    async fn check(&self, plan: Plan) -> Vec<Problem> {
        let intent = Intent::new(Role::Idle, self.change.clone(), 2, plan);
        self.idle.check(&intent).await.unwrap()
    }

    /// Codes and objects of the problems, without the warnings.
    async fn refusals(&self, plan: Plan) -> Vec<(String, String)> {
        let problems = self.check(plan).await;
        problems
            .into_iter()
            .filter(Problem::is_refusal)
            .map(|problem| (problem.code, problem.object))
            .collect()
    }

    fn codes(refusals: &[(String, String)]) -> Vec<&str> {
        refusals.iter().map(|(code, _)| code.as_str()).collect()
    }
}

fn plan() -> Plan {
    Plan::all_at_once()
}

#[tokio::test]
async fn a_good_pair_has_no_problems_and_nothing_is_changed_by_looking() {
    let world = World::new(deployment(Color::Green, 0)).await;
    let before = world.stand_in.object("deployments.apps", "agents", "agent-green");
    assert_eq!(world.refusals(plan()).await, []);
    assert_eq!(world.stand_in.object("deployments.apps", "agents", "agent-green"), before);
    let intent = Intent::new(Role::Live, world.change.clone(), 2, plan());
    let problems = world.live.check(&intent).await.unwrap();
    assert!(!problems.iter().any(Problem::is_refusal), "{problems:?}");
}

#[tokio::test]
async fn every_fault_of_the_shape_is_named_at_once() {
    let mut idle = deployment(Color::Green, 0);
    let spec = &mut idle["spec"];
    spec["paused"] = true.into();
    spec["selector"]["matchLabels"] = json!({"app": "agent"});
    let pod = &mut spec["template"]["spec"];
    pod["containers"][0].as_object_mut().unwrap().remove("readinessProbe");
    pod["containers"][0]["resources"] = json!({"requests": {"cpu": "1"}});
    let world = World::new(idle).await;
    let refusals = world.refusals(plan()).await;
    let codes = World::codes(&refusals);
    for code in [
        "paused",
        "selector-lacks-slot",
        "selectors-overlap",
        "no-readiness-probe",
        "template-differs",
        "foreign-pods",
    ] {
        assert!(codes.contains(&code), "{code} is missing: {refusals:?}");
    }
}

#[tokio::test]
async fn a_difference_between_the_templates_may_be_allowed_by_its_path() {
    let mut idle = deployment(Color::Green, 0);
    idle["spec"]["template"]["spec"]["dnsPolicy"] = "Default".into();
    let world = World::new(idle).await;
    let path = "spec.template.spec.dnsPolicy";
    let refusals = world.refusals(plan()).await;
    assert_eq!(World::codes(&refusals), ["template-differs"]);
    assert!(refusals[0].1.ends_with(path), "{refusals:?}");
    let allowing = |name: &str| -> Plan {
        serde_json::from_value(json!({"allow": [{"code": "template-differs", "name": name}]}))
            .unwrap()
    };
    assert_eq!(world.refusals(allowing(path)).await, []);
    assert_eq!(world.refusals(allowing("spec.template.spec.other")).await, refusals);
}

#[tokio::test]
async fn a_missing_deployment_is_a_problem_and_not_an_error() {
    let world = World::new(deployment(Color::Green, 0)).await;
    let client = world.stand_in.client("agents");
    let settings = Settings::new("agent", "agents");
    let missing = DeploymentSlot::new(client, settings, Color::Green, "missing");
    assert_eq!(missing.patience, PATIENCE);
    let intent = Intent::new(Role::Idle, world.change.clone(), 2, plan());
    let problems = missing.check(&intent).await.unwrap();
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].code, "no-deployment");
}

#[tokio::test]
async fn a_missing_right_is_named_and_hides_nothing_else() {
    let world = World::new(deployment(Color::Green, 0)).await;
    world.stand_in.deny(Denial::new("patch", "deployments"));
    world.stand_in.deny(Denial::new("list", "horizontalpodautoscalers"));
    let refusals = world.refusals(plan()).await;
    assert_eq!(World::codes(&refusals), ["rights", "rights"]);
    assert!(refusals[0].1.ends_with("patch deployments of apps"), "{refusals:?}");
}

#[tokio::test]
async fn a_reconciler_is_refused_unless_it_is_allowed_by_name() {
    let mut idle = deployment(Color::Green, 0);
    idle["metadata"]["annotations"] = json!({"argocd.argoproj.io/tracking-id": "x"});
    let world = World::new(idle).await;
    assert_eq!(World::codes(&world.refusals(plan()).await), ["gitops-owner"]);
    let allowing = serde_json::from_value(
        json!({"allow": [{"code": "gitops-owner", "name": "argocd-controller"}]}),
    )
    .unwrap();
    assert_eq!(world.refusals(allowing).await, []);
}

/// What is refused where half a processor for each of two pods is more than a quota has left, if
/// the quota counts them.
async fn refused_by_quota(scopes: &Value) -> Vec<(String, String)> {
    let mut idle = deployment(Color::Green, 0);
    let needs = json!({"requests": {"cpu": "500m"}});
    idle["spec"]["template"]["spec"]["containers"][0]["resources"] = needs;
    let world = World::new(idle).await;
    let quotas: kube::Api<kube::core::DynamicObject> = kube::Api::namespaced_with(
        world.stand_in.client("agents"),
        "agents",
        &kube::discovery::ApiResource::erase::<k8s_openapi::api::core::v1::ResourceQuota>(&()),
    );
    let quota = json!({
        "apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "small"},
        "spec": {"hard": {"requests.cpu": "1500m", "pods": "10"}, "scopes": scopes},
        "status": {
            "hard": {"requests.cpu": "1500m", "pods": "10"},
            "used": {"requests.cpu": "1", "pods": "2"},
        },
    });
    let quota = serde_json::from_value(quota).unwrap();
    quotas.create(&kube::api::PostParams::default(), &quota).await.unwrap();
    let status = kube::api::Patch::Merge(json!({"status": quota.data["status"]}));
    quotas.patch_status("small", &kube::api::PatchParams::default(), &status).await.unwrap();
    world.refusals(plan().allow("template-differs")).await
}

#[tokio::test]
async fn a_quota_without_room_for_both_slots_is_refused() {
    for scopes in [json!(null), json!(["NotBestEffort", "NotTerminating"])] {
        let refusals = refused_by_quota(&scopes).await;
        assert_eq!(World::codes(&refusals), ["quota"], "{scopes}");
        assert_eq!(refusals[0].1, "ResourceQuota small, requests.cpu");
    }
}

#[tokio::test]
async fn a_quota_for_other_pods_is_no_matter() {
    for scopes in [json!(["Terminating"]), json!(["NotTerminating", "PriorityClass"])] {
        let refusals = refused_by_quota(&scopes).await;
        assert!(refusals.is_empty(), "{scopes}: {refusals:?}");
    }
}

#[tokio::test]
async fn a_change_that_does_not_fit_is_found_before_it_is_tried() {
    let mut idle = deployment(Color::Green, 0);
    idle["spec"]["template"]["spec"]["containers"][0]["name"] = "other".into();
    let world = World::new(idle).await;
    let refusals = world.refusals(plan().allow("template-differs")).await;
    assert_eq!(World::codes(&refusals), ["write-refused"]);
}

#[tokio::test]
async fn a_live_slot_without_pods_is_refused() {
    let world = World::new(deployment(Color::Green, 0)).await;
    world.live.scale(0, Epoch::new(1)).await.unwrap();
    let intent = Intent::new(Role::Live, world.change.clone(), 2, plan());
    let problems = world.live.check(&intent).await.unwrap();
    let refused: Vec<_> = problems.iter().filter(|problem| problem.is_refusal()).collect();
    assert_eq!(refused.len(), 1, "{problems:?}");
    assert_eq!(refused[0].code, "no-live-pods");
}

/// What is found of a pod that gets so many seconds to end, and does this first, where a stream
/// lasts five minutes.
async fn found_of(grace: u64, hook: Value) -> Vec<Problem> {
    let mut idle = deployment(Color::Green, 0);
    let pod = &mut idle["spec"]["template"]["spec"];
    pod["terminationGracePeriodSeconds"] = grace.into();
    pod["containers"][0]["lifecycle"] = json!({"preStop": hook});
    let world = World::new(idle).await;
    let plan = plan().longest_stream(minutes(5)).allow("template-differs");
    let mut found = world.check(plan).await;
    found.retain(|problem| problem.code == "grace-below-stream");
    found
}

#[tokio::test]
async fn a_stream_that_is_longer_than_a_pod_may_take_to_end_is_refused() {
    let world = World::new(deployment(Color::Green, 0)).await;
    let refusals = world.refusals(plan().longest_stream(minutes(5))).await;
    assert_eq!(World::codes(&refusals), ["grace-below-stream"]);
    let wanted = "Deployment agents/agent-green, terminationGracePeriodSeconds";
    assert_eq!(refusals[0].1, wanted);
    let intent =
        Intent::new(Role::Live, world.change.clone(), 2, plan().longest_stream(minutes(5)));
    let live = world.live.check(&intent).await.unwrap();
    assert!(live.iter().any(|it| it.code == "grace-below-stream" && it.is_refusal()), "{live:?}");
    let allowing = plan().longest_stream(minutes(5)).allow("grace-below-stream");
    assert_eq!(world.refusals(allowing).await, []);
    assert_eq!(world.refusals(plan().longest_stream(Duration::from_secs(30))).await, []);
}

#[tokio::test]
async fn a_sleep_before_the_end_is_no_time_for_a_stream() {
    let sleeps = [
        json!({"sleep": {"seconds": 15}}),
        json!({"exec": {"command": ["sleep", "15"]}}),
        json!({"exec": {"command": ["/bin/sh", "-c", "/bin/sleep 15s"]}}),
    ];
    for sleep in sleeps {
        let found = found_of(314, sleep.clone()).await;
        let [problem] = found.as_slice() else { panic!("{sleep}: {found:?}") };
        assert_eq!(problem.found, "314 s, with a preStop sleep of 15 s");
        assert!(problem.wanted.starts_with("at least 315 s"), "{problem}");
        assert_eq!(found_of(315, sleep).await, []);
    }
    assert_eq!(found_of(300, json!({"exec": {"command": ["/drain", "now"]}})).await, []);
}
