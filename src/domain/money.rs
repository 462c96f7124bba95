//! Money as integers of an asset's smallest unit, exact decimals, and the proportions between them.

use std::{cmp::Ordering, fmt, str::FromStr, sync::LazyLock};

use num_bigint::BigInt;

pub use super::decimal::Decimal;

/// What is wrong with a sum of money or its text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// An amount below zero.
    #[error("amount must not be negative, was {minor}")]
    Negative {
        /// What was given, in the smallest unit.
        minor: i128,
    },
    /// Text that is not a whole number of smallest units.
    #[error("amount must be a whole number of smallest units such as \"50000000\", was {text:?}")]
    NotAnAmount {
        /// The start of what was given.
        text: String,
    },
    /// Text that is not a decimal number.
    #[error("must be a decimal number such as \"50.00\", was {text:?}")]
    NotADecimal {
        /// The start of what was given.
        text: String,
    },
    /// More digits than are taken.
    #[error("amount is too large: at most {digits_max} digits are taken")]
    TooLarge {
        /// The limit.
        digits_max: usize,
    },
    /// More decimal places than the currency has.
    #[error("{currency} has {digits} decimal places, {given} were given")]
    TooPrecise {
        /// The currency.
        currency: Currency,
        /// What ISO 4217 gives it.
        digits: u8,
        /// What was given.
        given: usize,
    },
    /// Text that names no asset.
    #[error("asset must be SYMBOL/DECIMALS such as DUSD/6, was {text:?}")]
    NotAnAsset {
        /// The start of what was given.
        text: String,
    },
    /// Text that is no currency code.
    #[error("currency must be an ISO 4217 code such as USD, was {text:?}")]
    NotACurrency {
        /// The start of what was given.
        text: String,
    },
    /// A sum left the range of what is counted.
    #[error("the sum is out of range")]
    OutOfRange,
}

/// The longest amount taken from outside, in digits.
pub const AMOUNT_DIGITS_MAX: usize = 30;

/// A non-negative quantity of one asset, in that asset's smallest unit.
///
/// Unit: for `DUSD/6`, `Amount` 1_000_000 is one US dollar. The direction of a movement is carried
/// by its posting (source, destination), never by the amount.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Amount(i128);

impl Amount {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// Creates an amount from `minor` units.
    ///
    /// # Errors
    ///
    /// Returns [`MoneyError::Negative`] if `minor` is below zero.
    pub const fn from_minor(minor: i128) -> Result<Self, MoneyError> {
        if minor < 0 {
            return Err(MoneyError::Negative { minor });
        }
        Ok(Self(minor))
    }

    /// The count of smallest units, never negative.
    #[must_use]
    pub const fn minor(self) -> i128 {
        self.0
    }

    /// Whether it is nothing.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// The sum.
    ///
    /// # Errors
    ///
    /// [`MoneyError::OutOfRange`] past 2^127.
    pub fn plus(self, other: Self) -> Result<Self, MoneyError> {
        self.0
            .checked_add(other.0)
            .map(Self)
            .ok_or(MoneyError::OutOfRange)
    }

    /// The sum of parts of one whole, which is in range because the whole is.
    #[must_use]
    pub const fn saturating_plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// The difference, or nothing where `other` is larger.
    #[must_use]
    pub const fn minus_or_zero(self, other: Self) -> Self {
        if other.0 >= self.0 {
            Self::ZERO
        } else {
            Self(self.0.saturating_sub(other.0))
        }
    }

    /// `self × numerator / denominator`, rounded down, exact in between.
    ///
    /// # Errors
    ///
    /// [`MoneyError::OutOfRange`] if the denominator is zero or the result too large.
    pub fn part_rounded_down(self, numerator: Self, denominator: Self) -> Result<Self, MoneyError> {
        mul_div_floor(self.0, numerator.0, denominator.0).map(Self)
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Amount {
    type Err = MoneyError;

    fn from_str(text: &str) -> Result<Self, MoneyError> {
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(MoneyError::NotAnAmount { text: shown(text) });
        }
        if text.trim_start_matches('0').len() > AMOUNT_DIGITS_MAX {
            return Err(MoneyError::TooLarge {
                digits_max: AMOUNT_DIGITS_MAX,
            });
        }
        let minor = text.parse().map_err(|_| MoneyError::OutOfRange)?;
        Self::from_minor(minor)
    }
}

/// `value × numerator / denominator` rounded down, for non-negative arguments; through big
/// integers only when the product needs them.
fn mul_div_floor(value: i128, numerator: i128, denominator: i128) -> Result<i128, MoneyError> {
    if denominator <= 0 {
        return Err(MoneyError::OutOfRange);
    }
    if let Some(product) = value.checked_mul(numerator) {
        return product
            .checked_div(denominator)
            .ok_or(MoneyError::OutOfRange);
    }
    #[expect(
        clippy::arithmetic_side_effects,
        reason = "big integers do not overflow, and the denominator is above zero"
    )]
    let quotient = BigInt::from(value) * BigInt::from(numerator) / BigInt::from(denominator);
    i128::try_from(quotient).map_err(|_| MoneyError::OutOfRange)
}

