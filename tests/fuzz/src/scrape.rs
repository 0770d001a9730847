//! What pods tell of themselves, twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bluegreen_core::memory::TokioClock;
use bluegreen_core::{
    AgentClient, AnswerBody, Clock as _, Color, Metric, MetricSource as _, Pair, PodRef, Result,
    Target, Window,
};
use bluegreen_validate::{PodMetric, PodMetrics, Selector};
use bytes::Bytes;
use http::{Request, Response};

use crate::prometheus::can_be;
use crate::{agent, shown, within};

/// Says one thing after the other.
struct Pods {
    says: [Bytes; 2],
    asked: AtomicUsize,
}

#[async_trait]
impl AgentClient for Pods {
    async fn pods(&self) -> Result<Vec<PodRef>> {
        Ok(agent::pods())
    }

    async fn send(&self, _: &Target, _: Request<Bytes>) -> Result<Response<AnswerBody>> {
        let turn = self.asked.fetch_add(1, Ordering::Relaxed);
        Ok(Response::new(AnswerBody::full(self.says[turn % 2].clone())))
    }
}

pub(crate) fn run(given: &[u8]) {
    // An empty line is between the two.
    let at = given.windows(2).position(|two| two == b"\n\n").unwrap_or(given.len() / 2);
    let says = [Bytes::copy_from_slice(&given[..at]), Bytes::copy_from_slice(&given[at..])];
    within(600, async {
        let clock = TokioClock::new();
        let mut ports = agent::cluster().ports("fuzz");
        ports.clock = Arc::new(clock);
        let pods = Arc::new(Pods { says, asked: AtomicUsize::new(0) });
        ports.clients = Pair::from_fn(|_| Arc::clone(&pods) as _);
        let requests = Selector::new("requests_total");
        let source = PodMetrics::new(&ports, "/metrics")
            .metric("rate", PodMetric::rate(requests.clone(), requests.beginning("code", "5")))
            .metric("histogram", PodMetric::histogram("latency"));
        if let Err(error) = source.scrape(Color::Blue).await {
            shown(&error, given);
        }
        clock.sleep(Duration::from_secs(10)).await;
        for name in ["rate", "histogram"] {
            let window = Window::new(clock.now(), Duration::from_mins(1));
            match source.measure(&Metric::new(name), Color::Blue, window).await {
                Ok(Some(found)) => can_be(&found),
                Ok(None) => {}
                Err(error) => {
                    shown(&error, given);
                    assert!(error.chain().len() < 2000, "{}", error.chain());
                }
            }
        }
    })
    .expect("a question ends");
}
