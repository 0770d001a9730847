//! Approvals asked for at a server on loopback.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bluegreen_core::conformance::approver::ApproverFixture;
use bluegreen_core::{
    Actor, ApprovalRequest, Approver as _, Clock as _, Decision, Digest, Error, ErrorKind, Outcome,
    Plan, Reason, ReleaseId, Releaser, SystemClock, Timestamp,
};
use bluegreen_validate::notify::{NotifyConfig, SigningKey, WebhookApprover, verify};
use serde_json::{Value, json};

use crate::server::{Does, Receiver, Sent};
use crate::world::{PATIENCE, change, config, key, plan, ports};

bluegreen_core::approver_conformance_tests!(async || {
    let decided = Arc::<Mutex<BTreeMap<String, Value>>>::default();
    let known = decided.clone();
    let receiver = Receiver::reading(move |_, sent| {
        let digest = sent.json()["data"]["digest"].as_str().unwrap().to_owned();
        match known.lock().unwrap().get(&digest) {
            Some(answer) => signed(sent, &key(), answer),
            None => later("0"),
        }
    })
    .await;
    ApproverFixture {
        approver: Arc::new(approver(&receiver)),
        answer: Box::new(move |request, decision| {
            let (verb, actor, reason) = match &decision {
                Decision::Approve { actor } => ("approve", actor, None),
                Decision::Deny { actor, reason } => ("deny", actor, Some(reason)),
                other => panic!("neither yes nor no: {other:?}"),
            };
            let mut answer = said(verb, &request.digest);
            answer["actor"] = actor.as_str().into();
            answer["reason"] = json!(reason);
            decided.lock().unwrap().insert(request.digest.to_string(), answer);
            Box::pin(std::future::ready(()))
        }),
        deadline: in_some(Duration::from_mins(5)),
        guard: Box::new(receiver),
    }
});

/// What a server says to what it is sent.
type Answering = Box<dyn Fn(&Sent) -> Does + Send + Sync>;

fn in_some(time: Duration) -> Timestamp {
    SystemClock.now().plus(time)
}

fn digest() -> Digest {
    Digest::of(["good"])
}

fn request() -> ApprovalRequest {
    ApprovalRequest::new(ReleaseId::new("r1"), digest(), "1.3.0", in_some(PATIENCE))
}

fn signing(receiver: &Receiver) -> NotifyConfig {
    config(receiver.url()).sign(key())
}

fn approver(receiver: &Receiver) -> WebhookApprover {
    WebhookApprover::new(signing(receiver), &ports()).unwrap()
}

fn said(verb: &str, digest: &Digest) -> Value {
    json!({"decision": verb, "digest": digest, "actor": "ann"})
}

fn later(pause: &str) -> Does {
    Does::Answer(202, format!("retry-after: {pause}\r\n"))
}

/// The headers of an answer that is signed as if it were to `id`.
fn headers(id: &str, at: Timestamp, key: &SigningKey, body: &str) -> String {
    let (seconds, signature) = (at.unix_millis() / 1000, key.sign(id, at, body.as_bytes()));
    format!(
        "webhook-id: {id}\r\nwebhook-timestamp: {seconds}\r\nwebhook-signature: {signature}\r\n"
    )
}

fn signed(sent: &Sent, key: &SigningKey, answer: &Value) -> Does {
    let body = answer.to_string();
    Does::Say(200, headers(sent.header("webhook-id"), SystemClock.now(), key, &body), body)
}

/// What one answer comes to, and how often it was asked for.
async fn once(does: impl Fn(&Sent) -> Does + Send + Sync + 'static) -> (Error, usize) {
    let receiver = Receiver::reading(move |_, sent| does(sent)).await;
    let error = approver(&receiver).decide(&request()).await.unwrap_err();
    (error, receiver.sent().len())
}

