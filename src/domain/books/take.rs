//! What may be asked of a group's books.

use serde_json::{Map, Value};

use super::{
    PatchBalance,
    transaction::{Kind, Precision, Side, Terms, Transaction},
};
use crate::domain::{
    ids::TransactionId,
    money::{Amount, Asset},
};

/// One request to a group's books.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BooksCommand {
    /// Take transactions whose sources live here, all in one record.
    Take(Take),
    /// A head of this group is decided: it, the heads of splits below it and the first [`TAKE_MAX`] of its
    /// other parts that are reserved here follow; the rest by [`BooksCommand::Follow`]. Its record is the
    /// decision; the request carries the head's key, so that there is one.
    Decide {
        /// Which.
        head: TransactionId,
        /// Whether its parts are done; else they are let go.
        is_done: bool,
        /// All of its direct parts, here and elsewhere.
        parts: Vec<TransactionId>,
        /// The heads of splits among its parts, each with all of its own parts, here and elsewhere. One that
        /// is not named keeps the parts it has.
        below: Vec<(TransactionId, Vec<TransactionId>)>,
    },
    /// A head was decided: the first [`TAKE_MAX`] of its parts that are still reserved here follow. To be
    /// asked again until nothing is due.
    Follow {
        /// Which.
        head: TransactionId,
        /// Whether its parts are done; else they are let go.
        is_done: bool,
    },
    /// A step on a transaction that is inflight.
    Step(Box<StepOn>),
    /// The time of a transaction may have come. Nothing is refused because it has not: then nothing is
    /// recorded ([`Rejection::NothingDue`](crate::domain::outcome::Rejection::NothingDue)).
    Due(TransactionId, DueKind),
    /// A refund of this transaction was taken by the group of its destination: it is noted here, so that
    /// no more goes back than came. `None` undoes the note, if that refund was refused after all.
    NoteRefund {
        /// Which.
        id: TransactionId,
        /// How much goes back.
        amount: Amount,
        /// Whether it goes back at all.
        is_taken: bool,
        /// As it is now, if the state no longer holds it.
        recalled: Option<Box<Transaction>>,
    },
    /// Metadata is merged into that of a transaction, deeply; a null removes its key.
    Note {
        /// Which.
        id: TransactionId,
        /// What is merged.
        merge: Map<String, Value>,
        /// As it is now, if the state no longer holds it.
        recalled: Option<Box<Transaction>>,
    },
    /// A ledger balance's face changes.
    Patch(PatchBalance),
}

/// What comes by the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DueKind {
    /// It was scheduled for now.
    Scheduled,
    /// The same of the head of a split or a part of one: it is reserved, and the decision on the head says
    /// the rest.
    Reserve,
    /// What is inflight is let go.
    Expiry,
    /// What is inflight is committed.
    Commit,
}

/// Transactions to take in one record, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Take {
    /// Those.
    pub new: Vec<NewTransaction>,
    /// Whether they wait, reserved, for the decision on their head: the first of them, or an earlier one
    /// (see [`ParentOf`]).
    pub waits: bool,
    /// What happens if there is too little money for one.
    pub on_short: OnShort,
}

/// What happens if a transaction cannot be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnShort {
    /// None of the record's is taken, and nothing is recorded.
    Refuse,
    /// All of the record's are recorded as rejected.
    Record,
}

/// A transaction to take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTransaction {
    /// What it is.
    pub kind: Kind,
    /// What it is a part of.
    pub parent: ParentOf,
    /// What is counted.
    pub asset: Asset,
    /// How much, in the smallest unit; not zero.
    pub amount: Amount,
    /// The same in the caller's words.
    pub precision: Precision,
    /// Where it leaves: an account of this group, unless it is a head.
    pub source: Side,
    /// Where it arrives.
    pub destination: Side,
    /// What else is asked. With `scheduled_for` in the future it is only noted.
    pub terms: Terms,
    /// The caller's own data, a JSON object as text.
    pub metadata: String,
    /// What earlier parts of the same head bring to the source, which it may spend although it has not
    /// come yet: it comes with the same decision.
    pub awaited: Amount,
}

/// What a new transaction is a part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParentOf {
    /// Nothing.
    None,
    /// An earlier one of the same record, by its place.
    Earlier(usize),
    /// One that exists. If it is none of this group's, it is also the head that decides.
    Known(TransactionId),
    /// One that exists, a part of the head that decides: a split within a bulk.
    Below {
        /// What it is a part of.
        parent: TransactionId,
        /// The head that decides.
        head: TransactionId,
    },
}

/// A step on what is inflight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepOn {
    /// Which.
    pub id: TransactionId,
    /// Which way.
    pub step: Step,
    /// Merged into the child's metadata, which begins as the parent's.
    pub merge: Option<Map<String, Value>>,
    /// As it is now, if the state no longer holds it: the refusal then says what became of it.
    pub recalled: Option<Box<Transaction>>,
}

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// So much is taken, or all that is left.
    Commit(Option<Amount>),
    /// What is left is let go.
    Void,
}

impl BooksCommand {
    /// The transaction it is about, if that may be one which the state no longer holds, and what the request
    /// brings along of it.
    #[must_use]
    pub fn recalls(&self) -> Option<(TransactionId, Option<&Transaction>)> {
        match self {
            Self::Step(on) => Some((on.id, on.recalled.as_deref())),
            Self::NoteRefund { id, recalled, .. } | Self::Note { id, recalled, .. } => {
                Some((*id, recalled.as_deref()))
            }
            Self::Take(_)
            | Self::Decide { .. }
            | Self::Follow { .. }
            | Self::Due(..)
            | Self::Patch(_) => None,
        }
    }

    /// Brings the transaction along, as it is now.
    pub fn bring(&mut self, transaction: Transaction) {
        match self {
            Self::Step(on) => on.recalled = Some(Box::new(transaction)),
            Self::NoteRefund { recalled, .. } | Self::Note { recalled, .. } => {
                *recalled = Some(Box::new(transaction));
            }
            Self::Take(_)
            | Self::Decide { .. }
            | Self::Follow { .. }
            | Self::Due(..)
            | Self::Patch(_) => {}
        }
    }

    /// How many transfers it may send at the most.
    #[must_use]
    pub fn transfers_max(&self) -> u64 {
        let count = match self {
            Self::Take(take) => take.new.len(),
            Self::Decide { .. } | Self::Follow { .. } => TAKE_MAX,
            Self::Step(_) | Self::Due(..) => 1,
            Self::NoteRefund { .. } | Self::Note { .. } | Self::Patch(_) => 0,
        };
        u64::try_from(count).unwrap_or(u64::MAX)
    }
}

/// How many transactions one record takes at the most.
pub const TAKE_MAX: usize = 512;
