//! An agent without a Service, which pulls its work.

use bluegreen_core::memory::TokioClock;
use bluegreen_core::{EvidenceKind, Routing};
use k8s_openapi::api::core::v1::ConfigMap;

use super::*;

const AGENT: &str = "agent";
const MAP: &str = "agent-queue";

async fn grant(stand_in: &StandIn, slot: &str) {
    let map = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": MAP}, "data": {"pull": slot},
    });
    create::<ConfigMap>(stand_in, map).await;
}

async fn slots(blue: u32, green: u32) -> StandIn {
    let stand_in = StandIn::new();
    for (color, size) in [(Color::Blue, blue), (Color::Green, green)] {
        deploy(&stand_in, deployment(color, size)).await;
    }
    stand_in
}

fn builder(stand_in: &StandIn) -> ClusterBuilder {
    Cluster::builder(stand_in.client(NAMESPACE), NAMESPACE, AGENT)
        .queue(MAP)
        .pulls(|queue| queue.settles_in(Duration::from_millis(10)))
}

fn pulls(stand_in: &StandIn) -> Value {
    stored(stand_in, "configmaps", MAP)["data"]["pull"].clone()
}

#[tokio::test]
async fn an_agent_that_pulls_needs_no_service_and_is_found_by_its_deployments() {
    let stand_in = slots(2, 0).await;
    grant(&stand_in, "blue").await;
    stand_in.forget_counts();
    let cluster = builder(&stand_in).connect().await.unwrap();
    assert_eq!(stand_in.counts().values().sum::<u64>(), 1, "{:?}", stand_in.counts());
    assert_eq!(cluster.switch().name(), "queue-right");
    assert_eq!(cluster.slot(Color::Green).name(), "agent-green");
    let observed = cluster.switch().observe().await.unwrap();
    assert_eq!(observed.routing(), Some(&Routing::all(Color::Blue)));
    cluster.slot(Color::Blue).await_ready().await.unwrap();
    let pods = cluster.ports().clients.blue.pods().await.unwrap();
    assert_eq!(pods.len(), 2, "its pods are found without a Service");
    assert_eq!(cluster.init().await.unwrap(), [], "nothing is missing");
}

#[tokio::test]
async fn what_is_not_clear_is_refused_with_what_was_found() {
    let stand_in = slots(1, 0).await;
    let refused = async |builder: ClusterBuilder| {
        bluegreen_core::chain(&builder.connect().await.unwrap_err())
    };
    for (other, wanted) in [
        (builder(&stand_in).route("r"), "configmap agent-queue and route r: found both"),
        (builder(&stand_in).ingress("i"), "configmap agent-queue and ingress i: found both"),
        (builder(&stand_in).canary("c"), "configmap agent-queue and ingress c: found both"),
        (builder(&stand_in).and_service("s"), "configmap agent-queue and Service s: found both"),
    ] {
        let text = refused(other).await;
        assert!(text.contains(wanted), "{text}");
    }
    let elsewhere = Cluster::builder(stand_in.client(NAMESPACE), NAMESPACE, "other").queue(MAP);
    let text = refused(elsewhere).await;
    assert!(text.contains("found neither other-blue nor other-green"), "{text}");
    let wrong = builder(&stand_in).deployment(Color::Blue, "agent-green");
    let text = refused(wrong).await;
    assert!(text.contains("found agent-green, whose selector is") && text.contains("slot=blue"));

    let mut other = deployment(Color::Green, 0);
    other["metadata"]["name"] = "stranger".into();
    other["spec"]["selector"]["matchLabels"]["app"] = "other".into();
    other["spec"]["template"]["metadata"]["labels"]["app"] = "other".into();
    deploy(&stand_in, other).await;
    let both = builder(&stand_in).deployment(Color::Blue, "agent-blue");
    let text = refused(both.deployment(Color::Green, "stranger")).await;
    assert!(text.contains("agent-blue selects app=agent,slot=blue and stranger selects"), "{text}");
}

