//! Migrations of a database, judged before anything is changed: does the other slot bear them?
//!
//! While a release is under way two versions use one database. A migration may only *expand* it then,
//! so that the version that is not its own goes on as before; what no version needs any more goes in a
//! later release that *contracts*. `docs/migrations.md` is the guide, with all rules.

use std::collections::BTreeMap;
use std::path::Path;

use bluegreen_core::{Digest, Problem};

mod acknowledge;
mod check;
mod judge;
mod known;
mod parse;
mod review;
mod rule;
mod settings;
mod source;
mod split;
mod validator;

pub use review::{MigrationFinding, Review};
pub use rule::{Danger, Rule};
pub use settings::{Dialect, Locks, Phase};

use settings::Settings;
use source::Source;

/// Judges the SQL files of a release by what they do to the slot that runs meanwhile.
///
/// ```
/// use bluegreen_core::Verdict;
/// use bluegreen_validate::Migrations;
/// use bluegreen_validate::migrations::{Danger, Rule};
///
/// let safe = "SET lock_timeout = '2s'; ALTER TABLE orders ADD COLUMN note text;";
/// assert_eq!(Migrations::postgres().text("0007.sql", safe).review().verdict(), Verdict::Pass);
///
/// let review = Migrations::postgres()
///     .text("0008.sql", "SET lock_timeout = '2s';\nALTER TABLE orders DROP COLUMN notes;")
///     .review();
/// let finding = &review.findings[0];
/// assert_eq!((finding.rule, finding.danger), (Rule::DropColumn, Danger::Breaks));
/// assert_eq!(finding.place(), "0008.sql:2:1");
/// ```
///
/// # What it comes to
/// * [`Pass`](bluegreen_core::Verdict::Pass): every statement of every file is known to be safe, or a person has said
///   why it is: `-- bluegreen: allow RULE because …`, on a line before it.
/// * [`Fail`](bluegreen_core::Verdict::Fail): some statement breaks the other slot, blocks it, or is not known. Each is
///   a [`MigrationFinding`] with its place, why, and what to do instead; all of all files at once.
/// * [`Inconclusive`](bluegreen_core::Verdict::Inconclusive): of this version of the candidate there are no files, with
///   [`folder_of_versions`](Self::folder_of_versions).
/// * An error of the kind [`Rejected`](bluegreen_core::ErrorKind::Rejected): a file is missing, unreadable, too big or no
///   text, or there is no statement at all.
///
/// # How it goes about it
/// Nothing is connected to, and nothing run. Files are read when they are named, with the blocking
/// calls of the standard library, at most 1 MiB each, and judged as they were then: the digest is that
/// of their contents. What this release makes itself may be changed freely, if it is known not to have
/// been there before: `CREATE TABLE IF NOT EXISTS` does not tell. What can not be parsed is never safe,
/// and no comment allows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Migrations {
    settings: Settings,
    sources: Vec<Source>,
    versions: Option<BTreeMap<String, Vec<Source>>>,
    problems: Vec<Problem>,
}

impl Migrations {
    /// Migrations in this dialect; none yet.
    pub fn new(dialect: Dialect) -> Self {
        let settings = Settings {
            name: "migrations".to_owned(),
            dialect,
            phase: Phase::default(),
            locks: Locks::default(),
            in_transactions: false,
            lock_timeout_elsewhere: false,
            applied: None,
        };
        Self { settings, sources: Vec::new(), versions: None, problems: Vec::new() }
    }

    /// Migrations of `PostgreSQL`.
    pub fn postgres() -> Self {
        Self::new(Dialect::Postgres)
    }

    /// Migrations of `MySQL`.
    pub fn mysql() -> Self {
        Self::new(Dialect::Mysql)
    }

    /// A file of the release. Files are taken in the order in which they are named.
    #[must_use]
    pub fn file(mut self, path: impl AsRef<Path>) -> Self {
        let path = path.as_ref();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        match source::file(path, &name) {
            Ok(source) => self.sources.push(source),
            Err(problem) => self.problems.push(*problem),
        }
        self
    }

    /// The files in a folder and at most three levels below it whose names end in `.sql`, in the order
    /// of their names, numbers by their value. `down.sql` and `*.down.sql` are left out: they take a
    /// release back.
    #[must_use]
    pub fn folder(mut self, path: impl AsRef<Path>) -> Self {
        let (sources, problems) = source::folder(path.as_ref());
        self.sources.extend(sources);
        self.problems.extend(problems);
        self
    }

    /// A text of the release, under the name that findings call it.
    #[must_use]
    pub fn text(mut self, name: impl Into<String>, sql: impl Into<String>) -> Self {
        let (name, text) = (name.into(), sql.into());
        if text.len() as u64 > source::LONGEST {
            let problem = Problem::new("unreadable-migration", name)
                .found("more than 1 MiB")
                .wanted("a text of at most 1 MiB");
            self.problems.push(problem);
        } else {
            self.sources.push(Source { below: name.clone(), name, text });
        }
        self
    }

    /// A folder in which each folder has the migrations of the version that it is named after, for
    /// a validator that outlives one release. Of a candidate of another version it knows nothing.
    #[must_use]
    pub fn folder_of_versions(mut self, path: impl AsRef<Path>) -> Self {
        let path = path.as_ref();
        let versions = self.versions.get_or_insert_default();
        let entries = std::fs::read_dir(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        match entries {
            Ok(entries) => {
                for folder in entries.into_iter().map(|entry| entry.path()).filter(|it| it.is_dir())
                {
                    let name =
                        folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
                    let (sources, problems) = source::folder(&folder);
                    versions.entry(name).or_default().extend(sources);
                    self.problems.extend(problems);
                }
            }
            Err(error) => self.problems.push(
                Problem::new("unreadable-migration", path.display().to_string())
                    .found(error.to_string())
                    .wanted("a folder with a folder for each version"),
            ),
        }
        self
    }

    /// What progress, records and errors call it; `migrations` unless told otherwise.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.settings.name = name.into();
        self
    }

