use std::time::Duration;

use bluegreen_core::{Change, Epoch, ErrorKind, Outcome, Plan, Slot as _};
use kube::api::{ListParams, PostParams};
use kube::core::DynamicObject;
use kube::discovery::ApiResource;
use kube::{Api, Resource, ResourceExt as _};
use serde_json::{Value, json};

use super::*;
use crate::PREFIX;
use crate::deployment::tests::deployment;
use crate::stand_in::StandIn;

mod ingress;
mod queue;
mod routes;

const NAMESPACE: &str = "agents";
const SERVICE: &str = "agent-service";

async fn create<K: Resource<DynamicType = ()>>(stand_in: &StandIn, object: Value) {
    let resource = ApiResource::erase::<K>(&());
    let api: Api<DynamicObject> =
        Api::namespaced_with(stand_in.client(NAMESPACE), NAMESPACE, &resource);
    let object = serde_json::from_value(object).unwrap();
    api.create(&PostParams::default(), &object).await.unwrap();
}

async fn deploy(stand_in: &StandIn, deployment: Value) {
    create::<k8s_openapi::api::apps::v1::Deployment>(stand_in, deployment).await;
}

async fn serve(stand_in: &StandIn, spec: Value) {
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": SERVICE}, "spec": spec,
    });
    create::<k8s_openapi::api::core::v1::Service>(stand_in, service).await;
}

fn selecting(selector: &Value) -> Value {
    json!({"selector": selector, "ports": [{"port": 80, "targetPort": 8080}]})
}

/// The objects that have anything of ours on them.
async fn marked<K: Resource<DynamicType = ()>>(stand_in: &StandIn) -> Vec<String> {
    let resource = ApiResource::erase::<K>(&());
    let api: Api<DynamicObject> =
        Api::namespaced_with(stand_in.client(NAMESPACE), NAMESPACE, &resource);
    let mut all = api.list(&ListParams::default()).await.unwrap().items;
    for object in &mut all {
        object.metadata.managed_fields = None;
    }
    let is_marked = |it: &&DynamicObject| serde_json::to_string(it).unwrap().contains(PREFIX);
    all.iter().filter(is_marked).map(DynamicObject::name_any).collect()
}

async fn connect(stand_in: &StandIn) -> Result<Cluster, ConnectError> {
    Cluster::connect(stand_in.client(NAMESPACE), NAMESPACE, SERVICE).await
}

async fn refusal(stand_in: &StandIn) -> String {
    connect(stand_in).await.unwrap_err().to_string()
}

fn stored(stand_in: &StandIn, resource: &str, name: &str) -> Value {
    stand_in.object(resource, NAMESPACE, name).unwrap()
}

#[tokio::test]
async fn connecting_finds_both_deployments_by_the_labels_of_their_pods() {
    let stand_in = StandIn::new();
    serve(&stand_in, selecting(&json!({"app": "agent", "slot": "green"}))).await;
    deploy(&stand_in, deployment(Color::Blue, 0)).await;
    deploy(&stand_in, deployment(Color::Green, 1)).await;
    let mut other = deployment(Color::Blue, 1);
    other["metadata"]["name"] = "other".into();
    other["spec"]["selector"]["matchLabels"]["app"] = "other".into();
    other["spec"]["template"]["metadata"]["labels"]["app"] = "other".into();
    deploy(&stand_in, other).await;
    let cluster = connect(&stand_in).await.unwrap();
    assert_eq!(cluster.slot(Color::Blue).name(), "agent-blue");
    assert_eq!(cluster.slot(Color::Green).name(), "agent-green");
    let observed = cluster.switch().observe().await.unwrap();
    assert_eq!(observed.routing().map(|routing| routing.live), Some(Color::Green));
    let ports = cluster.ports();
    assert_eq!(ports.agent.as_str(), SERVICE);
    assert_eq!(ports.slots.blue.color(), Color::Blue);
}

