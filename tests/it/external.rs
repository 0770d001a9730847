//! Things kept elsewhere, which a release brings by reference.

use bluegreen_core::{Change, Color, Digest, Outcome, Slot as _};
use bluegreen_tests::{Agent, Manifests, change, plan, seconds};
use k8s_openapi::api::apps::v1::Deployment;
use serde_json::Value;

fn digest(version: &str) -> String {
    Digest::of([version]).to_string()
}

/// A release of this version of a prompt in a registry.
fn refunds(version: &str) -> Change {
    Change::external("refunds", format!("prompts/refunds@{version}"), digest(version))
        .external_in("refunds", "REFUNDS_PROMPT")
}

/// What the pods of live are told: by the annotation, and by the variable.
async fn told(agent: &Agent) -> (Color, Value, String) {
    let live = agent.live().await.unwrap();
    let deployment: Deployment = agent.api().get(&format!("agent-{live}")).await.unwrap();
    let deployment = serde_json::to_value(deployment).unwrap();
    let template = &deployment["spec"]["template"];
    let note = template["metadata"]["annotations"]["bluegreen.dev/external"].as_str().unwrap();
    let env = template["spec"]["containers"][0]["env"].as_array().unwrap();
    let variable = env.iter().find(|it| it["name"] == "REFUNDS_PROMPT").unwrap();
    let variable = variable["value"].as_str().unwrap().to_owned();
    (live, serde_json::from_str(note).unwrap(), variable)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_kept_elsewhere_is_released_carried_over_and_comes_back() {
    let agent = Agent::of(Manifests::shipped().sized(1, 0)).await;
    let cluster = agent.cluster("one").await;
    let releaser = cluster.releaser();
    let short = plan(seconds(1));
    assert_eq!(releaser.run(refunds("7"), &short).await.unwrap(), Outcome::Released);
    let of = |version: &str| {
        let reference = format!("prompts/refunds@{version}");
        serde_json::json!({"refunds": {"reference": reference, "digest": digest(version)}})
    };
    let seven = (of("7"), "prompts/refunds@7".to_owned());
    let (live, note, variable) = told(&agent).await;
    assert_eq!((live, (note, variable)), (Color::Green, seven.clone()));

    // A release of something else has it as well.
    assert_eq!(releaser.run(change("1.3.0"), &short).await.unwrap(), Outcome::Released);
    let (live, note, variable) = told(&agent).await;
    assert_eq!((live, (note, variable)), (Color::Blue, seven.clone()));

    let diff = releaser.diff(&refunds("8")).await.unwrap().unwrap().to_string();
    let [before, after] = ["7", "8"].map(|it| Digest::of([it]).short().to_owned());
    let wanted =
        format!("external refunds: prompts/refunds@7 ({before}) → prompts/refunds@8 ({after})\n");
    assert!(diff.contains(&wanted), "{diff}");
    assert_eq!(releaser.run(refunds("8"), &short).await.unwrap(), Outcome::Released);
    let (live, note, _) = told(&agent).await;
    assert_eq!((live, note), (Color::Green, of("8")));

    cluster.operations().rollback("ann", "wrong refunds").await.unwrap();
    cluster.operations().finish().await.unwrap();
    let (live, note, variable) = told(&agent).await;
    assert_eq!((live, (note, variable)), (Color::Blue, seven));
    let running = cluster.slot(Color::Blue).state().await.unwrap().running;
    assert_eq!(running.external["refunds"].digest.as_str(), digest("7"));
}

#[tokio::test]
async fn what_is_malformed_is_refused_with_all_else_and_nothing_is_touched() {
    let agent = Agent::of(Manifests::shipped().sized(1, 0)).await;
    let before: Deployment = agent.api().get("agent-green").await.unwrap();
    let change = Change::external("re funds", "prompts/refunds@7", "sha256:7").version("-");
    let outcome = agent.cluster("one").await.releaser().run(change, &plan(seconds(1))).await;
    let Ok(Outcome::Refused { problems }) = outcome else { panic!("{outcome:?}") };
    let codes: Vec<&str> = problems.iter().map(|it| it.code.as_str()).collect();
    for (code, count) in [("malformed-external", 2), ("malformed-version", 1)] {
        assert_eq!(codes.iter().filter(|it| **it == code).count(), count, "{problems:#?}");
    }
    let after: Deployment = agent.api().get("agent-green").await.unwrap();
    assert_eq!(after.metadata.annotations, before.metadata.annotations);
    assert_eq!(after.spec, before.spec);
}
