//! The writes of an adoption, each on what was seen.

use bluegreen_core::{Color, Error, ErrorKind, Result};
use kube::ResourceExt as _;
use kube::api::{ObjectMeta, PostParams};
use kube::core::DynamicObject;
use serde_json::{Value, json};

use super::{ATTEMPTS, Done, seen};
use crate::cluster::{Cluster, discover};
use crate::names::pointer_step;
use crate::{FIELD_MANAGER, error, json_patch};

impl Cluster {
    /// The old Deployment as a slot, with a note of what it was made from.
    pub(super) fn slot_of(
        &self,
        old: &DynamicObject,
        name: &str,
        color: Color,
        size: u32,
    ) -> DynamicObject {
        let mut copy = self.twin_of(old, name, color);
        let slot = &self.settings.slot_label;
        copy.data["spec"]["replicas"] = size.into();
        let labels = &mut copy.data["spec"]["selector"]["matchLabels"];
        labels[slot] = color.as_str().into();
        if let Value::Object(labels) = labels {
            // A selector cannot be changed, and a version is.
            labels.remove(&self.settings.version_label);
        }
        copy.data["spec"]["template"]["metadata"]["labels"][slot] = color.as_str().into();
        let note = (self.settings.adopted_annotation(), old.uid().unwrap_or_default());
        copy.annotations_mut().extend([note]);
        copy
    }

    /// Gives the old Deployment no pods, while no live Service selects any. An autoscaler may have
    /// changed its size since.
    pub(super) async fn retire(&self, deployment: &str) -> Result<Option<Done>> {
        let mut last = None;
        for _ in 0..ATTEMPTS {
            let seen = self.see(deployment).await?;
            if !seen.is_selected(self, Color::Blue) {
                let found = "found a live Service that does not select the blue slot any more";
                return Err(changed(deployment, found));
            }
            let size = seen.replicas();
            if size == 0 {
                return Ok(None);
            }
            if !seen.slots.blue.as_ref().is_some_and(|blue| self.is_copy(&seen.old, blue)) {
                let found = "found that it was changed while its pods ended their work, wanted \
                             what the blue slot runs: release that, and scale this one to 0";
                return Err(changed(deployment, found));
            }
            // Whoever wants it back knows how large it was.
            let key = pointer_step(&self.settings.own("adopted-replicas"));
            let path = format!("/metadata/annotations/{key}");
            let mut also = vec![json!({"op": "add", "path": path, "value": size.to_string()})];
            if seen.old.metadata.annotations.is_none() {
                also.insert(0, json!({"op": "add", "path": "/metadata/annotations", "value": {}}));
            }
            match self.resize(&seen.old, 0, also).await {
                Ok(()) => {
                    let deployment = deployment.to_owned();
                    return Ok(Some(Done::Retired { deployment, replicas: size }));
                }
                Err(error) if error.kind() == ErrorKind::Conflict => last = Some(error),
                Err(error) => return Err(error),
            }
        }
        Err(last.unwrap_or_else(|| changed(deployment, "found another size each time")))
    }

    /// Gives a Deployment another size, if it has the one that was seen, and does `also`.
    pub(super) async fn resize(
        &self,
        seen: &DynamicObject,
        to: u32,
        also: Vec<Value>,
    ) -> Result<()> {
        let name = seen.name_any();
        let mut operations = vec![
            json!({"op": "test", "path": "/metadata/uid", "value": seen.metadata.uid}),
            // It rises with each change of what is wanted.
            json!({"op": "test", "path": "/metadata/generation", "value": seen.metadata.generation}),
            json!({"op": "test", "path": "/spec/replicas", "value": seen::replicas(seen)}),
            json!({"op": "replace", "path": "/spec/replicas", "value": to}),
        ];
        operations.extend(also);
        let action = format!("scale deployment {name} to {to}");
        let (params, patch) = (json_patch::params(false), json_patch::of(operations, &action)?);
        let api = discover::api(&self.client, &self.settings);
        let call = json_patch::send(&self.client, &api, &name, &params, &patch);
        error::write(self.settings.call, action, call).await.map(drop)
    }

    /// Copies an autoscaler for a slot, if there is none of that name.
    pub(super) async fn copy_autoscaler(
        &self,
        from: &DynamicObject,
        color: Color,
    ) -> Result<Option<Done>> {
        let source = from.name_any();
        let name = format!("{source}-{color}");
        let mut copy = from.clone();
        copy.metadata = ObjectMeta {
            name: Some(name.clone()),
            namespace: from.metadata.namespace.clone(),
            labels: Some(self.kept(from.labels())).filter(|map| !map.is_empty()),
            annotations: Some(self.kept(from.annotations())).filter(|map| !map.is_empty()),
            ..ObjectMeta::default()
        };
        if let Value::Object(data) = &mut copy.data {
            data.remove("status");
        }
        copy.data["spec"]["scaleTargetRef"]["name"] = self.slots.of(color).name().into();
        let (api, call) = (seen::autoscalers(&self.client, &self.settings), self.settings.call);
        let action = format!("create horizontalpodautoscaler {name}");
        let post = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), dry_run: false };
        match error::write(call, action, api.create(&post, &copy)).await {
            // This was interrupted, unless it is something else.
            Err(error) if error.kind() == ErrorKind::Conflict => {
                let action = format!("read horizontalpodautoscaler {name}");
                let found = error::read(call, action, api.get(&name)).await?;
                let is_it =
                    found.data["spec"]["scaleTargetRef"] == copy.data["spec"]["scaleTargetRef"];
                if is_it { Ok(None) } else { Err(error) }
            }
            made => {
                made?;
                Ok(Some(Done::Copied {
                    object: format!("horizontalpodautoscaler {name}"),
                    from: source,
                }))
            }
        }
    }

    /// Gives an autoscaler the Deployment of a slot, if it has the one that was seen.
    pub(super) async fn retarget(&self, seen: &DynamicObject, color: Color) -> Result<Done> {
        let (name, to) = (seen.name_any(), self.slots.of(color).name().to_owned());
        let at = "/spec/scaleTargetRef/name";
        let operations = vec![
            json!({"op": "test", "path": "/metadata/uid", "value": seen.metadata.uid}),
            json!({"op": "test", "path": at, "value": seen.data["spec"]["scaleTargetRef"]["name"]}),
            json!({"op": "replace", "path": at, "value": to}),
        ];
        let action = format!("patch horizontalpodautoscaler {name}");
        let (params, patch) = (json_patch::params(false), json_patch::of(operations, &action)?);
        let api = seen::autoscalers(&self.client, &self.settings);
        let call = json_patch::send(&self.client, &api, &name, &params, &patch);
        error::write(self.settings.call, action, call).await?;
        let object = format!("horizontalpodautoscaler {name}");
        Ok(Done::Retargeted { object, deployment: to })
    }
}

pub(super) fn changed(deployment: &str, found: &str) -> Error {
    let action = format!("adopt deployment {deployment}");
    Error::new(ErrorKind::Conflict, action).with_source(format!("deployment {deployment}: {found}"))
}
