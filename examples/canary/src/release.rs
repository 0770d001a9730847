//! From the command line to a change, a plan, and guards.

use bluegreen_core::{Change, ConfigFiles, EvidenceKind, Plan, Vantage};
use bluegreen_kube::Cluster;
use bluegreen_validate::{Guards, GuardsConfig, PodMetric, PodMetrics, Prometheus};

use crate::Failure;
use crate::cli::{Release, Watched};

/// How many answers in a row show that everything goes to one slot.
const IN_A_ROW: u32 = 20;

/// What the release brings.
pub(crate) fn change(release: &Release) -> Result<Change, Failure> {
    let (mut change, mut wrong) = (Change::default(), Vec::new());
    for image in &release.image {
        match image.split_once('=') {
            Some((container, image)) => change = change.and_image(container, image),
            None => wrong.push(format!("--image {image}: found no `=`, wanted CONTAINER=IMAGE")),
        }
    }
    for variable in &release.env {
        match variable.split_once('=') {
            Some((name, value)) => change = change.env(name, value),
            // It may be a value that nobody is to see.
            None => wrong.push("--env: found no `=`, wanted NAME=VALUE".to_owned()),
        }
    }
    for files in &release.prompts {
        match files.split_once('=').map(|(name, folder)| (name, ConfigFiles::read(folder))) {
            Some((config_map, Ok(files))) => change = change.and_files(config_map, files),
            Some((_, Err(error))) => wrong.push(format!("--prompts: {}", error.chain())),
            None => wrong.push(format!("--prompts {files}: found no `=`, wanted CONFIGMAP=FOLDER")),
        }
    }
    if !wrong.is_empty() {
        return Err(Failure::Refused(wrong));
    }
    Ok(match &release.version {
        Some(version) => change.version(version),
        None => change,
    })
}

/// How the release goes about it.
pub(crate) fn plan(release: &Release) -> Plan {
    let mut plan =
        Plan::canary(release.steps.iter().copied()).hold(release.hold).bake(release.bake);
    plan.look = release.look;
    plan.keep_failed = release.keep_failed;
    plan.drain.quiet = release.quiet;
    plan.drain.max = plan.drain.max.max(release.quiet);
    if let Some(header) = &release.conversations {
        plan = plan.conversations_by_header(header);
    }
    if let Some(url) = &release.through {
        let vantage = Vantage::Url { url: url.clone() };
        plan = plan.evidence(EvidenceKind::Answers { vantage, in_a_row: IN_A_ROW });
    }
    plan
}

/// What the files say: guards, and the Prometheus where there is one.
pub(crate) type Files = (GuardsConfig, Option<Prometheus>);

/// Reads both files, and says all that is wrong with them.
pub(crate) fn files(watched: &Watched) -> Result<Files, Failure> {
    let guards = GuardsConfig::from_file(&watched.guards);
    let prometheus = watched.prometheus.as_ref().map(Prometheus::from_file).transpose();
    match (guards, prometheus) {
        (Ok(guards), Ok(prometheus)) => Ok((guards, prometheus)),
        (guards, prometheus) => {
            let wrong = [guards.err(), prometheus.err()].into_iter().flatten();
            let wrong = wrong
                .flat_map(|it| it.problems().iter().map(ToString::to_string).collect::<Vec<_>>());
            Err(Failure::Refused(wrong.collect()))
        }
    }
}

/// The guards, whose numbers come from where the command line says.
pub(crate) fn guards(cluster: &Cluster, watched: &Watched, (guards, prometheus): Files) -> Guards {
    match prometheus {
        Some(prometheus) => Guards::new(guards, prometheus),
        None => Guards::new(guards, of_pods(cluster, watched)),
    }
}

/// What the pods of each slot count by themselves. This is the place to name what else yours count:
/// latencies, tokens, cost.
fn of_pods(cluster: &Cluster, watched: &Watched) -> PodMetrics {
    let errors = PodMetric::rate(watched.requests.as_str(), watched.failed.as_str());
    PodMetrics::new(&cluster.ports(), watched.metrics.as_str()).metric("errors", errors)
}

#[cfg(test)]
mod tests {
    use bluegreen_core::Share;
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Cli, Command};

    fn release(arguments: &[&str]) -> Release {
        let all = ["canary", "run", "--guards", "guards.yaml", "--image", "agent=a:1.3.0"];
        let all = all.iter().chain(arguments);
        let Command::Run(release) = Cli::try_parse_from(all).unwrap().command else {
            panic!("it should be a release")
        };
        release
    }

    #[test]
    fn the_defaults_are_a_plan_without_problems() {
        let plan = plan(&release(&["--conversations", "x-slot"]));
        assert_eq!(plan.problems(), []);
        let shares: Vec<Share> = plan.steps.iter().map(|step| step.share).collect();
        let percents = [5, 25, 50, 100];
        assert_eq!(shares, percents.map(Share::percent));
    }

    #[test]
    fn steps_that_make_no_sense_are_problems_of_the_plan() {
        for steps in ["25,5", "5,150", "0,10"] {
            let problems = plan(&release(&["--steps", steps])).problems();
            assert!(problems.iter().any(bluegreen_core::Problem::is_refusal), "{steps}");
        }
    }

    #[test]
    fn an_image_without_container_is_refused() {
        let mut release = release(&[]);
        release.image = vec!["a:1.3.0".to_owned()];
        release.env = vec!["PROMPT".to_owned()];
        let Err(Failure::Refused(wrong)) = change(&release) else { panic!("it should be refused") };
        let image = "--image a:1.3.0: found no `=`, wanted CONTAINER=IMAGE";
        assert_eq!(wrong, [image, "--env: found no `=`, wanted NAME=VALUE"]);
    }

    #[test]
    fn both_files_are_named_that_cannot_be_used() {
        let mut release = release(&[]);
        release.watched.guards = "no-guards.yaml".into();
        release.watched.prometheus = Some("no-prometheus.yaml".into());
        let Err(Failure::Refused(wrong)) = files(&release.watched) else {
            panic!("they should be refused")
        };
        let names = ["no-guards.yaml", "no-prometheus.yaml"];
        assert!(
            wrong.len() == 2 && wrong.iter().zip(names).all(|(it, name)| it.contains(name)),
            "{wrong:?}"
        );
    }

    #[test]
    fn the_guards_beside_this_have_no_problems() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/guards.yaml");
        let guards = Guards::from_file(file, bluegreen_validate::Observations::default()).unwrap();
        assert_eq!(guards.problems(), []);
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/prometheus.yaml");
        Prometheus::from_file(file).unwrap();
    }
}
