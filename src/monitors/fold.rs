//! The sums of a balance, and what a record changes of them.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Base, Field};
use crate::{
    domain::{
        books::{Booked, State, StepKind, Transaction},
        event::Event,
        group::Group,
        ids::LedgerNo,
        money::Asset,
        posting::{Place, Posting},
        uuids::BalanceId,
    },
    wire::{Body, Entry},
};

/// What the fields of a balance are made of, in the smallest unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sums {
    /// All that ever came.
    pub incoming: i128,
    /// All that ever left.
    pub outgoing: i128,
    /// What is held.
    pub pending: i128,
    /// What of that is reserved for heads that are not decided.
    pub reserved: i128,
    /// What others hold for it.
    pub expected: i128,
}

impl Sums {
    /// A field.
    #[must_use]
    pub const fn of(&self, field: Field) -> i128 {
        let inflight_debit = self.pending.saturating_sub(self.reserved);
        match field {
            Field::Balance => self.incoming.saturating_sub(self.outgoing),
            Field::CreditBalance => self.incoming,
            Field::DebitBalance => self.outgoing,
            Field::InflightBalance => self.expected.saturating_sub(inflight_debit),
            Field::InflightCreditBalance => self.expected,
            Field::InflightDebitBalance => inflight_debit,
        }
    }
}

/// Those of a balance as its group has them; what others hold for it is not known there.
pub(super) fn sums_in(group: &Group, id: BalanceId, asset: Asset) -> Sums {
    let balance = group.ledger(id.ledger).map(|ledger| ledger.balance(asset));
    let balance = balance.unwrap_or_default();
    let open = group.books.iter().flat_map(|books| books.open.values());
    let reserved = open
        .map(|open| &*open.transaction)
        .filter(|known| known.state == State::Reserved && is_from(known, id))
        .fold(0_i128, |sum, known| {
            sum.saturating_add(known.amount.minor())
        });
    Sums {
        incoming: balance.incoming,
        outgoing: balance.outgoing,
        pending: balance.pending,
        reserved,
        expected: 0,
    }
}

fn is_asset(id: BalanceId, asset: Asset) -> bool {
    BalanceId::tag_of(asset) == id.tag
}

fn is_from(transaction: &Transaction, id: BalanceId) -> bool {
    !transaction.is_head()
        && transaction.source.ledger == id.ledger
        && is_asset(id, transaction.asset)
}

fn is_towards(transaction: &Transaction, id: BalanceId) -> bool {
    !transaction.is_head()
        && transaction.destination.ledger == id.ledger
        && is_asset(id, transaction.asset)
}

/// The ledger accounts that a record may change something of, or of what others hold for them.
pub(super) fn touched(entry: &Entry) -> BTreeSet<LedgerNo> {
    let mut touched = BTreeSet::new();
    let Body::Group(events) = &entry.body else {
        return touched;
    };
    for event in events {
        let movement = event.movement();
        for posting in movement.iter().flat_map(|movement| &movement.postings) {
            touched.extend(posting.source.ledger());
            touched.extend(posting.destination.ledger());
        }
        if let Event::Booked(booked) = event {
            let transaction = &booked.transaction;
            touched.extend([transaction.source.ledger, transaction.destination.ledger]);
        }
    }
    touched
}

/// Takes a record that stands at `lsn` into what a balance is; whether it may have changed. The same record is
/// taken once.
pub(super) fn take(base: &mut Base, id: BalanceId, lsn: u64, entry: &Entry) -> bool {
    let Body::Group(events) = &entry.body else {
        return false;
    };
    let mut is_touched = false;
    for event in events {
        if lsn > base.own_lsn {
            let movement = event.movement();
            for posting in movement.iter().flat_map(|movement| &movement.postings) {
                is_touched |= post(&mut base.sums, id, posting);
            }
        }
        if let Event::Booked(booked) = event {
            is_touched |= book(base, id, lsn, booked);
        }
    }
    base.own_lsn = base.own_lsn.max(lsn);
    base.expected_lsn = base.expected_lsn.max(lsn);
    is_touched
}

/// The same as [`crate::domain::funds::post`] does to a ledger account.
fn post(sums: &mut Sums, id: BalanceId, posting: &Posting) -> bool {
    let is_here = |place: &Place| place.ledger() == Some(id.ledger);
    let (leaves, arrives) = (is_here(&posting.source), is_here(&posting.destination));
    if !(leaves || arrives) || !is_asset(id, posting.asset) {
        return false;
    }
    let amount = posting.amount.minor();
    if leaves && matches!(posting.source, Place::Held(_)) {
        sums.pending = sums.pending.saturating_sub(amount);
    }
    if arrives && matches!(posting.destination, Place::Held(_)) {
        sums.pending = sums.pending.saturating_add(amount);
    }
    if leaves && !arrives {
        sums.outgoing = sums.outgoing.saturating_add(amount);
    }
    if arrives && !leaves {
        sums.incoming = sums.incoming.saturating_add(amount);
    }
    true
}

/// What a step of a transaction changes of what is reserved here and of what others hold for this balance.
fn book(base: &mut Base, id: BalanceId, lsn: u64, booked: &Booked) -> bool {
    let transaction = &*booked.transaction;
    let amount = transaction.amount.minor();
    let child = booked
        .child
        .as_ref()
        .map_or(0, |child| child.amount.minor());
    let mut is_touched = false;
    if lsn > base.own_lsn && is_from(transaction, id) {
        let change = match booked.kind {
            StepKind::Taken if transaction.state == State::Reserved => amount,
            StepKind::Confirmed | StepKind::Released => amount.saturating_neg(),
            StepKind::Taken
            | StepKind::Fell
            | StepKind::Committed
            | StepKind::Voided
            | StepKind::Expired
            | StepKind::Refunded
            | StepKind::Noted => 0,
        };
        base.sums.reserved = base.sums.reserved.saturating_add(change);
        is_touched = change != 0;
    }
    if lsn > base.expected_lsn && is_towards(transaction, id) {
        let change = match booked.kind {
            StepKind::Taken | StepKind::Confirmed | StepKind::Fell
                if transaction.state == State::Inflight =>
            {
                amount
            }
            StepKind::Committed | StepKind::Voided | StepKind::Expired => child.saturating_neg(),
            StepKind::Taken
            | StepKind::Confirmed
            | StepKind::Fell
            | StepKind::Released
            | StepKind::Refunded
            | StepKind::Noted => 0,
        };
        base.sums.expected = base.sums.expected.saturating_add(change);
        is_touched |= change != 0;
    }
    is_touched
}
