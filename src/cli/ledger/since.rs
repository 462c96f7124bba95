//! Moments as one types them: an age, a day, or a time.

use jiff::{Timestamp, civil::Date, tz::TimeZone};

/// The moment that `text` names at `now`: `90s`, `15m`, `1h`, `2d`, `1w` before it, a day of UTC, or a time in
/// RFC 3339.
///
/// # Errors
///
/// What it should have been.
pub(super) fn moment(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    let wrong = || {
        format!(
            "must be an age such as 15m, 1h or 2d, a day such as 2026-11-21, or a time such as \
             2026-11-21T10:00:00Z, was {text:?}"
        )
    };
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time);
    }
    if let Ok(day) = text.parse::<Date>() {
        let start = day.to_zoned(TimeZone::UTC).map_err(|_| wrong())?;
        return Ok(start.timestamp());
    }
    let unit_s: i64 = match text.chars().last() {
        Some('s') => 1,
        Some('m') => 60,
        Some('h') => 3_600,
        Some('d') => 86_400,
        Some('w') => 604_800,
        _ => return Err(wrong()),
    };
    let count = text.get(..text.len().saturating_sub(1)).unwrap_or_default();
    let count: u32 = count.parse().map_err(|_| wrong())?;
    let seconds = i64::from(count).saturating_mul(unit_s);
    now.checked_sub(jiff::SignedDuration::from_secs(seconds))
        .map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_days_and_times_are_moments() {
        let now: Timestamp = "2026-11-21T10:00:00Z".parse().unwrap();
        let check = |text: &str, moment_text: &str| {
            assert_eq!(
                moment(text, now).unwrap().to_string(),
                moment_text,
                "{text}"
            );
        };
        check("90s", "2026-11-21T09:58:30Z");
        check("1h", "2026-11-21T09:00:00Z");
        check("2d", "2026-11-19T10:00:00Z");
        check("2026-11-01", "2026-11-01T00:00:00Z");
        check("2026-11-01T05:00:00-05:00", "2026-11-01T10:00:00Z");
        for text in [
            "",
            "h",
            "1y",
            "-1h",
            "tomorrow",
            "99999999999d",
            "4294967295w",
            "1é",
        ] {
            let said = moment(text, now).unwrap_err();
            assert!(said.contains("15m"), "{text}: {said}");
        }
    }
}
