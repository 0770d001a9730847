use std::time::Duration;

use kube::ResourceExt as _;

use super::super::{Failure, Fault};
use super::*;

const A_MOMENT: Duration = Duration::from_millis(10);

fn to(value: &str) -> Patch<Value> {
    Patch::Merge(json!({ "data": { "key": value } }))
}

async fn value(maps: &Api<ConfigMap>) -> String {
    maps.get("a").await.unwrap().data.unwrap()["key"].clone()
}

async fn one_map(stand_in: &StandIn) -> Api<ConfigMap> {
    let maps = maps(&stand_in.client(NAMESPACE));
    maps.create(&PostParams::default(), &map("a", "1")).await.unwrap();
    maps
}

#[tokio::test]
async fn a_status_comes_as_often_as_it_was_told_to() {
    let stand_in = StandIn::new();
    let maps = one_map(&stand_in).await;
    stand_in.fail(Fault::new("patch", "configmaps", Failure::Status(503)).skip(1).times(2));
    let params = PatchParams::default();
    maps.patch("a", &params, &to("2")).await.unwrap();
    for _ in 0..2 {
        let status = refused(maps.patch("a", &params, &to("3")).await);
        assert_eq!((status.code, status.reason.as_str()), (503, "ServiceUnavailable"));
    }
    assert_eq!(value(&maps).await, "2");
    maps.patch("a", &params, &to("4")).await.unwrap();
    assert_eq!(stand_in.count("patch", "configmaps"), 4);
    stand_in.forget_counts();
    assert_eq!(stand_in.count("*", "*"), 0);
}

#[tokio::test]
async fn an_answer_can_be_lost_after_the_effect() {
    let stand_in = StandIn::new();
    let maps = one_map(&stand_in).await;
    stand_in.fail(Fault::new("*", "*", Failure::Disconnect).named("a").after_the_effect());
    let lost = maps.patch("a", &PatchParams::default(), &to("2")).await;
    assert!(matches!(lost, Err(kube::Error::Service(_))), "{lost:?}");
    assert_eq!(value(&maps).await, "2");
}

#[tokio::test(start_paused = true)]
async fn a_request_can_hang_without_effect() {
    let stand_in = StandIn::new();
    let maps = one_map(&stand_in).await;
    stand_in.fail(Fault::new("patch", "configmaps", Failure::Hang));
    hung_up(maps.patch("a", &PatchParams::default(), &to("2"))).await;
    assert_eq!(value(&maps).await, "1");
}

async fn hung_up<T>(call: impl Future<Output = T>) {
    assert!(tokio::time::timeout(A_MOMENT, call).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_late_request_arrives_after_its_sender_gave_up() {
    let stand_in = StandIn::new();
    let maps = one_map(&stand_in).await;
    stand_in.fail(Fault::new("patch", "configmaps", Failure::Late));
    let version = maps.get("a").await.unwrap().resource_version();
    hung_up(maps.patch("a", &PatchParams::default(), &to("late"))).await;
    assert_eq!(maps.get("a").await.unwrap().resource_version(), version);
    assert_eq!(stand_in.deliver_late(), 1);
    assert_eq!(value(&maps).await, "late");
    assert_eq!(stand_in.deliver_late(), 0);
}

#[tokio::test]
async fn faults_can_be_forgotten() {
    let stand_in = StandIn::new();
    let maps = one_map(&stand_in).await;
    stand_in.fail(Fault::new("*", "*", Failure::Status(500)).times(u32::MAX));
    assert_eq!(refused(maps.get("a").await).code, 500);
    stand_in.heal();
    assert_eq!(value(&maps).await, "1");
}
