//! Sums over many accounts: what one of them has fits into 128 bits, what all have together may not.

use std::{
    fmt,
    ops::{AddAssign, SubAssign},
};

use num_bigint::BigInt;

/// An exact sum of however many amounts.
#[derive(Clone, Debug, Default)]
pub struct Sum {
    /// What fits.
    near: i128,
    /// What went beyond it: hardly ever anything.
    far: BigInt,
}

impl Sum {
    fn total(&self) -> BigInt {
        &self.far + self.near
    }

    /// Whether it is nothing.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.total() == BigInt::ZERO
    }
}

impl AddAssign<i128> for Sum {
    fn add_assign(&mut self, amount: i128) {
        match self.near.checked_add(amount) {
            Some(near) => self.near = near,
            None => {
                self.far += self.near;
                self.near = amount;
            }
        }
    }
}

impl SubAssign<i128> for Sum {
    fn sub_assign(&mut self, amount: i128) {
        match self.near.checked_sub(amount) {
            Some(near) => self.near = near,
            None => {
                self.far += self.near;
                self.far -= amount;
                self.near = 0;
            }
        }
    }
}

impl AddAssign<&Self> for Sum {
    fn add_assign(&mut self, other: &Self) {
        *self += other.near;
        self.far += &other.far;
    }
}

impl PartialEq for Sum {
    fn eq(&self, other: &Self) -> bool {
        self.total() == other.total()
    }
}

impl Eq for Sum {}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.total().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_what_whole_numbers_give(
            steps in prop::collection::vec((any::<i128>(), 0..3_u8), 0..40),
        ) {
            let (mut sum, mut whole) = (Sum::default(), BigInt::ZERO);
            for (amount, way) in steps {
                match way {
                    0 => {
                        sum += amount;
                        whole += amount;
                    }
                    1 => {
                        sum -= amount;
                        whole -= amount;
                    }
                    _ => {
                        sum += &sum.clone();
                        whole = &whole + &whole;
                    }
                }
            }
            prop_assert_eq!(sum.to_string(), whole.to_string());
            prop_assert_eq!(sum.is_zero(), whole == BigInt::ZERO);
        }
    }
}
