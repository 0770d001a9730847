//! The program of `examples/experiment`, as its users run it, with conversations that follow the weights
//! of a real gateway and are kept where they began by its header.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bluegreen_core::{AgentClient as _, Share, Target};
use bluegreen_tests::{
    ACCOUNT, Access, Agent, Manifests, ROUTE, example, folder, free_ports, image, seconds,
    version_at,
};
use bluegreen_validate::AddressClient;
use bytes::Bytes;
use http::{Method, Request};
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::task::JoinSet;

use crate::gateway::{Gateway, Through};
use crate::share::pinned;
use crate::{PIN, rules};

const SETTINGS: &str = "
name: refund-prompt
primary: { metric: completed, margin: 0.05 }
horizon: { time: 5m, units: 20000 }
";
/// How many conversations go on at the same time.
const WORKERS: u64 = 4;

/// A candidate with which fewer conversations end well is sent back, one with which more do gets all
/// traffic, and no request fails.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_better_version_wins_through_contour() {
    bluegreen_tests::define_gateway_api().await;
    Through::Contour.prepare().await;
    let agent = Agent::of(Manifests::shipped().sized(2, 0).behind_routes()).await;
    let gateway = Gateway::start(Through::Contour, &agent).await;
    let example = Example::of(&agent, gateway.address()).await;

    let (ended, told) = example.run("worse", 40).await;
    println!("{told}");
    assert_eq!(ended.status.code(), Some(6), "{}", said(&ended));
    assert_eq!(told.failures, Vec::<String>::new());
    assert!(told.blue > 50 && told.green > 50, "{told}");
    // Those that were under way when the experiment was over.
    assert!(told.moved <= 2 * WORKERS, "{told}");
    let weights = rules(&agent).await;
    assert_eq!(weights[0]["backendRefs"][0]["weight"], Share::ALL.as_parts_per_million());

    let (ended, told) = example.run("better", 95).await;
    println!("{told}");
    assert_eq!(ended.status.code(), Some(0), "{}", said(&ended));
    assert_eq!(told.failures, Vec::<String>::new());
    assert!(told.blue > 50 && told.green > 50 && told.moved <= 2 * WORKERS, "{told}");
    let weights = rules(&agent).await;
    assert_eq!(weights[0]["backendRefs"][1]["weight"], Share::ALL.as_parts_per_million());
    let report = fs::read(example.folder.join("better/experiment.json")).unwrap();
    let report: Value = serde_json::from_slice(&report).unwrap();
    assert_eq!(report["winner"], "candidate", "{report}");
}

fn said(ended: &Output) -> String {
    [&ended.stdout, &ended.stderr].map(|it| String::from_utf8_lossy(it).into_owned()).concat()
}

/// The program, and what it is started with.
struct Example {
    program: PathBuf,
    namespace: String,
    folder: PathBuf,
    front: SocketAddr,
}

impl Example {
    async fn of(agent: &Agent, front: SocketAddr) -> Self {
        let namespace = agent.namespace().name().to_owned();
        let folder = folder(&namespace);
        let token = Access::admin().await.token(&namespace, ACCOUNT).await;
        // JSON is YAML, too.
        fs::write(folder.join("kubeconfig"), Access::kubeconfig(&token).to_string()).unwrap();
        fs::write(folder.join("experiment.yaml"), SETTINGS).unwrap();
        Self { program: example("experiment").await, namespace, folder, front }
    }

    /// Runs one to its end, while so many percent of the candidate's conversations end well, and 70 of
    /// live's.
    async fn run(&self, name: &str, percent: u64) -> (Output, Told) {
        let [port] = free_ports();
        let events = SocketAddr::from(([127, 0, 0, 1], port));
        let mut command = Command::new(&self.program);
        command.env("KUBECONFIG", self.folder.join("kubeconfig"));
        command.args(["--namespace", &self.namespace, "--route", ROUTE, "run"]);
        let image = format!("agent={}", image("1.3.0"));
        command.args(["--image", &image, "--version", "1.3.0", "--header", PIN]);
        command.args(["--through", &format!("http://{}/", self.front)]);
        command.args(["--bake", "2s", "--look", "1s", "--quiet", "2s"]);
        command.arg("--experiment").arg(self.folder.join("experiment.yaml"));
        command.args(["--listen", &events.to_string(), "--report"]).arg(self.folder.join(name));
        let ended = command.stdin(Stdio::null()).kill_on_drop(true).output();
        let ended = tokio::time::timeout(seconds(240), ended);

        let next = Arc::new(AtomicU64::new(0));
        let mut workers = JoinSet::new();
        let (stop, stopped) = tokio::sync::watch::channel(false);
        for _ in 0..WORKERS {
            let conversations = Conversations {
                name: name.to_owned(),
                front: self.front,
                events: AddressClient::new([events.to_string()]),
                percent,
                next: next.clone(),
            };
            workers.spawn(conversations.until(stopped.clone()));
        }
        let ended = ended.await.unwrap().unwrap();
        stop.send(true).unwrap();
        let mut all = Told::default();
        for told in workers.join_all().await {
            all.blue += told.blue;
            all.green += told.green;
            all.moved += told.moved;
            all.failures.extend(told.failures);
        }
        (ended, all)
    }
}

/// What became of conversations.
#[derive(Debug, Default)]
struct Told {
    blue: u64,
    green: u64,
    /// Whose second answer was not of the slot of their first.
    moved: u64,
    failures: Vec<String>,
}

impl std::fmt::Display for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { blue, green, moved, failures } = self;
        let failed = failures.len();
        write!(f, "{blue} conversations in blue, {green} in green, {moved} moved, {failed} failed")
    }
}

/// Those of one worker, one after another.
struct Conversations {
    name: String,
    front: SocketAddr,
    events: AddressClient,
    percent: u64,
    next: Arc<AtomicU64>,
}

impl Conversations {
    async fn until(self, mut stopped: tokio::sync::watch::Receiver<bool>) -> Told {
        let mut told = Told::default();
        while !*stopped.borrow_and_update() {
            if let Err(failure) = self.one(&mut told).await {
                told.failures.push(failure);
            }
        }
        told
    }

    async fn one(&self, told: &mut Told) -> Result<(), String> {
        let number = self.next.fetch_add(1, Ordering::SeqCst);
        let version = version_at(self.front).await?;
        let (slot, percent) =
            if version == "1.3.0" { ("green", self.percent) } else { ("blue", 70) };
        let second = pinned(self.front, PIN, slot).await?;
        told.moved += u64::from(second != version);
        *(if slot == "green" { &mut told.green } else { &mut told.blue }) += 1;
        let unit = format!("{} {number}", self.name);
        // Of a hundred in a row as many as it says, in an order that has nothing to do with slots.
        let ended_well = number * 37 % 100 < percent;
        let lines = [
            json!({"event": "exposed", "unit": unit, "slot": slot, "version": version}),
            json!({"event": "outcome", "unit": unit, "metric": "completed",
                "value": u8::from(ended_well)}),
        ];
        let body = lines.map(|line| format!("{line}\n")).concat();
        let mut request = Request::new(Bytes::from(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = "/events".parse().unwrap();
        // The program listens only from its start to its end.
        if let Ok(answer) = self.events.send(&Target::Any, request).await
            && !answer.status().is_success()
        {
            let status = answer.status();
            let body = answer.into_body().collect(4096).await.unwrap_or_default();
            return Err(format!("{status}: {}", String::from_utf8_lossy(&body)));
        }
        Ok(())
    }
}
