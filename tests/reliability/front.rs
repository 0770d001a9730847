//! What stands between clients and pods: kube-proxy alone, or a proxy that is configured from the
//! cluster.

use std::env;
use std::net::SocketAddr;
use std::time::Duration;

use bluegreen_core::{EvidenceKind, Vantage};
use bluegreen_tests::{Agent, folder, free_ports, log, program, version_at};
use k8s_openapi::api::networking::v1::Ingress;
use kube::api::PostParams;
use serde_json::json;
use tokio::process::Child;

/// How long a proxy may take to start.
const PATIENCE: Duration = Duration::from_mins(1);

/// What traffic goes through.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Through {
    /// The Service's address, which kube-proxy makes lead to pods.
    Service,
    /// An Envoy that Contour configures.
    Contour,
    /// Traefik.
    Traefik,
}

/// Where the clients of one agent go. A proxy ends with it.
#[derive(Debug)]
pub(crate) struct Front {
    address: SocketAddr,
    through: Through,
    _programs: Vec<Child>,
}

impl Through {
    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "service" => Self::Service,
            "contour" => Self::Contour,
            "traefik" => Self::Traefik,
            _ => return None,
        })
    }

    /// Makes in the cluster what its proxies want to find there.
    pub(crate) async fn prepare(self) {
        if self == Self::Contour {
            let mut kubectl = program("BLUEGREEN_KUBECTL");
            kubectl.args(["apply", "--server-side", "-f"]);
            let applied = kubectl.arg(env::var_os("BLUEGREEN_CONTOUR_CRDS").unwrap()).status();
            assert!(applied.await.unwrap().success(), "Contour's resources should be defined");
        }
    }

    /// A proxy of the agent's own, so that no request has to say whose it is.
    pub(crate) async fn front(self, agent: &Agent) -> Front {
        let (address, programs) = match self {
            Self::Service => (agent.address(), Vec::new()),
            Self::Contour => contour(agent).await,
            Self::Traefik => traefik(agent).await,
        };
        let answering = async {
            while version_at(address).await.is_err() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let answered = tokio::time::timeout(PATIENCE, answering).await;
        assert!(answered.is_ok(), "{self:?} does not answer at {address} after {PATIENCE:?}");
        Front { address, through: self, _programs: programs }
    }
}

impl Front {
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The evidence that is seen from where the clients are.
    pub(crate) fn evidence(&self) -> EvidenceKind {
        let vantage = match self.through {
            Through::Service => Vantage::Cluster,
            Through::Contour | Through::Traefik => {
                Vantage::Url { url: format!("http://{}/", self.address) }
            }
        };
        EvidenceKind::Answers { vantage, in_a_row: 20 }
    }
}

/// An Ingress that leads everything to the live Service.
async fn ingress(agent: &Agent, annotations: serde_json::Value) {
    let backend = json!({"service": {"name": bluegreen_tests::SERVICE, "port": {"number": 80}}});
    let ingress = json!({"metadata": {"name": "agent", "annotations": annotations},
        "spec": {"defaultBackend": backend}});
    let ingress: Ingress = serde_json::from_value(ingress).unwrap();
    agent.api().create(&PostParams::default(), &ingress).await.unwrap();
}

async fn contour(agent: &Agent) -> (SocketAddr, Vec<Child>) {
    // Envoy would end a stream after 15 seconds.
    ingress(agent, json!({"projectcontour.io/response-timeout": "infinity"})).await;
    let [xds, metrics, health, debug, front, stats] = free_ports();
    let folder = folder(agent.namespace().name());
    let bootstrap = folder.join("envoy.json");
    let made = program("BLUEGREEN_CONTOUR")
        .arg("bootstrap")
        .arg(&bootstrap)
        .args(["--xds-address=127.0.0.1", &format!("--xds-port={xds}")])
        .arg(format!("--admin-address={}", folder.join("admin.sock").display()))
        .status();
    assert!(made.await.unwrap().success(), "contour should write {}", bootstrap.display());
    let contour = program("BLUEGREEN_CONTOUR")
        .args(["serve", "--insecure", "--disable-leader-election"])
        .arg(format!("--kubeconfig={}", env::var("KUBECONFIG").unwrap()))
        .arg(format!("--watch-namespaces={}", agent.namespace().name()))
        .args(["--xds-address=127.0.0.1", &format!("--xds-port={xds}")])
        .args(["--http-address=127.0.0.1", &format!("--http-port={metrics}")])
        .args(["--health-address=127.0.0.1", &format!("--health-port={health}")])
        .args(["--debug-http-address=127.0.0.1", &format!("--debug-http-port={debug}")])
        .args(["--stats-address=127.0.0.1", &format!("--stats-port={stats}")])
        .args(["--envoy-service-http-address=127.0.0.1"])
        .arg(format!("--envoy-service-http-port={front}"))
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

async fn traefik(agent: &Agent) -> (SocketAddr, Vec<Child>) {
    ingress(agent, json!({})).await;
    let namespace = agent.namespace().name();
    let [front] = free_ports();
    let traefik = program("BLUEGREEN_TRAEFIK")
        .arg(format!("--entrypoints.web.address=127.0.0.1:{front}"))
        .arg("--providers.kubernetesingress=true")
        .arg(format!("--providers.kubernetesingress.namespaces={namespace}"))
        .args(["--global.checknewversion=false", "--global.sendanonymoususage=false"])
        .stderr(log(&folder(namespace), "traefik"))
        .spawn();
    (SocketAddr::from(([127, 0, 0, 1], front)), vec![traefik.unwrap()])
}
