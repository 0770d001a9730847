//! Everything that stands in the way of a shift, found before anything is touched.

use std::collections::BTreeMap;

use bluegreen_core::{Color, ErrorKind, EvidenceKind, Problem, Result, Routing, Vantage};
use futures_util::future::try_join_all;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Pod, PodTemplateSpec, Service};
use kube::api::{DynamicObject, ListParams};
use kube::{Api, Client, ResourceExt as _};

use super::answers::address;
use super::object::Object;
use super::{GROUP, IngressSwitch, Slots, api, patch};
use crate::error::{read, write};
use crate::rights::Right;
use crate::trial::refusal;
use crate::{Settings, json_patch, ports, reach};

mod owners;
mod paths;
mod services;

pub(super) use owners::WRITTEN;
pub(crate) use owners::owner_problem;
pub(crate) use paths::has_port;
pub(crate) use services::about_selector;

/// What a check looks at.
pub(crate) struct Found {
    /// All Ingresses of the namespace.
    pub(crate) ingresses: BTreeMap<String, DynamicObject>,
    pub(crate) services: BTreeMap<String, Service>,
    /// Pod templates by the Deployment that has them.
    pub(crate) templates: BTreeMap<String, PodTemplateSpec>,
    pub(crate) pods: Vec<Pod>,
}

impl Found {
    pub(crate) async fn look(client: &Client, settings: &Settings, slots: &Slots) -> Result<Self> {
        let (namespace, limit) = (&settings.namespace, settings.call);
        let all = ListParams::default().match_any();
        let latest = ListParams::default();
        let deployments: Api<Deployment> = Api::namespaced(client.clone(), namespace);
        let ingresses = api(client, namespace);
        let label = ListParams::default().labels(&settings.slot_label).match_any();
        let (ingresses, services, deployments, pods) = tokio::try_join!(
            // Those that are to be written are read as they are now: writes will test that.
            read(limit, format!("list ingresses in {namespace}"), ingresses.list(&latest)),
            read(limit, format!("list services in {namespace}"), slots.services.list(&all)),
            read(limit, format!("list deployments in {namespace}"), deployments.list(&all)),
            read(limit, format!("list pods in {namespace}"), slots.pods.list(&label)),
        )?;
        let templates = deployments.items.iter();
        let templates = templates
            .filter_map(|deployment| Some((deployment.name_any(), ports::template(deployment)?)));
        Ok(Self {
            ingresses: ingresses.items.into_iter().map(|it| (it.name_any(), it)).collect(),
            services: services.items.into_iter().map(|it| (it.name_any(), it)).collect(),
            templates: templates.collect(),
            pods: pods.items,
        })
    }
}

impl IngressSwitch {
    pub(super) async fn find_problems(
        &self,
        routings: &[Routing],
        evidence: &EvidenceKind,
    ) -> Result<Vec<Problem>> {
        let mut problems = self.beyond(routings);
        let look = Found::look(&self.client, &self.settings, &self.slots);
        let (found, missing) = tokio::join!(look, self.missing_rights());
        let missing = missing?;
        let may_try = missing.is_empty();
        problems.extend(missing);
        let found = match found {
            // What is missing is the right to look.
            Err(error) if error.kind() == ErrorKind::Rejected && !may_try => return Ok(problems),
            found => found?,
        };
        if self.ingresses.is_empty() {
            problems.push(
                Problem::new("no-ingress", format!("switch of {}", self.settings.agent))
                    .found("no Ingress")
                    .wanted("the name of an Ingress whose paths are to move"),
            );
        }
        problems.extend(self.service_problems(&found));
        let mut ours = Vec::new();
        for name in &self.ingresses {
            match found.ingresses.get(name) {
                Some(ingress) => ours.push(self.remember(name, ingress)),
                None => problems.push(
                    Problem::new("no-ingress", self.object(name))
                        .found("no such Ingress")
                        .wanted("an Ingress through which clients reach the agent"),
                ),
            }
        }
        for ingress in &ours {
            let object = self.object(&ingress.name);
            problems.extend(self.path_problems(ingress, &object, &found));
            problems.extend(owners::problems(ingress, &object, &self.allowed_owners));
        }
        problems.extend(self.unlisted_ingresses(&ours, &found));
        problems.extend(self.cold_slots(&found));
        if may_try {
            problems.extend(self.try_writes(&ours, routings).await?);
        }
        if let EvidenceKind::Answers { vantage, .. } = evidence {
            problems.extend(unreachable(vantage, &self.probe_path).await?);
            problems.extend(self.untold_versions(&found));
        }
        Ok(problems)
    }

