//! The command line as a process of its own: memory and start-up.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use bluegreen_tests::{Agent, Manifests, SERVICE, image};
use tokio::process::Command;

use crate::table::Table;

fn deploy(agent: &Agent) -> Command {
    let path = std::env::var_os("BENCH_DEPLOY").map_or_else(beside, PathBuf::from);
    let mut command = Command::new(path);
    command.args(["--namespace", agent.namespace().name(), "--service", SERVICE]);
    command.stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    command
}

/// The program of `examples/deploy`, built beside this one.
fn beside() -> PathBuf {
    std::env::current_exe().unwrap().with_file_name("deploy")
}

pub(crate) async fn measure(table: &mut Table, rounds: u32) {
    let agent = Agent::of(Manifests::shipped()).await;
    for _ in 0..rounds {
        let begun = Instant::now();
        let status = deploy(&agent).arg("status").status().await.unwrap();
        assert!(status.success());
        let row = "start-up of the command line (status), ms";
        table.add_time(row, "ours", begun.elapsed());
    }
    let mut command = deploy(&agent);
    command.args(["deploy", "--image", &image("1.3.0"), "--smoke", "/readyz"]);
    let mut child = command.args(["--bake", "5s", "--quiet", "3s"]).spawn().unwrap();
    let id = child.id().unwrap();
    let mut most = 0.0_f64;
    let ended = loop {
        tokio::select! {
            ended = child.wait() => break ended.unwrap(),
            () = tokio::time::sleep(Duration::from_millis(100)) => {
                most = most.max(peak(id).unwrap_or_default());
            }
        }
    };
    assert!(ended.success());
    table.add("memory of the process, MB", "ours", most);
}

/// The most memory that a process has had so far.
fn peak(id: u32) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: f64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kilobytes / 1_024.0)
}
