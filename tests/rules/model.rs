//! What the documents say of money, as plainly as it can be said: exact fractions, one list after
//! another, no thought of speed.
//!
//! Source: DESIGN, How a purchase is priced; Bloque docs, Spending Controls and Fee Configuration.

use std::collections::BTreeMap;

use cardwright::domain::{
    account::Status,
    command::{Authorize, Purpose, StepRequest},
    hold::{FeeBasis, FeeCategory},
    ids::{AccountNo, ActorId, AuthorizationId, LedgerNo},
    merchant::Mcc,
    money::{Asset, Currency},
    policy::{
        Policy, Terms, Whitelist,
        cashback::{Programme, ProgrammeKind},
        controls::{Limit, Window},
        fees::{FeeRule, FeeTerm},
    },
    posting::House,
    time::Timestamp,
};
use num_bigint::BigInt;

use super::ratio::Ratio;

pub(crate) type N = BigInt;
pub(crate) type Said = Result<String, &'static str>;

pub(crate) const ZERO: N = N::ZERO;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Balance {
    pub(crate) current: N,
    pub(crate) pending: N,
    pub(crate) incoming: N,
    pub(crate) outgoing: N,
}

#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) actor: ActorId,
    pub(crate) ledger: LedgerNo,
    pub(crate) status: Status,
    pub(crate) policy: Policy,
}

/// An accepted rate: one unit of the first is so many of the second.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) rate: Ratio,
    pub(crate) is_old: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Leg {
    pub(crate) account: u64,
    pub(crate) ledger: u64,
    pub(crate) amount: N,
    pub(crate) captured: N,
    pub(crate) released: N,
    pub(crate) excess: N,
    pub(crate) refunded: N,
}

#[derive(Clone, Debug)]
pub(crate) struct Fee {
    pub(crate) term: FeeTerm,
    pub(crate) amount: N,
    pub(crate) charged: N,
    pub(crate) returned: N,
}

#[derive(Clone, Debug)]
pub(crate) struct Aside {
    pub(crate) programme: Programme,
    pub(crate) amount: N,
    pub(crate) captured: N,
    pub(crate) released: N,
    pub(crate) returned: N,
}

#[derive(Clone, Debug)]
pub(crate) struct Refund {
    pub(crate) lsn: u64,
    pub(crate) local: N,
    pub(crate) debit: N,
    pub(crate) legs: Vec<N>,
    pub(crate) fees: Vec<N>,
    pub(crate) asides: Vec<N>,
    pub(crate) in_suspense: Vec<bool>,
    pub(crate) is_reversed: bool,
}

/// What a purchase counts for against the card's limits.
#[derive(Clone, Debug)]
pub(crate) struct Counted {
    pub(crate) value: N,
    pub(crate) returned: N,
    pub(crate) is_void: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Hold {
    pub(crate) actor: ActorId,
    pub(crate) account: AccountNo,
    pub(crate) mcc: Option<Mcc>,
    pub(crate) asset: Asset,
    pub(crate) currency: Currency,
    /// Units of the currency for one unit of the asset.
    pub(crate) rate: Ratio,
    pub(crate) local: N,
    pub(crate) local_captured: N,
    pub(crate) local_released: N,
    pub(crate) local_excess: N,
    pub(crate) local_refunded: N,
    /// The debit, and what became of it.
    pub(crate) debit: N,
    pub(crate) captured: N,
    pub(crate) released: N,
    pub(crate) excess: N,
    pub(crate) refunded: N,
    pub(crate) legs: Vec<Leg>,
    pub(crate) fees: Vec<Fee>,
    pub(crate) asides: Vec<Aside>,
    pub(crate) refunds: Vec<Refund>,
    pub(crate) counted: Option<Counted>,
    pub(crate) expires_at: Timestamp,
}

impl Hold {
    pub(crate) fn held(&self) -> N {
        self.legs
            .iter()
            .map(|leg| &leg.amount - &leg.captured - &leg.released)
            .sum()
    }

    pub(crate) fn local_held(&self) -> N {
        &self.local - &self.local_captured - &self.local_released
    }

    pub(crate) fn local_refundable(&self) -> N {
        &self.local_captured + &self.local_excess - &self.local_refunded
    }

    pub(crate) fn is_open(&self) -> bool {
        self.held() > ZERO
    }
}

/// A fee on its way to another actor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InTransit {
    pub(crate) purpose: Purpose,
    pub(crate) destination: AccountNo,
    pub(crate) asset: Asset,
    pub(crate) amount: N,
}

