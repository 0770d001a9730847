//! What is wrong with the settings of an experiment, all at once.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use bluegreen_core::clock::days;
use bluegreen_core::plan::{OnUndecided, Until};
use bluegreen_core::{Plan, Problem, Share};

use super::{ExperimentConfig, Missing, OutcomeConfig};
use crate::config_error::{self, ConfigError};
use crate::document::{self, Source, Step};

/// The longest time that a setting may be.
const LONGEST: Duration = days(366);
/// The most guardrails of one experiment.
const MOST: usize = 20;
/// More units than can be counted exactly in a double make no sense.
const MOST_UNITS: u64 = 1_000_000_000_000;

/// The problems found so far, each with the way to the setting.
struct Flaws<'a> {
    name: &'a str,
    at: Vec<Step>,
    found: Vec<(Vec<Step>, Problem)>,
}

impl Flaws<'_> {
    fn say(&mut self, key: &str, found: impl Into<String>, wanted: impl Into<String>) {
        let mut at = self.at.clone();
        at.extend(key.split('.').map(Step::from));
        let object = format!("{}, {}", self.name, document::text_of(&at));
        let problem = Problem::new("experiment-setting", object).found(found).wanted(wanted);
        self.found.push((at, problem));
    }

    fn within(&mut self, key: &str, value: f64, (low, high): (f64, f64)) {
        if !(low < value && value < high) {
            let wanted = if high.is_infinite() {
                format!("a finite number above {low}")
            } else {
                format!("a number above {low} and below {high}")
            };
            self.say(key, value.to_string(), wanted);
        }
    }

    fn text(&mut self, key: &str, value: &str) {
        if value.is_empty() || value.len() > 100 || value.chars().any(char::is_control) {
            self.say(key, format!("{value:?}"), "1 to 100 printable characters");
        }
    }

    fn duration(&mut self, key: &str, value: Duration, may_be_none: bool) {
        if value > LONGEST || value.is_zero() && !may_be_none {
            let least = if may_be_none { "at most" } else { "more than nothing and at most" };
            self.say(key, humantime::format_duration(value).to_string(), format!("{least} a year"));
        }
    }

    fn outcome(
        &mut self,
        outcome: &OutcomeConfig,
        horizon: Option<Duration>,
        names: &mut BTreeSet<String>,
    ) {
        self.text("metric", &outcome.metric);
        if !names.insert(outcome.metric.clone()) {
            let found = format!("{:?} once more", outcome.metric);
            self.say("metric", found, "each metric once in an experiment");
        }
        let most = if outcome.kind == super::Kind::Rate { 1.0 } else { f64::INFINITY };
        self.within("margin", outcome.margin, (0.0, most));
        self.duration("settle", outcome.settle, true);
        if let Some(horizon) = horizon.filter(|horizon| outcome.settle >= *horizon) {
            let found = humantime::format_duration(outcome.settle).to_string();
            let horizon = humantime::format_duration(horizon);
            self.say("settle", found, format!("less than {horizon}, the horizon's time"));
        }
        if outcome.missing == Missing::Zero && outcome.settle.is_zero() {
            let wanted = "`leave_out`, or a time to settle after which nothing is 0";
            self.say("missing", "`zero` of units that are not waited for", wanted);
        }
    }
}

impl ExperimentConfig {
    /// Everything that is wrong with these settings, all at once.
    pub fn problems(&self) -> Vec<Problem> {
        self.flaws().into_iter().map(|(_, problem)| problem).collect()
    }

