//! Evidence by answers, through a gateway that is a real socket.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bluegreen_core::Vantage;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::*;

/// Answers each request by what `answer` makes of its text and its number.
async fn gateway(
    answer: impl Fn(&str, u32) -> &'static str + Send + 'static,
) -> (EvidenceKind, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let mut task = JoinSet::new();
    task.spawn(async move {
        let mut number = 0;
        while let Ok((mut stream, _)) = listener.accept().await {
            number += 1;
            let mut request = [0; 1024];
            let read = stream.read(&mut request).await.unwrap_or(0);
            let version = answer(&String::from_utf8_lossy(&request[..read]), number);
            let said = format!(
                "HTTP/1.1 200 OK\r\nX-Agent-Version: {version}\r\nContent-Length: 0\r\n\r\n"
            );
            // Whoever asked may be gone.
            let _ = stream.write_all(said.as_bytes()).await;
        }
    });
    (EvidenceKind::Answers { vantage: Vantage::Url { url }, in_a_row: 5 }, task)
}

async fn routed(to: &Routing) -> (StandIn, RouteWeights) {
    let stand_in = world().await;
    let switch = switch(&stand_in).with_cookie_pins();
    switch.fence(ONE).await.unwrap();
    switch.shift(&blue(), to, ONE).await.unwrap();
    (stand_in, switch)
}

fn place(kind: &EvidenceKind) -> String {
    match kind {
        EvidenceKind::Answers { vantage: Vantage::Url { url }, .. } => url.replace("http://", ""),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_whole_slot_answers_every_time() {
    let (_stand_in, switch) = routed(&green()).await;
    let (kind, _task) = gateway(|_, number| if number < 3 { "1-blue" } else { "1-green" }).await;
    let evidence = switch.converge(&green(), &kind).await.unwrap();
    let wanted = format!("5 fresh connections in a row to {} answered by 1-green", place(&kind));
    assert!(evidence.detail.starts_with(&wanted), "{evidence}");
}

/// With a share of 5 % many rows of five are right by chance.
#[tokio::test]
async fn a_row_that_is_right_by_chance_is_not_believed() {
    let (_stand_in, switch) = routed(&green()).await;
    let asked = Arc::new(AtomicU32::new(0));
    let seen = asked.clone();
    let (kind, _task) = gateway(move |_, number| {
        seen.store(number, Ordering::Relaxed);
        if number == 20 { "1-blue" } else { "1-green" }
    })
    .await;
    let evidence = switch.converge(&green(), &kind).await.unwrap();
    let asked = asked.load(Ordering::Relaxed);
    assert!(asked >= 25, "it was believed after {asked}");
    assert!(evidence.detail.contains("and all others within 1.5s"), "{evidence}");
}

#[tokio::test]
async fn a_share_is_not_verified_without_pins() {
    let (_stand_in, switch) = routed(&canary(5)).await;
    let (kind, _task) = gateway(|_, _| "1-blue").await;
    let evidence = switch.converge(&canary(5), &kind).await.unwrap();
    let wanted = format!(
        "5 fresh connections in a row to {} answered by 1-blue or 1-green, share not verified; ",
        place(&kind)
    );
    assert!(evidence.detail.starts_with(&wanted), "{evidence}");
}

#[tokio::test]
async fn a_pinned_request_has_to_be_answered_by_its_slot() {
    let mut to = pinned(canary(5));
    let (name, value) = ("slot".to_owned(), "green".to_owned());
    to.pins[1] = Pin::Cookie { name, value, color: Green };
    let (_stand_in, switch) = routed(&to).await;
    let obedient = |request: &str, _| {
        if request.contains("cookie: slot=green\r\n") { "1-green" } else { "1-blue" }
    };
    let (kind, _task) = gateway(obedient).await;
    let evidence = switch.converge(&to, &kind).await.unwrap();
    let wanted = "a request pinned to blue answered by it, a request pinned to green answered by \
                  it; ";
    assert!(evidence.detail.contains(wanted), "{evidence}");
    let (kind, _task) = gateway(|_, _| "1-blue").await;
    let waiting = switch.converge(&to, &kind);
    let early = tokio::time::timeout(Duration::from_millis(200), waiting).await;
    assert!(early.is_err(), "nobody answers for green: {early:?}");
}

#[tokio::test]
async fn a_route_has_no_address_inside_the_cluster() {
    let (_stand_in, switch) = routed(&green()).await;
    let kind = EvidenceKind::answers(5);
    let problems = switch.check(&[blue()], &kind).await.unwrap();
    assert!(problems.iter().any(|it| it.code == "unreachable-vantage"), "{problems:?}");
    let error = switch.converge(&green(), &kind).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected);
}
