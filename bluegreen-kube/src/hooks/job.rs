//! The Job of an attempt at a hook: a function of the `CronJob` and of what is released.

use bluegreen_core::{Error, ErrorKind, HookRun, Result, Timestamp};
use k8s_openapi::api::batch::v1::Job;
use kube::core::DynamicObject;
use kube::discovery::ApiResource;
use serde_json::{Map, Value, json};

use crate::names::{label_value, object_name};
use crate::{Purpose, Settings};

/// How long a finished Job is there at least, in seconds: a day.
const SHORTEST: i64 = 24 * 60 * 60;
/// How long it is where the template does not say: a week.
const USUAL: i64 = 7 * SHORTEST;

/// The name of the `CronJob` in `cronjob/NAME`.
pub(super) fn cron_job(run: &str) -> Option<&str> {
    run.strip_prefix("cronjob/").filter(|name| !name.is_empty() && !name.contains('/'))
}

/// The name of the Job of an attempt.
pub(super) fn name(settings: &Settings, run: &HookRun) -> String {
    let HookRun { release, hook, attempt, .. } = run;
    object_name(&format!("{}-{release}-{}-{attempt}", settings.agent, hook.name))
}

/// The labels of all Jobs that are made from one `CronJob`, and of their pods.
pub(super) fn labels(settings: &Settings, cron_job: &str) -> Vec<(String, String)> {
    let mut labels = settings.labels(Purpose::Hook);
    labels.push((settings.own("cronjob"), label_value(cron_job)));
    labels
}

/// The label by which the pods of a Job are found.
pub(super) fn job_label(settings: &Settings) -> String {
    settings.own("job")
}

/// The Job.
///
/// # Errors
/// [`Rejected`](ErrorKind::Rejected) when the `CronJob` has no template.
pub(super) fn made(
    settings: &Settings,
    from: &DynamicObject,
    run: &HookRun,
    now: Timestamp,
) -> Result<DynamicObject> {
    let owner = from.metadata.name.as_deref().unwrap_or_default();
    let template = &from.data["spec"]["jobTemplate"];
    let (Some(mut spec), true) =
        (template["spec"].as_object().cloned(), template["spec"]["template"]["spec"].is_object())
    else {
        return Err(Error::new(ErrorKind::Rejected, format!("make a Job of cronjob {owner}"))
            .with_source("found no pod template, wanted spec.jobTemplate.spec.template"));
    };
    // What the API server has chosen for another Job, and a Job that waits for somebody.
    for field in ["suspend", "selector", "manualSelector"] {
        spec.remove(field);
    }
    let left = i64::try_from(run.deadline.since(now).as_secs()).unwrap_or(i64::MAX).max(1);
    let own = spec.get("activeDeadlineSeconds").and_then(Value::as_i64).unwrap_or(left);
    spec.insert("activeDeadlineSeconds".into(), left.min(own).into());
    let ttl = spec.get("ttlSecondsAfterFinished").and_then(Value::as_i64).unwrap_or(USUAL);
    spec.insert("ttlSecondsAfterFinished".into(), ttl.max(SHORTEST).into());

    let name = name(settings, run);
    let mut marks = labels(settings, owner);
    marks.push((job_label(settings), name.clone()));
    let pod = &mut spec["template"];
    insert(&mut pod["metadata"]["labels"], &marks);
    for list in ["containers", "initContainers"] {
        let containers = pod["spec"].get_mut(list).and_then(Value::as_array_mut);
        containers.into_iter().flatten().for_each(|container| fit(container, run));
    }

    let mut job = DynamicObject::new(&name, &ApiResource::erase::<Job>(&()));
    let mut metadata = json!({
        "labels": template["metadata"]["labels"],
        "annotations": template["metadata"]["annotations"],
    });
    insert(&mut metadata["labels"], &marks);
    let told = [
        (settings.digest_annotation(), run.digest.as_str().to_owned()),
        (settings.own("release"), run.release.to_string()),
        ("cronjob.kubernetes.io/instantiate".to_owned(), "manual".to_owned()),
    ];
    insert(&mut metadata["annotations"], &told);
    let texts = |value: &Value| serde_json::from_value(value.clone()).ok();
    job.metadata.labels = texts(&metadata["labels"]);
    job.metadata.annotations = texts(&metadata["annotations"]);
    job.data = json!({ "spec": spec });
    Ok(job)
}

/// Gives a container the candidate's image, if it is one of the candidate's, and tells it what is
/// released.
fn fit(container: &mut Value, run: &HookRun) {
    if !container.is_object() {
        return;
    }
    let name = container["name"].as_str().unwrap_or_default();
    if let Some(image) = run.images.get(name) {
        container["image"] = image.as_str().into();
    }
    let told = [
        ("BLUEGREEN_RELEASE", run.release.as_str()),
        ("BLUEGREEN_VERSION", &run.version),
        ("BLUEGREEN_DIGEST", run.digest.as_str()),
        ("BLUEGREEN_SLOT", run.candidate.as_str()),
    ];
    let mut env = container["env"].as_array().cloned().unwrap_or_default();
    env.retain(|variable| !told.iter().any(|(name, _)| variable["name"] == *name));
    // First, so that the template's own may use them.
    env.splice(0..0, told.map(|(name, value)| json!({"name": name, "value": value})));
    container["env"] = env.into();
}

fn insert(into: &mut Value, pairs: &[(String, String)]) {
    if !into.is_object() {
        *into = Map::new().into();
    }
    for (key, value) in pairs {
        into[key] = value.as_str().into();
    }
}
