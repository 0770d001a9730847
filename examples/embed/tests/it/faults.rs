//! The same releases when calls fail, lose their answers, or never return.

use std::time::Duration;

use bluegreen_core::memory::{Fault, Odds};
use bluegreen_core::{Color, ErrorKind, Outcome};
use embed::{Command, carry_out};
use tokio::time::Instant;

use crate::world::{Process, World, new_image};

#[tokio::test(start_paused = true)]
async fn a_store_that_is_away_twice_is_tried_again() {
    let world = World::new();
    let (one, faults) = Process::faulty(&world, "one");
    for nth in [2, 3] {
        faults.on("store.save", nth, Fault::Before(ErrorKind::Unavailable));
    }
    assert_eq!(one.does(new_image()).await, Outcome::Released);
    assert_eq!(one.told("store.save: unavailable"), 2);
    assert_eq!(world.live(), Color::Green);
}

#[tokio::test(start_paused = true)]
async fn a_shift_whose_answer_was_lost_is_read_and_not_repeated() {
    let world = World::new();
    let (one, faults) = Process::faulty(&world, "one");
    faults.on("switch.shift", 1, Fault::After(ErrorKind::Unknown));
    assert_eq!(one.does(new_image()).await, Outcome::Released);
    assert_eq!(one.told("switch.shift: outcome unknown"), 1);
    assert_eq!(faults.count("switch.shift"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_shift_that_hangs_is_given_up_and_tried_again() {
    let world = World::new();
    let (one, faults) = Process::faulty(&world, "one");
    faults.on("switch.shift", 1, Fault::Hang);
    assert_eq!(one.does(new_image()).await, Outcome::Released);
    assert_eq!(one.told("shift traffic: outcome unknown"), 1);
    assert_eq!(faults.count("switch.shift"), 2);
}

/// A process that dies is one that is dropped in the middle of a call and gives nothing back.
#[tokio::test(start_paused = true)]
async fn a_process_that_dies_after_the_shift_is_followed_by_another() {
    let world = World::new();
    let (one, faults) = Process::faulty(&world, "one");
    faults.on("switch.shift", 1, Fault::HangAfter);
    tokio::select! {
        end = carry_out(new_image(), &one.releaser) => panic!("it hangs: {end:?}"),
        name = faults.hung(1) => assert_eq!(name, "switch.shift"),
    }
    assert_eq!(world.live(), Color::Green);

    let (two, begun) = (Process::new(world.ports("two")), Instant::now());
    assert_eq!(two.does(Command::Resume).await, Outcome::Released);
    assert_eq!(two.told("waits until one is known to be gone"), 1);
    assert!(begun.elapsed() > Duration::from_mins(30), "the bake is not cut short");
    assert_eq!(world.live(), Color::Green);
}

/// One call in eight goes wrong in some way, a different one for each seed.
#[tokio::test(start_paused = true)]
async fn whatever_goes_wrong_a_release_ends_and_traffic_goes_where_it_says() {
    for seed in 1..=10 {
        let world = World::new();
        let (one, faults) = Process::faulty(&world, "one");
        // Preflight gives up at once, and says why; what follows it does not.
        let release = carry_out(new_image(), &one.releaser);
        let trouble = async {
            faults.reached("store.save", 1).await;
            faults.seeded(seed, Odds::default(), 12);
            std::future::pending::<()>().await;
        };
        let outcome = tokio::select! {
            end = release => end,
            () = trouble => unreachable!(),
        };
        let live = match outcome {
            Ok(Outcome::Released) => Color::Green,
            Ok(Outcome::RolledBack { .. }) => Color::Blue,
            other => panic!("seed {seed}: {other:?}"),
        };
        assert_eq!(world.live(), live, "seed {seed}");
    }
}
