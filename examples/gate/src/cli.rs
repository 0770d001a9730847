//! What can be said on the command line.

use std::path::PathBuf;
use std::time::Duration;

use bluegreen_validate::migrations::Dialect;
use bluegreen_validate::prompt::CassetteMode;
use clap::{Args, Parser, Subcommand, ValueEnum};

/// Asks two running agents the questions of a suite, and says whether the new one is as good.
///
/// Exit codes: 0 pass, 1 fail, 2 inconclusive (also when it was interrupted), 3 a suite, an option or
/// an address that cannot be used (nothing was asked).
#[derive(Debug, Parser)]
#[command(name = "gate", version)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Say everything that is wrong with a suite, what it can see, and how many calls it makes. Asks
    /// nobody.
    Check(Check),
    /// Ask both agents, and judge.
    Run(Box<Run>),
    /// Compute the verdict of a JSON report again, and write the other forms of it.
    Render(Render),
    /// Judge the SQL files of a release by what they do to the slot that runs meanwhile. Connects to
    /// nothing. Exit codes: 0 all is safe, 1 something is not, 3 files that cannot be used.
    Migrations(MigrationFiles),
    /// Print what a suite may look like, as JSON Schema: for editors.
    Schema,
}

/// Migrations, and how they are applied.
#[derive(Args, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is an option of the command line")]
pub(crate) struct MigrationFiles {
    /// Files, and folders whose files are taken in the order of their names.
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// Whose SQL it is.
    #[arg(long, value_enum)]
    pub(crate) dialect: SqlDialect,
    /// The last file that is applied already, as `0041_names.sql` or `0041`; later ones are judged.
    #[arg(long, value_name = "FILE")]
    pub(crate) applied: Option<String>,
    /// Take away what no version needs any more: only when the slot that needed it is gone, and will
    /// not come back.
    #[arg(long)]
    pub(crate) contract: bool,
    /// Only tell of what makes others wait; refuse what breaks them.
    #[arg(long)]
    pub(crate) allow_locks: bool,
    /// The tool that applies them opens a transaction for each file.
    #[arg(long)]
    pub(crate) in_transactions: bool,
    /// `lock_timeout` is set by the tool that applies them, or for its role.
    #[arg(long)]
    pub(crate) lock_timeout_elsewhere: bool,
    /// Write everything that was found as JSON.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

/// Whose SQL it is.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum SqlDialect {
    /// `PostgreSQL`.
    Postgres,
    /// `MySQL`.
    Mysql,
}

impl From<SqlDialect> for Dialect {
    fn from(dialect: SqlDialect) -> Self {
        match dialect {
            SqlDialect::Postgres => Self::Postgres,
            SqlDialect::Mysql => Self::Mysql,
        }
    }
}

/// A suite, and what of it is set otherwise.
#[derive(Args, Debug)]
pub(crate) struct Check {
    /// The suite: a file of ours, YAML or JSON, or promptfoo's configuration.
    pub(crate) suite: PathBuf,
    /// How often each case is asked on each side.
    #[arg(long, value_name = "N")]
    pub(crate) repeats: Option<u32>,
    /// How far the pass rate may be below that of live, as a share: 0.05 is 5 points.
    #[arg(long, value_name = "SHARE")]
    pub(crate) margin: Option<f64>,
    /// The most calls of both agents together.
    #[arg(long, value_name = "N")]
    pub(crate) max_calls: Option<u64>,
    /// The most tokens of both agents together.
    #[arg(long, value_name = "N")]
    pub(crate) max_tokens: Option<u64>,
    /// The most money, in the unit of the suite's prices.
    #[arg(long, value_name = "MONEY")]
    pub(crate) max_cost: Option<f64>,
    /// How long the whole run may take; an hour where neither this nor the suite says so.
    #[arg(long, value_parser = humantime::parse_duration, value_name = "TIME")]
    pub(crate) timeout: Option<Duration>,
    /// How long one answer may take.
    #[arg(long, value_parser = humantime::parse_duration, value_name = "TIME")]
    pub(crate) answer_timeout: Option<Duration>,
    /// How many conversations each agent has at a time.
    #[arg(long, value_name = "N")]
    pub(crate) concurrency: Option<u32>,
    /// What the order of the run is drawn from.
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// Leave out cases that need what is not there (JavaScript, say), instead of refusing the suite.
    #[arg(long)]
    pub(crate) skip_unsupported: bool,
    /// Let this model grade, instead of the suite's `judges` if it has any (which is told then): the
    /// address before `/chat/completions`, as `https://models.example/v1`.
    #[arg(long, value_name = "URL", requires = "judge_model")]
    pub(crate) judge_url: Option<String>,
    /// The name of the model that grades.
    #[arg(long, value_name = "NAME", requires = "judge_url")]
    pub(crate) judge_model: Option<String>,
    /// The environment variable that has the whole `authorization` header for it: `Bearer …`.
    #[arg(long, value_name = "VARIABLE", requires = "judge_url")]
    pub(crate) judge_authorization_env: Option<String>,
    /// How often two answers to one question come out differently although nothing has changed: what
    /// the suite can see depends on it.
    #[arg(long, value_name = "SHARE", default_value_t = 0.1)]
    pub(crate) discordance: f64,
}

