//! Prompts that are released, and come back.

use bluegreen_core::{Change, Color, ConfigFiles, ErrorKind, Outcome};
use bluegreen_tests::{Agent, Load, Manifests, ask, plan, seconds};
use http::Method;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt as _;
use kube::api::{ListParams, Patch, PatchParams};
use serde_json::json;

/// A release of this prompt, and nothing else.
fn prompt(text: &'static str) -> Change {
    Change::files("agent-prompts", ConfigFiles::new([("system.txt", text)]))
}

/// What live's pods have to say.
async fn said(agent: &Agent) -> String {
    let answer = ask(agent.address(), Method::GET, "/prompt").await.unwrap();
    String::from_utf8(answer.into_body().to_vec()).unwrap()
}

async fn overwrite(agent: &Agent, name: &str, text: &str) -> kube::Result<ConfigMap> {
    let patch = Patch::Merge(json!({"data": {"system.txt": text}}));
    agent.api::<ConfigMap>().patch(name, &PatchParams::default(), &patch).await
}

/// The ConfigMaps of files that were released.
async fn released(agent: &Agent) -> Vec<ConfigMap> {
    let params = ListParams::default().labels("bluegreen.dev/purpose=config");
    agent.api::<ConfigMap>().list(&params).await.unwrap().items
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_prompt_is_released_under_load_and_comes_back_whatever_became_of_its_source() {
    let manifests = Manifests::shipped().sized(2, 0).with_prompt("Be helpful.");
    let agent = Agent::of(manifests).await;
    let cluster = agent.cluster("one").await;
    let releaser = cluster.releaser();
    assert_eq!(said(&agent).await, "Be helpful.");

    let load = Load::start(agent.address());
    let first = releaser.run(prompt("Be kind."), &plan(seconds(1))).await.unwrap();
    assert_eq!(first, Outcome::Released);
    assert_eq!(said(&agent).await, "Be kind.");
    overwrite(&agent, "agent-prompts", "Be rude.").await.unwrap();
    let second = releaser.run(prompt("Be brief."), &plan(seconds(1))).await.unwrap();
    assert_eq!(second, Outcome::Released);
    assert_eq!(said(&agent).await, "Be brief.");
    assert_eq!(agent.live().await, Some(Color::Blue));

    let files = released(&agent).await;
    assert_eq!(files.len(), 2, "live's, and those that a rollback goes back to");
    for map in &files {
        let refused = overwrite(&agent, &map.name_any(), "Be rude.").await.unwrap_err();
        assert!(refused.to_string().contains("immutable"), "{refused}");
    }
    cluster.operations().rollback("ann", "too brief").await.unwrap();
    cluster.operations().finish().await.unwrap();
    assert_eq!(said(&agent).await, "Be kind.");
    let tally = load.stop().await;
    assert!(tally.failures.is_empty(), "{tally}");
    assert_eq!(released(&agent).await.len(), 2, "both are in the history");
}

#[tokio::test]
async fn files_that_no_pod_reads_are_refused_and_nothing_is_made() {
    let agent = Agent::of(Manifests::shipped().sized(1, 0).with_prompt("Be helpful.")).await;
    let cluster = agent.cluster("one").await;
    let files = ConfigFiles::new([("system.txt", "Be kind.")]);
    let change = Change::files("agent-promts", files);
    let outcome = cluster.releaser().run(change, &plan(seconds(1))).await.unwrap();
    let Outcome::Refused { problems } = outcome else { panic!("{outcome}") };
    let codes: Vec<&str> = problems.iter().map(|it| it.code.as_str()).collect();
    assert!(codes.contains(&"unused-config"), "{problems:#?}");
    assert_eq!(released(&agent).await.len(), 0);

    let missing = Change::prompts("agent-prompts", "no/such/folder").unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::Rejected);
    assert!(missing.chain().contains("no/such/folder"), "{}", missing.chain());
}

