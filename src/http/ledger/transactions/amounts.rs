//! Sums as clients write them, exactly: JSON numbers in whatever notation, decimal strings, percentages.

use num_bigint::BigInt;
use serde_json::value::RawValue;

use crate::{
    domain::money::{AMOUNT_DIGITS_MAX, Amount, Decimal},
    http::ledger::fault::Fault,
};

/// The code of a sum that cannot be.
pub(super) const INVALID_AMOUNT: &str = "TXN_INVALID_AMOUNT";

/// The most digits of a number, without zeros at its ends.
const DIGITS_MAX: usize = 38;

/// Why a text is no number of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    /// It is none.
    NotANumber,
    /// It is below zero.
    Negative,
    /// It has more digits than are counted.
    TooLarge,
    /// It has a part of the smallest unit.
    TooPrecise,
}

impl Wrong {
    /// What to do about it.
    pub(super) fn sentence(self, field: &str) -> String {
        match self {
            Self::NotANumber => format!("{field} must be a decimal number such as 12.50"),
            Self::Negative => format!("{field} must not be negative"),
            Self::TooLarge => format!(
                "{field} is too large: at most {AMOUNT_DIGITS_MAX} digits of the smallest unit are taken"
            ),
            Self::TooPrecise => {
                format!("{field} times precision must be a whole number of smallest units")
            }
        }
    }
}

/// Reads a JSON number, or the same as text: `12.5`, `-1e3`, `1.5E-2`; exactly.
pub(super) fn number(text: &str) -> Result<Decimal, Wrong> {
    let (sign, rest) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let (digits, exponent) = match rest.find(['e', 'E']) {
        Some(at) => {
            let (digits, exponent) = rest.split_at_checked(at).unwrap_or((rest, ""));
            let exponent = exponent.get(1..).unwrap_or_default();
            let exponent = exponent.strip_prefix('+').unwrap_or(exponent);
            // A longer one is far beyond whatever is counted, either way.
            let is_plain = exponent.len() <= 6 && !exponent.starts_with('+');
            let known = exponent.parse::<i64>().ok().filter(|_| is_plain);
            (digits, known.ok_or(Wrong::NotANumber)?)
        }
        None => (rest, 0),
    };
    let (whole, places) = digits.split_once('.').unwrap_or((digits, "0"));
    let is_plain = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !is_plain(whole) || !is_plain(places) {
        return Err(Wrong::NotANumber);
    }
    let places = places.trim_end_matches('0');
    let whole = whole.trim_start_matches('0');
    let leading = if whole.is_empty() {
        places
            .len()
            .saturating_sub(places.trim_start_matches('0').len())
    } else {
        0
    };
    let len = whole
        .len()
        .saturating_add(places.len())
        .saturating_sub(leading);
    if len == 0 {
        return Ok(Decimal {
            mantissa: 0,
            scale: 0,
        });
    }
    if len > DIGITS_MAX {
        return Err(if whole.len() > DIGITS_MAX {
            Wrong::TooLarge
        } else {
            Wrong::TooPrecise
        });
    }
    let mantissa = whole
        .bytes()
        .chain(places.bytes())
        .try_fold(0_i128, |sum, byte| {
            sum.checked_mul(10)?
                .checked_add(i128::from(byte.saturating_sub(b'0')))
        });
    let mantissa = mantissa.ok_or(Wrong::TooLarge)?;
    let places = i64::try_from(places.len()).map_err(|_| Wrong::TooPrecise)?;
    let scale = places.saturating_sub(exponent);
    let (mantissa, scale) = match u8::try_from(scale) {
        Ok(scale) => (mantissa, scale),
        Err(_) if scale > 0 => return Err(Wrong::TooPrecise),
        Err(_) => {
            let up = u32::try_from(scale.saturating_neg()).map_err(|_| Wrong::TooLarge)?;
            let factor = 10_i128.checked_pow(up).ok_or(Wrong::TooLarge)?;
            (mantissa.checked_mul(factor).ok_or(Wrong::TooLarge)?, 0)
        }
    };
    let mantissa = mantissa.checked_mul(sign).ok_or(Wrong::TooLarge)?;
    let read = Decimal { mantissa, scale }.trimmed();
    if usize::from(read.scale) > DIGITS_MAX {
        return Err(Wrong::TooPrecise);
    }
    Ok(read)
}

