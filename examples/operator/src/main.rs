//! Releases agents as `AgentRelease` objects say: see `README.md`.

use std::fmt::Display;
use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;

mod cli;
mod client;
#[allow(clippy::duplicated_attributes, reason = "each column of the kind has a type")]
mod crd;
mod decide;
mod drive;
mod install;
mod leader;
mod plan_schema;
mod reconcile;
mod run;
mod say;
mod status;
mod wanted;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let done = match cli::Cli::parse().command {
        cli::Command::Install => install::install().map(|text| print(text.trim_end())),
        cli::Command::Run(options) => Box::pin(run::run(options)).await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            tell("operator", &why);
            ExitCode::FAILURE
        }
    }
}

/// One line of the log. That nobody reads it is no reason to stop.
fn tell(about: &str, what: &dyn Display) {
    if cfg!(test) {
        return;
    }
    let _ = writeln!(std::io::stderr(), "{about}: {what}");
}

fn print(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}
