//! Cases in a file of their own, read one at a time.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bluegreen_core::Digest;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Assertion, Case};

/// The most bytes of a file, of one line, and the most cases.
const LARGEST: u64 = 1 << 30;
const LONGEST: u64 = 1 << 20;
const MOST: usize = 1_000_000;

/// The cases of a [`Suite`](super::Suite) in a file of JSON Lines: one [`Case`] a line, as it stands in
/// the list `cases` of a suite.
///
/// They are read when they are asked, and what is kept of each is a few bytes: a suite may have a hundred
/// thousand of them. The file is opened once and must stay as it is; a line that has changed is no
/// case any more, and the run of it is lost. It has at most 1 GiB, 1 MiB a line, and a million cases.
///
/// In a suite's file its path is that from the folder of this file on.
#[derive(Clone)]
pub struct CaseFile(Arc<Shared>);

struct Shared {
    path: PathBuf,
    folder: OnceLock<PathBuf>,
    opened: OnceLock<Result<Opened, String>>,
}

/// A file of which it is known where each line is.
pub(crate) struct Opened {
    file: Mutex<File>,
    /// Where each line begins that has a case, and where the last one ends.
    begins: Vec<u32>,
    /// What the bytes of each come to, so that a line is known again.
    sums: Vec<u32>,
    /// The number in the file of each, where some lines are empty.
    numbers: Option<Vec<u32>>,
    digest: Digest,
    /// The assertions of its cases that the whole suite has to know of, each once.
    notable: Vec<Assertion>,
}

impl CaseFile {
    /// The file of this path, from the current folder on. It is read when the suite is.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let (folder, opened) = (OnceLock::new(), OnceLock::new());
        Self(Arc::new(Shared { path: path.into(), folder, opened }))
    }

    /// Its path.
    pub fn path(&self) -> PathBuf {
        self.0.folder.get().map_or_else(|| self.0.path.clone(), |it| it.join(&self.0.path))
    }

    /// It is looked for from this folder on, unless it has been looked for already.
    pub(crate) fn look_from(&self, folder: &Path) {
        // Once it is known where it is, that does not change.
        let _ = self.0.folder.set(folder.to_owned());
    }

    /// What is in it.
    ///
    /// # Errors
    /// Why that can't be read.
    pub(crate) fn opened(&self) -> Result<&Opened, String> {
        let opened = self.0.opened.get_or_init(|| Opened::open(&self.path()));
        opened.as_ref().map_err(Clone::clone)
    }
}

impl Opened {
    fn open(path: &Path) -> Result<Self, String> {
        let file = File::open(path).map_err(|error| error.to_string())?;
        let mut lines = BufReader::new(&file);
        let (mut begins, mut sums, mut numbers) = (Vec::new(), Vec::new(), None::<Vec<u32>>);
        let mut digest = Digest::of(["bluegreen cases 1"]);
        let (mut notable, mut known) = (Vec::new(), BTreeSet::new());
        let (mut line, mut at, mut number) = (Vec::new(), 0_u64, 0_u32);
        loop {
            line.clear();
            let read = (&mut lines).take(LONGEST + 1).read_until(b'\n', &mut line);
            let read = read.map_err(|error| error.to_string())? as u64;
            if read == 0 {
                break;
            }
            number += 1;
            if read > LONGEST {
                return Err(format!("line {number}: more than 1 MiB"));
            }
            if !line.trim_ascii().is_empty() {
                if at + read > LARGEST || begins.len() >= MOST {
                    return Err("more than 1 GiB, or than a million cases".to_owned());
                }
                begins.push(u32::try_from(at).unwrap_or(u32::MAX));
                sums.push(sum(&line));
                let count = u32::try_from(begins.len()).unwrap_or(u32::MAX);
                if number != count {
                    // From here on no line is that of its place.
                    numbers.get_or_insert_with(|| (1..count).collect()).push(number);
                }
                digest = Digest::of([digest.as_str().as_bytes(), line.trim_ascii()]);
                note(&line, &mut notable, &mut known);
            }
            at += read;
        }
        begins.push(u32::try_from(at).unwrap_or(u32::MAX));
        begins.shrink_to_fit();
        sums.shrink_to_fit();
        drop(lines);
        Ok(Self { file: Mutex::new(file), begins, sums, numbers, digest, notable })
    }

    /// How many cases there are.
    pub(crate) fn len(&self) -> usize {
        self.sums.len()
    }

    /// The number of the line that a case stands in, from 1.
    pub(crate) fn number(&self, index: usize) -> u64 {
        let numbers = self.numbers.as_ref();
        numbers.and_then(|it| it.get(index)).map_or(index as u64 + 1, |it| u64::from(*it))
    }

    /// One digest of all lines.
    pub(crate) fn digest(&self) -> &Digest {
        &self.digest
    }

    /// The assertions of its cases that the whole suite has to know of.
    pub(crate) fn notable(&self) -> &[Assertion] {
        &self.notable
    }

    /// The text of a case.
    ///
    /// # Errors
    /// Why there is none: it can't be read any more, or is another one by now.
    pub(crate) fn text(&self, index: usize) -> Result<String, String> {
        let number = self.number(index);
        let (begin, end) = match self.begins.get(index..).and_then(|it| it.get(..2)) {
            Some([begin, end]) => (u64::from(*begin), u64::from(*end)),
            _ => return Err(format!("there is no case {index}")),
        };
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let failed = |error: std::io::Error| format!("line {number} can't be read: {error}");
        file.seek(SeekFrom::Start(begin)).map_err(failed)?;
        let mut reader = BufReader::with_capacity(512, (&mut *file).take(end - begin));
        let mut line = Vec::new();
        // What follows up to the next case is empty.
        reader.read_until(b'\n', &mut line).map_err(failed)?;
        drop(reader);
        drop(file);
        if self.sums.get(index) != Some(&sum(&line)) {
            return Err(format!("line {number} has changed since the suite was read"));
        }
        String::from_utf8(line).map_err(|_| format!("line {number} is no UTF-8 text"))
    }

