//! How files are judged.

use serde::{Deserialize, Serialize};

/// Whose SQL it is.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Dialect {
    /// `PostgreSQL`.
    Postgres,
    /// `MySQL`, and `MariaDB` as far as it is the same.
    Mysql,
}

/// What a release may do to the database.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Phase {
    /// Only what a version that knows nothing of it does not notice.
    #[default]
    Expand,
    /// Also what takes away what no version needs any more. It may run when the slot that needed it
    /// is gone and will not come back, which files do not tell: see to it.
    Contract,
}

/// What is made of statements that do no more than make others wait.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Locks {
    /// They refuse the release.
    #[default]
    Refuse,
    /// They are notices: tables are small, or nobody minds.
    Notice,
}

/// All that is said of how files are judged.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Settings {
    pub(super) name: String,
    pub(super) dialect: Dialect,
    pub(super) phase: Phase,
    pub(super) locks: Locks,
    pub(super) in_transactions: bool,
    pub(super) lock_timeout_elsewhere: bool,
    pub(super) applied: Option<String>,
}
