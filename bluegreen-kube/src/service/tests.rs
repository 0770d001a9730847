use std::time::Duration;

use bluegreen_core::Color::{Blue, Green};
use serde_json::{Value, json};

use super::*;
use crate::fixtures::deployment;
use crate::stand_in::StandIn;

mod answering;
mod checks;
mod hostile;
mod reading;
mod slotless;
mod writing;

const NAMESPACE: &str = "ai-agents";
const AGENT: &str = "agent-service";

fn settings() -> Settings {
    Settings::new(AGENT, NAMESPACE)
}

fn service(name: &str, selector: &Value) -> Value {
    json!({
        "metadata": {"name": name},
        "spec": {"selector": selector, "ports": [{"port": 80, "targetPort": "http"}]},
    })
}

async fn create<K>(stand_in: &StandIn, object: Value)
where
    K: kube::Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>
        + Clone
        + fmt::Debug
        + serde::Serialize
        + serde::de::DeserializeOwned,
{
    let api: Api<K> = Api::namespaced(stand_in.client(NAMESPACE), NAMESPACE);
    let object: K = serde_json::from_value(object).unwrap();
    api.create(&kube::api::PostParams::default(), &object).await.unwrap();
}

/// Two slots, and blue is live.
async fn world() -> StandIn {
    let stand_in = StandIn::new();
    for color in Color::BOTH {
        create::<k8s_openapi::api::apps::v1::Deployment>(&stand_in, deployment(color)).await;
    }
    let selector = json!({"app": "agent", "slot": "blue"});
    create::<Service>(&stand_in, service(AGENT, &selector)).await;
    stand_in
}

fn switch(stand_in: &StandIn) -> ServiceSwitch {
    ServiceSwitch::new(stand_in.client(NAMESPACE), settings())
}

fn edit(stand_in: &StandIn, name: &str, patch: &Value) {
    assert!(stand_in.edit("kubectl-edit", "services", NAMESPACE, name, patch));
}

fn selector(stand_in: &StandIn, name: &str) -> Value {
    stand_in.object("services", NAMESPACE, name).unwrap()["spec"]["selector"].clone()
}
