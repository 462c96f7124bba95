//! A verification must see what is wrong: logs with one fault each, written as the engine would.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at what it did not expect"
)]

use std::sync::Arc;

use cardwright::{
    domain::{
        command::{Command, SendTransfer, Transfer},
        event::Event,
        ids::TransferId,
        time::Timestamp,
    },
    journal::Journal,
    replay::verify::finding::Check,
    wire::{Body, Entry, Key, KeyLife},
};

#[path = "cli/log.rs"]
mod log;

use log::{Log, amount, deposit, movement, purchase, sound, transfer};

#[test]
fn a_sound_log_has_no_findings() {
    let log = sound();
    log.expect(&[]);
    let checked = log.verdict().checked;
    assert_eq!((checked.records, checked.actors), (11, 2));
    assert_eq!((checked.transfers, checked.in_transit), (1, 0));
    assert_eq!((checked.open_holds, checked.keys), (1, 11));
}

#[test]
fn money_under_way_is_no_fault() {
    let mut log = Log::new();
    log.card(1, 100);
    let send = SendTransfer {
        transfer: transfer(1, 2),
        is_within: false,
    };
    log.run(1, &Command::SendTransfer(Box::new(send)));
    log.expect(&[]);
    assert_eq!(log.verdict().checked.in_transit, 1);
}

#[test]
fn a_balance_that_does_not_follow_is_seen_where_it_is() {
    let mut log = sound();
    log.run_with(2, &deposit(2, 7), |entry| {
        movement(entry).after[0].balances[0].1.current += 1;
    });
    log.run(2, &deposit(2, 7));
    // The next record states the right balance again, so that in the end the books are balanced.
    log.expect(&[Check::Balance, Check::Soundness, Check::Replay]);
    let verdict = log.verdict();
    let said = |check| {
        verdict
            .findings
            .kept
            .iter()
            .filter(|it| it.check == check)
            .count()
    };
    assert_eq!((said(Check::Balance), said(Check::Soundness)), (2, 1));
}

#[test]
fn a_posting_that_was_left_out_is_seen() {
    let mut log = sound();
    log.run_with(2, &deposit(2, 7), |entry| movement(entry).postings.clear());
    log.expect(&[Check::Balance, Check::Replay, Check::TrialBalance]);
}

#[test]
fn a_balance_that_is_not_stated_is_seen() {
    let mut log = sound();
    log.run_with(2, &deposit(2, 7), |entry| movement(entry).after.clear());
    log.expect(&[Check::Balance]);
}

#[test]
fn a_hold_that_vanished_is_seen() {
    let mut log = sound();
    log.run_with(2, &purchase(2, 100), |entry| {
        let Body::Group(events) = &mut entry.body else {
            return;
        };
        if let Some(Event::AuthorizationApproved(approved)) = events.last_mut() {
            let authorization = Arc::make_mut(&mut approved.authorization);
            authorization.legs[0].released = authorization.legs[0].amount;
        }
    });
    log.expect(&[Check::Hold]);
}

#[test]
fn an_overdraft_by_what_could_be_declined_is_seen() {
    let mut log = Log::new();
    log.card(1, 1_000_000);
    let no_money = |entry: &mut Entry| {
        let movement = movement(entry);
        movement.postings[0].amount = amount(3_000_000);
        let balance = &mut movement.after[0].balances[0].1;
        (balance.current, balance.pending) = (-2_000_000, 3_000_000);
        let Body::Group(events) = &mut entry.body else {
            return;
        };
        if let Some(Event::AuthorizationApproved(approved)) = events.last_mut() {
            Arc::make_mut(&mut approved.authorization).legs[0].amount = amount(3_000_000);
        }
    };
    log.run_with(1, &purchase(1, 50), no_money);
    log.expect(&[Check::Overdraft]);
}

#[test]
fn a_forced_overdraft_is_none() {
    let mut log = Log::new();
    log.card(1, 1_000_000);
    let Command::Authorize(request) = purchase(1, 500) else {
        panic!("a purchase is an authorization");
    };
    log.run(1, &Command::ForcePost(request));
    log.expect(&[]);
}

