//! A record of the log as the events that programmes know.

use crate::{
    domain::{ids::AccountNo, time::Timestamp},
    wire::Entry,
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

/// Who an account is, for those who only have its number.
pub trait Names {
    /// Its URN, its holder's URN, and the address its events go to.
    fn of(&self, account: AccountNo) -> Option<Name>;
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
#[must_use]
pub fn events_of(lsn: u64, entry: &Entry, names: &dyn Names) -> Vec<OutEvent> {
    let crate::wire::Body::Group(events) = &entry.body else {
        return Vec::new();
    };
    let mut made = Vec::new();
    for event in events {
        let approved = event.approved().map(|approved| (&approved.request, "purchase"));
        let declined = event.declined().map(|declined| (&declined.request, "rejected"));
        let Some((request, word)) = approved.or(declined) else {
            continue;
        };
        let Some(name) = names.of(request.account) else {
            continue;
        };
        let place = u16::try_from(made.len()).unwrap_or(u16::MAX);
        let id = crate::domain::ids::RecordId(lsn).text("evt_");
        let payload = serde_json::json!({
            "account_urn": name.urn, "transaction_id": request.transaction_id,
            "type": "purchase", "event": word,
        });
        made.push(OutEvent {
            id: format!("{id}{place}"),
            lsn,
            place,
            at: entry.time,
            origin: name.holder_urn.split(':').nth(2).unwrap_or_default().to_owned(),
            account: Some((request.account, name.urn)),
            holder_urn: Some(name.holder_urn),
            event: word.to_owned(),
            idempotency_key: format!("purchase-{word}-{}", request.transaction_id),
            payload: payload.to_string(),
        });
    }
    made
}
