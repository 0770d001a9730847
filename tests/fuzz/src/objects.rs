//! Objects of an API server that lies: what the libraries make of them, and what they write then.

use std::future::Future;
use std::time::Duration;

use bluegreen_core::AgentClient as _;
use bluegreen_core::{
    Change, Color, Epoch, Error, EvidenceKind, Intent, Plan, ReleaseId, ReleaseStore as _,
    ResolvedChange, Result, Role, Routing, Share, Slot as _,
};
use bluegreen_kube::{Cluster, Route};
use serde_json::Value;

use crate::server::Server;
use crate::{shown, within};

pub(crate) fn run(given: &[u8]) {
    let Ok(Value::Array(objects)) = serde_json::from_slice(given) else { return };
    let server = Server::of(objects);
    within(24 * 3600, async {
        if let Err(error) = Cluster::connect(server.client(), "ns", "agent").await {
            shown(&error, given);
        }
        let cluster = Cluster::builder(server.client(), "ns", "agent")
            .deployment(Color::Blue, "agent-blue")
            .deployment(Color::Green, "agent-green")
            .clients(|client| client.with_route(Route::PodIp))
            .holder("fuzz")
            .connect()
            .await;
        let Ok(cluster) = cluster else { return };
        let tried = Tried { given };
        for color in Color::BOTH {
            slot(&cluster, color, &tried).await;
        }
        switch(&cluster, &tried).await;
        Box::pin(rest(&cluster, &tried)).await;
    })
    .expect("every call ends");
}

/// What comes of a call is a value or an error, within a minute.
struct Tried<'a> {
    given: &'a [u8],
}

impl Tried<'_> {
    async fn call<T>(&self, call: impl Future<Output = Result<T, impl Into<Tell>>>) -> Option<T> {
        match tokio::time::timeout(Duration::from_secs(40), call).await.ok()? {
            Ok(value) => Some(value),
            Err(error) => {
                let Tell(error) = error.into();
                shown(&*error, self.given);
                None
            }
        }
    }
}

/// Any error.
struct Tell(Box<dyn std::error::Error>);

impl From<Error> for Tell {
    fn from(error: Error) -> Self {
        Self(Box::new(error))
    }
}

impl From<bluegreen_core::OperationError> for Tell {
    fn from(error: bluegreen_core::OperationError) -> Self {
        Self(Box::new(error))
    }
}

impl From<bluegreen_kube::ConnectError> for Tell {
    fn from(error: bluegreen_kube::ConnectError) -> Self {
        Self(Box::new(error))
    }
}

async fn slot(cluster: &Cluster, color: Color, tried: &Tried<'_>) {
    let slot = cluster.slot(color);
    let Some(state) = tried.call(slot.state()).await else { return };
    let _ = (format!("{state:?}"), state.digest(), state.binding());
    let change = Change::image("agent", "agent:9").resolve(&state.running, "AGENT_VERSION");
    let change = change.unwrap_or_else(|_| ResolvedChange::exactly(state.running.clone()));
    for role in [Role::Idle, Role::Live] {
        let plan = Plan::all_at_once().longest_stream(Duration::from_secs(100));
        let intent = Intent::new(role, change.clone(), u32::MAX, plan);
        let problems = tried.call(slot.check(&intent)).await.unwrap_or_default();
        drop(problems.iter().map(ToString::to_string).collect::<Vec<_>>());
    }
    let epoch = Epoch::new(3);
    tried.call(slot.fence(epoch)).await;
    tried.call(slot.deploy(&change, 2, epoch)).await;
    tried.call(slot.await_ready()).await;
    tried.call(slot.watch(&state)).await;
    tried.call(slot.scale(5, epoch)).await;
    tried.call(slot.freeze(epoch)).await;
    tried.call(slot.thaw(epoch)).await;
    tried.call(slot.commit(epoch)).await;
    tried.call(slot.revert(epoch)).await;
    tried.call(cluster.agent_client(color).pods()).await;
}

async fn switch(cluster: &Cluster, tried: &Tried<'_>) {
    let switch = cluster.switch();
    let (blue, green) = (Routing::all(Color::Blue), Routing::all(Color::Green));
    let epoch = Epoch::new(3);
    let observed = tried.call(switch.observe()).await;
    // Evidence by answers would connect to whatever address is given: `wire` asks for that.
    let both = [blue.clone(), green.clone().with_candidate(Share::ALL)];
    let problems = tried.call(switch.check(&both, &EvidenceKind::Endpoints)).await;
    drop(problems.unwrap_or_default().iter().map(ToString::to_string).collect::<Vec<_>>());
    tried.call(switch.fence(epoch)).await;
    tried.call(switch.prepare(Color::Green, epoch)).await;
    tried.call(switch.await_known(Color::Green, &["u".to_owned()])).await;
    tried.call(switch.shift(&blue, &green, epoch)).await;
    tried.call(switch.shift(&green, &blue, epoch)).await;
    tried.call(switch.converge(&green, &EvidenceKind::Endpoints)).await;
    if let Some(observed) = observed {
        tried.call(switch.watch(&observed)).await;
    }
}

async fn rest(cluster: &Cluster, tried: &Tried<'_>) {
    let store = cluster.store();
    if let Some(Some(stored)) = tried.call(store.load()).await {
        tried.call(store.watch(Some(stored.revision))).await;
    }
    tried.call(store.list()).await;
    let release = ReleaseId::new("r1");
    tried.call(store.blob(&release, "report")).await;
    tried.call(store.put_blob(&release, "report", b"text".to_vec().into())).await;
    let liveness = cluster.liveness();
    for _ in 0..2 {
        tried.call(liveness.vitality(&"other".into())).await;
        tried.call(liveness.renew()).await;
    }
    tried.call(liveness.resign()).await;
    if let Some(status) = tried.call(cluster.operations().status()).await {
        let _ = status.to_string();
    }
    let change = Change::image("agent", "agent:9");
    tried.call(cluster.releaser().check(&change, &Plan::all_at_once())).await;
    tried.call(cluster.init()).await;
    tried.call(Box::pin(cluster.detach())).await;
}
