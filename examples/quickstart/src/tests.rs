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

/// Real questions decide, and it is the library that says so: a better prompt gets all traffic, and on the way
/// back the worse one, which no gate tells from it, does not.
#[tokio::test(flavor = "multi_thread")]
async fn an_experiment_is_decided_by_what_came_of_conversations() {
    use bluegreen_core::Winner;
    use bluegreen_validate::experiment::Conclusion;

    let stage = Stage::new(true);
    let better = format!("{} Offer the neighbours.", stage::PROMPT);
    let wanted = [
        (better.as_str(), "2.0.0", Conclusion::CandidateBetter, Winner::Candidate, Color::Green),
        (stage::PROMPT, "2.1.0", Conclusion::LiveBetter, Winner::Live, Color::Green),
    ];
    let scenes = async {
        let mut rows = Vec::new();
        for (prompt, version, conclusion, winner, live) in wanted {
            let (row, report) = scenes::compare(&stage, "an experiment", prompt, version).await?;
            assert_eq!(report.conclusion, Some(conclusion), "{}", row.ended);
            assert_eq!((report.winner, stage.live().await?), (Some(winner), live));
            assert_eq!(row.tally.first_failure(), None);
            let arms = [&report.candidate, &report.live];
            assert!(
                arms.iter().all(|arm| arm.exposed >= 100 && arm.contaminated == 0),
                "{report:?}"
            );
            // What was compared are requests that were answered, of one to two for each conversation.
            let (exposed, served) = (arms[0].exposed + arms[1].exposed, row.tally.served() as u64);
            // Those that were still being answered at the last look are served by now.
            assert!(exposed <= served, "{exposed}, {served}");
            rows.push(row);
        }
        Ok(rows)
    };
    let rows = run(&stage, scenes).await;
    assert_eq!(report::conclude(rows), ExitCode::SUCCESS);
}
