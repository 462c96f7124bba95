//! Events for people and programs: what happened, how much, between whom. No keys, no hashes, no
//! addresses or data of the programme.

use serde_json::{Map, Value, json};

use crate::{
    domain::{
        books::Booked,
        card::CardChange,
        command::Transfer,
        decision::{Decision, Ruling},
        documents::Shelf,
        event::{Approved, Declined, Event, Movement, StepKind, Stepped},
        funds::Balance,
        hold::Authorization,
        identity::Identity,
        ids::RecordId,
        lists::shown_url,
        money::{Amount, Asset, LocalAmount},
        posting::Place,
        rates::Quote,
        registry::RegistryEvent,
        time::Timestamp,
    },
    http::operator::books::house_name,
    journal::Lsn,
    wire::{Body, Entry},
};

/// One event, described.
pub(super) struct Description {
    /// What happened.
    pub(super) kind: &'static str,
    /// The processor's or caller's id, if it has one.
    pub(super) transaction_id: String,
    /// How much, if it is about money.
    pub(super) amount: Option<(Amount, Asset)>,
    /// More, in one line.
    pub(super) detail: String,
    /// Everything, for programs.
    pub(super) fields: Value,
}

/// A record as JSON.
pub(super) fn record(lsn: Lsn, entry: &Entry) -> Value {
    let events: Vec<Value> = events(lsn, entry)
        .into_iter()
        .map(|event| {
            let mut all = Map::new();
            all.insert("kind".to_owned(), json!(event.kind));
            if let Value::Object(fields) = event.fields {
                all.extend(fields);
            }
            Value::Object(all)
        })
        .collect();
    json!({
        "lsn": lsn.get(),
        "time": entry.time.to_string(),
        "actor": entry.actor.0,
        "sequence": entry.sequence,
        "events": events,
    })
}

/// The events of a record.
pub(super) fn events(lsn: Lsn, entry: &Entry) -> Vec<Description> {
    match &entry.body {
        Body::Registry(events) => events.iter().map(registry_event).collect(),
        Body::Group(events) => {
            let describe = |event| {
                let mut description = group_event(lsn, event);
                if let (Some(movement), Some(fields)) =
                    (event.movement(), description.fields.as_object_mut())
                {
                    fields.insert("postings".to_owned(), postings(movement));
                    fields.insert("balances".to_owned(), balances_after(movement));
                }
                description
            };
            events.iter().map(describe).collect()
        }
    }
}

fn plain(kind: &'static str, detail: String, fields: Value) -> Description {
    Description {
        kind,
        transaction_id: String::new(),
        amount: None,
        detail,
        fields,
    }
}

fn registry_event(event: &RegistryEvent) -> Description {
    match event {
        RegistryEvent::OriginOpened(origin) => plain(
            "origin_opened",
            origin.name.clone(),
            json!({ "origin": origin.name }),
        ),
        RegistryEvent::KeyIssued(key) => plain(
            "key_issued",
            format!("{} {}", key.origin, key.scopes.words().join(" ")),
            json!({ "origin": key.origin, "name": key.name, "scopes": key.scopes.words() }),
        ),
        RegistryEvent::KeyRevoked { at, .. } => plain(
            "key_revoked",
            String::new(),
            json!({ "at": at.to_string() }),
        ),
        RegistryEvent::RatesAccepted { quotes, at } => plain(
            "rates_accepted",
            rates_in_words(quotes),
            json!({
                "at": at.to_string(), "rates": quotes.iter().map(quote).collect::<Vec<_>>(),
            }),
        ),
        RegistryEvent::OriginMetadataChanged {
            origin,
            metadata,
            at,
        } => plain(
            "origin_metadata_changed",
            origin.clone(),
            json!({
                "origin": origin, "at": at.to_string(),
                "metadata": serde_json::from_str(metadata).unwrap_or(Value::Null),
            }),
        ),
        RegistryEvent::ListFetched { url, list } => plain(
            "list_fetched",
            format!("{} codes from {}", list.codes.len(), shown_url(url)),
            json!({
                "url": shown_url(url), "codes": list.codes.len(), "etag": list.etag,
                "at": list.at.to_string(),
            }),
        ),
        RegistryEvent::SigningKeyMade { at, .. } => plain(
            "signing_key_made",
            String::new(),
            json!({ "at": at.to_string() }),
        ),
        RegistryEvent::IdentityRegistered(identity) => of_identity("identity_registered", identity),
        RegistryEvent::IdentityChanged(identity) => of_identity("identity_changed", identity),
        RegistryEvent::KeyRotated { id, at, .. } => plain(
            "key_rotated",
            id.clone(),
            json!({ "key_id": id, "at": at.to_string() }),
        ),
        RegistryEvent::DocumentSet {
            shelf,
            name,
            text,
            at,
        } => document(*shelf, name, (text.is_none(), *at)),
        RegistryEvent::WebhookSecretSet { origin, at, .. } => plain(
            "webhook_secret_set",
            origin.clone(),
            json!({ "origin": origin, "at": at.to_string() }),
        ),
    }
}

