//! How soon a difference is found.

use bluegreen_validate::sequential::{CountTest, MeanTest, Moments, RateTest};

use crate::draw::{Binomial, skewed};
use crate::false_alarms::ALPHA;
use crate::play::{Size, UNITS, median, play, share};

/// One difference, and how soon it is found.
#[derive(Clone, Debug)]
pub struct Line {
    /// The test and the difference.
    pub name: String,
    /// The share of runs that found it.
    pub found: f64,
    /// The units per arm that the median run needed.
    pub median: Option<u32>,
    /// The most that it may need.
    pub most: Option<u32>,
}

/// Every difference that has a limit, and some that have none.
pub fn all(size: Size) -> Vec<Line> {
    let enough = (1.0 / ALPHA).ln();
    let live = Binomial::new(UNITS, 0.02);
    let mut lines = Vec::new();
    for (rate, most) in [(0.03, None), (0.04, Some(1850)), (0.08, Some(550))] {
        let candidate = Binomial::new(UNITS, rate);
        let rates = play(size, RateTest::new, |test, rng, _| {
            let [events, live_events] = [&candidate, &live].map(|it| f64::from(it.draw(rng)));
            let units = f64::from(UNITS);
            test.fold([(units, events), (units, live_events)]);
            test.log_e() >= enough
        });
        let counts = play(
            size,
            || CountTest::worse(0.5),
            |test, rng, _| {
                test.as_mut().is_none_or(|test| {
                    test.add(candidate.draw(rng).into(), live.draw(rng).into());
                    test.log_e() >= enough
                })
            },
        );
        for (test, alarms) in [("rate", rates), ("count", counts)] {
            let name = format!("{test} e-process, 2 % against {} %", 100.0 * rate);
            lines.push(Line { name, found: share(&alarms), median: median(&alarms), most });
        }
    }
    for factor in [1.1, 1.2] {
        let means =
            play(Size { runs: size.runs.div_ceil(4), ..size }, MeanTest::new, |test, rng, _| {
                let mut moments = [Moments::default(); 2];
                for _ in 0..UNITS {
                    moments[0].record(factor * skewed(rng));
                    moments[1].record(skewed(rng));
                }
                test.fold(moments[0], moments[1]);
                test.log_e() >= enough
            });
        let name = format!("mean e-process, {factor} times as much");
        lines.push(Line { name, found: share(&means), median: median(&means), most: None });
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_found_as_soon_as_promised() {
        for line in all(Size { runs: 200, looks: 60, seed: 2 }) {
            if let Some(most) = line.most {
                let median = line.median.unwrap_or(u32::MAX);
                assert!(median <= most, "{}: {median} units, wanted {most}", line.name);
            }
        }
    }
}
