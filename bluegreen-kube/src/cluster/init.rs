//! The missing second Deployment, and a selector that names the slot.

use std::collections::BTreeMap;

use bluegreen_core::{Color, Error, ErrorKind, Result};
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::api::{ObjectMeta, PostParams};
use kube::core::DynamicObject;
use kube::{Api, ResourceExt as _};
use serde_json::{Value, json};

use super::{Cluster, Done, discover};
use crate::deployment::Secrets;
use crate::names::MANAGED_BY;
use crate::slotless::{self, Leads};
use crate::{FIELD_MANAGER, error, json_patch};

/// Labels and annotations with these prefixes say of an object who made it, or what was done
/// to it. That is not true of a copy.
const NOT_COPIED: [&str; 7] = [
    // By it Argo CD takes an object for one of its own, and deletes it where it is not in git.
    "app.kubernetes.io/instance",
    "deployment.kubernetes.io/",
    "kubectl.kubernetes.io/",
    "argocd.argoproj.io/",
    "kustomize.toolkit.fluxcd.io/",
    "helm.toolkit.fluxcd.io/",
    "meta.helm.sh/",
];

impl Cluster {
    /// Makes the agent ready for its first release: what is missing of the two Deployments is
    /// made as a copy of the other one without pods, and live Services whose selectors name no
    /// slot get the slot label, when all pods that they select are of one slot. Where workers pull, the
    /// slot that alone has replicas gets the right to, if no slot was named before.
    ///
    /// Traffic does not change. What is there already stays as it is, so it can be done again.
    ///
    /// # Errors
    /// [`Rejected`](ErrorKind::Rejected) when a Service that names no slot selects pods of both
    /// slots, of none, or none at all: then it is not known which slot is live. So it is where no slot
    /// has the right to pull and both have replicas, or none has.
    pub async fn init(&self) -> Result<Vec<Done>> {
        let mut done = Vec::new();
        let all = discover::list(&self.client, &self.settings).await?;
        let of = |color| all.iter().find(|it| it.name_any() == self.slots.of(color).name());
        match (of(Color::Blue), of(Color::Green)) {
            (Some(_), Some(_)) => {}
            (Some(blue), None) => done.push(self.copy(blue, Color::Green).await?),
            (None, Some(green)) => done.push(self.copy(green, Color::Blue).await?),
            (None, None) => {
                let names = [Color::Blue, Color::Green].map(|color| self.slots.of(color).name());
                let action = format!("read deployments {}", names.join(" and "));
                return Err(Error::new(ErrorKind::NotFound, action));
            }
        }
        for service in &self.services {
            done.extend(self.select(service).await?);
        }
        if let Some(queue) = &self.queue
            && let Some(color) = queue.begin(&all).await?
        {
            done.push(Done::Granted { config_map: queue.config_map().to_owned(), color });
        }
        Ok(done)
    }

    pub(super) async fn copy(&self, from: &DynamicObject, color: Color) -> Result<Done> {
        let (name, source) = (self.slots.of(color).name().to_owned(), from.name_any());
        let action = format!("create deployment {name}");
        let refuse = |why: String| Error::new(ErrorKind::Rejected, &action).with_source(why);
        if from.annotations().contains_key(&self.settings.found_annotation()) {
            let why = format!("deployment {source}: found an open deploy, wanted none");
            return Err(refuse(why));
        }
        let slot = &self.settings.slot_label;
        if from.data["spec"]["selector"]["matchLabels"][slot] != *color.other().as_str() {
            return Err(refuse(format!(
                "deployment {source}, spec.selector: found no label {slot}={}, wanted it: a copy \
                 would fight for its pods",
                color.other()
            )));
        }
        let mut copy = self.twin_of(from, &name, color);
        // What one slot was made from, the other is made from, too.
        let note = self.settings.adopted_annotation();
        if let Some(adopted) = from.annotations().get(&note) {
            copy.annotations_mut().insert(note, adopted.clone());
        }
        self.create(&copy, &name).await?;
        Ok(Done::Created { color, deployment: name, from: source })
    }

