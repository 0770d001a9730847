//! What is wrong with limits of time and with streaming.

use bluegreen_core::Problem;

use super::Flaws;
use crate::{Latency, Request};

impl Flaws<'_> {
    pub(super) fn check_limits(&mut self, request: &Request) {
        let timeout = request.timeout.unwrap_or(self.config.timeout);
        for (key, limits) in [("latency", &request.latency), ("first_byte", &request.first_byte)] {
            self.within(key, |flaws| {
                flaws.check_count("smoke-latency", limits.len() as u64, 0..=20);
                for (index, limit) in limits.iter().enumerate() {
                    flaws.within(index, |flaws| {
                        flaws.check_limit(limit);
                        flaws.within("limit", |flaws| {
                            flaws.check_duration(limit.limit);
                            flaws.check_within(limit.limit, timeout);
                        });
                    });
                }
            });
        }
        let Some(stream) = &request.stream else { return };
        self.within("stream", |flaws| {
            flaws.within("min_pieces", |flaws| {
                flaws.check_count("smoke-stream", stream.min_pieces.into(), 2..=100_000);
            });
            flaws.within("max_gap", |flaws| {
                flaws.check_duration(stream.max_gap);
                flaws.check_within(stream.max_gap, timeout);
            });
        });
    }

    fn check_limit(&mut self, limit: &Latency) {
        let Latency { percentile, requests, concurrency, .. } = limit;
        self.within("percentile", |flaws| {
            flaws.check_count("smoke-latency", percentile.0.into(), 1..=100);
        });
        self.within("requests", |flaws| {
            flaws.check_count("smoke-latency", u64::from(*requests), 1..=100_000);
        });
        self.within("concurrency", |flaws| {
            let most = u64::from(*requests).clamp(1, 1000);
            flaws.check_count("smoke-latency", u64::from(*concurrency), 1..=most);
        });
        // The rank of the percentile is the last one although it does not say so.
        let share = u64::from(*requests) * (100 - u64::from(percentile.0.min(100)));
        if percentile.is_valid() && percentile.0 < 100 && *requests > 0 && share < 100 {
            self.add(|object| {
                Problem::new("smoke-latency", object)
                    .found(format!("{percentile} of {requests} requests, which is their slowest"))
                    .wanted(format!("at least {} requests", 100 / (100 - u32::from(percentile.0))))
                    .mend("send more, or say percentile 100 if the slowest is what is meant")
                    .warning()
            });
        }
    }

    /// A limit that the timeout comes before would never be what is exceeded.
    fn check_within(&mut self, limit: std::time::Duration, timeout: std::time::Duration) {
        if limit > timeout {
            let found = humantime::format_duration(limit).to_string();
            let most = humantime::format_duration(timeout);
            self.say("smoke-duration", found, format!("at most {most}, the request's timeout"));
        }
    }
}
