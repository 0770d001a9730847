//! Agents that speak A2A: messages and tasks, whole and streaming, in several turns.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bluegreen_core::{Judgement, Verdict};
use bluegreen_validate::prompt::{A2aAgent, A2aVersion, Agent, Suite};
use bluegreen_validate::{PromptRegression, Value, json};
use bytes::Bytes;
use http::Response;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;

use crate::agents::{client, number};
use crate::server::{Answer, Got, Server, answer};
use crate::world::{assert_verdict, judge, told, trial};

/// Two turns: the agent asks back, then it is told the number.
fn suite(version: A2aVersion, stream: bool) -> Suite {
    let mut text =
        "agent: { a2a: { path: /a2a, headers: { authorization: Bearer of-the-suite } } }\n\
        rules: { repeats: 1, margin: 0.2, min_cases: 20 }\ncases:\n"
            .to_owned();
    for number in 0..40 {
        write!(
            text,
            "  - id: parcel {number}\n    turns:\n      - prompt: Where is my parcel?\n        \
             assert: [{{ equals: Which one? }}, {{ finish-reason: input-required }}]\n      \
             - prompt: It is {number}.\n    \
             assert: [{{ equals: Your parcel {number} is here. }}, {{ finish-reason: completed }}]\n"
        )
        .unwrap();
    }
    let gate = PromptRegression::from_text("suite.yaml", &text);
    let mut suite = gate.unwrap_or_else(|error| panic!("{error}")).suite().clone();
    let Agent::A2a(agent) = &mut suite.agent else { panic!("{:?}", suite.agent) };
    (agent.version, agent.stream) = (version, stream);
    suite
}

/// How an agent of a version speaks.
#[derive(Clone, Copy)]
struct Tongue {
    version: A2aVersion,
    stream: bool,
    wrong: bool,
}

impl Tongue {
    fn is_new(self) -> bool {
        self.version == A2aVersion::V1
    }

    fn state(self, state: &str) -> String {
        let new = || format!("TASK_STATE_{}", state.to_uppercase().replace('-', "_"));
        if self.is_new() { new() } else { state.to_owned() }
    }

    fn wrap(self, name: &str, kind: &str, mut it: Value) -> Value {
        if self.is_new() {
            return json!({name: it});
        }
        it["kind"] = kind.into();
        it
    }

    /// The task that comes of a message, and the text of its artifact.
    fn task(self, message: &Value) -> (Value, Option<String>) {
        let text = message["parts"][0]["text"].as_str().unwrap();
        if text == "Where is my parcel?" {
            assert_eq!((message.get("contextId"), message.get("taskId")), (None, None));
            let says = json!({"role": "agent", "parts": [{"kind": "text", "text": "Which one?"}]});
            let status = json!({"state": self.state("input-required"), "message": says});
            return (json!({"id": "t1", "contextId": "c1", "status": status}), None);
        }
        assert_eq!((&message["contextId"], &message["taskId"]), (&json!("c1"), &json!("t1")));
        let number = number(text);
        let number = if self.wrong && number.is_multiple_of(2) { number + 1 } else { number };
        let text = format!("Your parcel {number} is here.");
        let artifacts = json!([{"artifactId": "a", "parts": [{"kind": "text", "text": text}]}]);
        let status = json!({"state": self.state("completed")});
        let task = json!({"id": "t1", "contextId": "c1", "status": status, "artifacts": artifacts});
        (task, Some(text))
    }

    fn answer(self, got: &Got) -> Answer {
        let message = message(got, self);
        let (mut task, text) = self.task(&message);
        if !self.stream {
            return said(&self.wrap("task", "task", task));
        }
        let (status, context) = (task["status"].take(), json!("c1"));
        let start =
            json!({"id": "t1", "contextId": context, "status": {"state": self.state("working")}});
        let mut events = vec![self.wrap("task", "task", start)];
        for (index, word) in text.iter().flat_map(|it| it.split_inclusive(' ')).enumerate() {
            let artifact = json!({"artifactId": "a", "parts": [{"kind": "text", "text": word}]});
            let update = json!({"taskId": "t1", "contextId": context, "artifact": artifact,
                "append": index > 0});
            events.push(self.wrap("artifactUpdate", "artifact-update", update));
        }
        let update = json!({"taskId": "t1", "contextId": context, "status": status});
        events.push(self.wrap("statusUpdate", "status-update", update));
        streamed(&events)
    }
}

