//! What differs between two answers.

use std::fmt::{self, Write};
use std::time::{Duration, Instant};

use similar::{ChangeTag, TextDiff};

use super::escape::Escaped;

/// Longer answers are shown side by side, but not compared: it would take long, and nobody reads
/// it.
const LONGEST: usize = 20_000;
/// After so long a coarser difference of two answers does.
const PATIENCE: Duration = Duration::from_millis(200);
/// After so long no more answers of the same page are compared.
const PATIENCE_OF_ALL: Duration = Duration::from_secs(10);

/// How long the answers of one page may take to be compared, all together.
pub(super) struct Budget {
    until: Instant,
}

impl Budget {
    /// Of a page that is begun now.
    pub(super) fn of_page() -> Self {
        Self::of(PATIENCE_OF_ALL)
    }

    fn of(time: Duration) -> Self {
        Self { until: Instant::now() + time }
    }

    /// What is left for the next two answers; `None` if nothing is.
    fn next(&self) -> Option<Duration> {
        let left = self.until.saturating_duration_since(Instant::now());
        (!left.is_zero()).then(|| left.min(PATIENCE))
    }
}

/// Writes both texts as one, with what only live has struck out and what only idle has marked.
pub(super) fn write(page: &mut String, budget: &Budget, live: &str, idle: &str) -> fmt::Result {
    if live == idle {
        return write!(page, "<p class=\"same\">the same answer</p>");
    }
    if live.len() > LONGEST || idle.len() > LONGEST {
        return write!(page, "<p class=\"same\">too long to be compared word by word</p>");
    }
    let Some(patience) = budget.next() else {
        return write!(page, "<p class=\"same\">not compared word by word: it took too long</p>");
    };
    let diff = TextDiff::configure().timeout(patience).diff_words(live, idle);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn written(budget: &Budget, live: &str, idle: &str) -> String {
        let mut page = String::new();
        write(&mut page, budget, live, idle).unwrap();
        page
    }

    #[test]
    fn when_the_time_of_the_page_is_up_answers_are_not_compared() {
        let found = written(&Budget::of_page(), "a b", "a c");
        assert_eq!(found, "<pre class=\"diff\">a <del>b</del><ins>c</ins></pre>");
        let spent = Budget::of(Duration::ZERO);
        assert!(written(&spent, "a b", "a c").contains("not compared word by word"));
        assert!(written(&spent, "a b", "a b").contains("the same answer"), "that takes no time");
    }
}
