//! An authorization and all that became of it: held, captured, released, refunded.

use std::sync::Arc;

use super::{
    decision::Decision,
    ids::{AccountNo, AuthorizationId, LedgerNo},
    merchant::Mcc,
    money::{Amount, Asset, Currency, Decimal, LocalAmount, MoneyError},
    policy::cashback::ProgrammeKind,
    rate::Rate,
    time::Timestamp,
};

/// What the cardholder is doing. Source: network-face contract; ISO 8583 processing code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransactionType {
    /// Goods or services.
    Purchase,
    /// Cash from a machine.
    Withdrawal,
    /// Cash over the counter beside a purchase.
    ExtraCash,
    /// A question, no money.
    BalanceInquiry,
    /// A bill.
    Payment,
    /// Money towards the cardholder by authorization: not taken.
    Credit,
}

impl TransactionType {
    /// The word on the wire.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Purchase => "PURCHASE",
            Self::Withdrawal => "WITHDRAWAL",
            Self::ExtraCash => "EXTRACASH",
            Self::BalanceInquiry => "BALANCE_INQUIRY",
            Self::Payment => "PAYMENT",
            Self::Credit => "CREDIT",
        }
    }

    /// Every type.
    pub const ALL: [Self; 6] = [
        Self::Purchase,
        Self::Withdrawal,
        Self::ExtraCash,
        Self::BalanceInquiry,
        Self::Payment,
        Self::Credit,
    ];
}

/// What one ledger account has in an authorization, in the authorization's asset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leg {
    /// The face that was drawn on.
    pub account: AccountNo,
    /// Its money.
    pub ledger: LedgerNo,
    /// Authorized: what was held at first, and by increments.
    pub amount: Amount,
    /// Of that, captured from the hold.
    pub captured: Amount,
    /// Of that, released without capture.
    pub released: Amount,
    /// Captured beyond the hold.
    pub excess: Amount,
    /// Refunded.
    pub refunded: Amount,
}

impl Leg {
    /// What is still held.
    #[must_use]
    pub const fn held(&self) -> Amount {
        self.amount
            .minus_or_zero(self.captured)
            .minus_or_zero(self.released)
    }

    /// All that was paid.
    #[must_use]
    pub const fn paid(&self) -> Amount {
        Amount::ZERO
            .saturating_plus(self.captured)
            .saturating_plus(self.excess)
    }
}

/// How a fee's value is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeeBasis {
    /// A fraction of the debit.
    Percentage,
    /// Smallest units of the debit's asset.
    Flat,
}

/// What a fee is for. Source: Bloque docs, Fee Configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeeCategory {
    /// Drives the spread of a conversion.
    Fx,
    /// The network's.
    Interchange,
    /// Any other.
    Custom,
}

impl FeeCategory {
    /// The word on the wire.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Fx => "fx",
            Self::Interchange => "interchange",
            Self::Custom => "custom",
        }
    }
}

/// One fee of an authorization, in the authorization's asset; inside the debit, never on top.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeeLine {
    /// Its name.
    pub name: Arc<str>,
    /// Who earns it.
    pub treasury: Arc<str>,
    /// How `value` is meant.
    pub basis: FeeBasis,
    /// The fraction, or the flat amount.
    pub value: Decimal,
    /// Of the whole authorized debit.
    pub amount: Amount,
    /// Posted by captures.
    pub charged: Amount,
    /// Given back by refunds.
    pub returned: Amount,
    /// What it is for.
    pub category: FeeCategory,
    /// Whose account earns it, unless it is a treasury of the house.
    pub payee: Option<AccountNo>,
}

/// What a cashback programme sets aside of an authorization: on top of the debit, held and captured
/// with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Surcharge {
    /// The programme.
    pub name: Arc<str>,
    /// What it does.
    pub kind: ProgrammeKind,
    /// Where it goes.
    pub target: AccountNo,
    /// How much, in units of the merchant's currency: exact, possibly finer than its minor unit.
    pub local: Decimal,
    /// How much, in the authorization's asset.
    pub amount: Amount,
    /// Of that, captured.
    pub captured: Amount,
    /// Of that, released without capture.
    pub released: Amount,
    /// Given back by refunds.
    pub returned: Amount,
}

