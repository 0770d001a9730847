//! Warm-ups of pods in memory, with paused time: how often each is asked, and what it comes to.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bluegreen_core::clock::minutes;
use bluegreen_core::memory::{Asked, MemoryCluster, TokioClock};
use bluegreen_core::{
    AnswerBody, Change, Color, Configuration, Container, Judgement, Outcome, Plan, ReleaseId,
    Releaser, Side, Slot as _, Trial, Validator as _, Verdict,
};
use bluegreen_validate::ModelWarmUp;
use bluegreen_validate::json;
use bluegreen_validate::prompt::{HttpAgent, Reading};
use bytes::Bytes;
use http::Response;

use crate::world::{Kept, assert_verdict, told};

/// What a pod does with its so manyth call, from 1.
#[derive(Clone, Copy)]
enum Answers {
    After(u64),
    Status(u16),
    Busy(&'static str),
}

fn configuration(image: &str) -> Configuration {
    let container = Container::new(format!("example.com/agent:{image}"));
    Configuration::new([("agent".to_owned(), container)].into()).with_version(image)
}

fn answered(how: Answers) -> Response<AnswerBody> {
    let answer = Response::builder();
    let body = match how {
        Answers::After(millis) => AnswerBody::new(futures_util::stream::once(async move {
            tokio::time::sleep(Duration::from_millis(millis)).await;
            Ok(Bytes::from_static(b"It is on its way."))
        })),
        _ => AnswerBody::full("no"),
    };
    let answer = match how {
        Answers::After(_) => answer,
        Answers::Status(status) => answer.status(status),
        Answers::Busy(pause) => answer.status(429).header("retry-after", pause),
    };
    answer.body(body).unwrap()
}

/// A cluster of so many pods in each slot, and how often each pod was called.
struct Pods {
    cluster: MemoryCluster,
    calls: Arc<Mutex<BTreeMap<String, usize>>>,
}

impl Pods {
    /// `play` gets how many pods were called before this one, and the number of the call.
    fn new(count: u32, play: impl Fn(usize, usize) -> Answers + Send + Sync + 'static) -> Self {
        let calls = Arc::new(Mutex::new(BTreeMap::new()));
        let (counted, order) = (calls.clone(), Mutex::new(Vec::new()));
        let answer = move |asked: &Asked<'_>| {
            let uid = asked.pod.uid.clone();
            let mut order = order.lock().unwrap();
            if !order.contains(&uid) {
                order.push(uid.clone());
            }
            let place = order.iter().position(|it| *it == uid).unwrap();
            let mut calls = counted.lock().unwrap();
            let call: &mut usize = calls.entry(asked.pod.name.clone()).or_default();
            *call += 1;
            Ok(answered(play(place, *call)))
        };
        let cluster = MemoryCluster::builder("agent", configuration("1"))
            .replicas(count)
            .idle(configuration("2"), count)
            .clock(TokioClock::default())
            .answer(answer)
            .build();
        Self { cluster, calls }
    }

    async fn trial(&self, lasting: Duration) -> Trial {
        let side = async |color: Color| {
            let state = self.cluster.slot(color).state().await.unwrap();
            Side::new(state, Arc::new(self.cluster.client(color)))
        };
        let clock = self.cluster.clock();
        let deadline = clock.now().plus(lasting);
        let (candidate, live) = (side(Color::Green).await, side(Color::Blue).await);
        let mut trial = Trial::new(ReleaseId::new("r1"), candidate, live, deadline);
        trial.clock = clock;
        trial
    }

    async fn judge(&self, warm_up: &ModelWarmUp) -> Judgement {
        warm_up.judge(&self.trial(minutes(10)).await).await.unwrap()
    }

    fn calls(&self) -> Vec<usize> {
        self.calls.lock().unwrap().values().copied().collect()
    }
}

/// The first token within 200 ms, three times in a row.
fn warm_up() -> ModelWarmUp {
    let mut agent = HttpAgent::post("/chat", json!({"message": "{{prompt}}"}), "text");
    agent.reading = Reading::Stream;
    ModelWarmUp::new(agent, ["Where is my parcel?"], Duration::from_millis(200))
}

