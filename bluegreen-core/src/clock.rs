//! Time: wall-clock instants that survive a crash, and waits that tests can pause.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Where all time of this crate comes from.
///
/// # Contract
/// * `tells_one_time`: [`now`](Self::now) never goes back by itself while a [`sleep`](Self::sleep)
///   is waited for, and has moved on by about the time slept.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait Clock: Send + Sync {
    /// The wall-clock time. Deadlines are kept in it, because they must survive the process.
    fn now(&self) -> Timestamp;

    /// Returns after `duration`.
    ///
    /// # Cancel safety
    /// Only waits.
    async fn sleep(&self, duration: Duration);
}

/// The clock of the machine, with tokio's timer.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_unix_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// An instant of the wall clock, in whole milliseconds. Stored as RFC 3339 text in UTC.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The last instant that RFC 3339 can name, 9999-12-31T23:59:59.999Z.
    const LAST: u64 = 253_402_300_799_999;

    /// The instant `millis` milliseconds after 1970-01-01T00:00:00Z, at most the end of 9999.
    pub const fn from_unix_millis(millis: u64) -> Self {
        Self(if millis > Self::LAST { Self::LAST } else { millis })
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub const fn unix_millis(self) -> u64 {
        self.0
    }

    /// The instant `duration` later, saturating.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Self::from_unix_millis(self.0.saturating_add(millis))
    }

    /// The time from `earlier` until this instant; zero when `earlier` is later.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = UNIX_EPOCH + Duration::from_millis(self.0);
        humantime::format_rfc3339_millis(time).fmt(f)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let time = humantime::parse_rfc3339(&text).map_err(|error| {
            de::Error::custom(format_args!("`{text}` is not an RFC 3339 time: {error}"))
        })?;
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(Self::from_unix_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX)))
    }
}

/// Durations as people write them: `"30m"`, `"1h 30m"`, `"250ms"`. For `#[serde(with)]`.
pub mod duration_text {
    use super::{Deserialize, Deserializer, Duration, Serializer, de};

    /// Writes `duration` with its units.
    pub fn serialize<S: Serializer>(duration: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&humantime::format_duration(*duration))
    }

    /// Reads a duration with its units.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        let text = String::deserialize(from)?;
        humantime::parse_duration(&text).map_err(|error| {
            de::Error::custom(format_args!("`{text}` is not a duration like `30m`: {error}"))
        })
    }
}

/// Minutes, for plans: `minutes(30)`.
pub const fn minutes(count: u64) -> Duration {
    Duration::from_secs(count.saturating_mul(60))
}

/// Days, for plans: `days(14)`.
pub const fn days(count: u64) -> Duration {
    Duration::from_secs(count.saturating_mul(86_400))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_reads_back_what_it_wrote() {
        let time = Timestamp::from_unix_millis(1_764_000_000_123);
        assert_eq!(time.to_string(), "2025-11-24T16:00:00.123Z");
        let text = serde_json::to_string(&time).unwrap();
        assert_eq!(serde_json::from_str::<Timestamp>(&text).unwrap(), time);
        assert!(serde_json::from_str::<Timestamp>("\"yesterday\"").is_err());
    }

    #[test]
    fn an_absurd_duration_saturates() {
        let end = Timestamp::default().plus(Duration::MAX);
        assert_eq!(end.to_string(), "9999-12-31T23:59:59.999Z");
        assert_eq!(Timestamp::default().since(end), Duration::ZERO);
    }
}