/// What it says may be sealed or a person's: it stays out.
fn document(shelf: Shelf, name: &str, (is_removed, at): (bool, Timestamp)) -> Description {
    plain(
        "document_set",
        format!("{} {name}", shelf.word()),
        json!({
            "shelf": shelf.word(), "name": name, "is_removed": is_removed, "at": at.to_string(),
        }),
    )
}

/// Whose it is; what is known of people stays out.
fn of_identity(kind: &'static str, identity: &Identity) -> Description {
    let urn = identity.urn();
    plain(
        kind,
        urn.clone(),
        json!({ "urn": urn, "type": identity.kind.word(), "at": identity.updated_at.to_string() }),
    )
}

/// The first few rates, and how many more.
fn rates_in_words(quotes: &[Quote]) -> String {
    const SHOWN: usize = 3;
    let first = quotes.iter().take(SHOWN);
    let shown: Vec<_> = first
        .map(|quote| format!("{}/{} {}", quote.base, quote.quote, quote.rate))
        .collect();
    let more = quotes.len().saturating_sub(SHOWN);
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    format!("{}{more}", shown.join(", "))
}

/// A rate as JSON.
pub(super) fn quote(quote: &Quote) -> Value {
    json!({
        "base": quote.base.symbol(), "quote": quote.quote.symbol(),
        "rate": quote.rate.to_string(), "at": quote.at.to_string(), "source": *quote.source,
    })
}

fn group_event(lsn: Lsn, event: &Event) -> Description {
    match event {
        Event::AccountOpened(account) => plain(
            "account_opened",
            account.urn(),
            json!({
                "account_urn": account.urn(), "medium": account.medium_word(),
                "holder_urn": account.holder_urn, "status": account.status.word(),
                "ledger_account_id": account.ledger.to_string(),
            }),
        ),
        Event::AccountChanged { change, account } => plain(
            "account_changed",
            match change.card.as_deref() {
                Some(card) => format!("{}: {}", account.id(), card_change(card)),
                None => format!("{} is {}", account.id(), account.status.word()),
            },
            json!({
                "account_urn": account.urn(), "status": account.status.word(),
                "status_reason": account.status_reason.map(|reason| reason.word()),
                "changed_status": change.status.is_some(),
                "changed_metadata": change.metadata.is_some(),
                "changed_webhook": change.webhook_url.is_some(),
                "changed_card": change.card.as_deref().map(card_change),
            }),
        ),
        Event::Deposited(moved, _) | Event::Withdrawn(moved, _) => Description {
            kind: if matches!(event, Event::Deposited(..)) {
                "deposited"
            } else {
                "withdrawn"
            },
            transaction_id: moved.reference.clone(),
            amount: Some((moved.amount, moved.asset)),
            detail: String::new(),
            fields: json!({
                "reference": moved.reference, "asset": moved.asset.to_string(),
                "amount": moved.amount.to_string(),
            }),
        },
        Event::TransferredWithin(transfer, _) => moved("transferred_within", transfer),
        Event::TransferSent(transfer, _) => moved("transfer_sent", transfer),
        Event::TransferReceived(transfer, _) => moved("transfer_received", transfer),
        Event::TransferReturned(transfer, _) => moved("transfer_returned", transfer),
        Event::TransferSettled(id) => plain(
            "transfer_settled",
            id.to_string(),
            json!({ "transfer_id": id.to_string() }),
        ),
        Event::AuthorizationApproved(approved) => approval(approved),
        Event::AuthorizationDeclined(declined) => decline(declined),
        Event::AuthorizationStepped(stepped) => step(lsn, stepped),
        Event::Booked(booked) => transaction(booked),
        Event::Absorbed(absorption) => {
            let group = &absorption.group;
            let accounts: Vec<String> = group.accounts.iter().map(|it| it.urn()).collect();
            plain(
                "absorbed",
                format!("actor {}: {}", group.id.0, accounts.join(", ")),
                json!({
                    "absorbed_actor": group.id.0, "records": group.sequence,
                    "last_record_lsn": absorption.trail.last(), "account_urns": accounts,
                    "open_authorizations": group.open.len(),
                    "closed_authorizations": group.closed.len(),
                }),
            )
        }
    }
}

