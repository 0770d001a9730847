//! A cluster in memory on the machine's own time, and notifiers that have little patience.

use std::time::Duration;

use bluegreen_core::memory::MemoryCluster;
use bluegreen_core::{Change, Configuration, Container, Plan, Ports, SystemClock};
use bluegreen_validate::notify::{NotifyConfig, SigningKey};

/// Longer than anything takes that ends at all.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

pub(crate) fn ports() -> Ports {
    let container = Container::new("example.com/agent:1");
    let running = Configuration::new([("agent".to_owned(), container)].into()).with_version("1");
    MemoryCluster::builder("agent", running).clock(SystemClock).build().ports("driver-1")
}

pub(crate) fn change() -> Change {
    Change::image("agent", "example.com/agent:2").version("2")
}

/// All at once, and nothing is waited for.
pub(crate) fn plan() -> Plan {
    let mut plan = Plan::all_at_once().bake(Duration::ZERO);
    plan.keep_failed = Duration::ZERO;
    (plan.drain.quiet, plan.drain.max) = (Duration::ZERO, Duration::ZERO);
    plan
}

pub(crate) fn key() -> SigningKey {
    SigningKey::from_bytes(*b"a key of thirty-two bytes, right").unwrap()
}

/// `CloudEvents` to this URL, with the shortest of pauses.
pub(crate) fn config(url: impl Into<String>) -> NotifyConfig {
    let mut config = NotifyConfig::cloud_events(url);
    (config.first_pause, config.longest_pause) =
        (Duration::from_millis(1), Duration::from_millis(2));
    config.seed = Some(7);
    config
}
