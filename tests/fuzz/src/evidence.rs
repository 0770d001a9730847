//! Fresh connections that are to show which version answers.

use std::net::SocketAddr;
use std::time::Duration;

use bluegreen_core::{Color, EvidenceKind, Routing, SwitchStrategy as _, Vantage};
use bluegreen_kube::{ServiceSwitch, Settings, VersionSource};
use serde_json::json;

use crate::http1::pod;
use crate::server::Server;

/// Longer than two answers and the pause between them.
const LIMIT: Duration = Duration::from_millis(25);

/// Asks what is at this address until it is the candidate, for a moment.
pub(crate) async fn ask(at: SocketAddr) {
    let service = json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "agent", "namespace": "ns", "uid": "u", "resourceVersion": "7"},
        "spec": {"selector": {"app": "agent", "slot": "green"}, "ports": [{"port": 80}]},
    });
    let server = Server::of(vec![service, pod(at.port())]);
    let url = format!("http://{at}/version");
    let evidence = EvidenceKind::Answers { vantage: Vantage::Url { url }, in_a_row: 1 };
    let sources = [
        VersionSource::Header("x-agent-version".to_owned()),
        VersionSource::JsonPointer("/version".to_owned()),
        VersionSource::None,
    ];
    for source in sources {
        let switch = ServiceSwitch::new(server.client(), Settings::new("agent", "ns"));
        let switch = switch.with_version(source);
        let to = Routing::all(Color::Green);
        // That it is not the candidate is no finding.
        let _ = tokio::time::timeout(LIMIT, switch.converge(&to, &evidence)).await;
    }
}
