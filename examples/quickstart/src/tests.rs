//! What the program says to whoever started it, when things go well and when they do not.

use std::time::Duration;

use bluegreen_core::{Color, ObservedState, Problem, Routing};
use tokio::time::{interval, timeout};

use super::*;
use crate::load::Tally;

/// Returns once so many questions were answered, or so many were not.
async fn counts(tally: &Tally, served: usize, failed: usize) {
    let mut turns = interval(Duration::from_millis(5));
    let counting = async {
        while tally.served() < served || tally.failed() < failed {
            turns.tick().await;
        }
    };
    timeout(Duration::from_secs(30), counting).await.expect("questions should be asked");
}

/// A scene in which customers get no answer for a while, or always one.
async fn scene(stage: &Stage, is_cut_off: bool) -> Outcome<Vec<Row>> {
    let tally = stage.questions.scene();
    counts(&tally, 3, 0).await;
    if is_cut_off {
        stage.cluster.set_routing(ObservedState::Foreign("slot=purple".to_owned()));
        counts(&tally, 3, 1).await;
        stage.cluster.move_routing(Routing::all(Color::Blue));
    }
    let (name, ended, must_lose_nothing) = ("a scene", "as it began".to_owned(), true);
    Ok(vec![Row { name, tally, switch: None, back: None, ended, must_lose_nothing }])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_really_lost_is_a_failure() {
    for (is_cut_off, code) in [(false, ExitCode::SUCCESS), (true, ExitCode::FAILURE)] {
        let stage = Stage::new(true);
        let rows = run(&stage, scene(&stage, is_cut_off)).await;
        let failure = rows.as_ref().unwrap()[0].tally.first_failure();
        assert_eq!(failure.is_some(), is_cut_off, "{failure:?}");
        assert_eq!(report::conclude(rows), code);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scene_that_goes_wrong_is_a_failure() {
    let stage = Stage::new(true);
    stage.cluster.add_problem(Color::Green, Problem::new("quota", "ResourceQuota small"));
    let rows = run(&stage, play(&stage)).await;
    let said = rows.as_ref().err().map(ToString::to_string).unwrap_or_default();
    assert!(said.starts_with("1 a good release: did not end as it should: refused"), "{said}");
    assert!(said.contains("ResourceQuota small"), "{said}");
    assert_eq!(report::conclude(rows), ExitCode::FAILURE);
}
