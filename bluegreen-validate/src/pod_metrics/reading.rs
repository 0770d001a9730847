//! What one pod's metrics were at one time, and by how much they rose since an earlier one.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::metric::PodMetric;
use crate::counters::{Bound, Part, Totals};
use crate::excerpt::Mask;
use crate::exposition::{self, Sample};
use crate::fetch::Fetched;

/// The most numbers that are kept of one pod.
const MOST: usize = 10_000;
/// The most bounds of the buckets of one metric, as many as a guard takes.
const MOST_BOUNDS: usize = 512;

/// When the process began, as client libraries tell.
const STARTED: &str = "process_start_time_seconds";
/// By how much that may differ in seconds, where a library works it out each time.
const JITTER: f64 = 1.0;

/// The numbers of one pod that metrics are made of.
#[derive(Debug, Default)]
pub(super) struct Reading {
    numbers: HashMap<Key, Number>,
    /// The finite bounds of each metric.
    bounds: HashMap<usize, BTreeSet<Bound>>,
    started: Option<f64>,
}

/// Of which metric a number is and what of it, and the name and labels that it has.
#[derive(Debug, Eq, Hash, PartialEq)]
struct Key {
    metric: usize,
    part: Part,
    series: String,
}

#[derive(Debug)]
struct Number {
    /// The labels that it has in common with the others of its histogram.
    child: String,
    bound: Option<Bound>,
    value: f64,
}

/// Reads what is wanted in the text of a pod.
///
/// # Errors
/// What was found, and what was wanted.
pub(super) fn read(metrics: &[(String, PodMetric)], found: &Fetched) -> Result<Reading, String> {
    let text = std::str::from_utf8(&found.body).map_err(|error| format!("metrics: {error}"))?;
    let is_open = found.content_type.starts_with("application/openmetrics-text");
    if is_open && !exposition::is_whole(text) {
        return Err("the metrics do not end with `# EOF`: some may be missing".to_owned());
    }
    let mut reading = Reading::default();
    for sample in exposition::samples(text) {
        let sample = sample.map_err(|error| error.to_string())?;
        if sample.name == STARTED {
            reading.started = Some(sample.value);
        }
        for (metric, (name, wanted)) in metrics.iter().enumerate() {
            for part in wanted.parts_of(&sample) {
                reading.add(metric, part, &sample)?;
            }
            if reading.bounds.get(&metric).is_some_and(|bounds| bounds.len() > MOST_BOUNDS) {
                let wanted = "wanted at most as many";
                return Err(format!(
                    "{name}: found more than {MOST_BOUNDS} bounds (`le`), {wanted}"
                ));
            }
        }
    }
    // They are of no use any more, and a reading is kept for long.
    reading.bounds = HashMap::new();
    Ok(reading)
}

impl Reading {
    fn add(&mut self, metric: usize, part: Part, sample: &Sample<'_>) -> Result<(), String> {
        let mut labels: Vec<_> = sample.labels.iter().filter(|(name, _)| name != "le").collect();
        labels.sort();
        let child = format!("{labels:?}");
        let shown = || {
            let labels = Mask::default().excerpt(child.as_bytes());
            format!("{} with the labels {labels}", Mask::default().excerpt(sample.name.as_bytes()))
        };
        let value = sample.value;
        if !(value.is_finite() && value >= 0.0) {
            return Err(format!("{}: found {value}, wanted a number from 0 on", shown()));
        }
        let bound = match (part, sample.label("le")) {
            (Part::Buckets, Some(bound)) => {
                let wrong = || format!("{}: found no number as le", shown());
                Some(Bound::parse(bound).ok_or_else(wrong)?)
            }
            (Part::Buckets, None) => {
                return Err(format!("{}: found a bucket without le", shown()));
            }
            _ => None,
        };
        if let Some(bound) = bound.filter(|bound| *bound != Bound::INFINITE) {
            self.bounds.entry(metric).or_default().insert(bound);
        }
        let series = format!("{} {child} {bound:?}", sample.name);
        let number = Number { child: child.clone(), bound, value };
        if self.numbers.insert(Key { metric, part, series }, number).is_some() {
            return Err(format!("{}: found it twice, wanted it once", shown()));
        }
        if self.numbers.len() > MOST {
            return Err(format!("found more than {MOST} numbers, wanted at most as many"));
        }
        Ok(())
    }

