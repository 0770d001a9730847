use std::collections::BTreeMap;
use std::time::Duration;

use super::*;
use crate::memory::{MemoryCluster, MemoryStore};
use crate::{Color, Configuration, Container, Epoch, ErrorKind, ReleaseId, ReleaseStore, Routing};

const ONE: Epoch = Epoch::new(1);

fn world() -> (MemoryCluster, Faults, Ports) {
    let agent = Container::new("registry.example.com/agent-service:1.2.0");
    let live = Configuration::new(BTreeMap::from([("agent".to_owned(), agent)]));
    let cluster = MemoryCluster::new("agent-service", live);
    let faults = Faults::new();
    let ports = faults.around(cluster.ports("driver"));
    (cluster, faults, ports)
}

fn names(faults: &Faults) -> Vec<String> {
    faults.log().into_iter().map(|call| call.name).collect()
}

#[tokio::test]
async fn the_nth_call_of_a_name_goes_wrong_and_no_other() {
    let (_cluster, faults, ports) = world();
    faults.on("slot.scale", 2, Fault::Before(ErrorKind::Unavailable));
    ports.slots.green.scale(1, ONE).await.unwrap();
    let error = ports.slots.blue.scale(5, ONE).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(error.chain(), "slot.scale blue: unavailable: an injected fault, before any effect");
    assert_eq!(ports.slots.blue.state().await.unwrap().replicas.wanted, 2);
    ports.slots.blue.scale(5, ONE).await.unwrap();
    let calls = ["slot.scale green", "slot.scale blue", "slot.state blue", "slot.scale blue"];
    assert_eq!(names(&faults), calls);
    assert_eq!(faults.log()[1].fault, Some(Fault::Before(ErrorKind::Unavailable)));
    let counts = ["slot.scale blue", "slot.scale", "slot", "*", "slot.sc", "store"];
    assert_eq!(counts.map(|name| faults.count(name)), [2, 3, 4, 4, 0, 0]);
}

#[tokio::test]
async fn a_lost_answer_had_its_effect() {
    let (cluster, faults, ports) = world();
    faults.on("switch.shift", 1, Fault::After(ErrorKind::Unknown));
    let (blue, green) = (Routing::all(Color::Blue), Routing::all(Color::Green));
    let error = ports.switch.shift(&blue, &green, ONE).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unknown);
    let observed = crate::SwitchStrategy::observe(&cluster.switch()).await.unwrap();
    assert_eq!(observed.routing(), Some(&green));
}

#[tokio::test]
async fn a_real_error_is_not_hidden_by_a_fault_after_it() {
    let (_cluster, faults, ports) = world();
    faults.always("slot", Fault::After(ErrorKind::Unknown));
    ports.slots.green.fence(Epoch::new(2)).await.unwrap_err();
    let error = ports.slots.green.scale(1, ONE).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    faults.heal();
    ports.slots.green.fence(Epoch::new(2)).await.unwrap();
}

#[tokio::test]
async fn a_process_dies_before_or_after_its_call() {
    for (fault, wanted) in [(Fault::Hang, 2), (Fault::HangAfter, 0)] {
        let (cluster, faults, ports) = world();
        faults.on("slot.scale blue", 1, fault);
        tokio::select! {
            _ = ports.slots.blue.scale(0, ONE) => panic!("it was to hang"),
            name = faults.hung(1) => assert_eq!(name, "slot.scale blue"),
        }
        let state = crate::Slot::state(&cluster.slot(Color::Blue)).await.unwrap();
        assert_eq!(state.replicas.wanted, wanted);
    }
}

#[tokio::test(start_paused = true)]
async fn a_late_call_takes_its_time() {
    let (cluster, faults, ports) = world();
    faults.on("store", 1, Fault::Delay(Duration::from_secs(3)));
    let began = cluster.clock().now();
    let (loaded, ()) = tokio::join!(ports.store.load(), faults.reached("store.load", 1));
    loaded.unwrap();
    assert_eq!(cluster.clock().now().since(began), Duration::from_secs(3));
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_is_the_same_bad_day() {
    let mut days = Vec::new();
    for seed in [1, 1, 2] {
        let faults = Faults::new();
        faults.seeded(seed, Odds { hang: 0, ..Odds::default() }, 40);
        let store = Faulty::new(Arc::new(MemoryStore::new()), faults.clone());
        for _ in 0..1000 {
            let _ = store.put_blob(&ReleaseId::new("r1"), "b", bytes::Bytes::new()).await;
        }
        let day: Vec<_> = faults.log().into_iter().map(|call| call.fault).collect();
        assert_eq!(day.iter().flatten().count(), 40);
        days.push(day);
    }
    assert_eq!(days[0], days[1]);
    assert_ne!(days[0], days[2]);
}

#[tokio::test]
async fn every_port_but_the_clock_goes_through_the_faults() {
    let (_cluster, faults, ports) = world();
    faults.always("*", Fault::Before(ErrorKind::Unavailable));
    let holder = ports.liveness.holder();
    assert!(ports.slots.green.state().await.is_err());
    assert!(ports.clients.blue.pods().await.is_err());
    assert!(ports.switch.observe().await.is_err());
    assert!(ports.store.load().await.is_err());
    assert!(ports.liveness.vitality(&holder).await.is_err());
    assert!(ports.load.unwrap().in_flight(Color::Blue).await.is_err());
    let expected = [
        "slot.state green",
        "client.pods blue",
        "switch.observe",
        "store.load",
        "liveness.vitality",
        "load.in_flight",
    ];
    assert_eq!(names(&faults), expected);
}
