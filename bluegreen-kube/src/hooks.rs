//! Hooks of a release, run as Jobs.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bluegreen_core::plan::Hook;
use bluegreen_core::{
    Clock, Error, ErrorKind, HookOutcome, HookRun, HookRunner, Problem, Result, SystemClock,
};
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{ApiResource, PostParams};
use kube::core::DynamicObject;
use kube::{Api, Client};

use crate::deployment::secrets::Secrets;
use crate::rights::Rules;
use crate::{FIELD_MANAGER, Settings, error};

mod check;
mod follow;
mod job;
#[cfg(test)]
mod tests;
mod why;

/// Runs hooks as Jobs, each made from the `CronJob` that its `run` names: `cronjob/NAME`.
///
/// The `CronJob` stays with its owner, who normally suspends it: its `jobTemplate` is what runs, as
/// `kubectl create job --from` does it. What a release changes in it:
///
/// * Containers with the name of a container of the agent get the candidate's image of that one.
/// * The variables `BLUEGREEN_RELEASE`, `BLUEGREEN_VERSION`, `BLUEGREEN_DIGEST` and `BLUEGREEN_SLOT`,
///   of the candidate, are added to all containers.
/// * `activeDeadlineSeconds` ends the Job when the hook has had its time.
/// * `ttlSecondsAfterFinished` is at least a day, so that whoever comes back after a crash finds how
///   it ended; a week where the template sets none.
///
/// A Job is named after agent, release, hook and attempt, so that an attempt is made once: what is
/// there is followed. It has no owner, because with the `CronJob` as one the controller would take
/// it away by that one's history limits. A release that is called off leaves a Job that runs to end
/// by itself: half a migration is worse than one that nobody waits for. The next attempt at the same
/// `CronJob`, of whatever release, waits for its end.
///
/// The end of a failed Job's log stands in the record of the release, without the literal values of
/// the template's variables. A Secret that the program itself prints is not known, and stays in it.
///
/// Needs the Role of `rbac-hooks.yaml` beside the other one.
///
/// ```no_run
/// # async fn example(cluster: bluegreen_kube::Cluster) -> Result<(), Box<dyn std::error::Error>> {
/// use bluegreen_core::plan::{Hook, HookPoint};
/// use bluegreen_core::{Change, Plan};
///
/// let plan = Plan::all_at_once()
///     .hook(Hook::before(HookPoint::Deploying, "expand", "cronjob/agent-expand"))
///     .hook(Hook::before(HookPoint::Done, "contract", "cronjob/agent-contract"));
/// let change = Change::image("agent", "registry.example.com/agent-service:1.3.0");
/// cluster.releaser().run(change, &plan).await?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct JobHooks {
    client: Client,
    settings: Settings,
    cron_jobs: Api<DynamicObject>,
    jobs: Api<DynamicObject>,
    pods: Api<Pod>,
    clock: Arc<dyn Clock>,
    rules: Rules,
}

impl JobHooks {
    /// Runs hooks in the namespace of `settings`.
    pub fn new(client: Client, settings: Settings) -> Self {
        let namespace = &settings.namespace;
        let of = |kind: &ApiResource| Api::namespaced_with(client.clone(), namespace, kind);
        Self {
            cron_jobs: of(&ApiResource::erase::<CronJob>(&())),
            jobs: of(&ApiResource::erase::<Job>(&())),
            pods: Api::namespaced(client.clone(), namespace),
            clock: Arc::new(SystemClock),
            rules: Rules::default(),
            client,
            settings,
        }
    }

    /// The clock by which deadlines are told.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Shares the question of rights with other parts.
    pub(crate) fn sharing(mut self, rules: &Rules) -> Self {
        self.rules = rules.clone();
        self
    }

    fn action(&self, verb: &str, kind: &str, name: &str) -> String {
        format!("{verb} {kind} {}/{name}", self.settings.namespace)
    }

    /// The `CronJob` that a hook names.
    async fn cron_job(&self, hook: &Hook) -> Result<DynamicObject> {
        let Some(name) = job::cron_job(&hook.run) else {
            return Err(Error::new(ErrorKind::Rejected, format!("run hook {}", hook.name))
                .with_source(format!("found {:?}, wanted cronjob/NAME", hook.run)));
        };
        let action = self.action("read", "cronjob", name);
        error::read(self.settings.call, action, self.cron_jobs.get(name)).await
    }

    /// Makes the Job of this attempt if it is not there.
    async fn begin(&self, run: &HookRun) -> Result<String> {
        let name = job::name(&self.settings, run);
        let action = self.action("read", "job", &name);
        let reading = self.jobs.get(&name);
        if let Some(found) = error::read_opt(self.settings.call, action, reading).await? {
            return self.is_of(&found, run).map(|()| name);
        }
        let cron_job = self.cron_job(&run.hook).await?;
        self.others_ended(run).await?;
        let wanted = job::made(&self.settings, &cron_job, run, self.clock.now())?;
        let action = self.action("create", "job", &name);
        match self.create(action, &wanted, false).await {
            // Somebody was faster, or our own answer was lost.
            Err(error) if error.kind() == ErrorKind::Conflict => {
                let action = self.action("read", "job", &name);
                let found = error::read(self.settings.call, action, self.jobs.get(&name)).await?;
                self.is_of(&found, run).map(|()| name)
            }
            created => created.map(|()| name),
        }
    }

    async fn create(&self, action: String, job: &DynamicObject, dry_run: bool) -> Result<()> {
        let post = PostParams { dry_run, field_manager: Some(FIELD_MANAGER.to_owned()) };
        let creating = self.jobs.create(&post, job);
        let created = error::write(self.settings.call, action, creating).await;
        created.map(drop).map_err(|error| Secrets::in_value(&job.data).hide(error))
    }

    /// Whether a Job that is there is the one of this attempt, and nobody else's of the same name.
    fn is_of(&self, found: &DynamicObject, run: &HookRun) -> Result<()> {
        let marks = found.metadata.annotations.as_ref();
        let digest = marks.and_then(|it| it.get(&self.settings.digest_annotation()));
        if digest.map(String::as_str) == Some(run.digest.as_str()) {
            return Ok(());
        }
        let name = found.metadata.name.as_deref().unwrap_or_default();
        let found = digest.map_or("no digest of a release", |it| it.as_str());
        Err(Error::new(ErrorKind::Rejected, self.action("follow", "job", name)).with_source(
            format!("it is of something else: found {found}, wanted digest {}", run.digest),
        ))
    }
}

#[async_trait]
impl HookRunner for JobHooks {
    async fn check(&self, hook: &Hook) -> Result<Vec<Problem>> {
        check::check(self, hook).await
    }

    async fn run(&self, run: &HookRun) -> Result<HookOutcome> {
        let name = self.begin(run).await?;
        self.follow(&name).await
    }
}

impl fmt::Debug for JobHooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobHooks").field("settings", &self.settings).finish_non_exhaustive()
    }
}
