//! As much of a Prometheus as the queries here need: samples, selectors, both kinds of queries.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use crate::server::{Answer, Asked, Server};

type Labels = BTreeMap<String, String>;
type Samples = Vec<(u64, f64)>;

/// A store; clones are the same.
#[derive(Clone, Default)]
pub(crate) struct Store {
    series: Arc<Mutex<Vec<(Labels, Samples)>>>,
    queries: Arc<Mutex<Vec<String>>>,
}

impl Store {
    /// A series, by its name and labels, with what was scraped when.
    pub(crate) fn add(&self, name: &str, labels: &[(&str, &str)], samples: &[(u64, f64)]) {
        let mut all = Labels::from([("__name__".to_owned(), name.to_owned())]);
        all.extend([("job".to_owned(), "agents".to_owned())]);
        all.extend(labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        self.series.lock().unwrap().push((all, samples.to_vec()));
    }

    /// Everything that was asked so far.
    pub(crate) fn queries(&self) -> Vec<String> {
        self.queries.lock().unwrap().clone()
    }

    pub(crate) async fn serve(&self) -> Server {
        let store = self.clone();
        Server::answering(move |asked| store.answer(&asked)).await
    }

    fn answer(&self, asked: &Asked) -> Answer {
        assert!(asked.head.contains("content-type: application/x-www-form-urlencoded"));
        let form: BTreeMap<String, String> =
            form_urlencoded::parse(asked.body.as_bytes()).into_owned().collect();
        let millis = |name: &str| form[name].replace('.', "").parse::<u64>().unwrap();
        let query = &form["query"];
        self.queries.lock().unwrap().push(query.clone());
        let found = if asked.head.starts_with("post /base/api/v1/query_range ") {
            self.steps(query, millis("start"), millis("end"), millis("step"))
        } else {
            assert!(asked.head.starts_with("post /base/api/v1/query "), "{}", asked.head);
            let (selector, range) = query.strip_suffix("ms]").unwrap().rsplit_once('[').unwrap();
            let until = millis("time");
            self.range(selector, until.saturating_sub(range.parse().unwrap()), until)
        };
        let series = found.iter().map(|(labels, samples)| {
            let values = samples
                .iter()
                .map(|(at, value)| format!("[{}.{:03},\"{value}\"]", at / 1000, at % 1000));
            let values = values.collect::<Vec<_>>().join(",");
            let labels = labels.iter().fold(String::new(), |mut text, (name, value)| {
                let comma = if text.is_empty() { "" } else { "," };
                write!(text, "{comma}{name:?}:{value:?}").unwrap();
                text
            });
            format!("{{\"metric\":{{{labels}}},\"values\":[{values}]}}")
        });
        let series = series.collect::<Vec<_>>().join(",");
        let text = format!(
            "{{\"status\":\"success\",\"data\":{{\"resultType\":\"matrix\",\"result\":[{series}]}}}}"
        );
        (200, "content-type: application/json\r\n", text)
    }

    /// The series that a selector means.
    fn select(&self, selector: &str) -> Vec<(Labels, Samples)> {
        let (name, matchers) = selector.strip_suffix('}').unwrap().split_once('{').unwrap();
        let matchers: Vec<(&str, &str)> =
            matchers.split(',').map(|it| it.split_once('=').unwrap()).collect();
        let fits = |labels: &Labels| {
            labels["__name__"] == name
                && matchers.iter().all(|(label, wanted)| {
                    let found = labels.get(*label).map_or("", String::as_str);
                    match wanted.strip_prefix('~') {
                        // Of regular expressions the points are enough.
                        Some(wanted) => {
                            let wanted = wanted.trim_matches('"');
                            found.len() == wanted.len()
                                && wanted
                                    .chars()
                                    .zip(found.chars())
                                    .all(|(a, b)| a == '.' || a == b)
                        }
                        None => found == wanted.trim_matches('"'),
                    }
                })
        };
        self.series.lock().unwrap().iter().filter(|(labels, _)| fits(labels)).cloned().collect()
    }

    fn range(&self, selector: &str, from: u64, until: u64) -> Vec<(Labels, Samples)> {
        let mut found = self.select(selector);
        for (_, samples) in &mut found {
            samples.retain(|(at, _)| (from + 1..=until).contains(at));
        }
        found.retain(|(_, samples)| !samples.is_empty());
        found
    }

    fn steps(&self, selector: &str, start: u64, end: u64, step: u64) -> Vec<(Labels, Samples)> {
        let mut found = self.select(selector);
        for (_, samples) in &mut found {
            let value = |at: u64| {
                let last = samples.iter().rfind(|(it, _)| *it <= at && at - it < 300_000);
                last.map(|(_, value)| (at, *value))
            };
            let steps = (start..=end).step_by(usize::try_from(step).unwrap());
            *samples = steps.filter_map(value).collect();
        }
        found.retain(|(_, samples)| !samples.is_empty());
        found
    }
}
