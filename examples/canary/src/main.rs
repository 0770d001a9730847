//! Releases an agent in steps: `cargo run -p canary -- --help`.

use std::io::Write as _;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use bluegreen_core::{
    Operations, Outcome, PhaseName, Problem, Progress, Releaser, Reporter as _, Status, Verdict,
    chain,
};
use bluegreen_kube::Cluster;
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

mod cli;
mod release;
mod report;

use cli::{Cli, Command, Release};
use report::Report;

/// Why the program ends with anything but success.
enum Failure {
    /// It could not be done; the text says why.
    Error(String),
    /// What was asked for can't be done; the texts say why.
    Refused(Vec<String>),
    /// The release ended, but not as it should.
    Outcome(Outcome),
    /// Ctrl-C, or SIGTERM; the text says what is left to be done.
    Interrupted(&'static str),
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
        Err(Failure::Refused(why)) => (why.join("\ncanary: "), 3),
        Err(Failure::Outcome(outcome @ Outcome::Refused { .. })) => (outcome.to_string(), 3),
        // Nothing has come back: somebody has to look where traffic is.
        Err(Failure::Outcome(outcome @ Outcome::Stuck { .. })) => (outcome.to_string(), 5),
        Err(Failure::Outcome(outcome)) => (outcome.to_string(), 4),
        Err(Failure::Interrupted(text)) => (text.to_owned(), 130),
    };
    say(&format!("canary: {text}"));
    ExitCode::from(code)
}

async fn run(cli: Cli) -> Result<(), Failure> {
    // What can be found wrong without a cluster is.
    let wanted = match &cli.command {
        Command::Check(it) | Command::Run(it) => Some((release::change(it)?, release::plan(it))),
        _ => None,
    };
    let guards = match &cli.command {
        Command::Check(Release { watched, .. })
        | Command::Run(Release { watched, .. })
        | Command::Resume(watched) => Some((watched, release::files(watched)?)),
        _ => None,
    };
    let resumes = matches!(&cli.command, Command::Resume(_));
    let report = guards.as_ref().and_then(|(watched, _)| watched.report.as_deref());
    let report = Report::prepare(report, resumes).map_err(|why| Failure::Refused(vec![why]))?;
    let client = kube::Client::try_default().await?;
    let agent = cli.routes.iter().fold(
        Cluster::builder(client, &cli.namespace, &cli.agent),
        bluegreen_kube::ClusterBuilder::route,
    );
    let cluster = agent.connect().await?;
    let operations = cluster.operations().report(printer());
    let actor = cli.actor.as_str();
    let releaser = guards.map(|(watched, files)| {
        let guards = release::guards(&cluster, watched, files);
        cluster.releaser().actor(actor).guard(guards)
    });
    match (&cli.command, releaser, wanted) {
        (Command::Check(_), Some(releaser), Some((change, plan))) => {
            show(&releaser.check(&change, &plan).await?)?;
        }
        (Command::Run(_), Some(releaser), Some((change, plan))) => {
            let go = async |releaser: &Releaser| releaser.run(change, &plan).await;
            drive(&cluster, releaser, &report, go).await?;
        }
        (Command::Resume(_), Some(releaser), _) => {
            let go = async |releaser: &Releaser| releaser.resume().await;
            drive(&cluster, releaser, &report, go).await?;
        }
        (Command::Promote, ..) => tell(&operations.promote(actor).await?),
        (Command::Pause, ..) => tell(&operations.pause(actor).await?),
        (Command::Continue, ..) => tell(&operations.unpause(actor).await?),
        (Command::Rollback { reason }, ..) => back(&operations, actor, reason).await?,
        _ => tell(&operations.status().await?),
    }
    Ok(())
}

/// Gives traffic back, and then sees to it that the candidate's slot is put back too, unless
/// somebody interrupts that.
async fn back(operations: &Operations, actor: &str, reason: &str) -> Result<(), Failure> {
    let status = operations.rollback(actor, reason).await?;
    tell(&status);
    let phase = status.record.as_ref().map(|record| record.phase.name());
    if phase.is_none_or(|phase| phase == PhaseName::Done) {
        return Ok(());
    }
    let finished = interruptible(operations.finish()).await;
    operations.resign().await?;
    match finished {
        None => Err(Failure::Interrupted("traffic is back; `rollback` again does the rest")),
        Some(outcome) => match outcome? {
            stuck @ Outcome::Stuck { .. } => Err(Failure::Outcome(stuck)),
            _ => Ok(()),
        },
    }
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

/// Drives a release to its end. Ctrl-C and SIGTERM leave it where it is, to be resumed.
async fn drive<E: std::error::Error + 'static>(
    cluster: &Cluster,
    releaser: Releaser,
    report: &Report,
    go: impl AsyncFnOnce(&Releaser) -> Result<Outcome, E>,
) -> Result<(), Failure> {
    let holder = cluster.liveness().holder();
    let events = std::sync::Arc::new(cluster.events(holder.as_str()));
    let (screen, heard, log) = (printer(), events.clone(), report.log.clone());
    let releaser = releaser.report(move |progress: &Progress| {
        screen(progress);
        heard.report(progress);
        log.report(progress);
    });
    let operations = releaser.operations();
    let outcome = tokio::select! {
        outcome = interruptible(go(&releaser)) => outcome,
        never = report.keep(&operations) => match never {},
    };
    // So that the next process need not wait for the lease to run out.
    let resigned = releaser.operations().resign().await;
    events.flush(Duration::from_secs(2)).await;
    report.write(&operations).await;
    let outcome = outcome.ok_or(Failure::Interrupted(
        "the release stays where it is, and so do its weights; nobody watches it: `resume` goes on, \
         `rollback` takes it back",
    ))??;
    resigned?;
    print(&outcome.to_string());
    if outcome == Outcome::Released { Ok(()) } else { Err(Failure::Outcome(outcome)) }
}

/// Prints progress, with a line for each metric that a guard found something about.
fn printer() -> impl Fn(&Progress) + Send + Sync + 'static {
    let begun = Instant::now();
    move |progress| {
        let seconds = begun.elapsed().as_secs_f64();
        say(&format!("{seconds:>8.2}s  {progress}"));
        if let Progress::Judged { judgement, .. } = progress
            && judgement.verdict == Verdict::Fail
        {
            say(&format!("{seconds:>8.2}s  traffic goes back"));
        }
    }
}

fn tell(status: &Status) {
    print(&status.to_string());
}

fn show(problems: &[Problem]) -> Result<(), Failure> {
    for problem in problems {
        let kind = if problem.is_refusal() { "problem" } else { "warning" };
        print(&format!("{kind}: {problem}"));
    }
    let refusals = problems.iter().filter(|problem| problem.is_refusal()).count();
    if refusals > 0 {
        let why = format!("{refusals} of these stand in the way of a release");
        return Err(Failure::Refused(vec![why]));
    }
    print("nothing stands in the way");
    Ok(())
}

/// To standard output. Whoever has read it may have gone, and a release goes on without them.
fn print(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// The same to standard error.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