/// A run.
#[derive(Args, Debug)]
pub(crate) struct Run {
    #[command(flatten)]
    pub(crate) check: Check,
    /// The agent that has the traffic: `http://agent:8080`, also with a path, or `https://…`.
    #[arg(long, value_name = "URL")]
    pub(crate) live: String,
    /// The agent that is to take its place.
    #[arg(long, value_name = "URL")]
    pub(crate) idle: String,
    /// What reports call the live agent: a version. By default its address.
    #[arg(long, value_name = "NAME")]
    pub(crate) live_name: Option<String>,
    /// What reports call the other one.
    #[arg(long, value_name = "NAME")]
    pub(crate) idle_name: Option<String>,
    /// The characters that are kept of an answer; with 0 no answer is in any report.
    #[arg(long, value_name = "N", default_value_t = 4_000)]
    pub(crate) keep: usize,
    /// A file of answers, JSON Lines: a run that was interrupted goes on with it, and pays for no
    /// answer twice. Needs both names: another version may have the same address tomorrow.
    #[arg(long, value_name = "FILE", requires_all = ["live_name", "idle_name"])]
    pub(crate) cassette: Option<PathBuf>,
    /// What is done with the cassette.
    #[arg(long, value_enum, default_value = "record", requires = "cassette")]
    pub(crate) mode: Mode,
    /// The cassette of an earlier run, in which what is live now was asked, as the candidate or as live
    /// under the name of `--live-name`: its answers are taken, and live is asked for the rest.
    #[arg(long, value_name = "FILE", requires = "live_name")]
    pub(crate) baseline: Option<PathBuf>,
    /// How old an answer of the baseline may be.
    #[arg(long, value_name = "TIME", default_value = "1d", value_parser = humantime::parse_duration)]
    pub(crate) baseline_age: Duration,
    #[command(flatten)]
    pub(crate) files: Files,
}

/// What is done with a cassette.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Mode {
    /// Ask only for what is missing in it, and add that.
    Record,
    /// Ask no agent: what is missing is lost, and no pass.
    Replay,
    /// Ask everything anew, and put it in place of what is there.
    Refresh,
}

impl From<Mode> for CassetteMode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Record => Self::Record,
            Mode::Replay => Self::Replay,
            Mode::Refresh => Self::Refresh,
        }
    }
}

/// Where reports go.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Files {
    /// Write `report.json`, `junit.xml`, `report.md` and `report.html` into this folder.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Write everything as JSON, from which the verdict can be computed again.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Write `JUnit` XML.
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
    /// Write Markdown, for a pull request or a job's summary.
    #[arg(long, value_name = "FILE")]
    pub(crate) markdown: Option<PathBuf>,
    /// Write one HTML page that needs no network.
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
}

/// A report that is there already.
#[derive(Args, Debug)]
pub(crate) struct Render {
    /// The JSON report.
    pub(crate) report: PathBuf,
    #[command(flatten)]
    pub(crate) files: Files,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_needs_both_agents_and_takes_the_limits_of_the_suite() {
        assert!(Cli::try_parse_from(["gate", "run", "suite.yaml", "--live", "http://a"]).is_err());
        let all = ["gate", "run", "suite.yaml", "--live", "http://a", "--idle", "http://b"];
        let limits = ["--max-calls", "100", "--max-cost", "2.5", "--timeout", "1h 30m"];
        let cli = Cli::try_parse_from(all.iter().chain(&limits)).unwrap();
        let Command::Run(run) = cli.command else { panic!("it should be a run") };
        assert_eq!((run.check.max_calls, run.check.max_cost), (Some(100), Some(2.5)));
        assert_eq!(run.check.timeout, Some(Duration::from_mins(90)));
        let wrong = Cli::try_parse_from(all.iter().chain(&["--timeout", "soon"])).unwrap_err();
        assert!(wrong.to_string().contains("--timeout"), "{wrong}");
    }
}