fn transaction(booked: &Booked) -> Description {
    let transaction = &booked.transaction;
    Description {
        kind: "transaction",
        transaction_id: transaction.id.to_string(),
        amount: Some((transaction.amount, transaction.asset)),
        detail: format!(
            "{} -> {} {}",
            transaction.source.name,
            transaction.destination.name,
            transaction.state.word()
        ),
        fields: json!({
            "transaction_id": transaction.id.to_string(), "status": transaction.state.word(),
            "reference": transaction.terms.reference, "source": &*transaction.source.name,
            "destination": &*transaction.destination.name,
            "asset": transaction.asset.to_string(), "amount": transaction.amount.to_string(),
            "committed": transaction.committed.to_string(),
            "released": transaction.released.to_string(),
            "child_id": booked.child.as_ref().map(|child| child.id.to_string()),
        }),
    }
}

fn moved(kind: &'static str, transfer: &Transfer) -> Description {
    Description {
        kind,
        transaction_id: transfer.reference.clone(),
        amount: Some((transfer.amount, transfer.asset)),
        detail: format!("{} -> {}", transfer.source_urn, transfer.destination_urn),
        fields: json!({
            "transfer_id": transfer.id.to_string(), "reference": transfer.reference,
            "source_urn": transfer.source_urn, "destination_urn": transfer.destination_urn,
            "asset": transfer.asset.to_string(), "amount": transfer.amount.to_string(),
        }),
    }
}

fn approval(approved: &Approved) -> Description {
    let authorization = &approved.authorization;
    let merchant = approved.request.merchant.name.as_deref();
    let mut fields = authorization_view(authorization);
    if let Some(fields) = fields.as_object_mut() {
        fields.insert("merchant".to_owned(), json!(merchant));
    }
    Description {
        kind: if authorization.is_forced {
            "force_posted"
        } else {
            "authorization_approved"
        },
        transaction_id: authorization.transaction_id.clone(),
        amount: Some((authorization.amount(), authorization.asset)),
        detail: format!(
            "{} {} {}",
            authorization.local_amount(),
            authorization.currency.code(),
            merchant.unwrap_or_default()
        ),
        fields,
    }
}

fn decline(declined: &Declined) -> Description {
    let request = &declined.request;
    Description {
        kind: "authorization_declined",
        transaction_id: request.transaction_id.clone(),
        amount: None,
        detail: format!(
            "{}: {} {} {}",
            declined.reason.word(),
            request.local,
            request.local.currency.code(),
            request.merchant.name.as_deref().unwrap_or_default()
        ),
        fields: json!({
            "authorization_id": declined.id.to_string(),
            "transaction_id": request.transaction_id,
            "card": request.account.card_id(),
            "transaction_type": request.kind.word(),
            "decline_reason": declined.reason.word(),
            "local_amount": request.local.to_string(),
            "local_currency": request.local.currency.code(),
            "merchant": request.merchant.name,
        }),
    }
}

/// Who concluded: the programme, or why its fallback did.
fn decided_by(authorization: &Authorization) -> Option<&'static str> {
    let conclusion = authorization.decision.conclusion()?;
    Some(conclusion.by.word())
}

fn step(lsn: Lsn, stepped: &Stepped) -> Description {
    let authorization = &stepped.authorization;
    let (kind, reason) = match stepped.kind {
        StepKind::Increment => ("authorization_incremented", None),
        StepKind::IncrementDeclined(reason) => ("increment_declined", Some(reason.word())),
        StepKind::Capture => ("authorization_captured", None),
        StepKind::Reversal => ("authorization_reversed", None),
        StepKind::Expiry => ("authorization_expired", None),
        StepKind::Refund => ("authorization_refunded", None),
        StepKind::RefundReversal => ("refund_reversed", None),
        StepKind::Concluded(Ruling::Approved) => ("decision_approved", decided_by(authorization)),
        StepKind::Concluded(Ruling::Declined) => ("decision_declined", decided_by(authorization)),
    };
    let local = LocalAmount {
        minor: stepped.local,
        currency: authorization.currency,
    };
    let code = authorization.currency.code();
    let mut fields = json!({
        "operation_id": RecordId(lsn.get()).text("op_"),
        "transaction_id": stepped.transaction_id,
        "amount": stepped.amount.to_string(),
        "asset": authorization.asset.to_string(),
        "local_amount": local.to_string(),
        "local_currency": code,
        "decline_reason": reason,
        "authorization": authorization_view(authorization),
    });
    for (name, amount) in [
        ("over_capture", stepped.over.tolerated),
        ("adjustment", stepped.over.adjusted),
        ("suspended", stepped.suspended),
    ] {
        if let (false, Some(fields)) = (amount.is_zero(), fields.as_object_mut()) {
            fields.insert(name.to_owned(), json!(amount.to_string()));
        }
    }
    Description {
        kind,
        transaction_id: stepped.transaction_id.clone(),
        amount: Some((stepped.amount, authorization.asset)),
        detail: format!(
            "{local} {code} of {} {}",
            authorization.id,
            reason.unwrap_or_default()
        ),
        fields,
    }
}

