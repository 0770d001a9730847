use bluegreen_core::{Configuration, Container};
use kube::core::DynamicObject;

use super::*;

fn object(metadata: &Value) -> DynamicObject {
    let mut object = json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "agent-green", "uid": "u1", "resourceVersion": "7"},
        "spec": {
            "replicas": 1,
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%"}},
            "template": {
                "metadata": {"labels": {"version": "1"}},
                "spec": {"containers": [{"name": "agent", "image": "agent:1"}]},
            },
        },
    });
    for (key, value) in metadata.as_object().unwrap() {
        object["metadata"][key] = value.clone();
    }
    serde_json::from_value(object).unwrap()
}

fn change() -> ResolvedChange {
    let containers = [("agent".to_owned(), Container::new("agent:2"))].into();
    ResolvedChange::exactly(Configuration::new(containers).with_version("2"))
}

fn deployed(object: &DynamicObject, replicas: u32, epoch: u64) -> Option<Vec<Value>> {
    let settings = Settings::new("agent", "ns");
    let seen = Seen::new(object, &settings);
    deploy(seen, &settings, &change(), replicas, Epoch::new(epoch)).unwrap()
}

#[test]
fn a_deploy_tests_everything_that_it_replaces() {
    let read = object(&json!({
        "labels": {"version": "1"},
        "annotations": {"bluegreen.dev/epoch": "4"},
    }));
    let digest = change().digest;
    let old = json!({
        "metadata": {"labels": {"version": "1"}},
        "spec": {"containers": [{"name": "agent", "image": "agent:1"}]},
    });
    let strategy = json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%"}});
    let found = Found {
        replicas: 1,
        strategy: strategy.clone(),
        template: old.clone(),
        version: Some("1".to_owned()),
        digest: None,
    };
    let golden = json!([
        {"op": "test", "path": "/metadata/uid", "value": "u1"},
        {"op": "test", "path": "/metadata/annotations/bluegreen.dev~1epoch", "value": "4"},
        {"op": "add", "path": "/metadata/annotations/bluegreen.dev~1epoch", "value": "5"},
        {"op": "add", "path": "/metadata/annotations/bluegreen.dev~1found",
         "value": found.to_text().unwrap()},
        {"op": "test", "path": "/spec/strategy", "value": strategy},
        {"op": "replace", "path": "/spec/strategy", "value": {
            "type": "RollingUpdate",
            "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "100%"},
        }},
        {"op": "test", "path": "/spec/template", "value": old},
        {"op": "replace", "path": "/spec/template", "value": {
            "metadata": {"labels": {"version": "2"}},
            "spec": {"containers": [{"name": "agent", "image": "agent:2"}]},
        }},
        {"op": "test", "path": "/spec/replicas", "value": 1},
        {"op": "replace", "path": "/spec/replicas", "value": 3},
        {"op": "add", "path": "/metadata/annotations/bluegreen.dev~1digest",
         "value": digest.as_str()},
        {"op": "add", "path": "/metadata/labels/version", "value": "2"},
    ]);
    assert_eq!(Value::Array(deployed(&read, 3, 5).unwrap()), golden);
}

#[test]
fn the_first_stamp_needs_the_object_exactly_as_it_was_read() {
    let settings = Settings::new("agent", "ns");
    let read = object(&json!({}));
    let seen = Seen::new(&read, &settings);
    let stamp = Operations::new(seen, &settings, Epoch::new(1)).into_list();
    assert_eq!(
        Value::Array(stamp),
        json!([
            {"op": "test", "path": "/metadata/uid", "value": "u1"},
            {"op": "test", "path": "/metadata/resourceVersion", "value": "7"},
            {"op": "add", "path": "/metadata/annotations", "value": {}},
            {"op": "add", "path": "/metadata/annotations/bluegreen.dev~1epoch", "value": "1"},
        ])
    );
}

#[test]
fn asked_again_a_deploy_only_grows_and_keeps_what_it_found() {
    let settings = Settings::new("agent", "ns");
    let before = object(&json!({"annotations": {"bluegreen.dev/epoch": "4"}}));
    let found = Found::of(Seen::new(&before, &settings), &settings).to_text().unwrap();
    let mut open = object(&json!({
        "labels": {"version": "2"},
        "annotations": {
            "bluegreen.dev/epoch": "5",
            "bluegreen.dev/found": found,
            "bluegreen.dev/digest": change().digest,
        },
    }));
    open.data["spec"]["template"] = template::write(
        Seen::new(&before, &settings).template(),
        &change().configuration,
        &settings,
    )
    .unwrap();
    open.data["spec"]["replicas"] = 3.into();
    assert_eq!(deployed(&open, 3, 5), None);
    assert_eq!(deployed(&open, 2, 5), None, "it does not shrink");
    let grown = deployed(&open, 4, 5).unwrap();
    let touches = |part: &str| {
        let mut writes = grown.iter().filter(|operation| operation["op"] != "test");
        writes.any(|operation| operation["path"].as_str().unwrap().contains(part))
    };
    assert!(touches("/spec/replicas"));
    assert!(!touches("found") && !touches("/spec/template") && !touches("/spec/strategy"));
}

#[test]
fn a_strategy_that_needs_no_old_pods_is_made_from_any() {
    for (found, wanted) in [
        (
            json!(null),
            json!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "100%"}}),
        ),
        (
            json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 2, "maxUnavailable": 0}}),
            json!({"type": "RollingUpdate",
                   "rollingUpdate": {"maxSurge": 2, "maxUnavailable": "100%"}}),
        ),
        (json!({"type": "Recreate"}), json!({"type": "Recreate"})),
    ] {
        assert_eq!(together(&found), wanted);
    }
}

/// The annotation with what a deploy found is text that others can write.
#[test]
fn a_strategy_that_is_none_is_no_harm() {
    let wanted = json!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "100%"}});
    for found in [json!("x"), json!(1), json!([1]), json!(null)] {
        assert_eq!(together(&found), wanted, "{found}");
    }
}