/// So many units in smallest units, of which `factor` make one.
pub(super) fn precise(units: Decimal, factor: u64) -> Result<Amount, Wrong> {
    if units.mantissa < 0 {
        return Err(Wrong::Negative);
    }
    let places = 10_i128
        .checked_pow(u32::from(units.scale))
        .ok_or(Wrong::TooPrecise)?;
    let minor = match units.mantissa.checked_mul(i128::from(factor)) {
        Some(product) => {
            if product.checked_rem(places) != Some(0) {
                return Err(Wrong::TooPrecise);
            }
            product.checked_div(places).ok_or(Wrong::TooLarge)?
        }
        None => precise_big(units.mantissa, factor, places)?,
    };
    counted(minor)
}

#[expect(
    clippy::arithmetic_side_effects,
    reason = "big integers do not overflow, and a power of ten is above zero"
)]
fn precise_big(mantissa: i128, factor: u64, places: i128) -> Result<i128, Wrong> {
    let product = BigInt::from(mantissa) * BigInt::from(factor);
    let places = BigInt::from(places);
    if &product % &places != BigInt::ZERO {
        return Err(Wrong::TooPrecise);
    }
    i128::try_from(product / places).map_err(|_| Wrong::TooLarge)
}

/// A sum of smallest units, if it is one that is counted.
fn counted(minor: i128) -> Result<Amount, Wrong> {
    let digits_max = u32::try_from(AMOUNT_DIGITS_MAX).unwrap_or(u32::MAX);
    if 10_i128
        .checked_pow(digits_max)
        .is_some_and(|limit| minor >= limit)
    {
        return Err(Wrong::TooLarge);
    }
    Amount::from_minor(minor).map_err(|_| Wrong::Negative)
}

/// A whole number of smallest units: a JSON number, or digits as text.
pub(super) fn whole(raw: &RawValue) -> Result<Amount, Wrong> {
    let text = raw.get();
    let read = match unquoted(text) {
        Some(inner) => {
            let inner = inner.trim();
            let is_plain = !inner.is_empty() && inner.bytes().all(|byte| byte.is_ascii_digit());
            if !is_plain {
                return Err(Wrong::NotANumber);
            }
            number(inner)?
        }
        None if is_number(text) => number(text)?,
        None => return Err(Wrong::NotANumber),
    };
    precise(read, 1)
}

/// What stands between the quotes of a JSON string without escapes.
pub(super) fn unquoted(text: &str) -> Option<&str> {
    let inner = text.strip_prefix('"')?.strip_suffix('"')?;
    (!inner.contains('\\')).then_some(inner)
}

/// Whether a JSON value is a number.
pub(super) fn is_number(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_digit() || first == '-')
}

