//! The whole operator against the stand-in for the API server.

use std::future::Future;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use bluegreen_core::{Document, Liveness, Outcome, Phase};
use bluegreen_kube::stand_in::StandIn;
use bluegreen_kube::{LeaseLiveness, Settings};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request};
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::client::Body;
use kube::core::DynamicObject;
use kube::discovery::ApiResource;
use kube::runtime::wait::await_condition;
use kube::{Api, Resource, ResourceExt as _};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::object::FINALIZER;
use super::*;
use crate::cli::Options;
use crate::run::work;
use crate::status::AgentReleaseStatus;

mod several;
mod trouble;

const NAMESPACE: &str = "agents";
const SERVICE: &str = "agent-service";
const NAME: &str = "agent";
const RECORD: &str = "agent-service-bluegreen";

/// An agent of two slots, and a kind of object.
struct World {
    stand_in: StandIn,
    operator: Option<(JoinHandle<()>, Arc<dyn Liveness>)>,
    /// So many of the next writes to Deployments make whoever sends them panic.
    panics: Arc<AtomicU32>,
}

impl World {
    async fn new() -> Self {
        let stand_in = StandIn::new();
        stand_in.add_kind("bluegreen.dev", "v1alpha1", "agentreleases", "AgentRelease");
        let mut world = Self { stand_in, operator: None, panics: Arc::default() };
        world.add_agent(SERVICE, "agent").await;
        world.operate("one");
        world
    }