/// The start of a text from outside, short enough for a message.
pub(crate) fn shown(text: &str) -> String {
    text.chars().take(40).collect()
}

/// What is counted: `SYMBOL/DECIMALS`, for example `DUSD/6` or `KSM/12`.
///
/// Small and `Copy`, so that a posting holds it without a pointer.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Asset {
    /// The symbol, padded, and behind it the decimals: one array, so that an asset is copied and
    /// compared by two moves.
    text: [u8; 12],
}

/// Marks the decimals of a bare currency code, which is another asset than one with its symbol.
const BARE: u8 = 0x80;

impl Asset {
    /// The longest symbol.
    pub const SYMBOL_MAX: usize = 11;
    /// The most decimals an asset may have.
    pub const DECIMALS_MAX: u8 = 18;

    /// Creates an asset from its parts.
    ///
    /// # Errors
    ///
    /// [`MoneyError::NotAnAsset`] for an empty, too long or non-alphanumeric symbol, or more than
    /// 18 decimals.
    pub fn new(symbol: &str, decimals: u8) -> Result<Self, MoneyError> {
        let wrong = || MoneyError::NotAnAsset {
            text: shown(symbol),
        };
        let bytes = symbol.as_bytes();
        let starts_with_letter = bytes.first().is_some_and(u8::is_ascii_alphabetic);
        let plain = bytes.iter().all(u8::is_ascii_alphanumeric);
        if !starts_with_letter || !plain || decimals > Self::DECIMALS_MAX {
            return Err(wrong());
        }
        let mut padded = [0; Self::SYMBOL_MAX];
        padded
            .get_mut(..bytes.len())
            .ok_or_else(wrong)?
            .copy_from_slice(bytes);
        Ok(Self::of_parts(padded, decimals))
    }

    const fn of_parts(symbol: [u8; Self::SYMBOL_MAX], decimals: u8) -> Self {
        let [a, b, c, d, e, f, g, h, i, j, k] = symbol;
        let text = [a, b, c, d, e, f, g, h, i, j, k, decimals];
        Self { text }
    }

    /// The symbol, padded, and the decimals as a record holds them.
    const fn split(&self) -> (&[u8; Self::SYMBOL_MAX], u8) {
        let [symbol @ .., decimals] = &self.text;
        (symbol, *decimals)
    }

    fn set_decimals(&mut self, stored: u8) {
        let [.., decimals] = &mut self.text;
        *decimals = stored;
    }

    /// What a ledger balance counts: a bare currency code (`USD`), or an asset (`DUSD/6`). A code of
    /// ISO 4217 has that currency's decimals, any other two.
    ///
    /// # Errors
    ///
    /// [`MoneyError::NotAnAsset`] for other text.
    pub fn of_ledger(text: &str) -> Result<Self, MoneyError> {
        if text.contains('/') {
            return text.parse();
        }
        let digits = text
            .parse()
            .map_or(2, |currency: Currency| currency.digits());
        let mut asset = Self::new(text, digits)?;
        asset.set_decimals(digits | BARE);
        Ok(asset)
    }

    /// Puts an asset together again from what a record holds.
    pub(crate) fn from_parts(symbol: &str, decimals: u8) -> Result<Self, MoneyError> {
        let mut asset = Self::new(symbol, decimals & !BARE)?;
        asset.set_decimals(decimals);
        Ok(asset)
    }

    /// The decimals as a record holds them.
    pub(crate) const fn stored_decimals(&self) -> u8 {
        self.split().1
    }

    /// Whether it is a bare currency code.
    #[must_use]
    pub const fn is_bare(&self) -> bool {
        self.stored_decimals() & BARE != 0
    }

    /// The symbol without the decimals.
    #[must_use]
    pub fn symbol(&self) -> &str {
        std::str::from_utf8(self.symbol_bytes()).unwrap_or_default()
    }

    /// The symbol's ASCII letters and digits.
    pub(crate) fn symbol_bytes(&self) -> &[u8] {
        let (symbol, _) = self.split();
        let end = symbol.iter().position(|byte| *byte == 0);
        symbol
            .get(..end.unwrap_or(Self::SYMBOL_MAX))
            .unwrap_or_default()
    }

