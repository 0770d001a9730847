//! Whole releases, and what is told of them.

use std::collections::BTreeSet;

use bluegreen_core::{
    Clock as _, MockValidator, Outcome, Progress, Releaser, Reporter, SystemClock, Validator,
};
use bluegreen_core::{Digest, Finding, Judgement, Verdict};
use bluegreen_validate::notify::{Detail, Notifier, NotifyConfig, verify};
use serde_json::{Value, json};

use crate::server::{Does, Receiver, Sent};
use crate::world::{PATIENCE, change, config, key, plan, ports};

async fn receiver() -> Receiver {
    Receiver::new(|_| Does::Answer(202, String::new())).await
}

/// A gate that says this.
fn gate(judgement: Judgement) -> impl Validator {
    let mut gate = MockValidator::new();
    gate.expect_name().return_const("smoke".to_owned());
    gate.expect_config_digest().returning(|| Digest::of(["smoke"]));
    gate.expect_check().returning(|_| Ok(Vec::new()));
    gate.expect_judge().returning(move |_| Ok(judgement.clone()));
    gate
}

#[tokio::test]
async fn a_release_is_told_from_its_first_phase_to_its_end() {
    let receiver = receiver().await;
    let ports = ports();
    let notifier = Notifier::new(config(receiver.url()).sign(key()), &ports).unwrap();
    let releaser = Releaser::new(ports).report(notifier.clone());
    assert_eq!(releaser.run(change(), &plan()).await.unwrap(), Outcome::Released);
    let delivery = notifier.flush(PATIENCE).await;
    assert!(delivery.is_complete(), "{delivery}");

    let sent = receiver.sent();
    assert_eq!(sent.len() as u64, delivery.delivered);
    let (mut ids, mut phases, mut types) = (BTreeSet::new(), Vec::new(), Vec::new());
    for it in &sent {
        verify(&[key()], &it.headers, &it.body, SystemClock.now(), PATIENCE).unwrap();
        assert_eq!(it.path, "/in/token-4711?key=key-0815");
        assert_eq!(it.header("content-type"), "application/cloudevents+json");
        let event = it.json();
        assert_eq!(event["specversion"], "1.0");
        assert_eq!(event["source"], "/bluegreen/memory/agent");
        assert_eq!(event["id"], it.header("webhook-id"));
        assert_eq!(event["data"]["lost"], 0);
        assert!(ids.insert(event["id"].to_string()), "an id of its own: {event}");
        let what = event["type"].as_str().unwrap();
        let what = what.strip_prefix("dev.bluegreen.release.").unwrap().to_owned();
        if what == "entered" {
            phases.push(event["data"]["phase"].as_str().unwrap().to_owned());
            assert_eq!(event["subject"], event["data"]["release"]);
        }
        types.push(what);
    }
    assert_eq!(phases.first().map(String::as_str), Some("deploying"));
    assert_eq!(phases.last().map(String::as_str), Some("done"));
    assert_eq!(types.last().map(String::as_str), Some("released"));
    let mut events = sent.iter().map(Sent::json);
    let shifted = events.find(|it| it["type"] == "dev.bluegreen.release.shifted").unwrap();
    assert_eq!(shifted["data"]["routing"]["live"], "green", "{shifted}");
}

#[tokio::test]
async fn a_chat_hears_of_milestones_and_is_not_told_what_to_do() {
    let receiver = receiver().await;
    let ports = ports();
    let notifier = Notifier::new(NotifyConfig::slack(receiver.url()), &ports).unwrap();
    let evil = Finding::new("agent-green-1", "200", "<!channel> & <https://evil.example|log in>");
    let failed = Judgement::new(Verdict::Fail, "<b>no</b>").with_evidence(vec![evil]);
    let releaser = Releaser::new(ports).gate(gate(failed)).report(notifier.clone());
    let outcome = releaser.run(change(), &plan()).await.unwrap();
    assert!(matches!(outcome, Outcome::RolledBack { .. }));
    assert!(notifier.flush(PATIENCE).await.is_complete());
    let texts: Vec<String> = receiver
        .sent()
        .iter()
        .map(|it| {
            let Value::Object(message) = it.json() else { panic!("an object") };
            assert_eq!(message.len(), 1);
            message["text"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(texts[0], "agent in memory, r1: deploying");
    assert!(texts.iter().any(|text| text.contains("smoke: fail: &lt;b&gt;no&lt;/b&gt;")));
    assert!(texts.last().unwrap().contains("r1: rolled back"), "{texts:?}");
    assert!(texts.iter().all(|text| !text.contains(['<', '>'])), "{texts:?}");
}

#[tokio::test]
async fn who_wants_outcomes_is_told_of_outcomes_and_of_a_refusal_too() {
    let receiver = receiver().await;
    let ports = ports();
    let config = config(receiver.url()).detail(Detail::Outcomes);
    let notifier = Notifier::new(config, &ports).unwrap();
    let releaser = Releaser::new(ports).report(notifier.clone());
    let mut wrong = plan();
    wrong.steps.clear();
    releaser.run(change(), &wrong).await.unwrap();
    releaser.run(change(), &plan()).await.unwrap();
    assert!(notifier.flush(PATIENCE).await.is_complete());
    let events: Vec<Value> = receiver.sent().iter().map(Sent::json).collect();
    let told: Vec<_> = events
        .iter()
        .map(|it| (it["type"].as_str().unwrap().rsplit('.').next().unwrap(), it.get("subject")))
        .collect();
    assert_eq!(told, [("refused", None), ("released", Some(&json!("r1")))]);
    assert_eq!(events[0]["data"]["outcome"]["problems"][0]["code"], "plan-steps");
}

/// The end of a release comes as soon with a receiver that hangs as without one: nothing in it waits
/// for the receiver, whose first answer would come after the test has ended.
#[tokio::test]
async fn a_release_does_not_wait_for_a_receiver_that_hangs() {
    let receiver = Receiver::new(|_| Does::Hang).await;
    let ports = ports();
    let mut config = config(receiver.url());
    config.timeout = PATIENCE * 30;
    let notifier = Notifier::new(config, &ports).unwrap();
    let heard = notifier.clone();
    let releaser = Releaser::new(ports).report(move |progress: &Progress| heard.report(progress));
    let outcome = tokio::time::timeout(PATIENCE, releaser.run(change(), &plan())).await;
    assert_eq!(outcome.unwrap().unwrap(), Outcome::Released);
    let delivery = notifier.delivery();
    assert_eq!((delivery.delivered, delivery.given_up, delivery.dropped), (0, 0, 0));
    assert!(delivery.waiting > 5, "{delivery}");
}