#[tokio::test]
async fn the_question_is_a_signed_event_and_the_same_one_when_asked_again() {
    let receiver = Receiver::reading(|number, sent| match number {
        0 => Does::Answer(503, String::new()),
        1 => Does::HangUp,
        2 => later("0"),
        _ => signed(sent, &key(), &said("approve", &digest())),
    })
    .await;
    let decision = approver(&receiver).decide(&request()).await.unwrap();
    assert_eq!(decision, Decision::Approve { actor: Actor::new("ann") });
    let sent = receiver.sent();
    assert_eq!(sent.len(), 4);
    for it in &sent {
        let (now, tolerance) = (SystemClock.now(), Duration::from_mins(5));
        verify(&[key()], &it.headers, &it.body, now, tolerance).unwrap();
        assert_eq!(it.header("content-type"), "application/cloudevents+json");
        assert_eq!(it.header("webhook-id"), sent[0].header("webhook-id"));
        assert_eq!(it.path, "/in/token-4711?key=key-0815");
    }
    let event = sent[0].json();
    assert_eq!(event["type"], "dev.bluegreen.release.approval-requested");
    assert_eq!(
        (&event["id"], &event["subject"]),
        (&sent[0].header("webhook-id").into(), &"r1".into())
    );
    assert_eq!(event["data"]["digest"], digest().as_str());
    assert_eq!(event["data"]["version"], "1.3.0");
}

#[tokio::test]
async fn what_is_not_signed_for_this_question_is_never_an_approval() {
    let yes = || said("approve", &digest());
    let other = || SigningKey::from_bytes([9; 32]).unwrap();
    let at = move |id: String, at: Timestamp| {
        let body = yes().to_string();
        Does::Say(200, headers(&id, at, &key(), &body), body)
    };
    let id = |sent: &Sent| sent.header("webhook-id").to_owned();
    let answers: [(Answering, &str); 6] = [
        (
            Box::new(move |_| Does::Say(200, String::new(), yes().to_string())),
            "no header `webhook-id`",
        ),
        (Box::new(move |sent| signed(sent, &other(), &yes())), "no signature by a known key"),
        (Box::new(move |_| at("apr_another".into(), SystemClock.now())), "another `webhook-id`"),
        (
            Box::new(move |sent| at(id(sent), Timestamp::from_unix_millis(1_764_000_000_000))),
            "too far from now",
        ),
        // What was sent, sent back.
        (
            Box::new(|sent| {
                let names = ["webhook-id", "webhook-timestamp", "webhook-signature"];
                let same = names.map(|name| format!("{name}: {}\r\n", sent.header(name)));
                Does::Say(200, same.concat(), String::from_utf8(sent.body.clone()).unwrap())
            }),
            "can't be read",
        ),
        (
            Box::new(move |sent| {
                let Does::Say(status, headers, body) =
                    signed(sent, &key(), &said("deny", &digest()))
                else {
                    panic!("an answer has a body")
                };
                Does::Say(status, headers, body.replace("deny", "approve"))
            }),
            "no signature by a known key",
        ),
    ];
    for (does, wanted) in answers {
        let (error, asked) = once(does).await;
        assert_eq!((error.kind(), asked), (ErrorKind::Rejected, 1), "{}", error.chain());
        assert!(error.chain().contains(wanted), "{wanted}: {}", error.chain());
    }
}

#[tokio::test]
async fn what_is_signed_and_no_decision_on_this_digest_is_an_error() {
    let good = digest();
    let with = |name: &str, value: Value| {
        let mut answer = said("deny", &good);
        answer["reason"] = "wrong refunds".into();
        answer[name] = value;
        answer
    };
    let answers = [
        (said("approve", &Digest::of(["other"])), "found a decision on"),
        (with("digest", good.short().into()), "found a decision on"),
        (with("decision", "maybe".into()), "unknown variant `maybe`"),
        (with("approved", true.into()), "unknown field `approved`"),
        (with("actor", "".into()), "found actor \"\""),
        (with("actor", "ann\u{1b}[2J".into()), "printable"),
        (with("reason", "x".repeat(1_001).into()), "1 to 1000 printable characters"),
        (with("reason", Value::Null), "a denial without a reason"),
        (json!("approve"), "can't be read"),
        (with("reason", "x".repeat(20_000).into()), "longer than 16384 bytes"),
    ];
    for (answer, wanted) in answers {
        let (error, asked) = once(move |sent| signed(sent, &key(), &answer)).await;
        assert_eq!((error.kind(), asked), (ErrorKind::Rejected, 1), "{}", error.chain());
        assert!(error.chain().contains(wanted), "{wanted}: {}", error.chain());
    }
}

