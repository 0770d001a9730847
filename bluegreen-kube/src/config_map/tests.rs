use bluegreen_core::{Envelope, Epoch};
use kube::api::DeleteParams;
use serde_json::json;
use tokio::time::timeout;

use super::document::{parse, print};
use super::*;
use crate::stand_in::StandIn;

bluegreen_core::store_conformance_tests!(async || store(&StandIn::new()));

fn store(stand_in: &StandIn) -> ConfigMapStore {
    let settings = Settings::new("agent-service", "ai-agents");
    ConfigMapStore::new(stand_in.client("ai-agents"), settings)
}

/// A record as a version of this library writes it that does not exist yet.
const NEWER: &str = r#"{
    "format": 7, "phase": {"name": "teleporting", "share": 0.30000000000000004},
    "envelope": {"agent": "agent-service", "cluster": "c", "release": "r9", "live": "blue",
                 "routing": {"live": "blue"}, "epoch": 9, "holder": "h", "region": "eu"}
}"#;

fn newer(text: &str) -> (Envelope, String) {
    match parse(text).unwrap() {
        Document::Newer { format: 7, envelope, text } => (envelope, text),
        other => panic!("not a newer document: {other:?}"),
    }
}

#[test]
fn of_a_newer_format_only_the_envelope_is_changed() {
    let (mut envelope, text) = newer(NEWER);
    envelope.epoch = Epoch::new(10);
    envelope.holder = None;
    let printed = print(&Document::Newer { format: 7, envelope, text }).unwrap();
    assert!(printed.contains("0.30000000000000004"), "numbers stay as written: {printed}");
    let mut wanted: serde_json::Value = serde_json::from_str(NEWER).unwrap();
    wanted["envelope"]["epoch"] = json!(10);
    wanted["envelope"]["holder"] = json!(null);
    // What the envelope says in more words means the same.
    wanted["envelope"]["routing"]["candidate"] = json!(0);
    assert_eq!(serde_json::from_str::<serde_json::Value>(&printed).unwrap(), wanted);
}

#[test]
fn an_unreadable_record_is_named_with_its_place() {
    let reason = parse("{\"format\": 1,\n \"envelope\": 3}").unwrap_err();
    assert!(reason.ends_with("at line 2 column 14"), "{reason}");
    let reason = parse(&NEWER.replace('7', "0")).unwrap_err();
    assert_eq!(reason, "found a record of format 0, wanted 1 or newer");
}

#[tokio::test]
async fn an_unreadable_record_is_rejected_by_name() {
    let stand_in = StandIn::new();
    let store = store(&stand_in);
    let mut map = objects::record(&store.settings, "{}".to_owned(), "mark");
    store.create(&map).await.unwrap();
    let error = store.load().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected);
    assert_eq!(
        error.chain(),
        "read configmap ai-agents/agent-service-bluegreen: rejected: key record.json: \
         missing field `format` at line 1 column 2"
    );
    map.data = None;
    store.replace(&map).await.unwrap();
    assert!(store.load().await.unwrap_err().chain().contains("no key record.json"));
}

#[tokio::test]
async fn blobs_go_with_their_release_and_those_of_the_current_one_stay() {
    let stand_in = StandIn::new();
    let store = store(&stand_in);
    let (envelope, text) = newer(NEWER);
    let document = Document::Newer { format: 7, envelope, text };
    store.save(&document, None).await.unwrap();
    let content = || Bytes::from_static(b"state");
    store.put_blob(&"r9".into(), "smoke", content()).await.unwrap();
    for epoch in [1, 2, 3] {
        store.put_blob(&format!("r{epoch}").into(), "smoke", content()).await.unwrap();
        store.archive(&record(epoch), 1).await.unwrap();
    }
    for (release, stays) in [("r1", false), ("r2", false), ("r3", true), ("r9", true)] {
        let blob = store.blob(&release.into(), "smoke").await.unwrap();
        assert_eq!(blob.is_some(), stays, "{release}");
    }
}

