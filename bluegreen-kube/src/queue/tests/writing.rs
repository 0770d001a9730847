//! The conditional writes, and what happens when the condition fails.

use bluegreen_core::conformance::deed;
use bluegreen_core::conformance::switch::SwitchFixture;

use super::*;
use crate::stand_in::{Denial, Failure, Fault};

bluegreen_core::switch_conformance_tests!(async || {
    let stand_in = world().await;
    SwitchFixture {
        switch: Arc::new(switch(&stand_in)),
        evidence: EvidenceKind::Endpoints,
        disturb: deed(move || {
            edit(&stand_in, &json!({"data": {"pull": "purple"}}));
            std::future::ready(())
        }),
        guard: Box::new(()),
    }
});

#[tokio::test]
async fn a_shift_is_one_write_of_one_key_and_so_is_the_way_back() {
    let stand_in = world().await;
    let switch = switch(&stand_in);
    switch.fence(ONE).await.unwrap();
    let before = map(&stand_in);
    for (from, to) in [(blue(), green()), (green(), blue())] {
        let writes = stand_in.count("*", "configmaps");
        switch.shift(&from, &to, ONE).await.unwrap();
        assert_eq!(stand_in.count("*", "configmaps") - writes, 1, "{to}");
        let mut wanted = before.clone();
        wanted["data"]["pull"] = to.live.as_str().into();
        for field in ["resourceVersion", "managedFields"] {
            wanted["metadata"][field] = map(&stand_in)["metadata"][field].clone();
        }
        assert_eq!(map(&stand_in), wanted);
    }
    assert_eq!(before["metadata"]["annotations"]["bluegreen.dev/epoch"], "1");
    assert_eq!(before["data"], json!({"pull": "blue\n", "batch": "10"}), "a fence moves nothing");
}

#[tokio::test]
async fn what_others_write_beside_it_stays() {
    let stand_in = world().await;
    let switch = switch(&stand_in);
    switch.fence(ONE).await.unwrap();
    edit(&stand_in, &json!({"data": {"batch": "20"}, "metadata": {"labels": {"team": "a"}}}));
    switch.shift(&blue(), &green(), ONE).await.unwrap();
    assert_eq!(map(&stand_in)["data"], json!({"pull": "green", "batch": "20"}));
    assert_eq!(map(&stand_in)["metadata"]["labels"]["team"], "a");
}

#[tokio::test]
async fn the_late_request_of_a_stale_driver_changes_nothing() {
    let stand_in = world().await;
    let mut settings = settings();
    settings.call = Duration::from_millis(100);
    let stale = QueueSwitch::new(stand_in.client(NAMESPACE), settings, MAP);
    stale.fence(ONE).await.unwrap();
    stand_in.fail(Fault::new("update", "configmaps", Failure::Late));
    let error = stale.shift(&blue(), &green(), ONE).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unknown, "{}", error.chain());
    // The one who takes over finds nothing to do, and still nothing gets through any more.
    switch(&stand_in).fence(Epoch::new(2)).await.unwrap();
    assert_eq!(stand_in.deliver_late(), 1);
    assert_eq!(switch(&stand_in).observe().await.unwrap().routing(), Some(&blue()));
}

#[tokio::test]
async fn a_shift_whose_answer_was_lost_is_unknown_and_done_when_it_is_sent_again() {
    let stand_in = world().await;
    let mut settings = settings();
    settings.call = Duration::from_millis(100);
    let switch = QueueSwitch::new(stand_in.client(NAMESPACE), settings, MAP);
    switch.fence(ONE).await.unwrap();
    stand_in.fail(Fault::new("update", "configmaps", Failure::Hang).after_the_effect().times(1));
    let error = switch.shift(&blue(), &green(), ONE).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unknown, "{}", error.chain());
    assert_eq!(switch.observe().await.unwrap().routing(), Some(&green()));
    switch.shift(&blue(), &green(), ONE).await.unwrap();
}

#[tokio::test]
async fn a_config_map_that_was_made_anew_is_a_conflict_and_one_that_is_gone_is_not_found() {
    let stand_in = world().await;
    let switch = switch(&stand_in);
    switch.fence(ONE).await.unwrap();
    switch.maps.delete(MAP, &kube::api::DeleteParams::default()).await.unwrap();
    let error = switch.shift(&blue(), &green(), ONE).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{}", error.chain());
    let anew = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": MAP},
        "data": {"pull": "blue"},
    });
    create::<ConfigMap>(&stand_in, anew).await;
    let error = switch.shift(&blue(), &green(), ONE).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{}", error.chain());
    assert_eq!(switch.observe().await.unwrap().routing(), Some(&blue()));
}

#[tokio::test]
async fn a_write_that_always_meets_another_gives_up_as_a_conflict() {
    let stand_in = world().await;
    let switch = switch(&stand_in);
    switch.fence(ONE).await.unwrap();
    stand_in.fail(Fault::new("update", "configmaps", Failure::Status(409)).times(10));
    let error = switch.shift(&blue(), &green(), ONE).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{}", error.chain());
    let error = switch.fence(Epoch::new(2)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{}", error.chain());
}

#[tokio::test]
async fn a_slot_without_ready_pods_does_not_get_the_right() {
    let stand_in = world().await;
    let switch = switch(&stand_in);
    switch.fence(ONE).await.unwrap();
    set_ready(&stand_in, Green, false);
    let error = switch.shift(&blue(), &green(), ONE).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{}", error.chain());
    assert!(error.chain().contains("agent-green: found no pod that is ready"), "{}", error.chain());
    set_ready(&stand_in, Green, true);
    switch.shift(&blue(), &green(), ONE).await.unwrap();
    // The way back needs none of the candidate's pods.
    set_ready(&stand_in, Green, false);
    switch.shift(&green(), &blue(), ONE).await.unwrap();
}

#[tokio::test]
async fn a_right_that_is_missing_is_told_by_whoever_needs_it() {
    for (verb, resource) in [
        ("get", "configmaps"),
        ("list", "configmaps"),
        ("watch", "configmaps"),
        ("update", "configmaps"),
        ("get", "deployments"),
    ] {
        let stand_in = world().await;
        stand_in.deny(Denial::new(verb, resource).by("limited"));
        let limited = stand_in.client_as("limited", NAMESPACE);
        let switch = QueueSwitch::new(limited, settings(), MAP);
        let problems = switch.check(&[green()], &EvidenceKind::Endpoints).await.unwrap();
        let wanted = format!("right to {verb} {resource}");
        assert!(problems.iter().any(|it| it.object.contains(&wanted)), "{verb}: {problems:?}");
        assert!(problems.iter().any(Problem::is_refusal));
    }
}
