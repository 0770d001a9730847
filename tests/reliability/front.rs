//! What stands between clients and pods: kube-proxy alone, or a proxy that is configured from the
//! cluster.

use std::net::SocketAddr;

use bluegreen_core::{EvidenceKind, Vantage};
use bluegreen_tests::{Agent, contour, free_ports, reachable, traefik};
use k8s_openapi::api::networking::v1::Ingress;
use kube::api::PostParams;
use serde_json::json;
use tokio::process::Child;

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
            bluegreen_tests::define_contour().await;
        }
    }

    /// A proxy of the agent's own, so that no request has to say whose it is.
    pub(crate) async fn front(self, agent: &Agent) -> Front {
        let (address, programs) = match self {
            Self::Service => (agent.address(), Vec::new()),
            Self::Contour => through_contour(agent).await,
            Self::Traefik => through_traefik(agent).await,
        };
        reachable(&format!("{self:?}"), address).await;
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

async fn through_contour(agent: &Agent) -> (SocketAddr, Vec<Child>) {
    // Envoy would end a stream after 15 seconds.
    ingress(agent, json!({"projectcontour.io/response-timeout": "infinity"})).await;
    let [front] = free_ports();
    let address = "--envoy-service-http-address=127.0.0.1".to_owned();
    let arguments = [address, format!("--envoy-service-http-port={front}")];
    (SocketAddr::from(([127, 0, 0, 1], front)), contour(agent, &arguments).await)
}

async fn through_traefik(agent: &Agent) -> (SocketAddr, Vec<Child>) {
    ingress(agent, json!({})).await;
    let [front] = free_ports();
    (SocketAddr::from(([127, 0, 0, 1], front)), traefik(agent, front, "kubernetesingress"))
}
