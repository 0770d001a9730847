//! Whole releases on the cluster in memory, under traffic that follows the routing.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bluegreen_core::clock::minutes;
use bluegreen_core::memory::{MemoryCluster, MemoryMetrics, TokioClock};
use bluegreen_core::{
    Change, Color, Configuration, Container, Metric, Outcome, Plan, Progress, Reason, Releaser,
    SwitchStrategy,
};
use bluegreen_validate::ErrorRate;

use crate::world::one_in;

/// How many units come each second.
const RATE: u64 = 60;

fn cluster() -> MemoryCluster {
    let container = Container::new("example.com/agent:1");
    let running = Configuration::new([("agent".to_owned(), container)].into()).with_version("1");
    MemoryCluster::builder("agent", running).clock(TokioClock::default()).build()
}

fn change() -> Change {
    Change::image("agent", "example.com/agent:2").version("2")
}

fn plan() -> Plan {
    let mut plan = Plan::canary([5, 25, 100]).hold(minutes(10)).bake(minutes(10));
    plan.keep_failed = Duration::ZERO;
    (plan.drain.quiet, plan.drain.max) = (Duration::ZERO, Duration::ZERO);
    plan
}

/// Sends units by the shares of the routing, for ever. Of live's one in a hundred goes wrong, of the
/// candidate's one in `candidate`.
async fn traffic(cluster: &MemoryCluster, metrics: &MemoryMetrics, candidate: u64) {
    let (clock, metric) = (cluster.clock(), Metric::new("errors"));
    let mut sent = [0_u64; 2];
    loop {
        clock.sleep(Duration::from_secs(1)).await;
        let observed = cluster.switch().observe().await.unwrap();
        let routing = observed.routing().unwrap();
        for number in 0..RATE {
            // Spread so that each second has its part.
            let place = (number * 37 % RATE) * 1_000_000 / RATE;
            let share = u64::from(routing.share_of(Color::Green).as_parts_per_million());
            let (slot, every) =
                if place < share { (Color::Green, candidate) } else { (Color::Blue, 100) };
            let count = &mut sent[usize::from(slot == Color::Green)];
            *count += 1;
            metrics.record(&metric, slot, clock.now(), one_in(every)(*count));
        }
    }
}

/// The judgements of the guard, in words.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<String>>>);

impl Told {
    fn reporter(&self) -> impl Fn(&Progress) + Send + Sync + 'static {
        let told = self.0.clone();
        move |progress: &Progress| {
            if let Progress::Judged { validator, judgement } = progress
                && validator == "error-rate"
            {
                let evidence = judgement.evidence.first().map(ToString::to_string);
                let line = format!("{judgement} | {}", evidence.unwrap_or_default());
                told.lock().unwrap().push(line);
            }
        }
    }

    fn last(&self) -> String {
        self.0.lock().unwrap().last().cloned().unwrap_or_default()
    }
}

async fn release(
    cluster: &MemoryCluster,
    metrics: &MemoryMetrics,
    candidate: u64,
) -> (Outcome, Told) {
    let told = Told::default();
    let releaser = Releaser::new(cluster.ports("one"))
        .guard(ErrorRate::from(metrics.clone()))
        .report(told.reporter());
    let plan = plan();
    let outcome = tokio::select! {
        outcome = releaser.run(change(), &plan) => outcome.unwrap(),
        () = traffic(cluster, metrics, candidate) => unreachable!("it has no end"),
    };
    (outcome, told)
}

#[tokio::test(start_paused = true)]
async fn a_good_candidate_is_released() {
    let (cluster, metrics) = (cluster(), MemoryMetrics::new());
    let (outcome, told) = release(&cluster, &metrics, 100).await;
    assert_eq!(outcome, Outcome::Released, "{}", told.last());
    assert!(told.last().starts_with("pass: errors within the margin"), "{}", told.last());
}

#[tokio::test(start_paused = true)]
async fn a_candidate_with_five_percent_errors_goes_back() {
    let (cluster, metrics) = (cluster(), MemoryMetrics::new());
    let (outcome, told) = release(&cluster, &metrics, 20).await;
    let Outcome::RolledBack { reason: Reason::Unfit { message } } = outcome else {
        panic!("{outcome}: {}", told.last())
    };
    assert!(message.contains("guard error-rate: fail: errors worse"), "{message}");
    assert!(message.contains("blue 95 %, green 5 %"), "at the first step: {message}");
}

#[tokio::test(start_paused = true)]
async fn without_data_nothing_is_released() {
    let cluster = cluster();
    let (silent, elsewhere) = (MemoryMetrics::new(), MemoryMetrics::new());
    let told = Told::default();
    let releaser =
        Releaser::new(cluster.ports("one")).guard(ErrorRate::from(silent)).report(told.reporter());
    let plan = plan();
    let outcome = tokio::select! {
        outcome = releaser.run(change(), &plan) => outcome.unwrap(),
        () = traffic(&cluster, &elsewhere, 100) => unreachable!("it has no end"),
    };
    let Outcome::RolledBack { reason: Reason::Undecided { message } } = outcome else {
        panic!("{outcome}")
    };
    assert!(message.contains("no units of the candidate for"), "{message}");
    assert!(!told.0.lock().unwrap().iter().any(|line| line.starts_with("pass")));
}

#[tokio::test(start_paused = true)]
async fn a_restart_in_the_middle_of_a_hold_goes_on_with_the_same_test() {
    let (cluster, metrics, plan) = (cluster(), MemoryMetrics::new(), plan());
    let (first, second) = (Told::default(), Told::default());
    let guard = || ErrorRate::from(metrics.clone());
    let one = Releaser::new(cluster.ports("one")).guard(guard()).report(first.reporter());
    let two = Releaser::new(cluster.ports("two")).guard(guard()).report(second.reporter());
    let releasing = async {
        // Killed after four minutes of the first hold, and nobody looks for a minute.
        let killed = tokio::time::timeout(minutes(4), one.run(change(), &plan)).await;
        assert!(killed.is_err(), "it has not ended yet");
        cluster.clock().sleep(minutes(1)).await;
        two.resume().await.unwrap()
    };
    let outcome = tokio::select! {
        outcome = releasing => outcome,
        () = traffic(&cluster, &metrics, 100) => unreachable!("it has no end"),
    };
    assert_eq!(outcome, Outcome::Released, "{}", second.last());
    let resumed = second.0.lock().unwrap()[0].clone();
    let units = |line: &str| -> u64 {
        // candidate 1.00 % (… to …) of 720 units, live …
        let found = line.split(" units").next().unwrap().rsplit(' ').next().unwrap();
        found.parse().unwrap_or_else(|_| panic!("{line}"))
    };
    let (before, after) = (units(&first.last()), units(&resumed));
    // Three units of the candidate each second: all of the time since, and no moment twice.
    let passed = (after - before) / 3;
    assert!((60..=120).contains(&passed), "{before} and then {after}: {resumed}");
    assert!(resumed.contains("after 5m") || resumed.contains("after 6m"), "{resumed}");
}
