//! How often a test says that there is something when there is nothing.

use bluegreen_validate::sequential::{
    BetaBinomial, CountTest, GammaExponential, GammaPoisson, MeanTest, Mixture, Moments, Normal,
    RateTest, RatioTest, Sides, asymptotic_half_width, asymptotic_rho, double_stitching_radius,
    lil_radius, log_average, log_msprt_proportions, poly_stitching_bound, quantile_ranks,
    spending_bounds,
};
use fastrand::Rng;

use crate::draw::{Binomial, normal, skewed};
use crate::play::{Size, UNITS, play, share};

/// The probability of an alarm that is allowed.
pub const ALPHA: f64 = 0.05;

/// More false alarms than this in 10,000 runs are more than chance: three standard deviations.
pub const MOST: f64 = 0.0565;

/// One test and the share of its runs with an alarm.
#[derive(Clone, Debug)]
pub struct Line {
    /// What it is.
    pub name: &'static str,
    /// How often it raised an alarm.
    pub share: f64,
}

/// Plays every test where nothing is different.
pub fn all(size: Size) -> Vec<Line> {
    let mut lines = counts(size);
    lines.extend(means(size));
    lines.extend(bounds(size));
    lines.extend(quantiles(size));
    lines
}

/// The limit for the share of alarms of so many runs.
pub fn most(runs: u32) -> f64 {
    let deviation = (ALPHA * (1.0 - ALPHA) / f64::from(runs)).sqrt();
    MOST.max(ALPHA + 3.0 * deviation)
}

fn line(name: &'static str, alarms: &[Option<u32>]) -> Line {
    Line { name, share: share(alarms) }
}

fn enough() -> f64 {
    (1.0 / ALPHA).ln()
}

/// Tests of rates and shares: two of a hundred units go wrong on both arms.
fn counts(size: Size) -> Vec<Line> {
    let rate = Binomial::new(UNITS, 0.02);
    let pair = |rng: &mut Rng| (u64::from(rate.draw(rng)), u64::from(rate.draw(rng)));
    let count = |worse: bool| {
        let begin = || {
            if worse { CountTest::worse(0.5) } else { CountTest::different(0.5) }
        };
        play(size, begin, |test, rng, _| {
            test.as_mut().is_none_or(|test| {
                let (candidate, live) = pair(rng);
                test.add(candidate, live);
                test.log_e() >= enough()
            })
        })
    };
    let rates = play(size, RateTest::new, |test, rng, _| {
        let (candidate, live) = pair(rng);
        test.fold(units([UNITS, UNITS], [candidate, live]));
        test.log_e() >= enough()
    });
    // From 10 to 90 per cent for the candidate, while the rate of both goes from 2 to 20 per cent and back.
    let moving: Vec<[Binomial; 2]> = (0..40_u32)
        .map(|step| {
            let rate = 0.02 + 0.18 * f64::from(step.min(40 - step)) / 20.0;
            [Binomial::new(shifted(step), rate), Binomial::new(100 - shifted(step), rate)]
        })
        .collect();
    let shifts = play(size, RateTest::new, |test, rng, look| {
        let step = look % 40;
        let [candidate, live] = &moving[step as usize];
        let events = [candidate, live].map(|it| u64::from(it.draw(rng)));
        test.fold(units([shifted(step), 100 - shifted(step)], events));
        test.log_e() >= enough()
    });
    let planned = Binomial::new(2 * UNITS, 0.3);
    let ratio = play(
        size,
        || RatioTest::new(&[0.3, 0.7]),
        |test, rng, _| {
            test.as_mut().is_none_or(|test| {
                let first = u64::from(planned.draw(rng));
                test.add(&[first, u64::from(2 * UNITS) - first]);
                test.log_e() >= enough()
            })
        },
    );
    let average = play(
        size,
        || [RateTest::new(); 3],
        |tests, rng, _| {
            // Three metrics of the same units: the first two always agree.
            let ((a, b), (c, d)) = (pair(rng), pair(rng));
            for (test, events) in tests.iter_mut().zip([[a, b], [a, b], [c, d]]) {
                test.fold(units([UNITS, UNITS], events));
            }
            log_average(&tests.map(|test| test.log_e())) >= enough()
        },
    );
    let msprt = play(
        size,
        || [0.0; 2],
        |hits, rng, look| {
            let (candidate, live) = pair(rng);
            #[allow(clippy::cast_precision_loss, reason = "small counts")]
            let more = [candidate as f64, live as f64];
            *hits = [hits[0] + more[0], hits[1] + more[1]];
            let n = f64::from(look * UNITS);
            n >= 100.0 && log_msprt_proportions(n, hits[1] / n, hits[0] / n, 1e-3) >= enough()
        },
    );
    vec![
        line("count e-process, two-sided", &count(false)),
        line("count e-process, one-sided", &count(true)),
        line("rate e-process", &rates),
        line("rate e-process, shares and rates move", &shifts),
        line("mSPRT of proportions", &msprt),
        line("sample ratio", &ratio),
        line("average of three e-values", &average),
    ]
}

