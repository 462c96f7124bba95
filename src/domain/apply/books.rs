//! Transactions of the ledger face.

use std::sync::Arc;

use super::{Stamp, move_money};
use crate::domain::{
    books::{Booked, Books, OpenTransaction, State, StepKind, Transaction},
    group::Group,
    ids::ActorId,
};

pub(super) fn apply(group: &mut Group, booked: &Booked, stamp: Stamp) {
    move_money(group, &booked.movement);
    let actor = group.id;
    let books = group.books.get_or_insert_default();
    let transaction = &booked.transaction;
    if booked.kind == StepKind::Taken {
        number(books, actor, transaction);
    } else {
        check_step(books, booked);
    }
    if let Some(child) = &booked.child {
        assert!(
            !child.state.is_open() && child.parent == Some(transaction.id),
            "Invariant: a child says what became of its parent, and is over"
        );
        number(books, actor, child);
        file(books, child, stamp);
    }
    file(books, transaction, stamp);
}

fn number(books: &mut Books, actor: ActorId, transaction: &Transaction) {
    let next = books.taken.checked_add(1);
    assert_eq!(
        (Some(transaction.id.number), transaction.id.actor),
        (next, actor),
        "Invariant: transactions are numbered without a gap"
    );
    books.taken = transaction.id.number;
}

/// Something may become of what is open in the right way; what was done and what was asked never change.
fn check_step(books: &Books, booked: &Booked) {
    let after = &booked.transaction;
    let Some(open) = books.open.get(&after.id) else {
        assert!(
            books.closed.contains_key(&after.id) && !after.state.is_open(),
            "Invariant: what something became of is known, and what is over stays over"
        );
        assert!(
            matches!(booked.kind, StepKind::Refunded | StepKind::Noted),
            "Invariant: nothing more becomes of what is over"
        );
        return;
    };
    let before = &open.transaction;
    let expected = match booked.kind {
        StepKind::Confirmed | StepKind::Released => Some(State::Reserved),
        StepKind::Fell => Some(State::Scheduled),
        StepKind::Committed | StepKind::Voided | StepKind::Expired => Some(State::Inflight),
        StepKind::Noted => None,
        StepKind::Taken | StepKind::Refunded => panic!("Invariant: what is refunded is over"),
    };
    assert!(
        expected.is_none_or(|state| state == before.state),
        "Invariant: a transaction goes from state to state as decided"
    );
    let lasting = |it: &Transaction| (it.kind, it.asset, it.amount, it.source.ledger);
    assert_eq!(
        lasting(before),
        lasting(after),
        "Invariant: what was asked stays"
    );
}

/// What something may still become of stays in memory; of anything else only its place in the log.
fn file(books: &mut Books, transaction: &Arc<Transaction>, stamp: Stamp) {
    let id = transaction.id;
    if !transaction.state.is_open() {
        books.open.remove(&id);
        books.closed.insert(id, stamp.lsn);
        return;
    }
    let first_lsn = match transaction.first_lsn {
        0 => stamp.lsn,
        known => known,
    };
    let open = OpenTransaction {
        transaction: transaction.clone(),
        first_lsn,
        last_lsn: stamp.lsn,
    };
    books.open.insert(id, open);
}
