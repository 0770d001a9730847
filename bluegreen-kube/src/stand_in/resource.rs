//! What kinds of objects there are.

use k8s_openapi::api::{
    apps::v1 as apps, autoscaling::v2 as autoscaling, batch::v1 as batch,
    coordination::v1 as coordination, core::v1 as core, discovery::v1 as discovery,
    events::v1 as events, networking::v1 as networking, policy::v1 as policy,
};
use k8s_openapi::serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

/// One kind of object.
#[derive(Clone, Debug)]
pub(super) struct Resource {
    /// As error messages name it: `deployments.apps`, `services`.
    pub(super) id: String,
    pub(super) group: String,
    pub(super) version: String,
    pub(super) plural: String,
    pub(super) kind: String,
    has: &'static [Has],
    typed: Option<Typed>,
}

/// Reads an object into its type and writes it again.
type Typed = fn(Value) -> Result<Value, String>;

/// What a kind has that not every kind has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Has {
    /// Objects belong to no namespace.
    ClusterScope,
    /// `metadata.generation` counts what is asked for.
    Generation,
    /// A status that only `/status` changes.
    Status,
    /// `/scale`.
    Scale,
    /// A PUT must carry the resource version.
    VersionedPut,
    /// A PUT of what does not exist creates it.
    CreatingPut,
    /// A DELETE answers with the object.
    ReturnedDelete,
}

impl Resource {
    /// One of a group that the real server learns of through a `CustomResourceDefinition`.
    pub(super) fn custom(group: &str, version: &str, plural: &str, kind: &str) -> Self {
        const CUSTOM: &[Has] =
            &[Has::Generation, Has::Status, Has::VersionedPut, Has::ReturnedDelete];
        Self::new(group, version, plural, kind, CUSTOM, None)
    }

    fn new(
        group: &str,
        version: &str,
        plural: &str,
        kind: &str,
        has: &'static [Has],
        typed: Option<Typed>,
    ) -> Self {
        let id = if group.is_empty() { plural.to_owned() } else { format!("{plural}.{group}") };
        Self {
            id,
            group: group.to_owned(),
            version: version.to_owned(),
            plural: plural.to_owned(),
            kind: kind.to_owned(),
            has,
            typed,
        }
    }

    /// The same under other names, for a message that does not use its own.
    pub(super) fn called(&self, id: &str, plural: &str) -> Self {
        Self { id: id.to_owned(), plural: plural.to_owned(), ..self.clone() }
    }

    pub(super) fn has(&self, what: Has) -> bool {
        self.has.contains(&what)
    }

    pub(super) fn is_namespaced(&self) -> bool {
        !self.has(Has::ClusterScope)
    }

    /// `apps/v1`, `v1`.
    pub(super) fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.clone()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// The object as its Go type would keep it: unknown fields are gone, and a field of
    /// another type is an error.
    pub(super) fn typed(&self, object: Value) -> Result<Value, String> {
        match self.typed {
            Some(typed) => typed(object),
            None => Ok(object),
        }
    }
}

/// The kinds that are there without a `CustomResourceDefinition`.
pub(super) fn built_in() -> Vec<Resource> {
    use Has::{ClusterScope, CreatingPut, Generation, ReturnedDelete, Scale, Status, VersionedPut};
    const SCALED: &[Has] = &[Generation, Status, Scale];
    const ASKED: &[Has] = &[Generation, Status];
    let core = |plural, kind, has, typed| Resource::new("", "v1", plural, kind, has, Some(typed));
    let other = |group, plural, kind, has, typed| {
        let version = if group == "autoscaling" { "v2" } else { "v1" };
        Resource::new(group, version, plural, kind, has, Some(typed))
    };
    vec![
        core("configmaps", "ConfigMap", &[], typed::<core::ConfigMap>),
        core("secrets", "Secret", &[], typed::<core::Secret>),
        core("events", "Event", &[], typed::<core::Event>),
        core(
            "namespaces",
            "Namespace",
            &[ClusterScope, Status, ReturnedDelete],
            typed::<core::Namespace>,
        ),
        core("nodes", "Node", &[ClusterScope, Status], typed::<core::Node>),
        core("pods", "Pod", &[Generation, Status, ReturnedDelete], typed::<core::Pod>),
        core(
            "resourcequotas",
            "ResourceQuota",
            &[Status, ReturnedDelete],
            typed::<core::ResourceQuota>,
        ),
        core("serviceaccounts", "ServiceAccount", &[ReturnedDelete], typed::<core::ServiceAccount>),
        core("services", "Service", &[Status, ReturnedDelete], typed::<core::Service>),
        other("apps", "deployments", "Deployment", SCALED, typed::<apps::Deployment>),
        other("apps", "replicasets", "ReplicaSet", SCALED, typed::<apps::ReplicaSet>),
        other(
            "autoscaling",
            "horizontalpodautoscalers",
            "HorizontalPodAutoscaler",
            ASKED,
            typed::<autoscaling::HorizontalPodAutoscaler>,
        ),
        other("batch", "cronjobs", "CronJob", ASKED, typed::<batch::CronJob>),
        other("batch", "jobs", "Job", ASKED, typed::<batch::Job>),
        other(
            "coordination.k8s.io",
            "leases",
            "Lease",
            &[VersionedPut, CreatingPut],
            typed::<coordination::Lease>,
        ),
        other(
            "discovery.k8s.io",
            "endpointslices",
            "EndpointSlice",
            &[Generation],
            typed::<discovery::EndpointSlice>,
        ),
        other("events.k8s.io", "events", "Event", &[CreatingPut], typed::<events::Event>),
        other("networking.k8s.io", "ingresses", "Ingress", ASKED, typed::<networking::Ingress>),
        other(
            "policy",
            "poddisruptionbudgets",
            "PodDisruptionBudget",
            ASKED,
            typed::<policy::PodDisruptionBudget>,
        ),
    ]
}

fn typed<T: Serialize + DeserializeOwned>(object: Value) -> Result<Value, String> {
    let object: T = serde_json::from_value(object).map_err(|error| error.to_string())?;
    serde_json::to_value(object).map_err(|error| error.to_string())
}
