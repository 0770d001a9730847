//! Everything that stands in the way of a shift, found before anything is touched.

use std::collections::{BTreeMap, BTreeSet};

use bluegreen_core::{Color, ErrorKind, EvidenceKind, Problem, Result, Routing, Vantage};
use futures_util::future::try_join_all;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Pod, PodTemplateSpec, Service};
use kube::api::{DynamicObject, ListParams};
use kube::{Api, ResourceExt as _};

use super::name::{GROUP, RouteKind, RouteName};
use super::object::Object;
use super::rule::Backend;
use super::slots::{POOLS, selector, selector_of_pool};
use super::{RouteWeights, patch, status};
use crate::error::{read, read_opt, write};
use crate::rights::Right;
use crate::selector::Selector;
use crate::trial::refusal;
use crate::{json_patch, ports, reach};

mod limits;
mod overlap;
mod owners;
mod rules;
mod services;

/// What a check looks at.
struct Found {
    /// All routes of the namespace of the kinds that some of ours are of.
    routes: BTreeMap<RouteName, Object>,
    services: BTreeMap<String, Service>,
    /// The `InferencePool`s, where the slots are such.
    pools: BTreeMap<String, Selector>,
    /// Pod templates by the Deployment that has them.
    templates: BTreeMap<String, PodTemplateSpec>,
    pods: Vec<Pod>,
}

impl RouteWeights {
    pub(super) async fn find_problems(
        &self,
        routings: &[Routing],
        evidence: &EvidenceKind,
    ) -> Result<Vec<Problem>> {
        let mut problems = self.beyond(routings);
        let (found, missing) = tokio::join!(self.look(), self.missing_rights());
        let missing = missing?;
        let may_try = missing.is_empty();
        problems.extend(missing);
        let found = match found {
            // What is missing is the right to look.
            Err(error) if error.kind() == ErrorKind::Rejected && !may_try => return Ok(problems),
            found => found?,
        };
        if self.routes.is_empty() {
            problems.push(
                Problem::new("no-route", format!("switch of {}", self.settings.agent))
                    .found("no route")
                    .wanted("the name of a route whose weights are to move"),
            );
        }
        problems.extend(self.backend_problems(&found));
        let mut ours = Vec::new();
        for name in &self.routes {
            match found.routes.get(name) {
                Some(route) => ours.push(route),
                None => problems.push(
                    Problem::new("no-route", self.object(name))
                        .found("no such route, or no such kind of object")
                        .wanted("a route through which clients reach the agent"),
                ),
            }
        }
        for route in &ours {
            let object = self.object(&route.name);
            problems.extend(self.rule_problems(route, &object, &found));
            problems.extend(owners::problems(route, &object, &self.allowed_owners));
            problems.extend(limits::problems(route, &object, routings, &self.slots));
            problems.extend(status::lacks(route).into_iter().map(|lack| {
                Problem::new("not-accepted", format!("{object}, status"))
                    .found(lack)
                    .wanted("Accepted and ResolvedRefs, of the route as it is now")
            }));
        }
        problems.extend(self.unlisted_routes(&found));
        problems.extend(overlap::problems(
            &ours,
            &found.routes,
            &self.slots,
            &|name: &RouteName| self.object(name),
        ));
        if may_try {
            problems.extend(self.try_writes(&ours, routings).await?);
        }
        if let EvidenceKind::Answers { vantage, .. } = evidence {
            problems.extend(self.unreachable(vantage).await?);
            problems.extend(self.untold_versions(&found));
        }
        Ok(problems)
    }

    fn beyond(&self, routings: &[Routing]) -> Vec<Problem> {
        let lacking = routings
            .iter()
            .flat_map(|routing| self.lacks(routing).into_iter().map(move |lack| (routing, lack)));
        lacking
            .map(|(routing, lack)| {
                Problem::new("beyond-capabilities", format!("routing {routing}"))
                    .found("a switch by the weights of routes, as it is set up")
                    .wanted(lack)
                    .mend("say that the gateway can do it, or choose a plan without it")
            })
            .collect()
    }

    /// Tries every write of `routings` without effect, from how it is now.
    async fn try_writes(&self, ours: &[&Object], routings: &[Routing]) -> Result<Vec<Problem>> {
        let mut tries = Vec::new();
        for route in ours {
            let Ok(from) = route.routing(&self.slots) else { continue };
            let Ok(epoch) = route.stamp.epoch() else { continue };
            let mut seen: Vec<&Routing> = Vec::new();
            for to in routings.iter().filter(|to| **to != from && self.lacks(to).is_empty()) {
                if seen.contains(&to) {
                    continue;
                }
                seen.push(to);
                let (slots, settings) = (&self.slots, &self.settings);
                // What cannot be built on is a problem of its own.
                if let Ok(operations) = patch::shift(route, &from, to, epoch, slots, settings) {
                    tries.push(self.try_write(&route.name, to.to_string(), operations));
                }
            }
        }
        let refused = try_join_all(tries).await?;
        let mut problems: Vec<Problem> = Vec::new();
        for problem in refused.into_iter().flatten() {
            // A webhook says the same of every step.
            if problems.iter().all(|it| it.object != problem.object || it.found != problem.found) {
                problems.push(problem);
            }
        }
        Ok(problems)
    }

