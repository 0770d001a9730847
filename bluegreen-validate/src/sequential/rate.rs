//! Whether the rate of events is higher on one arm, where the units are counted too.

use serde::{Deserialize, Serialize};

/// How many ratios of rates the mixture holds.
const RATIOS: usize = 20;

/// A one-sided e-process against "the candidate has no higher rate of events than live", folded in
/// stretch by stretch with the numbers of units of each.
///
/// Within a stretch the events that both arms have together are taken as given. If the rates are the
/// same, as many of them fall on the candidate as its share of the stretch's units says: exactly so for
/// events at random times, and with even less variation for one yes or no per unit, for which the test
/// is therefore a little cautious. A mixture over ratios of the two rates, from 1.05 to 37, is what it
/// is compared with. As the ratio is what stays when shares change, traffic may move between any two
/// stretches, by weights, pins or retries, and nothing begins anew.
///
/// What [`CountTest`](super::CountTest) does for a share that is known; the mixture and the step from
/// shares to ratios are ours.
///
/// ```
/// use bluegreen_validate::sequential::RateTest;
///
/// let mut test = RateTest::new();
/// test.fold([(500.0, 22.0), (9500.0, 190.0)]); // 5 % of the traffic: 4.4 % errors against 2 %
/// test.fold([(1250.0, 50.0), (3750.0, 75.0)]); // 25 %: 4 % against 2 %
/// assert!(test.log_e() > 20.0_f64.ln());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RateTest {
    /// The logarithm of the likelihood ratio of each ratio of rates.
    logs: [f64; RATIOS],
}

impl Default for RateTest {
    fn default() -> Self {
        Self::new()
    }
}

impl RateTest {
    /// Without data.
    pub const fn new() -> Self {
        Self { logs: [0.0; RATIOS] }
    }

    /// The ratios: what they exceed one by doubles every two steps.
    fn ratios() -> impl Iterator<Item = f64> {
        (0_u32..).take(RATIOS).map(|step| 1.0 + 0.05 * (f64::from(step) / 2.0).exp2())
    }

    /// Folds in one stretch: units and events of the candidate, and of live. A stretch in which one arm
    /// has no units says nothing, and neither do numbers that make no sense.
    pub fn fold(&mut self, [(units, events), (live_units, live_events)]: [(f64, f64); 2]) {
        let sensible = is_sensible(units, events) && is_sensible(live_units, live_events);
        if !sensible || units == 0.0 || live_units == 0.0 {
            return;
        }
        for (log, ratio) in self.logs.iter_mut().zip(Self::ratios()) {
            // The candidate's share of the events is r·n / (r·n + m), and n / (n + m) if r is one.
            let less = ((units + live_units) / (ratio * units + live_units)).ln();
            *log += events * (ratio.ln() + less) + live_events * less;
        }
    }

    /// Folds in a stretch in which only the candidate had traffic, against a rate that live certainly
    /// does not exceed: the upper end of a confidence sequence, whose error adds to that of the test.
    pub fn fold_against(&mut self, units: f64, events: f64, live_rate: f64) {
        let is_rate = 0.0 < live_rate && live_rate < 1.0;
        if !(is_rate && is_sensible(units, events)) {
            return;
        }
        for (log, ratio) in self.logs.iter_mut().zip(Self::ratios()) {
            // No rate exceeds one: between live's and one there is always another.
            let rate = (ratio * live_rate).min(live_rate.midpoint(1.0));
            *log += events * (rate / live_rate).ln()
                + (units - events) * ((1.0 - rate) / (1.0 - live_rate)).ln();
        }
    }

    /// The logarithm of the e-value.
    pub fn log_e(&self) -> f64 {
        super::log_average(&self.logs)
    }
}

fn is_sensible(units: f64, events: f64) -> bool {
    units.is_finite() && 0.0 <= events && events <= units
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "these values are exact")]
mod tests {
    use super::*;

    /// Under the null each stretch has an expected value of at most one: added up exactly, for units
    /// that are hit or not.
    #[test]
    fn its_expectation_is_at_most_one_when_nothing_is_different() {
        for (n, m, rate) in [(3_u32, 5_u32, 0.3_f64), (8, 2, 0.05), (5, 5, 0.7)] {
            let choose =
                |n: u32, k: u32| (0..k).fold(1.0, |it, i| it * f64::from(n - i) / f64::from(i + 1));
            let mut expected = 0.0;
            for x in 0..=n {
                for y in 0..=m {
                    let hits = f64::from(x + y);
                    let probability = choose(n, x)
                        * choose(m, y)
                        * rate.powf(hits)
                        * (1.0 - rate).powf(f64::from(n + m) - hits);
                    let mut test = RateTest::new();
                    test.fold([(n.into(), x.into()), (m.into(), y.into())]);
                    expected += probability * test.log_e().exp();
                }
            }
            assert!(expected <= 1.0 + 1e-12, "{n} and {m} units: {expected}");
            assert!(expected > 0.5, "it is not just small: {expected}");
        }
    }

    #[test]
    fn against_a_known_rate_it_is_at_most_one_up_to_that_rate() {
        let expected = |rate: f64, known: f64| -> f64 {
            let one = |events: f64| {
                let mut test = RateTest::new();
                test.fold_against(1.0, events, known);
                test.log_e().exp()
            };
            rate * one(1.0) + (1.0 - rate) * one(0.0)
        };
        for known in [0.01, 0.2, 0.7] {
            assert!((expected(known, known) - 1.0).abs() < 1e-12);
            assert!(expected(known / 2.0, known) < 1.0);
            assert!(expected(known.midpoint(1.0), known) > 1.0);
        }
    }

    #[test]
    fn the_shares_of_stretches_do_not_matter() {
        let mut test = RateTest::new();
        // The rate of both is ten times as high in the second stretch, where the candidate has most of
        // the traffic: added up it would look much worse.
        test.fold([(500.0, 5.0), (9500.0, 95.0)]);
        test.fold([(9500.0, 950.0), (500.0, 50.0)]);
        assert!(test.log_e() < 0.0, "{}", test.log_e());
    }

    #[test]
    fn nonsense_and_one_arm_alone_say_nothing() {
        let mut test = RateTest::new();
        test.fold([(0.0, 0.0), (100.0, 5.0)]);
        test.fold([(10.0, 11.0), (100.0, 5.0)]);
        test.fold([(10.0, f64::NAN), (100.0, 5.0)]);
        test.fold([(f64::INFINITY, 1.0), (100.0, 5.0)]);
        test.fold_against(10.0, -1.0, 0.5);
        test.fold_against(10.0, 1.0, 0.0);
        assert_eq!(test, RateTest::new());
        assert_eq!(test.log_e(), 0.0);
    }

    #[test]
    fn it_goes_on_after_being_stored() {
        let mut test = RateTest::new();
        test.fold([(500.0, 22.0), (9500.0, 190.0)]);
        let stored = serde_json::to_string(&test).unwrap();
        let read: RateTest = serde_json::from_str(&stored).unwrap();
        assert_eq!(read, test);
    }
}
