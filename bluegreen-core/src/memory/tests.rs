use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Request;

use super::*;
use crate::clock::minutes;
use crate::{
    AgentClient, Approver, Clock, Color, Configuration, Container, Decision, Epoch, ErrorKind,
    EvidenceKind, HolderId, Liveness, Metric, MetricSource, PodRef, ResolvedChange, Routing, Share,
    Slot, SwitchStrategy, Target, Timestamp, Vitality, Window,
};

const ONE: Epoch = Epoch::new(1);

fn configuration(version: &str) -> Configuration {
    let agent = Container::new(format!("registry.example.com/agent-service:{version}"));
    Configuration::new(BTreeMap::from([("agent".to_owned(), agent)])).with_version(version)
}

fn change(version: &str) -> ResolvedChange {
    ResolvedChange::exactly(configuration(version))
}

fn cluster() -> MemoryCluster {
    MemoryCluster::new("agent-service", configuration("1.2.0"))
}

#[tokio::test]
async fn instant_pods_are_ready_when_the_call_returns() {
    let cluster = cluster();
    let slot = cluster.slot(Color::Green);
    slot.deploy(&change("1.3.0"), 3, ONE).await.unwrap();
    let state = slot.state().await.unwrap();
    assert_eq!((state.replicas.ready, state.open, state.epoch), (3, true, ONE));
}

#[tokio::test(start_paused = true)]
async fn a_slow_pod_is_ready_after_its_time() {
    let image = "registry.example.com/agent-service:1.3.0";
    let runner = ScriptedRunner::new().on_image(image, Script::ReadyAfter(minutes(2)));
    let cluster =
        MemoryCluster::builder("agent-service", configuration("1.2.0")).runner(runner).build();
    let clock = cluster.clock();
    let began = clock.now();
    let slot = cluster.slot(Color::Green);
    slot.deploy(&change("1.3.0"), 2, ONE).await.unwrap();
    assert_eq!(slot.state().await.unwrap().replicas.ready, 0);
    slot.await_ready().await.unwrap();
    assert_eq!(clock.now().since(began), minutes(2));
}

#[tokio::test]
async fn starts_that_are_not_wanted_any_more_are_dropped() {
    let image = "registry.example.com/agent-service:1.3.0";
    let runner = ScriptedRunner::new().on_image(image, Script::Never);
    let cluster =
        MemoryCluster::builder("agent-service", configuration("1.2.0")).runner(runner).build();
    let slot = cluster.slot(Color::Green);
    slot.deploy(&change("1.3.0"), 2, ONE).await.unwrap();
    slot.revert(ONE).await.unwrap();
    assert!(slot.await_ready().await.unwrap().pods.is_empty());
    let mut left = std::mem::take(&mut *lock(&cluster.inner.tasks));
    while let Some(ended) = left.join_next().await {
        assert!(ended.unwrap_err().is_cancelled());
    }
}

#[tokio::test]
async fn a_killed_pod_is_replaced_unless_nothing_is() {
    let cluster = cluster();
    let slot = cluster.slot(Color::Blue);
    let before = slot.state().await.unwrap();
    assert_eq!(cluster.kill(Color::Blue, 1), 1);
    let after = slot.watch(&before).await.unwrap();
    assert_eq!(after.replicas.ready, 2);
    assert_ne!(after.pods, before.pods);
    cluster.stop_replacing(Color::Blue);
    assert_eq!(cluster.kill_all(Color::Blue), 2);
    assert_eq!(slot.state().await.unwrap().replicas.serving, 0);
    cluster.resume_replacing(Color::Blue);
    assert_eq!(slot.await_ready().await.unwrap().replicas.serving, 2);
}

#[tokio::test]
async fn trouble_made_by_hand_shows() {
    let cluster = cluster();
    let slot = cluster.slot(Color::Blue);
    let hash = slot.state().await.unwrap().template_hash;
    cluster.mark_unready(Color::Blue, 1, "readiness probe failed");
    cluster.bump_restarts(Color::Blue, 3);
    let state = slot.state().await.unwrap();
    assert_eq!(state.replicas.serving, 1);
    let sick = state.pods.iter().find(|pod| !pod.ready).unwrap();
    assert_eq!((sick.restarts, sick.trouble.as_deref()), (3, Some("readiness probe failed")));
    cluster.mark_ready(Color::Blue);
    cluster.edit_template(Color::Blue);
    let state = slot.await_ready().await.unwrap();
    assert_ne!(state.template_hash, hash);
    cluster.vanish(Color::Blue);
    assert_eq!(slot.state().await.unwrap_err().kind(), ErrorKind::NotFound);
    cluster.recreate(Color::Blue, configuration("1.2.0"), 1);
    assert_ne!(slot.await_ready().await.unwrap().uid, state.uid);
}

#[tokio::test]
async fn a_frozen_autoscaler_only_makes_larger() {
    let cluster = MemoryCluster::builder("agent-service", configuration("1.2.0"))
        .replicas(3)
        .autoscaler(Color::Blue, Autoscaler::new(1, 5))
        .build();
    let slot = cluster.slot(Color::Blue);
    slot.freeze(ONE).await.unwrap();
    cluster.autoscale(Color::Blue, 1);
    assert_eq!(slot.await_ready().await.unwrap().replicas.wanted, 3);
    cluster.autoscale(Color::Blue, 9);
    assert_eq!(slot.await_ready().await.unwrap().replicas.wanted, 5);
    slot.thaw(ONE).await.unwrap();
    cluster.autoscale(Color::Blue, 0);
    assert_eq!(slot.await_ready().await.unwrap().replicas.wanted, 1);
}

