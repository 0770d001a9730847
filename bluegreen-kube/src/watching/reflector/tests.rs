use std::time::Duration;

use futures_util::FutureExt as _;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt as _;
use kube::api::{DeleteParams, PostParams};
use serde_json::json;

use super::*;
use crate::stand_in::{Denial, Failure, Fault, StandIn};
use crate::watching::{Registry, Watches};

fn maps(stand_in: &StandIn) -> Api<ConfigMap> {
    Api::namespaced(stand_in.client("ns"), "ns")
}

fn watches() -> Watches {
    Watches::of(Arc::new(Registry::new(7)))
}

/// Creates one, and says its resource version.
async fn create(api: &Api<ConfigMap>, name: &str) -> u64 {
    let map = json!({"metadata": {"name": name, "labels": {"of": &name[..1]}}});
    let map = serde_json::from_value(map).unwrap();
    number(api.create(&PostParams::default(), &map).await.unwrap().resource_version().as_deref())
}

fn follow(watches: &Watches, api: &Api<ConfigMap>, name: &str) -> Following<ConfigMap> {
    watches.follow(api, Scope::all(), Filter::named(name), 0).unwrap()
}

/// As where the feature is switched off.
fn no_streaming_lists(stand_in: &StandIn) {
    stand_in.fail(Fault::new("watch", "configmaps", Failure::Status(422)));
}

