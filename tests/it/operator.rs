//! The operator of `examples/operator`, with the definition and the rights of its `install.yaml`.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Instant;

use bluegreen_core::Color;
use bluegreen_kube::Cluster;
use bluegreen_tests::{Access, Agent, Load, Manifests, SERVICE, example, image, seconds};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{ApiResource, DeleteParams, GroupVersionKind, Patch, PatchParams, PostParams};
use kube::core::DynamicObject;
use kube::runtime::conditions::is_crd_established;
use kube::runtime::wait::await_condition;
use kube::{Api, ResourceExt as _};
use serde_json::{Value, json};
use tokio::process::{Child, Command};
use tokio::time::timeout;

const INSTALL: &str = include_str!("../../examples/operator/install.yaml");
const ACCOUNT: &str = "bluegreen-operator";
const NAME: &str = "agent";

/// An agent in a namespace where the operator may work.
struct Operated {
    agent: Agent,
    file: PathBuf,
    folder: PathBuf,
}

impl Operated {
    async fn new(blue: u32) -> Self {
        let mut manifests = Manifests::shipped().sized(blue, 0);
        let mut deployment = None;
        for object in serde_saphyr::from_multiple::<Value>(INSTALL).unwrap() {
            match object["kind"].as_str() {
                Some("CustomResourceDefinition") => define(object).await,
                // There is no image of it here: the program runs beside the cluster.
                Some("Deployment") => deployment = Some(object),
                _ => manifests = manifests.with(object),
            }
        }
        let agent = Agent::of(manifests).await;
        let deployment: Deployment = serde_json::from_value(deployment.unwrap()).unwrap();
        let dry = PostParams { dry_run: true, ..PostParams::default() };
        agent.api::<Deployment>().create(&dry, &deployment).await.unwrap();
        let namespace = agent.namespace().name();
        let token = agent.namespace().access().token(namespace, ACCOUNT).await;
        let folder = std::env::temp_dir().join(format!("bluegreen-operator-{namespace}"));
        std::fs::create_dir(&folder).unwrap();
        let kubeconfig = Access::kubeconfig(&token).to_string();
        std::fs::write(folder.join("kubeconfig"), kubeconfig).unwrap();
        Self { agent, file: example("operator").await, folder }
    }

    /// A process of the operator. It ends with this value.
    fn operator(&self, identity: &str) -> Child {
        Command::new(&self.file)
            .args(["run", "--lease", "3s", "--identity", identity])
            .args(["--namespace", self.agent.namespace().name()])
            .env("KUBECONFIG", self.folder.join("kubeconfig"))
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap()
    }

    fn api(&self) -> Api<DynamicObject> {
        let kind = GroupVersionKind::gvk("bluegreen.dev", "v1alpha1", "AgentRelease");
        let resource = ApiResource::from_gvk(&kind);
        let namespace = self.agent.namespace().name();
        Api::namespaced_with(self.agent.admin().clone(), namespace, &resource)
    }

    async fn create(&self, name: &str, spec: Value) -> kube::Result<DynamicObject> {
        let object = json!({
            "apiVersion": "bluegreen.dev/v1alpha1", "kind": "AgentRelease",
            "metadata": {"name": name}, "spec": spec,
        });
        let object = serde_json::from_value(object).unwrap();
        self.api().create(&PostParams::default(), &object).await
    }

    async fn patch(&self, spec: Value) -> kube::Result<DynamicObject> {
        let patch = Patch::Merge(json!({"spec": spec}));
        self.api().patch(NAME, &PatchParams::default(), &patch).await
    }

    /// The object, once its conditions have this reason, about the newest spec.
    async fn says(&self, name: &str, reason: &str) -> Value {
        let generation = self.api().get(name).await.unwrap().metadata.generation;
        let mut last = Value::Null;
        let is = |object: Option<&DynamicObject>| {
            let status = object.map(|it| it.data["status"].clone()).unwrap_or_default();
            last = status.clone();
            status["observedGeneration"].as_i64() >= generation
                && status["conditions"][0]["reason"] == reason
        };
        let waiting = Box::pin(until(self.api(), name, is));
        let came = timeout(seconds(90), waiting).await.is_ok();
        assert!(came, "{reason} should come: {last:#}");
        last
    }

