//! The file switch keeps every promise of its trait, and those of its own.

use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use bluegreen_core::conformance::deed;
use bluegreen_core::conformance::switch::SwitchFixture;
use bluegreen_core::{
    Color, Epoch, ErrorKind, EvidenceKind, ObservedState, Routing, Slot, SwitchStrategy,
    SystemClock,
};
use embed::FileSwitch;
use tokio::time::timeout;

use crate::world::{Folder, World};

bluegreen_core::switch_conformance_tests! { conformance: async || fixture().await }

/// Both slots have pods, and somebody may write a third color into the file.
async fn fixture() -> SwitchFixture {
    let world = World::polling(Duration::from_millis(5));
    world.cluster.slot(Color::Green).scale(2, Epoch::new(1)).await.unwrap();
    let path = world.folder.path.join("routing.json");
    SwitchFixture {
        switch: Arc::new(world.switch()),
        evidence: EvidenceKind::Endpoints,
        disturb: deed(move || {
            std::fs::write(&path, r#"{"live": "purple", "epoch": 0}"#).unwrap();
            std::future::ready(())
        }),
        guard: Box::new(world),
    }
}

fn blue() -> Routing {
    Routing::all(Color::Blue)
}

fn green() -> Routing {
    Routing::all(Color::Green)
}

/// A folder without a proxy.
fn alone(status: &str) -> (Folder, FileSwitch) {
    let folder = Folder::new();
    folder.write("routing.json", r#"{"live": "blue", "epoch": 3}"#);
    folder.write("routing.status.json", status);
    let switch = FileSwitch::new(folder.path.join("routing.json"), Arc::new(SystemClock));
    (folder, switch)
}

#[tokio::test(start_paused = true)]
async fn a_written_file_is_no_evidence_until_the_proxy_follows() {
    let (folder, switch) = alone(r#"{"live": "blue", "epoch": 3, "pods": {"green": ["g-1"]}}"#);
    switch.shift(&blue(), &green(), Epoch::new(4)).await.unwrap();
    let (to, hour) = (green(), Duration::from_hours(1));
    let converge = || timeout(hour, switch.converge(&to, &EvidenceKind::Endpoints));
    converge().await.expect_err("the proxy still routes to blue");
    folder.write("routing.status.json", r#"{"live": "green", "epoch": 3, "pods": {}}"#);
    converge().await.expect_err("the proxy followed an older shift");
    folder.write("routing.status.json", r#"{"live": "green", "epoch": 4, "pods": {}}"#);
    converge().await.expect_err("the proxy knows no pods of green");
    let status = r#"{"live": "green", "epoch": 4, "pods": {"green": ["g-1"]}}"#;
    folder.write("routing.status.json", status);
    let evidence = converge().await.unwrap().unwrap();
    assert_eq!(evidence.detail, "the proxy routes to green and its 1 pods");
}

#[tokio::test(start_paused = true)]
async fn pods_are_known_when_the_proxy_names_each_of_them() {
    let (folder, switch) = alone(r#"{"live": "blue", "epoch": 3, "pods": {"green": ["g-1"]}}"#);
    let pods = ["g-1".to_owned(), "g-2".to_owned()];
    let known = || timeout(Duration::from_hours(1), switch.await_known(Color::Green, &pods));
    known().await.expect_err("one of two");
    let status = r#"{"live": "blue", "epoch": 3, "pods": {"green": ["g-2", "g-0", "g-1"]}}"#;
    folder.write("routing.status.json", status);
    known().await.unwrap().unwrap();
}

#[tokio::test]
async fn a_route_that_another_process_is_changing_is_tried_again_later() {
    let (folder, switch) = alone("{}");
    let lock = File::create(folder.path.join("routing.lock")).unwrap();
    lock.lock().unwrap();
    let error = switch.fence(Epoch::new(4)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{}", error.chain());
    assert_eq!(folder.read("routing.json"), r#"{"live": "blue", "epoch": 3}"#);
    // What a process that dies leaves behind is in nobody's way.
    drop(lock);
    folder.write("routing.new", "{\"live\": \"gre");
    switch.fence(Epoch::new(4)).await.unwrap();
    assert_eq!(folder.read("routing.json"), "{\"live\":\"blue\",\"epoch\":4}\n");
}

#[tokio::test]
async fn of_many_writers_at_once_one_wins() {
    let (folder, switch) = alone("{}");
    let mut writers = tokio::task::JoinSet::new();
    for epoch in 4..12 {
        let switch = switch.clone();
        writers.spawn(async move {
            loop {
                match switch.fence(Epoch::new(epoch)).await {
                    Err(error) if error.kind() == ErrorKind::Unavailable => {}
                    end => return end.map_err(|error| error.kind()),
                }
            }
        });
    }
    for end in writers.join_all().await {
        assert!(matches!(end, Ok(()) | Err(ErrorKind::Conflict)), "{end:?}");
    }
    assert_eq!(folder.read("routing.json"), "{\"live\":\"blue\",\"epoch\":11}\n");
}

#[tokio::test]
async fn what_is_no_route_is_neither_followed_nor_overwritten() {
    let (folder, switch) = alone("{}");
    folder.write("routing.json", "live = blue");
    let observed = switch.observe().await.unwrap();
    assert!(matches!(observed.state, ObservedState::Foreign(_)), "{observed:?}");
    let error = switch.shift(&blue(), &green(), Epoch::new(9)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{}", error.chain());
    assert_eq!(folder.read("routing.json"), "live = blue");
}

#[tokio::test(start_paused = true)]
async fn a_file_that_somebody_is_writing_by_hand_is_read_again() {
    let (folder, switch) = alone("{}");
    folder.write("routing.json", "");
    let by_hand = async {
        tokio::time::sleep(Duration::from_millis(10)).await;
        folder.write("routing.json", r#"{"live": "green", "epoch": 3}"#);
    };
    let (observed, ()) = tokio::join!(switch.observe(), by_hand);
    assert_eq!(observed.unwrap().routing(), Some(&green()));
}

#[tokio::test]
async fn the_check_names_what_is_missing() {
    let codes = async |switch: &FileSwitch, evidence: &EvidenceKind| {
        let problems = switch.check(&[green()], evidence).await.unwrap();
        problems.into_iter().map(|problem| problem.code).collect::<Vec<_>>()
    };
    let endpoints = EvidenceKind::Endpoints;
    let (folder, switch) = alone(r#"{"live": "green", "epoch": 3, "pods": {}}"#);
    assert_eq!(codes(&switch, &endpoints).await, ["proxy-behind"]);
    folder.write("routing.status.json", r#"{"live": "blue", "epoch": 2}"#);
    assert_eq!(codes(&switch, &endpoints).await, [""; 0]);
    assert_eq!(codes(&switch, &EvidenceKind::answers(3)).await, ["unreachable-vantage"]);
    for route in [r#"{"live": "purple", "epoch": 3}"#, "live = blue"] {
        folder.write("routing.json", route);
        assert_eq!(codes(&switch, &endpoints).await, ["no-route"]);
    }
    std::fs::remove_file(folder.path.join("routing.json")).unwrap();
    assert_eq!(codes(&switch, &endpoints).await, ["no-route"]);
}
