//! Evidence by endpoints.

use std::future::Future;

use super::*;

const A_MOMENT: Duration = Duration::from_millis(100);

async fn is_early<T>(waiting: impl Future<Output = Result<T>>) -> bool {
    tokio::time::timeout(A_MOMENT, waiting).await.is_err()
}

#[tokio::test]
async fn the_evidence_says_what_it_does_not_show() {
    let stand_in = world().await;
    let switch = switch(&stand_in);
    let evidence = switch.converge(&blue(), &EvidenceKind::Endpoints).await.unwrap();
    assert_eq!(
        evidence.detail,
        "ingress agent: blue 100 %; service agent-blue: 2 serving endpoints in 1 slice, all of \
         blue; whether the ingress controller has taken it is not shown"
    );
}

#[tokio::test]
async fn every_ingress_has_to_be_as_it_should() {
    let stand_in = world().await;
    create(&stand_in, "ingresses", ingress("second")).await;
    let switch = switch(&stand_in).with_ingress("second");
    switch.fence(ONE).await.unwrap();
    switch.shift(&blue(), &green(), ONE).await.unwrap();
    let (to, moved) = (green(), spec(&stand_in, "second"));
    edit(&stand_in, "second", &json!({"spec": led_to(&moved, Blue)}));
    let mut converged = switch.converge(&to, &EvidenceKind::Endpoints);
    assert!(is_early(&mut converged).await, "one is not there");
    edit(&stand_in, "second", &json!({"spec": moved}));
    converged.await.unwrap();
}

#[tokio::test]
async fn only_pods_of_the_slot_are_evidence_and_one_has_to_serve() {
    let stand_in = world().await;
    let switch = switch(&stand_in);
    let to = blue();
    set_ready(&stand_in, Blue, false);
    let mut converged = switch.converge(&to, &EvidenceKind::Endpoints);
    assert!(is_early(&mut converged).await, "no pod of blue serves");
    set_ready(&stand_in, Blue, true);
    converged.await.unwrap();
    let both = json!({"spec": {"selector": {"slot": null}}});
    assert!(stand_in.edit("kubectl-edit", "services", NAMESPACE, "agent-blue", &both));
    assert!(is_early(switch.converge(&to, &EvidenceKind::Endpoints)).await);
}

#[tokio::test]
async fn the_candidates_endpoints_are_awaited() {
    let stand_in = world().await;
    let switch = switch(&stand_in);
    let pods = switch.slots.slot_pods(kube::api::ListParams::default()).await.unwrap();
    let mut wanted: Vec<String> =
        pods.green.iter().filter_map(|pod| pod.metadata.uid.clone()).collect();
    switch.await_known(Green, &wanted).await.unwrap();
    wanted.push("another".to_owned());
    assert!(is_early(switch.await_known(Green, &wanted)).await, "one of them is not listed");
}
