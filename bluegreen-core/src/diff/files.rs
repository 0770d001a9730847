//! What changes of files.

use std::collections::BTreeSet;

use bytes::Bytes;
use serde::Serialize;
use similar::{ChangeTag, TextDiff};

use super::printable::printable;
use crate::{ConfigFiles, Digest};

/// Larger files are told by size and digest: nobody reads the difference, and it takes long to find.
const LARGEST: usize = 128 * 1024;
/// Likewise of more lines than that.
const MOST_LINES: usize = 4_000;
/// So many lines of a file's difference are kept.
const SHOWN_LINES: usize = 400;
/// So many characters of a line.
const LONGEST_LINE: usize = 400;
/// So many lines around each difference.
const CONTEXT: usize = 3;

/// What changes of the files of one ConfigMap.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ConfigDiff {
    /// The digest of live's files; `None` if they are in a ConfigMap that no release has made.
    pub before: Option<Digest>,
    /// The digest of the files that come; `None` if it is again a ConfigMap that no release has made.
    pub after: Option<Digest>,
    /// The files that change, by name in order. None of them if they are the same in a ConfigMap
    /// that no release has made.
    pub files: Vec<FileDiff>,
    /// Why they were not compared, if they were not.
    pub unknown: Option<String>,
}

/// What changes of one file.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct FileDiff {
    /// The file.
    pub name: String,
    /// What it is in live; `None` if it is new.
    pub before: Option<FileSize>,
    /// What the release makes of it; `None` if it is taken away.
    pub after: Option<FileSize>,
    /// The lines that change, with some around them.
    pub hunks: Vec<Hunk>,
    /// Why there are none of them, or not all.
    pub note: Option<String>,
}

/// How large a file is, and what is in it.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct FileSize {
    /// Its length in bytes.
    pub bytes: usize,
    /// The digest of its content.
    pub digest: Digest,
}

/// Lines that change, with some around them.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Hunk {
    /// Where they are, as in a unified diff: `@@ -1,4 +1,5 @@`.
    pub header: String,
    /// The lines.
    pub lines: Vec<HunkLine>,
}

/// A line of a file.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct HunkLine {
    /// What becomes of it.
    pub tag: LineTag,
    /// Its text without its end, cut where it is long, and with what could not be seen written out.
    pub text: String,
}

/// What becomes of a line.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LineTag {
    /// It stays.
    Kept,
    /// It is taken away.
    Removed,
    /// It is new.
    Added,
}

/// Live's files with their content, as far as that is known.
pub(super) fn of_live<'a>(
    running: Option<&'a ConfigFiles>,
    read: Option<&'a ConfigFiles>,
) -> Option<&'a ConfigFiles> {
    let with_content = running.filter(|it| it.content().is_some());
    // What was read a moment later may be of another release.
    with_content.or(read.filter(|read| running.is_none_or(|running| running == *read)))
}

impl ConfigDiff {
    /// What changes where `released` are live's files by digest, `old` what is known of them, and `new`
    /// what the release brings. `None` where nothing does.
    pub(super) fn of(
        released: Option<&ConfigFiles>,
        old: Option<&ConfigFiles>,
        new: &ConfigFiles,
    ) -> Option<Self> {
        if released == Some(new) {
            return None;
        }
        let mut diff = Self {
            before: released.map(|it| it.digest().clone()),
            after: Some(new.digest().clone()),
            files: Vec::new(),
            unknown: None,
        };
        match (old.and_then(ConfigFiles::content), new.content()) {
            (Some(old), Some(new)) => {
                let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
                let files = names.into_iter();
                diff.files = files
                    .filter(|name| old.get(*name) != new.get(*name))
                    .map(|name| FileDiff::of(name, old.get(name), new.get(name)))
                    .collect();
            }
            (None, Some(new)) if released.is_none() => {
                diff.unknown = Some("live has no files that could be read".to_owned());
                diff.files =
                    new.iter().map(|(name, new)| FileDiff::of(name, None, Some(new))).collect();
            }
            (None, _) => diff.unknown = Some("live's files could not be read".to_owned()),
            (_, None) => {
                diff.unknown = Some("only the digest of the new files is known".to_owned());
            }
        }
        Some(diff)
    }

    /// What becomes of files where the ConfigMap itself is read again.
    pub(super) fn gone(files: &ConfigFiles) -> Self {
        Self {
            before: Some(files.digest().clone()),
            after: None,
            files: Vec::new(),
            unknown: Some("what stands in the configmap itself is read again".to_owned()),
        }
    }
}

impl FileDiff {
    fn of(name: &str, before: Option<&Bytes>, after: Option<&Bytes>) -> Self {
        let size = |it: &Bytes| FileSize { bytes: it.len(), digest: Digest::of([it]) };
        let mut diff = Self {
            name: printable(name, 253),
            before: before.map(size),
            after: after.map(size),
            hunks: Vec::new(),
            note: None,
        };
        let read = |it: Option<&'_ Bytes>| text(it).map(str::to_owned);
        match (read(before), read(after)) {
            (Ok(before), Ok(after)) => diff.compare(&before, &after),
            (Err(why), _) | (_, Err(why)) => diff.note = Some(why.to_owned()),
        }
        diff
    }

    fn compare(&mut self, before: &str, after: &str) {
        let diff = TextDiff::from_lines(before, after);
        let mut left = SHOWN_LINES;
        let mut more = 0;
        for group in diff.grouped_ops(CONTEXT) {
            let (Some(first), Some(last)) = (group.first(), group.last()) else { continue };
            let old = first.old_range().start..last.old_range().end;
            let new = first.new_range().start..last.new_range().end;
            let mut hunk = Hunk { header: header(&old, &new), lines: Vec::new() };
            for change in group.iter().flat_map(|operation| diff.iter_changes(operation)) {
                if left == 0 {
                    more += 1;
                    continue;
                }
                left -= 1;
                let tag = match change.tag() {
                    ChangeTag::Equal => LineTag::Kept,
                    ChangeTag::Delete => LineTag::Removed,
                    ChangeTag::Insert => LineTag::Added,
                };
                let line = change.value();
                let text = match line.strip_suffix('\n') {
                    Some(line) => printable(line, LONGEST_LINE),
                    // An end that only one of two versions has is a difference, too.
                    None => format!("{} (no end of line)", printable(line, LONGEST_LINE)),
                };
                hunk.lines.push(HunkLine { tag, text });
            }
            if !hunk.lines.is_empty() {
                self.hunks.push(hunk);
            }
        }
        if more > 0 {
            self.note = Some(format!("{more} more lines are not shown"));
        }
    }
}

/// The text of a file that can be compared line by line; otherwise why it can not. No file has none.
fn text(file: Option<&Bytes>) -> Result<&str, &'static str> {
    let Some(file) = file else { return Ok("") };
    if file.len() > LARGEST {
        return Err("too large to be compared line by line");
    }
    let text = std::str::from_utf8(file).ok().filter(|text| !text.contains('\0'));
    let text = text.ok_or("no text, so it is not shown")?;
    if text.lines().count() > MOST_LINES {
        return Err("too many lines to be compared");
    }
    Ok(text)
}

fn header(old: &std::ops::Range<usize>, new: &std::ops::Range<usize>) -> String {
    let part = |range: &std::ops::Range<usize>| match range.len() {
        // Of no lines it is the line before, as in other tools.
        0 => format!("{},0", range.start),
        1 => format!("{}", range.start + 1),
        length => format!("{},{length}", range.start + 1),
    };
    format!("@@ -{} +{} @@", part(old), part(new))
}
