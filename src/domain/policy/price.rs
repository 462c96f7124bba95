//! What a purchase costs in an asset, and what it is worth in another currency.

use super::{
    cashback,
    fees::{self, Facts, FeeRule, FeeTerm, is_direct_match},
    route::Search,
};
use crate::domain::{
    command::{Authorize, Context},
    explanation::{Candidate, Conversion, Verdict},
    hold::Surcharge,
    money::{Amount, Asset, Currency, Decimal, LocalAmount, MoneyError},
    rate::Rate,
    rates::{Mid, NoRate, Unit},
};

/// What a purchase costs in one asset.
pub(super) struct Price<'a> {
    pub(super) asset: Asset,
    pub(super) rate: Rate,
    pub(super) shown: Decimal,
    pub(super) conversion: Option<Box<Conversion>>,
    pub(super) debit: Amount,
    /// The debit and the surcharges.
    pub(super) total: Amount,
    pub(super) surcharges: Vec<Surcharge>,
    pub(super) fees: Vec<&'a FeeTerm>,
}

/// What a purchase is in another currency, rounded up to its minor unit; nothing if that cannot be
/// said. The network's own settlement amount goes before any rate of ours.
///
/// # Errors
///
/// [`MoneyError::OutOfRange`].
pub fn value_in(
    request: &Authorize,
    local: LocalAmount,
    currency: Currency,
    context: &Context<'_>,
) -> Result<Option<Amount>, MoneyError> {
    if local.currency == currency {
        return Ok(Some(local.minor));
    }
    if let Some(usd) = request.usd_amount.filter(|_| currency.code() == "USD") {
        let minor = Rate::ONE.converted_from(usd, currency)?;
        // Of a part of the purchase, the same part.
        let part = if local.minor == request.local.minor || request.local.minor.is_zero() {
            minor
        } else {
            minor.part_rounded_down(local.minor, request.local.minor)?
        };
        return Ok(Some(part));
    }
    let units = (
        Unit::of_currency(local.currency),
        Unit::of_currency(currency),
    );
    let mid = context
        .rates
        .between(units.0, units.1, context.terms, context.now);
    match mid {
        Ok(mid) => Ok(Some(mid.rate.converted(local, currency)?.minor)),
        Err(NoRate::Unknown { .. } | NoRate::Stale { .. }) => Ok(None),
    }
}

/// The part of a purchase that `part` of `total` is, rounded up to the currency's minor unit.
///
/// # Errors
///
/// [`MoneyError::OutOfRange`].
pub fn part_of(local: LocalAmount, part: Amount, total: Amount) -> Result<LocalAmount, MoneyError> {
    if part == total || total.is_zero() {
        return Ok(local);
    }
    let rest = total.minus_or_zero(part);
    let minor = local
        .minor
        .minus_or_zero(local.minor.part_rounded_down(rest, total)?);
    Ok(LocalAmount { minor, ..local })
}

/// The purchase in US dollars: as the network settles it, or by our rates.
pub(super) fn usd_of(
    request: &Authorize,
    context: &Context<'_>,
) -> Result<Option<Decimal>, MoneyError> {
    if let Some(usd) = request.required_usd() {
        return Ok(Some(usd));
    }
    let Ok(dollar) = "USD".parse::<Currency>() else {
        return Ok(None);
    };
    let value = value_in(request, request.local, dollar, context)?;
    Ok(value.map(|minor| Decimal {
        mantissa: minor.minor(),
        scale: dollar.digits(),
    }))
}

impl<'a> Search<'a> {
    /// What `local` costs in `asset`; nothing if there is no rate for it.
    pub(super) fn price(
        &mut self,
        asset: Asset,
        local: LocalAmount,
        programmes: &[cashback::Programme],
    ) -> Result<Option<Price<'a>>, MoneyError> {
        let terms = self.context.terms;
        let is_conversion = !is_direct_match(terms, asset, local.currency);
        let asks_wallet = |term: &&FeeTerm| matches!(term.rule, Some(FeeRule::Wallet(_)));
        let medium = self.fees.iter().any(asks_wallet);
        let medium = medium.then_some(&self.request.medium);
        let facts = Facts {
            is_conversion,
            usd: self.usd,
            wallet: medium.and_then(|medium| medium.get("tokenization_wallet_name")),
        };
        let mut applying = self.fees.clone();
        fees::retain_applying(&mut applying, &facts);
        let (mut rate, mut shown, mut conversion) = (Rate::ONE, Decimal::ONE, None);
        if is_conversion {
            let spread = fees::spread(&self.fees, &facts)?;
            let mid = self.mid(asset, local.currency);
            let applied = match &mid {
                Ok(mid) => mid.rate.less(spread).and_then(|rate| {
                    let shown = rate.shown()?;
                    Ok((rate, shown, mid.rate.shown()?))
                }),
                Err(NoRate::Stale { .. }) => return self.unpriced(asset, Verdict::StaleRate),
                Err(NoRate::Unknown { .. }) => return self.unpriced(asset, Verdict::NoRate),
            };
            // A spread of the whole rate leaves nothing to convert at.
            let Ok((less, less_shown, mid_shown)) = applied else {
                return self.unpriced(asset, Verdict::NoRate);
            };
            (rate, shown) = (less, less_shown);
            conversion = mid.ok().map(|mid| {
                Box::new(Conversion {
                    mid: mid_shown,
                    spread: spread.trimmed(),
                    at: mid.at,
                    source: mid.source.unwrap_or_else(|| "peg".into()),
                })
            });
        }
        let debit = rate.debit(local, asset)?;
        let surcharges = cashback::surcharges(programmes, local, asset, &rate)?;
        let total = surcharges
            .iter()
            .try_fold(debit, |sum, part| sum.plus(part.amount))?;
        Ok(Some(Price {
            asset,
            rate,
            shown,
            conversion,
            debit,
            total,
            surcharges,
            fees: applying,
        }))
    }

    fn mid(&self, asset: Asset, to: Currency) -> Result<Mid, NoRate> {
        let (terms, now) = (self.context.terms, self.context.now);
        if !self.is_owed {
            return self.context.rates.mid(asset, to, terms, now);
        }
        let by_network = self.settled_mid(asset);
        by_network.map_or_else(|| self.context.rates.last_known(asset, to, terms, now), Ok)
    }

    /// The rate that the network's settlement amount comes to, by way of US dollars; nothing if it gave none.
    fn settled_mid(&self, asset: Asset) -> Option<Mid> {
        let (request, context) = (self.request, self.context);
        let usd = Rate::from_decimal(request.usd_amount?).ok()?;
        let local = Decimal {
            mantissa: request.local.minor.minor(),
            scale: request.local.currency.digits(),
        };
        let per_dollar = Rate::from_decimal(local).ok()?.then(&usd.inverse());
        let dollar = "USD".parse().ok()?;
        let rates = context.rates;
        let mid = rates.last_known(asset, dollar, context.terms, context.now);
        let mid = mid.ok()?;
        Some(Mid {
            rate: mid.rate.then(&per_dollar),
            source: Some("network".into()),
            ..mid
        })
    }

    fn unpriced(
        &mut self,
        asset: Asset,
        verdict: Verdict,
    ) -> Result<Option<Price<'a>>, MoneyError> {
        self.candidates.push(Candidate {
            asset,
            verdict,
            conversion: None,
            required: None,
            sources: Vec::new(),
        });
        Ok(None)
    }
}
