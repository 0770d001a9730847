use std::time::Duration;

use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::{Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::ResourceExt as _;
use kube::api::{DeleteParams, ListParams};

use super::super::{Controller, Startup};
use super::*;

struct World {
    stand_in: StandIn,
    client: Client,
}

impl World {
    fn new() -> Self {
        let stand_in = StandIn::new();
        let client = stand_in.client(NAMESPACE);
        Self { stand_in, client }
    }

    fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
    {
        Api::default_namespaced(self.client.clone())
    }

    async fn deployment(&self, name: &str) -> Deployment {
        self.api::<Deployment>().get(name).await.unwrap()
    }

    async fn pods(&self, slot: &str) -> Vec<Pod> {
        let params = ListParams::default().labels(&format!("slot={slot}"));
        self.api::<Pod>().list(&params).await.unwrap().items
    }

    async fn change(&self, change: Value) {
        let params = PatchParams::default();
        self.api::<Deployment>().patch("blue", &params, &Patch::Merge(change)).await.unwrap();
    }

    async fn image(&self, image: &str) {
        let container = json!([{ "name": "agent", "image": image }]);
        let change = json!({ "spec": { "template": { "spec": { "containers": container } } } });
        let params = PatchParams::default();
        let change = Patch::Strategic(change);
        self.api::<Deployment>().patch("blue", &params, &change).await.unwrap();
    }

    async fn service(&self, name: &str, spec: Value) {
        let service = from(json!({ "metadata": { "name": name }, "spec": spec }));
        self.api::<Service>().create(&PostParams::default(), &service).await.unwrap();
    }

    async fn slices(&self, service: &str) -> Vec<EndpointSlice> {
        let params = ListParams::default().labels(&format!("kubernetes.io/service-name={service}"));
        self.api::<EndpointSlice>().list(&params).await.unwrap().items
    }

    /// The pods that a Service leads to: name, ready, serving, terminating.
    async fn endpoints(&self, service: &str) -> Vec<(String, bool, bool, bool)> {
        let slices = self.slices(service).await;
        assert_eq!(slices.len(), 1);
        // As JSON, because the types differ between the versions of Kubernetes.
        let slice = to_json(&slices[0]);
        let listed = slice["endpoints"].as_array().cloned().unwrap_or_default();
        let mut endpoints: Vec<_> = listed
            .iter()
            .map(|endpoint| {
                let name = endpoint["targetRef"]["name"].as_str().unwrap().to_owned();
                let is = |condition: &str| endpoint["conditions"][condition].as_bool().unwrap();
                (name, is("ready"), is("serving"), is("terminating"))
            })
            .collect();
        endpoints.sort();
        endpoints
    }
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().unwrap().conditions.as_ref().unwrap();
    conditions.iter().any(|one| one.type_ == "Ready" && one.status == "True")
}

fn waiting(pod: &Pod) -> String {
    let container = &pod.status.as_ref().unwrap().container_statuses.as_ref().unwrap()[0];
    container.state.as_ref().unwrap().waiting.as_ref().unwrap().reason.clone().unwrap()
}

fn numbers(deployment: &Deployment) -> [i32; 4] {
    let status = deployment.status.as_ref().unwrap();
    assert_eq!(status.observed_generation, deployment.metadata.generation);
    [status.replicas, status.updated_replicas, status.ready_replicas, status.available_replicas]
        .map(Option::unwrap_or_default)
}

#[tokio::test]
async fn a_deployment_gets_pods_like_its_template() {
    let world = World::new();
    let answer =
        create_deployment(&world.client, "blue", 2, "registry.example.com:5000/agent:1").await;
    // The answer is of before the controllers looked.
    assert_eq!(answer.status.clone().unwrap_or_default().replicas, None);
    let spec = &to_json(&answer)["spec"];
    let defaults = (&spec["progressDeadlineSeconds"], &spec["revisionHistoryLimit"]);
    assert_eq!(defaults, (&json!(600), &json!(10)));

    assert_eq!(numbers(&world.deployment("blue").await), [2, 2, 2, 2]);
    let sets = world.api::<ReplicaSet>().list(&ListParams::default()).await.unwrap().items;
    assert_eq!(sets.len(), 1);
    let pods = world.pods("blue").await;
    assert_eq!(pods.len(), 2);
    for pod in pods {
        assert!(is_ready(&pod));
        assert_eq!(pod.owner_references()[0].uid, sets[0].uid().unwrap());
        assert_eq!(pod.labels()["pod-template-hash"], sets[0].labels()["pod-template-hash"]);
        let container = &pod.status.unwrap().container_statuses.unwrap()[0];
        assert!(container.image_id.starts_with("registry.example.com:5000/agent@sha256:"));
    }
}

#[tokio::test]
async fn another_template_rolls_and_the_first_one_brings_its_set_back() {
    let world = World::new();
    create_deployment(&world.client, "blue", 3, "agent:1").await;
    let hash = |pods: &[Pod]| pods[0].labels()["pod-template-hash"].clone();
    let first = hash(&world.pods("blue").await);
    world.image("agent:2").await;
    let pods = world.pods("blue").await;
    assert_eq!((pods.len(), numbers(&world.deployment("blue").await)), (3, [3, 3, 3, 3]));
    assert_ne!(hash(&pods), first);
    assert_eq!(
        world.deployment("blue").await.annotations()["deployment.kubernetes.io/revision"],
        "2"
    );
    world.image("agent:1").await;
    assert_eq!(hash(&world.pods("blue").await), first);
    assert_eq!(
        world.deployment("blue").await.annotations()["deployment.kubernetes.io/revision"],
        "3"
    );
}

#[tokio::test]
async fn an_image_that_is_not_there_stops_a_rollout_halfway() {
    let world = World::new();
    create_deployment(&world.client, "blue", 4, "agent:1").await;
    world.image("does-not-exist:1").await;
    let pods = world.pods("blue").await;
    let (good, bad): (Vec<_>, Vec<_>) = pods.iter().partition(|pod| is_ready(pod));
    // At most a quarter may be missing, at most a quarter too many.
    assert_eq!((good.len(), bad.len()), (3, 2));
    assert!(bad.iter().all(|pod| waiting(pod) == "ImagePullBackOff"));
    assert_eq!(numbers(&world.deployment("blue").await), [5, 2, 3, 3]);
}

#[tokio::test]
async fn with_everything_allowed_to_be_missing_all_pods_start_together() {
    let world = World::new();
    create_deployment(&world.client, "blue", 4, "agent:1").await;
    world.stand_in.pods_start("agent:2", Startup::NeverReady);
    let rolling = json!({ "maxUnavailable": "100%", "maxSurge": "100%" });
    world.change(json!({ "spec": { "strategy": { "rollingUpdate": rolling } } })).await;
    world.image("agent:2").await;
    assert_eq!(numbers(&world.deployment("blue").await), [4, 4, 0, 0]);
}

#[tokio::test]
async fn recreate_ends_the_old_pods_first() {
    let world = World::new();
    create_deployment(&world.client, "blue", 2, "agent:1").await;
    world
        .change(json!({ "spec": { "strategy": { "type": "Recreate", "rollingUpdate": null } } }))
        .await;
    world.image("does-not-exist:1").await;
    assert_eq!(numbers(&world.deployment("blue").await), [2, 2, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn readiness_and_the_progress_deadline_come_in_their_time() {
    let world = World::new();
    world.stand_in.pods_start("slow", Startup::ReadyAfter(Duration::from_secs(3)));
    create_deployment(&world.client, "blue", 1, "slow:1").await;
    assert_eq!(numbers(&world.deployment("blue").await), [1, 1, 0, 0]);
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(numbers(&world.deployment("blue").await), [1, 1, 1, 1]);

    world.image("does-not-exist:1").await;
    let reason = async || {
        let deployment = to_json(&world.deployment("blue").await);
        let conditions = deployment["status"]["conditions"].as_array().cloned().unwrap();
        let progressing = conditions.iter().find(|one| one["type"] == "Progressing").unwrap();
        progressing["reason"].as_str().unwrap().to_owned()
    };
    assert_eq!(reason().await, "ReplicaSetUpdated");
    tokio::time::sleep(Duration::from_secs(601)).await;
    assert_eq!(reason().await, "ProgressDeadlineExceeded");
}

#[tokio::test]
async fn a_missing_config_map_keeps_a_pod_from_starting_until_it_is_there() {
    let world = World::new();
    let mut wanted = serde_json::to_value(deployment("blue", 1, "agent:1")).unwrap();
    wanted["spec"]["template"]["spec"]["volumes"] =
        json!([{ "name": "prompts", "configMap": { "name": "prompts" } }]);
    let deployments = world.api::<Deployment>();
    deployments.create(&PostParams::default(), &from(wanted)).await.unwrap();
    assert_eq!(waiting(&world.pods("blue").await[0]), "CreateContainerConfigError");
    maps(&world.client).create(&PostParams::default(), &map("prompts", "1")).await.unwrap();
    assert!(is_ready(&world.pods("blue").await[0]));
    // Once it runs, it does not mind.
    maps(&world.client).delete("prompts", &DeleteParams::default()).await.unwrap();
    assert!(is_ready(&world.pods("blue").await[0]));
}

#[tokio::test]
async fn a_selector_decides_where_a_service_leads() {
    let world = World::new();
    create_deployment(&world.client, "blue", 1, "agent:1").await;
    create_deployment(&world.client, "green", 2, "agent:2").await;
    let ports = json!([{ "port": 80, "targetPort": "http" }]);
    let selector = json!({ "app": "agent", "slot": "blue" });
    world.service("agent", json!({ "selector": selector, "ports": ports })).await;
    let names = |pods: Vec<Pod>| -> Vec<_> {
        pods.iter().map(|pod| (pod.name_any(), true, true, false)).collect()
    };
    assert_eq!(world.endpoints("agent").await, names(world.pods("blue").await));
    let slice = world.slices("agent").await.remove(0);
    assert_eq!(slice.ports.unwrap()[0].port, Some(8000));

    let services = world.api::<Service>();
    patch(
        &services,
        "agent",
        json!([
            { "op": "test", "path": "/spec/selector", "value": selector },
            { "op": "replace", "path": "/spec/selector/slot", "value": "green" },
        ]),
    )
    .await
    .unwrap();
    assert_eq!(world.endpoints("agent").await, names(world.pods("green").await));
    assert_eq!(world.slices("agent").await[0].name_any(), slice.metadata.name.unwrap());
    services.delete("agent", &DeleteParams::default()).await.unwrap();
    assert!(world.slices("agent").await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_ending_pod_serves_until_it_is_gone() {
    let world = World::new();
    world.stand_in.pods_take_to_end(Duration::from_secs(5));
    create_deployment(&world.client, "blue", 1, "agent:1").await;
    let selector = json!({ "app": "agent" });
    world.service("preview", json!({ "clusterIP": "None", "selector": selector })).await;
    let name = world.pods("blue").await[0].name_any();
    world.change(json!({ "spec": { "replicas": 0 } })).await;
    assert_eq!(world.endpoints("preview").await, [(name.clone(), false, true, true)]);
    assert!(world.pods("blue").await[0].metadata.deletion_timestamp.is_some());
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert!(world.endpoints("preview").await.is_empty());
    assert!(world.pods("blue").await.is_empty());
}

#[tokio::test]
async fn a_test_can_meddle_with_pods() {
    let world = World::new();
    create_deployment(&world.client, "blue", 2, "agent:1").await;
    let name = world.pods("blue").await[0].name_any();
    assert!(world.stand_in.set_ready(NAMESPACE, &name, false));
    assert_eq!(numbers(&world.deployment("blue").await), [2, 2, 1, 1]);
    assert!(world.stand_in.set_ready(NAMESPACE, &name, true));
    assert!(world.stand_in.restart(NAMESPACE, &name));
    let pod = world.api::<Pod>().get(&name).await.unwrap();
    assert_eq!(pod.status.unwrap().container_statuses.unwrap()[0].restart_count, 1);
    assert!(world.stand_in.kill_pod(NAMESPACE, &name));
    assert!(!world.stand_in.kill_pod(NAMESPACE, &name));
    assert_eq!(world.pods("blue").await.len(), 2);
    assert!(world.api::<Pod>().get_opt(&name).await.unwrap().is_none());
}

#[tokio::test]
async fn a_paused_controller_catches_up() {
    let world = World::new();
    create_deployment(&world.client, "blue", 1, "agent:1").await;
    world.stand_in.pause(Controller::Endpoints);
    let ports = json!([{ "port": 80 }]);
    world.service("agent", json!({ "selector": { "app": "agent" }, "ports": ports })).await;
    assert!(world.slices("agent").await.is_empty());
    world.stand_in.resume(Controller::Endpoints);
    assert_eq!(world.endpoints("agent").await.len(), 1);
}

#[tokio::test]
async fn a_foreign_edit_is_somebody_elses() {
    let world = World::new();
    create_deployment(&world.client, "blue", 1, "agent:1").await;
    let edit = json!({ "spec": { "replicas": 3 } });
    assert!(world.stand_in.edit("argocd", "deployments.apps", NAMESPACE, "blue", &edit));
    let found = world.deployment("blue").await;
    assert_eq!(numbers(&found), [3, 3, 3, 3]);
    let managers: Vec<_> =
        found.managed_fields().iter().filter_map(|entry| entry.manager.clone()).collect();
    assert!(managers.contains(&"argocd".to_owned()), "{managers:?}");
}

#[tokio::test]
async fn what_a_deployment_owns_goes_with_it() {
    let world = World::new();
    create_deployment(&world.client, "blue", 2, "agent:1").await;
    world.api::<Deployment>().delete("blue", &DeleteParams::default()).await.unwrap();
    assert!(world.pods("blue").await.is_empty());
    let sets = world.api::<ReplicaSet>().list(&ListParams::default()).await.unwrap();
    assert!(sets.items.is_empty());
}

#[tokio::test]
async fn a_size_beyond_all_reason_makes_no_more_pods_than_a_namespace_holds() {
    let world = World::new();
    let mut deployment = to_json(&deployment("blue", 0, "agent:1"));
    deployment["spec"]["replicas"] = i32::MAX.into();
    let rolling = json!({ "maxSurge": "9223372036854775807%", "maxUnavailable": "9999999999999%" });
    deployment["spec"]["strategy"] = json!({ "type": "RollingUpdate", "rollingUpdate": rolling });
    let api: Api<Deployment> = world.api();
    api.create(&PostParams::default(), &from(deployment)).await.unwrap();
    assert_eq!(world.stand_in.pods(NAMESPACE, &[]).len(), 250);
    // Nor is anything made of what is none.
    for patch in [json!({"metadata": "text"}), json!({"spec": {"replicas": i64::MAX}})] {
        world.stand_in.edit("ann", "deployments.apps", NAMESPACE, "blue", &patch);
    }
    assert_eq!(world.stand_in.pods(NAMESPACE, &[]).len(), 250);
}
