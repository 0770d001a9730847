//! Files that pods ask for by name, and that a release does not bring.
//!
//! A variable or a volume that names a key which is not there keeps a pod from starting, and a mount of
//! one file (`subPath`) becomes an empty folder: all of it after the deploy, if nobody has looked before.

use std::collections::BTreeMap;

use bluegreen_core::Problem;
use bytes::Bytes;
use serde_json::Value;

use crate::deployment::template::{LISTS, items};

/// So many names of files are listed.
const MOST: usize = 10;

/// A file that a pod cannot do without.
#[derive(Debug, Eq, PartialEq)]
struct Asked<'a> {
    /// Where in the template.
    place: String,
    key: &'a str,
    /// Whether it becomes the value of a variable, which only text can.
    as_text: bool,
}

/// What of `files`, which take the place of `config_map`, the pods of `template` would look for in vain.
/// The template names its ConfigMaps as a change does.
pub(super) fn problems(
    object: &str,
    template: &Value,
    config_map: &str,
    files: &BTreeMap<String, Bytes>,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    for Asked { place, key, as_text } in asked(template, config_map) {
        let found = match files.get(key) {
            None => list(files),
            Some(file) if as_text && std::str::from_utf8(file).is_err() => {
                format!("{key} with bytes that are no text")
            }
            Some(_) => continue,
        };
        let wanted = if as_text { format!("text in {key}") } else { key.to_owned() };
        problems.push(
            Problem::new("missing-file", format!("{object}, {place}, ConfigMap {config_map}"))
                .found(found)
                .wanted(format!("{wanted}, which its pods do not start without"))
                .mend("release the file as well, or make the reference `optional`"),
        );
    }
    problems
}

fn list(files: &BTreeMap<String, Bytes>) -> String {
    let mut names: Vec<&str> = files.keys().take(MOST).map(String::as_str).collect();
    let more = format!("{} more", files.len().saturating_sub(MOST));
    if files.len() > MOST {
        names.push(&more);
    }
    format!("only {}", names.join(", "))
}

fn asked<'a>(template: &'a Value, config_map: &str) -> Vec<Asked<'a>> {
    let spec = &template["spec"];
    let mut all = Vec::new();
    for container in LISTS.iter().flat_map(|list| items(&spec[list])) {
        let name = container["name"].as_str().unwrap_or_default();
        for variable in items(&container["env"]) {
            let reference = &variable["valueFrom"]["configMapKeyRef"];
            if is_needed(reference, config_map)
                && let Some(key) = reference["key"].as_str()
            {
                let variable = variable["name"].as_str().unwrap_or_default();
                let place = format!("container {name}, variable {variable}");
                all.push(Asked { place, key, as_text: true });
            }
        }
    }
    for volume in items(&spec["volumes"]) {
        let name = volume["name"].as_str().unwrap_or_default();
        let parts = items(&volume["projected"]["sources"]).iter().map(|it| &it["configMap"]);
        for part in parts.chain([&volume["configMap"]]).filter(|it| is_needed(it, config_map)) {
            for item in items(&part["items"]).iter().filter_map(|it| it["key"].as_str()) {
                all.push(Asked { place: format!("volume {name}"), key: item, as_text: false });
            }
        }
        let whole = &volume["configMap"];
        // With items of its own a volume has other paths than the files have names.
        if is_needed(whole, config_map) && items(&whole["items"]).is_empty() {
            mounts(spec, name, &mut all);
        }
    }
    all
}

/// The files that are mounted one by one.
fn mounts<'a>(spec: &'a Value, volume: &str, all: &mut Vec<Asked<'a>>) {
    for container in LISTS.iter().flat_map(|list| items(&spec[list])) {
        let name = container["name"].as_str().unwrap_or_default();
        let mounts = items(&container["volumeMounts"]).iter();
        for mount in mounts.filter(|it| it["name"].as_str() == Some(volume)) {
            if let Some(key) = mount["subPath"].as_str().filter(|it| !it.is_empty()) {
                let place = format!("container {name}, mount of volume {volume}");
                all.push(Asked { place, key, as_text: false });
            }
        }
    }
}

fn is_needed(reference: &Value, config_map: &str) -> bool {
    reference["name"].as_str() == Some(config_map) && reference["optional"] != Value::Bool(true)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn template() -> Value {
        let key = |key: &str, optional: bool| json!({"configMapKeyRef": {"name": "prompts", "key": key, "optional": optional}});
        json!({"spec": {
            "initContainers": [{"name": "first", "env": [
                {"name": "A", "valueFrom": key("mode", false)},
            ]}],
            "containers": [{
                "name": "agent",
                "env": [
                    {"name": "B", "valueFrom": key("nowhere", true)},
                    {"name": "C", "value": "c"},
                    {"name": "D", "valueFrom": {"configMapKeyRef": {"name": "other", "key": "x"}}},
                ],
                "volumeMounts": [
                    {"name": "all", "mountPath": "/a"},
                    {"name": "all", "mountPath": "/b", "subPath": "system.txt"},
                    {"name": "some", "mountPath": "/c", "subPath": "renamed"},
                ],
            }],
            "volumes": [
                {"name": "all", "configMap": {"name": "prompts"}},
                {"name": "some", "configMap": {"name": "prompts", "items": [
                    {"key": "refund.txt", "path": "renamed"},
                ]}},
                {"name": "parts", "projected": {"sources": [
                    {"configMap": {"name": "prompts", "items": [{"key": "tools.json"}]}},
                    {"configMap": {"name": "prompts", "optional": true, "items": [{"key": "y"}]}},
                    {"secret": {"name": "prompts", "items": [{"key": "z"}]}},
                ]}},
            ],
        }})
    }

    fn told(files: &[(&str, &'static [u8])]) -> Vec<String> {
        let files = files.iter().map(|(name, file)| ((*name).to_owned(), (*file).into()));
        let problems = problems("it", &template(), "prompts", &files.collect());
        assert!(problems.iter().all(|it| it.code == "missing-file" && it.is_refusal()));
        problems.into_iter().map(|it| format!("{}: {}", it.object, it.found)).collect()
    }

    #[test]
    fn whatever_a_pod_cannot_do_without_is_told_at_once() {
        assert_eq!(
            told(&[("other.txt", b"")]),
            [
                "it, container first, variable A, ConfigMap prompts: only other.txt",
                "it, container agent, mount of volume all, ConfigMap prompts: only other.txt",
                "it, volume some, ConfigMap prompts: only other.txt",
                "it, volume parts, ConfigMap prompts: only other.txt",
            ]
        );
        let all: [(&str, &[u8]); 4] =
            [("mode", b"fast"), ("system.txt", b""), ("refund.txt", b""), ("tools.json", b"{}")];
        assert_eq!(told(&all), Vec::<String>::new());
    }

    #[test]
    fn a_variable_is_no_place_for_bytes_that_are_no_text() {
        let mut all: Vec<(&str, &'static [u8])> = vec![("mode", &[0xff])];
        all.extend([("system.txt", &[0xff][..]), ("refund.txt", b""), ("tools.json", b"")]);
        let wanted = "it, container first, variable A, ConfigMap prompts: mode with bytes that are \
                      no text";
        assert_eq!(told(&all), [wanted]);
    }

    #[test]
    fn a_template_that_is_none_asks_for_nothing() {
        for odd in [json!(5), json!({"spec": {"volumes": 1, "containers": [1]}})] {
            assert_eq!(asked(&odd, "prompts"), []);
        }
    }
}
