//! Money between accounts: at once inside a group, through transit between groups.

use super::{
    draft::Draft,
    money::{open_account, require, require_counted},
};
use crate::domain::{
    account::{Account, Status},
    command::{Purpose, SendTransfer, Transfer},
    event::Event,
    group::Group,
    ids::{AccountNo, TransferId},
    outcome::Rejection,
    posting::{House, Place},
};

pub(super) fn send(group: &Group, send: &SendTransfer) -> Result<Event, Rejection> {
    let transfer = &send.transfer;
    if group.outgoing.contains_key(&transfer.id) {
        return Err(Rejection::TransferKnown);
    }
    let source = open_account(group, transfer.source)?;
    require_counted(source, transfer.asset)?;
    let mut draft = Draft::new(group);
    require(&draft, source, transfer.asset, transfer.amount)?;
    let from = Place::Spendable(source.ledger);
    if send.is_within {
        let destination = open_account(group, transfer.destination)?;
        require_counted(destination, transfer.asset)?;
        if destination.ledger == source.ledger {
            return Err(Rejection::SameMoney);
        }
        let to = Place::Spendable(destination.ledger);
        draft.post(from, to, transfer.asset, transfer.amount)?;
        return Ok(Event::TransferredWithin(
            Box::new(transfer.clone()),
            draft.finish(),
        ));
    }
    draft.post(
        from,
        Place::House(House::Transit),
        transfer.asset,
        transfer.amount,
    )?;
    Ok(Event::TransferSent(
        Box::new(transfer.clone()),
        draft.finish(),
    ))
}

/// Credits the destination, once; a second arrival of the same transfer is answered by the record
/// of the first, which the caller finds under the transfer's key. A caller that does not look is
/// told [`Rejection::TransferKnown`]: the money has arrived, and must not be returned.
pub(super) fn receive(group: &Group, transfer: &Transfer) -> Result<Event, Rejection> {
    // The courier's permanent key is enough for a booking: a balance that money comes to all day is not to
    // remember each arrival.
    if group.received.contains_key(&transfer.id) {
        return Err(Rejection::TransferKnown);
    }
    let account = match transfer.purpose {
        Purpose::Transfer => open_account(group, transfer.destination)?,
        // What was earned is owed to the earner, and owed back by it, frozen or not.
        Purpose::Fee | Purpose::FeeRecall | Purpose::Booking => {
            standing_account(group, transfer.destination)?
        }
    };
    require_counted(account, transfer.asset)?;
    let mut draft = Draft::new(group);
    let there = Place::Spendable(account.ledger);
    let transit = Place::House(House::Transit);
    let (from, to) = match transfer.purpose {
        Purpose::Transfer | Purpose::Fee | Purpose::Booking => (transit, there),
        Purpose::FeeRecall => (there, transit),
    };
    draft.post(from, to, transfer.asset, transfer.amount)?;
    Ok(Event::TransferReceived(
        Box::new(transfer.clone()),
        draft.finish(),
    ))
}

pub(super) fn settle(group: &Group, id: TransferId) -> Result<Event, Rejection> {
    group.outgoing.get(&id).ok_or(Rejection::TransferNotFound)?;
    Ok(Event::TransferSettled(id))
}

/// The account, unless it is gone.
fn standing_account(group: &Group, no: AccountNo) -> Result<&Account, Rejection> {
    let account = group.account(no).ok_or(Rejection::AccountNotFound)?;
    if account.status == Status::Deleted {
        let status = account.status;
        return Err(Rejection::AccountNotOpen { status });
    }
    Ok(account)
}

/// Brings money back that could not arrive, whatever has become of its account: it is its owner's. A
/// fee whose earner is gone ends in suspense, and from there it is given back.
pub(super) fn give_back(group: &Group, id: TransferId) -> Result<Event, Rejection> {
    let transfer = group.outgoing.get(&id).ok_or(Rejection::TransferNotFound)?;
    let source = group
        .account(transfer.source)
        .ok_or(Rejection::AccountNotFound)?;
    let mut draft = Draft::new(group);
    let (transit, suspense) = (Place::House(House::Transit), Place::House(House::Suspense));
    let (from, to) = match transfer.purpose {
        Purpose::Transfer => (transit, Place::Spendable(source.ledger)),
        Purpose::Fee | Purpose::Booking => (transit, suspense),
        Purpose::FeeRecall => (suspense, transit),
    };
    draft.post(from, to, transfer.asset, transfer.amount)?;
    Ok(Event::TransferReturned(
        Box::new(transfer.clone()),
        draft.finish(),
    ))
}