    async fn try_write(
        &self,
        name: &RouteName,
        to: String,
        operations: Vec<serde_json::Value>,
    ) -> Result<Option<Problem>> {
        let action = self.action("patch", name);
        let (params, patch) = (json_patch::params(true), json_patch::of(operations, &action)?);
        let api = self.api(name.kind);
        let call = json_patch::send(&self.client, &api, &name.name, &params, &patch);
        match write(self.settings.call, action, call).await.map(drop) {
            // It is missing, which is said elsewhere.
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            tried => refusal(self.object(name), &format!("makes it {to}"), tried),
        }
    }

    async fn look(&self) -> Result<Found> {
        let namespace = &self.settings.namespace;
        let all = ListParams::default().match_any();
        let deployments: Api<Deployment> = Api::namespaced(self.client.clone(), namespace);
        let limit = self.settings.call;
        let label = ListParams::default().labels(&self.settings.slot_label).match_any();
        let kinds: BTreeSet<RouteKind> = self.routes.iter().map(|route| route.kind).collect();
        let routes = try_join_all(kinds.into_iter().map(|kind| self.all_routes(kind)));
        let (routes, pools, services, deployments, pods) = tokio::try_join!(
            routes,
            self.all_pools(),
            read(limit, format!("list services in {namespace}"), self.services_api.list(&all)),
            read(limit, format!("list deployments in {namespace}"), deployments.list(&all)),
            read(limit, format!("list pods in {namespace}"), self.pods_api.list(&label)),
        )?;
        let services =
            services.items.into_iter().map(|service| (service.name_any(), service)).collect();
        let templates = deployments.items.iter();
        let templates = templates
            .filter_map(|deployment| Some((deployment.name_any(), ports::template(deployment)?)))
            .collect();
        Ok(Found {
            routes: routes.into_iter().flatten().collect(),
            pools,
            services,
            templates,
            pods: pods.items,
        })
    }

    /// All pools, where the slots are such; none where there is no such kind.
    async fn all_pools(&self) -> Result<BTreeMap<String, Selector>> {
        if self.is_between_services() {
            return Ok(BTreeMap::new());
        }
        let action = format!("list {POOLS} in {}", self.settings.namespace);
        let (api, params) = (self.pools(), ListParams::default());
        let found = read_opt(self.settings.call, action, api.list(&params)).await?;
        let found = found.map(|list| list.items).unwrap_or_default();
        Ok(found.iter().map(|pool| (pool.name_any(), selector_of_pool(pool))).collect())
    }

    /// All routes of a kind; none where there is no such kind. Those that are to be written are
    /// read as they are now, because writes will test that.
    async fn all_routes(&self, kind: RouteKind) -> Result<Vec<(RouteName, Object)>> {
        let action = format!("list {} in {}", kind.plural(), self.settings.namespace);
        let (api, params) = (self.api(kind), ListParams::default());
        let found = read_opt(self.settings.call, action, api.list(&params)).await?;
        let found = found.map(|list| list.items).unwrap_or_default();
        let read = |route: DynamicObject| {
            let name = RouteName::new(kind, route.name_any());
            let read = if self.routes.contains(&name) {
                self.remember(&name, &route)
            } else {
                Object::read(&name, &route, &self.settings)
            };
            (name, read)
        };
        Ok(found.into_iter().map(read).collect())
    }

    pub(super) async fn missing_rights(&self) -> Result<Vec<Problem>> {
        let kinds: BTreeSet<RouteKind> = self.routes.iter().map(|route| route.kind).collect();
        let verbs = ["get", "list", "watch", "patch"];
        let mut needed: Vec<Right> = kinds
            .into_iter()
            .flat_map(|kind| verbs.map(|verb| Right::new(verb, GROUP, kind.plural())))
            .collect();
        needed.push(Right::new("list", "", "services"));
        needed.push(Right::new("list", "", "pods"));
        if self.is_between_services() {
            needed.push(Right::new("get", "", "services"));
            let slices = |verb| Right::new(verb, "discovery.k8s.io", "endpointslices");
            needed.extend(["list", "watch"].map(slices));
        } else {
            let pools = |verb| Right::new(verb, Backend::InferencePool.group(), POOLS);
            needed.extend(["get", "list"].map(pools));
            needed.push(Right::new("watch", "", "pods"));
        }
        needed.push(Right::new("list", "apps", "deployments"));
        self.rules.missing(&self.client, &self.settings, &needed).await
    }

    /// A route as problems name it.
    fn object(&self, name: &RouteName) -> String {
        format!("{} {}/{}", name.kind.kind(), self.settings.namespace, name.name)
    }

    async fn unreachable(&self, vantage: &Vantage) -> Result<Vec<Problem>> {
        match self.address(vantage) {
            Ok(address) => Ok(reach::problems(&[address]).await),
            Err(error) if error.kind() == ErrorKind::Rejected => {
                Ok(vec![reach::problem("evidence", error.chain())])
            }
            Err(error) => Err(error),
        }
    }
}

impl Found {
    /// What the backend of a slot selects, if there is one.
    fn selector(&self, switch: &RouteWeights, color: Color) -> Option<Selector> {
        let name = switch.slots.names.of(color);
        match switch.slots.backend {
            Backend::Service => self.services.get(name).map(selector),
            Backend::InferencePool => self.pools.get(name).cloned(),
        }
    }
}
