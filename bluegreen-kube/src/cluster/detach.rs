//! Leaving: everything of ours goes, everything that serves stays.

use std::fmt::Debug;

use bluegreen_core::{Color, Error, ErrorKind, Phase, ReleaseStore as _, Result};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::{ConfigMap, Service};
use kube::api::{DeleteParams, ListParams, ObjectMeta, Preconditions};
use kube::{Api, Resource, ResourceExt as _};
use serde::de::DeserializeOwned;
use serde_json::json;

use super::{Cluster, Done, discover};
use crate::names::pointer_step;
use crate::{Purpose, canary, error, ingress, json_patch};

impl Cluster {
    /// Removes everything of ours: annotations on Deployments, autoscalers, Services, routes, Ingresses and the
    /// right to pull, the preview Service, the ConfigMaps with the records, and the lease of this process. Both
    /// Deployments and the live Services, routes, Ingresses or the right to pull stay as they are and go on serving.
    ///
    /// Can be done again when it was interrupted.
    ///
    /// # Errors
    /// [`Rejected`](ErrorKind::Rejected) while a release is under way or a deploy is open.
    pub async fn detach(&self) -> Result<Vec<Done>> {
        self.refuse_under_way().await?;
        let mut done = Vec::new();
        let deployments = discover::api(&self.client, &self.settings);
        for color in Color::BOTH {
            let slot = self.slots.of(color);
            for (api, kind, name) in slot.thawed_autoscalers().await? {
                done.extend(self.clean(&api, kind, &name, "").await?);
            }
            done.extend(self.clean(&deployments, "deployment", slot.name(), "").await?);
        }
        let services: Api<Service> = Api::namespaced(self.client.clone(), &self.settings.namespace);
        for service in self.services.iter().chain(&self.canary) {
            done.extend(self.clean(&services, "service", service, "").await?);
        }
        for route in &self.routes {
            let api = route.kind.api(&self.client, &self.settings.namespace);
            done.extend(self.clean(&api, route.kind.singular(), &route.name, "").await?);
        }
        let ingresses = ingress::api(&self.client, &self.settings.namespace);
        for ingress in &self.ingresses {
            done.extend(self.clean(&ingresses, "ingress", ingress, "").await?);
        }
        if let Some(queue) = &self.queue
            && queue.clean().await?
        {
            done.push(Done::Cleaned { object: format!("configmap {}", queue.config_map()) });
        }
        if let Some(canary) = &self.canary {
            // Who writes a weight next means it in percent.
            let total = canary::total();
            done.extend(self.clean(&ingresses, "ingress", canary, &total).await?);
        }
        done.extend(self.delete_all(&services, "service", Purpose::Preview).await?);
        // The record goes last: as long as it is there, what was interrupted can be told.
        let maps: Api<ConfigMap> = Api::namespaced(self.client.clone(), &self.settings.namespace);
        for purpose in [Purpose::Blob, Purpose::Archive, Purpose::Record] {
            done.extend(self.delete_all(&maps, "configmap", purpose).await?);
        }
        self.liveness.resign().await?;
        Ok(done)
    }

    async fn refuse_under_way(&self) -> Result<()> {
        let refuse = |why: String| {
            let action = format!("detach from {}", self.settings.agent);
            Error::new(ErrorKind::Rejected, action).with_source(why)
        };
        if let Some(stored) = self.store.load().await? {
            let release = &stored.document.envelope().release;
            match stored.document.current() {
                Some(record) if matches!(record.phase, Phase::Done { .. }) => {}
                Some(record) => {
                    return Err(refuse(format!(
                        "found release {release} in phase {}, wanted it done or rolled back",
                        record.phase.name()
                    )));
                }
                None => {
                    return Err(refuse(format!(
                        "found release {release} of a newer version of this library, wanted that \
                         version to detach"
                    )));
                }
            }
        }
        for deployment in discover::list(&self.client, &self.settings).await? {
            let name = deployment.name_any();
            let is_ours = Color::BOTH.iter().any(|color| self.slots.of(*color).name() == name);
            if is_ours && deployment.annotations().contains_key(&self.settings.found_annotation()) {
                let why = format!(
                    "found an open deploy on deployment {name}, wanted it committed or reverted"
                );
                return Err(refuse(why));
            }
        }
        Ok(())
    }

    /// Takes our annotations off an object, and `also` another one.
    async fn clean<K>(
        &self,
        api: &Api<K>,
        kind: &str,
        name: &str,
        also: &str,
    ) -> Result<Option<Done>>
    where
        K: Clone + Debug + DeserializeOwned + Resource,
    {
        let call = self.settings.call;
        let read = error::read_opt(call, format!("read {kind} {name}"), api.get(name));
        let Some(found) = read.await? else { return Ok(None) };
        let own: Vec<(&String, &String)> = found
            .annotations()
            .iter()
            .filter(|(key, _)| key.starts_with(&self.settings.prefix) || *key == also)
            .collect();
        if own.is_empty() {
            return Ok(None);
        }
        let mut operations =
            vec![json!({"op": "test", "path": "/metadata/uid", "value": found.meta().uid})];
        for (key, value) in own {
            let path = format!("/metadata/annotations/{}", pointer_step(key));
            operations.push(json!({"op": "test", "path": path, "value": value}));
            operations.push(json!({"op": "remove", "path": path}));
        }
        let object = format!("{kind} {name}");
        let action = format!("patch {object}");
        let (params, patch) = (json_patch::params(false), json_patch::of(operations, &action)?);
        let sent = json_patch::send(&self.client, api, name, &params, &patch);
        error::write(call, action, sent).await?;
        Ok(Some(Done::Cleaned { object }))
    }

    /// Deletes what carries our labels for this agent.
    async fn delete_all<K>(&self, api: &Api<K>, kind: &str, purpose: Purpose) -> Result<Vec<Done>>
    where
        K: Clone + Debug + DeserializeOwned + Resource<Scope = NamespaceResourceScope>,
    {
        let call = self.settings.call;
        let params = ListParams::default().labels(&self.settings.selector(purpose));
        let list = error::read(call, format!("list {kind}s of ours"), api.list(&params)).await?;
        let mut done = Vec::new();
        for found in list {
            let object = format!("{kind} {}", found.name_any());
            let ObjectMeta { uid, resource_version, .. } = found.meta().clone();
            let how =
                DeleteParams::default().preconditions(Preconditions { uid, resource_version });
            let deletion = api.delete(found.meta().name.as_deref().unwrap_or_default(), &how);
            match error::write(call, format!("delete {object}"), deletion).await {
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                result => {
                    result?;
                    done.push(Done::Deleted { object });
                }
            }
        }
        Ok(done)
    }
}
