//! An agent whose traffic the paths of an Ingress move.

use bluegreen_core::Routing;
use bluegreen_core::memory::TokioClock;

use super::*;
use crate::fixtures::slot_service;

const AGENT: &str = "agent";
const INGRESSES: &str = "ingresses.networking.k8s.io";

async fn add(stand_in: &StandIn, plural: &str, object: Value) {
    let object: DynamicObject = serde_json::from_value(object).unwrap();
    let kind = kube::core::GroupVersionKind::try_from(object.types.as_ref().unwrap()).unwrap();
    let resource = ApiResource::from_gvk_with_plural(&kind, plural);
    let api: Api<DynamicObject> =
        Api::namespaced_with(stand_in.client(NAMESPACE), NAMESPACE, &resource);
    api.create(&PostParams::default(), &object).await.unwrap();
}

async fn world() -> StandIn {
    let stand_in = StandIn::new();
    for (color, size) in [(Color::Blue, 2), (Color::Green, 0)] {
        deploy(&stand_in, deployment(color, size)).await;
        let mut service = slot_service(color);
        service["spec"]["ports"][0]["targetPort"] = 8080.into();
        add(&stand_in, "services", service).await;
    }
    let backend = json!({"service": {"name": "agent-blue", "port": {"number": 80}}});
    let ingress = json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": AGENT},
        "spec": {"defaultBackend": backend},
    });
    add(&stand_in, "ingresses", ingress).await;
    stand_in
}

fn builder(stand_in: &StandIn) -> ClusterBuilder {
    Cluster::builder(stand_in.client(NAMESPACE), NAMESPACE, AGENT).ingress(AGENT)
}

