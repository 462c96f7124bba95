//! Which fees a debit carries, and how much each is. Fees are inside the debit, never on top.

use std::sync::Arc;

use super::Terms;
use crate::domain::{
    hold::{FeeBasis, FeeCategory, FeeLine},
    ids::AccountNo,
    money::{Amount, Asset, Currency, Decimal, MoneyError},
};

/// A fee of one layer. Source: Bloque docs, Fee Configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeeTerm {
    /// Its name; a later layer replaces a fee of the same name.
    pub name: Arc<str>,
    /// Who earns it: `account_urn`.
    pub treasury: Arc<str>,
    /// That one's account, if it is one of ours and not a treasury of the house.
    pub payee: Option<AccountNo>,
    /// How `value` is meant.
    pub basis: FeeBasis,
    /// The fraction, or the flat amount in the debit's smallest unit.
    pub value: Decimal,
    /// Its purpose.
    pub category: FeeCategory,
    /// When it applies; always, if none is said.
    pub rule: Option<FeeRule>,
}

impl FeeTerm {
    /// A percentage that always applies and that a treasury of the house earns.
    #[must_use]
    pub fn percentage(name: &str, treasury: &str, value: Decimal) -> Self {
        Self {
            name: name.into(),
            treasury: treasury.into(),
            payee: None,
            basis: FeeBasis::Percentage,
            value,
            category: FeeCategory::Custom,
            rule: None,
        }
    }
}

/// When a fee applies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FeeRule {
    /// `fx_conversion`: the asset is not pegged to the purchase's currency.
    FxConversion,
    /// `amount_range_usd`: the USD settlement amount is in the range, its ends included.
    AmountRangeUsd {
        /// From.
        min: Option<Decimal>,
        /// To.
        max: Option<Decimal>,
    },
    /// `wallet`: the wallet's name has this text in it, in whatever case.
    Wallet(Arc<str>),
}

/// The fees of a debit of `amount`.
///
/// # Errors
///
/// [`MoneyError::OutOfRange`].
pub fn fees_of(terms: &Terms, amount: Amount) -> Result<Vec<FeeLine>, MoneyError> {
    let line = |term: &FeeTerm| {
        Ok(FeeLine {
            name: term.name.clone(),
            treasury: term.treasury.clone(),
            payee: term.payee,
            category: term.category,
            basis: term.basis,
            value: term.value,
            amount: term.value.of_rounded_down(amount)?,
            charged: Amount::ZERO,
            returned: Amount::ZERO,
        })
    };
    let applies = |term: &&FeeTerm| term.rule.is_none();
    terms.fees.iter().filter(applies).map(line).collect()
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
