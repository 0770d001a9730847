//! Everything that stands in the way of a switch, found before anything is touched.

use std::collections::BTreeMap;

use bluegreen_core::{
    Capabilities, Color, Epoch, Error, ErrorKind, EvidenceKind, Problem, Result, Routing, Vantage,
};
use futures_util::future::try_join_all;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Pod, PodSpec, PodTemplateSpec, Service};
use kube::api::ListParams;
use kube::core::DynamicObject;
use kube::discovery::ApiResource;
use kube::{Api, ResourceExt as _};

use super::ServiceSwitch;
use super::live::{Live, select, transition};
use super::{patch, preview};
use crate::error::{read, write};
use crate::listing::reduced;
use crate::rights::Right;
use crate::selector::{Selector, in_words, matches};
use crate::slotless::Leads;
use crate::trial::refusal;
use crate::{ports, reach};

mod coverage;
mod owners;
mod shape;

/// What a check looks at.
struct Found {
    services: BTreeMap<String, Service>,
    /// Pod templates by the Deployment that has them.
    templates: BTreeMap<String, PodTemplateSpec>,
    pods: Vec<Pod>,
}

impl ServiceSwitch {
    pub(super) async fn find_problems(
        &self,
        routings: &[Routing],
        evidence: &EvidenceKind,
    ) -> Result<Vec<Problem>> {
        let mut problems = beyond(routings);
        let (found, missing) = tokio::join!(self.look(), self.missing_rights());
        let missing = missing?;
        let may_try = missing.is_empty();
        problems.extend(missing);
        let found = match found {
            // What is missing is the right to look.
            Err(error) if error.kind() == ErrorKind::Rejected && !may_try => return Ok(problems),
            found => found?,
        };
        let mut lives = Vec::new();
        for name in &self.services {
            match found.services.get(name) {
                Some(service) => lives.push(service),
                None => problems.push(
                    Problem::new("no-service", self.object(name))
                        .found("no such Service")
                        .wanted("the Service through which clients reach the agent"),
                ),
            }
        }
        let leads = self.where_they_lead(&lives).await?;
        for service in &lives {
            problems.extend(self.problems_of(service, &found, &leads));
        }
        problems.extend(self.unlisted(&found));
        problems.extend(self.disagreement(&lives, &leads));
        if !may_try {
            return Ok(problems);
        }
        problems.extend(self.try_writes(&lives, routings, &leads).await?);
        if let EvidenceKind::Answers { vantage, .. } = evidence {
            problems.extend(self.unreachable(vantage).await?);
            problems.extend(self.untold_versions(&lives, &found));
        }
        Ok(problems)
    }

    /// Where the live Services lead whose selectors name no slot.
    async fn where_they_lead(&self, lives: &[&Service]) -> Result<BTreeMap<String, Leads>> {
        let looks = lives.iter().map(|service| async {
            let live = Live::read(service, &self.settings);
            Ok::<_, Error>(self.leads(&live).await?.map(|leads| (live.name, leads)))
        });
        Ok(try_join_all(looks).await?.into_iter().flatten().collect())
    }

    /// The slot that a live Service leads to, named in its selector or not.
    fn color(&self, live: &Live, leads: &BTreeMap<String, Leads>) -> Option<Color> {
        match leads.get(&live.name) {
            Some(Leads::To(color)) => Some(*color),
            Some(Leads::Unclear(_)) => None,
            None => live.color(&self.settings.slot_label),
        }
    }

    fn problems_of(
        &self,
        service: &Service,
        found: &Found,
        leads: &BTreeMap<String, Leads>,
    ) -> Vec<Problem> {
        let name = service.name_any();
        let object = self.object(&name);
        let mut problems = shape::problems(service, &object, &self.settings, leads.get(&name));
        problems.extend(owners::problems(service, &object, &self.allowed_owners));
        let live = Live::read(service, &self.settings);
        let base = live.base(&self.settings.slot_label);
        for color in Color::BOTH {
            let selector = select(&base, &self.settings.slot_label, color);
            let templates = found.templates.iter().filter(|(_, template)| {
                let labels = template.metadata.as_ref().and_then(|meta| meta.labels.as_ref());
                labels.is_some_and(|labels| matches(&selector, labels))
            });
            problems.extend(ports::problems(service, &object, templates));
        }
        if let Some(color) = self.color(&live, leads) {
            let pods = |color| {
                let selector = select(&base, &self.settings.slot_label, color);
                found.pods.iter().filter(move |pod| matches(&selector, pod.labels()))
            };
            problems.extend(coverage::problem(service, &object, pods(color), pods(color.other())));
        }
        problems
    }

