//! What can be said on the command line.

use std::time::Duration;

use bluegreen_core::Color;
use clap::{Args, Parser, Subcommand, ValueEnum};

/// Releases an agent on Kubernetes without downtime, and takes it back in one write.
///
/// Exit codes: 0 done, 1 error, 2 usage, 3 refused (nothing was touched), 4 rolled back, 5 stuck,
/// 6 another release is under way, 130 interrupted (the release can be resumed).
#[derive(Debug, Parser)]
#[command(name = "deploy", version)]
pub(crate) struct Cli {
    /// The namespace of the agent.
    #[arg(long, short, global = true, env = "BLUEGREEN_NAMESPACE", default_value = "ai-agents")]
    pub(crate) namespace: String,
    /// The agent's live Service.
    #[arg(long, short, global = true, env = "BLUEGREEN_SERVICE", default_value = "agent-service")]
    pub(crate) service: String,
    /// The name of the cluster, for records and reports.
    #[arg(long, global = true, env = "BLUEGREEN_CLUSTER_NAME", default_value = "default")]
    pub(crate) cluster: String,
    /// Who does this, for the history.
    #[arg(long, global = true, env = "USER", default_value = "unknown")]
    pub(crate) actor: String,
    /// Text for people, or one JSON document for programs.
    #[arg(long, short, global = true, value_enum, default_value_t = Output::Text)]
    pub(crate) output: Output,
    /// Where pods tell what they have in hand: a path, and metrics or JSON pointers to be added up.
    /// `/metrics:vllm:num_requests_running+vllm:num_requests_waiting`, or `/status:/streams+/queue`.
    #[arg(long, global = true, env = "BLUEGREEN_IN_FLIGHT", value_name = "PATH:NUMBER[+NUMBER]")]
    pub(crate) in_flight: Option<InFlight>,
    #[command(flatten)]
    pub(crate) metrics: crate::metrics::Metrics,
    #[command(flatten)]
    pub(crate) notify: crate::notify::Notify,
    #[command(flatten)]
    pub(crate) approve: crate::approve::Asked,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Where pods tell what they have in hand.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct InFlight {
    /// The path.
    pub(crate) path: String,
    /// The numbers there that are added up.
    pub(crate) numbers: Vec<String>,
}

impl std::str::FromStr for InFlight {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // Metrics have colons in their names, paths hardly ever.
        let (path, numbers) = text.split_once(':').unwrap_or((text, ""));
        let numbers: Vec<String> = numbers.split('+').map(str::to_owned).collect();
        let pointers = numbers.iter().filter(|number| number.starts_with('/')).count();
        if !path.starts_with('/') || numbers.iter().any(String::is_empty) {
            return Err("wanted PATH:NUMBER or PATH:NUMBER+NUMBER, as in /metrics:streams_open");
        }
        if pointers > 0 && pointers < numbers.len() {
            return Err("wanted either metrics or JSON pointers, which begin with `/`");
        }
        Ok(Self { path: path.to_owned(), numbers })
    }
}

impl InFlight {
    /// Whether the numbers are in a JSON document.
    pub(crate) fn is_json(&self) -> bool {
        self.numbers.iter().any(|number| number.starts_with('/'))
    }
}

/// How results are printed. Progress goes to standard error in either case.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Output {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// What becomes two slots, and how.
#[derive(Debug, Args)]
pub(crate) struct Adoption {
    /// The Deployment. It is left without pods, for the way back.
    pub(crate) deployment: String,
    /// The Deployment that takes its place: the deployment's name and -blue unless said otherwise.
    #[arg(long, value_name = "NAME")]
    blue: Option<String>,
    /// The Deployment for the next release: the deployment's name and -green unless said otherwise.
    #[arg(long, value_name = "NAME")]
    green: Option<String>,
    /// How long the new pods may take to be ready.
    #[arg(long, value_parser = humantime::parse_duration, default_value = "10m")]
    pub(crate) ready: Duration,
    /// How long the old pods go on after the last request was sent to them.
    #[arg(long, value_parser = humantime::parse_duration, default_value = "30s")]
    pub(crate) drain: Duration,
    /// Who may own what is changed although it puts back what others change, told to leave that alone:
    /// argocd-controller. Can be given again.
    #[arg(long, value_name = "MANAGER")]
    pub(crate) allow_owner: Vec<String>,
    /// A Service that may lead to pods of both slots from now on. Can be given again.
    #[arg(long, value_name = "SERVICE")]
    pub(crate) ignore_service: Vec<String>,
}

