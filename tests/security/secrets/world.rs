//! An agent with secrets everywhere, in the stand-in.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use bluegreen_core::Color;
use bluegreen_kube::stand_in::StandIn;
use bluegreen_kube::{Cluster, ConnectError};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Secret, Service};
use k8s_openapi::api::events::v1::Event;
use kube::api::{ListParams, PostParams};
use kube::{Client, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::echo::{self, Api};
use super::planted;

const NAMESPACE: &str = "agents";

pub(crate) struct World {
    stand_in: StandIn,
    /// The administrator's.
    admin: Client,
    api: Arc<AtomicU8>,
}

impl World {
    pub(crate) async fn new() -> Self {
        let stand_in = StandIn::new();
        let admin = stand_in.client(NAMESPACE);
        let world = Self { stand_in, admin, api: Arc::default() };
        let secret = json!({
            "metadata": {"name": "keys"}, "stringData": {"model": planted::REFERRED},
        });
        world.create::<Secret>(secret).await;
        for (color, replicas) in [(Color::Blue, 2), (Color::Green, 0)] {
            world.create::<Deployment>(deployment(color, replicas)).await;
        }
        let selector = json!({"app": "agent", "slot": "blue"});
        world
            .create::<Service>(json!({
                "metadata": {"name": "agent"},
                "spec": {"selector": selector, "ports": [{"port": 80, "targetPort": 8080}]},
            }))
            .await;
        world
    }

    async fn create<K>(&self, object: Value)
    where
        K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
            + Clone
            + std::fmt::Debug
            + Serialize
            + DeserializeOwned,
    {
        let api: kube::Api<K> = kube::Api::namespaced(self.admin.clone(), NAMESPACE);
        let object = serde_json::from_value(object).unwrap();
        api.create(&PostParams::default(), &object).await.unwrap();
    }

    /// The agent as a program sees it.
    pub(crate) async fn connect(&self) -> Result<Cluster, ConnectError> {
        let client = echo::client(&self.admin, NAMESPACE, Arc::clone(&self.api));
        Cluster::connect(client, NAMESPACE, "agent").await
    }

    /// What is on the way to the API server from now on.
    pub(crate) fn api(&self, api: Api) {
        self.api.store(api as u8, Ordering::Relaxed);
    }

    /// Other keys in one slot than in the other.
    pub(crate) fn differ(&self) {
        for (color, other) in [("blue", ""), ("green", "-other")] {
            let container = json!({
                "name": "agent",
                "args": [format!("--key={}{other}", planted::ARGUMENT)],
                "livenessProbe": {"httpGet": {
                    "path": "/livez", "port": 8080,
                    "httpHeaders": [
                        {"name": "authorization", "value": format!("{}{other}", planted::PROBE)},
                    ],
                }},
            });
            let name = format!("agent-{color}");
            let found = self.stand_in.object("deployments.apps", NAMESPACE, &name).unwrap();
            let mut whole = found["spec"]["template"]["spec"]["containers"][0].clone();
            for (key, value) in container.as_object().unwrap() {
                whole[key] = value.clone();
            }
            let patch = json!({"spec": {"template": {"spec": {"containers": [whole]}}}});
            assert!(self.stand_in.edit("ann", "deployments.apps", NAMESPACE, &name, &patch));
        }
    }

    /// Everything that is stored but for what the user himself has written: the slots and the Secret.
    pub(crate) async fn stored(&self) -> Vec<(&'static str, String)> {
        let mut all = Vec::new();
        self.list::<ConfigMap>("configmap", &mut all).await;
        self.list::<Lease>("lease", &mut all).await;
        self.list::<Service>("service", &mut all).await;
        let before = all.len();
        self.list::<Event>("event", &mut all).await;
        assert!(all.len() > before + 10, "there are Events");
        all
    }

    async fn list<K>(&self, what: &'static str, all: &mut Vec<(&'static str, String)>)
    where
        K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
            + Clone
            + std::fmt::Debug
            + Serialize
            + DeserializeOwned,
    {
        let api: kube::Api<K> = kube::Api::namespaced(self.admin.clone(), NAMESPACE);
        let found = api.list(&ListParams::default()).await.unwrap();
        all.extend(found.iter().map(|it| (what, serde_json::to_string(it).unwrap())));
    }

    /// What nobody shows is there all the same.
    pub(crate) fn has_what_is_planted(&self) {
        let of = |name: &str| {
            self.stand_in.object("deployments.apps", NAMESPACE, name).unwrap().to_string()
        };
        let both = of("agent-blue") + &of("agent-green");
        let changed = planted::CHANGED.replace('"', "\\\"");
        for secret in [planted::LITERAL, &changed, planted::ARGUMENT, planted::PROBE] {
            assert!(both.contains(secret), "{secret} is where it should be: {both}");
        }
    }
}

fn deployment(color: Color, replicas: u32) -> Value {
    let labels = json!({"app": "agent", "slot": color, "version": "1.2.0"});
    json!({
        "metadata": {"name": format!("agent-{color}")},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "agent", "slot": color}},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{
                    "name": "agent",
                    "image": "registry.example.com/agent:1.2.0",
                    "ports": [{"containerPort": 8080}],
                    "env": [
                        {"name": "PASSWORD", "value": planted::LITERAL},
                        {"name": "KEY", "valueFrom": {
                            "secretKeyRef": {"name": "keys", "key": "model"},
                        }},
                    ],
                    "readinessProbe": {"httpGet": {"path": "/readyz", "port": 8080}},
                }]},
            },
        },
    })
}
