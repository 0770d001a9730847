//! Parts of one's own replaced by mocks that say what they expect.

use bluegreen_core::{
    Color, Digest, Finding, Judgement, MockReporter, MockValidator, Outcome, Progress, Reason,
    Verdict,
};
use embed::carry_out;

use crate::world::{Process, World, new_image};

/// A gate that is asked exactly once, for the new image, while all traffic is still blue's.
fn policy(verdict: Verdict) -> MockValidator {
    let mut gate = MockValidator::new();
    gate.expect_name().return_const("policy".to_owned());
    gate.expect_config_digest().returning(|| Digest::of(["policy"]));
    gate.expect_check().returning(|_| Ok(Vec::new()));
    gate.expect_judge()
        .once()
        .withf(|trial| {
            let image = &trial.candidate.state.running.containers["agent"].image;
            image.ends_with(":1.3.0") && trial.routing.live == Color::Blue
        })
        .returning(move |_| {
            let finding = Finding::new("tool refund", "a limit", "none");
            Ok(Judgement::new(verdict, "tools").with_evidence(vec![finding]))
        });
    gate
}

#[tokio::test(start_paused = true)]
async fn a_gate_that_passes_lets_traffic_move() {
    let world = World::new();
    let one = Process::new(world.ports("one"));
    let releaser = one.releaser.clone().gate(policy(Verdict::Pass));
    let outcome = carry_out(new_image(), &releaser).await.unwrap();
    assert_eq!(outcome, Outcome::Released);
    assert_eq!(world.live(), Color::Green);
}

#[tokio::test(start_paused = true)]
async fn a_gate_that_fails_is_told_with_its_evidence() {
    let world = World::new();
    let mut ear = MockReporter::new();
    let judged = |progress: &Progress| {
        let text = progress.to_string();
        matches!(progress, Progress::Judged { validator, .. } if validator == "policy")
            && text.contains("tool refund: wanted a limit, found none")
    };
    ear.expect_report().withf(judged).once().return_const(());
    let finished = |progress: &Progress| matches!(progress, Progress::Finished { .. });
    ear.expect_report().withf(finished).once().return_const(());
    let moved = |progress: &Progress| matches!(progress, Progress::Shifted { .. });
    ear.expect_report().withf(moved).never();
    ear.expect_report().return_const(());

    let releaser = embed::releaser(world.ports("one")).gate(policy(Verdict::Fail)).report(ear);
    let outcome = carry_out(new_image(), &releaser).await.unwrap();
    let Outcome::RolledBack { reason: Reason::Unfit { message } } = outcome else {
        panic!("not rolled back: {outcome:?}");
    };
    assert!(message.contains("policy"), "{message}");
    assert_eq!(world.live(), Color::Blue);
}