#[tokio::test]
async fn an_agent_behind_an_ingress_needs_no_service_of_its_name() {
    let stand_in = world().await;
    let cluster = builder(&stand_in).connect().await.unwrap();
    assert_eq!(cluster.switch().name(), "ingress-backend");
    let observed = cluster.switch().observe().await.unwrap();
    assert_eq!(observed.routing(), Some(&Routing::all(Color::Blue)));
    assert_eq!(cluster.init().await.unwrap(), [], "nothing is missing");
    for (other, wanted) in [
        (builder(&stand_in).route("agent"), "ingress agent and route agent: found both"),
        (builder(&stand_in).and_service("live"), "ingress agent and Service live: found both"),
    ] {
        let text = bluegreen_core::chain(&other.connect().await.unwrap_err());
        assert!(text.contains(wanted), "{text}");
    }
    let gone = builder(&stand_in).backends(|it| it.with_slot_services("agent-blue", "gone"));
    let text = bluegreen_core::chain(&gone.connect().await.unwrap_err());
    assert!(text.contains("agents/gone: found nothing, wanted the Service of the green"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_release_leads_every_path_to_the_other_slot_and_leaves_nothing_behind() {
    let stand_in = world().await;
    let cluster = builder(&stand_in).connect().await.unwrap();
    let clock = Arc::new(TokioClock::new());
    let releaser = Releaser::new(cluster.ports().with_clock(clock));
    let change = || Change::image("agent", "registry.example.com/agent:2").version("2");
    let refused = releaser.run(change(), &Plan::canary([5])).await.unwrap();
    assert!(refused.to_string().contains("beyond-capabilities"), "{refused}");
    let plan = Plan::all_at_once().bake(Duration::from_mins(1));
    assert_eq!(releaser.run(change(), &plan).await.unwrap(), Outcome::Released);
    let service = |ingress: &Value| ingress["spec"]["defaultBackend"]["service"]["name"].clone();
    assert_eq!(service(&stored(&stand_in, INGRESSES, AGENT)), "agent-green");

    let done = cluster.detach().await.unwrap();
    assert!(done.contains(&Done::Cleaned { object: "ingress agent".into() }), "{done:?}");
    let ingress = stored(&stand_in, INGRESSES, AGENT);
    assert_eq!(ingress["metadata"].get("annotations"), None);
    assert_eq!(service(&ingress), "agent-green", "it goes on serving");
}

#[tokio::test]
async fn what_is_told_regards_the_ingress() {
    use bluegreen_core::{Progress, Reporter as _};

    let stand_in = world().await;
    let cluster = builder(&stand_in).connect().await.unwrap();
    let events = cluster.events("driver-1");
    events.report(&Progress::note("hello"));
    assert!(events.flush(Duration::from_secs(10)).await);
    let uid = stand_in.object(INGRESSES, NAMESPACE, AGENT).unwrap()["metadata"]["uid"].clone();
    let api: Api<k8s_openapi::api::events::v1::Event> =
        Api::namespaced(stand_in.client(NAMESPACE), NAMESPACE);
    let events = api.list(&ListParams::default()).await.unwrap().items;
    let about = events[0].regarding.as_ref().unwrap();
    assert_eq!(about.kind.as_deref(), Some("Ingress"));
    assert_eq!(json!(about.uid), uid);
}

#[tokio::test(start_paused = true)]
async fn a_canary_beside_the_live_service_goes_step_by_step_and_leaves_nothing_behind() {
    let stand_in = StandIn::new();
    for (color, size) in [(Color::Blue, 2), (Color::Green, 0)] {
        deploy(&stand_in, deployment(color, size)).await;
    }
    for name in [AGENT, "agent-canary"] {
        let mut service = slot_service(Color::Blue);
        service["metadata"]["name"] = name.into();
        service["spec"]["ports"][0]["targetPort"] = 8080.into();
        add(&stand_in, "services", service).await;
        let backend = json!({"service": {"name": name, "port": {"number": 80}}});
        let path = json!({"path": "/", "pathType": "Prefix", "backend": backend});
        let mut ingress = json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": name},
            "spec": {"rules": [{"http": {"paths": [path]}}]},
        });
        if name != AGENT {
            let canary = json!({"nginx.ingress.kubernetes.io/canary": "true"});
            ingress["metadata"]["annotations"] = canary;
        }
        add(&stand_in, "ingresses", ingress).await;
    }
    let builder = Cluster::builder(stand_in.client(NAMESPACE), NAMESPACE, AGENT);
    let cluster = builder.canary("agent-canary").connect().await.unwrap();
    let clock = Arc::new(TokioClock::new());
    let releaser = Releaser::new(cluster.ports().with_clock(clock));
    let told = Arc::new(std::sync::Mutex::new(Vec::new()));
    let heard = Arc::clone(&told);
    let releaser = releaser.report(move |progress: &bluegreen_core::Progress| {
        if let bluegreen_core::Progress::Shifted { routing, .. } = progress {
            heard.lock().unwrap().push(routing.to_string());
        }
    });
    let change = Change::image("agent", "registry.example.com/agent:2").version("2");
    let plan = Plan::canary([5, 50]).bake(Duration::from_mins(1));
    assert_eq!(releaser.run(change, &plan).await.unwrap(), Outcome::Released);
    let wanted = ["blue 95 %, green 5 %", "blue 50 %, green 50 %", "green 100 %"];
    assert_eq!(*told.lock().unwrap(), wanted);
    assert_eq!(stored(&stand_in, "services", AGENT)["spec"]["selector"]["slot"], "green");

    let done = cluster.detach().await.unwrap();
    for object in ["ingress agent-canary", "service agent-canary"] {
        assert!(done.contains(&Done::Cleaned { object: object.into() }), "{done:?}");
    }
    let annotations =
        stored(&stand_in, INGRESSES, "agent-canary")["metadata"]["annotations"].clone();
    assert_eq!(annotations["nginx.ingress.kubernetes.io/canary-weight"], "0");
    assert_eq!(annotations["nginx.ingress.kubernetes.io/canary"], "true");
    assert_eq!(annotations["nginx.ingress.kubernetes.io/canary-weight-total"], Value::Null);
}