impl Surcharge {
    /// What is still held.
    #[must_use]
    pub const fn held(&self) -> Amount {
        self.amount
            .minus_or_zero(self.captured)
            .minus_or_zero(self.released)
    }
}

/// What an authorization counts for against the limits of one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    /// Whose limits.
    pub account: AccountNo,
    /// The currency it is counted in; none where only the number of purchases is.
    pub currency: Option<Currency>,
    /// How much, in that currency's minor unit.
    pub value: Amount,
    /// Of that, given back by releases.
    pub returned: Amount,
    /// Whether the purchase no longer counts as one.
    pub is_void: bool,
}

/// Where an authorization is in its life: derived, never stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// All of it is held.
    Pending,
    /// Some is captured, some still held.
    PartiallyCaptured,
    /// Captured; nothing held.
    Captured,
    /// Released; nothing was captured.
    Reversed,
    /// Released because its time ran out; nothing was captured.
    Expired,
    /// All that was captured was refunded.
    Refunded,
    /// Some of what was captured was refunded.
    PartiallyRefunded,
    /// Never held, or let go because the programme said no.
    Declined,
}

impl State {
    /// The word on the wire.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::PartiallyCaptured => "partially_captured",
            Self::Captured => "captured",
            Self::Reversed => "reversed",
            Self::Expired => "expired",
            Self::Refunded => "refunded",
            Self::PartiallyRefunded => "partially_refunded",
            Self::Declined => "declined",
        }
    }

    /// Every state.
    pub const ALL: [Self; 8] = [
        Self::Pending,
        Self::PartiallyCaptured,
        Self::Captured,
        Self::Reversed,
        Self::Expired,
        Self::Refunded,
        Self::PartiallyRefunded,
        Self::Declined,
    ];
}

/// What a reversal, a capture and a refund act on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authorization {
    /// Its id.
    pub id: AuthorizationId,
    /// The card that was used.
    pub account: AccountNo,
    /// The processor's id of it.
    pub transaction_id: String,
    /// What the cardholder did.
    pub kind: TransactionType,
    /// The merchant's category: increments are routed by it.
    pub mcc: Option<Mcc>,
    /// The merchant's currency.
    pub currency: Currency,
    /// What was asked at first, in the currency's minor unit.
    pub requested: Amount,
    /// What was approved, with increments, in the currency's minor unit.
    pub local: Amount,
    /// Of `local`, captured from the hold.
    pub local_captured: Amount,
    /// Of `local`, released without capture.
    pub local_released: Amount,
    /// Captured beyond `local`.
    pub local_excess: Amount,
    /// Refunded, in the currency's minor unit.
    pub local_refunded: Amount,
    /// What was drawn.
    pub asset: Asset,
    /// Units of the currency per unit of the asset, as applied; rounded for show.
    pub rate: Decimal,
    /// The same exactly, where it is a conversion: increments are priced by it.
    pub exact_rate: Option<Box<Rate>>,
    /// Who was drawn on.
    pub legs: Vec<Leg>,
    /// What of it are fees.
    pub fees: Vec<FeeLine>,
    /// Whether it was approved for less than asked.
    pub is_partial: bool,
    /// Whether a clearing came without an authorization.
    pub is_forced: bool,
    /// Whether its time ran out.
    pub has_expired: bool,
    /// When the hold ends by itself.
    pub expires_at: Timestamp,
    /// When it was decided.
    pub created_at: Timestamp,
    /// What cashback programmes set aside of it.
    pub surcharges: Vec<Surcharge>,
    /// What it counts for against limits.
    pub counted: Vec<Counted>,
    /// Its refunds, in order.
    pub refunds: Vec<Refund>,
    /// Whether the programme was asked, and what came of it.
    pub decision: Decision,
    /// Where its first record stands in the log; 0 inside that record itself.
    pub first_lsn: u64,
    /// Where its last record stands in the log; inside a record, the one before.
    pub last_lsn: u64,
}

