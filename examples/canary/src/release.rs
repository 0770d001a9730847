//! From the command line to a change, a plan, and guards.

use bluegreen_core::{Change, EvidenceKind, Plan, Releaser, Vantage};
use bluegreen_kube::Cluster;
use bluegreen_validate::{Guards, PodMetric, PodMetrics, Prometheus};

use crate::Failure;
use crate::cli::{Release, Watched};

/// How many answers in a row show that everything goes to one slot.
const IN_A_ROW: u32 = 20;

/// What the release brings.
pub(crate) fn change(release: &Release) -> Result<Change, Failure> {
    let mut change = Change::default();
    for image in &release.image {
        let (container, image) = halves("--image", "CONTAINER=IMAGE", image)?;
        change = change.and_image(container, image);
    }
    for variable in &release.env {
        let (name, value) = halves("--env", "NAME=VALUE", variable)?;
        change = change.env(name, value);
    }
    Ok(match &release.version {
        Some(version) => change.version(version),
        None => change,
    })
}

fn halves<'a>(option: &str, wanted: &str, given: &'a str) -> Result<(&'a str, &'a str), Failure> {
    let found = given.split_once('=');
    found.ok_or_else(|| Failure::Error(format!("{option}: found no `=`, wanted {wanted}")))
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

/// A releaser with guards, whose numbers come from where the command line says.
pub(crate) fn releaser(
    cluster: &Cluster,
    actor: &str,
    watched: &Watched,
) -> Result<Releaser, Failure> {
    let guards = match &watched.prometheus {
        Some(file) => Guards::from_file(&watched.guards, Prometheus::from_file(file)?)?,
        None => Guards::from_file(&watched.guards, of_pods(cluster, watched))?,
    };
    Ok(cluster.releaser().actor(actor).guard(guards))
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
        match change(&release) {
            Err(Failure::Error(text)) => {
                assert_eq!(text, "--image: found no `=`, wanted CONTAINER=IMAGE");
            }
            _ => panic!("it should be refused"),
        }
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
