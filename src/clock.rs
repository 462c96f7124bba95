//! The only reader of wall time.

use std::{
    cell::Cell,
    sync::atomic::{AtomicI64, Ordering},
};

use jiff::{ToSpan, Zoned, tz::TimeZone};

use crate::domain::{
    compliance::{Span, policy::Window},
    policy::controls::Calendar,
    time::Timestamp,
};

/// Tells the time; never goes back, even when the machine's clock does.
#[derive(Debug)]
pub struct Clock {
    latest_micros: AtomicI64,
    /// A clock that tests set by hand reads nothing.
    is_manual: bool,
}

impl Clock {
    /// The machine's clock.
    #[must_use]
    pub const fn system() -> Self {
        Self {
            latest_micros: AtomicI64::new(0),
            is_manual: false,
        }
    }

    /// A clock that stands at `start` until it is moved.
    #[must_use]
    pub const fn manual(start: Timestamp) -> Self {
        Self {
            latest_micros: AtomicI64::new(start.micros()),
            is_manual: true,
        }
    }

    /// Now, at least as late as ever before.
    pub fn now(&self) -> Timestamp {
        if self.is_manual {
            return Timestamp::from_micros(self.latest_micros.load(Ordering::Acquire));
        }
        let micros = wall_micros();
        let before = self.latest_micros.fetch_max(micros, Ordering::AcqRel);
        Timestamp::from_micros(micros.max(before))
    }

    /// By how many seconds the time is ahead of the machine's clock, which was put back or is slow: until that
    /// catches up, time stands still.
    #[must_use]
    pub fn ahead_seconds(&self) -> i64 {
        if self.is_manual {
            return 0;
        }
        let latest = self.latest_micros.load(Ordering::Acquire);
        let ahead = latest.saturating_sub(wall_micros()).max(0);
        ahead.div_euclid(1_000_000)
    }

    /// Makes sure that the time is at least `time`: after recovery, the last record's.
    pub fn advance_to(&self, time: Timestamp) {
        self.latest_micros
            .fetch_max(time.micros(), Ordering::AcqRel);
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the reader of wall time")]
fn wall_micros() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since
        .ok()
        .and_then(|since| i64::try_from(since.as_micros()).ok())
        .unwrap_or(0)
}

/// The house's time zone: says where a moment stands in the calendar.
#[derive(Clone, Debug)]
pub struct Zone(TimeZone);

impl Zone {
    /// The zone of an IANA name such as `America/Bogota`, from the data built in.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        TimeZone::get(name).ok().map(Self)
    }

    /// Coordinated universal time.
    #[must_use]
    pub const fn utc() -> Self {
        Self(TimeZone::UTC)
    }

    /// Where `now` stands. The last minute's answer is remembered by each thread: a calendar does not
    /// change within a minute, and this is asked for every purchase.
    #[must_use]
    pub fn calendar(&self, now: Timestamp) -> Calendar {
        thread_local! {
            static LAST: Cell<Option<(i64, Calendar)>> = const { Cell::new(None) };
        }
        let minute = now.micros().div_euclid(60_000_000);
        if let Some((known, calendar)) = LAST.get()
            && known == minute
        {
            return calendar;
        }
        let calendar = self.work_out(now);
        LAST.set(Some((minute, calendar)));
        calendar
    }

    /// The calendar's day, week, month and year at a moment: their names and when the next begin.
    #[must_use]
    pub fn spans(&self, now: Timestamp) -> Vec<Span> {
        let moment = jiff::Timestamp::from_microsecond(now.micros()).unwrap_or_default();
        let date = moment.to_zoned(self.0.clone()).date();
        let week = date.iso_week_date();
        let monday = date.weekday().to_monday_zero_offset();
        let monday = date.checked_sub(i64::from(monday).days()).unwrap_or(date);
        let span = |window, key: String, (since, step): (jiff::civil::Date, jiff::Span)| {
            let next = since.checked_add(step).unwrap_or(since);
            let next = next.to_zoned(self.0.clone());
            let micros = next.map_or(now.micros(), |next| next.timestamp().as_microsecond());
            Span {
                window,
                key,
                ends_at: Timestamp::from_micros(micros),
            }
        };
        let (year, month) = (date.first_of_year(), date.first_of_month());
        let week_key = format!("{:04}-W{:02}", week.year(), week.week());
        vec![
            span(Window::Day, date.to_string(), (date, 1.day())),
            span(Window::Week, week_key, (monday, 1.week())),
            span(
                Window::Month,
                date.strftime("%Y-%m").to_string(),
                (month, 1.month()),
            ),
            span(
                Window::Year,
                date.strftime("%Y").to_string(),
                (year, 1.year()),
            ),
        ]
    }

    fn work_out(&self, now: Timestamp) -> Calendar {
        let moment = jiff::Timestamp::from_microsecond(now.micros()).unwrap_or_default();
        let local = moment.to_zoned(self.0.clone());
        let midnight = |date: jiff::civil::Date| {
            let start = date.to_zoned(self.0.clone());
            start.map_or(now, |start: Zoned| {
                Timestamp::from_micros(start.timestamp().as_microsecond())
            })
        };
        let date = local.date();
        let weekday = date.weekday().to_monday_zero_offset();
        let monday = date.checked_sub(i64::from(weekday).days()).unwrap_or(date);
        let minute = i32::from(local.hour()).saturating_mul(60);
        let minute = minute.saturating_add(i32::from(local.minute()));
        Calendar {
            day: midnight(date),
            week: midnight(monday),
            month: midnight(date.first_of_month()),
            year: midnight(date.first_of_year()),
            weekday: u8::try_from(weekday).unwrap_or(0),
            minute: u16::try_from(minute).unwrap_or(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_stands_in_the_calendar_of_its_zone() {
        // Sunday 2026-03-08 03:30 in New York, the hour after the clocks went forward.
        let now = Timestamp::from_micros(1_772_955_000_000_000);
        let zone = Zone::named("America/New_York").unwrap();
        let calendar = zone.calendar(now);
        let shown = |time: Timestamp| time.to_string();
        assert_eq!(shown(calendar.day), "2026-03-08T05:00:00.000000Z");
        assert_eq!(shown(calendar.week), "2026-03-02T05:00:00.000000Z");
        assert_eq!(shown(calendar.month), "2026-03-01T05:00:00.000000Z");
        assert_eq!(shown(calendar.year), "2026-01-01T05:00:00.000000Z");
        assert_eq!((calendar.weekday, calendar.minute), (6, 3 * 60 + 30));
    }

    #[test]
    fn windows_have_names_and_ends_in_their_zone() {
        // Friday 2027-01-01 01:00 in Bogota, where it is five hours before UTC.
        let now: Timestamp = "2027-01-01T06:00:00Z".parse().unwrap();
        let zone = Zone::named("America/Bogota").unwrap();
        let shown: Vec<_> = zone
            .spans(now)
            .iter()
            .map(|span| (span.key.clone(), span.ends_at.to_string()))
            .collect();
        let expected = [
            ("2027-01-01", "2027-01-02T05:00:00.000000Z"),
            ("2026-W53", "2027-01-04T05:00:00.000000Z"),
            ("2027-01", "2027-02-01T05:00:00.000000Z"),
            ("2027", "2028-01-01T05:00:00.000000Z"),
        ];
        assert_eq!(
            shown,
            expected.map(|(key, end)| (key.to_owned(), end.to_owned()))
        );
    }

    #[test]
    fn an_unknown_zone_is_none() {
        assert!(Zone::named("Mars/Olympus").is_none());
    }
}
