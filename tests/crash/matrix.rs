//! Which rows there are, and what came of each.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use bluegreen_tests::{Cut, Side};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::case::{self, Ended, Point, in_words};
use crate::left;
use crate::scene::Scene;

/// What may become of each write.
const SIDES: [Side; 3] = [Side::Before, Side::After, Side::Late];

/// How many rows run at the same time, unless `BLUEGREEN_JOBS` says otherwise.
const JOBS: usize = 4;

/// Runs every scene once without a kill, then all rows that the words pick, and prints a table.
pub(crate) async fn run(words: &[&str]) -> ExitCode {
    let began = Instant::now();
    let jobs = std::env::var("BLUEGREEN_JOBS").ok().and_then(|it| it.parse().ok()).unwrap_or(JOBS);
    let turns = Arc::new(Semaphore::new(jobs));
    let mut wholes = BTreeMap::new();
    let mut running = JoinSet::new();
    for scene in Scene::ALL {
        let turns = turns.clone();
        running.spawn(async move {
            let _turn = turns.acquire_owned().await.unwrap();
            (scene, case::run(scene, None).await)
        });
    }
    while let Some(ended) = running.join_next().await {
        let (scene, whole) = ended.unwrap();
        println!(
            "{:9} not killed: {} writes, {:.1} s",
            scene.name(),
            whole.written.len(),
            whole.took.as_secs_f64()
        );
        for (index, it) in whole.written.iter().enumerate() {
            println!("          {:3} {} #{}", index + 1, it.write, it.number);
        }
        println!("          in {}", whole.phases.join(", "));
        if !whole.faults.is_empty() {
            println!("FAILED without being killed: {:?}", whole.faults);
            return ExitCode::FAILURE;
        }
        wholes.insert(scene, whole);
    }
    let rows = picked(words, &wholes);
    let wholes = Arc::new(wholes);
    let mut running = JoinSet::new();
    for (scene, point) in rows {
        let (turns, wholes) = (turns.clone(), wholes.clone());
        running.spawn(async move {
            let _turn = turns.acquire_owned().await.unwrap();
            let ended = case::run(scene, Some(&point)).await;
            (scene, point, verdict(&ended, &wholes[&scene]), ended)
        });
    }
    let (mut table, mut failed) = (BTreeMap::new(), 0);
    while let Some(ended) = running.join_next().await {
        let (scene, point, wrong, ended) = ended.unwrap();
        let row = in_words(scene, &point);
        for line in &wrong {
            println!("{row}: {line}");
        }
        failed += usize::from(!wrong.is_empty());
        let word = if wrong.is_empty() { "ok" } else { "NOT EQUAL" };
        eprintln!("{word:9} {row}");
        table.insert(
            (scene, point),
            format!("{row:70} {:6.1} s  {word}  {}", ended.took.as_secs_f64(), ended.note),
        );
    }
    println!();
    for line in table.values() {
        println!("{line}");
    }
    let ok = table.len() - failed;
    println!(
        "{ok} of {} as if nobody had been killed, after {:.0} s",
        table.len(),
        began.elapsed().as_secs_f64()
    );
    if failed == 0 && !table.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn verdict(ended: &Ended, whole: &Ended) -> Vec<String> {
    let mut wrong = ended.faults.clone();
    wrong.extend(left::differences(&ended.left, &whole.left));
    wrong
}

/// The rows of all scenes, or those that contain one of the words, or a selection that has every
/// kind of write and every phase once.
fn picked(words: &[&str], wholes: &BTreeMap<Scene, Ended>) -> Vec<(Scene, Point)> {
    let all = all(wholes);
    match words {
        [] => selection(all),
        ["all"] => all,
        words => {
            let is_meant = |row: &str| words.iter().any(|word| row.contains(word));
            all.into_iter().filter(|(scene, point)| is_meant(&in_words(*scene, point))).collect()
        }
    }
}

fn all(wholes: &BTreeMap<Scene, Ended>) -> Vec<(Scene, Point)> {
    let mut rows = Vec::new();
    for (scene, whole) in wholes {
        let first = scene.begins_after().map_or(0, |after| {
            1 + whole.written.iter().position(|it| it.write == after).expect("it has that write")
        });
        for it in whole.written.iter().skip(first) {
            for side in SIDES {
                let cut = Cut { write: it.write.clone(), number: it.number, side };
                rows.push((*scene, Point::Write(cut)));
            }
        }
        let first = scene.begins_after().and(whole.phases.iter().position(|it| it == "baking"));
        // Once it is done, there is nothing left to be in the middle of.
        let phases = whole.phases.iter().filter(|phase| *phase != "done");
        for phase in phases.skip(first.map_or(0, |it| it + 1)) {
            rows.push((*scene, Point::Phase(phase.clone())));
        }
    }
    rows
}

/// Every kind of write once, before, after and late in turns, and every phase once.
fn selection(all: Vec<(Scene, Point)>) -> Vec<(Scene, Point)> {
    let (mut kinds, mut phases) = (BTreeSet::new(), BTreeSet::new());
    let mut rows = Vec::new();
    for (scene, point) in all {
        match &point {
            Point::Phase(phase) => {
                if phases.insert(phase.clone()) {
                    rows.push((scene, point));
                }
            }
            Point::Write(cut) => {
                let wanted = SIDES[kinds.len() % SIDES.len()];
                if cut.side == wanted && kinds.insert(cut.write.clone()) {
                    rows.push((scene, point));
                }
            }
        }
    }
    rows
}
