//! How the number is found in an answer.

use serde_json::Value;

use crate::exposition::{self, Sample};
use crate::fetch;

/// More than anything has in hand, and as much as a float counts without gaps.
const MOST: f64 = 9_007_199_254_740_992.0;

/// Where in an answer the numbers are.
#[derive(Clone, Debug)]
pub(super) enum Count {
    /// In metrics of these series, all added up.
    Metrics(Vec<Series>),
    /// In a JSON document, where these pointers lead, all added up.
    Json(Vec<String>),
}

/// The samples of one name that have all of these labels.
#[derive(Clone, Debug)]
pub(super) struct Series {
    pub(super) name: String,
    pub(super) labels: Vec<(String, String)>,
}

impl Count {
    /// What the answer is asked to be.
    pub(super) fn accepted(&self) -> &'static str {
        match self {
            Self::Metrics(_) => fetch::METRICS,
            Self::Json(_) => "application/json",
        }
    }

    /// The number, or why there is none.
    pub(super) fn read(&self, content_type: &str, body: &[u8]) -> Result<u64, String> {
        let sum = match self {
            Self::Metrics(wanted) => of_metrics(wanted, content_type, body)?,
            Self::Json(pointers) => of_json(pointers, body)?,
        };
        if sum > MOST {
            return Err(format!("found {sum} in all, wanted a number that can be"));
        }
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is whole, not negative and small enough"
        )]
        // A part of a request is one that is not done.
        Ok(sum.ceil() as u64)
    }
}

fn of_metrics(wanted: &[Series], content_type: &str, body: &[u8]) -> Result<f64, String> {
    let text = std::str::from_utf8(body).map_err(|error| format!("metrics: {error}"))?;
    if content_type.starts_with("application/openmetrics-text") && !exposition::is_whole(text) {
        return Err("the metrics do not end with `# EOF`: some may be missing".to_owned());
    }
    let mut found: Vec<Option<f64>> = vec![None; wanted.len()];
    for sample in exposition::samples(text) {
        let sample = sample.map_err(|error| error.to_string())?;
        for (series, sum) in wanted.iter().zip(&mut found) {
            if series.has(&sample) {
                *sum = Some(sum.unwrap_or_default() + amount(&series.name, sample.value)?);
            }
        }
    }
    let all = wanted.iter().zip(found);
    let all = all.map(|(series, sum)| sum.ok_or_else(|| format!("there is no {series}")));
    all.sum()
}

fn of_json(pointers: &[String], body: &[u8]) -> Result<f64, String> {
    let document: Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let number = |pointer: &String| {
        let found = document.pointer(pointer).ok_or_else(|| format!("there is no {pointer}"))?;
        let number = found.as_f64().ok_or_else(|| format!("{pointer} is no number"))?;
        amount(pointer, number)
    };
    pointers.iter().map(number).sum()
}

/// A value that may be a number of things in hand.
fn amount(name: &str, value: f64) -> Result<f64, String> {
    if (0.0..=MOST).contains(&value) {
        Ok(value)
    } else {
        Err(format!("{name}: found {value}, wanted a number from 0 on"))
    }
}

impl Series {
    fn has(&self, sample: &Sample<'_>) -> bool {
        sample.name == self.name
            && self.labels.iter().all(|(name, value)| sample.label(name) == Some(value))
    }
}

impl std::fmt::Display for Series {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)?;
        for (number, (name, value)) in self.labels.iter().enumerate() {
            let before = if number == 0 { '{' } else { ',' };
            write!(f, "{before}{name}={value:?}")?;
        }
        if self.labels.is_empty() { Ok(()) } else { f.write_str("}") }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn metrics(text: &str) -> Result<u64, String> {
        let series = |name: &str, labels: &[(&str, &str)]| Series {
            name: name.to_owned(),
            labels: labels.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect(),
        };
        let wanted = vec![series("running", &[]), series("waiting", &[("queue", "a")])];
        Count::Metrics(wanted).read("text/plain", text.as_bytes())
    }

    fn json(text: &str) -> Result<u64, String> {
        Count::Json(vec!["/busy".into(), "/queues/0".into()]).read("", text.as_bytes())
    }

    #[test]
    fn all_series_and_label_sets_are_added_up() {
        let one = "running{m=\"a\"} 1\nrunning{m=\"b\"} 2\nwaiting{queue=\"a\"} 4\nother 100\n";
        assert_eq!(metrics(one), Ok(7));
        assert_eq!(metrics(&format!("{one}waiting{{queue=\"b\"}} 8\n")), Ok(7));
        assert_eq!(metrics("running 0\nwaiting{queue=\"a\"} 0.0"), Ok(0));
        assert_eq!(metrics("running 0\nwaiting{queue=\"a\"} 0.01"), Ok(1), "it is not done");
        assert_eq!(json(r#"{"busy": 1, "queues": [2.0]}"#), Ok(3));
    }

    #[test]
    fn what_is_not_there_or_no_number_is_not_nothing() {
        for (text, wanted) in [
            ("", "there is no running"),
            ("running 1\nwaiting{queue=\"b\"} 1", "there is no waiting{queue=\"a\"}"),
            ("running NaN", "running: found NaN, wanted a number from 0 on"),
            ("running -1", "running: found -1, wanted a number from 0 on"),
            ("running +Inf", "running: found inf, wanted a number from 0 on"),
            ("running 1e300", "running: found 1000"),
            ("running 9e15\nwaiting{queue=\"a\"} 9e15", "found 18000000000000000 in all"),
            ("running 0\nwaiting", "line 2 of the metrics: it has no value"),
        ] {
            let why = metrics(text).unwrap_err();
            assert!(why.starts_with(wanted), "{text}: {why}");
        }
        for (text, wanted) in [
            ("{}", "there is no /busy"),
            (r#"{"busy": 1, "queues": {}}"#, "there is no /queues/0"),
            (r#"{"busy": "1", "queues": [0]}"#, "/busy is no number"),
            (r#"{"busy": -1, "queues": [0]}"#, "/busy: found -1"),
            (r#"{"busy": 1e999, "queues": [0]}"#, "number out of range"),
            ("not found", "expected ident"),
        ] {
            let why = json(text).unwrap_err();
            assert!(why.starts_with(wanted), "{text}: {why}");
        }
        let open = "application/openmetrics-text; version=1.0.0";
        let count = Count::Metrics(vec![Series { name: "running".into(), labels: Vec::new() }]);
        assert_eq!(count.read(open, b"running 0\n# EOF\n"), Ok(0));
        assert!(count.read(open, b"running 0\n").unwrap_err().contains("some may be missing"));
        assert!(count.read("", b"running 0\n# \xff\n").unwrap_err().contains("invalid utf-8"));
    }

    proptest! {
        /// Whatever is done to an answer, it is never taken for nothing in hand.
        #[test]
        fn no_harm_makes_work_disappear(
            cut in 0usize..200, at in 0usize..60, byte in any::<u8>(),
        ) {
            let whole = "running{m=\"a\"} 13\nwaiting{queue=\"a\"} 41\n# EOF\n";
            let mut harmed = whole.as_bytes().to_vec();
            if let Some(place) = harmed.get_mut(at) {
                *place = byte;
            }
            harmed.truncate(cut);
            let wanted = ["running", "waiting"].map(|name| {
                Series { name: name.to_owned(), labels: Vec::new() }
            });
            let count = Count::Metrics(wanted.to_vec());
            let read = count.read("application/openmetrics-text", &harmed);
            prop_assert!(read.as_ref().is_err() || *read.as_ref().unwrap() > 0, "{:?}", read);
        }
    }
}
