//! What is matched: amounts in whole units, spans of time, and a record of either side as rules see it.

use std::{fmt, str::FromStr};

use num_bigint::{BigInt, Sign};

use crate::domain::{money::Amount, time::Timestamp};

/// How many decimal places are kept: as many as the finest asset has.
const PLACES: u8 = 18;
/// The longest text of an amount.
const AMOUNT_BYTES_MAX: usize = 64;
/// The largest exponent of an amount, either way.
const EXPONENT_MAX: i32 = 40;
const MICROS_PER_DAY: i64 = 86_400_000_000;

/// An exact sum in whole units (dollars, not cents), with its sign.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Units(BigInt);

/// Why a text is no amount.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadAmount {
    /// No decimal.
    #[error("must be a decimal number such as 50.00, was {0:?}")]
    NotADecimal(String),
    /// Finer than any asset is.
    #[error("has more than {PLACES} decimal places")]
    TooFine,
}

impl Units {
    /// A count of an asset's smallest unit.
    #[must_use]
    pub fn of(amount: Amount, decimals: u8) -> Self {
        let up = u32::from(PLACES.saturating_sub(decimals));
        Self(BigInt::from(amount.minor()) * BigInt::from(10_u8).pow(up))
    }

    /// So many 10^-18.
    #[must_use]
    pub const fn from_atoms(atoms: BigInt) -> Self {
        Self(atoms)
    }

    /// How many 10^-18 it is.
    #[must_use]
    pub const fn atoms(&self) -> &BigInt {
        &self.0
    }

    /// One, in 10^-18.
    #[must_use]
    pub fn one() -> BigInt {
        BigInt::from(10_u8).pow(u32::from(PLACES))
    }

    /// The sum.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        Self(&self.0 + &other.0)
    }

    /// The difference.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        Self(&self.0 - &other.0)
    }

    /// Whether it is below zero.
    #[must_use]
    pub fn is_negative(&self) -> bool {
        self.0.sign() == Sign::Minus
    }

    /// Without its sign.
    #[must_use]
    pub fn magnitude(&self) -> BigInt {
        if self.is_negative() {
            return -&self.0;
        }
        self.0.clone()
    }
}

impl FromStr for Units {
    type Err = BadAmount;

    /// A decimal, in plain notation or with an exponent, as JSON writes numbers.
    fn from_str(text: &str) -> Result<Self, BadAmount> {
        let wrong = || BadAmount::NotADecimal(text.chars().take(40).collect());
        if text.len() > AMOUNT_BYTES_MAX {
            return Err(wrong());
        }
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse().map_err(|_| wrong())?),
            None => (text, 0_i32),
        };
        let is_negative = mantissa.starts_with('-');
        let digits = mantissa.strip_prefix(['-', '+']).unwrap_or(mantissa);
        let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
        let all = format!("{whole}{part}");
        let plain = all.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !plain || exponent.abs() > EXPONENT_MAX {
            return Err(wrong());
        }
        let trimmed = all.trim_end_matches('0');
        let dropped = all.len().saturating_sub(trimmed.len());
        let shift = i64::from(PLACES) + i64::from(exponent) - signed(part.len()) + signed(dropped);
        let Ok(number) = trimmed.parse::<BigInt>() else {
            // Nothing but zeros.
            return Ok(Self::default());
        };
        let up = u32::try_from(shift).map_err(|_| BadAmount::TooFine)?;
        let atoms = number * BigInt::from(10_u8).pow(up);
        Ok(Self(if is_negative { -atoms } else { atoms }))
    }
}

fn signed(len: usize) -> i64 {
    i64::try_from(len).unwrap_or(i64::MAX)
}

impl fmt::Display for Units {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.magnitude().to_string();
        let places = usize::from(PLACES);
        let padded = format!("{digits:0>width$}", width = places + 1);
        let (whole, part) = padded.split_at(padded.len().saturating_sub(places));
        let part = part.trim_end_matches('0');
        let sign = if self.is_negative() { "-" } else { "" };
        if part.is_empty() {
            return write!(f, "{sign}{whole}");
        }
        write!(f, "{sign}{whole}.{part}")
    }
}

/// When something was: a moment, or all of a day where only the day is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// Its first moment.
    pub first: Timestamp,
    /// Its last moment.
    pub last: Timestamp,
}

/// Text that is no date.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be a day such as 2026-01-31 or an RFC 3339 time such as 2026-01-31T09:30:00Z, was {0:?}"
)]
pub struct BadDate(String);

