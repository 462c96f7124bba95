//! The only place where state changes: each fact, once decided, is applied and cannot be refused.

mod books;

use std::{collections::BTreeMap, sync::Arc};

use super::{
    command::Purpose,
    event::{Approved, Event, Movement, StepKind, Stepped},
    funds::{self, LedgerAccount},
    group::{Absorption, Branch, Group},
    hold::{Authorization, Counted},
    ids::AccountNo,
    kept::OpenAuthorization,
    money::Amount,
    policy::controls::{Effects, Usage},
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
            // The courier's permanent key keeps a booking from arriving twice, and a balance may be
            // paid without end.
            if transfer.purpose != Purpose::Booking {
                let twice = group.received.insert(transfer.id, stamp.lsn);
                assert!(twice.is_none(), "Invariant: a transfer arrives once");
            }
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
        Event::Absorbed(absorption) => absorb(group, absorption, stamp),
        Event::Booked(booked) => books::apply(group, booked, stamp),
    }
}

/// Everything of the other group is in this one from here on; nothing of either is changed by it.
fn absorb(group: &mut Group, absorption: &Absorption, stamp: Stamp) {
    let other = &absorption.group;
    assert!(
        stamp.time > other.last_time && stamp.lsn > absorption.trail.last(),
        "Invariant: a group is taken in after its last record"
    );
    assert_eq!(
        other.sequence,
        absorption.trail.count(),
        "Invariant: a group's records are counted once"
    );
    for account in &other.accounts {
        assert!(
            group.account(account.no).is_none(),
            "Invariant: account numbers are unique"
        );
        group.accounts.push(account.clone());
    }
    for ledger in &other.ledgers {
        assert!(
            group.ledger(ledger.no).is_none(),
            "Invariant: ledger numbers are unique"
        );
        group.ledgers.push(ledger.clone());
    }
    join(&mut group.open, &other.open);
    join(&mut group.closed, &other.closed);
    join(&mut group.outgoing, &other.outgoing);
    join(&mut group.received, &other.received);
    if let Some(others) = &other.books {
        // Its numbers end with it: an id names who gave it.
        let own = group.books.get_or_insert_default();
        join(&mut own.open, &others.open);
        join(&mut own.closed, &others.closed);
    }
    // The order of coming is the order of the log: what came into the other came before it did.
    group.branches.extend(&other.branches);
    group.branches.sort_by_key(|branch| branch.joined);
    group.branches.push(Branch {
        actor: other.id,
        newest: absorption.trail.last(),
        joined: stamp.lsn,
    });
}

fn join<K: Ord + Copy, V: Clone>(own: &mut BTreeMap<K, V>, others: &BTreeMap<K, V>) {
    for (key, value) in others {
        let twice = own.insert(*key, value.clone());
        assert!(twice.is_none(), "Invariant: two groups share nothing");
    }
}

fn apply_approved(group: &mut Group, approved: &Approved, stamp: Stamp) {
    count_authorization(group, approved.authorization.id.number);
    move_money(group, &approved.movement);
    let authorization = &approved.authorization;
    if let Some(effects) = &approved.effects {
        take_effect(group, authorization.account, effects);
        if effects.locks_merchant {
            let usage = usage_of(group, authorization.account);
            usage.merchant.clone_from(&approved.request.merchant.id);
            usage.is_tentative = authorization.decision.is_open();
        }
        for counted in &authorization.counted {
            let counted = (counted, counted.value, true);
            count(group, counted, effects, authorization, stamp);
        }
    }
    file(group, authorization.clone(), stamp);
}

fn apply_stepped(group: &mut Group, stepped: &Stepped, stamp: Stamp) {
    move_money(group, &stepped.movement);
    if let Some(effects) = &stepped.effects {
        take_effect(group, stepped.account, effects);
        settle_lock(group, stepped.account, effects);
    }
    let after = &stepped.authorization;
    if !after.counted.is_empty()
        && let Some(open) = group.open.get(&after.id)
    {
        let before = open.authorization().into_owned();
        follow_counted(group, stepped, &before, stamp);
    }
    file(group, after.clone(), stamp);
}

fn usage_of(group: &mut Group, no: AccountNo) -> &mut Usage {
    let account = group.accounts.iter_mut().find(|account| account.no == no);
    let account = account.expect("Invariant: what was counted is an account's of this group");
    account.usage.get_or_insert_default()
}

fn take_effect(group: &mut Group, account: AccountNo, effects: &Effects) {
    if effects.spends_card {
        usage_of(group, account).is_spent = true;
    }
}

/// The lock to a merchant that hung on an answer stays, or goes.
fn settle_lock(group: &mut Group, account: AccountNo, effects: &Effects) {
    if effects.locks_merchant || effects.unlocks_merchant {
        let usage = usage_of(group, account);
        usage.is_tentative = false;
        if effects.unlocks_merchant {
            usage.merchant = None;
        }
    }
}

fn count(
    group: &mut Group,
    (counted, value, is_purchase): (&Counted, Amount, bool),
    effects: &Effects,
    authorization: &Authorization,
    stamp: Stamp,
) {
    let Some(calendar) = &effects.calendar else {
        return;
    };
    usage_of(group, counted.account).count(
        counted.currency,
        value,
        is_purchase,
        calendar,
        stamp.time,
        authorization.id,
        effects.rolling_seconds,
    );
}

/// Brings the limits to what the authorization counts for after a step: more by an increment, less by
/// a release.
fn follow_counted(group: &mut Group, stepped: &Stepped, before: &Authorization, stamp: Stamp) {
    let after = &stepped.authorization;
    for now in &after.counted {
        let same =
            |known: &&Counted| (known.account, known.currency) == (now.account, now.currency);
        let known = before.counted.iter().find(same);
        let value_before = known.map_or(Amount::ZERO, |known| known.value);
        let returned_before = known.map_or(Amount::ZERO, |known| known.returned);
        let more = now.value.minus_or_zero(value_before);
        if let Some(effects) = &stepped.effects
            && stepped.kind == StepKind::Increment
        {
            // What was never counted here before is a purchase here from now on, so that giving it
            // back takes nobody else's.
            count(group, (now, more, known.is_none()), effects, after, stamp);
        }
        let less = now.returned.minus_or_zero(returned_before);
        let is_void = now.is_void && !known.is_some_and(|known| known.is_void);
        if !less.is_zero() || is_void {
            usage_of(group, now.account).give_back(
                now.currency,
                less,
                is_void,
                after.created_at,
                after.id,
            );
        }
    }
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
    let open = OpenAuthorization::new(&authorization, first_lsn, stamp.lsn);
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