    fn beyond(&self, routings: &[Routing]) -> Vec<Problem> {
        use bluegreen_core::SwitchStrategy as _;
        let capabilities = self.capabilities();
        let lacking = routings.iter().flat_map(|routing| {
            capabilities.lacks(routing).into_iter().map(move |lack| (routing, lack))
        });
        lacking
            .map(|(routing, lack)| {
                Problem::new("beyond-capabilities", format!("routing {routing}"))
                    .found("a switch by the backends of Ingresses: all or nothing")
                    .wanted(lack)
                    .mend("choose a plan without it, or a canary Ingress, or weights of routes")
            })
            .collect()
    }

    /// Tries every write of `routings` without effect, from how it is now.
    async fn try_writes(&self, ours: &[Object], routings: &[Routing]) -> Result<Vec<Problem>> {
        let mut tries = Vec::new();
        for ingress in ours {
            let Ok(from) = ingress.color(&self.slots.names) else { continue };
            let Ok(epoch) = ingress.stamp.epoch() else { continue };
            for to in Color::BOTH {
                if to != from && routings.iter().any(|routing| routing.live == to) {
                    let (slots, settings) = (&self.slots.names, &self.settings);
                    let operations = patch::shift(ingress, (from, to), epoch, slots, settings);
                    tries.push(self.try_write(&ingress.name, to, operations));
                }
            }
        }
        Ok(try_join_all(tries).await?.into_iter().flatten().collect())
    }

    async fn try_write(
        &self,
        name: &str,
        to: Color,
        operations: Vec<serde_json::Value>,
    ) -> Result<Option<Problem>> {
        let action = self.action("patch", name);
        let (params, patch) = (json_patch::params(true), json_patch::of(operations, &action)?);
        let api = self.api();
        let call = json_patch::send(&self.client, &api, name, &params, &patch);
        match write(self.settings.call, action, call).await.map(drop) {
            // It is missing, which is said elsewhere.
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            tried => refusal(self.object(name), &format!("makes it lead to {to}"), tried),
        }
    }

    pub(super) async fn missing_rights(&self) -> Result<Vec<Problem>> {
        self.rules.missing(&self.client, &self.settings, &rights()).await
    }

    /// An Ingress as problems name it.
    fn object(&self, name: &str) -> String {
        format!("Ingress {}/{name}", self.settings.namespace)
    }
}

/// What a switch by Ingresses needs.
fn rights() -> Vec<Right> {
    let ingresses = |verb| Right::new(verb, GROUP, "ingresses");
    let mut needed: Vec<Right> = ["get", "list", "watch", "patch"].map(ingresses).into();
    needed.extend(["get", "list"].map(|verb| Right::new(verb, "", "services")));
    let slices = |verb| Right::new(verb, "discovery.k8s.io", "endpointslices");
    needed.extend(["list", "watch"].map(slices));
    needed.push(Right::new("list", "", "pods"));
    needed.push(Right::new("list", "apps", "deployments"));
    needed
}

/// Whether this process can ask from there.
pub(crate) async fn unreachable(vantage: &Vantage, probe_path: &str) -> Result<Vec<Problem>> {
    match address(vantage, probe_path) {
        Ok(address) => Ok(reach::problems(&[address]).await),
        Err(error) if error.kind() == ErrorKind::Rejected => {
            Ok(vec![reach::problem("evidence", error.chain())])
        }
        Err(error) => Err(error),
    }
}
