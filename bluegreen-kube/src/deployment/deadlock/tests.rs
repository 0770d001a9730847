use serde_json::Value;

use super::*;
use crate::Settings;

const OLD: &str = "agent-old";

/// A Deployment that wants two pods of version 2.
fn deployment() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "agent", "uid": "d", "generation": 3},
        "spec": {"replicas": 2, "template": template("2")},
        "status": {"observedGeneration": 3},
    })
}

fn template(version: &str) -> Value {
    json!({"metadata": {"labels": {"version": version}}, "spec": {"containers": []}})
}

/// One of its `ReplicaSet`s, with the note.
fn set(name: &str, version: &str, size: u32, note: Option<&str>) -> Value {
    let annotations = note.map(|note| json!({DESIRED: note})).unwrap_or_default();
    json!({
        "apiVersion": "apps/v1", "kind": "ReplicaSet",
        "metadata": {
            "name": name, "uid": name, "annotations": annotations,
            "ownerReferences": [{
                "apiVersion": "apps/v1", "kind": "Deployment", "name": "agent", "uid": "d",
                "controller": true,
            }],
        },
        "spec": {"replicas": size, "template": template(version)},
    })
}

/// The one that keeps the Deployment from going on.
fn found(deployment: &Value, sets: &[Value]) -> Option<String> {
    let read = |value: &Value| serde_json::from_value::<DynamicObject>(value.clone()).unwrap();
    let settings = Settings::new("agent", "ai-agents");
    let object = read(deployment);
    let sets: Vec<DynamicObject> = sets.iter().map(read).collect();
    let seen = Seen::new(&object, &settings);
    let own = Sets::of(seen, sets.iter());
    culprit(seen, &own, sets.iter()).map(kube::ResourceExt::name_any)
}

#[test]
fn a_note_of_another_size_on_the_only_old_set_with_pods_is_found() {
    let stuck = set(OLD, "1", 2, Some("3"));
    assert_eq!(found(&deployment(), std::slice::from_ref(&stuck)).as_deref(), Some(OLD));
    let empty = set("agent-new", "2", 0, Some("3"));
    assert_eq!(found(&deployment(), &[empty, stuck]).as_deref(), Some(OLD));
}

#[test]
fn whatever_its_controller_gets_on_with_is_left_alone() {
    let stuck = || set(OLD, "1", 2, Some("3"));
    for (why, set) in [
        ("it is about to be resized", set(OLD, "1", 1, Some("3"))),
        ("the note is right", set(OLD, "1", 2, Some("2"))),
        ("there is no note", set(OLD, "1", 2, None)),
        ("the note is no number", set(OLD, "1", 2, Some("two"))),
        ("it runs what is wanted", set(OLD, "2", 2, Some("3"))),
    ] {
        assert_eq!(found(&deployment(), &[set]), None, "{why}");
    }
    let rolling = [stuck(), set("agent-new", "2", 1, Some("2"))];
    assert_eq!(found(&deployment(), &rolling), None, "two have pods");
    let mut other = stuck();
    other["metadata"]["ownerReferences"][0]["uid"] = "another".into();
    assert_eq!(found(&deployment(), &[other]), None, "it is another Deployment's");
    for (why, pointer, value) in [
        ("it is not observed", "/metadata/generation", json!(4)),
        ("it is paused", "/spec/paused", json!(true)),
    ] {
        let mut deployment = deployment();
        let (parent, field) = pointer.rsplit_once('/').unwrap();
        deployment.pointer_mut(parent).unwrap()[field] = value;
        assert_eq!(found(&deployment, &[stuck()]), None, "{why}");
    }
}
