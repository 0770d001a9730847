//! The pairs that a run has seen, in memory or in a file.

use std::borrow::Cow;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use super::seen::Seen;

/// Live and idle.
type Pair = (Seen, Seen);

/// What is kept of each pair, by place: the repeats of the first case, then those of the next.
pub(super) enum Pairs {
    Held(Vec<Option<Box<Pair>>>),
    Spooled { spool: Spool, at: Vec<u32> },
}

/// Where there is nothing in the file.
const NOWHERE: u32 = u32::MAX;

impl Pairs {
    /// None of so many, to be kept in memory.
    pub(super) fn held(count: usize) -> Self {
        Self::Held((0..count).map(|_| None).collect())
    }

    /// None of so many, to be kept in a file.
    pub(super) fn spooled(count: usize, spool: Spool) -> Self {
        Self::Spooled { spool, at: vec![NOWHERE; count] }
    }

    pub(super) fn are_spooled(&self) -> bool {
        matches!(self, Self::Spooled { .. })
    }

    /// Keeps a pair. What can't be written is not kept, and the spool says why.
    pub(super) fn set(&mut self, place: usize, live: Seen, idle: Seen) {
        match self {
            Self::Held(pairs) => {
                if let Some(pair) = pairs.get_mut(place) {
                    *pair = Some(Box::new((live, idle)));
                }
            }
            Self::Spooled { spool, at } => {
                if let Some(at) = at.get_mut(place) {
                    *at = spool.write(&(live, idle)).unwrap_or(NOWHERE);
                }
            }
        }
    }

    /// What is kept of a pair, if anything is.
    pub(super) fn get(&self, place: usize) -> Option<Cow<'_, Pair>> {
        match self {
            Self::Held(pairs) => pairs.get(place)?.as_deref().map(Cow::Borrowed),
            Self::Spooled { spool, at } => {
                let at = at.get(place).copied().filter(|at| *at != NOWHERE)?;
                spool.read(at).map(Cow::Owned)
            }
        }
    }

    pub(super) fn clear(&mut self, place: usize) {
        match self {
            Self::Held(pairs) => pairs.iter_mut().skip(place).take(1).for_each(|it| *it = None),
            Self::Spooled { at, .. } => {
                at.iter_mut().skip(place).take(1).for_each(|it| *it = NOWHERE);
            }
        }
    }

    /// Why something is not kept that was to be.
    pub(super) fn problem(&self) -> Option<&str> {
        match self {
            Self::Held(_) => None,
            Self::Spooled { spool, .. } => spool.problem.as_deref(),
        }
    }
}

/// A file of pairs as JSON Lines that nobody else sees.
pub(super) struct Spool {
    file: File,
    end: u64,
    line: Vec<u8>,
    problem: Option<String>,
}

impl Spool {
    /// A new one in this folder. Where the system can, its name is gone at once, and the file when the
    /// process ends, however it ends.
    pub(super) fn new(folder: &Path) -> io::Result<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut tries = 0;
        let (file, path) = loop {
            let number = NUMBER.fetch_add(1, Ordering::Relaxed);
            let name = format!("bluegreen-run-{}-{number}.jsonl", std::process::id());
            let path = folder.join(name);
            match options.open(&path) {
                Ok(file) => break (file, path),
                // Of a process of the same number that was killed before it took the name away.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && tries < 100 => {
                    tries += 1;
                }
                Err(error) => return Err(error),
            }
        };
        // Where an open file has to have a name, it keeps it.
        let _ = std::fs::remove_file(&path);
        Ok(Self { file, end: 0, line: Vec::new(), problem: None })
    }

    fn write(&mut self, pair: &Pair) -> Option<u32> {
        let at = u32::try_from(self.end).ok().filter(|at| *at != NOWHERE);
        let Some(at) = at else {
            self.problem.get_or_insert_with(|| "the file of answers has 4 GiB".to_owned());
            return None;
        };
        self.line.clear();
        let written = serde_json::to_writer(&mut self.line, pair).map_err(io::Error::other);
        self.line.push(b'\n');
        let written = written.and_then(|()| self.file.seek(SeekFrom::Start(self.end)));
        match written.and_then(|_| self.file.write_all(&self.line)) {
            Ok(()) => {
                self.end += self.line.len() as u64;
                Some(at)
            }
            Err(error) => {
                self.problem.get_or_insert_with(|| error.to_string());
                None
            }
        }
    }

    fn read(&self, at: u32) -> Option<Pair> {
        let mut file = &self.file;
        file.seek(SeekFrom::Start(at.into())).ok()?;
        let mut line = Vec::new();
        BufReader::with_capacity(1024, file).read_until(b'\n', &mut line).ok()?;
        serde_json::from_slice(&line).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paired::Attempt;

    fn seen(text: &str) -> Seen {
        let mut seen = Seen::bare(Attempt::Passed { score: Some(0.5) });
        seen.text = text.to_owned();
        seen
    }

    #[test]
    fn a_file_keeps_what_memory_keeps_and_leaves_nothing_behind() {
        let folder = std::env::temp_dir().join(format!("bluegreen-spool-{}", std::process::id()));
        std::fs::create_dir(&folder).unwrap();
        let spooled = Pairs::spooled(3, Spool::new(&folder).unwrap());
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
        std::fs::remove_dir(&folder).unwrap();
        for mut pairs in [Pairs::held(3), spooled] {
            pairs.set(2, seen("one\nline"), seen("other"));
            pairs.set(0, seen("ä"), seen(""));
            pairs.set(3, seen("nowhere"), seen(""));
            assert_eq!(pairs.get(0).unwrap().0.text, "ä");
            assert_eq!(*pairs.get(2).unwrap(), (seen("one\nline"), seen("other")));
            pairs.set(2, seen("again"), seen("other"));
            assert_eq!(pairs.get(2).unwrap().0.text, "again");
            pairs.clear(0);
            assert!(pairs.get(0).is_none() && pairs.get(1).is_none() && pairs.get(3).is_none());
            assert_eq!(pairs.problem(), None);
        }
    }
}