    /// Returns once there is no such object.
    async fn gone(&self, name: &str) {
        let gone = |object: Option<&DynamicObject>| object.is_none();
        let waiting = Box::pin(await_condition(self.api(), name, gone));
        timeout(seconds(60), waiting).await.expect("it should go").unwrap();
    }

    async fn cluster(&self) -> Cluster {
        self.agent.cluster("two").await
    }

    async fn releases(&self) -> usize {
        self.cluster().await.operations().history().await.unwrap().len()
    }
}

impl Drop for Operated {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

/// Waits with a condition that may remember what it saw.
async fn until(
    api: Api<DynamicObject>,
    name: &str,
    is: impl FnMut(Option<&DynamicObject>) -> bool,
) {
    let is = std::cell::RefCell::new(is);
    let condition = |object: Option<&DynamicObject>| (*is.borrow_mut())(object);
    await_condition(api, name, condition).await.unwrap();
}

/// Makes the kind, or finds it as it should be: tests share it.
async fn define(crd: Value) {
    let name = crd["metadata"]["name"].as_str().unwrap().to_owned();
    let all: Api<CustomResourceDefinition> = Api::all(Access::admin().await.client());
    let apply = PatchParams::apply("tests").force();
    all.patch(&name, &apply, &Patch::Apply(crd)).await.unwrap();
    let waiting = Box::pin(await_condition(all, &name, is_crd_established()));
    timeout(seconds(60), waiting).await.expect("the kind should be there").unwrap();
}

async fn signal(name: &str, process: &Child) {
    let id = process.id().unwrap().to_string();
    let sent = Command::new("kill").args(["-s", name, &id]).status().await.unwrap();
    assert!(sent.success());
}

fn spec(tag: &str, bake: &str) -> Value {
    json!({
        "service": SERVICE,
        "change": {"images": {"agent": image(tag)}, "version": tag},
        "plan": {
            "bake": {"hold": bake}, "keep_failed": "0s", "look": "1s", "drain": {"quiet": "3s"},
            "rollout": "20s",
        },
        "smoke": ["/readyz"],
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_is_released_and_a_bad_one_is_not_tried_again_until_somebody_says_so() {
    let it = Operated::new(2).await;
    let _operator = it.operator("one");
    let load = Load::start(it.agent.address());
    it.create(NAME, spec("1.3.0", "2s")).await.unwrap();
    let status = it.says(NAME, "Released").await;
    assert_eq!((&status["version"], &status["phase"]), (&json!("1.3.0"), &json!("done")));
    assert_eq!(status["conditions"][0]["status"], "True");
    assert_eq!(it.agent.live().await, Some(Color::Green));

    let mut bad = spec("1.4.0", "2s");
    bad["change"]["env"] = json!([{"name": "AGENT_UNREADY", "value": "1"}]);
    bad["plan"]["rollout"] = json!("5s");
    it.patch(bad).await.unwrap();
    let status = it.says(NAME, "RolledBack").await;
    let message = status["conditions"][0]["message"].as_str().unwrap();
    assert!(message.contains("0 of 2") && message.contains("spec.retry"), "{message}");
    assert_eq!(it.agent.live().await, Some(Color::Green));
    // Another plan is looked at, and is no reason to try it again.
    it.patch(json!({"plan": {"standby": 1}})).await.unwrap();
    it.says(NAME, "RolledBack").await;
    assert_eq!(it.releases().await, 2);
    // Neither is an object that knows nothing of it.
    let spec = it.api().get(NAME).await.unwrap().data["spec"].clone();
    it.api().delete(NAME, &DeleteParams::default()).await.unwrap();
    it.gone(NAME).await;
    it.create(NAME, spec).await.unwrap();
    it.says(NAME, "RolledBackBefore").await;
    assert_eq!(it.releases().await, 2);
    it.patch(json!({"retry": "1"})).await.unwrap();
    it.says(NAME, "RolledBack").await;
    assert_eq!(it.releases().await, 3);

    let tally = load.stop().await;
    assert!(tally.failures.is_empty(), "{tally}");
    assert!(tally.answers["1.2.0"] > 0 && tally.answers["1.3.0"] > 0, "{tally}");
    assert_eq!(tally.answers.len(), 2, "{tally}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_that_is_killed_is_followed_by_the_one_that_stands_by() {
    let it = Operated::new(2).await;
    let mut one = it.operator("one");
    let load = Load::start(it.agent.address());
    it.create(NAME, spec("1.3.0", "3s")).await.unwrap();
    let baking = it.says(NAME, "Baking").await;
    let mut two = it.operator("two");
    one.kill().await.unwrap();
    let status = it.says(NAME, "Released").await;
    assert_eq!(status["release"], baking["release"]);
    assert_eq!(it.agent.live().await, Some(Color::Green));

    // A third one stands by, and leads as soon as the second says that it ends.
    let _three = it.operator("three");
    it.patch(spec("1.4.0", "1h")).await.unwrap();
    it.says(NAME, "Baking").await;
    assert_eq!(it.agent.live().await, Some(Color::Blue));
    signal("TERM", &two).await;
    let ended = timeout(seconds(20), two.wait()).await.expect("it should end").unwrap();
    assert!(ended.success(), "{ended}");
    it.api().delete(NAME, &DeleteParams::default()).await.unwrap();
    it.gone(NAME).await;
    assert_eq!(it.agent.live().await, Some(Color::Green), "what was live has the traffic again");
    let tally = load.stop().await;
    assert!(tally.failures.is_empty(), "{tally}");
    assert_eq!(it.agent.pods(Color::Blue).await.len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_was_paused_ends_when_it_hears_of_the_next_one() {
    let it = Operated::new(2).await;
    let mut one = it.operator("one");
    let load = Load::start(it.agent.address());
    it.create(NAME, spec("1.3.0", "3s")).await.unwrap();
    it.says(NAME, "Baking").await;
    let _two = it.operator("two");
    signal("STOP", &one).await;
    it.says(NAME, "Released").await;
    // Another object for the agent, whose name comes first, is not what counts.
    it.create("a-second", spec("1.4.0", "2s")).await.unwrap();
    it.says("a-second", "Duplicate").await;
    signal("CONT", &one).await;
    let ended = timeout(seconds(20), one.wait()).await.expect("it should end").unwrap();
    assert_eq!(ended.code(), Some(1), "it is to be started again");
    it.says(NAME, "Released").await;
    assert_eq!((it.agent.live().await, it.releases().await), (Some(Color::Green), 1));
    let tally = load.stop().await;
    assert!(tally.failures.is_empty(), "{tally}");
}

#[tokio::test]
async fn what_cannot_be_is_refused_by_the_api_server_and_the_first_write_comes_soon() {
    let it = Operated::new(1).await;
    let refused = async |spec: Value| it.create("bad", spec).await.unwrap_err().to_string();
    let mut nothing = spec("1.3.0", "2s");
    nothing["change"] = json!({"version": "1.3.0"});
    assert!(refused(nothing).await.contains("found nothing to release, wanted images"));
    let mut half = spec("1.3.0", "2s");
    half["plan"]["steps"] = json!([{"share": 500_000}]);
    assert!(refused(half).await.contains("the last step has to give everything"));
    let mut late = spec("1.3.0", "soon");
    late["smoke"] = json!(["readyz"]);
    let told = refused(late).await;
    assert!(told.contains("spec.plan.bake.hold") && told.contains("spec.smoke[0]"), "{told}");

    let _operator = it.operator("one");
    // Something that it has looked at: it leads.
    let mut elsewhere = spec("1.3.0", "2s");
    elsewhere["service"] = json!("elsewhere");
    it.create("elsewhere", elsewhere).await.unwrap();
    it.says("elsewhere", "AgentNotFound").await;
    let kept =
        |object: Option<&DynamicObject>| object.is_some_and(|it| !it.finalizers().is_empty());
    let waiting = tokio::spawn(Box::pin(await_condition(it.api(), NAME, kept)));
    // Lets the watch begin.
    it.api().get("elsewhere").await.unwrap();
    it.create(NAME, spec("1.3.0", "0s")).await.unwrap();
    let began = Instant::now();
    timeout(seconds(10), waiting).await.expect("it should be kept").unwrap().unwrap();
    // From when the object was there until others saw the write.
    eprintln!("first write after {:?}", began.elapsed());
    it.says(NAME, "Released").await;
    let moved = it.patch(json!({"service": "elsewhere"})).await.unwrap_err().to_string();
    assert!(moved.contains("service cannot be changed"), "{moved}");
}