    /// What the release may do; it may [expand](Phase::Expand) unless told otherwise.
    #[must_use]
    pub fn phase(mut self, phase: Phase) -> Self {
        self.settings.phase = phase;
        self
    }

    /// What is made of statements that make others wait; they refuse unless told otherwise.
    #[must_use]
    pub fn locks(mut self, locks: Locks) -> Self {
        self.settings.locks = locks;
        self
    }

    /// The tool that applies them runs each file in a transaction: what can not be in one is found.
    #[must_use]
    pub fn in_transactions(mut self) -> Self {
        self.settings.in_transactions = true;
        self
    }

    /// `lock_timeout` (`lock_wait_timeout` of `MySQL`) is set for whoever applies them: by the tool, or
    /// for its role. Files need not set it.
    #[must_use]
    pub fn lock_timeout_elsewhere(mut self) -> Self {
        self.settings.lock_timeout_elsewhere = true;
        self
    }

    /// The last file that is applied already, by its name below its folder (`0041_names.sql`), with or
    /// without what is after its number: it and those before it are not of this release. That there is
    /// no such file is a problem.
    #[must_use]
    pub fn applied_until(mut self, name: impl Into<String>) -> Self {
        self.settings.applied = Some(name.into());
        self
    }

    /// What is wrong with the input; all at once.
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = self.problems.clone();
        if self.versions.is_some() && !self.sources.is_empty() {
            problems.push(
                Problem::new("versions-and-files", &self.settings.name)
                    .found("files of every release and folders of versions")
                    .wanted("one of the two"),
            );
        }
        if self.versions.is_none() {
            problems.extend(self.applied().1);
        }
        problems
    }

    /// Judges the files that belong to every release, without a cluster.
    pub fn review(&self) -> Review {
        self.reviewed(&self.applied().0)
    }

    /// Judges the files of this version, with [`folder_of_versions`](Self::folder_of_versions), and
    /// otherwise those of every release. `None` if there are none of that version.
    pub fn review_of(&self, version: &str) -> Option<Review> {
        match &self.versions {
            None => Some(self.review()),
            Some(versions) => {
                let sources = versions.get(version)?;
                Some(self.reviewed(&sources.iter().collect::<Vec<_>>()))
            }
        }
    }

    fn reviewed(&self, sources: &[&Source]) -> Review {
        let mut review = check::check(&self.settings, sources);
        review.problems = self.problems();
        if review.statements == 0 && review.findings.is_empty() && review.problems.is_empty() {
            let names: Vec<&str> = sources.iter().map(|it| it.name.as_str()).collect();
            review.problems.push(
                Problem::new("no-migrations", &self.settings.name)
                    .found(
                        format!("no statement in {} files {}", names.len(), names.join(", "))
                            .trim_end(),
                    )
                    .wanted("at least one statement, or a release without this gate"),
            );
        }
        review
    }

    /// The files of this release, and a problem if it can not be told where they begin.
    fn applied(&self) -> (Vec<&Source>, Option<Problem>) {
        let Some(applied) = &self.settings.applied else {
            return (self.sources.iter().collect(), None);
        };
        let is_it = |source: &&Source| {
            source.below.strip_prefix(applied.as_str()).is_some_and(|rest| {
                let goes_on = |c: char| c.is_ascii_alphanumeric();
                // `V2` is not `V2.1`.
                let digit = |c: char| c.is_ascii_digit();
                let is_finer = rest.strip_prefix('.').is_some_and(|rest| rest.starts_with(digit));
                !rest.starts_with(goes_on) && !is_finer
            })
        };
        let Some(last) = self
            .sources
            .iter()
            .filter(is_it)
            .map(|it| &it.below)
            .max_by(|a, b| source::natural(a, b))
        else {
            let problem = Problem::new("no-such-migration", &self.settings.name)
                .found(format!("no file of the name {applied}"))
                .wanted("the last file that is applied already");
            return (Vec::new(), Some(problem));
        };
        let is_later = |source: &&Source| source::natural(&source.below, last).is_gt();
        (self.sources.iter().filter(is_later).collect(), None)
    }

    fn digest(&self) -> Digest {
        let Settings {
            name,
            dialect,
            phase,
            locks,
            in_transactions,
            lock_timeout_elsewhere,
            applied,
        } = &self.settings;
        let texts = |sources: &[Source]| -> Vec<_> {
            sources
                .iter()
                .map(|it| (it.below.clone(), Digest::of([&it.text]).to_string()))
                .collect()
        };
        let versions = self.versions.as_ref().map(|versions| {
            versions
                .iter()
                .map(|(name, sources)| (name, texts(sources)))
                .collect::<BTreeMap<_, _>>()
        });
        let value = serde_json::json!({
            "name": name,
            "dialect": dialect,
            "phase": phase,
            "locks": locks,
            "in_transactions": in_transactions,
            "lock_timeout_elsewhere": lock_timeout_elsewhere,
            "applied": applied,
            "files": texts(&self.sources),
            "versions": versions,
        });
        Digest::of(["migrations".to_owned(), crate::canonical::canonical(&value)])
    }
}
