//! Plays many runs of a test on all processors.

use fastrand::Rng;

/// How much is played.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// How many runs.
    pub runs: u32,
    /// How many looks each run has.
    pub looks: u32,
    /// Where random numbers begin.
    pub seed: u64,
}

/// How many units each arm gets between two looks.
pub const UNITS: u32 = 50;

/// Plays all runs; each gets the look at which it raised an alarm, if it did. Run `n` has the same numbers
/// on any number of threads.
pub fn play<T>(
    size: Size,
    begin: impl Fn() -> T + Sync,
    look: impl Fn(&mut T, &mut Rng, u32) -> bool + Sync,
) -> Vec<Option<u32>> {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let one = |run: u32| {
        let seed = size.seed.wrapping_add(u64::from(run).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let (mut rng, mut test) = (Rng::with_seed(seed), begin());
        (1..=size.looks).find(|number| look(&mut test, &mut rng, *number))
    };
    let mut alarms = vec![None; size.runs as usize];
    let part = alarms.len().div_ceil(threads).max(1);
    std::thread::scope(|scope| {
        let mut first = 0;
        for part in alarms.chunks_mut(part) {
            let (from, one) = (first, &one);
            first += u32::try_from(part.len()).unwrap_or(u32::MAX);
            scope.spawn(move || {
                for (run, alarm) in (from..).zip(part) {
                    *alarm = one(run);
                }
            });
        }
    });
    alarms
}

/// The share of runs with an alarm.
pub fn share(alarms: &[Option<u32>]) -> f64 {
    let count = alarms.iter().flatten().count();
    #[allow(clippy::cast_precision_loss, reason = "counts of runs are small")]
    let share = count as f64 / alarms.len() as f64;
    share
}

/// How many units per arm the median run needed; `None` if half of the runs found nothing.
pub fn median(alarms: &[Option<u32>]) -> Option<u32> {
    let mut looks: Vec<u32> = alarms.iter().map(|alarm| alarm.unwrap_or(u32::MAX)).collect();
    looks.sort_unstable();
    let middle = *looks.get(looks.len() / 2)?;
    (middle != u32::MAX).then(|| middle * UNITS)
}