#[tokio::test]
async fn init_gives_the_right_to_the_slot_that_alone_has_pods() {
    let stand_in = StandIn::new();
    deploy(&stand_in, deployment(Color::Blue, 2)).await;
    let cluster = builder(&stand_in).connect().await.unwrap();
    let done: Vec<String> = cluster.init().await.unwrap().iter().map(Done::to_string).collect();
    let wanted = [
        "created deployment agent-green as the green slot, a copy of agent-blue without pods",
        "configmap agent-queue now gives the blue slot the right to pull",
    ];
    assert_eq!(done, wanted);
    assert_eq!(pulls(&stand_in), "blue");
    assert_eq!(cluster.init().await.unwrap(), [], "nothing is left to do");

    // The ConfigMap may be there for other reasons, and what is in the key is left alone.
    let stand_in = slots(0, 1).await;
    let map = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": MAP}, "data": {"batch": "10"},
    });
    create::<ConfigMap>(&stand_in, map).await;
    builder(&stand_in).connect().await.unwrap().init().await.unwrap();
    let data = stored(&stand_in, "configmaps", MAP)["data"].clone();
    assert_eq!(data, json!({"batch": "10", "pull": "green"}));

    for (blue, green) in [(1, 1), (0, 0)] {
        let stand_in = slots(blue, green).await;
        let error = builder(&stand_in).connect().await.unwrap().init().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Rejected);
        let wanted = format!("found {blue} replicas of blue and {green} of green");
        assert!(error.chain().contains(&wanted), "{}", error.chain());
        assert_eq!(stand_in.object("configmaps", NAMESPACE, MAP), None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_release_moves_the_right_and_leaves_nothing_behind() {
    let stand_in = slots(2, 0).await;
    grant(&stand_in, "blue").await;
    let cluster = builder(&stand_in).connect().await.unwrap();
    let clock = Arc::new(TokioClock::new());
    let releaser = Releaser::new(cluster.ports().with_clock(clock));
    let change = || Change::image("agent", "registry.example.com/agent:2").version("2");
    let refused = releaser.run(change(), &Plan::canary([5])).await.unwrap();
    assert!(refused.to_string().contains("beyond-capabilities"), "{refused}");
    let answers = Plan::all_at_once().evidence(EvidenceKind::answers(20));
    let refused = releaser.run(change(), &answers).await.unwrap();
    assert!(refused.to_string().contains("workers answer nobody"), "{refused}");
    let plan = Plan::all_at_once().bake(Duration::from_mins(1));
    assert_eq!(releaser.run(change(), &plan).await.unwrap(), Outcome::Released);
    assert_eq!(pulls(&stand_in), "green");
    let services = stand_in.counts();
    assert!(services.keys().all(|(_, resource)| resource != "services"), "{services:?}");

    let done = cluster.detach().await.unwrap();
    assert!(done.contains(&Done::Cleaned { object: "configmap agent-queue".into() }), "{done:?}");
    let map = stored(&stand_in, "configmaps", MAP);
    assert_eq!(map["metadata"].get("annotations"), None);
    assert_eq!(pulls(&stand_in), "green", "it goes on pulling");
    assert_eq!(marked::<ConfigMap>(&stand_in).await, [""; 0]);
}

#[tokio::test]
async fn it_cannot_be_adopted_by_services() {
    let stand_in = slots(1, 0).await;
    let cluster = builder(&stand_in).connect().await.unwrap();
    let error = cluster.adopt("agent-blue", &Adopt::default(), |_| {}).await.unwrap_err();
    assert!(error.to_string().contains("configmap agent-queue"), "{error}");
}

#[tokio::test]
async fn what_is_told_regards_the_config_map() {
    use bluegreen_core::{Progress, Reporter as _};

    let stand_in = slots(1, 0).await;
    grant(&stand_in, "blue").await;
    let cluster = builder(&stand_in).connect().await.unwrap();
    let events = cluster.events("driver-1");
    events.report(&Progress::note("hello"));
    assert!(events.flush(Duration::from_secs(10)).await);
    let api: Api<k8s_openapi::api::events::v1::Event> =
        Api::namespaced(stand_in.client(NAMESPACE), NAMESPACE);
    let events = api.list(&ListParams::default()).await.unwrap().items;
    let about = events[0].regarding.as_ref().unwrap();
    assert_eq!(about.kind.as_deref(), Some("ConfigMap"));
    assert_eq!(json!(about.uid), stored(&stand_in, "configmaps", MAP)["metadata"]["uid"]);
}
