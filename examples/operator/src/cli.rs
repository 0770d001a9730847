//! What can be said on the command line.

use std::time::Duration;

use clap::{Args, Parser, Subcommand};

/// Releases agents on Kubernetes without downtime, as `AgentRelease` objects say.
#[derive(Debug, Parser)]
#[command(name = "operator", version)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Look after the agents of a namespace. Of several processes one works, the others stand by.
    Run(Options),
    /// Print everything that a namespace needs, as `kubectl apply` takes it.
    Install,
}

/// How to go about it.
#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// The namespace; by default that of the pod, or of the kubeconfig.
    #[arg(long, short, env = "BLUEGREEN_NAMESPACE")]
    pub(crate) namespace: Option<String>,
    /// The name of the cluster, for records.
    #[arg(long, env = "BLUEGREEN_CLUSTER_NAME", default_value = "default")]
    pub(crate) cluster: String,
    /// What this process calls itself, with something added that tells its starts apart; by default
    /// the name of the host, which is that of the pod.
    #[arg(long, env = "HOSTNAME", default_value = "operator")]
    pub(crate) identity: String,
    /// How many releases may be under way that this process has begun. Others wait; those that were
    /// under way before go on in any case.
    #[arg(long, env = "BLUEGREEN_RELEASES", default_value_t = 100,
        value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) releases: u32,
    /// For how long a process counts as alive after it was last heard of.
    #[arg(long, env = "BLUEGREEN_LEASE", value_parser = lease, default_value = "15s")]
    pub(crate) lease: Duration,
}

fn lease(text: &str) -> Result<Duration, String> {
    let lease = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if lease < Duration::from_secs(3) { Err("wanted at least 3s".to_owned()) } else { Ok(lease) }
}
