//! What happened to a group: facts, with everything that was computed, so that no later code
//! computes the past again.

use std::sync::Arc;

use super::{
    account::Account,
    books::Booked,
    command::{Authorize, ChangeAccount, MoveMoney, Transfer},
    decision::Ruling,
    explanation::Explanation,
    funds::Balance,
    group::Absorption,
    hold::Authorization,
    ids::{AccountNo, AuthorizationId, LedgerNo, TransferId},
    money::{Amount, Asset},
    outcome::DeclineReason,
    policy::controls::Effects,
    posting::Posting,
};

/// One fact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// An account was made.
    AccountOpened(Box<Account>),
    /// An account's face changed; as it is now.
    AccountChanged {
        /// What was asked.
        change: Box<ChangeAccount>,
        /// As it is now.
        account: Box<Account>,
    },
    /// Money came from the world.
    Deposited(MoveMoney, Movement),
    /// Money went to the world.
    Withdrawn(MoveMoney, Movement),
    /// Money moved between accounts of this group.
    TransferredWithin(Box<Transfer>, Movement),
    /// Money left for another actor.
    TransferSent(Box<Transfer>, Movement),
    /// Money came from another actor.
    TransferReceived(Box<Transfer>, Movement),
    /// The money sent arrived; it is no longer watched.
    TransferSettled(TransferId),
    /// The money sent could not arrive and came back.
    TransferReturned(Box<Transfer>, Movement),
    /// A purchase was approved (and captured at once, if it asked so), or forced.
    AuthorizationApproved(Box<Approved>),
    /// A purchase was declined.
    AuthorizationDeclined(Box<Declined>),
    /// Something became of an authorization.
    AuthorizationStepped(Box<Stepped>),
    /// Another group came into this one with all it has, and is no more.
    Absorbed(Arc<Absorption>),
    /// Something became of a transaction of the books.
    Booked(Box<Booked>),
}

impl Event {
    /// The money it moved, if any.
    #[must_use]
    pub fn movement(&self) -> Option<&Movement> {
        match self {
            Self::AccountOpened(_)
            | Self::AccountChanged { .. }
            | Self::TransferSettled(_)
            | Self::Absorbed(_) => None,
            Self::Deposited(_, movement)
            | Self::Withdrawn(_, movement)
            | Self::TransferredWithin(_, movement)
            | Self::TransferSent(_, movement)
            | Self::TransferReceived(_, movement)
            | Self::TransferReturned(_, movement) => Some(movement),
            Self::AuthorizationApproved(approved) => Some(&approved.movement),
            Self::AuthorizationDeclined(declined) => Some(&declined.movement),
            Self::AuthorizationStepped(stepped) => Some(&stepped.movement),
            Self::Booked(booked) => Some(&booked.movement),
        }
    }
}

impl Event {
    /// The approval, if it is one.
    #[must_use]
    pub const fn approved(&self) -> Option<&Approved> {
        if let Self::AuthorizationApproved(approved) = self {
            Some(approved)
        } else {
            None
        }
    }

    /// The decline, if it is one.
    #[must_use]
    pub const fn declined(&self) -> Option<&Declined> {
        if let Self::AuthorizationDeclined(declined) = self {
            Some(declined)
        } else {
            None
        }
    }

    /// The step, if it is one.
    #[must_use]
    pub const fn stepped(&self) -> Option<&Stepped> {
        if let Self::AuthorizationStepped(stepped) = self {
            Some(stepped)
        } else {
            None
        }
    }

    /// The group it takes in, if it does.
    #[must_use]
    pub const fn absorption(&self) -> Option<&Arc<Absorption>> {
        if let Self::Absorbed(absorption) = self {
            Some(absorption)
        } else {
            None
        }
    }

    /// The fact about a transaction of the books, if it is one.
    #[must_use]
    pub const fn booked(&self) -> Option<&Booked> {
        if let Self::Booked(booked) = self {
            Some(booked)
        } else {
            None
        }
    }

    /// The authorization it is about, if any.
    #[must_use]
    pub fn authorization_id(&self) -> Option<AuthorizationId> {
        let approved = self.approved().map(|approved| approved.authorization.id);
        let declined = self.declined().map(|declined| declined.id);
        approved
            .or(declined)
            .or(self.stepped().map(|stepped| stepped.authorization.id))
    }
}

/// The money of an event: its postings, and what the accounts they touch have after it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Movement {
    /// Balanced, in order.
    pub postings: Vec<Posting>,
    /// Every asset of every ledger account touched.
    pub after: Vec<LedgerAfter>,
}

/// What a ledger account has after an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerAfter {
    /// Which.
    pub ledger: LedgerNo,
    /// By asset, in the account's order.
    pub balances: Vec<(Asset, Balance)>,
}

/// An approval. One whose authorization's decision is open only holds the money: the programme is
/// asked, and a [`StepKind::Concluded`] says whether it is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approved {
    /// As asked.
    pub request: Arc<Authorize>,
    /// As decided.
    pub authorization: Arc<Authorization>,
    /// The money.
    pub movement: Movement,
    /// What it changes beside money; none for most cards.
    pub effects: Option<Box<Effects>>,
    /// Why it was decided so.
    pub explanation: Explanation,
}

/// A decline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declined {
    /// Its id.
    pub id: AuthorizationId,
    /// As asked.
    pub request: Arc<Authorize>,
    /// Why.
    pub reason: DeclineReason,
    /// The card's ledger account at that moment.
    pub movement: Movement,
    /// Why it was decided so.
    pub explanation: Explanation,
}

/// What a step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepKind {
    /// More was held.
    Increment,
    /// More was asked and not held.
    IncrementDeclined(DeclineReason),
    /// Held money was taken.
    Capture,
    /// Held money was let go on request.
    Reversal,
    /// Held money was let go by time.
    Expiry,
    /// Captured money came back.
    Refund,
    /// A refund was undone.
    RefundReversal,
    /// The programme, or the fallback for it, said yes or no. Only now is the purchase approved: what
    /// is told of it outside is told from this record, not from the approval that asked.
    Concluded(Ruling),
}

impl StepKind {
    /// The word on the wire.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Increment | Self::IncrementDeclined(_) => "increment",
            Self::Capture => "capture",
            Self::Reversal => "reversal",
            Self::Expiry => "expiry",
            Self::Refund => "refund",
            Self::RefundReversal => "refund_reversal",
            Self::Concluded(_) => "decision",
        }
    }
}

/// A step on an authorization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stepped {
    /// What it did.
    pub kind: StepKind,
    /// The step's own id; empty for an expiry and for the programme's answer.
    pub transaction_id: String,
    /// The card.
    pub account: AccountNo,
    /// How much, in the currency's minor unit.
    pub local: Amount,
    /// How much, in the asset's smallest unit.
    pub amount: Amount,
    /// Of a capture: what went beyond the hold, within the tolerance and past it.
    pub over: OverCapture,
    /// What each fee got or gave, in the order of the authorization's fees.
    pub fees: Vec<Amount>,
    /// What each surcharge got or gave, in the order of the authorization's surcharges.
    pub surcharges: Vec<Amount>,
    /// What went to the suspense account because an account is gone.
    pub suspended: Amount,
    /// The authorization after it.
    pub authorization: Arc<Authorization>,
    /// The money.
    pub movement: Movement,
    /// What it changes beside money; none for most cards.
    pub effects: Option<Box<Effects>>,
}

/// What a capture took beyond its hold, in the asset's smallest unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OverCapture {
    /// Within the configured tolerance.
    pub tolerated: Amount,
    /// Beyond it: an adjustment.
    pub adjusted: Amount,
}