    /// By how much each of so many metrics rose since an earlier reading of the same pod; nothing
    /// if this is the first one, since what was counted before it may be of any time.
    pub(super) fn since(&self, earlier: Option<&Self>, metrics: usize) -> Vec<Totals> {
        let restarted = match (earlier.and_then(|it| it.started), self.started) {
            (Some(then), Some(now)) => now > then + JITTER,
            _ => false,
        };
        let before = |key: &Key| earlier.and_then(|it| it.numbers.get(key)).map(|it| it.value);
        // Those of one histogram begin again from zero together.
        let mut fallen: HashSet<&str> = HashSet::new();
        for (key, number) in &self.numbers {
            if before(key).is_some_and(|it| number.value < it) {
                fallen.insert(&number.child);
            }
        }
        let mut totals = vec![Totals::default(); metrics];
        let mut children: BTreeMap<(usize, &str), BTreeMap<Bound, f64>> = BTreeMap::new();
        for (key, number) in &self.numbers {
            let rose = match before(key) {
                _ if earlier.is_none() => 0.0,
                Some(before) if !restarted && !fallen.contains(&*number.child) => {
                    number.value - before
                }
                // It began at zero since.
                _ => number.value,
            };
            if let Some(bound) = number.bound {
                let child = children.entry((key.metric, &number.child)).or_default();
                *child.entry(bound).or_default() += rose;
            } else if let Some(totals) = totals.get_mut(key.metric) {
                totals.add(key.part, rose);
            }
        }
        for ((metric, _), buckets) in children {
            if let Some(totals) = totals.get_mut(metric) {
                totals.add_buckets(&buckets);
            }
        }
        totals
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Selector;

    fn metrics() -> Vec<(String, PodMetric)> {
        let requests = Selector::new("requests_total");
        let errors = PodMetric::rate(requests.clone(), requests.beginning("code", "5"));
        let latency = PodMetric::histogram("latency");
        vec![("errors".to_owned(), errors), ("latency".to_owned(), latency)]
    }

    fn try_reading(text: &str) -> Result<Reading, String> {
        let body = text.to_owned().into();
        read(&metrics(), &Fetched { content_type: "text/plain".to_owned(), body })
    }

    fn reading(text: &str) -> Reading {
        try_reading(text).unwrap()
    }

    #[test]
    fn only_what_rose_counts() {
        let one = reading("requests_total{code=\"200\"} 7\nother 5\n");
        let two = reading("requests_total{code=\"200\"} 9\nrequests_total{code=\"502\"} 1\n");
        let found = &two.since(Some(&one), 2)[0];
        assert_eq!((found.count, found.hits), (Some(3.0), Some(1.0)), "the first error too");
        let found = &two.since(None, 2)[0];
        assert_eq!((found.count, found.hits), (Some(0.0), Some(0.0)), "this is the first reading");
        let again = reading("requests_total{code=\"200\"} 2\n");
        let found = &again.since(Some(&two), 2)[0];
        assert_eq!((found.count, found.hits), (Some(2.0), None));
    }

    #[test]
    fn a_process_that_began_again_counts_from_zero_even_if_nothing_fell() {
        let at = |started: f64, count: u32| {
            reading(&format!("{STARTED} {started}\nrequests_total{{code=\"200\"}} {count}\n"))
        };
        let count = |one: &Reading, two: &Reading| two.since(Some(one), 2)[0].count;
        assert_eq!(count(&at(1000.0, 5), &at(1000.5, 8)), Some(3.0), "that is the same time");
        assert_eq!(count(&at(1000.0, 5), &at(1060.0, 8)), Some(8.0));
    }

    #[test]
    fn a_histogram_begins_again_as_a_whole() {
        let at = |half: u32, all: u32, sum: f64| {
            reading(&format!(
                "latency_bucket{{m=\"a\",le=\"0.5\"}} {half}\nlatency_bucket{{le=\"+Inf\",m=\"a\"}} \
                 {all}\nlatency_sum{{m=\"a\"}} {sum}\nlatency_count{{m=\"a\"}} {all}\n"
            ))
        };
        let found = &at(5, 6, 3.0).since(Some(&at(2, 10, 2.0)), 2)[1];
        assert_eq!(
            found.buckets.as_ref().unwrap().values().copied().collect::<Vec<_>>(),
            [5.0, 6.0]
        );
        assert_eq!(found.sum, Some(3.0));
    }

    #[test]
    fn what_is_no_counter_is_refused() {
        for (text, wanted) in [
            ("requests_total NaN", "`requests_total` with the labels `[]`: found NaN"),
            ("requests_total -1", "`requests_total` with the labels `[]`: found -1"),
            ("latency_sum +Inf", "`latency_sum` with the labels `[]`: found inf"),
            (
                "latency_bucket 1",
                "`latency_bucket` with the labels `[]`: found a bucket without le",
            ),
            (
                "latency_bucket{le=\"x\"} 1",
                "`latency_bucket` with the labels `[]`: found no number",
            ),
            (
                "requests_total 1\nrequests_total 2",
                "`requests_total` with the labels `[]`: found it tw",
            ),
            ("requests_total", "line 1 of the metrics: it has no value"),
        ] {
            let why = try_reading(text).unwrap_err();
            assert!(why.starts_with(wanted), "{text}: {why}");
        }
        assert!(try_reading("other NaN").is_ok());
        let many = (0..=MOST).map(|it| format!("requests_total{{a=\"{it}\"}} 1"));
        let many = many.collect::<Vec<_>>().join("\n");
        assert!(try_reading(&many).unwrap_err().starts_with("found more than 10000 numbers"));
        let content_type = "application/openmetrics-text; version=1.0.0".to_owned();
        let cut = Fetched { content_type, body: "requests_total 1\n".into() };
        assert!(read(&metrics(), &cut).unwrap_err().contains("some may be missing"));
    }

    #[test]
    fn a_histogram_of_more_bounds_than_a_guard_takes_is_refused() {
        let with = |bounds: u32| {
            let of = |le: String| format!("latency_bucket{{le=\"{le}\"}} 1");
            let all: Vec<_> = (0..bounds).map(|it| of(it.to_string())).collect();
            try_reading(&format!("{}\n{}\n", all.join("\n"), of("+Inf".to_owned())))
        };
        assert!(with(512).is_ok());
        let why = with(513).unwrap_err();
        assert_eq!(why, "latency: found more than 512 bounds (`le`), wanted at most as many");
    }
}