    /// How many decimal places the smallest unit is below one.
    #[must_use]
    pub const fn decimals(&self) -> u8 {
        self.stored_decimals() & !BARE
    }
}

/// By symbol, then by decimals.
impl Ord for Asset {
    fn cmp(&self, other: &Self) -> Ordering {
        // As two numbers, not as twelve bytes: every purchase looks its assets up.
        let order = |asset: &Self| {
            let [a, b, c, d, e, f, g, h, i, j, k, l] = asset.text;
            let first = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
            (first, u32::from_be_bytes([i, j, k, l]))
        };
        order(self).cmp(&order(other))
    }
}

impl PartialOrd for Asset {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Asset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_bare() {
            return f.write_str(self.symbol());
        }
        write!(f, "{}/{}", self.symbol(), self.decimals())
    }
}

impl fmt::Debug for Asset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Asset {
    type Err = MoneyError;

    fn from_str(text: &str) -> Result<Self, MoneyError> {
        let wrong = || MoneyError::NotAnAsset { text: shown(text) };
        let (symbol, decimals) = text.split_once('/').ok_or_else(wrong)?;
        let plain = decimals.len() <= 2 && decimals.bytes().all(|byte| byte.is_ascii_digit());
        if !plain || (decimals.len() == 2 && decimals.starts_with('0')) {
            return Err(wrong());
        }
        Self::new(symbol, decimals.parse().map_err(|_| wrong())?).map_err(|_| wrong())
    }
}

/// An ISO 4217 alphabetic code.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency {
    /// The letters, and behind them the decimal places: one array, so that a currency is copied and
    /// compared by one move.
    text: [u8; 4],
}

impl Currency {
    /// Puts a currency together again from what a record holds, so that an old record keeps the
    /// decimal places it was made with.
    #[must_use]
    pub const fn from_parts(code: [u8; 3], digits: u8) -> Self {
        let [a, b, c] = code;
        let text = [a, b, c, digits];
        Self { text }
    }

    /// The three letters and the decimal places, as a record holds them.
    #[must_use]
    pub const fn parts(&self) -> ([u8; 3], u8) {
        let [code @ .., digits] = self.text;
        (code, digits)
    }

    /// How many decimal places the currency has. Source: ISO 4217.
    #[must_use]
    pub const fn digits(&self) -> u8 {
        self.parts().1
    }

    /// The three letters.
    #[must_use]
    pub fn code(&self) -> &str {
        let [code @ .., _] = &self.text;
        std::str::from_utf8(code).unwrap_or_default()
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl FromStr for Currency {
    type Err = MoneyError;

    #[inline]
    fn from_str(text: &str) -> Result<Self, MoneyError> {
        let wrong = || MoneyError::NotACurrency { text: shown(text) };
        let code: [u8; 3] = text.as_bytes().try_into().map_err(|_| wrong())?;
        let place = place_of(code).ok_or_else(wrong)?;
        let digits = DIGITS.get(place).copied().flatten().ok_or_else(wrong)?;
        Ok(Self::from_parts(code, digits))
    }
}

/// The decimal places of each code of three capitals that is listed, by [`place_of`]: the list itself
/// compares a code with one after the other, and every purchase names one.
static DIGITS: LazyLock<Vec<Option<u8>>> = LazyLock::new(|| {
    let letters = || b'A'..=b'Z';
    let codes =
        letters().flat_map(|a| letters().flat_map(move |b| letters().map(move |c| [a, b, c])));
    let digits = |code: [u8; 3]| {
        let listed = iso_currency::Currency::from_code(std::str::from_utf8(&code).ok()?)?;
        let exponent = listed.exponent();
        Some(exponent.and_then(|it| u8::try_from(it).ok()).unwrap_or(2))
    };
    codes.map(digits).collect()
});

fn place_of(code: [u8; 3]) -> Option<usize> {
    code.iter().try_fold(0_usize, |place, letter| {
        let letter = letter.checked_sub(b'A').filter(|it| *it < 26)?;
        place.checked_mul(26)?.checked_add(usize::from(letter))
    })
}

/// A non-negative amount in a merchant's currency, in that currency's ISO 4217 minor unit.
///
/// Unit: `LocalAmount { minor: 5000, currency: USD }` is 50.00 US dollars.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LocalAmount {
    /// The count of the currency's minor unit.
    pub minor: Amount,
    /// The currency.
    pub currency: Currency,
}

impl LocalAmount {
    /// Reads a decimal text with at most the currency's decimal places.
    ///
    /// # Errors
    ///
    /// [`MoneyError`] for text that is no plain decimal, is negative, too precise or too large.
    pub fn parse(text: &str, currency: Currency) -> Result<Self, MoneyError> {
        Self::from_decimal(text.parse()?, currency)
    }

