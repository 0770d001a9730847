//! The table of pairs.

/// How pairs came out: one attempt on each slot, at the same case.
///
/// ```
/// use bluegreen_validate::paired::stats::Table;
///
/// let table = Table { both: 88, live_only: 6, idle_only: 2, neither: 4 };
/// assert_eq!(table.cases(), 100);
/// assert!((table.difference() - -0.04).abs() < 1e-12);
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[allow(clippy::exhaustive_structs, reason = "there is no fifth way for two attempts to come out")]
pub struct Table {
    /// Both passed.
    pub both: u64,
    /// Live passed and idle failed.
    pub live_only: u64,
    /// Live failed and idle passed.
    pub idle_only: u64,
    /// Both failed.
    pub neither: u64,
}

impl Table {
    /// The number of pairs.
    pub const fn cases(&self) -> u64 {
        self.both + self.live_only + self.idle_only + self.neither
    }

    /// The pass rate of idle minus that of live; NaN without pairs.
    pub fn difference(&self) -> f64 {
        (self.idle_only as f64 - self.live_only as f64) / self.cases() as f64
    }

    /// The same with the slots exchanged.
    #[must_use]
    pub const fn swapped(self) -> Self {
        Self { live_only: self.idle_only, idle_only: self.live_only, ..self }
    }
}
