//! What an agent remembers between requests: its switches and its counts.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use tokio::sync::watch;

use crate::config::Config;
use crate::connection::Orders;

/// The state of one agent. Its one thread needs no locks.
#[derive(Debug)]
pub(crate) struct State {
    config: Config,
    ready: Cell<bool>,
    fail_rate: Cell<f64>,
    /// The part of a failure that the requests so far have added up to.
    fail_owed: Cell<f64>,
    slow: Cell<Duration>,
    /// Whether its slot has the right to pull work.
    allowed: Cell<bool>,
    /// Whether a request is under way that may bring an item.
    taking: Cell<bool>,
    exit: Cell<Option<u8>>,
    exit_waker: RefCell<Option<Waker>>,
    orders: Rc<watch::Sender<Orders>>,
    counts: Rc<Counts>,
}

/// How many requests there were, and are.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    inflight: Cell<u64>,
    total: Cell<u64>,
    failed: Cell<u64>,
}

/// One request that has not been answered to its last byte.
#[derive(Debug)]
pub(crate) struct InFlight(Rc<Counts>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.inflight.set(self.0.inflight.get() - 1);
    }
}

impl State {
    pub(crate) fn new(config: &Config, orders: Rc<watch::Sender<Orders>>) -> Self {
        let state = Self {
            config: config.clone(),
            ready: Cell::default(),
            fail_rate: Cell::default(),
            fail_owed: Cell::default(),
            slow: Cell::default(),
            allowed: Cell::default(),
            taking: Cell::default(),
            exit: Cell::default(),
            exit_waker: RefCell::default(),
            orders,
            counts: Rc::default(),
        };
        state.reset();
        state
    }

    /// Behaves again as the environment said.
    pub(crate) fn reset(&self) {
        self.ready.set(!self.config.unready);
        self.set_fail_rate(self.config.fail_rate);
        self.slow.set(self.config.slow);
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    pub(crate) fn ready(&self) -> bool {
        self.ready.get()
    }

    pub(crate) fn set_ready(&self, ready: bool) {
        self.ready.set(ready);
    }

    pub(crate) fn is_allowed(&self) -> bool {
        self.allowed.get()
    }

    pub(crate) fn set_allowed(&self, allowed: bool) {
        self.allowed.set(allowed);
    }

    pub(crate) fn set_taking(&self, taking: bool) {
        self.taking.set(taking);
    }

    /// What the request that has just begun waits before its answer.
    pub(crate) fn slow(&self) -> Duration {
        let is_cold = self.counts.total.get() <= self.config.warm_after;
        let cold = if is_cold { self.config.cold } else { Duration::ZERO };
        self.slow.get() + cold
    }

    pub(crate) fn set_slow(&self, slow: Duration) {
        self.slow.set(slow);
    }

    pub(crate) fn set_fail_rate(&self, rate: f64) {
        self.fail_rate.set(rate);
        self.fail_owed.set(0.0);
    }

    /// Whether the request at hand is to fail.
    ///
    /// Nothing is drawn by chance: at a rate of 0.25 every fourth request fails, so that
    /// a test which counts failures sees the same number each time.
    pub(crate) fn fails(&self) -> bool {
        let owed = self.fail_owed.get() + self.fail_rate.get();
        // Ten times 0.1 is a little less than 1.
        let fails = owed >= 1.0 - 1e-9;
        self.fail_owed.set(if fails { owed - 1.0 } else { owed });
        if fails {
            self.counts.failed.set(self.counts.failed.get() + 1);
        }
        fails
    }

    /// Counts a request; it is in flight until the returned value is dropped.
    pub(crate) fn begin(&self) -> InFlight {
        self.counts.total.set(self.counts.total.get() + 1);
        self.counts.inflight.set(self.counts.inflight.get() + 1);
        InFlight(Rc::clone(&self.counts))
    }

    /// Whether it was told to end, and only finishes what it has in hand.
    pub(crate) fn ends(&self) -> bool {
        self.orders.borrow().end
    }

    /// Lets the clients of all connections that there are go.
    pub(crate) fn let_go(&self) {
        self.orders.send_modify(|orders| orders.let_go += 1);
    }

    pub(crate) fn request_exit(&self, code: u8) {
        self.exit.set(Some(code));
        if let Some(waker) = self.exit_waker.take() {
            waker.wake();
        }
    }

    /// Waits until a request has asked for an exit, and with which code.
    pub(crate) async fn exit_requested(&self) -> u8 {
        poll_fn(|context| {
            self.exit_waker.replace(Some(context.waker().clone()));
            self.exit.get().map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }

    /// The counts as `OpenMetrics` text.
    pub(crate) fn metrics(&self) -> String {
        let Counts { inflight, total, failed } = &*self.counts;
        format!(
            "# HELP agent_inflight_requests Requests that are being answered.\n\
             # TYPE agent_inflight_requests gauge\n\
             agent_inflight_requests {}\n\
             # HELP agent_pulling Whether work may be taken from the queue right now.\n\
             # TYPE agent_pulling gauge\n\
             agent_pulling {}\n\
             # HELP agent_requests Requests since the start.\n\
             # TYPE agent_requests counter\n\
             agent_requests_total {}\n\
             # HELP agent_requests_failed Requests that were made to fail.\n\
             # TYPE agent_requests_failed counter\n\
             agent_requests_failed_total {}\n\
             # EOF\n",
            inflight.get(),
            u8::from(self.allowed.get() || self.taking.get()),
            total.get(),
            failed.get()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> State {
        let orders = Rc::new(watch::Sender::new(Orders::default()));
        State::new(&Config::from_env(|_| None).unwrap(), orders)
    }

    #[test]
    fn failures_are_evenly_spread() {
        let state = state();
        for (rate, failures) in [(0.0, 0), (0.1, 10), (0.25, 25), (1.0, 100)] {
            state.set_fail_rate(rate);
            assert_eq!((0..100).filter(|_| state.fails()).count(), failures, "rate {rate}");
        }
    }

    #[test]
    fn the_first_requests_find_it_cold() {
        let set = |name: &str| match name {
            "AGENT_WARM_AFTER" => Some("2".to_owned()),
            "AGENT_COLD_MS" => Some("700".to_owned()),
            _ => None,
        };
        let orders = Rc::new(watch::Sender::new(Orders::default()));
        let state = State::new(&Config::from_env(set).unwrap(), orders);
        let slow: Vec<u128> = (0..4)
            .map(|_| {
                drop(state.begin());
                state.slow().as_millis()
            })
            .collect();
        assert_eq!(slow, [700, 700, 0, 0]);
    }

    #[test]
    fn a_request_is_in_flight_until_dropped() {
        let state = state();
        let one = state.begin();
        let two = state.begin();
        assert!(state.metrics().contains("agent_inflight_requests 2\n"));
        drop((one, two));
        let metrics = state.metrics();
        assert!(metrics.contains("agent_inflight_requests 0\n"), "{metrics}");
        assert!(metrics.contains("agent_requests_total 2\n"), "{metrics}");
        assert!(metrics.ends_with("# EOF\n"), "{metrics}");
    }
}
