use bluegreen_core::{Outcome, ReleaseId};
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::events::v1::Event;
use kube::Api;
use kube::api::{ListParams, PostParams};
use serde_json::json;

use super::*;
use crate::stand_in::{Failure, Fault, StandIn};

const PATIENCE: Duration = Duration::from_secs(10);

async fn world() -> (StandIn, EventReporter) {
    let stand_in = StandIn::new();
    let client = stand_in.client("ns");
    let services: Api<Service> = Api::namespaced(client.clone(), "ns");
    let service = json!({
        "metadata": {"name": "agent"}, "spec": {"selector": {"app": "agent"}, "ports": [{"port": 80}]},
    });
    let service = serde_json::from_value(service).unwrap();
    services.create(&PostParams::default(), &service).await.unwrap();
    (stand_in, EventReporter::new(client, Settings::new("agent", "ns"), "driver-1"))
}

async fn events(stand_in: &StandIn) -> Vec<Event> {
    let api: Api<Event> = Api::namespaced(stand_in.client("ns"), "ns");
    api.list(&ListParams::default()).await.unwrap().items
}

#[tokio::test]
async fn reports_become_events_of_the_service() {
    let (stand_in, reporter) = world().await;
    reporter.report(&Progress::note("hello"));
    reporter.report(&Progress::Finished { outcome: Outcome::Released });
    assert!(reporter.flush(PATIENCE).await);
    let events = events(&stand_in).await;
    let notes: Vec<_> = events.iter().map(|it| it.note.as_deref().unwrap_or_default()).collect();
    assert_eq!(notes, ["hello", "released"]);
    let uid = stand_in.object("services", "ns", "agent").unwrap()["metadata"]["uid"].clone();
    for event in &events {
        let about = event.regarding.as_ref().unwrap();
        assert_eq!(json!(about.uid), uid);
        assert_eq!(event.reporting_instance.as_deref(), Some("driver-1"));
    }
    assert_eq!(stand_in.count("get", "services"), 1, "its identity is read once");
}

#[tokio::test]
async fn a_service_that_is_not_there_is_looked_for_once() {
    let stand_in = StandIn::new();
    let settings = Settings::new("agent", "ns");
    let reporter = EventReporter::new(stand_in.client("ns"), settings, "driver-1");
    for number in 0..3 {
        reporter.report(&Progress::note(format!("hello {number}")));
    }
    assert!(reporter.flush(PATIENCE).await);
    let events = events(&stand_in).await;
    assert_eq!(events.len(), 3);
    for event in &events {
        let about = event.regarding.as_ref().unwrap();
        assert_eq!((about.name.as_deref(), about.uid.as_deref()), (Some("agent"), None));
    }
    assert_eq!(stand_in.count("get", "services"), 1);
}

#[tokio::test]
async fn a_service_that_could_not_be_read_is_read_again() {
    let (stand_in, reporter) = world().await;
    stand_in.fail(Fault::new("get", "services", Failure::Status(503)).times(1));
    reporter.report(&Progress::note("one"));
    reporter.report(&Progress::note("two"));
    assert!(reporter.flush(PATIENCE).await);
    let uids = events(&stand_in).await.into_iter().map(|it| it.regarding.unwrap().uid.is_some());
    assert_eq!(uids.filter(|has_uid| *has_uid).count(), 1);
}

#[tokio::test]
async fn an_event_that_is_refused_does_not_stop_the_next() {
    let (stand_in, reporter) = world().await;
    stand_in.fail(Fault::new("create", "events", Failure::Status(403)).times(1));
    reporter.report(&Progress::note("lost"));
    reporter.report(&Progress::note("kept"));
    assert!(reporter.flush(PATIENCE).await);
    let events = events(&stand_in).await;
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].note.as_deref(), Some("kept"));
}

#[tokio::test]
async fn reporting_never_waits_for_an_api_server_that_hangs() {
    let (stand_in, reporter) = world().await;
    stand_in.fail(Fault::new("create", "events", Failure::Hang).times(u32::MAX));
    for number in 0..2 * WAITING {
        let release = ReleaseId::new(format!("r{number}"));
        reporter.report(&Progress::Entered {
            release,
            phase: bluegreen_core::PhaseName::Deploying,
            since: bluegreen_core::Timestamp::default(),
            deadline: None,
        });
    }
    assert!(!reporter.flush(Duration::from_millis(100)).await, "nothing was written");
    assert!(stand_in.count("create", "events") <= 1, "the first one still hangs");
}
