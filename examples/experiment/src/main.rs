//! Compares two versions under real traffic: `cargo run -p experiment -- --help`.

use std::convert::Infallible;
use std::io::Write as _;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use bluegreen_core::{Actor, Operations, Outcome, PhaseName, Progress, Reporter as _, chain};
use bluegreen_kube::Cluster;
use bluegreen_validate::Experiment;
use clap::Parser;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

mod cli;
mod events;
mod intake;
mod report;
mod run;
mod settings;
#[cfg(test)]
mod tests;

use cli::{Cli, Command, Fed};
use intake::Intake;
use report::Report;
use run::{Ending, Stage, Task};

/// Why the program ends with anything but a winner.
enum Failure {
    /// It could not be done; the text says why.
    Error(String),
    /// What was asked for can't be done; the texts say why.
    Refused(Vec<String>),
    /// Ctrl-C, or SIGTERM; the text says what is left to be done.
    Interrupted(&'static str),
}

impl<E: std::error::Error + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Error(chain(&error))
    }
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            say(&format!("experiment: {error}"));
            return ExitCode::from(1);
        }
    };
    let ended = runtime.block_on(start(cli));
    // A read of the standard input can't be taken back, and nobody is to wait for it.
    runtime.shutdown_background();
    let (text, code) = match ended {
        Ok(code) => return ExitCode::from(code),
        Err(Failure::Error(text)) => (text, 1),
        Err(Failure::Refused(why)) => (why.join("\nexperiment: "), 3),
        Err(Failure::Interrupted(text)) => (text.to_owned(), 130),
    };
    say(&format!("experiment: {text}"));
    ExitCode::from(code)
}

async fn start(cli: Cli) -> Result<u8, Failure> {
    let actor = Actor::new(cli.actor.as_str());
    // What can be found wrong without a cluster is.
    let (fed, task) = match &cli.command {
        Command::Check(it) | Command::Run(it) => {
            let (config, change) = (settings::config(&it.fed), settings::change(it));
            match (config, change) {
                (Ok(config), Ok(change)) => {
                    let plan = settings::plan(it, &config);
                    (Some((&it.fed, config)), Task::Run(Box::new((change, plan))))
                }
                (config, change) => {
                    let wrong = [config.err(), change.err()].into_iter().flatten().flatten();
                    return Err(Failure::Refused(wrong.collect()));
                }
            }
        }
        Command::Resume(fed) => {
            let config = settings::config(fed).map_err(Failure::Refused)?;
            (Some((fed, config)), Task::Resume)
        }
        Command::Status | Command::Stop { .. } => (None, Task::Resume),
    };
    let Some((fed, config)) = fed else {
        return operate(&connect(&cli).await?.operations(), &cli.command, &actor).await;
    };
    let resumes = matches!(task, Task::Resume);
    // Who only checks writes nothing.
    let folder = fed.report.as_deref().filter(|_| !matches!(cli.command, Command::Check(_)));
    let prepared = Report::prepare(folder, &config, resumes);
    let report = prepared.map_err(|why| Failure::Refused(vec![why]))?;
    let cluster = connect(&cli).await?;
    let experiment = Experiment::new(config, report.exposures.clone());
    let (releaser, report_only) = (cluster.releaser(), fed.report_only);
    let stage = Stage { releaser, experiment, report: &report, actor, report_only };
    if let (Command::Check(_), Task::Run(wanted)) = (&cli.command, &task) {
        return check(&stage, &wanted.0, &wanted.1).await;
    }
    drive(&cluster, &stage, fed, task).await
}

async fn connect(cli: &Cli) -> Result<Cluster, Failure> {
    let client = kube::Client::try_default().await?;
    let agent = cli.routes.iter().fold(
        Cluster::builder(client, &cli.namespace, &cli.agent),
        bluegreen_kube::ClusterBuilder::route,
    );
    Ok(agent.connect().await?)
}

