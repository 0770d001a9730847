//! The operator: leads or stands by, and looks after its objects while it leads.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bluegreen_core::Liveness;
use bluegreen_kube::{LeaseLiveness, PREFIX, Settings};
use futures_util::{StreamExt as _, stream};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::{Config, Controller, watcher};
use kube::{Api, Client, ResourceExt as _};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::cli::Options;
use crate::client;
use crate::crd::AgentRelease;
use crate::drive::Drivers;
use crate::leader::Leadership;
use crate::reconcile::{Context, failed, reconcile};

/// How many objects are looked at at the same time.
const LOOKS: u16 = 16;
/// How long giving back the lease of this process may take.
const RESIGN: Duration = Duration::from_secs(3);

/// Runs until it is told to stop, or another process leads.
///
/// # Errors
/// When there is no cluster, or the lead is lost: nothing may go on then, and whoever started this
/// process starts it again.
pub(crate) async fn run(options: Options) -> Result<(), String> {
    let mut terminate = signal(SignalKind::terminate()).map_err(|error| error.to_string())?;
    let client = client::connect().await.map_err(|error| bluegreen_core::chain(&*error))?;
    let default = || client.default_namespace().to_owned();
    let namespace = options.namespace.clone().unwrap_or_else(default);
    let lease = |holder: String| -> Arc<dyn Liveness> {
        let settings = Settings::new("operator", namespace.as_str());
        let lease = LeaseLiveness::new(client.clone(), settings, holder);
        Arc::new(lease.with_time_to_live(options.lease))
    };
    let leadership = Leadership::new(lease("operator".to_owned()));
    let liveness = lease(unique(&options.identity));
    let stopped = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
    };
    let working = async {
        let since = leadership.gained().await;
        crate::tell("leader", &format_args!("{} leads in {namespace}", liveness.holder()));
        tokio::select! {
            why = leadership.lost(since) => Err(format!("another process leads: {why}")),
            () = work(&client, &namespace, &options, liveness.clone()) => {
                Err("the watch of AgentReleases has ended".to_owned())
            }
        }
    };
    // Whatever is dropped here is dropped anywhere: releases stay where they are, to be resumed.
    let ended = tokio::select! {
        ended = working => ended,
        () = stopped => Ok(()),
    };
    let _ = timeout(RESIGN, liveness.resign()).await;
    leadership.resign().await;
    ended
}

/// Looks after all objects, for as long as it is awaited.
pub(crate) async fn work(
    client: &Client,
    namespace: &str,
    options: &Options,
    liveness: Arc<dyn Liveness>,
) {
    let (ended, news) = mpsc::unbounded_channel();
    let news = stream::unfold(news, async |mut news| Some((news.recv().await?, news)));
    let objects: Api<AgentRelease> = Api::namespaced(client.clone(), namespace);
    let controller = Controller::new(objects, watcher::Config::default())
        .with_config(Config::default().concurrency(LOOKS))
        .reconcile_on(news);
    let all = controller.store();
    let context = Context {
        client: client.clone(),
        namespace: namespace.to_owned(),
        cluster_name: options.cluster.clone(),
        liveness,
        drivers: Drivers::new(usize::try_from(options.releases).unwrap_or(usize::MAX), ended),
        objects: all.clone(),
        agents: std::sync::Mutex::default(),
    };
    // Records change while a release goes on, whoever drives it.
    let records: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let labels = watcher::Config::default().labels(&format!("{PREFIX}purpose=record"));
    controller
        .watches(records, labels, move |record| of_record(&record, &all))
        .run(reconcile, failed, Arc::new(context))
        .for_each(|done| {
            if let Err(error) = done {
                crate::tell("watch", &bluegreen_core::chain(&error));
            }
            std::future::ready(())
        })
        .await;
}

/// The objects that a record is about.
fn of_record(record: &ConfigMap, all: &Store<AgentRelease>) -> Vec<ObjectRef<AgentRelease>> {
    let Some(agent) = record.labels().get(&format!("{PREFIX}agent")) else { return Vec::new() };
    let all = all.state();
    let own = all.iter().filter(|object| object.spec.service == *agent);
    own.map(|object| ObjectRef::from_obj(&**object)).collect()
}

/// What this process calls itself: another start of it is another process.
fn unique(identity: &str) -> String {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    format!("{identity}-{}-{}", std::process::id(), since.as_millis())
}
