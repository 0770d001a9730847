//! The promises of every agent client, kept by the one of fixed addresses.

use std::sync::Arc;

use bluegreen_core::conformance::client::ClientFixture;
use bluegreen_core::{AgentClient, PodRef, Target};
use bluegreen_validate::AddressClient;
use bytes::Bytes;
use http::Request;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

bluegreen_core::client_conformance_tests!(async || {
    let mut agents = JoinSet::new();
    let mut pods = Vec::new();
    for _ in 0..2 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let name = listener.local_addr().unwrap().to_string();
        pods.push(PodRef::new(&name, &name));
        agents.spawn(agent(listener, name));
    }
    let request = |path: &str| Request::get(path).body(Bytes::new()).unwrap();
    ClientFixture {
        client: Arc::new(AddressClient::new(pods.iter().map(|pod| pod.name.clone()))),
        pods,
        who: request("/who"),
        failing: request("/failing"),
        endless: request("/endless"),
        silent: Arc::new(AddressClient::new([""; 0])),
        guard: Box::new(agents),
    }
});

/// Answers as its path says, one connection at a time.
async fn agent(listener: TcpListener, name: String) {
    while let Ok((stream, _)) = listener.accept().await {
        let mut stream = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if stream.read_line(&mut head).await.unwrap_or_default() == 0 {
                break;
            }
        }
        let status = if head.contains("/failing") { 500 } else { 200 };
        let answer = format!("HTTP/1.1 {status} x\r\nconnection: close\r\n\r\n{name}");
        let mut sent = stream.get_mut().write_all(answer.as_bytes()).await;
        while head.contains("/endless") && sent.is_ok() {
            sent = stream.get_mut().write_all(b"and on").await;
        }
    }
}

#[tokio::test]
async fn an_address_at_which_nobody_is_cannot_be_reached() {
    let client = AddressClient::new(["127.0.0.1:1"]);
    let request = Request::get("/").body(Bytes::new()).unwrap();
    let error = client.send(&Target::Any, request).await.unwrap_err();
    assert!(error.chain().starts_with("connect to 127.0.0.1:1: "), "{}", error.chain());
}
