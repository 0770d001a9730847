//! How many units are taken in each second on one processor.

use std::hint::black_box;
use std::time::Instant;

use bluegreen_core::{Assignment, Share};
use bluegreen_validate::sequential::{BoundedMean, CountTest, Moments, RateTest, Sketch};

use crate::draw::skewed;

/// What was measured.
#[derive(Clone, Debug)]
pub struct Line {
    /// What is done with each unit.
    pub name: &'static str,
    /// How many in a second.
    pub rate: f64,
    /// How many there must be.
    pub least: f64,
}

/// The best of three goes at `units` of each kind.
pub fn all(units: u32) -> Vec<Line> {
    let mut rng = fastrand::Rng::with_seed(1);
    let values: Vec<f64> = (0..1 << 16).map(|_| skewed(&mut rng)).collect();
    let value = |number: u32| values[number as usize % values.len()];
    let names: Vec<String> = (0..1 << 12).map(|number| format!("user-{number}")).collect();
    let name = |number: u32| names[number as usize % names.len()].as_bytes();
    let fold = 1e6;
    let mut lines = Vec::new();
    let mut line = |name, least, go: &mut dyn FnMut(u32)| {
        let rate = best(units, go);
        lines.push(Line { name, rate, least });
    };

    let mut rates = RateTest::new();
    line("rate e-process, unit by unit", fold, &mut |number| {
        let event = f64::from(u8::from(value(number) > 5.0));
        rates.fold(black_box([(1.0, event), (1.0, 0.0)]));
    });
    let mut counts = CountTest::worse(0.5);
    line("count e-process, event by event", fold, &mut |number| {
        if let Some(counts) = &mut counts {
            counts.add(u64::from(number % 2), u64::from(number % 3 == 0));
        }
    });
    let mut moments = Moments::default();
    line("moments of a mean", fold, &mut |number| moments.record(value(number)));
    let mut sketch = Sketch::logarithmic(0.01, 100.0, 0.02).ok();
    line("sketch of a distribution, 466 buckets", fold, &mut |number| {
        if let Some(sketch) = &mut sketch {
            sketch.record(value(number));
        }
    });
    let mut bounded = BoundedMean::between(0.0, 1000.0);
    line("empirical Bernstein", fold, &mut |number| {
        if let Some(bounded) = &mut bounded {
            bounded.add(value(number));
        }
    });
    black_box((&rates, &counts, &moments, &sketch, &bounded));
    let experiment = Assignment::new("speed");
    let mut sum = 0_u32;
    line("assignment to two arms", 20e6, &mut |number| {
        sum += u32::from(experiment.is_candidate(name(number), Share::percent(25)));
    });
    let mut arms = 0_usize;
    line("assignment to four arms", 0.0, &mut |number| {
        arms += experiment.arm(name(number), &[40, 30, 20, 10]).unwrap_or_default();
    });
    black_box((sum, arms));
    lines
}

fn best(units: u32, go: &mut dyn FnMut(u32)) -> f64 {
    let rates = (0..3).map(|_| {
        let (began, spent) = (Instant::now(), processor());
        (0..units).for_each(&mut *go);
        let seconds = match (processor(), spent) {
            (Some(now), Some(then)) if now > then => now - then,
            _ => began.elapsed().as_secs_f64(),
        };
        f64::from(units) / seconds
    });
    rates.fold(0.0, f64::max)
}

/// The seconds that this thread has run, where the system tells: others may be running too.
fn processor() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanos: u64 = text.split_whitespace().next()?.parse().ok()?;
    Some(std::time::Duration::from_nanos(nanos).as_secs_f64())
}
