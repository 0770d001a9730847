//! Candidates that are cold at first: their pods are asked until they are warm, before anybody else is.

use std::sync::{Arc, Mutex};

use bluegreen_core::{Color, Judgement, Outcome, PhaseName, Progress, Releaser};
use bluegreen_tests::{Agent, Load, Manifests, change, plan, reaches, reason, seconds};
use bluegreen_validate::prompt::{HttpAgent, Reading};
use bluegreen_validate::{ModelWarmUp, Smoke, Value};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use kube::api::DeleteParams;

/// Three answers in a row whose first token comes within 700 ms, of agents that take a second while they
/// are cold.
fn warm_up() -> ModelWarmUp {
    let mut agent = HttpAgent::post("/stream?chunks=3&interval_ms=5", Value::Null, "text");
    (agent.method, agent.body, agent.reading) = ("GET".to_owned(), None, Reading::Stream);
    ModelWarmUp::new(agent, ["Where is my parcel?"], std::time::Duration::from_millis(700))
        .with(|it| it.attempts = 12)
}

/// What warm-ups came to.
#[derive(Clone, Default)]
struct Judged(Arc<Mutex<Vec<Judgement>>>);

impl Judged {
    fn listening(&self, releaser: Releaser) -> Releaser {
        let kept = self.clone();
        releaser.report(move |progress: &Progress| {
            if let Progress::Judged { validator, judgement } = progress
                && validator == "warm-up"
            {
                kept.0.lock().unwrap().push(judgement.clone());
            }
        })
    }

    fn last(&self) -> Judgement {
        self.0.lock().unwrap().last().unwrap().clone()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cold_candidate_is_warmed_pod_by_pod_before_it_gets_traffic() {
    let agent = Agent::of(Manifests::shipped().sized(2, 0)).await;
    let cluster = agent.cluster("one").await;
    let (judged, plan) = (Judged::default(), plan(seconds(1)).warm_up(seconds(60)));
    let releaser = judged.listening(cluster.releaser()).warm_up(warm_up());
    let releaser = releaser.gate(Smoke::get("/readyz").expect_version());
    let load = Load::start(agent.address());
    let cold = change("1.3.0").env("AGENT_WARM_AFTER", "3");
    assert_eq!(releaser.run(cold, &plan).await.unwrap(), Outcome::Released);
    let tally = load.stop().await;
    assert!(tally.failures.is_empty(), "{tally}");
    let judgement = judged.last();
    assert!(judgement.summary.starts_with("2 pods warm after 12 calls in all, at most 6 to one"));
    let pods = agent.pods(Color::Green).await;
    assert_eq!(judgement.evidence.len(), pods.len());
    for pod in pods {
        let name = format!("pod {}", pod.name_any());
        let finding = judgement.evidence.iter().find(|it| it.subject == name).unwrap();
        assert!(finding.found.starts_with("warm after 6 calls: 1."), "{finding}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_stays_cold_goes_back_and_nobody_has_met_it() {
    let agent = Agent::of(Manifests::shipped().sized(1, 0)).await;
    let cluster = agent.cluster("one").await;
    let releaser = cluster.releaser().warm_up(warm_up().with(|it| it.attempts = 4));
    let load = Load::start(agent.address());
    let cold = change("1.3.0").env("AGENT_WARM_AFTER", "1000");
    let outcome = releaser.run(cold, &plan(seconds(1)).warm_up(seconds(60))).await.unwrap();
    let tally = load.stop().await;
    assert!(tally.failures.is_empty() && !tally.answers.contains_key("1.3.0"), "{tally}");
    let told = reason(outcome).to_string();
    assert!(told.contains("warm-up: fail: 1 of 1 pod did not get warm in 4 calls"), "{told}");
    let wanted = "wanted the first token within 700ms, 3 times in a row, found not warm after 4 \
                  calls: 1.";
    assert!(told.contains("pod agent-green-") && told.contains(wanted), "{told}");
    assert_eq!(agent.live().await, Some(Color::Blue));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_in_the_place_of_a_pod_that_goes_meanwhile_is_warmed_too() {
    let agent = Agent::of(Manifests::shipped().sized(2, 0)).await;
    let cluster = agent.cluster("one").await;
    let judged = Judged::default();
    let releaser = judged.listening(cluster.releaser()).warm_up(warm_up());
    let cold = change("1.3.0").env("AGENT_WARM_AFTER", "8");
    let plan = plan(seconds(1)).warm_up(seconds(120));
    let release = tokio::spawn(async move { releaser.run(cold, &plan).await });
    reaches(&cluster, PhaseName::WarmingUp).await;
    let gone = agent.pods(Color::Green).await.remove(0).name_any();
    agent.api::<Pod>().delete(&gone, &DeleteParams::default()).await.unwrap();
    assert_eq!(release.await.unwrap().unwrap(), Outcome::Released);
    let judgement = judged.last();
    let warm: Vec<&str> = judgement.evidence.iter().map(|it| it.subject.as_str()).collect();
    assert_eq!(warm.len(), 2, "{judgement}: {warm:?}");
    assert!(!warm.contains(&format!("pod {gone}").as_str()), "{warm:?}");
    assert!(judgement.evidence.iter().all(|it| it.found.starts_with("warm after 11 calls")));
}
