//! From the command line to a change, a plan and gates.

use bluegreen_core::{Change, Plan, Releaser};
use bluegreen_validate::Smoke;

use crate::Failure;
use crate::cli::{Gates, Release};

/// What the release brings.
pub(crate) fn change(release: &Release, only: Option<&str>) -> Result<Change, Failure> {
    let mut change = Change::default();
    for image in &release.image {
        // An image has no `=`, so what stands before one is a container.
        let (container, image) = match image.split_once('=') {
            Some((container, image)) => (container, image),
            None => (only.ok_or_else(several)?, image.as_str()),
        };
        change = change.and_image(container, image);
    }
    for variable in &release.env {
        let (name, value) = variable
            .split_once('=')
            .ok_or_else(|| Failure::Error("--env: found no `=`, wanted NAME=VALUE".to_owned()))?;
        change = change.env(name, value);
    }
    Ok(match &release.version {
        Some(version) => change.version(version),
        None => change,
    })
}

fn several() -> Failure {
    Failure::Error("--image: the agent has several containers, wanted CONTAINER=IMAGE".to_owned())
}

/// How the release goes about it.
pub(crate) fn plan(release: &Release) -> Plan {
    let mut plan = Plan::all_at_once().bake(release.bake).standby(release.standby);
    plan.rollout = release.rollout;
    plan.keep_failed = release.keep_failed;
    plan.drain.quiet = release.quiet;
    plan.drain.max = plan.drain.max.max(release.quiet);
    plan.bootstrap = release.bootstrap;
    if let Some(timeout) = release.approval {
        plan = plan.approval(timeout);
    }
    release.allow.iter().fold(plan, Plan::allow)
}

/// Adds what the candidate must pass.
pub(crate) fn gates(mut releaser: Releaser, gates: &Gates) -> Result<Releaser, Failure> {
    if let Some((first, more)) = gates.smoke.split_first() {
        let smoke = more.iter().fold(Smoke::get(first), |smoke, path| {
            smoke.and(bluegreen_validate::Request::get(path))
        });
        releaser = releaser.gate(smoke);
    }
    if let Some(file) = &gates.smoke_file {
        let smoke = Smoke::from_file(file)
            .map_err(|error| Failure::Error(bluegreen_core::chain(&error)))?;
        releaser = releaser.gate(smoke);
    }
    Ok(releaser)
}
