//! What is stored of an agent, to see that nothing of it was touched.

use std::collections::BTreeMap;

use bluegreen_tests::Agent;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Service};
use kube::api::ListParams;
use kube::{Resource, ResourceExt as _};
use serde::de::DeserializeOwned;

/// The version of everything that a release writes, by kind and name.
pub(crate) async fn objects(agent: &Agent) -> BTreeMap<String, String> {
    let mut all = workloads(agent).await;
    read::<ConfigMap>(agent, &mut all, |it| it.resource_version().unwrap()).await;
    read::<Lease>(agent, &mut all, |it| it.resource_version().unwrap()).await;
    all
}

/// The Services as they are, and what the Deployments want.
pub(crate) async fn workloads(agent: &Agent) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    // Its controller writes the status of a Deployment, and its revision, whenever it likes.
    read::<Deployment>(agent, &mut all, |it| {
        let mut annotations = it.annotations().clone();
        annotations.remove("deployment.kubernetes.io/revision");
        format!("{} {annotations:?}", serde_json::to_string(&it.spec).unwrap())
    })
    .await;
    read::<Service>(agent, &mut all, |it| it.resource_version().unwrap()).await;
    all
}

async fn read<K>(agent: &Agent, all: &mut BTreeMap<String, String>, text: fn(&K) -> String)
where
    K: Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>
        + Clone
        + std::fmt::Debug
        + DeserializeOwned,
{
    for object in agent.api::<K>().list(&ListParams::default()).await.unwrap() {
        all.insert(format!("{} {}", K::kind(&()), object.name_any()), text(&object));
    }
}
