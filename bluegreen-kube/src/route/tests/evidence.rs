//! Evidence by endpoints and by what gateways say.

use std::future::Future;

use super::*;
use crate::stand_in::Controller;

const A_MOMENT: Duration = Duration::from_millis(100);

async fn is_early(waiting: impl Future<Output = Result<Evidence>>) -> bool {
    tokio::time::timeout(A_MOMENT, waiting).await.is_err()
}

#[tokio::test]
async fn gateways_have_to_have_taken_what_is_there_now() {
    let stand_in = world().await;
    let switch = switch(&stand_in);
    switch.fence(ONE).await.unwrap();
    stand_in.pause(Controller::Gateways);
    switch.shift(&blue(), &canary(5), ONE).await.unwrap();
    let to = canary(5);
    let mut converged = switch.converge(&to, &EvidenceKind::Endpoints);
    assert!(is_early(&mut converged).await, "the status is about an older generation");
    stand_in.resume(Controller::Gateways);
    let evidence = converged.await.unwrap();
    assert_eq!(
        evidence.detail,
        "httproute agent: blue 95 %, green 5 %, accepted; \
         service agent-blue: 2 serving endpoints in 1 slice, all of blue; \
         service agent-green: 2 serving endpoints in 1 slice, all of green"
    );
}

#[tokio::test]
async fn only_slots_with_traffic_have_to_serve() {
    let stand_in = world().await;
    let switch = switch(&stand_in);
    switch.fence(ONE).await.unwrap();
    for name in stand_in.pods(NAMESPACE, &[("slot", "green")]) {
        stand_in.set_ready(NAMESPACE, &name, false);
    }
    switch.converge(&blue(), &EvidenceKind::Endpoints).await.unwrap();
    reweigh(&stand_in, AGENT, 95, 5);
    let to = canary(5);
    let mut converged = switch.converge(&to, &EvidenceKind::Endpoints);
    assert!(is_early(&mut converged).await, "no pod of green serves");
    for name in stand_in.pods(NAMESPACE, &[("slot", "green")]) {
        stand_in.set_ready(NAMESPACE, &name, true);
    }
    converged.await.unwrap();
}

#[tokio::test]
async fn pods_of_the_other_slot_are_no_evidence() {
    let stand_in = world().await;
    let switch = switch(&stand_in);
    switch.converge(&blue(), &EvidenceKind::Endpoints).await.unwrap();
    let both = json!({"spec": {"selector": {"slot": null}}});
    assert!(stand_in.edit("kubectl-edit", "services", NAMESPACE, "agent-blue", &both));
    let to = blue();
    assert!(is_early(switch.converge(&to, &EvidenceKind::Endpoints)).await);
}

#[tokio::test]
async fn the_candidates_endpoints_are_awaited() {
    let stand_in = world().await;
    let switch = switch(&stand_in);
    let pods = switch.slot_pods(kube::api::ListParams::default()).await.unwrap();
    let mut wanted: Vec<String> =
        pods.green.iter().filter_map(|pod| pod.metadata.uid.clone()).collect();
    switch.await_known(Green, &wanted).await.unwrap();
    wanted.push("another".to_owned());
    let waiting = tokio::time::timeout(A_MOMENT, switch.await_known(Green, &wanted)).await;
    assert!(waiting.is_err(), "one of them is not listed");
}

/// Who says it, and each condition with the generation that it is about.
type Said<'a> = (&'a str, &'a [(&'a str, Option<i64>)]);

/// What gateways and others say of the route, in place of the gateway that is here.
fn say(stand_in: &StandIn, entries: &[Said<'_>]) {
    stand_in.pause(Controller::Gateways);
    let entry = |(by, conditions): &Said<'_>| {
        let condition = |(kind, generation): &(&str, Option<i64>)| {
            let mut condition = json!({"type": kind, "status": "True", "reason": kind});
            if let Some(generation) = generation {
                condition["observedGeneration"] = (*generation).into();
            }
            condition
        };
        let conditions: Vec<Value> = conditions.iter().map(condition).collect();
        json!({"parentRef": {"name": "public"}, "controllerName": by, "conditions": conditions})
    };
    let parents: Vec<Value> = entries.iter().map(entry).collect();
    edit(stand_in, AGENT, &json!({"status": {"parents": parents}}));
}

/// That everything goes to blue, which is there already.
async fn evidence(switch: &RouteWeights) -> Evidence {
    let to = blue();
    let converged = switch.converge(&to, &EvidenceKind::Endpoints);
    let converged = tokio::time::timeout(Duration::from_secs(30), converged).await;
    converged.expect("the evidence should be there").unwrap()
}

#[tokio::test]
async fn who_only_attaches_a_policy_is_not_asked_whether_the_route_is_accepted() {
    let stand_in = world().await;
    let switch = switch(&stand_in);
    let gateway: Said<'_> =
        ("example.com/gateway", &[("Accepted", Some(1)), ("ResolvedRefs", Some(1))]);
    let policy: Said<'_> = ("example.com/policy", &[("example.com/Affected", Some(1))]);
    say(&stand_in, &[policy, gateway]);
    let evidence = evidence(&switch).await;
    assert!(evidence.detail.contains("blue 100 %, accepted; "), "{}", evidence.detail);
    // Where nobody accepts it, that is what is missing.
    say(&stand_in, &[policy]);
    let to = blue();
    assert!(is_early(switch.converge(&to, &EvidenceKind::Endpoints)).await);
    // Nor does one gateway speak for another.
    let stale: (_, &[_]) =
        ("example.com/other", &[("Accepted", Some(0)), ("ResolvedRefs", Some(1))]);
    say(&stand_in, &[policy, gateway, stale]);
    assert!(is_early(switch.converge(&to, &EvidenceKind::Endpoints)).await);
}

#[tokio::test]
async fn a_gateway_that_names_no_generation_is_believed_and_that_is_told() {
    let stand_in = world().await;
    let conditions: (_, &[_]) =
        ("example.com/gateway", &[("Accepted", None), ("ResolvedRefs", Some(1))]);
    say(&stand_in, &[conditions]);
    let evidence = evidence(&switch(&stand_in)).await;
    let told = "blue 100 %, accepted (for Gateway public it is not said of which generation); ";
    assert!(evidence.detail.contains(told), "{}", evidence.detail);
}
