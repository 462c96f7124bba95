//! An authorization in the model.

use cardwright::domain::{
    hold::TransactionType,
    ids::{AccountNo, ActorId, LedgerNo},
    money::{Asset, Currency},
    time::Timestamp,
};
use num_bigint::BigInt;

use super::Fraction;

#[derive(Clone, Debug)]
pub(crate) struct Fee {
    pub(crate) treasury: String,
    pub(crate) fraction: Fraction,
    pub(crate) amount: BigInt,
    pub(crate) charged: BigInt,
    pub(crate) returned: BigInt,
}

#[derive(Clone, Debug)]
pub(crate) struct Refund {
    pub(crate) lsn: u64,
    pub(crate) local: BigInt,
    pub(crate) amount: BigInt,
    pub(crate) fees: Vec<BigInt>,
    pub(crate) in_suspense: bool,
    pub(crate) is_reversed: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Hold {
    pub(crate) group: ActorId,
    pub(crate) account: AccountNo,
    pub(crate) ledger: LedgerNo,
    pub(crate) kind: TransactionType,
    pub(crate) currency: Currency,
    pub(crate) asset: Asset,
    pub(crate) local: BigInt,
    pub(crate) local_captured: BigInt,
    pub(crate) local_released: BigInt,
    pub(crate) local_excess: BigInt,
    pub(crate) local_refunded: BigInt,
    pub(crate) amount: BigInt,
    pub(crate) captured: BigInt,
    pub(crate) released: BigInt,
    pub(crate) excess: BigInt,
    pub(crate) refunded: BigInt,
    pub(crate) fees: Vec<Fee>,
    pub(crate) refunds: Vec<Refund>,
    pub(crate) has_expired: bool,
    /// Being asked about; whether it is to be captured with a yes.
    pub(crate) asked: Option<bool>,
    pub(crate) is_refused: bool,
    pub(crate) expires_at: Timestamp,
}

impl Hold {
    pub(crate) fn held(&self) -> BigInt {
        &self.amount - &self.captured - &self.released
    }

    pub(crate) fn local_held(&self) -> BigInt {
        &self.local - &self.local_captured - &self.local_released
    }

    pub(crate) fn paid(&self) -> BigInt {
        &self.captured + &self.excess
    }

    pub(crate) fn local_paid(&self) -> BigInt {
        &self.local_captured + &self.local_excess
    }

    pub(crate) fn is_open(&self) -> bool {
        self.held() != BigInt::ZERO || self.asked.is_some()
    }

    pub(crate) fn state(&self) -> &'static str {
        let (nothing, paid) = (BigInt::ZERO, self.paid());
        if self.is_refused {
            return "declined";
        }
        match (self.refunded == nothing, paid == nothing, self.is_open()) {
            (false, _, false) if self.refunded == paid => "refunded",
            (false, _, _) => "partially_refunded",
            (true, false, true) => "partially_captured",
            (true, false, false) => "captured",
            (true, true, true) => "pending",
            (true, true, false) if self.has_expired => "expired",
            (true, true, false) if self.amount == nothing => "captured",
            (true, true, false) => "reversed",
        }
    }
}
