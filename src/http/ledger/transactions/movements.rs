//! What other faces did, as transactions of this one: authorizations and what followed them, deposits,
//! withdrawals, transfers. Nothing of it is stored: it is told from the same records.

use std::sync::Arc;

use crate::{
    actors::{Target, recall::authorization_in},
    books::view::{Shown, units_of},
    domain::{
        books::Overdraft,
        command::{MoveMoney, Purpose, Transfer},
        event::{Declined, Event, Movement, StepKind, Stepped},
        hold::{Authorization, State},
        ids::{AccountNo, AuthorizationId, LedgerNo},
        money::{Amount, Asset, sum},
        time::Timestamp,
        uuids::{AnyTransaction, BalanceId},
    },
    http::{
        App,
        ledger::fault::Fault,
        network::view::local,
        write::{Object, key},
    },
    wire::Body,
};

/// Where what a card pays goes: the card network, which owes it to merchants.
pub(super) const NETWORK: &str = "@Network";
/// Where deposits come from and withdrawals go.
const WORLD: &str = "@World";

pub(super) fn unknown() -> Fault {
    Fault::not_found("TXN_NOT_FOUND", "transaction not found")
}

/// How many smallest units of an asset make one.
fn factor_of(asset: Asset) -> u64 {
    10_u64.checked_pow(u32::from(asset.decimals())).unwrap_or(1)
}

/// The status that an authorization has here.
const fn status_of(state: State) -> &'static str {
    match state {
        State::Pending | State::PartiallyCaptured => "INFLIGHT",
        State::Captured | State::Refunded | State::PartiallyRefunded => "COMMIT",
        State::Reversed => "VOID",
        State::Expired => "EXPIRED",
        State::Declined => "REJECTED",
    }
}

/// An authorization of the network face as it stands, on disk, and where its last record is.
pub(super) async fn current(
    app: &App,
    origin: &Arc<str>,
    id: AuthorizationId,
) -> Result<(Vec<Event>, u64), Fault> {
    let target = Target::Authorization(id);
    let place = app
        .engine
        .read(target, Some(origin.clone()), move |hosted| {
            let open = hosted.group.open.get(&id).map(|open| open.last_lsn);
            open.or_else(|| hosted.group.closed.get(&id).copied())
        })
        .await;
    let lsn = place.ok().flatten().ok_or_else(unknown)?;
    let answer = app.engine.past(lsn).await?;
    let of_it = |event: &Event| event.authorization_id() == Some(id);
    let events = answer.events.into_iter().filter(of_it).collect();
    Ok((events, lsn))
}

/// An authorization as a transaction.
pub(super) async fn authorization(
    app: &App,
    origin: &Arc<str>,
    id: AuthorizationId,
) -> Result<Vec<u8>, Fault> {
    let (events, lsn) = current(app, origin, id).await?;
    let mut out = Vec::with_capacity(1_024);
    if let Some(known) = authorization_in(&events, lsn) {
        show_authorization(&known, &mut out);
        return Ok(out);
    }
    let declined = events
        .iter()
        .find_map(Event::declined)
        .ok_or_else(unknown)?;
    let time = app.engine.entry(lsn)?.time;
    show_declined(declined, time, &mut out);
    Ok(out)
}

fn show_authorization(known: &Authorization, out: &mut Vec<u8>) {
    let asset = known.asset;
    let name = |ledger: LedgerNo| BalanceId::new(ledger, asset).to_string();
    let legs = known.legs.as_slice();
    let source = match legs {
        [one] => name(one.ledger),
        [] | [_, ..] => String::new(),
    };
    let mut split = Vec::new();
    if legs.len() > 1 {
        let mut object = Object::begin(&mut split);
        object.objects(key!("sources"), legs.iter(), |inner, leg| {
            inner.plain(key!("identifier"), &name(leg.ledger));
            inner.int(key!("precise_distribution"), leg.amount.minor());
        });
        object.end();
    }
    // What cashback sets aside is held with it.
    let precise = known.amount().saturating_plus(known.surcharged());
    let state = known.state();
    let reason = known.decision.decline_reason().map(|reason| reason.word());
    Shown {
        id: &AnyTransaction::Authorization(known.id).to_string(),
        source: &source,
        destination: NETWORK,
        split: std::str::from_utf8(&split).unwrap_or_default(),
        amount: &units_of(precise, factor_of(asset)),
        precise,
        reference: &known.transaction_id,
        description: known.kind.word(),
        status: status_of(state),
        inflight: true,
        created_at: known.created_at,
        expires_at: Some(known.expires_at),
        reason: reason.map(Into::into),
        metadata: &of_network(known),
        ..plain(asset)
    }
    .write_into(out);
}

