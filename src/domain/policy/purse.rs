//! Whose money may pay a purchase: the card's own, or that of a smart card's pockets in order.

use super::{
    Whitelist,
    controls::{Controls, Scope, Shown},
    price::{part_of, value_in},
    route::Search,
};
use crate::domain::{
    account::{Account, Status},
    explanation::PassedOver,
    hold::Leg,
    ids::{AccountNo, LedgerNo},
    money::{Amount, Asset, LocalAmount, MoneyError},
};

/// Money that a purchase may draw on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Purse {
    pub(super) account: AccountNo,
    pub(super) ledger: LedgerNo,
    pub(super) available: Amount,
    pub(super) passed_over: Option<PassedOver>,
}

impl Search<'_> {
    /// The money that may pay `total` in `asset`, in order: the card's own, or that of a smart card's
    /// pockets. A pocket whose own limits would not bear its part is passed over.
    pub(super) fn purses(&self, asset: Asset, total: Amount) -> Result<Vec<Purse>, MoneyError> {
        if self.rules.pockets.is_empty() {
            return Ok(vec![self.purse(self.account, asset, None)]);
        }
        let mut purses = Vec::with_capacity(self.rules.pockets.len());
        let mut left = total;
        for pocket in &self.rules.pockets {
            let Some(account) = self.group.account(pocket.account) else {
                purses.push(Purse {
                    account: pocket.account,
                    ledger: LedgerNo(0),
                    available: Amount::ZERO,
                    passed_over: Some(PassedOver::NotLinked),
                });
                continue;
            };
            let mut purse = self.purse(account, asset, None);
            // Money that an earlier pocket has a face on is drawn through that one.
            let shared =
                |earlier: &Purse| earlier.passed_over.is_none() && earlier.ledger == purse.ledger;
            let part = if purses.iter().any(shared) {
                Amount::ZERO
            } else {
                purse.available.min(left)
            };
            purse.passed_over = match self.passed_over(pocket.whitelist.as_ref(), account) {
                None if self.is_refused_by(account, part, total)? => Some(PassedOver::Controls),
                known => known,
            };
            if purse.passed_over.is_none() {
                left = left.minus_or_zero(part);
            }
            purses.push(purse);
        }
        Ok(purses)
    }

    fn passed_over(&self, whitelist: Option<&Whitelist>, account: &Account) -> Option<PassedOver> {
        if account.status != Status::Active {
            return Some(PassedOver::NotActive);
        }
        let codes = match whitelist? {
            Whitelist::Codes(codes) => codes.as_slice(),
            Whitelist::Url(url) => match self.context.lists.get(url) {
                None => return Some(PassedOver::NoList),
                Some(codes) => codes,
            },
        };
        let mcc = self.request.merchant.mcc;
        let is_listed = mcc.is_some_and(|mcc| codes.binary_search(&mcc).is_ok());
        (!is_listed).then_some(PassedOver::Category)
    }

    /// Whether a pocket's own controls refuse its part of the purchase, or of what is added to one.
    fn is_refused_by(
        &self,
        pocket: &Account,
        part: Amount,
        total: Amount,
    ) -> Result<bool, MoneyError> {
        let controls = &pocket.policy.rules().controls;
        if controls.is_none() || pocket.no == self.account.no {
            return Ok(false);
        }
        let held = self.held_in(pocket.no);
        if held.is_none() && self.is_ruled_out(controls, pocket) {
            return Ok(true);
        }
        let context = self.context;
        let currency = controls.currency_or(context.terms.base_currency);
        let value = |local: LocalAmount| {
            if controls.has_amount_limits() {
                value_in(self.request, local, currency, context)
            } else {
                Ok(Some(Amount::ZERO))
            }
        };
        let scope = Scope::Account(pocket.no);
        let usage = pocket.usage.as_deref();
        let added = value(part_of(self.request.local, part, total)?)?;
        let (calendar, now) = (&context.calendar, context.now);
        let is_purchase = !part.is_zero() && held.is_none();
        let over = controls.over_limit(scope, added, is_purchase, usage, currency, calendar, now);
        if over.is_some() {
            return Ok(true);
        }
        let (Some(known), Some(held)) = (self.growing, held) else {
            return Ok(false);
        };
        // What the pocket pays of the grown whole is still one transaction.
        let grown = LocalAmount {
            minor: known.local.plus(self.request.local.minor)?,
            currency: known.currency,
        };
        let whole = known.legs.iter().map(|leg| leg.amount);
        let whole = whole.fold(total, Amount::saturating_plus);
        let one = value(part_of(grown, held.plus(part)?, whole)?)?;
        Ok(controls.over_transaction(scope, one, currency).is_some())
    }

    /// What the pocket pays already of the authorization that is to grow.
    fn held_in(&self, pocket: AccountNo) -> Option<Amount> {
        let leg = self
            .growing?
            .legs
            .iter()
            .find(|leg| leg.account == pocket)?;
        Some(leg.amount)
    }

    /// Whether rules, limits aside, keep the pocket from paying. Who the merchant is, an increment does
    /// not say again: a pocket that pays already has seen it, another with a rule on it stays out.
    fn is_ruled_out(&self, controls: &Controls, pocket: &Account) -> bool {
        let is_blind =
            self.growing.is_some() && !(controls.merchants.is_any() && controls.countries.is_any());
        let shown = Shown::of(self.request, self.context.calendar, self.context.now);
        let (scope, usage) = (Scope::Account(pocket.no), pocket.usage.as_deref());
        is_blind || controls.refuses(scope, &shown, usage).is_some()
    }

    fn purse(&self, account: &Account, asset: Asset, passed_over: Option<PassedOver>) -> Purse {
        let ledger = self.group.ledger(account.ledger);
        Purse {
            account: account.no,
            ledger: account.ledger,
            available: ledger.map_or(Amount::ZERO, |ledger| ledger.balance(asset).available()),
            passed_over,
        }
    }
}

/// All that the purses may pay; two faces of one ledger account count once.
pub(super) fn spendable(purses: &[Purse]) -> Amount {
    let mut sum = Amount::ZERO;
    for (place, purse) in purses.iter().enumerate() {
        if purse.passed_over.is_none() && !is_known(purses, place) {
            sum = sum.saturating_plus(purse.available);
        }
    }
    sum
}

/// Whether an eligible purse before this one has the same money.
pub(super) fn is_known(purses: &[Purse], place: usize) -> bool {
    let own = purses.get(place).map(|purse| purse.ledger);
    purses
        .iter()
        .take(place)
        .any(|earlier| earlier.passed_over.is_none() && Some(earlier.ledger) == own)
}

/// Draws `total` from the purses in order, each as far as it goes. A verification of nothing is the
/// first one's.
pub(super) fn fill(purses: &[Purse], total: Amount) -> Vec<Leg> {
    let mut left = total;
    let mut legs = Vec::with_capacity(1);
    for (place, purse) in purses.iter().enumerate() {
        if purse.passed_over.is_some() || is_known(purses, place) {
            continue;
        }
        let part = purse.available.min(left);
        if part.is_zero() && !(total.is_zero() && legs.is_empty()) {
            continue;
        }
        left = left.minus_or_zero(part);
        legs.push(Leg {
            account: purse.account,
            ledger: purse.ledger,
            amount: part,
            captured: Amount::ZERO,
            released: Amount::ZERO,
            excess: Amount::ZERO,
            refunded: Amount::ZERO,
        });
    }
    legs
}
