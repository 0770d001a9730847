//! A few schedules with every test run. `tests/simulation/run` plays as many as one likes.

use bluegreen_simulation::Schedule;

#[test]
fn every_promise_is_kept() {
    let mut outcomes = std::collections::BTreeMap::<_, u32>::new();
    for seed in 0..150 {
        let report = Schedule::of(seed).play();
        assert_eq!(report.violation, None, "tests/simulation/run --seed {seed} --trace");
        *outcomes.entry(report.outcome).or_default() += 1;
    }
    // A world in which nothing works, or everything, would prove little.
    for outcome in ["released", "rolled back"] {
        assert!(outcomes.get(outcome).is_some_and(|count| *count > 20), "{outcomes:?}");
    }
}

#[test]
fn the_same_seed_is_the_same_run() {
    let mut runs = std::collections::BTreeSet::new();
    for seed in 1_000..1_030 {
        let (once, twice) = (Schedule::of(seed).trace(), Schedule::of(seed).trace());
        assert!(once.trace.as_ref().is_some_and(|trace| trace.lines().count() > 5), "seed {seed}");
        assert_eq!(once, twice, "seed {seed}");
        assert_eq!(Schedule::of(seed).play().fingerprint, once.fingerprint, "seed {seed}");
        runs.insert(once.fingerprint);
    }
    assert!(runs.len() > 25, "other seeds are other runs: {}", runs.len());
}
