//! A difference as text, line by line.

use std::fmt;

use super::printable::printable;
use super::{ChangeDiff, ConfigDiff, FileDiff, FileSize, LineTag, Replaced, ShownValue};
use crate::{Digest, External};

/// So many characters of a value.
const LONGEST_VALUE: usize = 300;

/// A line of a difference as text.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct DiffLine {
    /// What it is.
    pub kind: DiffLineKind,
    /// The line, without an end.
    pub text: String,
}

/// What a line of a difference is, for those who want colours.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum DiffLineKind {
    /// What changes.
    Heading,
    /// Where in a file.
    Place,
    /// A line of a file that stays.
    Kept,
    /// A line that is taken away.
    Removed,
    /// A line that is new.
    Added,
    /// What is to be said of it.
    Note,
}

impl ChangeDiff {
    /// The text for people, line by line.
    pub fn lines(&self) -> Vec<DiffLine> {
        let mut lines = Lines(Vec::new());
        if let Some(version) = &self.version {
            lines.heading(format!("version: {}", arrow(version, |it| shown(it))));
        }
        for (container, image) in &self.images {
            lines.heading(format!("image of {container}: {}", arrow(image, |it| shown(it))));
        }
        for (container, variables) in &self.env {
            for (name, value) in variables {
                let name = printable(name, LONGEST_VALUE);
                lines.heading(format!("variable {container}/{name}: {}", variable(value)));
            }
        }
        for (name, external) in &self.external {
            let show = |it: &External| format!("{} ({})", shown(&it.reference), it.digest.short());
            lines.heading(format!("external {}: {}", shown(name), arrow(external, show)));
        }
        for (config_map, diff) in &self.config {
            config(&mut lines, config_map, diff);
        }
        lines.0
    }
}

impl fmt::Display for ChangeDiff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines().iter().try_for_each(|line| writeln!(f, "{}", line.text))
    }
}

struct Lines(Vec<DiffLine>);

impl Lines {
    fn heading(&mut self, text: String) {
        self.push(DiffLineKind::Heading, text);
    }

    fn push(&mut self, kind: DiffLineKind, text: String) {
        self.0.push(DiffLine { kind, text });
    }
}

fn config(lines: &mut Lines, config_map: &str, diff: &ConfigDiff) {
    let config_map = printable(config_map, LONGEST_VALUE);
    let side = |it: &Option<Digest>| it.as_ref().map_or("its own", Digest::short).to_owned();
    let (before, after) = (side(&diff.before), side(&diff.after));
    lines.heading(format!("files of {config_map}: {before} → {after}"));
    if let Some(why) = &diff.unknown {
        lines.push(DiffLineKind::Note, format!("  {why}"));
    } else if diff.files.is_empty() {
        let text = "  the same files, from now on where nobody overwrites them";
        lines.push(DiffLineKind::Note, text.to_owned());
    }
    for diff in &diff.files {
        file(lines, &config_map, diff);
    }
}

fn file(lines: &mut Lines, config_map: &str, diff: &FileDiff) {
    let what = match (&diff.before, &diff.after) {
        (None, Some(after)) => format!("is new, {}", size(after)),
        (Some(before), None) => format!("is taken away, {}", size(before)),
        (Some(before), Some(after)) => format!("{} → {}", size(before), size(after)),
        (None, None) => String::new(),
    };
    lines.heading(format!("file {config_map}/{}: {what}", diff.name));
    for hunk in &diff.hunks {
        lines.push(DiffLineKind::Place, hunk.header.clone());
        for line in &hunk.lines {
            let (kind, mark) = match line.tag {
                LineTag::Kept => (DiffLineKind::Kept, ' '),
                LineTag::Removed => (DiffLineKind::Removed, '-'),
                LineTag::Added => (DiffLineKind::Added, '+'),
            };
            lines.push(kind, format!("{mark}{}", line.text));
        }
    }
    if let Some(note) = &diff.note {
        lines.push(DiffLineKind::Note, format!("  {note}"));
    }
}

fn size(file: &FileSize) -> String {
    let unit = if file.bytes == 1 { "byte" } else { "bytes" };
    format!("{} {unit} ({})", file.bytes, file.digest.short())
}

fn variable(value: &Replaced<ShownValue>) -> String {
    let hidden = |it: &Option<ShownValue>| matches!(it, Some(ShownValue::Hidden));
    match (&value.before, &value.after) {
        (before, after) if hidden(before) && hidden(after) => {
            "changed, values are not shown".into()
        }
        _ => arrow(value, |value| match value {
            ShownValue::Hidden => "a value that is not shown".to_owned(),
            ShownValue::Literal(text) => format!("\"{}\"", shown(text)),
            ShownValue::Reference(reference) => format!("from {}", shown(reference)),
        }),
    }
}

fn arrow<T>(replaced: &Replaced<T>, show: impl Fn(&T) -> String) -> String {
    let side = |it: &Option<T>| it.as_ref().map_or_else(|| "none".to_owned(), &show);
    format!("{} → {}", side(&replaced.before), side(&replaced.after))
}

fn shown(text: &str) -> String {
    printable(text, LONGEST_VALUE)
}