impl Adoption {
    /// The names of the slots.
    pub(crate) fn slot(&self, color: Color) -> String {
        let named = if color == Color::Blue { &self.blue } else { &self.green };
        named.clone().unwrap_or_else(|| format!("{}-{color}", self.deployment))
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make the second Deployment, without pods, if there is only one.
    Init,
    /// Make two slots of one rolling Deployment that names no slot, while it serves.
    Adopt(Adoption),
    /// Say what a release would change, and everything that stands in its way. Touches nothing.
    Plan(Release),
    /// Release a new version.
    Deploy(Release),
    /// Go on with a release whose process ended. Takes the gates it was started with.
    Resume(Gates),
    /// How the release fares: what is awaited, since when, until when, who drives it.
    Status,
    /// Take the old version back, during a release or after it.
    Rollback(Why),
    /// Call a release off; `deny` is the same, for one that waits for approval.
    #[command(visible_alias = "deny")]
    Abort(Why),
    /// End the current wait: the approval, the step, the bake.
    Promote,
    /// Say yes to a release that waits for approval.
    Approve,
    /// Let traffic move in spite of a freeze. Who and why stay in the history.
    OverrideFreeze {
        /// The reason.
        #[arg(long)]
        reason: String,
    },
    /// Stop a release where it is.
    Pause,
    /// Let a paused release go on.
    Continue,
    /// The finished releases, newest first.
    History,
    /// Remove everything of ours. Both Deployments and the Service go on serving.
    Detach,
}

/// A release.
#[derive(Args, Debug)]
pub(crate) struct Release {
    /// The new image, for the only container or for a named one.
    #[arg(long, value_name = "[CONTAINER=]IMAGE", required_unless_present_any = ["prompts", "env", "model", "parameter", "external"])]
    pub(crate) image: Vec<String>,
    /// A folder whose files take the place of those of a ConfigMap that the agent reads: prompts, tool
    /// schemas, settings. The ConfigMap itself stays as it is.
    #[arg(long, value_name = "CONFIGMAP=FOLDER")]
    pub(crate) prompts: Vec<String>,
    /// A new value of an environment variable. It is shown to nobody.
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) env: Vec<String>,
    /// A new model: the environment variable that names it, and its name.
    #[arg(long, value_name = "VARIABLE=NAME")]
    pub(crate) model: Option<String>,
    /// A parameter of the model: an environment variable whose value is no secret, and is shown by `plan`.
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) parameter: Vec<String>,
    /// Something kept elsewhere (a version in a prompt registry, weights): what it is called, where it is,
    /// and the digest of what is in it.
    #[arg(long, value_name = "NAME=REFERENCE@sha256:DIGEST")]
    pub(crate) external: Vec<String>,
    /// The environment variable that tells the agent where something kept elsewhere is.
    #[arg(long, value_name = "NAME=VARIABLE", requires = "external")]
    pub(crate) external_env: Vec<String>,
    /// The version label; by default the image's tag and eight digits of the digest.
    #[arg(long)]
    pub(crate) version: Option<String>,
    /// How long guards watch after the switch.
    #[arg(long, value_parser = humantime::parse_duration, default_value = "30m")]
    pub(crate) bake: Duration,
    /// How many pods the old slot keeps.
    #[arg(long, default_value_t = 0)]
    pub(crate) standby: u32,
    /// How long pods may take to get ready; by default what the Deployment says.
    #[arg(long, value_parser = humantime::parse_duration)]
    pub(crate) rollout: Option<Duration>,
    /// How long the old slot must have been quiet before it gets smaller.
    #[arg(long, value_parser = humantime::parse_duration, default_value = "30s")]
    pub(crate) quiet: Duration,
    /// How long a slot may take to end the work that it has in hand.
    #[arg(long, value_parser = humantime::parse_duration, default_value = "30m")]
    pub(crate) max_drain: Duration,
    /// Make the old slot smaller after that time even if it cuts work off.
    #[arg(long)]
    pub(crate) cut: bool,
    /// The path of the POST that asks a pod to let its clients go.
    #[arg(long, value_name = "PATH")]
    pub(crate) leave: Option<String>,
    /// How long the longest stream lasts: pods must get so much time to end.
    #[arg(long, value_parser = humantime::parse_duration)]
    pub(crate) longest_stream: Option<Duration>,
    /// How long a failed candidate is kept to be looked at. This process waits for it.
    #[arg(long, value_parser = humantime::parse_duration, default_value = "0s")]
    pub(crate) keep_failed: Duration,
    /// Wait so long for somebody who approves before traffic moves.
    #[arg(long, value_parser = humantime::parse_duration, value_name = "TIMEOUT")]
    pub(crate) approval: Option<Duration>,
    /// A time at which no traffic is given to the new version: `Fri 16:00 - Mon 08:00`, `2026-12-24`,
    /// `2026-12-24 12:00 - 2027-01-02 08:00`. The release waits; a rollback never does.
    #[arg(long, value_name = "WINDOW")]
    pub(crate) freeze: Vec<String>,
    /// The time zone of these times.
    #[arg(long, value_name = "ZONE", default_value = "UTC", requires = "freeze")]
    pub(crate) freeze_zone: String,
    /// Let traffic move all the same, and why.
    #[arg(long, value_name = "REASON", requires = "freeze")]
    pub(crate) override_freeze: Option<String>,
    /// How long it may take to warm the candidate up.
    #[arg(long, value_parser = humantime::parse_duration, default_value = "10m", value_name = "TIMEOUT")]
    pub(crate) warm_up_timeout: Duration,
    /// Let a problem of this code pass.
    #[arg(long, value_name = "CODE")]
    pub(crate) allow: Vec<String>,
    /// The live slot serves nothing yet.
    #[arg(long)]
    pub(crate) bootstrap: bool,
    #[command(flatten)]
    pub(crate) gates: Gates,
}

