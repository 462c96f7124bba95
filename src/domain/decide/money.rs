//! Money between the world and an account.

use super::draft::Draft;
use crate::domain::{
    account::{Account, Medium},
    command::MoveMoney,
    event::Event,
    group::Group,
    ids::AccountNo,
    money::{Amount, Asset},
    outcome::Rejection,
    posting::{House, Place},
};

pub(super) fn deposit(group: &Group, deposit: &MoveMoney) -> Result<Event, Rejection> {
    let account = open_account(group, deposit.account)?;
    require_counted(account, deposit.asset)?;
    let mut draft = Draft::new(group);
    let place = Place::Spendable(account.ledger);
    draft.post(
        Place::House(House::World),
        place,
        deposit.asset,
        deposit.amount,
    )?;
    Ok(Event::Deposited(deposit.clone(), draft.finish()))
}

pub(super) fn withdraw(group: &Group, withdrawal: &MoveMoney) -> Result<Event, Rejection> {
    let account = open_account(group, withdrawal.account)?;
    require_counted(account, withdrawal.asset)?;
    let mut draft = Draft::new(group);
    require(&draft, account, withdrawal.asset, withdrawal.amount)?;
    let place = Place::Spendable(account.ledger);
    draft.post(
        place,
        Place::House(House::World),
        withdrawal.asset,
        withdrawal.amount,
    )?;
    Ok(Event::Withdrawn(withdrawal.clone(), draft.finish()))
}

/// The account, if money may be moved through it by its holder or an operator.
pub(super) fn open_account(group: &Group, no: AccountNo) -> Result<&Account, Rejection> {
    let account = group.account(no).ok_or(Rejection::AccountNotFound)?;
    if !account.is_open() {
        return Err(Rejection::AccountNotOpen {
            status: account.status,
        });
    }
    Ok(account)
}

/// Refuses a ledger balance that counts another thing.
pub(super) fn require_counted(account: &Account, asset: Asset) -> Result<(), Rejection> {
    match &account.medium {
        Medium::Balance(face) if face.asset != asset => Err(Rejection::OtherAsset {
            expected: face.asset,
        }),
        Medium::Balance(_) | Medium::Card { .. } | Medium::Virtual => Ok(()),
    }
}

pub(super) fn require(
    draft: &Draft<'_>,
    account: &Account,
    asset: Asset,
    required: Amount,
) -> Result<(), Rejection> {
    let available = draft.available(account.ledger, asset);
    if available < required {
        return Err(Rejection::InsufficientFunds {
            asset,
            available,
            required,
        });
    }
    Ok(())
}
