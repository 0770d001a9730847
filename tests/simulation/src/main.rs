//! Plays schedules by seed, and shows the smallest one that breaks a promise.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Instant;

use bluegreen_simulation::{Report, Schedule, shrink};

const USAGE: &str = "usage: bluegreen-simulation [--from SEED] [--count NUMBER]
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
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        match argument.as_str() {
            "--from" => from = number(&value()?)?,
            "--count" => count = number(&value()?)?,
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
    Ok(many(from, count))
}

fn many(from: u64, count: u64) -> bool {
    let began = Instant::now();
    let (mut outcomes, mut steps) = (BTreeMap::<&str, u64>::new(), 0_u64);
    for seed in from..from.saturating_add(count) {
        let schedule = Schedule::of(seed);
        let report = schedule.play();
        *outcomes.entry(report.outcome).or_default() += 1;
        steps += report.steps;
        if report.violation.is_some() {
            let smallest = shrink(&schedule);
            let places: Vec<String> = smallest.places().iter().map(usize::to_string).collect();
            let report = smallest.play();
            print!("{smallest}");
            println!("{}", told(&report));
            println!(
                "found after {} schedules; again: tests/simulation/run --seed {seed} --only {} --trace",
                seed - from + 1,
                if places.is_empty() { "none".to_owned() } else { places.join(",") },
            );
            return false;
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    #[allow(clippy::cast_precision_loss, reason = "it is shown to people, in round numbers")]
    let rate = count as f64 / seconds;
    println!("{count} schedules from seed {from}, {steps} steps, all promises kept");
    println!("{seconds:.1} s, {rate:.0} schedules a second; ends: {outcomes:?}");
    true
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
