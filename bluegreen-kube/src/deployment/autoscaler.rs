//! Which autoscalers work on a Deployment.

use bluegreen_core::Result;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use kube::api::ListParams;
use kube::core::DynamicObject;
use kube::discovery::ApiResource;
use kube::{Api, ResourceExt as _};

use super::DeploymentSlot;
use crate::error;

/// The names of the autoscalers that target the Deployment `name`.
///
/// Read as JSON, because their type differs between the versions of Kubernetes.
pub(super) async fn of(slot: &DeploymentSlot, name: &str) -> Result<Vec<String>> {
    let resource = ApiResource::erase::<HorizontalPodAutoscaler>(&());
    let api: Api<DynamicObject> =
        Api::namespaced_with(slot.client.clone(), &slot.settings.namespace, &resource);
    let list = error::read(
        slot.settings.call,
        "list horizontalpodautoscalers",
        api.list(&ListParams::default().match_any()),
    )
    .await?;
    let targets = |autoscaler: &&DynamicObject| {
        let target = &autoscaler.data["spec"]["scaleTargetRef"];
        target["kind"] == "Deployment" && target["name"] == name
    };
    Ok(list.items.iter().filter(targets).map(DynamicObject::name_any).collect())
}
