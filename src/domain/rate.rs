//! An exact rate between two units of money: a fraction of two integers, never rounded by itself.
//! Only the amounts that come out of it are, and each says which way.

use num_bigint::BigUint;

use super::money::{Amount, Asset, Currency, Decimal, LocalAmount, MoneyError};

/// How many digits [`Rate::shown`] keeps of a rate that no finite decimal equals.
pub const SHOWN_DIGITS: u32 = 12;
const LAST_DIGIT: u32 = SHOWN_DIGITS - 1;
/// The most decimal places a decimal has.
const SCALE_MAX: u32 = 38;

/// How many units of one money a unit of another is worth. Whole units, not smallest ones: a
/// [`Rate`] from `KSM/12` to `COP` of 4012.55 says that one KSM buys 4,012.55 pesos.
///
/// Two integers below 2^128 as long as they suffice, big integers beyond: ordinary purchases need no
/// memory of their own.
#[derive(Clone, Debug)]
pub struct Rate(Fraction);

/// Neither part is ever zero.
#[derive(Clone, Debug)]
enum Fraction {
    Small(u128, u128),
    Large(Box<(BigUint, BigUint)>),
}

impl Rate {
    /// One for one: an asset pegged to the currency.
    pub const ONE: Self = Self(Fraction::Small(1, 1));

    /// A decimal as a rate.
    ///
    /// # Errors
    ///
    /// [`MoneyError::OutOfRange`] for zero, a negative number, or more than 38 decimal places.
    pub fn from_decimal(decimal: Decimal) -> Result<Self, MoneyError> {
        let decimal = decimal.trimmed();
        let numerator = u128::try_from(decimal.mantissa).map_err(|_| MoneyError::OutOfRange)?;
        let denominator = power_of_ten(decimal.scale).ok_or(MoneyError::OutOfRange)?;
        if numerator == 0 {
            return Err(MoneyError::OutOfRange);
        }
        let shared = greatest_shared_factor(numerator, denominator);
        let reduced = |part: u128| part.checked_div(shared).unwrap_or(part);
        Ok(Self(Fraction::Small(
            reduced(numerator),
            reduced(denominator),
        )))
    }

    /// The rate the other way round, exactly.
    #[must_use]
    pub fn inverse(self) -> Self {
        Self(match self.0 {
            Fraction::Small(numerator, denominator) => Fraction::Small(denominator, numerator),
            Fraction::Large(parts) => {
                let (numerator, denominator) = *parts;
                Fraction::Large(Box::new((denominator, numerator)))
            }
        })
    }

    /// One rate after another, exactly: units of C per A from units of B per A and of C per B.
    #[must_use]
    pub fn then(&self, next: &Self) -> Self {
        if let (Fraction::Small(a, b), Fraction::Small(c, d)) = (&self.0, &next.0)
            && let (Some(numerator), Some(denominator)) = (a.checked_mul(*c), b.checked_mul(*d))
        {
            return Self(Fraction::Small(numerator, denominator));
        }
        let ((a, b), (c, d)) = (self.big(), next.big());
        Self(Fraction::Large(Box::new((product(a, c), product(b, d)))))
    }

    /// The rate a card gets: this one, a mid rate, less `spread`, a fraction of it. A spread of 0.02
    /// leaves 0.98 of the rate.
    ///
    /// # Errors
    ///
    /// [`MoneyError::OutOfRange`] for a spread below zero, or of one and above.
    pub fn less(&self, spread: Decimal) -> Result<Self, MoneyError> {
        if spread.mantissa == 0 {
            return Ok(self.clone());
        }
        let one = power_of_ten(spread.scale).ok_or(MoneyError::OutOfRange)?;
        let taken = u128::try_from(spread.mantissa).map_err(|_| MoneyError::OutOfRange)?;
        let left = one.checked_sub(taken).filter(|left| *left > 0);
        let left = left.ok_or(MoneyError::OutOfRange)?;
        Ok(self.then(&Self(Fraction::Small(left, one))))
    }

    /// What `local` costs in `asset`, in the asset's smallest unit, rounded up; this being the rate
    /// from the asset to the local currency.
    ///
    /// # Errors
    ///
    /// [`MoneyError::OutOfRange`] past 2^127.
    pub fn debit(&self, local: LocalAmount, asset: Asset) -> Result<Amount, MoneyError> {
        let places = (local.currency.digits(), asset.decimals());
        self.divided(local.minor, places, Rounding::Up)
    }

