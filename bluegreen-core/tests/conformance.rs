//! The in-memory implementations keep every promise, by themselves and behind a `Faulty` that
//! does nothing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response, StatusCode};

use bluegreen_core::conformance::approver::ApproverFixture;
use bluegreen_core::conformance::client::ClientFixture;
use bluegreen_core::conformance::hooks::HooksFixture;
use bluegreen_core::conformance::liveness::LivenessFixture;
use bluegreen_core::conformance::load::LoadFixture;
use bluegreen_core::conformance::metrics::MetricsFixture;
use bluegreen_core::conformance::slot::SlotFixture;
use bluegreen_core::conformance::switch::SwitchFixture;
use bluegreen_core::conformance::validator::ValidatorFixture;
use bluegreen_core::conformance::{PATIENCE, deed};
use bluegreen_core::memory::{
    Asked, Autoscaler, Faults, Faulty, HookScript, MemoryApprover, MemoryCluster, MemoryHooks,
    MemoryLoad, MemoryMetrics, MemoryStore, Script, ScriptedRunner, TokioClock, endless, pieces,
};
use bluegreen_core::plan::{Hook, HookPoint};
use bluegreen_core::{
    AgentClient, AnswerBody, Capabilities, Clock, Color, ConfigFiles, Configuration, Container,
    Digest, Epoch, EvidenceKind, Finding, HookOutcome, Judgement, Metric, ObservedState, Plan,
    Problem, ResolvedChange, Result, Side, Slot, SystemClock, Target, Trial, Validator, Verdict,
    Window,
};

bluegreen_core::store_conformance_tests!(async || MemoryStore::default());
bluegreen_core::store_conformance_tests! {
    store_behind_faults: async || Faulty::new(Arc::new(MemoryStore::new()), Faults::new())
}

bluegreen_core::slot_conformance_tests!(async || slots(ScriptedRunner::new(), Faults::new()));
bluegreen_core::slot_conformance_tests! {
    slot_with_slow_pods: async || {
        tokio::time::pause();
        let slow = Script::ReadyAfter(Duration::from_secs(20));
        let runner = ScriptedRunner::new().on_image(image("1.3.0"), slow.clone());
        slots(runner.on_image(image("1.4.0"), slow), Faults::new())
    }
}

bluegreen_core::switch_conformance_tests! {
    switch: async || switch(Capabilities::ALL, EvidenceKind::Endpoints)
}
bluegreen_core::switch_conformance_tests! {
    switch_of_all_or_nothing: async || {
        switch(Capabilities::SWITCH_ONLY, EvidenceKind::answers(20))
    }
}

bluegreen_core::validator_conformance_tests!(async || validator());
bluegreen_core::client_conformance_tests!(async || client());
bluegreen_core::metrics_conformance_tests!(async || metrics());
bluegreen_core::approver_conformance_tests!(async || approver());
bluegreen_core::load_conformance_tests!(async || load());
bluegreen_core::hooks_conformance_tests!(async || hooks(Duration::ZERO));
bluegreen_core::hooks_conformance_tests! {
    slow_hooks: async || {
        tokio::time::pause();
        hooks(Duration::from_secs(20))
    }
}
bluegreen_core::clock_conformance_tests!(async || TokioClock::new());
bluegreen_core::clock_conformance_tests!(system_clock: async || SystemClock);
bluegreen_core::liveness_conformance_tests! {
    liveness: async || {
        tokio::time::pause();
        liveness()
    }
}

fn image(tag: &str) -> String {
    format!("registry.example.com/agent-service:{tag}")
}

fn configuration(tag: &str) -> Configuration {
    let mut agent = Container::new(image(tag));
    agent.set("API_KEY", "sk-123");
    Configuration::new(BTreeMap::from([("agent".to_owned(), agent)])).with_version(tag)
}

fn change(tag: &str) -> ResolvedChange {
    ResolvedChange::exactly(configuration(tag))
}

fn slots(runner: ScriptedRunner, faults: Faults) -> SlotFixture {
    let fails = Script::Fail("image can't be pulled".to_owned());
    let cluster = MemoryCluster::builder("agent-service", configuration("1.2.0"))
        .runner(runner.on_image(image("broken"), fails))
        .autoscaler(Color::Green, Autoscaler::new(1, 9))
        .build();
    SlotFixture {
        config: Some("agent-prompts".to_owned()),
        slot: Arc::new(Faulty::new(Arc::new(cluster.slot(Color::Green)), faults)),
        other: Arc::new(cluster.slot(Color::Blue)),
        good: change("1.3.0"),
        better: change("1.4.0"),
        broken: change("broken"),
        guard: Box::new(cluster),
    }
}