#[derive(Clone, Debug)]
pub(crate) enum Place {
    Spendable(u64),
    Held(u64),
    House(House),
}

/// What a purchase costs in one asset.
pub(crate) struct Price {
    pub(crate) asset: Asset,
    pub(crate) rate: Ratio,
    pub(crate) debit: N,
    pub(crate) asides: Vec<Aside>,
    pub(crate) applying: Vec<FeeTerm>,
    pub(crate) total: N,
}

pub(crate) struct Model {
    pub(crate) terms: Terms,
    pub(crate) origin_fees: Vec<FeeTerm>,
    pub(crate) rates: Vec<Known>,
    pub(crate) lists: BTreeMap<String, Vec<Mcc>>,
    pub(crate) state: State,
}

/// What commands change.
#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    pub(crate) accounts: BTreeMap<AccountNo, Account>,
    pub(crate) balances: BTreeMap<(u64, Asset), Balance>,
    pub(crate) house: BTreeMap<(House, Asset), N>,
    pub(crate) holds: BTreeMap<AuthorizationId, Hold>,
    pub(crate) numbers: BTreeMap<ActorId, u32>,
    /// What the last command sent.
    pub(crate) sent: Vec<InTransit>,
}

pub(crate) fn fits(number: &N) -> Result<(), &'static str> {
    i128::try_from(number.clone())
        .map(|_| ())
        .map_err(|_| "out of range")
}

/// `whole × part / all`, down; the whole of it at the end.
pub(crate) fn proportion(whole: &N, part: &N, all: &N) -> N {
    if part == all {
        whole.clone()
    } else {
        whole * part / all
    }
}

/// Splits what lies between two points of a whole over its shares: each is brought to its
/// proportion, down; single units that are left go to the first that have room.
pub(crate) fn share_out(shares: &[N], taken: &[N], cumulative: &N) -> Vec<N> {
    let whole: N = shares.iter().sum();
    let mut left: N = cumulative - taken.iter().sum::<N>();
    let mut parts = Vec::new();
    for (share, taken) in shares.iter().zip(taken) {
        let goal = if whole == ZERO {
            ZERO
        } else {
            share * cumulative / &whole
        };
        let part = (goal - taken).max(ZERO).min(left.clone());
        left -= &part;
        parts.push(part);
    }
    for ((part, share), taken) in parts.iter_mut().zip(shares).zip(taken) {
        let extra = (share - taken - &*part).max(ZERO).min(left.clone());
        *part += &extra;
        left -= extra;
    }
    assert_eq!(left, ZERO, "shares add up to what is shared out");
    parts
}

/// As [`share_out`] for fees inside a whole; the rest is the settlement's.
pub(crate) fn share_fees(
    (whole, fees): (&N, &[N]),
    (before, taken): (&N, &[N]),
    cumulative: &N,
) -> Vec<N> {
    let rest = |all: &N, parts: &[N]| -> Vec<N> {
        let rest = all - parts.iter().sum::<N>();
        assert!(rest >= ZERO, "fees are inside the debit");
        std::iter::once(rest).chain(parts.iter().cloned()).collect()
    };
    let mut parts = share_out(&rest(whole, fees), &rest(before, taken), cumulative);
    parts.remove(0);
    parts
}