    /// Settings from a file: JSON, or YAML with the feature `yaml`, as its name ends.
    ///
    /// ```yaml
    /// name: refund-prompt
    /// unit: conversation
    /// share: 0.5
    /// primary: { metric: completed, kind: rate, better: higher, margin: 0.02, settle: 1h }
    /// guardrails:
    ///   - { metric: cost, kind: mean, better: lower, margin: 0.005 }
    /// horizon: { time: 14d, units: 40000 }
    /// ```
    ///
    /// Reads the file with the blocking calls of the standard library, at most 1 MiB of it.
    ///
    /// # Errors
    /// All problems of the file at once, each with file, line and column.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        let path = path.as_ref();
        Self::parse(&path.display().to_string(), &config_error::text_of(path)?)
    }

    /// Settings from `text`, which is JSON or YAML as `name` ends; problems call it by that name.
    ///
    /// # Errors
    /// All problems of the text at once, each with name, line and column.
    pub fn parse(name: &str, text: &str) -> Result<Self, ConfigError> {
        document::read(Source { name, text }, |config: &Self, original| {
            let flaws = config.flaws().into_iter();
            flaws.map(|(at, problem)| (original(&at), problem)).collect()
        })
        .map_err(|problems| ConfigError::new(name, problems))
    }

    fn flaws(&self) -> Vec<(Vec<Step>, Problem)> {
        let mut flaws = Flaws { name: &self.name, at: Vec::new(), found: Vec::new() };
        flaws.text("name", &self.name);
        flaws.within("share", self.share, (0.0, 1.0));
        flaws.within("alpha", self.alpha, (0.0, 0.5));
        flaws.within("ratio_alpha", self.ratio_alpha, (0.0, 0.5));
        if !(0.0..=1.0).contains(&self.contamination) {
            flaws.say("contamination", self.contamination.to_string(), "a number from 0 to 1");
        }
        if !(2..=MOST_UNITS).contains(&self.min_units) {
            flaws.say("min_units", self.min_units.to_string(), format!("2 to {MOST_UNITS}"));
        }
        flaws.duration("timeout", self.timeout, false);
        match (self.horizon.time, self.horizon.units) {
            (None, None) => flaws.say("horizon", "no end", "time, units or both"),
            (time, units) => {
                if let Some(time) = time {
                    flaws.duration("horizon.time", time, false);
                }
                match units {
                    Some(units) if !(4..=MOST_UNITS).contains(&units) => {
                        flaws.say("horizon.units", units.to_string(), format!("4 to {MOST_UNITS}"));
                    }
                    Some(units) => self.enough(units, &mut flaws),
                    None => {}
                }
            }
        }
        let count = self.guardrails.len();
        if count > MOST {
            flaws.say("guardrails", count.to_string(), format!("at most {MOST}"));
        }
        let mut names = BTreeSet::new();
        flaws.at = vec![Step::from("primary")];
        flaws.outcome(&self.primary, self.horizon.time, &mut names);
        for (index, guardrail) in self.guardrails.iter().enumerate() {
            flaws.at = vec![Step::from("guardrails"), Step::from(index)];
            flaws.outcome(guardrail, self.horizon.time, &mut names);
        }
        flaws.found
    }

    /// Whether so many units are enough for both arms, if they arrive in the planned shares.
    fn enough(&self, units: u64, flaws: &mut Flaws<'_>) {
        #[allow(clippy::cast_precision_loss, reason = "far below 2^53")]
        let (units, wanted) = (units as f64, self.min_units as f64);
        let smaller = self.share.min(1.0 - self.share);
        // With shares like 0.1 a product may be a little less than it should.
        if smaller > 0.0 && units * smaller < wanted * (1.0 - 1e-9) {
            let least = (wanted / smaller * (1.0 - 1e-9)).ceil();
            let wanted = format!("at least {least}, with which both arms have {wanted}, min_units");
            flaws.say("horizon.units", units.to_string(), wanted);
        }
    }

    /// The candidate's share as routings have it.
    pub(crate) fn planned(&self) -> Share {
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it lies between 0 and a million, and what does not is refused before"
        )]
        let parts = (self.share * 1e6).round() as u32;
        Share::parts_per_million(parts)
    }

    /// What a plan makes of these settings.
    pub(crate) fn against(&self, plan: &Plan) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut say = |code: &str, object: String, found: String, wanted: String| {
            problems.push(Problem::new(code, object).found(found).wanted(wanted));
        };
        if plan.experiment.as_ref().and_then(|it| it.primary.as_deref()) != Some(&self.name) {
            let found = match plan.experiment.as_ref().and_then(|it| it.primary.as_deref()) {
                Some(name) => format!("{name:?}"),
                None => "nothing".to_owned(),
            };
            let wanted = format!("{:?}, which decides it", self.name);
            say("experiment-plan", "plan, experiment.primary".to_owned(), found, wanted);
        }
        let share = self.planned();
        let decided = plan.steps.iter().position(|step| {
            matches!(step.until, Until::Decided { .. })
                && step.share == share
                && step.mirror.is_none()
        });
        let Some(decided) = decided else {
            let object = format!("plan, steps, for {}", self.name);
            let wanted =
                format!("a step with the share {share} (without a mirror) until `decided`");
            say("experiment-plan", object, "none".to_owned(), wanted);
            return problems;
        };
        for (number, step) in plan.steps.iter().enumerate().take(decided) {
            if step.on_undecided != OnUndecided::Proceed {
                let object = format!("plan, steps[{number}].on_undecided");
                let found = "a step before the experiment that has to be decided".to_owned();
                let wanted = "`proceed`: until its share is reached the experiment is undecided";
                say("experiment-plan", object, found, wanted.to_owned());
            }
        }
        if let (Until::Decided { horizon }, Some(time)) =
            (&plan.steps[decided].until, self.horizon.time)
            && *horizon < time
        {
            let object = format!("plan, steps[{decided}].until.horizon");
            let found = humantime::format_duration(*horizon).to_string();
            let wanted = format!(
                "at least {}, the horizon of {}",
                humantime::format_duration(time),
                self.name
            );
            say("experiment-plan", object, found, wanted);
        }
        problems
    }
}

#[cfg(test)]
mod tests;
