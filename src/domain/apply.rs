//! The only place where state changes: each fact, once decided, is applied and cannot be refused.

use std::sync::Arc;

use super::{
    event::{Approved, Event, Movement, Stepped},
    funds::{self, LedgerAccount},
    group::Group,
    hold::{Authorization, OpenAuthorization},
    time::Timestamp,
};

/// Where and when a record stands: known once the log has taken it.
#[derive(Clone, Copy, Debug)]
pub struct Stamp {
    /// Its position in the log.
    pub lsn: u64,
    /// Its moment.
    pub time: Timestamp,
}

/// Applies the events of one record.
///
/// # Panics
///
/// If the events do not fit the state: a broken invariant, on which the process must stop.
pub fn apply(group: &mut Group, events: &[Event], stamp: Stamp) {
    assert!(
        stamp.time > group.last_time,
        "Invariant: time grows from record to record"
    );
    for event in events {
        apply_one(group, event, stamp);
    }
    group.sequence = group
        .sequence
        .checked_add(1)
        .expect("Invariant: fewer than 2^64 records");
    group.last_time = stamp.time;
}

fn apply_one(group: &mut Group, event: &Event, stamp: Stamp) {
    match event {
        Event::AccountOpened(account) => {
            if group.ledger(account.ledger).is_none() {
                group.ledgers.push(LedgerAccount::new(account.ledger));
            }
            assert!(
                group.account(account.no).is_none(),
                "Invariant: account numbers are unique"
            );
            group.accounts.push((**account).clone());
        }
        Event::AccountChanged { account, .. } => {
            let known = group
                .accounts
                .iter_mut()
                .find(|known| known.no == account.no);
            *known.expect("Invariant: a changed account exists") = (**account).clone();
        }
        Event::Deposited(_, movement)
        | Event::Withdrawn(_, movement)
        | Event::TransferredWithin(_, movement) => move_money(group, movement),
        Event::TransferSent(transfer, movement) => {
            move_money(group, movement);
            group.outgoing.insert(transfer.id, (**transfer).clone());
        }
        Event::TransferReceived(transfer, movement) => {
            move_money(group, movement);
            let twice = group.received.insert(transfer.id, stamp.lsn);
            assert!(twice.is_none(), "Invariant: a transfer arrives once");
        }
        Event::TransferSettled(id) => {
            let known = group.outgoing.remove(id);
            assert!(
                known.is_some(),
                "Invariant: a settled transfer was on its way"
            );
        }
        Event::TransferReturned(transfer, movement) => {
            let known = group.outgoing.remove(&transfer.id);
            assert!(
                known.is_some(),
                "Invariant: a returned transfer was on its way"
            );
            move_money(group, movement);
        }
        Event::AuthorizationApproved(approved) => apply_approved(group, approved, stamp),
        Event::AuthorizationDeclined(declined) => {
            count_authorization(group, declined.id.number);
            group.closed.insert(declined.id, stamp.lsn);
        }
        Event::AuthorizationStepped(stepped) => apply_stepped(group, stepped, stamp),
    }
}

fn apply_approved(group: &mut Group, approved: &Approved, stamp: Stamp) {
    count_authorization(group, approved.authorization.id.number);
    move_money(group, &approved.movement);
    file(group, approved.authorization.clone(), stamp);
}

fn apply_stepped(group: &mut Group, stepped: &Stepped, stamp: Stamp) {
    move_money(group, &stepped.movement);
    file(group, stepped.authorization.clone(), stamp);
}

/// Fills in what an authorization can know only once its record has a place: the place itself, and
/// that of a refund in it.
pub fn settle_own_lsn(authorization: &mut Authorization, lsn: u64) {
    for refund in authorization
        .refunds
        .iter_mut()
        .filter(|refund| refund.lsn == 0)
    {
        refund.lsn = lsn;
    }
    if authorization.first_lsn == 0 {
        authorization.first_lsn = lsn;
    }
    authorization.last_lsn = lsn;
}

fn count_authorization(group: &mut Group, number: u32) {
    let next = group.authorizations.checked_add(1);
    assert_eq!(
        next,
        Some(number),
        "Invariant: authorizations are numbered without a gap"
    );
    group.authorizations = number;
}

/// An authorization that holds money stays in memory; of any other only its place in the log.
fn file(group: &mut Group, mut authorization: Arc<Authorization>, stamp: Stamp) {
    let id = authorization.id;
    if !authorization.is_open() {
        group.open.remove(&id);
        group.closed.insert(id, stamp.lsn);
        return;
    }
    if authorization.refunds.iter().any(|refund| refund.lsn == 0) {
        settle_own_lsn(Arc::make_mut(&mut authorization), stamp.lsn);
    }
    let first_lsn = match authorization.first_lsn {
        0 => stamp.lsn,
        known => known,
    };
    let open = OpenAuthorization {
        authorization,
        first_lsn,
        last_lsn: stamp.lsn,
    };
    group.open.insert(id, open);
}

/// Moves the money, then holds the result against what the decision said it would be.
fn move_money(group: &mut Group, movement: &Movement) {
    for posting in &movement.postings {
        funds::post(&mut group.ledgers, posting)
            .expect("Invariant: a decided posting is in range and its ledger account exists");
    }
    for after in &movement.after {
        let ledger = group
            .ledger(after.ledger)
            .expect("Invariant: a posting's account exists");
        assert_eq!(
            ledger.balances, after.balances,
            "Invariant: postings lead to the balances that were decided for {}",
            after.ledger
        );
        for (asset, balance) in &ledger.balances {
            assert!(
                balance.is_sound(),
                "Invariant: current + pending = in - out and pending >= 0 for {asset} of {}",
                after.ledger
            );
        }
    }
}
