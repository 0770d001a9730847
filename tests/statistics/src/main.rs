//! Prints how often tests err, how soon they find something and how fast they are; fails if anything is
//! beyond its limit.

use std::process::ExitCode;

use bluegreen_statistics::play::Size;
use bluegreen_statistics::{false_alarms, power, speed};

fn main() -> ExitCode {
    let mut size = Size { runs: 10_000, looks: 200, seed: 20_260_101 };
    let mut with_speed = true;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        if argument == "--without-speed" {
            with_speed = false;
            continue;
        }
        let value = arguments.next().and_then(|text| text.replace('_', "").parse::<u64>().ok());
        match (argument.as_str(), value) {
            ("--runs", Some(runs)) if runs > 0 => {
                size.runs = u32::try_from(runs).unwrap_or(u32::MAX);
            }
            ("--seed", Some(seed)) => size.seed = seed,
            _ => {
                eprintln!("{argument}: wanted --runs NUMBER, --seed SEED or --without-speed");
                return ExitCode::from(2);
            }
        }
    }
    let mut good = true;
    let mut check = |holds: bool| {
        good &= holds;
        if holds { "" } else { "  BEYOND" }
    };

    println!("{} runs of {} looks, seed {}\n", size.runs, size.looks, size.seed);
    let most = false_alarms::most(size.runs);
    println!("{:<50} {:>12}", "nothing is different, α = 0.05", "false alarms");
    for line in false_alarms::all(size) {
        let told = check(line.share <= most);
        println!("{:<50} {:>10.2} %{told}", line.name, 100.0 * line.share);
    }

    println!("\n{:<50} {:>8} {:>16} {:>8}", "something is", "found", "median per arm", "limit");
    for line in power::all(size) {
        let number = |it: Option<u32>| it.map_or_else(|| "-".to_owned(), |it| it.to_string());
        let holds = line.most.is_none_or(|most| line.median.is_some_and(|it| it <= most));
        let (median, limit, told) = (number(line.median), number(line.most), check(holds));
        let found = 100.0 * line.found;
        println!("{:<50} {found:>6.1} % {median:>16} {limit:>8}{told}", line.name);
    }

    if !with_speed {
        return if good { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    println!("\n{:<50} {:>14} {:>8}", "on one processor, millions a second", "units", "least");
    for line in speed::all(4_000_000) {
        let told = check(line.rate >= line.least);
        println!("{:<50} {:>14.1} {:>8.1}{told}", line.name, line.rate / 1e6, line.least / 1e6);
    }
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
