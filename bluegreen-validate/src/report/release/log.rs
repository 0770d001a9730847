//! Collects what a release tells.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bluegreen_core::{
    Clock, Color, Judgement, PhaseName, Progress, Record, Reporter, Routing, SystemClock,
    Timestamp, Verdict,
};

use super::{
    Decision, DecisionKind, MetricReport, Point, ReleaseReport, Series, Shares, ValidatorReport,
};
use crate::experiment::ExperimentConfig;
use crate::guard::Reading;
use crate::report::ExperimentReport;
use crate::report::text::cut;

/// The most decisions that are kept, and the most entries of the record's trail.
const MOST_DECISIONS: usize = 400;
/// The most metrics and validators.
const MOST: usize = 64;
/// The most characters of a text that others have written.
const LONGEST: usize = 400;

/// Collects what a release tells into a [`ReleaseReport`]. Clones are the same.
///
/// It is of one release: when another one begins, so does the report. It is a [`Reporter`], takes bounded room (at most 400 points of each of at most 64 metrics, and 400
/// decisions) however long a release lasts, and does nothing that blocks.
///
/// ```
/// use bluegreen_core::{Progress, Reporter as _};
/// use bluegreen_validate::report::ReleaseLog;
///
/// let log = ReleaseLog::new();
/// # let tell = |reporter: &ReleaseLog| reporter.report(&Progress::note("hello"));
/// // releaser.report(log.clone()) tells it of everything; see `Releaser::report`.
/// tell(&log);
/// let page = log.snapshot().to_html();
/// assert!(page.contains("not begun"));
/// ```
#[derive(Clone)]
pub struct ReleaseLog {
    clock: Arc<dyn Clock>,
    experiments: Vec<ExperimentConfig>,
    report: Arc<Mutex<ReleaseReport>>,
}

impl ReleaseLog {
    /// One that has heard nothing, on the machine's clock.
    pub fn new() -> Self {
        Self::with_clock(SystemClock)
    }

    /// One that has heard nothing, with this time.
    pub fn with_clock(clock: impl Clock + 'static) -> Self {
        let report = ReleaseReport::empty(clock.now());
        Self::resuming(clock, report)
    }

    /// One that goes on with a report that another process has left.
    pub fn resuming(clock: impl Clock + 'static, report: ReleaseReport) -> Self {
        let (clock, report) = (Arc::new(clock), Arc::new(Mutex::new(report)));
        Self { clock, experiments: Vec::new(), report }
    }

    /// Reports on this experiment, too, once it has looked.
    #[must_use]
    pub fn experiment(mut self, config: ExperimentConfig) -> Self {
        self.experiments.push(config);
        self
    }

    /// Learns from the record what progress does not tell: agent, versions, and who paused, promoted or
    /// rolled back. May be told of the same record again, or of later ones; that of another release than
    /// the one that was heard of is left aside.
    pub fn record(&self, record: &Record) {
        let mut report = self.lock();
        let name = record.envelope.release.to_string();
        if report.release.as_ref().is_some_and(|it| *it != name) {
            return;
        }
        report.agent = Some(cut(record.envelope.agent.as_str(), LONGEST));
        report.release = Some(name);
        report.version = Some(cut(record.change.version(), LONGEST));
        report.baseline = Some(cut(record.baseline.version(), LONGEST));
        report.live = Some(record.envelope.live);
        report.began = report.began.min(record.started.at);
        let last = report.trail.last().map(|it| it.at);
        for entry in &record.trail {
            // Of entries at the same time some may be known.
            let is_new = match last {
                Some(last) if entry.at < last => false,
                _ => !report.trail.contains(entry),
            };
            if is_new {
                if report.trail.len() >= MOST_DECISIONS {
                    report.trail.remove(1);
                }
                report.trail.push(entry.clone());
            }
        }
        if report.shares.count() == 0 {
            let at = record.started.at;
            report.routed(at, &Routing::all(record.envelope.live));
        }
    }

    /// What was heard until now.
    pub fn snapshot(&self) -> ReleaseReport {
        self.lock().clone()
    }

    /// A line for each thing that is worth looking at now: the release, and each metric with its value, its
    /// bounds, the units and the verdict. Nothing in them moves a terminal's cursor.
    pub fn lines(&self) -> Vec<String> {
        self.lock().lines()
    }

    fn lock(&self) -> MutexGuard<'_, ReleaseReport> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for ReleaseLog {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for ReleaseLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReleaseLog").field("until", &self.lock().until).finish_non_exhaustive()
    }
}

impl Reporter for ReleaseLog {
    fn report(&self, progress: &Progress) {
        let now = self.clock.now();
        let mut report = self.lock();
        if let Progress::Judged { validator, judgement } = progress
            && let Some(config) = self.experiments.iter().find(|it| it.name == *validator)
            && let Some(state) = &judgement.state
            && let Ok(experiment) = ExperimentReport::of(config, state)
        {
            match report.experiments.iter_mut().find(|it| it.name == experiment.name) {
                Some(known) => *known = experiment,
                None => report.experiments.push(experiment),
            }
        }
        report.hear(now, progress);
    }
}

