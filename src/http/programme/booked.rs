//! Movements that transactions of the ledger face made. One record may hold many, and each is a line of
//! its own; what a record does not say of its transaction is asked afterwards.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    super::{App, problem::Problem},
    describe::{blank, put, texts},
    movement::{Direction, Found, Pocket, Rest, Sent, Subject, changes},
    walk::Filter,
};
use crate::{
    books::{BooksError, Origin},
    domain::{
        books::{Booked, Kind, Side, State, StepKind, Transaction},
        command::{Purpose, Transfer},
        event::Event,
        ids::TransactionId,
        time::Timestamp,
    },
};

/// How far up a reference is looked for: from a commit to what was inflight, to the head of its split,
/// to the head of a bulk.
const PARENTS_MAX: usize = 4;

/// What of a movement its transaction says.
#[derive(Clone, Debug)]
pub struct Booking {
    /// The transaction.
    pub id: TransactionId,
    /// Whether the record told only the transfer.
    is_untold: bool,
    /// Whether it is a hold, whose status is that of the transaction.
    is_hold: bool,
    /// Whether it is wanted only while money is held.
    is_while_held: bool,
    /// Money that left for another actor, whose status is that of its arrival.
    sent: Option<Sent>,
}

/// Whether a record was made by the ledger face's transactions.
#[must_use]
pub fn is_of_books(events: &[Event]) -> bool {
    let mut events = events.iter();
    events.any(|event| event.booked().is_some() || transfer(event).is_some())
}

/// The transfer of a transaction, if the event is one.
fn transfer(event: &Event) -> Option<&Transfer> {
    let transfer = match event {
        Event::TransferSent(transfer, _)
        | Event::TransferReceived(transfer, _)
        | Event::TransferReturned(transfer, _) => Some(transfer),
        Event::AccountOpened(_)
        | Event::AccountChanged { .. }
        | Event::Deposited(..)
        | Event::Withdrawn(..)
        | Event::TransferredWithin(..)
        | Event::TransferSettled(_)
        | Event::AuthorizationApproved(_)
        | Event::AuthorizationDeclined(_)
        | Event::AuthorizationStepped(_)
        | Event::Absorbed(_)
        | Event::Booked(_) => None,
    };
    transfer
        .map(AsRef::as_ref)
        .filter(|it| it.purpose == Purpose::Booking)
}

/// The movements of a record of the books, one for each transaction and asset.
#[must_use]
pub fn found(events: &[Event], time: Timestamp, subject: &Subject, pocket: Pocket) -> Vec<Found> {
    let mut all = Vec::new();
    let mut told = None;
    for event in events {
        told = event.booked().or(told);
        for (asset, change) in changes(std::slice::from_ref(event), subject.ledger, pocket) {
            let direction = Direction::of(change);
            let made = match (event.booked(), transfer(event)) {
                (Some(booked), _) => described(booked, subject, (pocket, direction)),
                (None, Some(sent)) => moved(event, sent, told, (subject, direction)),
                (None, None) => continue,
            };
            let mut found = made;
            found.view.amount = change.unsigned_abs().to_string();
            found.view.asset = asset.to_string();
            found.view.direction = direction.word();
            found.view.created_at = time.to_string();
            all.push(found);
        }
    }
    all
}

/// What a collapsed list has of a record: what came and went, and what is still held.
#[must_use]
pub fn collapsed(
    events: &[Event],
    time: Timestamp,
    subject: &Subject,
    pocket: Option<Pocket>,
) -> Vec<Found> {
    let mut all = Vec::new();
    if pocket != Some(Pocket::Pending) {
        all.extend(found(events, time, subject, Pocket::Main));
    }
    if pocket != Some(Pocket::Main) {
        for mut hold in found(events, time, subject, Pocket::Pending) {
            if let Rest::Booked(booking) = &mut hold.rest
                && booking.is_hold
            {
                booking.is_while_held = true;
                all.push(hold);
            }
        }
    }
    all
}

