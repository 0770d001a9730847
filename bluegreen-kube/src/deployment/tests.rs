use std::sync::Arc;

use bluegreen_core::conformance::slot::SlotFixture;
use bluegreen_core::{Change, ResolvedChange};
use serde_json::{Value, json};

use super::*;
use crate::stand_in::StandIn;

bluegreen_core::slot_conformance_tests!(async || {
    let stand_in = StandIn::new();
    let slot = slot(&stand_in, Color::Green, 0).await;
    let other = slot_of(&stand_in, Color::Blue, deployment(Color::Blue, 2)).await;
    SlotFixture {
        config: Some("agent-prompts".to_owned()),
        good: change(&slot, "registry.example.com/agent:2").await,
        better: change(&slot, "registry.example.com/agent:3").await,
        broken: change(&slot, "registry.example.com/does-not-exist:1").await,
        slot: Arc::new(slot),
        other: Arc::new(other),
        guard: Box::new(stand_in),
    }
});

pub(crate) fn deployment(color: Color, replicas: u32) -> Value {
    let labels = json!({"app": "agent", "slot": color, "version": "1"});
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": format!("agent-{color}"), "labels": labels},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "agent", "slot": color}},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{
                    "name": "agent",
                    "image": "registry.example.com/agent:1",
                    "ports": [{"containerPort": 8080}],
                    "env": [
                        {"name": "AGENT_VERSION", "value": "1"},
                        {"name": "MODEL_URL", "value": "http://models/?a=1&b=<2>"},
                        {"name": "KEY", "valueFrom": {
                            "secretKeyRef": {"name": "keys", "key": "model", "optional": true},
                        }},
                    ],
                    "envFrom": [{"configMapRef": {"name": "agent-prompts", "optional": true}}],
                    "readinessProbe": {"httpGet": {"path": "/readyz", "port": 8080}},
                }]},
            },
        },
    })
}

pub(super) async fn slot(stand_in: &StandIn, color: Color, replicas: u32) -> DeploymentSlot {
    slot_of(stand_in, color, deployment(color, replicas)).await
}

pub(super) async fn slot_of(stand_in: &StandIn, color: Color, deployment: Value) -> DeploymentSlot {
    let client = stand_in.client("agents");
    let settings = Settings::new("agent", "agents");
    let name = deployment["metadata"]["name"].as_str().unwrap().to_owned();
    let slot = DeploymentSlot::new(client, settings, color, name);
    let object: DynamicObject = serde_json::from_value(deployment).unwrap();
    slot.api.create(&kube::api::PostParams::default(), &object).await.unwrap();
    slot
}

pub(super) async fn change(slot: &DeploymentSlot, image: &str) -> ResolvedChange {
    let live = slot.state().await.unwrap().running;
    Change::image("agent", image).resolve(&live, "AGENT_VERSION").unwrap()
}

const GREEN: (&str, &str, &str) = ("deployments.apps", "agents", "agent-green");

fn object(stand_in: &StandIn) -> Value {
    stand_in.object(GREEN.0, GREEN.1, GREEN.2).unwrap()
}

#[tokio::test]
async fn a_deploy_is_one_write_and_a_revert_restores_the_object() {
    let stand_in = StandIn::new();
    let slot = slot(&stand_in, Color::Green, 1).await;
    let (epoch, found) = (Epoch::new(1), object(&stand_in));
    slot.fence(epoch).await.unwrap();
    let change = change(&slot, "registry.example.com/agent:2").await;
    let patches = stand_in.count("patch", "deployments");
    slot.deploy(&change, 3, epoch).await.unwrap();
    assert_eq!(stand_in.count("patch", "deployments"), patches + 1);

    let open = object(&stand_in);
    assert_eq!(open["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"], "100%");
    assert_eq!(open["metadata"]["labels"]["version"], change.version());
    assert_eq!(open["metadata"]["annotations"]["bluegreen.dev/digest"], change.digest.as_str());
    assert_eq!(slot.await_ready().await.unwrap().digest(), change.digest);

    slot.revert(epoch).await.unwrap();
    let back = object(&stand_in);
    assert_eq!(back["spec"], found["spec"]);
    assert_eq!(back["metadata"]["labels"], found["metadata"]["labels"]);
    let mut annotations = back["metadata"]["annotations"].clone();
    assert_eq!(annotations["bluegreen.dev/epoch"], "1");
    annotations.as_object_mut().unwrap().retain(|key, _| key.starts_with("bluegreen.dev/"));
    assert_eq!(annotations, json!({"bluegreen.dev/epoch": "1"}));
}

