//! How many observations a core records in a second:
//! `cargo run --release -p bluegreen-validate --example observe`.

use std::sync::Barrier;
use std::time::{Duration, Instant};

use bluegreen_core::{Color, Metric, MetricSource as _, Timestamp, Window};
use bluegreen_validate::Observations;

/// How many each thread records.
const EACH: u32 = 5_000_000;

#[tokio::main(flavor = "current_thread")]
async fn main() -> bluegreen_core::Result<()> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    for threads in [1, cores] {
        let observations = Observations::new();
        let barrier = Barrier::new(threads);
        let took = std::thread::scope(|scope| {
            let recording = |_| scope.spawn(|| record(&observations, &barrier));
            let recording: Vec<_> = (0..threads).map(recording).collect();
            recording.into_iter().filter_map(|thread| thread.join().ok()).max()
        });
        let took = took.unwrap_or_default();
        let window = Window::new(Timestamp::from_unix_millis(600_000), Duration::from_mins(10));
        let begun = Instant::now();
        let found = observations.measure(&Metric::new("latency"), Color::Green, window).await?;
        let measuring = begun.elapsed();
        println!(
            "{threads} threads: {:.1} million records per second and thread; {} counted in {measuring:.1?}",
            f64::from(EACH) / took.as_secs_f64() / 1e6,
            found.map_or(0, |it| it.count),
        );
    }
    Ok(())
}

/// Latencies as they are: most are short, some are long; ten minutes of them.
fn record(observations: &Observations, barrier: &Barrier) -> Duration {
    let mut random = 1_u64;
    barrier.wait();
    let begun = Instant::now();
    for number in 0..EACH {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let uniform = f64::from((random >> 40) as u32 + 1) / f64::from(1_u32 << 24);
        let at = Timestamp::from_unix_millis(u64::from(number) * 600_000 / u64::from(EACH));
        observations.record("latency", Color::Green, at, 0.2 - 0.3 * uniform.ln());
    }
    begun.elapsed()
}