    pub(super) async fn create(&self, deployment: &DynamicObject, name: &str) -> Result<()> {
        let action = format!("create deployment {name}");
        let api = discover::api(&self.client, &self.settings);
        let post = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), dry_run: false };
        let done = error::write(self.settings.call, action, api.create(&post, deployment)).await;
        done.map(drop).map_err(|error| Secrets::in_value(&deployment.data).hide(error))
    }

    /// The labels or annotations that are as true of a copy.
    pub(super) fn kept(&self, map: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        let is_own = |key: &str| {
            key.starts_with(&self.settings.prefix)
                || NOT_COPIED.iter().any(|prefix| key.starts_with(prefix))
        };
        let kept = map.iter().filter(|(key, _)| !is_own(key));
        kept.map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    pub(super) fn twin_of(&self, from: &DynamicObject, name: &str, color: Color) -> DynamicObject {
        let mut labels = self.kept(from.labels());
        labels.insert(self.settings.slot_label.clone(), color.to_string());
        if let Some(manager) = labels.get_mut(MANAGED_BY) {
            FIELD_MANAGER.clone_into(manager);
        }
        let mut spec = from.data["spec"].clone();
        recolor(&mut spec, &self.settings.slot_label, color);
        spec["replicas"] = 0.into();
        DynamicObject {
            types: from.types.clone(),
            metadata: ObjectMeta {
                name: Some(name.to_owned()),
                namespace: Some(self.settings.namespace.clone()),
                labels: Some(labels),
                annotations: Some(self.kept(from.annotations())).filter(|map| !map.is_empty()),
                ..ObjectMeta::default()
            },
            data: json!({"spec": spec}),
        }
    }

    /// Adds the slot to a selector that lacks it.
    async fn select(&self, service: &str) -> Result<Option<Done>> {
        let (settings, namespace) = (&self.settings, &self.settings.namespace);
        let slot = &settings.slot_label;
        let services: Api<Service> = Api::namespaced(self.client.clone(), namespace);
        let read = format!("read service {service}");
        let found = error::read(settings.call, read, services.get(service)).await?;
        let selector = found.spec.as_ref().and_then(|spec| spec.selector.clone());
        let selector = selector.unwrap_or_default();
        if selector.contains_key(slot) {
            return Ok(None);
        }
        let color = self.only_color(&format!("patch service {service}"), &selector).await?;
        self.name_slot(&found, color).await.map(Some)
    }

    /// Adds the slot label to the selector of a Service, if the selector is as it was found.
    pub(super) async fn name_slot(&self, found: &Service, color: Color) -> Result<Done> {
        let (settings, slot) = (&self.settings, &self.settings.slot_label);
        let service = found.name_any();
        let selector = found.spec.as_ref().and_then(|spec| spec.selector.clone());
        let selector = selector.unwrap_or_default();
        let action = format!("patch service {service}");
        let mut wanted = selector.clone();
        wanted.insert(slot.clone(), color.to_string());
        let operations = vec![
            json!({"op": "test", "path": "/metadata/uid", "value": found.metadata.uid}),
            json!({"op": "test", "path": "/spec/selector", "value": selector}),
            json!({"op": "replace", "path": "/spec/selector", "value": wanted}),
        ];
        let (params, patch) = (json_patch::params(false), json_patch::of(operations, &action)?);
        let services: Api<Service> = Api::namespaced(self.client.clone(), &settings.namespace);
        let call = json_patch::send(&self.client, &services, &service, &params, &patch);
        error::write(settings.call, action, call).await?;
        Ok(Done::Selected { service, color })
    }

    /// The slot of all the pods that a selector without one finds.
    async fn only_color(&self, action: &str, selector: &BTreeMap<String, String>) -> Result<Color> {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &self.settings.namespace);
        let found = match slotless::leads(&pods, &self.settings, selector).await? {
            Leads::To(color) => return Ok(color),
            Leads::Unclear(found) => found,
        };
        Err(Error::new(ErrorKind::Rejected, action).with_source(format!(
            "the selector names no slot: found {found}, wanted pods of one slot only, to know \
             which one is live"
        )))
    }
}

/// Makes labels and label selectors of one slot those of the other, wherever they are.
fn recolor(value: &mut Value, slot_label: &str, color: Color) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                if key == slot_label && *value == *color.other().as_str() {
                    *value = color.as_str().into();
                } else {
                    recolor(value, slot_label, color);
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                recolor(item, slot_label, color);
            }
        }
        _ => {}
    }
}
