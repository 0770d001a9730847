//! Blue-green releases of a small agent, under load all the while, without a cluster.
//!
//! `cargo run -p quickstart`, or with `-- --fast` for shorter waits.

use std::process::ExitCode;

use tokio::net::TcpListener;

mod agent;
mod customers;
mod gate;
mod load;
mod proxy;
mod report;
mod scenes;
mod stage;

use report::Row;
use stage::{Outcome, Stage};

#[tokio::main]
async fn main() -> ExitCode {
    let stage = Stage::new(std::env::args().any(|argument| argument == "--fast"));
    report::conclude(run(&stage, play(&stage)).await)
}

/// Plays scenes while questions are asked.
async fn run(stage: &Stage, scenes: impl Future<Output = Outcome<Vec<Row>>>) -> Outcome<Vec<Row>> {
    bluegreen_core::Slot::await_ready(&stage.cluster.slot(bluegreen_core::Color::Blue)).await?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let serving = tokio::spawn(stage.proxy.clone().serve(listener));
    println!("the agent answers at {address}, 100 questions a second from now on");
    let rows = stage.questions.ask(address, scenes).await;
    serving.abort();
    rows
}

async fn play(stage: &Stage) -> Outcome<Vec<Row>> {
    Ok(vec![
        scenes::good_release(stage).await?,
        scenes::bad_prompt(stage).await?,
        scenes::pods_killed(stage).await?,
        scenes::driver_dies(stage).await?,
        scenes::by_hand(stage).await?,
        scenes::canary(stage).await?,
        scenes::bad_canary(stage).await?,
        scenes::experiment(stage).await?,
    ])
}

#[cfg(test)]
mod tests;
