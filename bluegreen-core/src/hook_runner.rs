//! Whoever runs the hooks of a release: migrations, and other work at certain points.

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::plan::Hook;
use crate::{Color, Digest, Problem, Record, ReleaseId, Result, Timestamp};

/// How many bytes of a failed hook's log are kept: its last lines.
pub const MAX_HOOK_LOG: usize = 4096;

/// Runs the [hooks](Hook) of a release.
///
/// # Contract
/// * `runs_an_attempt_once`: asked again for the same release, hook and attempt, it follows what
///   already runs, or has ended, and says the same. So a crash of the driver starts nothing twice.
/// * `goes_on_when_a_wait_was_dropped`: what was started runs on, and is followed when asked again.
/// * `a_new_attempt_runs_again`.
/// * `a_failure_has_its_reason_and_log`: a failure is an outcome and not an error, and the log that
///   comes with it is bounded as [`HookOutcome::failed`] does it.
/// * `a_hook_that_is_not_there_is_a_problem`: of [`check`](Self::check), and
///   [`NotFound`](crate::ErrorKind::NotFound) or [`Rejected`](crate::ErrorKind::Rejected) of
///   [`run`](Self::run).
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait HookRunner: Send + Sync {
    /// Everything that stands in the way of this hook. Reads only; writes are tried without effect
    /// where the runner can do that.
    ///
    /// # Errors
    /// Only when it cannot be found out; whatever can be named is a [`Problem`].
    async fn check(&self, hook: &Hook) -> Result<Vec<Problem>>;

    /// Runs the hook, or follows what already runs, and returns once it has ended. It is ended at
    /// the deadline at the latest, which is a failure.
    ///
    /// # Errors
    /// [`Unavailable`](crate::ErrorKind::Unavailable) and [`Unknown`](crate::ErrorKind::Unknown)
    /// when it is to be asked again; anything else counts as a failure of the hook.
    ///
    /// # Cancel safety
    /// May be dropped and asked again with the same attempt. What was started is not ended by that.
    async fn run(&self, run: &HookRun) -> Result<HookOutcome>;
}

/// One attempt at a hook, and what it should know of its release.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct HookRun {
    /// The release.
    pub release: ReleaseId,
    /// The digest of the candidate.
    pub digest: Digest,
    /// The version of the candidate.
    pub version: String,
    /// The candidate's slot.
    pub candidate: Color,
    /// The candidate's images by container.
    pub images: BTreeMap<String, String>,
    /// What is to be run.
    pub hook: Hook,
    /// The number of the attempt, from one.
    pub attempt: u32,
    /// When it has to have ended.
    pub deadline: Timestamp,
}

impl HookRun {
    /// The first attempt at a hook, in a release of which nothing else is known. The fields are
    /// public: fill in the rest.
    pub fn new(release: ReleaseId, hook: Hook, deadline: Timestamp) -> Self {
        Self {
            release,
            digest: Digest::of(["nothing"]),
            version: String::new(),
            candidate: Color::Green,
            images: BTreeMap::new(),
            hook,
            attempt: 1,
            deadline,
        }
    }

    pub(crate) fn of(record: &Record, hook: Hook, attempt: u32, deadline: Timestamp) -> Self {
        let containers = &record.change.configuration.containers;
        Self {
            digest: record.change.digest.clone(),
            version: record.change.version().to_owned(),
            candidate: record.candidate_color(),
            images: containers.iter().map(|(name, it)| (name.clone(), it.image.clone())).collect(),
            attempt,
            ..Self::new(record.envelope.release.clone(), hook, deadline)
        }
    }
}

/// How an attempt at a hook ended.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case")]
#[non_exhaustive]
pub enum HookOutcome {
    /// Well.
    Succeeded,
    /// It did not do what it should.
    Failed {
        /// Why, in the words of whoever ran it.
        reason: String,
        /// The last lines that it wrote, at most [`MAX_HOOK_LOG`] bytes, without control characters
        /// but line ends. They stand in records: whoever can read these can read what is logged.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        log: String,
    },
}

impl HookOutcome {
    /// A failure, with the last lines of its log.
    ///
    /// ```
    /// use bluegreen_core::HookOutcome;
    ///
    /// let failed = HookOutcome::failed("exit code 1", "\u{1b}[1mERROR\u{1b}[0m no such table\r\n");
    /// let HookOutcome::Failed { log, .. } = failed else { unreachable!() };
    /// assert_eq!(log, "ERROR no such table");
    /// ```
    pub fn failed(reason: impl Into<String>, log: &str) -> Self {
        Self::Failed { reason: reason.into(), log: tail(log) }
    }

    /// The same, bounded as [`failed`](Self::failed) does it, whoever made it.
    pub(crate) fn bounded(self) -> Self {
        match self {
            Self::Failed { reason, log } => Self::failed(reason, &log),
            Self::Succeeded => self,
        }
    }
}

/// The last whole lines that fit; of a last line that does not, its end.
fn tail(log: &str) -> String {
    let clean = printable(log);
    let clean = clean.trim_end();
    let start = clean.ceil_char_boundary(clean.len().saturating_sub(MAX_HOOK_LOG));
    let end = &clean[start..];
    let is_cut = start > 0 && !clean[..start].ends_with('\n');
    match end.find('\n') {
        Some(line) if is_cut => end[line + 1..].to_owned(),
        _ => end.to_owned(),
    }
}

/// The text without control characters but line ends, and without the sequences by which terminals
/// are told of colors.
fn printable(log: &str) -> String {
    let mut clean = String::with_capacity(log.len());
    let mut characters = log.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\n' => clean.push('\n'),
            '\t' => clean.push(' '),
            '\u{1b}' => {
                if characters.next_if_eq(&'[').is_some() {
                    // ECMA-48: parameters, then one byte of @ to ~ that ends it.
                    while characters.next_if(|it| matches!(it, '\u{20}'..='\u{3f}')).is_some() {}
                    let _ = characters.next_if(|it| matches!(it, '@'..='~'));
                }
            }
            it if it.is_control() => {}
            it => clean.push(it),
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_long_log_the_last_whole_lines_are_kept() {
        let lines: Vec<String> = (0..1000).map(|number| format!("line {number} ü")).collect();
        let kept = tail(&lines.join("\n"));
        assert!(kept.len() <= MAX_HOOK_LOG && kept.len() > MAX_HOOK_LOG - 20, "{}", kept.len());
        assert!(kept.starts_with("line ") && kept.ends_with("line 999 ü"), "{kept}");
        assert!(lines.join("\n").ends_with(&kept));
    }

    #[test]
    fn of_a_line_that_is_too_long_its_end_is_kept() {
        let kept = tail(&format!("{}end", "ü".repeat(MAX_HOOK_LOG)));
        assert!(kept.len() <= MAX_HOOK_LOG && kept.ends_with("üend"), "{}", kept.len());
        let exactly = "x".repeat(MAX_HOOK_LOG);
        assert_eq!(tail(&format!("first\n{exactly}\n")), exactly);
    }

    #[test]
    fn nothing_moves_the_cursor_of_whoever_reads_it() {
        let kept = tail("a\tb\r\n\u{1b}[31;1mred\u{1b}[0m\u{7}\u{0}\u{9b}c\n\n");
        assert_eq!(kept, "a b\nredc");
        assert_eq!(tail("\u{1b}"), "");
        assert_eq!(tail(""), "");
    }
}
