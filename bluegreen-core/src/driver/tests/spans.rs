//! What a subscriber of the host gets of a release: a span for it and one for each phase in it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::OnceLock;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::DefaultGuard;
use tracing::{Dispatch, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;

use super::{
    Always, Arc, Mutex, Operations, Outcome, PhaseName, Releaser, Verdict, await_phase, change,
    cluster, plan,
};

/// A span that is closed.
#[derive(Clone, Debug, Default)]
struct Closed {
    name: &'static str,
    parent: Option<&'static str>,
    fields: BTreeMap<&'static str, String>,
}

impl Closed {
    fn of(&self, field: &str) -> &str {
        self.fields.get(field).map_or("", String::as_str)
    }
}

struct Fields<'a>(&'a mut BTreeMap<&'static str, String>);

impl Visit for Fields<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
}

/// Keeps the spans of this crate in the order in which they close.
#[derive(Clone, Default)]
struct Recorder(Arc<Mutex<Vec<Closed>>>);

impl Recorder {
    /// Records what this thread does for as long as the guard lives.
    fn start(&self) -> DefaultGuard {
        // While there is one dispatcher, tracing takes the answer of the thread in which a span is first
        // come by for that of all. The thread of another test has none, and says never.
        static ANOTHER: OnceLock<Dispatch> = OnceLock::new();
        ANOTHER.get_or_init(|| Dispatch::new(tracing_subscriber::registry()));
        tracing::subscriber::set_default(tracing_subscriber::registry().with(self.clone()))
    }

    fn closed(&self, name: &str) -> Vec<Closed> {
        let closed = self.0.lock().unwrap();
        closed.iter().filter(|span| span.name == name).cloned().collect()
    }

