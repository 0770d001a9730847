//! Which arm of an experiment a unit belongs to: the same one in every process, for ever.

use twox_hash::XxHash3_64;

use crate::{Color, Routing, Share};

/// Assigns units (users, conversations) to arms by weight.
///
/// * **Stable**: an arm follows from the key of the experiment, the unit and the weights alone. The hash
///   is XXH3 with 64 bits, whose output is published, and the arithmetic on it is exact IEEE
///   arithmetic, so that it is the same in every process, on every machine and in every release of this
///   crate.
/// * **Sticky**: when the weight of one arm grows, units move to it and none leaves it; when an arm gets
///   none any more, only its own units move. That holds for any number of arms.
/// * **Independent**: two experiments with different keys share no pattern.
/// * **True to the weights**: what is left is chance. Of a million units no arm gets more than about 0.1
///   points more or fewer than its weight says (two standard deviations, at one half; less elsewhere).
///
/// It is weighted rendezvous hashing: each arm draws `−ln(u) / weight` with a `u` between 0 and 1 from
/// the hash, and the smallest wins.
///
/// ```
/// use bluegreen_core::{Assignment, Share};
///
/// let experiment = Assignment::new("refund-prompt-2");
/// let arm = experiment.arm("user-4711", &[90, 10]);
/// assert_eq!(arm, Some(0));
/// // Whoever has the candidate at 5 % has it at 25 % too.
/// let five = (0..1000).filter(|n| experiment.is_candidate(&format!("user-{n}"), Share::percent(5)));
/// assert!(five.into_iter().all(|n| {
///     experiment.is_candidate(&format!("user-{n}"), Share::percent(25))
/// }));
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Assignment {
    seed: u64,
}

impl Assignment {
    /// The assignment of the experiment with this key: the XXH3 of the key, with the seed 0, is the seed
    /// of all of its units.
    pub fn new(key: impl AsRef<[u8]>) -> Self {
        Self::with_seed(XxHash3_64::oneshot(key.as_ref()))
    }

    /// The assignment with this seed.
    pub const fn with_seed(seed: u64) -> Self {
        Self { seed }
    }

    /// The number of the unit's arm, counted from 0. Weights need not add up to anything; an arm without
    /// one gets no units. `None` if no arm has any.
    pub fn arm(&self, unit: impl AsRef<[u8]>, weights: &[u32]) -> Option<usize> {
        let hash = XxHash3_64::oneshot_with_seed(self.seed, unit.as_ref());
        let mut best = None;
        // What the best arm has drawn, and its weight: no arm yet is one that has drawn without end.
        let (mut least, mut heaviest) = (f64::INFINITY, 1.0);
        for (arm, weight) in weights.iter().enumerate() {
            if *weight == 0 {
                continue;
            }
            let (drawn, weight) = (exponential(mixed(hash, arm as u64)), f64::from(*weight));
            // Quotients compared without dividing.
            if drawn * heaviest < least * weight {
                (best, least, heaviest) = (Some(arm), drawn, weight);
            }
        }
        best
    }

    /// Whether the unit belongs to the candidate that has this share of the traffic; more than all is
    /// all.
    pub fn is_candidate(&self, unit: impl AsRef<[u8]>, share: Share) -> bool {
        let parts = share.as_parts_per_million().min(Share::ALL.as_parts_per_million());
        self.arm(unit, &[Share::ALL.as_parts_per_million() - parts, parts]) == Some(1)
    }

