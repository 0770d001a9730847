//! What goes wrong within the operator, and what others leave to it.

use bluegreen_core::Digest;
use bluegreen_kube::stand_in::{Failure, Fault};
use k8s_openapi::api::events::v1::Event;
use kube::api::ListParams;

use super::*;

/// Less than what is waited where nothing hurries.
const AT_ONCE: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_driver_that_panics_is_said_and_followed_by_another_one() {
    let world = World::new().await;
    world.panics.store(2, Relaxed);
    world.ask(NAME, "2", "0s").await;
    let object = world.until(NAME, |it| it.status.is_some() && message(it).contains("panic")).await;
    assert!(message(&object).contains("which is a bug"), "{}", message(&object));
    assert_eq!(truths(&object), ["Reconciling"]);
    let object = world.says(NAME, "Released").await;
    assert_eq!((world.live().as_str(), world.panics.load(Relaxed)), ("green", 0));
    assert!(!message(&object).contains("panic"), "{}", message(&object));
    let events: Api<Event> = Api::namespaced(world.stand_in.client(NAMESPACE), NAMESPACE);
    let events = events.list(&ListParams::default()).await.unwrap();
    let told: Vec<_> = events
        .iter()
        .filter(|it| it.note.as_deref().unwrap_or_default().contains("panic"))
        .map(|it| it.type_.as_deref().unwrap_or_default())
        .collect();
    assert_eq!(told, ["Warning"; 2]);
}

#[tokio::test]
async fn what_was_refused_is_tried_at_once_when_somebody_mends_the_spec() {
    let world = World::new().await;
    let mut shares = spec("2", "0s");
    shares["plan"]["steps"] = json!([{"share": 500_000}, {"share": 1_000_000}]);
    let object = AgentRelease::new(NAME, serde_json::from_value(shares).unwrap());
    world.api().create(&PostParams::default(), &object).await.unwrap();
    world.says(NAME, "Refused").await;
    world.patch(json!({"plan": {"steps": null}})).await;
    tokio::time::timeout(AT_ONCE, world.says(NAME, "Released")).await.unwrap();
}

#[tokio::test]
async fn a_change_that_could_not_be_noted_does_not_wait_for_the_failed_one_that_is_kept() {
    let world = World::new().await;
    let mut kept = spec("does-not-exist", "0s");
    kept["plan"]["keep_failed"] = json!("1h");
    let object = AgentRelease::new(NAME, serde_json::from_value(kept).unwrap());
    world.api().create(&PostParams::default(), &object).await.unwrap();
    world.says(NAME, "KeepingFailed").await;
    world.stand_in.fail(Fault::new("patch", "agentreleases/status", Failure::Status(409)));
    world.patch(json!({"change": spec("2", "0s")["change"]})).await;
    world.says(NAME, "Released").await;
}

#[tokio::test]
async fn a_way_back_that_failed_is_gone_on_with_at_once() {
    let world = World::new().await;
    world.ask(NAME, "2", "1h").await;
    world.says(NAME, "Baking").await;
    // What a release tries once more by itself, and then the fence.
    let refused = Fault::new("patch", "services", Failure::Status(403)).named(SERVICE).times(2);
    world.stand_in.fail(refused);
    world.api().delete(NAME, &DeleteParams::default()).await.unwrap();
    let gone = |object: Option<&AgentRelease>| object.is_none();
    let going = Box::pin(await_condition(world.api(), NAME, gone));
    tokio::time::timeout(AT_ONCE, going).await.unwrap().unwrap();
    assert_eq!((world.live().as_str(), world.size("green")), ("blue", 0));
}

#[tokio::test]
async fn what_a_newer_version_has_written_is_said_and_left_to_it() {
    let mut world = World::new().await;
    world.ask(NAME, "2", "1h").await;
    world.says(NAME, "Baking").await;
    world.stop().await;
    let record = world.record();
    let mut newer = record.clone();
    newer["format"] = json!(2);
    newer["phase"] = json!({"name": "dreaming"});
    world.put_record(&newer);
    world.operate("two");
    let object = world.says(NAME, "NewerRecord").await;
    for part in ["ConfigMap agents/agent-service-bluegreen", "format 2", "wanted 1"] {
        assert!(message(&object).contains(part), "{}", message(&object));
    }
    assert_eq!(truths(&object), ["Stalled"]);
    let status = object.status.unwrap();
    assert_eq!(status.release.as_deref(), record["envelope"]["release"].as_str());
    // Neither another change nor a deletion is a reason to touch it.
    world.patch(spec("3", "0s")).await;
    world.says(NAME, "NewerRecord").await;
    world.api().delete(NAME, &DeleteParams::default()).await.unwrap();
    world.says(NAME, "NewerRecord").await;
    assert_eq!((world.live().as_str(), &world.record()), ("green", &newer));
    // Once it can be read, what was asked for is done.
    world.put_record(&record);
    let gone = |object: Option<&AgentRelease>| object.is_none();
    soon(Box::pin(await_condition(world.api(), NAME, gone))).await.unwrap().unwrap();
    assert_eq!(world.live(), "blue");
}

