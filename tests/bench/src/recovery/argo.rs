//! A release by Argo Rollouts, whose controller runs as a process beside the cluster.

use std::process::Stdio;
use std::time::Duration;

use bluegreen_tests::{Agent, Manifests, SERVICE, image, version_at};
use kube::Api;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams};
use serde_json::{Value, json};
use tokio::process::{Child, Command};

use super::{NEW, OLD, Peer};

const NAME: &str = "agent";

/// An agent that is a Rollout, and the controller of its namespace.
pub(super) struct Argo {
    agent: Agent,
    rollouts: Api<DynamicObject>,
    _controller: Child,
}

impl Argo {
    /// The template of our own blue Deployment with this version, without a slot.
    fn template(version: &str) -> Value {
        let mut manifests = Manifests::shipped();
        let mut template = manifests.object("Deployment", "agent-blue")["spec"]["template"].take();
        template["metadata"]["labels"] = json!({"app": SERVICE, "version": version});
        let container = &mut template["spec"]["containers"][0];
        container["image"] = image(version).into();
        for variable in container["env"].as_array_mut().unwrap() {
            if variable["name"] == "AGENT_VERSION" {
                variable["value"] = version.into();
            }
        }
        template
    }

    async fn set(&self, version: &str) {
        let patch = Patch::Merge(json!({"spec": {"template": Self::template(version)}}));
        self.rollouts.patch(NAME, &PatchParams::default(), &patch).await.unwrap();
    }

    async fn controller(namespace: &str) -> Child {
        let folder = std::env::var_os("BENCH_ARGO").expect("BENCH_ARGO names a folder");
        let folder = std::path::PathBuf::from(folder);
        let kubectl = std::env::var_os("BLUEGREEN_KUBECTL").expect("a kubectl");
        let mut apply = Command::new(kubectl);
        apply.args(["apply", "--server-side", "--force-conflicts", "-f"]).arg(folder.join("crds"));
        let applied = apply.stdout(Stdio::null()).kill_on_drop(true).status().await.unwrap();
        assert!(applied.success(), "the resources of Argo Rollouts should be defined");
        Command::new(folder.join("rollouts-controller"))
            .arg(format!("--kubeconfig={}", std::env::var("KUBECONFIG").unwrap()))
            .arg(format!("--namespace={namespace}"))
            .args(["--namespaced", "--leader-elect=false"])
            .args(["--metricsPort=18090", "--healthzPort=18080"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap()
    }
}

impl Peer for Argo {
    const NAME: &'static str = "Argo Rollouts";

    async fn start() -> Self {
        let agent = Agent::of(Manifests::shipped().without(&["Deployment"]).slotless()).await;
        let controller = Self::controller(agent.namespace().name()).await;
        let kind = GroupVersionKind::gvk("argoproj.io", "v1alpha1", "Rollout");
        let resource = ApiResource::from_gvk(&kind);
        let rollouts: Api<DynamicObject> =
            Api::namespaced_with(agent.admin().clone(), agent.namespace().name(), &resource);
        let rollout = json!({
            "apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout",
            "metadata": {"name": NAME},
            "spec": {
                "replicas": 3,
                "selector": {"matchLabels": {"app": SERVICE}},
                "template": Self::template(OLD),
                // No preview Service: a change of one delays kube-proxy, and it is not needed here.
                "strategy": {"blueGreen": {"activeService": SERVICE}},
            },
        });
        let rollout: DynamicObject = serde_json::from_value(rollout).unwrap();
        let parameters = kube::api::PostParams::default();
        let address = agent.address();
        let begun = async {
            // The definitions have just been made.
            while rollouts.create(&parameters, &rollout).await.is_err() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            while version_at(address).await.is_err() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(Duration::from_mins(1), begun).await.expect("a first version");
        // Each of its pods, and not only the first.
        tokio::time::sleep(crate::floor::QUIET).await;
        Self { agent, rollouts, _controller: controller }
    }

    fn agent(&self) -> &Agent {
        &self.agent
    }

    async fn release(&mut self) {
        self.set(NEW).await;
        let address = self.agent.address();
        let arrived = async {
            while version_at(address).await.as_deref() != Ok(NEW) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_mins(1), arrived).await.expect("the new version");
    }

    /// What `kubectl argo rollouts abort` does.
    async fn back(&self) {
        let patch = Patch::Merge(json!({"status": {"abort": true}}));
        self.rollouts.patch_status(NAME, &PatchParams::default(), &patch).await.unwrap();
    }

    /// What `kubectl argo rollouts undo` does.
    async fn otherwise(&self) {
        self.set(OLD).await;
    }

    fn new_pods(&self) -> ListParams {
        ListParams::default().labels(&format!("app={SERVICE},version={NEW}"))
    }
}
