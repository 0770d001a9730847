//! Kills a process that drives a release, or takes one back, before and after each of its writes
//! and in each phase; has another one go on; and compares what is left with what a process leaves
//! that was not killed. Under load all the while.
//!
//! ```console
//! $ tests/cluster/with crash -- cargo test -p bluegreen-tests --test crash          # some of it
//! $ tests/cluster/with crash -- cargo test -p bluegreen-tests --test crash -- all   # everything
//! ```
//!
//! Any other word picks the rows whose text contains it: `-- undo`, `-- "point agent-service"`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "this is a test")]

use std::process::ExitCode;

mod case;
mod left;
mod matrix;
mod scene;
mod victim;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [victim::WORD, scene, address, namespace] => victim::act(scene, address, namespace).await,
        // This is what `cargo clippy --all-targets` and `cargo bench` would come with.
        ["--bench", ..] => ExitCode::SUCCESS,
        words => matrix::run(words).await,
    }
}
