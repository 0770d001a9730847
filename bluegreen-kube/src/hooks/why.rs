//! Why a Job failed: what it says, what its last pod says, and the end of that one's log.

use bluegreen_core::{Error, HookOutcome};
use k8s_openapi::api::core::v1::{ContainerStateTerminated, Pod};
use kube::ResourceExt as _;
use kube::api::{ListParams, LogParams};
use kube::core::DynamicObject;

use super::{JobHooks, job};
use crate::deployment::secrets::Secrets;
use crate::error;
use crate::printable::printable;

/// How many of the last lines are read, and how many bytes of them at most.
const LINES: i64 = 100;
const BYTES: i64 = 256 * 1024;
/// The most characters of what a container says when it ends.
const SAID: usize = 256;

impl JobHooks {
    /// The outcome of a Job that failed. What cannot be read is left out, and said to be.
    pub(super) async fn why(&self, name: &str, reason: &str, job: &DynamicObject) -> HookOutcome {
        let secrets = Secrets::in_value(&job.data);
        let mut reason = format!("job {name}: {}", printable(reason, SAID));
        let mut log = String::new();
        match self.last_pod(name).await {
            Ok(None) => reason.push_str("; it has no pod any more"),
            Ok(Some(pod)) => {
                let (container, how) = ended(&pod);
                reason = format!("{reason}; pod {}{how}", pod.name_any());
                match self.log(&pod, container).await {
                    Ok(text) => log = text,
                    Err(error) => {
                        reason = format!("{reason}; its log could not be read: {}", error.chain());
                    }
                }
            }
            Err(error) => {
                reason = format!("{reason}; its pods could not be read: {}", error.chain());
            }
        }
        HookOutcome::failed(secrets.hide_in(&reason), &secrets.hide_in(&log))
    }

    /// The pod that began last.
    async fn last_pod(&self, name: &str) -> Result<Option<Pod>, Error> {
        let selector = format!("{}={name}", job::job_label(&self.settings));
        let parameters = ListParams::default().labels(&selector);
        let action = self.action("list", "pods of job", name);
        let listing = self.pods.list(&parameters);
        let pods = error::read(self.settings.call, action, listing).await?;
        let begun = |pod: &Pod| pod.metadata.creation_timestamp.clone();
        Ok(pods.items.into_iter().max_by_key(begun))
    }

    async fn log(&self, pod: &Pod, container: Option<String>) -> Result<String, Error> {
        let name = pod.name_any();
        let parameters = LogParams {
            container,
            tail_lines: Some(LINES),
            limit_bytes: Some(BYTES),
            ..LogParams::default()
        };
        let reading = self.pods.logs(&name, &parameters);
        error::read(self.settings.call, self.action("read", "log of pod", &name), reading).await
    }
}

/// The container that failed, else the first one, and how it ended.
fn ended(pod: &Pod) -> (Option<String>, String) {
    let statuses = crate::deployment::statuses(pod);
    let failed = statuses.filter_map(|status| {
        let ended = status.state.as_ref()?.terminated.as_ref()?;
        (ended.exit_code != 0).then_some((status, ended))
    });
    if let Some((status, ended)) = failed.last() {
        return (Some(status.name.clone()), told(&status.name, ended));
    }
    let spec = pod.spec.as_ref();
    let first = spec.and_then(|spec| spec.containers.first()).map(|it| it.name.clone());
    // One that was ended from outside, or never began.
    let why = pod.status.as_ref().and_then(|status| {
        let said = status.reason.clone().or_else(|| status.phase.clone())?;
        Some(format!(": {}", printable(&said, SAID)))
    });
    (first, why.unwrap_or_default())
}

fn told(container: &str, ended: &ContainerStateTerminated) -> String {
    let why = ended.reason.as_deref().unwrap_or("unknown reason");
    let said = ended.message.as_deref().map(str::trim).filter(|said| !said.is_empty());
    let said = said.map_or_else(String::new, |said| format!(": {}", printable(said, SAID)));
    format!(", container {container} ended with exit code {} ({why}){said}", ended.exit_code)
}
