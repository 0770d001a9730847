//! What is wrong with the settings of a Prometheus, all at once.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use bluegreen_core::{Color, Problem};
use http::Uri;

use super::config::{PrometheusConfig, SlotValue, shown};
use super::queries::Queries;
use super::template::{LONGEST, Template, is_name};
use crate::config_error::{self, ConfigError};
use crate::counters::Part;
use crate::document::{self, Original, Source, Step, text_of};
use crate::smoke::prepare;

/// Longer than any answer is waited for.
const LONGEST_WAIT: Duration = Duration::from_mins(5);
/// Longer than anything is looked back.
const LONGEST_SPAN: Duration = Duration::from_hours(24);
/// The largest answer in bytes.
const LARGEST: usize = 256 << 20;
/// What every query may name.
const PLACES: [&str; 6] = ["window", "slot", "namespace", "agent", "deployment", "service"];
/// The most queries of one number.
const MOST_QUERIES: usize = 16;

impl PrometheusConfig {
    /// Everything that is wrong with these settings, all at once.
    pub fn problems(&self) -> Vec<Problem> {
        flaws(self, &<[Step]>::to_vec).into_iter().map(|(_, problem)| problem).collect()
    }

    /// Settings from a file; see [`Prometheus::from_file`](super::Prometheus::from_file).
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

/// The scheme, host and path of a URL.
///
/// # Errors
/// What is wrong with it, and what is wanted.
pub(super) fn address(url: &str) -> Result<(bool, String, String), (String, &'static str)> {
    let refuse = |wanted| (format!("`{}`", shown(url)), wanted);
    let uri: Uri = url.parse().map_err(|_| refuse("a URL like http://prometheus:9090"))?;
    let is_https = match uri.scheme_str() {
        Some("http") => false,
        Some("https") => true,
        _ => return Err(refuse("a URL that begins with http:// or https://")),
    };
    let authority = uri.authority().ok_or_else(|| refuse("a URL with a host"))?;
    if authority.as_str().contains('@') || uri.query().is_some() || url.contains('#') {
        return Err(refuse("a URL of scheme, host and path; who asks is said in headers"));
    }
    let port = authority.port_u16().unwrap_or(if is_https { 443 } else { 80 });
    let path = uri.path().trim_end_matches('/').to_owned();
    Ok((is_https, format!("{}:{port}", authority.host()), path))
}

/// Every problem, with the path to what it is about.
fn flaws(config: &PrometheusConfig, original: Original<'_>) -> Vec<(Vec<Step>, Problem)> {
    let mut flaws = Flaws { config, original, at: Vec::new(), found: Vec::new() };
    flaws.check();
    flaws.found
}

struct Flaws<'a> {
    config: &'a PrometheusConfig,
    original: Original<'a>,
    at: Vec<Step>,
    found: Vec<(Vec<Step>, Problem)>,
}