    /// What a sum of local money finer than its minor unit costs in `asset`, rounded up.
    ///
    /// # Errors
    ///
    /// [`MoneyError::OutOfRange`] past 2^127, [`MoneyError::Negative`] below zero.
    pub fn debit_of(&self, local: Decimal, asset: Asset) -> Result<Amount, MoneyError> {
        let amount = Amount::from_minor(local.mantissa)?;
        self.divided(amount, (local.scale, asset.decimals()), Rounding::Up)
    }

    /// The bytes of its two integers, the lowest first: as a record holds it.
    #[must_use]
    pub fn parts(&self) -> (Vec<u8>, Vec<u8>) {
        let (numerator, denominator) = self.big();
        (numerator.to_bytes_le(), denominator.to_bytes_le())
    }

    /// A rate from what a record holds; nothing if a part is zero.
    #[must_use]
    pub fn from_parts(numerator: &[u8], denominator: &[u8]) -> Option<Self> {
        let read = |bytes| Some(BigUint::from_bytes_le(bytes)).filter(|n| *n != BigUint::ZERO);
        let (numerator, denominator) = (read(numerator)?, read(denominator)?);
        let small = u128::try_from(&numerator)
            .ok()
            .zip(u128::try_from(&denominator).ok());
        Some(Self(match small {
            Some((numerator, denominator)) => Fraction::Small(numerator, denominator),
            None => Fraction::Large(Box::new((numerator, denominator))),
        }))
    }

    /// The largest local amount that `amount` of `asset` covers, rounded down to the currency's
    /// minor unit; this being the rate from the asset to the local currency.
    ///
    /// Its [`debit`](Self::debit) is `amount` or less.
    ///
    /// # Errors
    ///
    /// [`MoneyError::OutOfRange`] past 2^127.
    pub fn covered_by(
        &self,
        amount: Amount,
        asset: Asset,
        currency: Currency,
    ) -> Result<LocalAmount, MoneyError> {
        let places = (asset.decimals(), currency.digits());
        let minor = self.times(amount, places, Rounding::Down)?;
        Ok(LocalAmount { minor, currency })
    }

    /// What `local` is in another currency, rounded up to its minor unit; this being the rate from
    /// the local currency to the other.
    ///
    /// # Errors
    ///
    /// [`MoneyError::OutOfRange`] past 2^127.
    pub fn converted(
        &self,
        local: LocalAmount,
        currency: Currency,
    ) -> Result<LocalAmount, MoneyError> {
        let places = (local.currency.digits(), currency.digits());
        let minor = self.times(local.minor, places, Rounding::Up)?;
        Ok(LocalAmount { minor, currency })
    }

    /// What a decimal sum is in `currency` at this rate, in its minor unit, rounded up.
    ///
    /// # Errors
    ///
    /// [`MoneyError::OutOfRange`] past 2^127, [`MoneyError::Negative`] below zero.
    pub fn converted_from(&self, sum: Decimal, currency: Currency) -> Result<Amount, MoneyError> {
        let amount = Amount::from_minor(sum.mantissa)?;
        self.times(amount, (sum.scale, currency.digits()), Rounding::Up)
    }

    /// The rate for people and for the books: exact where a decimal of at most 30 digits equals it,
    /// else its first twelve significant digits (and all digits before the point), rounded half to
    /// even.
    ///
    /// # Errors
    ///
    /// [`MoneyError::OutOfRange`] for a rate that no decimal of ours is near to.
    pub fn shown(&self) -> Result<Decimal, MoneyError> {
        if let Fraction::Small(numerator, denominator) = self.0 {
            if let Some(exact) = exact_decimal(numerator, denominator) {
                return Ok(exact);
            }
            if let Some(near) = near_decimal(numerator, denominator) {
                return Ok(near);
            }
        }
        let (numerator, denominator) = self.big();
        match big_exact_decimal(&numerator, &denominator) {
            Some(exact) => Ok(exact),
            None => big_near_decimal(&numerator, &denominator).ok_or(MoneyError::OutOfRange),
        }
    }

    /// `amount × self`, from one count of decimal places to another.
    fn times(
        &self,
        amount: Amount,
        (from, to): (u8, u8),
        rounding: Rounding,
    ) -> Result<Amount, MoneyError> {
        if let Fraction::Small(numerator, denominator) = &self.0 {
            let small = small_quotient(amount, (*numerator, *denominator), (from, to));
            if let Some(quotient) = small.and_then(|(over, under)| rounding.of(over, under)) {
                return from_u128(quotient);
            }
        }
        let (numerator, denominator) = self.big();
        big_quotient(amount, (numerator, denominator), (from, to), rounding)
    }