/// The message that was sent, in a request that is as it has to be.
fn message(got: &Got, tongue: Tongue) -> Value {
    let body: Value = serde_json::from_slice(&got.body).unwrap();
    let version = got.headers.get("a2a-version").map(|it| it.to_str().unwrap());
    assert_eq!(version, tongue.is_new().then_some("1.0"));
    assert_eq!(got.headers["x-bluegreen-validation"], "prompts");
    assert_eq!((got.uri.path(), &body["jsonrpc"]), ("/a2a", &json!("2.0")));
    let method = match (tongue.is_new(), tongue.stream) {
        (true, true) => "SendStreamingMessage",
        (true, false) => "SendMessage",
        (false, true) => "message/stream",
        (false, false) => "message/send",
    };
    assert_eq!(body["method"], method);
    let role = if tongue.is_new() { "ROLE_USER" } else { "user" };
    let message = body["params"]["message"].clone();
    assert_eq!(message["role"], role);
    assert!(message["messageId"].as_str().is_some_and(|id| id.len() > 10), "{message}");
    message
}

fn said(result: &Value) -> Answer {
    answer(200, json!({"jsonrpc": "2.0", "id": 1, "result": result}).to_string())
}

fn streamed(results: &[Value]) -> Answer {
    let pieces: Vec<String> = results
        .iter()
        .map(|result| format!("data: {}\n\n", json!({"jsonrpc": "2.0", "id": 1, "result": result})))
        .collect();
    let frames = pieces.into_iter().map(|it| Ok::<_, Infallible>(Frame::data(Bytes::from(it))));
    let body = StreamBody::new(futures_util::stream::iter(frames));
    Response::new(BodyExt::boxed(body.map_err(|never| match never {})))
}

async fn agent(version: A2aVersion, stream: bool, wrong: bool) -> Server {
    let tongue = Tongue { version, stream, wrong };
    Server::http(move |got| async move { tongue.answer(&got) }).await
}

/// What comes of a candidate that answers every message so, beside one that is good.
async fn judged(stream: bool, bad: impl Fn() -> Answer + Send + Sync + 'static) -> Judgement {
    let live = agent(A2aVersion::V1, stream, false).await;
    let bad = Arc::new(bad);
    let idle = Server::http(move |_| {
        let bad = bad.clone();
        async move { bad() }
    })
    .await;
    judge(suite(A2aVersion::V1, stream), &trial(client(&live), client(&idle))).await
}

#[tokio::test]
async fn conversations_go_on_in_their_context_in_both_versions() {
    for version in [A2aVersion::V1, A2aVersion::V03] {
        for stream in [false, true] {
            let live = agent(version, stream, false).await;
            let trial = trial(client(&live), client(&live));
            assert_verdict(&judge(suite(version, stream), &trial).await, Verdict::Pass);
        }
    }
}

#[tokio::test]
async fn a_wrong_artifact_fails_the_candidate() {
    for stream in [false, true] {
        let live = agent(A2aVersion::V1, stream, false).await;
        let idle = agent(A2aVersion::V1, stream, true).await;
        let trial = trial(client(&live), client(&idle));
        let judgement = judge(suite(A2aVersion::V1, stream), &trial).await;
        assert_verdict(&judgement, Verdict::Fail);
        assert!(told(&judgement).contains("is here."), "{}", told(&judgement));
    }
}

#[tokio::test]
async fn half_a_stream_and_a_task_that_failed_are_lost() {
    let judgement = judged(true, || {
        let task = json!({"id": "t", "status": {"state": "TASK_STATE_WORKING"}});
        let artifact = json!({"parts": [{"text": "Which one?"}]});
        streamed(&[json!({"task": task}), json!({"artifactUpdate": {"artifact": artifact}})])
    })
    .await;
    assert_verdict(&judgement, Verdict::Inconclusive);
    assert!(told(&judgement).contains("broke off"), "{}", told(&judgement));
    for state in ["TASK_STATE_FAILED", "TASK_STATE_CANCELED", "TASK_STATE_AUTH_REQUIRED"] {
        let judgement = judged(false, move || {
            let says = json!({"parts": [{"text": "the model is away"}]});
            said(&json!({"task": {"id": "t", "status": {"state": state, "message": says}}}))
        })
        .await;
        assert_verdict(&judgement, Verdict::Inconclusive);
        assert!(told(&judgement).contains("the model is away"), "{}", told(&judgement));
    }
}

#[tokio::test]
async fn a_task_that_is_rejected_is_a_wrong_answer_and_an_error_none() {
    let judgement = judged(false, || {
        said(&json!({"task": {"id": "t", "status": {"state": "TASK_STATE_REJECTED"}}}))
    })
    .await;
    assert_verdict(&judgement, Verdict::Fail);
    let error =
        json!({"jsonrpc": "2.0", "id": 1, "error": {"code": -32009, "message": "no such version"}});
    for stream in [false, true] {
        let error = error.to_string();
        let judgement = judged(stream, move || {
            crate::server::with(answer(200, error.clone()), "content-type", "application/json")
        })
        .await;
        assert_verdict(&judgement, Verdict::Inconclusive);
        assert!(told(&judgement).contains("no such version"), "{}", told(&judgement));
    }
}

