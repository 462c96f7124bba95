//! Schoolbook arithmetic.

use cardwright::domain::{
    command::StepAmount,
    money::{Asset, Currency},
};
use num_bigint::BigInt;

/// A fraction, as its two whole numbers.
pub(crate) type Fraction = (u32, u32);

pub(super) fn ten_to(exponent: u8) -> BigInt {
    BigInt::from(10).pow(u32::from(exponent))
}

pub(crate) fn in_range(number: &BigInt) -> bool {
    i128::try_from(number.clone()).is_ok()
}

pub(super) fn fit(number: BigInt) -> Result<BigInt, &'static str> {
    if in_range(&number) {
        Ok(number)
    } else {
        Err("out of range")
    }
}

/// Both arguments positive.
pub(super) fn divide_up(number: &BigInt, by: &BigInt) -> BigInt {
    let down = number / by;
    if &down * by == *number {
        down
    } else {
        down + 1
    }
}

pub(super) fn of(fraction: Fraction, amount: &BigInt) -> BigInt {
    amount * fraction.0 / fraction.1
}

/// A local amount in an asset of the same value, up to the next whole unit.
pub(super) fn to_asset(
    local: &BigInt,
    currency: Currency,
    asset: Asset,
) -> Result<BigInt, &'static str> {
    let scaled = local * ten_to(asset.decimals());
    fit(divide_up(&scaled, &ten_to(currency.digits())))
}

/// The other way, down.
pub(super) fn to_local(
    amount: &BigInt,
    currency: Currency,
    asset: Asset,
) -> Result<BigInt, &'static str> {
    fit(amount * ten_to(currency.digits()) / ten_to(asset.decimals()))
}

/// `whole` in the proportion of `part` to `of`, down; all of it at the end.
pub(super) fn proportion(
    whole: &BigInt,
    part: &BigInt,
    of: &BigInt,
) -> Result<BigInt, &'static str> {
    if part == of {
        Ok(whole.clone())
    } else {
        fit(whole * part / of)
    }
}

/// A step's amount in minor units.
pub(super) fn minor(given: &StepAmount, currency: Currency) -> Result<BigInt, &'static str> {
    if given.currency.is_some_and(|named| named != currency) {
        return Err("other currency");
    }
    if given.value.mantissa < 0 {
        return Err("negative");
    }
    if given.value.scale > currency.digits() {
        return Err("too precise");
    }
    let minor = fit(given.value.mantissa * ten_to(currency.digits() - given.value.scale))?;
    if minor == BigInt::ZERO {
        Err("amount required")
    } else {
        Ok(minor)
    }
}
