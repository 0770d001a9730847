//! From what was found in each pod to one verdict.

use bluegreen_core::{Error, ErrorKind, Finding, Judgement, PodRef, Verdict};

use super::SmokeConfig;
use super::compare::{Difference, Kind};

/// More findings than anybody reads, and a record has room for.
const MOST: usize = 50;

/// What was found in one pod.
pub(super) struct PodReport {
    pub(super) pod: PodRef,
    /// Whether anything came back from it at all.
    pub(super) answered: bool,
    /// Whether it is not ready any more.
    pub(super) gone: bool,
    differences: Vec<(Kind, Finding)>,
    kept: Vec<Finding>,
}

impl PodReport {
    pub(super) fn new(pod: PodRef) -> Self {
        Self { pod, answered: false, gone: false, differences: Vec::new(), kept: Vec::new() }
    }

    /// Adds what was different in answers to the request of this label.
    pub(super) fn differ(&mut self, label: &str, differences: Vec<Difference>) {
        for Difference { kind, wanted, found } in differences {
            self.differences.push((kind, self.finding(label, wanted, found)));
        }
    }

    /// Adds what was as wanted.
    pub(super) fn keep(&mut self, label: &str, wanted: String, found: String) {
        self.kept.push(self.finding(label, wanted, found));
    }

    fn finding(&self, label: &str, wanted: String, found: String) -> Finding {
        Finding::new(format!("pod {}", self.pod.name), wanted, found).asked(label)
    }

    /// Whether the pod gave no answer to some request, which may be because it has ended.
    pub(super) fn was_unreached(&self) -> bool {
        self.differences.iter().any(|(kind, _)| may_be_the_end(*kind))
    }

    /// Whether a difference of this kind tells against the candidate.
    fn tells(&self, kind: Kind) -> bool {
        kind != Kind::Unknown && !(self.gone && may_be_the_end(kind))
    }
}

/// Whether a difference of this kind is what the end of a pod looks like.
fn may_be_the_end(kind: Kind) -> bool {
    matches!(kind, Kind::Unreached | Kind::Broken)
}

/// There is nothing to look at.
pub(super) fn no_pods(config: &SmokeConfig) -> Judgement {
    let finding = Finding::new(config.name.clone(), "at least one ready pod", "none");
    Judgement::new(Verdict::Inconclusive, "the candidate has no ready pod")
        .with_evidence(vec![finding])
}

/// When no pod gave any answer: it may be the candidate's fault, or the way to it.
pub(super) fn unreachable(config: &SmokeConfig, reports: &[PodReport]) -> Option<Error> {
    if reports.iter().any(|report| report.answered) {
        return None;
    }
    let pods = reports.len();
    let why = reports.iter().flat_map(|report| &report.differences).next();
    let why = why.map_or_else(|| "no answer".to_owned(), |(_, finding)| finding.to_string());
    let action = format!("{}: reach any of {pods} ready pods of the candidate", config.name);
    Some(Error::new(ErrorKind::Unavailable, action).with_source(why))
}

/// The verdict on all pods.
pub(super) fn judge(config: &SmokeConfig, reports: &[PodReport]) -> Judgement {
    let mut findings: Vec<(bool, Kind, &Finding)> = Vec::new();
    for report in reports {
        for (kind, finding) in &report.differences {
            findings.push((!report.tells(*kind), *kind, finding));
        }
    }
    // What tells against the candidate first; the sort keeps pods in order.
    findings.sort_by_key(|(mild, kind, _)| (*mild, *kind));
    let pods = reports.len();
    let told = findings.iter().filter(|(mild, ..)| !mild).count();
    let requests = config.requests.len();
    let (verdict, summary) = match (told, findings.len()) {
        (0, 0) => {
            let summary = format!(
                "{} to each of {}, all as expected",
                count(requests, "request"),
                count(pods, "pod")
            );
            (Verdict::Pass, summary)
        }
        (0, open) => {
            let summary = format!("{} cannot be told", count(open, "thing"));
            (Verdict::Inconclusive, summary)
        }
        (told, _) => {
            let bad = reports
                .iter()
                .filter(|report| report.differences.iter().any(|(kind, _)| report.tells(*kind)))
                .count();
            let summary =
                format!("{} in {bad} of {}", count(told, "difference"), count(pods, "pod"));
            (Verdict::Fail, summary)
        }
    };
    let findings: Vec<Finding> = if findings.is_empty() {
        reports.iter().flat_map(|report| report.kept.clone()).collect()
    } else {
        findings.into_iter().map(|(_, _, finding)| finding.clone()).collect()
    };
    Judgement::new(verdict, summary).with_evidence(shortened(config, findings))
}

fn shortened(config: &SmokeConfig, mut findings: Vec<Finding>) -> Vec<Finding> {
    let more = findings.len().saturating_sub(MOST);
    if more > 0 {
        findings.truncate(MOST);
        let found = format!("{more} more findings like these, left out here");
        findings.push(Finding::new(config.name.clone(), "all findings", found));
    }
    findings
}

fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}
