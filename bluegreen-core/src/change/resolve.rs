//! What a delta makes of what live runs, and everything that is wrong with it.

use super::{Change, EnvChange, external, image, plain};
use crate::{Configuration, EnvValue, Problem, ResolvedChange};

impl Change {
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
    ) -> Result<ResolvedChange, Vec<Problem>> {
        let mut problems = Vec::new();
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
            let change = plain(&model.env_var, &model.name);
            self.put(&mut configuration, &change, live, &mut problems);
        }
        for (name, external) in &self.external {
            match external.read(name) {
                Ok(external) => drop(configuration.external.insert(name.clone(), external)),
                Err(found) => problems.extend(found),
            }
            if let Some(env_var) = &external.env_var {
                self.put(
                    &mut configuration,
                    &plain(env_var, &external.reference),
                    live,
                    &mut problems,
                );
            }
        }
        problems.extend(external::too_large(&configuration.external));
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

fn check_label(text: &str) -> Result<(), &'static str> {
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
