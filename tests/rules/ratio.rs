//! Fractions of whole numbers, never rounded until asked.

use std::cmp::Ordering;

use cardwright::domain::money::Decimal;
use num_bigint::BigInt;

/// A number that is not negative: over and under, under above zero.
#[derive(Clone, Debug)]
pub(crate) struct Ratio {
    over: BigInt,
    under: BigInt,
}

pub(crate) fn ten_to(exponent: u8) -> BigInt {
    BigInt::from(10).pow(u32::from(exponent))
}

impl Ratio {
    pub(crate) fn whole(number: impl Into<BigInt>) -> Self {
        Self {
            over: number.into(),
            under: BigInt::from(1),
        }
    }

    pub(crate) fn decimal(decimal: Decimal) -> Self {
        Self {
            over: decimal.mantissa.into(),
            under: ten_to(decimal.scale),
        }
    }

    /// `minor` smallest units of a money with so many decimals, in whole units.
    pub(crate) fn units(minor: &BigInt, decimals: u8) -> Self {
        Self {
            over: minor.clone(),
            under: ten_to(decimals),
        }
    }

    pub(crate) fn times(&self, other: &Self) -> Self {
        Self {
            over: &self.over * &other.over,
            under: &self.under * &other.under,
        }
    }

    pub(crate) fn by(&self, other: &Self) -> Self {
        assert!(other.over > BigInt::ZERO, "nothing is divided by nothing");
        Self {
            over: &self.over * &other.under,
            under: &self.under * &other.over,
        }
    }

    pub(crate) fn plus(&self, other: &Self) -> Self {
        Self {
            over: &self.over * &other.under + &other.over * &self.under,
            under: &self.under * &other.under,
        }
    }

    pub(crate) fn minus(&self, other: &Self) -> Self {
        Self {
            over: &self.over * &other.under - &other.over * &self.under,
            under: &self.under * &other.under,
        }
    }

    pub(crate) fn down(&self) -> BigInt {
        &self.over / &self.under
    }

    pub(crate) fn up(&self) -> BigInt {
        let down = self.down();
        if &down * &self.under == self.over {
            down
        } else {
            down + 1
        }
    }
}

impl PartialEq for Ratio {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Ratio {}

impl PartialOrd for Ratio {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ratio {
    fn cmp(&self, other: &Self) -> Ordering {
        (&self.over * &other.under).cmp(&(&other.over * &self.under))
    }
}
