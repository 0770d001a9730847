//! A run: ask, tell how far it has come, judge, and report; also when it is interrupted.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bluegreen_core::{
    Clock, Color, Configuration, ErrorKind, Judgement, ReleaseId, Side, SlotState, SystemClock,
    Trial, Validator, Verdict,
};
use bluegreen_validate::PromptRegression;
use bluegreen_validate::prompt::{Baseline, Cassette, Recorder};
use bluegreen_validate::report::RunReport;

use crate::Failure;
use crate::check;
use crate::cli::{Mode, Run};
use crate::client::{Address, UrlClient};
use crate::reports::{Reports, Source};
use crate::show::{self, Screen};

/// How long a run may take where nobody says so.
const LONGEST: Duration = Duration::from_hours(1);
/// What a run has after its time to come to a verdict.
const GRACE: Duration = Duration::from_secs(10);

/// The runs of which everything is kept in memory.
const HELD: usize = 500;

/// How a run ended.
enum End {
    Judged(Judgement),
    /// Ctrl-C, or SIGTERM.
    Interrupted,
}

pub(crate) async fn run(run: Run) -> Result<Verdict, Failure> {
    let ready = prepare(&run)?;
    for warning in &ready.warnings {
        show::say(&format!("warning: {warning}"));
    }
    show::say(&check::preview(&ready.gate, &run.check));
    let recorder = recorder(&run, &ready.gate);
    let mut gate = ready.gate.recorded_by(&recorder);
    if let Some(cassette) = &ready.cassette {
        gate = gate.with_cassette(cassette);
    }
    if let Some(baseline) = &ready.baseline {
        gate = gate.with_baseline(baseline);
    }
    let end = judge(&gate, &ready.trial, &recorder).await?;
    ready.cassette.as_ref().map(show::cassette);
    ready.baseline.as_ref().map(show::baseline);
    let outline = recorder.outline().unwrap_or_else(|| empty(&gate));
    let nothing = || empty(&gate);
    let (written, wrong) = ready.reports.write(&Source::recorded(&recorder, &nothing));
    show::verdict(&outline, &recorder.lost());
    show::written(&written);
    if !wrong.is_empty() {
        let wrong = Failure::Error(wrong.join("\n"));
        // A candidate that is worse is no less so because that can't be written.
        if matches!(&end, End::Judged(judgement) if judgement.verdict == Verdict::Fail) {
            show::failure(&wrong);
            return Ok(Verdict::Fail);
        }
        return Err(wrong);
    }
    match end {
        End::Judged(judgement) => Ok(judgement.verdict),
        End::Interrupted => {
            show::say("interrupted: the reports have what was seen until then");
            Ok(Verdict::Inconclusive)
        }
    }
}

/// What keeps what is seen: of many runs in a file, beside the reports if there are some.
fn recorder(run: &Run, gate: &PromptRegression) -> Recorder {
    let recorder = Recorder::keeping(run.keep);
    let (cases, _) = gate.size();
    if cases * gate.suite().rules.repeats as usize <= HELD {
        return recorder;
    }
    let folder = run.files.out.clone().unwrap_or_else(std::env::temp_dir);
    recorder.in_folder(folder)
}

/// Everything that a run needs.
struct Ready {
    gate: PromptRegression,
    warnings: Vec<bluegreen_core::Problem>,
    trial: Trial,
    cassette: Option<Cassette>,
    baseline: Option<Baseline>,
    reports: Reports,
}

/// Makes everything ready, or says everything that is wrong.
fn prepare(run: &Run) -> Result<Ready, Failure> {
    let mut wrong = Vec::new();
    let suite = check::load(&run.check).map_err(|failure| match failure {
        Failure::Unusable(problems) => wrong.extend(problems),
        Failure::Error(text) => wrong.push(text),
    });
    let mut client = |option: &str, text: &str| {
        let client = Address::parse(text).and_then(UrlClient::new);
        client.map_err(|why| wrong.push(format!("{option}: {why}"))).ok()
    };
    let (live, idle) = (client("--live", &run.live), client("--idle", &run.idle));
    let reports = Reports::prepare(&run.files).map_err(|problems| wrong.extend(problems));
    let open = |path| Cassette::open(path, run.mode.into());
    let cassette = run.cassette.as_ref().map(open).transpose();
    let cassette = cassette.map_err(|error| wrong.push(format!("--cassette: {}", error.chain())));
    let baseline = baseline(run).map_err(|why| wrong.push(format!("--baseline: {why}")));
    match (suite, live, idle, reports, cassette, baseline) {
        (Ok((gate, warnings)), Some(live), Some(idle), Ok(reports), Ok(cassette), Ok(baseline)) => {
            let time = gate.suite().budget.time.unwrap_or(LONGEST);
            let deadline = SystemClock.now().plus(time.saturating_add(GRACE));
            let live = side(Color::Blue, &run.live, run.live_name.as_deref(), live);
            let idle = side(Color::Green, &run.idle, run.idle_name.as_deref(), idle);
            let trial = Trial::new(ReleaseId::new("gate"), idle, live, deadline);
            Ok(Ready { gate, warnings, trial, cassette, baseline, reports })
        }
        _ => Err(Failure::Unusable(wrong)),
    }
}

/// The answers of an earlier run.
fn baseline(run: &Run) -> Result<Option<Baseline>, String> {
    let Some(path) = &run.baseline else { return Ok(None) };
    if run.cassette.as_ref() == Some(path) {
        return Err("found the file of --cassette, wanted that of an earlier run".to_owned());
    }
    if run.cassette.is_some() && run.mode == Mode::Replay {
        return Err(
            "found it beside --mode replay, which asks nobody; wanted one of them".to_owned()
        );
    }
    Baseline::open(path, run.baseline_age).map(Some).map_err(|error| error.chain())
}

fn side(color: Color, address: &str, name: Option<&str>, client: UrlClient) -> Side {
    let running = Configuration::new(BTreeMap::new()).with_version(name.unwrap_or(address));
    Side::new(SlotState::new(color, address, running), Arc::new(client))
}

/// Judges, and tells meanwhile how far it has come. An interrupted run closes its connections.
async fn judge(
    gate: &PromptRegression,
    trial: &Trial,
    recorder: &Recorder,
) -> Result<End, Failure> {
    let screen = Screen::new();
    let progress = recorder.progress();
    let mut ticks = tokio::time::interval(screen.pace());
    let mut judging = pin!(gate.judge(trial));
    let mut interrupted = pin!(interrupted());
    let end = loop {
        tokio::select! {
            biased;
            signal = &mut interrupted => {
                signal.map_err(|error| Failure::Error(format!("wait for signals: {error}")))?;
                break End::Interrupted;
            }
            judged = &mut judging => break End::Judged(judged.map_err(|error| {
                if error.kind() == ErrorKind::Rejected {
                    Failure::Unusable(vec![error.chain()])
                } else {
                    Failure::Error(error.chain())
                }
            })?),
            _ = ticks.tick() => screen.tell(&progress.borrow()),
        }
    };
    screen.tell(&progress.borrow());
    Ok(end)
}

/// Ctrl-C or SIGTERM.
async fn interrupted() -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminated = signal(SignalKind::terminate())?;
        tokio::select! {
            pressed = tokio::signal::ctrl_c() => pressed,
            _ = terminated.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await
}

/// The report of a run that was interrupted before it began.
fn empty(gate: &PromptRegression) -> RunReport {
    let suite = gate.suite();
    RunReport::judged(&suite.name, &suite.rules, Vec::new(), SystemClock.now())
}
