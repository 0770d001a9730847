//! From the command line to a change, a plan and gates.

use bluegreen_core::plan::{Freeze, Leave, OnExpiry};
use bluegreen_core::{Change, ConfigFiles, Plan, Ports, Releaser};
use bluegreen_validate::{ModelWarmUp, PodLoad, Smoke};

use crate::Failure;
use crate::cli::{Gates, InFlight, Release};

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
        let (name, value) = pair(variable, "--env", "NAME=VALUE")?;
        change = change.env(name, value);
    }
    if let Some(model) = &release.model {
        let (variable, name) = pair(model, "--model", "VARIABLE=NAME")?;
        change = change.and_model(variable, name);
    }
    for parameter in &release.parameter {
        let (name, value) = pair(parameter, "--parameter", "NAME=VALUE")?;
        change = change.parameter(name, value);
    }
    for files in &release.prompts {
        let (config_map, folder) = pair(files, "--prompts", "CONFIGMAP=FOLDER")?;
        let files = ConfigFiles::read(folder).map_err(|error| Failure::Error(error.chain()))?;
        change = change.and_files(config_map, files);
    }
    for external in &release.external {
        let wanted = "NAME=REFERENCE@sha256:DIGEST";
        let (name, rest) = pair(external, "--external", wanted)?;
        // A reference may have an `@` of its own. What else is wrong is found with all other problems.
        let (reference, digest) = rest.rsplit_once('@').ok_or_else(|| {
            Failure::Error(format!("--external: {name}: found no `@`, wanted {wanted}"))
        })?;
        change = change.and_external(name, reference, digest);
    }
    for variable in &release.external_env {
        let (name, variable) = pair(variable, "--external-env", "NAME=VARIABLE")?;
        if !change.external.contains_key(name) {
            let text = format!("--external-env: found no --external of the name {name}");
            return Err(Failure::Error(text));
        }
        change = change.external_in(name, variable);
    }
    Ok(match &release.version {
        Some(version) => change.version(version),
        None => change,
    })
}

/// What stands before the first `=`, and after it. What was given is not quoted: it may be a key.
fn pair<'a>(given: &'a str, option: &str, wanted: &str) -> Result<(&'a str, &'a str), Failure> {
    given
        .split_once('=')
        .ok_or_else(|| Failure::Error(format!("{option}: found no `=`, wanted {wanted}")))
}

fn several() -> Failure {
    Failure::Error("--image: the agent has several containers, wanted CONTAINER=IMAGE".to_owned())
}

/// How the release goes about it.
pub(crate) fn plan(release: &Release, actor: &str) -> Plan {
    let mut plan = Plan::all_at_once().bake(release.bake).standby(release.standby);
    plan.rollout = release.rollout;
    plan.keep_failed = release.keep_failed;
    plan.drain.quiet = release.quiet;
    plan.drain.max = release.max_drain.max(release.quiet);
    if release.cut {
        plan.drain.on_expiry = OnExpiry::Cut;
    }
    plan.drain.longest_stream = release.longest_stream;
    plan.drain.leave = release.leave.as_ref().map(Leave::post);
    plan.bootstrap = release.bootstrap;
    if release.gates.warm_up.is_some() {
        plan = plan.warm_up(release.warm_up_timeout);
    }
    if let Some(timeout) = release.approval {
        plan = plan.approval(timeout);
    }
    if !release.freeze.is_empty() {
        let mut freeze = Freeze::new(&release.freeze_zone);
        freeze.windows.clone_from(&release.freeze);
        plan = plan.freeze(freeze);
    }
    if let Some(reason) = &release.override_freeze {
        plan = plan.override_freeze(actor, reason);
    }
    release.allow.iter().fold(plan, Plan::allow)
}

