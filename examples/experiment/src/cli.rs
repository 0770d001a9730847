//! What can be said on the command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

/// Compares two versions of an agent (prompts, models) under real traffic, until it is known which is
/// better for those who use it.
///
/// Exit codes: 0 the candidate has won, 1 error, 2 usage, 3 refused (nothing was touched), 4 traffic went
/// back (the candidate harms, or somebody called it off), 5 stuck (somebody has to look), 6 live stays (it
/// is better, or there is no difference that matters), 7 undecided or void, 130 interrupted (it can be
/// resumed).
#[derive(Debug, Parser)]
#[command(name = "experiment", version)]
pub(crate) struct Cli {
    /// The namespace of the agent.
    #[arg(long, short, global = true, env = "BLUEGREEN_NAMESPACE", default_value = "ai-agents")]
    pub(crate) namespace: String,
    /// The agent. Its slots' Services are called after it: AGENT-blue and AGENT-green.
    #[arg(long, short, global = true, env = "BLUEGREEN_SERVICE", default_value = "agent-service")]
    pub(crate) agent: String,
    /// An `HTTPRoute` whose weights share traffic. Several move together.
    #[arg(long = "route", global = true, value_name = "NAME", default_value = "agent")]
    pub(crate) routes: Vec<String>,
    /// Who does this, for the history.
    #[arg(long, global = true, env = "USER", default_value = "unknown")]
    pub(crate) actor: String,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Say everything that stands in the way of the experiment. Touches nothing.
    Check(Experiment),
    /// Begin it, and see it through.
    Run(Experiment),
    /// Go on with one whose process ended. Needs the folder of its report.
    Resume(Fed),
    /// How it fares.
    Status,
    /// End it, and give all traffic back to the old version.
    Stop {
        /// The reason, for the history.
        #[arg(long, default_value = "no reason given")]
        reason: String,
    },
}

/// An experiment.
#[derive(Args, Debug)]
pub(crate) struct Experiment {
    /// The new image of a container.
    #[arg(long, value_name = "CONTAINER=IMAGE")]
    pub(crate) image: Vec<String>,
    /// A folder whose files take the place of those of a ConfigMap that the agent reads: its prompts.
    #[arg(long, value_name = "CONFIGMAP=FOLDER")]
    pub(crate) prompts: Vec<String>,
    /// A new value of an environment variable: a prompt's or a model's name.
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) env: Vec<String>,
    /// The version label, by which those who tell of exposures call the candidate.
    #[arg(long)]
    pub(crate) version: String,
    /// The header by which gateways keep a unit on its slot: `blue` or `green` in it.
    #[arg(long, value_name = "HEADER", default_value = "x-slot")]
    pub(crate) header: String,
    /// How long guards watch a winner that has all traffic.
    #[arg(long, value_parser = humantime::parse_duration, default_value = "30m")]
    pub(crate) bake: Duration,
    /// How often it is looked at.
    #[arg(long, value_parser = humantime::parse_duration, default_value = "1m")]
    pub(crate) look: Duration,
    /// How long a slot must have been without traffic before it gets smaller.
    #[arg(long, value_parser = humantime::parse_duration, default_value = "30s")]
    pub(crate) quiet: Duration,
    /// A URL of the gateway, whose answers show that weights of 0 and 100 % have come through.
    #[arg(long, value_name = "URL")]
    pub(crate) through: Option<String>,
    #[command(flatten)]
    pub(crate) fed: Fed,
}

/// What it is decided by, and where that goes.
#[derive(Args, Debug)]
pub(crate) struct Fed {
    /// The file of its settings.
    #[arg(long, value_name = "FILE")]
    pub(crate) experiment: PathBuf,
    /// Take events by `POST /events` at this address, and show the report at `/`.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<SocketAddr>,
    /// Read events from this file as it grows; `-` is the standard input.
    #[arg(long, value_name = "FILE")]
    pub(crate) events: Option<PathBuf>,
    /// The report, and what is known of each unit, in this folder.
    #[arg(long, value_name = "DIR")]
    pub(crate) report: Option<PathBuf>,
    /// Only report who has won: all traffic goes back to live, whoever it is.
    #[arg(long)]
    pub(crate) report_only: bool,
}