#[tokio::test]
async fn evidence_waits_until_the_routing_layer_keeps_up() {
    let cluster = cluster();
    let switch = cluster.switch();
    cluster.slot(Color::Green).deploy(&change("1.3.0"), 1, ONE).await.unwrap();
    cluster.stop_following();
    let (blue, green) = (Routing::all(Color::Blue), Routing::all(Color::Green));
    switch.shift(&blue, &green, ONE).await.unwrap();
    let evidence = EvidenceKind::answers(5);
    let mut wait = Box::pin(switch.converge(&green, &evidence));
    assert!(tokio::select! { biased; _ = &mut wait => false, () = std::future::ready(()) => true });
    // Pods that answer as another version are no evidence either.
    cluster.answer_with(|_| Ok(http::Response::new(pieces(["no version"]))));
    cluster.resume_following();
    assert!(tokio::select! { biased; _ = &mut wait => false, () = std::future::ready(()) => true });
    cluster.answer_with(client::tell_version);
    assert_eq!(wait.await.unwrap().kind, evidence);
}

#[tokio::test]
async fn a_shift_that_stopped_half_way_goes_on_or_back() {
    let cluster = cluster();
    let switch = cluster.switch();
    let blue = Routing::all(Color::Blue);
    let canary = blue.clone().with_candidate(Share::percent(5));
    for (from, to) in [(&blue, &canary), (&canary, &blue)] {
        cluster
            .set_routing(crate::ObservedState::Between { from: blue.clone(), to: canary.clone() });
        switch.shift(from, to, ONE).await.unwrap();
        assert_eq!(switch.observe().await.unwrap().routing(), Some(to));
    }
}

#[tokio::test]
async fn pods_answer_with_their_version() {
    let cluster = cluster();
    let client = cluster.client(Color::Blue);
    let pod = client.pods().await.unwrap().remove(1);
    let answer = client.send(&Target::Pod(pod.clone()), Request::new(Bytes::new())).await.unwrap();
    assert_eq!(answer.headers()["x-agent-version"], "1.2.0");
    let body = answer.into_body().collect(1000).await.unwrap();
    assert_eq!(body, format!("{} runs 1.2.0", pod.name));
    cluster.mark_unready(Color::Blue, 2, "busy");
    let sent = client.send(&Target::Pod(pod), Request::new(Bytes::new())).await;
    assert_eq!(sent.unwrap_err().kind(), ErrorKind::Unavailable);
    let stranger = Target::Pod(PodRef::new("nobody", "0"));
    let sent = client.send(&stranger, Request::new(Bytes::new())).await;
    assert_eq!(sent.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test(start_paused = true)]
async fn clocks_that_differ_do_not_matter_for_leases() {
    let cluster = cluster();
    let clock = TokioClock::new();
    let here = cluster.clone().with_clock(Arc::new(clock.ahead(minutes(60)))).liveness("here");
    let there = cluster.with_clock(Arc::new(clock)).liveness("there");
    let holder = HolderId::new("here");
    here.renew().await.unwrap();
    assert_eq!(there.vitality(&holder).await.unwrap(), Vitality::Alive);
    clock.sleep(Duration::from_millis(14_999)).await;
    assert_eq!(there.vitality(&holder).await.unwrap(), Vitality::Alive);
    clock.sleep(Duration::from_millis(1)).await;
    assert_eq!(there.vitality(&holder).await.unwrap(), Vitality::Gone);
    here.renew().await.unwrap();
    assert_eq!(there.vitality(&holder).await.unwrap(), Vitality::Alive);
}

#[tokio::test(start_paused = true)]
async fn a_name_in_use_is_free_once_its_lease_lapsed() {
    let cluster = cluster();
    let (first, second) = (cluster.liveness("same"), cluster.liveness("same"));
    first.renew().await.unwrap();
    assert_eq!(second.renew().await.unwrap_err().kind(), ErrorKind::Conflict);
    second.resign().await.unwrap();
    assert_eq!(first.vitality(&HolderId::new("same")).await.unwrap(), Vitality::Alive);
    cluster.clock().sleep(Duration::from_secs(15)).await;
    second.renew().await.unwrap();
    assert_eq!(first.renew().await.unwrap_err().kind(), ErrorKind::Conflict);
}

#[tokio::test]
async fn windows_one_after_the_other_count_each_value_once() {
    let (metrics, metric) = (MemoryMetrics::new(), Metric::new("errors"));
    for second in 0..6 {
        let at = Timestamp::from_unix_millis(second * 1000);
        metrics.record(&metric, Color::Blue, at, 2.0);
    }
    let mut count = 0;
    for until in [2, 4, 6] {
        let window = Window::new(Timestamp::from_unix_millis(until * 1000), Duration::from_secs(2));
        let measured = metrics.measure(&metric, Color::Blue, window).await.unwrap().unwrap();
        count += measured.count;
    }
    assert_eq!(count, 5);
}

#[tokio::test]
async fn an_approver_waits_until_it_is_told() {
    let approver = MemoryApprover::new();
    let digest = configuration("1.3.0").digest();
    let request =
        crate::ApprovalRequest::new("r1".into(), digest.clone(), "1.3.0", Timestamp::default());
    let told = Decision::Approve { actor: "ann".into() };
    let (decided, ()) = tokio::join!(approver.decide(&request), async {
        assert_eq!(approver.first_request().await, Some(request.clone()));
        approver.set(digest, told.clone());
    });
    assert_eq!(decided.unwrap(), told);
}

#[tokio::test]
async fn load_is_what_was_set() {
    let cluster = cluster();
    let ports = cluster.ports("driver");
    cluster.load().set(Color::Blue, Some(3));
    let load = ports.load.unwrap();
    assert_eq!(load.in_flight(Color::Blue).await.unwrap(), Some(3));
    assert_eq!(load.in_flight(Color::Green).await.unwrap(), Some(0));
}
