//! Warm-ups of real servers, one for each pod; what their files may look like; and the promises that
//! every validator keeps.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bluegreen_core::conformance::validator::ValidatorFixture;
use bluegreen_core::{AgentClient, ErrorKind, Validator as _, Verdict};
use bluegreen_validate::prompt::{Agent, HttpAgent, OpenAiAgent, Reading, ResponsesAgent};
use bluegreen_validate::{AddressClient, ModelWarmUp, Value, json};
use bytes::Bytes;
use http::Response;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;

use crate::server::{Answer, Got, Server};
use crate::world::{assert_verdict, told, trial};

/// More than a good answer takes here, and less than a cold one.
const LIMIT: Duration = Duration::from_secs(1);
const COLD: Duration = Duration::from_millis(1300);

/// An answer of these events; the first one comes after `pause`, the head at once.
fn events(pause: Duration, events: Vec<String>) -> Answer {
    let events = events.into_iter().enumerate();
    let frames = futures_util::stream::unfold(events, move |mut left| async move {
        let (index, event) = left.next()?;
        if index == 0 {
            tokio::time::sleep(pause).await;
        }
        let data = Bytes::from(format!("data: {event}\n\n"));
        Some((Ok::<_, Infallible>(Frame::data(data)), left))
    });
    let body = StreamBody::new(frames).map_err(|never| match never {});
    Response::builder()
        .header("content-type", "text/event-stream")
        .body(BodyExt::boxed(body))
        .unwrap()
}

/// What each protocol says to a question.
fn spoken(got: &Got, pause: Duration) -> Answer {
    assert_eq!(got.headers["x-bluegreen-validation"], "warm-up");
    let body: Value = serde_json::from_slice(&got.body).unwrap();
    let texts: Vec<Value> = match got.uri.path() {
        "/v1/chat/completions" => {
            assert_eq!((&body["stream"], &body["model"]), (&json!(true), &json!("m")));
            assert!(body["messages"][0]["content"].as_str().unwrap().ends_with('?'));
            vec![
                json!({"choices": [{"delta": {"content": "On its way."}}]}),
                json!({"choices": [{"delta": {}, "finish_reason": "stop"}]}),
            ]
        }
        "/v1/responses" => {
            assert_eq!(body["stream"], json!(true));
            let content = json!([{"type": "output_text", "text": "On its way."}]);
            let output = json!([{"type": "message", "role": "assistant", "content": content}]);
            vec![
                json!({"type": "response.output_text.delta", "output_index": 0,
                    "content_index": 0, "item_id": "i", "delta": "On its way."}),
                json!({"type": "response.completed",
                    "response": {"id": "r", "status": "completed", "output": output}}),
            ]
        }
        "/chat" => vec![json!({"text": body["message"]}), json!({"text": "!"})],
        other => panic!("{other}"),
    };
    events(pause, texts.iter().map(Value::to_string).collect())
}

/// A pod whose first answers are cold, and how many it gave.
async fn pod(cold: usize) -> (Server, Arc<AtomicUsize>) {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    let server = Server::http(move |got| {
        let call = counted.fetch_add(1, Ordering::SeqCst);
        async move { spoken(&got, if call < cold { COLD } else { Duration::ZERO }) }
    })
    .await;
    (server, calls)
}

fn agents() -> [Agent; 3] {
    let mut own = HttpAgent::post("/chat", json!({"message": "{{prompt}}"}), "/text");
    own.reading = Reading::Events;
    [OpenAiAgent::new("m").into(), ResponsesAgent::new("m").into(), own.into()]
}

fn warm_up(agent: impl Into<Agent>) -> ModelWarmUp {
    ModelWarmUp::new(agent, ["Where is my parcel?", "Is it here?"], LIMIT)
        .with(|it| it.attempts = 6)
}

fn reaching(servers: &[&Server]) -> Arc<dyn AgentClient> {
    Arc::new(AddressClient::new(servers.iter().map(|it| it.address.to_string())))
}

#[tokio::test]
async fn each_pod_is_asked_by_itself_in_every_protocol() {
    let all = agents().into_iter().map(|agent| async move {
        let ((one, first), (two, second)) = (pod(0).await, pod(2).await);
        let client = reaching(&[&one, &two]);
        let judgement = warm_up(agent.clone()).judge(&trial(client.clone(), client)).await;
        let judgement = judgement.unwrap();
        assert_verdict(&judgement, Verdict::Pass);
        assert_eq!((first.load(Ordering::SeqCst), second.load(Ordering::SeqCst)), (3, 5));
        let told = told(&judgement);
        let found = format!("pod {}: wanted the first token within 1s", two.address);
        assert!(told.contains(&found) && told.contains("found warm after 5 calls: 1."), "{told}");
    });
    futures_util::future::join_all(all).await;
}

#[tokio::test]
async fn a_pod_that_stays_cold_is_named_with_what_it_took() {
    let all = agents().into_iter().map(|agent| async move {
        let ((one, _), (two, calls)) = (pod(0).await, pod(usize::MAX).await);
        let client = reaching(&[&one, &two]);
        let warm_up = warm_up(agent).with(|it| it.attempts = 3);
        let judgement = warm_up.judge(&trial(client.clone(), client)).await.unwrap();
        assert_verdict(&judgement, Verdict::Fail);
        let first = judgement.evidence[0].to_string();
        let wanted = "wanted the first token within 1s, 3 times in a row, found not warm after 3 \
                      calls: 1.";
        assert!(first.starts_with(&format!("pod {}: {wanted}", two.address)), "{first}");
        assert_eq!(calls.load(Ordering::SeqCst), 3);
    });
    futures_util::future::join_all(all).await;
}

