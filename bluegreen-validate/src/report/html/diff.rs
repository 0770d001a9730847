//! What differs between two answers.

use std::fmt::{self, Write};
use std::time::Duration;

use similar::{ChangeTag, TextDiff};

use super::escape::Escaped;

/// Longer answers are shown side by side, but not compared: it would take long, and nobody reads
/// it.
const LONGEST: usize = 20_000;
/// After so long a coarser difference does.
const PATIENCE: Duration = Duration::from_millis(200);

/// Writes both texts as one, with what only live has struck out and what only idle has marked.
pub(super) fn write(page: &mut String, live: &str, idle: &str) -> fmt::Result {
    if live == idle {
        return write!(page, "<p class=\"same\">the same answer</p>");
    }
    if live.len() > LONGEST || idle.len() > LONGEST {
        return write!(page, "<p class=\"same\">too long to be compared word by word</p>");
    }
    let diff = TextDiff::configure().timeout(PATIENCE).diff_words(live, idle);
    write!(page, "<pre class=\"diff\">")?;
    for change in diff.iter_all_changes() {
        let text = Escaped(change.value());
        match change.tag() {
            ChangeTag::Equal => write!(page, "{text}")?,
            ChangeTag::Delete => write!(page, "<del>{text}</del>")?,
            ChangeTag::Insert => write!(page, "<ins>{text}</ins>")?,
        }
    }
    write!(page, "</pre>")
}
