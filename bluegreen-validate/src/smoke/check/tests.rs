use std::time::Duration;

use bluegreen_core::Plan;
use bluegreen_core::clock::minutes;
use http::Method;
use serde_json::json;

use super::*;
use crate::{Body, Percentile, Request, Smoke, StatusRange};

fn said(smoke: &Smoke) -> Vec<(String, String)> {
    smoke.problems().into_iter().map(|problem| (problem.object, problem.found)).collect()
}

fn objects(smoke: &Smoke) -> Vec<String> {
    said(smoke).into_iter().map(|(object, _)| object).collect()
}

#[test]
fn good_settings_have_no_problems() {
    let smoke = Smoke::get("/readyz?full=1")
        .expect_version()
        .expect_header("X-Any", "1")
        .and(Request::new(Method::PATCH, "/a%20b").body("text"))
        .and(
            Request::post("/chat", json!({}))
                .header("Content-Type", "application/vnd.agent+json")
                .expect_json("", json!([]))
                .expect_json("/a~1b/~0/0", 1)
                .latency(Percentile(99), Duration::from_secs(1), 100, 100)
                .first_byte(Percentile(100), Duration::from_secs(1), 1, 1)
                .streams(2, Duration::from_secs(10)),
        );
    assert_eq!(said(&smoke), []);
}

#[test]
fn no_requests_are_a_problem() {
    let smoke = Smoke::new(SmokeConfig::default());
    assert_eq!(objects(&smoke), ["smoke, requests"]);
}

#[test]
fn all_problems_are_reported_at_once_and_name_the_request() {
    let smoke = Smoke::get("readyz")
        .named("sm\noke")
        .timeout(Duration::ZERO)
        .max_body(0)
        .max_head(usize::MAX)
        .expect_status(700)
        .and(
            Request::post("/chat", json!({}))
                .named("second")
                .header("bad name", "x")
                .header("content-length", "3")
                .header("x-secret", "line\nbreak")
                .timeout(minutes(61))
                .expect_status(StatusRange { from: 299, to: 200 })
                .expect_header("bäd", "x")
                .expect_header_containing("x-empty", "")
                .expect_header_present("x-both")
                .expect_header_absent("x-both")
                .expect_body_containing("")
                .expect_json("a", 1)
                .expect_json("/~2", 1)
                .expect_json_present("/~")
                .expect_version_at("version")
                .latency(Percentile(0), Duration::ZERO, 0, 0)
                .latency(Percentile(101), Duration::from_secs(1), 10, 11)
                .streams(1, minutes(62)),
        );
    assert_eq!(
        objects(&smoke),
        [
            "sm\noke, name",
            "sm\noke, timeout",
            "sm\noke, max_body",
            "sm\noke, max_head",
            "sm\noke, requests[0] (GET readyz), path",
            "sm\noke, requests[0] (GET readyz), expect.status",
            "sm\noke, requests[1] (POST /chat (second)), headers[\"bad name\"]",
            "sm\noke, requests[1] (POST /chat (second)), headers.content-length",
            "sm\noke, requests[1] (POST /chat (second)), headers.x-secret",
            "sm\noke, requests[1] (POST /chat (second)), timeout",
            "sm\noke, requests[1] (POST /chat (second)), expect.status",
            "sm\noke, requests[1] (POST /chat (second)), expect.headers[\"bäd\"]",
            "sm\noke, requests[1] (POST /chat (second)), expect.headers.x-both",
            "sm\noke, requests[1] (POST /chat (second)), expect.headers.x-empty",
            "sm\noke, requests[1] (POST /chat (second)), expect.body[0]",
            "sm\noke, requests[1] (POST /chat (second)), expect.json[\"/~2\"]",
            "sm\noke, requests[1] (POST /chat (second)), expect.json.a",
            "sm\noke, requests[1] (POST /chat (second)), expect.json_present",
            "sm\noke, requests[1] (POST /chat (second)), expect.version",
            "sm\noke, requests[1] (POST /chat (second)), latency[0].percentile",
            "sm\noke, requests[1] (POST /chat (second)), latency[0].requests",
            "sm\noke, requests[1] (POST /chat (second)), latency[0].concurrency",
            "sm\noke, requests[1] (POST /chat (second)), latency[0].limit",
            "sm\noke, requests[1] (POST /chat (second)), latency[1].percentile",
            "sm\noke, requests[1] (POST /chat (second)), latency[1].concurrency",
            "sm\noke, requests[1] (POST /chat (second)), stream.min_pieces",
            "sm\noke, requests[1] (POST /chat (second)), stream.max_gap",
            "sm\noke, requests[1] (POST /chat (second)), stream.max_gap",
        ]
    );
}