/// Of a fact about a transaction.
fn described(booked: &Booked, subject: &Subject, (pocket, way): (Pocket, Direction)) -> Found {
    let transaction = &*booked.transaction;
    let word = match (booked.kind, pocket) {
        (StepKind::Committed, _) => "ledger_commit",
        (StepKind::Voided | StepKind::Released, _) => "ledger_void",
        (StepKind::Expired, _) => "ledger_expiry",
        (StepKind::Taken | StepKind::Confirmed | StepKind::Fell, Pocket::Pending) => "ledger_hold",
        (
            StepKind::Taken
            | StepKind::Confirmed
            | StepKind::Fell
            | StepKind::Refunded
            | StepKind::Noted,
            _,
        ) => word_of(transaction),
    };
    let moved = booked.child.as_deref().unwrap_or(transaction);
    let mut found = line(word, moved, subject);
    let reference = &transaction.terms.reference;
    found.view.reference.clone_from(reference);
    let is_hold = pocket == Pocket::Pending && way == Direction::Out;
    if pocket == Pocket::Pending {
        found.view.status = "cancelled";
    }
    if is_hold || reference.is_empty() {
        found.rest = Rest::Booked(Box::new(Booking {
            id: transaction.id,
            is_untold: false,
            is_hold,
            is_while_held: false,
            sent: None,
        }));
    }
    found
}

/// Of money on its way between actors: told by the fact before it, if the record has that.
fn moved(
    event: &Event,
    transfer: &Transfer,
    told: Option<&Booked>,
    (subject, way): (&Subject, Direction),
) -> Found {
    let sent = matches!(event, Event::TransferSent(..)).then_some(Sent {
        id: transfer.id,
        source: transfer.source_actor,
    });
    if let (Some(booked), Some(sent)) = (told, sent) {
        let mut found = described(booked, subject, (Pocket::Main, way));
        if let Rest::Booked(booking) = &mut found.rest {
            booking.sent = Some(sent);
        } else {
            found.rest = Rest::Sent(sent);
        }
        return found;
    }
    let (mut from, mut to) = (
        transfer.source_urn.clone(),
        transfer.destination_urn.clone(),
    );
    if matches!(event, Event::TransferReturned(..)) {
        std::mem::swap(&mut from, &mut to);
    }
    let own = if way == Direction::In {
        &mut to
    } else {
        &mut from
    };
    own.clone_from(&subject.urn);
    let mut found = blank("ledger", from, to);
    found.view.reference.clone_from(&transfer.reference);
    let metadata = &mut found.view.details.metadata;
    put(metadata, "transaction_id", &transfer.reference);
    if let Ok(id) = transfer.reference.parse() {
        found.rest = Rest::Booked(Box::new(Booking {
            id,
            is_untold: true,
            is_hold: false,
            is_while_held: false,
            sent,
        }));
    }
    found
}

const fn word_of(transaction: &Transaction) -> &'static str {
    match transaction.kind {
        Kind::Single | Kind::Part | Kind::SplitHead | Kind::BulkHead => "ledger",
        Kind::Commit => "ledger_commit",
        Kind::Void => "ledger_void",
        Kind::Refund => "ledger_refund",
    }
}

/// All but the money, the way and the time.
fn line(word: &'static str, transaction: &Transaction, subject: &Subject) -> Found {
    let shown = |side: &Side| {
        if side.ledger == subject.ledger {
            subject.urn.clone()
        } else {
            side.name.to_string()
        }
    };
    let (source, destination) = (&transaction.source, &transaction.destination);
    let mut found = blank(word, shown(source), shown(destination));
    found.view.details.metadata = told(word, transaction, subject);
    found
}

