//! Gateways of the Gateway API, as processes beside the cluster.

use std::env;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use bluegreen_tests::{Agent, folder, free_ports, gateway_api, log, program, version_at};
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{DynamicObject, PostParams};
use kube::core::GroupVersionKind;
use kube::discovery::ApiResource;
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::process::Child;

/// How long a gateway may take to start.
const PATIENCE: Duration = Duration::from_mins(1);

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
            let mut kubectl = program("BLUEGREEN_KUBECTL");
            kubectl.args(["apply", "--server-side", "-f"]);
            let applied = kubectl.arg(env::var_os("BLUEGREEN_CONTOUR_CRDS").unwrap()).status();
            assert!(applied.await.unwrap().success(), "Contour's resources should be defined");
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
            Through::Traefik => traefik(agent).await,
            Through::Contour => contour(agent).await,
        };
        let answering = async {
            while version_at(address).await.is_err() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let answered = tokio::time::timeout(PATIENCE, answering).await;
        assert!(answered.is_ok(), "{through:?} does not answer at {address} after {PATIENCE:?}");
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

async fn traefik(agent: &Agent) -> (SocketAddr, Vec<Child>) {
    let namespace = agent.namespace().name();
    let [front] = free_ports();
    listen(agent, front).await;
    let traefik = program("BLUEGREEN_TRAEFIK")
        .arg(format!("--entrypoints.web.address=127.0.0.1:{front}"))
        .arg("--providers.kubernetesgateway=true")
        .arg(format!("--providers.kubernetesgateway.namespaces={namespace}"))
        .args(["--global.checknewversion=false", "--global.sendanonymoususage=false"])
        .stderr(log(&folder(namespace), "traefik"))
        .spawn();
    (SocketAddr::from(([127, 0, 0, 1], front)), vec![traefik.unwrap()])
}

/// What Contour adds to the port of a listener for the one that Envoy listens at.
const ADDED: u16 = 8000;

async fn contour(agent: &Agent) -> (SocketAddr, Vec<Child>) {
    let namespace = agent.namespace().name();
    let [xds, metrics, health, debug, front, stats] = free_ports();
    listen(agent, front - ADDED).await;
    let folder = folder(namespace);
    let config = folder.join("contour.yaml");
    let gateway = json!({"gateway": {"gatewayRef": {"namespace": namespace, "name": "public"}}});
    // JSON is YAML, too.
    std::fs::write(&config, gateway.to_string()).unwrap();
    let bootstrap = bootstrap(&folder, xds).await;
    let contour = program("BLUEGREEN_CONTOUR")
        .args(["serve", "--insecure", "--disable-leader-election"])
        .arg(format!("--config-path={}", config.display()))
        .arg(format!("--kubeconfig={}", env::var("KUBECONFIG").unwrap()))
        .arg(format!("--watch-namespaces={namespace}"))
        .args(["--disable-feature=tlsroutes", "--disable-feature=backendtlspolicies"])
        .args(["--disable-feature=tcproutes", "--disable-feature=extensionservices"])
        .args(["--xds-address=127.0.0.1", &format!("--xds-port={xds}")])
        .args(["--http-address=127.0.0.1", &format!("--http-port={metrics}")])
        .args(["--health-address=127.0.0.1", &format!("--health-port={health}")])
        .args(["--debug-http-address=127.0.0.1", &format!("--debug-http-port={debug}")])
        .args(["--stats-address=127.0.0.1", &format!("--stats-port={stats}")])
        .stderr(log(&folder, "contour"))
        .spawn();
    let envoy = program("BLUEGREEN_ENVOY")
        .args(["--use-dynamic-base-id", "--concurrency", "2"])
        .args(["--service-cluster", "test", "--service-node", "test", "-c"])
        .arg(&bootstrap)
        .stderr(log(&folder, "envoy"))
        .spawn();
    (SocketAddr::from(([127, 0, 0, 1], front)), vec![contour.unwrap(), envoy.unwrap()])
}

/// What Envoy starts with.
async fn bootstrap(folder: &Path, xds: u16) -> std::path::PathBuf {
    let bootstrap = folder.join("envoy.json");
    let made = program("BLUEGREEN_CONTOUR")
        .arg("bootstrap")
        .arg(&bootstrap)
        .args(["--xds-address=127.0.0.1", &format!("--xds-port={xds}")])
        .arg(format!("--admin-address={}", folder.join("admin.sock").display()))
        .status();
    assert!(made.await.unwrap().success(), "contour should write {}", bootstrap.display());
    bootstrap
}
