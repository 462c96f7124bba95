//! Which fees a debit carries, and how much each is. Fees are inside the debit, never on top.

use super::Terms;
use crate::domain::{
    hold::{FeeBasis, FeeLine},
    money::{Amount, Asset, Currency, MoneyError},
};

/// The fees of a debit of `amount`.
///
/// # Errors
///
/// [`MoneyError::OutOfRange`].
pub fn fees_of(terms: &Terms, amount: Amount) -> Result<Vec<FeeLine>, MoneyError> {
    let line = |term: &super::FeeTerm| {
        Ok(FeeLine {
            name: term.name.clone(),
            treasury: term.treasury.clone(),
            basis: FeeBasis::Percentage,
            value: term.fraction,
            amount: term.fraction.of_rounded_down(amount)?,
            charged: Amount::ZERO,
            returned: Amount::ZERO,
        })
    };
    terms.fees.iter().map(line).collect()
}

/// Sets each fee to its part of a debit that has grown to `amount`.
///
/// # Errors
///
/// [`MoneyError::OutOfRange`].
pub fn regrow(fees: &mut [FeeLine], amount: Amount) -> Result<(), MoneyError> {
    for fee in fees {
        fee.amount = match fee.basis {
            FeeBasis::Percentage => fee.value.of_rounded_down(amount)?,
            FeeBasis::Flat => fee.amount,
        };
    }
    Ok(())
}

/// The asset that equals `currency`, among those the house knows.
#[must_use]
pub fn is_direct_match(terms: &Terms, asset: Asset, currency: Currency) -> bool {
    terms
        .asset(asset)
        .is_some_and(|term| term.pegged == Some(currency))
}
