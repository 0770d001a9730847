//! Every target over everything that is kept of it, and over a little that is close to that.
//!
//! The same inputs on every machine: seeds are fixed, and their number does not depend on time.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

use std::alloc::System;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use bluegreen_fuzz::{TARGETS, Target, mutate};
use cap::Cap;

/// More than any input here may take. What would take more fails where it is asked for.
const MEMORY: usize = 512 * 1024 * 1024;
/// Longer than any input takes on a machine that does much else.
const LONGEST: Duration = Duration::from_mins(1);
/// How many changed inputs each target gets.
const CHANGED: u64 = 400;

#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, MEMORY);

/// What is kept of a target, in the order of its names.
fn corpus(target: Target) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target.name);
    let entries = std::fs::read_dir(&folder).expect("every target has a folder");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "nothing is kept in {}", folder.display());
    paths.into_iter().map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
}

fn play(target: Target) {
    let kept = corpus(target);
    for (path, input) in &kept {
        println!("{}", path.display());
        run(target, input);
    }
    for seed in 0..CHANGED {
        let (path, input) = &kept[usize::try_from(seed).unwrap() % kept.len()];
        let changed = mutate(input, 16 * 1024, seed);
        println!("{} changed with seed {seed}", path.display());
        run(target, &changed);
    }
}

fn run(target: Target, input: &[u8]) {
    let begun = Instant::now();
    (target.run)(input);
    let took = begun.elapsed();
    assert!(took < LONGEST, "it took {took:?}");
}

/// One test for each target.
macro_rules! targets {
    ($($test:ident: $name:literal)+) => {
        $(#[test]
        fn $test() {
            play(bluegreen_fuzz::target($name).unwrap());
        })+

        #[test]
        fn every_target_has_its_test() {
            let tested = [$($name),+];
            let all = TARGETS.map(|target| target.name);
            assert_eq!(tested, all);
        }
    };
}

targets! {
    record: "record"
    plan: "plan"
    objects: "objects"
    stand_in: "stand-in"
    answer: "answer"
    load: "load"
    prometheus: "prometheus"
    scrape: "scrape"
    definition: "definition"
    suite: "suite"
    conversation: "conversation"
    migrations: "migrations"
    wire: "wire"
    words: "words"
}
