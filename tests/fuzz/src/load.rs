//! What pods and Envoys say that they have in hand.

use std::sync::Arc;

use bluegreen_core::{Color, Load, Pair};
use bluegreen_validate::{EnvoyLoad, PodLoad};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::agent::Agent;
use crate::{agent, shown, within};

pub(crate) fn run(given: &[u8]) {
    // The first line is the content type.
    let at = given.iter().position(|byte| *byte == b'\n').unwrap_or(0);
    let (kind, body) = given.split_at(at);
    let mut headers = HeaderMap::new();
    if let Ok(kind) = HeaderValue::from_bytes(kind) {
        headers.insert(CONTENT_TYPE, kind);
    }
    let body = Bytes::copy_from_slice(body.strip_prefix(b"\n").unwrap_or(body));
    let agent = Agent { status: StatusCode::OK, headers, body: body.clone() };
    within(600, async {
        let mut ports = agent::cluster().ports("fuzz");
        ports.clients = Pair::from_fn(|_| Arc::new(agent.clone()) as _);
        let names = ["vllm:num_requests_running", "agent_inflight_requests"];
        let metrics = PodLoad::metrics(&ports, "/metrics", names);
        let labelled = PodLoad::metrics(&ports, "/metrics", names).with_label("engine", "0");
        let json = PodLoad::json(&ports, "/load", ["/busy", "/queues/0/length"]);
        let envoy = EnvoyLoad::new(Arc::new(agent.clone()), "blue", "green");
        let all = counted(&metrics, given).await;
        let some = counted(&labelled, given).await;
        if let (Some(all), Some(some)) = (all, some) {
            assert!(some <= all, "a label makes it no more: {some} of {all}");
        }
        counted(&json, given).await;
        counted(&envoy, given).await;
        if all == Some(0) {
            assert!(std::str::from_utf8(&body).is_ok_and(|text| text.contains(names[0])));
        }
    })
    .expect("a question ends");
}

async fn counted(load: &dyn Load, given: &[u8]) -> Option<u64> {
    match load.in_flight(Color::Blue).await {
        Ok(count) => Some(count.expect("it is counted")),
        Err(error) => {
            shown(&error, given);
            assert!(error.chain().len() < 1000, "{}", error.chain());
            None
        }
    }
}
