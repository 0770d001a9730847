//! Secrets are planted wherever people have them, and looked for in everything that comes out.
//!
//! What comes out: what the libraries log at every level, progress, Events, ConfigMaps with records and
//! archives, Leases, the Service, outcomes, statuses, errors with all their causes, and the `Debug` of
//! whatever a program can hold. The agent, the API server and a proxy before it repeat all that they are
//! told.

use std::sync::Arc;
use std::time::Duration;

use bluegreen_core::memory::TokioClock;
use bluegreen_core::{Change, Color, Operations, Outcome, Pair, Plan, Progress, Releaser};
use bluegreen_kube::EventReporter;
use bluegreen_validate::{PodLoad, Request, Smoke, json};

mod echo;
mod outputs;
mod world;

use echo::{Api, Echo};
use outputs::Outputs;
use world::World;

/// What is planted, by where it is.
pub(crate) mod planted {
    /// A literal in the environment of both slots.
    pub(crate) const LITERAL: &str = "planted-literal-4f1d";
    /// What the release puts into the environment.
    pub(crate) const CHANGED: &str = "planted-changed-\"92ab";
    /// What a Secret holds that the environment refers to.
    pub(crate) const REFERRED: &str = "planted-referred-77c0";
    /// In an argument, which differs between the slots.
    pub(crate) const ARGUMENT: &str = "planted-argument-b3e8";
    /// In a header of a probe, which differs too.
    pub(crate) const PROBE: &str = "planted-probe-1c55";
    /// What requests to the API server carry.
    pub(crate) const TOKEN: &str = "planted-token-e6d2";
    /// What requests to the agent carry in `authorization`.
    pub(crate) const BEARER: &str = "planted-bearer-0a9f";
    /// The same in a cookie.
    pub(crate) const COOKIE: &str = "planted-cookie-58b7";
    /// In the query of a path.
    pub(crate) const QUERY: &str = "planted-query-d41c";

    pub(crate) const ALL: [&str; 9] =
        [LITERAL, CHANGED, REFERRED, ARGUMENT, PROBE, TOKEN, BEARER, COOKIE, QUERY];
}

fn smoke() -> Smoke {
    let chat = Request::post("/chat", json!({"message": "hello"}))
        .header("authorization", format!("Bearer {}", planted::BEARER))
        .header("cookie", format!("session={}; theme=dark", planted::COOKIE));
    Smoke::get(format!("/readyz?key={}", planted::QUERY))
        .header("x-api-key", planted::BEARER)
        .and(chat.clone())
        .and(chat.clone().expect_body("ok").expect_json("/message", "hi"))
        .and(chat.expect_body_lacking("bearer").expect_header("x-echo", "no"))
}

fn plan() -> Plan {
    let mut plan = Plan::all_at_once().bake(Duration::from_mins(1));
    plan.keep_failed = Duration::from_mins(1);
    plan.leave("/leave")
}

fn change(tag: &str) -> Change {
    let image = format!("registry.example.com/agent:{tag}");
    Change::image("agent", image).env("API_KEY", planted::CHANGED).version(tag)
}

/// One process and everything that it tells.
struct Process {
    ports: bluegreen_core::Ports,
    events: Arc<EventReporter>,
}

impl Process {
    async fn new(world: &World, outputs: &Outputs, agent: Echo) -> Self {
        let cluster = world.connect().await.unwrap();
        outputs.debug("cluster", &cluster);
        let mut ports = cluster.ports().with_clock(Arc::new(TokioClock::new()));
        ports.clients = Pair::from_fn(|_| Arc::new(agent.clone()) as _);
        let path = format!("/metrics?key={}", planted::QUERY);
        let load = PodLoad::metrics(&ports, path, ["agent_inflight_requests"]);
        outputs.debug("load", &load);
        let ports = ports.with_load(Arc::new(load));
        outputs.debug("ports", &ports);
        let settings = cluster.settings().clone();
        let events = Arc::new(EventReporter::new(cluster.client().clone(), settings, "process"));
        Self { ports, events }
    }

