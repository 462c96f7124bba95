//! Which asset pays a purchase, at what rate, and from whom.
//!
//! Source: Bloque docs, Spending Controls; DESIGN.md, How a purchase is priced.

use super::{
    Rules, Terms,
    fees::{self, FeeTerm},
    price::{Price, usd_of},
    purse::{Purse, fill, spendable},
};
use crate::domain::{
    account::{Account, Medium},
    command::{Authorize, Context},
    explanation::{Candidate, Source, Verdict},
    group::Group,
    hold::{Authorization, FeeLine, Leg, Surcharge, TransactionType},
    money::{Amount, Asset, Currency, Decimal, LocalAmount, MoneyError},
    rate::Rate,
};

/// How a purchase will be paid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// What is drawn.
    pub asset: Asset,
    /// Units of the merchant's currency per unit of the asset, spread included; rounded for show.
    pub rate: Decimal,
    /// The same exactly, where it is a conversion.
    pub exact_rate: Option<Box<Rate>>,
    /// What is approved: as asked, or less where that was allowed.
    pub local: LocalAmount,
    /// Who is drawn on: for the debit and the surcharges together.
    pub legs: Vec<Leg>,
    /// What of the debit are fees.
    pub fees: Vec<FeeLine>,
    /// What is set aside on top of the debit.
    pub surcharges: Vec<Surcharge>,
}

/// Why there is no route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoRoute {
    /// No asset of the card can pay in this currency.
    Currency,
    /// Some can, none has enough.
    Funds,
    /// One could, but its fees would be more than the debit.
    Fees,
}

/// A purchase being routed.
#[derive(Debug)]
pub struct Search<'a> {
    pub(super) group: &'a Group,
    pub(super) account: &'a Account,
    pub(super) request: &'a Authorize,
    pub(super) context: &'a Context<'a>,
    pub(super) rules: &'a Rules,
    /// The fees of all layers.
    pub(super) fees: Vec<&'a FeeTerm>,
    pub(super) usd: Option<Decimal>,
    pub(super) candidates: Vec<Candidate>,
    /// The authorization that the request is to grow, if it is an increment.
    pub(super) growing: Option<&'a Authorization>,
    /// Whether a price is owed, whatever is known of rates.
    pub(super) is_owed: bool,
}

/// The assets of a card, in the order in which they are tried; none comes twice.
fn assets((group, account): (&Group, &Account), terms: &Terms, currency: Currency) -> Vec<Asset> {
    let policy = &account.policy;
    let mapped = policy
        .currency_assets
        .iter()
        .find(|(known, _)| *known == currency);
    let mapped = mapped
        .map(|(_, assets)| assets.as_slice())
        .unwrap_or_default();
    let default = policy.default_asset.or_else(|| counted(group, account));
    let default = default.unwrap_or(terms.default_asset);
    let tried = mapped
        .iter()
        .copied()
        .chain([default])
        .chain(policy.fallback_asset);
    let mut assets = Vec::with_capacity(2);
    for asset in tried {
        if !assets.contains(&asset) {
            assets.push(asset);
        }
    }
    assets
}

/// What the ledger balance counts in front of whose money the account stands, if it does.
fn counted(group: &Group, account: &Account) -> Option<Asset> {
    group.accounts.iter().find_map(|other| match &other.medium {
        Medium::Balance(face) if other.ledger == account.ledger => Some(face.asset),
        Medium::Balance(_) | Medium::Card { .. } | Medium::Virtual => None,
    })
}

impl<'a> Search<'a> {
    /// A search for how `account` pays `request`.
    ///
    /// # Errors
    ///
    /// [`MoneyError::OutOfRange`].
    #[inline]
    pub fn new(
        group: &'a Group,
        account: &'a Account,
        request: &'a Authorize,
        context: &'a Context<'a>,
    ) -> Result<Self, MoneyError> {
        let rules = account.policy.rules();
        let layers = [
            context.terms.fees.as_slice(),
            &context.origin.fees,
            &rules.fees,
        ];
        let fees = fees::layered(layers);
        let asks_usd =
            |term: &&FeeTerm| matches!(term.rule, Some(fees::FeeRule::AmountRangeUsd { .. }));
        let usd = if fees.iter().any(asks_usd) {
            usd_of(request, context)?
        } else {
            None
        };
        Ok(Self {
            group,
            account,
            request,
            context,
            rules,
            fees,
            usd,
            candidates: Vec::with_capacity(1),
            growing: None,
            is_owed: false,
        })
    }