/// What counts the work that a slot has in hand.
pub(crate) fn load(in_flight: InFlight, ports: &Ports) -> PodLoad {
    if in_flight.is_json() {
        PodLoad::json(ports, in_flight.path, in_flight.numbers)
    } else {
        PodLoad::metrics(ports, in_flight.path, in_flight.numbers)
    }
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
    if let Some(file) = &gates.warm_up {
        let warm_up = ModelWarmUp::from_file(file)
            .map_err(|error| Failure::Error(bluegreen_core::chain(&error)))?;
        releaser = releaser.warm_up(warm_up);
    }
    Ok(releaser)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Cli, Command};

    fn release(arguments: &[&str]) -> Release {
        let all = ["deploy", "deploy"].iter().chain(arguments);
        let Command::Deploy(release) = Cli::try_parse_from(all).unwrap().command else {
            panic!("it should be a release")
        };
        release
    }

    fn refusal(arguments: &[&str], only: Option<&str>) -> String {
        match change(&release(arguments), only) {
            Err(Failure::Error(text)) => text,
            other => panic!("it should be refused: {other:?}"),
        }
    }

    #[test]
    fn an_image_is_that_of_the_only_container_unless_one_is_named() {
        let only = change(&release(&["--image", "a:1"]), Some("agent")).unwrap();
        assert_eq!(only.images["agent"], "a:1");
        let named = release(&["--image", "agent=a:1", "--image", "proxy=b:2"]);
        let named = change(&named, None).unwrap();
        assert_eq!((&*named.images["agent"], &*named.images["proxy"]), ("a:1", "b:2"));
        let text = refusal(&["--image", "a:1"], None);
        assert_eq!(text, "--image: the agent has several containers, wanted CONTAINER=IMAGE");
    }

    #[test]
    fn a_variable_has_a_name_and_a_value() {
        let text = refusal(&["--image", "a:1", "--env", "TEMPERATURE"], Some("agent"));
        assert_eq!(text, "--env: found no `=`, wanted NAME=VALUE");
        let given = release(&["--image", "a:1", "--env", "A=b=c"]);
        assert_eq!(change(&given, Some("agent")).unwrap().env[0].value.reveal(), Some("b=c"));
    }

    #[test]
    fn a_model_and_its_parameters_are_shown_and_other_variables_are_not() {
        let given = ["--model", "MODEL=large", "--parameter", "TOP_P=0.9", "--env", "KEY=sk-1"];
        let change = change(&release(&given), None).unwrap();
        assert_eq!(change.shown().into_iter().collect::<Vec<_>>(), ["MODEL", "TOP_P"]);
        let text = refusal(&["--parameter", "TOP_P"], None);
        assert_eq!(text, "--parameter: found no `=`, wanted NAME=VALUE");
    }

    #[test]
    fn what_is_kept_elsewhere_has_a_name_a_place_and_a_digest() {
        let given = ["--external", "refunds=prompts/refunds@7@sha256:00", "--external-env"];
        let given = [&given[..], &["refunds=PROMPT"]].concat();
        let change = change(&release(&given), None).unwrap();
        let external = &change.external["refunds"];
        assert_eq!((&*external.reference, &*external.digest), ("prompts/refunds@7", "sha256:00"));
        assert_eq!(external.env_var.as_deref(), Some("PROMPT"));
        let text = refusal(&["--external", "refunds=7"], None);
        assert_eq!(text, "--external: refunds: found no `@`, wanted NAME=REFERENCE@sha256:DIGEST");
        let text = refusal(&["--external", "a=b@c", "--external-env", "b=C"], None);
        assert_eq!(text, "--external-env: found no --external of the name b");
    }

    #[test]
    fn what_is_said_of_the_plan_is_in_it_and_it_has_no_problems() {
        let mut said = vec!["--image", "a:1", "--bake", "5m", "--quiet", "1h", "--approval", "10m"];
        said.extend(["--cut", "--leave", "/admin/leave", "--longest-stream", "5m"]);
        said.extend(["--freeze", "Fri 16:00 - Mon 08:00", "--freeze-zone", "Europe/Berlin"]);
        said.extend(["--override-freeze", "a hole in refunds"]);
        said.extend(["--warm-up", "warm-up.yaml", "--warm-up-timeout", "15m"]);
        let plan = plan(&release(&said), "ann");
        assert_eq!(plan.bake.hold, std::time::Duration::from_mins(5));
        assert!(plan.drain.max >= plan.drain.quiet && plan.approval.is_some());
        assert_eq!(plan.drain.on_expiry, OnExpiry::Cut);
        assert_eq!(plan.drain.leave, Some(Leave::post("/admin/leave")));
        let freeze = Freeze::new("Europe/Berlin").window("Fri 16:00 - Mon 08:00");
        assert_eq!(plan.freeze, Some(freeze));
        let said = plan.freeze_override.as_ref().unwrap();
        assert_eq!((said.by.as_str(), said.reason.as_str()), ("ann", "a hole in refunds"));
        let warm_up = plan.warm_up.as_ref().map(|it| it.timeout);
        assert_eq!(warm_up, Some(std::time::Duration::from_mins(15)));
        assert_eq!(plan.problems(), []);
    }
}
