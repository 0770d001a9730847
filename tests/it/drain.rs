//! Streams on a slot that lost its traffic.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bluegreen_core::plan::OnExpiry;
use bluegreen_core::{Color, EvidenceKind, Outcome, PhaseName, Plan, Progress, Slot as _};
use bluegreen_kube::{Cluster, Route};
use bluegreen_tests::{
    Agent, Kept, Manifests, Release, SERVICE, change, is_unsent, plan, reaches, seconds,
};
use bluegreen_validate::PodLoad;
use http::{Method, Version};

const GAUGE: &str = "agent_inflight_requests";

/// An agent of two pods, and a process that counts what its slots have in hand.
async fn counted(agent: &Agent) -> Cluster {
    let builder = agent.builder("one").load(|ports| PodLoad::metrics(ports, "/metrics", [GAUGE]));
    builder.connect().await.unwrap()
}

async fn small() -> Agent {
    Agent::of(Manifests::shipped().sized(2, 0)).await
}

/// A release in a task of its own, once its drain has begun, and everything that it says.
async fn draining(cluster: &Cluster, plan: Plan) -> (Release, Arc<Mutex<Vec<Progress>>>) {
    let told = Arc::new(Mutex::new(Vec::new()));
    let heard = told.clone();
    let releaser = cluster.releaser().report(move |progress: &Progress| {
        heard.lock().unwrap().push(progress.clone());
    });
    let mut release = tokio::spawn(async move { releaser.run(change("1.3.0"), &plan).await });
    tokio::select! {
        () = reaches(cluster, PhaseName::Draining) => {}
        ended = &mut release => panic!("it should come to its drain: {ended:?}"),
    }
    (release, told)
}

