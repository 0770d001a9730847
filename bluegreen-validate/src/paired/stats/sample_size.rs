//! How many cases a margin needs.

use super::distribution::normal_quantile;

/// The cases that it takes to show, with the chance `power`, that a candidate as good as live is
/// worse by less than `margin`, if a share `discordance` of pairs comes out differently:
/// (z₁₋α + z₁₋β)² · discordance / margin², rounded up, 1 − β being that chance.
///
/// ```
/// use bluegreen_validate::paired::stats::cases_for;
///
/// assert_eq!(cases_for(0.05, 0.10, 0.05, 0.8), 248);
/// ```
pub fn cases_for(margin: f64, discordance: f64, alpha: f64, power: f64) -> u64 {
    let z = normal_quantile(1.0 - alpha) + normal_quantile(power);
    rounded_up(z * z * discordance / (margin * margin))
}

/// The cases that the gate itself takes for the same, with so many repeats of each.
///
/// Repeats make the noise of one case smaller, which counts as in [`cases_for`]. They do not make
/// it likelier that a case which broke is in the suite at all: the test allows for that
/// ([`Sums`](super::Sums)), so more repeats do less than more cases.
pub fn cases_for_gate(margin: f64, discordance: f64, repeats: u32, alpha: f64, power: f64) -> u64 {
    // The variance of a case's difference in truth, where the candidate is as good as live.
    let truth = discordance / f64::from(repeats.max(1));
    // The weight that the test puts on cases which broke, to second order; see Sums::moments.
    let lambda = 1.0 / (1.0 - margin);
    let broken = lambda * margin - lambda * lambda * (truth + margin * margin);
    let broken = broken.max(0.0);
    let assumed = truth * (1.0 - broken) + broken * (1.0 - margin).powi(2);
    let z = normal_quantile(1.0 - alpha) * assumed.sqrt() + normal_quantile(power) * truth.sqrt();
    // With fewer cases than this not even a suite without any difference passes.
    let least = alpha.ln() / (1.0 - margin).ln();
    rounded_up((z / margin).powi(2)).max(rounded_up(least))
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates, NaN is 0")]
fn rounded_up(cases: f64) -> u64 {
    if cases.is_nan() { u64::MAX } else { cases.ceil() as u64 }
}
