//! Proxies that are configured from the cluster, as processes beside it.

use std::env;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::process::Child;

use crate::{Agent, folder, free_ports, log, program, version_at};

/// How long a proxy may take to start.
const PATIENCE: Duration = Duration::from_mins(1);

/// Traefik's provider for Ingresses with the annotations of ingress-nginx.
pub const NGINX: &str = "kubernetesingressnginx";

/// Starts both for the namespace of an agent, Contour with these arguments too. Both end with what is
/// returned.
pub async fn contour(agent: &Agent, arguments: &[String]) -> Vec<Child> {
    let namespace = agent.namespace().name();
    let [xds, metrics, health, debug, stats] = free_ports();
    let folder = folder(namespace);
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
        .arg(format!("--watch-namespaces={namespace}"))
        .args(["--xds-address=127.0.0.1", &format!("--xds-port={xds}")])
        .args(["--http-address=127.0.0.1", &format!("--http-port={metrics}")])
        .args(["--health-address=127.0.0.1", &format!("--health-port={health}")])
        .args(["--debug-http-address=127.0.0.1", &format!("--debug-http-port={debug}")])
        .args(["--stats-address=127.0.0.1", &format!("--stats-port={stats}")])
        .args(arguments)
        .stderr(log(&folder, "contour"))
        .spawn();
    let envoy = program("BLUEGREEN_ENVOY")
        .args(["--use-dynamic-base-id", "--concurrency", "2"])
        .args(["--service-cluster", "test", "--service-node", "test", "-c"])
        .arg(&bootstrap)
        .stderr(log(&folder, "envoy"))
        .spawn();
    vec![contour.unwrap(), envoy.unwrap()]
}

/// Defines in the cluster what Contour wants to find there.
pub async fn define_contour() {
    let mut kubectl = program("BLUEGREEN_KUBECTL");
    kubectl.args(["apply", "--server-side", "-f"]);
    let applied = kubectl.arg(env::var_os("BLUEGREEN_CONTOUR_CRDS").unwrap()).status();
    assert!(applied.await.unwrap().success(), "Contour's resources should be defined");
}

/// Starts Traefik at a port of its own for the namespace of an agent, with one of its providers.
pub fn traefik(agent: &Agent, front: u16, provider: &str) -> Vec<Child> {
    let namespace = agent.namespace().name();
    // Its provider of ingress-nginx's annotations has that one's option.
    let only = if provider == NGINX { "watchnamespace" } else { "namespaces" };
    let traefik = program("BLUEGREEN_TRAEFIK")
        .arg(format!("--entrypoints.web.address=127.0.0.1:{front}"))
        .arg(format!("--providers.{provider}=true"))
        .arg(format!("--providers.{provider}.{only}={namespace}"))
        .args(["--global.checknewversion=false", "--global.sendanonymoususage=false"])
        .stderr(log(&folder(namespace), "traefik"))
        .spawn();
    vec![traefik.unwrap()]
}

/// Returns once the agent answers there.
pub async fn reachable(what: &str, address: SocketAddr) {
    let answering = async {
        while version_at(address).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let answered = tokio::time::timeout(PATIENCE, answering).await;
    assert!(answered.is_ok(), "{what} does not answer at {address} after {PATIENCE:?}");
}
