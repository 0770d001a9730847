//! `AgentRelease`: what people write. The definition of the kind in `install.yaml` is made of this.

use std::collections::BTreeMap;

use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::status::AgentReleaseStatus;

/// Which change an agent is to run, and how it gets there.
#[derive(Clone, CustomResource, Debug, Deserialize, KubeSchema, PartialEq, Serialize)]
#[kube(
    group = "bluegreen.dev",
    version = "v1alpha1",
    kind = "AgentRelease",
    plural = "agentreleases",
    shortname = "arel",
    namespaced,
    status = "AgentReleaseStatus",
    derive = "PartialEq",
    doc = "A change that an agent is to run, released without downtime.",
    printcolumn(name = "Service", type_ = "string", json_path = ".spec.service"),
    printcolumn(name = "Version", type_ = "string", json_path = ".status.version"),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].reason"
    ),
    printcolumn(name = "Traffic", type_ = "string", json_path = ".status.traffic", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[x_kube(
    validation = Rule::new("self.service == oldSelf.service")
        .message("service cannot be changed: delete the object and make one for the other agent")
        .field_path(".service"),
)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AgentReleaseSpec {
    /// The agent, by its live Service in the same namespace. Of several objects for one agent the one
    /// counts whose release its current or last one is, or else the oldest.
    #[schemars(length(min = 1, max = 63))]
    pub(crate) service: String,
    /// What the release brings, as a delta to what live runs.
    pub(crate) change: ChangeSpec,
    /// How the release goes about it, in the format of a bluegreen plan; every field has a default.
    #[serde(default = "nothing")]
    #[schemars(schema_with = "crate::plan_schema::plan")]
    pub(crate) plan: Value,
    /// Paths that every pod of the candidate must answer with success before it gets traffic.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(max = 1024), regex(pattern = r"^/")))]
    pub(crate) smoke: Vec<String>,
    /// Any text. A change that ended rolled back is not started again until this is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub(crate) retry: Option<String>,
}

/// What a release brings.
#[derive(Clone, Debug, Default, Deserialize, KubeSchema, PartialEq, Serialize)]
#[x_kube(
    validation = Rule::new(
        "has(self.images) || has(self.env) || has(self.model) || has(self.files) || has(self.external)"
    )
    .message("found nothing to release, wanted images, env, model, files or external"),
)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ChangeSpec {
    /// New images by container.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) images: BTreeMap<String, String>,
    /// New values of environment variables. No secrets: whoever may read this object reads them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) env: Vec<VariableSpec>,
    /// The model that the agent talks to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) model: Option<ModelSpec>,
    /// Prompts and other files: by the name of the ConfigMap that the agent reads, the files that take
    /// the place of those in it. The ConfigMap itself stays as it is.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) files: BTreeMap<String, BTreeMap<String, String>>,
    /// Things kept elsewhere (a version in a prompt registry, say), by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) external: BTreeMap<String, ExternalSpec>,
    /// The version label. Without one it is the image's tag and eight digits of the digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub(crate) version: Option<String>,
}

/// A new value of an environment variable.
#[derive(Clone, Debug, Deserialize, KubeSchema, PartialEq, Serialize)]
pub(crate) struct VariableSpec {
    /// The variable.
    #[schemars(length(min = 1))]
    pub(crate) name: String,
    /// Its new value.
    pub(crate) value: String,
    /// The container; the only one there is unless said otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) container: Option<String>,
}

/// A new model.
#[derive(Clone, Debug, Deserialize, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ModelSpec {
    /// The environment variable from which the agent reads the model's name.
    #[schemars(length(min = 1))]
    pub(crate) env_var: String,
    /// The model's name.
    #[schemars(length(min = 1))]
    pub(crate) name: String,
}

/// Something kept elsewhere.
#[derive(Clone, Debug, Deserialize, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ExternalSpec {
    /// Where it is.
    #[schemars(length(min = 1, max = 1024))]
    pub(crate) reference: String,
    /// The digest of what is in it.
    #[schemars(regex(pattern = r"^sha256:[0-9a-f]{64}$"))]
    pub(crate) digest: String,
    /// The environment variable of the only container that gets the reference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) env_var: Option<String>,
}

fn nothing() -> Value {
    Value::Object(serde_json::Map::new())
}
