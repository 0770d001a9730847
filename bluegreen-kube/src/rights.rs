//! What this process may do, asked of the API server before anything depends on it.

use std::fmt;
use std::time::Duration;

use bluegreen_core::{Problem, Result};
use futures_util::future::try_join_all;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, ResourceRule, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
    SelfSubjectRulesReview, SelfSubjectRulesReviewSpec,
};
use kube::api::PostParams;
use kube::{Api, Client};

use crate::autoscaler::KEDA;
use crate::shared::Shared;
use crate::{Settings, error};

/// A verb on a kind of object in the agent's namespace.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Right {
    verb: &'static str,
    group: &'static str,
    resource: &'static str,
    subresource: &'static str,
    is_optional: bool,
}

impl Right {
    /// A verb on objects of `group` (empty for the core group) and `resource` (its plural).
    pub(crate) const fn new(
        verb: &'static str,
        group: &'static str,
        resource: &'static str,
    ) -> Self {
        Self { verb, group, resource, subresource: "", is_optional: false }
    }

    /// The same verb on a part of the objects that has rights of its own: `scale`.
    pub(crate) const fn of_part(mut self, subresource: &'static str) -> Self {
        self.subresource = subresource;
        self
    }

    /// The same, where a release can do without it: that it is missing is a warning.
    pub(crate) const fn optional(mut self) -> Self {
        self.is_optional = true;
        self
    }

    /// The same, where a release cannot do without it.
    pub(crate) const fn required(mut self) -> Self {
        self.is_optional = false;
        self
    }

    fn review(self, namespace: &str) -> SelfSubjectAccessReview {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let attributes = ResourceAttributes {
            namespace: some(namespace),
            verb: some(self.verb),
            group: some(self.group),
            resource: some(self.resource),
            subresource: some(self.subresource),
            ..ResourceAttributes::default()
        };
        SelfSubjectAccessReview {
            spec: SelfSubjectAccessReviewSpec {
                resource_attributes: Some(attributes),
                ..SelfSubjectAccessReviewSpec::default()
            },
            ..SelfSubjectAccessReview::default()
        }
    }

    /// Whether a rule grants it for objects of any name.
    fn is_granted_by(self, rule: &ResourceRule) -> bool {
        let has = |list: Option<&Vec<String>>, text: &str| {
            list.is_some_and(|list| list.iter().any(|one| one == "*" || one == text))
        };
        let resource = if self.subresource.is_empty() {
            self.resource.to_owned()
        } else {
            format!("{}/{}", self.resource, self.subresource)
        };
        has(Some(&rule.verbs), self.verb)
            && has(rule.api_groups.as_ref(), self.group)
            && has(rule.resources.as_ref(), &resource)
            && rule.resource_names.as_ref().is_none_or(Vec::is_empty)
    }

    /// The file that has it.
    fn role(self) -> &'static str {
        match self.group {
            "networking.k8s.io" => "rbac-ingress.yaml",
            "gateway.networking.k8s.io" | "inference.networking.k8s.io" => "rbac-routes.yaml",
            KEDA => "rbac-keda.yaml",
            "autoscaling" if self.verb == "create" => "rbac-adopt.yaml",
            "batch" => "rbac-hooks.yaml",
            _ if self.subresource == "log" => "rbac-hooks.yaml",
            _ => "rbac.yaml",
        }
    }

    fn as_problem(self, settings: &Settings, reason: Option<&str>) -> Problem {
        let why = reason.filter(|reason| !reason.is_empty());
        let why = why.map_or_else(String::new, |reason| format!(" ({reason})"));
        let object = format!("namespace {}, right to {self}", settings.namespace);
        let problem = Problem::new("rights", object)
            .found(format!("no such right{why}"))
            .wanted("a Role that grants it, bound to the account of this process")
            .mend(format!("apply the Role that comes with bluegreen-kube ({})", self.role()));
        if self.is_optional { problem.warning() } else { problem }
    }
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb, self.resource)?;
        if !self.subresource.is_empty() {
            write!(f, "/{}", self.subresource)?;
        }
        if !self.group.is_empty() {
            write!(f, " of {}", self.group)?;
        }
        Ok(())
    }
}

