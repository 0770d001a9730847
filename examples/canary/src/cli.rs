//! What can be said on the command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

/// Releases an agent in steps by the weights of its routes, with guards that watch its traffic.
///
/// Exit codes: 0 done, 1 error, 2 usage, 3 refused (nothing was touched), 4 traffic went back, 5 stuck
/// (somebody has to look), 130 interrupted (the release can be resumed).
#[derive(Debug, Parser)]
#[command(name = "canary", version)]
pub(crate) struct Cli {
    /// The namespace of the agent.
    #[arg(long, short, global = true, env = "BLUEGREEN_NAMESPACE", default_value = "ai-agents")]
    pub(crate) namespace: String,
    /// The agent. Its slots' Services are called after it: AGENT-blue and AGENT-green.
    #[arg(long, short, global = true, env = "BLUEGREEN_SERVICE", default_value = "agent-service")]
    pub(crate) agent: String,
    /// An `HTTPRoute` whose weights move traffic. Several move together.
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
    /// Say everything that stands in the way of a release. Touches nothing.
    Check(Release),
    /// Release a new version, step by step.
    Run(Release),
    /// Go on with a release whose process ended. Takes the guards it was started with.
    Resume(Watched),
    /// How the release fares.
    Status,
    /// End the step that is under way, or the bake.
    Promote,
    /// Hold the weights where they are.
    Pause,
    /// Let a paused release go on.
    Continue,
    /// Give all traffic back to the old version.
    Rollback {
        /// The reason, for the history.
        #[arg(long, default_value = "no reason given")]
        reason: String,
    },
}

/// A release.
#[derive(Args, Debug)]
pub(crate) struct Release {
    /// The new image of a container.
    #[arg(long, value_name = "CONTAINER=IMAGE", required_unless_present_any = ["prompts", "env"])]
    pub(crate) image: Vec<String>,
    /// A folder whose files take the place of those of a ConfigMap that the agent reads: its prompts.
    #[arg(long, value_name = "CONFIGMAP=FOLDER")]
    pub(crate) prompts: Vec<String>,
    /// A new value of an environment variable: a prompt's or a model's name.
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) env: Vec<String>,
    /// The version label; by default the image's tag and eight digits of the digest.
    #[arg(long)]
    pub(crate) version: Option<String>,
    /// The candidate's shares of the traffic, in percent. The last step is everything.
    #[arg(long, value_name = "PERCENT", value_delimiter = ',', default_value = "5,25,50")]
    pub(crate) steps: Vec<u32>,
    /// How long each step lasts at least.
    #[arg(long, value_parser = humantime::parse_duration, default_value = "10m")]
    pub(crate) hold: Duration,
    /// How long guards watch after the last step.
    #[arg(long, value_parser = humantime::parse_duration, default_value = "30m")]
    pub(crate) bake: Duration,
    /// How often guards look.
    #[arg(long, value_parser = humantime::parse_duration, default_value = "15s")]
    pub(crate) look: Duration,
    /// How long a slot must have been without traffic before it gets smaller.
    #[arg(long, value_parser = humantime::parse_duration, default_value = "30s")]
    pub(crate) quiet: Duration,
    /// How long a failed candidate is kept to be looked at. This process waits for it.
    #[arg(long, value_parser = humantime::parse_duration, default_value = "0s")]
    pub(crate) keep_failed: Duration,
    /// The header by which gateways keep a conversation on its slot: `blue` or `green` in it.
    #[arg(long, value_name = "HEADER")]
    pub(crate) conversations: Option<String>,
    /// A URL of the gateway, whose answers show that weights of 0 and 100 % have come through.
    #[arg(long, value_name = "URL")]
    pub(crate) through: Option<String>,
    #[command(flatten)]
    pub(crate) watched: Watched,
}

/// What watches the candidate while it has traffic.
#[derive(Args, Debug)]
pub(crate) struct Watched {
    /// A file of guards.
    #[arg(long, value_name = "FILE")]
    pub(crate) guards: PathBuf,
    /// Numbers come from the Prometheus of this file; without it, from the metrics of the pods.
    #[arg(long, value_name = "FILE")]
    pub(crate) prometheus: Option<PathBuf>,
    /// The path of the pods' metrics.
    #[arg(long, default_value = "/metrics")]
    pub(crate) metrics: String,
    /// The pods' counter of requests.
    #[arg(long, default_value = "agent_requests_total")]
    pub(crate) requests: String,
    /// The report on the release, in this folder: report.json and report.html, every few seconds and at
    /// its end. What `resume` finds there of the same release it goes on with.
    #[arg(long, value_name = "DIR")]
    pub(crate) report: Option<PathBuf>,
    /// The pods' counter of those that failed.
    #[arg(long, default_value = "agent_requests_failed_total")]
    pub(crate) failed: String,
}
