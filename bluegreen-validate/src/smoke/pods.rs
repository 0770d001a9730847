//! Every request to every pod, all at once.

use bluegreen_core::{
    AgentClient, Error, ErrorKind, Judgement, PodRef, Progress, Result, Target, Trial,
};
use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt};

use super::SmokeConfig;
use super::burst::{Burst, bursts};
use super::compare::{compare, shown, streaming};
use super::exchange::{Exchange, exchange};
use super::prepare::Prepared;
use super::verdict::{self, PodReport};

/// To how many pods requests go at a time.
const AT_ONCE: usize = 64;

/// Looks at every ready pod of the candidate.
pub(super) async fn judge(
    config: &SmokeConfig,
    prepared: &[Prepared<'_>],
    trial: &Trial,
) -> Result<Judgement> {
    let mut pods = ready(trial);
    if pods.is_empty() {
        pods = list(config, trial).await?;
    }
    pods.sort();
    pods.dedup();
    if pods.is_empty() {
        return Ok(verdict::no_pods(config));
    }
    let bursts: Vec<Vec<Burst<'_>>> = prepared.iter().map(bursts).collect();
    announce(config, prepared, pods.len(), trial);
    let look = Look { prepared, bursts: &bursts, trial };
    let looks: Vec<_> = pods.iter().map(|pod| look.at(pod)).collect();
    let mut reports: Vec<PodReport> = stream::iter(looks).buffered(AT_ONCE).collect().await;
    if let Some(error) = verdict::unreachable(config, &reports) {
        return Err(error);
    }
    if reports.iter().any(PodReport::was_unreached) {
        // A pod that has just ended is no fault of the candidate, and it would be rash to judge
        // it by that; whatever else was different still counts.
        let ready = list(config, trial).await?;
        for report in &mut reports {
            report.gone = !ready.contains(&report.pod);
        }
    }
    Ok(verdict::judge(config, &reports))
}

/// The ready pods of the candidate as the driver has just seen them. Empty for a slot that does not
/// tell its pods.
fn ready(trial: &Trial) -> Vec<PodRef> {
    let pods = trial.candidate.state.pods.iter().filter(|pod| pod.ready);
    pods.map(|pod| PodRef::new(&pod.name, &pod.uid)).collect()
}

/// The ready pods of the candidate as they are now.
async fn list(config: &SmokeConfig, trial: &Trial) -> Result<Vec<PodRef>> {
    let action = "list the candidate's ready pods";
    tokio::select! {
        biased;
        pods = trial.candidate.client.pods() => pods,
        () = trial.clock.sleep(config.timeout) => Err(Error::new(ErrorKind::Unavailable, action)
            .with_source(format!("no answer within {}", shown(config.timeout)))),
    }
}

fn announce(config: &SmokeConfig, prepared: &[Prepared<'_>], pods: usize, trial: &Trial) {
    for prepared in prepared {
        let request = prepared.request;
        let limits = request.latency.iter().chain(&request.first_byte);
        let Some(most) = limits.map(|limit| limit.requests).max() else { continue };
        let (name, label) = (&config.name, &prepared.label);
        let text = format!("{name}: {label}: bursts of up to {most} requests to each of {pods}");
        trial.progress.report(&Progress::note(format!("{text} pods")));
    }
}

/// Everything that one look needs.
struct Look<'a> {
    prepared: &'a [Prepared<'a>],
    /// Those of each request.
    bursts: &'a [Vec<Burst<'a>>],
    trial: &'a Trial,
}

impl Look<'_> {
    /// All requests to one pod at once; then the bursts, one after another.
    async fn at(&self, pod: &PodRef) -> PodReport {
        let client: &dyn AgentClient = self.trial.candidate.client.as_ref();
        let clock = self.trial.clock.as_ref();
        let version = self.trial.candidate.state.running.version.as_deref();
        let to = Target::Pod(pod.clone());
        let answers =
            join_all(self.prepared.iter().map(|it| exchange(client, &to, it, clock))).await;
        let mut report = PodReport::new(pod.clone());
        for ((prepared, bursts), answer) in self.prepared.iter().zip(self.bursts).zip(&answers) {
            let mut differences = compare(prepared, answer, version);
            differences.extend(streaming(prepared, answer));
            report.answered |= answer.is_answered();
            if !differences.is_empty() {
                report.differ(&prepared.label, differences);
                continue;
            }
            report.keep(&prepared.label, wanted(prepared), found(answer));
            for burst in bursts {
                let outcome = burst.run(client, &to, prepared, version, clock).await;
                report.answered |= outcome.answered;
                report.differ(&prepared.label, outcome.differences);
                for (wanted, found) in outcome.kept {
                    report.keep(&prepared.label, wanted, found);
                }
            }
        }
        report
    }
}

fn wanted(prepared: &Prepared<'_>) -> String {
    let expect = &prepared.request.expect;
    let rules = expect.headers.values().map(Vec::len).sum::<usize>()
        + expect.body.len()
        + expect.json.len()
        + expect.json_present.len()
        + usize::from(expect.version.is_some())
        + usize::from(prepared.request.stream.is_some());
    match rules {
        0 => format!("status {}", expect.status),
        1 => format!("status {} and 1 rule more", expect.status),
        rules => format!("status {} and {rules} rules more", expect.status),
    }
}

fn found(answer: &Exchange) -> String {
    let status = answer.head.as_ref().map_or(0, |head| head.status.as_u16());
    let pieces = match answer.pieces.count {
        0 | 1 => String::new(),
        count => format!(" in {count} pieces"),
    };
    format!("status {status}, {} bytes{pieces} within {}", answer.size, shown(answer.total))
}