impl Span {
    /// One moment.
    #[must_use]
    pub const fn at(moment: Timestamp) -> Self {
        Self {
            first: moment,
            last: moment,
        }
    }

    /// How many microseconds lie between the two: none if they meet.
    #[must_use]
    pub fn gap(self, other: Self) -> u64 {
        let after = self.first.micros().saturating_sub(other.last.micros());
        let before = other.first.micros().saturating_sub(self.last.micros());
        u64::try_from(after.max(before)).unwrap_or(0)
    }

    /// The span that has both.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self {
            first: self.first.min(other.first),
            last: self.last.max(other.last),
        }
    }
}

impl FromStr for Span {
    type Err = BadDate;

    fn from_str(text: &str) -> Result<Self, BadDate> {
        let wrong = || BadDate(text.chars().take(40).collect());
        let is_day = text.len() == 10
            && text
                .bytes()
                .all(|byte| byte == b'-' || byte.is_ascii_digit());
        if is_day {
            let first: Timestamp = format!("{text}T00:00:00Z").parse().map_err(|_| wrong())?;
            let last = Timestamp::from_micros(first.micros().saturating_add(MICROS_PER_DAY - 1));
            return Ok(Self { first, last });
        }
        text.parse().map(Self::at).map_err(|_| wrong())
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            return self.first.fmt(f);
        }
        let (first, last) = (self.first.to_string(), self.last.to_string());
        let day = |text: &str| text.get(..10).unwrap_or_default().to_owned();
        if day(&first) == day(&last) {
            return f.write_str(&day(&first));
        }
        write!(f, "{first}/{last}")
    }
}

/// A row of somebody else's books.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct External {
    /// The line or place it was read from, from 1.
    pub row: u32,
    /// Its id there.
    pub id: String,
    /// How much.
    pub amount: Units,
    /// Of what: a currency or an asset.
    pub currency: String,
    /// What both sides may know it by.
    pub reference: String,
    /// For people.
    pub description: String,
    /// When.
    pub date: Span,
    /// Whose books.
    pub source: String,
}

/// One side of a pair as rules see it: a record, or several taken together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    // The order of the fields is the order of entries: by time first.
    /// When.
    pub span: Span,
    /// How much, in all.
    pub amount: Units,
    /// Of what, in one spelling for both sides.
    pub currency: String,
    /// In lower case, without spaces around.
    pub reference: String,
    /// In lower case, without spaces around.
    pub description: String,
    /// The records' ids.
    pub ids: Vec<String>,
    /// The places of the records in their list.
    pub members: Vec<usize>,
}

/// A text as it is compared.
#[must_use]
pub fn folded(text: &str) -> String {
    text.trim().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_exact() {
        for (text, shown) in [
            ("50.00", "50"),
            ("0.29", "0.29"),
            ("-1.50", "-1.5"),
            ("1e-05", "0.00001"),
            ("1.5E+3", "1500"),
            ("0.000000000000000001", "0.000000000000000001"),
            ("1.0000000000000000000000", "1"),
            ("000", "0"),
            ("-0.0", "0"),
            (
                "99999999999999999999999999999999.99",
                "99999999999999999999999999999999.99",
            ),
        ] {
            assert_eq!(text.parse::<Units>().unwrap().to_string(), shown, "{text}");
        }
        for text in ["", "-", ".5", "1,5", "1e99", "abc", "1.2.3", "NaN", "١"] {
            assert!(text.parse::<Units>().is_err(), "{text}");
        }
        assert_eq!(
            "0.0000000000000000001".parse::<Units>(),
            Err(BadAmount::TooFine)
        );
        let cents = Amount::from_minor(5_001).unwrap();
        assert_eq!(Units::of(cents, 2), "50.01".parse().unwrap());
    }

    #[test]
    fn a_day_has_all_its_moments() {
        let day: Span = "2026-03-01".parse().unwrap();
        let late: Span = "2026-03-01T23:59:59.999999Z".parse().unwrap();
        let next: Span = "2026-03-02T00:00:01Z".parse().unwrap();
        assert_eq!(day.gap(late), 0);
        assert_eq!(day.gap(next), 1_000_001);
        assert_eq!(next.gap(day), 1_000_001);
        assert_eq!(day.to_string(), "2026-03-01");
        for text in ["2026-02-30", "yesterday", "", "2026-03-01 10:00"] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
    }
}
