//! Each kind of expectation, kept and not kept.

use bluegreen_core::Verdict;
use bluegreen_validate::{Smoke, json};

use crate::loopback::Loopback;
use crate::server::{Server, answer, with};
use crate::world::{judge, only};

const BODY: &str = r#"{"reply": "Your parcel is in Ulm.", "n": [1, 2.0], "a/b": {"~": true}}"#;

async fn server() -> Server {
    Server::http(|_| async {
        let answer = with(answer(201, BODY), "content-type", "application/json; charset=utf-8");
        with(with(answer, "x-many", "one"), "x-many", "two")
    })
    .await
}

#[tokio::test]
async fn what_is_kept_passes() {
    let server = server().await;
    let smoke = Smoke::get("/chat")
        .expect_status(200..=201)
        .expect_header("X-Many", "two")
        .expect_header_containing("content-type", "application/json")
        .expect_header_containing("content-type", "utf-8")
        .expect_header_present("x-many")
        .expect_header_absent("x-none")
        .expect_body(BODY)
        .expect_body_containing("parcel")
        .expect_body_lacking("stack trace")
        .expect_json("/n", json!([1.0, 2]))
        .expect_json("/n/1", 2)
        .expect_json("/a~1b/~0", true)
        .expect_json_present("/reply");
    let judgement = judge(smoke, Loopback::to([&server])).await;
    assert_eq!(judgement.verdict, Verdict::Pass, "{judgement:#?}");
    assert_eq!(only(&judgement).wanted, "status 200-201 and 12 rules more");
}

#[tokio::test]
async fn what_is_not_kept_is_told() {
    let server = server().await;
    let get = || Smoke::get("/chat");
    let json_type = "`application/json; charset=utf-8`";
    let shown = format!("`{BODY}`");
    let cases = [
        (get().expect_status(200), "status 200", format!("status 201, body {shown}")),
        (get().expect_header("x-many", "three"), "header x-many: `three`", "`one`, `two`".into()),
        (get().expect_header("x-none", "1"), "header x-none: `1`", "no such header".into()),
        (
            get().expect_header_containing("content-type", "html"),
            "header content-type with `html` in it",
            json_type.into(),
        ),
        (get().expect_header_present("x-none"), "a header x-none", "no such header".into()),
        (get().expect_header_absent("x-many"), "no header x-many", "`one`, `two`".into()),
        (get().expect_body("{"), "the body `{`", shown.clone()),
        (get().expect_body_containing("Bonn"), "a body with `Bonn`", shown.clone()),
        (get().expect_body_lacking("Ulm"), "a body without `Ulm`", shown.clone()),
        (get().expect_json("/n/0", 2), "`2` at /n/0", "`1`".into()),
        (get().expect_json("/n/2", json!(null)), "`null` at /n/2", "nothing".into()),
        (get().expect_json("/n/00", 1), "`1` at /n/00", "nothing".into()),
        (get().expect_json_present("/a"), "something at /a", "nothing".into()),
    ];
    for (smoke, wanted, found) in cases {
        let judgement = judge(smoke, Loopback::to([&server])).await;
        assert_eq!(judgement.verdict, Verdict::Fail, "{wanted}");
        let finding = only(&judgement);
        assert_eq!((finding.wanted.as_str(), &finding.found), (wanted, &found));
        assert_eq!((finding.subject.as_str(), &*finding.asked), ("pod agent-green-0", "GET /chat"));
    }
}

#[tokio::test]
async fn all_that_is_not_kept_is_told_worst_first() {
    let server = server().await;
    let smoke = Smoke::get("/chat")
        .expect_body_lacking("Ulm")
        .expect_header_present("x-none")
        .expect_version()
        .expect_status(200);
    let judgement = judge(smoke, Loopback::to([&server])).await;
    let wanted: Vec<_> = judgement.evidence.iter().map(|it| it.wanted.as_str()).collect();
    assert_eq!(judgement.summary, "4 differences in 1 of 1 pod");
    assert_eq!(
        wanted,
        [
            "status 200",
            "header x-agent-version: `1.3.0`, the candidate's",
            "a header x-none",
            "a body without `Ulm`",
        ]
    );
}

#[tokio::test]
async fn a_body_that_is_no_json_is_told() {
    let server = Server::http(|_| async { answer(200, "<html>") }).await;
    let judgement = judge(Smoke::get("/").expect_json_present("/a"), Loopback::to([&server])).await;
    let finding = only(&judgement);
    assert_eq!(finding.wanted, "a JSON body");
    assert!(finding.found.starts_with("`<html>` (expected value at line 1"), "{}", finding.found);
    // Nested so deep that a parser without limits would end the process.
    let server = Server::http(|_| async { answer(200, "[".repeat(500_000)) }).await;
    let judgement = judge(Smoke::get("/").expect_json_present("/a"), Loopback::to([&server])).await;
    assert!(only(&judgement).found.contains("recursion limit"), "{judgement:?}");
}
