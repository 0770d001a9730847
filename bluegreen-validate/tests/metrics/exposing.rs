//! Pods that expose counters, and what they really did.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use crate::server::{Answer, Asked, Server};

/// Upper bounds in seconds of the histogram.
pub(crate) const BOUNDS: [f64; 3] = [0.1, 0.25, 1.0];

/// What a pod has answered since its process began, and how often it was asked for that.
#[derive(Clone, Debug, Default)]
pub(crate) struct Done {
    pub(crate) by_code: BTreeMap<u16, u64>,
    pub(crate) seconds: Vec<f64>,
    pub(crate) scrapes: u64,
    restarts: u32,
}

/// A pod; clones are the same.
#[derive(Clone, Default)]
pub(crate) struct Pod(Arc<Mutex<Done>>);

impl Pod {
    /// Answers a request with this status after so many seconds.
    pub(crate) fn answer(&self, code: u16, seconds: f64) {
        let mut done = self.0.lock().unwrap();
        *done.by_code.entry(code).or_default() += 1;
        done.seconds.push(seconds);
    }

    /// Ends, and begins again.
    pub(crate) fn restart(&self) {
        let mut done = self.0.lock().unwrap();
        *done = Done { scrapes: done.scrapes, restarts: done.restarts + 1, ..Done::default() };
    }

    pub(crate) fn scrapes(&self) -> u64 {
        self.0.lock().unwrap().scrapes
    }

    pub(crate) async fn serve(&self) -> Server {
        let pod = self.clone();
        Server::answering(move |asked| pod.metrics(&asked)).await
    }

    fn metrics(&self, asked: &Asked) -> Answer {
        assert!(asked.head.starts_with("get /metrics "), "{}", asked.head);
        let mut done = self.0.lock().unwrap();
        done.scrapes += 1;
        let started = 1_764_000_000 + 60 * u64::from(done.restarts);
        let mut text =
            format!("process_start_time_seconds {started}\n# TYPE requests_total counter\n");
        for (code, count) in &done.by_code {
            writeln!(text, "requests_total{{code=\"{code}\",route=\"/chat\"}} {count}").unwrap();
        }
        text.push_str("# TYPE seconds histogram\n");
        let up_to = |bound: f64| done.seconds.iter().filter(|it| **it <= bound).count();
        for bound in BOUNDS {
            writeln!(text, "seconds_bucket{{le=\"{bound}\"}} {}", up_to(bound)).unwrap();
        }
        let (all, sum) = (done.seconds.len(), done.seconds.iter().sum::<f64>());
        writeln!(text, "seconds_bucket{{le=\"+Inf\"}} {all}").unwrap();
        writeln!(text, "seconds_sum {sum}\nseconds_count {all}").unwrap();
        (200, "content-type: text/plain; version=0.0.4\r\n", text)
    }
}