#[tokio::test]
async fn another_status_is_an_error_that_repeats_no_secret() {
    for status in [201, 204, 302, 400, 401, 404, 410] {
        let said = "no token-4711".to_owned();
        let (error, asked) = once(move |_| {
            let body = if status == 204 { String::new() } else { said.clone() };
            Does::Say(status, "location: /elsewhere\r\n".to_owned(), body)
        })
        .await;
        assert_eq!((error.kind(), asked), (ErrorKind::Rejected, 1), "{}", error.chain());
        let chain = error.chain();
        assert!(chain.contains(&format!("status {status}")) && !chain.contains("4711"), "{chain}");
    }
}

#[tokio::test]
async fn nobody_is_waited_for_beyond_the_deadline_whatever_pause_is_asked_for() {
    for does in [later("86400"), Does::Hang, Does::Answer(503, "retry-after: 9999\r\n".into())] {
        let receiver = Receiver::new(move |_| does.clone()).await;
        let mut request = request();
        request.deadline = in_some(Duration::from_millis(300));
        let approver = approver(&receiver);
        let deciding = tokio::time::timeout(PATIENCE, approver.decide(&request));
        let error = deciding.await.expect("it ends by itself").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{}", error.chain());
        assert!(SystemClock.now() >= request.deadline && receiver.sent().len() == 1);
    }
}

#[tokio::test]
async fn a_pause_that_is_asked_for_is_cut_to_our_patience() {
    let receiver = Receiver::reading(|number, sent| match number {
        0 => later("86400"),
        _ => signed(sent, &key(), &said("approve", &digest())),
    })
    .await;
    let mut config = signing(&receiver);
    config.patience = Duration::from_millis(5);
    let approver = WebhookApprover::new(config, &ports()).unwrap();
    approver.decide(&request()).await.unwrap();
    assert_eq!(receiver.sent().len(), 2);
}

#[tokio::test]
async fn settings_without_a_key_or_for_a_chat_are_refused_at_once() {
    let error =
        WebhookApprover::new(NotifyConfig::slack("https://hooks/in"), &ports()).unwrap_err();
    let objects: Vec<_> = error.problems().iter().map(|it| it.object.as_str()).collect();
    assert_eq!(objects, ["notify, url", "notify, keys", "notify, format"]);
}

#[tokio::test]
async fn a_release_goes_on_or_back_as_the_answer_says() {
    for verb in ["approve", "deny"] {
        let receiver = Receiver::reading(move |_, sent| {
            let digest = sent.json()["data"]["digest"].clone();
            let reason = "wrong refunds";
            let answer =
                json!({"decision": verb, "digest": digest, "actor": "ann", "reason": reason});
            signed(sent, &key(), &answer)
        })
        .await;
        let approver = Arc::new(approver(&receiver));
        let plan: Plan = plan().approval(PATIENCE);
        let releaser = Releaser::new(ports().with_approver(approver));
        let ended = releaser.run(change(), &plan).await.unwrap();
        match (verb, ended) {
            ("approve", Outcome::Released) => {}
            ("deny", Outcome::RolledBack { reason: Reason::Aborted { actor, reason } }) => {
                assert_eq!((actor.as_str(), reason.as_str()), ("ann", "wrong refunds"));
            }
            (_, other) => panic!("{verb}: {other:?}"),
        }
    }
}
