//! Which autoscalers work on a Deployment.

use bluegreen_core::Result;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use kube::api::ListParams;
use kube::core::DynamicObject;
use kube::discovery::ApiResource;
use kube::{Api, ResourceExt as _};

use super::DeploymentSlot;
use super::recent::FRESH;
use crate::error;

/// The names of the autoscalers that target the Deployment `name`.
///
/// Read as JSON, because their type differs between the versions of Kubernetes.
pub(super) async fn of(slot: &DeploymentSlot, name: &str) -> Result<Vec<String>> {
    let resource = ApiResource::erase::<HorizontalPodAutoscaler>(&());
    let api: Api<DynamicObject> =
        Api::namespaced_with(slot.client.clone(), &slot.settings.namespace, &resource);
    let params = ListParams::default().match_any();
    let listing = async {
        let action = "list horizontalpodautoscalers";
        Ok(error::read(slot.settings.call, action, api.list(&params)).await?.items)
    };
    let all = slot.recent.autoscalers.get_or(FRESH, listing).await?;
    let targets = |autoscaler: &&DynamicObject| {
        let target = &autoscaler.data["spec"]["scaleTargetRef"];
        target["kind"] == "Deployment" && target["name"] == name
    };
    Ok(all.iter().filter(targets).map(DynamicObject::name_any).collect())
}
