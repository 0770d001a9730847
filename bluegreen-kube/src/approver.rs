//! A person says yes or no by an annotation on the live Service.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bluegreen_core::{
    Actor, ApprovalRequest, Approver, Decision, Digest, Progress, Reporter, Result, Silent,
};
use k8s_openapi::api::core::v1::Service;
use kube::{Api, Client, ResourceExt as _};

use crate::names::pointer_step;
use crate::printable::{printable, quoted};
use crate::watching::{Filter, Scope, Watches};
use crate::{Fleet, Settings, owners};

/// The most characters of a reason that are kept.
const REASON: usize = 500;

/// Decides by annotations of the agent's live Service:
///
/// ```console
/// $ kubectl annotate service agent-service bluegreen.dev/approve=sha256:DIGEST
/// $ kubectl annotate service agent-service bluegreen.dev/deny=sha256:DIGEST:'wrong refunds'
/// ```
///
/// ```no_run
/// use std::sync::Arc;
///
/// use bluegreen_core::{Ports, Progress, Releaser};
/// use bluegreen_kube::{AnnotationApprover, Settings};
///
/// # fn example(client: kube::Client, ports: Ports) -> Releaser {
/// let settings = Settings::new("agent-service", "ai-agents");
/// let approver = AnnotationApprover::new(client, &settings)
///     .report(|progress: &Progress| eprintln!("{progress}"));
/// Releaser::new(ports.with_approver(Arc::new(approver)))
/// # }
/// ```
///
/// * The digest is the whole one of the release, as the note with which the wait begins shows it. An annotation
///   with anything else decides nothing: it is told once as a note.
/// * Who is denied and approved is denied. Without a reason the release says that none was given.
/// * It is the manager of the field (`managedFields`) who said so: `kubectl-annotate`, or what
///   `--field-manager` says. Where no manager has the annotation, it is somebody who may write the Service. That
///   is a name that the writer has chosen: who may say yes is who may `patch` the Service, and such a one
///   may move traffic anyway.
/// * Annotations are watched, and not taken away. One that was there before the request decides it, and the same
///   change that is released once more has the approval that it had: `kubectl annotate service agent-service
///   bluegreen.dev/approve-` takes it back, as long as nothing is decided.
///
/// Needs the verbs `list` and `watch` on `services`.
#[derive(Clone)]
pub struct AnnotationApprover {
    api: Api<Service>,
    service: String,
    namespace: String,
    approve: String,
    deny: String,
    reporter: Arc<dyn Reporter>,
    watches: Watches,
}

impl AnnotationApprover {
    /// The approver of the agent that `settings` name.
    pub fn new(client: Client, settings: &Settings) -> Self {
        Self {
            api: Api::namespaced(client, &settings.namespace),
            service: settings.agent.to_string(),
            namespace: settings.namespace.clone(),
            approve: settings.approve_annotation(),
            deny: settings.deny_annotation(),
            reporter: Arc::new(Silent),
            watches: Watches::default(),
        }
    }

    /// Waits on the watches of a fleet, where many may wait for an approval.
    #[must_use]
    pub fn of_fleet(mut self, fleet: &Fleet) -> Self {
        self.watches = fleet.watches();
        self
    }

    /// Who is told what is waited for, and of annotations that decide nothing.
    #[must_use]
    pub fn report(mut self, reporter: impl Reporter + 'static) -> Self {
        self.reporter = Arc::new(reporter);
        self
    }

    fn note(&self, text: String) {
        self.reporter.report(&Progress::note(text));
    }

    /// What a Service says to this request. What it says to others is told, if it was not before.
    fn read(
        &self,
        service: &Service,
        request: &ApprovalRequest,
        told: &mut BTreeSet<String>,
    ) -> Option<Decision> {
        let mut tell = |key: &str, found: &str, wanted: &str| {
            let actor = self.actor(service, key);
            let note = format!(
                "{key} on service {}: found {} by {actor}, wanted {}{wanted}",
                self.service,
                quoted(found),
                request.digest
            );
            if told.insert(note.clone()) {
                self.note(note);
            }
        };
        if let Some(text) = service.annotations().get(&self.deny) {
            if let Some(reason) = denied(text.trim(), &request.digest) {
                let actor = self.actor(service, &self.deny);
                return Some(Decision::Deny { actor, reason });
            }
            tell(&self.deny, text, ":REASON");
        }
        let text = service.annotations().get(&self.approve)?;
        if text.trim() == request.digest.as_str() {
            return Some(Decision::Approve { actor: self.actor(service, &self.approve) });
        }
        tell(&self.approve, text, "");
        None
    }

    fn actor(&self, service: &Service, key: &str) -> Actor {
        let field = format!("/f:metadata/f:annotations/f:{}", pointer_step(key));
        let manager = owners::latest(&service.metadata, &[&field]);
        Actor::new(manager.map_or_else(
            || format!("somebody who may write service {}", self.service),
            |name| printable(&name, 200),
        ))
    }
}

/// The reason of an annotation that denies this digest.
fn denied(text: &str, digest: &Digest) -> Option<String> {
    let reason = match text.strip_prefix(digest.as_str())? {
        "" => "",
        more => more.strip_prefix(':')?.trim(),
    };
    let none = "no reason given";
    Some(if reason.is_empty() { none.to_owned() } else { printable(reason, REASON) })
}

impl fmt::Debug for AnnotationApprover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnnotationApprover")
            .field("service", &self.service)
            .field("namespace", &self.namespace)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Approver for AnnotationApprover {
    async fn decide(&self, request: &ApprovalRequest) -> Result<Decision> {
        let (service, namespace) = (&self.service, &self.namespace);
        let action = format!("watch service {service} in {namespace} for an approval");
        let scope = Scope::all().with_managers();
        let mut watched =
            self.watches.watched(&self.api, scope, &Filter::named(service), 0, action);
        let mut told = BTreeSet::new();
        let mut is_new = true;
        loop {
            // A Service that is not there may come: how long that is waited for is the caller's to say.
            let seen = watched.changed().await?;
            let found = seen.get(service);
            if let Some(decision) = found.and_then(|it| self.read(it, request, &mut told)) {
                return Ok(decision);
            }
            let text = if found.is_none() {
                format!("service {service} in {namespace}, whose annotations decide, is not there")
            } else if std::mem::take(&mut is_new) {
                format!(
                    "waits for: kubectl annotate service {service} --namespace {namespace} {}={}",
                    self.approve, request.digest
                )
            } else {
                continue;
            };
            self.note(text);
        }
    }
}

#[cfg(test)]
mod tests;
