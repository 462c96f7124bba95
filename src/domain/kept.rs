//! Authorizations that hold money, as the state keeps them: by the million, so as small as can be.
//!
//! Most are plain purchases of which nothing was captured, released or refunded yet: one account pays,
//! with one fee at the most. Of such a one only what tells it from others is kept, a third of its size;
//! it is put together again when a step needs it. Any other is kept whole.

use std::{borrow::Cow, sync::Arc};

use super::{
    decision::Decision,
    hold::{Authorization, FeeBasis, FeeCategory, FeeLine, Leg, TransactionType},
    ids::{AccountNo, AuthorizationId, LedgerNo},
    merchant::Mcc,
    money::{Amount, Asset, Currency, Decimal},
    time::Timestamp,
};

/// An authorization that holds money, with what only its place in the log says beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenAuthorization {
    kept: Kept,
    /// Where its first record stands in the log.
    pub first_lsn: u64,
    /// Where its last record stands in the log.
    pub last_lsn: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kept {
    Plain(Box<Plain>),
    Whole(Arc<Authorization>),
}

impl OpenAuthorization {
    /// Keeps an authorization as its last record has it.
    #[must_use]
    pub fn new(authorization: &Arc<Authorization>, first_lsn: u64, last_lsn: u64) -> Self {
        let kept = match Plain::of(authorization) {
            Some(plain) => Kept::Plain(Box::new(plain)),
            None => Kept::Whole(authorization.clone()),
        };
        Self {
            kept,
            first_lsn,
            last_lsn,
        }
    }

    /// As its last record has it.
    #[must_use]
    pub fn authorization(&self) -> Cow<'_, Authorization> {
        match &self.kept {
            Kept::Plain(plain) => Cow::Owned(plain.whole()),
            Kept::Whole(authorization) => Cow::Borrowed(authorization),
        }
    }

    /// The authorization with its places filled in, to be changed by a step.
    #[must_use]
    pub fn current(&self) -> Authorization {
        let mut authorization = self.authorization().into_owned();
        authorization.first_lsn = self.first_lsn;
        authorization.last_lsn = self.last_lsn;
        authorization
    }

    /// Whether the programme has yet to say yes or no.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        match &self.kept {
            Kept::Plain(_) => false,
            Kept::Whole(authorization) => authorization.decision.is_open(),
        }
    }
}

/// A purchase of which nothing has become yet. Amounts are of smallest units, as everywhere.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Plain {
    id: AuthorizationId,
    account: AccountNo,
    payer: AccountNo,
    ledger: LedgerNo,
    transaction_id: Box<str>,
    requested: u64,
    local: u64,
    amount: u64,
    rate: Short,
    fee: Option<PlainFee>,
    expires_at: Timestamp,
    created_at: Timestamp,
    mcc: Option<Mcc>,
    asset: Asset,
    currency: Currency,
    kind: TransactionType,
    is_partial: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct PlainFee {
    name: Arc<str>,
    treasury: Arc<str>,
    value: Short,
    amount: u64,
    basis: FeeBasis,
    category: FeeCategory,
}

/// A decimal of few digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Short {
    mantissa: i64,
    scale: u8,
}

impl Short {
    fn of(decimal: Decimal) -> Option<Self> {
        let Decimal { mantissa, scale } = decimal;
        let mantissa = i64::try_from(mantissa).ok()?;
        Some(Self { mantissa, scale })
    }

    fn whole(self) -> Decimal {
        Decimal {
            mantissa: self.mantissa.into(),
            scale: self.scale,
        }
    }
}

fn short(amount: Amount) -> Option<u64> {
    u64::try_from(amount.minor()).ok()
}

fn amount(short: u64) -> Amount {
    Amount::from_minor(short.into()).unwrap_or(Amount::ZERO)
}

