//! What the real server fills in and refuses of an Ingress. There is no controller for them.

use serde_json::{Value, json};

use super::json::{at, default, list, text};
use super::status::Cause;

pub(super) const INGRESSES: &str = "ingresses.networking.k8s.io";

const TYPES: [&str; 3] = ["Exact", "ImplementationSpecific", "Prefix"];
/// What no path may have in it.
const SEQUENCES: [&str; 5] = ["//", "/./", "/../", "%2f", "%2F"];
/// How no path may end.
const ENDS: [&str; 2] = ["/..", "/."];

pub(super) fn fill(object: &mut Value) {
    default(at(object, &["status"]), "loadBalancer", json!({}));
}

pub(super) fn check(new: &Value, causes: &mut Vec<Cause>) {
    let spec = &new["spec"];
    let rules = list(spec, "/rules");
    if rules.is_empty() && spec["defaultBackend"].is_null() {
        let why = "either `defaultBackend` or `rules` must be specified";
        causes.push(Cause::invalid("spec", &Value::Null, why));
    }
    if !spec["defaultBackend"].is_null() {
        backend(&spec["defaultBackend"], "spec.defaultBackend", causes);
    }
    for (index, rule) in rules.iter().enumerate() {
        if rule["http"].is_null() {
            continue;
        }
        let field = format!("spec.rules[{index}].http.paths");
        let paths = list(rule, "/http/paths");
        if paths.is_empty() {
            causes.push(Cause::required(&field));
        }
        for (index, one) in paths.iter().enumerate() {
            path(one, &format!("{field}[{index}]"), causes);
        }
    }
}

fn path(path: &Value, field: &str, causes: &mut Vec<Cause>) {
    let (found, kind) = (text(path, "/path"), text(path, "/pathType"));
    // The type that it went through knows no path without one.
    if kind.is_empty() {
        let cause = Cause::required(format!("{field}.pathType"));
        causes.push(cause.saying("pathType must be specified"));
        return;
    }
    let mut wrong = |why: &str| {
        causes.push(Cause::invalid(format!("{field}.path"), &found.into(), why));
    };
    let is_loose = kind == "ImplementationSpecific";
    if TYPES.contains(&kind) && !found.starts_with('/') && !(is_loose && found.is_empty()) {
        wrong("must be an absolute path");
    }
    if TYPES.contains(&kind) && !is_loose {
        for sequence in SEQUENCES.iter().filter(|it| found.contains(**it)) {
            wrong(&format!("must not contain '{sequence}'"));
        }
        for end in ENDS.iter().filter(|it| found.ends_with(**it)) {
            wrong(&format!("cannot end with '{end}'"));
        }
    }
    if !TYPES.contains(&kind) {
        causes.push(Cause::not_one_of(format!("{field}.pathType"), kind, &TYPES));
    }
    backend(&path["backend"], &format!("{field}.backend"), causes);
}

fn backend(backend: &Value, field: &str, causes: &mut Vec<Cause>) {
    let none = Value::from("");
    match (backend["resource"].is_null(), backend["service"].is_null()) {
        (false, false) => {
            let why = "cannot set both resource and service backends";
            causes.push(Cause::invalid(field, &none, why));
        }
        (false, true) => {}
        (true, true) => {
            causes.push(Cause::invalid(field, &none, "resource or service backend is required"));
        }
        (true, false) => {
            if text(backend, "/service/name").is_empty() {
                causes.push(Cause::required(format!("{field}.service.name")));
            }
            let port = &backend["service"]["port"];
            let has_name = !text(port, "/name").is_empty();
            let number = port["number"].as_i64().unwrap_or_default();
            match (has_name, number != 0) {
                (true, true) => {
                    let why = "cannot set both port name & port number";
                    causes.push(Cause::invalid(field, &none, why));
                }
                (false, false) => {
                    causes.push(Cause::required(field).saying("port name or number is required"));
                }
                (false, true) if !(1..=65_535).contains(&number) => {
                    let why = "must be between 1 and 65535, inclusive";
                    let field = format!("{field}.service.port.number");
                    causes.push(Cause::invalid(field, &number.into(), why));
                }
                _ => {}
            }
        }
    }
}
