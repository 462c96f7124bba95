//! What open transactions of the books hold, and how far they may overdraw.

use super::{
    finding::Check,
    plain::{Booked as Holds, Faults, PlainActor, Touched},
};
use crate::domain::{
    books::{Booked, Overdraft, State, StepKind, Transaction},
    ids::{ActorId, TransactionId},
};

impl PlainActor {
    /// Notes what a transaction holds now, and that of its child.
    pub(super) fn file_booked(
        &mut self,
        actor: ActorId,
        booked: &Booked,
        (holds, touched): (&mut Holds, &mut Touched),
        faults: &mut Faults,
    ) {
        let transaction = &booked.transaction;
        if booked.kind == StepKind::Taken {
            self.check_number(actor, transaction.id, faults);
        } else {
            let id = transaction.id;
            let is_known = if id.actor == actor {
                (1..=self.transactions).contains(&id.number)
            } else {
                self.adopted.contains(&id.actor)
            };
            if !is_known {
                let what = format!("transaction {id} was never taken here");
                faults.push((Check::Record, what));
            }
        }
        if let Some(child) = &booked.child {
            self.check_number(actor, child.id, faults);
        }
        let parts = transaction.committed.minor();
        let parts = parts.saturating_add(transaction.released.minor());
        let amount = transaction.amount.minor();
        if parts > amount || transaction.refunded > transaction.amount {
            let what = format!(
                "{}: of {amount}, {} committed, {} released, {} refunded",
                transaction.id, transaction.committed, transaction.released, transaction.refunded
            );
            faults.push((Check::Hold, what));
        }
        if let Some((ledger, asset, held)) = holds.remove(&transaction.id) {
            self.open_transactions = self.open_transactions.saturating_sub(1);
            if held != 0 {
                let money = self.money(ledger, asset);
                money.holds = money.holds.saturating_sub(held);
                touched.push((ledger, asset, 0));
            }
        }
        self.keep(transaction, (holds, touched));
    }

    /// Notes what a transaction holds that is open.
    pub(super) fn keep(
        &mut self,
        transaction: &Transaction,
        (holds, touched): (&mut Holds, &mut Touched),
    ) {
        if !transaction.state.is_open() {
            return;
        }
        let left = transaction
            .amount
            .minor()
            .saturating_sub(transaction.committed.minor())
            .saturating_sub(transaction.released.minor());
        let is_held = match transaction.state {
            State::Reserved | State::Inflight => !transaction.is_head(),
            State::Scheduled
            | State::Applied
            | State::Committed
            | State::Voided
            | State::Expired
            | State::Rejected => false,
        };
        let held = if is_held { left } else { 0 };
        let (ledger, asset) = (transaction.source.ledger, transaction.asset);
        if held != 0 {
            let money = self.money(ledger, asset);
            money.holds = money.holds.saturating_add(held);
            touched.push((ledger, asset, 0));
        }
        holds.insert(transaction.id, (ledger, asset, held));
        self.open_transactions = self.open_transactions.saturating_add(1);
    }

    fn check_number(&mut self, actor: ActorId, id: TransactionId, faults: &mut Faults) {
        let due = self.transactions.saturating_add(1);
        if (id.actor, id.number) != (actor, due) {
            let what = format!("transaction {id} is not the next of this actor");
            faults.push((Check::Record, what));
        }
        if id.actor == actor {
            self.transactions = self.transactions.max(id.number);
        }
    }
}

/// How far the source may go below zero by this: not below what is returned, or as far as it takes.
pub(super) fn floor_of(booked: &Booked) -> Option<i128> {
    let transaction = &booked.transaction;
    // What is reserved may spend what other parts of its head are to bring.
    if transaction.state == State::Reserved {
        return None;
    }
    match transaction.terms.overdraft {
        Overdraft::No => Some(0),
        Overdraft::Unlimited => None,
        Overdraft::UpTo(limit) => Some(limit.minor().saturating_neg()),
    }
}
