//! A record of the log as the events that programmes know.
//!
//! What an event says comes from its record, from records before it, and from names that never change:
//! so it is the same whenever it is made. README.md has the table of all events.

mod account;
mod card;
mod house;
mod json;
mod ledger;
mod money;
pub mod words;

use crate::{
    domain::{
        ids::{AccountNo, EventId},
        time::Timestamp,
    },
    wire::{Body, Entry},
};

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutEvent {
    /// `evt_…`, made of the record's position and the place in it: the same whenever it is made.
    pub id: String,
    /// Where its record stands.
    pub lsn: u64,
    /// The how-manieth of its record, from 0.
    pub place: u16,
    /// When it happened.
    pub at: Timestamp,
    /// Whose programme.
    pub origin: String,
    /// The account it is about, and its URN; none for what is about a holder or the programme.
    pub account: Option<(AccountNo, String)>,
    /// The holder it is about.
    pub holder_urn: Option<String>,
    /// What happened, in one word: `purchase`, `credit_adjustment`, `card.created`, …
    pub event: String,
    /// `${type}-${event}-${transaction_id}` for card events, the id for others: the same for each
    /// delivery.
    pub idempotency_key: String,
    /// The body of its delivery: a JSON object as text.
    pub payload: String,
}

/// Who an account is, for those who only have its number; and what the log said earlier.
pub trait Names {
    /// Its URN, its holder's URN, and the address its events go to.
    fn of(&self, account: AccountNo) -> Option<Name>;

    /// The record at that position: steps on an authorization name its merchant from there.
    fn earlier(&self, _lsn: u64) -> Option<Entry> {
        None
    }
}

/// What [`Names`] knows of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// Its URN.
    pub urn: String,
    /// Its holder's URN: `did:bloque:{origin}:{alias}`.
    pub holder_urn: String,
    /// Where its events go.
    pub webhook_url: Option<String>,
}

/// The events of one record, in order. A record of which nobody outside need know has none.
///
/// An account that `names` does not know has no events: whoever cannot look it up now must not ask.
#[must_use]
pub fn events_of(lsn: u64, entry: &Entry, names: &dyn Names) -> Vec<OutEvent> {
    let mut maker = Maker {
        lsn,
        at: entry.time,
        names,
        out: Vec::new(),
    };
    match &entry.body {
        Body::Group(events) => {
            for event in events {
                account::tell(&mut maker, event);
                money::tell(&mut maker, event);
                card::tell(&mut maker, event);
                ledger::tell(&mut maker, event);
            }
            money::tell_fees(&mut maker, events);
        }
        Body::Registry(events) => {
            for event in events {
                house::tell(&mut maker, event);
            }
        }
    }
    maker.out
}

/// Makes the events of one record.
struct Maker<'a> {
    lsn: u64,
    at: Timestamp,
    names: &'a dyn Names,
    out: Vec<OutEvent>,
}

/// Whom an event is about.
struct Subject {
    account: Option<(AccountNo, String)>,
    holder_urn: Option<String>,
    origin: String,
}

impl Subject {
    fn of_account(no: AccountNo, urn: String, holder_urn: String) -> Self {
        Self {
            account: Some((no, urn)),
            ..Self::of_holder(holder_urn)
        }
    }

    /// The origin is the third part of `did:bloque:{origin}:{alias}`.
    fn of_holder(holder_urn: String) -> Self {
        Self {
            account: None,
            origin: holder_urn.split(':').nth(2).unwrap_or_default().to_owned(),
            holder_urn: Some(holder_urn),
        }
    }
}

impl Maker<'_> {
    fn subject(&self, no: AccountNo) -> Option<Subject> {
        let name = self.names.of(no)?;
        Some(Subject::of_account(no, name.urn, name.holder_urn))
    }

    /// The id of the event that is made next.
    fn next_id(&self) -> EventId {
        // A record tells of a few hundred things at the very most.
        let place = u16::try_from(self.out.len()).unwrap_or(u16::MAX);
        EventId {
            lsn: self.lsn,
            place,
        }
    }

    fn push(&mut self, about: Subject, event: &str, key: Option<String>, payload: String) {
        let EventId { lsn, place } = self.next_id();
        let id = EventId { lsn, place }.text("evt_");
        self.out.push(OutEvent {
            idempotency_key: key.unwrap_or_else(|| id.clone()),
            id,
            lsn,
            place,
            at: self.at,
            origin: about.origin,
            account: about.account,
            holder_urn: about.holder_urn,
            event: event.to_owned(),
            payload,
        });
    }
}