    /// The same for what is to be added to an authorization: the request is for the addition alone.
    #[must_use]
    pub const fn growing(mut self, authorization: &'a Authorization) -> Self {
        self.growing = Some(authorization);
        self
    }

    /// What was tried, and the purchase in US dollars if a rule asked for it.
    #[must_use]
    pub fn into_tried(self) -> (Vec<Candidate>, Option<Decimal>) {
        (self.candidates, self.usd)
    }

    /// What the purchase needs in US dollars, as far as it can be said.
    ///
    /// # Errors
    ///
    /// [`MoneyError::OutOfRange`].
    pub fn required_usd(&self) -> Result<Option<Decimal>, MoneyError> {
        if self.usd.is_some() {
            return Ok(self.usd);
        }
        usd_of(self.request, self.context)
    }

    /// Finds the first asset whose money covers the whole debit with its surcharges.
    ///
    /// Where a part may be approved and none covers the whole, the first asset with any money pays
    /// what it can, without surcharges.
    ///
    /// # Errors
    ///
    /// [`MoneyError::OutOfRange`]; a card that cannot pay is `Ok(Err(…))`.
    pub fn find(&mut self) -> Result<Result<Route, NoRoute>, MoneyError> {
        let local = self.request.local;
        let card = (self.group, self.account);
        let assets = assets(card, self.context.terms, local.currency);
        let mut partial: Vec<(Price<'_>, Vec<Purse>, usize)> = Vec::new();
        let (mut has_rate, mut is_dear) = (false, false);
        for asset in assets {
            let Some(price) = self.price(asset, local, &self.rules.cashback)? else {
                continue;
            };
            has_rate = true;
            let purses = self.purses(asset, price.total)?;
            if self.covers(&purses, price.total) {
                match fees::lines(&price.fees, price.debit)? {
                    Some(lines) => return Ok(Ok(self.choose(price, lines, &purses, local)?)),
                    None => is_dear = true,
                }
            }
            self.note(&price, &purses, Verdict::Short);
            if self.request.allow_partial {
                partial.push((price, purses, self.candidates.len().saturating_sub(1)));
            }
        }
        for (price, purses, place) in partial {
            if let Some(route) = self.in_part(price, &purses, place)? {
                return Ok(Ok(route));
            }
        }
        Ok(Err(match (has_rate, is_dear) {
            (false, _) => NoRoute::Currency,
            (true, true) => NoRoute::Fees,
            (true, false) => NoRoute::Funds,
        }))
    }

    /// Whether the purses have it. A verification of nothing wants one that might pay, an inquiry not
    /// even that.
    fn covers(&self, purses: &[Purse], total: Amount) -> bool {
        let is_inquiry = self.request.kind == TransactionType::BalanceInquiry;
        let might_pay = || purses.iter().any(|purse| purse.passed_over.is_none());
        spendable(purses) >= total && (is_inquiry || might_pay())
    }

    /// A route that asks nobody whether there is money: for clearings, which cannot be declined.
    /// What the card's accounts do not have, the first of them owes.
    ///
    /// Where no rate is fresh, the network's own settlement amount is the price, or else the last rate
    /// that was known: the network will be paid at all events.
    ///
    /// # Errors
    ///
    /// [`MoneyError::OutOfRange`]; a currency of which nothing is known is `Ok(None)`.
    pub fn force(&mut self) -> Result<Option<Route>, MoneyError> {
        let card = (self.group, self.account);
        let mut own = assets(card, self.context.terms, self.request.local.currency);
        if let Some(route) = self.force_from(&own)? {
            return Ok(Some(route));
        }
        self.is_owed = true;
        let default = self.context.terms.default_asset;
        if !own.contains(&default) {
            own.push(default);
        }
        self.force_from(&own)
    }

    fn force_from(&mut self, own: &[Asset]) -> Result<Option<Route>, MoneyError> {
        let local = self.request.local;
        let mut first = None;
        for asset in own.iter().copied() {
            let Some(price) = self.price(asset, local, &[])? else {
                continue;
            };
            let purses = self.purses(asset, price.total)?;
            if spendable(&purses) >= price.total {
                let lines = fees::lines_within(&price.fees, price.debit)?;
                return Ok(Some(self.choose(price, lines, &purses, local)?));
            }
            self.note(&price, &purses, Verdict::Short);
            first = first.or(Some((price, purses)));
        }
        if first.is_none() {
            // A currency that the card could not have been authorized in is still owed to the
            // network: any asset of the house that equals it takes the debt.
            let currency = local.currency;
            let pegged = |term: &&super::AssetTerm| term.pegged == Some(currency);
            let Some(term) = self.context.terms.assets.iter().find(pegged) else {
                return Ok(None);
            };
            let asset = term.asset;
            let price = self.price(asset, local, &[])?;
            first = match price {
                Some(price) => {
                    let purses = self.purses(asset, price.total)?;
                    Some((price, purses))
                }
                None => None,
            };
        }
        let Some((price, mut purses)) = first else {
            return Ok(None);
        };
        let short = price.total.minus_or_zero(spendable(&purses));
        self.owe(&mut purses, short)?;
        let lines = fees::lines_within(&price.fees, price.debit)?;
        Ok(Some(self.choose(price, lines, &purses, local)?))
    }

    /// Lets the first purse that may pay, or the card itself, go below zero by `short`.
    fn owe(&self, purses: &mut Vec<Purse>, short: Amount) -> Result<(), MoneyError> {
        let debtor = purses.iter_mut().find(|purse| purse.passed_over.is_none());
        if let Some(debtor) = debtor {
            debtor.available = debtor.available.plus(short)?;
            return Ok(());
        }
        purses.push(Purse {
            account: self.account.no,
            ledger: self.account.ledger,
            available: short,
            passed_over: None,
        });
        Ok(())
    }

    /// What is still to be found for an increment of `more`, in the authorization's asset: who pays
    /// it, or nobody if it is not there.
    ///
    /// # Errors
    ///
    /// [`MoneyError::OutOfRange`].
    pub fn more(&self, asset: Asset, more: Amount) -> Result<Option<Vec<Leg>>, MoneyError> {
        let purses = self.purses(asset, more)?;
        if spendable(&purses) < more {
            return Ok(None);
        }
        Ok(Some(fill(&purses, more)))
    }

    /// Remembers what was tried.
    fn note(&mut self, price: &Price<'_>, purses: &[Purse], verdict: Verdict) {
        self.candidates.push(Candidate {
            asset: price.asset,
            verdict,
            conversion: price.conversion.clone(),
            required: Some(price.total),
            sources: self.sources(purses, Amount::ZERO),
        });
    }

    /// Who was asked, and what each pays of `total`; nobody is named where only the card could be.
    fn sources(&self, purses: &[Purse], total: Amount) -> Vec<Source> {
        if self.rules.pockets.is_empty() {
            return Vec::new();
        }
        let legs = fill(purses, total);
        let source = |purse: &Purse| Source {
            account: purse.account,
            available: purse.available,
            taken: legs
                .iter()
                .find(|leg| leg.account == purse.account)
                .map_or(Amount::ZERO, |leg| leg.amount),
            passed_over: purse.passed_over,
        };
        purses.iter().map(source).collect()
    }

    fn choose(
        &mut self,
        price: Price<'_>,
        fees: Vec<FeeLine>,
        purses: &[Purse],
        local: LocalAmount,
    ) -> Result<Route, MoneyError> {
        self.candidates.push(Candidate {
            asset: price.asset,
            verdict: Verdict::Chosen,
            conversion: price.conversion.clone(),
            required: Some(price.total),
            sources: self.sources(purses, price.total),
        });
        Ok(route(price, fees, purses, local))
    }

    /// Approves what `purses` cover, if that is anything.
    fn in_part(
        &mut self,
        price: Price<'_>,
        purses: &[Purse],
        place: usize,
    ) -> Result<Option<Route>, MoneyError> {
        let currency = self.request.local.currency;
        let covered = price
            .rate
            .covered_by(spendable(purses), price.asset, currency)?;
        // The surcharges alone may have been too much: then the whole purchase is covered.
        let covered = LocalAmount {
            minor: covered.minor.min(self.request.local.minor),
            currency,
        };
        if covered.minor.is_zero() {
            return Ok(None);
        }
        let debit = price.rate.debit(covered, price.asset)?;
        let Some(lines) = fees::lines(&price.fees, debit)? else {
            return Ok(None);
        };
        let sources = self.sources(purses, debit);
        if let Some(candidate) = self.candidates.get_mut(place) {
            candidate.verdict = Verdict::ChosenInPart;
            candidate.sources = sources;
        }
        let price = Price {
            debit,
            total: debit,
            surcharges: Vec::new(),
            ..price
        };
        Ok(Some(route(price, lines, purses, covered)))
    }
}

fn route(price: Price<'_>, fees: Vec<FeeLine>, purses: &[Purse], local: LocalAmount) -> Route {
    let exact_rate = price.conversion.is_some().then(|| Box::new(price.rate));
    Route {
        asset: price.asset,
        rate: price.shown,
        exact_rate,
        local,
        legs: fill(purses, price.total),
        fees,
        surcharges: price.surcharges,
    }
}
