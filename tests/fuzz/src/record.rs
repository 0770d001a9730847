//! Records: what stands in a ConfigMap that others can write.

use bluegreen_core::release::{Drift, Drifted, Event, EventKind, Look};
use bluegreen_core::{
    Actor, Document, Epoch, Evidence, EvidenceKind, HolderId, HookOutcome, Operations, Problem,
    Record, ReleaseStore as _, Releaser, Stored, Winner,
};
use bluegreen_kube::{ConfigMapStore, Settings};
use serde_json::{Value, json};

use crate::server::Server;
use crate::{agent, shown, within};

pub(crate) fn run(given: &[u8]) {
    let Ok(text) = std::str::from_utf8(given) else { return };
    let server = Server::of(vec![config_map("agent-bluegreen", text), config_map("r0", text)]);
    within(60, async {
        let store = ConfigMapStore::new(server.client(), Settings::new("agent", "ns"));
        let stored = match store.load().await {
            Ok(stored) => stored.expect("the ConfigMap is there"),
            Err(error) => return shown(&error, given),
        };
        let listed = store.list().await.expect("the same text is as good in the archive");
        assert_eq!(listed.first(), Some(&stored.document));
        survives_a_save(&store, &server, &stored).await;
        if let Document::Current(record) = &stored.document {
            let _ = format!("{record:?}");
            steps(record, 2);
        }
        is_driven(&stored.document).await;
    });
}

fn config_map(name: &str, text: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "ns", "resourceVersion": "7"},
        "data": {"record.json": text},
    })
}

/// What was read is written, and reads back the same.
async fn survives_a_save(store: &ConfigMapStore, server: &Server, stored: &Stored) {
    if let Err(error) = store.save(&stored.document, Some(stored.revision.clone())).await {
        // Too long, at the most.
        return shown(&error, b"a size");
    }
    let written = server.last_written().expect("it was sent");
    let text = written["data"]["record.json"].as_str().expect("with a record");
    let again = Server::of(vec![config_map("agent-bluegreen", text)]);
    let again = ConfigMapStore::new(again.client(), Settings::new("agent", "ns"));
    let again = again.load().await.expect("what was written can be read").unwrap();
    match (&again.document, &stored.document) {
        (
            Document::Newer { format, envelope, .. },
            Document::Newer { format: before, envelope: known, .. },
        ) => assert_eq!((format, envelope), (before, known)),
        (again, before) => assert_eq!(again, before),
    }
}

/// Whatever happens to it, it is another record or an error.
fn steps(record: &Record, depth: u32) {
    let _ = (record.next(), record.last_instant());
    for kind in events() {
        let at = record.since.plus(std::time::Duration::from_hours(1));
        match record.clone().apply(Event::new(at, kind)) {
            Ok(after) if depth > 1 => steps(&after, depth - 1),
            Ok(after) => drop(after.next()),
            Err(illegal) => drop(illegal.to_string()),
        }
    }
}

fn events() -> Vec<EventKind> {
    let actor = || Actor::new("ann");
    let text = || "because".to_owned();
    let evidence = || Evidence::new(EvidenceKind::Endpoints, "seen");
    let looked = |edit: fn(&mut Look)| {
        let mut look = Look::default();
        edit(&mut look);
        EventKind::Looked { look }
    };
    let drifted =
        |what| EventKind::Drifted { drift: Drift::new(what, "another", "what was deployed") };
    vec![
        EventKind::Checked,
        EventKind::Refused { problems: vec![Problem::new("quota", "quota a")] },
        EventKind::Emptied,
        EventKind::HookEnded { outcome: HookOutcome::Succeeded },
        EventKind::HookEnded { outcome: HookOutcome::failed(text(), &text()) },
        EventKind::Deployed { replicas: u32::MAX },
        EventKind::Warmed,
        EventKind::Passed,
        EventKind::Approved { actor: actor() },
        EventKind::Shifted { evidence: evidence() },
        looked(|_| ()),
        looked(|look| look.failed = Some("it failed".to_owned())),
        looked(|look| look.undecided = Some("no data".to_owned())),
        looked(|look| look.winner = Some(Winner::Candidate)),
        looked(|look| look.winner = Some(Winner::Live)),
        EventKind::Drained { note: text(), expired: true },
        EventKind::Drained { note: text(), expired: false },
        EventKind::Retired,
        EventKind::Returned { evidence: evidence(), caveats: vec![text()] },
        EventKind::Kept { note: text() },
        EventKind::Restored,
        EventKind::Unfit { message: text() },
        EventKind::Undecided { message: text() },
        EventKind::Failed { message: text() },
        EventKind::Stuck { message: text(), advice: text() },
        EventKind::CandidateChanged { found: text() },
        EventKind::MovedBack { found: text() },
        drifted(Drifted::Routing(None)),
        drifted(Drifted::Size(0)),
        drifted(Drifted::Record),
        EventKind::Abort { actor: actor(), reason: text() },
        EventKind::Rollback { actor: actor(), reason: text() },
        EventKind::Promote { actor: actor() },
        EventKind::Pause { actor: actor() },
        EventKind::Continue { actor: actor() },
        EventKind::Resume { actor: actor() },
        EventKind::TakenOver { holder: HolderId::new("two"), epoch: Epoch::new(u64::MAX) },
        EventKind::LetGo,
    ]
}

/// A driver that finds it ends, or waits, and does not fall over.
async fn is_driven(document: &Document) {
    // A record may ask for a look every millisecond.
    let limit = std::time::Duration::from_secs(2);
    for what in 0..3 {
        let cluster = agent::cluster();
        let ports = cluster.ports("fuzz");
        if ports.store.save(document, None).await.is_err() {
            return;
        }
        let operations = Operations::new(ports.clone());
        if let Ok(status) = operations.status().await {
            let _ = (status.to_string(), format!("{status:?}"));
        }
        let done = async {
            match what {
                0 => drop(Releaser::new(ports).resume().await),
                1 => drop(operations.rollback("ann", "wrong").await),
                _ => drop(operations.abort("ann", "wrong").await),
            }
        };
        let _ = tokio::time::timeout(limit, done).await;
    }
}