fn shifted(step: u32) -> u32 {
    10 + 2 * step
}

#[allow(clippy::cast_precision_loss, reason = "small counts")]
fn units(units: [u32; 2], events: [u64; 2]) -> [(f64, f64); 2] {
    [(f64::from(units[0]), events[0] as f64), (f64::from(units[1]), events[1] as f64)]
}

/// Tests of means: values with a long tail, and from the hundredth unit on.
fn means(size: Size) -> Vec<Line> {
    let moments = |rng: &mut Rng, units: u32| {
        let mut moments = Moments::default();
        (0..units).for_each(|_| moments.record(skewed(rng)));
        moments
    };
    let means = play(size, MeanTest::new, |test, rng, look| {
        test.fold(moments(rng, UNITS), moments(rng, UNITS));
        look * UNITS >= 100 && test.log_e() >= enough()
    });
    let unequal = play(size, MeanTest::new, |test, rng, look| {
        test.fold(moments(rng, UNITS), moments(rng, UNITS / 5));
        look * UNITS / 5 >= 100 && test.log_e() >= enough()
    });
    let rho = asymptotic_rho(1000.0, ALPHA);
    let truth = (0.5 * 0.64_f64).exp();
    let asymptotic = play(size, Moments::default, |seen, rng, look| {
        (0..UNITS).for_each(|_| seen.record(skewed(rng)));
        let half = asymptotic_half_width(seen.count, seen.variance().sqrt(), ALPHA, rho);
        look * UNITS >= 1000 && (seen.mean() - truth).abs() > half
    });
    let times = [0.2, 0.4, 0.6, 0.8, 1.0];
    // Without bounds everything would be an alarm.
    let bounds = spending_bounds(&times, ALPHA, 2.0).unwrap_or_default();
    let group = play(
        Size { looks: 5, ..size },
        || 0.0_f64,
        |sum, rng, look| {
            *sum += normal(rng);
            let bound = bounds.get(look as usize - 1).copied().unwrap_or_default();
            sum.abs() / f64::from(look).sqrt() > bound
        },
    );
    vec![
        line("mean e-process", &means),
        line("mean e-process, five to one", &unequal),
        line("asymptotic confidence sequence", &asymptotic),
        line("group-sequential, five looks", &group),
    ]
}

