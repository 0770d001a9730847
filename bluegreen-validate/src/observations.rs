//! What the program that releases observes by itself.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bluegreen_core::{
    Color, Error, ErrorKind, Measurement, Metric, MetricSource, Pair, Result, Timestamp, Window,
};

mod scale;
mod series;

use series::{Series, Sum};

/// Threads that record at the same time mostly don't wait for each other.
const PARTS: usize = 8;
/// The most names of metrics.
const MOST_METRICS: usize = 256;
/// The most cells of one metric.
const MOST_CELLS: usize = 100_000;
/// More cells than are asked for: the one that is running, and the next one if that begins while somebody
/// asks.
const MEANWHILE: usize = 2;

/// What the program that the release is built into sees of each request: its own gateway, a load
/// generator, a judge of conversations. Clones are the same.
///
/// ```
/// use bluegreen_core::{Clock as _, Color, SystemClock};
/// use bluegreen_validate::Observations;
///
/// let observations = Observations::new();
/// let now = SystemClock.now();
/// observations.record("latency", Color::Green, now, 0.182);
/// observations.record("errors", Color::Green, now, 0.0); // 1.0 if it failed
/// ```
///
/// # What is counted
/// Counts are exact, sums and sums of squares as floats add up, and values are kept in a histogram
/// with 32 buckets for each power of two, so that a quantile is off by 3.2 % at most. Values up to
/// 2⁻³⁰ are told apart by sign alone, those above 2⁴⁰ not at all.
///
/// Time is cut into cells of one second. A window begins and ends with the last whole cell before its
/// ends: windows one after another count each value once, and what was observed in the second
/// that has not ended counts in the next one.
///
/// # What it takes
/// A record takes about a tenth of a microsecond and no task of its own. The last hour is kept
/// ([`keeping`](Self::keeping) says otherwise) of at most 256 names; for each name and slot that is at
/// most 8 MiB of buckets in each of eight parts, before the oldest cells make room. A window that
/// begins before what is kept is an error, because only some of it would be counted.
#[derive(Clone)]
pub struct Observations {
    shared: Arc<Shared>,
}

struct Shared {
    parts: [Part; PARTS],
    /// How long a cell is, in milliseconds.
    resolution: u64,
    cells: usize,
    ignored: AtomicU64,
}

/// What some of the threads recorded. Alone in its cache lines.
#[derive(Default)]
#[repr(align(128))]
struct Part(Mutex<HashMap<String, Pair<Series>>>);

impl Part {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Pair<Series>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where the calling thread records.
fn part() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static PART: usize = NEXT.fetch_add(1, Ordering::Relaxed) % PARTS;
    }
    PART.with(|part| *part)
}

impl Observations {
    /// Nothing observed yet; cells of a second, and the last hour.
    pub fn new() -> Self {
        Self::keeping(Duration::from_hours(1), Duration::from_secs(1))
    }

    /// The same with cells of the length `resolution`, at least a millisecond, of which those of the
    /// last `kept` are kept, at least one and at most 100,000; and two more, so that all of `kept` is
    /// known at any time.
    pub fn keeping(kept: Duration, resolution: Duration) -> Self {
        let millis = |it: Duration| u64::try_from(it.as_millis()).unwrap_or(u64::MAX);
        let resolution = millis(resolution).max(1);
        let cells = usize::try_from(millis(kept) / resolution).unwrap_or(MOST_CELLS);
        let cells = cells.clamp(1, MOST_CELLS) + MEANWHILE;
        let shared =
            Shared { parts: Default::default(), resolution, cells, ignored: AtomicU64::new(0) };
        Self { shared: Arc::new(shared) }
    }

    /// Records the value of one unit (a request, a conversation) of `slot`: a number, seconds say, or
    /// 1 and 0 for what happened and what did not.
    ///
    /// A value that is no number spoils its cell: measuring it is an error. One that is older than
    /// what is kept, or of more names than are kept, is [ignored](Self::ignored).
    pub fn record(&self, metric: &str, slot: Color, at: Timestamp, value: f64) {
        let cell = at.unix_millis().div_ceil(self.shared.resolution);
        let cells = self.shared.cells;
        let mut part = self.shared.parts[part()].lock();
        let of_slot = |both: &mut Pair<Series>| match slot {
            Color::Blue => both.blue.record(cell, value, cells),
            Color::Green => both.green.record(cell, value, cells),
        };
        let is_kept = if let Some(both) = part.get_mut(metric) {
            of_slot(both)
        } else if part.len() < MOST_METRICS {
            let both = Pair::new(Series::default(), Series::default());
            of_slot(part.entry(metric.to_owned()).or_insert(both))
        } else {
            false
        };
        if !is_kept {
            self.shared.ignored.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many records were ignored so far.
    pub fn ignored(&self) -> u64 {
        self.shared.ignored.load(Ordering::Relaxed)
    }
}

impl Default for Observations {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl MetricSource for Observations {
    /// What was recorded under the metric's name, or under its `query` where it has one.
    async fn measure(
        &self,
        metric: &Metric,
        slot: Color,
        window: Window,
    ) -> Result<Option<Measurement>> {
        let name = metric.notation();
        let failed = |why: String| {
            let action = format!("measure {} of slot {slot}", metric.name);
            Error::new(ErrorKind::Rejected, action).with_source(why)
        };
        let resolution = self.shared.resolution;
        let until = window.until.unix_millis();
        let length = u64::try_from(window.length.as_millis()).unwrap_or(u64::MAX);
        let (from, until) = (until.saturating_sub(length) / resolution, until / resolution);
        let mut sum = Sum::default();
        for part in &self.shared.parts {
            if let Some(both) = part.lock().get(name) {
                both.of(slot).add_to(&mut sum, from, until).map_err(|forgotten| {
                    let time = |cell: u64| {
                        Timestamp::from_unix_millis(cell.saturating_mul(resolution))
                    };
                    let (found, wanted) = (time(from), time(forgotten));
                    failed(format!(
                        "found a window from {found} on, wanted one that begins at {wanted} or later: \
                         nothing before is kept"
                    ))
                })?;
            }
        }
        sum.measurement().map_err(|count| {
            failed(format!("found {count} values that are no numbers, wanted numbers only"))
        })
    }
}

impl fmt::Debug for Observations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observations")
            .field("resolution_ms", &self.shared.resolution)
            .field("cells", &self.shared.cells)
            .field("ignored", &self.ignored())
            .finish_non_exhaustive()
    }
}