/// The rules that grant us something, asked for once by all parts that check themselves together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rules(Shared<Vec<ResourceRule>>);

impl Rules {
    /// A problem for each of `rights` that this process lacks.
    pub(crate) async fn missing(
        &self,
        client: &Client,
        settings: &Settings,
        rights: &[Right],
    ) -> Result<Vec<Problem>> {
        if rights.is_empty() {
            return Ok(Vec::new());
        }
        let asking = async { Ok(granted(client, settings).await) };
        let rules = Box::pin(self.0.get_or(Duration::ZERO, asking)).await?;
        missing(&rules, client, settings, rights).await
    }
}

/// A problem for each of `rights` that this process lacks.
///
/// One question brings all the rules that there are for us. Some authorizers cannot list theirs,
/// so what no rule grants is asked for by itself, all at the same time.
async fn missing(
    rules: &[ResourceRule],
    client: &Client,
    settings: &Settings,
    rights: &[Right],
) -> Result<Vec<Problem>> {
    let doubtful =
        rights.iter().filter(|right| !rules.iter().any(|rule| right.is_granted_by(rule)));
    let api: Api<SelfSubjectAccessReview> = Api::all(client.clone());
    let answers = doubtful.map(|right| {
        let api = &api;
        async move {
            let review = right.review(&settings.namespace);
            let action = format!("ask whether we may {right}");
            // It is a create, but it stores nothing: without an answer nothing has happened.
            let answer =
                error::read(settings.call, action, api.create(&PostParams::default(), &review))
                    .await?;
            let status = answer.status.unwrap_or_default();
            Ok(if status.allowed {
                None
            } else {
                Some(right.as_problem(settings, status.reason.as_deref()))
            })
        }
    });
    Ok(try_join_all(answers).await?.into_iter().flatten().collect())
}

/// The rules that grant us something in the namespace; none where they cannot be told.
async fn granted(client: &Client, settings: &Settings) -> Vec<ResourceRule> {
    let api: Api<SelfSubjectRulesReview> = Api::all(client.clone());
    let spec = SelfSubjectRulesReviewSpec { namespace: Some(settings.namespace.clone()) };
    let review = SelfSubjectRulesReview { spec, ..SelfSubjectRulesReview::default() };
    let parameters = PostParams::default();
    let asking = api.create(&parameters, &review);
    let answer = error::read(settings.call, "ask for our rights", asking).await;
    let status = answer.ok().and_then(|review| review.status);
    status.map(|status| status.resource_rules).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_right_is_named_with_its_part_and_group() {
        let right = Right::new("update", "apps", "deployments").of_part("scale");
        let problem = right.as_problem(&Settings::new("agent", "ns"), None);
        assert_eq!(problem.object, "namespace ns, right to update deployments/scale of apps");
        assert!(problem.is_refusal());
    }

    #[test]
    fn a_rule_grants_what_it_names_and_no_more() {
        let rule = |groups: &[&str], resources: &[&str], verbs: &[&str], names: &[&str]| {
            let list = |all: &[&str]| all.iter().map(|&one| one.to_owned()).collect::<Vec<_>>();
            ResourceRule {
                api_groups: Some(list(groups)),
                resources: Some(list(resources)),
                verbs: list(verbs),
                resource_names: Some(list(names)),
            }
        };
        let scale = Right::new("update", "apps", "deployments").of_part("scale");
        for (granted, rule) in [
            (true, rule(&["apps"], &["deployments/scale"], &["get", "update"], &[])),
            (true, rule(&["*"], &["*"], &["*"], &[])),
            (false, rule(&["apps"], &["deployments"], &["update"], &[])),
            (false, rule(&["apps"], &["deployments/scale"], &["get"], &[])),
            (false, rule(&[""], &["deployments/scale"], &["update"], &[])),
            (false, rule(&["apps"], &["deployments/scale"], &["update"], &["other"])),
        ] {
            assert_eq!(scale.is_granted_by(&rule), granted, "{rule:?}");
        }
    }
}
