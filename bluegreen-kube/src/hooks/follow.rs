//! Jobs are watched until they have ended.

use bluegreen_core::{Error, ErrorKind, HookOutcome, HookRun, Result};
use kube::ResourceExt;
use kube::core::DynamicObject;
use kube::runtime::watcher;
use serde_json::Value;

use super::{JobHooks, job};
use crate::watching::{Watched, named};

/// How a Job has ended.
#[derive(Debug, PartialEq)]
pub(super) enum End {
    Complete,
    /// With the reason and message of the Job itself.
    Failed(String),
}

/// How a Job has ended, if it has.
pub(super) fn end(job: &DynamicObject) -> Option<End> {
    let conditions = job.data["status"]["conditions"].as_array()?;
    conditions.iter().find_map(|condition| {
        let text = |field: &str| condition[field].as_str().unwrap_or_default();
        match (text("type"), text("status")) {
            ("Complete", "True") => Some(End::Complete),
            ("Failed", "True") => {
                Some(End::Failed(format!("{}: {}", text("reason"), text("message"))))
            }
            _ => None,
        }
    })
}

impl JobHooks {
    /// Waits until a Job that was there has ended.
    pub(super) async fn follow(&self, name: &str) -> Result<HookOutcome> {
        let action = self.action("watch", "job", name);
        let mut watched = Watched::new(self.jobs.clone(), named(name), action);
        loop {
            let Some(job) = watched.changed().await?.get(name) else {
                let reason = format!("job {name} was deleted before it had ended");
                return Ok(HookOutcome::failed(reason, ""));
            };
            match end(job) {
                None => {}
                Some(End::Complete) => return Ok(HookOutcome::Succeeded),
                Some(End::Failed(reason)) => return Ok(self.why(name, &reason, job).await),
            }
        }
    }

    /// Waits until no other Job runs that was made from the same `CronJob`: two migrations of one
    /// kind at the same time are what nobody has tried.
    ///
    /// # Errors
    /// [`Rejected`](ErrorKind::Rejected), which names those that still run, at the deadline.
    pub(super) async fn others_ended(&self, run: &HookRun) -> Result<()> {
        let cron_job = job::cron_job(&run.hook.run).unwrap_or_default();
        let labels = job::labels(&self.settings, cron_job).into_iter();
        let selector: Vec<String> = labels.map(|(key, value)| format!("{key}={value}")).collect();
        let config = watcher::Config::default().labels(&selector.join(","));
        let action = self.action("watch", "jobs of cronjob", cron_job);
        let mut watched = Watched::new(self.jobs.clone(), config, action.clone());
        let mut others = String::new();
        let waiting = async {
            loop {
                let jobs = watched.changed().await?.values();
                let left: Vec<String> =
                    jobs.filter(|job| runs(job)).map(ResourceExt::name_any).collect();
                if left.is_empty() {
                    return Ok(());
                }
                others = left.join(", ");
            }
        };
        let left = run.deadline.since(self.clock.now());
        tokio::select! {
            biased;
            ended = waiting => ended,
            () = self.clock.sleep(left) => Err(Error::new(ErrorKind::Rejected, action)
                .with_source(format!("still under way since before: job {others}"))),
        }
    }
}

fn runs(job: &DynamicObject) -> bool {
    // One that somebody suspends does nothing until somebody lets it go on.
    job.data["spec"]["suspend"] != Value::Bool(true) && end(job).is_none()
}