    /// Adds an agent of two slots: its live Service, and what its Deployments are called.
    async fn add_agent(&self, service: &str, app: &str) {
        for (color, replicas) in [("blue", 2), ("green", 0)] {
            let labels = json!({"app": app, "slot": color, "version": "1"});
            let container = json!({
                "name": "agent", "image": "registry.example.com/agent:1",
                "ports": [{"containerPort": 8000}],
                "readinessProbe": {"httpGet": {"path": "/readyz", "port": 8000}},
            });
            self.create::<k8s_openapi::api::apps::v1::Deployment>(json!({
                "apiVersion": "apps/v1", "kind": "Deployment",
                "metadata": {"name": format!("{app}-{color}")},
                "spec": {
                    "replicas": replicas,
                    "selector": {"matchLabels": {"app": app, "slot": color}},
                    "template": {
                        "metadata": {"labels": labels}, "spec": {"containers": [container]},
                    },
                },
            }))
            .await;
        }
        self.create::<k8s_openapi::api::core::v1::Service>(json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": service},
            "spec": {
                "selector": {"app": app, "slot": "blue"},
                "ports": [{"port": 80, "targetPort": 8000}],
            },
        }))
        .await;
    }

    async fn create<K: Resource<DynamicType = ()>>(&self, object: Value) {
        let resource = ApiResource::erase::<K>(&());
        let client = self.stand_in.client(NAMESPACE);
        let api: Api<DynamicObject> = Api::namespaced_with(client, NAMESPACE, &resource);
        let object = serde_json::from_value(object).unwrap();
        api.create(&PostParams::default(), &object).await.unwrap();
    }

    /// A client of the operator's. The stand-in knows no server-side apply; as nobody else writes a
    /// status, a merge patch comes to the same here.
    fn client(&self) -> Client {
        let (client, panics) = (self.stand_in.client(NAMESPACE), self.panics.clone());
        let merged = move |mut request: Request<Body>| {
            let client = client.clone();
            let is_write =
                request.method() == Method::PATCH && request.uri().path().contains("/deployments/");
            let left = |left: u32| left.checked_sub(1).filter(|_| is_write);
            let panics = panics.fetch_update(Relaxed, Relaxed, left).is_ok();
            let headers = request.headers_mut();
            if headers.get(CONTENT_TYPE).is_some_and(|it| it == "application/apply-patch+yaml") {
                let merge = HeaderValue::from_static("application/merge-patch+json");
                headers.insert(CONTENT_TYPE, merge);
                let uri = request.uri().to_string().replace("&force=true", "");
                *request.uri_mut() = uri.parse().unwrap();
            }
            async move {
                assert!(!panics, "as it was asked for");
                client.send(request).await
            }
        };
        Client::new(tower::service_fn(merged), NAMESPACE)
    }

    /// Starts an operator of this name.
    fn operate(&mut self, holder: &str) {
        let client = self.client();
        let settings = Settings::new("operator", NAMESPACE);
        let liveness: Arc<dyn Liveness> =
            Arc::new(LeaseLiveness::new(client.clone(), settings, holder));
        let (shared, options) = (liveness.clone(), options());
        let task = tokio::spawn(async move { work(&client, NAMESPACE, &options, shared).await });
        self.operator = Some((task, liveness));
    }

    /// Stops the operator where it is. Its lease is given back.
    async fn stop(&mut self) {
        let (task, liveness) = self.operator.take().unwrap();
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
        liveness.resign().await.unwrap();
    }

    fn api(&self) -> Api<AgentRelease> {
        Api::namespaced(self.stand_in.client(NAMESPACE), NAMESPACE)
    }

    /// Makes an object that asks for this version.
    async fn ask(&self, name: &str, version: &str, bake: &str) {
        let spec = spec(version, bake);
        let object = AgentRelease::new(name, serde_json::from_value(spec).unwrap());
        self.api().create(&PostParams::default(), &object).await.unwrap();
    }

    async fn patch(&self, spec: Value) {
        self.patch_named(NAME, spec).await;
    }

    async fn patch_named(&self, name: &str, spec: Value) {
        let patch = Patch::Merge(json!({"spec": spec}));
        self.api().patch(name, &PatchParams::default(), &patch).await.unwrap();
    }

    /// The object, once it is so.
    async fn until(&self, name: &str, is: impl Fn(&AgentRelease) -> bool) -> AgentRelease {
        let condition = |object: Option<&AgentRelease>| object.is_some_and(&is);
        let waiting = Box::pin(await_condition(self.api(), name, condition));
        match soon(waiting).await {
            Ok(found) => found.unwrap().unwrap(),
            Err(late) => panic!("{late}: {:?}", self.api().get(name).await.unwrap().status),
        }
    }

    /// The object, once it says this, about the newest spec.
    async fn says(&self, name: &str, reason: &str) -> AgentRelease {
        let generation = self.api().get(name).await.unwrap().metadata.generation;
        let is = |object: &AgentRelease| {
            let status = object.status.clone().unwrap_or_default();
            status.observed_generation >= generation && reason_of(&status) == reason
        };
        self.until(name, is).await
    }

    /// The first agent, as somebody else reaches it.
    async fn cluster(&self) -> Cluster {
        Cluster::connect(self.stand_in.client(NAMESPACE), NAMESPACE, SERVICE).await.unwrap()
    }

    /// The record of the first agent, as it is stored.
    fn record(&self) -> Value {
        let map = self.stand_in.object("configmaps", NAMESPACE, RECORD).unwrap();
        serde_json::from_str(map["data"]["record.json"].as_str().unwrap()).unwrap()
    }

    /// Puts a record there, as somebody else does.
    fn put_record(&self, record: &Value) {
        let patch = json!({"data": {"record.json": record.to_string()}});
        assert!(self.stand_in.edit("somebody", "configmaps", NAMESPACE, RECORD, &patch));
    }

    /// How the releases of the first agent have ended, the newest first: whether each was released, or
    /// taken back.
    async fn ends(&self) -> Vec<bool> {
        let history = self.cluster().await.operations().history().await.unwrap();
        let ended = |it: &Document| match &it.current().unwrap().phase {
            Phase::Done { outcome: Outcome::Released } => true,
            Phase::Done { outcome: Outcome::RolledBack { .. } } => false,
            other => panic!("found {other:?}"),
        };
        history.iter().map(ended).collect()
    }

    fn live(&self) -> String {
        let service = self.stand_in.object("services", NAMESPACE, SERVICE).unwrap();
        service["spec"]["selector"]["slot"].as_str().unwrap().to_owned()
    }

    fn size(&self, color: &str) -> i64 {
        let name = format!("agent-{color}");
        let deployment = self.stand_in.object("deployments.apps", NAMESPACE, &name).unwrap();
        deployment["spec"]["replicas"].as_i64().unwrap()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some((task, _)) = &self.operator {
            task.abort();
        }
    }
}

