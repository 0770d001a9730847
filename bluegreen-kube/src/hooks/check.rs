//! What stands in the way of a hook, found out before a release begins.

use bluegreen_core::plan::Hook;
use bluegreen_core::{ErrorKind, HookRun, Problem, ReleaseId, Result};
use kube::core::DynamicObject;

use super::{JobHooks, job};
use crate::rights::Right;
use crate::trial;

/// What running a hook takes.
const RIGHTS: [Right; 6] = [
    Right::new("get", "batch", "cronjobs"),
    Right::new("get", "batch", "jobs"),
    Right::new("list", "batch", "jobs"),
    Right::new("watch", "batch", "jobs"),
    Right::new("create", "batch", "jobs"),
    // Without it a failure is told without its log.
    Right::new("get", "", "pods").of_part("log").optional(),
];

pub(super) async fn check(hooks: &JobHooks, hook: &Hook) -> Result<Vec<Problem>> {
    let object = format!("plan, hook {}", hook.name);
    let Some(name) = job::cron_job(&hook.run) else {
        let problem = Problem::new("hook-run", object).found(format!("{:?}", hook.run));
        return Ok(vec![problem.wanted("`cronjob/NAME`, of a CronJob of the agent's namespace")]);
    };
    let (client, settings) = (&hooks.client, &hooks.settings);
    let mut problems = hooks.rules.missing(client, settings, &RIGHTS).await?;
    let cron_job = match hooks.cron_job(hook).await {
        Ok(cron_job) => cron_job,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            problems.push(
                Problem::new("hook-missing", object)
                    .found(format!("no CronJob {name} in namespace {}", settings.namespace))
                    .wanted("a CronJob whose jobTemplate is what the hook runs")
                    .mend("apply it, suspended: `spec.suspend: true`"),
            );
            return Ok(problems);
        }
        // That we may not read it is on the list.
        Err(error) if error.kind() == ErrorKind::Rejected && !problems.is_empty() => {
            return Ok(problems);
        }
        Err(error) => return Err(error),
    };
    about(hooks, &cron_job, name, &mut problems);
    if !problems.iter().any(Problem::is_refusal) {
        problems.extend(try_to_create(hooks, hook, &cron_job, name).await?);
    }
    Ok(problems)
}

fn about(hooks: &JobHooks, cron_job: &DynamicObject, name: &str, problems: &mut Vec<Problem>) {
    let object = format!("CronJob {}/{name}", hooks.settings.namespace);
    let spec = &cron_job.data["spec"];
    if spec["suspend"] != true {
        let schedule = spec["schedule"].as_str().unwrap_or_default();
        problems.push(
            Problem::new("hook-scheduled", &object)
                .found(format!("it also runs by its schedule ({schedule})"))
                .wanted("a hook that only runs when a release wants it")
                .mend("set spec.suspend to true")
                .warning(),
        );
    }
    let label = &hooks.settings.slot_label;
    let labels = &spec["jobTemplate"]["spec"]["template"]["metadata"]["labels"];
    if let Some(found) = labels[label].as_str() {
        problems.push(
            Problem::new("hook-labels", format!("{object}, pod template"))
                .found(format!("label {label}={found}"))
                .wanted(format!("no label {label}: its pods would be taken for pods of a slot")),
        );
    }
}

/// Admission, quotas of Jobs and validation have their say. The images are those of the template.
async fn try_to_create(
    hooks: &JobHooks,
    hook: &Hook,
    cron_job: &DynamicObject,
    name: &str,
) -> Result<Option<Problem>> {
    let now = hooks.clock.now();
    let run = HookRun::new(ReleaseId::new("preflight"), hook.clone(), now.plus(hook.timeout));
    let object = format!("Job of CronJob {}/{name}", hooks.settings.namespace);
    let tried = match job::made(&hooks.settings, cron_job, &run, now) {
        Ok(job) => {
            let action = hooks.action("try to create", "a job of cronjob", name);
            hooks.create(action, &job, true).await
        }
        Err(error) => Err(error),
    };
    trial::refusal(object, "starts the hook", tried)
}
