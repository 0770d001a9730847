//! Every label, annotation and object name that this crate reads or writes, in one place.

use std::time::Duration;

use bluegreen_core::{AgentName, Color, HolderId, ReleaseId};

/// The prefix of our labels and annotations.
pub const PREFIX: &str = "bluegreen.dev/";
/// Who the API server is told that our writes come from.
pub const FIELD_MANAGER: &str = "bluegreen";
/// The well-known label that says what manages an object.
pub(crate) const MANAGED_BY: &str = "app.kubernetes.io/managed-by";

/// Which agent, where, and what its labels and variables are called.
///
/// Everything in this crate carries one. The fields are public: change what differs in your
/// cluster and leave the rest.
///
/// ```
/// use bluegreen_kube::Settings;
///
/// let mut settings = Settings::new("agent-service", "ai-agents");
/// settings.slot_label = "color".to_owned();
/// assert_eq!(settings.epoch_annotation(), "bluegreen.dev/epoch");
/// assert_eq!(settings.config_map(), "agent-service-bluegreen");
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Settings {
    /// The agent, named after its live Service.
    pub agent: AgentName,
    /// The namespace of everything.
    pub namespace: String,
    /// The label that tells the pods of the two slots apart.
    pub slot_label: String,
    /// The label with the version that a slot runs.
    pub version_label: String,
    /// The environment variable from which agents read their own version.
    pub version_env: String,
    /// The header in which agents say their own version.
    pub version_header: String,
    /// How long one call to the API server may take, the client's own retries included.
    pub call: Duration,
    /// The prefix of our own labels and annotations, slash included.
    pub prefix: String,
}

impl Settings {
    /// The settings of an agent with every default.
    pub fn new(agent: impl Into<AgentName>, namespace: impl Into<String>) -> Self {
        Self {
            agent: agent.into(),
            namespace: namespace.into(),
            slot_label: "slot".to_owned(),
            version_label: "version".to_owned(),
            version_env: "AGENT_VERSION".to_owned(),
            version_header: "x-agent-version".to_owned(),
            call: Duration::from_secs(10),
            prefix: PREFIX.to_owned(),
        }
    }

    /// The annotation with the fencing number.
    pub fn epoch_annotation(&self) -> String {
        self.own("epoch")
    }

    /// The annotation with the digest of what was deployed.
    pub fn digest_annotation(&self) -> String {
        self.own("digest")
    }

    /// The annotation with the digest of what may have traffic: see
    /// [`AnnotationApprover`](crate::AnnotationApprover).
    pub fn approve_annotation(&self) -> String {
        self.own("approve")
    }

    /// The annotation with the digest of what may not, and why.
    pub fn deny_annotation(&self) -> String {
        self.own("deny")
    }

    /// The annotation with what a deploy found and a revert puts back.
    pub fn found_annotation(&self) -> String {
        self.own("found")
    }

    /// The annotation with the last routing that was asked for, on what routes.
    pub fn transition_annotation(&self) -> String {
        self.own("transition")
    }

    /// The annotation with the slot that the last release prepared, on the ConfigMap with the right to pull.
    pub(crate) fn candidate_annotation(&self) -> String {
        self.own("candidate")
    }

    /// The annotation with the files of a template, by ConfigMap; on such a ConfigMap, its plain name.
    pub fn config_annotation(&self) -> String {
        self.own("config")
    }

    /// The annotation of the Deployments that were made from one that was no slot, whose uid it
    /// is.
    pub fn adopted_annotation(&self) -> String {
        self.own("adopted")
    }

    /// The annotation with what a template has that is kept elsewhere, by name.
    pub fn external_annotation(&self) -> String {
        self.own("external")
    }

    /// The label on our own objects with the agent that they belong to.
    pub fn agent_label(&self) -> String {
        self.own("agent")
    }

    /// The label on our own objects that says what they are for: see [`Purpose`].
    pub fn purpose_label(&self) -> String {
        self.own("purpose")
    }

