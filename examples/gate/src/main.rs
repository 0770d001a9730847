//! Asks two running agents the questions of a suite: `cargo run -p gate -- --help`.

use std::process::ExitCode;

use bluegreen_core::Verdict;
use bluegreen_validate::prompt::suite_schema;
use clap::Parser;

mod check;
mod cli;
mod client;
mod migrations;
mod reports;
mod run;
mod show;

use cli::{Cli, Command};

/// Why there is no verdict.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The suite, an option or an address cannot be used; all that is wrong with them.
    Unusable(Vec<String>),
    /// It could not be done, for a reason outside.
    Error(String),
}

/// Each kind of end has its code, so that a job can tell them apart.
fn code(end: &Result<Verdict, Failure>) -> u8 {
    match end {
        Ok(Verdict::Pass) => 0,
        Ok(Verdict::Fail) => 1,
        Ok(Verdict::Inconclusive) | Err(Failure::Error(_)) => 2,
        Err(Failure::Unusable(_)) => 3,
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Of itself clap ends with 2, which is inconclusive here.
            let is_wrong = error.use_stderr();
            let _ = error.print();
            return ExitCode::from(if is_wrong { 3 } else { 0 });
        }
    };
    let end = match cli.command {
        Command::Check(it) => check::check(&it).map(|()| Verdict::Pass),
        Command::Run(it) => Box::pin(run::run(*it)).await,
        Command::Render(it) => reports::render(&it),
        Command::Migrations(it) => migrations::judge(&it),
        Command::Schema => {
            show::out(&[format!("{:#}", suite_schema())]);
            Ok(Verdict::Pass)
        }
    };
    if let Err(failure) = &end {
        show::failure(failure);
    }
    ExitCode::from(code(&end))
}
