//! Whether events fall on one of two arms more often than its share.

use serde::{Deserialize, Serialize};

use super::Sides;
use super::special::{ln_beta, ln_beta_inc};

/// How sharp the mixture is around the share. The value of the paper's authors; larger ones find small
/// differences sooner and large ones later.
const CONCENTRATION: f64 = 100.0;

/// An e-process against "both arms have the same rate of events for each unit".
///
/// If they have, each event falls on the candidate with the probability of its share of the units,
/// whatever the rate does over time: nights, bursts and slow drifts cancel. So only events are counted
/// (errors, failed tools, completions), and nobody needs to know how many units there were.
///
/// It is a product over stretches: [`set_share`](Self::set_share) begins a new one when the traffic is
/// shared in another way. [`RateTest`](super::RateTest) needs no such breaks.
///
/// Lindon and Malek, *Anytime-valid inference for multinomial count data*, NeurIPS 2022.
///
/// ```
/// use bluegreen_validate::sequential::CountTest;
///
/// let mut test = CountTest::different(0.5).unwrap();
/// test.add(130, 170);
/// assert!((test.e_value() - 3.718_640_648).abs() < 1e-9);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CountTest {
    share: f64,
    concentration: f64,
    both: bool,
    candidate: u64,
    live: u64,
    /// The logarithm of the product of the stretches that are over.
    before: f64,
}

impl CountTest {
    /// Against any difference. `None` unless the candidate's share lies between 0 and 1, both excluded.
    pub fn different(share: f64) -> Option<Self> {
        Self::new(share, Sides::Two)
    }

    /// Against a candidate with more events than its share. The mixture has only rates on that side: a
    /// candidate that is better is no evidence. `None` as above.
    pub fn worse(share: f64) -> Option<Self> {
        Self::new(share, Sides::One)
    }

    fn new(share: f64, sides: Sides) -> Option<Self> {
        (0.0 < share && share < 1.0).then_some(Self {
            share,
            concentration: CONCENTRATION,
            both: sides == Sides::Two,
            candidate: 0,
            live: 0,
            before: 0.0,
        })
    }

    /// With another concentration of the mixture; 100 unless told otherwise. Set it before data comes:
    /// a choice that looks at the data makes the test invalid. What is not positive changes nothing.
    #[must_use]
    pub fn with_concentration(mut self, concentration: f64) -> Self {
        if concentration > 0.0 && concentration.is_finite() {
            self.concentration = concentration;
        }
        self
    }

    /// Adds events of each arm.
    pub fn add(&mut self, candidate: u64, live: u64) {
        self.candidate = self.candidate.saturating_add(candidate);
        self.live = self.live.saturating_add(live);
    }

    /// Goes on with another share of the candidate. `false`, and nothing is changed, unless it lies
    /// between 0 and 1.
    pub fn set_share(&mut self, share: f64) -> bool {
        if !(0.0 < share && share < 1.0) {
            return false;
        }
        // The same share again is the same stretch.
        #[allow(clippy::float_cmp, reason = "any other share is another stretch")]
        if share != self.share {
            self.before = self.log_e();
            (self.share, self.candidate, self.live) = (share, 0, 0);
        }
        true
    }

    /// The logarithm of the e-value.
    pub fn log_e(&self) -> f64 {
        #[allow(clippy::cast_precision_loss, reason = "counts beyond 2^53 have no last digit")]
        let (candidate, live) = (self.candidate as f64, self.live as f64);
        let (share, rest) = (self.share, 1.0 - self.share);
        let (a, b) = (self.concentration * share, self.concentration * rest);
        let part = |a: f64, b: f64| {
            // What is right of the share is left of the rest.
            ln_beta(a, b) + if self.both { 0.0 } else { ln_beta_inc(b, a, rest) }
        };
        let log =
            part(a + candidate, b + live) - part(a, b) - candidate * share.ln() - live * rest.ln();
        // Nothing comes back from minus infinity, and in a product nothing would any more.
        self.before + log.max(-700.0)
    }

    /// The e-value: at 1/α or more, at any look, the arms are not the same.
    pub fn e_value(&self) -> f64 {
        self.log_e().exp()
    }
}

#[cfg(test)]
mod tests {
    use super::super::assert_close;
    use super::*;

    fn different(share: f64, candidate: u64, live: u64) -> f64 {
        let mut test = CountTest::different(share).unwrap();
        test.add(candidate, live);
        test.e_value()
    }

    /// The first is also what savvi says.
    #[test]
    fn it_has_the_reference_values() {
        assert_close(different(0.5, 130, 170), 3.718_640_648, 1e-9);
        assert_close(different(0.5, 50, 90), 18.613_217_628, 1e-9);
        assert_close(different(0.5, 10, 30), 3.578_270_158, 1e-9);
        assert_close(different(0.9, 900, 150), 1_736.220_431, 1e-6);
    }

    /// Integrated by hand: the likelihood ratio over the truncated beta distribution.
    #[test]
    fn one_side_is_the_integral_over_that_side() {
        let (share, k) = (0.3, 100.0);
        let density =
            |t: f64| ((k * share - 1.0) * t.ln() + (k * 0.7 - 1.0) * (1.0 - t).ln()).exp();
        let ratio = |t: f64| (40.0 * (t / share).ln() + 60.0 * ((1.0 - t) / 0.7).ln()).exp();
        let steps = 200_000_u32;
        let width = (1.0 - share) / f64::from(steps);
        let (mut above, mut below) = (0.0, 0.0);
        for step in 0..steps {
            let t = share + (f64::from(step) + 0.5) * width;
            above += ratio(t) * density(t);
            below += density(t);
        }
        let mut test = CountTest::worse(share).unwrap();
        test.add(40, 60);
        assert!((test.e_value() / (above / below) - 1.0).abs() < 1e-7);
    }

    #[test]
    fn better_is_no_evidence_of_worse() {
        let mut test = CountTest::worse(0.5).unwrap();
        test.add(100, 400);
        assert!(test.e_value() < 0.05, "{}", test.e_value());
        test.add(900_000, 100);
        assert!(test.log_e() > 1000.0);
    }

    #[test]
    fn stretches_multiply() {
        let mut test = CountTest::different(0.5).unwrap();
        test.add(10, 30);
        assert!(test.set_share(0.5));
        assert!(test.set_share(0.9));
        test.add(900, 150);
        assert_close(test.e_value(), 3.578_270_158 * 1_736.220_431, 1e-5);
        assert!(!test.set_share(1.0) && !test.set_share(f64::NAN));
        let stored = serde_json::to_string(&test).unwrap();
        assert_eq!(serde_json::from_str::<CountTest>(&stored).unwrap(), test);
    }

    #[test]
    fn there_is_no_test_without_two_arms() {
        for share in [0.0, 1.0, -0.1, f64::NAN] {
            assert_eq!(CountTest::worse(share), None, "{share}");
        }
    }
}
