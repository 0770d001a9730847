//! The headless Service of the idle slot: through it the endpoint controller knows the pods
//! before traffic goes to them.

use std::sync::{MutexGuard, PoisonError};

use bluegreen_core::{Color, Epoch, Error, ErrorKind, Result};
use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use kube::ResourceExt as _;
use kube::api::{DeleteParams, ObjectMeta, PostParams, Preconditions};
use serde_json::json;
use tokio::time::Instant;

use super::live::{Live, select};
use super::{Known, ServiceSwitch, patch};
use crate::error::{read_opt, write};
use crate::remembered::FRESH;
use crate::selector::{Selector, in_words};
use crate::slotless::is_slotless;
use crate::{FIELD_MANAGER, Purpose};

/// The preview Service as it was read, if there was one.
#[derive(Debug)]
pub(super) struct Preview {
    at: Instant,
    found: Option<Service>,
}

/// How often it is decided anew because the object was changed in between.
const ATTEMPTS: usize = 5;

/// What a preview takes from a live Service.
pub(super) fn pattern(live: &Service) -> ServiceSpec {
    let Some(spec) = &live.spec else { return ServiceSpec::default() };
    ServiceSpec {
        ports: spec.ports.clone(),
        ip_families: spec.ip_families.clone(),
        ip_family_policy: spec.ip_family_policy.clone(),
        ..ServiceSpec::default()
    }
}

impl ServiceSwitch {
    /// Makes the preview Service select the candidate's pods.
    ///
    /// It is headless: one with a cluster IP would make kube-proxy sync just before the switch,
    /// which then waits for the next sync, up to a second later.
    pub(super) async fn prepare_preview(&self, candidate: Color, epoch: Epoch) -> Result<()> {
        let Some(first) = self.services.first() else { return Ok(()) };
        let Known { spec: live, base, .. } = match self.recent(first) {
            Some(recent) => recent,
            None => self.read(first).await?,
        };
        self.name_the_slots(epoch).await?;
        let wanted =
            self.preview(&live, select(&base, &self.settings.slot_label, candidate), epoch);
        let name = self.settings.preview_service();
        let mut conflict = None;
        // As preflight has just found it; what has changed since is a conflict.
        let mut recent = self.recent_preview();
        for _ in 0..ATTEMPTS {
            let found = match recent.take() {
                Some(recent) => recent.found,
                None => self.read_preview().await?,
            };
            let done = match found {
                None => self.create_preview(&wanted, false).await,
                Some(found) => self.adjust(&found, &wanted, epoch).await,
            };
            match done {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(error) if error.kind() == ErrorKind::Conflict => conflict = Some(error),
                Err(error) => return Err(error),
            }
        }
        let action = self.action("prepare", &name);
        Err(conflict.unwrap_or_else(|| Error::new(ErrorKind::Conflict, action)))
    }

    /// The candidate is about to get pods, which a selector without a slot would find.
    async fn name_the_slots(&self, epoch: Epoch) -> Result<()> {
        let label = &self.settings.slot_label;
        for name in &self.services {
            let known = match self.known(name) {
                Some(known) => known,
                None => self.read(name).await?,
            };
            if !is_slotless(&known.live.selector, label) {
                continue;
            }
            self.fence_one(name, epoch).await?;
            let live = self.read(name).await?.live;
            if is_slotless(&live.selector, label) {
                let found = in_words(&live.selector);
                return Err(Error::new(ErrorKind::Conflict, self.action("prepare", name))
                    .with_source(format!(
                        "found selector {found}, wanted {label} in it: the candidate's pods would \
                         get traffic"
                    )));
            }
        }
        Ok(())
    }