fn options() -> Options {
    Options {
        namespace: Some(NAMESPACE.to_owned()),
        cluster: "test".to_owned(),
        identity: "one".to_owned(),
        releases: 2,
        lease: Duration::from_secs(15),
    }
}

fn spec(version: &str, bake: &str) -> Value {
    json!({
        "service": SERVICE,
        "change": {
            "images": {"agent": format!("registry.example.com/agent:{version}")},
            "version": version,
        },
        "plan": {
            "bake": {"hold": bake}, "keep_failed": "0s", "look": "100ms", "rollout": "2s",
            "drain": {"quiet": "10ms"},
        },
    })
}

async fn soon<T>(waiting: impl Future<Output = T>) -> Result<T, tokio::time::error::Elapsed> {
    tokio::time::timeout(Duration::from_secs(20), waiting).await
}

/// The reason of all conditions.
fn reason_of(status: &AgentReleaseStatus) -> &str {
    status.conditions.first().map_or("", |it| it.reason.as_str())
}

fn truths(object: &AgentRelease) -> Vec<&str> {
    let all = object.status.as_ref().unwrap().conditions.iter();
    all.filter(|it| it.status == "True").map(|it| it.kind.as_str()).collect()
}

fn message(object: &AgentRelease) -> &str {
    object.status.as_ref().unwrap().conditions[0].message.as_str()
}

fn release(object: &AgentRelease) -> String {
    object.status.as_ref().unwrap().attempt.clone().unwrap().release.unwrap_or_default()
}

#[tokio::test]
async fn a_change_is_released_and_the_object_can_go_at_once() {
    let world = World::new().await;
    world.ask(NAME, "2", "0s").await;
    let object = world.says(NAME, "Released").await;
    assert_eq!((truths(&object), world.live().as_str()), (vec!["Ready"], "green"));
    let status = object.status.unwrap();
    assert_eq!(status.version.as_deref(), Some("2"));
    assert_eq!(status.attempt.unwrap().end, Some(End::Released));
    let object = world.until(NAME, |object| object.finalizers().is_empty()).await;
    assert_eq!(object.finalizers().len(), 0);
    // The same change once more, by an object that is new, is no release.
    world.api().delete(NAME, &DeleteParams::default()).await.unwrap();
    world.ask("again", "2", "0s").await;
    let object = world.says("again", "UpToDate").await;
    assert_eq!((truths(&object), release(&object)), (vec!["Ready"], String::new()));
    assert_eq!(world.live(), "green");
}

#[tokio::test]
async fn what_ended_rolled_back_is_not_started_again_until_retry_changes() {
    let world = World::new().await;
    world.ask(NAME, "does-not-exist", "0s").await;
    let object = world.says(NAME, "RolledBack").await;
    assert_eq!((truths(&object), world.live().as_str()), (vec!["Stalled"], "blue"));
    let first = release(&object);
    // Another plan is no other change.
    world.patch(json!({"plan": {"standby": 1}})).await;
    let object = world.says(NAME, "RolledBack").await;
    assert_eq!(release(&object), first);
    // Nor is it tried after something else was asked for.
    world.patch(json!({"change": spec("2", "0s")["change"]})).await;
    world.says(NAME, "Released").await;
    world.patch(json!({"change": spec("1", "0s")["change"]})).await;
    world.says(NAME, "Released").await;
    world.patch(json!({"change": spec("does-not-exist", "0s")["change"]})).await;
    let object = world.says(NAME, "RolledBackBefore").await;
    assert!(message(&object).contains("another spec.retry"), "{}", message(&object));
    assert_eq!(truths(&object), ["Stalled"]);
    world.patch(json!({"retry": "1"})).await;
    let object = world.says(NAME, "RolledBack").await;
    assert_ne!(release(&object), first);
}

