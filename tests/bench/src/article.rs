//! The script that a release replaces: Python around kubectl, as people have it.

use std::ffi::OsString;
use std::path::Path;
use std::time::Instant;

use bluegreen_tests::{Agent, Manifests, SERVICE, image};
use tokio::process::Command;

use crate::alone::alone;
use crate::floor::{QUIET, count};
use crate::sampler::Sampler;
use crate::sight::Sight;
use crate::table::Table;

/// Runs it where Python is, and says so where it is not.
pub(crate) async fn measure(table: &mut Table) {
    let python = Command::new("python3").arg("--version").output().await;
    if !python.is_ok_and(|output| output.status.success()) {
        eprintln!("no python3: the script is left out");
        return;
    }
    alone().await;
    let agent = agent().await;
    let (sight, sampler) = (Sight::start(&agent), Sampler::start(agent.address()));
    sight.selected("blue", Instant::now().checked_sub(QUIET).unwrap()).await;
    tokio::time::sleep(QUIET).await;

    let begun = Instant::now();
    deploy(&agent).await;
    // It changes the image and not the label, so pods are told apart by when they came.
    let ready = sight
        .until(|seen| {
            let new: Vec<_> = seen.ready.iter().filter(|(.., at)| *at >= begun).collect();
            (new.len() >= 3).then(|| new.iter().map(|(.., at)| *at).max())?
        })
        .await;
    let patched = sight.selected("green", begun).await;
    table.add_time("command → all idle pods ready, ms", "script", ready - begun);
    let row = "pods ready → switch PATCH, one HTTP check, ms";
    table.add_time(row, "script", patched.saturating_duration_since(ready));
    tokio::time::sleep(QUIET).await;
    let last = sampler.last_answer(OLD, patched);
    table.add_time("switch PATCH → last old answer, ms", "script", last);

    let begun = Instant::now();
    back(&agent).await;
    tokio::time::sleep(QUIET).await;
    let last = sampler.last_answer(NEW, begun);
    table.add_time("rollback() → last answer of the bad version, ms", "script", last);
    table.add("requests that failed", "script", count(sampler.failed()));
}

const OLD: &str = "1.2.0";
const NEW: &str = "1.4.0";

/// An agent as the script wants it: both slots run, as its author's do. It changes the image and
/// leaves the version in the environment as it was, so that has to go: the image knows its own.
pub(crate) async fn agent() -> Agent {
    let mut manifests = Manifests::shipped().sized(3, 3);
    for name in ["agent-blue", "agent-green"] {
        let containers = &mut manifests.object("Deployment", name)["spec"]["template"]["spec"];
        let env = containers["containers"][0]["env"].as_array_mut().unwrap();
        env.retain(|variable| variable["name"] != "AGENT_VERSION");
    }
    Agent::of(manifests).await
}

/// Runs the script to its end.
pub(crate) async fn deploy(agent: &Agent) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy.py");
    let mut command = Command::new("python3");
    command.arg(script).arg(image(NEW)).arg(agent.namespace().name());
    let done = command.env("KUBECTL", kubectl()).kill_on_drop(true).output().await.unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
}

/// Runs its rollback command.
pub(crate) async fn back(agent: &Agent) {
    let patch = r#"{"spec": {"selector": {"slot": "blue"}}}"#;
    let mut command = Command::new(kubectl());
    command.args(["patch", "service", SERVICE, "-n", agent.namespace().name(), "-p", patch]);
    assert!(command.output().await.unwrap().status.success());
}

fn kubectl() -> OsString {
    std::env::var_os("BLUEGREEN_KUBECTL").expect("`tests/cluster/with -- …` sets BLUEGREEN_KUBECTL")
}
