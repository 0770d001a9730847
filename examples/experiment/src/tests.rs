//! Whole experiments on the cluster in memory, with conversations that follow the routing and are told of
//! over HTTP.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use bluegreen_core::memory::{MemoryCluster, TokioClock};
use bluegreen_core::{
    Assignment, Capabilities, Color, Configuration, Container, Operations, Outcome, Reason,
    Releaser, SwitchStrategy as _, Winner,
};
use bluegreen_validate::report::ReleaseReport;
use bluegreen_validate::{Experiment, ExperimentConfig};
use clap::Parser as _;

use crate::cli::{self, Cli, Command};
use crate::events::{Book, Taken};
use crate::report::Report;
use crate::run::{Ending, Stage, Task};
use crate::settings;

const SETTINGS: &str = "
name: refund-prompt
primary: { metric: completed, margin: 0.04 }
horizon: { time: 1d }
";

fn parsed(arguments: &[&str]) -> cli::Experiment {
    let all =
        ["experiment", "run", "--experiment", "experiment.yaml", "--version", "2", "--events", "-"];
    match Cli::try_parse_from(all.iter().chain(arguments)).unwrap().command {
        Command::Run(it) => it,
        other => panic!("it should be an experiment: {other:?}"),
    }
}

fn cluster() -> MemoryCluster {
    let container = Container::new("example.com/agent:1");
    let live = Configuration::new(BTreeMap::from([("agent".to_owned(), container)]));
    MemoryCluster::builder("agent-service", live.with_version("1"))
        .clock(TokioClock::default())
        .capabilities(Capabilities::ALL)
        .build()
}

