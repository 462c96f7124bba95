//! Moments and calendar months, given from outside; nothing here reads a clock.

use std::{fmt, str::FromStr};

/// A moment: microseconds since the Unix epoch, UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// Wraps a count of microseconds.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// The count of microseconds.
    #[must_use]
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// The moment `seconds` later, at most the end of time.
    #[must_use]
    pub const fn plus_seconds(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds.saturating_mul(1_000_000)))
    }

    /// The next moment that can be told apart.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// Whole seconds since the Unix epoch, rounded down.
    #[must_use]
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// The calendar month, UTC.
    #[must_use]
    pub fn month(self) -> Month {
        let date = self.civil();
        let year = u16::try_from(date.year()).unwrap_or(9999);
        Month {
            year,
            month: u8::try_from(date.month()).unwrap_or(12),
        }
    }

    fn civil(self) -> jiff::civil::Date {
        let instant = jiff::Timestamp::from_microsecond(self.0).unwrap_or(jiff::Timestamp::MAX);
        instant.to_zoned(jiff::tz::TimeZone::UTC).date()
    }
}

/// RFC 3339, UTC, with microseconds: `2026-11-21T07:34:56.000001Z`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let instant = jiff::Timestamp::from_microsecond(self.0).unwrap_or(jiff::Timestamp::MAX);
        write!(f, "{instant:.6}")
    }
}

/// Text that is no RFC 3339 moment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be an RFC 3339 time such as 2026-01-31T00:00:00Z, was {text:?}")]
pub struct NotATime {
    text: String,
}

impl FromStr for Timestamp {
    type Err = NotATime;

    fn from_str(text: &str) -> Result<Self, NotATime> {
        let wrong = || NotATime {
            text: super::money::shown(text),
        };
        let instant: jiff::Timestamp = text.parse().map_err(|_| wrong())?;
        Ok(Self(instant.as_microsecond()))
    }
}

/// A calendar month, as on the face of a card; a card is valid through its last day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Month {
    /// The year, four digits.
    pub year: u16,
    /// 1 to 12.
    pub month: u8,
}

impl Month {
    /// The same month `years` later.
    #[must_use]
    pub const fn plus_years(self, years: u16) -> Self {
        Self {
            year: self.year.saturating_add(years),
            month: self.month,
        }
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)
    }
}
