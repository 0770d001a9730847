use std::collections::VecDeque;
use std::sync::Mutex;

use async_trait::async_trait;
use bluegreen_core::memory::{MemoryCluster, TokioClock};
use bluegreen_core::{Configuration, Error, ErrorKind, PodRef, Progress, Result, Timestamp};
use bytes::Bytes;
use http::Response;

use super::*;
use crate::notify::{Format, verify};

/// What a receiver does.
#[derive(Clone)]
enum Does {
    Answer(u16, &'static str),
    AskFor(&'static str),
    HangUp,
    Hang,
}

/// A receiver that does one thing after the other, and then takes everything.
struct Receiver {
    clock: TokioClock,
    does: Mutex<VecDeque<Does>>,
    seen: Mutex<Vec<(Timestamp, Request<Bytes>)>>,
}

impl Receiver {
    fn new(clock: TokioClock, does: impl IntoIterator<Item = Does>) -> Arc<Self> {
        let does = Mutex::new(does.into_iter().collect());
        Arc::new(Self { clock, does, seen: Mutex::default() })
    }

    /// When it was asked, in milliseconds after the first time.
    fn times(&self) -> Vec<u128> {
        let seen = self.seen.lock().unwrap();
        let first = seen.first().map(|(at, _)| *at).unwrap_or_default();
        seen.iter().map(|(at, _)| at.since(first).as_millis()).collect()
    }
}

#[async_trait]
impl AgentClient for Receiver {
    async fn pods(&self) -> Result<Vec<PodRef>> {
        Ok(Vec::new())
    }

    async fn send(&self, _: &Target, request: Request<Bytes>) -> Result<Response<AnswerBody>> {
        self.seen.lock().unwrap().push((self.clock.now(), request));
        let does = self.does.lock().unwrap().pop_front();
        let answer = |status: u16| Response::builder().status(status);
        let full = |text: &'static str| AnswerBody::full(text);
        Ok(match does.unwrap_or(Does::Answer(204, "")) {
            Does::Answer(status, body) => answer(status).body(full(body)).unwrap(),
            Does::AskFor(pause) => {
                answer(429).header("retry-after", pause).body(full("slow down")).unwrap()
            }
            Does::HangUp => {
                let error = Error::new(ErrorKind::Unknown, "send a request to hooks:80");
                return Err(error.with_source("no token-4711 here"));
            }
            Does::Hang => std::future::pending().await,
        })
    }
}

fn config() -> NotifyConfig {
    let mut config = NotifyConfig::cloud_events("http://hooks/in/token-4711?key=key-0815");
    config.seed = Some(1);
    config
}

fn deliverer(config: &NotifyConfig, receiver: &Arc<Receiver>) -> Deliverer {
    let cluster = MemoryCluster::new("agent", Configuration::default());
    let ports = cluster.ports("driver-1");
    let sender = Sender::new(Format::CloudEvents, &ports);
    Deliverer::new(config.clone(), sender, receiver.clone(), Arc::new(receiver.clock)).unwrap()
}

async fn deliver(config: &NotifyConfig, receiver: &Arc<Receiver>) -> End {
    let event = Event::of(&Progress::note("hello"), receiver.clock.now());
    deliverer(config, receiver).deliver(&event, 0).await
}

fn given_up(end: End) -> String {
    match end {
        End::GivenUp(why) => why,
        other => panic!("it should be given up: {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn pauses_grow_with_a_jitter_and_each_try_is_signed_anew() {
    let does = [Does::Answer(500, ""), Does::HangUp, Does::Answer(503, ""), Does::Answer(502, "")];
    let receiver = Receiver::new(TokioClock::new(), does);
    let key = SigningKey::from_bytes([7; 32]).unwrap();
    let end = deliver(&config().sign(key.clone()), &receiver).await;
    assert!(matches!(end, End::Delivered), "{end:?}");
    let times = receiver.times();
    let pauses: Vec<u128> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    for (pause, whole) in pauses.iter().zip([500, 1_000, 2_000, 4_000]) {
        assert!((whole / 2..=whole).contains(pause), "{pauses:?}");
    }
    assert_eq!(pauses.len(), 4);
    let seen = receiver.seen.lock().unwrap();
    let tolerance = Duration::from_secs(1);
    for (at, request) in seen.iter() {
        verify(std::slice::from_ref(&key), request.headers(), request.body(), *at, tolerance)
            .unwrap();
        assert_eq!(request.headers()["content-type"], "application/cloudevents+json");
        assert_eq!(request.headers()[ID], seen[0].1.headers()[ID]);
        assert_eq!(request.body(), seen[0].1.body());
        assert_eq!(request.uri(), "/in/token-4711?key=key-0815");
    }
}

#[tokio::test(start_paused = true)]
async fn another_seed_has_other_pauses_and_the_same_seed_the_same() {
    let mut all = Vec::new();
    for seed in [1, 1, 2] {
        let does = [Does::Answer(500, ""), Does::Answer(500, "")];
        let receiver = Receiver::new(TokioClock::new(), does);
        let config = NotifyConfig { seed: Some(seed), ..config() };
        deliver(&config, &receiver).await;
        all.push(receiver.times());
    }
    assert_eq!(all[0], all[1]);
    assert_ne!(all[0], all[2]);
}

#[tokio::test(start_paused = true)]
async fn who_asks_for_a_pause_gets_it_and_who_asks_for_too_long_a_one_gets_nothing() {
    let receiver = Receiver::new(TokioClock::new(), [Does::AskFor("90")]);
    assert!(matches!(deliver(&config(), &receiver).await, End::Delivered));
    assert_eq!(receiver.times(), [0, 90_000]);
    let receiver = Receiver::new(TokioClock::new(), [Does::AskFor("3600")]);
    let why = given_up(deliver(&config(), &receiver).await);
    assert!(why.contains("to be tried in 1h, wanted 2m at most"), "{why}");
    assert_eq!(receiver.times(), [0]);
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_hangs_is_given_up_after_the_last_try() {
    let receiver = Receiver::new(TokioClock::new(), vec![Does::Hang; 9]);
    let config = NotifyConfig { tries: 3, ..config() };
    let why = given_up(deliver(&config, &receiver).await);
    assert_eq!(why, "no answer within 10s, after 3 tries");
    assert_eq!(receiver.times().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn what_will_not_get_better_is_not_tried_again() {
    for status in [300, 301, 307, 308, 400, 401, 403, 404, 408, 413, 415] {
        let receiver = Receiver::new(TokioClock::new(), [Does::Answer(status, "no")]);
        let why = given_up(deliver(&config(), &receiver).await);
        assert!(why.starts_with(&format!("status {status}")), "{why}");
        assert_eq!(receiver.times().len(), 1, "{status}");
    }
    let receiver = Receiver::new(TokioClock::new(), [Does::Answer(410, "gone")]);
    assert!(matches!(deliver(&config(), &receiver).await, End::Gone(_)));
}

#[tokio::test(start_paused = true)]
async fn what_a_receiver_repeats_of_our_secrets_is_not_shown() {
    let said = "no token-4711, no key-0815, no bearer-42; wanted Bearer something else";
    let receiver = Receiver::new(TokioClock::new(), [Does::Answer(400, said)]);
    let why = given_up(deliver(&config().bearer("bearer-42"), &receiver).await);
    assert_eq!(
        why,
        "status 400 Bad Request, body `no ***, no ***, no ***; wanted Bearer something else`"
    );
    let request = receiver.seen.lock().unwrap().pop().unwrap().1;
    assert_eq!(request.headers()["authorization"], "Bearer bearer-42");
    assert!(!format!("{:?}", request.headers()).contains("bearer-42"));
    let receiver = Receiver::new(TokioClock::new(), [Does::HangUp]);
    let why = given_up(deliver(&NotifyConfig { tries: 1, ..config() }, &receiver).await);
    assert!(why.contains("no *** here"), "{why}");
}