#[test]
fn a_key_of_two_records_is_seen() {
    let mut log = sound();
    log.run_with(2, &deposit(2, 7), |entry| {
        entry.keys = vec![(Key([1, 7]), KeyLife::Permanent)];
    });
    log.expect(&[Check::Key]);
    let mut log = Log::new();
    log.card(1, 5);
    let key = |entry: &mut Entry| entry.keys = vec![(Key([9, 9]), KeyLife::Expiring)];
    log.run_with(1, &deposit(1, 1), key);
    log.time += 25 * 3_600 * 1_000_000;
    log.run_with(1, &deposit(1, 1), key);
    log.expect(&[]);
    log.run_with(1, &deposit(1, 1), key);
    log.expect(&[Check::Key]);
}

#[test]
fn a_transfer_that_was_never_sent_is_seen() {
    let mut log = sound();
    let mut unsent = transfer(1, 2);
    unsent.id = TransferId(78);
    log.run(2, &Command::ReceiveTransfer(Box::new(unsent)));
    log.expect(&[Check::Transit]);
}

#[test]
fn a_transfer_that_arrives_twice_is_seen() {
    let mut log = sound();
    let mut again = transfer(1, 2);
    again.id = TransferId(78);
    log.run_with(2, &Command::ReceiveTransfer(Box::new(again)), |entry| {
        let Body::Group(events) = &mut entry.body else {
            return;
        };
        if let Some(Event::TransferReceived(transfer, _)) = events.last_mut() {
            transfer.id = TransferId(77);
        }
    });
    // The engine's replay refuses it too.
    log.expect(&[Check::Transit, Check::Replay]);
}

#[test]
fn a_transfer_that_arrives_as_more_is_seen() {
    let mut log = Log::new();
    log.card(1, 100);
    log.card(2, 100);
    let sent = transfer(1, 2);
    let send = SendTransfer {
        transfer: sent.clone(),
        is_within: false,
    };
    log.run(1, &Command::SendTransfer(Box::new(send)));
    let more = Transfer {
        amount: amount(6),
        ..sent
    };
    log.run(2, &Command::ReceiveTransfer(Box::new(more)));
    log.expect(&[Check::Transit]);
}

#[test]
fn a_missing_record_a_wrong_link_and_a_step_back_in_time_are_seen() {
    let mut log = sound();
    log.run_with(2, &deposit(2, 7), |entry| entry.sequence += 1);
    log.expect(&[Check::Sequence, Check::Replay]);
    let mut log = sound();
    log.run_with(2, &deposit(2, 7), |entry| entry.links.previous = 1);
    log.expect(&[Check::Links, Check::Replay]);
    let mut log = sound();
    log.run_with(2, &deposit(2, 7), |entry| {
        entry.time = Timestamp::from_micros(1);
    });
    log.expect(&[Check::Time, Check::Replay]);
}

#[test]
fn a_record_of_nobody_is_seen() {
    let mut log = sound();
    let reservation = log.journal.reserve().unwrap();
    log.journal.append(reservation, b"\x09nonsense");
    log.run(2, &deposit(2, 7));
    log.expect(&[Check::Record]);
}

#[test]
fn a_snapshot_that_says_what_the_log_says_is_sound() {
    let mut log = sound();
    let groups: Vec<_> = log.groups.values().cloned().collect();
    let groups: Vec<_> = groups.iter().map(|(group, trail)| (group, trail)).collect();
    log.snapshot(&groups, 11);
    log.run(2, &deposit(2, 7));
    log.expect(&[]);
    let checked = log.verdict().checked;
    assert_eq!((checked.snapshots, checked.snapshot_groups), (1, 2));
    assert_eq!(checked.snapshot_keys, 11);
}

#[test]
fn a_snapshot_that_lacks_or_differs_is_seen() {
    let log = sound();
    let (one, two) = (log.groups[&1].clone(), log.groups[&2].clone());
    log.snapshot(&[(&one.0, &one.1)], 11);
    log.expect(&[Check::Snapshot]);
    let log = sound();
    let mut other = two.clone();
    other.0.ledgers[0].balances[0].1.current += 1;
    log.snapshot(&[(&one.0, &one.1), (&other.0, &other.1)], 11);
    log.expect(&[Check::Snapshot]);
    let log = sound();
    log.snapshot(&[(&one.0, &one.1), (&two.0, &two.1)], 10);
    log.expect(&[Check::Snapshot]);
}