    /// A case.
    ///
    /// # Errors
    /// Those of [`text`](Self::text), and what is wrong with it.
    pub(crate) fn case(&self, index: usize) -> Result<Case, String> {
        let text = self.text(index)?;
        let number = self.number(index);
        serde_json::from_str(&text).map_err(|error| format!("line {number}: {error}"))
    }

    /// What a case is called; nothing if that can't be read any more.
    pub(crate) fn name(&self, index: usize) -> String {
        #[derive(Deserialize)]
        struct Named {
            id: String,
        }
        let text = self.text(index).unwrap_or_default();
        serde_json::from_str::<Named>(&text).map_or_else(|_| String::new(), |it| it.id)
    }
}

fn sum(line: &[u8]) -> u32 {
    let mut hasher = DefaultHasher::new();
    line.trim_ascii().hash(&mut hasher);
    #[allow(clippy::cast_possible_truncation, reason = "half of it tells lines apart")]
    let sum = hasher.finish() as u32;
    sum
}

/// Notes the assertions of a case that the whole suite has to know of: whom they ask.
fn note(line: &[u8], notable: &mut Vec<Assertion>, known: &mut BTreeSet<String>) {
    let has = |word: &str| line.windows(word.len()).any(|it| it == word.as_bytes());
    // A name may be written with escapes.
    if !["webhook", "grader", "context-", "answer-relevance", "\\u"].iter().any(|word| has(word)) {
        return;
    }
    // What is wrong with it is said when it is made ready.
    let Ok(case) = serde_json::from_slice::<Case>(line) else { return };
    for assertion in case.assert.iter().chain(case.turns_asserts()).filter(|it| it.is_notable()) {
        let text = serde_json::to_string(assertion).unwrap_or_default();
        if known.insert(text) {
            notable.push(assertion.clone());
        }
    }
}

/// The same path from the same folder on.
impl PartialEq for CaseFile {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.path() == other.path()
    }
}

impl fmt::Debug for CaseFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CaseFile").field(&self.path()).finish()
    }
}

impl Serialize for CaseFile {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.0.path.serialize(to)
    }
}

impl<'de> Deserialize<'de> for CaseFile {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        PathBuf::deserialize(from).map(Self::new)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for CaseFile {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "CaseFile".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string"})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, text: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("bluegreen-{name}-{}", std::process::id()));
        std::fs::write(&path, text).unwrap();
        path
    }

    #[test]
    fn each_case_is_found_whatever_is_between_the_lines() {
        let text = "\n{\"id\":\"a\",\"prompt\":\"x\"}\n\n  \n{\"prompt\":\"y\",\"id\":\"b\"}\r\n{\"id\":\"c\"}";
        let path = file("lines", text);
        let file = CaseFile::new(&path);
        let opened = file.opened().unwrap();
        assert_eq!(opened.len(), 3);
        let names: Vec<_> = (0..4).map(|index| opened.name(index)).collect();
        assert_eq!(names, ["a", "b", "c", ""]);
        let numbers: Vec<_> = (0..3).map(|index| opened.number(index)).collect();
        assert_eq!(numbers, [2, 5, 6]);
        assert_eq!(opened.case(1).unwrap(), Case::new("b", "y"));
        // Empty lines are of no matter, and neither is how lines end.
        let same = self::file(
            "same",
            "{\"id\":\"a\",\"prompt\":\"x\"}\n{\"prompt\":\"y\",\"id\":\"b\"}\n{\"id\":\"c\"}\n",
        );
        let same = CaseFile::new(same);
        assert_eq!(same.opened().unwrap().digest(), opened.digest());
        std::fs::remove_file(same.path()).unwrap();
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn a_line_that_has_changed_is_no_case() {
        let path =
            file("changed", "{\"id\":\"a\",\"prompt\":\"x\"}\n{\"id\":\"b\",\"prompt\":\"y\"}\n");
        let file = CaseFile::new(&path);
        let opened = file.opened().unwrap();
        assert_eq!(opened.name(1), "b");
        std::fs::write(&path, "{\"id\":\"a\",\"prompt\":\"x\"}\n{\"id\":\"b\",\"prompt\":\"z\"}\n")
            .unwrap();
        assert_eq!(opened.name(0), "a");
        let why = opened.case(1).unwrap_err();
        assert_eq!(why, "line 2 has changed since the suite was read");
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn those_who_grade_are_known_before_any_case_is_read() {
        let hook = r#"{"id":"a","prompt":"x","assert":[{"webhook":"http://127.0.0.1:1/grade"},{"contains":"x"}]}"#;
        let path = file("hooks", &format!("{hook}\n{}\n", hook.replace("\"a\"", "\"b\"")));
        let file = CaseFile::new(&path);
        let found: Vec<_> = file.opened().unwrap().notable().iter().map(Assertion::name).collect();
        assert_eq!(found, ["webhook"]);
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn a_file_that_is_not_there_is_said() {
        let why = CaseFile::new("/nowhere/cases.jsonl").opened().err().unwrap();
        assert!(why.contains("No such file"), "{why}");
    }
}