#[tokio::test]
async fn another_change_in_the_middle_takes_the_first_back_and_is_released() {
    let world = World::new().await;
    world.ask(NAME, "2", "1h").await;
    world.says(NAME, "Baking").await;
    assert_eq!(world.live(), "green");
    world.patch(spec("3", "0s")).await;
    let object = world.says(NAME, "Released").await;
    assert_eq!(object.status.unwrap().version.as_deref(), Some("3"));
    assert_eq!(world.live(), "green");
    // What it took back itself may come again.
    world.patch(spec("2", "0s")).await;
    let object = world.says(NAME, "Released").await;
    assert_eq!(object.status.unwrap().version.as_deref(), Some("2"));
}

#[tokio::test]
async fn an_object_that_is_deleted_in_the_middle_takes_its_release_back_before_it_goes() {
    let world = World::new().await;
    world.ask(NAME, "2", "1h").await;
    let object = world.says(NAME, "Baking").await;
    assert_eq!(object.finalizers(), [FINALIZER]);
    world.api().delete(NAME, &DeleteParams::default()).await.unwrap();
    let gone = |object: Option<&AgentRelease>| object.is_none();
    soon(Box::pin(await_condition(world.api(), NAME, gone))).await.unwrap().unwrap();
    assert_eq!((world.live().as_str(), world.size("blue"), world.size("green")), ("blue", 2, 0));
}

#[tokio::test]
async fn another_operator_goes_on_with_what_the_first_one_left() {
    let mut world = World::new().await;
    world.ask(NAME, "2", "2s").await;
    let first = world.says(NAME, "Baking").await;
    world.stop().await;
    world.operate("two");
    let object = world.says(NAME, "Released").await;
    assert_eq!(release(&object), release(&first));
    assert_eq!(world.live(), "green");
}

#[tokio::test]
async fn what_makes_no_sense_is_said_and_mended() {
    let world = World::new().await;
    let mut bad = spec("2", "0s");
    bad["plan"]["bakes"] = json!({});
    let object = AgentRelease::new(NAME, serde_json::from_value(bad).unwrap());
    world.api().create(&PostParams::default(), &object).await.unwrap();
    let object = world.says(NAME, "InvalidSpec").await;
    assert!(message(&object).contains("unknown field `bakes`"), "{}", message(&object));
    assert_eq!((truths(&object), object.finalizers().len()), (vec!["Stalled"], 0));
    world.patch(json!({"plan": {"bakes": null}})).await;
    world.says(NAME, "Released").await;
}

#[tokio::test]
async fn what_is_refused_touches_nothing_and_says_every_reason() {
    let world = World::new().await;
    let mut unknown = spec("2", "0s");
    unknown["change"]["images"] = json!({"agnet": "registry.example.com/agent:2"});
    unknown["change"]["version"] = json!("-");
    let object = AgentRelease::new(NAME, serde_json::from_value(unknown).unwrap());
    world.api().create(&PostParams::default(), &object).await.unwrap();
    let object = world.says(NAME, "Refused").await;
    for part in ["agnet", "version"] {
        assert!(message(&object).contains(part), "{}", message(&object));
    }
    assert_eq!((world.live().as_str(), world.size("green")), ("blue", 0));
}

#[tokio::test]
async fn an_agent_that_is_not_there_is_waited_for() {
    let world = World::new().await;
    let mut other = spec("2", "0s");
    other["service"] = json!("elsewhere");
    let object = AgentRelease::new(NAME, serde_json::from_value(other).unwrap());
    world.api().create(&PostParams::default(), &object).await.unwrap();
    let object = world.says(NAME, "AgentNotFound").await;
    assert!(message(&object).contains("elsewhere"), "{}", message(&object));
    assert_eq!(truths(&object), ["Reconciling"]);
}