    /// `amount / self`, from one count of decimal places to another.
    fn divided(
        &self,
        amount: Amount,
        places: (u8, u8),
        rounding: Rounding,
    ) -> Result<Amount, MoneyError> {
        if let Fraction::Small(numerator, denominator) = &self.0 {
            let small = small_quotient(amount, (*denominator, *numerator), places);
            if let Some(quotient) = small.and_then(|(over, under)| rounding.of(over, under)) {
                return from_u128(quotient);
            }
        }
        let (numerator, denominator) = self.big();
        big_quotient(amount, (denominator, numerator), places, rounding)
    }

    fn big(&self) -> (BigUint, BigUint) {
        match &self.0 {
            Fraction::Small(numerator, denominator) => {
                (BigUint::from(*numerator), BigUint::from(*denominator))
            }
            Fraction::Large(parts) => (**parts).clone(),
        }
    }
}

/// Two rates are equal when they say the same, however their fractions are written.
impl PartialEq for Rate {
    fn eq(&self, other: &Self) -> bool {
        let ((a, b), (c, d)) = (self.big(), other.big());
        product(a, d) == product(c, b)
    }
}

impl Eq for Rate {}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Rounding {
    Up,
    Down,
}

impl Rounding {
    fn of(self, over: u128, under: u128) -> Option<u128> {
        let quotient = over.checked_div(under)?;
        let is_whole = over.checked_rem(under)? == 0;
        match self {
            Self::Up if !is_whole => quotient.checked_add(1),
            Self::Up | Self::Down => Some(quotient),
        }
    }
}

fn from_u128(minor: u128) -> Result<Amount, MoneyError> {
    Amount::from_minor(i128::try_from(minor).map_err(|_| MoneyError::OutOfRange)?)
}

fn power_of_ten(exponent: u8) -> Option<u128> {
    10_u128.checked_pow(u32::from(exponent))
}

/// `amount × times / by` in another count of decimal places, as a fraction; nothing if it does not
/// fit.
fn small_quotient(
    amount: Amount,
    (times, by): (u128, u128),
    (from, to): (u8, u8),
) -> Option<(u128, u128)> {
    let amount = u128::try_from(amount.minor()).ok()?;
    let over = amount.checked_mul(times)?;
    if to >= from {
        let up = power_of_ten(to.saturating_sub(from))?;
        Some((over.checked_mul(up)?, by))
    } else {
        let down = power_of_ten(from.saturating_sub(to))?;
        Some((over, by.checked_mul(down)?))
    }
}

#[expect(
    clippy::arithmetic_side_effects,
    reason = "big integers do not overflow, and no part of a rate is zero"
)]
fn big_quotient(
    amount: Amount,
    (times, by): (BigUint, BigUint),
    (from, to): (u8, u8),
    rounding: Rounding,
) -> Result<Amount, MoneyError> {
    let amount = BigUint::try_from(amount.minor()).map_err(|_| MoneyError::OutOfRange)?;
    let over = amount * times * big_power_of_ten(u32::from(to.saturating_sub(from)));
    let under = by * big_power_of_ten(u32::from(from.saturating_sub(to)));
    let bump = match rounding {
        Rounding::Up => &under - 1_u8,
        Rounding::Down => BigUint::ZERO,
    };
    let quotient = (over + bump) / under;
    from_u128(u128::try_from(quotient).map_err(|_| MoneyError::OutOfRange)?)
}

#[expect(
    clippy::arithmetic_side_effects,
    reason = "big integers do not overflow"
)]
fn product(a: BigUint, b: BigUint) -> BigUint {
    a * b
}

fn big_power_of_ten(exponent: u32) -> BigUint {
    BigUint::from(10_u8).pow(exponent)
}

/// Source: Euclid, Elements VII, proposition 2.
fn greatest_shared_factor(a: u128, b: u128) -> u128 {
    let (mut a, mut b) = (a, b);
    while let Some(rest) = a.checked_rem(b) {
        (a, b) = (b, rest);
    }
    a
}