#[tokio::test]
async fn another_object_of_the_same_name_is_neither_read_nor_replaced() {
    let stand_in = StandIn::new();
    let store = store(&stand_in);
    // Both come out as agent-service-bluegreen-r1-a-b.
    store.put_blob(&"r1".into(), "a-b", Bytes::from_static(b"one")).await.unwrap();
    assert_eq!(store.blob(&"r1-a".into(), "b").await.unwrap(), None);
    let error = store.put_blob(&"r1-a".into(), "b", Bytes::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected);
    assert!(
        error.chain().contains("found purpose blob, release r1, blob a-b"),
        "{}",
        error.chain()
    );
}

#[tokio::test]
async fn a_deleted_record_is_a_conflict_and_shows_in_a_watch() {
    let stand_in = StandIn::new();
    let store = store(&stand_in);
    let document = Document::Current(record(1));
    let revision = store.save(&document, None).await.unwrap();
    let name = store.settings.config_map();
    let known = Some(revision.clone());
    let delete = DeleteParams::default();
    let (seen, deleted) =
        tokio::join!(store.watch(known.clone()), store.api.delete(&name, &delete));
    deleted.unwrap();
    assert_eq!(seen.unwrap(), None);
    let error = store.save(&document, known).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
}

/// The record of a release that has just begun.
fn record(epoch: u64) -> Record {
    use std::collections::BTreeMap;

    use bluegreen_core::release::Foundation;
    use bluegreen_core::{Color, Configuration, Plan, ResolvedChange};

    let nothing = || ResolvedChange::exactly(Configuration::new(BTreeMap::new()).with_version("1"));
    Record::new(Foundation {
        agent: "agent-service".into(),
        cluster: "c".into(),
        live: Color::Blue,
        epoch: Epoch::new(epoch),
        holder: "h".into(),
        started: serde_json::from_value(json!({"at": "2026-01-01T00:00:00Z", "by": "ann"}))
            .unwrap(),
        plan: Plan::default(),
        change: nothing(),
        baseline: nothing(),
        gates: Vec::new(),
        guards: Vec::new(),
        warm_up: None,
        undoes: None,
    })
}

#[tokio::test]
async fn a_watch_that_is_kept_tells_nothing_old() {
    let stand_in = StandIn::new();
    let store = store(&stand_in);
    let soon = std::time::Duration::from_millis(50);
    // Keeps a watch that has seen no record.
    assert!(timeout(soon, store.watch(None)).await.is_err());
    let (record, other) = (parse(NEWER).unwrap(), self::store(&stand_in));
    let mut revision = store.save(&record, None).await.unwrap();
    for _ in 0..3 {
        assert!(timeout(soon, store.watch(Some(revision.clone()))).await.is_err());
        revision = store.save(&record, Some(revision)).await.unwrap();
    }
    let waiting = store.watch(Some(revision.clone()));
    let saving = other.save(&record, Some(revision));
    let (seen, saved) = tokio::join!(waiting, saving);
    assert_eq!(seen.unwrap().unwrap().revision, saved.unwrap());
    assert_eq!(stand_in.count("watch", "configmaps"), 2);
}

#[tokio::test]
async fn who_wrote_over_a_record_is_known_whatever_it_is_now() {
    let stand_in = StandIn::new();
    let store = store(&stand_in);
    let document = Document::Current(record(1));
    let first = store.save(&document, None).await.unwrap();
    let name = store.settings.config_map();
    let patch = kube::api::Patch::Merge(json!({"data": {"record.json": "no record"}}));
    let by = kube::api::PatchParams {
        field_manager: Some("kubectl-edit".to_owned()),
        ..kube::api::PatchParams::default()
    };
    store.api.patch(&name, &by, &patch).await.unwrap();
    assert_eq!(store.load().await.unwrap_err().kind(), ErrorKind::Rejected);
    let written = store.written().await.unwrap().unwrap();
    assert_eq!(written.by.as_deref(), Some("kubectl-edit"));
    assert_ne!(written.revision, first);
    store.save(&document, Some(written.revision)).await.unwrap();
    assert_eq!(store.written().await.unwrap().unwrap().by, None);
}
