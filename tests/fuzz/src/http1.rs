//! Bytes of a real connection in place of HTTP, through every client that reads answers.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use bluegreen_core::{AgentClient, PodRef, Target};
use bluegreen_kube::{PodClient, Route, Settings};
use bluegreen_validate::AddressClient;
use bytes::Bytes;
use http::Request;
use serde_json::{Value, json};

use crate::server::Server;
use crate::{evidence, shown};

/// Longer than any answer here takes: everything is sent at once, and then the connection ends.
const LIMIT: Duration = Duration::from_secs(5);

pub(crate) fn run(given: &[u8]) {
    static ENDPOINT: OnceLock<Endpoint> = OnceLock::new();
    let endpoint = ENDPOINT.get_or_init(Endpoint::start);
    given.clone_into(&mut endpoint.says.lock().unwrap());
    thread_local! {
        static RUNTIME: tokio::runtime::Runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    }
    let talk = async {
        let direct = AddressClient::new([endpoint.address.to_string()]);
        read(&direct, &Target::Any, given).await;
        let server = Server::of(vec![pod(endpoint.address.port())]);
        let pods = PodClient::new(server.client(), Settings::new("agent", "ns"), "slot=green");
        let pods = pods.with_route(Route::PodIp).pooled();
        let pod = Target::Pod(PodRef::new("agent-green-0", "uid-0"));
        read(&pods, &pod, given).await;
        read(&pods, &pod, given).await;
        // Each wrong answer is followed by a pause.
        if given.len().is_multiple_of(16) {
            evidence::ask(endpoint.address).await;
        }
    };
    let done =
        RUNTIME.with(|runtime| runtime.block_on(async { tokio::time::timeout(LIMIT, talk).await }));
    assert!(done.is_ok(), "an answer ends with its connection");
}

async fn read(client: &dyn AgentClient, to: &Target, given: &[u8]) {
    let request = Request::get("/").body(Bytes::new()).unwrap();
    let answer = match client.send(to, request).await {
        Ok(answer) => answer,
        Err(error) => return shown(&error, given),
    };
    let (head, body) = answer.into_parts();
    assert!(head.headers.len() <= 200, "{} headers", head.headers.len());
    match body.collect(1 << 16).await {
        Ok(body) => assert!(body.len() <= given.len(), "a body is no longer than what was sent"),
        Err(error) => shown(&error, given),
    }
}

pub(crate) fn pod(port: u16) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": "agent-green-0", "namespace": "ns", "uid": "uid-0",
            "labels": {"app": "agent", "slot": "green", "version": "1.3.0"},
        },
        "spec": {"containers": [{"name": "agent", "ports": [{"containerPort": port}]}]},
        "status": {
            "podIP": "127.0.0.1", "conditions": [{"type": "Ready", "status": "True"}],
        },
    })
}

/// A server that says the same to every request, whatever it is.
struct Endpoint {
    address: SocketAddr,
    says: Arc<Mutex<Vec<u8>>>,
}

impl Endpoint {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let says = Arc::<Mutex<Vec<u8>>>::default();
        let said = Arc::clone(&says);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let answer = said.lock().unwrap().clone();
                // What goes wrong here is that the client has hung up.
                let _ = serve(stream, &answer);
            }
        });
        Self { address, says }
    }
}

fn serve(mut stream: TcpStream, answer: &[u8]) -> std::io::Result<()> {
    stream.set_read_timeout(Some(LIMIT))?;
    let mut request = Vec::new();
    let mut buffer = [0; 1024];
    while !request.ends_with(b"\r\n\r\n") {
        let count = stream.read(&mut buffer)?;
        if count == 0 {
            return Ok(());
        }
        request.extend_from_slice(&buffer[..count]);
    }
    stream.write_all(answer)?;
    stream.shutdown(Shutdown::Write)
}