    /// Any other label or annotation of ours.
    pub fn own(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// The labels of every object that we create for this agent.
    pub fn labels(&self, purpose: Purpose) -> Vec<(String, String)> {
        vec![
            (MANAGED_BY.to_owned(), FIELD_MANAGER.to_owned()),
            (self.agent_label(), label_value(self.agent.as_str())),
            (self.purpose_label(), purpose.as_str().to_owned()),
        ]
    }

    /// The label selector that finds what [`labels`](Self::labels) marks.
    pub fn selector(&self, purpose: Purpose) -> String {
        let pairs = self.labels(purpose).into_iter().map(|(key, value)| format!("{key}={value}"));
        pairs.collect::<Vec<_>>().join(",")
    }

    /// The label selector that finds everything of this agent that is ours.
    pub(crate) fn everything(&self) -> String {
        let agent = label_value(self.agent.as_str());
        format!("{MANAGED_BY}={FIELD_MANAGER},{}={agent}", self.agent_label())
    }

    /// The ConfigMap with the record of the release.
    pub fn config_map(&self) -> String {
        object_name(&format!("{}-bluegreen", self.agent))
    }

    /// The ConfigMap with the record of a finished release.
    pub fn archive_config_map(&self, release: &ReleaseId) -> String {
        object_name(&format!("{}-bluegreen-{release}", self.agent))
    }

    /// The ConfigMap with one blob of a release.
    pub fn blob_config_map(&self, release: &ReleaseId, name: &str) -> String {
        object_name(&format!("{}-bluegreen-{release}-{name}", self.agent))
    }

    /// The headless Service through which the endpoint controller knows the idle pods.
    pub fn preview_service(&self) -> String {
        object_name(&format!("{}-preview", self.agent))
    }
}

/// The Deployment that `init` creates for a slot when the other one is called `found`.
pub(crate) fn twin(found: &str, color: Color) -> String {
    let stem = found.strip_suffix(&format!("-{}", color.other())).unwrap_or(found);
    object_name(&format!("{stem}-{color}"))
}

/// The Lease of one driver process.
pub fn lease_name(holder: &HolderId) -> String {
    object_name(&format!("bluegreen-{holder}"))
}

/// What an object of ours is for: the value of its purpose label.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Purpose {
    /// The record of the current release.
    Record,
    /// The record of a finished release.
    Archive,
    /// A blob of a release.
    Blob,
    /// The Service of the idle slot.
    Preview,
    /// The lease of a driver process.
    Lease,
    /// Prompts and other files of a release.
    Config,
    /// A Job that runs a hook of a release.
    Hook,
}

impl Purpose {
    /// The value of the label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Record => "record",
            Self::Archive => "archive",
            Self::Blob => "blob",
            Self::Preview => "preview",
            Self::Lease => "lease",
            Self::Config => "config",
            Self::Hook => "hook",
        }
    }
}

/// Makes a name that Kubernetes takes for any object: lower case, at most 63 characters. What
/// has to be changed for that is made up for by a hash, so that two names stay two.
pub(crate) fn object_name(wanted: &str) -> String {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let good = wanted.len() <= 63
        && wanted.chars().all(|c| plain(c) || c == '-')
        && wanted.starts_with(plain)
        && wanted.ends_with(plain);
    if good {
        return wanted.to_owned();
    }
    let tidy: String = wanted
        .chars()
        .map(|c| c.to_ascii_lowercase())
        .map(|c| if plain(c) { c } else { '-' })
        .take(54)
        .collect();
    let digest = bluegreen_core::Digest::of([wanted]);
    match tidy.trim_matches('-') {
        "" => format!("x-{}", digest.short()),
        // A Service's name has to begin with a letter.
        stem if stem.starts_with(|c: char| c.is_ascii_digit()) => {
            format!("x{}-{}", &stem[..stem.len().min(53)], digest.short())
        }
        stem => format!("{stem}-{}", digest.short()),
    }
}

/// Makes a value that a label can hold of any name.
pub(crate) fn label_value(wanted: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric();
    let good = wanted.len() <= 63
        && wanted.chars().all(|c| plain(c) || matches!(c, '-' | '_' | '.'))
        && wanted.starts_with(plain)
        && wanted.ends_with(plain);
    if good { wanted.to_owned() } else { object_name(wanted) }
}

/// A key as one step of a JSON pointer.
pub(crate) fn pointer_step(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_names_stay_and_others_stay_apart() {
        assert_eq!(object_name("agent-bluegreen"), "agent-bluegreen");
        let (one, two) = (object_name("Agent_1"), object_name("agent_1"));
        assert!(one.starts_with("agent-1-") && two.starts_with("agent-1-"), "{one} {two}");
        assert_ne!(one, two);
        for wanted in ["", "---", "9lives.x", &"a".repeat(80), &"9".repeat(80), "ÄÖ"] {
            let name = object_name(wanted);
            assert!(
                name.len() <= 63 && name.starts_with(|c: char| c.is_ascii_lowercase()),
                "{name}"
            );
            assert_eq!(object_name(&name), name);
        }
    }

    #[test]
    fn a_twin_is_named_after_its_color() {
        assert_eq!(twin("agent-blue", Color::Green), "agent-green");
        assert_eq!(twin("agent", Color::Green), "agent-green");
    }

    #[test]
    fn a_pointer_step_is_escaped() {
        assert_eq!(pointer_step("bluegreen.dev/a~b"), "bluegreen.dev~1a~0b");
    }
}
