//! Rights that are missing: each is named, before anything is touched.

use std::collections::BTreeSet;

use bluegreen_core::{Outcome, Problem};
use bluegreen_kube::{Cluster, ConnectError};
use bluegreen_tests::{Agent, Manifests, change, plan, seconds};
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use k8s_openapi::api::rbac::v1::{PolicyRule, Role};
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::json;

use crate::objects::objects;

/// Rights that a release does without, and why preflight does not ask for them.
const NOT_ASKED: [(&str, &str); 4] = [
    // For `init`.
    ("create", "deployments"),
    // Only where a slot has an autoscaler.
    ("get", "horizontalpodautoscalers"),
    ("patch", "horizontalpodautoscalers"),
    // Reports get lost without it, and nothing else.
    ("create", "events"),
];

/// Rights that most releases do without: they are for validators that talk to pods, and for a Deployment
/// whose controller has got stuck.
const WARNED_OF: [(&str, &str); 3] =
    [("get", "pods/portforward"), ("create", "pods/portforward"), ("patch", "replicasets")];

#[tokio::test]
async fn a_missing_right_is_named_and_nothing_is_touched() {
    let agent = Agent::of(Manifests::shipped().sized(1, 0)).await;
    let cluster = agent.cluster("one").await;
    let roles = agent.api::<Role>();
    let shipped = roles.get("bluegreen").await.unwrap().rules.unwrap();
    let before = objects(&agent).await;
    let mut asked = 0;
    for (number, rule) in shipped.iter().enumerate() {
        let resource = &rule.resources.as_ref().unwrap()[0];
        for verb in &rule.verbs {
            if NOT_ASKED.contains(&(verb, resource)) {
                continue;
            }
            asked += 1;
            let mut fewer = shipped.clone();
            fewer[number].verbs.retain(|granted| granted != verb);
            fewer.retain(|rule| !rule.verbs.is_empty());
            grant(&roles, &fewer).await;
            may(&cluster, rule, verb, false).await;
            let wanted = in_words(&cluster, rule, verb);
            if WARNED_OF.contains(&(verb, resource)) {
                let found = cluster.releaser().check(&change("1.3.0"), &plan(seconds(2))).await;
                let found = found.unwrap();
                assert!(!found.iter().any(Problem::is_refusal), "{verb} {resource}: {found:#?}");
                let warned = found.iter().filter(|it| it.code == "rights");
                let warned: Vec<&str> = warned.map(|it| it.object.as_str()).collect();
                assert_eq!(warned, [wanted], "{verb} {resource}");
            } else {
                let refused = refused(&cluster).await;
                let refused: Vec<&str> = refused.iter().map(|it| it.object.as_str()).collect();
                assert_eq!(refused, [wanted], "{verb} {resource}");
            }
            grant(&roles, &shipped).await;
            may(&cluster, rule, verb, true).await;
        }
    }
    assert_eq!(asked, 32, "every right is asked for but those that are named here");
    assert_eq!(objects(&agent).await, before);
}

#[tokio::test]
async fn a_namespace_without_rights_is_refused_with_all_of_them() {
    let agent = Agent::of(Manifests::shipped().sized(1, 0)).await;
    let cluster = agent.cluster("one").await;
    let roles = agent.api::<Role>();
    let shipped = roles.get("bluegreen").await.unwrap().rules.unwrap();
    let before = objects(&agent).await;
    grant(&roles, &[]).await;
    may(&cluster, &shipped[0], "get", false).await;

    let refused = refused(&cluster).await;
    let refused: BTreeSet<&str> = refused.iter().map(|it| it.object.as_str()).collect();
    let mut wanted = BTreeSet::new();
    for rule in &shipped {
        let resource = &rule.resources.as_ref().unwrap()[0];
        let needed = rule.verbs.iter().filter(|verb| {
            let right = (verb.as_str(), resource.as_str());
            !NOT_ASKED.contains(&right) && !WARNED_OF.contains(&right)
        });
        wanted.extend(needed.map(|verb| in_words(&cluster, rule, verb)));
    }
    assert_eq!(refused, wanted.iter().map(String::as_str).collect());

    let error = agent.builder("two").connect().await.unwrap_err();
    assert!(matches!(error, ConnectError::Call(_)), "{error}");
    let said = bluegreen_core::chain(&error);
    let service = format!("read service {}/agent-service", agent.namespace().name());
    assert!(said.contains(&service) && said.contains("cannot get resource"), "{said}");
    assert_eq!(objects(&agent).await, before);
}

