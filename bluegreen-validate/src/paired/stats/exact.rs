//! Exact p values for Tango's statistic.

use super::distribution::{binomial_at_most, binomial_exactly};
use super::{Table, tango};

/// Into how many steps the unknown rate is divided.
const STEPS: u32 = 32;
/// Above so many cases the normal distribution is close enough.
const MOST: u64 = 2000;

/// The chance of a result at least so good as this table, when idle's rate is really above live's
/// by `difference`, at the least favourable of the other rates (as Hsueh, Liu and Chen, Biometrics
/// 57:478, 2001). `None` with so many cases that the normal distribution does.
///
/// Where few pairs differ, Tango's statistic takes few values, and the normal distribution
/// promises up to two points too much: 52 cases that agree pass a margin of 5 points, and 7 % of
/// candidates that are worse by 5 points show 52 cases that agree.
pub(in crate::paired) fn p_above(table: Table, difference: f64) -> Option<f64> {
    let n = table.cases();
    if n == 0 || n > MOST {
        return None;
    }
    let found = tango::tango_statistic(table, difference);
    // For each count of pairs in which idle alone passed, the most in which live alone may have
    // for the result to be at least so good.
    let most: Vec<Option<u64>> = (0..=n).map(|c| most_losses(c, n, difference, found)).collect();
    let rest = (1.0 - difference.abs()) / 2.0;
    let chances = (0..=STEPS).map(|step| {
        // Closer together near zero, where few pairs differ.
        let q = rest * (f64::from(step) / f64::from(STEPS)).powi(2);
        chance(&most, n, q + difference.max(0.0), q + (-difference).max(0.0))
    });
    Some(chances.fold(0.0, f64::max))
}

fn most_losses(c: u64, n: u64, difference: f64, found: f64) -> Option<u64> {
    let good = |b: u64| {
        // Ties count, whatever the last digit of either is.
        tango::statistic(b as f64, c as f64, n as f64, difference) >= found - 1e-9
    };
    if !good(0) {
        return None;
    }
    // The statistic falls with the losses.
    let (mut low, mut high) = (0, n - c);
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        if good(middle) { low = middle } else { high = middle - 1 }
    }
    Some(low)
}

/// The chance of the results in `most`, when idle alone passes with the chance `gain` and live
/// alone with `loss`.
fn chance(most: &[Option<u64>], n: u64, gain: f64, loss: f64) -> f64 {
    let (mean, total) = (gain * n as f64, n as f64);
    let reach = 8.0 * (mean * (1.0 - gain)).sqrt() + 8.0;
    let loss = (loss / (1.0 - gain)).clamp(0.0, 1.0);
    let mut chance = 0.0;
    for (c, most) in most.iter().enumerate() {
        let gains = c as f64;
        if gains < mean - reach || gains > (mean + reach).min(total) {
            continue;
        }
        if let Some(most) = most {
            let c = c as u64;
            chance += binomial_exactly(c, n, gain) * binomial_at_most(*most, n - c, loss);
        }
    }
    chance
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When nothing differs the least favourable case is plain: a loss in every twentieth pair and
    /// no gains, of which n pairs show nothing with the chance 0.95^n.
    #[test]
    fn pairs_that_all_agree_are_worked_out_by_hand() {
        for n in [10u64, 52, 58, 59] {
            let table = Table { both: n, ..Table::default() };
            let found = p_above(table, -0.05).unwrap();
            let wanted = 0.95_f64.powf(n as f64);
            assert!((found - wanted).abs() < 1e-9, "{n}: {found}, {wanted}");
        }
        // With more of them, some gains and as few losses are the likelier way to look so good.
        let found = p_above(Table { both: 100, ..Table::default() }, -0.05).unwrap();
        assert!(0.95_f64.powi(100) < found && found < 0.02, "{found}");
    }

    /// All 3^3 outcomes of three pairs, counted one by one.
    #[test]
    fn three_pairs_are_counted_one_by_one() {
        let (n, difference) = (3u64, -0.2);
        let table = Table { both: 2, live_only: 1, ..Table::default() };
        let found = tango::tango_statistic(table, difference);
        let mut largest = 0.0_f64;
        for step in 0..=STEPS {
            let q = 0.4 * (f64::from(step) / f64::from(STEPS)).powi(2);
            let chances = [q + 0.2, q, 1.0 - 2.0 * q - 0.2];
            let mut sum = 0.0;
            for code in 0..27usize {
                let outcomes = [code % 3, code / 3 % 3, code / 9];
                let b = outcomes.iter().filter(|outcome| **outcome == 0).count();
                let c = outcomes.iter().filter(|outcome| **outcome == 1).count();
                if tango::statistic(b as f64, c as f64, n as f64, difference) >= found - 1e-9 {
                    sum += outcomes.iter().map(|outcome| chances[*outcome]).product::<f64>();
                }
            }
            largest = largest.max(sum);
        }
        assert!((p_above(table, difference).unwrap() - largest).abs() < 1e-9);
    }
}