/// One case of one turn, where the task is over after having been asked for so often.
async fn polled(version: A2aVersion, over_after: usize, timeout: Duration) -> (Judgement, usize) {
    let asked = Arc::new(AtomicUsize::new(0));
    let seen = asked.clone();
    let server = Server::http(move |got| {
        let seen = seen.clone();
        async move {
            let tongue = Tongue { version, stream: false, wrong: false };
            let body: Value = serde_json::from_slice(&got.body).unwrap();
            let get = if tongue.is_new() { "GetTask" } else { "tasks/get" };
            let is_get = body["method"] == get;
            let count = if is_get { seen.fetch_add(1, Ordering::SeqCst) + 1 } else { 0 };
            if is_get {
                assert_eq!(body["params"]["id"], "t7");
                assert_eq!(got.headers.contains_key("a2a-version"), tongue.is_new());
            }
            if count == 1 {
                return answer(429, "later");
            }
            let is_over = count >= over_after;
            let state = tongue.state(if is_over { "completed" } else { "working" });
            let artifacts = json!([{"parts": [{"text": "done"}]}]);
            let mut task = json!({"id": "t7", "contextId": "c", "status": {"state": state}});
            if is_over {
                task["artifacts"] = artifacts;
            }
            // What is asked for is the task itself, and nothing around it.
            said(&if is_get { task } else { tongue.wrap("task", "task", task) })
        }
    })
    .await;
    let text = "agent: { a2a: {} }\nrules: { repeats: 1, margin: 0.9, min_cases: 2 }\n\
        defaults: { assert: [{ equals: done }] }\n\
        cases: [{ id: a, prompt: Go }, { id: b, prompt: Go }]\n";
    let mut suite = PromptRegression::from_text("suite.yaml", text).unwrap().suite().clone();
    let Agent::A2a(agent) = &mut suite.agent else { panic!("{:?}", suite.agent) };
    agent.version = version;
    suite.timeout = timeout;
    let judgement = judge(suite, &trial(client(&server), client(&server))).await;
    (judgement, asked.load(Ordering::SeqCst))
}

#[tokio::test]
async fn a_task_at_work_is_asked_after_until_it_is_over() {
    for version in [A2aVersion::V1, A2aVersion::V03] {
        let (judgement, asked) = polled(version, 3, Duration::from_mins(1)).await;
        assert_verdict(&judgement, Verdict::Pass);
        assert!(asked >= 3, "{asked}");
    }
}

#[tokio::test]
async fn a_task_that_is_never_over_is_given_up() {
    let (judgement, asked) = polled(A2aVersion::V1, usize::MAX, Duration::from_secs(2)).await;
    assert_verdict(&judgement, Verdict::Inconclusive);
    assert!(told(&judgement).contains("no whole answer within 2s"), "{}", told(&judgement));
    // Two cases in two slots, and pauses that double.
    assert!(asked <= 20, "{asked}");
}

#[test]
fn what_is_wrong_with_the_agent_is_said_at_once() {
    let mut suite = suite(A2aVersion::V1, false);
    let mut agent = A2aAgent::new("/a2a");
    agent.output_modes = vec!["text/plain".to_owned(), "text".to_owned()];
    suite.agent = agent.into();
    suite.budget.tokens = Some(10);
    suite.cases[3].turns[1] = serde_json::from_value(json!({"messages": [
        {"role": "system", "content": "Be brief."}]}))
    .unwrap();
    let tools = json!({"tool-count": {"max": 1}});
    suite.cases[4].assert.push(serde_json::from_value(tools).unwrap());
    let problems = PromptRegression::new(suite).problems();
    let all: Vec<String> = problems.iter().map(ToString::to_string).collect();
    let all = all.join("\n");
    for wanted in [
        "agent.a2a.output_modes[1]: found \"text\"",
        "the role `system`, wanted one of user",
        "a budget of tokens that nobody counts",
        "`tool-count`, which could never be told",
    ] {
        assert!(all.contains(wanted), "{wanted}: {all}");
    }
    for typo in ["a2a: { steam: true }", "a2a: { version: \"2.0\" }"] {
        let text = format!(
            "agent: {{ {typo} }}\ncases: [{{ id: a, prompt: b, assert: [{{ equals: c }}] }}]\n"
        );
        assert!(PromptRegression::from_text("suite.yaml", &text).is_err(), "{typo}");
    }
}