fn show_declined(declined: &Declined, time: Timestamp, out: &mut Vec<u8>) {
    let request = &declined.request;
    let currency = request.local.currency;
    let Ok(asset) = Asset::of_ledger(currency.code()) else {
        return;
    };
    let ledger = declined.movement.after.first();
    let source = ledger.and_then(|after| {
        let (asset, _) = after.balances.first()?;
        Some(BalanceId::new(after.ledger, *asset).to_string())
    });
    let precise = request.local.minor;
    Shown {
        id: &AnyTransaction::Authorization(declined.id).to_string(),
        source: &source.unwrap_or_default(),
        destination: NETWORK,
        amount: &units_of(precise, factor_of(asset)),
        precise,
        reference: &request.transaction_id,
        description: request.kind.word(),
        status: "REJECTED",
        inflight: true,
        created_at: time,
        reason: Some(declined.reason.word().into()),
        ..plain(asset)
    }
    .write_into(out);
}

/// What only the network face has, as metadata.
fn of_network(known: &Authorization) -> String {
    let mut out = Vec::with_capacity(256);
    let mut object = Object::begin(&mut out);
    object.object(key!("network_face"), |inner| {
        inner.plain(key!("authorization_id"), &known.id.text());
        inner.plain(key!("transaction_type"), known.kind.word());
        inner.plain(key!("state"), known.state().word());
        local(inner, key!("local_amount"), known.local_amount());
        inner.plain(key!("local_currency"), known.currency.code());
        inner.int(key!("captured_amount"), known.captured().minor());
        inner.int(key!("reversed_amount"), known.released().minor());
        inner.int(key!("refunded_amount"), known.refunded().minor());
    });
    object.end();
    String::from_utf8(out).unwrap_or_default()
}

/// What most of them have in common.
fn plain(asset: Asset) -> Shown<'static> {
    Shown {
        id: "",
        parent: "",
        source: "",
        destination: "",
        split: "",
        amount: "0",
        precise: Amount::ZERO,
        precision: factor_of(asset),
        overdraft: Overdraft::No,
        reference: "",
        asset,
        description: "",
        status: "APPLIED",
        inflight: false,
        skip_queue: true,
        atomic: false,
        created_at: Timestamp::default(),
        effective_at: None,
        scheduled_for: None,
        expires_at: None,
        commits_at: None,
        reason: None,
        metadata: "{}",
    }
}

/// The movement at a place of a record, as a transaction.
pub(super) async fn movement(
    app: &App,
    origin: &Arc<str>,
    (lsn, place): (u64, u32),
) -> Result<Vec<u8>, Fault> {
    if lsn > app.engine.durability.durable() {
        return Err(unknown());
    }
    // The id may be somebody's invention: what cannot be read is not there.
    let entry = app.engine.entry(lsn).map_err(|_| unknown())?;
    let Body::Group(events) = entry.body else {
        return Err(unknown());
    };
    let target = Target::Actor(entry.actor);
    let own = app.engine.read(target, Some(origin.clone()), |_| ()).await;
    own.map_err(|_| unknown())?;
    let event = usize::try_from(place)
        .ok()
        .and_then(|place| events.get(place));
    let event = event.ok_or_else(unknown)?;
    let id = AnyTransaction::Movement { lsn, place }.to_string();
    show_event(app, origin, event, (&id, entry.time)).await
}

/// An event that moved money, as a transaction.
///
/// # Errors
///
/// 404 for one that is none by itself.
pub(super) async fn show_event(
    app: &App,
    origin: &Arc<str>,
    event: &Event,
    (id, time): (&str, Timestamp),
) -> Result<Vec<u8>, Fault> {
    let mut out = Vec::with_capacity(1_024);
    match event {
        Event::Deposited(moved, movement) => {
            show_moved(
                moved,
                (WORLD, &into(movement, moved.asset)),
                (id, time),
                &mut out,
            );
        }
        Event::Withdrawn(moved, movement) => {
            show_moved(
                moved,
                (&out_of(movement, moved.asset), WORLD),
                (id, time),
                &mut out,
            );
        }
        Event::TransferredWithin(transfer, movement) => {
            let sides = (
                out_of(movement, transfer.asset),
                into(movement, transfer.asset),
            );
            show_transfer(transfer, &sides, (id, time), &mut out);
        }
        Event::TransferSent(transfer, movement) if transfer.purpose != Purpose::Booking => {
            let there = elsewhere(app, origin, transfer.destination, transfer.asset).await;
            let sides = (
                out_of(movement, transfer.asset),
                there.unwrap_or_else(|| transfer.destination_urn.clone()),
            );
            show_transfer(transfer, &sides, (id, time), &mut out);
        }
        Event::TransferReceived(transfer, movement) if transfer.purpose != Purpose::Booking => {
            let there = elsewhere(app, origin, transfer.source, transfer.asset).await;
            let sides = (
                there.unwrap_or_else(|| transfer.source_urn.clone()),
                into(movement, transfer.asset),
            );
            show_transfer(transfer, &sides, (id, time), &mut out);
        }
        Event::TransferReturned(transfer, movement) if transfer.purpose != Purpose::Booking => {
            let there = elsewhere(app, origin, transfer.destination, transfer.asset).await;
            let sides = (
                there.unwrap_or_else(|| transfer.destination_urn.clone()),
                into(movement, transfer.asset),
            );
            show_transfer(transfer, &sides, (id, time), &mut out);
        }
        Event::AuthorizationStepped(stepped) => show_step(stepped, (id, time), &mut out)?,
        Event::TransferSent(..)
        | Event::TransferReceived(..)
        | Event::TransferReturned(..)
        | Event::AccountOpened(_)
        | Event::AccountChanged { .. }
        | Event::TransferSettled(_)
        | Event::AuthorizationApproved(_)
        | Event::AuthorizationDeclined(_)
        | Event::Absorbed(_)
        | Event::Booked(_) => return Err(unknown()),
    }
    Ok(out)
}

