//! Gateways of the Gateway API, as processes beside the cluster.

use std::net::SocketAddr;

use bluegreen_tests::{Agent, contour, folder, free_ports, gateway_api, reachable, traefik};
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{DynamicObject, PostParams};
use kube::core::GroupVersionKind;
use kube::discovery::ApiResource;
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::process::Child;

/// Which gateway.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Through {
    /// An Envoy that Contour configures.
    Contour,
    Traefik,
}

/// The gateway of one agent. It ends with this.
#[derive(Debug)]
pub(crate) struct Gateway {
    address: SocketAddr,
    _programs: Vec<Child>,
}

impl Through {
    /// Defines in the cluster what it wants to find there.
    pub(crate) async fn prepare(self) {
        if self == Self::Contour {
            bluegreen_tests::define_contour().await;
        }
    }

    fn controller(self) -> &'static str {
        match self {
            Self::Contour => "projectcontour.io/gateway-controller",
            Self::Traefik => "traefik.io/gateway-controller",
        }
    }
}

impl Gateway {
    /// Serves the routes of the agent's namespace.
    pub(crate) async fn start(through: Through, agent: &Agent) -> Self {
        let name = agent.namespace().name();
        let class = classes(agent.admin());
        let namespaces: Api<Namespace> = Api::all(agent.admin().clone());
        let namespace = namespaces.get(name).await.unwrap();
        // It belongs to no namespace, but goes with this one. A gateway without its class ends.
        let owner = json!({
            "apiVersion": "v1", "kind": "Namespace", "name": name, "uid": namespace.metadata.uid,
        });
        let made = json!({
            "apiVersion": "gateway.networking.k8s.io/v1", "kind": "GatewayClass",
            "metadata": {"name": name, "ownerReferences": [owner]}, "spec": {"controllerName": through.controller()},
        });
        create(&class, &made).await;
        let (address, programs) = match through {
            Through::Traefik => through_traefik(agent).await,
            Through::Contour => through_contour(agent).await,
        };
        reachable(&format!("{through:?}"), address).await;
        Self { address, _programs: programs }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

fn classes(client: &Client) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk("gateway.networking.k8s.io", "v1", "GatewayClass");
    let resource = ApiResource::from_gvk_with_plural(&kind, "gatewayclasses");
    Api::all_with(client.clone(), &resource)
}

/// The Gateway that the route names, with a listener at this port.
async fn listen(agent: &Agent, port: u16) {
    let name = agent.namespace().name();
    let made = json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway",
        "metadata": {"name": "public"},
        "spec": {
            "gatewayClassName": name,
            "listeners": [{"name": "http", "protocol": "HTTP", "port": port}],
        },
    });
    create(&gateway_api(agent.admin(), name, "Gateway"), &made).await;
}

async fn create(api: &Api<DynamicObject>, object: &Value) {
    let object = serde_json::from_value(object.clone()).unwrap();
    api.create(&PostParams::default(), &object).await.unwrap();
}

async fn through_traefik(agent: &Agent) -> (SocketAddr, Vec<Child>) {
    let [front] = free_ports();
    listen(agent, front).await;
    (SocketAddr::from(([127, 0, 0, 1], front)), traefik(agent, front, "kubernetesgateway"))
}

/// What Contour adds to the port of a listener for the one that Envoy listens at.
const ADDED: u16 = 8000;

async fn through_contour(agent: &Agent) -> (SocketAddr, Vec<Child>) {
    let namespace = agent.namespace().name();
    let [front] = free_ports();
    listen(agent, front - ADDED).await;
    let config = folder(namespace).join("contour.yaml");
    let gateway = json!({"gateway": {"gatewayRef": {"namespace": namespace, "name": "public"}}});
    // JSON is YAML, too.
    std::fs::write(&config, gateway.to_string()).unwrap();
    let mut arguments = vec![format!("--config-path={}", config.display())];
    // Kinds that are not defined here.
    let kinds = ["tlsroutes", "backendtlspolicies", "tcproutes", "extensionservices"];
    arguments.extend(kinds.map(|kind| format!("--disable-feature={kind}")));
    (SocketAddr::from(([127, 0, 0, 1], front)), contour(agent, &arguments).await)
}
