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
mod ledger;
mod releases;
mod slices;

use clients::Clients;
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
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // This is what `cargo clippy --all-targets` and `cargo bench` would come with.
    if arguments.first().is_some_and(|first| first == "--bench") {
        return ExitCode::SUCCESS;
    }
    let size = Size::read(&arguments);
    let began = Instant::now();
    let (ledger, jobs) = (Arc::new(Ledger::default()), Arc::new(Jobs::of(size)));
    let mut running = JoinSet::new();
    for number in 1..=size.agents.min(size.switches + size.rollbacks) {
        running.spawn(one(number, ledger.clone(), jobs.clone()));
    }
    while let Some(ended) = running.join_next().await {
        ended.unwrap();
    }
    println!("\n## Releases\n{ledger}");
    println!("{} agents at the same time, {:.0?} in all.", size.agents, began.elapsed());
    let many = Arc::new(Ledger::default());
    let began = Instant::now();
    let (slices, endpoints) = Box::pin(slices::switch(size.many, many.clone())).await;
    println!("\n## Many endpoints\n{many}");
    println!(
        "{} switches of {endpoints} endpoints in {slices} slices, {:.0?} in all.",
        size.many,
        began.elapsed()
    );
    let is_good = ledger.is_clean() && ledger.is_whole(size) && many.is_clean();
    if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Releases one agent again and again under the eyes of its clients.
async fn one(number: usize, ledger: Arc<Ledger>, jobs: Arc<Jobs>) {
    let agent = Agent::of(Manifests::shipped().sized(2, 0)).await;
    let clients = Clients::start(format!("agent {number}"), agent.address(), ledger);
    releases::drive(&agent, clients.seen(), &jobs).await;
    clients.stop().await;
}

impl Size {
    fn read(arguments: &[String]) -> Self {
        let mut size = Self { switches: 200, rollbacks: 50, agents: 12, many: 20 };
        for pair in arguments.chunks(2) {
            let [name, number] = pair else { panic!("{} takes a number", pair[0]) };
            let place = match name.as_str() {
                "--switches" => &mut size.switches,
                "--rollbacks" => &mut size.rollbacks,
                "--agents" => &mut size.agents,
                "--many" => &mut size.many,
                other => panic!("{other} is none of --switches, --rollbacks, --agents and --many"),
            };
            *place = number.parse().unwrap_or_else(|_| panic!("{name} takes a number: {number}"));
        }
        size
    }
}
