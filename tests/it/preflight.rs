//! What is refused before anything is touched.

use std::collections::BTreeMap;

use bluegreen_core::Outcome;
use bluegreen_kube::{Cluster, ConnectError};
use bluegreen_tests::{Agent, Manifests, SERVICE, change, plan, seconds};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Service};
use k8s_openapi::api::rbac::v1::{PolicyRule, Role};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Resource, ResourceExt as _};
use serde::de::DeserializeOwned;
use serde_json::json;

/// Rights that a release without gates and reports does without, and why preflight does not ask.
const NOT_ASKED: [(&str, &str); 5] = [
    // For `init`.
    ("create", "deployments"),
    // For validators, which say so when they cannot reach a pod.
    ("get", "pods"),
    ("get", "pods/portforward"),
    ("create", "pods/portforward"),
    // Reports get lost without it, and nothing else.
    ("create", "events"),
];

#[tokio::test]
async fn without_its_service_there_is_no_agent() {
    let agent = Agent::of(Manifests::shipped().sized(1, 0)).await;
    let services = agent.api::<Service>();
    services.delete(SERVICE, &DeleteParams::default()).await.unwrap();
    let refused = agent.builder("one").connect().await.unwrap_err();
    assert!(matches!(refused, ConnectError::NoService { .. }), "{refused}");
    let wanted = format!("Service {}/{SERVICE}: found nothing", agent.namespace().name());
    assert!(refused.to_string().starts_with(&wanted), "{refused}");
}

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
            let said = refusal(&cluster).await;
            // Either on the list, or in the API server's own words where not even that can be read.
            let group = &rule.api_groups.as_ref().unwrap()[0];
            let ours = match group.as_str() {
                "" => format!("right to {verb} {resource}: found"),
                group => format!("right to {verb} {resource} of {group}: found"),
            };
            let theirs = format!("cannot {verb} resource \"{resource}\" in API group \"{group}\"");
            assert!(said.contains(&ours) || said.contains(&theirs), "{verb} {resource}: {said}");
            grant(&roles, &shipped).await;
            may(&cluster, rule, verb, true).await;
        }
    }
    assert_eq!(asked, 29, "every right is asked for but those that are named here");
    assert_eq!(objects(&agent).await, before);
}

#[tokio::test]
async fn every_problem_is_on_one_list_and_nothing_is_touched() {
    let mut manifests = Manifests::shipped().sized(1, 0);
    let green = manifests.object("Deployment", "agent-green");
    let container = &mut green["spec"]["template"]["spec"]["containers"][0];
    container.as_object_mut().unwrap().remove("readinessProbe");
    let agent = Agent::of(manifests).await;
    let mut other = agent.api::<Service>().get(SERVICE).await.unwrap();
    other.metadata = kube::api::ObjectMeta { name: Some("other".to_owned()), ..Default::default() };
    let spec = other.spec.as_mut().unwrap();
    (spec.cluster_ip, spec.cluster_ips) = (None, None);
    agent.api::<Service>().create(&PostParams::default(), &other).await.unwrap();
    let cluster = agent.cluster("one").await;
    let before = objects(&agent).await;

    let mut plan = plan(seconds(2));
    plan.look = seconds(0);
    let outcome = cluster.releaser().run(change("1.3.0"), &plan).await.unwrap();
    let Outcome::Refused { problems } = outcome else { panic!("{outcome}") };
    let codes: Vec<&str> = problems.iter().map(|problem| problem.code.as_str()).collect();
    for code in ["plan-duration", "no-readiness-probe", "unlisted-service"] {
        assert!(codes.contains(&code), "{code} is missing: {problems:#?}");
    }
    assert_eq!(objects(&agent).await, before);
}

#[tokio::test]
async fn which_of_two_slots_is_live_is_not_guessed() {
    let agent = Agent::of(Manifests::shipped().sized(1, 1).slotless()).await;
    let cluster = agent.cluster("one").await;
    let before = objects(&agent).await;
    let said = refusal(&cluster).await;
    let found = "selector app=agent-service, which finds 1 pod of blue, 1 pod of green";
    assert!(said.contains(found), "{said}");
    assert!(said.contains("[no-slot-key]") && said.contains("[routing]"), "{said}");
    assert_eq!(objects(&agent).await, before);
}

/// Gives the account exactly these rights.
async fn grant(roles: &Api<Role>, granted: &[PolicyRule]) {
    let patch = Patch::Merge(json!({"rules": granted}));
    roles.patch("bluegreen", &PatchParams::default(), &patch).await.unwrap();
}

/// Returns once the API server grants this right, or does so no more: it learns of a Role a little
/// later than it stores it, and there is nothing to watch.
async fn may(cluster: &Cluster, rule: &PolicyRule, verb: &str, wanted: bool) {
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

/// Why a release is refused.
async fn refusal(cluster: &Cluster) -> String {
    match cluster.releaser().run(change("1.3.0"), &plan(seconds(2))).await {
        Ok(outcome @ Outcome::Refused { .. }) => outcome.to_string(),
        Ok(other) => panic!("it should be refused: {other}"),
        Err(error) => bluegreen_core::chain(&error),
    }
}

/// Everything that a release writes, by kind and name, as it is.
async fn objects(agent: &Agent) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    read::<Deployment>(agent, &mut all).await;
    read::<Service>(agent, &mut all).await;
    read::<ConfigMap>(agent, &mut all).await;
    read::<Lease>(agent, &mut all).await;
    all
}

async fn read<K>(agent: &Agent, all: &mut BTreeMap<String, String>)
where
    K: Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>
        + Clone
        + std::fmt::Debug
        + DeserializeOwned,
{
    for object in agent.api::<K>().list(&ListParams::default()).await.unwrap() {
        let name = format!("{} {}", K::kind(&()), object.name_any());
        all.insert(name, object.resource_version().unwrap());
    }
}
