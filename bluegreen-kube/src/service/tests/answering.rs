//! Evidence by answers over fresh connections, through a URL that leads to a real socket.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bluegreen_core::Vantage;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::*;

/// Answers each connection once, by what `answer` makes of its number.
struct Gateway {
    url: String,
    connections: Arc<AtomicU32>,
    _task: JoinSet<()>,
}

impl Gateway {
    async fn start(answer: impl Fn(u32) -> String + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let connections = Arc::new(AtomicU32::new(0));
        let counter = Arc::clone(&connections);
        let mut task = JoinSet::new();
        task.spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let number = counter.fetch_add(1, Ordering::Relaxed) + 1;
                let mut request = [0; 1024];
                let read = stream.read(&mut request).await.unwrap_or(0);
                assert!(request[..read].starts_with(b"GET /readyz HTTP/1.1\r\n"));
                // Whoever asked may be gone.
                let _ = stream.write_all(answer(number).as_bytes()).await;
            }
        });
        Self { url, connections, _task: task }
    }

    fn evidence(&self, in_a_row: u32) -> EvidenceKind {
        EvidenceKind::Answers { vantage: Vantage::Url { url: self.url.clone() }, in_a_row }
    }

    fn connections(&self) -> u32 {
        self.connections.load(Ordering::Relaxed)
    }
}

fn says(version: &str) -> String {
    let body = format!("{{\"version\":\"{version}\"}}");
    let length = body.len();
    format!(
        "HTTP/1.1 200 OK\r\nX-Agent-Version: {version}\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

/// Green is live.
async fn shifted() -> StandIn {
    let stand_in = world().await;
    edit(&stand_in, AGENT, &json!({"spec": {"selector": {"slot": "green"}}}));
    stand_in
}

#[tokio::test]
async fn one_wrong_answer_begins_the_count_anew() {
    let stand_in = shifted().await;
    let old = |number| number <= 2 || number == 6;
    let gateway =
        Gateway::start(move |number| says(if old(number) { "1-blue" } else { "1-green" })).await;
    let kind = gateway.evidence(5);
    let evidence = switch(&stand_in).converge(&Routing::all(Green), &kind).await.unwrap();
    // Two old ones, three right ones, an old one, and then five in a row.
    assert_eq!(gateway.connections(), 11);
    assert_eq!(evidence.kind, kind);
    let host = gateway.url.replace("http://", "");
    let wanted = format!("5 fresh connections in a row to {host} answered by 1-green; ");
    assert!(evidence.detail.starts_with(&wanted), "{evidence}");
}

#[tokio::test]
async fn answers_stay_right_for_some_time_where_there_are_several_slices() {
    let stand_in = shifted().await;
    let more = json!({
        "addressType": "IPv4",
        "metadata": {"name": "more", "labels": {crate::slices::SERVICE_NAME: AGENT}},
        "endpoints": [], "ports": [],
    });
    create::<EndpointSlice>(&stand_in, more).await;
    // The last slice has got through after the thirtieth.
    let gateway =
        Gateway::start(|number| says(if number == 30 { "1-blue" } else { "1-green" })).await;
    let converged = switch(&stand_in).converge(&Routing::all(Green), &gateway.evidence(5)).await;
    let connections = gateway.connections();
    assert!(connections >= 35, "it was believed after {connections}");
    let detail = converged.unwrap().detail;
    assert!(detail.contains("in a row and all others within 1.5s to"), "{detail}");
}

#[tokio::test]
async fn answers_of_the_other_version_are_no_evidence() {
    let stand_in = shifted().await;
    let gateway = Gateway::start(|_| says("1-blue")).await;
    let (switch, kind, to) = (switch(&stand_in), gateway.evidence(1), Routing::all(Green));
    let converged = switch.converge(&to, &kind);
    let converged = tokio::time::timeout(Duration::from_millis(200), converged).await;
    assert!(converged.is_err(), "{converged:?}");
    assert!(gateway.connections() > 1, "it keeps asking");
}

#[tokio::test]
async fn a_version_may_be_in_the_body_or_nowhere() {
    let stand_in = shifted().await;
    let bare = |number| {
        let status = if number == 1 { "503 Unavailable" } else { "404 Not Found" };
        format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n")
    };
    let nowhere = Gateway::start(bare).await;
    let to = Routing::all(Green);
    let any = switch(&stand_in).with_version(VersionSource::None);
    any.converge(&to, &nowhere.evidence(2)).await.unwrap();
    assert_eq!(nowhere.connections(), 3, "a server error is no answer of the agent's");
    let body = Gateway::start(|_| says("1-green").replace("X-Agent-Version", "X-Other")).await;
    let source = VersionSource::JsonPointer("/version".to_owned());
    let pointed = switch(&stand_in).with_version(source);
    pointed.converge(&to, &body.evidence(2)).await.unwrap();
    assert_eq!(body.connections(), 2);
}

#[test]
fn a_url_without_a_path_gets_the_probes() {
    let path = |url| crate::answers::parse(url, "/readyz").map(|address| address.path.to_string());
    assert_eq!(path("http://agent.example.com"), Ok("/readyz".to_owned()));
    assert_eq!(path("http://agent.example.com/"), Ok("/readyz".to_owned()));
    assert_eq!(path("http://agent.example.com:81/v?a=b"), Ok("/v?a=b".to_owned()));
    assert!(path("https://agent.example.com").unwrap_err().contains("wanted a URL"));
}
