//! A transaction as it stands, and the facts that make it.

use std::{collections::BTreeMap, sync::Arc};

use crate::domain::{
    event::Movement,
    ids::{AccountNo, LedgerNo, TransactionId},
    money::{Amount, Asset},
    time::Timestamp,
};

/// What a transaction is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One movement from one source to one destination, asked for as such.
    Single,
    /// The head of several sources or destinations; its parts move the money.
    SplitHead,
    /// The head of a bulk; its parts are singles and heads of splits.
    BulkHead,
    /// A part of a split.
    Part,
    /// A commit of what was inflight: the parent is the inflight one.
    Commit,
    /// What was inflight and was let go: the parent is the inflight one.
    Void,
    /// What was applied goes back: the parent is the one that was applied.
    Refund,
}

/// Where it is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Held until its head is decided.
    Reserved,
    /// Nothing has moved yet; it is taken when its time has come.
    Scheduled,
    /// Held.
    Inflight,
    /// The money has moved.
    Applied,
    /// It was inflight, and all of it was committed.
    Committed,
    /// It was inflight, and what was left was let go.
    Voided,
    /// The same because its time ran out.
    Expired,
    /// Nothing has moved and nothing will.
    Rejected,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Reserved,
        Self::Scheduled,
        Self::Inflight,
        Self::Applied,
        Self::Committed,
        Self::Voided,
        Self::Expired,
        Self::Rejected,
    ];

    /// The word on the wire.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Reserved => "QUEUED",
            Self::Scheduled => "SCHEDULED",
            Self::Inflight => "INFLIGHT",
            Self::Applied => "APPLIED",
            Self::Committed => "COMMIT",
            Self::Voided => "VOID",
            Self::Expired => "EXPIRED",
            Self::Rejected => "REJECTED",
        }
    }

    /// Whether something may still become of it, so that it stays in memory.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Reserved | Self::Scheduled | Self::Inflight)
    }
}

/// Why one was rejected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The source has too little.
    InsufficientFunds {
        /// What it had.
        available: Amount,
        /// What was wanted.
        required: Amount,
    },
    /// The source would owe more than it may.
    OverdraftLimit {
        /// What it had with what it may owe.
        available: Amount,
        /// What was wanted.
        required: Amount,
    },
    /// The source or the destination takes no part in this.
    AccountNotOpen {
        /// Which.
        account: AccountNo,
    },
    /// Another part of the same head could not be done.
    OtherPart,
    /// Somebody's hook said no.
    Hook,
}

/// How much below zero the source may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overdraft {
    /// Not at all.
    No,
    /// As far as it takes.
    Unlimited,
    /// By this much.
    UpTo(Amount),
}

/// How many smallest units make one, and the amount in the words of the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Precision {
    /// Smallest units for one unit: 100 for cents.
    pub factor: u64,
    /// The amount as a decimal of units, without an exponent: `12.5`.
    pub amount: String,
}

/// One side of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Side {
    /// The account.
    pub account: AccountNo,
    /// The money behind it.
    pub ledger: LedgerNo,
    /// As callers know it: the balance's id, `bln_…`, or its indicator.
    pub name: Arc<str>,
}

/// What was asked of a transaction, beside the money.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Unique per origin; empty for parts and for steps that were given none.
    pub reference: String,
    /// For people.
    pub description: String,
    /// How far the source may go below zero.
    pub overdraft: Overdraft,
    /// How it was asked.
    pub marks: Marks,
    /// When it counts from, if that is said.
    pub effective_at: Option<Timestamp>,
    /// When it is to be done.
    pub scheduled_for: Option<Timestamp>,
    /// When what is inflight is let go by itself.
    pub expires_at: Option<Timestamp>,
    /// When what is inflight is committed by itself.
    pub commits_at: Option<Timestamp>,
    /// For a head: the caller's words for its sources and destinations, JSON as text; else empty.
    pub split: String,
}

/// How a transaction was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// Held first.
    pub inflight: bool,
    /// `skip_queue`: too little money is an error and no record.
    pub skip_queue: bool,
    /// All parts or none.
    pub atomic: bool,
}