    /// Services that select pods of a slot, and that nobody named.
    fn unlisted(&self, found: &Found) -> Vec<Problem> {
        let label = &self.settings.slot_label;
        let mut pods: Vec<&BTreeMap<String, String>> =
            found.pods.iter().map(kube::ResourceExt::labels).collect();
        let templates = found.templates.values();
        pods.extend(templates.filter_map(|template| template.metadata.as_ref()?.labels.as_ref()));
        let bases = self.services.iter().filter_map(|name| found.services.get(name));
        let bases = bases.map(|service| Live::read(service, &self.settings).base(label));
        let bases: Vec<Selector> = bases.collect();
        pods.retain(|labels| {
            let color = labels.get(label).and_then(|value| Color::parse(value));
            color.is_some() && bases.iter().any(|base| matches(base, labels))
        });
        let selects = |service: &&Service| {
            let spec = service.spec.as_ref();
            let selector = spec.and_then(|spec| spec.selector.as_ref());
            let selector = selector.filter(|selector| !selector.is_empty());
            selector.is_some_and(|selector| pods.iter().any(|labels| matches(selector, labels)))
        };
        let is_known = |name: &String, service: &Service| {
            self.services.contains(name)
                || self.ignored_services.contains(name)
                || (*name == self.settings.preview_service() && self.is_ours(service))
        };
        let others = found.services.iter().filter(|(name, service)| !is_known(name, service));
        others
            .map(|(_, service)| service)
            .filter(selects)
            .map(|service| {
                let selector = Live::read(service, &self.settings).selector;
                Problem::new("unlisted-service", self.object(&service.name_any()))
                    .found(format!(
                        "it selects {}, which finds pods of a slot",
                        in_words(&selector)
                    ))
                    .wanted("every Service that leads to the agent to move with the switch")
                    .mend("name it with and_service, or with ignore_service if it is to stay")
            })
            .collect()
    }

    fn disagreement(&self, lives: &[&Service], leads: &BTreeMap<String, Leads>) -> Option<Problem> {
        let color = |service: &Service| self.color(&Live::read(service, &self.settings), leads);
        let colors: Vec<(String, Color)> = lives
            .iter()
            .filter_map(|service| Some((service.name_any(), color(service)?)))
            .collect();
        let (_, first) = colors.first()?;
        if colors.iter().all(|(_, color)| color == first) {
            return None;
        }
        let found: Vec<String> =
            colors.iter().map(|(name, color)| format!("{name} selects {color}")).collect();
        Some(
            Problem::new("services-disagree", format!("Services of {}", self.settings.agent))
                .found(found.join(", "))
                .wanted("all of them to select one slot"),
        )
    }

    /// The writes of each routing, as they would be made now, without effect.
    async fn try_writes(
        &self,
        lives: &[&Service],
        routings: &[Routing],
        leads: &BTreeMap<String, Leads>,
    ) -> Result<Vec<Problem>> {
        let mut tries = Vec::new();
        for service in lives {
            let live = Live::read(service, &self.settings);
            let (Some(from), Ok(epoch)) = (self.color(&live, leads), live.epoch()) else {
                continue;
            };
            for color in Color::BOTH {
                // A write of what is there already shows nothing.
                let is_new = color != from && routings.iter().any(|to| to.live == color);
                if is_new || (color == from && live.color(&self.settings.slot_label).is_none()) {
                    tries.push(self.try_shift(live.clone(), from, color, epoch));
                }
            }
        }
        let mut problems: Vec<Problem> = try_join_all(tries).await?.into_iter().flatten().collect();
        problems.extend(self.try_preview(lives).await?);
        Ok(problems)
    }

    async fn try_shift(
        &self,
        live: Live,
        from: Color,
        to: Color,
        epoch: Epoch,
    ) -> Result<Option<Problem>> {
        let selector = select(&live.base(&self.settings.slot_label), &self.settings.slot_label, to);
        let text = transition(from, to, epoch);
        let operations =
            patch::shift(&live, &live.selector, &selector, epoch.number(), &text, &self.settings);
        let action = self.action("patch", &live.name);
        let (params, patch) = (patch::params(true), patch::of(operations, &action)?);
        let call = self.services_api.patch(&live.name, &params, &patch);
        let done = write(self.settings.call, action, call).await.map(drop);
        self.refused(&live.name, done)
    }