#[tokio::test]
async fn what_a_prompt_would_change_is_shown_before_anything_is_touched() {
    let agent = Agent::of(Manifests::shipped().sized(1, 0).with_prompt("Be helpful.\n")).await;
    let cluster = agent.cluster("one").await;
    let releaser = cluster.releaser();
    let first = releaser.diff(&prompt("Be kind.\n")).await.unwrap().unwrap().to_string();
    assert!(first.contains("files of agent-prompts: its own → "), "{first}");
    assert!(first.contains("@@ -1 +1 @@\n-Be helpful.\n+Be kind.\n"), "{first}");
    assert_eq!(released(&agent).await.len(), 0, "nothing was touched");

    let outcome = releaser.run(prompt("Be kind.\n"), &plan(seconds(1))).await.unwrap();
    assert_eq!(outcome, Outcome::Released);
    // From now on live's files are not what stands in the ConfigMap itself.
    overwrite(&agent, "agent-prompts", "Be rude.\n").await.unwrap();
    let change = prompt("Be brief.\n").env("AGENT_PROMPT_FILE", "/prompts/sk-secret");
    let second = releaser.diff(&change).await.unwrap().unwrap().to_string();
    assert!(second.contains("@@ -1 +1 @@\n-Be kind.\n+Be brief.\n"), "{second}");
    assert!(second.contains("AGENT_PROMPT_FILE: changed, values are not shown"), "{second}");
    assert!(!second.contains("sk-secret") && !second.contains("Be rude"), "{second}");
}

#[tokio::test]
async fn files_that_no_pod_can_start_with_are_refused_all_at_once_and_nothing_is_made() {
    let agent = Agent::of(Manifests::shipped().sized(1, 0).with_prompt("Be helpful.")).await;
    let key = json!({"name": "agent-prompts", "key": "mode"});
    for color in Color::BOTH {
        let patch = Patch::Strategic(json!({"spec": {"template": {"spec": {"containers": [
            {"name": "agent", "env": [{"name": "MODE", "valueFrom": {"configMapKeyRef": key}}]},
        ]}}}}));
        // Live's pods cannot start with it either, so its ConfigMap has the key first.
        let mode = Patch::Merge(json!({"data": {"mode": "fast"}}));
        let maps = agent.api::<ConfigMap>();
        maps.patch("agent-prompts", &PatchParams::default(), &mode).await.unwrap();
        let deployments = agent.api::<Deployment>();
        let name = format!("agent-{color}");
        deployments.patch(&name, &PatchParams::default(), &patch).await.unwrap();
    }
    agent.all_settled().await;
    let cluster = agent.cluster("one").await;
    let refused = async |files: ConfigFiles| {
        let change = Change::files("agent-prompts", files);
        let outcome = cluster.releaser().run(change, &plan(seconds(1))).await.unwrap();
        let Outcome::Refused { problems } = outcome else { panic!("{outcome}") };
        problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    let told = refused(ConfigFiles::new([("system.txt", "Be kind.")])).await;
    assert!(
        told.contains("variable MODE, ConfigMap agent-prompts: found only system.txt"),
        "{told}"
    );
    let binary = [("system.txt", &b"Be kind."[..]), ("mode", &[0xff][..])];
    let told = refused(ConfigFiles::new(binary)).await;
    assert!(told.contains("found mode with bytes that are no text, wanted text in mode"), "{told}");
    let large = [("a/b", vec![b'x'; 1 << 20]), ("mode", vec![b'y'])];
    let told = refused(ConfigFiles::new(large)).await;
    assert!(told.contains("found 1048577 bytes in 2 files, wanted at most 1048576"), "{told}");
    assert!(told.contains("malformed-file"), "all at once: {told}");
    assert_eq!(released(&agent).await.len(), 0, "nothing was made");
    let files = ConfigFiles::new([("system.txt", "Be kind."), ("mode", "slow")]);
    let good = Change::files("agent-prompts", files);
    let outcome = cluster.releaser().run(good, &plan(seconds(1))).await.unwrap();
    assert_eq!(outcome, Outcome::Released);
}