    /// The phases and how they ended.
    fn phases(&self) -> Vec<String> {
        let told = |span: &Closed| {
            format!("{} {}", span.of("bluegreen.phase"), span.of("bluegreen.phase.outcome"))
        };
        self.closed("phase").iter().map(told).collect()
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Recorder {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        metadata.is_span() && metadata.target().starts_with("bluegreen_core")
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let parent = span.parent().map(|parent| parent.name());
        let mut closed = Closed { name: span.name(), parent, fields: BTreeMap::new() };
        attributes.record(&mut Fields(&mut closed.fields));
        span.extensions_mut().insert(closed);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(closed) = span.extensions_mut().get_mut::<Closed>() {
            values.record(&mut Fields(&mut closed.fields));
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let Some(span) = context.span(&id) else { return };
        let closed = span.extensions_mut().remove::<Closed>();
        self.0.lock().unwrap().extend(closed);
    }
}

#[tokio::test(start_paused = true)]
async fn a_release_is_a_span_and_its_phases_are_spans_in_it() {
    let recorder = Recorder::default();
    let guard = recorder.start();
    let ports = cluster().ports("one").with_cluster("test").with_namespace("ai-agents");
    let releaser = Releaser::new(ports).gate(Always(Verdict::Pass)).actor("ann");
    // A value of a variable is nobody's business.
    let change = change("2").env("TOKEN", "sesame-4711");
    assert_eq!(releaser.run(change, &plan()).await.unwrap(), Outcome::Released);
    drop(guard);
    let wanted = [
        "preflight completed",
        "deploying completed",
        "rolling_out completed",
        "validating completed",
        "shifting completed",
        "baking completed",
        "draining completed",
        "retiring completed",
    ];
    assert_eq!(recorder.phases(), wanted);
    let [release] = &recorder.closed("release")[..] else { panic!("one release") };
    for (field, wanted) in [
        ("deployment.name", "agent"),
        ("deployment.id", "r1"),
        ("deployment.status", "succeeded"),
        ("k8s.cluster.name", "test"),
        ("k8s.namespace.name", "ai-agents"),
        ("bluegreen.actor", "ann"),
        ("bluegreen.holder", "one"),
        ("bluegreen.version", "2"),
        ("bluegreen.outcome", "released"),
        ("otel.status_code", ""),
    ] {
        assert_eq!(release.of(field), wanted, "{field}");
    }
    assert!(release.of("bluegreen.digest").len() > 8, "{release:?}");
    let phases = recorder.closed("phase");
    assert!(phases.iter().all(|phase| phase.parent == Some("release")), "{phases:?}");
    assert!(phases.iter().all(|phase| phase.of("otel.name") == phase.of("bluegreen.phase")));
    let looks = recorder.closed("judge");
    let gate = looks.iter().find(|look| look.of("bluegreen.validator") == "always").unwrap();
    assert_eq!((gate.parent, gate.of("bluegreen.verdict")), (Some("phase"), "pass"));
    let all = format!("{:?}", recorder.0.lock().unwrap());
    assert!(!all.contains("4711"), "{all}");
}

#[tokio::test(start_paused = true)]
async fn a_pause_begins_no_new_span() {
    let recorder = Recorder::default();
    let _guard = recorder.start();
    let cluster = cluster();
    let releaser = Releaser::new(cluster.ports("one"));
    let release = tokio::spawn(async move { releaser.run(change("2"), &plan()).await });
    await_phase(&cluster, PhaseName::Baking).await;
    let operations = Operations::new(cluster.ports("two"));
    operations.pause("ann").await.unwrap();
    operations.unpause("ann").await.unwrap();
    assert_eq!(release.await.unwrap().unwrap(), Outcome::Released);
    let bakes = recorder.phases().iter().filter(|it| it.starts_with("baking")).count();
    assert_eq!(bakes, 1, "{:?}", recorder.phases());
}

#[tokio::test(start_paused = true)]
async fn what_went_wrong_is_kept_where_it_did_and_on_the_release() {
    let recorder = Recorder::default();
    let guard = recorder.start();
    let cluster = cluster();
    let releaser = Releaser::new(cluster.ports("one")).gate(Always(Verdict::Fail));
    releaser.run(change("2"), &plan()).await.unwrap();
    // Nothing that live does not run already.
    let refused = releaser.run(change("1"), &plan()).await.unwrap();
    assert!(matches!(refused, Outcome::Refused { .. }));
    drop(guard);
    assert!(recorder.phases().contains(&"validating returned".to_owned()), "{recorder:?}");
    let closed = recorder.closed("release");
    let told: Vec<[&str; 4]> = closed
        .iter()
        .map(|it| {
            ["bluegreen.outcome", "error.type", "otel.status_code", "deployment.status"]
                .map(|field| it.of(field))
        })
        .collect();
    let wanted =
        [["rolled_back", "unfit", "ERROR", "failed"], ["refused", "refused", "ERROR", "failed"]];
    assert_eq!(told, wanted);
    let said = closed[0].of("otel.status_description");
    assert!(said.starts_with("rolled back, unfit: "), "{said}");
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.lock().unwrap().fmt(f)
    }
}

#[tokio::test(start_paused = true)]
async fn a_phase_that_another_process_goes_on_with_says_so() {
    let recorder = Recorder::default();
    let guard = recorder.start();
    let cluster = cluster();
    let one = Releaser::new(cluster.ports("one"));
    let first = tokio::spawn(async move { one.run(change("2"), &plan()).await });
    await_phase(&cluster, PhaseName::Baking).await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    assert_eq!(recorder.phases().last().unwrap(), "baking interrupted");
    let two = Releaser::new(cluster.ports("two"));
    let second = tokio::spawn(async move { two.resume().await });
    let three = Operations::new(cluster.ports("three"));
    loop {
        let stored = three.watch(None).await.unwrap().unwrap();
        if stored.document.envelope().holder.as_ref().is_some_and(|it| it.as_str() == "two") {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    three.rollback("bob", "wrong refunds").await.unwrap();
    second.await.unwrap().unwrap();
    drop(guard);
    assert!(recorder.phases().contains(&"baking lost".to_owned()), "{recorder:?}");
    let [operation] = &recorder.closed("operation")[..] else { panic!("{recorder:?}") };
    assert_eq!(operation.of("bluegreen.operation"), "rollback");
    assert_eq!((operation.of("bluegreen.actor"), operation.of("deployment.id")), ("bob", "r1"));
    let releases = recorder.closed("release");
    assert!(releases.iter().all(|it| it.of("deployment.id") == "r1"), "{recorder:?}");
    let outcomes: Vec<&str> = releases.iter().map(|it| it.of("bluegreen.outcome")).collect();
    assert_eq!(outcomes, ["interrupted", "rolled_back"]);
}
