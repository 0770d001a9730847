//! The Gateway API in the test cluster.

use std::path::{Path, PathBuf};

use futures_util::StreamExt as _;
use kube::api::{DynamicObject, Patch, PatchParams};
use kube::core::GroupVersionKind;
use kube::discovery::ApiResource;
use kube::runtime::watcher;
use kube::{Api, Client, ResourceExt as _};
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::sync::OnceCell;
use tokio::task::JoinSet;

const GROUP: &str = "gateway.networking.k8s.io";

/// Objects of a kind of the Gateway API in a namespace.
pub fn gateway_api(client: &Client, namespace: &str, kind: &str) -> Api<DynamicObject> {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(GROUP, "v1", kind));
    Api::namespaced_with(client.clone(), namespace, &resource)
}

/// Defines the kinds of the Gateway API in the cluster, once for each process.
pub async fn define_gateway_api() {
    static DEFINED: OnceCell<()> = OnceCell::const_new();
    DEFINED.get_or_init(define).await;
}

async fn define() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("gateway/crds");
    let made = Command::new(script).kill_on_drop(true).output().await.unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let folder = PathBuf::from(String::from_utf8(made.stdout).unwrap().trim());
    crate::program::define(&folder).await;
}

/// Somebody who accepts every `HTTPRoute` of a namespace, as a gateway does, and serves none.
#[derive(Debug)]
pub struct Acceptor {
    _task: JoinSet<()>,
}

impl Acceptor {
    /// Begins.
    pub fn start(client: &Client, namespace: &str) -> Self {
        let api = gateway_api(client, namespace, "HTTPRoute");
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut events = watcher(api.clone(), watcher::Config::default()).boxed();
            while let Some(event) = events.next().await {
                // Its watch may break, and is begun again.
                if let Ok(watcher::Event::Apply(route) | watcher::Event::InitApply(route)) = event {
                    accept(&api, &route).await;
                }
            }
        });
        Self { _task: task }
    }
}

async fn accept(api: &Api<DynamicObject>, route: &DynamicObject) {
    let condition = |kind: &str| {
        json!({"type": kind, "status": "True", "reason": kind, "message": "",
            "observedGeneration": route.metadata.generation,
            "lastTransitionTime": "2026-01-01T00:00:00Z"})
    };
    let parents = route.data["spec"]["parentRefs"].as_array().cloned().unwrap_or_default();
    let parents = parents.iter().map(|parent| {
        json!({"parentRef": parent, "controllerName": "example.com/acceptor",
            "conditions": [condition("Accepted"), condition("ResolvedRefs")]})
    });
    let status = json!({"parents": parents.collect::<Vec<Value>>()});
    if route.data["status"] == status {
        return;
    }
    let patch = Patch::Merge(json!({"status": status}));
    let patched = api.patch_status(&route.name_any(), &PatchParams::default(), &patch).await;
    // It may be gone by now, with its namespace.
    drop(patched);
}
