//! Amounts in the words of callers: decimals of units.

use super::transaction::Precision;
use crate::domain::money::Amount;

/// How many decimal places are written of a quotient that does not end.
const PLACES_MAX: usize = 30;

impl Precision {
    /// An amount of smallest units as a decimal of units: exactly, unless the factor is such that it has
    /// no end (3, say); then cut off.
    #[must_use]
    pub fn of(amount: Amount, factor: u64) -> Self {
        let unit = i128::from(factor.max(1));
        let minor = amount.minor();
        let mut text = minor.checked_div(unit).unwrap_or(0).to_string();
        let mut rest = minor.checked_rem(unit).unwrap_or(0);
        if rest != 0 {
            text.push('.');
        }
        for _ in 0..PLACES_MAX {
            if rest == 0 {
                break;
            }
            // Below ten times 2^64.
            rest = rest.saturating_mul(10);
            text.push_str(&rest.checked_div(unit).unwrap_or(0).to_string());
            rest = rest.checked_rem(unit).unwrap_or(0);
        }
        Self {
            factor,
            amount: text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_written_without_loss() {
        let check = |minor: i128, factor: u64, expect: &str| {
            let amount = Amount::from_minor(minor).expect("not negative");
            assert_eq!(Precision::of(amount, factor).amount, expect);
        };
        check(0, 100, "0");
        check(29, 100, "0.29");
        check(1_250, 100, "12.5");
        check(5_000, 100, "50");
        check(7, 1, "7");
        check(7, 8, "0.875");
        check(1, 1_000_000_000_000_000_000, "0.000000000000000001");
        check(i128::MAX, 10, "17014118346046923173168730371588410572.7");
        check(1, 3, &format!("0.{}", "3".repeat(30)));
        check(7, 0, "7");
    }
}
