//! Blue-green releases of a small agent, under load all the while, without a cluster.
//!
//! `cargo run -p quickstart`, or with `-- --fast` for shorter waits.

use std::process::ExitCode;

use tokio::net::TcpListener;

mod agent;
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
    match run(std::env::args().any(|argument| argument == "--fast")).await {
        Ok(rows) => {
            report::print(&rows);
            if report::is_good(&rows) {
                return ExitCode::SUCCESS;
            }
            eprintln!("\na request was lost where none may be");
        }
        Err(error) => eprintln!("\nerror: {error}"),
    }
    ExitCode::FAILURE
}

async fn run(fast: bool) -> Outcome<Vec<Row>> {
    let stage = Stage::new(fast);
    bluegreen_core::Slot::await_ready(&stage.cluster.slot(bluegreen_core::Color::Blue)).await?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let serving = tokio::spawn(stage.proxy.clone().serve(listener));
    println!("the agent answers at {address}, 100 questions a second from now on");
    let rows = stage.questions.ask(address, play(&stage)).await;
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
    ])
}
