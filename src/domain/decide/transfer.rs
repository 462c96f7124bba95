//! Money between accounts: at once inside a group, through transit between groups.

use super::{
    draft::Draft,
    money::{open_account, require},
};
use crate::domain::{
    command::{SendTransfer, Transfer},
    event::Event,
    group::Group,
    ids::TransferId,
    outcome::Rejection,
    posting::{House, Place},
};

pub(super) fn send(group: &Group, send: &SendTransfer) -> Result<Event, Rejection> {
    let transfer = &send.transfer;
    if group.outgoing.contains_key(&transfer.id) {
        return Err(Rejection::TransferKnown);
    }
    let source = open_account(group, transfer.source)?;
    let mut draft = Draft::new(group);
    require(&draft, source, transfer.asset, transfer.amount)?;
    let from = Place::Spendable(source.ledger);
    if send.is_within {
        let destination = open_account(group, transfer.destination)?;
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
    if group.received.contains_key(&transfer.id) {
        return Err(Rejection::TransferKnown);
    }
    let account = open_account(group, transfer.destination)?;
    let mut draft = Draft::new(group);
    let to = Place::Spendable(account.ledger);
    draft.post(
        Place::House(House::Transit),
        to,
        transfer.asset,
        transfer.amount,
    )?;
    Ok(Event::TransferReceived(
        Box::new(transfer.clone()),
        draft.finish(),
    ))
}

pub(super) fn settle(group: &Group, id: TransferId) -> Result<Event, Rejection> {
    group.outgoing.get(&id).ok_or(Rejection::TransferNotFound)?;
    Ok(Event::TransferSettled(id))
}

/// Brings money back that could not arrive, whatever has become of its account: it is its owner's.
pub(super) fn give_back(group: &Group, id: TransferId) -> Result<Event, Rejection> {
    let transfer = group.outgoing.get(&id).ok_or(Rejection::TransferNotFound)?;
    let source = group
        .account(transfer.source)
        .ok_or(Rejection::AccountNotFound)?;
    let mut draft = Draft::new(group);
    let to = Place::Spendable(source.ledger);
    draft.post(
        Place::House(House::Transit),
        to,
        transfer.asset,
        transfer.amount,
    )?;
    Ok(Event::TransferReturned(
        Box::new(transfer.clone()),
        draft.finish(),
    ))
}