/// Boundaries of sums.
fn bounds(size: Size) -> Vec<Line> {
    let walk = |sides: Sides| {
        let mixture = Normal::new(2000.0, ALPHA, sides);
        play(
            size,
            || 0.0_f64,
            move |sum, rng, look| {
                *sum += normal(rng) * f64::from(UNITS).sqrt();
                mixture.log_e(*sum, f64::from(look * UNITS)) >= enough()
            },
        )
    };
    let stitched = play(
        size,
        || 0.0_f64,
        |sum, rng, look| {
            *sum += normal(rng) * f64::from(UNITS).sqrt();
            *sum > poly_stitching_bound(f64::from(look * UNITS), ALPHA, f64::from(UNITS), 0.0)
        },
    );
    let half = GammaExponential::new(500.0, ALPHA / 2.0, 1.0);
    // Scores between 0 and 1 that are mostly high; the variance is what was seen before each.
    let bernstein = play(
        Size { runs: size.runs.div_ceil(4), ..size },
        || (0.0_f64, 0.0_f64, 0.0_f64),
        move |(count, sum, variance), rng, _| {
            for _ in 0..UNITS {
                let score = rng.f64().powf(0.25);
                let mean = if *count == 0.0 { 0.5 } else { *sum / *count };
                *variance += (score - mean).powi(2);
                *sum += score;
                *count += 1.0;
            }
            let off = (*sum - 0.8 * *count).abs();
            half.log_e(off, *variance) >= (2.0 / ALPHA).ln()
        },
    );
    let poisson = GammaPoisson::new(1000.0, ALPHA, 1.0);
    let arrivals = Binomial::new(1000, 0.05);
    let arriving = play(
        size,
        || 0.0_f64,
        move |sum, rng, look| {
            *sum += f64::from(arrivals.draw(rng)) - f64::from(UNITS);
            poisson.log_e(*sum, f64::from(look * UNITS)) >= enough()
        },
    );
    let p = 0.02;
    let rate = Binomial::new(UNITS, p);
    let proportion = |sides: Sides| {
        let rate = rate.clone();
        let mixture = BetaBinomial::new(p * (1.0 - p) * 1000.0, ALPHA, p, 1.0 - p, sides);
        play(
            size,
            || 0_u32,
            move |hits, rng, look| {
                *hits += rate.draw(rng);
                let units = f64::from(look * UNITS);
                let (s, v) = (f64::from(*hits) - p * units, p * (1.0 - p) * units);
                mixture.log_e(s, v) >= enough()
            },
        )
    };
    vec![
        line("normal mixture, two-sided", &walk(Sides::Two)),
        line("normal mixture, one-sided", &walk(Sides::One)),
        line("polynomial stitching", &stitched),
        line("empirical Bernstein (a quarter of the runs)", &bernstein),
        line("gamma-Poisson mixture", &arriving),
        line("bounds of a proportion, two-sided", &proportion(Sides::Two)),
        line("bounds of a proportion, one-sided", &proportion(Sides::One)),
    ]
}

/// Bands around quantiles and whole distributions.
fn quantiles(size: Size) -> Vec<Line> {
    const CELLS: usize = 20;
    let p = 0.95;
    let below = Binomial::new(UNITS, p);
    let at = |look: u32| f64::from(look * UNITS);
    let ranks: Vec<(f64, f64)> =
        (0..=size.looks).map(|look| quantile_ranks(p, at(look), ALPHA, 1000.0)).collect();
    let one = play(
        size,
        || 0_u32,
        |hits, rng, look| {
            *hits += below.draw(rng);
            // The true quantile is left out if too many or too few values are below it.
            let share = f64::from(*hits) / at(look);
            let (low, high) = ranks[look as usize];
            high < 1.0 && share > high || share < low
        },
    );
    let radii: Vec<f64> =
        (0..=size.looks).map(|look| lil_radius(at(look), ALPHA, at(1), 0.85)).collect();
    let stitched: Vec<Vec<f64>> = (0..=size.looks)
        .map(|look| {
            (1..CELLS)
                .map(|cell| {
                    let p = index(cell) / index(CELLS);
                    double_stitching_radius(p, at(look.max(1)), ALPHA, at(1)) / at(look.max(1))
                })
                .collect()
        })
        .collect();
    // The distribution at twenty places: what is left out at any of them is an alarm.
    let band = |radius: &(dyn Fn(u32, usize) -> f64 + Sync)| {
        play(
            size,
            || [0_u32; CELLS],
            |cells, rng, look| {
                for _ in 0..UNITS {
                    cells[rng.usize(0..CELLS)] += 1;
                }
                let mut sum = 0;
                (1..CELLS).any(|cell| {
                    sum += cells[cell - 1];
                    let off = f64::from(sum) / at(look) - index(cell) / index(CELLS);
                    off.abs() > radius(look, cell)
                })
            },
        )
    };
    vec![
        line("ranks of a quantile", &one),
        line("band around a distribution (LIL)", &band(&|look, _| radii[look as usize])),
        line(
            "bands around all quantiles (double stitching)",
            &band(&|look, cell| {
                let radii = &stitched[look as usize];
                // The band of the quantile p reaches up by the radius of p, and down by that of 1 − p.
                radii[cell - 1].max(radii[CELLS - 1 - cell])
            }),
        ),
    ]
}

#[allow(clippy::cast_precision_loss, reason = "twenty")]
fn index(cell: usize) -> f64 {
    cell as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_found_where_there_is_nothing() {
        let size = Size { runs: 300, looks: 40, seed: 1 };
        for line in all(size) {
            let most = most(size.runs.div_ceil(4));
            assert!(line.share <= most, "{}: {} of the runs", line.name, line.share);
        }
    }
}
