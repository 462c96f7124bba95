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

/// What rules of fees look at.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// Whether the asset is not pegged to the purchase's currency.
    pub is_conversion: bool,
    /// The USD settlement amount, where it is known.
    pub usd: Option<Decimal>,
    /// The wallet that the card was used from.
    pub wallet: Option<&'a str>,
}

/// The spread of a conversion when no fee of the category `fx` is configured.
const SPREAD_DEFAULT: Decimal = Decimal {
    mantissa: 2,
    scale: 2,
};

/// The fees of the three layers: a later layer's fee stands in the place of an earlier one of its
/// name, new ones come behind.
#[must_use]
pub fn layered(layers: [&[FeeTerm]; 3]) -> Vec<&FeeTerm> {
    let [base, origin, card] = layers;
    let mut merged: Vec<&FeeTerm> = base.iter().collect();
    for term in origin.iter().chain(card) {
        match merged.iter_mut().find(|known| known.name == term.name) {
            Some(known) => *known = term,
            None => merged.push(term),
        }
    }
    merged
}

impl FeeRule {
    /// Whether a fee with this rule applies. A purchase whose value in US dollars is unknown is in no
    /// range of them.
    #[must_use]
    pub fn applies(&self, facts: &Facts<'_>) -> bool {
        match self {
            Self::FxConversion => facts.is_conversion,
            Self::AmountRangeUsd { min, max } => facts.usd.is_some_and(|usd| {
                min.is_none_or(|min| usd.compare(min).is_ge())
                    && max.is_none_or(|max| usd.compare(max).is_le())
            }),
            Self::Wallet(name) => facts
                .wallet
                .is_some_and(|wallet| wallet.to_lowercase().contains(&name.to_lowercase())),
        }
    }
}

/// Keeps the fees that apply.
pub fn retain_applying(merged: &mut Vec<&FeeTerm>, facts: &Facts<'_>) {
    merged.retain(|term| term.rule.as_ref().is_none_or(|rule| rule.applies(facts)));
}

/// By how much a conversion makes the rate worse: the sum of the `fx` fees that apply; two per cent
/// where none is configured at all.
///
/// # Errors
///
/// [`MoneyError::OutOfRange`].
pub fn spread(merged: &[&FeeTerm], facts: &Facts<'_>) -> Result<Decimal, MoneyError> {
    let is_fx = |term: &&&FeeTerm| term.category == FeeCategory::Fx;
    if !merged.iter().any(|term| is_fx(&term)) {
        return Ok(SPREAD_DEFAULT);
    }
    let applies = |term: &&&FeeTerm| term.rule.as_ref().is_none_or(|rule| rule.applies(facts));
    let zero = Decimal {
        mantissa: 0,
        scale: 0,
    };
    merged
        .iter()
        .filter(is_fx)
        .filter(applies)
        .filter(|term| term.basis == FeeBasis::Percentage)
        .try_fold(zero, |sum, term| sum.plus(term.value))
}

/// The lines of `applying` fees for a debit of `amount`: percentages of it, and flat amounts.
///
/// # Errors
///
/// [`MoneyError::OutOfRange`]; `Ok(None)` if together they are more than the debit.
pub fn lines(applying: &[&FeeTerm], amount: Amount) -> Result<Option<Vec<FeeLine>>, MoneyError> {
    let lines: Vec<FeeLine> = applying
        .iter()
        .map(|term| line(term, amount))
        .collect::<Result<_, _>>()?;
    let total = lines
        .iter()
        .try_fold(Amount::ZERO, |sum, line| sum.plus(line.amount))?;
    Ok((total <= amount).then_some(lines))
}

/// As [`lines`], for a debit that cannot be refused: where the fees would be more than it, the later
/// ones give way.
///
/// # Errors
///
/// [`MoneyError::OutOfRange`].
pub fn lines_within(applying: &[&FeeTerm], amount: Amount) -> Result<Vec<FeeLine>, MoneyError> {
    let mut left = amount;
    let mut lines = Vec::with_capacity(applying.len());
    for term in applying {
        let mut line = line(term, amount)?;
        line.amount = line.amount.min(left);
        left = left.minus_or_zero(line.amount);
        lines.push(line);
    }
    Ok(lines)
}

fn line(term: &FeeTerm, debit: Amount) -> Result<FeeLine, MoneyError> {
    // Nothing is charged on nothing: a verification of the account moves no money.
    let flat = if debit.is_zero() {
        Amount::ZERO
    } else {
        Amount::from_minor(term.value.mantissa)?
    };
    Ok(FeeLine {
        name: term.name.clone(),
        treasury: term.treasury.clone(),
        basis: term.basis,
        value: term.value,
        amount: match term.basis {
            FeeBasis::Percentage => term.value.of_rounded_down(debit)?,
            FeeBasis::Flat => flat,
        },
        charged: Amount::ZERO,
        returned: Amount::ZERO,
        category: term.category,
        payee: term.payee,
    })
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
