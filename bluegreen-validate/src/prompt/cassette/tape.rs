//! The file of a cassette: read once, then appended to, a line at a time.

use std::collections::{HashMap, HashSet};
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;

use serde::Serialize;

use super::line::{Head, Line, VERSION};
use super::{CassetteMode, LARGEST, LONGEST};

/// A file, and where in it each exchange is.
#[derive(Debug)]
pub(super) struct Tape {
    file: File,
    /// Up to where it has whole lines.
    end: u64,
    pub(super) head: Option<Head>,
    places: HashMap<String, Place>,
    /// Of which slot, case and repeat there was something when it was opened.
    heard: HashSet<(String, String, u32)>,
    /// Bytes of a last line that was not written to its end.
    pub(super) torn: u64,
    /// Whether what is in it is to go, once it is known to be of the run that begins.
    pub(super) is_stale: bool,
}

/// Where a line is; its length is without what ends it.
#[derive(Clone, Copy, Debug)]
struct Place {
    from: u64,
    length: usize,
}

impl Tape {
    pub(super) fn open(path: &Path, mode: CassetteMode) -> Result<Self, String> {
        // A pipe or a device would be waited for, or have no end.
        if std::fs::metadata(path).is_ok_and(|it| !it.is_file()) {
            return Err("found a folder, a pipe or a device, wanted a file".to_owned());
        }
        let writes = mode != CassetteMode::Replay;
        let mut options = OpenOptions::new();
        options.read(true).append(writes).create(writes);
        let file = options.open(path).map_err(|error| error.to_string())?;
        let locked = if writes { file.try_lock() } else { file.try_lock_shared() };
        // A file system without locks has none that another process could hold.
        if let Err(std::fs::TryLockError::WouldBlock) = locked {
            return Err("found it in use by another process, wanted one at a time".to_owned());
        }
        let mut tape = Self::read(file)?;
        if writes {
            tape.file.set_len(tape.end).map_err(|error| format!("cut it off: {error}"))?;
        } else if tape.head.is_none() {
            return Err("found nothing in it, wanted what was recorded".to_owned());
        }
        tape.is_stale = mode == CassetteMode::Refresh;
        Ok(tape)
    }

    fn read(file: File) -> Result<Self, String> {
        let length = file.metadata().map_err(|error| error.to_string())?.len();
        if length > LARGEST {
            return Err(format!("found {length} bytes, wanted at most {LARGEST}"));
        }
        let mut tape = Self::empty(file);
        let mut text = Vec::new();
        let mut lines = BufReader::new(&tape.file);
        for number in 1_u64.. {
            text.clear();
            let read = lines.read_until(b'\n', &mut text).map_err(|error| error.to_string())?;
            if text.pop_if(|last| *last == b'\n').is_none() {
                // Whoever writes cuts it off, so it has to be the beginning of what we write.
                if tape.head.is_none() && !is_torn_head(&text) {
                    return Err("line 1: no head of a cassette".to_owned());
                }
                tape.torn = read as u64;
                break;
            }
            let wrong = |error: serde_json::Error| format!("line {number}: {error}");
            if tape.head.is_none() {
                tape.head = Some(head(&text).map_err(|why| format!("line {number}: {why}"))?);
            } else {
                let line: Line = serde_json::from_slice(&text).map_err(wrong)?;
                let place = Place { from: tape.end, length: text.len() };
                tape.places.insert(line.key, place);
                tape.heard.insert((line.slot, line.case, line.repeat));
            }
            tape.end += read as u64;
        }
        Ok(tape)
    }

    fn empty(file: File) -> Self {
        let (places, heard) = (HashMap::new(), HashSet::new());
        Self { file, end: 0, head: None, places, heard, torn: 0, is_stale: false }
    }

    /// Whether it has something of a case in a slot.
    pub(super) fn has_heard(&self, slot: &str, case: &str, repeat: u32) -> bool {
        self.heard.contains(&(slot.to_owned(), case.to_owned(), repeat))
    }

    /// How many exchanges there are.
    pub(super) fn count(&self) -> usize {
        self.places.len()
    }

    pub(super) fn find(&mut self, key: &str) -> Result<Option<Line>, String> {
        let Some(place) = self.places.get(key) else { return Ok(None) };
        let bytes = self.bytes(*place).map_err(|error| error.to_string())?;
        let line: Line = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
        if line.key == key {
            Ok(Some(line))
        } else {
            Err("found another exchange in its place: it was changed meanwhile".to_owned())
        }
    }

    fn bytes(&mut self, place: Place) -> std::io::Result<Vec<u8>> {
        self.file.seek(SeekFrom::Start(place.from))?;
        let mut bytes = vec![0; place.length];
        self.file.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// Begins with a head, and with nothing else: what was there goes.
    pub(super) fn begin(&mut self, head: Head) -> Result<(), String> {
        self.file.set_len(0).map_err(|error| format!("begin it anew: {error}"))?;
        (self.end, self.is_stale) = (0, false);
        self.places.clear();
        self.heard.clear();
        self.write(&text(&head)?)?;
        self.head = Some(head);
        Ok(())
    }

    /// Adds an exchange, if there is room for it.
    pub(super) fn add(&mut self, line: &Line) -> Result<bool, String> {
        let bytes = text(line)?;
        if bytes.len() > LONGEST || self.end + bytes.len() as u64 >= LARGEST {
            return Ok(false);
        }
        let place = Place { from: self.end, length: bytes.len() };
        self.write(&bytes)?;
        self.places.insert(line.key.clone(), place);
        Ok(true)
    }

    /// Writes one line, wholly or not at all.
    fn write(&mut self, line: &[u8]) -> Result<(), String> {
        let whole = [line, b"\n"].concat();
        if let Err(error) = self.file.write_all(&whole) {
            // What is written of it must not be the beginning of the next.
            let _ = self.file.set_len(self.end);
            return Err(error.to_string());
        }
        self.end += whole.len() as u64;
        Ok(())
    }
}

/// Whether a file that has no whole line may be one of ours that was not written further.
fn is_torn_head(text: &[u8]) -> bool {
    const BEGINNING: &[u8] = b"{\"cassette\":";
    text.starts_with(BEGINNING) || BEGINNING.starts_with(text)
}

fn head(text: &[u8]) -> Result<Head, String> {
    // A later version may have other fields: its number is what is to be told of it.
    let value: serde_json::Value =
        serde_json::from_slice(text).map_err(|error| format!("no head of a cassette: {error}"))?;
    let version = value.get("cassette").unwrap_or(&serde_json::Value::Null);
    if *version != VERSION {
        return Err(format!("found version {version} of the format, wanted {VERSION}"));
    }
    serde_json::from_value(value).map_err(|error| format!("no head of a cassette: {error}"))
}

fn text(value: &impl Serialize) -> Result<Vec<u8>, String> {
    serde_json::to_vec(value).map_err(|error| error.to_string())
}