#[tokio::test]
async fn what_is_not_clear_is_refused_with_what_was_found() {
    let stand_in = StandIn::new();
    assert!(refusal(&stand_in).await.contains("agents/agent-service: found nothing"));

    let stand_in = StandIn::new();
    let external = json!({"type": "ExternalName", "externalName": "elsewhere.example.com"});
    serve(&stand_in, external).await;
    assert!(refusal(&stand_in).await.contains("found ExternalName"));

    let stand_in = StandIn::new();
    serve(&stand_in, json!({"ports": [{"port": 80}]})).await;
    assert!(refusal(&stand_in).await.contains("spec.selector: found none"));

    let stand_in = StandIn::new();
    serve(&stand_in, selecting(&json!({"app": "agent"}))).await;
    let found = refusal(&stand_in).await;
    assert!(
        found.contains("found none, wanted one whose pods have the labels app=agent,slot=blue")
    );

    let mut plain = deployment(Color::Blue, 1);
    plain["metadata"]["name"] = "agent".into();
    for labels in ["/spec/selector/matchLabels", "/spec/template/metadata/labels"] {
        plain.pointer_mut(labels).unwrap().as_object_mut().unwrap().remove("slot");
    }
    deploy(&stand_in, plain).await;
    assert!(refusal(&stand_in).await.contains("found agent without the label slot"));

    deploy(&stand_in, deployment(Color::Blue, 1)).await;
    let mut second = deployment(Color::Blue, 1);
    second["metadata"]["name"] = "agent-blue-2".into();
    deploy(&stand_in, second).await;
    assert!(refusal(&stand_in).await.contains("found agent-blue and agent-blue-2"));
    let client = stand_in.client(NAMESPACE);
    let builder = Cluster::builder(client, NAMESPACE, SERVICE);
    let named = builder.deployment(Color::Blue, "agent-blue").connect().await.unwrap();
    assert_eq!(named.slot(Color::Green).name(), "agent-green");
}

#[tokio::test]
async fn init_makes_the_second_slot_and_names_the_first_in_the_selector() {
    let stand_in = StandIn::new();
    serve(&stand_in, selecting(&json!({"app": "agent"}))).await;
    let mut blue = deployment(Color::Blue, 2);
    blue["metadata"]["annotations"] = json!({
        "kubectl.kubernetes.io/last-applied-configuration": "{}", "owner": "team-a",
    });
    blue["spec"]["template"]["spec"]["topologySpreadConstraints"] = json!([{
        "maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": {"app": "agent", "slot": "blue"}},
    }]);
    deploy(&stand_in, blue).await;
    let cluster = connect(&stand_in).await.unwrap();
    let done = cluster.init().await.unwrap();
    assert_eq!(
        done,
        [
            Done::Created {
                color: Color::Green,
                deployment: "agent-green".into(),
                from: "agent-blue".into(),
            },
            Done::Selected { service: SERVICE.into(), color: Color::Blue },
        ]
    );
    let green = stored(&stand_in, "deployments.apps", "agent-green");
    assert_eq!(green["metadata"]["labels"]["slot"], "green");
    assert_eq!(green["metadata"]["annotations"]["owner"], "team-a");
    assert!(!green["metadata"]["annotations"].to_string().contains("last-applied"));
    let spec = &green["spec"];
    assert_eq!(spec["replicas"], 0);
    assert_eq!(spec["selector"]["matchLabels"], json!({"app": "agent", "slot": "green"}));
    let template = &spec["template"];
    assert_eq!(template["metadata"]["labels"]["slot"], "green");
    let spread = &template["spec"]["topologySpreadConstraints"][0];
    assert_eq!(spread["labelSelector"]["matchLabels"]["slot"], "green");
    let service = stored(&stand_in, "services", SERVICE);
    assert_eq!(service["spec"]["selector"], json!({"app": "agent", "slot": "blue"}));
    assert_eq!(cluster.init().await.unwrap(), [], "there is nothing left to do");
}

