//! Which asset pays a purchase, and from whom.

use super::{Policy, Terms, fees::is_direct_match};
use crate::domain::{
    account::Account,
    funds::LedgerAccount,
    group::Group,
    hold::Leg,
    money::{Amount, Asset, Decimal, LocalAmount, MoneyError},
};

/// How a purchase will be paid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// What is drawn.
    pub asset: Asset,
    /// Units of the merchant's currency per unit of the asset.
    pub rate: Decimal,
    /// What is approved: as asked, or less where that was allowed.
    pub local: LocalAmount,
    /// Who is drawn on.
    pub legs: Vec<Leg>,
}

/// Why there is no route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoRoute {
    /// No asset of the card can pay in this currency.
    Currency,
    /// Some can, none has enough.
    Funds,
}

/// The assets of a card that equal a currency, in the order in which they are tried. One may come
/// twice; the second time finds what the first found.
fn usable<'a>(
    policy: &'a Policy,
    terms: &'a Terms,
    local: &LocalAmount,
) -> impl Iterator<Item = Asset> + Clone + 'a {
    let currency = local.currency;
    let mapped = policy
        .currency_assets
        .iter()
        .find(|(known, _)| *known == currency);
    let mapped = mapped
        .map(|(_, assets)| assets.as_slice())
        .unwrap_or_default();
    let default = policy.default_asset.unwrap_or(terms.default_asset);
    let tried = mapped
        .iter()
        .copied()
        .chain([default])
        .chain(policy.fallback_asset);
    tried.filter(move |asset| is_direct_match(terms, *asset, currency))
}

/// Finds the first asset whose money covers the whole debit.
///
/// With `allow_partial`, the first usable asset with any money pays what it can when none covers
/// the whole.
///
/// # Errors
///
/// [`MoneyError::OutOfRange`]; a card that cannot pay is `Ok(Err(…))`.
pub fn find(
    group: &Group,
    account: &Account,
    terms: &Terms,
    local: LocalAmount,
    allow_partial: bool,
) -> Result<Result<Route, NoRoute>, MoneyError> {
    let Some(ledger) = group.ledger(account.ledger) else {
        return Ok(Err(NoRoute::Funds));
    };
    let usable = usable(&account.policy, terms, &local);
    if usable.clone().next().is_none() {
        return Ok(Err(NoRoute::Currency));
    }
    for asset in usable.clone() {
        let debit = local.in_asset(asset)?;
        if ledger.balance(asset).available() >= debit {
            return Ok(Ok(route(account, ledger, asset, local, debit)));
        }
    }
    if allow_partial {
        for asset in usable {
            let available = ledger.balance(asset).available();
            let covered = LocalAmount::covered_by(available, asset, local.currency)?;
            if !covered.minor.is_zero() {
                let debit = covered.in_asset(asset)?;
                return Ok(Ok(route(account, ledger, asset, covered, debit)));
            }
        }
    }
    Ok(Err(NoRoute::Funds))
}

/// A route that asks nobody whether there is money: for clearings, which cannot be declined.
///
/// # Errors
///
/// [`MoneyError::OutOfRange`]; a currency that no asset of the card can pay in is `Ok(None)`.
pub fn force(
    group: &Group,
    account: &Account,
    terms: &Terms,
    local: LocalAmount,
) -> Result<Option<Route>, MoneyError> {
    if let Ok(route) = find(group, account, terms, local, false)? {
        return Ok(Some(route));
    }
    let asset = usable(&account.policy, terms, &local).next();
    // A currency that the card could not have been authorized in is still owed to the network: any
    // asset of the house that equals it takes the debt.
    let pegged = || {
        terms
            .assets
            .iter()
            .find(|term| term.pegged == Some(local.currency))
    };
    let Some(asset) = asset.or_else(|| pegged().map(|term| term.asset)) else {
        return Ok(None);
    };
    let Some(ledger) = group.ledger(account.ledger) else {
        return Ok(None);
    };
    Ok(Some(route(
        account,
        ledger,
        asset,
        local,
        local.in_asset(asset)?,
    )))
}

fn route(
    account: &Account,
    ledger: &LedgerAccount,
    asset: Asset,
    local: LocalAmount,
    debit: Amount,
) -> Route {
    let leg = Leg {
        account: account.no,
        ledger: ledger.no,
        amount: debit,
        captured: Amount::ZERO,
        released: Amount::ZERO,
        excess: Amount::ZERO,
        refunded: Amount::ZERO,
    };
    Route {
        asset,
        rate: Decimal::ONE,
        local,
        legs: vec![leg],
    }
}