#[tokio::test]
async fn a_deploy_builds_on_what_it_has_read() {
    let stand_in = StandIn::new();
    let slot = slot(&stand_in, Color::Green, 1).await;
    slot.fence(Epoch::new(1)).await.unwrap();
    let change = change(&slot, "registry.example.com/agent:2").await;
    let read = slot.get().await.unwrap();
    let operations =
        patch::deploy(slot.seen(&read), &slot.settings, &change, 2, Epoch::new(1)).unwrap();
    let meddled = json!({"spec": {"template": {"spec": {"terminationGracePeriodSeconds": 9}}}});
    assert!(stand_in.edit("kubectl-edit", GREEN.0, GREEN.1, GREEN.2, &meddled));
    let error = write::send(&slot, "deploy", operations.unwrap(), false).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{}", error.chain());
    assert_eq!(slot.state().await.unwrap().running.version.as_deref(), Some("1"));
}

/// What was read a moment ago is remembered, and neither hides a foreign write nor undoes it.
#[tokio::test]
async fn a_write_is_decided_anew_when_what_is_remembered_has_changed() {
    let stand_in = StandIn::new();
    let slot = slot(&stand_in, Color::Green, 1).await;
    slot.fence(Epoch::new(1)).await.unwrap();
    let change = change(&slot, "registry.example.com/agent:2").await;
    let meddled = json!({"spec": {"template": {"spec": {"terminationGracePeriodSeconds": 9}}}});
    assert!(stand_in.edit("kubectl-edit", GREEN.0, GREEN.1, GREEN.2, &meddled));
    let patches = stand_in.count("patch", "deployments");
    slot.deploy(&change, 1, Epoch::new(1)).await.unwrap();
    assert_eq!(stand_in.count("patch", "deployments"), patches + 2, "refused once");
    let template = &object(&stand_in)["spec"]["template"]["spec"];
    assert_eq!(template["terminationGracePeriodSeconds"], 9, "the foreign write stays");
    assert_eq!(template["containers"][0]["image"], "registry.example.com/agent:2");
}

#[tokio::test]
async fn a_fence_that_another_driver_set_meanwhile_is_seen() {
    let stand_in = StandIn::new();
    let slot = slot(&stand_in, Color::Green, 1).await;
    let other = slot.clone().sharing(&Recent::default(), &Rules::default());
    slot.fence(Epoch::new(1)).await.unwrap();
    other.fence(Epoch::new(3)).await.unwrap();
    // It remembers epoch 1, which was good a moment ago.
    for stale in [slot.fence(Epoch::new(2)).await, slot.scale(2, Epoch::new(2)).await] {
        assert_eq!(stale.unwrap_err().kind(), ErrorKind::Conflict);
    }
    let change = change(&other, "registry.example.com/agent:2").await;
    slot.state().await.unwrap();
    other.fence(Epoch::new(4)).await.unwrap();
    let stale = slot.deploy(&change, 1, Epoch::new(3)).await.unwrap_err();
    assert_eq!(stale.kind(), ErrorKind::Conflict, "{}", stale.chain());
    assert_eq!(object(&stand_in)["metadata"]["annotations"]["bluegreen.dev/epoch"], "4");
}

#[tokio::test]
async fn a_scale_that_was_decided_before_a_fence_comes_too_late() {
    let stand_in = StandIn::new();
    let slot = slot(&stand_in, Color::Green, 1).await;
    slot.fence(Epoch::new(1)).await.unwrap();
    let read = slot.get().await.unwrap();
    slot.fence(Epoch::new(2)).await.unwrap();
    let error = write::send_scale(&slot, "scale", &read, 5, false).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{}", error.chain());
    assert_eq!(slot.state().await.unwrap().replicas.wanted, 1);
}

