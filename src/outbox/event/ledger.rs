//! What happens on the ledger face: transactions, balances, ledgers, identities, watches. What is told is the
//! thing as the face shows it.
//!
//! A transaction is applied when it is answered; what a queue before it would have told is told all the same,
//! in its order. Of heads nobody is told: their parts are the transactions that move money.

use serde_json::value::RawValue;

use super::{Maker, Subject, words};
use crate::{
    books::{BalanceView, Ledger, identity::Identity, view},
    domain::{
        account::{Account, Medium},
        books::{BalanceFace, Booked, State, StepKind, Transaction},
        event::Event,
        funds::Balance,
        ids::AccountNo,
        money::Amount,
        time::Timestamp,
        uuids::BalanceId,
    },
    monitors::Monitor,
};

pub(super) fn tell(maker: &mut Maker<'_>, event: &Event) {
    if let Some(booked) = event.booked() {
        tell_booked(maker, booked);
    }
}

fn tell_booked(maker: &mut Maker<'_>, booked: &Booked) {
    let transaction = &*booked.transaction;
    if transaction.is_head() {
        return;
    }
    match booked.kind {
        StepKind::Taken => {
            let is_later = transaction.state == State::Scheduled;
            if !transaction.terms.marks.skip_queue && !is_later {
                say_queued(maker, transaction);
            }
            if transaction.state != State::Reserved {
                say(maker, transaction, transaction.state);
            }
        }
        StepKind::Fell => {
            if !transaction.terms.marks.skip_queue {
                say_queued(maker, transaction);
            }
            say(maker, transaction, transaction.state);
        }
        StepKind::Confirmed | StepKind::Released => say(maker, transaction, transaction.state),
        StepKind::Committed => {
            let child = booked.child.as_deref();
            say(maker, child.unwrap_or(transaction), State::Committed);
        }
        StepKind::Voided | StepKind::Expired => {
            let child = booked.child.as_deref();
            say(maker, child.unwrap_or(transaction), State::Voided);
        }
        // The refund is a transaction of its own; of data nobody is told.
        StepKind::Refunded | StepKind::Noted => {}
    }
}

/// The word for what has become of one.
const fn word(state: State) -> &'static str {
    match state {
        State::Reserved => words::TRANSACTION_QUEUED,
        State::Scheduled => "transaction.scheduled",
        State::Inflight => "transaction.inflight",
        State::Applied => "transaction.applied",
        State::Committed => "transaction.commit",
        State::Voided | State::Expired => "transaction.void",
        State::Rejected => "transaction.rejected",
    }
}

/// As it stood in the queue: why it was rejected was not known there.
fn say_queued(maker: &mut Maker<'_>, transaction: &Transaction) {
    if transaction.reason.is_some() {
        let mut queued = transaction.clone();
        queued.reason = None;
        say_as(
            maker,
            &queued,
            words::TRANSACTION_QUEUED,
            State::Reserved.word(),
        );
    } else {
        say_as(
            maker,
            transaction,
            words::TRANSACTION_QUEUED,
            State::Reserved.word(),
        );
    }
}

fn say(maker: &mut Maker<'_>, transaction: &Transaction, became: State) {
    say_as(maker, transaction, word(became), transaction.state.word());
}

fn say_as(maker: &mut Maker<'_>, transaction: &Transaction, event: &'static str, status: &str) {
    let Some(about) = maker.subject(transaction.source.account) else {
        return;
    };
    let mut out = Vec::with_capacity(1_024);
    view::transaction_as(transaction, status, &mut out);
    if let Some(data) = raw(out) {
        maker.tell_raw(about, ("transaction", event), &data);
    }
}

fn raw(text: Vec<u8>) -> Option<Box<RawValue>> {
    RawValue::from_string(String::from_utf8(text).ok()?).ok()
}

/// A balance that was just made has nothing.
pub(super) fn tell_opened(maker: &mut Maker<'_>, account: &Account, face: &BalanceFace) {
    let shown = BalanceView {
        id: BalanceId::new(account.ledger, face.asset),
        account: account.no,
        urn: account.urn(),
        face: Some(face.clone()),
        asset: face.asset,
        balance: Balance::default(),
        reserved: Amount::ZERO,
        expected: Amount::ZERO,
        expected_reserved: Amount::ZERO,
        expires_at: None,
        version: 1,
        metadata: account.metadata.clone(),
        created_at: account.created_at,
    };
    let about = Subject::of_account(account.no, account.urn(), account.holder_urn.clone());
    maker.tell_raw(
        about,
        ("balance", "balance.created"),
        &view::balance(&shown),
    );
}

/// The face of a balance, if it is one.
pub(super) fn face_of(account: &Account) -> Option<&BalanceFace> {
    match &account.medium {
        Medium::Balance(face) => Some(face),
        Medium::Card { .. } | Medium::Virtual => None,
    }
}

/// Whose document it is, and its id: the name is both.
fn parts(name: &str) -> Option<(Subject, &str)> {
    let (origin, id) = name.split_once('/')?;
    let about = Subject {
        account: None,
        holder_urn: None,
        origin: origin.to_owned(),
    };
    Some((about, id))
}

/// A ledger's document was set: of its making is told.
pub(super) fn tell_ledger(maker: &mut Maker<'_>, name: &str, text: &str, at: Timestamp) {
    let Some((about, id)) = parts(name) else {
        return;
    };
    let ledger = Ledger::read(id, text).filter(|ledger| ledger.created_at == at);
    if let Some(ledger) = ledger {
        maker.tell_raw(about, ("ledger", "ledger.created"), &view::ledger(&ledger));
    }
}

/// An identity's document was set: of its making is told.
pub(super) fn tell_identity(maker: &mut Maker<'_>, name: &str, text: &str, at: Timestamp) {
    let Some((about, _)) = parts(name) else {
        return;
    };
    let identity = Identity::read(text).filter(|known| known.created_at == at.to_string());
    let shown =
        identity.and_then(|identity| RawValue::from_string(identity.view().to_string()).ok());
    if let Some(shown) = shown {
        maker.tell_raw(about, ("identity", "identity.created"), &shown);
    }
}

/// A monitor's document was set: of a crossing is told.
pub(super) fn tell_monitor(maker: &mut Maker<'_>, name: &str, text: &str) {
    let Some(monitor) = Monitor::read(text) else {
        return;
    };
    let shown = monitor
        .crossed()
        .and_then(|view| serde_json::value::to_raw_value(&view).ok());
    let (Some(shown), Some((about, _))) = (shown, parts(name)) else {
        return;
    };
    // Behind what the balance's other events told.
    let balance = monitor.balance_id.parse::<BalanceId>().ok();
    let of_balance = balance.and_then(|id| maker.subject(AccountNo(id.ledger.0)));
    maker.tell_raw(
        of_balance.unwrap_or(about),
        ("balance", words::BALANCE_MONITOR),
        &shown,
    );
}
