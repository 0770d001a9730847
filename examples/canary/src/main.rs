//! Releases an agent in steps: `cargo run -p canary -- --help`.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use bluegreen_core::{Outcome, Problem, Progress, Releaser, Reporter as _, Verdict, chain};
use bluegreen_kube::Cluster;
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

mod cli;
mod release;

use cli::{Cli, Command};

/// Why the program ends with anything but success.
enum Failure {
    /// It could not be done; the text says why.
    Error(String),
    /// The release ended, but not as it should.
    Outcome(Outcome),
    /// Ctrl-C, or SIGTERM.
    Interrupted,
}

impl<E: std::error::Error + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Error(chain(&error))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let (text, code) = match Box::pin(run(Cli::parse())).await {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failure::Error(text)) => (text, 1),
        Err(Failure::Outcome(outcome @ Outcome::Refused { .. })) => (outcome.to_string(), 3),
        Err(Failure::Outcome(outcome)) => (outcome.to_string(), 4),
        Err(Failure::Interrupted) => {
            let text = "the release stays where it is, and so do its weights; nobody watches it: \
                        `resume` goes on, `rollback` takes it back";
            (text.to_owned(), 130)
        }
    };
    eprintln!("canary: {text}");
    ExitCode::from(code)
}

async fn run(cli: Cli) -> Result<(), Failure> {
    let client = kube::Client::try_default().await?;
    let agent = cli.routes.iter().fold(
        Cluster::builder(client, &cli.namespace, &cli.agent),
        bluegreen_kube::ClusterBuilder::route,
    );
    let cluster = agent.connect().await?;
    let operations = cluster.operations().report(printer());
    let actor = cli.actor.as_str();
    match &cli.command {
        Command::Check(it) => {
            let releaser = release::releaser(&cluster, actor, &it.watched)?;
            let problems = releaser.check(&release::change(it)?, &release::plan(it)).await?;
            show(&problems)?;
        }
        Command::Run(it) => {
            let releaser = release::releaser(&cluster, actor, &it.watched)?;
            let (change, plan) = (release::change(it)?, release::plan(it));
            drive(&cluster, releaser, async |releaser| releaser.run(change, &plan).await).await?;
        }
        Command::Resume(watched) => {
            let releaser = release::releaser(&cluster, actor, watched)?;
            drive(&cluster, releaser, async |releaser| releaser.resume().await).await?;
        }
        Command::Status => println!("{}", operations.status().await?),
        Command::Promote => println!("{}", operations.promote(actor).await?),
        Command::Pause => println!("{}", operations.pause(actor).await?),
        Command::Continue => println!("{}", operations.unpause(actor).await?),
        Command::Rollback { reason } => {
            // Traffic is back when this returns. Whoever drives the release does the rest, and if
            // nobody does, this process.
            operations.rollback(actor, reason).await?;
            let outcome = operations.finish().await?;
            operations.resign().await?;
            println!("{outcome}");
        }
    }
    Ok(())
}

/// Drives a release to its end. Ctrl-C and SIGTERM leave it where it is, to be resumed.
async fn drive<E: std::error::Error + 'static>(
    cluster: &Cluster,
    releaser: Releaser,
    go: impl AsyncFnOnce(&Releaser) -> Result<Outcome, E>,
) -> Result<(), Failure> {
    let holder = cluster.liveness().holder();
    let events = std::sync::Arc::new(cluster.events(holder.as_str()));
    let (print, heard) = (printer(), events.clone());
    let releaser = releaser.report(move |progress: &Progress| {
        print(progress);
        heard.report(progress);
    });
    let mut terminate = signal(SignalKind::terminate())?;
    let outcome = tokio::select! {
        outcome = go(&releaser) => Some(outcome),
        _ = tokio::signal::ctrl_c() => None,
        _ = terminate.recv() => None,
    };
    // So that the next process need not wait for the lease to run out.
    let resigned = releaser.operations().resign().await;
    events.flush(Duration::from_secs(2)).await;
    let outcome = outcome.ok_or(Failure::Interrupted)??;
    resigned?;
    println!("{outcome}");
    if outcome == Outcome::Released { Ok(()) } else { Err(Failure::Outcome(outcome)) }
}

/// Prints progress. What guards find is a line per metric, every time they look.
fn printer() -> impl Fn(&Progress) + Send + Sync + 'static {
    let begun = Instant::now();
    move |progress| {
        let seconds = begun.elapsed().as_secs_f64();
        eprintln!("{seconds:>8.2}s  {progress}");
        if let Progress::Judged { judgement, .. } = progress
            && judgement.verdict == Verdict::Fail
        {
            eprintln!("{seconds:>8.2}s  traffic goes back");
        }
    }
}

fn show(problems: &[Problem]) -> Result<(), Failure> {
    for problem in problems {
        let kind = if problem.is_refusal() { "problem" } else { "warning" };
        println!("{kind}: {problem}");
    }
    if problems.iter().any(Problem::is_refusal) {
        return Err(Failure::Outcome(Outcome::Refused { problems: Vec::new() }));
    }
    println!("nothing stands in the way");
    Ok(())
}
