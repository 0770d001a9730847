//! What is refused before anything is touched.

use bluegreen_core::{Change, Color, Outcome, Problem};
use bluegreen_kube::{Cluster, ConnectError};
use bluegreen_tests::{Agent, Manifests, SERVICE, ask, change, plan, seconds};
use http::Method;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Service;
use kube::api::{DeleteParams, ObjectMeta, PostParams};
use serde_json::{Value, json};

use crate::objects::objects;

#[tokio::test]
async fn what_is_no_agent_is_refused_by_name() {
    let agent = Agent::of(Manifests::shipped().sized(0, 0)).await;
    let namespace = agent.namespace().name();
    let ports = json!([{"port": 80, "targetPort": 8000}]);
    let external = json!({"type": "ExternalName", "externalName": "elsewhere.example.com"});
    serve(&agent, "external", external).await;
    serve(&agent, "unselective", json!({"ports": ports})).await;
    serve(&agent, "stranger", json!({"selector": {"app": "stranger"}, "ports": ports})).await;
    let deployments = agent.api::<Deployment>();
    let mut second = deployments.get("agent-blue").await.unwrap();
    second.metadata = ObjectMeta { name: Some("agent-blue-2".to_owned()), ..Default::default() };
    deployments.create(&PostParams::default(), &second).await.unwrap();
    let before = objects(&agent).await;

    for (service, wanted) in [
        ("external", "Service NS/external, spec.type: found ExternalName, wanted a Service that"),
        ("unselective", "Service NS/unselective, spec.selector: found none, wanted the labels of"),
        ("absent", "Service NS/absent: found nothing, wanted the Service through which clients"),
        ("stranger", "Deployments in NS: found none, wanted one whose pods have the labels app="),
        (
            SERVICE,
            "Deployments in NS: found agent-blue and agent-blue-2, wanted only one whose pods \
             have the labels app=agent-service,slot=blue",
        ),
    ] {
        let refused = Cluster::connect(agent.client(), namespace, service).await.unwrap_err();
        let wanted = wanted.replace("NS", namespace);
        assert!(refused.to_string().starts_with(&wanted), "{service}: {refused}");
    }
    assert_eq!(objects(&agent).await, before);

    agent.api::<Service>().delete(SERVICE, &DeleteParams::default()).await.unwrap();
    let refused = agent.builder("one").connect().await.unwrap_err();
    assert!(matches!(refused, ConnectError::NoService { .. }), "{refused}");
}

#[tokio::test]
async fn a_deployment_that_is_not_there_is_named() {
    let agent = Agent::of(Manifests::shipped().sized(1, 0)).await;
    agent.api::<Deployment>().delete("agent-green", &DeleteParams::default()).await.unwrap();
    let before = objects(&agent).await;
    let cluster = agent.cluster("one").await;
    let outcome = cluster.releaser().run(change("1.3.0"), &plan(seconds(2))).await.unwrap();
    let Outcome::Refused { problems } = outcome else { panic!("{outcome}") };
    let said: Vec<String> = problems.iter().map(ToString::to_string).collect();
    let wanted = format!(
        "Deployment {}/agent-green: found no such Deployment, wanted a Deployment for this slot",
        agent.namespace().name()
    );
    assert!(matches!(said.as_slice(), [only] if only.starts_with(&wanted)), "{said:#?}");
    assert_eq!(objects(&agent).await, before);
}

#[tokio::test]
async fn every_problem_is_on_one_list_and_nothing_is_touched() {
    let mut manifests = Manifests::shipped().sized(1, 0);
    let green = manifests.object("Deployment", "agent-green");
    let container = &mut green["spec"]["template"]["spec"]["containers"][0];
    container.as_object_mut().unwrap().remove("readinessProbe");
    green["spec"]["selector"]["matchLabels"].as_object_mut().unwrap().remove("slot");
    let agent = Agent::of(manifests).await;
    let selector = json!({"app": SERVICE, "slot": "blue"});
    serve(&agent, "other", json!({"selector": selector, "ports": [{"port": 80}]})).await;
    let cluster = agent.cluster("one").await;
    let before = objects(&agent).await;

    let mut plan = plan(seconds(2));
    plan.look = seconds(0);
    let change = Change::image("agnet", "registry.example.com/Agent:1.3.0");
    let outcome = cluster.releaser().run(change, &plan).await.unwrap();
    let Outcome::Refused { problems } = outcome else { panic!("{outcome}") };
    let codes: Vec<&str> = problems.iter().map(|problem| problem.code.as_str()).collect();
    for code in [
        "plan-duration",
        "unknown-container",
        "malformed-image",
        "no-readiness-probe",
        "selector-lacks-slot",
        "selectors-overlap",
        "unlisted-service",
    ] {
        assert!(codes.contains(&code), "{code} is missing: {problems:#?}");
    }
    let is_told = |it: &Problem| !it.object.is_empty() && !it.found.is_empty();
    assert!(problems.iter().all(|it| is_told(it) && !it.wanted.is_empty()), "{problems:#?}");
    assert_eq!(objects(&agent).await, before);
    assert_eq!(agent.live().await, Some(Color::Blue));
    let answer = ask(agent.address(), Method::GET, "/").await.unwrap();
    assert_eq!(answer.headers()["x-agent-version"], "1.2.0");
}

#[tokio::test]
async fn which_of_two_slots_is_live_is_not_guessed() {
    let agent = Agent::of(Manifests::shipped().sized(1, 1).slotless()).await;
    let cluster = agent.cluster("one").await;
    let before = objects(&agent).await;
    let outcome = cluster.releaser().run(change("1.3.0"), &plan(seconds(2))).await.unwrap();
    let Outcome::Refused { .. } = outcome else { panic!("{outcome}") };
    let said = outcome.to_string();
    let found = "selector app=agent-service, which finds 1 pod of blue, 1 pod of green";
    assert!(said.contains(found), "{said}");
    assert!(said.contains("[no-slot-key]") && said.contains("[routing]"), "{said}");
    assert_eq!(objects(&agent).await, before);
}

/// Makes a Service.
async fn serve(agent: &Agent, name: &str, spec: Value) {
    let service = json!({"metadata": {"name": name}, "spec": spec});
    let service: Service = serde_json::from_value(service).unwrap();
    agent.api::<Service>().create(&PostParams::default(), &service).await.unwrap();
}