#[tokio::test]
async fn an_older_release_of_a_clock_that_was_ahead_is_not_taken_for_the_new_one() {
    let mut world = World::new().await;
    world.ask(NAME, "2", "0s").await;
    world.says(NAME, "Released").await;
    world.stop().await;
    let mut record = world.record();
    record["started"]["at"] = json!("2050-01-01T00:00:00.000Z");
    world.put_record(&record);
    world.operate("two");
    world.patch(spec("3", "0s")).await;
    let object = world.says(NAME, "Released").await;
    assert_eq!(object.status.unwrap().version.as_deref(), Some("3"));
    assert_eq!(world.live(), "blue");
}

#[tokio::test]
async fn a_release_whose_request_is_not_known_ends_and_then_comes_what_is_asked_for() {
    let mut world = World::new().await;
    world.ask(NAME, "2", "3s").await;
    world.says(NAME, "Baking").await;
    world.stop().await;
    // As from a backup: another change by now, and no status.
    world.patch(spec("3", "0s")).await;
    let patch = json!({"status": null});
    assert!(world.stand_in.edit(
        "a backup",
        "agentreleases.bluegreen.dev",
        NAMESPACE,
        NAME,
        &patch
    ));
    world.operate("two");
    let is = |object: &AgentRelease| {
        let status = object.status.clone().unwrap_or_default();
        reason_of(&status) == "Released" && status.version.as_deref() == Some("3")
    };
    world.until(NAME, is).await;
    assert_eq!(world.live(), "blue");
}

#[tokio::test]
async fn a_change_that_was_taken_back_for_another_one_comes_when_it_is_asked_for_again() {
    let world = World::new().await;
    world.ask(NAME, "2", "1h").await;
    world.says(NAME, "Baking").await;
    // The first write of the way back takes a while, in which somebody thinks better of it.
    world.stand_in.fail(Fault::new("update", "configmaps", Failure::Late).named(RECORD));
    world.patch(spec("3", "0s")).await;
    world.says(NAME, "Aborting").await;
    world.patch(spec("2", "0s")).await;
    world.says(NAME, "Baking").await;
    assert_eq!(world.stand_in.deliver_late(), 1);
    let object = world.says(NAME, "Released").await;
    assert_eq!(object.status.unwrap().version.as_deref(), Some("2"));
    assert_eq!(world.live(), "green");
}

#[tokio::test]
async fn a_record_that_cannot_be_read_is_said_and_nothing_is_done() {
    let mut world = World::new().await;
    world.ask(NAME, "2", "1h").await;
    let baking = world.says(NAME, "Baking").await;
    world.stop().await;
    let record = world.record();
    let mut broken = record.clone();
    broken["phase"] = json!({"name": "dreaming"});
    world.put_record(&broken);
    world.operate("two");
    let is = |object: &AgentRelease| reason_of(object.status.as_ref().unwrap()) == "Failed";
    let object = world.until(NAME, is).await;
    for part in ["configmap agents/agent-service-bluegreen", "dreaming"] {
        assert!(message(&object).contains(part), "{}", message(&object));
    }
    let (before, now) = (baking.status.unwrap(), object.status.unwrap());
    assert_eq!((before.release, before.attempt), (now.release, now.attempt));
    assert_eq!((world.live().as_str(), &world.record()), ("green", &broken));
    world.put_record(&record);
    world.says(NAME, "Baking").await;
}

/// A release in its bake whose record names a gate that the object does not, and no status.
async fn with_other_gates() -> World {
    let mut world = World::new().await;
    world.ask(NAME, "2", "1h").await;
    world.says(NAME, "Baking").await;
    world.stop().await;
    let mut record = world.record();
    record["gates"] = json!([{"name": "smoke", "config_digest": Digest::of(["another"])}]);
    world.put_record(&record);
    let (all, patch) = ("agentreleases.bluegreen.dev", json!({"status": null}));
    assert!(world.stand_in.edit("a backup", all, NAMESPACE, NAME, &patch));
    world
}

#[tokio::test]
async fn a_release_past_its_bake_ends_whatever_its_gates_were() {
    let mut world = with_other_gates().await;
    let mut record = world.record();
    record["phase"] = json!({"name": "retiring"});
    world.put_record(&record);
    world.operate("two");
    let object = world.says(NAME, "UpToDate").await;
    assert_eq!(
        (world.live().as_str(), object.status.unwrap().release.as_deref()),
        ("green", record["envelope"]["release"].as_str())
    );
}

#[tokio::test]
async fn a_release_whose_gates_are_not_known_is_taken_back_before_its_end() {
    let mut world = with_other_gates().await;
    world.patch(spec("3", "0s")).await;
    world.operate("two");
    let is = |object: &AgentRelease| {
        let status = object.status.clone().unwrap_or_default();
        reason_of(&status) == "Released" && status.version.as_deref() == Some("3")
    };
    world.until(NAME, is).await;
    assert_eq!(world.ends().await, [true, false]);
}
