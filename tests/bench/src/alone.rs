//! Nothing else happens on the cluster: kube-proxy puts off what comes within a second of another
//! change, whoever made that.

use std::collections::BTreeSet;

use bluegreen_tests::Access;
use futures_util::{StreamExt as _, pin_mut};
use k8s_openapi::api::core::v1::Namespace;
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, ResourceExt as _};

use crate::floor::QUIET;

/// Returns once the namespaces of what was measured before are gone, and a while after that.
pub(crate) async fn alone() {
    let all: Api<Namespace> = Api::all(Access::admin().await.client());
    let events = watcher(all, watcher::Config::default()).default_backoff();
    pin_mut!(events);
    let mut there = BTreeSet::new();
    loop {
        match events.next().await.unwrap().unwrap() {
            // Nothing is known before all that there is was told.
            watcher::Event::Init => {
                there.clear();
                continue;
            }
            watcher::Event::InitApply(it) | watcher::Event::Apply(it) => {
                there.insert(it.name_any());
                continue;
            }
            watcher::Event::Delete(it) => {
                there.remove(&it.name_any());
            }
            watcher::Event::InitDone => {}
        }
        if !there.iter().any(|name| name.starts_with("test-")) {
            break;
        }
    }
    tokio::time::sleep(QUIET).await;
}
