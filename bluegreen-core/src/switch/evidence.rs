//! How it is known that traffic follows a routing.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Which evidence a plan asks for before a step counts as done.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum EvidenceKind {
    /// The routing layer lists only the right pods. Needs no way to the agent, and says nothing
    /// of the last hop (kube-proxy programs each node a little later).
    #[default]
    Endpoints,
    /// So many fresh connections in a row were answered by the right version. A switch whose layer
    /// takes up a change in parts may ask for longer, so that no row is right by chance.
    Answers {
        /// From where.
        vantage: Vantage,
        /// How many in a row; one wrong answer begins the count anew.
        in_a_row: u32,
    },
}

/// From where fresh connections are opened.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Vantage {
    /// From this process to the address that the agent has inside the cluster. A process outside
    /// the cluster cannot reach it, and preflight says so.
    Cluster,
    /// From this process through a public URL.
    Url {
        /// The URL, `http://` only: this library brings no TLS.
        url: String,
    },
}

impl EvidenceKind {
    /// `in_a_row` answers from inside the cluster.
    pub fn answers(in_a_row: u32) -> Self {
        Self::Answers { vantage: Vantage::Cluster, in_a_row }
    }
}

impl fmt::Display for EvidenceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Endpoints => f.write_str("endpoints list only the right pods"),
            Self::Answers { vantage: Vantage::Cluster, in_a_row } => {
                write!(f, "{in_a_row} fresh connections in a row answered, inside the cluster")
            }
            Self::Answers { vantage: Vantage::Url { url }, in_a_row } => {
                write!(f, "{in_a_row} fresh connections in a row answered, through {url}")
            }
        }
    }
}

/// What was seen that shows that traffic follows.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Evidence {
    /// Its kind.
    pub kind: EvidenceKind,
    /// What was seen, in words: `3 endpoints in 1 slice, all of green`.
    pub detail: String,
}

impl Evidence {
    /// Evidence of a kind.
    pub fn new(kind: EvidenceKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into() }
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}