/// An authorization as JSON, in the API's words.
pub(super) fn authorization_view(authorization: &Authorization) -> Value {
    json!({
        "authorization_id": authorization.id.to_string(),
        "transaction_id": authorization.transaction_id,
        "card": authorization.account.card_id(),
        "transaction_type": authorization.kind.word(),
        "state": authorization.state().word(),
        "asset": authorization.asset.to_string(),
        "amount": authorization.amount().to_string(),
        "local_amount": authorization.local_amount().to_string(),
        "local_currency": authorization.currency.code(),
        "held_amount": authorization.held().to_string(),
        "captured_amount": authorization.captured().to_string(),
        "reversed_amount": authorization.released().to_string(),
        "refunded_amount": authorization.refunded().to_string(),
        "partial": authorization.is_partial,
        "forced": authorization.is_forced,
        "decision": decision_view(&authorization.decision),
        "created_at": authorization.created_at.to_string(),
        "expires_at": authorization.expires_at.to_string(),
    })
}

/// Whether the programme was asked and what came of it; null if it was not.
fn decision_view(decision: &Decision) -> Value {
    match decision {
        Decision::NotAsked => Value::Null,
        Decision::Asked { fallback, captures } => json!({
            "asked": true, "verdict": null, "fallback": fallback.word(), "captures": captures,
        }),
        Decision::Concluded(conclusion) => json!({
            "asked": true,
            "verdict": conclusion.verdict.word(),
            "by": conclusion.by.word(),
            "reason": conclusion.reason,
            "latency_us": conclusion.latency_us,
        }),
    }
}

/// A balance as JSON, in the API's words.
pub(super) fn balance_view(balance: &Balance) -> Value {
    json!({
        "current": balance.current.to_string(),
        "pending": balance.pending.to_string(),
        "in": balance.incoming.to_string(),
        "out": balance.outgoing.to_string(),
    })
}

fn place(place: &Place) -> String {
    match place {
        Place::Spendable(ledger) => format!("{ledger} current"),
        Place::Held(ledger) => format!("{ledger} pending"),
        Place::House(house) => house_name(house),
    }
}

fn postings(movement: &Movement) -> Value {
    let view = |posting: &crate::domain::posting::Posting| {
        json!({
            "source": place(&posting.source), "destination": place(&posting.destination),
            "asset": posting.asset.to_string(), "amount": posting.amount.to_string(),
        })
    };
    movement.postings.iter().map(view).collect()
}

/// The postings of an event in one line.
pub(super) fn postings_line(fields: &Value) -> String {
    let postings = fields.get("postings").and_then(Value::as_array);
    let line = |posting: &Value| {
        let text = |name: &str| {
            posting
                .get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        format!(
            "{} -> {} {}",
            text("source"),
            text("destination"),
            text("amount")
        )
    };
    let lines: Vec<String> = postings.into_iter().flatten().map(line).collect();
    lines.join("; ")
}

fn balances_after(movement: &Movement) -> Value {
    let view = |after: &crate::domain::event::LedgerAfter| {
        let balances: Map<String, Value> = (after.balances.iter())
            .map(|(asset, balance)| (asset.to_string(), balance_view(balance)))
            .collect();
        json!({ "ledger_account_id": after.ledger.to_string(), "balance": balances })
    };
    movement.after.iter().map(view).collect()
}

/// What was changed of what only a card has; nothing of it is shown.
fn card_change(change: &CardChange) -> String {
    match change {
        CardChange::Reseal { .. } => "data sealed anew".to_owned(),
        CardChange::SetPin(_) => "PIN set".to_owned(),
        CardChange::AddToken(token) => format!("{} token {}", token.wallet.word(), token.id),
        CardChange::SetTokenStatus { id, status } => format!("token {id} is {}", status.word()),
        CardChange::ResealTokens(tokens) => format!("{} tokens sealed anew", tokens.len()),
    }
}
