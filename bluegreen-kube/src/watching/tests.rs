use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{DeleteParams, PostParams};
use serde_json::json;

use super::*;
use crate::stand_in::{Denial, Failure, Fault, StandIn};

fn maps(stand_in: &StandIn) -> Api<ConfigMap> {
    Api::namespaced(stand_in.client("ns"), "ns")
}

async fn create(api: &Api<ConfigMap>, name: &str) {
    let map = serde_json::from_value(json!({"metadata": {"name": name}})).unwrap();
    api.create(&PostParams::default(), &map).await.unwrap();
}

fn names(objects: &BTreeMap<String, ConfigMap>) -> Vec<&str> {
    objects.keys().map(String::as_str).collect()
}

/// As where the feature is switched off.
fn no_streaming_lists(stand_in: &StandIn) {
    stand_in.fail(Fault::new("watch", "configmaps", Failure::Status(422)));
}

#[tokio::test]
async fn every_state_is_seen_from_the_first() {
    for is_old in [false, true] {
        let stand_in = StandIn::new();
        if is_old {
            // Once for each of the two watches.
            no_streaming_lists(&stand_in);
            no_streaming_lists(&stand_in);
        }
        every_state_is_seen(&stand_in).await;
        let lists = stand_in.count("list", "configmaps");
        assert_eq!(lists, if is_old { 2 } else { 0 });
    }
}

async fn every_state_is_seen(stand_in: &StandIn) {
    let api = maps(stand_in);
    create(&api, "a").await;
    let mut all = Watched::new(api.clone(), watcher::Config::default(), "watch configmaps");
    let mut one = Watched::new(api.clone(), named("b"), "watch configmap b");
    assert_eq!(names(all.changed().await.unwrap()), ["a"]);
    assert_eq!(names(one.changed().await.unwrap()), [""; 0]);
    create(&api, "b").await;
    assert_eq!(names(all.changed().await.unwrap()), ["a", "b"]);
    assert_eq!(names(one.changed().await.unwrap()), ["b"]);
    api.delete("a", &DeleteParams::default()).await.unwrap();
    assert_eq!(names(all.changed().await.unwrap()), ["b"]);
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_breaks_goes_on_where_it_was() {
    for failure in [Failure::Status(410), Failure::Status(500), Failure::Disconnect] {
        for verb in ["list", "watch"] {
            let stand_in = StandIn::new();
            let api = maps(&stand_in);
            if verb == "list" {
                no_streaming_lists(&stand_in);
            }
            stand_in.fail(Fault::new(verb, "configmaps", failure).times(3));
            let mut watched = Watched::new(api.clone(), watcher::Config::default(), "watch");
            watched.changed().await.unwrap();
            create(&api, "a").await;
            while names(watched.changed().await.unwrap()) != ["a"] {}
        }
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_keeps_breaking_says_so() {
    let stand_in = StandIn::new();
    for verb in ["list", "watch"] {
        stand_in.fail(Fault::new(verb, "configmaps", Failure::Disconnect).times(u32::MAX));
    }
    let mut watched = Watched::new(maps(&stand_in), watcher::Config::default(), "watch");
    let error = watched.changed().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(stand_in.count("*", "configmaps"), u64::from(FAILURES) + 1);
}

#[tokio::test]
async fn what_we_may_not_watch_is_rejected_at_once() {
    let stand_in = StandIn::new();
    stand_in.deny(Denial::new("watch", "configmaps"));
    let api = maps(&stand_in);
    let mut watched = Watched::new(api, watcher::Config::default(), "watch configmaps in ns");
    let error = watched.changed().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected);
    assert!(error.chain().starts_with("watch configmaps in ns: rejected"), "{}", error.chain());
}
