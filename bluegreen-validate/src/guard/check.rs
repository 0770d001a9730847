//! What is wrong with the settings of guards, all at once.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use bluegreen_core::{Digest, Error, ErrorKind, Plan, Problem, Result};
use serde::Serialize;

use super::{
    ErrorRateConfig, GuardConfig, GuardsConfig, Margin, MeanConfig, QuantileConfig, Sampling,
    Statistic, ThresholdConfig,
};
use crate::config_error::{self, ConfigError};
use crate::document::{self, Source, Step};

/// The longest time that a setting may be.
const LONGEST: Duration = Duration::from_hours(24 * 90);

/// The most guards in one.
const MOST: usize = 50;

/// The most of these that keep distributions: what is kept between looks has at most 512 KiB, and with the
/// finest distributions such a guard needs up to 60.
const MOST_DISTRIBUTIONS: usize = 8;

/// One digest of all settings of one kind of guard.
pub(crate) fn digest(kind: &str, config: &impl Serialize) -> Digest {
    // Numbers that are not finite have no JSON and become null; a guard with one is refused anyway.
    let text = match serde_json::to_value(config) {
        Ok(value) => crate::canonical::canonical(&value),
        Err(error) => error.to_string(),
    };
    Digest::of(["bluegreen guard 1", kind, &text])
}

/// Refuses to judge by settings with problems, and names them all.
pub(crate) fn refuse(name: &str, problems: Vec<Problem>) -> Result<()> {
    let problems: Vec<Problem> = problems.into_iter().filter(Problem::is_refusal).collect();
    if problems.is_empty() {
        return Ok(());
    }
    let error = ConfigError::new(name, problems);
    Err(Error::new(ErrorKind::Rejected, format!("judge by {name}")).with_source(error))
}

/// The problems found so far, each with the way to the setting.
struct Flaws<'a> {
    name: &'a str,
    at: Vec<Step>,
    found: Vec<(Vec<Step>, Problem)>,
}

impl Flaws<'_> {
    fn new(name: &str) -> Flaws<'_> {
        Flaws { name, at: Vec::new(), found: Vec::new() }
    }

    fn say(&mut self, key: &str, code: &str, found: impl Into<String>, wanted: impl Into<String>) {
        let mut at = self.at.clone();
        at.extend(key.split('.').map(Step::from));
        let object = format!("{}, {}", self.name, document::text_of(&at));
        self.found.push((at, Problem::new(code, object).found(found).wanted(wanted)));
    }

    fn within(&mut self, key: &str, code: &str, value: f64, range: (f64, f64)) {
        let (low, high) = range;
        if !(low < value && value < high) {
            let wanted = if high.is_infinite() {
                format!("a number above {low}")
            } else {
                format!("a number above {low} and below {high}")
            };
            self.say(key, code, value.to_string(), wanted);
        }
    }

    fn text(&mut self, key: &str, value: &str) {
        if value.is_empty() || value.len() > 100 || value.chars().any(char::is_control) {
            self.say(key, "guard-name", format!("{value:?}"), "1 to 100 printable characters");
        }
    }

    fn duration(&mut self, key: &str, value: Duration, may_be_none: bool) {
        if value > LONGEST || value.is_zero() && !may_be_none {
            let least = if may_be_none { "at most" } else { "more than nothing and at most" };
            let found = humantime::format_duration(value).to_string();
            self.say(key, "guard-duration", found, format!("{least} 90 days"));
        }
    }

    fn common(&mut self, name: &str, metric: &str, sampling: &Sampling) {
        self.text("name", name);
        self.text("metric", metric);
        let Sampling { min_units, window, lag, history, stale, timeout } = sampling;
        if !(1..=1_000_000_000).contains(min_units) {
            let found = min_units.to_string();
            self.say("sampling.min_units", "guard-units", found, "1 to 1000000000");
        }
        self.duration("sampling.window", *window, true);
        self.duration("sampling.lag", *lag, true);
        self.duration("sampling.history", *history, true);
        self.duration("sampling.stale", *stale, false);
        self.duration("sampling.timeout", *timeout, false);
        if stale < window {
            let (found, wanted) =
                (humantime::format_duration(*stale), humantime::format_duration(*window));
            let wanted = format!("at least {wanted}, the window");
            self.say("sampling.stale", "guard-duration", found.to_string(), wanted);
        }
    }

    fn alpha(&mut self, alpha: f64) {
        self.within("alpha", "guard-alpha", alpha, (0.0, 0.5));
    }
}

/// What each kind of settings has to have.
trait Flawed {
    fn name(&self) -> &str;
    fn look(&self, flaws: &mut Flaws<'_>);
}

impl Flawed for ErrorRateConfig {
    fn name(&self) -> &str {
        &self.name
    }

    fn look(&self, flaws: &mut Flaws<'_>) {
        flaws.common(&self.name, &self.metric, &self.sampling);
        flaws.alpha(self.alpha);
        flaws.within("margin", "guard-margin", self.margin, (0.0, 1.0));
    }
}

impl Flawed for MeanConfig {
    fn name(&self) -> &str {
        &self.name
    }

    fn look(&self, flaws: &mut Flaws<'_>) {
        flaws.common(&self.name, &self.metric, &self.sampling);
        flaws.alpha(self.alpha);
        let infinite = f64::INFINITY;
        match self.margin {
            Margin::Ratio(it) => flaws.within("margin.ratio", "guard-margin", it, (1.0, infinite)),
            Margin::Difference(it) => {
                flaws.within("margin.difference", "guard-margin", it, (0.0, infinite));
            }
        }
    }
}

impl Flawed for QuantileConfig {
    fn name(&self) -> &str {
        &self.name
    }

