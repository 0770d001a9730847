//! Before traffic moves the switch knows the candidate's pods; asked while the record is saved.

use std::time::Duration;

use super::{Outcome, Releaser, await_phase, change, cluster, plan};
use crate::memory::{Fault, Faults};
use crate::{Color, ErrorKind, PhaseName};

#[tokio::test(start_paused = true)]
async fn it_is_asked_once_and_before_the_shift() {
    let cluster = cluster();
    let faults = Faults::new();
    let releaser = Releaser::new(faults.around(cluster.ports("one")));
    assert_eq!(releaser.run(change("2"), &plan()).await.unwrap(), Outcome::Released);
    assert_eq!(faults.count("switch.await_known"), 1);
    let log = faults.log();
    let place = |name: &str| log.iter().position(|call| call.name == name).unwrap();
    assert!(place("switch.await_known") < place("switch.shift"));
}

#[tokio::test(start_paused = true)]
async fn without_an_answer_it_is_asked_again() {
    for fault in [Fault::Hang, Fault::Before(ErrorKind::Unavailable)] {
        let cluster = cluster();
        let faults = Faults::new();
        faults.on("switch.await_known", 1, fault);
        let releaser = Releaser::new(faults.around(cluster.ports("one")));
        assert_eq!(releaser.run(change("2"), &plan()).await.unwrap(), Outcome::Released);
        assert_eq!(faults.count("switch.await_known"), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn pods_that_were_added_are_asked_for() {
    let cluster = cluster();
    let faults = Faults::new();
    faults.on("slot.await_ready", 1, Fault::Delay(Duration::from_secs(5)));
    let releaser = Releaser::new(faults.around(cluster.ports("one")));
    let release = tokio::spawn(async move { releaser.run(change("2"), &plan()).await });
    faults.reached("slot.await_ready", 1).await;
    // Live grew meanwhile, so the candidate is made larger before it gets traffic.
    cluster.edit_replicas(Color::Blue, 5);
    await_phase(&cluster, PhaseName::Baking).await;
    release.abort();
    assert_eq!(faults.count("switch.await_known"), 2);
    let log = faults.log();
    let last = |name: &str| log.iter().rposition(|call| call.name == name).unwrap();
    let raised = last("slot.scale green");
    assert!(raised < last("switch.await_known"));
    assert!(last("switch.await_known") < last("switch.shift"));
}