impl Model {
    pub(crate) fn account(&self, no: AccountNo) -> Result<&Account, &'static str> {
        self.state.accounts.get(&no).ok_or("no account")
    }

    pub(crate) fn balance(&self, ledger: u64, asset: Asset) -> Balance {
        let known = self.state.balances.get(&(ledger, asset));
        known.cloned().unwrap_or_default()
    }

    pub(crate) fn available(&self, ledger: u64, asset: Asset) -> N {
        self.balance(ledger, asset).current.max(ZERO)
    }

    /// Moves money; what stays on one ledger account is neither in nor out.
    pub(crate) fn post(
        &mut self,
        from: &Place,
        to: &Place,
        asset: Asset,
        amount: &N,
    ) -> Result<(), &'static str> {
        let ledger = |place: &Place| match place {
            Place::Spendable(no) | Place::Held(no) => Some(*no),
            Place::House(_) => None,
        };
        let crosses = ledger(from) != ledger(to);
        for (place, change) in [(from, -amount), (to, amount.clone())] {
            if let Place::House(house) = place {
                let known = self.state.house.entry((house.clone(), asset)).or_default();
                *known += change;
                continue;
            }
            let key = (ledger(place).unwrap(), asset);
            let balance = self.state.balances.entry(key).or_default();
            if crosses && change > ZERO {
                balance.incoming += &change;
            } else if crosses {
                balance.outgoing -= &change;
            }
            match place {
                Place::Held(_) => balance.pending += change,
                Place::Spendable(_) | Place::House(_) => balance.current += change,
            }
            fits(&balance.current)?;
            fits(&balance.pending)?;
            fits(&balance.incoming)?;
            fits(&balance.outgoing)?;
        }
        Ok(())
    }

    fn pegged(&self, asset: Asset) -> Option<Currency> {
        let term = self.terms.assets.iter().find(|term| term.asset == asset);
        term.and_then(|term| term.pegged)
    }

    /// Units of `to` for one of `from`: a rate as it stands or turned round, else two through the
    /// house's currency. What is too old counts for nothing, unless a price is owed.
    fn mid(&self, from: &str, to: &str, is_owed: bool) -> Option<Ratio> {
        let leg = |from: &str, to: &str| {
            let counting = self.rates.iter().filter(|known| is_owed || !known.is_old);
            counting.clone().find_map(|known| {
                if (known.from.as_str(), known.to.as_str()) == (from, to) {
                    Some(known.rate.clone())
                } else if (known.to.as_str(), known.from.as_str()) == (from, to) {
                    Some(Ratio::whole(1).by(&known.rate))
                } else {
                    None
                }
            })
        };
        if from == to {
            return Some(Ratio::whole(1));
        }
        let base = self.terms.base_currency;
        leg(from, to).or_else(|| Some(leg(from, base.code())?.times(&leg(base.code(), to)?)))
    }

    /// What a purchase is in US cents.
    pub(crate) fn cents(&self, request: &Authorize, local: &N) -> Option<N> {
        let currency = request.local.currency;
        if currency.code() == "USD" {
            return Some(local.clone());
        }
        let all: N = request.local.minor.minor().into();
        if let Some(usd) = request.usd_amount {
            let cents = Ratio::decimal(usd).times(&Ratio::whole(100)).up();
            return Some(if *local == all || all == ZERO {
                cents
            } else {
                cents * local / all
            });
        }
        let mid = self.mid(currency.code(), "USD", false)?;
        let units = Ratio::units(local, currency.digits());
        Some(units.times(&mid).times(&Ratio::whole(100)).up())
    }

    /// The network's own figure before any of ours.
    fn usd(&self, request: &Authorize) -> Option<Ratio> {
        let local: N = request.local.minor.minor().into();
        if let Some(usd) = request.usd_amount {
            return Some(Ratio::decimal(usd));
        }
        let cents = self.cents(request, &local)?;
        Some(Ratio::units(&cents, 2))
    }

    /// Three layers by name.
    fn fees(&self, account: &Account) -> Vec<FeeTerm> {
        let mut merged: Vec<FeeTerm> = Vec::new();
        let card = &account.policy.rules().fees;
        for layer in [&self.terms.fees, &self.origin_fees, card] {
            for term in layer {
                match merged.iter_mut().find(|known| known.name == term.name) {
                    Some(known) => *known = term.clone(),
                    None => merged.push(term.clone()),
                }
            }
        }
        merged
    }

    pub(crate) fn assets(&self, account: &Account, currency: Currency) -> Vec<Asset> {
        let mut assets: Vec<Asset> = Vec::new();
        for (mapped, list) in &account.policy.currency_assets {
            if *mapped == currency {
                assets.extend(list);
            }
        }
        let default = account.policy.default_asset;
        assets.push(default.unwrap_or(self.terms.default_asset));
        assets.extend(account.policy.fallback_asset);
        let mut once = Vec::new();
        for asset in assets {
            if !once.contains(&asset) {
                once.push(asset);
            }
        }
        once
    }

    /// The rate of what is owed: what the network settles goes before what was ever known.
    fn owed_mid(&self, from: &str, request: &Authorize) -> Option<Ratio> {
        let currency = request.local.currency;
        let usd = request.usd_amount.filter(|usd| usd.mantissa > 0);
        let dollars = usd.and_then(|usd| {
            let local = request.local.minor.minor().into();
            let local = Ratio::units(&local, currency.digits());
            let per_dollar = local.by(&Ratio::decimal(usd));
            Some(self.mid(from, "USD", true)?.times(&per_dollar))
        });
        dollars.or_else(|| self.mid(from, currency.code(), true))
    }

    pub(crate) fn price(
        &self,
        account: &Account,
        request: &Authorize,
        asset: Asset,
        (with_asides, is_owed): (bool, bool),
    ) -> Result<Option<Price>, &'static str> {
        let currency = request.local.currency;
        let is_conversion = self.pegged(asset) != Some(currency);
        let usd = self.usd(request);
        let wallet = request.medium.get("tokenization_wallet_name");
        let applies = |term: &&FeeTerm| match &term.rule {
            None => true,
            Some(FeeRule::FxConversion) => is_conversion,
            Some(FeeRule::AmountRangeUsd { min, max }) => usd.as_ref().is_some_and(|usd| {
                min.is_none_or(|min| Ratio::decimal(min) <= *usd)
                    && max.is_none_or(|max| *usd <= Ratio::decimal(max))
            }),
            Some(FeeRule::Wallet(name)) => {
                wallet.is_some_and(|wallet| wallet.to_uppercase().contains(&name.to_uppercase()))
            }
        };
        let all = self.fees(account);
        let applying: Vec<FeeTerm> = all.iter().filter(applies).cloned().collect();
        let mut rate = Ratio::whole(1);
        if is_conversion {
            let pegged = self.pegged(asset);
            let from = pegged.map_or(asset.symbol().to_owned(), |peg| peg.code().to_owned());
            let mid = if is_owed {
                self.owed_mid(&from, request)
            } else {
                self.mid(&from, currency.code(), false)
            };
            let Some(mid) = mid else {
                return Ok(None);
            };
            let is_fx = |term: &&FeeTerm| term.category == FeeCategory::Fx;
            let mut spread = Ratio::whole(0);
            for term in applying.iter().filter(is_fx) {
                spread = spread.plus(&Ratio::decimal(term.value));
            }
            if !all.iter().any(|term| is_fx(&term)) {
                spread = Ratio::whole(2).by(&Ratio::whole(100));
            }
            if spread >= Ratio::whole(1) {
                return Ok(None);
            }
            rate = mid.times(&Ratio::whole(1).minus(&spread));
        }
        let minor: N = request.local.minor.minor().into();
        let local = Ratio::units(&minor, currency.digits());
        let debit = to_asset(&local, &rate, asset);
        fits(&debit)?;
        let programmes = &account.policy.rules().cashback;
        let asides = if with_asides && minor > ZERO {
            asides(programmes, &minor, currency, &rate, asset)
        } else {
            Vec::new()
        };
        let mut total = debit.clone();
        for aside in &asides {
            fits(&aside.amount)?;
            total += &aside.amount;
            fits(&total)?;
        }
        Ok(Some(Price {
            asset,
            rate,
            debit,
            asides,
            applying,
            total,
        }))
    }

    /// Whose money may pay, in order, each ledger account once: (account, ledger, available).
    pub(crate) fn purses(
        &self,
        no: AccountNo,
        account: &Account,
        mcc: Option<Mcc>,
        asset: Asset,
    ) -> Vec<(u64, u64, N)> {
        let pockets = &account.policy.rules().pockets;
        if pockets.is_empty() {
            let ledger = account.ledger.0;
            return vec![(no.0, ledger, self.available(ledger, asset))];
        }
        let mut purses: Vec<(u64, u64, N)> = Vec::new();
        for pocket in pockets {
            let Some(known) = self.state.accounts.get(&pocket.account) else {
                continue;
            };
            let is_listed = match &pocket.whitelist {
                None => true,
                Some(Whitelist::Codes(codes)) => mcc.is_some_and(|mcc| codes.contains(&mcc)),
                Some(Whitelist::Url(url)) => {
                    let list = self.lists.get(&**url);
                    list.is_some_and(|list| mcc.is_some_and(|mcc| list.contains(&mcc)))
                }
            };
            let ledger = known.ledger.0;
            let is_new = purses.iter().all(|(_, other, _)| *other != ledger);
            if known.status == Status::Active && is_listed && is_new {
                let available = self.available(ledger, asset);
                purses.push((pocket.account.0, ledger, available));
            }
        }
        purses
    }

    /// What counts against the card's limits so far: the sum in US cents, and how many.
    fn used(&self, account: AccountNo) -> (N, u32) {
        let counted = self
            .state
            .holds
            .values()
            .filter(|hold| hold.account == account);
        let counted = counted.filter_map(|hold| hold.counted.as_ref());
        counted.fold((ZERO, 0), |(sum, times), counted| {
            let value = (&counted.value - &counted.returned).max(ZERO);
            (sum + value, times + u32::from(!counted.is_void))
        })
    }

    /// The first limit that a purchase (or what an increment adds, to `whole`) would exceed.
    pub(crate) fn over_limit(
        &self,
        no: AccountNo,
        request: &Authorize,
        (local, whole): (&N, &N),
        is_purchase: bool,
    ) -> Option<&'static str> {
        let controls = &self.state.accounts[&no].policy.rules().controls;
        let (sum, times) = self.used(no);
        let exceeds = |limit: &Limit, local: &N, used: &N| {
            let most: Option<N> = limit.amount.map(|most| most.minor().into());
            most.is_some_and(|most| match self.cents(request, local) {
                None => true,
                Some(cents) => cents > ZERO && cents > (most - used).max(ZERO),
            })
        };
        let each = |limit: &&Limit| limit.window == Window::Transaction;
        if !is_purchase
            && controls
                .limits
                .iter()
                .filter(each)
                .any(|limit| exceeds(limit, whole, &ZERO))
        {
            return Some("declined amount_limit_exceeded");
        }
        for limit in &controls.limits {
            let used = if each(&limit) { &ZERO } else { &sum };
            if exceeds(limit, local, used) {
                return Some("declined amount_limit_exceeded");
            }
            let made = if each(&limit) { 0 } else { times };
            let is_over = limit.count.is_some_and(|most| made >= most);
            if is_over && is_purchase && *local > ZERO {
                return Some("declined count_limit_exceeded");
            }
        }
        None
    }

    pub(crate) fn counts(&self, no: AccountNo, request: &Authorize, local: &N) -> Option<Counted> {
        let controls = &self.state.accounts[&no].policy.rules().controls;
        let is_counted = !controls.limits.is_empty() && *local > ZERO;
        is_counted.then(|| Counted {
            value: self.cents(request, local).unwrap_or(ZERO),
            returned: ZERO,
            is_void: false,
        })
    }
}