/// How many smallest units make one: a whole number above zero, 1 if nothing is said.
///
/// # Errors
///
/// 400 with the field.
pub(super) fn precision(raw: Option<&RawValue>) -> Result<u64, Fault> {
    let field = "precision";
    let Some(raw) = raw else { return Ok(1) };
    let not_whole = || {
        let message =
            "precision must be a whole number of smallest units for one unit, such as 100";
        Fault::invalid("TXN_PRECISION_NOT_INTEGER", field, message)
    };
    let wrong = |message: &str| Fault::invalid("TXN_VALIDATION_ERROR", field, message);
    if !is_number(raw.get()) {
        return Err(wrong("precision must be a number"));
    }
    let read = number(raw.get()).map_err(|why| match why {
        Wrong::TooPrecise => not_whole(),
        Wrong::NotANumber | Wrong::Negative | Wrong::TooLarge => {
            wrong("precision must be at most 18446744073709551615")
        }
    })?;
    if read.scale > 0 {
        return Err(not_whole());
    }
    let factor = u64::try_from(read.mantissa)
        .map_err(|_| wrong("precision must be from 1 to 18446744073709551615"))?;
    // Nothing and zero are one to the clients' own server.
    Ok(factor.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minor(text: &str, factor: u64) -> Result<i128, Wrong> {
        precise(number(text)?, factor).map(Amount::minor)
    }

    #[test]
    fn sums_are_exact() {
        for (text, factor, expected) in [
            ("0.29", 100, Ok(29)),
            ("1.1", 100, Ok(110)),
            ("4.35", 100, Ok(435)),
            ("1e3", 1, Ok(1_000)),
            ("1E+3", 1, Ok(1_000)),
            ("1.5e-2", 1_000, Ok(15)),
            ("0.000000000000000001", 1_000_000_000_000_000_000, Ok(1)),
            ("00012.500", 10, Ok(125)),
            ("0", 100, Ok(0)),
            ("0e0", 100, Ok(0)),
            ("0.0000", 100, Ok(0)),
            ("1e-2", 100, Ok(1)),
            ("100e-2", 1, Ok(1)),
            ("9007199254740993", 1, Ok(9_007_199_254_740_993)),
            (
                "999999999999999999999999999999",
                1,
                Ok(999_999_999_999_999_999_999_999_999_999),
            ),
            (
                "12345678901234.567890123456789012",
                1_000_000_000_000_000_000,
                Ok(12_345_678_901_234_567_890_123_456_789_012),
            ),
            ("0.295", 100, Err(Wrong::TooPrecise)),
            ("0.333", 3, Err(Wrong::TooPrecise)),
            ("1e-40", 100, Err(Wrong::TooPrecise)),
            ("1000000000000000000000000000000", 1, Err(Wrong::TooLarge)),
            ("1e30", 1, Err(Wrong::TooLarge)),
            ("1e29", 10, Err(Wrong::TooLarge)),
            ("1e400", 1, Err(Wrong::TooLarge)),
            ("1e999999999", 1, Err(Wrong::NotANumber)),
            ("-1", 1, Err(Wrong::Negative)),
            ("", 1, Err(Wrong::NotANumber)),
            (".5", 10, Err(Wrong::NotANumber)),
            ("5.", 10, Err(Wrong::NotANumber)),
            ("1e", 10, Err(Wrong::NotANumber)),
            ("0x10", 10, Err(Wrong::NotANumber)),
            ("--1", 10, Err(Wrong::NotANumber)),
            ("1 ", 10, Err(Wrong::NotANumber)),
        ] {
            let expected = match expected {
                Ok(minor) if minor > 999_999_999_999_999_999_999_999_999_999 => {
                    Err(Wrong::TooLarge)
                }
                other => other,
            };
            assert_eq!(minor(text, factor), expected, "{text} x {factor}");
        }
    }

    #[test]
    fn precisions_are_whole() {
        let read = |text: &str| {
            let raw: &RawValue = serde_json::from_str(text).unwrap();
            precision(Some(raw)).map_err(|fault| fault.code)
        };
        assert_eq!(read("100"), Ok(100));
        assert_eq!(read("1e2"), Ok(100));
        assert_eq!(read("100.0"), Ok(100));
        assert_eq!(read("0"), Ok(1));
        assert_eq!(read("18446744073709551615"), Ok(u64::MAX));
        assert_eq!(read("100.5"), Err("TXN_PRECISION_NOT_INTEGER"));
        assert_eq!(read("-100"), Err("TXN_VALIDATION_ERROR"));
        assert_eq!(read("1e20"), Err("TXN_VALIDATION_ERROR"));
        assert_eq!(read("\"100\""), Err("TXN_VALIDATION_ERROR"));
        assert_eq!(precision(None).ok(), Some(1));
    }
}
