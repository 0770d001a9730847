use std::collections::BTreeMap;
use std::time::Duration;

use bluegreen_core::conformance::client::ClientFixture;
use http::StatusCode;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::*;

mod hostile;

bluegreen_core::client_conformance_tests!(fresh: async || fixture(|client| client).await);
bluegreen_core::client_conformance_tests!(pooled: async || fixture(PodClient::pooled).await);

async fn fixture(how: fn(PodClient) -> PodClient) -> ClientFixture {
    let slot = Slot::start(["green-1", "green-2"]).await;
    let get = |path: &str| Request::get(path).body(Bytes::new()).unwrap();
    ClientFixture {
        client: Arc::new(how(slot.client())),
        pods: ["green-1", "green-2"].map(|name| PodRef::new(name, format!("uid-{name}"))).into(),
        who: get("/who?am=i"),
        failing: get("/failing"),
        endless: get("/endless"),
        silent: Arc::new(how(PodClient::new(
            slot.api.clone(),
            Settings::new("agent", "ns"),
            "slot=blue",
        ))),
        guard: Box::new(slot),
    }
}

/// Pods that are small HTTP servers on loopback, and an API server that lists them.
struct Slot {
    api: Client,
    _pods: JoinSet<()>,
}

impl Slot {
    async fn start(names: impl IntoIterator<Item = &'static str>) -> Self {
        let mut tasks = JoinSet::new();
        let mut pods = Vec::new();
        for name in names {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let port = listener.local_addr().unwrap().port();
            pods.push(pod(name, port, true));
            pods.push(pod(&format!("{name}-not-ready"), port, false));
            tasks.spawn(serve(name, listener));
        }
        Self { api: listing(pods), _pods: tasks }
    }

    fn client(&self) -> PodClient {
        let settings = Settings::new("agent", "ns");
        PodClient::new(self.api.clone(), settings, "slot=green").with_route(Route::PodIp)
    }
}

fn pod(name: &str, port: u16, is_ready: bool) -> Value {
    let status = if is_ready { "True" } else { "False" };
    json!({
        "metadata": {"name": name, "uid": format!("uid-{name}"), "labels": {"slot": "green"}},
        "spec": {"containers": [{"name": "agent", "ports": [
            {"containerPort": 1, "protocol": "UDP"}, {"containerPort": port},
        ]}]},
        "status": {
            "podIP": "127.0.0.1", "conditions": [{"type": "Ready", "status": status}],
        },
    })
}

/// An API server that knows these pods and the two selectors that a client asks with.
fn listing(pods: Vec<Value>) -> Client {
    let pods = Arc::new(pods);
    let service = tower::service_fn(move |request: Request<Body>| {
        let query = request.uri().query().unwrap_or_default().replace("%3D", "=");
        let query: BTreeMap<String, String> = query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        assert_eq!(request.uri().path(), "/api/v1/namespaces/ns/pods");
        let name = query.get("fieldSelector").map(|it| it.replace("metadata.name=", ""));
        let mut items: Vec<Value> = Vec::clone(&pods);
        items.retain(|pod| {
            query["labelSelector"] == "slot=green"
                && name.as_ref().is_none_or(|name| pod["metadata"]["name"] == **name)
        });
        let list = json!({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items});
        std::future::ready(Ok::<_, std::convert::Infallible>(Response::new(Body::from(
            list.to_string().into_bytes(),
        ))))
    });
    Client::new(service, "ns")
}

/// Answers any number of requests on any number of connections.
async fn serve(name: &'static str, listener: TcpListener) {
    let mut connections = JoinSet::new();
    for number in 1.. {
        let Ok((stream, _)) = listener.accept().await else { return };
        connections.spawn(converse(name, number, stream));
    }
}

async fn converse(name: &'static str, number: u32, stream: TcpStream) -> Option<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let (mut head, mut length) = (Vec::new(), 0);
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await.ok()? == 0 {
                return None;
            }
            if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().ok()?;
            }
            if line == "\r\n" {
                break;
            }
            head.push(line.trim().to_owned());
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.ok()?;
        let request = head.first()?.clone();
        if request.contains("/endless") {
            let piece = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n";
            stream.write_all(piece.as_bytes()).await.ok()?;
            // It ends when nobody listens any more.
            stream.read_u8().await.ok()?;
        }
        if request.contains("/breaks") {
            let piece = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf";
            stream.write_all(piece.as_bytes()).await.ok()?;
            return None;
        }
        let status = if request.contains("/failing") { "500 Oh" } else { "200 OK" };
        let text = json!({
            "pod": name, "connection": number, "head": head,
            "body": String::from_utf8_lossy(&body),
        })
        .to_string();
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{text}", text.len());
        stream.write_all(answer.as_bytes()).await.ok()?;
    }
}