#[tokio::test]
async fn init_does_not_guess_which_slot_is_live() {
    let stand_in = StandIn::new();
    serve(&stand_in, selecting(&json!({"app": "agent"}))).await;
    deploy(&stand_in, deployment(Color::Blue, 1)).await;
    deploy(&stand_in, deployment(Color::Green, 2)).await;
    let error = connect(&stand_in).await.unwrap().init().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected);
    assert!(error.chain().contains("found 1 pod of blue, 2 pods of green"), "{}", error.chain());
    let service = stored(&stand_in, "services", SERVICE);
    assert_eq!(service["spec"]["selector"], json!({"app": "agent"}));
}

#[tokio::test(start_paused = true)]
async fn an_agent_is_released_and_then_left_as_it_serves() {
    let stand_in = StandIn::new();
    serve(&stand_in, selecting(&json!({"app": "agent", "slot": "blue"}))).await;
    deploy(&stand_in, deployment(Color::Blue, 2)).await;
    let cluster = connect(&stand_in).await.unwrap();
    cluster.init().await.unwrap();
    let change = Change::image("agent", "registry.example.com/agent:2");
    let plan = Plan::all_at_once().bake(Duration::from_mins(1));
    let clock = Arc::new(bluegreen_core::memory::TokioClock::new());
    let releaser = Releaser::new(cluster.ports().with_clock(clock));
    let outcome = releaser.run(change, &plan).await.unwrap();
    assert!(matches!(outcome, Outcome::Released), "{outcome:?}");
    let selector = json!({"app": "agent", "slot": "green"});
    assert_eq!(stored(&stand_in, "services", SERVICE)["spec"]["selector"], selector);
    let green = stored(&stand_in, "deployments.apps", "agent-green");
    assert_eq!(
        green["spec"]["template"]["spec"]["containers"][0]["image"],
        "registry.example.com/agent:2"
    );
    assert_eq!(green["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"], "25%");

    let done = cluster.detach().await.unwrap();
    assert!(done.contains(&Done::Cleaned { object: "service agent-service".into() }), "{done:?}");
    assert_eq!(marked::<k8s_openapi::api::apps::v1::Deployment>(&stand_in).await, [""; 0]);
    assert_eq!(marked::<k8s_openapi::api::core::v1::Service>(&stand_in).await, [""; 0]);
    assert_eq!(marked::<k8s_openapi::api::core::v1::ConfigMap>(&stand_in).await, [""; 0]);
    assert_eq!(marked::<k8s_openapi::api::coordination::v1::Lease>(&stand_in).await, [""; 0]);
    let served = stored(&stand_in, "deployments.apps", "agent-green");
    assert_eq!(served["spec"], green["spec"]);
    assert_eq!(stored(&stand_in, "services", SERVICE)["spec"]["selector"], selector);
    assert_eq!(cluster.detach().await.unwrap(), [], "there is nothing left to do");
}

#[tokio::test(start_paused = true)]
async fn a_refused_release_is_archived_and_changes_nothing_else() {
    let stand_in = StandIn::new();
    serve(&stand_in, selecting(&json!({"app": "agent", "slot": "blue"}))).await;
    deploy(&stand_in, deployment(Color::Blue, 2)).await;
    deploy(&stand_in, deployment(Color::Green, 0)).await;
    let cluster = connect(&stand_in).await.unwrap();
    let clock = Arc::new(bluegreen_core::memory::TokioClock::new());
    let releaser = Releaser::new(cluster.ports().with_clock(clock));
    let run = async |tag: &str, plan: &Plan| {
        let image = format!("registry.example.com/agent:{tag}");
        releaser.run(Change::image("agent", image), plan).await.unwrap()
    };
    let good = Plan::all_at_once().bake(Duration::from_mins(1));
    let mut bad = good.clone();
    bad.look = Duration::ZERO;
    let history = async || cluster.operations().history().await.unwrap();
    assert!(matches!(run("2", &bad).await, Outcome::Refused { .. }));
    assert_eq!(history().await.len(), 0, "nothing of ours is there yet");
    assert!(matches!(run("2", &good).await, Outcome::Released));

    let objects = || {
        ["agent-blue", "agent-green"]
            .map(|name| stored(&stand_in, "deployments.apps", name))
            .into_iter()
            .chain([
                stored(&stand_in, "services", SERVICE),
                stored(&stand_in, "configmaps", "agent-service-bluegreen"),
            ])
            .collect::<Vec<_>>()
    };
    let before = objects();
    assert!(matches!(run("3", &bad).await, Outcome::Refused { .. }));
    assert_eq!(objects(), before);
    let outcomes: Vec<String> = history()
        .await
        .iter()
        .map(|it| match &it.current().unwrap().phase {
            bluegreen_core::Phase::Done { outcome } => outcome.to_string(),
            phase => panic!("it is over: {phase:?}"),
        })
        .collect();
    assert_eq!(outcomes.len(), 2);
    assert!(outcomes[0].starts_with("refused, 1 problems:"), "{outcomes:?}");
    assert_eq!(outcomes[1], "released");
}

