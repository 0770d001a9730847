//! The Role of the operator against that of releases.

use std::collections::BTreeSet;

use serde_json::Value;

const OPERATOR: &str = include_str!("../../examples/operator/install.yaml");
const RELEASES: &str = include_str!("../../bluegreen-kube/rbac.yaml");

/// The rights of the one Role in a file.
fn rights(text: &str) -> BTreeSet<String> {
    let all: Vec<Value> = serde_saphyr::from_multiple(text).unwrap();
    let roles: Vec<&Value> = all.iter().filter(|it| it["kind"] == "Role").collect();
    let [role] = roles[..] else { panic!("found {} Roles", roles.len()) };
    assert!(all.iter().all(|it| it["kind"] != "ClusterRole"));
    let texts = |value: &Value| -> Vec<String> {
        let texts = value.as_array().unwrap().iter();
        texts.map(|it| it.as_str().unwrap().to_owned()).collect()
    };
    let mut rights = BTreeSet::new();
    for rule in role["rules"].as_array().unwrap() {
        for resource in texts(&rule["resources"]) {
            for verb in texts(&rule["verbs"]) {
                rights.insert(format!("{verb} {resource}"));
            }
        }
    }
    rights
}

#[test]
fn the_operator_may_do_what_releases_need_and_keep_its_own_objects() {
    let (operator, releases) = (rights(OPERATOR), rights(RELEASES));
    let more: Vec<&String> = operator.difference(&releases).collect();
    let own = ["list", "patch", "watch"].map(|verb| format!("{verb} agentreleases"));
    let status = "patch agentreleases/status".to_owned();
    let mut wanted: Vec<&String> = own.iter().chain([&status]).collect();
    wanted.sort();
    assert_eq!(more, wanted);
    // It makes no second slot.
    let less: Vec<&String> = releases.difference(&operator).collect();
    assert_eq!(less, ["create deployments"]);
}
