//! What is wrong with the settings of a smoke test, all at once.

use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use bluegreen_core::{Plan, Problem};

use super::SmokeConfig;
use crate::config_error::{self, ConfigError};
use crate::document::{self, Original, Source, Step, text_of};

mod expectations;
mod limits;
mod requests;

/// Longer than anything that a smoke test waits for.
const LONGEST: Duration = Duration::from_hours(1);

impl SmokeConfig {
    /// Everything that is wrong with these settings, all at once. Warnings are among it.
    pub fn problems(&self) -> Vec<Problem> {
        flaws(self, &<[Step]>::to_vec).into_iter().map(|(_, problem)| problem).collect()
    }

    /// Settings from a file; see [`Smoke::from_file`](super::Smoke::from_file).
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
        document::read(Source { name, text }, flaws)
            .map_err(|problems| ConfigError::new(name, problems))
    }
}

/// What the plan makes of the settings.
pub(super) fn against(config: &SmokeConfig, plan: &Plan) -> Option<Problem> {
    let timeouts = config.requests.iter().map(|request| request.timeout.unwrap_or(config.timeout));
    let longest = timeouts.max()?;
    (longest > plan.gates).then(|| {
        Problem::new("smoke-duration", format!("{}, timeout", config.name))
            .found(humantime::format_duration(longest).to_string())
            .wanted(format!("at most {}", humantime::format_duration(plan.gates)))
            .mend("shorten it, or give the plan's gates more time")
            .warning()
    })
}

/// Every problem, with the path to what it is about.
fn flaws(config: &SmokeConfig, original: Original<'_>) -> Vec<(Vec<Step>, Problem)> {
    let mut flaws = Flaws { config, original, at: Vec::new(), found: Vec::new() };
    flaws.check();
    flaws.found
}

/// The problems found so far, and where the check has come to.
struct Flaws<'a> {
    config: &'a SmokeConfig,
    original: Original<'a>,
    at: Vec<Step>,
    found: Vec<(Vec<Step>, Problem)>,
}

impl Flaws<'_> {
    /// Looks at what is `step` below where the check has come to.
    fn within(&mut self, step: impl Into<Step>, look: impl FnOnce(&mut Self)) {
        self.at.push(step.into());
        look(self);
        self.at.pop();
    }

    fn say(&mut self, code: &str, found: impl Into<String>, wanted: impl Into<String>) {
        self.add(|object| Problem::new(code, object).found(found).wanted(wanted));
    }

    fn add(&mut self, problem: impl FnOnce(String) -> Problem) {
        self.found.push(((self.original)(&self.at), problem(self.object())));
    }

    /// `smoke, requests[1] (POST /chat), expect.status`.
    fn object(&self) -> String {
        let mut parts = vec![self.config.name.clone()];
        match self.at.as_slice() {
            [Step::Key(list), Step::Index(index), rest @ ..] if list == "requests" => {
                let label = self.config.requests.get(*index).map(super::Request::label);
                let request = text_of(&(self.original)(&self.at[..2]));
                parts.push(format!("{request} ({})", label.unwrap_or_default()));
                parts.push(text_of(rest));
            }
            path => parts.push(text_of(path)),
        }
        parts.retain(|part| !part.is_empty());
        parts.join(", ")
    }

    fn check(&mut self) {
        let config = self.config;
        self.within("name", |flaws| {
            let name = &config.name;
            if name.is_empty() || name.len() > 100 || name.chars().any(char::is_control) {
                flaws.say("smoke-name", format!("{name:?}"), "1 to 100 printable characters");
            }
        });
        self.within("timeout", |flaws| flaws.check_duration(config.timeout));
        self.within("max_body", |flaws| flaws.check_size(config.max_body, 64 << 20));
        self.within("max_head", |flaws| flaws.check_size(config.max_head, 1 << 20));
        self.within("requests", |flaws| {
            flaws.check_count("smoke-requests", config.requests.len() as u64, 1..=100);
            for (index, request) in config.requests.iter().enumerate() {
                flaws.within(index, |flaws| flaws.check_request(request));
            }
        });
    }

    fn check_count(&mut self, code: &str, count: u64, wanted: RangeInclusive<u64>) {
        if !wanted.contains(&count) {
            self.say(code, count.to_string(), format!("{} to {}", wanted.start(), wanted.end()));
        }
    }

    fn check_size(&mut self, bytes: usize, most: usize) {
        if bytes == 0 || bytes > most {
            self.say("smoke-size", format!("{bytes} bytes"), format!("1 to {most} bytes"));
        }
    }

    fn check_duration(&mut self, duration: Duration) {
        if duration.is_zero() || duration > LONGEST {
            let found = humantime::format_duration(duration).to_string();
            self.say("smoke-duration", found, "more than nothing and at most 1h");
        }
    }
}

#[cfg(test)]
mod tests;
