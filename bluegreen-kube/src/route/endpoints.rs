//! The endpoints behind the slots, as they change.

use bluegreen_core::{Color, Result};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::ResourceExt as _;
use kube::api::ListParams;
use kube::runtime::watcher;

use super::RouteWeights;
use super::rule::Backend;
use crate::error::read;
use crate::slices::{Listed, SERVICE_NAME};
use crate::watching::{Watched, any};

/// What lists the endpoints of slots.
pub(super) enum Endpoints {
    /// The slices of their Services.
    Slices(Watched<EndpointSlice>),
    /// Their pods, where an `InferencePool` selects them itself.
    Pods(Watched<Pod>),
}

impl Endpoints {
    /// Returns once something has changed, and the first time once all are listed.
    ///
    /// # Cancel safety
    /// What was read is kept.
    pub(super) async fn changed(&mut self) -> Result<()> {
        match self {
            Self::Slices(watched) => watched.changed().await.map(|_| ()),
            Self::Pods(watched) => watched.changed().await.map(|_| ()),
        }
    }

    /// The endpoints of one slot as they are now.
    pub(super) fn of(&self, switch: &RouteWeights, color: Color) -> Listed {
        match self {
            Self::Slices(watched) => {
                Listed::of(watched.objects().values(), switch.slots.names.of(color))
            }
            Self::Pods(watched) => {
                let pods = watched.objects().values();
                Listed::of_pods(pods.filter(|pod| switch.is_of(pod, color)))
            }
        }
    }
}

impl RouteWeights {
    /// Watches the endpoints of these slots.
    pub(super) async fn watch_endpoints(&self, colors: &[Color]) -> Result<Endpoints> {
        let namespace = &self.settings.namespace;
        Ok(match self.slots.backend {
            Backend::Service => {
                let names = colors.iter().map(|color| self.slots.names.of(*color).as_str());
                let names = names.collect::<Vec<_>>().join(",");
                let query = format!("{SERVICE_NAME} in ({names})");
                let config = any(watcher::Config::default().labels(&query));
                let action = format!("watch endpointslices of {names} in {namespace}");
                Endpoints::Slices(Watched::new(self.slices_api.clone(), config, action))
            }
            Backend::InferencePool => {
                let query = self.query().await?;
                let config = any(watcher::Config::default().labels(&query));
                let action = format!("watch pods {query} in {namespace}");
                Endpoints::Pods(Watched::new(self.pods_api.clone(), config, action))
            }
        })
    }

    /// Whether any endpoint of a slot serves.
    pub(super) async fn serves(&self, color: Color) -> Result<bool> {
        if self.slots.backend == Backend::InferencePool {
            let pods = self.slot_pods(ListParams::default().match_any()).await?;
            return Ok(Listed::of_pods(pods.of(color)).serves_any());
        }
        let backend = self.slots.names.of(color);
        let params = ListParams::default().labels(&format!("{SERVICE_NAME}={backend}")).match_any();
        let action = format!("list endpointslices of {backend} in {}", self.settings.namespace);
        let call = self.slices_api.list(&params);
        let slices = read(self.settings.call, action, call).await?;
        Ok(Listed::of(&slices.items, backend).serves_any())
    }

    fn is_of(&self, pod: &Pod, color: Color) -> bool {
        pod.labels().get(&self.settings.slot_label).map(String::as_str) == Some(color.as_str())
    }
}