fn switch(capabilities: Capabilities, evidence: EvidenceKind) -> SwitchFixture {
    let cluster = MemoryCluster::builder("agent-service", configuration("1.2.0"))
        .idle(configuration("1.3.0"), 2)
        .capabilities(capabilities)
        .build();
    let foreign = ObservedState::Foreign("selector slot=purple".to_owned());
    let hand = cluster.clone();
    SwitchFixture {
        switch: Arc::new(Faulty::new(Arc::new(cluster.switch()), Faults::new())),
        evidence,
        disturb: deed(move || {
            hand.set_routing(foreign.clone());
            std::future::ready(())
        }),
        guard: Box::new(cluster),
    }
}

/// Passes whatever answers as the version that it wants.
struct Version(&'static str);

#[async_trait]
impl Validator for Version {
    #[allow(clippy::unnecessary_literal_bound, reason = "the trait has this signature")]
    fn name(&self) -> &str {
        "version"
    }

    fn config_digest(&self) -> Digest {
        Digest::of([self.0])
    }

    async fn check(&self, _: &Plan) -> Result<Vec<Problem>> {
        Ok(Vec::new())
    }

    async fn judge(&self, trial: &Trial) -> Result<Judgement> {
        let request = Request::new(Bytes::new());
        let answer = trial.candidate.client.send(&Target::Any, request).await?;
        let found = answer.headers().get("x-agent-version").and_then(|it| it.to_str().ok());
        // Two looks, so that the state of the first one counts.
        let looked = trial.state.as_deref().map_or(0, <[u8]>::len);
        if looked == 0 {
            return Ok(Judgement::new(Verdict::Inconclusive, "once more").with_state("1"));
        }
        if found == Some(self.0) {
            return Ok(Judgement::new(Verdict::Pass, "as wanted"));
        }
        let finding = Finding::new("the candidate", self.0, found.unwrap_or("no version"));
        Ok(Judgement::new(Verdict::Fail, "another version").with_evidence(vec![finding]))
    }
}

fn validator() -> ValidatorFixture {
    let trial = |tag: &str, replicas: u32| {
        let cluster = MemoryCluster::builder("agent-service", configuration("1.2.0"))
            .idle(configuration(tag), replicas)
            .build();
        let side = |color| {
            let state = bluegreen_core::SlotState::new(color, "uid", configuration(tag));
            Side::new(state, Arc::new(cluster.client(color)))
        };
        let deadline = cluster.clock().now().plus(PATIENCE);
        Trial::new("r1".into(), side(Color::Green), side(Color::Blue), deadline)
    };
    ValidatorFixture {
        validator: Arc::new(Version("1.3.0")),
        other: Arc::new(Version("1.4.0")),
        good: trial("1.3.0", 1),
        bad: trial("1.4.0", 1),
        unreachable: trial("1.3.0", 0),
        guard: Box::new(()),
    }
}

fn answer(asked: &Asked<'_>) -> Response<AnswerBody> {
    let mut answer = Response::new(pieces([asked.pod.name.clone()]));
    match asked.request.uri().path() {
        "/failing" => *answer.status_mut() = StatusCode::INTERNAL_SERVER_ERROR,
        "/endless" => *answer.body_mut() = endless(["and then"]),
        _ => {}
    }
    answer
}

fn client() -> ClientFixture {
    let cluster = MemoryCluster::builder("agent-service", configuration("1.2.0"))
        .replicas(3)
        .answer(|asked| Ok(answer(asked)))
        .build();
    let request = |path: &'static str| {
        let mut request = Request::new(Bytes::new());
        *request.uri_mut() = http::Uri::from_static(path);
        request
    };
    let ready = cluster.pods(Color::Blue);
    let client = |color| -> Arc<dyn AgentClient> {
        Arc::new(Faulty::new(Arc::new(cluster.client(color)), Faults::new()))
    };
    ClientFixture {
        client: client(Color::Blue),
        pods: ready.iter().map(|it| bluegreen_core::PodRef::new(&it.name, &it.uid)).collect(),
        who: request("/who"),
        failing: request("/failing"),
        endless: request("/endless"),
        silent: client(Color::Green),
        guard: Box::new(cluster),
    }
}

fn metrics() -> MetricsFixture {
    let (metrics, metric) = (MemoryMetrics::new(), Metric::new("errors"));
    let now = SystemClock.now();
    for second in 0..5 {
        metrics.record(&metric, Color::Green, now.plus(Duration::from_secs(second)), 1.0);
    }
    MetricsFixture {
        source: Arc::new(Faulty::new(Arc::new(metrics), Faults::new())),
        metric,
        busy: Color::Green,
        window: Window::new(now.plus(Duration::from_secs(9)), Duration::from_secs(10)),
        count: 5,
        guard: Box::new(()),
    }
}

fn approver() -> ApproverFixture {
    let approver = MemoryApprover::new();
    let people = approver.clone();
    ApproverFixture {
        approver: Arc::new(Faulty::new(Arc::new(approver), Faults::new())),
        answer: Box::new(move |request, decision| {
            people.set(request.digest, decision);
            Box::pin(std::future::ready(()))
        }),
        deadline: SystemClock.now().plus(PATIENCE),
        guard: Box::new(()),
    }
}

