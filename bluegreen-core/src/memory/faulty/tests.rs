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

#[tokio::test(start_paused = true)]
async fn a_late_write_arrives_whoever_waits_for_it() {
    let (cluster, faults, ports) = world();
    faults.on("slot.scale blue", 1, Fault::Late(Duration::from_secs(5)));
    let given_up = tokio::time::timeout(Duration::from_secs(1), ports.slots.blue.scale(7, ONE));
    assert!(given_up.await.is_err());
    let wanted = || cluster.sight().slots.blue.wanted;
    assert_eq!(wanted(), 2);
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(wanted(), 7);
    faults.on("slot.scale blue", 1, Fault::Late(Duration::from_secs(5)));
    ports.slots.blue.scale(8, ONE).await.unwrap();
    assert_eq!(wanted(), 8);
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_of_then_and_not_of_now() {
    let (cluster, faults, ports) = world();
    faults.on("slot.state blue", 1, Fault::Slow(Duration::from_secs(5)));
    let (state, ()) = tokio::join!(ports.slots.blue.state(), async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        cluster.edit_replicas(Color::Blue, 7);
    });
    assert_eq!(state.unwrap().replicas.wanted, 2);
    faults.on("slot.state blue", 1, Fault::Stale);
    assert_eq!(ports.slots.blue.state().await.unwrap().replicas.wanted, 2);
    assert_eq!(ports.slots.blue.state().await.unwrap().replicas.wanted, 7);
}

#[tokio::test]
async fn a_director_decides_and_sees_each_call() {
    struct Told(Mutex<Vec<String>>);
    impl Told {
        fn tell(&self, text: String) {
            lock(&self.0).push(text);
        }
    }
    impl Director for Told {
        fn begins(&self, call: &str) -> Option<Fault> {
            self.tell(format!("{call} begins"));
            (call == "store.load").then_some(Fault::Before(ErrorKind::Unavailable))
        }
        fn arrives(&self, call: &str) {
            self.tell(format!("{call} arrives"));
        }
        fn answered(&self, call: &str, went_well: bool) {
            self.tell(format!("{call} {went_well}"));
        }
    }
    let (_cluster, faults, ports) = world();
    let told = Arc::new(Told(Mutex::default()));
    faults.directed(told.clone());
    ports.store.load().await.unwrap_err();
    ports.slots.green.fence(Epoch::new(2)).await.unwrap();
    ports.slots.green.scale(1, ONE).await.unwrap_err();
    ports.switch.observe().await.unwrap();
    let expected = [
        "store.load begins",
        "slot.fence green begins",
        "slot.fence green arrives",
        "slot.fence green true",
        "slot.scale green begins",
        "slot.scale green arrives",
        "slot.scale green false",
        "switch.observe begins",
        "switch.observe true",
    ];
    assert_eq!(*lock(&told.0), expected);
}
