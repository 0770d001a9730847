//! One run of a scene: to its end, or until the process is killed and another one goes on.

use std::fmt;
use std::time::{Duration, Instant};

use bluegreen_tests::{Agent, Cut, Load, Manifests, Proxy, Side, Written};

use crate::left::{self, Left};
use crate::scene::{self, Scene};
use crate::victim::{HOLDER, Victim};

/// How long anything may take that ends by itself.
const PATIENCE: Duration = Duration::from_secs(90);

/// When the process is killed.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Point {
    /// At a write.
    Write(Cut),
    /// As soon as it says that it is in this phase.
    Phase(String),
}

/// What came of a run.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) left: Left,
    /// What the process wrote.
    pub(crate) written: Vec<Written>,
    /// The phases that it was in.
    pub(crate) phases: Vec<String>,
    /// What went wrong, whatever is left.
    pub(crate) faults: Vec<String>,
    /// What is worth knowing.
    pub(crate) note: String,
    pub(crate) took: Duration,
}

/// Runs a scene in a namespace of its own.
pub(crate) async fn run(scene: Scene, point: Option<&Point>) -> Ended {
    let agent = Agent::of(Manifests::shipped().sized(2, 0).autoscaled()).await;
    let mut load = Load::gentle(agent.address());
    load.answered_by("1.2.0").await;
    scene.prepare(&agent).await;
    let cut = match point {
        Some(Point::Write(cut)) => Some(cut.clone()),
        _ => None,
    };
    let began = Instant::now();
    let proxy = Proxy::start(agent.account(), cut).await;
    let mut victim = Victim::start(scene, &proxy, &agent);
    let mut faults = Vec::new();
    let mut note = String::new();
    if tokio::time::timeout(PATIENCE, stage(scene, point, &agent, &proxy, &mut victim, &mut faults))
        .await
        .is_err()
    {
        faults.push(format!("it was nowhere after {PATIENCE:?}: {:?}", victim.phases()));
    }
    let written = proxy.written();
    let left = match point {
        None => left::read(&agent).await,
        Some(Point::Write(Cut { side: Side::Late, write, .. })) => {
            let was_there = victim.signal("STOP").await;
            faults.extend((!was_there).then(|| "it had ended before".to_owned()));
            succeed(scene, &agent, &mut faults).await;
            let left = without_lease(left::read(&agent).await);
            note = awake(&agent, &proxy, &mut victim, write, &left, &mut faults).await;
            left
        }
        Some(_) => {
            let was_there = victim.kill().await;
            faults.extend((!was_there).then(|| "it had ended before".to_owned()));
            succeed(scene, &agent, &mut faults).await;
            without_lease(left::read(&agent).await)
        }
    };
    let tally = load.stop().await;
    if !tally.failures.is_empty() {
        faults.push(format!("traffic failed: {tally}"));
    }
    Ended { left, written, phases: victim.phases(), faults, note, took: began.elapsed() }
}

/// Brings the process to the point at which it is killed, or to its end.
async fn stage(
    scene: Scene,
    point: Option<&Point>,
    agent: &Agent,
    proxy: &Proxy,
    victim: &mut Victim,
    faults: &mut Vec<String>,
) {
    if scene.is_interfered_with() {
        tokio::select! {
            () = victim.enters("baking") => scene.interfere(agent).await,
            // It is killed before that.
            () = proxy.cuts() => return,
        }
    }
    match point {
        None => {
            if !victim.ends().await {
                faults.push("the process failed".to_owned());
            }
        }
        Some(Point::Write(_)) => tokio::select! {
            () = proxy.cuts() => {}
            _ = victim.ends() => {}
        },
        Some(Point::Phase(phase)) => victim.enters(phase).await,
    }
}

/// Goes on in another process, which is this one.
async fn succeed(scene: Scene, agent: &Agent, faults: &mut Vec<String>) {
    let two = scene::connect(agent.client(), agent.namespace().name(), "two").await;
    match tokio::time::timeout(PATIENCE, scene.go_on(&two)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            faults.push(format!("nobody could go on: {}", bluegreen_core::chain(&error)));
        }
        Err(_) => faults.push(format!("going on took more than {PATIENCE:?}")),
    }
}

/// Delivers the write that was held back, and lets the process go on: neither changes anything.
async fn awake(
    agent: &Agent,
    proxy: &Proxy,
    victim: &mut Victim,
    write: &str,
    left: &Left,
    faults: &mut Vec<String>,
) -> String {
    if !faults.is_empty() {
        return String::new();
    }
    let Some(status) = proxy.deliver().await else {
        faults.push("the process had given the write up before it was stopped".to_owned());
        return String::new();
    };
    if status.is_success() && !is_its_own(write) {
        faults.push(format!("the late write was accepted: {status}"));
    }
    victim.signal("CONT").await;
    if tokio::time::timeout(PATIENCE, victim.ends()).await.is_err() {
        faults.push("the process that was late does not end by itself".to_owned());
    }
    let after = without_lease(left::read(agent).await);
    faults.extend(left::differences(&after, left).into_iter().map(|it| format!("late {it}")));
    format!("the late write: {status}")
}

/// A process that is killed cannot take its lease with it. It lapses, and then means nothing.
fn without_lease(mut left: Left) -> Left {
    left.remove(&format!("Lease bluegreen-{HOLDER}"));
    left
}

/// Whether a write concerns nothing but the process itself.
fn is_its_own(write: &str) -> bool {
    write == "announce the process" || write == "give back the lease"
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Phase(phase) => write!(f, "in      {phase}"),
            Self::Write(Cut { write, number, side }) => {
                let side = match side {
                    Side::Before => "before",
                    Side::After => "after",
                    Side::Late => "late",
                };
                write!(f, "{side:7} {write} #{number}")
            }
        }
    }
}

/// A point as it stands in the table.
pub(crate) fn in_words(scene: Scene, point: &Point) -> String {
    format!("{:9} {point}", scene.name())
}