pub(crate) fn to_asset(local: &Ratio, rate: &Ratio, asset: Asset) -> N {
    let scale = Ratio::whole(super::ratio::ten_to(asset.decimals()));
    local.by(rate).times(&scale).up()
}

/// What a programme sets aside, in units of the local currency.
pub(crate) fn part_of(kind: ProgrammeKind, minor: &N, currency: Currency) -> Ratio {
    let local = Ratio::units(minor, currency.digits());
    match kind {
        ProgrammeKind::ExtraSavings { basis, value } => match basis {
            FeeBasis::Percentage => local.times(&Ratio::decimal(value)),
            FeeBasis::Flat => Ratio::decimal(value),
        },
        ProgrammeKind::RoundUp => Ratio::whole(local.up()).minus(&local),
    }
}

fn asides(
    programmes: &[Programme],
    minor: &N,
    currency: Currency,
    rate: &Ratio,
    asset: Asset,
) -> Vec<Aside> {
    let aside = |programme: &Programme| Aside {
        programme: programme.clone(),
        amount: to_asset(&part_of(programme.kind, minor, currency), rate, asset),
        captured: ZERO,
        released: ZERO,
        returned: ZERO,
    };
    let asides = programmes.iter().map(aside);
    asides.filter(|aside| aside.amount > ZERO).collect()
}

/// Each fee of a debit: percentages down, flat ones as they are; nothing of nothing.
pub(crate) fn lines(applying: &[FeeTerm], debit: &N) -> Vec<Fee> {
    let line = |term: &FeeTerm| Fee {
        term: term.clone(),
        amount: match term.basis {
            FeeBasis::Percentage => of(term, debit),
            FeeBasis::Flat if *debit == ZERO => ZERO,
            FeeBasis::Flat => term.value.mantissa.into(),
        },
        charged: ZERO,
        returned: ZERO,
    };
    applying.iter().map(line).collect()
}

pub(crate) fn of(term: &FeeTerm, debit: &N) -> N {
    Ratio::decimal(term.value)
        .times(&Ratio::whole(debit.clone()))
        .down()
}

/// A step's amount, if it names one.
pub(crate) fn asked(step: &StepRequest, currency: Currency) -> Option<N> {
    let given = step.local?;
    let minor =
        Ratio::decimal(given.value).times(&Ratio::whole(super::ratio::ten_to(currency.digits())));
    Some(minor.down())
}
