//! The complete state that a change makes of what live runs.

use serde::{Deserialize, Serialize};

use crate::{Configuration, Digest, EnvValue, Sensitive};

/// The complete state that a [`Change`](crate::Change) makes of what live runs, and its one digest.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ResolvedChange {
    /// Everything the candidate is to run.
    pub configuration: Configuration,
    /// The digest of the configuration: what gates judge and what a slot is compared with.
    pub digest: Digest,
}

impl ResolvedChange {
    /// Exactly this configuration, whatever live runs: what a rollback goes back to.
    pub fn exactly(configuration: Configuration) -> Self {
        let digest = configuration.digest();
        Self { configuration, digest }
    }

    /// The version label of the candidate.
    pub fn version(&self) -> &str {
        self.configuration.version.as_deref().unwrap_or_default()
    }

    /// Whether every literal is known, so that it can be written where it is to run. Not so
    /// when it was read from a record. Files count as known: they are found by their digest.
    pub fn is_complete(&self) -> bool {
        self.configuration.containers.values().all(|container| {
            container.env.iter().all(|variable| match &variable.value {
                EnvValue::Literal(text) => text.reveal().is_some(),
                EnvValue::Reference(_) => true,
            })
        })
    }

    /// This change with the literals that it lacks taken from what `source` runs, where their
    /// digests agree, and from its own version, which a record has in full.
    #[must_use]
    pub fn completed_from(mut self, source: &Configuration) -> Self {
        let version = self.configuration.version.as_ref().map(Sensitive::new);
        for (name, container) in &mut self.configuration.containers {
            let known = source.containers.get(name);
            for variable in &mut container.env {
                let EnvValue::Literal(text) = &variable.value else { continue };
                let there = match known.and_then(|known| known.value(&variable.name)) {
                    Some(EnvValue::Literal(other)) => Some(other),
                    _ => None,
                };
                let mut same = there.into_iter().chain(&version);
                if let Some(other) = same.find(|other| other.digest() == text.digest()) {
                    variable.value = EnvValue::Literal(other.clone());
                }
            }
        }
        self
    }
}
