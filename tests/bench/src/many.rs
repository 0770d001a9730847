//! A thousand releases in one process, all of which wait.
//!
//! The API server, its watches, the controllers and what drives the releases are the real ones. The
//! pods are not: two cores cannot run a thousand agents, so they are bound to a node that there is not,
//! and a process of its own says of each that it runs and is ready, as a kubelet would.

use std::process::Stdio;
use std::time::Duration;

use bluegreen_tests::{Access, Namespace};
use tokio::process::{Child, Command};

mod drive;
mod figures;
mod kubelet;
mod scene;

pub(crate) use drive::drive;
pub(crate) use kubelet::kubelet;

/// How many releases are measured while nothing else happens.
const ALONE: usize = 7;
/// How many begin at once.
const AT_ONCE: usize = 50;

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    pub(crate) releases: usize,
    pub(crate) namespaces: usize,
    /// Without anything that is shared.
    pub(crate) each_for_itself: bool,
}

impl Wanted {
    /// `[--releases N] [--namespaces M] [--each-for-itself]`
    pub(crate) fn read(arguments: impl Iterator<Item = String>) -> Self {
        let mut wanted = Self { releases: 1_000, namespaces: 10, each_for_itself: false };
        let mut arguments = arguments.peekable();
        let number = |text: Option<String>| -> usize {
            text.and_then(|text| text.parse().ok()).expect("a number")
        };
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--releases" => wanted.releases = number(arguments.next()),
                "--namespaces" => wanted.namespaces = number(arguments.next()),
                "--each-for-itself" => wanted.each_for_itself = true,
                other => panic!(
                    "found {other}, wanted --releases N, --namespaces M or --each-for-itself"
                ),
            }
        }
        wanted
    }
}

/// Makes the agents, and lets a process of its own release them.
pub(crate) async fn measure(wanted: Wanted) {
    let mut namespaces = Vec::new();
    for _ in 0..wanted.namespaces {
        namespaces.push(Namespace::new().await);
    }
    let names: Vec<&str> = namespaces.iter().map(Namespace::name).collect();
    let client = Access::admin().await.client();
    scene::add_node(&client).await;
    let mut kubelet = this(&["many-kubelet"]);
    let begun = std::time::Instant::now();
    scene::add_agents(&client, &names, wanted.releases).await;
    eprintln!("{} agents stand after {:?}", wanted.releases, begun.elapsed());
    let count = wanted.releases.to_string();
    let mut arguments = vec!["many-drive", &count];
    if wanted.each_for_itself {
        arguments.push("--each-for-itself");
    }
    arguments.extend(&names);
    let mut driver = this(&arguments);
    let ended = driver.wait().await.unwrap();
    assert!(ended.success(), "the driver ended: {ended}");
    kubelet.kill().await.unwrap();
}

/// This program once more.
fn this(arguments: &[&str]) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    command.spawn().unwrap()
}

/// The namespace and the name of an agent.
fn agent(namespaces: &[impl AsRef<str>], number: usize) -> (&str, String) {
    (namespaces[number % namespaces.len()].as_ref(), format!("agent-{number}"))
}

/// The longest that anything here may take.
const PATIENCE: Duration = Duration::from_mins(20);
