//! The Role of the operator against that of releases.

use std::collections::BTreeSet;

use serde_json::Value;

const OPERATOR: &str = include_str!("../../examples/operator/install.yaml");
const RELEASES: &str = include_str!("../../bluegreen-kube/rbac.yaml");

/// A right: a group (the core group is the empty one), a resource of it, and a verb. The same resource of
/// another group is another right.
type Right = (String, String, String);

fn right((group, resource, verb): (&str, &str, &str)) -> Right {
    (group.to_owned(), resource.to_owned(), verb.to_owned())
}

/// The rights of the one Role in a file.
fn rights(text: &str) -> BTreeSet<Right> {
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
        // A rule for some names only is less than what it is compared as.
        assert!(rule["resourceNames"].is_null(), "{rule}");
        for group in texts(&rule["apiGroups"]) {
            for resource in texts(&rule["resources"]) {
                for verb in texts(&rule["verbs"]) {
                    rights.insert((group.clone(), resource.clone(), verb));
                }
            }
        }
    }
    rights
}

/// What the operator's Role has more than that of releases, and what it has less.
fn compared(operator: &str) -> [Vec<Right>; 2] {
    let (operator, releases) = (rights(operator), rights(RELEASES));
    [&operator - &releases, &releases - &operator].map(|rights| rights.into_iter().collect())
}

#[test]
fn the_operator_may_do_what_releases_need_and_keep_its_own_objects() {
    let [more, less] = compared(OPERATOR);
    let own = [
        ("bluegreen.dev", "agentreleases", "list"),
        ("bluegreen.dev", "agentreleases", "patch"),
        ("bluegreen.dev", "agentreleases", "watch"),
        ("bluegreen.dev", "agentreleases/status", "patch"),
    ];
    assert_eq!(more, own.map(right));
    // It makes no second slot.
    assert_eq!(less, [right(("apps", "deployments", "create"))]);
}

#[test]
fn a_right_in_another_group_is_another_right() {
    let elsewhere = OPERATOR.replacen("apiGroups: [coordination.k8s.io]", "apiGroups: [\"\"]", 1);
    assert_ne!(elsewhere, OPERATOR);
    let [more, less] = compared(&elsewhere);
    for (group, rights) in [("", more), ("coordination.k8s.io", less)] {
        let verbs = rights.iter().filter(|it| it.0 == group && it.1 == "leases");
        assert_eq!(verbs.count(), 4, "{rights:?}");
    }
}
