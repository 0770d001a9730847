//! Answers of agents, as a smoke test reads them.

use std::sync::Arc;
use std::time::Duration;

use bluegreen_core::clock::minutes;
use bluegreen_core::memory::TokioClock;
use bluegreen_core::{
    Clock as _, Color, Progress, ReleaseId, Side, SlotState, Trial, Validator as _,
};
use bluegreen_validate::{Percentile, Request, Smoke, StatusRange, json};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::agent::{Agent, pods};
use crate::{agent, within};

/// What every request carries and nothing may show.
const SECRET: &str = "sk-planted-0123456789";

pub(crate) fn run(given: &[u8]) {
    let agent = read(given);
    let smoke = smoke();
    within(600, async {
        let trial = trial(agent).await;
        match smoke.judge(&trial).await {
            Ok(judgement) => {
                for finding in &judgement.evidence {
                    let text = finding.to_string();
                    assert!(text.len() < 4000, "{} bytes: {text}", text.len());
                }
                let validator = smoke.name().to_owned();
                keeps_the_secret(&Progress::Judged { validator, judgement });
            }
            Err(error) => assert!(!error.chain().contains(SECRET), "{}", error.chain()),
        }
    })
    .expect("a look ends");
}

fn keeps_the_secret(progress: &Progress) {
    let text = format!("{progress} {progress:?}");
    assert!(!text.contains(SECRET), "{text}");
    // Nor most of it.
    assert!(!text.contains(&SECRET[..SECRET.len() - 2]) && !text.contains(&SECRET[2..]), "{text}");
}

fn smoke() -> Smoke {
    let chat = Request::post("/chat?lang=en", json!({"message": "hello"}))
        .header("authorization", format!("Bearer {SECRET}"));
    let any = |mut request: Request| {
        request.expect.status = StatusRange::from(100..=999);
        request
    };
    Smoke::get("/")
        .header("x-api-key", SECRET)
        .timeout(Duration::from_secs(5))
        .and(
            any(chat.clone())
                .expect_header_containing("content-type", "json")
                .expect_header("x-one", "1")
                .expect_header_absent("x-two")
                .expect_version()
                .expect_version_at("/version")
                .expect_json("/a/0", json!({"b": 1.5}))
                .expect_json("", json!([]))
                .expect_json_present("/a~1b/~0/7"),
        )
        .and(any(chat.clone()).expect_body_lacking("error").expect_body_containing("ok"))
        .and(any(chat.clone()).expect_body(SECRET))
        .and(any(chat.clone()).streams(2, Duration::from_millis(1)))
        .and(any(chat).latency(Percentile(99), Duration::from_millis(1), 2, 2))
}

/// A status line, headers, a blank line and a body, each of them as good as it is.
fn read(given: &[u8]) -> Agent {
    let end = given.windows(2).position(|two| two == b"\n\n");
    let (head, body) = end.map_or((&[][..], given), |at| (&given[..at], &given[at + 2..]));
    let mut lines = head.split(|byte| *byte == b'\n');
    let status = lines.next().and_then(|line| std::str::from_utf8(line).ok());
    let status = status.and_then(|text| text.trim().parse().ok());
    let mut headers = HeaderMap::new();
    for line in lines {
        let at = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let (name, value) = line.split_at(at);
        let value = value.strip_prefix(b":").unwrap_or_default();
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name), HeaderValue::from_bytes(value))
        {
            headers.append(name, value);
        }
    }
    Agent {
        status: status.and_then(|code| StatusCode::from_u16(code).ok()).unwrap_or(StatusCode::OK),
        headers,
        body: Bytes::copy_from_slice(body),
    }
}

async fn trial(agent: Agent) -> Trial {
    let cluster = agent::cluster();
    let running = agent::state(&cluster).await.running;
    let clock = TokioClock::new();
    let deadline = clock.now().plus(minutes(30));
    let client: Arc<dyn bluegreen_core::AgentClient> = Arc::new(agent);
    let side = |color: Color| {
        let mut state = SlotState::new(color, "uid", running.clone());
        state.pods = pods()
            .into_iter()
            .map(|pod| bluegreen_core::PodState::new(pod.name, pod.uid, true))
            .collect();
        Side::new(state, Arc::clone(&client))
    };
    let mut trial =
        Trial::new(ReleaseId::new("r1"), side(Color::Green), side(Color::Blue), deadline);
    trial.clock = Arc::new(clock);
    trial
}
