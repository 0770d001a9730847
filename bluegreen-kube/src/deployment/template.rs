//! A pod template as a configuration, and a configuration put into a pod template.

use std::collections::BTreeMap;

use bluegreen_core::{Configuration, Container, EnvValue, EnvVar, Sensitive};
use serde_json::{Map, Value, json};

use super::json::canonical;
use super::{files, note};
use crate::Settings;

/// The two lists of containers in a pod. Their names are unique across both.
pub(super) const LISTS: [&str; 2] = ["initContainers", "containers"];

/// What the pods of `template` are told to run. Containers that run before the others count:
/// they may bring prompts or weights.
pub(super) fn read(template: &Value, settings: &Settings) -> Configuration {
    let config = files::of_template(template, settings);
    let plain;
    let template = if config.is_empty() {
        template
    } else {
        plain = files::without_files(template, settings);
        &plain
    };
    let mut containers = BTreeMap::new();
    for container in LISTS.iter().flat_map(|list| items(&template["spec"][list])) {
        let mut read = Container::new(container["image"].as_str().unwrap_or_default());
        read.env = items(&container["env"]).iter().filter_map(variable).collect();
        containers.insert(container["name"].as_str().unwrap_or_default().to_owned(), read);
    }
    let mut configuration = Configuration::new(containers);
    configuration.version =
        template["metadata"]["labels"][&settings.version_label].as_str().map(str::to_owned);
    configuration.config = config;
    configuration.external = note::read(template, &settings.external_annotation());
    configuration
}

fn variable(entry: &Value) -> Option<EnvVar> {
    let name = entry["name"].as_str()?;
    let value = match entry.get("valueFrom") {
        Some(reference) if !reference.is_null() => EnvValue::Reference(canonical(reference)),
        // The API server leaves an empty text out.
        _ => EnvValue::Literal(Sensitive::new(entry["value"].as_str().unwrap_or_default())),
    };
    // Core makes variables only as parts of containers.
    let mut container = Container::default();
    container.put(name, value);
    container.env.pop()
}

/// The same template with the images, the environment, the files, what is kept elsewhere, and the version
/// of `wanted`. All
/// else stays as it is.
///
/// # Errors
/// Everything that cannot be put in, in words.
pub(super) fn write(
    template: &Value,
    wanted: &Configuration,
    settings: &Settings,
) -> Result<Value, String> {
    let mut template = files::without_files(template, settings);
    let mut missing: BTreeMap<&str, &Container> =
        wanted.containers.iter().map(|(name, container)| (name.as_str(), container)).collect();
    let mut wrong = Vec::new();
    for list in LISTS {
        let containers = template.pointer_mut(&format!("/spec/{list}"));
        let Some(containers) = containers.and_then(Value::as_array_mut) else {
            continue;
        };
        for container in containers {
            let name = container["name"].as_str().unwrap_or_default().to_owned();
            match missing.remove(name.as_str()) {
                Some(wanted) => put(container, &name, wanted, &mut wrong),
                None => wrong.push(format!("the change has no container {name}, the slot has")),
            }
        }
    }
    wrong.extend(missing.keys().map(|name| format!("the slot has no container {name}")));
    put_version(&mut template, wanted.version.as_deref(), &settings.version_label);
    let counts = files::rename(&mut template, &files::exactly(settings, &wanted.config));
    let unused = wanted.config.keys().zip(counts).filter(|(_, count)| *count == 0);
    wrong.extend(unused.map(|(name, _)| format!("no pod of the slot reads configmap {name}")));
    note::write(&mut template, &settings.config_annotation(), &wanted.config);
    note::write(&mut template, &settings.external_annotation(), &wanted.external);
    if wrong.is_empty() { Ok(template) } else { Err(wrong.join("; ")) }
}

fn put(container: &mut Value, name: &str, wanted: &Container, wrong: &mut Vec<String>) {
    let mut env = Vec::with_capacity(wanted.env.len());
    for variable in &wanted.env {
        let entry = match &variable.value {
            EnvValue::Literal(text) => match text.reveal() {
                Some("") => json!({"name": variable.name}),
                Some(text) => json!({"name": variable.name, "value": text}),
                None => {
                    wrong.push(format!("of {name}/{} only the digest is known", variable.name));
                    continue;
                }
            },
            EnvValue::Reference(reference) => match serde_json::from_str::<Value>(reference) {
                Ok(reference) => json!({"name": variable.name, "valueFrom": reference}),
                Err(error) => {
                    wrong.push(format!("the reference of {name}/{}: {error}", variable.name));
                    continue;
                }
            },
            _ => {
                wrong.push(format!("{name}/{} has a value of an unknown kind", variable.name));
                continue;
            }
        };
        env.push(entry);
    }
    let Some(container) = container.as_object_mut() else { return };
    container.insert("image".to_owned(), wanted.image.as_str().into());
    if env.is_empty() {
        container.remove("env");
    } else {
        container.insert("env".to_owned(), env.into());
    }
}

