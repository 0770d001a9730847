//! Everything that stands in the way of a canary, found before anything is touched.

use bluegreen_core::{Color, ErrorKind, EvidenceKind, Problem, Result, Routing};
use kube::api::DynamicObject;

use super::marks::Asked;
use super::objects::{self, Note};
use super::{IngressCanary, Inner};
use crate::ingress::check::{Found, owner_problem, unreachable};
use crate::ingress::{GROUP, api};
use crate::owners;
use crate::rights::Right;
use crate::trial::refusal;

mod paths;
mod service;

impl IngressCanary {
    pub(super) async fn find_problems(
        &self,
        routings: &[Routing],
        evidence: &EvidenceKind,
    ) -> Result<Vec<Problem>> {
        let mut problems = self.beyond(routings);
        // What only the canary makes is nothing to the switch that moves all traffic.
        let whole: Vec<Routing> = routings.iter().map(|it| Routing::all(it.live)).collect();
        let inner = self.inner().check(&whole, &EvidenceKind::Endpoints);
        let look = Found::look(&self.client, &self.settings, &self.slots);
        let (inner, found, missing) = tokio::join!(inner, look, self.missing_rights());
        problems.extend(inner?);
        let missing = missing?;
        let may_try = missing.is_empty();
        problems.extend(missing);
        let found = match found {
            // What is missing is the right to look.
            Err(error) if error.kind() == ErrorKind::Rejected && !may_try => {
                return Ok(tidy(problems));
            }
            found => found?,
        };
        problems.extend(self.service_problems(&found));
        match found.ingresses.get(&self.canary) {
            Some(canary) => {
                problems.extend(self.path_problems(canary, &found));
                problems.extend(self.mark_problems(canary));
                if may_try {
                    problems.extend(self.try_writes(canary, &found, routings).await?);
                }
            }
            None => problems.push(
                Problem::new("no-canary", self.object("Ingress", &self.canary))
                    .found("no such Ingress")
                    .wanted("a canary Ingress that is always there, with weight 0")
                    .mend("create it with the hosts and paths of the primary"),
            ),
        }
        problems.extend(self.primary_problems(&found));
        if let EvidenceKind::Answers { vantage, .. } = evidence {
            problems.extend(unreachable(vantage, &self.probe_path).await?);
            let slot = &self.settings.slot_label;
            problems.extend(
                self.version
                    .untold(&self.settings, &found.templates, |labels| labels.contains_key(slot)),
            );
        }
        Ok(tidy(problems))
    }

    fn beyond(&self, routings: &[Routing]) -> Vec<Problem> {
        let lacking = routings
            .iter()
            .flat_map(|routing| self.lacks(routing).into_iter().map(move |lack| (routing, lack)));
        lacking
            .map(|(routing, lack)| {
                Problem::new("beyond-capabilities", format!("routing {routing}"))
                    .found("a canary Ingress of nginx")
                    .wanted(lack)
                    .mend("choose a plan without it, or weights of routes")
            })
            .collect()
    }

    /// The canary's own annotations.
    fn mark_problems(&self, canary: &DynamicObject) -> Vec<Problem> {
        let object = self.object("Ingress", &self.canary);
        let mut problems = Vec::new();
        if let Err(found) = Asked::read(&objects::annotations(canary)) {
            problems.push(
                Problem::new("canary-annotations", &object)
                    .found(found)
                    .wanted("a whole number as weight, less than its total, and none but ours"),
            );
        }
        problems.extend(super::marks::small_total(&objects::annotations(canary)).map(|found| {
            Problem::new("weight-total", &object)
                .found(found)
                .wanted("more than 100: nginx takes any other for 100")
        }));
        let fields = objects::fields();
        let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
        problems.extend(self.owner_problems(&canary.metadata, &fields, &object, "the annotations"));
        problems
    }

    fn owner_problems(
        &self,
        metadata: &kube::api::ObjectMeta,
        fields: &[&str],
        object: &str,
        what: &str,
    ) -> Vec<Problem> {
        let mut owners = owners::of(metadata, fields);
        owners.retain(|owner| !self.allowed_owners.contains(owner));
        owners.iter().map(|owner| owner_problem(owner, object, what)).collect()
    }

    /// Tries the writes to the canary without effect, from how it is now.
    async fn try_writes(
        &self,
        canary: &DynamicObject,
        found: &Found,
        routings: &[Routing],
    ) -> Result<Vec<Problem>> {
        let mut problems = Vec::new();
        let object = || self.object("Ingress", &self.canary);
        let ingresses = api(&self.client, &self.settings.namespace);
        if let Ok(epoch) = objects::epoch(&canary.metadata, &self.settings) {
            for to in routings.iter().filter(|to| !to.is_whole() || !to.pins.is_empty()) {
                let Ok(asked) = Asked::of(to) else { continue };
                let note = Note { from: to.clone(), to: to.clone(), is_moving: false };
                let operations = objects::ask(canary, &asked, &note, epoch, &self.settings);
                let Ok(operations) = operations else { continue };
                let tried = self.patch(&ingresses, "ingress", &self.canary, operations, true).await;
                let refused = refusal(object(), &format!("makes it {to}"), tried.map(drop))?;
                if let Some(refused) = refused {
                    problems.push(refused);
                    // A webhook says the same of every step.
                    break;
                }
            }
        }
        if let Some(service) = found.services.get(&self.service)
            && let Ok(epoch) = objects::epoch(&service.metadata, &self.settings)
        {
            let at = objects::color(service, &self.settings).unwrap_or(Color::Blue);
            let operations = objects::select(service, at.other(), epoch, &self.settings);
            let services = &self.slots.services;
            let tried = self.patch(services, "service", &self.service, operations, true).await;
            let object = self.object("Service", &self.service);
            let wanted = format!("makes it select {}", at.other());
            problems.extend(refusal(object, &wanted, tried.map(drop))?);
        }
        Ok(problems)
    }

    async fn missing_rights(&self) -> Result<Vec<Problem>> {
        let verbs = ["get", "list", "watch", "patch"];
        let mut needed: Vec<Right> =
            verbs.iter().map(|verb| Right::new(verb, GROUP, "ingresses")).collect();
        needed.extend(verbs.iter().map(|verb| Right::new(verb, "", "services")));
        let slices = |verb| Right::new(verb, "discovery.k8s.io", "endpointslices");
        needed.extend(["list", "watch"].map(slices));
        needed.push(Right::new("list", "", "pods"));
        needed.push(Right::new("list", "apps", "deployments"));
        self.rules.missing(&self.client, &self.settings, &needed).await
    }

    /// An object as problems name it.
    fn object(&self, kind: &str, name: &str) -> String {
        format!("{kind} {}/{name}", self.settings.namespace)
    }

    /// The Services of the agent that a primary may lead to.
    fn primary_services(&self) -> Vec<&str> {
        match &self.inner {
            Inner::Service(switch) => switch.services().iter().map(String::as_str).collect(),
            Inner::Ingress(switch) => {
                let names = switch.slot_services();
                vec![names.blue.as_str(), names.green.as_str()]
            }
        }
    }
}

/// The same problem is told once, whoever found it: the switch inside looks at some things, too.
fn tidy(problems: Vec<Problem>) -> Vec<Problem> {
    let mut told: Vec<Problem> = Vec::new();
    for problem in problems {
        if told.iter().all(|it| {
            (&it.code, &it.object, &it.found) != (&problem.code, &problem.object, &problem.found)
        }) {
            told.push(problem);
        }
    }
    told
}
