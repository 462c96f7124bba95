//! Moments and calendar months, given from outside; nothing here reads a clock.

use std::{fmt, str::FromStr};

use super::texts::eight_digits;

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

    /// When its day began, UTC, and how many days before it the month and the year did.
    #[must_use]
    pub fn utc_day(self) -> (Self, i64, i64) {
        let days = self.0.div_euclid(MICROS_PER_DAY);
        let (year, month, day) = civil_from_days(days);
        let in_month = day.saturating_sub(1);
        let is_leap =
            year.rem_euclid(4) == 0 && (year.rem_euclid(100) != 0 || year.rem_euclid(400) == 0);
        let before = usize::try_from(month.saturating_sub(1)).ok();
        let before = before.and_then(|month| DAYS_BEFORE_MONTH.get(month).copied());
        let in_year = before
            .unwrap_or(0)
            .saturating_add(i64::from(is_leap && month > 2))
            .saturating_add(in_month);
        (Self(days.saturating_mul(MICROS_PER_DAY)), in_month, in_year)
    }

    /// The calendar month, UTC.
    #[must_use]
    pub fn month(self) -> Month {
        let (year, month, _) = civil_from_days(self.0.div_euclid(MICROS_PER_DAY));
        Month {
            year: u16::try_from(year).unwrap_or(9999),
            month: u8::try_from(month).unwrap_or(12),
        }
    }
}

/// RFC 3339, UTC, with microseconds: `2026-11-21T07:34:56.000001Z`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text().as_str())
    }
}

/// A moment's text, without an allocation: every answer has two or three.
#[derive(Clone, Copy, Debug)]
pub struct TimeText([u8; 27]);

impl TimeText {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl AsRef<[u8]> for TimeText {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// How many days of a common year are before each month.
const DAYS_BEFORE_MONTH: [i64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
const MICROS_PER_DAY: i64 = 86_400_000_000;

impl Timestamp {
    /// RFC 3339, UTC, with microseconds; years 0000 to 9999.
    #[must_use]
    pub fn text(self) -> TimeText {
        let (year, month, day) = civil_from_days(self.0.div_euclid(MICROS_PER_DAY));
        let in_day = self.0.rem_euclid(MICROS_PER_DAY);
        let (seconds, micros) = (in_day.div_euclid(1_000_000), in_day.rem_euclid(1_000_000));
        let (minutes, second) = (seconds.div_euclid(60), seconds.rem_euclid(60));
        let (hour, minute) = (minutes.div_euclid(60), minutes.rem_euclid(60));
        let [y, y1, y2, y3, mo, mo1, d, d1] = eight_digits(side_by_side(year, month, day));
        let [_, _, h, h1, mi, mi1, s, s1] = eight_digits(side_by_side(hour, minute, second));
        let [_, _, u, u1, u2, u3, u4, u5] = eight_digits(side_by_side(0, 0, micros));
        TimeText([
            y, y1, y2, y3, b'-', mo, mo1, b'-', d, d1, b'T', h, h1, b':', mi, mi1, b':', s, s1,
            b'.', u, u1, u2, u3, u4, u5, b'Z',
        ])
    }
}

/// The digits of the parts of a date or a time, two for each but the first.
fn side_by_side(first: i64, second: i64, third: i64) -> u32 {
    let twos = first.max(0).saturating_mul(100).saturating_add(second);
    let digits = twos.saturating_mul(100).saturating_add(third);
    u32::try_from(digits).unwrap_or(0)
}

/// The calendar date of a count of days since 1970-01-01, in the proleptic Gregorian calendar.
///
/// Counts in eras of 400 years (146,097 days) that begin on a first of March, so that the leap day
/// is the last of its year.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let shifted = days.saturating_add(719_468);
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = day_of_era
        .saturating_sub(day_of_era.div_euclid(1_460))
        .saturating_add(day_of_era.div_euclid(36_524))
        .saturating_sub(day_of_era.div_euclid(146_096))
        .div_euclid(365);
    let leap_days = year_of_era
        .div_euclid(4)
        .saturating_sub(year_of_era.div_euclid(100));
    let day_of_year = day_of_era
        .saturating_sub(year_of_era.saturating_mul(365))
        .saturating_sub(leap_days);
    let march_month = day_of_year
        .saturating_mul(5)
        .saturating_add(2)
        .div_euclid(153);
    let days_before = march_month
        .saturating_mul(153)
        .saturating_add(2)
        .div_euclid(5);
    let day = day_of_year.saturating_sub(days_before).saturating_add(1);
    let month = march_month.saturating_add(if march_month < 10 { 3 } else { -9 });
    let year = era.saturating_mul(400).saturating_add(year_of_era);
    (year.saturating_add(i64::from(month <= 2)), month, day)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_a_library() {
        let mut micros = -62_135_596_800_000_000_i64;
        while micros < 253_402_300_799_999_999 {
            let ours = Timestamp::from_micros(micros);
            let theirs = jiff::Timestamp::from_microsecond(micros).unwrap();
            assert_eq!(ours.to_string(), format!("{theirs:.6}"));
            assert_eq!(ours.to_string().parse(), Ok(ours));
            let date = theirs.to_zoned(jiff::tz::TimeZone::UTC).date();
            let (_, in_month, in_year) = ours.utc_day();
            assert_eq!(in_month, i64::from(date.day()) - 1, "{theirs}");
            assert_eq!(in_year, i64::from(date.day_of_year()) - 1, "{theirs}");
            micros += 86_400_000_000 * 3 + 12_345_678_901;
        }
    }
}