/// How often `factor` divides `number`, and what is left of it. `number` is not zero.
fn strip(number: u128, factor: u128) -> (u32, u128) {
    let (mut times, mut rest) = (0_u32, number);
    while rest.checked_rem(factor) == Some(0) && rest > 0 {
        rest = rest.checked_div(factor).unwrap_or(rest);
        times = times.saturating_add(1);
    }
    (times, rest)
}

/// The largest mantissa that is shown exactly has 30 digits.
const MANTISSA_MAX: u128 = 10_u128.pow(30);

fn decimal(mantissa: u128, scale: u32) -> Option<Decimal> {
    let exact = Decimal {
        mantissa: i128::try_from(mantissa)
            .ok()
            .filter(|_| mantissa < MANTISSA_MAX)?,
        scale: u8::try_from(scale)
            .ok()
            .filter(|scale| u32::from(*scale) <= SCALE_MAX)?,
    };
    Some(exact.trimmed())
}

/// A fraction is a finite decimal if, but for twos and fives, its denominator divides its numerator.
fn exact_decimal(numerator: u128, denominator: u128) -> Option<Decimal> {
    let (twos, rest) = strip(denominator, 2);
    let (fives, rest) = strip(rest, 5);
    if numerator.checked_rem(rest)? != 0 {
        return None;
    }
    let scale = twos.max(fives);
    let whole = numerator.checked_div(rest)?;
    let by_twos = 2_u128.checked_pow(scale.saturating_sub(twos))?;
    let by_fives = 5_u128.checked_pow(scale.saturating_sub(fives))?;
    decimal(whole.checked_mul(by_twos)?.checked_mul(by_fives)?, scale)
}

/// The first [`SHOWN_DIGITS`] digits, all of them before the point; nothing if the way there does not
/// fit.
fn near_decimal(numerator: u128, denominator: u128) -> Option<Decimal> {
    // Either this many places are right, or one more.
    let guess = LAST_DIGIT
        .saturating_add(denominator.checked_ilog10()?)
        .saturating_sub(numerator.checked_ilog10()?);
    for scale in [guess, guess.saturating_add(1)] {
        let over = numerator.checked_mul(10_u128.checked_pow(scale)?)?;
        let mantissa = over.checked_div(denominator)?;
        if mantissa >= 10_u128.pow(LAST_DIGIT) {
            let rest = over.checked_rem(denominator)?;
            let up = rounds_up(mantissa, rest.cmp(&denominator.checked_sub(rest)?));
            return decimal(mantissa.checked_add(u128::from(up))?, scale);
        }
    }
    None
}

/// Half to even: what is cut off is compared with what is missing to the next digit.
fn rounds_up(mantissa: u128, cut: std::cmp::Ordering) -> bool {
    let is_odd = mantissa & 1 == 1;
    match cut {
        std::cmp::Ordering::Less => false,
        std::cmp::Ordering::Equal => is_odd,
        std::cmp::Ordering::Greater => true,
    }
}

/// The same with big integers: as many places as a decimal has are tried outright.
#[expect(
    clippy::arithmetic_side_effects,
    reason = "big integers do not overflow, and no part of a rate is zero"
)]
fn big_exact_decimal(numerator: &BigUint, denominator: &BigUint) -> Option<Decimal> {
    let over = numerator * big_power_of_ten(SCALE_MAX);
    if &over % denominator != BigUint::ZERO {
        return None;
    }
    let (mut mantissa, mut scale) = (over / denominator, SCALE_MAX);
    while scale > 0 && (&mantissa % 10_u8) == BigUint::ZERO {
        mantissa /= 10_u8;
        scale = scale.saturating_sub(1);
    }
    decimal(u128::try_from(mantissa).ok()?, scale)
}

#[expect(
    clippy::arithmetic_side_effects,
    reason = "big integers do not overflow, and no part of a rate is zero"
)]
fn big_near_decimal(numerator: &BigUint, denominator: &BigUint) -> Option<Decimal> {
    let least = big_power_of_ten(LAST_DIGIT);
    let part = |scale: u32| {
        let over = numerator * big_power_of_ten(scale);
        (scale, &over / denominator, over % denominator)
    };
    let enough = (0..SCALE_MAX)
        .map(part)
        .find(|(_, mantissa, _)| *mantissa >= least);
    let (scale, mantissa, rest) = enough.unwrap_or_else(|| part(SCALE_MAX));
    let mantissa = u128::try_from(mantissa).ok()?;
    let missing = denominator - &rest;
    let up = rounds_up(mantissa, rest.cmp(&missing));
    decimal(mantissa.checked_add(u128::from(up))?, scale)
}