/// The caller's own texts, and what the books say.
fn told(word: &str, transaction: &Transaction, subject: &Subject) -> BTreeMap<String, String> {
    let mut metadata = texts(&transaction.metadata);
    let other = if transaction.source.ledger == subject.ledger {
        &transaction.destination
    } else {
        &transaction.source
    };
    put(&mut metadata, "counterparty_name", &other.name);
    put(&mut metadata, "transaction_id", &transaction.id.to_string());
    put(&mut metadata, "operation_type", word);
    if !transaction.terms.description.is_empty() {
        put(&mut metadata, "description", &transaction.terms.description);
    }
    if let Some(parent) = transaction.parent {
        put(&mut metadata, "parent_transaction", &parent.to_string());
    }
    metadata
}

/// What became of the money that a transaction held.
fn status(transaction: &Transaction) -> &'static str {
    match transaction.state {
        State::Reserved | State::Scheduled | State::Inflight => "pending",
        State::Applied | State::Committed => "settled",
        State::Voided | State::Expired if !transaction.committed.is_zero() => "settled",
        State::Voided | State::Expired | State::Rejected => "cancelled",
    }
}

/// Says of movements of the books what their transactions say; those are left out that are not wanted
/// then. How many transactions were asked for.
///
/// # Errors
///
/// [`Problem`] if they cannot be asked for now.
pub async fn complete(
    app: &App,
    origin: &Origin,
    found: Vec<Found>,
    subjects: impl Fn(&str) -> Option<Arc<Subject>>,
    filter: &Filter,
) -> Result<(Vec<Found>, usize), Problem> {
    let mut asked = Asked::default();
    let mut all = Vec::with_capacity(found.len());
    for mut found in found {
        let Rest::Booked(booking) = &found.rest else {
            all.push(found);
            continue;
        };
        let booking = booking.clone();
        found.rest = booking.sent.map_or(Rest::Nothing, Rest::Sent);
        let known = asked.get(app, origin, booking.id).await?;
        if let Some(transaction) = known {
            let reference = asked.reference(app, origin, &transaction).await?;
            found.view.reference = reference;
            if booking.is_untold {
                let word = word_of(&transaction);
                word.clone_into(&mut found.view.details.kind);
                let own = [&found.view.from_account_id, &found.view.to_account_id];
                if let Some(subject) = own.into_iter().find_map(|urn| subjects(urn)) {
                    found.view.details.metadata = told(word, &transaction, &subject);
                }
            }
            if booking.is_hold {
                found.view.status = status(&transaction);
            }
            if booking.is_while_held {
                if found.view.status != "pending" {
                    continue;
                }
                found.view.amount = transaction.left().to_string();
            }
        }
        if filter.fits_reference(&found.view) {
            all.push(found);
        }
    }
    Ok((all, asked.reads))
}

/// Transactions that were asked for, each once.
#[derive(Default)]
struct Asked {
    known: BTreeMap<TransactionId, Option<Arc<Transaction>>>,
    reads: usize,
}

impl Asked {
    async fn get(
        &mut self,
        app: &App,
        origin: &Origin,
        id: TransactionId,
    ) -> Result<Option<Arc<Transaction>>, Problem> {
        if let Some(known) = self.known.get(&id) {
            return Ok(known.clone());
        }
        self.reads = self.reads.saturating_add(1);
        let found = match app.books.get(origin, id).await {
            Ok(transaction) => Some(transaction),
            Err(BooksError::Engine(error)) => return Err(error.into()),
            // Its records were retired.
            Err(_) => None,
        };
        self.known.insert(id, found.clone());
        Ok(found)
    }

    /// The caller's reference: a part's and a step's is that of what it belongs to.
    async fn reference(
        &mut self,
        app: &App,
        origin: &Origin,
        transaction: &Arc<Transaction>,
    ) -> Result<String, Problem> {
        let mut at = transaction.clone();
        for _ in 0..PARENTS_MAX {
            let Some(parent) = at.parent.filter(|_| at.terms.reference.is_empty()) else {
                break;
            };
            match self.get(app, origin, parent).await? {
                Some(parent) => at = parent,
                None => break,
            }
        }
        Ok(match at.terms.reference.as_str() {
            "" => transaction.id.to_string(),
            own => own.to_owned(),
        })
    }
}