fn hooks(takes: Duration) -> HooksFixture {
    let clock: Arc<dyn Clock> = Arc::new(TokioClock::new());
    let runner = MemoryHooks::new(Arc::clone(&clock));
    runner.set("good", HookScript::Succeeds(takes));
    runner.set("bad", HookScript::Fails(takes, HookOutcome::failed("exit code 1", "no table")));
    let hook = |name: &str| Hook::before(HookPoint::Deploying, name, name);
    let counted = runner.clone();
    HooksFixture {
        good: hook("good"),
        bad: hook("bad"),
        missing: hook("missing"),
        deadline: clock.now().plus(Duration::from_mins(5)),
        starts: Box::new(move || Box::pin(std::future::ready(counted.started().len()))),
        runner: Arc::new(runner),
        guard: Box::new(()),
    }
}

fn load() -> LoadFixture {
    let load = MemoryLoad::new();
    load.set(Color::Blue, Some(3));
    let load = Arc::new(Faulty::new(Arc::new(load), Faults::new()));
    LoadFixture { load, busy: Color::Blue, in_hand: 3, guard: Box::new(()) }
}

fn liveness() -> LivenessFixture {
    let cluster = MemoryCluster::new("agent-service", configuration("1.2.0"));
    let skewed = Arc::new(TokioClock::new().ahead(Duration::from_hours(1)));
    LivenessFixture {
        here: Arc::new(cluster.clone().with_clock(skewed).liveness("here")),
        there: Arc::new(Faulty::new(Arc::new(cluster.liveness("there")), Faults::new())),
        clock: cluster.clock(),
        guard: Box::new(cluster),
    }
}

/// A slot that lets every epoch through, as one without fencing does.
struct Unfenced(bluegreen_core::memory::MemorySlot);

const LAST: Epoch = Epoch::new(u64::MAX);

#[async_trait]
impl Slot for Unfenced {
    fn color(&self) -> Color {
        self.0.color()
    }

    async fn state(&self) -> Result<bluegreen_core::SlotState> {
        self.0.state().await
    }

    async fn check(&self, intent: &bluegreen_core::Intent) -> Result<Vec<Problem>> {
        self.0.check(intent).await
    }

    async fn fence(&self, epoch: Epoch) -> Result<()> {
        self.0.fence(epoch).await
    }

    async fn deploy(&self, change: &ResolvedChange, replicas: u32, _: Epoch) -> Result<()> {
        self.0.deploy(change, replicas, LAST).await
    }

    async fn await_ready(&self) -> Result<bluegreen_core::SlotState> {
        self.0.await_ready().await
    }

    async fn scale(&self, replicas: u32, _: Epoch) -> Result<()> {
        self.0.scale(replicas, LAST).await
    }

    async fn freeze(&self, _: Epoch) -> Result<()> {
        self.0.freeze(LAST).await
    }

    async fn thaw(&self, _: Epoch) -> Result<()> {
        self.0.thaw(LAST).await
    }

    async fn commit(&self, _: Epoch) -> Result<()> {
        self.0.commit(LAST).await
    }

    async fn revert(&self, _: Epoch) -> Result<()> {
        self.0.revert(LAST).await
    }

    async fn watch(&self, known: &bluegreen_core::SlotState) -> Result<bluegreen_core::SlotState> {
        self.0.watch(known).await
    }

    async fn author(&self) -> Result<Option<String>> {
        self.0.author().await
    }

    async fn caveats(&self) -> Result<Vec<String>> {
        self.0.caveats().await
    }

    async fn files(&self, config_map: &str) -> Result<Option<ConfigFiles>> {
        self.0.files(config_map).await
    }
}

#[tokio::test]
#[should_panic(expected = "the write's epoch is stamped on it")]
async fn a_slot_without_fencing_is_found_out() {
    let mut fixture = slots(ScriptedRunner::new(), Faults::new());
    let cluster = MemoryCluster::new("agent-service", configuration("1.2.0"));
    fixture.slot = Arc::new(Unfenced(cluster.slot(Color::Green)));
    bluegreen_core::conformance::slot::reads_back_what_was_deployed(&fixture).await;
}

#[tokio::test]
#[should_panic(expected = "the fixture's deed has to make it neither")]
async fn a_fixture_that_does_not_disturb_is_found_out() {
    let mut fixture = switch(Capabilities::ALL, EvidenceKind::Endpoints);
    fixture.disturb = deed(|| std::future::ready(()));
    bluegreen_core::conformance::switch::refuses_a_shift_from_elsewhere(&fixture).await;
}

#[tokio::test]
#[should_panic(expected = "no data is never a pass")]
async fn a_validator_that_passes_what_it_cannot_reach_is_found_out() {
    let mut fixture = validator();
    fixture.unreachable = fixture.good.clone();
    bluegreen_core::conformance::validator::an_unreachable_candidate_never_passes(&fixture).await;
}
