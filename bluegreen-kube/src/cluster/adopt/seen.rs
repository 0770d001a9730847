//! Everything that an adoption concerns, as it is.

use std::collections::BTreeMap;

use bluegreen_core::{Color, Error, ErrorKind, Pair, Result};
use futures_util::future::try_join_all;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::Service;
use kube::api::ListParams;
use kube::core::DynamicObject;
use kube::discovery::ApiResource;
use kube::{Api, Client, ResourceExt as _};

use crate::cluster::{Cluster, discover};
use crate::{Settings, error};

pub(super) struct Seen {
    pub(super) old: DynamicObject,
    pub(super) slots: Pair<Option<DynamicObject>>,
    pub(super) services: Vec<Live>,
    /// Those of the old Deployment.
    pub(super) autoscalers: Vec<DynamicObject>,
}

/// A live Service.
pub(super) struct Live {
    pub(super) object: Service,
    pub(super) selector: BTreeMap<String, String>,
}

impl Live {
    /// Whether its selector names a slot.
    pub(super) fn names_slot(&self, cluster: &Cluster) -> bool {
        self.selector.contains_key(&cluster.settings.slot_label)
    }
}

impl Seen {
    pub(super) async fn read(
        client: &Client,
        settings: &Settings,
        old: &str,
        slots: Pair<&str>,
        services: &[String],
    ) -> Result<Self> {
        let namespace = &settings.namespace;
        let apis: Api<Service> = Api::namespaced(client.clone(), namespace);
        let services = services.iter().map(async |name| {
            let action = format!("read service {name}");
            let object = error::read(settings.call, action, apis.get(name)).await?;
            let selector = object.spec.as_ref().and_then(|spec| spec.selector.clone());
            Ok(Live { object, selector: selector.unwrap_or_default() })
        });
        let autoscalers = autoscalers(client, settings);
        let (action, all) =
            (format!("list horizontalpodautoscalers in {namespace}"), ListParams::default());
        let (deployments, services, autoscalers) = tokio::try_join!(
            discover::list(client, settings),
            try_join_all(services),
            error::read(settings.call, action, autoscalers.list(&all)),
        )?;
        let find = |name: &str| deployments.iter().find(|it| it.name_any() == name).cloned();
        let Some(found) = find(old) else {
            let action = format!("read deployment {old} in {namespace}");
            let names: Vec<String> = deployments.iter().map(DynamicObject::name_any).collect();
            let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            return Err(Error::new(ErrorKind::NotFound, action)
                .with_source(format!("found no such Deployment, but {names}")));
        };
        let scales = |it: &DynamicObject| {
            let target = &it.data["spec"]["scaleTargetRef"];
            target["kind"] == "Deployment" && target["name"] == old
        };
        Ok(Self {
            old: found,
            slots: Pair::new(find(slots.blue), find(slots.green)),
            services,
            autoscalers: autoscalers.items.into_iter().filter(scales).collect(),
        })
    }

    /// How many pods the old Deployment is to have.
    pub(super) fn replicas(&self) -> u32 {
        replicas(&self.old)
    }

    /// Whether all live Services name this slot.
    pub(super) fn is_selected(&self, cluster: &Cluster, color: Color) -> bool {
        let slot = &cluster.settings.slot_label;
        let names = |it: &Live| it.selector.get(slot).map(String::as_str) == Some(color.as_str());
        self.services.iter().all(names)
    }
}

/// As JSON, like Deployments: not all versions of Kubernetes have the same types.
pub(super) fn autoscalers(client: &Client, settings: &Settings) -> Api<DynamicObject> {
    let resource = ApiResource::erase::<HorizontalPodAutoscaler>(&());
    Api::namespaced_with(client.clone(), &settings.namespace, &resource)
}

/// How many pods a Deployment is to have.
pub(super) fn replicas(deployment: &DynamicObject) -> u32 {
    let found = deployment.data["spec"]["replicas"].as_u64();
    found.and_then(|it| u32::try_from(it).ok()).unwrap_or(1)
}
