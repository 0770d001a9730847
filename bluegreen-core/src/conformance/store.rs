//! What every [`ReleaseStore`] has to pass.
//!
//! The closure of the macro returns the store itself, empty. The records that are saved are of
//! an agent `conformance` in a cluster `conformance`.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{for_a_moment, must, must_fail, within};
use crate::ErrorKind::{Conflict, Rejected};
use crate::release::{Foundation, Started};
use crate::{
    Actor, Color, Configuration, Container, Document, Epoch, MAX_BLOB, MAX_RECORD, Outcome, Phase,
    Plan, Record, ReleaseId, ReleaseStore, ResolvedChange, Stored, Timestamp, Written,
};

/// Makes a test of each promise of [`ReleaseStore`](crate::ReleaseStore), from an async closure that
/// returns an empty
/// store. See [`conformance`](crate::conformance).
#[macro_export]
macro_rules! store_conformance_tests {
    ($(#[$attribute:meta])* $name:ident: $fixture:expr $(,)?) => {
        $crate::__conformance_tests! {
            store { $(#[$attribute])* } $name ($fixture) [
                loads_what_was_saved,
                the_first_save_needs_an_empty_store,
                refuses_a_stale_writer,
                of_two_saves_at_once_exactly_one_wins,
                knows_the_revision_of_what_it_saved,
                refuses_a_record_that_is_too_large,
                watching_sees_a_save,
                lists_what_was_archived_newest_first,
                keeps_at_most_so_many,
                a_blob_reads_back,
                refuses_a_blob_that_is_too_large,
            ]
        }
    };
    ($fixture:expr $(,)?) => {
        $crate::store_conformance_tests! { store: $fixture }
    };
}

/// What was saved last is loaded, with the revision that the save gave.
pub async fn loads_what_was_saved(it: &dyn ReleaseStore) {
    assert_eq!(must("loading nothing", it.load().await), None, "the store has to be empty");
    let (first, second) = (document(1, "ann"), document(1, "bob"));
    let one = must("the first save", it.save(&first, None).await);
    let loaded = must("loading", it.load().await);
    assert_eq!(loaded, Some(Stored::new(first, one.clone())), "the first save is loaded");
    let two = must("the second save", it.save(&second, Some(one.clone())).await);
    assert_ne!(two, one, "each save has a revision of its own");
    let loaded = must("loading", it.load().await);
    assert_eq!(loaded, Some(Stored::new(second, two)), "the second save is loaded");
}

/// A save that expects nothing is a `Conflict` when something is there.
pub async fn the_first_save_needs_an_empty_store(it: &dyn ReleaseStore) {
    let (first, other) = (document(1, "ann"), document(2, "bob"));
    let one = must("the first save", it.save(&first, None).await);
    must_fail("another first save", Conflict, it.save(&other, None).await);
    let loaded = must("loading", it.load().await);
    assert_eq!(loaded, Some(Stored::new(first, one)), "the first save stays");
}

/// Of two writers that loaded the same revision the second to save gets a `Conflict` and changes
/// nothing.
pub async fn refuses_a_stale_writer(it: &dyn ReleaseStore) {
    let old = must("the first save", it.save(&document(1, "ann"), None).await);
    let winner = document(1, "bob");
    let new = must("the first of two", it.save(&winner, Some(old.clone())).await);
    let late = it.save(&document(1, "eve"), Some(old)).await;
    must_fail("the second of two", Conflict, late);
    let loaded = must("loading", it.load().await);
    assert_eq!(loaded, Some(Stored::new(winner, new)), "what the first one saved stays");
}

/// Of two saves under way at the same time one succeeds and one is a `Conflict`, with and without
/// something stored.
pub async fn of_two_saves_at_once_exactly_one_wins(it: &dyn ReleaseStore) {
    let mut expected = None;
    for epoch in 1..6 {
        let (a, b) = (document(epoch, "ann"), document(epoch, "bob"));
        let saves = tokio::join!(it.save(&a, expected.clone()), it.save(&b, expected.clone()));
        let (winner, revision) = match saves {
            (Ok(revision), late) => {
                must_fail("the second of two saves", Conflict, late);
                (a, revision)
            }
            (late, Ok(revision)) => {
                must_fail("the second of two saves", Conflict, late);
                (b, revision)
            }
            (Err(a), Err(b)) => panic!("both saves failed: {}; {}", a.chain(), b.chain()),
        };
        let loaded = must("loading", it.load().await);
        assert_eq!(loaded, Some(Stored::new(winner, revision.clone())), "the winner is stored");
        expected = Some(revision);
    }
}

/// What is known of a save without reading it is its revision, and that nobody else wrote it.
pub async fn knows_the_revision_of_what_it_saved(it: &dyn ReleaseStore) {
    let known = |written: Option<Written>| written.map(|it| (it.revision, it.by));
    assert_eq!(known(must("asking", it.written().await)), None, "nothing was saved");
    let mut last = None;
    for by in ["ann", "bob"] {
        let saved = must("a save", it.save(&document(1, by), last).await);
        let written = known(must("asking", it.written().await));
        assert_eq!(written, Some((saved.clone(), None)), "it is the last save's");
        last = Some(saved);
    }
}

/// A record of more than 64 KiB is `Rejected`, and what is stored stays.
pub async fn refuses_a_record_that_is_too_large(it: &dyn ReleaseStore) {
    let mut large = record(1, "ann");
    large.started.by = Actor::new("a".repeat(MAX_RECORD + 1));
    let large = Document::Current(large);
    must_fail("a first save that is too large", Rejected, it.save(&large, None).await);
    assert_eq!(must("loading", it.load().await), None, "nothing was stored");
    let small = document(1, "ann");
    let one = must("a save", it.save(&small, None).await);
    let saved = it.save(&large, Some(one.clone())).await;
    must_fail("a save that is too large", Rejected, saved);
    let loaded = must("loading", it.load().await);
    assert_eq!(loaded, Some(Stored::new(small, one)), "what was stored stays");
}

/// A watch returns once the revision is another one, also when that came before the watch, and
/// not while it is the same.
pub async fn watching_sees_a_save(it: &dyn ReleaseStore) {
    let first = document(1, "ann");
    let (seen, saved) = tokio::join!(within("a watch", it.watch(None)), it.save(&first, None));
    let one = Stored::new(first, must("the first save", saved));
    assert_eq!(must("a watch", seen), Some(one.clone()), "the first save is seen");
    let second = document(1, "bob");
    let known = Some(one.revision);
    let watch = within("a watch", it.watch(known.clone()));
    let (seen, saved) = tokio::join!(watch, it.save(&second, known.clone()));
    let two = Stored::new(second, must("the second save", saved));
    assert_eq!(must("a watch", seen), Some(two.clone()), "the second save is seen");
    for known in [None, known] {
        let seen = within("a watch after the save", it.watch(known)).await;
        assert_eq!(must("a watch", seen), Some(two.clone()), "the save is seen later too");
    }
    if let Some(seen) = for_a_moment(it.watch(Some(two.revision))).await {
        panic!("the watch has nothing to show, and it shows {:?}", must("a watch", seen));
    }
}

/// Finished releases are listed newest first, and one that is archived again is replaced.
pub async fn lists_what_was_archived_newest_first(it: &dyn ReleaseStore) {
    assert_eq!(must("listing nothing", it.list().await), [], "the store has to be empty");
    for epoch in 1..4 {
        must("archiving", it.archive(&finished(epoch, "ann"), 10).await);
    }
    must("archiving again", it.archive(&finished(2, "bob"), 10).await);
    let listed = must("listing", it.list().await);
    let expected = [finished(3, "ann"), finished(2, "bob"), finished(1, "ann")];
    assert_eq!(listed, expected.map(Document::Current), "newest first, each once");
    assert_eq!(must("loading", it.load().await), None, "the current record is another matter");
}

/// Of more finished releases than are to be kept the oldest go.
pub async fn keeps_at_most_so_many(it: &dyn ReleaseStore) {
    for epoch in 1..6 {
        must("archiving", it.archive(&finished(epoch, "ann"), 3).await);
    }
    let listed = must("listing", it.list().await);
    let expected = [5, 4, 3].map(|epoch| Document::Current(finished(epoch, "ann")));
    assert_eq!(listed, expected, "the newest three stay");
}

/// A blob is read as it was put, whatever its bytes and name; the next one of that name replaces
/// it; one that was never put is `None`.
pub async fn a_blob_reads_back(it: &dyn ReleaseStore) {
    let (one, two) = (ReleaseId::new("r1"), ReleaseId::new("r2"));
    assert_eq!(must("reading a blob", it.blob(&one, "smoke").await), None, "nothing is there");
    let every_byte = (0..=u8::MAX).collect::<Bytes>();
    let largest = Bytes::from(vec![b'x'; MAX_BLOB]);
    for content in [every_byte.clone(), largest, Bytes::new(), every_byte.clone()] {
        must("putting a blob", it.put_blob(&one, "smoke", content.clone()).await);
        let read = must("reading a blob", it.blob(&one, "smoke").await);
        assert!(read.as_ref() == Some(&content), "the blob of {} bytes differs", content.len());
    }
    assert_eq!(
        must("reading a blob", it.blob(&two, "smoke").await),
        None,
        "that of another release"
    );
    assert_eq!(must("reading a blob", it.blob(&one, "smok").await), None, "that of another name");
    let name = "p95 of /chat: größer?";
    must("putting a blob", it.put_blob(&one, name, Bytes::from("odd")).await);
    let read = must("reading a blob", it.blob(&one, name).await);
    assert_eq!(read, Some(Bytes::from("odd")), "a name may be any text");
    let read = must("reading a blob", it.blob(&one, "smoke").await);
    assert_eq!(read, Some(every_byte), "the other blob stays");
}

/// A blob of more than 512 KiB is `Rejected`, and the one before stays.
pub async fn refuses_a_blob_that_is_too_large(it: &dyn ReleaseStore) {
    let (release, large) = (ReleaseId::new("r1"), Bytes::from(vec![b'x'; MAX_BLOB + 1]));
    must("putting a blob", it.put_blob(&release, "smoke", Bytes::from("small")).await);
    let put = it.put_blob(&release, "smoke", large).await;
    must_fail("putting a blob that is too large", Rejected, put);
    let read = must("reading a blob", it.blob(&release, "smoke").await);
    assert_eq!(read, Some(Bytes::from("small")), "the one before stays");
}

fn document(epoch: u64, by: &str) -> Document {
    Document::Current(record(epoch, by))
}

fn finished(epoch: u64, by: &str) -> Record {
    let mut record = record(epoch, by);
    record.phase = Phase::Done { outcome: Outcome::Released };
    record.envelope.holder = None;
    record
}

/// A release that began `epoch` minutes after the others.
fn record(epoch: u64, by: &str) -> Record {
    let change = |image: &str| {
        let containers = BTreeMap::from([("agent".to_owned(), Container::new(image))]);
        ResolvedChange::exactly(Configuration::new(containers).with_version("1"))
    };
    Record::new(Foundation {
        agent: "conformance".into(),
        cluster: "conformance".into(),
        live: Color::Blue,
        epoch: Epoch::new(epoch),
        holder: "conformance-1".into(),
        started: Started {
            at: Timestamp::from_unix_millis(1_767_225_600_000 + epoch * 60_000),
            by: Actor::new(by),
        },
        plan: Plan::canary([5, 25]),
        change: change("registry.example.com/agent-service:1.3.0"),
        baseline: change("registry.example.com/agent-service:1.2.0"),
        gates: Vec::new(),
        guards: Vec::new(),
        warm_up: None,
        undoes: None,
    })
}