/// The balance that money left.
fn out_of(movement: &Movement, asset: Asset) -> String {
    let ledger = movement
        .postings
        .iter()
        .find_map(|posting| posting.source.ledger());
    ledger.map_or_else(String::new, |ledger| {
        BalanceId::new(ledger, asset).to_string()
    })
}

/// The balance at which money arrived.
fn into(movement: &Movement, asset: Asset) -> String {
    let mut postings = movement.postings.iter();
    let ledger = postings.find_map(|posting| posting.destination.ledger());
    ledger.map_or_else(String::new, |ledger| {
        BalanceId::new(ledger, asset).to_string()
    })
}

/// The balance in front of an account of another group, if it is the caller's.
async fn elsewhere(
    app: &App,
    origin: &Arc<str>,
    account: AccountNo,
    asset: Asset,
) -> Option<String> {
    let known = app.books.balances_of(origin, account).await.ok()?;
    let known = known.iter().find(|view| view.asset == asset)?;
    Some(known.id.to_string())
}

fn show_moved(
    moved: &MoveMoney,
    (source, destination): (&str, &str),
    (id, time): (&str, Timestamp),
    out: &mut Vec<u8>,
) {
    Shown {
        id,
        source,
        destination,
        amount: &units_of(moved.amount, factor_of(moved.asset)),
        precise: moved.amount,
        reference: &moved.reference,
        created_at: time,
        metadata: &moved.metadata,
        ..plain(moved.asset)
    }
    .write_into(out);
}

fn show_transfer(
    transfer: &Transfer,
    (source, destination): &(String, String),
    (id, time): (&str, Timestamp),
    out: &mut Vec<u8>,
) {
    Shown {
        id,
        source,
        destination,
        amount: &units_of(transfer.amount, factor_of(transfer.asset)),
        precise: transfer.amount,
        reference: &transfer.reference,
        created_at: time,
        metadata: &transfer.metadata,
        ..plain(transfer.asset)
    }
    .write_into(out);
}

fn show_step(
    stepped: &Stepped,
    (id, time): (&str, Timestamp),
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    let known = &stepped.authorization;
    let (status, is_back) = match stepped.kind {
        StepKind::Increment => ("INFLIGHT", false),
        StepKind::IncrementDeclined(_) => ("REJECTED", false),
        StepKind::Capture => ("COMMIT", false),
        StepKind::Reversal => ("VOID", false),
        StepKind::Expiry => ("EXPIRED", false),
        StepKind::Refund => ("APPLIED", true),
        StepKind::RefundReversal => ("APPLIED", false),
        StepKind::Concluded(_) => return Err(unknown()),
    };
    let over = stepped
        .over
        .tolerated
        .saturating_plus(stepped.over.adjusted);
    let aside = sum(&stepped.surcharges).unwrap_or_default();
    let precise = stepped.amount.saturating_plus(over).saturating_plus(aside);
    let card = known.legs.first();
    let card = card.map(|leg| BalanceId::new(leg.ledger, known.asset).to_string());
    let card = card.unwrap_or_default();
    let (source, destination) = if is_back {
        (NETWORK, card.as_str())
    } else {
        (card.as_str(), NETWORK)
    };
    let reason = match stepped.kind {
        StepKind::IncrementDeclined(reason) => Some(reason.word().into()),
        StepKind::Increment
        | StepKind::Capture
        | StepKind::Reversal
        | StepKind::Expiry
        | StepKind::Refund
        | StepKind::RefundReversal
        | StepKind::Concluded(_) => None,
    };
    Shown {
        id,
        parent: &AnyTransaction::Authorization(known.id).to_string(),
        source,
        destination,
        amount: &units_of(precise, factor_of(known.asset)),
        precise,
        reference: &stepped.transaction_id,
        description: stepped.kind.word(),
        status,
        inflight: status == "INFLIGHT",
        created_at: time,
        reason,
        metadata: &of_network(known),
        ..plain(known.asset)
    }
    .write_into(out);
    Ok(())
}