    /// The slot of a unit's request under a routing, as a proxy of one's own picks it: the one that the
    /// request has chosen by a [pin](crate::Pin), else that of the unit by the shares.
    ///
    /// So whatever becomes of the shares, a conversation that sends back which slot has answered it first
    /// stays there for as long as the plan holds
    /// [conversations](crate::plan::Conversations).
    ///
    /// ```
    /// use bluegreen_core::{Assignment, Color, Plan};
    /// use http::{HeaderMap, HeaderValue};
    ///
    /// let assignment = Assignment::new("refund-prompt-2");
    /// let plan = Plan::experiment(50).conversations_by_header("x-slot");
    /// let routing = plan.routing(Color::Blue, 0).ok_or("a plan has a first step")?;
    /// let first = assignment.slot_of_request("conversation-17", &HeaderMap::new(), &routing);
    /// assert_eq!(first, assignment.slot("conversation-17", &routing));
    ///
    /// let mut headers = HeaderMap::new();
    /// headers.insert("x-slot", HeaderValue::from_static(first.as_str()));
    /// // All traffic to the other one: new conversations go there, and this one stays.
    /// let routing = plan.routing(first, 1).ok_or("a plan has a last step")?;
    /// assert_eq!(routing.live, first.other());
    /// assert_eq!(assignment.slot_of_request("conversation-17", &headers, &routing), first);
    /// # Ok::<(), &str>(())
    /// ```
    pub fn slot_of_request(
        &self,
        unit: impl AsRef<[u8]>,
        headers: &http::HeaderMap,
        routing: &Routing,
    ) -> Color {
        routing.pinned(headers).unwrap_or_else(|| self.slot(unit, routing))
    }

    /// The slot of the unit under a routing, by its shares alone.
    pub fn slot(&self, unit: impl AsRef<[u8]>, routing: &Routing) -> Color {
        let is_candidate = self.is_candidate(unit, routing.candidate);
        if is_candidate { routing.live.other() } else { routing.live }
    }
}