    /// Takes a decimal with at most the currency's decimal places.
    ///
    /// # Errors
    ///
    /// [`MoneyError`] for a decimal that is negative, too precise or too large.
    pub fn from_decimal(decimal: Decimal, currency: Currency) -> Result<Self, MoneyError> {
        if decimal.mantissa < 0 {
            return Err(MoneyError::Negative {
                minor: decimal.mantissa,
            });
        }
        let digits = currency.digits();
        if decimal.scale > digits {
            let given = usize::from(decimal.scale);
            return Err(MoneyError::TooPrecise {
                currency,
                digits,
                given,
            });
        }
        let minor = decimal.scaled_exactly(digits)?;
        Ok(Self {
            minor: Amount::from_minor(minor)?,
            currency,
        })
    }
}

impl fmt::Display for LocalAmount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scale = self.currency.digits();
        Decimal {
            mantissa: self.minor.minor(),
            scale,
        }
        .fmt(f)
    }
}

/// Every power of ten that an i128 holds.
const POWERS_OF_TEN: [i128; 39] = {
    let mut powers = [1; 39];
    let (mut power, mut rest): (i128, &mut [i128]) = (1, &mut powers);
    while let [place, behind @ ..] = rest {
        *place = power;
        power = power.saturating_mul(10);
        rest = behind;
    }
    powers
};

pub(super) fn power_of_ten(exponent: u8) -> Result<i128, MoneyError> {
    let power = POWERS_OF_TEN.get(usize::from(exponent));
    power.copied().ok_or(MoneyError::OutOfRange)
}

/// Splits the part of a whole that lies between two cumulative points over `shares`, in proportion.
///
/// `shares` are the parts of the whole (they sum to it), `taken` what each gave already, and
/// `cumulative` how much of the whole is to be taken in all. What comes back sums to
/// `cumulative − Σ taken` exactly, never takes more from a share than it has, and at
/// `cumulative == whole` every share is used up.
///
/// # Errors
///
/// [`MoneyError::OutOfRange`] if `cumulative` lies below what was taken or above the whole.
pub fn apportion(
    shares: &[Amount],
    taken: &[Amount],
    cumulative: Amount,
) -> Result<Vec<Amount>, MoneyError> {
    let whole = sum(shares)?;
    let before = sum(taken)?;
    if cumulative > whole || cumulative < before || shares.len() != taken.len() {
        return Err(MoneyError::OutOfRange);
    }
    let mut left = cumulative.minus_or_zero(before);
    let mut parts = Vec::with_capacity(shares.len());
    for (share, taken) in shares.iter().zip(taken) {
        let target = if whole.is_zero() {
            Amount::ZERO
        } else {
            share.part_rounded_down(cumulative, whole)?
        };
        let part = target.minus_or_zero(*taken).min(left);
        left = left.minus_or_zero(part);
        parts.push(part);
    }
    // Rounding down leaves at most one unit a share: it goes to the first shares that have room.
    for ((part, share), taken) in parts.iter_mut().zip(shares).zip(taken) {
        let room = share.minus_or_zero(*taken).minus_or_zero(*part);
        let extra = room.min(left);
        *part = part.plus(extra)?;
        left = left.minus_or_zero(extra);
    }
    Ok(parts)
}

/// Splits the part of a whole between two cumulative points into what each fee inside the whole
/// takes of it; the rest, with all that rounding leaves, is the settlement's.
///
/// `whole` and `taken` each come with their fees' parts. At `cumulative == whole` every fee has
/// all of its part, however many points there were, and no fee's part is more than is split.
///
/// # Errors
///
/// As [`apportion`].
pub fn apportion_fees(
    (whole, fees): (Amount, &[Amount]),
    (taken, fees_taken): (Amount, &[Amount]),
    cumulative: Amount,
) -> Result<Vec<Amount>, MoneyError> {
    let with_rest = |all: Amount, fees: &[Amount]| -> Result<Vec<Amount>, MoneyError> {
        let mut shares = vec![all.minus_or_zero(sum(fees)?)];
        shares.extend_from_slice(fees);
        Ok(shares)
    };
    let shares = with_rest(whole, fees)?;
    let mut parts = apportion(&shares, &with_rest(taken, fees_taken)?, cumulative)?;
    parts.remove(0);
    Ok(parts)
}

/// The sum of `amounts`.
///
/// # Errors
///
/// [`MoneyError::OutOfRange`].
pub fn sum(amounts: &[Amount]) -> Result<Amount, MoneyError> {
    amounts
        .iter()
        .try_fold(Amount::ZERO, |total, amount| total.plus(*amount))
}
