//! How long a release takes on a real cluster: ours, the script that it replaces, and the floor.
//!
//! `tests/bench/run` gives it a cluster.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "whatever fails here ends the run")]

mod alone;
mod article;
mod floor;
mod many;
mod ours;
mod process;
mod prompts;
mod recovery;
mod sampler;
mod sight;
mod table;
mod traced;
mod weights;

use table::Table;

/// A thousand releases that begin together leave holes between what stays, which the system's allocator
/// does not give back. Which one is used is up to a program, and never to a library.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let mut arguments = std::env::args().skip(1).peekable();
    match arguments.peek().map(String::as_str) {
        Some("many") => {
            let wanted = many::Wanted::read(arguments.skip(1));
            return Box::pin(many::measure(wanted)).await;
        }
        Some("many-drive") => return Box::pin(many::drive(arguments.skip(1))).await,
        Some("many-kubelet") => return Box::pin(many::kubelet()).await,
        _ => {}
    }
    let only_weights = arguments.next_if(|word| word == "weights").is_some();
    let only_prompts = arguments.next_if(|word| word == "prompts").is_some();
    let only_back = arguments.next_if(|word| word == "back").is_some();
    let recovery = arguments.next_if(|word| word == "recovery").is_some();
    let only_ours = recovery && arguments.next_if(|word| word == "--only-ours").is_some();
    let rounds = match (arguments.next().as_deref(), arguments.next()) {
        (None, _) => 7,
        (Some("--rounds"), Some(count)) => count.parse().expect("--rounds takes a number"),
        _ => {
            panic!(
                "usage: bluegreen-bench [weights | prompts | back | recovery [--only-ours]] \
                 [--rounds N]"
            )
        }
    };
    if only_weights {
        Box::pin(shares(rounds)).await;
    } else if only_prompts {
        Box::pin(prompt_alone(rounds)).await;
    } else if only_back {
        Box::pin(ways_back(rounds)).await;
    } else if recovery {
        Box::pin(losses(rounds, only_ours)).await;
    } else {
        Box::pin(times(rounds)).await;
    }
}

async fn times(rounds: u32) {
    let mut table = Table::new(table::ROWS, &["ours", "floor", "script"]);
    for round in 1..=rounds {
        eprintln!("round {round} of {rounds}");
        Box::pin(floor::measure(&mut table)).await;
        Box::pin(floor::at_once(&mut table)).await;
        Box::pin(floor::back(&mut table)).await;
        Box::pin(ours::measure(&mut table)).await;
        Box::pin(article::measure(&mut table)).await;
    }
    Box::pin(ours::hold(&mut table)).await;
    Box::pin(process::measure(&mut table, rounds)).await;
    table.print(rounds);
}

async fn ways_back(rounds: u32) {
    let mut table = Table::new(table::ROWS, &["ours", "floor"]);
    for round in 1..=rounds {
        eprintln!("round {round} of {rounds}");
        Box::pin(floor::back(&mut table)).await;
        Box::pin(ours::measure_back(&mut table)).await;
    }
    table.print(rounds);
}

async fn shares(rounds: u32) {
    let mut table = Table::new(weights::ROWS, &["ours", "floor"]);
    Box::pin(weights::measure(&mut table, rounds)).await;
    table.print(rounds);
}

async fn prompt_alone(rounds: u32) {
    let mut table = Table::new(prompts::ROWS, &["ours", "floor"]);
    for round in 1..=rounds {
        eprintln!("round {round} of {rounds}");
        Box::pin(prompts::measure(&mut table)).await;
    }
    table.print(rounds);
}

async fn losses(rounds: u32, only_ours: bool) {
    let mut table = Table::new(recovery::ROWS, &["ours", "script", "Argo Rollouts"]);
    for round in 1..=rounds {
        eprintln!("round {round} of {rounds}");
        Box::pin(recovery::measure(&mut table, only_ours)).await;
    }
    table.print(rounds);
}
