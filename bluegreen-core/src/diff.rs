//! What a release changes against what live runs, as a value and as text.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::{ConfigFiles, Configuration, Container, EnvValue, External, ResolvedChange};

mod files;
mod printable;
mod text;

pub use files::{ConfigDiff, FileDiff, FileSize, Hunk, HunkLine, LineTag};
pub use text::{DiffLine, DiffLineKind};

/// What a release changes against what live runs: what people look at before they say yes.
///
/// It is safe to be shown and logged: literal values of variables are left out, unless they were said to
/// be no secrets ([`Change::parameter`](crate::Change::parameter)). What stands in files is shown, as
/// anybody who may read ConfigMaps can read it.
///
/// Its [`Display`](std::fmt::Display) is the text for people, [`lines`](Self::lines) the same line by line
/// for those who want colours; serialized, it is the structure for programs.
///
/// ```
/// use std::collections::{BTreeMap, BTreeSet};
///
/// use bluegreen_core::{Change, Configuration, Container};
///
/// let agent = Container::new("registry.example.com/agent:1.2.0");
/// let live = Configuration::new(BTreeMap::from([("agent".to_owned(), agent)]));
/// let change = Change::image("agent", "registry.example.com/agent:1.3.0").version("1.3.0");
/// let resolved = change.resolve(&live, "AGENT_VERSION").unwrap();
/// let diff = resolved.diff(&live, &BTreeMap::new(), &BTreeSet::new());
/// assert_eq!(
///     diff.to_string(),
///     "version: none → 1.3.0\n\
///      image of agent: registry.example.com/agent:1.2.0 → registry.example.com/agent:1.3.0\n"
/// );
/// ```
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ChangeDiff {
    /// The version label, if it changes.
    pub version: Option<Replaced<String>>,
    /// The images that change, by container.
    pub images: BTreeMap<String, Replaced<String>>,
    /// The variables that change, by container and then by name.
    pub env: BTreeMap<String, BTreeMap<String, Replaced<ShownValue>>>,
    /// What is kept elsewhere and changes, by name.
    pub external: BTreeMap<String, Replaced<External>>,
    /// The files that change, by the name of the ConfigMap that the agent reads.
    pub config: BTreeMap<String, ConfigDiff>,
}

/// One value in place of another.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Replaced<T> {
    /// What live has; `None` if it is new.
    pub before: Option<T>,
    /// What the release brings; `None` if it is taken away.
    pub after: Option<T>,
}

impl<T: Clone + PartialEq> Replaced<T> {
    /// `None` where nothing changes.
    fn of(before: Option<&T>, after: Option<&T>) -> Option<Self> {
        (before != after).then(|| Self { before: before.cloned(), after: after.cloned() })
    }
}

/// The value of a variable, as far as it may be shown.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(tag = "kind", content = "value", rename_all = "snake_case")]
#[non_exhaustive]
pub enum ShownValue {
    /// A literal that may be a secret, or whose text is not known.
    Hidden,
    /// A literal that is no secret.
    Literal(String),
    /// Where the value is taken from.
    Reference(String),
}

impl ResolvedChange {
    /// What this changes against `live`.
    ///
    /// `files` is what is known of live's files by the name of their ConfigMap, those that a
    /// configuration knows by digest only ([`Slot::files`](crate::Slot::files)). `shown` names the
    /// variables whose literals are no secrets ([`Change::shown`](crate::Change::shown)); the version
    /// label is none in any case.
    pub fn diff(
        &self,
        live: &Configuration,
        files: &BTreeMap<String, ConfigFiles>,
        shown: &BTreeSet<String>,
    ) -> ChangeDiff {
        let after = &self.configuration;
        let mut diff = ChangeDiff {
            version: Replaced::of(live.version.as_ref(), after.version.as_ref()),
            ..ChangeDiff::default()
        };
        let names: BTreeSet<&String> =
            live.containers.keys().chain(after.containers.keys()).collect();
        for name in names {
            let [before, after] = [live, after].map(|it| (it.containers.get(name), it));
            let image = |of: Option<&Container>| of.map(|it| it.image.clone());
            let image = Replaced::of(image(before.0).as_ref(), image(after.0).as_ref());
            diff.images.extend(image.map(|image| (name.clone(), image)));
            let env = env(before, after, shown);
            if !env.is_empty() {
                diff.env.insert(name.clone(), env);
            }
        }
        let names: BTreeSet<&String> = live.external.keys().chain(after.external.keys()).collect();
        for name in names {
            let found = Replaced::of(live.external.get(name), after.external.get(name));
            diff.external.extend(found.map(|found| (name.clone(), found)));
        }
        for (name, new) in &after.config {
            let of_live = files::of_live(live.config.get(name), files.get(name));
            let found = ConfigDiff::of(live.config.get(name), of_live, new);
            diff.config.extend(found.map(|found| (name.clone(), found)));
        }
        let gone = live.config.iter().filter(|(name, _)| !after.config.contains_key(*name));
        diff.config.extend(gone.map(|(name, files)| (name.clone(), ConfigDiff::gone(files))));
        diff
    }
}

impl ChangeDiff {
    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

type Side<'a> = (Option<&'a Container>, &'a Configuration);

/// The variables of one container that change.
fn env(
    before: Side<'_>,
    after: Side<'_>,
    shown: &BTreeSet<String>,
) -> BTreeMap<String, Replaced<ShownValue>> {
    let variables = |side: Side<'_>| side.0.map_or(Vec::new(), |it| it.env.clone());
    let names: BTreeSet<String> =
        [before, after].into_iter().flat_map(variables).map(|it| it.name).collect();
    let mut found = BTreeMap::new();
    for name in names {
        let [old, new] = [before, after].map(|it| it.0.and_then(|it| it.value(&name)));
        if !is_same(old, new) {
            let show = |value: Option<&EnvValue>, side: Side<'_>| {
                value.map(|value| show(value, side.1, shown.contains(&name)))
            };
            let value = Replaced { before: show(old, before), after: show(new, after) };
            found.insert(name, value);
        }
    }
    found
}

/// By digest: the text of a literal may be known of one side only.
fn is_same(one: Option<&EnvValue>, other: Option<&EnvValue>) -> bool {
    match (one, other) {
        (Some(EnvValue::Literal(one)), Some(EnvValue::Literal(other))) => {
            one.digest() == other.digest()
        }
        (one, other) => one == other,
    }
}

fn show(value: &EnvValue, side: &Configuration, is_shown: bool) -> ShownValue {
    match value {
        EnvValue::Reference(reference) => ShownValue::Reference(reference.clone()),
        EnvValue::Literal(text) => match text.reveal() {
            Some(text) if is_shown || side.version.as_deref() == Some(text) => {
                ShownValue::Literal(text.to_owned())
            }
            _ => ShownValue::Hidden,
        },
    }
}

#[cfg(test)]
mod tests;
