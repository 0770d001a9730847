//! Who may do what.

use serde_json::{Value, json};

use super::call::Call;
use super::json::text;
use super::status::{Refusal, details};

/// What somebody may not do. Everything else is allowed.
///
/// ```
/// # use bluegreen_kube::stand_in::Denial;
/// let nobody_patches = Denial::new("patch", "services");
/// let ann_cannot_scale = Denial::new("*", "deployments/scale").by("ann");
/// ```
#[derive(Clone, Debug)]
pub struct Denial {
    verb: String,
    resource: String,
    user: Option<String>,
    namespace: Option<String>,
}

impl Denial {
    /// Denies `verb` on `resource` to everybody. Either may be `"*"`; a subresource is named
    /// `"deployments/scale"`.
    pub fn new(verb: impl Into<String>, resource: impl Into<String>) -> Self {
        Self { verb: verb.into(), resource: resource.into(), user: None, namespace: None }
    }

    /// Denies it to this user only.
    #[must_use]
    pub fn by(mut self, user: impl Into<String>) -> Self {
        self.user = Some(user.into());
        self
    }

    /// Denies it in this namespace only.
    #[must_use]
    pub fn within(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = Some(namespace.into());
        self
    }

    fn covers(&self, user: &str, verb: &str, resource: &str, namespace: &str) -> bool {
        (self.verb == "*" || self.verb == verb)
            && (self.resource == "*" || self.resource == resource)
            && self.user.as_ref().is_none_or(|one| one == user)
            && self.namespace.as_ref().is_none_or(|one| one == namespace)
    }
}

/// All that is denied.
#[derive(Debug, Default)]
pub(super) struct Rights {
    pub(super) denials: Vec<Denial>,
}

impl Rights {
    pub(super) fn check(&self, call: &Call) -> Result<(), Refusal> {
        if self.allow(&call.user, call.verb, &call.what(), &call.namespace) {
            return Ok(());
        }
        let resource = &call.resource;
        let what = if call.name.is_empty() {
            resource.id.clone()
        } else {
            format!("{} \"{}\"", resource.id, call.name)
        };
        let place = if call.namespace.is_empty() {
            "at the cluster scope".to_owned()
        } else {
            format!("in the namespace \"{}\"", call.namespace)
        };
        let message = format!(
            "User \"{}\" cannot {} resource \"{}\" in API group \"{}\" {place}",
            call.user,
            call.verb,
            call.what(),
            resource.group
        );
        Err(Refusal::forbidden(&what, message, details(resource, &call.name)))
    }

    /// Answers a `SelfSubjectAccessReview`.
    pub(super) fn review(&self, user: &str, mut review: Value) -> Value {
        let asked = |field: &str| text(&review, &format!("/spec/resourceAttributes/{field}"));
        let mut resource = asked("resource").to_owned();
        if !asked("subresource").is_empty() {
            resource = format!("{resource}/{}", asked("subresource"));
        }
        let allowed = self.allow(user, asked("verb"), &resource, asked("namespace"));
        review["metadata"] = json!({});
        review["kind"] = "SelfSubjectAccessReview".into();
        review["apiVersion"] = "authorization.k8s.io/v1".into();
        review["status"] = json!({ "allowed": allowed });
        review
    }

    fn allow(&self, user: &str, verb: &str, resource: &str, namespace: &str) -> bool {
        !self.denials.iter().any(|denial| denial.covers(user, verb, resource, namespace))
    }
}
