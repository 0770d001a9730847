//! The table at the end.

use std::sync::Arc;
use std::time::Duration;

use crate::load::Tally;

/// One row.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) tally: Arc<Tally>,
    /// From the decision to switch to the proof that traffic follows.
    pub(crate) switch: Option<Duration>,
    /// From the fault to traffic on pods that live.
    pub(crate) back: Option<Duration>,
    pub(crate) ended: String,
    /// Whether a request that failed here is one too many.
    pub(crate) must_lose_nothing: bool,
}

pub(crate) fn print(rows: &[Row]) {
    println!(
        "\n{:<38}{:>8}{:>8}{:>10}{:>10}{:>11}{:>11}",
        "", "served", "failed", "p50", "p99", "switch", "back"
    );
    for row in rows {
        let tally = &row.tally;
        println!(
            "{:<38}{:>8}{:>8}{:>10}{:>10}{:>11}{:>11}",
            row.name,
            tally.served(),
            tally.failed(),
            millis(tally.percentile(50)),
            millis(tally.percentile(99)),
            millis(row.switch),
            millis(row.back),
        );
    }
    println!();
    for row in rows {
        println!("{}: {}", row.name, row.ended);
        if let Some(failure) = row.tally.first_failure() {
            println!("    the first request that failed: {failure}");
        }
    }
}

/// Whether no request failed where none may, and something was served everywhere.
pub(crate) fn is_good(rows: &[Row]) -> bool {
    rows.iter().all(|row| row.tally.served() > 0)
        && rows.iter().all(|row| !row.must_lose_nothing || row.tally.failed() == 0)
}

fn millis(time: Option<Duration>) -> String {
    time.map_or_else(|| "-".to_owned(), |time| format!("{:.1} ms", time.as_secs_f64() * 1000.0))
}