#[tokio::test]
async fn a_commit_leaves_a_strategy_that_somebody_has_set_meanwhile() {
    let stand_in = StandIn::new();
    let slot = slot(&stand_in, Color::Green, 1).await;
    let epoch = Epoch::new(1);
    let change = change(&slot, "registry.example.com/agent:2").await;
    slot.deploy(&change, 1, epoch).await.unwrap();
    let recreate = json!({"spec": {"strategy": {"type": "Recreate", "rollingUpdate": null}}});
    assert!(stand_in.edit("kubectl-edit", GREEN.0, GREEN.1, GREEN.2, &recreate));
    slot.commit(epoch).await.unwrap();
    assert_eq!(object(&stand_in)["spec"]["strategy"], json!({"type": "Recreate"}));
    assert!(!slot.state().await.unwrap().open);
}

#[tokio::test]
async fn a_pod_says_why_it_does_not_start() {
    let stand_in = StandIn::new();
    let slot = slot(&stand_in, Color::Green, 0).await;
    let change = change(&slot, "registry.example.com/does-not-exist:1").await;
    slot.deploy(&change, 1, Epoch::new(1)).await.unwrap();
    let error = slot.await_ready().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected);
    let chain = error.chain();
    for part in
        ["roll out deployment agent-green", "pod agent-green-", "container agent", "does-not-exist"]
    {
        assert!(chain.contains(part), "{chain}");
    }
    let state = slot.state().await.unwrap();
    assert!(state.pods[0].trouble.as_deref().unwrap().contains("ImagePull"), "{:?}", state.pods);
}

#[tokio::test]
async fn pods_of_others_do_not_count() {
    let stand_in = StandIn::new();
    let slot = slot(&stand_in, Color::Green, 1).await;
    slot.await_ready().await.unwrap();
    let pod = json!({
        "metadata": {"name": "debug", "labels": {"app": "agent", "slot": "green"}},
        "spec": {"containers": [{"name": "shell", "image": "shell:1"}]},
    });
    slot.pods
        .create(&kube::api::PostParams::default(), &serde_json::from_value(pod).unwrap())
        .await
        .unwrap();
    let state = slot.state().await.unwrap();
    assert_eq!(state.pods.len(), 1);
    assert_eq!(state.replicas, bluegreen_core::Replicas::new(1, 1, 1));
}

#[tokio::test]
async fn a_wait_ends_when_the_deployment_is_deleted() {
    let stand_in = StandIn::new();
    let slot = slot(&stand_in, Color::Green, 1).await;
    let known = slot.await_ready().await.unwrap();
    let how = kube::api::DeleteParams::default();
    let (watched, deleted) = tokio::join!(slot.watch(&known), slot.api.delete("agent-green", &how));
    deleted.unwrap();
    // Its pods may be seen to go first.
    if let Err(error) = watched {
        assert_eq!(error.kind(), ErrorKind::NotFound, "{}", error.chain());
    }
    assert_eq!(slot.await_ready().await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(slot.state().await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn who_else_has_written_is_named_by_its_field_manager() {
    let stand_in = StandIn::new();
    let slot = slot(&stand_in, Color::Green, 1).await;
    slot.fence(Epoch::new(1)).await.unwrap();
    let by = |manager: &str| kube::api::PatchParams {
        field_manager: Some(manager.to_owned()),
        ..kube::api::PatchParams::default()
    };
    let patch = kube::api::Patch::Merge(json!({"spec": {"replicas": 2}}));
    slot.api.patch("agent-green", &by("kubectl-edit"), &patch).await.unwrap();
    assert_eq!(slot.author().await.unwrap().as_deref(), Some("kubectl-edit"));
    let patch = kube::api::Patch::Merge(json!({"metadata": {"labels": {"team": "agents"}}}));
    slot.api.patch("agent-green", &by("kubectl-label"), &patch).await.unwrap();
    assert_eq!(slot.author().await.unwrap().as_deref(), Some("kubectl-edit"));
}

#[tokio::test]
async fn without_the_right_to_read_secrets_there_are_no_caveats() {
    let stand_in = StandIn::new();
    stand_in.deny(crate::stand_in::Denial::new("get", "secrets"));
    let slot = slot(&stand_in, Color::Green, 1).await;
    slot.await_ready().await.unwrap();
    assert_eq!(slot.caveats().await.unwrap(), Vec::<String>::new());
}