async fn check(
    stage: &Stage<'_>,
    change: &bluegreen_core::Change,
    plan: &bluegreen_core::Plan,
) -> Result<u8, Failure> {
    let problems = stage.releaser().check(change, plan).await?;
    for problem in &problems {
        let kind = if problem.is_refusal() { "problem" } else { "warning" };
        print(&format!("{kind}: {problem}"));
    }
    if problems.iter().any(bluegreen_core::Problem::is_refusal) {
        return Err(Failure::Refused(vec!["these stand in the way of the experiment".to_owned()]));
    }
    print("nothing stands in the way");
    Ok(0)
}

/// What needs no experiment.
async fn operate(operations: &Operations, command: &Command, actor: &Actor) -> Result<u8, Failure> {
    let Command::Stop { reason } = command else {
        print(&operations.status().await?.to_string());
        return Ok(0);
    };
    let status = operations.rollback(actor.clone(), reason.clone()).await?;
    print(&status.to_string());
    let phase = status.record.as_ref().map(|record| record.phase.name());
    if phase.is_none_or(|phase| phase == PhaseName::Done) {
        return Ok(0);
    }
    let finished = interruptible(operations.finish()).await;
    operations.resign().await?;
    match finished {
        None => Err(Failure::Interrupted("traffic is back; `stop` again does the rest")),
        Some(outcome) => match outcome? {
            stuck @ Outcome::Stuck { .. } => {
                print(&stuck.to_string());
                Ok(Ending::Stuck.code())
            }
            _ => Ok(0),
        },
    }
}

/// Sees the experiment through. Ctrl-C and SIGTERM leave it where it is, to be resumed.
async fn drive(cluster: &Cluster, stage: &Stage<'_>, fed: &Fed, task: Task) -> Result<u8, Failure> {
    let listener = match fed.listen {
        Some(address) => Some(TcpListener::bind(address).await?),
        None => None,
    };
    if let Some(Ok(address)) = listener.as_ref().map(TcpListener::local_addr) {
        say(&format!("takes events at http://{address}/events, shows the report at /"));
    }
    let holder = cluster.liveness().holder();
    let events = std::sync::Arc::new(cluster.events(holder.as_str()));
    let (begun, heard) = (Instant::now(), events.clone());
    let screen = move |progress: &Progress| {
        say(&format!("{:>8.2}s  {progress}", begun.elapsed().as_secs_f64()));
        heard.report(progress);
    };
    let intake = Intake::of(stage.report);
    let outcome = tokio::select! {
        outcome = interruptible(Box::pin(stage.drive(task, screen))) => outcome,
        never = feed(&intake, listener, fed) => match never {},
    };
    // Before anything that may take time: whoever interrupts twice loses nothing.
    stage.report.save().await;
    let operations = cluster.operations();
    // So that the next process need not wait for the lease to run out.
    let resigned = operations.resign().await;
    events.flush(Duration::from_secs(2)).await;
    stage.report.write(&operations).await;
    let outcome = outcome.ok_or(Failure::Interrupted(
        "the experiment stays where it is, and so do its weights; `resume` goes on, `stop` ends it",
    ))??;
    resigned?;
    print(&outcome.to_string());
    stage.report.log.lines().iter().for_each(|line| print(line));
    let experiment = stage.report.experiment();
    Ok(Ending::of(&outcome, experiment.as_ref(), stage.report_only).code())
}

/// Takes events from wherever they come.
async fn feed(intake: &Intake, listener: Option<TcpListener>, fed: &Fed) -> Infallible {
    let served = async {
        match listener {
            Some(listener) => intake.serve(listener).await,
            None => std::future::pending().await,
        }
    };
    let read = async {
        match &fed.events {
            Some(path) => intake.follow(path).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! { never = served => never, never = read => never }
}

/// What `work` comes to; `None` if Ctrl-C or SIGTERM come first.
async fn interruptible<T>(work: impl Future<Output = T>) -> Option<T> {
    let mut terminate = signal(SignalKind::terminate()).ok();
    let terminated = async {
        match &mut terminate {
            Some(terminate) => terminate.recv().await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        result = work => Some(result),
        _ = tokio::signal::ctrl_c() => None,
        _ = terminated => None,
    }
}

/// To standard output. Whoever has read it may have gone, and an experiment goes on without them.
fn print(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// The same to standard error.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
