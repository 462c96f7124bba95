//! How a part of a hold is split: between the debit and what is set aside on top of it, and over the
//! legs that hold both.

use super::{draft::Draft, step};
use crate::domain::{
    account::Status,
    group::Group,
    hold::{Authorization, Leg, Surcharge},
    money::{Amount, MoneyError, apportion, sum},
    posting::{House, Place},
};

/// A part of a hold that goes on: captured, or let go.
#[derive(Debug)]
pub(super) struct Part {
    /// Of the debit.
    pub(super) debit: Amount,
    /// Of each surcharge.
    pub(super) surcharges: Vec<Amount>,
    /// Of each leg; together the same.
    pub(super) legs: Vec<Amount>,
}

fn gone(leg: &Leg) -> Amount {
    leg.captured.saturating_plus(leg.released)
}

fn gone_aside(part: &Surcharge) -> Amount {
    part.captured.saturating_plus(part.released)
}

/// The part of what is held that `local` more of the local amount is.
///
/// Cumulative: the parts of the debit, of each surcharge and of each leg add up to the whole exactly.
pub(super) fn next(authorization: &Authorization, local: Amount) -> Result<Part, MoneyError> {
    let local_gone = authorization
        .local_captured
        .plus(authorization.local_released)?
        .plus(local)?;
    let at = |whole: Amount| step::cumulative(whole, local_gone, authorization.local);
    let legs_gone: Vec<_> = authorization.legs.iter().map(gone).collect();
    let aside_gone = authorization
        .surcharges
        .iter()
        .try_fold(Amount::ZERO, |sum, part| sum.plus(gone_aside(part)))?;
    let debit_gone = sum(&legs_gone)?.minus_or_zero(aside_gone);
    let debit = at(authorization.amount())?.minus_or_zero(debit_gone);
    let mut surcharges = Vec::with_capacity(authorization.surcharges.len());
    for surcharge in &authorization.surcharges {
        surcharges.push(at(surcharge.amount)?.minus_or_zero(gone_aside(surcharge)));
    }
    let shares: Vec<_> = authorization.legs.iter().map(|leg| leg.amount).collect();
    let target = sum(&legs_gone)?.plus(debit)?.plus(sum(&surcharges)?)?;
    let legs = apportion(&shares, &legs_gone, target)?;
    Ok(Part {
        debit,
        surcharges,
        legs,
    })
}

/// Where a surcharge goes: its pocket, or nowhere if that is gone.
pub(super) fn target(group: &Group, surcharge: &Surcharge) -> Option<Place> {
    let account = group.account(surcharge.target)?;
    let stands = account.status != Status::Deleted;
    stands.then_some(Place::Spendable(account.ledger))
}

/// Pours what each leg gives into the wells in order: calls `pour` with the leg's place, the well's
/// place and how much. Both sides have the same sum.
pub(super) fn pour(
    legs: &[Amount],
    wells: &[Amount],
    mut pour: impl FnMut(usize, usize, Amount) -> Result<(), MoneyError>,
) -> Result<(), MoneyError> {
    let mut wells = wells.iter().copied().enumerate();
    let mut well = wells.next();
    for (place, leg) in legs.iter().enumerate() {
        let mut left = *leg;
        while !left.is_zero() {
            let Some((at, room)) = well else {
                return Err(MoneyError::OutOfRange);
            };
            let part = left.min(room);
            pour(place, at, part)?;
            left = left.minus_or_zero(part);
            let room = room.minus_or_zero(part);
            well = if room.is_zero() {
                wells.next()
            } else {
                Some((at, room))
            };
        }
    }
    Ok(())
}

/// Captures a part: the debit to the network, each surcharge to its pocket. What was set aside for a
/// pocket that is gone goes back to who paid it.
pub(super) fn capture(
    authorization: &mut Authorization,
    draft: &mut Draft<'_>,
    group: &Group,
    local: Amount,
) -> Result<Vec<Amount>, MoneyError> {
    let part = next(authorization, local)?;
    let asset = authorization.asset;
    let targets: Vec<_> = authorization
        .surcharges
        .iter()
        .map(|surcharge| target(group, surcharge))
        .collect();
    let mut wells = vec![part.debit];
    wells.extend_from_slice(&part.surcharges);
    for leg in &authorization.legs {
        draft.touch(leg.ledger)?;
    }
    let legs = &mut authorization.legs;
    pour(&part.legs, &wells, |leg, well, amount| {
        let Some(leg) = legs.get_mut(leg) else {
            return Err(MoneyError::OutOfRange);
        };
        let held = Place::Held(leg.ledger);
        let to = match well.checked_sub(1).map(|n| targets.get(n)) {
            None => Some(Place::House(House::Settlement)),
            Some(target) => target.cloned().flatten(),
        };
        match to {
            Some(to) => {
                leg.captured = leg.captured.plus(amount)?;
                draft.post(held, to, asset, amount)
            }
            None => {
                leg.released = leg.released.plus(amount)?;
                draft.post(held, Place::Spendable(leg.ledger), asset, amount)
            }
        }
    })?;
    let mut arrived = Vec::with_capacity(part.surcharges.len());
    for ((surcharge, target), amount) in authorization
        .surcharges
        .iter_mut()
        .zip(&targets)
        .zip(part.surcharges)
    {
        if target.is_some() {
            surcharge.captured = surcharge.captured.plus(amount)?;
            arrived.push(amount);
        } else {
            surcharge.released = surcharge.released.plus(amount)?;
            arrived.push(Amount::ZERO);
        }
    }
    authorization.local_captured = authorization.local_captured.plus(local)?;
    Ok(arrived)
}

/// Lets a part go: back to what may be spent.
pub(super) fn release(
    authorization: &mut Authorization,
    draft: &mut Draft<'_>,
    local: Amount,
) -> Result<(), MoneyError> {
    if local.is_zero() {
        return Ok(());
    }
    let part = next(authorization, local)?;
    for (leg, amount) in authorization.legs.iter_mut().zip(&part.legs) {
        leg.released = leg.released.plus(*amount)?;
        let (held, spendable) = (Place::Held(leg.ledger), Place::Spendable(leg.ledger));
        draft.post(held, spendable, authorization.asset, *amount)?;
    }
    for (surcharge, amount) in authorization.surcharges.iter_mut().zip(&part.surcharges) {
        surcharge.released = surcharge.released.plus(*amount)?;
    }
    authorization.local_released = authorization.local_released.plus(local)?;
    Ok(())
}
