//! Prompts and other files that are released together with the agent.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Digest, Error, ErrorKind, Problem, Result};

/// How much all files of one ConfigMap may hold: 1 MiB, as Kubernetes has it.
pub const MAX_CONFIG: usize = 1 << 20;

/// The longest name of a ConfigMap of files: twelve digits of the digest come to it, and a dash.
const MAX_NAME: usize = 253 - 13;

/// The files of one ConfigMap: prompts, tool schemas, settings of guardrails.
///
/// A record stores their digest only, and they are equal when that is. Where they run they stand
/// under a name that has the digest in it, so that going back needs nothing but the name.
///
/// ```
/// use bluegreen_core::{Change, ConfigFiles};
///
/// let files = ConfigFiles::new([("system.txt", "You are a helpful support agent.")]);
/// let change = Change::files("agent-prompts", files);
/// # assert_eq!(change.config.len(), 1);
/// ```
#[derive(Clone)]
pub struct ConfigFiles {
    digest: Digest,
    content: Option<Arc<BTreeMap<String, Bytes>>>,
}

impl ConfigFiles {
    /// These files, by name.
    pub fn new<I, N, C>(files: I) -> Self
    where
        I: IntoIterator<Item = (N, C)>,
        N: Into<String>,
        C: Into<Bytes>,
    {
        let files = files.into_iter().map(|(name, content)| (name.into(), content.into()));
        let content: BTreeMap<String, Bytes> = files.collect();
        let parts = content.iter().flat_map(|(name, content)| [name.as_bytes(), content]);
        Self { digest: Digest::of(parts), content: Some(Arc::new(content)) }
    }

    /// The files of a folder, each under its own name. Reads at once, at most [`MAX_CONFIG`] bytes.
    ///
    /// # Errors
    /// [`Rejected`](ErrorKind::Rejected) with everything that is wrong: what cannot be read, what is
    /// no plain file (folders in it, links), more than a ConfigMap may hold.
    pub fn read(folder: impl AsRef<Path>) -> Result<Self> {
        let folder = folder.as_ref();
        read(folder).map(Self::new).map_err(|wrong| {
            let action = format!("read the files of {}", folder.display());
            Error::new(ErrorKind::Rejected, action).with_source(wrong.join("; "))
        })
    }

    /// Files of which only the digest is known, because they stand where they are to run.
    pub fn known_by(digest: Digest) -> Self {
        Self { digest, content: None }
    }

    /// The digest of names and content.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// The files by name. `None` when they were read from a record, or from a slot.
    pub fn content(&self) -> Option<&BTreeMap<String, Bytes>> {
        self.content.as_deref()
    }

    /// What of them no ConfigMap `name` can hold.
    pub(crate) fn problems(&self, name: &str) -> Vec<Problem> {
        let object = format!("change, config {name}");
        let mut problems = Vec::new();
        if let Err(why) = check_name(name) {
            problems.push(
                Problem::new("malformed-config-map", &object)
                    .found(format!("a name {why}"))
                    .wanted(format!("1 to {MAX_NAME} of a-z, 0-9, `-` and `.`, as agent-prompts")),
            );
        }
        let Some(content) = self.content() else { return problems };
        if content.is_empty() {
            problems.push(
                Problem::new("empty-config", &object).found("no files").wanted("at least one"),
            );
        }
        for file in content.keys() {
            if let Err(why) = check_file(file) {
                problems.push(
                    Problem::new("malformed-file", &object)
                        .found(format!("a file {file:?} {why}"))
                        .wanted("1 to 253 letters, digits, `-`, `_` or `.`"),
                );
            }
        }
        let size: usize = content.values().map(Bytes::len).sum();
        if size > MAX_CONFIG {
            problems.push(
                Problem::new("config-too-large", object)
                    .found(format!("{size} bytes in {} files", content.len()))
                    .wanted(format!("at most {MAX_CONFIG}: a ConfigMap holds no more")),
            );
        }
        problems
    }
}

fn read(folder: &Path) -> std::result::Result<Vec<(String, Bytes)>, Vec<String>> {
    let entries = std::fs::read_dir(folder).map_err(|error| vec![error.to_string()])?;
    let (mut files, mut wrong, mut size) = (Vec::new(), Vec::new(), 0);
    for entry in entries {
        match entry.map_err(|error| error.to_string()).and_then(|entry| one(&entry, &mut size)) {
            Ok(file) => files.push(file),
            Err(why) => wrong.push(why),
        }
    }
    if files.is_empty() && wrong.is_empty() {
        wrong.push("found no files, wanted at least one".to_owned());
    }
    wrong.sort();
    if wrong.is_empty() { Ok(files) } else { Err(wrong) }
}

fn one(
    entry: &std::fs::DirEntry,
    size: &mut usize,
) -> std::result::Result<(String, Bytes), String> {
    let name = entry.file_name().to_string_lossy().into_owned();
    let told = |error: std::io::Error| format!("{name}: {error}");
    let kind = entry.file_type().map_err(told)?;
    if !kind.is_file() {
        let found = if kind.is_dir() { "a folder" } else { "a link or a device" };
        return Err(format!("{name}: found {found}, wanted a plain file"));
    }
    let length = entry.metadata().map_err(told)?.len();
    *size = size.saturating_add(usize::try_from(length).unwrap_or(usize::MAX));
    if *size > MAX_CONFIG {
        return Err(format!("{name}: found {size} bytes with it, wanted at most {MAX_CONFIG}"));
    }
    let content = std::fs::read(entry.path()).map_err(told)?;
    Ok((name, content.into()))
}

fn check_name(name: &str) -> std::result::Result<(), &'static str> {
    if name.is_empty() || name.len() > MAX_NAME {
        return Err("that is empty or too long");
    }
    let end = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    if !name.chars().all(|c| end(c) || matches!(c, '-' | '.')) {
        return Err("with a character that none has");
    }
    let is_part = |part: &str| part.starts_with(end) && part.ends_with(end);
    if name.split('.').all(is_part) {
        Ok(())
    } else {
        Err("with a part that begins or ends with a mark")
    }
}

fn check_file(name: &str) -> std::result::Result<(), &'static str> {
    if name.is_empty() || name.len() > 253 {
        return Err("whose name is empty or too long");
    }
    if name == "." || name.starts_with("..") {
        return Err("whose name begins with two dots");
    }
    let may = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.chars().all(may) { Ok(()) } else { Err("with a character that no key has") }
}

impl PartialEq for ConfigFiles {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl Eq for ConfigFiles {}

impl fmt::Debug for ConfigFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.content().map(|files| files.keys().collect::<Vec<_>>());
        write!(f, "ConfigFiles({}, {names:?})", self.digest.short())
    }
}

impl Serialize for ConfigFiles {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        self.digest.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for ConfigFiles {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        Digest::deserialize(deserializer).map(Self::known_by)
    }
}

#[cfg(test)]
mod tests;
