//! What the templates of the two slots differ in beyond what a release brings.

use std::collections::{BTreeMap, BTreeSet};

use bluegreen_core::{External, Problem};
use serde_json::Value;

use super::Report;
use crate::deployment::object::Seen;
use crate::deployment::{files, note};

/// More are not listed one by one.
const MOST: usize = 20;
/// What `kubectl rollout restart` leaves behind means nothing.
const RESTARTED: &str = "kubectl.kubernetes.io/restartedAt";

/// The candidate is what idle's template makes of the change. Whatever else differs in it from
/// live's template would be released without anybody having said so.
pub(super) fn check(report: &mut Report<'_>, idle: Seen<'_>, live: Seen<'_>) {
    let settings = idle.settings();
    let mut found = Differences {
        slot_label: &settings.slot_label,
        version_label: &settings.version_label,
        paths: Vec::new(),
    };
    // Files, and what is kept elsewhere, are what a release brings: both name those of their own.
    let [idle_template, live_template] = [idle, live].map(|seen| {
        let mut template = files::without_files(seen.template(), settings);
        note::write::<External>(&mut template, &settings.external_annotation(), &BTreeMap::new());
        template
    });
    found.compare(&mut String::from("spec.template"), &idle_template, &live_template);
    let mut paths = found.paths;
    paths.sort();
    for (path, idle_has, live_has) in paths.iter().take(MOST) {
        let problem = Problem::new("template-differs", format!("{}, {path}", report.object))
            .found(idle_has)
            .wanted(format!("{live_has}, as in Deployment {}", live.name()))
            .mend("make both alike, or allow template-differs for this path");
        report.add(problem, path);
    }
    if paths.len() > MOST {
        let problem = Problem::new("template-differs", format!("{}, spec.template", report.object))
            .found(format!("{} more differences", paths.len() - MOST))
            .wanted("none");
        report.add(problem, "spec.template");
    }
}

/// Parts of paths whose values are shown to nobody.
const MAY_BE_SECRET: [&str; 5] = [".args", ".command", ".httpHeaders", ".env", ".annotations"];

struct Differences<'a> {
    slot_label: &'a str,
    version_label: &'a str,
    paths: Vec<(String, String, String)>,
}

impl Differences<'_> {
    fn compare(&mut self, path: &mut String, idle: &Value, live: &Value) {
        match (idle, live) {
            (Value::Object(one), Value::Object(other)) => {
                let keys: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
                for key in keys {
                    if self.is_skipped(path, key) {
                        continue;
                    }
                    let step = if key.contains(['.', '/']) {
                        format!("[{key}]")
                    } else {
                        format!(".{key}")
                    };
                    self.compare_at(path, &step, &idle[key], &live[key]);
                }
            }
            (Value::Array(one), Value::Array(other)) if is_named(one) && is_named(other) => {
                let names: BTreeSet<&str> = one.iter().chain(other).filter_map(name).collect();
                let of = |list: &[Value], wanted: &str| {
                    list.iter().find(|item| name(item) == Some(wanted)).cloned().unwrap_or_default()
                };
                for name in names {
                    let (one, other) = (of(one, name), of(other, name));
                    self.compare_at(path, &format!("[{name}]"), &one, &other);
                }
            }
            (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
                for (number, (one, other)) in one.iter().zip(other).enumerate() {
                    self.compare_at(path, &format!("[{number}]"), one, other);
                }
            }
            (one, other) if one != other => {
                self.paths.push((path.clone(), show(path, one), show(path, other)));
            }
            _ => {}
        }
    }

    fn compare_at(&mut self, path: &mut String, step: &str, idle: &Value, live: &Value) {
        let length = path.len();
        path.push_str(step);
        self.compare(path, idle, live);
        path.truncate(length);
    }

    /// What a release brings, and what tells the slots apart, is to differ.
    fn is_skipped(&self, path: &str, key: &str) -> bool {
        let is_container = ["containers[", "initContainers["].iter().any(|list| {
            let rest =
                path.strip_prefix("spec.template.spec.").and_then(|it| it.strip_prefix(list));
            rest.is_some_and(|rest| rest.find(']') == Some(rest.len() - 1))
        });
        let is_labels = path == "spec.template.metadata.labels";
        (is_container && matches!(key, "image" | "env"))
            || key == self.slot_label && (is_labels || path.ends_with(".matchLabels"))
            || is_labels && key == self.version_label
            || path == "spec.template.metadata.annotations" && key == RESTARTED
    }
}

fn is_named(list: &[Value]) -> bool {
    list.iter().all(|item| name(item).is_some())
}

fn name(item: &Value) -> Option<&str> {
    item["name"].as_str()
}

/// A value that is short and no secret; otherwise what kind it is.
fn show(path: &str, value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Object(_) | Value::Array(_) => "something".to_owned(),
        // Arguments and headers of probes may hold keys, as variables may.
        _ if MAY_BE_SECRET.iter().any(|part| path.contains(part)) => "another text".to_owned(),
        value => value.to_string().chars().take(80).collect(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn paths(idle: &Value, live: &Value) -> Vec<String> {
        let mut found =
            Differences { slot_label: "slot", version_label: "version", paths: Vec::new() };
        found.compare(&mut String::from("spec.template"), idle, live);
        found.paths.into_iter().map(|(path, _, _)| path).collect()
    }

    fn template(color: &str, image: &str) -> Value {
        json!({
            "metadata": {"labels": {"app": "agent", "slot": color, "version": image}},
            "spec": {
                "containers": [
                    {"name": "agent", "image": image, "env": [{"name": "A", "value": image}]},
                    {"name": "proxy", "image": "proxy:1", "args": ["--key=1"]},
                ],
                "topologySpreadConstraints": [
                    {"labelSelector": {"matchLabels": {"app": "agent", "slot": color}}},
                ],
            },
        })
    }

    #[test]
    fn what_a_release_brings_may_differ() {
        assert!(paths(&template("green", "a:1"), &template("blue", "a:2")).is_empty());
    }

    #[test]
    fn all_else_is_listed_by_path() {
        let (mut idle, mut live) = (template("green", "a:1"), template("blue", "a:1"));
        idle["metadata"]["annotations"] = json!({"kubectl.kubernetes.io/restartedAt": "now"});
        live["metadata"]["annotations"] = json!({"prometheus.io/scrape": "true"});
        live["spec"]["containers"][0]["resources"] = json!({"limits": {"cpu": "1"}});
        idle["spec"]["containers"][1]["args"] = json!(["--key=2"]);
        live["spec"]["containers"].as_array_mut().unwrap().swap(0, 1);
        live["spec"]["containers"].as_array_mut().unwrap().push(json!({"name": "more"}));
        assert_eq!(
            paths(&idle, &live),
            [
                "spec.template.metadata.annotations[prometheus.io/scrape]",
                "spec.template.spec.containers[agent].resources",
                "spec.template.spec.containers[more]",
                "spec.template.spec.containers[proxy].args[0]",
            ]
        );
    }

    #[test]
    fn arguments_are_not_shown() {
        assert_eq!(
            show("spec.template.spec.containers[a].args[0]", &json!("--key=x")),
            "another text"
        );
        let header = "spec.template.spec.containers[a].livenessProbe.httpGet.httpHeaders[x].value";
        assert_eq!(show(header, &json!("Bearer x")), "another text");
        assert_eq!(show("spec.template.spec.dnsPolicy", &json!("None")), "\"None\"");
    }
}