/// What the record says of the drain.
async fn said(cluster: &Cluster) -> String {
    let record = cluster.operations().status().await.unwrap().record.unwrap();
    let entries = record.trail.into_iter().filter(|entry| entry.phase == PhaseName::Draining);
    entries.map(|entry| entry.what).collect::<Vec<_>>().join("\n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_end_before_their_slot_gets_smaller_and_soon_after_it_does() {
    let agent = small().await;
    let cluster = counted(&agent).await;
    let mut streams = Vec::new();
    for _ in 0..8 {
        streams.push(Kept::open(agent.address()).await.unwrap());
    }
    let reading = streams.iter_mut().map(|kept| kept.get("/stream?chunks=600&interval_ms=50"));
    let reading = async {
        let answers = futures_util::future::join_all(reading).await;
        (answers, Instant::now())
    };
    let plan = plan(seconds(1));
    let quiet = plan.drain.quiet;
    let releasing = async {
        let (release, told) = draining(&cluster, plan).await;
        assert_eq!(agent.pods(Color::Blue).await.len(), 2, "the old slot has streams in hand");
        assert_eq!(release.await.unwrap().unwrap(), Outcome::Released);
        (told, Instant::now())
    };
    let ((answers, ended), (told, released)) = tokio::join!(reading, releasing);
    for answer in answers {
        let (head, body) = answer.unwrap().into_parts();
        assert_eq!(head.headers["x-agent-version"], "1.2.0");
        assert!(body.ends_with(b"1.2.0 600/600\n"), "a stream was cut: {} bytes", body.len());
    }
    let counts: Vec<u64> = told
        .lock()
        .unwrap()
        .iter()
        .filter_map(|progress| match progress {
            Progress::Draining { slot: Color::Blue, in_flight, .. } => *in_flight,
            _ => None,
        })
        .collect();
    assert!(counts.contains(&8), "a person sees how many are left: {counts:?}");
    let after = released.duration_since(ended);
    println!("released {after:?} after the last stream, of which {quiet:?} were to be quiet");
    assert!(after >= quiet, "{after:?}");
    assert_eq!(said(&cluster).await, "blue has had nothing in hand for 3s");
    agent.is_retired(Color::Blue).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slot_whose_streams_do_not_end_stays_as_large_as_it_is() {
    let agent = small().await;
    let cluster = counted(&agent).await;
    let mut stream = Kept::open(agent.address()).await.unwrap();
    let mut answer = stream.begin("/stream?chunks=1000000&interval_ms=20").await.unwrap();
    let mut plan = plan(seconds(1));
    plan.drain.max = seconds(5);
    let outcome = cluster.releaser().run(change("1.3.0"), &plan).await.unwrap();
    assert_eq!(outcome, Outcome::Released);
    let said = said(&cluster).await;
    assert!(said.contains("blue still has 1 in hand at "), "{said}");
    assert!(said.ends_with("the slot keeps its size"), "{said}");
    assert_eq!(agent.pods(Color::Blue).await.len(), 2);
    assert!(answer.piece().await.is_some(), "the stream goes on");
    assert_eq!(agent.live().await, Some(Color::Green));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slot_whose_streams_do_not_end_gets_smaller_where_they_may_be_cut() {
    // The agent itself waits for its streams, for as long as it may.
    let mut manifests = Manifests::shipped().sized(2, 0);
    for color in Color::BOTH {
        let deployment = manifests.object("Deployment", &format!("agent-{color}"));
        deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = 1.into();
    }
    let agent = Agent::of(manifests).await;
    let cluster = counted(&agent).await;
    let mut stream = Kept::open(agent.address()).await.unwrap();
    let mut answer = stream.begin("/stream?chunks=1000000&interval_ms=20").await.unwrap();
    let mut plan = plan(seconds(1));
    (plan.drain.max, plan.drain.on_expiry) = (seconds(5), OnExpiry::Cut);
    let outcome = cluster.releaser().run(change("1.3.0"), &plan).await.unwrap();
    assert_eq!(outcome, Outcome::Released);
    let said = said(&cluster).await;
    assert!(said.contains("blue still has 1 in hand at "), "{said}");
    assert!(said.ends_with("what is left is cut off"), "{said}");
    agent.is_retired(Color::Blue).await;
    let ending = async { while answer.piece().await.is_some() {} };
    tokio::time::timeout(seconds(60), ending).await.expect("the stream should be cut");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_keep_their_connections_are_let_go() {
    let agent = small().await;
    let cluster = agent
        .builder("one")
        .clients(|client| client.with_route(Route::PodIp))
        .load(|ports| PodLoad::metrics(ports, "/metrics", [GAUGE]))
        .connect()
        .await
        .unwrap();
    let old = http::HeaderValue::from_static("1.2.0");
    let mut first = Kept::open(agent.address()).await.unwrap();
    let mut second = Kept::open_second(agent.address()).await.unwrap();
    for (kept, version) in [(&mut first, Version::HTTP_11), (&mut second, Version::HTTP_2)] {
        let answer = kept.get("/").await.unwrap();
        assert_eq!((answer.version(), &answer.headers()["x-agent-version"]), (version, &old));
    }
    let (release, _) = draining(&cluster, plan(seconds(3)).leave("/admin/leave")).await;
    // Each client goes on at its pace until it hears that it is to go, and loses nothing.
    for kept in [&mut first, &mut second] {
        let leaving = async {
            while kept.is_kept().await {
                let answer = match kept.get("/").await {
                    // It was let go just then, and the request never sent.
                    Err(error) if is_unsent(&error) => break,
                    answer => answer.unwrap(),
                };
                assert_eq!(answer.headers()["x-agent-version"], old);
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(seconds(30), leaving).await.expect("it should be let go");
    }
    let mut again = Kept::open(agent.address()).await.unwrap();
    for _ in 0..3 {
        let answer = again.get("/").await.unwrap();
        assert_eq!(answer.headers()["x-agent-version"], "1.3.0", "it comes back to the new one");
    }
    assert!(again.is_kept().await);
    assert_eq!(release.await.unwrap().unwrap(), Outcome::Released);
    assert_eq!(said(&cluster).await, "blue has had nothing in hand for 3s");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_candidate_that_lost_its_traffic_ends_its_streams_before_it_is_put_back() {
    let agent = small().await;
    let cluster = counted(&agent).await;
    let plan = plan(seconds(60)).evidence(EvidenceKind::answers(20));
    let release = bluegreen_tests::baking(&cluster, plan).await;
    let mut stream = Kept::open(agent.address()).await.unwrap();
    let mut answer = stream.begin("/stream?chunks=150&interval_ms=50").await.unwrap();
    let stay = answer.version() == "1.3.0";
    cluster.operations().rollback("ann", "wrong refunds").await.unwrap();
    assert_eq!(agent.live().await, Some(Color::Blue));
    let mut body = Vec::new();
    while let Some(piece) = answer.piece().await {
        body.extend_from_slice(&piece);
    }
    assert!(stay, "the stream should have been the candidate's");
    assert!(body.ends_with(b"150/150\n"), "the stream was cut after {} bytes", body.len());
    assert!(matches!(release.await.unwrap().unwrap(), Outcome::RolledBack { .. }));
    let green = cluster.slot(Color::Green).state().await.unwrap();
    assert_eq!((green.replicas.wanted, green.open), (0, false));
}

#[tokio::test]
async fn a_stream_that_is_longer_than_a_pod_may_take_to_end_is_refused() {
    let agent = Agent::of(Manifests::shipped().sized(1, 0)).await;
    let cluster = agent.cluster("one").await;
    let plan = plan(seconds(1)).longest_stream(seconds(600));
    let outcome = cluster.releaser().run(change("1.3.0"), &plan).await.unwrap();
    let Outcome::Refused { problems } = outcome else { panic!("{outcome}") };
    let objects: Vec<&str> = problems.iter().map(|problem| problem.object.as_str()).collect();
    for color in Color::BOTH {
        let wanted = format!("agent-{color}, terminationGracePeriodSeconds");
        assert!(objects.iter().any(|object| object.ends_with(&wanted)), "{objects:?}");
    }
    assert!(problems.iter().all(|it| it.code == "grace-below-stream"), "{problems:?}");
    let answer = bluegreen_tests::ask(agent.address(), Method::GET, "/").await.unwrap();
    assert_eq!(answer.headers()["x-agent-version"], "1.2.0", "{SERVICE}");
    let allowed = plan.allow("grace-below-stream");
    let found = cluster.releaser().check(&change("1.3.0"), &allowed).await.unwrap();
    assert!(!found.iter().any(bluegreen_core::Problem::is_refusal), "{found:?}");
}
