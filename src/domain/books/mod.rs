//! Transactions of the ledger face: money from balances to balances, at once, held or later. Pure.
//!
//! A transaction lives with its source: the group of the source decides it, holds what is inflight and
//! numbers it. Money for a destination elsewhere goes through transit, as for any transfer.
//!
//! One that has several sources or destinations, and a bulk that is to be done whole or not at all, is a
//! head and its parts, each part one movement from one source to one destination. Where all sources live in
//! one group that is one record. Else the parts are reserved where their sources live, and the head's group
//! records the one decision for all of them; nothing is decided until that record, and everything by it.

mod face;
mod merge;
mod precision;
mod take;
mod transaction;

pub use face::{Allocation, BalanceFace, PatchBalance, SetFace};
pub use merge::{METADATA_BYTES_MAX, merge, merge_into};
pub use take::{
    BooksCommand, DueKind, NewTransaction, OnShort, ParentOf, Step, StepOn, TAKE_MAX, Take,
};
pub use transaction::{
    Booked, Books, Kind, Marks, OpenTransaction, Overdraft, Precision, Reason, Side, State,
    StepKind, Terms, Transaction, settle_own_lsn,
};