#[tokio::test]
async fn what_a_server_says_of_secrets_is_not_repeated() {
    let server = Server::http(|got| async move {
        let said = got.headers["authorization"].to_str().unwrap().to_owned();
        crate::server::answer(500, format!("no such key: {said}"))
    })
    .await;
    let text = r#"{"agent": {"openai": {"model": "m",
        "headers": {"authorization": "Bearer sk-of-the-agent"}}},
        "prompts": "Hello?", "first_token": "1s", "consecutive": 1, "attempts": 1}"#;
    let client = reaching(&[&server]);
    let warm_up = ModelWarmUp::from_text("warm-up.json", text).unwrap();
    let judgement = warm_up.judge(&trial(client.clone(), client)).await.unwrap();
    assert_verdict(&judgement, Verdict::Fail);
    let told = told(&judgement);
    assert!(told.contains("no such key: "), "{told}");
    assert!(!told.contains("sk-of-the-agent"), "{told}");
}

bluegreen_core::validator_conformance_tests!(model_warm_up: async || {
    let ((good, _), (bad, _)) = (pod(1).await, pod(usize::MAX).await);
    let nowhere = Arc::new(AddressClient::new([Server::nowhere().await.to_string()]));
    let warm_up = warm_up(OpenAiAgent::new("m")).with(|it| {
        (it.consecutive, it.attempts) = (2, 3);
    });
    let other = warm_up.clone().with(|it| it.first_token = Duration::from_millis(900));
    let of = |server: &Server| trial(reaching(&[server]), reaching(&[server]));
    ValidatorFixture {
        validator: Arc::new(warm_up),
        other: Arc::new(other),
        good: of(&good),
        bad: of(&bad),
        unreachable: trial(reaching(&[&good]), nowhere),
        guard: Box::new((good, bad)),
    }
});

fn problems(text: &str) -> Vec<String> {
    let error = ModelWarmUp::from_text("warm-up.yaml", text).unwrap_err();
    error.problems().iter().map(ToString::to_string).collect()
}

#[test]
fn a_file_says_all_that_can_be_set() {
    let text = "agent: { openai: { model: m, parameters: { max_tokens: 8 } } }\n\
                prompts: [a?, b?]\nfirst_token: 800ms\nconsecutive: 2\nattempts: 9\n\
                concurrency: 4\ncalls: 70\ntimeout: 30s\ntime: 5m\nname: hot\n";
    let read = ModelWarmUp::from_text("warm-up.yaml", text).unwrap();
    let mut agent = OpenAiAgent::new("m");
    agent.parameters.insert("max_tokens".to_owned(), json!(8));
    let made = ModelWarmUp::new(agent, ["a?", "b?"], Duration::from_millis(800)).with(|it| {
        (it.consecutive, it.attempts, it.concurrency, it.calls) = (2, 9, 4, 70);
        (it.timeout, it.time) = (Duration::from_secs(30), Some(Duration::from_mins(5)));
        it.name = "hot".to_owned();
    });
    assert_eq!(read, made);
    assert_eq!(read.config_digest(), made.config_digest());
    let again = serde_json::to_string(read.config()).unwrap();
    assert_eq!(ModelWarmUp::from_text("again.json", &again).unwrap(), made);
}

#[test]
fn what_is_wrong_with_a_file_is_said_all_at_once_with_its_place() {
    let text = "agent: { http: { path: /chat, answer: /reply } }\nprompts: ['']\n\
                first_token: 2m\nconsecutive: 5\nattempts: 4\ncalls: 0\nconcurrency: 0\n\
                timeout: 1m\ntime: 0s\n";
    let found = problems(text);
    let wanted = [
        "1:16, warm-up, agent.http: found an answer that is read as a whole, whose first token has no \
         time, wanted `reading: stream` or `reading: events` [warm-up]",
        "2:11, warm-up, prompts[0]: found an empty text, wanted a question [warm-up]",
        "3:14, warm-up, first_token: found 2m, wanted at most 1m, the timeout [warm-up]",
        "5:11, warm-up, attempts: found 4, wanted 5 to 10000 [prompt-number]",
        "6:8, warm-up, calls: found 0, wanted 5 to 10000000 [prompt-number]",
        "7:14, warm-up, concurrency: found 0, wanted 1 to 64 [prompt-number]",
        "9:7, warm-up, time: found no time at all, wanted more, or no such limit [warm-up]",
    ];
    let wanted = wanted.map(|it| format!("warm-up.yaml:{it}"));
    assert_eq!(found, wanted);
    let found = problems("agent: { openai: { model: m } }\nprompts: [a?]\nfirst-token: 1s\n");
    assert!(found.iter().any(|it| it.contains("unknown field `first-token`")), "{found:?}");
    let found = problems("agent: { openai: { model: m } }\nprompts: []\nfirst_token: 1s\n");
    assert!(found[0].contains("prompts: found 0, wanted 1 to 1000"), "{found:?}");
}

#[tokio::test]
async fn settings_that_cannot_be_followed_are_never_judged_by() {
    let warm_up = warm_up(HttpAgent::post("/chat", json!({}), "/reply"));
    assert_eq!(warm_up.problems().len(), 1);
    let (server, calls) = pod(0).await;
    let trial = trial(reaching(&[&server]), reaching(&[&server]));
    let error = warm_up.judge(&trial).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected);
    assert!(error.chain().contains("reading: events"), "{}", error.chain());
    assert_eq!(calls.load(Ordering::SeqCst), 0);
}
