//! Good and bad answers of real servers.

use bluegreen_core::Verdict;
use bluegreen_validate::{Request, Smoke, json};

use crate::loopback::Loopback;
use crate::server::{Server, answer, with};
use crate::world::{VERSION, judge, only, trial};
use bluegreen_core::Validator;

async fn good() -> Server {
    Server::http(|_| async { with(answer(200, "ok"), "x-agent-version", VERSION) }).await
}

#[tokio::test]
async fn every_pod_that_answers_as_expected_is_a_pass() {
    let servers = [good().await, good().await, good().await];
    let smoke = Smoke::get("/readyz").expect_version();
    let judgement = judge(smoke, Loopback::to(&servers)).await;
    assert_eq!(judgement.verdict, Verdict::Pass, "{judgement:#?}");
    assert_eq!(judgement.summary, "1 request to each of 3 pods, all as expected");
    let subjects: Vec<_> = judgement.evidence.iter().map(|it| it.subject.as_str()).collect();
    assert_eq!(subjects, ["pod agent-green-0", "pod agent-green-1", "pod agent-green-2"]);
    assert_eq!(judgement.evidence[0].asked, "GET /readyz");
    assert!(judgement.evidence[0].found.starts_with("status 200, 2 bytes within "));
}

#[tokio::test]
async fn one_bad_pod_of_three_is_a_fail_that_names_it() {
    let bad = Server::http(|_| async { answer(500, "no model\n") }).await;
    let servers = [good().await, bad, good().await];
    let judgement = judge(Smoke::get("/readyz?full=1"), Loopback::to(&servers)).await;
    assert_eq!(judgement.verdict, Verdict::Fail);
    assert_eq!(judgement.summary, "1 difference in 1 of 3 pods");
    assert_eq!(
        only(&judgement).to_string(),
        "pod agent-green-1, GET /readyz: wanted status 200-299, found status 500, body `no model\\n`"
    );
}

#[tokio::test]
async fn requests_arrive_as_they_were_written() {
    let server = Server::http(|got| async move {
        let header = |name: &str| got.headers.get(name).map(|it| it.to_str().unwrap().to_owned());
        let body = json!({
            "method": got.method.as_str(),
            "uri": got.uri.to_string(),
            "type": header("content-type"),
            "tenant": header("x-tenant"),
            "body": String::from_utf8(got.body.to_vec()).unwrap(),
        });
        answer(200, body.to_string())
    })
    .await;
    let smoke = Smoke::post("/chat?lang=en", json!({"message": "hi"}))
        .header("X-Tenant", "smoke")
        .expect_json(
            "",
            json!({
                "method": "POST",
                "uri": "/chat?lang=en",
                "type": "application/json",
                "tenant": "smoke",
                "body": r#"{"message":"hi"}"#,
            }),
        )
        .and(
            Request::new(http::Method::PUT, "/note")
                .body("text")
                .expect_json("/method", "PUT")
                .expect_json("/type", "text/plain; charset=utf-8")
                .expect_json("/body", "text"),
        )
        .and(
            Request::new(http::Method::DELETE, "/raw")
                .header("content-type", "application/x-agent")
                .body(b"bytes".to_vec())
                .expect_json("/type", "application/x-agent"),
        )
        .and(Request::get("/none").expect_json("/type", json!(null)).expect_json("/body", ""));
    let judgement = judge(smoke, Loopback::to([&server])).await;
    assert_eq!(judgement.verdict, Verdict::Pass, "{judgement:#?}");
}

#[tokio::test]
async fn the_wrong_version_is_a_fail() {
    let old = Server::http(|_| async { with(answer(200, "ok"), "x-agent-version", "1.2.0") }).await;
    let servers = [good().await, old];
    let smoke = Smoke::get("/").expect_version();
    let judgement = judge(smoke.clone(), Loopback::to(&servers)).await;
    assert_eq!(judgement.verdict, Verdict::Fail);
    assert_eq!(
        only(&judgement).to_string(),
        "pod agent-green-1, GET /: wanted header x-agent-version: `1.3.0`, the candidate's, \
         found `1.2.0`"
    );
    // Not asked for, it does not matter.
    let judgement = judge(Smoke::get("/"), Loopback::to(&servers)).await;
    assert_eq!(judgement.verdict, Verdict::Pass);

    let none = Server::http(|_| async { answer(200, "ok") }).await;
    let judgement = judge(smoke.clone(), Loopback::to([&none])).await;
    assert_eq!(only(&judgement).found, "no such header");
    let both = Server::http(|_| async {
        let answer = with(answer(200, "ok"), "x-agent-version", "1.2.0");
        with(answer, "x-agent-version", VERSION)
    })
    .await;
    let judgement = judge(smoke, Loopback::to([&both])).await;
    assert_eq!((judgement.verdict, &*only(&judgement).found), (Verdict::Fail, "it 2 times"));
}

#[tokio::test]
async fn a_version_in_the_body_is_compared_too() {
    let server =
        Server::http(|_| async { answer(200, r#"{"about": {"version": "1.3.0"}}"#) }).await;
    let smoke = Smoke::get("/").expect_version_at("/about/version");
    assert_eq!(judge(smoke, Loopback::to([&server])).await.verdict, Verdict::Pass);
    let smoke = Smoke::get("/").expect_version_at("/version");
    let judgement = judge(smoke, Loopback::to([&server])).await;
    assert_eq!(only(&judgement).found, "nothing");
}

#[tokio::test]
async fn without_a_version_label_versions_cannot_be_told() {
    let server = good().await;
    let mut trial = trial(Loopback::to([&server]));
    trial.candidate.state.running.version = None;
    let judgement = Smoke::get("/").expect_version().judge(&trial).await.unwrap();
    assert_eq!(judgement.verdict, Verdict::Inconclusive);
    assert_eq!(judgement.summary, "1 thing cannot be told");
    // What is certainly wrong still counts.
    let smoke = Smoke::get("/").expect_version().expect_status(204);
    let judgement = smoke.judge(&trial).await.unwrap();
    assert_eq!(judgement.verdict, Verdict::Fail);
    assert_eq!(judgement.evidence.len(), 2);
    assert_eq!(judgement.evidence[0].wanted, "status 204");
}

#[tokio::test]
async fn a_secret_that_an_answer_repeats_is_not_shown() {
    let server = Server::http(|got| async move {
        let key = got.headers["authorization"].to_str().unwrap();
        let env = got.headers["x-from-env"].to_str().unwrap();
        // Cargo sets it for every test.
        assert_eq!(env, "bluegreen-validate");
        let body = format!("unknown key {key}, {env}");
        with(answer(401, body), "x-echo", key)
    })
    .await;
    let smoke = Smoke::get("/")
        .header("authorization", "Bearer sk-12345")
        .header_from_env("x-from-env", "CARGO_PKG_NAME")
        .expect_header("x-echo", "nothing");
    let judgement = judge(smoke, Loopback::to([&server])).await;
    let text = format!("{judgement:?}");
    assert!(text.contains("unknown key ***, ***"), "{text}");
    assert!(!text.contains("sk-12345") && !text.contains("bluegreen-validate"), "{text}");
}