fn put_version(template: &mut Value, version: Option<&str>, version_label: &str) {
    let Some(template) = template.as_object_mut() else { return };
    let empty = || Value::Object(Map::new());
    let metadata = template.entry("metadata").or_insert_with(empty);
    let Some(metadata) = metadata.as_object_mut() else { return };
    let labels = metadata.entry("labels").or_insert_with(empty);
    let Some(labels) = labels.as_object_mut() else { return };
    match version {
        Some(version) => {
            labels.insert(version_label.to_owned(), version.into());
        }
        None => {
            labels.remove(version_label);
        }
    }
}

pub(super) fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use bluegreen_core::{Change, Digest};

    use super::*;

    fn settings() -> Settings {
        Settings::new("agent", "agents")
    }

    fn template() -> Value {
        json!({
            "metadata": {"creationTimestamp": null, "labels": {"app": "agent", "version": "1"}},
            "spec": {
                "initContainers": [{"name": "weights", "image": "weights:1"}],
                "containers": [{
                    "name": "agent",
                    "image": "agent:1",
                    "env": [
                        {"name": "B", "value": "b"},
                        {"name": "EMPTY"},
                        {"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
                    ],
                    "someFieldOfTheFuture": {"x": [1, 2]},
                }],
                "terminationGracePeriodSeconds": 30,
            },
        })
    }

    #[test]
    fn a_template_is_read_in_order_with_its_references() {
        let configuration = read(&template(), &settings());
        assert_eq!(configuration.version.as_deref(), Some("1"));
        assert_eq!(configuration.containers["weights"].image, "weights:1");
        let agent = &configuration.containers["agent"];
        let names: Vec<&str> = agent.env.iter().map(|variable| variable.name.as_str()).collect();
        assert_eq!(names, ["B", "EMPTY", "A"]);
        let reference = r#"{"secretKeyRef":{"key":"k","name":"s"}}"#;
        assert_eq!(agent.value("A"), Some(&EnvValue::Reference(reference.to_owned())));
        assert_eq!(agent.value("EMPTY"), Some(&EnvValue::Literal(Sensitive::new(""))));
    }

    #[test]
    fn what_was_read_is_written_back_unchanged() {
        let configuration = read(&template(), &settings());
        assert_eq!(write(&template(), &configuration, &settings()), Ok(template()));
    }

    #[test]
    fn a_change_leaves_everything_else_alone() {
        let mut wanted = read(&template(), &settings());
        let agent = wanted.containers.get_mut("agent").unwrap();
        agent.image = "agent:2".to_owned();
        agent.set("B", "2");
        wanted.version = Some("2".to_owned());
        let written = write(&template(), &wanted, &settings()).unwrap();
        let mut golden = template();
        golden["metadata"]["labels"]["version"] = "2".into();
        golden["spec"]["containers"][0]["image"] = "agent:2".into();
        golden["spec"]["containers"][0]["env"][0]["value"] = "2".into();
        assert_eq!(written, golden);
        assert_eq!(read(&written, &settings()), wanted);
    }

    #[test]
    fn what_is_kept_elsewhere_stands_in_an_annotation() {
        let before = read(&template(), &settings());
        let digest = Digest::of(["7"]).to_string();
        let change = Change::external("refunds", "prompts/refunds@7", digest.as_str()).version("1");
        let wanted = change.resolve(&before, "AGENT_VERSION").unwrap().configuration;
        let written = write(&template(), &wanted, &settings()).unwrap();
        let mut golden = template();
        let note = json!({"refunds": {"reference": "prompts/refunds@7", "digest": digest}});
        let text = written["metadata"]["annotations"]["bluegreen.dev/external"].as_str().unwrap();
        assert_eq!(serde_json::from_str::<Value>(text).unwrap(), note);
        golden["metadata"]["annotations"] = json!({"bluegreen.dev/external": text});
        assert_eq!(written, golden);
        assert_eq!(read(&written, &settings()), wanted);
        assert_eq!(write(&written, &before, &settings()), Ok(template()), "and goes without trace");
    }

    #[test]
    fn a_template_that_is_none_has_no_containers() {
        let wanted = read(&template(), &settings());
        for odd in [json!(5), json!(null), json!({"spec": "x"}), json!({"spec": {"containers": 1}})]
        {
            let wrong = write(&odd, &wanted, &settings()).unwrap_err();
            assert!(wrong.contains("the slot has no container agent"), "{odd}: {wrong}");
            assert!(read(&odd, &settings()).containers.is_empty());
        }
    }

    #[test]
    fn what_does_not_fit_is_named_all_at_once() {
        let mut wanted = read(&template(), &settings());
        let agent = wanted.containers.remove("agent").unwrap();
        wanted.containers.insert("other".to_owned(), agent);
        let stored = serde_json::to_string(&Sensitive::new("secret")).unwrap();
        let digest_only: Sensitive = serde_json::from_str(&stored).unwrap();
        wanted.containers.get_mut("weights").unwrap().put("KEY", EnvValue::Literal(digest_only));
        let wrong = write(&template(), &wanted, &settings()).unwrap_err();
        assert_eq!(
            wrong,
            "of weights/KEY only the digest is known; the change has no container agent, the slot \
             has; the slot has no container other"
        );
    }
}