#[tokio::test(start_paused = true)]
async fn each_pod_gets_as_many_calls_as_it_takes_and_no_more() {
    let pods = Pods::new(3, |place, call| {
        Answers::After(if call <= [0, 2, 5][place] { 3000 } else { 150 })
    });
    let judgement = pods.judge(&warm_up()).await;
    assert_verdict(&judgement, Verdict::Pass);
    assert_eq!(pods.calls(), [3, 5, 8]);
    let summary = "3 pods warm after 16 calls in all, at most 8 to one; the first token came within \
                   3.00 s at first, 150 ms at last";
    assert_eq!(judgement.summary, summary);
    let told = told(&judgement);
    let wanted = "wanted the first token within 200ms, 3 times in a row, found";
    assert!(
        told.contains(&format!("{wanted} warm after 8 calls: 3.00 s at first, 150 ms at last"))
    );
    assert!(
        told.contains(&format!("{wanted} warm after 3 calls: 150 ms at first, 150 ms at last"))
    );
    assert_eq!(judgement.evidence.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_row_is_ended_by_what_is_slow_lost_or_no_success_and_not_by_too_many_requests() {
    // (what breaks the row after two fast ones, calls that it takes)
    let breaks = [
        (Answers::After(201), 6),
        (Answers::Status(503), 6),
        (Answers::Busy("2"), 4),
        (Answers::After(61_000), 6),
    ];
    for (how, calls) in breaks {
        let pods = Pods::new(1, move |_, call| if call == 3 { how } else { Answers::After(200) });
        let judgement = pods.judge(&warm_up()).await;
        assert_verdict(&judgement, Verdict::Pass);
        assert_eq!(pods.calls(), [calls], "{}", told(&judgement));
    }
}

#[tokio::test(start_paused = true)]
async fn what_too_many_requests_ask_for_is_waited_for() {
    let pods = Pods::new(1, |_, call| match call {
        1 => Answers::Busy("90"),
        _ => Answers::After(0),
    });
    let begin = tokio::time::Instant::now();
    assert_verdict(&pods.judge(&warm_up()).await, Verdict::Pass);
    let took = begin.elapsed();
    assert!((Duration::from_secs(90)..Duration::from_secs(91)).contains(&took), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_never_gets_warm_fails_with_what_was_seen_and_wanted() {
    let pods = Pods::new(3, |place, _| Answers::After(if place == 1 { 950 } else { 50 }));
    let judgement = pods.judge(&warm_up().with(|it| it.attempts = 7)).await;
    assert_verdict(&judgement, Verdict::Fail);
    assert_eq!(judgement.summary, "1 of 3 pods did not get warm in 7 calls");
    let first = judgement.evidence[0].to_string();
    assert!(first.starts_with("pod agent-green-"), "{first}");
    assert!(
        first.ends_with(
            "wanted the first token within 200ms, 3 times in a row, \
             found not warm after 7 calls: 950 ms at first, 950 ms at last"
        ),
        "{first}"
    );
    assert_eq!(pods.calls().iter().sum::<usize>(), 7 + 3 + 3);
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_answers_nothing_fails_with_the_reason() {
    let pods = Pods::new(1, |_, _| Answers::Status(503));
    let judgement = pods.judge(&warm_up().with(|it| it.attempts = 4)).await;
    assert_verdict(&judgement, Verdict::Fail);
    let found = &judgement.evidence[0].found;
    assert!(found.starts_with("not warm after 4 calls: no first token; status 503"), "{found}");
}

#[tokio::test(start_paused = true)]
async fn calls_and_time_of_all_pods_are_bounded() {
    let slow = || Pods::new(2, |_, _| Answers::After(1000));
    let pods = slow();
    let judgement = pods.judge(&warm_up().with(|it| it.calls = 9)).await;
    assert_verdict(&judgement, Verdict::Fail);
    let summary = "all calls are spent before the candidate is warm: 9, 0 of 2 pods warm";
    assert_eq!(judgement.summary, summary);
    assert_eq!(pods.calls().iter().sum::<usize>(), 9);

    let pods = slow();
    let warm_up = warm_up().with(|it| {
        it.time = Some(Duration::from_millis(10_500));
        it.attempts = 1000;
    });
    let begin = tokio::time::Instant::now();
    let judgement = pods.judge(&warm_up).await;
    assert_eq!(begin.elapsed(), Duration::from_millis(10_500));
    assert_verdict(&judgement, Verdict::Fail);
    assert_eq!(judgement.summary, "not warm within 10s: 2 of 2 pods are not");
    let found = &judgement.evidence[0].found;
    assert_eq!(found, "not warm after 11 calls: 1.00 s at first, 1.00 s at last");

    // The deadline of the look is a bound, too, and it is told before it comes.
    let pods = slow();
    let judgement = self::warm_up().judge(&pods.trial(Duration::from_secs(20)).await).await;
    let judgement = judgement.unwrap();
    assert_eq!(judgement.summary, "not warm within 19s: 2 of 2 pods are not");
}

#[tokio::test(start_paused = true)]
async fn one_pod_has_so_many_calls_at_a_time_and_all_count() {
    let open = Arc::new(Mutex::new((0_usize, 0_usize)));
    let seen = open.clone();
    let pods = Pods::new(1, |_, _| Answers::After(0));
    pods.cluster.answer_with(move |_| {
        let open = open.clone();
        {
            let mut open = open.lock().unwrap();
            open.0 += 1;
            open.1 = open.1.max(open.0);
        }
        Ok(Response::new(AnswerBody::new(futures_util::stream::once(async move {
            tokio::time::sleep(Duration::from_millis(100)).await;
            open.lock().unwrap().0 -= 1;
            Ok(Bytes::from_static(b"It is on its way."))
        }))))
    });
    let many = warm_up().with(|it| (it.concurrency, it.consecutive) = (4, 8));
    let begin = tokio::time::Instant::now();
    assert_verdict(&pods.judge(&many).await, Verdict::Pass);
    assert_eq!(begin.elapsed(), Duration::from_millis(200));
    assert_eq!(seen.lock().unwrap().1, 4);
}

#[tokio::test(start_paused = true)]
async fn what_comes_in_the_place_of_a_pod_is_warmed_too() {
    let pods = Pods::new(2, |_, call| Answers::After(if call <= 5 { 1000 } else { 50 }));
    let (trial, warm_up) = (pods.trial(minutes(10)).await, warm_up());
    let (judgement, ()) = tokio::join!(warm_up.judge(&trial), async {
        tokio::time::sleep(Duration::from_millis(2500)).await;
        assert_eq!(pods.cluster.kill(Color::Green, 1), 1);
    });
    let judgement = judgement.unwrap();
    assert_verdict(&judgement, Verdict::Pass);
    // Three pods were called: the one that was killed, and the two that are there now.
    let mut calls = pods.calls();
    calls.sort_unstable();
    assert_eq!(calls.len(), 3, "{calls:?}");
    assert_eq!(calls[1..], [8, 8], "{calls:?}");
    let there: Vec<String> =
        pods.cluster.pods(Color::Green).into_iter().map(|it| it.name).collect();
    let told = told(&judgement);
    assert!(there.iter().all(|name| told.contains(name)), "{there:?}: {told}");
}

#[tokio::test(start_paused = true)]
async fn without_all_pods_it_is_not_told_yet() {
    let pods = Pods::new(3, |_, _| Answers::After(50));
    pods.cluster.stop_replacing(Color::Green);
    pods.cluster.kill(Color::Green, 1);
    let judgement = pods.judge(&warm_up()).await;
    assert_verdict(&judgement, Verdict::Inconclusive);
    assert_eq!(judgement.summary, "2 of 3 pods are ready, and warm");
    // The next look warms the one that has come, and no other.
    pods.cluster.resume_replacing(Color::Green);
    let is_ready = || pods.cluster.pods(Color::Green).iter().filter(|it| it.ready).count() == 3;
    for _ in 0..1000 {
        if is_ready() {
            break;
        }
        tokio::task::yield_now().await;
    }
    assert!(is_ready());
    let mut trial = pods.trial(minutes(10)).await;
    trial.state = judgement.state;
    let judgement = warm_up().judge(&trial).await.unwrap();
    assert_verdict(&judgement, Verdict::Pass);
    assert_eq!(pods.calls(), [3, 3, 3]);

    pods.cluster.stop_replacing(Color::Green);
    pods.cluster.kill_all(Color::Green);
    let judgement = pods.judge(&warm_up()).await;
    assert_verdict(&judgement, Verdict::Inconclusive);
    assert_eq!(judgement.summary, "the candidate has no ready pod");
}

#[tokio::test(start_paused = true)]
async fn who_goes_on_after_a_crash_pays_for_nothing_twice() {
    // The first is warm at once, the second never.
    let pods = Pods::new(2, |place, _| Answers::After(if place == 0 { 50 } else { 1000 }));
    let warm_up = warm_up().with(|it| it.attempts = 40);
    let kept = Arc::new(Kept::default());
    let mut trial = pods.trial(minutes(10)).await;
    trial.checkpoint = kept.clone();
    let cut = tokio::time::timeout(Duration::from_millis(12_500), warm_up.judge(&trial)).await;
    assert!(cut.is_err());
    // What was known ten seconds after the begin.
    trial.state = kept.0.lock().unwrap().clone();
    let judgement = warm_up.judge(&trial).await.unwrap();
    assert_verdict(&judgement, Verdict::Fail);
    let (mut calls, lost) = (pods.calls(), 3);
    calls.sort_unstable();
    assert_eq!(calls[0], 3, "{calls:?}");
    assert!((40..=40 + lost).contains(&calls[1]), "{calls:?}");
}

#[tokio::test(start_paused = true)]
async fn a_release_waits_until_its_candidate_is_warm_or_goes_back() {
    let plan = Plan::all_at_once().bake(minutes(1)).warm_up(minutes(5));
    let released = async |slow: u64| {
        let pods = Pods::new(2, move |_, call| Answers::After(if call <= 4 { 2000 } else { slow }));
        let releaser = Releaser::new(pods.cluster.ports("one"));
        let releaser = releaser.warm_up(warm_up().with(|it| it.attempts = 10));
        let change = Change::image("agent", "example.com/agent:3").version("3");
        let mut plan = plan.clone();
        plan.keep_failed = Duration::ZERO;
        (releaser.run(change, &plan).await.unwrap(), pods.calls())
    };
    let (outcome, calls) = released(100).await;
    assert_eq!(outcome, Outcome::Released);
    assert_eq!(calls, [7, 7]);
    let (outcome, calls) = released(400).await;
    let Outcome::RolledBack { reason } = outcome else { panic!("{outcome:?}") };
    let reason = reason.to_string();
    assert!(reason.contains("warm-up: fail: 2 of 2 pods did not get warm in 10 calls"), "{reason}");
    assert!(reason.contains("found not warm after 10 calls: 2.00 s at first, 400 ms at last"));
    assert_eq!(calls, [10, 10]);
}