impl Plain {
    /// Nothing if there is more to say of it.
    fn of(authorization: &Authorization) -> Option<Self> {
        // Every field is named, so that a new one cannot be forgotten.
        let Authorization {
            id,
            account,
            transaction_id,
            kind,
            mcc,
            currency,
            requested,
            local,
            local_captured,
            local_released,
            local_excess,
            local_refunded,
            asset,
            rate,
            exact_rate,
            legs,
            fees,
            is_partial,
            is_forced,
            has_expired,
            expires_at,
            created_at,
            surcharges,
            counted,
            refunds,
            decision,
            first_lsn,
            last_lsn,
        } = authorization;
        let became = [local_captured, local_released, local_excess, local_refunded];
        let is_plain = became.into_iter().all(|amount| amount.is_zero())
            && exact_rate.is_none()
            && !is_forced
            && !has_expired
            && surcharges.is_empty()
            && counted.is_empty()
            && refunds.is_empty()
            && *decision == Decision::NotAsked
            && (*first_lsn, *last_lsn) == (0, 0);
        let [leg] = legs.as_slice() else { return None };
        if !is_plain || !is_fresh(leg) {
            return None;
        }
        let fee = match fees.as_slice() {
            [] => None,
            [fee] => Some(PlainFee::of(fee)?),
            _ => return None,
        };
        Some(Self {
            id: *id,
            account: *account,
            payer: leg.account,
            ledger: leg.ledger,
            transaction_id: transaction_id.as_str().into(),
            requested: short(*requested)?,
            local: short(*local)?,
            amount: short(leg.amount)?,
            rate: Short::of(*rate)?,
            fee,
            expires_at: *expires_at,
            created_at: *created_at,
            mcc: *mcc,
            asset: *asset,
            currency: *currency,
            kind: *kind,
            is_partial: *is_partial,
        })
    }

    fn whole(&self) -> Authorization {
        Authorization {
            id: self.id,
            account: self.account,
            transaction_id: self.transaction_id.as_ref().to_owned(),
            kind: self.kind,
            mcc: self.mcc,
            currency: self.currency,
            requested: amount(self.requested),
            local: amount(self.local),
            local_captured: Amount::ZERO,
            local_released: Amount::ZERO,
            local_excess: Amount::ZERO,
            local_refunded: Amount::ZERO,
            asset: self.asset,
            rate: self.rate.whole(),
            exact_rate: None,
            legs: vec![Leg {
                account: self.payer,
                ledger: self.ledger,
                amount: amount(self.amount),
                captured: Amount::ZERO,
                released: Amount::ZERO,
                excess: Amount::ZERO,
                refunded: Amount::ZERO,
            }],
            fees: self.fee.iter().map(PlainFee::whole).collect(),
            is_partial: self.is_partial,
            is_forced: false,
            has_expired: false,
            expires_at: self.expires_at,
            created_at: self.created_at,
            surcharges: Vec::new(),
            counted: Vec::new(),
            refunds: Vec::new(),
            decision: Decision::NotAsked,
            first_lsn: 0,
            last_lsn: 0,
        }
    }
}

fn is_fresh(leg: &Leg) -> bool {
    let became = [leg.captured, leg.released, leg.excess, leg.refunded];
    became.into_iter().all(Amount::is_zero)
}

impl PlainFee {
    fn of(fee: &FeeLine) -> Option<Self> {
        let FeeLine {
            name,
            treasury,
            basis,
            value,
            amount,
            charged,
            returned,
            category,
            payee,
        } = fee;
        if !charged.is_zero() || !returned.is_zero() || payee.is_some() {
            return None;
        }
        Some(Self {
            name: name.clone(),
            treasury: treasury.clone(),
            value: Short::of(*value)?,
            amount: short(*amount)?,
            basis: *basis,
            category: *category,
        })
    }