/// A transaction of the books.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// Its id.
    pub id: TransactionId,
    /// What it is a part of, or what it was made of.
    pub parent: Option<TransactionId>,
    /// The head that decides about it while it is reserved.
    pub head: Option<TransactionId>,
    /// What it is.
    pub kind: Kind,
    /// Where it is in its life.
    pub state: State,
    /// Why it was rejected.
    pub reason: Option<Reason>,
    /// What is counted.
    pub asset: Asset,
    /// How much, in the smallest unit.
    pub amount: Amount,
    /// The same in the caller's words.
    pub precision: Precision,
    /// Where it leaves; of a head the first part's.
    pub source: Side,
    /// Where it arrives; of a head the first part's.
    pub destination: Side,
    /// What else was asked.
    pub terms: Terms,
    /// The caller's own data, a JSON object as text.
    pub metadata: String,
    /// When it was taken.
    pub created_at: Timestamp,
    /// Of what is or was inflight: what was committed.
    pub committed: Amount,
    /// Of what is or was inflight: what was let go.
    pub released: Amount,
    /// Of what was applied: what went back.
    pub refunded: Amount,
    /// How many commits, voids and refunds there were.
    pub steps: u32,
    /// Of a head: its parts.
    pub parts: Vec<TransactionId>,
    /// Where its first record stands; 0 while it is being decided.
    pub first_lsn: u64,
    /// Where its last record stands; 0 while it is being decided.
    pub last_lsn: u64,
}

impl Transaction {
    /// What is neither committed nor let go.
    #[must_use]
    pub fn left(&self) -> Amount {
        let uncommitted = self.amount.minus_or_zero(self.committed);
        uncommitted.minus_or_zero(self.released)
    }

    /// Whether it moves money itself: a head's parts do that for it.
    #[must_use]
    pub const fn is_head(&self) -> bool {
        matches!(self.kind, Kind::SplitHead | Kind::BulkHead)
    }
}

impl Transaction {
    /// What it was asked to be at once: held, or done.
    #[must_use]
    pub const fn asked(&self) -> State {
        if self.terms.marks.inflight {
            State::Inflight
        } else {
            State::Applied
        }
    }

    /// What it holds of its source's money.
    #[must_use]
    pub fn held(&self) -> Amount {
        let holds = matches!(self.state, State::Reserved | State::Inflight) && !self.is_head();
        if holds { self.left() } else { Amount::ZERO }
    }
}

/// Fills in what a transaction can know only once its record has a place.
pub const fn settle_own_lsn(transaction: &mut Transaction, lsn: u64) {
    if transaction.first_lsn == 0 {
        transaction.first_lsn = lsn;
    }
    transaction.last_lsn = lsn;
}

/// What made the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepKind {
    /// It was taken, or refused.
    Taken,
    /// Its head was decided in its favour: it is what it was to be.
    Confirmed,
    /// Its head was not: it is rejected.
    Released,
    /// Its time has come: it is what it was to be, or rejected.
    Fell,
    /// A part or the rest of what is inflight was committed; the child says how much.
    Committed,
    /// What was left of it was let go; the child says how much.
    Voided,
    /// The same because its time ran out.
    Expired,
    /// A refund of it was taken elsewhere.
    Refunded,
    /// Its metadata changed.
    Noted,
}

/// A fact about one transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Booked {
    /// What made it.
    pub kind: StepKind,
    /// As it is from now on.
    pub transaction: Arc<Transaction>,
    /// The transaction by which it was committed or let go.
    pub child: Option<Arc<Transaction>>,
    /// The money that moved within the group; what goes through transit stands in the transfers behind.
    pub movement: Movement,
}

/// A transaction of which something may still become, with its place in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenTransaction {
    /// As it is.
    pub transaction: Arc<Transaction>,
    /// Where its first record stands.
    pub first_lsn: u64,
    /// Where its last record stands.
    pub last_lsn: u64,
}

impl OpenTransaction {
    /// The transaction with its places filled in, to be changed by a step.
    #[must_use]
    pub fn current(&self) -> Transaction {
        let mut transaction = (*self.transaction).clone();
        transaction.first_lsn = self.first_lsn;
        transaction.last_lsn = self.last_lsn;
        transaction
    }
}

/// What a group keeps of the transactions it has decided.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Books {
    /// How many it has numbered.
    pub taken: u32,
    /// Those of which something may still become.
    pub open: BTreeMap<TransactionId, OpenTransaction>,
    /// The others: where the last record of each stands in the log.
    pub closed: BTreeMap<TransactionId, u64>,
}

impl Books {
    /// How many transactions it knows, its own and of groups that came in.
    #[must_use]
    pub fn len(&self) -> usize {
        self.open.len().saturating_add(self.closed.len())
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
