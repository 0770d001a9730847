//! Many requests to one pod, and percentiles of their times.

use std::time::Duration;

use bluegreen_core::{AgentClient, Clock, Target};
use futures_util::stream::{self, StreamExt};

use super::Latency;
use super::compare::{Difference, Kind, compare, shown};
use super::exchange::{End, exchange};
use super::prepare::Prepared;
use crate::Percentile;

/// Limits that share one burst.
pub(super) struct Burst<'a> {
    requests: u32,
    concurrency: u32,
    limits: Vec<(Timed, &'a Latency)>,
}

/// Which time a limit is for.
#[derive(Clone, Copy, Debug)]
enum Timed {
    Whole,
    FirstByte,
}

/// What a burst came to.
pub(super) struct Outcome {
    pub(super) differences: Vec<Difference>,
    /// Limits that were kept, as wanted and found.
    pub(super) kept: Vec<(String, String)>,
    pub(super) answered: bool,
}

/// The bursts of one request, one for each pair of numbers that its limits name.
pub(super) fn bursts<'a>(prepared: &Prepared<'a>) -> Vec<Burst<'a>> {
    let request = prepared.request;
    let whole = request.latency.iter().map(|limit| (Timed::Whole, limit));
    let first = request.first_byte.iter().map(|limit| (Timed::FirstByte, limit));
    let mut bursts: Vec<Burst<'a>> = Vec::new();
    for (timed, limit) in whole.chain(first) {
        let same = bursts.iter_mut().find(|burst| {
            burst.requests == limit.requests && burst.concurrency == limit.concurrency
        });
        match same {
            Some(burst) => burst.limits.push((timed, limit)),
            None => bursts.push(Burst {
                requests: limit.requests,
                concurrency: limit.concurrency,
                limits: vec![(timed, limit)],
            }),
        }
    }
    bursts
}

impl Burst<'_> {
    /// Sends the burst to one pod.
    pub(super) async fn run(
        &self,
        client: &dyn AgentClient,
        to: &Target,
        prepared: &Prepared<'_>,
        version: Option<&str>,
        clock: &dyn Clock,
    ) -> Outcome {
        let mut samples = Samples::default();
        let mut tally = Tally::default();
        let mut answered = false;
        let concurrency = usize::try_from(self.concurrency).unwrap_or(usize::MAX);
        let mut answers = stream::iter(0..self.requests)
            .map(|_| exchange(client, to, prepared, clock))
            .buffer_unordered(concurrency);
        while let Some(exchange) = answers.next().await {
            answered |= exchange.is_answered();
            if matches!(exchange.end, End::Whole) {
                samples.whole.push(exchange.total);
                samples.first_byte.push(exchange.first.unwrap_or(exchange.total));
            }
            tally.add(compare(prepared, &exchange, version));
        }
        samples.sort();
        let mut outcome = Outcome { differences: Vec::new(), kept: Vec::new(), answered };
        for (timed, limit) in &self.limits {
            let wanted = wanted(*timed, limit);
            match samples.within(*timed, limit) {
                // Some answers did not come: that is among the differences already.
                _ if samples.whole.len() < self.requests as usize => {}
                (true, found) => outcome.kept.push((wanted, found)),
                (false, found) => {
                    outcome.differences.push(Difference::new(Kind::Latency, wanted, found));
                }
            }
        }
        outcome.differences.extend(tally.into_differences(self.requests));
        outcome
    }
}

fn wanted(timed: Timed, limit: &Latency) -> String {
    let what = match timed {
        Timed::Whole => "whole answer",
        Timed::FirstByte => "first byte",
    };
    let Latency { percentile, limit, requests, concurrency } = limit;
    let limit = shown(*limit);
    format!("{what} {percentile} <= {limit} ({requests} requests, {concurrency} at a time)")
}

#[derive(Default)]
struct Samples {
    whole: Vec<Duration>,
    first_byte: Vec<Duration>,
}

impl Samples {
    fn sort(&mut self) {
        self.whole.sort_unstable();
        self.first_byte.sort_unstable();
    }

    /// Whether the limit was kept, and what was measured.
    fn within(&self, timed: Timed, limit: &Latency) -> (bool, String) {
        let samples = match timed {
            Timed::Whole => &self.whole,
            Timed::FirstByte => &self.first_byte,
        };
        let of = |percentile: Percentile| percentile.of(samples).map_or("none".into(), shown);
        let found = limit.percentile.of(samples);
        let text = format!(
            "{} {} (median {}, slowest {})",
            limit.percentile,
            of(limit.percentile),
            of(Percentile(50)),
            of(Percentile(100))
        );
        (found.is_some_and(|found| found <= limit.limit), text)
    }
}

/// Differences of many answers, each kind of them once.
#[derive(Default)]
struct Tally(Vec<(Difference, u32)>);

impl Tally {
    fn add(&mut self, differences: Vec<Difference>) {
        for difference in differences {
            let same = self.0.iter_mut().find(|(known, _)| {
                known.kind == difference.kind && known.wanted == difference.wanted
            });
            match same {
                Some((_, count)) => *count += 1,
                None => self.0.push((difference, 1)),
            }
        }
    }

    fn into_differences(self, requests: u32) -> impl Iterator<Item = Difference> {
        self.0.into_iter().map(move |(mut difference, count)| {
            let found = &difference.found;
            difference.found = format!("{found} (and the like: {count} of {requests} answers)");
            difference
        })
    }
}
