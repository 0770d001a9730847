//! Every promise in the documentation of a trait has a check and a test of its name, and checks
//! notice broken promises.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use super::*;
use crate::memory::MemoryStore;
use crate::{
    Clock, Document, HolderId, Liveness, Problem, Record, ReleaseId, ReleaseStore, Revision,
    Stored, Timestamp, Vitality, Written,
};

macro_rules! sources {
    ($($suite:literal: $contract:literal,)*) => {
        [$(($suite, include_str!(concat!("../", $contract)), include_str!(concat!($suite, ".rs"))),)*]
    };
}

#[test]
fn promises_checks_and_tests_have_the_same_names() {
    let sources = sources! {
        "approver": "approver.rs",
        "client": "agent.rs",
        "clock": "clock.rs",
        "liveness": "liveness.rs",
        "load": "load.rs",
        "metrics": "metrics.rs",
        "slot": "slot.rs",
        "store": "store.rs",
        "switch": "switch.rs",
        "validator": "validator.rs",
    };
    for (suite, contract, checks) in sources {
        let promises = names(contract, "/// * `", "`");
        assert!(!promises.is_empty(), "{suite}: the contract has no bullets");
        assert_eq!(names(checks, "pub async fn ", "("), promises, "{suite}: checks");
        let list = checks.split("($fixture) [").nth(1).unwrap().split(']').next().unwrap();
        let tests: Vec<_> = list.split(',').map(str::trim).filter(|it| !it.is_empty()).collect();
        assert_eq!(tests, promises, "{suite}: tests of the macro");
    }
}

fn names<'a>(text: &'a str, before: &str, after: &str) -> Vec<&'a str> {
    text.lines().filter_map(|line| line.trim().strip_prefix(before)?.split(after).next()).collect()
}

/// A store that is right but for one thing.
struct Careless {
    store: MemoryStore,
    fault: Carelessness,
}

#[derive(PartialEq)]
enum Carelessness {
    SavesOverWhatIsThere,
    ListsOldestFirst,
    KeepsEverything,
    ForgetsNames,
    WatchesEvents,
}

use Carelessness::*;

#[async_trait]
impl ReleaseStore for Careless {
    async fn check(&self) -> Result<Vec<Problem>> {
        self.store.check().await
    }

    async fn load(&self) -> Result<Option<Stored>> {
        self.store.load().await
    }

    async fn save(&self, document: &Document, expected: Option<Revision>) -> Result<Revision> {
        let found = self.load().await?.map(|stored| stored.revision);
        let expected = if self.fault == SavesOverWhatIsThere { found } else { expected };
        self.store.save(document, expected).await
    }

    async fn written(&self) -> Result<Option<Written>> {
        self.store.written().await
    }

    async fn watch(&self, known: Option<Revision>) -> Result<Option<Stored>> {
        let found = self.load().await?.map(|stored| stored.revision);
        let known = if self.fault == WatchesEvents { found } else { known };
        self.store.watch(known).await
    }

    async fn archive(&self, record: &Record, keep: u32) -> Result<()> {
        let keep = if self.fault == KeepsEverything { u32::MAX } else { keep };
        self.store.archive(record, keep).await
    }

    async fn list(&self) -> Result<Vec<Document>> {
        let mut list = self.store.list().await?;
        if self.fault == ListsOldestFirst {
            list.reverse();
        }
        Ok(list)
    }

    async fn put_blob(&self, release: &ReleaseId, name: &str, content: Bytes) -> Result<()> {
        let name = if self.fault == ForgetsNames { "blob" } else { name };
        self.store.put_blob(release, name, content).await
    }

    async fn blob(&self, release: &ReleaseId, name: &str) -> Result<Option<Bytes>> {
        let name = if self.fault == ForgetsNames { "blob" } else { name };
        self.store.blob(release, name).await
    }
}

fn careless(fault: Carelessness) -> Careless {
    Careless { store: MemoryStore::new(), fault }
}

#[tokio::test]
#[should_panic(expected = "the second of two has to fail with Conflict")]
async fn a_store_without_compare_and_set_is_found_out() {
    store::refuses_a_stale_writer(&careless(SavesOverWhatIsThere)).await;
}

#[tokio::test]
#[should_panic(expected = "another first save has to fail with Conflict")]
async fn a_store_that_saves_over_is_found_out() {
    store::the_first_save_needs_an_empty_store(&careless(SavesOverWhatIsThere)).await;
}

#[tokio::test]
#[should_panic(expected = "newest first")]
async fn a_store_that_lists_the_wrong_way_is_found_out() {
    store::lists_what_was_archived_newest_first(&careless(ListsOldestFirst)).await;
}

#[tokio::test]
#[should_panic(expected = "the newest three stay")]
async fn a_store_that_keeps_everything_is_found_out() {
    store::keeps_at_most_so_many(&careless(KeepsEverything)).await;
}

#[tokio::test]
#[should_panic(expected = "that of another name")]
async fn a_store_that_mixes_blobs_is_found_out() {
    store::a_blob_reads_back(&careless(ForgetsNames)).await;
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "a watch after the save did not end within")]
async fn a_store_that_watches_events_is_found_out() {
    store::watching_sees_a_save(&careless(WatchesEvents)).await;
}

struct Immortal;

#[async_trait]
impl Liveness for Immortal {
    fn holder(&self) -> HolderId {
        HolderId::new("immortal")
    }

    fn time_to_live(&self) -> Duration {
        Duration::from_secs(1)
    }

    async fn check(&self) -> Result<Vec<Problem>> {
        Ok(Vec::new())
    }

    async fn renew(&self) -> Result<()> {
        Ok(())
    }

    async fn resign(&self) -> Result<()> {
        Ok(())
    }

    async fn vitality(&self, _: &HolderId) -> Result<Vitality> {
        Ok(Vitality::Alive)
    }
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "it is silent, and still alive after")]
async fn a_lease_that_never_lapses_is_found_out() {
    let (here, clock) = (Arc::new(Immortal), Arc::new(crate::memory::TokioClock::new()));
    let there = Arc::clone(&here) as _;
    let fixture = liveness::LivenessFixture { here, there, clock, guard: Box::new(()) };
    liveness::a_silent_holder_lapses(&fixture).await;
}

struct Stopped;

#[async_trait]
impl Clock for Stopped {
    fn now(&self) -> Timestamp {
        Timestamp::default()
    }

    async fn sleep(&self, _: Duration) {}
}

#[tokio::test]
#[should_panic(expected = "were slept and 0ns have passed")]
async fn a_clock_that_stands_still_is_found_out() {
    clock::tells_one_time(&Stopped).await;
}
