//! Whole releases as this project does them, in paused time: half an hour of bake takes no time.

use std::time::Duration;

use bluegreen_core::{Color, Outcome, PhaseName, Reason};
use embed::{Command, carry_out, exit_code, plan};
use http::{Response, StatusCode};
use tokio::time::Instant;

use crate::world::{Process, World, new_image};

fn reason(outcome: Outcome) -> Reason {
    match outcome {
        Outcome::RolledBack { reason } => reason,
        other => panic!("not rolled back: {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_release_moves_traffic_and_keeps_an_old_pod() {
    let world = World::new();
    let process = Process::new(world.ports("one"));
    let begun = Instant::now();
    assert_eq!(process.does(new_image()).await, Outcome::Released);
    assert_eq!(world.live(), Color::Green);
    assert_eq!(world.cluster.pods(Color::Green).len(), 2);
    assert_eq!(world.cluster.pods(Color::Blue).len(), 1);
    assert!(begun.elapsed() >= plan().bake.hold, "{:?}", begun.elapsed());
    assert_eq!(process.told("the proxy routes to green and its 2 pods"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_candidate_that_fails_the_smoke_test_gets_no_traffic() {
    let world = World::new();
    world.cluster.answer_with(|_| {
        let mut answer = Response::new(bluegreen_core::AnswerBody::full("out of memory"));
        *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        Ok(answer)
    });
    let process = Process::new(world.ports("one"));
    let outcome = process.does(new_image()).await;
    assert_eq!(exit_code(&new_image(), &Ok(outcome.clone())), 4);
    let reason = reason(outcome);
    assert!(matches!(&reason, Reason::Unfit { message } if message.contains("smoke")), "{reason}");
    assert_eq!(process.told("traffic: green"), 0);
    assert_eq!(world.live(), Color::Blue);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_touched_where_it_is_not_known_who_has_the_traffic() {
    for route in [Some("under maintenance"), Some(r#"{"live": "purple", "epoch": 1}"#), None] {
        let world = World::new();
        match route {
            Some(route) => world.folder.write("routing.json", route),
            None => std::fs::remove_file(world.folder.path.join("routing.json")).unwrap(),
        }
        refused(&world, "routing").await;
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_touched_where_no_proxy_follows() {
    let mut world = World::new();
    world.stop_proxy();
    world.folder.write("routing.status.json", r#"{"live": "green", "epoch": 0}"#);
    refused(&world, "proxy-behind").await;
    assert_eq!(world.live(), Color::Blue);
}

async fn refused(world: &World, code: &str) {
    let outcome = Process::new(world.ports("one")).does(new_image()).await;
    let Outcome::Refused { problems } = outcome else { panic!("not refused: {outcome:?}") };
    assert!(problems.iter().any(|problem| problem.code == code), "{problems:?}");
    assert!(world.cluster.pods(Color::Green).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_proxy_that_does_not_follow_sends_the_release_back() {
    let world = World::new();
    world.leave_traffic();
    let reason = reason(Process::new(world.ports("one")).does(new_image()).await);
    assert!(reason.to_string().contains("traffic did not follow"), "{reason}");
    assert_eq!(world.live(), Color::Blue);
}

/// What `main` does on Ctrl-C, and what the next process finds.
#[tokio::test(start_paused = true)]
async fn an_interrupted_release_goes_on_with_the_time_that_is_left() {
    let world = World::new();
    let one = Process::new(world.ports("one"));
    let ten_minutes = async {
        world.reached(PhaseName::Baking).await;
        tokio::time::sleep(Duration::from_mins(10)).await;
    };
    tokio::select! {
        end = carry_out(new_image(), &one.releaser) => panic!("it bakes for longer: {end:?}"),
        () = ten_minutes => {}
    }
    one.releaser.operations().resign().await.unwrap();
    assert_eq!(world.live(), Color::Green, "an interruption moves no traffic");

    let (two, begun) = (Process::new(world.ports("two")), Instant::now());
    let again = carry_out(new_image(), &two.releaser).await;
    assert_eq!(exit_code(&new_image(), &again), 6, "a release is under way: {again:?}");
    assert_eq!(two.does(Command::Resume).await, Outcome::Released);
    let took = begun.elapsed();
    let left = Duration::from_mins(20)..Duration::from_mins(25);
    assert!(left.contains(&took), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_rollback_by_another_process_ends_the_release() {
    let world = World::new();
    let (one, two) = (Process::new(world.ports("one")), Process::new(world.ports("two")));
    let rollback = async {
        world.reached(PhaseName::Baking).await;
        two.releaser.operations().rollback("ann", "wrong refunds").await.unwrap();
        world.live()
    };
    let (outcome, live) = tokio::join!(one.does(new_image()), rollback);
    assert_eq!(live, Color::Blue, "traffic is back when rollback returns");
    let (actor, reason_given) = ("ann".into(), "wrong refunds".to_owned());
    assert_eq!(reason(outcome), Reason::Requested { actor, reason: reason_given });
    assert!(world.cluster.pods(Color::Green).is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_old_version_comes_back_after_the_release_too() {
    let world = World::new();
    assert_eq!(Process::new(world.ports("one")).does(new_image()).await, Outcome::Released);
    let two = Process::new(world.ports("two"));
    let outcome = two.does(Command::Rollback).await;
    assert_eq!(exit_code(&Command::Rollback, &Ok(outcome)), 0);
    assert_eq!(world.live(), Color::Blue);
    assert_eq!(world.cluster.pods(Color::Blue).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn traffic_that_somebody_moves_back_by_hand_stays_there() {
    let world = World::new();
    let by_hand = async {
        world.reached(PhaseName::Baking).await;
        let epoch = world.routing().replace("green", "blue");
        world.folder.write("routing.json", &epoch);
    };
    let one = Process::new(world.ports("one"));
    let (outcome, ()) = tokio::join!(one.does(new_image()), by_hand);
    let reason = reason(outcome);
    assert!(matches!(reason, Reason::External { .. }), "{reason}");
    assert_eq!(world.live(), Color::Blue);
}