    fn look(&self, flaws: &mut Flaws<'_>) {
        flaws.common(&self.name, &self.metric, &self.sampling);
        flaws.alpha(self.alpha);
        flaws.within("quantile", "guard-quantile", self.quantile, (0.0, 1.0));
        flaws.within("ratio", "guard-margin", self.ratio, (1.0, f64::INFINITY));
    }
}

impl Flawed for ThresholdConfig {
    fn name(&self) -> &str {
        &self.name
    }

    fn look(&self, flaws: &mut Flaws<'_>) {
        flaws.common(&self.name, &self.metric, &self.sampling);
        if let Statistic::Quantile(it) = self.statistic {
            flaws.within("statistic.quantile", "guard-quantile", it, (0.0, 1.0));
        }
        for (key, limit) in [("at_most", self.at_most), ("at_least", self.at_least)] {
            if let Some(limit) = limit.filter(|limit| !limit.is_finite()) {
                flaws.say(key, "guard-limit", limit.to_string(), "a finite number");
            }
        }
        match (self.at_least, self.at_most) {
            (None, None) => flaws.say("at_most", "guard-limit", "no limit", "at_most or at_least"),
            (Some(least), Some(most)) if least > most => {
                let wanted = format!("at most {most}, which is at_most");
                flaws.say("at_least", "guard-limit", least.to_string(), wanted);
            }
            _ => {}
        }
        if !(1..=1000).contains(&self.failures) {
            flaws.say("failures", "guard-failures", self.failures.to_string(), "1 to 1000");
        }
        flaws.duration("for", self.lasting, true);
    }
}

/// A comparison that could compare with nothing.
fn lacks_live(name: &str, sampling: &Sampling, plan: &Plan) -> Option<Problem> {
    let shared = plan.steps.iter().any(|step| step.share != bluegreen_core::Share::ALL);
    (sampling.history.is_zero() && !shared).then(|| {
        Problem::new("guard-baseline", format!("{name}, sampling.history"))
            .found("no history, under a plan in which live and candidate never share traffic")
            .wanted("something to compare the candidate with")
            .mend("set a history, or plan a step with a share")
    })
}

macro_rules! problems {
    ($($config:ident: $compares:expr),*) => {
        $(impl $config {
            /// Everything that is wrong with these settings, all at once.
            pub fn problems(&self) -> Vec<Problem> {
                let mut flaws = Flaws::new(Flawed::name(self));
                self.look(&mut flaws);
                flaws.found.into_iter().map(|(_, problem)| problem).collect()
            }

            /// What the plan makes of them.
            pub(super) fn against(&self, plan: &Plan) -> Option<Problem> {
                if $compares { lacks_live(&self.name, &self.sampling, plan) } else { None }
            }
        })*
    };
}

problems!(ErrorRateConfig: true, MeanConfig: true, QuantileConfig: true, ThresholdConfig: false);

impl GuardsConfig {
    /// Everything that is wrong with these settings, all at once.
    pub fn problems(&self) -> Vec<Problem> {
        self.flaws().into_iter().map(|(_, problem)| problem).collect()
    }

    /// Settings from a file; see [`Guards::from_file`](super::Guards::from_file).
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
        let mut flaws = Flaws::new(&self.name);
        flaws.text("name", &self.name);
        flaws.alpha(self.alpha);
        let count = self.guards.len();
        if !(1..=MOST).contains(&count) {
            flaws.say("guards", "guard-count", count.to_string(), format!("1 to {MOST} guards"));
        }
        let quantiles = self.guards.iter().filter(|guard| match guard {
            GuardConfig::Quantile(_) => true,
            GuardConfig::Threshold(it) => matches!(it.statistic, Statistic::Quantile(_)),
            _ => false,
        });
        let quantiles = quantiles.count();
        if quantiles > MOST_DISTRIBUTIONS {
            let found = format!("{quantiles} guards of quantiles");
            let wanted = format!("at most {MOST_DISTRIBUTIONS}, and the others in another group");
            flaws.say("guards", "guard-count", found, wanted);
        }
        let mut names = BTreeSet::new();
        for (index, guard) in self.guards.iter().enumerate() {
            let (kind, it): (&str, &dyn Flawed) = match guard {
                GuardConfig::ErrorRate(it) => ("error_rate", it),
                GuardConfig::Mean(it) => ("mean", it),
                GuardConfig::Quantile(it) => ("quantile", it),
                GuardConfig::Threshold(it) => ("threshold", it),
            };
            flaws.at = vec![Step::from("guards"), Step::from(index), Step::from(kind)];
            it.look(&mut flaws);
            if !names.insert(it.name()) {
                let found = format!("{:?} once more", it.name());
                flaws.say("name", "guard-name", found, "a name of its own in the group");
            }
            let alpha = match guard {
                GuardConfig::ErrorRate(it) => it.alpha,
                GuardConfig::Mean(it) => it.alpha,
                GuardConfig::Quantile(it) => it.alpha,
                GuardConfig::Threshold(_) => continue,
            };
            #[allow(clippy::float_cmp, reason = "whether it was set at all")]
            if alpha != ErrorRateConfig::default().alpha {
                let wanted = "none of its own: the group's alpha is shared";
                flaws.say("alpha", "guard-alpha", alpha.to_string(), wanted);
            }
        }
        flaws.found
    }
}

#[cfg(test)]
mod tests;
