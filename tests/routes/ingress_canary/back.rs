//! The way back, by another process, from each share and from the whole.

use bluegreen_core::{Color, Outcome, Reason};
use bluegreen_tests::Load;

use super::{Around, SHARES, Scene};
use crate::share;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn back_from_each_share_through_traefik() {
    Box::pin(back_from_each(Around::Selector)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn back_from_each_share_of_a_path_through_traefik() {
    Box::pin(back_from_each(Around::Path)).await;
}

/// One release after the other, each taken back a step later: no request may fail, and after each
/// the old version answers all of many requests.
async fn back_from_each(around: Around) {
    let scene = Scene::of(around).await;
    for last in 0..=SHARES.len() {
        let load = Load::start(scene.address);
        let mut release = scene.begin(scene.plan(&SHARES, |number| number == last));
        let at = if let Some(percent) = SHARES.get(last) {
            scene.holds(&mut release, last).await;
            share::arrives(scene.address, "1.3.0", f64::from(*percent) / 100.0).await;
            *percent
        } else {
            scene.bakes(&mut release).await;
            scene.answers("1.3.0", 500).await;
            100
        };
        scene.two.operations().rollback("ann", "wrong refunds").await.unwrap();
        let ended = release.await.unwrap().unwrap();
        let is_asked = matches!(&ended, Outcome::RolledBack { reason: Reason::Requested { .. } });
        assert!(is_asked, "{ended}");
        scene.answers("1.2.0", 500).await;
        scene.rests_at(Color::Blue).await;
        let tally = load.stop().await;
        println!("{around:?}, back from {at} %: {tally}, {} requests", tally.total());
        assert!(tally.failures.is_empty(), "{tally}");
        assert!(tally.answers["1.2.0"] > 0 && tally.answers["1.3.0"] > 0, "{tally}");
    }
}
