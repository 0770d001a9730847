//! Records in memory.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;

use super::changes::Changes;
use super::lock;
use super::world::SOMEBODY;
use crate::{
    Document, Error, ErrorKind, MAX_BLOB, MAX_RECORD, Problem, Record, ReleaseId, ReleaseStore,
    Result, Revision, Stored, Written,
};

/// Keeps the records of one agent in memory. Clones are the same store.
///
/// What a record would take as text is not known here, because this crate writes no JSON: its
/// size is taken to be that of its `Debug` text, which has the same names and values.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    kept: Mutex<Kept>,
    changes: Changes,
}

#[derive(Debug, Default)]
struct Kept {
    current: Option<Document>,
    /// Somebody wrote over the record what is none.
    garbled: bool,
    /// Who else wrote it.
    author: Option<String>,
    saves: u64,
    finished: Vec<Record>,
    blobs: BTreeMap<(ReleaseId, String), Bytes>,
    problems: Vec<Problem>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes [`check`](ReleaseStore::check) report a problem.
    pub fn add_problem(&self, problem: Problem) {
        lock(&self.inner.kept).problems.push(problem);
    }

    /// Writes over what is stored without asking for its revision, as nobody should; `None`
    /// takes it away, as when somebody deletes the object.
    pub fn overwrite(&self, document: Option<Document>) {
        let mut kept = lock(&self.inner.kept);
        kept.current = document;
        kept.garbled = false;
        kept.author = Some(SOMEBODY.to_owned());
        kept.saves += 1;
        drop(kept);
        self.inner.changes.tell();
    }

    /// Writes over what is stored something that is no record, as an editor may.
    pub fn garble(&self) {
        let mut kept = lock(&self.inner.kept);
        kept.garbled = true;
        kept.author = Some(SOMEBODY.to_owned());
        kept.saves += 1;
        drop(kept);
        self.inner.changes.tell();
    }

    /// Looks at what is stored without a call, so that nothing can go wrong.
    pub fn peek<T>(&self, look: impl FnOnce(Option<&Document>) -> T) -> T {
        look(lock(&self.inner.kept).current.as_ref())
    }

    fn stored(&self, action: &str) -> Result<Option<Stored>> {
        let kept = lock(&self.inner.kept);
        if kept.garbled {
            return Err(Error::new(ErrorKind::Rejected, action).with_source("it is no record"));
        }
        Ok(kept.stored())
    }
}

impl Kept {
    fn revision(&self) -> Option<Revision> {
        self.current.as_ref().map(|_| Revision::new(self.saves.to_string()))
    }

    fn stored(&self) -> Option<Stored> {
        let revision = self.revision()?;
        self.current.clone().map(|document| Stored::new(document, revision))
    }

    /// Takes away finished releases beyond `keep`, and their blobs.
    fn prune(&mut self, keep: u32) {
        self.finished.sort_by(|a, b| {
            let key = |record: &Record| (record.started.at, record.envelope.epoch);
            key(b).cmp(&key(a))
        });
        let gone = self.finished.split_off(self.finished.len().min(keep as usize));
        let current = self.current.as_ref().map(|document| document.envelope().release.clone());
        for record in gone {
            let release = record.envelope.release;
            if current.as_ref() != Some(&release) {
                self.blobs.retain(|(of, _), _| *of != release);
            }
        }
    }
}

#[async_trait]
impl ReleaseStore for MemoryStore {
    async fn check(&self) -> Result<Vec<Problem>> {
        Ok(lock(&self.inner.kept).problems.clone())
    }

    async fn load(&self) -> Result<Option<Stored>> {
        self.stored("load the record")
    }

    async fn save(&self, document: &Document, expected: Option<Revision>) -> Result<Revision> {
        let action = || format!("save the record of {}", document.envelope().release);
        refuse_large(&action(), size_of_debug(document), MAX_RECORD)?;
        let mut kept = lock(&self.inner.kept);
        if kept.revision() != expected {
            let text = |revision: Option<Revision>| {
                revision.map_or("nothing".to_owned(), |it| format!("revision {it}"))
            };
            let reason = format!("found {}, wanted {}", text(kept.revision()), text(expected));
            return Err(Error::new(ErrorKind::Conflict, action()).with_source(reason));
        }
        kept.current = Some(document.clone());
        (kept.garbled, kept.author) = (false, None);
        kept.saves += 1;
        let revision = Revision::new(kept.saves.to_string());
        drop(kept);
        self.inner.changes.tell();
        Ok(revision)
    }

    async fn written(&self) -> Result<Option<Written>> {
        let kept = lock(&self.inner.kept);
        Ok(kept.revision().map(|revision| Written::new(revision, kept.author.clone())))
    }

    async fn watch(&self, known: Option<Revision>) -> Result<Option<Stored>> {
        loop {
            let seen = self.inner.changes.count();
            let stored = self.stored("watch the record")?;
            if stored.as_ref().map(|stored| &stored.revision) != known.as_ref() {
                return Ok(stored);
            }
            self.inner.changes.after(seen).await;
        }
    }

    async fn archive(&self, record: &Record, keep: u32) -> Result<()> {
        let release = &record.envelope.release;
        let size = size_of_debug(record);
        refuse_large(&format!("archive the record of {release}"), size, MAX_RECORD)?;
        let mut kept = lock(&self.inner.kept);
        kept.finished.retain(|other| other.envelope.release != *release);
        kept.finished.push(record.clone());
        kept.prune(keep);
        Ok(())
    }

    async fn list(&self) -> Result<Vec<Document>> {
        let kept = lock(&self.inner.kept);
        Ok(kept.finished.iter().cloned().map(Document::Current).collect())
    }

    async fn put_blob(&self, release: &ReleaseId, name: &str, content: Bytes) -> Result<()> {
        refuse_large(&format!("keep blob {name} of {release}"), content.len(), MAX_BLOB)?;
        lock(&self.inner.kept).blobs.insert((release.clone(), name.to_owned()), content);
        Ok(())
    }

    async fn blob(&self, release: &ReleaseId, name: &str) -> Result<Option<Bytes>> {
        Ok(lock(&self.inner.kept).blobs.get(&(release.clone(), name.to_owned())).cloned())
    }
}

fn refuse_large(action: &str, size: usize, limit: usize) -> Result<()> {
    if size <= limit {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Rejected, action)
        .with_source(format!("it has {size} bytes, and at most {limit} can be kept")))
}

/// The length of the `Debug` text, which is not built for that.
fn size_of_debug(value: &impl fmt::Debug) -> usize {
    struct Counter(usize);
    impl fmt::Write for Counter {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            self.0 += text.len();
            Ok(())
        }
    }
    let mut counter = Counter(0);
    // Counting cannot fail.
    let _ = write!(counter, "{value:?}");
    counter.0
}