#[test]
fn every_malformed_path_is_refused() {
    for path in ["", "readyz", "//elsewhere/x", "http://elsewhere/", "/a b", "/a#b", "/\n", "*"] {
        assert_eq!(objects(&Smoke::get(path)).len(), 1, "{path:?}");
    }
    let long = Smoke::get(format!("/{}?{}", "x".repeat(500), "y".repeat(9000)));
    let wanted = format!("smoke, requests[0] (GET /{}…), path", "x".repeat(119));
    assert_eq!(objects(&long), [wanted]);
    assert_eq!(objects(&Smoke::get("/").expect_json("/".repeat(1025), 1)).len(), 1);
}

#[test]
fn the_value_of_a_header_is_not_repeated() {
    let smoke = Smoke::get("/").header("authorization", "sk-12345\n");
    let problems = smoke.problems();
    assert_eq!(problems.len(), 1);
    assert!(!problems[0].to_string().contains("sk-12345"), "{}", problems[0]);
    assert!(!format!("{smoke:?}").contains("sk-12345"));
    let sent = Smoke::get("/").body(Body::Text("sk-12345".into()));
    assert!(!format!("{sent:?}").contains("sk-12345"));
}

#[test]
fn a_variable_that_is_not_set_is_a_problem() {
    let smoke = Smoke::get("/").header_from_env("authorization", "BLUEGREEN_SURELY_NOT_SET");
    let found = "the environment variable BLUEGREEN_SURELY_NOT_SET, which is not set";
    assert_eq!(said(&smoke)[0].1, found);
}

#[test]
fn a_percentile_of_too_few_requests_is_a_warning() {
    let warned = |percentile, requests| {
        let limit = Duration::from_secs(1);
        let smoke = Smoke::get("/").latency(Percentile(percentile), limit, requests, 1);
        let problems = smoke.problems();
        assert!(problems.iter().all(|problem| !problem.is_refusal()));
        problems.len()
    };
    assert_eq!((warned(99, 99), warned(99, 100)), (1, 0));
    assert_eq!((warned(95, 19), warned(95, 20)), (1, 0));
    assert_eq!((warned(50, 1), warned(50, 2)), (1, 0));
    assert_eq!(warned(100, 1), 0);
}

#[test]
fn a_timeout_longer_than_the_gates_have_is_a_warning() {
    let mut plan = Plan::all_at_once();
    plan.gates = Duration::from_secs(5);
    let problem = against(Smoke::get("/").config(), &plan).unwrap();
    assert!(!problem.is_refusal());
    assert_eq!(problem.object, "smoke, timeout");
    plan.gates = Duration::from_secs(10);
    assert_eq!(against(Smoke::get("/").config(), &plan), None);
}

#[test]
fn every_setting_has_its_part_in_the_digest() {
    let limit = Duration::from_secs(1);
    let all = [
        Smoke::get("/"),
        Smoke::get("/a"),
        Smoke::request(Method::HEAD, "/"),
        Smoke::get("/").named("other"),
        Smoke::get("/").timeout(limit),
        Smoke::get("/").max_body(1),
        Smoke::get("/").max_head(1),
        Smoke::get("/").and(Request::get("/")),
        Smoke::get("/").body("text"),
        Smoke::get("/").body(json!("text")),
        Smoke::get("/").body(b"text".to_vec()),
        Smoke::get("/").header("a", "b"),
        Smoke::get("/").header("a", "c"),
        Smoke::get("/").header_from_env("a", "b"),
        Smoke::get("/").expect_status(200),
        Smoke::get("/").expect_status(200..=201),
        Smoke::get("/").expect_header("a", "b"),
        Smoke::get("/").expect_header_containing("a", "b"),
        Smoke::get("/").expect_header_present("a"),
        Smoke::get("/").expect_header_absent("a"),
        Smoke::get("/").expect_body("a"),
        Smoke::get("/").expect_body_containing("a"),
        Smoke::get("/").expect_body_lacking("a"),
        Smoke::get("/").expect_json("/a", 1),
        Smoke::get("/").expect_json("/a", "1"),
        Smoke::get("/").expect_json_present("/a"),
        Smoke::get("/").expect_version(),
        Smoke::get("/").expect_version_in_header("a"),
        Smoke::get("/").expect_version_at("/a"),
        Smoke::get("/").latency(Percentile(99), limit, 100, 1),
        Smoke::get("/").latency(Percentile(98), limit, 100, 1),
        Smoke::get("/").latency(Percentile(99), limit * 2, 100, 1),
        Smoke::get("/").latency(Percentile(99), limit, 101, 1),
        Smoke::get("/").latency(Percentile(99), limit, 100, 2),
        Smoke::get("/").first_byte(Percentile(99), limit, 100, 1),
        Smoke::get("/").streams(2, limit),
        Smoke::get("/").streams(3, limit),
        Smoke::get("/").streams(2, limit * 2),
        Smoke::from(Request::get("/").timeout(limit)),
        Smoke::from(Request::get("/").named("a")),
    ];
    let digests: std::collections::BTreeSet<_> =
        all.iter().map(|smoke| smoke.config().digest()).collect();
    assert_eq!(digests.len(), all.len());
}
