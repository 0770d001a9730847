//! Requests to the stand-in for the API server: test code of others hands it whatever it likes.

use bluegreen_kube::stand_in::StandIn;
use http::{Method, Request, header};
use kube::client::Body;
use serde_json::Value;

use crate::within;

/// More than that are not sent for one input.
const MOST: usize = 20;

/// A list of requests: `{"do": "POST /api/…", "type": "application/json", "body": {}}`.
pub(crate) fn run(given: &[u8]) {
    let Ok(Value::Array(requests)) = serde_json::from_slice(given) else { return };
    within(600, async {
        let stand_in = StandIn::new();
        let client = stand_in.client("ns");
        for asked in requests.iter().take(MOST) {
            let Some(request) = read(asked) else { continue };
            let Ok(answer) = client.send(request).await else { continue };
            let is_watch = asked["do"].as_str().is_some_and(|text| text.contains("watch"));
            if !is_watch {
                let body = answer.into_body().collect_bytes().await.expect("it answers whole");
                let answer: Value = serde_json::from_slice(&body).expect("with JSON");
                assert!(answer.is_object(), "{answer}");
            }
        }
        if let Some(edit) = requests.first() {
            stand_in.edit("ann", "deployments.apps", "ns", "agent-blue", &edit["body"]);
            stand_in.edit("ann", "pods", "ns", "agent-blue", &edit["body"]);
        }
        let pods = stand_in.pods("ns", &[]);
        assert!(pods.len() <= 10_000, "{} pods", pods.len());
        for pod in pods.iter().take(3) {
            stand_in.set_ready("ns", pod, false);
            stand_in.restart("ns", pod);
            stand_in.kill_pod("ns", pod);
        }
    })
    .expect("nothing hangs");
}

fn read(asked: &Value) -> Option<Request<Body>> {
    let (method, path) = asked["do"].as_str()?.split_once(' ')?;
    let body = match &asked["body"] {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        body => body.to_string(),
    };
    Request::builder()
        .method(Method::from_bytes(method.as_bytes()).ok()?)
        .uri(path)
        .header(header::CONTENT_TYPE, asked["type"].as_str().unwrap_or("application/json"))
        .body(Body::from(body.into_bytes()))
        .ok()
}
