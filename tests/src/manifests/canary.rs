//! A canary Ingress, as ingress-nginx reads it, beside that of an agent.

use k8s_openapi::api::networking::v1::IngressClass;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use serde_json::{Value, json};

use super::{Manifests, ROLE_OF_INGRESS, ingress, read};

/// The canary Ingress, and the Service of its own that it leads to.
pub const CANARY: &str = "agent-canary";
/// The class of both Ingresses.
const CLASS: &str = "nginx";

impl Manifests {
    /// The same, with an Ingress that leads to the live Service, a canary beside it that gets nothing,
    /// and the Role for Ingresses.
    #[must_use]
    pub fn behind_canary(mut self) -> Self {
        let mut service = self.object("Service", crate::SERVICE).clone();
        service["metadata"]["name"] = CANARY.into();
        let mut canary = leading(CANARY, CANARY);
        canary["metadata"]["annotations"] = json!({
            "nginx.ingress.kubernetes.io/canary": "true",
            "nginx.ingress.kubernetes.io/canary-weight": "0",
        });
        self.0.extend(read(ROLE_OF_INGRESS));
        self.with(service).with(leading(crate::INGRESS, crate::SERVICE)).with(canary)
    }

    /// The same, where the first Ingress leads to the Service of a slot, and its path is what moves.
    #[must_use]
    pub fn behind_canary_of_slots(self) -> Self {
        let mut all = self.behind_canary();
        all.add_slot_services();
        let blue = format!("{}-blue", crate::SERVICE);
        *all.object("Ingress", crate::INGRESS) = leading(crate::INGRESS, &blue);
        all
    }
}

/// An Ingress of the class that leads everything to a Service.
fn leading(name: &str, service: &str) -> Value {
    let mut made = ingress(name);
    let spec = &mut made["spec"];
    spec["ingressClassName"] = CLASS.into();
    spec["rules"][0]["http"]["paths"][0]["backend"]["service"]["name"] = service.into();
    made
}

/// Defines the class in the cluster, as one of ingress-nginx.
pub async fn define_nginx(client: &Client) {
    let class = json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "IngressClass",
        "metadata": {"name": CLASS}, "spec": {"controller": "k8s.io/ingress-nginx"},
    });
    let classes: Api<IngressClass> = Api::all(client.clone());
    let applied = classes.patch(CLASS, &PatchParams::apply("tests"), &Patch::Apply(class)).await;
    applied.unwrap();
}
