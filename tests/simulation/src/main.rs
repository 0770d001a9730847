//! Plays schedules by seed, and shows the smallest one that breaks a promise.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use bluegreen_simulation::{Report, Schedule, shrink};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const USAGE: &str = "usage: bluegreen-simulation [--from SEED] [--count NUMBER] [--threads NUMBER]
       bluegreen-simulation --seed SEED [--only PLACES] [--trace]";

fn main() -> ExitCode {
    match run(std::env::args().skip(1)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}\n{USAGE}");
            ExitCode::from(2)
        }
    }
}

fn run(mut arguments: impl Iterator<Item = String>) -> Result<bool, String> {
    let (mut from, mut count, mut seed, mut only, mut is_traced) = (0, 1_000, None, None, false);
    let mut threads = std::thread::available_parallelism().map_or(1, usize::from);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        match argument.as_str() {
            "--from" => from = number(&value()?)?,
            "--count" => count = number(&value()?)?,
            "--threads" => threads = usize::try_from(number(&value()?)?).unwrap_or(1).max(1),
            "--seed" => seed = Some(number(&value()?)?),
            "--only" => only = Some(places(&value()?)?),
            "--trace" => is_traced = true,
            _ => return Err(format!("unknown argument {argument}")),
        }
    }
    if let Some(seed) = seed {
        let schedule = Schedule::of(seed);
        let schedule = only.map_or_else(|| schedule.clone(), |only| schedule.only(&only));
        print!("{schedule}");
        let report = if is_traced { schedule.trace() } else { schedule.play() };
        print!("{}", report.trace.clone().unwrap_or_default());
        println!("{}", told(&report));
        return Ok(report.violation.is_none());
    }
    Ok(many(from, count, threads))
}

/// Plays so many schedules on all cores. The first that breaks a promise is the one shown, whichever
/// core came to it.
fn many(from: u64, count: u64, threads: usize) -> bool {
    let began = Instant::now();
    let (next, failed) = (AtomicU64::new(from), AtomicU64::new(u64::MAX));
    let end = from.saturating_add(count);
    let total = std::thread::scope(|scope| {
        let work = || some(end, &next, &failed);
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        threads.into_iter().filter_map(|thread| thread.join().ok()).fold(Sum::default(), Sum::and)
    });
    let seed = failed.into_inner();
    if seed != u64::MAX {
        show(from, seed);
        return false;
    }
    let seconds = began.elapsed().as_secs_f64();
    #[allow(clippy::cast_precision_loss, reason = "it is shown to people, in round numbers")]
    let rate = count as f64 / seconds;
    let Sum { outcomes, steps } = total;
    println!("{count} schedules from seed {from}, {steps} steps, all promises kept: {outcomes:?}");
    println!("{seconds:.1} s on {threads} threads, {rate:.0} schedules a second");
    true
}

#[derive(Default)]
struct Sum {
    outcomes: BTreeMap<&'static str, u64>,
    steps: u64,
}

impl Sum {
    fn and(mut self, other: Self) -> Self {
        for (outcome, count) in other.outcomes {
            *self.outcomes.entry(outcome).or_default() += count;
        }
        self.steps += other.steps;
        self
    }
}

/// Plays what nobody has played, up to `end` or to the first that failed.
fn some(end: u64, next: &AtomicU64, failed: &AtomicU64) -> Sum {
    let mut sum = Sum::default();
    loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= end.min(failed.load(Ordering::Relaxed)) {
            return sum;
        }
        let report = Schedule::of(seed).play();
        *sum.outcomes.entry(report.outcome).or_default() += 1;
        sum.steps += report.steps;
        if report.violation.is_some() {
            failed.fetch_min(seed, Ordering::Relaxed);
        }
    }
}

fn show(from: u64, seed: u64) {
    let smallest = shrink(&Schedule::of(seed));
    let places: Vec<String> = smallest.places().iter().map(usize::to_string).collect();
    let only = if places.is_empty() { "none".to_owned() } else { places.join(",") };
    print!("{smallest}");
    println!("{}", told(&smallest.play()));
    println!(
        "found after {} schedules; again: tests/simulation/run --seed {seed} --only {only} --trace",
        seed - from + 1,
    );
}

fn told(report: &Report) -> String {
    match &report.violation {
        Some(it) => format!("BROKEN: {}: {}", it.promise, it.seen),
        None => format!("{}, {} steps, all promises kept", report.outcome, report.steps),
    }
}

fn number(text: &str) -> Result<u64, String> {
    text.replace('_', "").parse().map_err(|_| format!("`{text}` is not a number"))
}

fn places(text: &str) -> Result<Vec<usize>, String> {
    if text == "none" {
        return Ok(Vec::new());
    }
    let places = text.split(',').map(|it| it.parse().map_err(|_| format!("`{it}` is not a place")));
    places.collect()
}