    async fn try_preview(&self, lives: &[&Service]) -> Result<Option<Problem>> {
        let name = self.settings.preview_service();
        let Some(first) = lives.first() else { return Ok(None) };
        match self.read_preview().await? {
            Some(found) if self.is_ours(&found) => Ok(None),
            Some(_) => Ok(Some(
                Problem::new("preview-taken", self.object(&name))
                    .found("a Service that was not created for this agent")
                    .wanted("no Service of this name, or our own")
                    .mend("rename it"),
            )),
            None => {
                let selector = Live::read(first, &self.settings).selector;
                let spec = preview::pattern(first);
                let wanted = self.preview(&spec, selector, Epoch::default());
                self.refused(&name, self.create_preview(&wanted, true).await.map(drop))
            }
        }
    }

    fn refused(&self, name: &str, done: Result<()>) -> Result<Option<Problem>> {
        refusal(self.object(name), "a switch makes", done)
    }

    async fn look(&self) -> Result<Found> {
        let namespace = &self.settings.namespace;
        let all = ListParams::default().match_any();
        let resource = ApiResource::erase::<Deployment>(&());
        let deployments: Api<DynamicObject> =
            Api::namespaced_with(self.client.clone(), namespace, &resource);
        let labelled = all.clone().labels(&self.settings.slot_label);
        // Of a namespace with many agents nearly all is nothing to this one.
        let service = |mut service: Service| {
            let name = service.name_any();
            if !self.services.contains(&name) {
                service.metadata.managed_fields = None;
            }
            (name, service)
        };
        let template = |mut deployment: DynamicObject| {
            let template = deployment.data.pointer_mut("/spec/template")?.take();
            let template = serde_json::from_value(template).ok()?;
            Some((deployment.name_any(), ports::outline(template)))
        };
        let pod = |mut pod: Pod| {
            pod.metadata.managed_fields = None;
            let node_name = pod.spec.take().and_then(|spec| spec.node_name);
            pod.spec = Some(PodSpec { node_name, ..PodSpec::default() });
            pod
        };
        let limit = self.settings.call;
        let (services, templates, pods) = tokio::try_join!(
            read(
                limit,
                format!("list services in {namespace}"),
                reduced(&self.services_api, &all, service)
            ),
            read(
                limit,
                format!("list deployments in {namespace}"),
                reduced(&deployments, &all, template)
            ),
            read(
                limit,
                format!("list pods {} in {namespace}", self.settings.slot_label),
                reduced(&self.pods_api, &labelled, pod)
            ),
        )?;
        let services = services.into_iter().collect();
        let templates = templates.into_iter().flatten().collect();
        Ok(Found { services, templates, pods })
    }

    pub(super) async fn missing_rights(&self) -> Result<Vec<Problem>> {
        let mut needed: Vec<Right> = ["get", "list", "watch", "create", "patch", "delete"]
            .map(|verb| Right::new(verb, "", "services"))
            .into();
        needed.extend(
            ["list", "watch"].map(|verb| Right::new(verb, "discovery.k8s.io", "endpointslices")),
        );
        needed.push(Right::new("list", "", "pods"));
        needed.push(Right::new("list", "apps", "deployments"));
        self.rules.missing(&self.client, &self.settings, &needed).await
    }

    fn object(&self, name: &str) -> String {
        format!("Service {}/{name}", self.settings.namespace)
    }

    async fn unreachable(&self, vantage: &Vantage) -> Result<Vec<Problem>> {
        match self.addresses(vantage).await {
            Ok(addresses) => Ok(reach::problems(&addresses).await),
            Err(error) if error.kind() == ErrorKind::Rejected => {
                Ok(vec![reach::problem("evidence", error.chain())])
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Answers can show a version only if it is known which one is wanted.
    fn untold_versions(&self, lives: &[&Service], found: &Found) -> Vec<Problem> {
        let slot = &self.settings.slot_label;
        let bases: Vec<Selector> =
            lives.iter().map(|service| Live::read(service, &self.settings).base(slot)).collect();
        self.version.untold(&self.settings, &found.templates, |labels| {
            labels.contains_key(slot) && bases.iter().any(|base| matches(base, labels))
        })
    }
}

fn beyond(routings: &[Routing]) -> Vec<Problem> {
    let lacking = routings.iter().flat_map(|routing| {
        let lacks = Capabilities::SWITCH_ONLY.lacks(routing);
        lacks.into_iter().map(move |lack| (routing, lack))
    });
    lacking
        .map(|(routing, lack)| {
            Problem::new("beyond-capabilities", format!("routing {routing}"))
                .found("a switch by Service selectors, which is all or nothing")
                .wanted(lack)
                .mend("choose another switch, or a plan that does not need it")
        })
        .collect()
}
