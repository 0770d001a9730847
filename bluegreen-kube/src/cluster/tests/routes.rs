//! An agent whose traffic routes move.

use bluegreen_core::Routing;
use bluegreen_core::memory::TokioClock;

use super::*;

const AGENT: &str = "agent";
const ROUTES: &str = "httproutes.gateway.networking.k8s.io";

async fn add(stand_in: &StandIn, plural: &str, object: Value) {
    let object: DynamicObject = serde_json::from_value(object).unwrap();
    let kind = kube::core::GroupVersionKind::try_from(object.types.as_ref().unwrap()).unwrap();
    let resource = ApiResource::from_gvk_with_plural(&kind, plural);
    let api: Api<DynamicObject> =
        Api::namespaced_with(stand_in.client(NAMESPACE), NAMESPACE, &resource);
    api.create(&PostParams::default(), &object).await.unwrap();
}

fn slot_service(color: Color, app: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": format!("agent-{color}")},
        "spec": selecting(&json!({"app": app, "slot": color.as_str()})),
    })
}

fn route() -> Value {
    let backend = |color: Color, weight: u32| json!({"name": format!("agent-{color}"), "port": 80, "weight": weight});
    json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
        "metadata": {"name": AGENT},
        "spec": {
            "parentRefs": [{"name": "public"}],
            "rules": [{"backendRefs": [backend(Color::Blue, 1), backend(Color::Green, 0)]}],
        },
    })
}

async fn world() -> StandIn {
    let stand_in = StandIn::new();
    stand_in.add_gateway_api();
    for (color, size) in [(Color::Blue, 2), (Color::Green, 0)] {
        deploy(&stand_in, deployment(color, size)).await;
        add(&stand_in, "services", slot_service(color, "agent")).await;
    }
    add(&stand_in, "httproutes", route()).await;
    stand_in
}

fn builder(stand_in: &StandIn) -> ClusterBuilder {
    Cluster::builder(stand_in.client(NAMESPACE), NAMESPACE, AGENT).route(AGENT)
}

#[tokio::test]
async fn an_agent_behind_routes_needs_no_service_of_its_name() {
    let stand_in = world().await;
    let cluster = builder(&stand_in).connect().await.unwrap();
    assert_eq!(cluster.slot(Color::Green).name(), "agent-green");
    assert_eq!(cluster.switch().name(), "route-weights");
    let observed = cluster.switch().observe().await.unwrap();
    assert_eq!(observed.routing(), Some(&Routing::all(Color::Blue)));
    assert_eq!(cluster.ports().agent.as_str(), AGENT);
    assert_eq!(cluster.init().await.unwrap(), [], "nothing is missing");
}

#[tokio::test]
async fn what_is_not_clear_of_the_slots_is_refused_with_what_was_found() {
    let stand_in = world().await;
    let refusal = async |builder: ClusterBuilder| {
        bluegreen_core::chain(&builder.connect().await.unwrap_err())
    };
    let both = builder(&stand_in).and_service("live");
    assert!(refusal(both).await.contains("route agent and Service live: found both"));
    let gone = builder(&stand_in).weights(|it| it.with_slot_services("agent-blue", "gone"));
    let text = refusal(gone).await;
    assert!(text.contains("agents/gone: found nothing, wanted the Service of the green"), "{text}");
    let mut other = slot_service(Color::Green, "other");
    other["metadata"]["name"] = "other".into();
    add(&stand_in, "services", other).await;
    let other = builder(&stand_in).weights(|it| it.with_slot_services("agent-blue", "other"));
    let text = refusal(other).await;
    assert!(text.contains("agent-blue selects app=agent,slot=blue and other selects"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_canary_with_conversations_goes_step_by_step_and_leaves_nothing_behind() {
    let stand_in = world().await;
    let cluster = builder(&stand_in).connect().await.unwrap();
    let clock = Arc::new(TokioClock::new());
    let releaser = Releaser::new(cluster.ports().with_clock(clock));
    let told = Arc::new(std::sync::Mutex::new(Vec::new()));
    let heard = Arc::clone(&told);
    let releaser = releaser.report(move |progress: &bluegreen_core::Progress| {
        if let bluegreen_core::Progress::Shifted { routing, .. } = progress {
            heard.lock().unwrap().push(routing.to_string());
        }
    });
    let plan = Plan::canary([5, 50]).bake(Duration::from_mins(1)).conversations_by_header("x-slot");
    let change = Change::image("agent", "registry.example.com/agent:2").version("2");
    assert_eq!(releaser.run(change, &plan).await.unwrap(), Outcome::Released);
    assert_eq!(
        *told.lock().unwrap(),
        [
            "blue 95 %, green 5 %, 2 pins",
            "blue 50 %, green 50 %, 2 pins",
            "green 100 %, 2 pins",
            "green 100 %",
        ]
    );
    let rules = stored(&stand_in, ROUTES, AGENT)["spec"]["rules"].clone();
    assert_eq!(rules.as_array().unwrap().len(), 1, "the rules of the pins are gone");
    let weights: Vec<_> = [0, 1].map(|at| rules[0]["backendRefs"][at]["weight"].clone()).into();
    assert_eq!(weights, [json!(0), json!(1_000_000)]);

    let done = cluster.detach().await.unwrap();
    assert!(done.contains(&Done::Cleaned { object: "httproute agent".into() }), "{done:?}");
    let route = stored(&stand_in, ROUTES, AGENT);
    assert_eq!(route["metadata"].get("annotations"), None);
    assert_eq!(route["spec"]["rules"], rules, "it goes on serving");
}

#[tokio::test]
async fn what_is_told_regards_the_route_where_there_is_one() {
    use bluegreen_core::{Progress, Reporter as _};

    let stand_in = world().await;
    let cluster = builder(&stand_in).connect().await.unwrap();
    let events = cluster.events("driver-1");
    events.report(&Progress::note("hello"));
    events.report(&Progress::note("again"));
    assert!(events.flush(Duration::from_secs(10)).await);
    let uid = stand_in.object(ROUTES, NAMESPACE, AGENT).unwrap()["metadata"]["uid"].clone();
    let api: Api<k8s_openapi::api::events::v1::Event> =
        Api::namespaced(stand_in.client(NAMESPACE), NAMESPACE);
    let events = api.list(&ListParams::default()).await.unwrap().items;
    assert_eq!(events.len(), 2);
    for event in &events {
        let about = event.regarding.as_ref().unwrap();
        assert_eq!(about.kind.as_deref(), Some("HTTPRoute"));
        assert_eq!(json!(about.uid), uid);
    }
}
