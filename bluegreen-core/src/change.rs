//! What a release brings: a delta, and the complete state that it makes of what live runs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::{ConfigFiles, Configuration, Digest, EnvValue, Problem, Result, Sensitive};

mod image;

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
    pub external: BTreeMap<String, External>,
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

/// Something kept elsewhere (a prompt registry, say) that the release brings by reference.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct External {
    /// Where it is.
    pub reference: String,
    /// What it is, so that a rollback can tell whether it is still the same.
    pub digest: Digest,
}

/// The complete state that a [`Change`] makes of what live runs, and its one digest.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ResolvedChange {
    /// Everything the candidate is to run.
    pub configuration: Configuration,
    /// The digest of the configuration: what gates judge and what a slot is compared with.
    pub digest: Digest,
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
        let (name, value) = (name.into(), Sensitive::new(value));
        self.env.push(EnvChange { container: None, name, value, shown: true });
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

    /// The names of variables whose values are no secrets: those of the model and its parameters. A name
    /// that another container has for something else is not among them.
    pub fn shown(&self) -> BTreeSet<String> {
        let (shown, hidden): (Vec<_>, Vec<_>) = self.env.iter().partition(|it| it.shown);
        let parameters = shown.into_iter().map(|it| &it.name);
        let names = parameters.chain(self.model.as_ref().map(|it| &it.env_var));
        names.filter(|name| hidden.iter().all(|it| it.name != **name)).cloned().collect()
    }

    /// The complete state that this delta makes of `live`.
    ///
    /// `version_env` names the environment variable in which agents expect their own version: a
    /// container that has it as a literal gets the new version there, unless the change itself
    /// sets it.
    ///
    /// # Errors
    /// All problems at once: an unknown container, a malformed image or name, an ambiguous
    /// variable, a version that cannot be a label, a change that changes nothing.
    pub fn resolve(
        &self,
        live: &Configuration,
        version_env: &str,
    ) -> std::result::Result<ResolvedChange, Vec<Problem>> {
        let mut problems = self.unsupported();
        let mut configuration = live.clone();
        for (name, image) in &self.images {
            match configuration.containers.get_mut(name) {
                Some(container) => container.image.clone_from(image),
                None => problems.push(unknown_container(name, live)),
            }
            if let Err(why) = image::check(image) {
                problems.push(
                    Problem::new("malformed-image", format!("change, image of container {name}"))
                        .found(format!("`{image}`, {why}"))
                        .wanted("an image reference like `registry.example.com/agent:1.3.0`"),
                );
            }
        }
        for change in &self.env {
            self.put(&mut configuration, change, live, &mut problems);
        }
        if let Some(model) = &self.model {
            let change = EnvChange {
                container: None,
                name: model.env_var.clone(),
                value: Sensitive::new(&model.name),
                shown: true,
            };
            self.put(&mut configuration, &change, live, &mut problems);
        }
        for (name, files) in &self.config {
            problems.extend(files.problems(name));
            configuration.config.insert(name.clone(), files.clone());
        }
        self.put_version(&mut configuration, version_env, &mut problems);
        if problems.is_empty() { Ok(ResolvedChange::exactly(configuration)) } else { Err(problems) }
    }

    fn put(
        &self,
        configuration: &mut Configuration,
        change: &EnvChange,
        live: &Configuration,
        problems: &mut Vec<Problem>,
    ) {
        let object = format!("change, variable {}", change.name);
        if change.name.is_empty() || change.name.contains(['=', '\0']) {
            problems.push(
                Problem::new("malformed-variable", object)
                    .found("a name that is empty or has `=` or a NUL in it")
                    .wanted("a name like TEMPERATURE"),
            );
            return;
        }
        let Some(name) = change.container.clone().or_else(|| self.only_container(live)) else {
            problems.push(
                Problem::new("ambiguous-container", object)
                    .found(format!("{} containers ({})", live.containers.len(), list(live)))
                    .wanted("the name of the container that the variable is for"),
            );
            return;
        };
        match configuration.containers.get_mut(&name) {
            Some(container) => {
                container.put(&change.name, EnvValue::Literal(change.value.clone()));
            }
            None => problems.push(unknown_container(&name, live)),
        }
    }

    fn only_container(&self, live: &Configuration) -> Option<String> {
        let mut names: Vec<&String> = self.images.keys().collect();
        if names.len() != 1 {
            names = live.containers.keys().collect();
        }
        (names.len() == 1).then(|| names[0].clone())
    }

    fn put_version(
        &self,
        configuration: &mut Configuration,
        version_env: &str,
        problems: &mut Vec<Problem>,
    ) {
        let version = self.version.clone().unwrap_or_else(|| {
            // The tag of the image that changes; where none does, that of the first container.
            let image = self.images.values().next().map(String::as_str).or_else(|| {
                configuration.containers.values().next().map(|first| first.image.as_str())
            });
            let tag = image.map_or("", image::tag);
            let mut unnamed = configuration.clone();
            unnamed.version = None;
            let digest = unnamed.digest();
            // A label has room for 63 characters, nine of which the digest takes.
            let tag: String = tag.chars().take(54).collect();
            if tag.is_empty() { digest.short().into() } else { format!("{tag}-{}", digest.short()) }
        });
        if let Err(why) = check_label(&version) {
            problems.push(
                Problem::new("malformed-version", "change, version")
                    .found(format!("`{version}`, {why}"))
                    .wanted("1 to 63 letters, digits, `-`, `_` or `.`, at both ends alphanumeric"),
            );
        }
        for (name, container) in &mut configuration.containers {
            let own = self.env.iter().any(|change| {
                change.name == version_env
                    && change.container.as_ref().is_none_or(|container| container == name)
            });
            if !own && matches!(container.value(version_env), Some(EnvValue::Literal(_))) {
                container.set(version_env, &version);
            }
        }
        configuration.version = Some(version);
    }

    /// What a later part of this library will do, and this one must not pass over in silence.
    fn unsupported(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        for name in self.external.keys() {
            problems.push(
                Problem::new("unsupported", format!("change, external {name}"))
                    .found("something kept elsewhere, by reference")
                    .wanted(
                        "images, env, model, files and version only: this version does no more",
                    ),
            );
        }
        problems
    }
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

fn unknown_container(name: &str, live: &Configuration) -> Problem {
    Problem::new("unknown-container", format!("change, container {name}"))
        .found(format!("no container of that name in the live slot (it has {})", list(live)))
        .wanted("the name of a container of the live slot")
}

fn list(live: &Configuration) -> String {
    if live.containers.is_empty() {
        return "none".to_owned();
    }
    live.containers.keys().cloned().collect::<Vec<_>>().join(", ")
}

fn check_label(text: &str) -> std::result::Result<(), &'static str> {
    if text.is_empty() || text.len() > 63 {
        return Err("which is empty or longer than 63 characters");
    }
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let outer = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    if !text.chars().all(inner) {
        return Err("which has a character that a label cannot hold");
    }
    if !outer(text.chars().next()) || !outer(text.chars().last()) {
        return Err("which begins or ends with a mark");
    }
    Ok(())
}

#[cfg(test)]
mod tests;