/// One refund, so that it can be reversed exactly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refund {
    /// Its record in the log; 0 inside that record itself.
    pub lsn: u64,
    /// How much, in the currency's minor unit.
    pub local: Amount,
    /// What each leg got back, in the order of the legs.
    pub legs: Vec<Amount>,
    /// What each fee gave back, in the order of the fees.
    pub fees: Vec<Amount>,
    /// What came back from each surcharge, in the order of the surcharges.
    pub surcharges: Vec<Amount>,
    /// Whether each leg's part went to suspense, because its account was gone.
    pub in_suspense: Vec<bool>,
    /// Whether it was reversed since.
    pub is_reversed: bool,
}

impl Authorization {
    /// The authorized debit, without what is set aside on top of it: D.
    #[must_use]
    pub fn amount(&self) -> Amount {
        let all = total(self.legs.iter().map(|leg| leg.amount));
        all.minus_or_zero(self.surcharged())
    }

    /// What is set aside on top of the debit.
    #[must_use]
    pub fn surcharged(&self) -> Amount {
        total(self.surcharges.iter().map(|part| part.amount))
    }

    /// What is still held, surcharges included.
    #[must_use]
    pub fn held(&self) -> Amount {
        total(self.legs.iter().map(Leg::held))
    }

    /// What is still held, in the currency's minor unit.
    #[must_use]
    pub const fn local_held(&self) -> Amount {
        self.local
            .minus_or_zero(self.local_captured)
            .minus_or_zero(self.local_released)
    }

    /// All of the debit that was captured, beyond the hold too.
    #[must_use]
    pub fn captured(&self) -> Amount {
        let all = total(self.legs.iter().map(Leg::paid));
        all.minus_or_zero(total(self.surcharges.iter().map(|part| part.captured)))
    }

    /// All that was captured, in the currency's minor unit.
    #[must_use]
    pub const fn local_paid(&self) -> Amount {
        self.local_captured.saturating_plus(self.local_excess)
    }

    /// Of the debit, released without capture: by reversal, final capture or expiry.
    #[must_use]
    pub fn released(&self) -> Amount {
        let all = total(self.legs.iter().map(|leg| leg.released));
        all.minus_or_zero(total(self.surcharges.iter().map(|part| part.released)))
    }

    /// Of the debit, refunded, less refunds reversed.
    #[must_use]
    pub fn refunded(&self) -> Amount {
        let all = total(self.legs.iter().map(|leg| leg.refunded));
        all.minus_or_zero(total(self.surcharges.iter().map(|part| part.returned)))
    }

    /// Captured and not refunded, in the currency's minor unit.
    #[must_use]
    pub const fn local_refundable(&self) -> Amount {
        self.local_paid().minus_or_zero(self.local_refunded)
    }

    /// Whether something is still to come: a hold is there, or the programme's answer is awaited, on
    /// which a purchase of nothing waits too.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !self.held().is_zero() || self.decision.is_open()
    }

    /// Where it is in its life.
    #[must_use]
    pub fn state(&self) -> State {
        if self.decision.decline_reason().is_some() {
            return State::Declined;
        }
        let captured = self.captured();
        let refunded = self.refunded();
        if !refunded.is_zero() {
            let whole = refunded == captured && !self.is_open();
            return if whole {
                State::Refunded
            } else {
                State::PartiallyRefunded
            };
        }
        if !captured.is_zero() {
            return if self.is_open() {
                State::PartiallyCaptured
            } else {
                State::Captured
            };
        }
        if self.is_open() {
            return State::Pending;
        }
        if self.has_expired {
            return State::Expired;
        }
        // An account verification holds nothing, so nothing is left to do.
        if self.amount().is_zero() {
            State::Captured
        } else {
            State::Reversed
        }
    }

    /// The rate that was applied, exactly.
    ///
    /// # Errors
    ///
    /// [`MoneyError::OutOfRange`] for a rate that is none: never for one that was decided.
    pub fn applied_rate(&self) -> Result<Rate, MoneyError> {
        match &self.exact_rate {
            Some(exact) => Ok((**exact).clone()),
            None => Rate::from_decimal(self.rate),
        }
    }

    /// The approved amount in the merchant's currency.
    #[must_use]
    pub const fn local_amount(&self) -> LocalAmount {
        LocalAmount {
            minor: self.local,
            currency: self.currency,
        }
    }
}

fn total(amounts: impl Iterator<Item = Amount>) -> Amount {
    amounts.fold(Amount::ZERO, Amount::saturating_plus)
}
