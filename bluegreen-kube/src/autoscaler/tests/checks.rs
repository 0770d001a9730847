//! What preflight says of autoscalers.

use bluegreen_core::{Configuration, Container, Intent, Role};

use super::*;

fn intent(role: Role, replicas: u32, plan: Plan) -> Intent {
    let containers = [("agent".to_owned(), Container::new("registry.example.com/agent:1"))];
    let configuration = Configuration::new(containers.into()).with_version("1-green");
    Intent::new(role, ResolvedChange::exactly(configuration), replicas, plan)
}

/// What is said of autoscalers, among all that preflight says of green.
async fn told(stand_in: &StandIn, replicas: u32, plan: Plan) -> Vec<Problem> {
    let intent = intent(Role::Idle, replicas, plan);
    let mut problems = slot(stand_in, Color::Green).check(&intent).await.unwrap();
    let is_of_one = |it: &Problem| {
        it.code.starts_with("autoscaler")
            || it.object.contains("utoscaler")
            || it.object.contains("ScaledObject")
            || it.object.contains("scaledobjects")
    };
    problems.retain(is_of_one);
    problems
}

fn plan(standby: u32) -> Plan {
    let mut plan = Plan::all_at_once();
    plan.standby = standby;
    plan
}

fn codes(problems: &[Problem]) -> Vec<(&str, bool)> {
    problems.iter().map(|it| (it.code.as_str(), it.is_refusal())).collect()
}

#[tokio::test]
async fn one_for_each_slot_is_nothing_to_tell_of() {
    let stand_in = world().await;
    assert_eq!(told(&stand_in, 9, plan(0)).await, []);
    assert_eq!(told(&stand_in, 9, plan(2)).await, []);
    assert_eq!(annotations(&stand_in, HORIZONTAL, "agent-green"), Value::Null, "tried only");
}

#[tokio::test]
async fn bounds_that_do_not_fit_are_told() {
    let stand_in = world().await;
    let found = told(&stand_in, 10, plan(1)).await;
    assert_eq!(codes(&found), [("autoscaler-maximum", true)]);
    assert!(found[0].to_string().contains("at most 9 pods"), "{}", found[0]);
    assert!(found[0].to_string().contains("at least 10"), "{}", found[0]);
    // What counts is live's, which the candidate gets.
    edit(&stand_in, &json!({"maxReplicas": 12}));
    let found = told(&stand_in, 10, plan(0)).await;
    assert_eq!(codes(&found), [("autoscaler-maximum", true)]);
    assert!(found[0].to_string().contains("raise the maximum of live's"), "{}", found[0]);
    edit(&stand_in, &json!({"maxReplicas": 3}));
    assert_eq!(told(&stand_in, 9, plan(0)).await, []);
}

#[tokio::test]
async fn two_are_refused_and_none_beside_one_is_told() {
    let stand_in = world().await;
    let mut second = autoscaler(Color::Green, &json!({}));
    second["metadata"]["name"] = "second".into();
    create(&stand_in, Kind::Horizontal, second).await;
    let found = told(&stand_in, 2, plan(0)).await;
    assert_eq!(codes(&found), [("autoscalers", true)]);
    let api: Api<DynamicObject> =
        Api::namespaced_with(stand_in.client(NAMESPACE), NAMESPACE, &Kind::Horizontal.resource());
    for name in ["second", "agent-green"] {
        api.delete(name, &DeleteParams::default()).await.unwrap();
    }
    let found = told(&stand_in, 2, plan(0)).await;
    assert_eq!(codes(&found), [("autoscalers-differ", false)]);
}

#[tokio::test]
async fn rights_are_asked_for_where_there_is_one_and_by_its_kind() {
    for (stand_in, resource, role) in [
        (world().await, "horizontalpodautoscalers", "rbac.yaml"),
        (keda(&json!({})).await, "scaledobjects", "rbac-keda.yaml"),
    ] {
        for verb in ["get", "patch"] {
            stand_in.deny(Denial::new(verb, resource));
            let found = told(&stand_in, 2, plan(2)).await;
            assert_eq!(codes(&found), [("rights", true)], "{verb} {resource}: {found:?}");
            assert!(found[0].object.contains(&format!("{verb} {resource}")), "{}", found[0]);
            assert!(found[0].to_string().contains(role), "{}", found[0]);
            stand_in.allow_all();
        }
    }
}

#[tokio::test]
async fn who_may_not_list_autoscalers_is_told_that_and_nothing_of_keda() {
    for stand_in in [world().await, keda(&json!({})).await] {
        stand_in.deny(Denial::new("list", "horizontalpodautoscalers"));
        let found = told(&stand_in, 2, plan(2)).await;
        assert!(!found.is_empty(), "{found:?}");
        let rights: Vec<&str> = found.iter().map(|it| it.object.as_str()).collect();
        assert!(rights.iter().all(|it| it.contains("list horizontalpodautoscalers")), "{found:?}");
    }
}

#[tokio::test]
async fn keda_may_be_paused() {
    let paused = json!({"autoscaling.keda.sh/paused-replicas": "3"});
    let found = told(&keda(&paused).await, 2, plan(0)).await;
    let codes = codes(&found);
    assert_eq!(codes, [("autoscaler-paused", true)], "{found:?}");
}

#[tokio::test]
async fn a_reconciler_of_the_behavior_is_refused_unless_it_is_allowed() {
    let stand_in = world().await;
    let patch = json!({"spec": {"behavior": {"scaleDown": {"selectPolicy": "Min"}}}});
    for name in ["agent-green", "agent-blue"] {
        assert!(stand_in.edit("argocd-controller", HORIZONTAL, NAMESPACE, name, &patch));
    }
    let found = told(&stand_in, 2, plan(0)).await;
    assert_eq!(codes(&found), [("gitops-owner", true)]);
    let allowing: Plan = serde_json::from_value(json!({
        "allow": [{"code": "gitops-owner", "name": "argocd-controller"}],
    }))
    .unwrap();
    assert_eq!(codes(&told(&stand_in, 2, allowing).await), [("gitops-owner", false)]);
}

#[tokio::test]
async fn what_the_server_refuses_is_found_before() {
    let stand_in = world().await;
    let fault = Fault::new("patch", "horizontalpodautoscalers", Failure::Status(403));
    stand_in.fail(fault);
    let found = told(&stand_in, 2, plan(0)).await;
    assert_eq!(codes(&found), [("write-refused", true)]);
}
