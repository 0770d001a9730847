//! Evidence by answers, through an ingress controller that is a real socket.

use bluegreen_core::Vantage;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::*;

/// Answers each request by the version that `answer` makes of its number.
async fn controller(
    answer: impl Fn(u32) -> &'static str + Send + 'static,
) -> (EvidenceKind, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let mut task = JoinSet::new();
    task.spawn(async move {
        let mut number = 0;
        while let Ok((mut stream, _)) = listener.accept().await {
            number += 1;
            let mut request = [0; 1024];
            // Whoever asked may be gone.
            let _ = stream.read(&mut request).await;
            let said = format!(
                "HTTP/1.1 200 OK\r\nX-Agent-Version: {}\r\nContent-Length: 0\r\n\r\n",
                answer(number)
            );
            let _ = stream.write_all(said.as_bytes()).await;
        }
    });
    (EvidenceKind::Answers { vantage: Vantage::Url { url }, in_a_row: 5 }, task)
}

#[tokio::test]
async fn a_controller_that_is_late_is_waited_for() {
    let stand_in = world().await;
    let switch = switch(&stand_in);
    switch.fence(ONE).await.unwrap();
    switch.shift(&blue(), &green(), ONE).await.unwrap();
    let (kind, _task) = controller(|number| if number < 3 { "1-blue" } else { "1-green" }).await;
    let evidence = switch.converge(&green(), &kind).await.unwrap();
    let EvidenceKind::Answers { vantage: Vantage::Url { url }, .. } = &kind else { panic!() };
    let place = url.replace("http://", "");
    assert_eq!(
        evidence.detail,
        format!(
            "5 fresh connections in a row to {place} answered by 1-green; ingress agent: green \
             100 %; service agent-green: 2 serving endpoints in 1 slice, all of green"
        )
    );
    let to = green();
    let (kind, _task) = controller(|_| "1-blue").await;
    let waiting = switch.converge(&to, &kind);
    let early = tokio::time::timeout(Duration::from_millis(200), waiting).await;
    assert!(early.is_err(), "it still leads to blue: {early:?}");
}

#[tokio::test]
async fn an_ingress_has_no_address_inside_the_cluster() {
    let stand_in = world().await;
    let switch = switch(&stand_in);
    let kind = EvidenceKind::answers(5);
    let problems = switch.check(&[green()], &kind).await.unwrap();
    assert!(problems.iter().any(|it| it.code == "unreachable-vantage"), "{problems:?}");
    let error = switch.converge(&blue(), &kind).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected);
}