    fn releaser(&self, outputs: &Outputs) -> Releaser {
        let (outputs, events) = (outputs.clone(), Arc::clone(&self.events));
        Releaser::new(self.ports.clone()).report(move |progress: &Progress| {
            outputs.text("progress", progress.to_string());
            outputs.debug("progress", progress);
            bluegreen_core::Reporter::report(&*events, progress);
        })
    }

    async fn release(&self, outputs: &Outputs, gate: Smoke, tag: &str) -> Outcome {
        outputs.debug("gate", &gate);
        outputs.debug("change", &change(tag));
        let releaser = self.releaser(outputs).gate(gate);
        outputs.debug("releaser", &releaser);
        let outcome = Box::pin(releaser.run(change(tag), &plan())).await.unwrap();
        outputs.outcome(&outcome);
        self.events.flush(Duration::from_mins(1)).await;
        outcome
    }

    /// All that can be asked for afterwards.
    async fn look_back(&self, outputs: &Outputs) {
        let operations = Operations::new(self.ports.clone());
        let status = operations.status().await.unwrap();
        outputs.text("status", status.to_string());
        outputs.debug("status", &status);
        for document in operations.history().await.unwrap() {
            outputs.debug("history", &document);
            outputs.text("history", serde_json::to_string(&document.current()).unwrap());
        }
        outputs.debug("stored", &self.ports.store.load().await.unwrap());
        for color in Color::BOTH {
            outputs.debug("state", &self.ports.slots.of(color).state().await.unwrap());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn no_secret_comes_out_anywhere() {
    let outputs = Outputs::new();
    let world = World::new().await;

    // Released, with an agent that repeats what it hears where nobody looks.
    let good = Process::new(&world, &outputs, Echo::of(200)).await;
    let gate = Smoke::get("/readyz").header("authorization", format!("Bearer {}", planted::BEARER));
    assert_eq!(good.release(&outputs, gate.clone(), "1.3.0").await, Outcome::Released);
    good.look_back(&outputs).await;

    // Refused by its gate, with every kind of finding.
    for status in [200, 401, 500] {
        let bad = Process::new(&world, &outputs, Echo::of(status)).await;
        let outcome = bad.release(&outputs, smoke(), "1.4.0").await;
        assert!(matches!(outcome, Outcome::RolledBack { .. }), "{outcome}");
        bad.look_back(&outputs).await;
    }

    // Taken back by another process.
    let other = Operations::new(good.ports.clone());
    let taken = other.rollback("ann", "wrong refunds").await;
    outputs.text("rollback", format!("{taken:?}"));
    good.look_back(&outputs).await;

    // Not accepted by an API server that says why, in preflight and later.
    for api in [Api::Quotes, Api::QuotesLater] {
        world.api(api);
        let outcome = good.release(&outputs, gate.clone(), "1.5.0").await;
        assert!(!matches!(outcome, Outcome::Released), "{outcome}");
        world.api(Api::Honest);
        good.look_back(&outputs).await;
    }

    // Not reached, through a proxy that repeats the request.
    world.api(Api::Proxy);
    let error = world.connect().await.unwrap_err();
    outputs.text("connect", bluegreen_core::chain(&error));
    outputs.debug("connect", &error);
    let error = Operations::new(good.ports.clone()).status().await.unwrap_err();
    outputs.text("status", bluegreen_core::chain(&error));
    outputs.debug("status", &error);
    world.api(Api::Honest);

    // The slots are made to differ where people put keys.
    world.differ();
    let outcome = good.release(&outputs, gate, "1.6.0").await;
    let Outcome::Refused { problems } = &outcome else { panic!("{outcome}") };
    let codes: Vec<&str> = problems.iter().map(|it| it.code.as_str()).collect();
    assert_eq!(codes, ["template-differs", "template-differs"], "{problems:#?}");

    for (what, text) in world.stored().await {
        outputs.text(what, text);
    }
    world.has_what_is_planted();
    outputs.are_clean();
}