impl Flaws<'_> {
    fn within(&mut self, step: impl Into<Step>, look: impl FnOnce(&mut Self)) {
        self.at.push(step.into());
        look(self);
        self.at.pop();
    }

    fn say(&mut self, code: &str, found: impl Into<String>, wanted: impl Into<String>) {
        let path = (self.original)(&self.at);
        let object = format!("prometheus, {}", text_of(&path));
        self.found.push((path, Problem::new(code, object).found(found).wanted(wanted)));
    }

    fn check(&mut self) {
        let config = self.config;
        self.within("url", |it| {
            if let Err((found, wanted)) = address(&config.url) {
                it.say("prometheus-url", found, wanted);
            }
        });
        self.within("namespace", |it| it.check_value(&config.namespace));
        self.within("agent", |it| it.check_value(&config.agent));
        self.within("values", |it| it.check_values(&config.values));
        self.check_headers();
        self.within("timeout", |it| it.check_duration(config.timeout, LONGEST_WAIT));
        self.within("lookback", |it| it.check_duration(config.lookback, LONGEST_SPAN));
        self.within("delay", |it| {
            if !config.delay.is_zero() {
                it.check_duration(config.delay, LONGEST_SPAN);
            }
        });
        self.within("max_body", |it| {
            if config.max_body == 0 || config.max_body > LARGEST {
                let found = format!("{} bytes", config.max_body);
                it.say("prometheus-size", found, format!("1 to {LARGEST} bytes"));
            }
        });
        self.within("target_labels", |it| {
            if config.target_labels.is_empty() {
                it.say(
                    "prometheus-target",
                    "none",
                    "the labels of a target, like job and instance",
                );
            }
        });
        self.check_metrics();
    }

    fn check_duration(&mut self, duration: Duration, most: Duration) {
        if duration.is_zero() || duration > most {
            let found = humantime::format_duration(duration).to_string();
            let most = humantime::format_duration(most);
            self.say("prometheus-duration", found, format!("more than nothing and at most {most}"));
        }
    }

    /// It comes to stand in quoted texts, and may not end them.
    fn check_value(&mut self, value: &str) {
        let breaks = |c: char| c.is_control() || matches!(c, '"' | '\'' | '`' | '\\');
        if value.is_empty() || value.len() > 253 || value.chars().any(breaks) {
            let found = format!("{value:?}");
            self.say("prometheus-value", found, "1 to 253 bytes without quotes and backslashes");
        }
    }

    fn check_values(&mut self, values: &BTreeMap<String, SlotValue>) {
        for (name, SlotValue(value)) in values {
            self.within(name.as_str(), |it| {
                let taken = ["window", "select", "slot", "namespace", "agent"];
                if taken.contains(&name.as_str()) || !is_name(name) {
                    let wanted =
                        format!("a name of a-z, 0-9 and _ that is none of {}", taken.join(", "));
                    it.say("prometheus-value", format!("`{name}`"), wanted);
                }
                it.check_value(&value.blue);
                if value.green != value.blue {
                    it.check_value(&value.green);
                }
            });
        }
    }

    fn check_headers(&mut self) {
        let config = self.config;
        let wrong = |text| prepare::resolve(text).and_then(|it| prepare::header_value(&it)).err();
        self.within("headers", |it| {
            for (name, text) in &config.headers {
                it.within(name.as_str(), |it| {
                    let known = prepare::header_name(name);
                    if let Err(why) = &known {
                        it.say("prometheus-header", why, "the name of a header");
                    }
                    if known.is_ok_and(|name| prepare::is_carriage(&name)) {
                        let wanted = "a header that does not say how requests are carried";
                        it.say("prometheus-header", format!("`{name}`"), wanted);
                    }
                    if name.eq_ignore_ascii_case("authorization") && config.bearer.is_some() {
                        it.say("prometheus-header", "a second one", "either it or bearer");
                    }
                    if let Some(why) = wrong(text) {
                        it.say("prometheus-header", why, "a value that can be sent");
                    }
                });
            }
        });
        if let Some(why) = config.bearer.as_ref().and_then(wrong) {
            self.within("bearer", |it| {
                it.say("prometheus-header", why, "a value that can be sent");
            });
        }
    }

    fn check_metrics(&mut self) {
        let config = self.config;
        if config.sets.is_empty() && config.metrics.is_empty() {
            let wanted = "queries of metrics, or a set of them";
            self.within("metrics", |it| it.say("prometheus-metrics", "none", wanted));
        }
        self.within("metrics", |it| {
            for (name, queries) in &config.metrics {
                it.within(name.as_str(), |it| {
                    if name.is_empty() || name.len() > 100 || name.chars().any(char::is_control) {
                        let wanted = "1 to 100 printable characters";
                        it.say("prometheus-metrics", format!("{name:?}"), wanted);
                    }
                    it.check_queries(queries);
                });
            }
        });
        self.within("sets", |it| {
            for (index, set) in config.sets.iter().enumerate() {
                it.within(index, |it| {
                    // The same matchers are in all of its queries.
                    if let Some((_, queries)) = set.queries().first() {
                        it.check_set(queries);
                    }
                });
            }
        });
    }

    fn check_set(&mut self, queries: &Queries) {
        for query in &queries.count {
            self.check_query(query, true);
        }
    }

    fn check_queries(&mut self, queries: &Queries) {
        let has =
            |part: Part| queries.parts().iter().any(|(it, all)| *it == part && !all.is_empty());
        if !has(Part::Count) && !has(Part::Buckets) {
            self.say("prometheus-query", "neither count nor buckets", "a query that counts units");
        }
        if has(Part::Hits) == has(Part::Sum) {
            let found = if has(Part::Sum) { "both hits and sum" } else { "neither hits nor sum" };
            self.say("prometheus-query", found, "one of hits and sum");
        }
        if has(Part::Hits) && has(Part::Squares) {
            let wanted = "a sum: the square of a hit is one";
            self.say("prometheus-query", "hits and sum_of_squares", wanted);
        }
        if !(queries.scale.is_finite() && queries.scale > 0.0) {
            let found = queries.scale.to_string();
            self.within("scale", |it| it.say("prometheus-query", found, "a number above 0"));
        }
        if let Some(step) = queries.step {
            self.within("step", |it| it.check_duration(step, LONGEST_SPAN));
            if queries.values {
                let wanted = "counters: only these are asked for step by step";
                self.within("values", |it| it.say("prometheus-query", "true with a step", wanted));
            }
        }
        let has_window = queries.step.is_none();
        for (part, all) in queries.parts() {
            self.within(part.name(), |it| {
                if all.len() > MOST_QUERIES {
                    let found = format!("{} queries", all.len());
                    it.say("prometheus-query", found, format!("at most {MOST_QUERIES}"));
                }
                for query in all {
                    it.check_query(query, has_window);
                }
            });
        }
    }

    /// Looks at one query, which has to have `$window` in it, or must not.
    fn check_query(&mut self, query: &str, has_window: bool) {
        if query.trim().is_empty() || query.len() > LONGEST {
            let found = format!("a query of {} bytes", query.len());
            self.say("prometheus-query", found, format!("1 to {LONGEST} bytes"));
            return;
        }
        let template = match Template::parse(query) {
            Ok(template) => template,
            Err(wrong) => {
                for found in wrong {
                    let wanted = "`$name`, `${name}` or `${name:regex}`; `$$` is one `$`";
                    self.say("prometheus-placeholder", found, wanted);
                }
                return;
            }
        };
        let places = template.places();
        for place in &places {
            let is_known = *place == "window" || self.config.place(place, Color::Blue).is_some();
            if !is_known {
                let mut known = PLACES.to_vec();
                let own = self.config.values.keys().map(String::as_str);
                known.extend(own.filter(|name| !PLACES.contains(name)));
                let wanted = format!("one of {}, or a value of that name", known.join(", "));
                self.say("prometheus-placeholder", format!("`${place}`"), wanted);
            }
        }
        match has_window {
            true if !places.contains("window") => {
                let wanted = "a query over `[$window]`";
                self.say("prometheus-query", "no `$window`", wanted);
            }
            false if places.contains("window") => {
                let wanted =
                    "a query without it: with a step the window is that of the whole range";
                self.say("prometheus-query", "`$window`", wanted);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
