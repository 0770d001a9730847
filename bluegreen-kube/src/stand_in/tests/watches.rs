use std::pin::pin;
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt as _};
use kube::ResourceExt as _;
use kube::api::{DeleteParams, ListParams, WatchEvent, WatchParams};
use kube::runtime::watcher::{self, Event};

use super::*;

const SOON: Duration = Duration::from_secs(5);

fn describe(event: &WatchEvent<ConfigMap>) -> String {
    match event {
        WatchEvent::Added(object) => format!("added {}", object.name_any()),
        WatchEvent::Modified(object) => format!("modified {}", object.name_any()),
        WatchEvent::Deleted(object) => format!("deleted {}", object.name_any()),
        WatchEvent::Bookmark(mark) => format!("mark {}", mark.metadata.resource_version),
        WatchEvent::Error(status) => format!("error {}", status.code),
    }
}

async fn collected(
    api: &Api<ConfigMap>,
    params: WatchParams,
    from: &str,
    count: usize,
) -> Vec<String> {
    let events = api.watch(&params, from).await.unwrap().take(count);
    let events: Vec<_> = tokio::time::timeout(SOON, events.try_collect()).await.unwrap().unwrap();
    events.iter().map(describe).collect()
}

#[tokio::test]
async fn a_watch_brings_what_came_after_its_version_and_what_comes() {
    let stand_in = StandIn::new();
    let maps = maps(&stand_in.client(NAMESPACE));
    let made = maps.create(&PostParams::default(), &map("a", "1")).await.unwrap();
    maps.create(&PostParams::default(), &map("b", "1")).await.unwrap();
    let version = made.resource_version().unwrap();
    let later = async {
        let change = Patch::Merge(json!({ "data": { "key": "2" } }));
        maps.patch("a", &PatchParams::default(), &change).await.unwrap();
        maps.delete("b", &DeleteParams::default()).await.unwrap();
    };
    let (events, ()) = tokio::join!(collected(&maps, WatchParams::default(), &version, 3), later);
    assert_eq!(events, ["added b", "modified a", "deleted b"]);
}

#[tokio::test]
async fn without_a_version_a_watch_begins_with_what_is_there() {
    let stand_in = StandIn::new();
    let maps = maps(&stand_in.client(NAMESPACE));
    maps.create(&PostParams::default(), &map("a", "1")).await.unwrap();
    assert_eq!(collected(&maps, WatchParams::default(), "0", 1).await, ["added a"]);
    let streaming = WatchParams::streaming_lists();
    let events = collected(&maps, streaming, "", 2).await;
    assert_eq!(events[0], "added a");
    assert!(events[1].starts_with("mark "), "{events:?}");
}

#[tokio::test]
async fn what_no_longer_fits_the_selector_is_deleted_for_the_watch() {
    let stand_in = StandIn::new();
    let maps = maps(&stand_in.client(NAMESPACE));
    let made = maps.create(&PostParams::default(), &map("a", "1")).await.unwrap();
    for value in ["x", "a"] {
        let relabel = Patch::Merge(json!({ "metadata": { "labels": { "app": value } } }));
        maps.patch("a", &PatchParams::default(), &relabel).await.unwrap();
    }
    let params = WatchParams::default().labels("app=a");
    let events = collected(&maps, params, &made.resource_version().unwrap(), 2).await;
    assert_eq!(events, ["deleted a", "added a"]);
}

#[tokio::test]
async fn a_version_that_is_forgotten_is_410_and_a_watcher_lists_again() {
    let stand_in = StandIn::new();
    let maps = maps(&stand_in.client(NAMESPACE));
    let made = maps.create(&PostParams::default(), &map("a", "1")).await.unwrap();
    maps.create(&PostParams::default(), &map("b", "1")).await.unwrap();
    stand_in.compact();
    let version = made.resource_version().unwrap();
    assert_eq!(collected(&maps, WatchParams::default(), &version, 2).await, ["error 410"]);
}

#[tokio::test(start_paused = true)]
async fn a_watch_ends_when_its_time_is_over_with_a_bookmark() {
    let stand_in = StandIn::new();
    let maps = maps(&stand_in.client(NAMESPACE));
    let list = maps.list(&ListParams::default()).await.unwrap();
    let version = list.metadata.resource_version.unwrap();
    let params = WatchParams::default().timeout(3);
    assert_eq!(collected(&maps, params, &version, 2).await, [format!("mark {version}")]);
}

#[tokio::test]
async fn a_watcher_of_kube_survives_a_stop() {
    let stand_in = StandIn::new();
    let maps = maps(&stand_in.client(NAMESPACE));
    maps.create(&PostParams::default(), &map("a", "1")).await.unwrap();
    let mut events = pin!(watcher::watcher(maps.clone(), watcher::Config::default()));
    let next = async |events: &mut std::pin::Pin<&mut _>| {
        tokio::time::timeout(SOON, StreamExt::next(events)).await.unwrap().unwrap()
    };
    assert!(matches!(next(&mut events).await, Ok(Event::Init)));
    assert!(matches!(next(&mut events).await, Ok(Event::InitApply(_))));
    assert!(matches!(next(&mut events).await, Ok(Event::InitDone)));
    stand_in.stop();
    assert!(next(&mut events).await.is_err());
    assert!(maps.get("a").await.is_err());
    stand_in.start();
    maps.create(&PostParams::default(), &map("b", "1")).await.unwrap();
    let mut found: Result<Event<ConfigMap>, watcher::Error> = next(&mut events).await;
    while found.is_err() {
        found = next(&mut events).await;
    }
    assert!(matches!(found, Ok(Event::Apply(object)) if object.name_any() == "b"));
}