/// Conversations that go where the routing says, for ever. Of the candidate's, so many percent complete; of
/// live's 70. What is told of them are lines, as they come over HTTP.
async fn traffic(cluster: &MemoryCluster, report: &Report, candidate: u64) {
    let (clock, assignment) = (cluster.clock(), Assignment::new("ab"));
    let mut number = 0_u64;
    loop {
        clock.sleep(Duration::from_secs(1)).await;
        let observed = cluster.switch().observe().await.unwrap();
        let routing = observed.routing().unwrap();
        let mut lines = String::new();
        for _ in 0..4 {
            number += 1;
            let color = assignment.slot(format!("c-{number}"), routing);
            let (version, percent) =
                if color == Color::Green { ("2", candidate) } else { ("1", 70) };
            let mixed = (number ^ (number >> 7)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33;
            let value = u8::from(mixed % 100 < percent);
            lines.extend([format!(
                "{{\"event\":\"exposed\",\"unit\":\"c-{number}\",\"slot\":\"{color}\",\"version\":\"{version}\"}}\n\
                 {{\"event\":\"outcome\",\"unit\":\"c-{number}\",\"metric\":\"completed\",\"value\":{value}}}\n"
            )]);
        }
        let book = Book { exposures: &report.exposures, metrics: &report.metrics };
        let taken = Taken::all(book, lines.as_bytes(), clock.now());
        assert_eq!(taken.problems, Vec::<String>::new());
    }
}

/// What an experiment comes to, and what its files say.
async fn experiment(
    name: &str,
    candidate: u64,
    report_only: bool,
) -> (Outcome, Ending, ReleaseReport, String) {
    let cluster = cluster();
    let folder: PathBuf =
        std::env::temp_dir().join(format!("experiment-{name}-{}", std::process::id()));
    let config = ExperimentConfig::parse("experiment.yaml", SETTINGS).unwrap();
    let report = Report::prepare(Some(&folder), &config, false).unwrap();
    let wanted =
        parsed(&["--image", "agent=example.com/agent:2", "--bake", "10m", "--quiet", "0s"]);
    let (change, mut plan) = (settings::change(&wanted).unwrap(), settings::plan(&wanted, &config));
    plan.drain.max = Duration::ZERO;
    let stage = Stage {
        releaser: Releaser::new(cluster.ports("one")),
        experiment: Experiment::new(config, report.exposures.clone()),
        report: &report,
        actor: "ann".into(),
        report_only,
    };
    assert_eq!(stage.releaser().check(&change, &plan).await.unwrap(), []);
    let outcome = tokio::select! {
        outcome = stage.drive(Task::Run(Box::new((change, plan))), |_| ()) => outcome.unwrap(),
        () = traffic(&cluster, &report, candidate) => unreachable!("it has no end"),
    };
    report.write(&Operations::new(cluster.ports("one"))).await;
    let json = fs::read_to_string(folder.join("report.json")).unwrap();
    let page = fs::read_to_string(folder.join("report.html")).unwrap();
    for name in ["report.md", "experiment.json", "exposures.json"] {
        assert!(folder.join(name).exists(), "{name}");
    }
    // Another process finds all of it.
    let config = ExperimentConfig::parse("experiment.yaml", SETTINGS).unwrap();
    let refused = |resumes| {
        let refused = Report::prepare(Some(&folder), &config, resumes);
        let Err(why) = refused else { panic!("it should be refused") };
        why
    };
    assert!(refused(true).contains("another process at work in it"), "{}", refused(true));
    let (known, experiment) = (report.exposures.len(), report.experiment());
    drop(report);
    // Whoever begins another one there would lose what is known of each unit.
    assert!(refused(false).contains("wanted `resume`"), "{}", refused(false));
    fs::write(folder.join("report.json"), "{").unwrap();
    let again = Report::prepare(Some(&folder), &config, true).unwrap();
    assert_eq!(again.exposures.len(), known);
    fs::remove_dir_all(&folder).unwrap();
    let ending = Ending::of(&outcome, experiment.as_ref(), report_only);
    (outcome, ending, ReleaseReport::from_json(&json).unwrap(), page)
}

fn green(report: &ReleaseReport) -> Vec<String> {
    report.shares.points().iter().map(|it| it.green.to_string()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_better_prompt_is_promoted_and_the_report_says_so() {
    let (outcome, ending, report, page) = experiment("better", 80, false).await;
    assert_eq!(outcome, Outcome::Concluded { winner: Winner::Candidate });
    assert_eq!(ending, Ending::CandidateWon);
    assert_eq!(green(&report)[..3], ["0", "0.5", "1"], "{:?}", report.shares);
    assert_eq!(report.experiments[0].winner, Some(Winner::Candidate));
    assert!(page.contains("refund-prompt: <span class=\"pass\">candidate better</span>"), "{page}");
}

#[tokio::test(start_paused = true)]
async fn a_worse_one_is_not_and_live_stays() {
    let (outcome, ending, report, page) = experiment("worse", 60, false).await;
    assert_eq!(outcome, Outcome::Concluded { winner: Winner::Live });
    assert_eq!(ending, Ending::LiveStays);
    assert_eq!(green(&report), ["0", "0.5", "0"]);
    assert!(page.contains("refund-prompt: <span class=\"fail\">live better</span>"), "{page}");
}

#[tokio::test(start_paused = true)]
async fn a_winner_that_is_only_to_be_reported_gets_no_traffic() {
    let (outcome, ending, report, _) = experiment("told", 80, true).await;
    let Outcome::RolledBack { reason: Reason::Requested { actor, reason } } = &outcome else {
        panic!("it should have gone back: {outcome}")
    };
    assert_eq!(actor.as_str(), "ann");
    assert_eq!(reason, "refund-prompt: candidate better; only to be reported");
    assert_eq!(ending, Ending::CandidateWon);
    assert!(!green(&report).contains(&"1".to_owned()), "{:?}", report.shares);
    assert_eq!(report.experiments[0].winner, Some(Winner::Candidate));
}

#[test]
fn what_is_not_concluded_is_no_win() {
    let outcome = Outcome::RolledBack { reason: Reason::Unfit { message: "pods".to_owned() } };
    assert_eq!(Ending::of(&outcome, None, false), Ending::WentBack);
    let concluded = Outcome::Concluded { winner: Winner::Live };
    assert_eq!(Ending::of(&concluded, None, false), Ending::Undecided);
    assert_eq!(Ending::of(&Outcome::Released, None, false), Ending::CandidateWon);
}

#[test]
fn the_settings_beside_this_make_a_plan_without_problems() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/experiment.yaml");
    let config = ExperimentConfig::from_file(file).unwrap();
    let plan = settings::plan(&parsed(&["--env", "PROMPT=v8"]), &config);
    assert_eq!(plan.problems(), []);
    assert_eq!(plan.steps[0].until.length(), bluegreen_core::clock::days(14));
}

#[test]
fn what_is_missing_is_named_all_at_once() {
    let wrong = settings::change(&parsed(&["--image", "agent", "--env", "PROMPT"])).unwrap_err();
    assert_eq!(wrong.len(), 2, "{wrong:?}");
    let none = settings::change(&parsed(&[])).unwrap_err();
    assert!(none[0].contains("neither --prompts nor --image nor --env"), "{none:?}");
    let config = ExperimentConfig::default();
    let Err(why) = Report::prepare(None, &config, true) else { panic!("it should be refused") };
    assert!(why.contains("wanted the folder of the process before"), "{why}");
}

/// The intake over a real socket: what is posted is recorded, and what is wrong is named.
#[tokio::test]
async fn events_come_over_http() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let report = Report::prepare(None, &ExperimentConfig::default(), false).unwrap();
    let intake = crate::intake::Intake::of(&report);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let ask = async |head: &str, body: &str| {
        let mut stream = tokio::net::TcpStream::connect::<SocketAddr>(address).await.unwrap();
        let length = body.len();
        let text = format!(
            "{head} HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    };
    let asking = async {
        let line = r#"{"event":"exposed","unit":"c1","slot":"green","version":"2"}"#;
        let answer = ask("POST /events", line).await;
        assert!(
            answer.starts_with("HTTP/1.1 200") && answer.contains(r#""recorded":1"#),
            "{answer}"
        );
        let answer = ask("POST /events", "?").await;
        assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("line 1"), "{answer}");
        let answer = ask("GET /", "").await;
        assert!(answer.contains("text/html") && answer.contains("not begun"), "{answer}");
        assert!(ask("GET /events", "").await.starts_with("HTTP/1.1 405"));
        assert!(ask("GET /nothing", "").await.starts_with("HTTP/1.1 404"));
    };
    let asking = tokio::time::timeout(Duration::from_mins(1), asking);
    tokio::select! {
        ended = asking => ended.unwrap(),
        never = intake.serve(listener) => match never {},
    }
    assert_eq!(report.exposures.len(), 1);
}