#[tokio::test]
async fn an_agent_without_its_second_slot_is_told_how_to_get_it() {
    let stand_in = StandIn::new();
    serve(&stand_in, selecting(&json!({"app": "agent", "slot": "blue"}))).await;
    deploy(&stand_in, deployment(Color::Blue, 1)).await;
    let releaser = connect(&stand_in).await.unwrap().releaser();
    let change = Change::image("agnet", "registry.example.com/agent:2");
    let outcome = releaser.run(change, &Plan::all_at_once()).await.unwrap();
    let Outcome::Refused { problems } = outcome else { panic!("{outcome}") };
    let said: Vec<String> = problems.iter().map(ToString::to_string).collect();
    let wanted = "Deployment agents/agent-green: found no such Deployment, wanted a Deployment";
    assert!(said.iter().any(|it| it.starts_with(wanted) && it.contains("init")), "{said:#?}");
    let of_the_change = "change, container agnet: found no container of that name";
    assert!(said.iter().any(|it| it.starts_with(of_the_change)), "{said:#?}");
    assert_eq!(marked::<k8s_openapi::api::apps::v1::Deployment>(&stand_in).await, [""; 0]);
}

#[tokio::test]
async fn nothing_is_taken_away_while_a_deploy_is_open() {
    let stand_in = StandIn::new();
    serve(&stand_in, selecting(&json!({"app": "agent", "slot": "blue"}))).await;
    deploy(&stand_in, deployment(Color::Blue, 1)).await;
    deploy(&stand_in, deployment(Color::Green, 0)).await;
    let cluster = connect(&stand_in).await.unwrap();
    let green = cluster.slot(Color::Green);
    let live = cluster.slot(Color::Blue).state().await.unwrap().running;
    let change = Change::image("agent", "registry.example.com/agent:2");
    let change = change.resolve(&live, "AGENT_VERSION").unwrap();
    green.deploy(&change, 1, Epoch::new(1)).await.unwrap();
    let error = cluster.detach().await.unwrap_err();
    assert!(error.chain().contains("open deploy on deployment agent-green"), "{}", error.chain());
    assert!(green.state().await.unwrap().open);
}

#[tokio::test]
async fn a_whole_release_takes_few_requests() {
    let stand_in = StandIn::new();
    serve(&stand_in, selecting(&json!({"app": "agent", "slot": "blue"}))).await;
    deploy(&stand_in, deployment(Color::Blue, 3)).await;
    deploy(&stand_in, deployment(Color::Green, 0)).await;
    let cluster = connect(&stand_in).await.unwrap();
    cluster.slot(Color::Blue).await_ready().await.unwrap();
    stand_in.forget_counts();
    let change = Change::image("agent", "registry.example.com/agent:2").version("2");
    let mut plan = Plan::all_at_once().bake(Duration::from_millis(100));
    plan.drain.quiet = Duration::from_millis(100);
    let outcome = cluster.releaser().run(change, &plan).await.unwrap();
    assert_eq!(outcome, Outcome::Released);
    let mut counts = stand_in.counts();
    // The heartbeat, and the questions that take the place of one that the stand-in has not.
    counts.retain(|(_, resource), _| resource != "leases" && !resource.starts_with("selfsubject"));
    let total: u64 = counts.values().sum();
    assert!(total <= 53, "{total}: {counts:#?}");
}
