//! Releases by the paths of an Ingress, through real ingress controllers.

use std::net::SocketAddr;

use bluegreen_core::{EvidenceKind, Outcome, PhaseName, Reason, Vantage};
use bluegreen_tests::{
    Agent, INGRESS, Load, Manifests, WARM, change, contour, free_ports, plan, reachable, reaches,
    seconds, traefik,
};
use k8s_openapi::api::networking::v1::Ingress;
use tokio::process::Child;

use crate::gateway::Through;
use crate::share::Answers;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ingress_through_traefik() {
    Box::pin(there_and_back(Through::Traefik)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ingress_through_contour() {
    Box::pin(there_and_back(Through::Contour)).await;
}

/// To green, and back by another process while it bakes: no request may fail, and after each move
/// all of many fresh connections are answered by the right slot.
async fn there_and_back(through: Through) {
    through.prepare().await;
    let agent = Agent::of(Manifests::shipped().sized(2, 0).behind_ingress()).await;
    let (address, _programs) = front(through, &agent).await;
    reachable(&format!("{through:?}"), address).await;
    let connect = async |holder| {
        let builder = agent.builder(holder).ingress(INGRESS);
        builder.backends(|it| it.ignore_ingress(WARM)).connect().await.unwrap()
    };
    let (one, two) = (connect("one").await, connect("two").await);
    let ingresses = agent.api::<Ingress>();
    let before = ingresses.get(INGRESS).await.unwrap().spec;

    let load = Load::start(address);
    let vantage = Vantage::Url { url: format!("http://{address}/") };
    let plan = plan(seconds(120)).evidence(EvidenceKind::Answers { vantage, in_a_row: 20 });
    let release = {
        let releaser = one.releaser();
        tokio::spawn(async move { releaser.run(change("1.3.0"), &plan).await })
    };
    reaches(&two, PhaseName::Baking).await;
    let answers = Answers::of(address, 500).await;
    assert_eq!(answers.by("1.3.0"), 500, "{answers:?}");

    two.operations().rollback("ann", "wrong refunds").await.unwrap();
    let ended = release.await.unwrap().unwrap();
    let is_asked = matches!(&ended, Outcome::RolledBack { reason: Reason::Requested { .. } });
    assert!(is_asked, "{ended}");
    let answers = Answers::of(address, 500).await;
    assert_eq!(answers.by("1.2.0"), 500, "{answers:?}");
    let tally = load.stop().await;
    println!("{through:?}: {tally}");
    assert!(tally.failures.is_empty(), "{tally}");
    assert!(tally.answers["1.2.0"] > 0 && tally.answers["1.3.0"] > 0, "{tally}");

    two.detach().await.unwrap();
    let after = ingresses.get(INGRESS).await.unwrap();
    assert_eq!(after.spec, before, "all of it is as it was");
    let annotations = after.metadata.annotations.unwrap_or_default();
    let ours = annotations.keys().find(|key| key.starts_with(bluegreen_kube::PREFIX));
    assert_eq!(ours, None);
}

/// A controller of the agent's own, so that no request has to say whose it is.
async fn front(through: Through, agent: &Agent) -> (SocketAddr, Vec<Child>) {
    let [front] = free_ports();
    let programs = match through {
        Through::Traefik => traefik(agent, front, "kubernetesingress"),
        Through::Contour => {
            let address = "--envoy-service-http-address=127.0.0.1".to_owned();
            let arguments = [address, format!("--envoy-service-http-port={front}")];
            contour(agent, &arguments).await
        }
    };
    (SocketAddr::from(([127, 0, 0, 1], front)), programs)
}