fn green_1() -> Target {
    Target::Pod(PodRef::new("green-1", "uid-green-1"))
}

async fn ask(client: &PodClient, request: Request<Bytes>) -> Value {
    let answer = client.send(&green_1(), request).await.unwrap();
    let body = answer.into_body().collect(1 << 20).await.unwrap();
    serde_json::from_slice(&body).unwrap()
}

fn get(path: &str) -> Request<Bytes> {
    Request::get(path).body(Bytes::new()).unwrap()
}

#[tokio::test]
async fn a_request_arrives_as_it_is_with_a_host() {
    let client = Slot::start(["green-1"]).await;
    let request = Request::post("http://elsewhere/chat?a=b")
        .header("x-conversation", "7")
        .body(Bytes::from_static(b"hello"))
        .unwrap();
    let seen = ask(&client.client(), request).await;
    assert_eq!(seen["head"][0], "POST /chat?a=b HTTP/1.1");
    assert_eq!(seen["body"], "hello");
    let head = seen["head"].to_string();
    assert!(head.contains("x-conversation: 7") && head.contains("host: 127.0.0.1:"), "{head}");
    let own = Request::get("/").header("host", "agent.example.com").body(Bytes::new()).unwrap();
    let head = ask(&client.client(), own).await["head"].to_string();
    assert!(head.contains("host: agent.example.com") && !head.contains("127.0.0.1"), "{head}");
}

#[tokio::test]
async fn connections_are_fresh_unless_they_are_pooled() {
    let slot = Slot::start(["green-1"]).await;
    let fresh = slot.client();
    assert_eq!(ask(&fresh, get("/")).await["connection"], 1);
    assert_eq!(ask(&fresh, get("/")).await["connection"], 2);
    let pooled = slot.client().pooled();
    assert_eq!(ask(&pooled, get("/")).await["connection"], 3);
    assert_eq!(ask(&pooled, get("/")).await["connection"], 3);
    // A body that was not read to its end takes its connection with it.
    let answer = pooled.send(&green_1(), get("/endless")).await.unwrap();
    drop(answer);
    assert_eq!(ask(&pooled, get("/")).await["connection"], 4);
}

#[tokio::test]
async fn a_body_that_breaks_off_is_an_error_after_what_came() {
    let slot = Slot::start(["green-1"]).await;
    let answer = slot.client().send(&green_1(), get("/breaks")).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let mut body = answer.into_body();
    assert_eq!(body.next().await.unwrap().unwrap(), "half");
    let error = body.next().await.unwrap().unwrap_err();
    assert_eq!(error.action(), "read the answer of pod ns/green-1");
    assert!(body.next().await.is_none(), "after the error it is over");
}

#[tokio::test]
async fn a_pod_that_nobody_listens_in_is_unavailable() {
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let api = listing(vec![pod("green-1", port, true)]);
    let client = PodClient::new(api, Settings::new("agent", "ns"), "slot=green");
    let client = client.with_route(Route::PodIp);
    let error = client.send(&green_1(), get("/")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{}", error.chain());
}

#[tokio::test]
async fn a_namesake_of_another_identity_is_not_found() {
    let slot = Slot::start(["green-1"]).await;
    let client = slot.client();
    client.pods().await.unwrap();
    let other = Target::Pod(PodRef::new("green-1", "uid-of-one-that-is-gone"));
    let error = client.send(&other, get("/")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{}", error.chain());
}

#[tokio::test]
async fn dropping_the_answer_closes_the_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let api = listing(vec![pod("green-1", port, true)]);
    let client = PodClient::new(api, Settings::new("agent", "ns"), "slot=green");
    let client = client.with_route(Route::PodIp);
    let answer = async { client.send(&green_1(), get("/")).await.unwrap() };
    let server = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        stream
    };
    let (answer, mut stream) = tokio::join!(answer, server);
    drop(answer);
    let rest = async { stream.read_to_end(&mut Vec::new()).await };
    tokio::time::timeout(Duration::from_secs(10), rest).await.expect("it is closed").ok();
}
