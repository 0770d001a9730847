//! When workers are known to follow.

use tokio::time::{Instant, timeout};

use super::*;

const LATE: Duration = Duration::from_secs(20);

/// Whether there is evidence for this within a while that is shorter than what settles everything.
async fn shows(switch: &QueueSwitch, to: &Routing) -> Option<String> {
    let converging = switch.converge(to, &EvidenceKind::Endpoints);
    timeout(LATE / 2, converging).await.ok().map(|evidence| evidence.unwrap().detail)
}

#[tokio::test(start_paused = true)]
async fn somebody_with_the_right_pulls_and_nobody_without() {
    let stand_in = world().await;
    let workers = Workers::of(2, 0);
    let switch = switch(&stand_in).settles_in(LATE).counting(workers.clone());
    let shown = shows(&switch, &blue()).await.unwrap();
    assert_eq!(shown, "configmap agent-queue: blue 100 %; 2 of blue pull, nobody of green pulls");
    switch.fence(ONE).await.unwrap();
    switch.shift(&blue(), &green(), ONE).await.unwrap();
    for (blue, green_count) in [(2, 0), (2, 2), (0, 0)] {
        workers.say(Blue, Some(blue));
        workers.say(Green, Some(green_count));
        assert_eq!(shows(&switch, &green()).await, None, "{blue} {green_count}");
    }
    workers.say(Green, Some(1));
    assert!(shows(&switch, &green()).await.is_some());
    assert_eq!(shows(&switch, &blue()).await, None, "the right is green's");
}

#[tokio::test(start_paused = true)]
async fn known_evidence_to_the_contrary_is_waited_for_however_long() {
    let stand_in = world().await;
    let workers = Workers::of(1, 1);
    let switch = switch(&stand_in).settles_in(LATE).counting(workers.clone());
    let to = blue();
    let converging = switch.converge(&to, &EvidenceKind::Endpoints);
    assert!(timeout(LATE * 10, converging).await.is_err(), "green still pulls");
    workers.say(Green, Some(0));
    assert!(shows(&switch, &blue()).await.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_way_back_does_not_wait_for_a_candidate_that_goes_on_pulling() {
    let stand_in = world().await;
    let workers = Workers::of(1, 1);
    let first = switch(&stand_in).settles_in(LATE).counting(workers.clone());
    first.prepare(Green, ONE).await.unwrap();
    // Another process goes on with it.
    let switch = switch(&stand_in).settles_in(LATE).counting(workers.clone());
    let begun = Instant::now();
    let evidence = switch.converge(&blue(), &EvidenceKind::Endpoints).await.unwrap();
    assert!(begun.elapsed() >= LATE, "{:?}", begun.elapsed());
    let wanted = "1 of blue pull, 1 of green pull; 20s were waited";
    assert!(evidence.detail.ends_with(wanted), "{evidence}");
    // Nor is anything given away for that: somebody has to use the right.
    workers.say(Blue, Some(0));
    let to = blue();
    let converging = switch.converge(&to, &EvidenceKind::Endpoints);
    assert!(timeout(LATE * 10, converging).await.is_err());
    // Forward it is waited for.
    workers.say(Blue, Some(1));
    switch.fence(ONE).await.unwrap();
    switch.shift(&blue(), &green(), ONE).await.unwrap();
    let to = green();
    let converging = switch.converge(&to, &EvidenceKind::Endpoints);
    assert!(timeout(LATE * 10, converging).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_known_takes_as_long_as_workers_may_take() {
    let stand_in = world().await;
    let workers = Workers::of(1, 0);
    workers.say(Green, None);
    let counted = switch(&stand_in).settles_in(LATE).counting(workers.clone());
    let uncounted = switch(&stand_in).settles_in(LATE);
    for (switch, wanted) in [
        (&counted, "1 of blue pull, whether green pulls is not known: it cannot be measured; 20s"),
        (&uncounted, "nothing says who pulls, so 20s were waited"),
    ] {
        let begun = Instant::now();
        let evidence = switch.converge(&blue(), &EvidenceKind::Endpoints).await.unwrap();
        assert!(evidence.detail.contains(wanted), "{evidence}");
        assert!(begun.elapsed() >= LATE, "{:?}", begun.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn the_wait_begins_anew_when_the_right_was_elsewhere() {
    let stand_in = world().await;
    let switch = switch(&stand_in).settles_in(LATE);
    let begun = Instant::now();
    let to = blue();
    let meanwhile = async {
        tokio::time::sleep(LATE / 2).await;
        edit(&stand_in, &json!({"data": {"pull": "green"}}));
        tokio::time::sleep(LATE / 4).await;
        // A stamp is no news to workers.
        edit(&stand_in, &json!({"data": {"pull": "blue"}}));
        tokio::time::sleep(LATE / 4).await;
        edit(&stand_in, &json!({"metadata": {"annotations": {"bluegreen.dev/epoch": "7"}}}));
    };
    let (evidence, ()) = tokio::join!(switch.converge(&to, &EvidenceKind::Endpoints), meanwhile);
    evidence.unwrap();
    let (took, wanted) = (begun.elapsed(), LATE / 4 * 3 + LATE);
    assert!(took >= wanted && took < wanted + LATE / 4, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_candidate_that_pulls_before_it_has_the_right_is_refused() {
    let stand_in = world().await;
    let workers = Workers::of(1, 0);
    let switch = switch(&stand_in).counting(workers.clone());
    switch.await_known(Green, &[]).await.unwrap();
    workers.say(Green, None);
    switch.await_known(Green, &[]).await.unwrap();
    workers.say(Green, Some(3));
    let error = switch.await_known(Green, &[]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected);
    assert!(error.chain().contains("found 3 of green that pull"), "{}", error.chain());
    // Who has the right may use it.
    switch.await_known(Blue, &[]).await.unwrap();
}

#[tokio::test]
async fn nobody_answers_a_connection() {
    let stand_in = world().await;
    let error = switch(&stand_in).converge(&blue(), &EvidenceKind::answers(5)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected);
}