    /// What the preview Service is to be: the ports of the live one, and the slot's pods.
    pub(super) fn preview(&self, live: &ServiceSpec, selector: Selector, epoch: Epoch) -> Service {
        let spec = live.clone();
        let ports = spec
            .ports
            .unwrap_or_default()
            .into_iter()
            .map(|port| ServicePort { node_port: None, ..port });
        let annotation = (self.settings.epoch_annotation(), epoch.to_string());
        Service {
            metadata: ObjectMeta {
                name: Some(self.settings.preview_service()),
                namespace: Some(self.settings.namespace.clone()),
                labels: Some(self.settings.labels(Purpose::Preview).into_iter().collect()),
                annotations: Some([annotation].into()),
                ..ObjectMeta::default()
            },
            spec: Some(ServiceSpec {
                cluster_ip: Some("None".to_owned()),
                ports: Some(ports.collect()),
                selector: Some(selector),
                ip_families: spec.ip_families,
                ip_family_policy: spec.ip_family_policy,
                ..ServiceSpec::default()
            }),
            status: None,
        }
    }

    pub(super) async fn read_preview(&self) -> Result<Option<Service>> {
        let name = self.settings.preview_service();
        let call = self.services_api.get(&name);
        let found = read_opt(self.settings.call, self.action("read", &name), call).await?;
        *self.lock_preview() = Some(Preview { at: Instant::now(), found: found.clone() });
        Ok(found)
    }

    /// What was last read, if that was a moment ago; once, because it is about to be changed.
    fn recent_preview(&self) -> Option<Preview> {
        self.lock_preview().take().filter(|preview| preview.at.elapsed() < FRESH)
    }

    fn lock_preview(&self) -> MutexGuard<'_, Option<Preview>> {
        self.preview.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) async fn create_preview(&self, wanted: &Service, is_dry_run: bool) -> Result<bool> {
        let post =
            PostParams { dry_run: is_dry_run, field_manager: Some(FIELD_MANAGER.to_owned()) };
        let action = self.action("create", &wanted.name_any());
        let call = self.services_api.create(&post, wanted);
        write(self.settings.call, action, call).await.map(|_| true)
    }

    /// Whether a Service of the preview's name is one that this crate created for this agent.
    pub(super) fn is_ours(&self, found: &Service) -> bool {
        let labels = self.settings.labels(Purpose::Preview);
        labels.iter().all(|(key, value)| found.labels().get(key) == Some(value))
    }

    /// Brings what was found to what is wanted. Whether that is done.
    async fn adjust(&self, found: &Service, wanted: &Service, epoch: Epoch) -> Result<bool> {
        let name = found.name_any();
        if !self.is_ours(found) {
            return Err(Error::new(ErrorKind::Rejected, self.action("prepare", &name))
                .with_source("found a service of that name that was not created for this agent"));
        }
        let stamped = Live::read(found, &self.settings);
        if stamped.epoch().is_ok_and(|found| found > epoch) {
            return Err(Error::new(ErrorKind::Conflict, self.action("prepare", &name))
                .with_source(format!("found epoch {:?}, wanted at most {epoch}", stamped.stamp)));
        }
        let (is, should) = (found.spec.as_ref(), wanted.spec.as_ref());
        let (Some(is), Some(should)) = (is, should) else { return Ok(false) };
        if is.cluster_ip.as_deref() != Some("None") {
            return self.delete_preview(found).await;
        }
        let is_same = is.selector == should.selector && is.ports == should.ports;
        if is_same && stamped.epoch() == Ok(epoch) {
            return Ok(true);
        }
        let mut operations = patch::exactly(&stamped);
        if !is_same {
            operations
                .push(json!({"op": "add", "path": "/spec/selector", "value": should.selector}));
            operations.push(json!({"op": "add", "path": "/spec/ports", "value": should.ports}));
        }
        operations.extend(patch::stamp(&stamped, epoch.number(), &self.settings));
        let action = self.action("patch", &name);
        let (params, patch) = (patch::params(false), patch::of(operations, &action)?);
        let call = self.services_api.patch(&name, &params, &patch);
        write(self.settings.call, action, call).await.map(|_| true)
    }

    /// One with a cluster IP can't be made headless. It comes back as it should be.
    async fn delete_preview(&self, found: &Service) -> Result<bool> {
        let name = found.name_any();
        let params = DeleteParams::default().preconditions(Preconditions {
            uid: found.uid(),
            resource_version: found.resource_version(),
        });
        let call = self.services_api.delete(&name, &params);
        match write(self.settings.call, self.action("delete", &name), call).await {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(false),
        }
    }
}