/// The arm's own bits: a step of the generator `SplitMix64`, which is a published permutation.
#[inline]
const fn mixed(hash: u64, arm: u64) -> u64 {
    let state = hash.wrapping_add(arm.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}

/// `−ln(u)` for the `u` that the upper 52 bits are, in the middle of its cell and so never 0 or 1.
///
/// Not the logarithm of the platform, whose last digit may be another one elsewhere: only additions,
/// multiplications and divisions, which are the same everywhere.
#[inline]
fn exponential(bits: u64) -> f64 {
    const CELL: f64 = f64::EPSILON;
    #[allow(clippy::cast_precision_loss, reason = "52 bits and a half are exact")]
    let unit = ((bits >> 12) as f64 + 0.5) * CELL;
    // unit = fraction · 2^exponent, with a fraction from 1 up to 2.
    let raw = unit.to_bits();
    #[allow(clippy::cast_precision_loss, reason = "an exponent has eleven bits")]
    let exponent = (raw >> 52) as f64 - 1023.0;
    let fraction = f64::from_bits((raw & 0x000f_ffff_ffff_ffff) | 0x3ff0_0000_0000_0000);
    // Around the square root of two, where the series of the inverse hyperbolic tangent is short.
    let z = (fraction - std::f64::consts::SQRT_2) / (fraction + std::f64::consts::SQRT_2);
    let q = z * z;
    let q2 = q * q;
    let q4 = q2 * q2;
    // In pairs, which a processor adds up side by side.
    let low = (1.0 + q * (1.0 / 3.0)) + q2 * (1.0 / 5.0 + q * (1.0 / 7.0));
    let high = (1.0 / 9.0 + q * (1.0 / 11.0)) + q2 * (1.0 / 13.0 + q * (1.0 / 15.0));
    let series = low + q4 * (high + q4 * (1.0 / 17.0));
    -((exponent + 0.5) * std::f64::consts::LN_2 + 2.0 * z * series)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn users(count: u32) -> impl Iterator<Item = String> {
        (0..count).map(|number| format!("user-{number}"))
    }

    /// These outputs may never change: experiments under way would be mixed up. Python's `xxhash` and
    /// `math.log` come to the same.
    #[test]
    fn it_is_the_same_for_ever() {
        let experiment = Assignment::new("refund-prompt-2");
        let arms: Vec<_> =
            users(16).map(|user| experiment.arm(user, &[50, 30, 20]).unwrap()).collect();
        assert_eq!((experiment.seed, arms), (GOLDEN_SEED, GOLDEN_ARMS.to_vec()));
        assert_eq!(mixed(0, 0), 0xe220_a839_7b1d_cdaf, "the first output of SplitMix64");
    }

    const GOLDEN_ARMS: [usize; 16] = [0, 1, 1, 1, 1, 1, 0, 1, 0, 0, 0, 0, 2, 0, 2, 0];
    const GOLDEN_SEED: u64 = 11_057_222_058_067_128_625;

    #[test]
    fn the_logarithm_is_one() {
        for bits in [0, 1 << 12, u64::MAX, u64::MAX / 2, u64::MAX / 3, 12_345_678_901_234_567] {
            #[allow(clippy::cast_precision_loss, reason = "as in what is tested")]
            let unit = ((bits >> 12) as f64 + 0.5) / (1_u64 << 52) as f64;
            let (found, wanted) = (exponential(bits), -unit.ln());
            assert!((found - wanted).abs() <= 1e-14 * wanted.max(1.0), "{bits}: {found}, {wanted}");
            assert!(found > 0.0, "{bits}");
        }
    }

    #[test]
    fn each_arm_gets_its_share_of_a_million() {
        let units: Vec<String> = users(1_000_000).collect();
        let experiment = Assignment::new("shares");
        for weights in [&[1, 1][..], &[95, 5], &[999_999, 1], &[50, 30, 20], &[1, 1, 1, 1, 1, 1, 1]]
        {
            let mut counts = vec![0_u32; weights.len()];
            for unit in &units {
                counts[experiment.arm(unit, weights).unwrap()] += 1;
            }
            let sum: u32 = weights.iter().sum();
            for (count, weight) in counts.iter().zip(weights) {
                let error = f64::from(*count) / 1e6 - f64::from(*weight) / f64::from(sum);
                assert!(error.abs() < 0.001, "{weights:?}: {counts:?}");
            }
        }
    }

    #[test]
    fn no_unit_leaves_an_arm_that_grows() {
        let experiment = Assignment::new("growth");
        let steps = [[70, 20, 10], [70, 20, 40], [70, 20, 400], [0, 0, 400]];
        for user in users(20_000) {
            let arms = steps.map(|weights| experiment.arm(&user, &weights).unwrap());
            for pair in arms.windows(2) {
                assert!(pair[0] == pair[1] || pair[1] == 2, "{user}: {arms:?}");
            }
            let shares = [0, 5, 25, 50, 100].map(Share::percent);
            let is_candidate = shares.map(|share| experiment.is_candidate(&user, share));
            assert!(is_candidate.is_sorted(), "{user}: {is_candidate:?}");
            assert!(!is_candidate[0] && is_candidate[4]);
        }
    }

    #[test]
    fn experiments_do_not_know_each_other() {
        let (one, two) = (Assignment::new("one"), Assignment::new("two"));
        let both = users(100_000)
            .filter(|user| {
                one.is_candidate(user, Share::percent(50))
                    && two.is_candidate(user, Share::percent(50))
            })
            .count();
        assert!((24_500..25_500).contains(&both), "{both}");
    }

    #[test]
    fn the_routing_decides_which_slot_is_the_candidate() {
        let experiment = Assignment::with_seed(7);
        let routing = Routing::all(Color::Green).with_candidate(Share::percent(100));
        assert_eq!(experiment.slot("a", &routing), Color::Blue);
        assert_eq!(experiment.slot("a", &Routing::all(Color::Green)), Color::Green);
        assert_eq!(experiment.arm("a", &[]), None);
        assert_eq!(experiment.arm("a", &[0, 0]), None);
    }

    #[test]
    fn a_pin_comes_before_the_shares_and_the_first_before_others() {
        let experiment = Assignment::with_seed(7);
        let pin = |name: &str, color| {
            let (name, value) = (name.to_owned(), "1".to_owned());
            crate::Pin::Header { name, value, color }
        };
        let mut routing = Routing::all(Color::Green);
        routing.pins = vec![pin("first", Color::Blue), pin("second", Color::Green)];
        let slot = |names: &[&'static str]| {
            let one = http::HeaderValue::from_static("1");
            let headers =
                names.iter().map(|name| (http::HeaderName::from_static(name), one.clone()));
            experiment.slot_of_request("a", &headers.collect(), &routing)
        };
        assert_eq!(slot(&[]), Color::Green);
        assert_eq!(slot(&["first"]), Color::Blue, "though it has no share");
        assert_eq!(slot(&["second", "first"]), Color::Blue, "the first of the routing");
        assert_eq!(slot(&["other"]), Color::Green);
    }
}
