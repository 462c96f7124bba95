//! Exact decimal numbers: rates, fee values and local amounts pass through them, never through a float.

use std::{fmt, str::FromStr};

use num_bigint::BigInt;

use super::money::{AMOUNT_DIGITS_MAX, Amount, MoneyError, power_of_ten, shown};

/// How many digits always fit into 64 bits.
const DIGITS_OF_U64: usize = 19;
/// The most decimal places of a product.
const SCALE_MAX: u8 = 38;

/// An exact decimal number: `mantissa / 10^scale`. Rates, fee values and local amounts pass
/// through it, never through a float.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Decimal {
    /// The digits, signed.
    pub mantissa: i128,
    /// How many of them stand behind the point.
    pub scale: u8,
}

impl Decimal {
    /// One.
    pub const ONE: Self = Self {
        mantissa: 1,
        scale: 0,
    };

    /// `self × amount`, rounded down; zero for a negative number.
    ///
    /// # Errors
    ///
    /// [`MoneyError::OutOfRange`].
    pub fn of_rounded_down(self, amount: Amount) -> Result<Amount, MoneyError> {
        let numerator = Amount::from_minor(self.mantissa.max(0))?;
        amount.part_rounded_down(numerator, Amount::from_minor(power_of_ten(self.scale)?)?)
    }

    /// The sum, exactly.
    ///
    /// # Errors
    ///
    /// [`MoneyError::OutOfRange`].
    pub fn plus(self, other: Self) -> Result<Self, MoneyError> {
        let scale = self.scale.max(other.scale);
        let mantissa = self
            .scaled_exactly(scale)?
            .checked_add(other.scaled_exactly(scale)?)
            .ok_or(MoneyError::OutOfRange)?;
        Ok(Self { mantissa, scale })
    }

    /// The product, exactly.
    ///
    /// # Errors
    ///
    /// [`MoneyError::OutOfRange`].
    pub fn times(self, other: Self) -> Result<Self, MoneyError> {
        let (one, other) = (self.trimmed(), other.trimmed());
        let mantissa = one.mantissa.checked_mul(other.mantissa);
        let product = mantissa.map(|mantissa| Self {
            mantissa,
            scale: one.scale.saturating_add(other.scale),
        });
        product
            .map(Self::trimmed)
            .filter(|product| product.scale <= SCALE_MAX)
            .ok_or(MoneyError::OutOfRange)
    }

    /// Which of the two is larger, as numbers: `1.50` equals `1.5`.
    #[must_use]
    pub fn compare(self, other: Self) -> std::cmp::Ordering {
        let scale = self.scale.max(other.scale);
        match (self.scaled_exactly(scale), other.scaled_exactly(scale)) {
            (Ok(one), Ok(two)) => one.cmp(&two),
            _ => self.scaled_big(scale).cmp(&other.scaled_big(scale)),
        }
    }

    #[expect(
        clippy::arithmetic_side_effects,
        reason = "big integers do not overflow"
    )]
    fn scaled_big(self, digits: u8) -> BigInt {
        let up = u32::from(digits.saturating_sub(self.scale));
        BigInt::from(self.mantissa) * BigInt::from(10_u8).pow(up)
    }

    /// Without the zeros at its end: `1.50` becomes `1.5`.
    #[must_use]
    pub fn trimmed(mut self) -> Self {
        while self.scale > 0 && self.mantissa.checked_rem(10) == Some(0) {
            self.mantissa = self.mantissa.saturating_div(10);
            self.scale = self.scale.saturating_sub(1);
        }
        self
    }

    /// The same number with so many decimal places, if it needs no more.
    #[must_use]
    pub fn with_places(self, places: u8) -> Option<Self> {
        let mantissa = self.scaled_exactly(places).ok()?;
        Some(Self {
            mantissa,
            scale: places,
        })
    }

    pub(super) fn scaled_exactly(self, digits: u8) -> Result<i128, MoneyError> {
        let up = digits
            .checked_sub(self.scale)
            .ok_or(MoneyError::OutOfRange)?;
        self.mantissa
            .checked_mul(power_of_ten(up)?)
            .ok_or(MoneyError::OutOfRange)
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.scale == 0 {
            return self.mantissa.fmt(f);
        }
        let factor = 10_u128
            .checked_pow(u32::from(self.scale))
            .unwrap_or(u128::MAX);
        let digits = self.mantissa.unsigned_abs();
        let whole = digits.checked_div(factor).unwrap_or_default();
        let rest = digits.checked_rem(factor).unwrap_or_default();
        let sign = if self.mantissa < 0 { "-" } else { "" };
        write!(
            f,
            "{sign}{whole}.{rest:0width$}",
            width = usize::from(self.scale)
        )
    }
}

impl FromStr for Decimal {
    type Err = MoneyError;

    fn from_str(text: &str) -> Result<Self, MoneyError> {
        let wrong = || MoneyError::NotADecimal { text: shown(text) };
        let (sign, digits) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
        let (whole, places) = digits.split_once('.').unwrap_or((digits, "0"));
        let plain = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !plain(whole) || !plain(places) {
            return Err(wrong());
        }
        let places = if digits.contains('.') { places } else { "" };
        if whole
            .trim_start_matches('0')
            .len()
            .saturating_add(places.len())
            > AMOUNT_DIGITS_MAX
        {
            return Err(MoneyError::TooLarge {
                digits_max: AMOUNT_DIGITS_MAX,
            });
        }
        let read = |part: &str| {
            if part.len() <= DIGITS_OF_U64 {
                // Nearly always; what fits into 64 bits is added up in a quarter of the time.
                let sum = part.bytes().fold(0_u64, |sum, byte| {
                    let digit = u64::from(byte.wrapping_sub(b'0'));
                    sum.wrapping_mul(10).wrapping_add(digit)
                });
                return Some(i128::from(sum));
            }
            part.bytes().try_fold(0_i128, |sum, byte| {
                sum.checked_mul(10)?
                    .checked_add(i128::from(byte.saturating_sub(b'0')))
            })
        };
        let scale = u8::try_from(places.len()).map_err(|_| wrong())?;
        let high = read(whole).and_then(|high| high.checked_mul(power_of_ten(scale).ok()?));
        let joined = high
            .zip(read(places))
            .and_then(|(high, low)| high.checked_add(low));
        let mantissa = joined
            .and_then(|m| m.checked_mul(sign))
            .ok_or(MoneyError::OutOfRange)?;
        Ok(Self { mantissa, scale })
    }
}
