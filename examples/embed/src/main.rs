//! Releases an image of an agent: `cargo run -p embed` says how.

use std::error::Error;
use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use bluegreen_core::{Progress, SystemClock, chain};
use bluegreen_kube::Cluster;
use embed::{Command, FileSwitch, carry_out, client, exit_code, releaser};

const USAGE: &str = "\
embed NAMESPACE SERVICE CONTAINER=IMAGE [ROUTING_FILE]   releases IMAGE
embed NAMESPACE SERVICE resume [ROUTING_FILE]            goes on after Ctrl-C
embed NAMESPACE SERVICE rollback [ROUTING_FILE]          takes the old version back

With ROUTING_FILE traffic is moved by that file, otherwise by the Service's selector.";

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (agent, file) = match arguments.as_slice() {
        [agent @ .., file] if agent.len() == 3 => (agent, Some(file.as_str())),
        agent => (agent, None),
    };
    let [namespace, service, command] = agent else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let Some(command) = Command::parse(command) else {
        eprintln!("found `{command}`, wanted CONTAINER=IMAGE, `resume` or `rollback`\n\n{USAGE}");
        return ExitCode::from(2);
    };
    match Box::pin(run(namespace, service, command, file)).await {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("embed: {}", chain(&*error));
            ExitCode::FAILURE
        }
    }
}

async fn run(
    namespace: &str,
    service: &str,
    command: Command,
    file: Option<&str>,
) -> Result<u8, Box<dyn Error>> {
    let cluster = Cluster::connect(client::connect().await?, namespace, service).await?;
    let mut ports = cluster.ports();
    if let Some(file) = file {
        ports.switch = Arc::new(FileSwitch::new(file, Arc::new(SystemClock)));
    }
    let releaser = releaser(ports).report(|progress: &Progress| {
        // That nobody reads it is no reason to stop a release.
        let _ = writeln!(std::io::stdout(), "{progress}");
    });

    // Ctrl-C drops the run, which may be dropped anywhere.
    let end = tokio::select! {
        end = carry_out(command.clone(), &releaser) => Some(end),
        _ = tokio::signal::ctrl_c() => None,
    };
    // The next process need not wait until this one's lease has lapsed.
    if let Err(error) = releaser.operations().resign().await {
        eprintln!("embed: {}", chain(&error));
    }
    let Some(end) = end else {
        eprintln!("interrupted; `resume` goes on, `rollback` takes it back");
        return Ok(130);
    };
    if let Err(error) = &end {
        eprintln!("embed: {}", chain(error));
    }
    Ok(exit_code(&command, &end))
}
