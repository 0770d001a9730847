//! The complete state that one slot of an agent runs: images, environment, version.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{ConfigFiles, Digest, External, Sensitive};

/// Everything of a slot that a release may change, as it runs there.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Configuration {
    /// The containers by name.
    pub containers: BTreeMap<String, Container>,
    /// The value of the version label, if the slot has one.
    #[serde(default)]
    pub version: Option<String>,
    /// The files that were released with the agent, each set under the name of the ConfigMap that it
    /// takes the place of. A ConfigMap that no release has replaced is not among them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub config: BTreeMap<String, ConfigFiles>,
    /// What is kept elsewhere and was released with the agent, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub external: BTreeMap<String, External>,
}

/// One container of a slot.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Container {
    /// The image reference as written: `registry.example.com/agent-service:1.3.0`.
    pub image: String,
    /// The environment, in the order in which it is written (later ones may use earlier ones).
    #[serde(default)]
    pub env: Vec<EnvVar>,
}

/// One environment variable.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct EnvVar {
    /// Its name.
    pub name: String,
    /// Where its value comes from.
    pub value: EnvValue,
}

/// Where the value of an environment variable comes from.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "value", rename_all = "snake_case")]
#[non_exhaustive]
pub enum EnvValue {
    /// It is written as it is. Kept out of records and logs, because people put keys there.
    Literal(Sensitive),
    /// It is taken from elsewhere. The text is the slot's own notation for the reference, and
    /// names a thing (a Secret's key, say) but holds no secret.
    Reference(String),
}

impl Configuration {
    /// A configuration of these containers.
    pub fn new(containers: BTreeMap<String, Container>) -> Self {
        Self { containers, ..Self::default() }
    }

    /// The same with a version label.
    #[must_use]
    pub fn with_version(mut self, version: impl Into<String>) -> Self {
        self.version = Some(version.into());
        self
    }

    /// One digest of everything in it. Two slots with one digest run the same.
    pub fn digest(&self) -> Digest {
        let mut parts = Vec::new();
        for (name, container) in &self.containers {
            parts.extend(["container", name, &container.image]);
            for variable in &container.env {
                match &variable.value {
                    EnvValue::Literal(text) => {
                        parts.extend(["literal", &variable.name, text.digest().as_str()]);
                    }
                    EnvValue::Reference(reference) => {
                        parts.extend(["reference", &variable.name, reference]);
                    }
                }
            }
        }
        if let Some(version) = &self.version {
            parts.extend(["version", version]);
        }
        for (name, files) in &self.config {
            parts.extend(["config", name, files.digest().as_str()]);
        }
        for (name, external) in &self.external {
            parts.extend(["external", name, &external.reference, external.digest.as_str()]);
        }
        Digest::of(parts)
    }
}

impl Container {
    /// A container of this image without environment.
    pub fn new(image: impl Into<String>) -> Self {
        Self { image: image.into(), env: Vec::new() }
    }

    /// The value of a variable.
    pub fn value(&self, name: &str) -> Option<&EnvValue> {
        // Where a name is written twice the last one counts, as in Kubernetes.
        self.env.iter().rev().find(|variable| variable.name == name).map(|found| &found.value)
    }

    /// Sets a variable to a literal, in its place if it is there, else at the end.
    pub fn set(&mut self, name: &str, text: impl Into<String>) {
        self.put(name, EnvValue::Literal(Sensitive::new(text)));
    }

    /// Sets a variable, in its place if it is there, else at the end.
    pub fn put(&mut self, name: &str, value: EnvValue) {
        match self.env.iter_mut().rev().find(|variable| variable.name == name) {
            Some(variable) => variable.value = value,
            None => self.env.push(EnvVar { name: name.to_owned(), value }),
        }
    }
}

impl fmt::Display for Configuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(version) = &self.version {
            return f.write_str(version);
        }
        for (number, container) in self.containers.values().enumerate() {
            let comma = if number == 0 { "" } else { ", " };
            write!(f, "{comma}{}", container.image)?;
        }
        Ok(())
    }
}
