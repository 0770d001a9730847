//! One time at which nothing moves, on the wall clocks of a zone.

use std::str::FromStr;

use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{Span, ToSpan as _};

use crate::Timestamp;

/// Minutes in a week.
const WEEK: usize = 7 * 24 * 60;
/// What a window looks like.
const WANTED: &str = "`Fri 16:00 - Mon 08:00`, `2026-12-24`, `2026-12-24 - 2026-12-26` or \
                      `2026-12-24 12:00 - 2027-01-02 08:00`";
const EMPTY: &str = "an end after the beginning";
const DAYS: [(&str, Weekday); 7] = [
    ("mon", Weekday::Monday),
    ("tue", Weekday::Tuesday),
    ("wed", Weekday::Wednesday),
    ("thu", Weekday::Thursday),
    ("fri", Weekday::Friday),
    ("sat", Weekday::Saturday),
    ("sun", Weekday::Sunday),
];

#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Window {
    /// Every week, from one time to the next such time.
    Weekly { from: (Weekday, Time), to: (Weekday, Time) },
    /// Once.
    Once { from: DateTime, to: DateTime },
}

impl FromStr for Window {
    /// What is wanted instead.
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // Dates have hyphens too, but none with spaces around it.
        let mut ends = text.split(" - ").flat_map(|part| part.split('–')).map(str::trim);
        let (Some(from), to, None) = (ends.next(), ends.next(), ends.next()) else {
            return Err(WANTED);
        };
        if let Some(first) = date(from) {
            let last = to.map_or(Some(first), date).ok_or(WANTED)?;
            // All of the last day.
            let end = last.tomorrow().map_err(|_| WANTED)?;
            return once(first.to_datetime(Time::midnight()), end.to_datetime(Time::midnight()));
        }
        let to = to.ok_or(WANTED)?;
        if let (Some(from), Some(to)) = (moment(from), moment(to)) {
            return once(from, to);
        }
        let (from, to) = (of_week(from).ok_or(WANTED)?, of_week(to).ok_or(WANTED)?);
        if from == to {
            return Err(EMPTY);
        }
        Ok(Self::Weekly { from, to })
    }
}

impl Window {
    /// When it ends, if `at` is in it.
    pub(super) fn end_at(&self, at: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        match self {
            Self::Once { from, to } => within(*from, *to, at, zone),
            Self::Weekly { from, to } => {
                let millis = i64::try_from(at.unix_millis()).ok()?;
                let now = jiff::Timestamp::from_millisecond(millis).ok()?;
                let today = zone.to_datetime(now).date();
                // One that began up to a week ago may still go on.
                (0..=8_i64).find_map(|back| {
                    let day = today.checked_add(Span::new().days(1 - back)).ok()?;
                    if day.weekday() != from.0 {
                        return None;
                    }
                    let mut length = i64::from(from.0.until(to.0));
                    if length == 0 && to.1 <= from.1 {
                        length = 7;
                    }
                    let last = day.checked_add(length.days()).ok()?;
                    within(day.to_datetime(from.1), last.to_datetime(to.1), at, zone)
                })
            }
        }
    }

    /// Whether these windows together leave no minute of a week.
    pub(super) fn fill_the_week(windows: &[Self]) -> bool {
        let mut taken = vec![false; WEEK];
        for window in windows {
            let Self::Weekly { from, to } = window else { continue };
            let (mut minute, end) = (minute_of_week(*from), minute_of_week(*to));
            while minute != end {
                taken[minute] = true;
                minute = (minute + 1) % WEEK;
            }
        }
        taken.into_iter().all(|taken| taken)
    }
}

/// The end, if `at` is between the two. A time that comes twice begins with the first and ends with
/// the second.
fn within(from: DateTime, to: DateTime, at: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
    let from = zone.to_ambiguous_timestamp(from).earlier().ok()?.as_millisecond();
    let to = zone.to_ambiguous_timestamp(to).later().ok()?.as_millisecond();
    let now = i64::try_from(at.unix_millis()).ok()?;
    let to = u64::try_from(to).ok().filter(|_| from <= now && now < to)?;
    Some(Timestamp::from_unix_millis(to))
}

fn once(from: DateTime, to: DateTime) -> Result<Window, &'static str> {
    if from < to { Ok(Window::Once { from, to }) } else { Err(EMPTY) }
}

/// `2026-12-24`, and none of the other forms that a parser of dates may take.
fn date(text: &str) -> Option<Date> {
    text.parse().ok().filter(|_| text.len() == "2026-12-24".len())
}

/// `2026-12-24 12:00`.
fn moment(text: &str) -> Option<DateTime> {
    let (day, time) = text.split_once(' ')?;
    Some(date(day)?.to_datetime(clock_time(time)?))
}

/// `Fri 16:00`.
fn of_week(text: &str) -> Option<(Weekday, Time)> {
    let (day, time) = text.split_once(' ')?;
    let day = day.to_ascii_lowercase();
    let found = DAYS.iter().find(|(name, _)| *name == day)?;
    Some((found.1, clock_time(time)?))
}

/// `16:00`.
fn clock_time(text: &str) -> Option<Time> {
    let (hour, minute) = text.trim().split_once(':')?;
    let is_plain = |part: &str| part.len() == 2 && part.bytes().all(|it| it.is_ascii_digit());
    if !is_plain(hour) || !is_plain(minute) {
        return None;
    }
    Time::new(hour.parse().ok()?, minute.parse().ok()?, 0, 0).ok()
}

fn minute_of_week((day, time): (Weekday, Time)) -> usize {
    let day = usize::try_from(day.to_monday_zero_offset()).unwrap_or_default();
    let hour = usize::try_from(time.hour()).unwrap_or_default();
    (day * 24 + hour) * 60 + usize::try_from(time.minute()).unwrap_or_default()
}
