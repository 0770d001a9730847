//! What a release brings: a delta to what live runs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::{ConfigFiles, Result, Sensitive};

mod external;
mod image;
mod resolve;
mod resolved;

pub use external::{External, ExternalChange};
pub use resolved::ResolvedChange;

/// What a release brings, as a **delta** to what the live slot runs.
///
/// A delta to *live*, not to idle: idle is one release behind, so patching it with the delta
/// alone would lose what the last release brought.
///
/// ```
/// use bluegreen_core::Change;
///
/// let change = Change::image("agent", "registry.example.com/agent-service:1.3.0")
///     .env("TEMPERATURE", "0.2")
///     .version("1.3.0");
/// ```
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Change {
    /// New images by container.
    pub images: BTreeMap<String, String>,
    /// New environment, each for one container or, without one, for the only container there is.
    pub env: Vec<EnvChange>,
    /// The model that the agent talks to.
    pub model: Option<ModelChange>,
    /// Prompts and other files, each set under the name of the ConfigMap that the agent reads.
    pub config: BTreeMap<String, ConfigFiles>,
    /// Things kept elsewhere, by name.
    pub external: BTreeMap<String, ExternalChange>,
    /// The version label. Without one it is `<tag>-<8 digits of the digest>`.
    pub version: Option<String>,
}

/// A new value of an environment variable.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct EnvChange {
    /// The container; `None` means the only one there is, or the only one with a new image.
    #[serde(default)]
    pub container: Option<String>,
    /// The variable.
    pub name: String,
    /// Its new value.
    pub value: Sensitive,
    /// Whether the value is no secret, so that it may be shown in a [`ChangeDiff`](crate::ChangeDiff).
    #[serde(default)]
    pub shown: bool,
}

/// A new model: an environment variable and the name that goes into it.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ModelChange {
    /// The variable from which the agent reads the model's name.
    pub env_var: String,
    /// The model's name.
    pub name: String,
}

impl Change {
    /// A new image for one container.
    pub fn image(container: impl Into<String>, image: impl Into<String>) -> Self {
        Self::default().and_image(container, image)
    }

    /// A new model: `name` goes into the environment variable `env_var`.
    pub fn model(env_var: impl Into<String>, name: impl Into<String>) -> Self {
        Self::default().and_model(env_var, name)
    }

    /// New prompts: the files of a folder, in place of those of the ConfigMap that the agent reads.
    ///
    /// The ConfigMap itself stays as it is: the candidate reads another, whose name has the digest of
    /// the files in it. Reads at once, as [`ConfigFiles::read`] does.
    ///
    /// # Errors
    /// [`Rejected`](crate::ErrorKind::Rejected): the folder, and everything that is wrong with it.
    pub fn prompts(config_map: impl Into<String>, folder: impl AsRef<Path>) -> Result<Self> {
        Ok(Self::files(config_map, ConfigFiles::read(folder)?))
    }

    /// New files in place of those of the ConfigMap that the agent reads.
    pub fn files(config_map: impl Into<String>, files: ConfigFiles) -> Self {
        Self::default().and_files(config_map, files)
    }

    /// New files in place of those of another ConfigMap that the agent reads.
    #[must_use]
    pub fn and_files(mut self, config_map: impl Into<String>, files: ConfigFiles) -> Self {
        self.config.insert(config_map.into(), files);
        self
    }

    /// Something kept elsewhere: a version in a prompt registry, weights of a model, a snapshot of feature
    /// flags. `reference` says where it is, `digest` (`sha256:<64 hex digits>`) what is in it.
    ///
    /// It is part of the one digest of the release, stays until a later release brings another of
    /// that name, and a rollback names again what was there before. Nobody fetches it: the agent does,
    /// or whoever starts it, by the reference that it finds in a variable
    /// ([`external_in`](Self::external_in)) or in an annotation of its pod. Neither part is secret.
    ///
    /// What is malformed is a problem of [`check`](crate::Releaser::check), with all others.
    ///
    /// ```
    /// use bluegreen_core::Change;
    ///
    /// let digest = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
    /// let change = Change::external("refunds", "prompts/refunds@7", digest)
    ///     .external_in("refunds", "REFUNDS_PROMPT");
    /// ```
    pub fn external(
        name: impl Into<String>,
        reference: impl Into<String>,
        digest: impl Into<String>,
    ) -> Self {
        Self::default().and_external(name, reference, digest)
    }

    /// Something more that is kept elsewhere.
    #[must_use]
    pub fn and_external(
        mut self,
        name: impl Into<String>,
        reference: impl Into<String>,
        digest: impl Into<String>,
    ) -> Self {
        let (reference, digest) = (reference.into(), digest.into());
        self.external.insert(name.into(), ExternalChange { reference, digest, env_var: None });
        self
    }

    /// Hands the reference of what is kept elsewhere under `name` to the only container, in the
    /// environment variable `env_var`. Without one of that name it does nothing.
    #[must_use]
    pub fn external_in(mut self, name: &str, env_var: impl Into<String>) -> Self {
        if let Some(external) = self.external.get_mut(name) {
            external.env_var = Some(env_var.into());
        }
        self
    }

    /// A new image for another container.
    #[must_use]
    pub fn and_image(mut self, container: impl Into<String>, image: impl Into<String>) -> Self {
        self.images.insert(container.into(), image.into());
        self
    }

    /// A new value for an environment variable of the only container.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let (name, value) = (name.into(), Sensitive::new(value));
        self.env.push(EnvChange { container: None, name, value, shown: false });
        self
    }

    /// A parameter of the model (its temperature, say): an environment variable of the only container
    /// whose value is no secret. It is shown before a release ([`Releaser::diff`](crate::Releaser::diff)),
    /// and so is what live has there.
    #[must_use]
    pub fn parameter(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.push(plain(&name.into(), &value.into()));
        self
    }

    /// A new value for an environment variable of the named container.
    #[must_use]
    pub fn env_in(
        mut self,
        container: impl Into<String>,
        name: impl Into<String>,
        value: impl Into<String>,
    ) -> Self {
        let (container, name) = (Some(container.into()), name.into());
        let value = Sensitive::new(value);
        self.env.push(EnvChange { container, name, value, shown: false });
        self
    }

    /// The version label.
    #[must_use]
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = Some(version.into());
        self
    }

    /// A new model, besides what else changes.
    #[must_use]
    pub fn and_model(mut self, env_var: impl Into<String>, name: impl Into<String>) -> Self {
        self.model = Some(ModelChange { env_var: env_var.into(), name: name.into() });
        self
    }

    /// The names of variables whose values are no secrets: those of the model, its parameters, and of
    /// what is kept elsewhere. A name that another container has for something else is not among them.
    pub fn shown(&self) -> BTreeSet<String> {
        let (shown, hidden): (Vec<_>, Vec<_>) = self.env.iter().partition(|it| it.shown);
        let parameters = shown.into_iter().map(|it| &it.name);
        let externals = self.external.values().filter_map(|it| it.env_var.as_ref());
        let names = parameters.chain(self.model.as_ref().map(|it| &it.env_var)).chain(externals);
        names.filter(|name| hidden.iter().all(|it| it.name != **name)).cloned().collect()
    }
}

/// A variable of the only container whose value is no secret.
fn plain(name: &str, value: &str) -> EnvChange {
    let (name, value) = (name.to_owned(), Sensitive::new(value));
    EnvChange { container: None, name, value, shown: true }
}

#[cfg(test)]
mod tests;
