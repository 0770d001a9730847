//! Releases and rollbacks under constant traffic: what clients of every kind lose by them.
//!
//! ```console
//! $ tests/reliability/run                                              # 200 switches, 50 rollbacks
//! $ tests/reliability/run --switches 6 --rollbacks 3 --agents 9        # about a minute
//! ```

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "this is a test")]

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use bluegreen_tests::{Agent, Manifests};
use tokio::task::JoinSet;

mod clients;
mod front;
mod ledger;
mod releases;
mod slices;

use clients::Clients;
use front::Through;
use ledger::Ledger;
use releases::Jobs;

/// How much of it there is to be.
#[derive(Clone, Copy, Debug)]
struct Size {
    switches: usize,
    rollbacks: usize,
    /// How many agents are released at the same time, each with clients of its own.
    agents: usize,
    /// How often a Service with many endpoints is switched.
    many: usize,
    through: Through,
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // This is what `cargo clippy --all-targets` and `cargo bench` would come with.
    if arguments.first().is_some_and(|first| first == "--bench") {
        return ExitCode::SUCCESS;
    }
    let size = Size::read(&arguments);
    // Neither knows of the other.
    let (releases_are_good, many_are_good) = tokio::join!(releases(size), many(size.many));
    if releases_are_good && many_are_good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Releases agents, and says whether there was as much of it as wanted and nothing went wrong.
async fn releases(size: Size) -> bool {
    let began = Instant::now();
    size.through.prepare().await;
    let (ledger, jobs) = (Arc::new(Ledger::default()), Arc::new(Jobs::of(size)));
    let mut running = JoinSet::new();
    for number in 1..=size.agents.min(size.switches + size.rollbacks) {
        running.spawn(one(number, size.through, ledger.clone(), jobs.clone()));
    }
    while let Some(ended) = running.join_next().await {
        ended.unwrap();
    }
    println!("\n## Releases\n{ledger}");
    println!(
        "{} agents at the same time, through {:?}, {:.0?} in all.",
        size.agents,
        size.through,
        began.elapsed()
    );
    ledger.is_clean() && ledger.is_whole(size)
}

/// Switches a Service with many endpoints so often, and says whether nothing went wrong.
async fn many(count: usize) -> bool {
    if count == 0 {
        return true;
    }
    let (ledger, began) = (Arc::new(Ledger::default()), Instant::now());
    let (slices, endpoints) = Box::pin(slices::switch(count, ledger.clone())).await;
    println!("\n## Many endpoints\n{ledger}");
    println!(
        "{count} switches of {endpoints} endpoints in {slices} slices, {:.0?} in all.",
        began.elapsed()
    );
    ledger.is_clean()
}

/// Releases one agent again and again under the eyes of its clients.
async fn one(number: usize, through: Through, ledger: Arc<Ledger>, jobs: Arc<Jobs>) {
    let agent = Agent::of(Manifests::shipped().sized(2, 0)).await;
    let front = through.front(&agent).await;
    let clients = Clients::start(format!("agent {number}"), front.address(), ledger);
    releases::drive(&agent, &front.evidence(), clients.seen(), &jobs).await;
    clients.stop().await;
}

impl Size {
    fn read(arguments: &[String]) -> Self {
        let through = Through::Service;
        let mut size = Self { switches: 200, rollbacks: 50, agents: 12, many: 20, through };
        for pair in arguments.chunks(2) {
            let [name, value] = pair else { panic!("{} takes a value", pair[0]) };
            let place = match name.as_str() {
                "--switches" => &mut size.switches,
                "--rollbacks" => &mut size.rollbacks,
                "--agents" => &mut size.agents,
                "--many" => &mut size.many,
                "--through" => {
                    let found = Through::named(value);
                    size.through = found.unwrap_or_else(|| panic!("{value} is no way to agents"));
                    continue;
                }
                other => panic!("{other} is none of the options in tests/reliability/README.md"),
            };
            *place = value.parse().unwrap_or_else(|_| panic!("{name} takes a number: {value}"));
        }
        size
    }
}