impl ReleaseReport {
    fn hear(&mut self, now: Timestamp, progress: &Progress) {
        self.until = self.until.max(now);
        match progress {
            Progress::Entered { release, phase, deadline, .. } => {
                // What another release has left is not this one's.
                if self.release.as_ref().is_some_and(|it| it != release.as_str()) {
                    *self = Self::empty(now);
                }
                self.release = Some(release.as_str().to_owned());
                self.enter(now, *phase);
                self.deadline = *deadline;
            }
            Progress::Warned { problem } => {
                self.decide(now, DecisionKind::Warning, &problem.to_string());
            }
            Progress::Retrying { .. } => self.retries = self.retries.saturating_add(1),
            Progress::Judged { validator, judgement } => self.judge(now, validator, judgement),
            Progress::Shifted { routing, .. } => {
                // The first one tells where traffic was before.
                if self.live.is_none() {
                    let whole = routing.is_whole();
                    self.live = Some(if whole { routing.live.other() } else { routing.live });
                }
                if self.shares.count() == 0 {
                    let live = self.live.unwrap_or(routing.live);
                    self.routed(self.began, &Routing::all(live));
                }
                self.routed(now, routing);
                self.decide(now, DecisionKind::Traffic, &routing.to_string());
            }
            Progress::TakenOver { .. } => {
                self.decide(now, DecisionKind::Driver, &progress.to_string());
            }
            Progress::Finished { outcome } => {
                self.outcome = Some(outcome.clone());
                self.decide(now, DecisionKind::End, &outcome.to_string());
            }
            // What is in hand, and notes, are of their moment.
            _ => {}
        }
    }

    fn enter(&mut self, now: Timestamp, phase: PhaseName) {
        let was = self.phase.replace(phase);
        // One that was stuck goes on.
        self.outcome = None;
        if was == Some(phase) {
            return;
        }
        if was == Some(PhaseName::Returning)
            && let Some(live) = self.live
        {
            let all = Routing::all(live);
            // Where traffic was seen to be back that was told already.
            if self.shares.last().is_none_or(|it| it.of(live) < 1.0) {
                self.routed(now, &all);
                self.decide(now, DecisionKind::Traffic, &all.to_string());
            }
        }
        let kind = match phase {
            PhaseName::Returning => DecisionKind::Return,
            _ => DecisionKind::Phase,
        };
        self.decide(now, kind, phase.as_str());
    }

    fn routed(&mut self, at: Timestamp, routing: &Routing) {
        let share = |color: Color| f64::from(routing.share_of(color).as_parts_per_million()) / 1e6;
        self.shares.push(Shares { at, blue: share(Color::Blue), green: share(Color::Green) });
    }

    fn judge(&mut self, now: Timestamp, validator: &str, judgement: &Judgement) {
        let name = cut(validator, LONGEST);
        let (verdict, summary) = (judgement.verdict, cut(&judgement.summary, LONGEST));
        let known = self.validators.iter().position(|it| it.name == name);
        let before = known.map(|place| self.validators[place].verdict);
        // That something is not known yet is no decision.
        if before != Some(verdict) && (before.is_some() || verdict != Verdict::Inconclusive) {
            let kind = match verdict {
                Verdict::Pass => DecisionKind::Safe,
                Verdict::Fail => DecisionKind::Unfit,
                Verdict::Inconclusive => DecisionKind::Undecided,
            };
            self.decide(now, kind, &format!("{name}: {judgement}"));
        }
        match known {
            Some(place) => {
                let it = &mut self.validators[place];
                (it.at, it.verdict, it.summary) = (now, verdict, summary);
                it.looks = it.looks.saturating_add(1);
            }
            None if self.validators.len() < MOST => {
                self.validators.push(ValidatorReport { name, looks: 1, at: now, verdict, summary });
            }
            None => {}
        }
        for (guard, reading) in Reading::of(validator, judgement.state.as_deref()) {
            self.read(validator, &guard, &reading);
        }
    }

    /// Keeps what a guard knew, once: a look without news leaves the last one.
    fn read(&mut self, validator: &str, guard: &str, reading: &Reading) {
        let (validator, guard) = (cut(validator, LONGEST), cut(guard, LONGEST));
        let point = Point {
            at: reading.at,
            verdict: reading.verdict,
            candidate: reading.candidate,
            live: reading.live,
        };
        let is_it = |it: &MetricReport| it.validator == validator && it.guard == guard;
        match self.metrics.iter().position(is_it) {
            Some(known) => {
                let points = &mut self.metrics[known].points;
                if points.last() != Some(&point) {
                    points.push(point);
                }
            }
            None if self.metrics.len() < MOST => {
                let mut points = Series::default();
                points.push(point);
                let metric = cut(&reading.metric, LONGEST);
                let scale = reading.scale;
                self.metrics.push(MetricReport { validator, guard, metric, scale, points });
            }
            None => {}
        }
    }

    fn decide(&mut self, at: Timestamp, kind: DecisionKind, what: &str) {
        if self.decisions.len() >= MOST_DECISIONS {
            // Verdicts may waver for days; where traffic went is what people want to know.
            let wavers = |it: &Decision| {
                !matches!(it.kind, DecisionKind::Traffic | DecisionKind::Return | DecisionKind::End)
            };
            let oldest = self.decisions.iter().skip(1).position(wavers).map_or(1, |it| it + 1);
            self.decisions.remove(oldest);
            self.left_out = self.left_out.saturating_add(1);
        }
        self.decisions.push(Decision { at, kind, what: cut(what, LONGEST) });
    }
}
