//! What preflight refuses, so that every reason is on one list before anything is touched.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One thing that stands in the way of a release: the object, what was found, what was wanted,
/// and how to mend or allow it.
///
/// ```
/// use bluegreen_core::Problem;
///
/// let problem = Problem::new("no-readiness-probe", "Deployment agent-green, container agent")
///     .found("no readinessProbe")
///     .wanted("a readinessProbe: without one every pod counts as ready at once")
///     .mend("add spec.template.spec.containers[agent].readinessProbe");
/// assert!(problem.to_string().starts_with("Deployment agent-green, container agent: found"));
/// ```
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Problem {
    /// A stable name of this kind of problem, in kebab case.
    pub code: String,
    /// The object, and the field where one is to blame.
    pub object: String,
    /// What was read there.
    #[serde(default)]
    pub found: String,
    /// What a release needs there.
    #[serde(default)]
    pub wanted: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub mend: String,
    /// Whether the release may go on all the same.
    #[serde(default)]
    pub severity: Severity,
}

/// Whether a [`Problem`] stops a release.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Severity {
    /// The release is refused.
    #[default]
    Refuse,
    /// The release goes on, and the problem is reported.
    Warn,
}

impl Problem {
    /// A problem of the kind `code` with `object`, which stops the release.
    pub fn new(code: impl Into<String>, object: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            object: object.into(),
            found: String::new(),
            wanted: String::new(),
            mend: String::new(),
            severity: Severity::Refuse,
        }
    }

    /// Says what was read.
    #[must_use]
    pub fn found(mut self, found: impl Into<String>) -> Self {
        self.found = found.into();
        self
    }

    /// Says what was wanted.
    #[must_use]
    pub fn wanted(mut self, wanted: impl Into<String>) -> Self {
        self.wanted = wanted.into();
        self
    }

    /// Says how to mend or allow it.
    #[must_use]
    pub fn mend(mut self, mend: impl Into<String>) -> Self {
        self.mend = mend.into();
        self
    }

    /// Makes it a warning.
    #[must_use]
    pub fn warning(mut self) -> Self {
        self.severity = Severity::Warn;
        self
    }

    /// Whether it stops the release.
    pub fn is_refusal(&self) -> bool {
        self.severity == Severity::Refuse
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.object)?;
        if !self.found.is_empty() {
            write!(f, ": found {}", self.found)?;
        }
        if !self.wanted.is_empty() {
            write!(f, ", wanted {}", self.wanted)?;
        }
        if !self.mend.is_empty() {
            write!(f, "; {}", self.mend)?;
        }
        write!(f, " [{}]", self.code)
    }
}
