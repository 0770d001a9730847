//! The program of `examples/canary`, as its users run it.

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;

use bluegreen_core::Share;
use bluegreen_tests::{
    ACCOUNT, Access, Agent, Load, Manifests, ROUTE, example, folder, image, seconds,
};
use tokio::process::Command;

use crate::gateway::{Gateway, Through};
use crate::rules;

/// What a candidate is watched by, with less patience than that of the example.
const GUARDS: &str = "
guards:
  - error_rate:
      metric: errors
      margin: 0.05
      sampling: { window: 1s, min_units: 50 }
";

/// A candidate that fails is sent back by its guards, and one that does not becomes live; the load may
/// fail only where the candidate does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_example_through_contour() {
    bluegreen_tests::define_gateway_api().await;
    Through::Contour.prepare().await;
    let agent = Agent::of(Manifests::shipped().sized(2, 0).behind_routes()).await;
    let gateway = Gateway::start(Through::Contour, &agent).await;
    let example = Example::of(&agent).await;
    let through = format!("http://{}/", gateway.address());

    let load = Load::start(gateway.address());
    let (code, said) = example.run(&["run", "--env", "AGENT_FAIL_RATE=0.5"], &through).await;
    assert_eq!(code, Some(4), "{said}");
    assert!(
        said.contains("guards: fail: errors worse") && said.contains("traffic goes back"),
        "{said}"
    );
    let tally = load.stop().await;
    assert!(tally.failures.iter().all(|failure| failure.contains("500")), "{tally}");
    assert!(!tally.failures.is_empty(), "it should have had traffic: {tally}");
    let weights = rules(&agent).await;
    assert_eq!(weights[0]["backendRefs"][0]["weight"], Share::ALL.as_parts_per_million());

    let load = Load::start(gateway.address());
    let (code, said) = example.run(&["run"], &through).await;
    assert_eq!(code, Some(0), "{said}");
    let tally = load.stop().await;
    println!("{tally}");
    assert!(tally.failures.is_empty() && tally.answers["1.3.0"] > 0, "{tally}");
    let weights = rules(&agent).await;
    assert_eq!(weights[0]["backendRefs"][1]["weight"], Share::ALL.as_parts_per_million());
}

/// The program, and what it is started with.
struct Example {
    program: PathBuf,
    namespace: String,
    kubeconfig: PathBuf,
    guards: PathBuf,
}

impl Example {
    async fn of(agent: &Agent) -> Self {
        let namespace = agent.namespace().name().to_owned();
        let folder = folder(&namespace);
        let token = Access::admin().await.token(&namespace, ACCOUNT).await;
        let (kubeconfig, guards) = (folder.join("kubeconfig"), folder.join("guards.yaml"));
        // JSON is YAML, too.
        fs::write(&kubeconfig, Access::kubeconfig(&token).to_string()).unwrap();
        fs::write(&guards, GUARDS).unwrap();
        Self { program: example("canary").await, namespace, kubeconfig, guards }
    }

    /// Runs it to its end: the exit code, and everything that it said.
    async fn run(&self, arguments: &[&str], through: &str) -> (Option<i32>, String) {
        let mut command = Command::new(&self.program);
        command.env("KUBECONFIG", &self.kubeconfig).arg("--namespace").arg(&self.namespace);
        command.args(["--route", ROUTE]).args(arguments).arg("--guards").arg(&self.guards);
        let image = format!("agent={}", image("1.3.0"));
        command.args(["--image", &image, "--version", "1.3.0", "--through", through]);
        command.args([
            "--steps", "50", "--hold", "6s", "--bake", "2s", "--look", "1s", "--quiet", "2s",
        ]);
        let ended = command.stdin(Stdio::null()).kill_on_drop(true).output();
        let ended = tokio::time::timeout(seconds(180), ended).await.unwrap().unwrap();
        let said = [ended.stdout, ended.stderr].map(|it| String::from_utf8_lossy(&it).into_owned());
        (ended.status.code(), said.concat())
    }
}