#[tokio::test(start_paused = true)]
async fn one_watch_tells_each_of_what_it_waits_for() {
    for is_old in [false, true] {
        let stand_in = StandIn::new();
        if is_old {
            no_streaming_lists(&stand_in);
        }
        let (watches, api) = (watches(), maps(&stand_in));
        create(&api, "a").await;
        let (mut a, mut b) = (follow(&watches, &api, "a"), follow(&watches, &api, "b"));
        let selector = kube::core::Expression::Equal("of".to_owned(), "b".to_owned()).into();
        let mut selected =
            watches.follow(&api, Scope::all(), Filter::Selected(selector), 0).unwrap();
        for each in [&mut a, &mut b, &mut selected] {
            each.changed().await.unwrap();
        }
        assert_eq!((a.objects().len(), b.objects().len()), (1, 0));
        create(&api, "b").await;
        b.changed().await.unwrap();
        selected.changed().await.unwrap();
        assert_eq!((b.objects().len(), selected.objects().len()), (1, 1));
        api.delete("a", &DeleteParams::default()).await.unwrap();
        a.changed().await.unwrap();
        assert!(a.objects().is_empty());
        // Whatever else has happened was told to those who wait for it.
        assert!(b.changed().now_or_never().is_none());
        assert!(selected.changed().now_or_never().is_none());
        assert_eq!(stand_in.count("watch", "configmaps"), if is_old { 2 } else { 1 });
        assert_eq!(stand_in.count("list", "configmaps"), u64::from(is_old));
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_told_from_before_what_the_one_who_waits_knows() {
    let stand_in = StandIn::new();
    let (watches, api) = (watches(), maps(&stand_in));
    let version = create(&api, "a").await;
    let mut later = watches.follow(&api, Scope::all(), Filter::named("a"), version + 1).unwrap();
    let told = tokio::time::timeout(Duration::from_mins(1), later.changed()).await;
    assert!(told.is_err(), "the watch has not come to that yet");
    create(&api, "b").await;
    later.changed().await.unwrap();
    assert_eq!(later.objects().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_breaks_goes_on_where_it_was_and_tells_only_of_changes() {
    for failure in [Failure::Status(410), Failure::Status(500), Failure::Disconnect] {
        let stand_in = StandIn::new();
        let (watches, api) = (watches(), maps(&stand_in));
        create(&api, "a").await;
        let mut a = follow(&watches, &api, "a");
        let mut b = follow(&watches, &api, "b");
        a.changed().await.unwrap();
        b.changed().await.unwrap();
        stand_in.fail(Fault::new("watch", "configmaps", failure).times(3));
        // Longer than the server lets a watch last.
        tokio::time::sleep(Duration::from_mins(5)).await;
        create(&api, "b").await;
        b.changed().await.unwrap();
        assert_eq!(b.objects().len(), 1);
        assert!(a.changed().now_or_never().is_none(), "nothing has become of it");
    }
}

#[tokio::test(start_paused = true)]
async fn versions_that_are_forgotten_are_listed_anew() {
    let stand_in = StandIn::new();
    let (watches, api) = (watches(), maps(&stand_in));
    create(&api, "a").await;
    let (mut a, mut b) = (follow(&watches, &api, "a"), follow(&watches, &api, "b"));
    a.changed().await.unwrap();
    b.changed().await.unwrap();
    stand_in.stop();
    tokio::time::sleep(Duration::from_secs(1)).await;
    stand_in.start();
    api.delete("a", &DeleteParams::default()).await.unwrap();
    create(&api, "b").await;
    stand_in.compact();
    a.changed().await.unwrap();
    b.changed().await.unwrap();
    assert_eq!((a.objects().len(), b.objects().len()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_told_after_a_while_and_over_when_it_is() {
    let stand_in = StandIn::new();
    let (watches, api) = (watches(), maps(&stand_in));
    create(&api, "a").await;
    let mut a = follow(&watches, &api, "a");
    a.changed().await.unwrap();
    stand_in.stop();
    let begun = tokio::time::Instant::now();
    let broken = a.changed().await.unwrap_err();
    assert!(begun.elapsed() >= Duration::from_secs(5), "{:?}", begun.elapsed());
    let error = broken.during("watch configmap a");
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{}", error.chain());
    assert!(follow(&watches, &api, "a").changed().await.is_err(), "others need not find out");
    stand_in.start();
    tokio::time::sleep(Duration::from_secs(10)).await;
    let mut a = follow(&watches, &api, "a");
    a.changed().await.unwrap();
    assert_eq!(a.objects().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn who_may_not_watch_is_told_at_once() {
    let stand_in = StandIn::new();
    stand_in.deny(Denial::new("watch", "configmaps"));
    let (watches, api) = (watches(), maps(&stand_in));
    let error = follow(&watches, &api, "a").changed().await.unwrap_err().during("watch");
    assert_eq!(error.kind(), ErrorKind::Rejected, "{}", error.chain());
}

#[tokio::test(start_paused = true)]
async fn agents_share_a_watch_that_ends_with_the_last_of_them() {
    let stand_in = StandIn::new();
    let (registry, api) = (Arc::new(Registry::new(7)), maps(&stand_in));
    let (one, other) = (Watches::of(registry.clone()), Watches::of(registry.clone()));
    for watches in [&one, &other, &one] {
        follow(watches, &api, "a").changed().await.unwrap();
    }
    assert_eq!(stand_in.count("watch", "configmaps"), 1);
    drop(one);
    follow(&other, &api, "a").changed().await.unwrap();
    assert_eq!(stand_in.count("watch", "configmaps"), 1);
    drop(other);
    let third = Watches::of(registry);
    follow(&third, &api, "a").changed().await.unwrap();
    assert_eq!(stand_in.count("watch", "configmaps"), 2, "nobody had kept it");
}

#[tokio::test(start_paused = true)]
async fn who_manages_what_is_kept_only_for_those_who_ask() {
    let stand_in = StandIn::new();
    let (watches, api) = (watches(), maps(&stand_in));
    create(&api, "a").await;
    for (scope, is_kept) in [(Scope::all(), false), (Scope::all().with_managers(), true)] {
        let mut a = watches.follow(&api, scope, Filter::named("a"), 0).unwrap();
        a.changed().await.unwrap();
        let objects = a.objects();
        assert_eq!(objects["a"].metadata.managed_fields.is_some(), is_kept);
        assert_eq!(objects["a"].labels()["of"], "a");
    }
}