    fn whole(&self) -> FeeLine {
        FeeLine {
            name: self.name.clone(),
            treasury: self.treasury.clone(),
            basis: self.basis,
            value: self.value.whole(),
            amount: amount(self.amount),
            charged: Amount::ZERO,
            returned: Amount::ZERO,
            category: self.category,
            payee: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        hold::{Counted, Refund, Surcharge},
        ids::ActorId,
        policy::cashback::ProgrammeKind,
        rate::Rate,
    };

    fn plain() -> Authorization {
        let asset: Asset = "DUSD/6".parse().unwrap();
        Authorization {
            id: AuthorizationId {
                actor: ActorId(7),
                number: 3,
            },
            account: AccountNo(7),
            transaction_id: "t-1".to_owned(),
            kind: TransactionType::Withdrawal,
            mcc: Mcc::new(6011),
            currency: "JPY".parse().unwrap(),
            requested: amount(5_000),
            local: amount(4_000),
            local_captured: Amount::ZERO,
            local_released: Amount::ZERO,
            local_excess: Amount::ZERO,
            local_refunded: Amount::ZERO,
            asset,
            rate: "1.25".parse().unwrap(),
            exact_rate: None,
            legs: vec![Leg {
                account: AccountNo(8),
                ledger: LedgerNo(9),
                amount: amount(u64::MAX),
                captured: Amount::ZERO,
                released: Amount::ZERO,
                excess: Amount::ZERO,
                refunded: Amount::ZERO,
            }],
            fees: vec![FeeLine {
                name: "interchange".into(),
                treasury: "urn:t".into(),
                basis: FeeBasis::Flat,
                value: "-0.0144".parse().unwrap(),
                amount: amount(57),
                charged: Amount::ZERO,
                returned: Amount::ZERO,
                category: FeeCategory::Interchange,
                payee: None,
            }],
            is_partial: true,
            is_forced: false,
            has_expired: false,
            expires_at: Timestamp::from_micros(-5),
            created_at: Timestamp::from_micros(i64::MAX),
            surcharges: Vec::new(),
            counted: Vec::new(),
            refunds: Vec::new(),
            decision: Decision::NotAsked,
            first_lsn: 0,
            last_lsn: 0,
        }
    }

    type Change = (&'static str, fn(&mut Authorization));

    #[test]
    #[expect(clippy::too_many_lines, reason = "a table of all that can differ")]
    fn whatever_is_kept_comes_out_as_it_went_in() {
        let changes: Vec<Change> = vec![
            ("nothing", |_| {}),
            ("no fee", |it| it.fees.clear()),
            ("large", |it| {
                it.requested = Amount::from_minor(i128::MAX).unwrap()
            }),
            ("large local", |it| {
                it.local = Amount::from_minor(1 << 64).unwrap()
            }),
            ("large leg", |it| {
                it.legs[0].amount = Amount::from_minor(1 << 64).unwrap()
            }),
            ("long rate", |it| it.rate.mantissa = 1 << 63),
            ("exact", |it| it.exact_rate = Some(Box::new(Rate::ONE))),
            ("captured", |it| it.local_captured = amount(1)),
            ("released", |it| it.local_released = amount(1)),
            ("excess", |it| it.local_excess = amount(1)),
            ("refunded", |it| it.local_refunded = amount(1)),
            ("leg captured", |it| it.legs[0].captured = amount(1)),
            ("leg released", |it| it.legs[0].released = amount(1)),
            ("leg excess", |it| it.legs[0].excess = amount(1)),
            ("leg refunded", |it| it.legs[0].refunded = amount(1)),
            ("two legs", |it| it.legs.push(it.legs[0].clone())),
            ("no leg", |it| it.legs.clear()),
            ("two fees", |it| it.fees.push(it.fees[0].clone())),
            ("fee charged", |it| it.fees[0].charged = amount(1)),
            ("fee returned", |it| it.fees[0].returned = amount(1)),
            ("fee earner", |it| it.fees[0].payee = Some(AccountNo(1))),
            ("long fee", |it| it.fees[0].value.mantissa = i128::MIN),
            ("large fee", |it| {
                it.fees[0].amount = Amount::from_minor(1 << 70).unwrap()
            }),
            ("forced", |it| it.is_forced = true),
            ("expired", |it| it.has_expired = true),
            ("surcharge", |it| {
                it.surcharges.push(Surcharge {
                    name: "up".into(),
                    kind: ProgrammeKind::RoundUp,
                    target: AccountNo(4),
                    local: Decimal::ONE,
                    amount: amount(1),
                    captured: Amount::ZERO,
                    released: Amount::ZERO,
                    returned: Amount::ZERO,
                });
            }),
            ("counted", |it| {
                it.counted.push(Counted {
                    account: AccountNo(7),
                    currency: None,
                    value: Amount::ZERO,
                    returned: Amount::ZERO,
                    is_void: false,
                });
            }),
            ("a refund", |it| {
                it.refunds.push(Refund {
                    lsn: 1,
                    local: Amount::ZERO,
                    legs: Vec::new(),
                    fees: Vec::new(),
                    surcharges: Vec::new(),
                    in_suspense: Vec::new(),
                    is_reversed: false,
                });
            }),
            ("asked", |it| {
                it.decision = Decision::Asked {
                    fallback: crate::domain::decision::Ruling::Declined,
                    captures: false,
                };
            }),
            ("first", |it| it.first_lsn = 1),
            ("last", |it| it.last_lsn = 1),
        ];
        for (what, change) in changes {
            let mut authorization = plain();
            change(&mut authorization);
            let authorization = Arc::new(authorization);
            let open = OpenAuthorization::new(&authorization, 10, 11);
            assert_eq!(*open.authorization(), *authorization, "{what}");
            assert_eq!(open.is_asked(), what == "asked");
            let is_small = matches!(open.kept, Kept::Plain(_));
            assert_eq!(is_small, ["nothing", "no fee"].contains(&what), "{what}");
            let current = open.current();
            assert_eq!((current.first_lsn, current.last_lsn), (10, 11));
        }
        assert!(size_of::<Plain>() <= 224, "{}", size_of::<Plain>());
    }
}
