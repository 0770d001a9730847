//! Releases an agent on Kubernetes: `cargo run -p deploy -- --help`.

use std::process::ExitCode;

use bluegreen_core::{OperationError, Outcome};
use clap::Parser;

mod approve;
mod cli;
mod client;
mod commands;
mod https;
mod metrics;
mod notify;
mod release;
mod show;

use cli::Cli;

/// Why the program ends with anything but success.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It could not be done; the text says why.
    Error(String),
    /// Another release is under way.
    Busy(String),
    /// The release ended, but not as it should.
    Outcome(Outcome),
    /// Ctrl-C, or SIGTERM.
    Interrupted,
}

impl From<OperationError> for Failure {
    fn from(error: OperationError) -> Self {
        let text = bluegreen_core::chain(&error);
        match error {
            OperationError::Busy { .. } => Self::Busy(text),
            OperationError::Stuck { stuck } => Self::Outcome(Outcome::Stuck { stuck }),
            _ => Self::Error(text),
        }
    }
}

impl Failure {
    /// Each kind of end has its code, so that a job can tell them apart.
    fn code(&self) -> u8 {
        match self {
            Self::Error(_) => 1,
            Self::Outcome(Outcome::Refused { .. }) => 3,
            Self::Outcome(Outcome::Stuck { .. }) => 5,
            Self::Outcome(_) => 4,
            Self::Busy(_) => 6,
            Self::Interrupted => 130,
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let json = cli.output == cli::Output::Json;
    match Box::pin(commands::run(cli)).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            show::failure(&failure, json);
            ExitCode::from(failure.code())
        }
    }
}