#[tokio::test]
async fn init_says_what_it_may_not_make() {
    let agent = Agent::of(Manifests::shipped().plain().sized_blue(0)).await;
    let cluster = agent.cluster("one").await;
    let roles = agent.api::<Role>();
    let mut fewer = roles.get("bluegreen").await.unwrap().rules.unwrap();
    let deployments = fewer[0].clone();
    fewer[0].verbs.retain(|verb| verb != "create");
    let before = objects(&agent).await;
    grant(&roles, &fewer).await;
    may(&cluster, &deployments, "create", false).await;
    let said = cluster.init().await.unwrap_err().chain();
    assert!(said.contains("agent-green") && said.contains("cannot create resource"), "{said}");
    assert_eq!(objects(&agent).await, before);
}

/// Why a release is refused: rights alone.
async fn refused(cluster: &Cluster) -> Vec<Problem> {
    let outcome = cluster.releaser().run(change("1.3.0"), &plan(seconds(2))).await.unwrap();
    let Outcome::Refused { problems } = outcome else { panic!("it should be refused: {outcome}") };
    assert!(problems.iter().all(|it| it.code == "rights"), "{problems:#?}");
    problems
}

/// How a right is named.
fn in_words(cluster: &Cluster, rule: &PolicyRule, verb: &str) -> String {
    let resource = &rule.resources.as_ref().unwrap()[0];
    let group = match rule.api_groups.as_ref().unwrap()[0].as_str() {
        "" => String::new(),
        group => format!(" of {group}"),
    };
    format!("namespace {}, right to {verb} {resource}{group}", cluster.settings().namespace)
}

/// Gives the account exactly these rights.
pub(crate) async fn grant(roles: &Api<Role>, granted: &[PolicyRule]) {
    let patch = Patch::Merge(json!({"rules": granted}));
    roles.patch("bluegreen", &PatchParams::default(), &patch).await.unwrap();
}

/// Returns once the API server grants this right, or does so no more: it learns of a Role a little
/// later than it stores it, and there is nothing to watch.
pub(crate) async fn may(cluster: &Cluster, rule: &PolicyRule, verb: &str, wanted: bool) {
    let resource = rule.resources.as_ref().unwrap()[0].as_str();
    let (resource, part) = resource.split_once('/').unwrap_or((resource, ""));
    let attributes = ResourceAttributes {
        namespace: Some(cluster.settings().namespace.clone()),
        verb: Some(verb.to_owned()),
        group: Some(rule.api_groups.as_ref().unwrap()[0].clone()),
        resource: Some(resource.to_owned()),
        subresource: Some(part.to_owned()),
        ..ResourceAttributes::default()
    };
    let spec = SelfSubjectAccessReviewSpec {
        resource_attributes: Some(attributes),
        ..SelfSubjectAccessReviewSpec::default()
    };
    let review = SelfSubjectAccessReview { spec, ..SelfSubjectAccessReview::default() };
    let reviews: Api<SelfSubjectAccessReview> = Api::all(cluster.client().clone());
    let mut turns = tokio::time::interval(std::time::Duration::from_millis(20));
    let waiting = async {
        loop {
            turns.tick().await;
            let answer = reviews.create(&PostParams::default(), &review).await.unwrap();
            if answer.status.unwrap().allowed == wanted {
                return;
            }
        }
    };
    tokio::time::timeout(seconds(30), waiting).await.expect("the Role should take effect");
}