/// What the candidate must pass before it gets traffic.
#[derive(Args, Debug)]
pub(crate) struct Gates {
    /// A path that every pod must answer with success.
    #[arg(long, value_name = "PATH")]
    pub(crate) smoke: Vec<String>,
    /// A file of smoke tests, YAML or JSON.
    #[arg(long, value_name = "FILE")]
    pub(crate) smoke_file: Option<std::path::PathBuf>,
    /// A file that says how every pod is warmed up before gates judge it, YAML or JSON: what it is asked, and
    /// how soon the first token has to come.
    #[arg(long, value_name = "FILE")]
    pub(crate) warm_up: Option<std::path::PathBuf>,
}

/// Why a release is taken back.
#[derive(Args, Debug)]
pub(crate) struct Why {
    /// The reason, for the history.
    #[arg(long, default_value = "no reason given")]
    pub(crate) reason: String,
    /// Return as soon as traffic is back, and leave the rest to whoever drives the release.
    #[arg(long)]
    pub(crate) no_wait: bool,
}

#[cfg(test)]
mod tests {
    use clap::error::ErrorKind;

    use super::*;

    fn refusal(arguments: &[&str]) -> clap::Error {
        let all = ["deploy"].iter().chain(arguments);
        Cli::try_parse_from(all).unwrap_err()
    }

    #[test]
    fn a_duration_that_is_none_is_refused_by_its_option() {
        for option in [
            "--bake",
            "--rollout",
            "--quiet",
            "--max-drain",
            "--longest-stream",
            "--keep-failed",
            "--approval",
            "--warm-up-timeout",
        ] {
            for value in ["30x", "ten", "", "30"] {
                let given = format!("{option}={value}");
                let error = refusal(&["deploy", "--image", "agent:1.3.0", &given]);
                let text = error.to_string();
                assert!(text.contains(option) && text.contains(&format!("'{value}'")), "{text}");
                assert_eq!(error.exit_code(), 2);
            }
        }
        let arguments = ["deploy", "deploy", "--image", "agent:1.3.0", "--bake", "1h 30m"];
        let Command::Deploy(it) = Cli::try_parse_from(arguments).unwrap().command else {
            panic!("it should be a release")
        };
        assert_eq!(it.bake, Duration::from_mins(90));
    }

    #[test]
    fn what_is_in_flight_is_a_path_and_numbers() {
        let read = |text: &str| text.parse::<InFlight>();
        let vllm = read("/metrics:vllm:num_requests_running+vllm:num_requests_waiting").unwrap();
        assert_eq!(vllm.path, "/metrics");
        assert_eq!(vllm.numbers, ["vllm:num_requests_running", "vllm:num_requests_waiting"]);
        assert!(!vllm.is_json() && read("/status:/streams+/queue/length").unwrap().is_json());
        for text in ["", "/metrics", "/metrics:", "metrics:a", "/metrics:a+", "/status:/a+b"] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_release_brings_an_image() {
        assert_eq!(refusal(&["deploy"]).kind(), ErrorKind::MissingRequiredArgument);
    }
}
