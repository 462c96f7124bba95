//! Captured money comes back to those who paid, in proportion; and a refund undone exactly.

use std::sync::Arc;

use super::{
    draft::Draft,
    earners::{self, Way},
    parts, step,
};
use crate::domain::{
    command::{Context, StepRequest},
    event::{Event, Movement, OverCapture, StepKind, Stepped},
    group::Group,
    hold::{Authorization, Leg, Refund},
    money::{Amount, LocalAmount, MoneyError, apportion, apportion_fees, sum},
    outcome::Rejection,
    posting::{House, Place},
};

/// Never more than was captured; each fee gives back its proportion, and so does each pocket that
/// something was set aside in, as far as it still has it.
pub(super) fn decide(
    group: &Group,
    request: &StepRequest,
    context: &Context<'_>,
) -> Result<Vec<Event>, Rejection> {
    let mut authorization = step::find(group, request.authorization, context)?;
    let left = authorization.local_refundable();
    let local = step::amount(request, authorization.currency, left)?;
    step::require(&authorization, "refund", left, local)?;
    let mut draft = Draft::of_card(group, authorization.account)?;
    let shares = shares(&mut authorization, &draft, group, local)?;
    let gone = |leg: &Leg| !group.has_face(leg.ledger);
    let in_suspense: Vec<_> = authorization.legs.iter().map(gone).collect();
    let fees = (group, &mut draft);
    let sent = earners::settle(&authorization, &shares.fees, Way::Back, fees, context)?;
    let suspended = give_back(&authorization, (group, &mut draft), &in_suspense, &shares)?;
    authorization.local_refunded = authorization.local_refunded.plus(local)?;
    let refund = Refund {
        lsn: 0,
        local,
        legs: shares.legs,
        fees: shares.fees.clone(),
        surcharges: shares.surcharges.clone(),
        in_suspense,
        is_reversed: false,
    };
    authorization.refunds.push(refund);
    let change = Change {
        local,
        amount: shares.debit,
        fees: shares.fees,
        surcharges: shares.surcharges,
        suspended,
    };
    let kind = StepKind::Refund;
    let stepped = stepped(request, authorization, kind, change, draft.finish());
    Ok(step::with(stepped, sent))
}

/// Takes a refund back from where it went; it posts below zero if it must, as the network will be
/// paid.
pub(super) fn reverse(
    group: &Group,
    request: &StepRequest,
    refund: u64,
    context: &Context<'_>,
) -> Result<Vec<Event>, Rejection> {
    let mut authorization = step::find(group, request.authorization, context)?;
    let (currency, state) = (authorization.currency, authorization.state());
    let known = authorization
        .refunds
        .iter_mut()
        .find(|known| known.lsn == refund);
    let known = known.ok_or(Rejection::RefundNotFound)?;
    if known.is_reversed {
        return Err(Rejection::RefundAlreadyReversed { state });
    }
    if let Some(given) = request.local {
        let asked = step::explicit(given, currency)?;
        if asked != known.local {
            let shown = |minor| LocalAmount { minor, currency }.to_string();
            return Err(Rejection::MoreThanLeft {
                state,
                step: "reverse (a refund is reversed as a whole)",
                left: shown(known.local),
                asked: shown(asked),
            });
        }
    }
    known.is_reversed = true;
    let undone = known.clone();
    let mut draft = Draft::of_card(group, authorization.account)?;
    take_back(&mut authorization, (group, &mut draft), &undone)?;
    for (fee, part) in authorization.fees.iter_mut().zip(&undone.fees) {
        fee.returned = fee.returned.minus_or_zero(*part);
    }
    let fees = (group, &mut draft);
    let sent = earners::settle(&authorization, &undone.fees, Way::Out, fees, context)?;
    authorization.local_refunded = authorization.local_refunded.minus_or_zero(undone.local);
    let aside = sum(&undone.surcharges)?;
    let change = Change {
        local: undone.local,
        amount: sum(&undone.legs)?.minus_or_zero(aside),
        fees: undone.fees,
        surcharges: undone.surcharges,
        suspended: Amount::ZERO,
    };
    let kind = StepKind::RefundReversal;
    let stepped = stepped(request, authorization, kind, change, draft.finish());
    Ok(step::with(stepped, sent))
}

struct Shares {
    /// Of the debit.
    debit: Amount,
    /// Of the debit and what was set aside, to each leg.
    legs: Vec<Amount>,
    /// From each fee.
    fees: Vec<Amount>,
    /// From each surcharge's pocket.
    surcharges: Vec<Amount>,
}

/// What each leg gets, and each fee and surcharge gives back, for `local` more of the captured
/// amount.
fn shares(
    authorization: &mut Authorization,
    draft: &Draft<'_>,
    group: &Group,
    local: Amount,
) -> Result<Shares, MoneyError> {
    let captured = authorization.captured();
    let before = authorization.refunded();
    let local_after = authorization.local_refunded.plus(local)?;
    let local_paid = authorization.local_paid();
    let cumulative = step::cumulative(captured, local_after, local_paid)?.max(before);
    let debit = cumulative.minus_or_zero(before);
    let charged: Vec<_> = authorization.fees.iter().map(|fee| fee.charged).collect();
    let returned: Vec<_> = authorization.fees.iter().map(|fee| fee.returned).collect();
    let fees = apportion_fees((captured, &charged), (before, &returned), cumulative)?;
    for (fee, part) in authorization.fees.iter_mut().zip(&fees) {
        fee.returned = fee.returned.plus(*part)?;
    }
    let surcharges = set_aside(authorization, (draft, group), local_after)?;
    let paid: Vec<_> = authorization.legs.iter().map(Leg::paid).collect();
    let taken: Vec<_> = authorization.legs.iter().map(|leg| leg.refunded).collect();
    let target = sum(&taken)?.plus(debit)?.plus(sum(&surcharges)?)?;
    let legs = apportion(&paid, &taken, target)?;
    for (leg, part) in authorization.legs.iter_mut().zip(&legs) {
        leg.refunded = leg.refunded.plus(*part)?;
    }
    Ok(Shares {
        debit,
        legs,
        fees,
        surcharges,
    })
}

/// What each pocket gives back of what was set aside in it: its proportion, but never more than it
/// has. The cardholder has spent the rest already.
fn set_aside(
    authorization: &mut Authorization,
    (draft, group): (&Draft<'_>, &Group),
    local_after: Amount,
) -> Result<Vec<Amount>, MoneyError> {
    let local_paid = authorization.local_paid();
    let asset = authorization.asset;
    let mut parts = Vec::with_capacity(authorization.surcharges.len());
    let mut drawn: Vec<(crate::domain::ids::LedgerNo, Amount)> = Vec::new();
    for surcharge in &mut authorization.surcharges {
        let due = step::cumulative(surcharge.captured, local_after, local_paid)?
            .minus_or_zero(surcharge.returned);
        let ledger = parts::target(group, surcharge).and_then(|place| place.ledger());
        let part = match ledger {
            None => Amount::ZERO,
            Some(ledger) => {
                let drawn_before = drawn
                    .iter()
                    .filter(|(known, _)| *known == ledger)
                    .try_fold(Amount::ZERO, |sum, (_, part)| sum.plus(*part))?;
                let there = draft.available(ledger, asset).minus_or_zero(drawn_before);
                let part = due.min(there);
                drawn.push((ledger, part));
                part
            }
        };
        surcharge.returned = surcharge.returned.plus(part)?;
        parts.push(part);
    }
    Ok(parts)
}

/// Posts a refund; what belongs to an account that is gone goes to suspense and is returned.
fn give_back(
    authorization: &Authorization,
    (group, draft): (&Group, &mut Draft<'_>),
    in_suspense: &[bool],
    shares: &Shares,
) -> Result<Amount, MoneyError> {
    let (sources, wells) = wells(authorization, group, shares.debit, &shares.surcharges);
    let mut suspended = Amount::ZERO;
    for ((leg, part), is_gone) in authorization.legs.iter().zip(&shares.legs).zip(in_suspense) {
        draft.touch(leg.ledger)?;
        if *is_gone {
            suspended = suspended.plus(*part)?;
        }
    }
    let legs = &authorization.legs;
    parts::pour(&shares.legs, &wells, |leg, well, amount| {
        let is_gone = in_suspense.get(leg).copied().unwrap_or(false);
        let to = legs.get(leg).map(|leg| refund_place(leg, is_gone));
        let (Some(to), Some(from)) = (to, sources.get(well)) else {
            return Err(MoneyError::OutOfRange);
        };
        draft.post(from.clone(), to, authorization.asset, amount)
    })?;
    Ok(suspended)
}

/// The places and amounts beside the legs: the network's account, then each surcharge's pocket.
fn wells(
    authorization: &Authorization,
    group: &Group,
    debit: Amount,
    surcharges: &[Amount],
) -> (Vec<Place>, Vec<Amount>) {
    let mut places = vec![Place::House(House::Settlement)];
    let mut amounts = vec![debit];
    for (surcharge, part) in authorization.surcharges.iter().zip(surcharges) {
        let place = parts::target(group, surcharge);
        places.push(place.unwrap_or(Place::House(House::Suspense)));
        amounts.push(*part);
    }
    (places, amounts)
}

/// Takes back what each leg got: the debit for the network, the rest for the pockets.
fn take_back(
    authorization: &mut Authorization,
    (group, draft): (&Group, &mut Draft<'_>),
    undone: &Refund,
) -> Result<(), MoneyError> {
    let debit = sum(&undone.legs)?.minus_or_zero(sum(&undone.surcharges)?);
    let (places, amounts) = wells(authorization, group, debit, &undone.surcharges);
    for (leg, part) in authorization.legs.iter_mut().zip(&undone.legs) {
        leg.refunded = leg.refunded.minus_or_zero(*part);
        draft.touch(leg.ledger)?;
    }
    for (surcharge, part) in authorization.surcharges.iter_mut().zip(&undone.surcharges) {
        surcharge.returned = surcharge.returned.minus_or_zero(*part);
    }
    let legs = &authorization.legs;
    parts::pour(&undone.legs, &amounts, |leg, well, amount| {
        let is_gone = undone.in_suspense.get(leg).copied().unwrap_or(false);
        let from = legs.get(leg).map(|leg| refund_place(leg, is_gone));
        let (Some(from), Some(to)) = (from, places.get(well)) else {
            return Err(MoneyError::OutOfRange);
        };
        draft.post(from, to.clone(), authorization.asset, amount)
    })
}

fn refund_place(leg: &Leg, in_suspense: bool) -> Place {
    if in_suspense {
        Place::House(House::Suspense)
    } else {
        Place::Spendable(leg.ledger)
    }
}

struct Change {
    local: Amount,
    amount: Amount,
    fees: Vec<Amount>,
    surcharges: Vec<Amount>,
    suspended: Amount,
}

fn stepped(
    request: &StepRequest,
    authorization: Authorization,
    kind: StepKind,
    change: Change,
    movement: Movement,
) -> Event {
    Event::AuthorizationStepped(Box::new(Stepped {
        kind,
        transaction_id: request.transaction_id.clone(),
        account: authorization.account,
        local: change.local,
        amount: change.amount,
        over: OverCapture::default(),
        fees: change.fees,
        surcharges: change.surcharges,
        suspended: change.suspended,
        movement,
        authorization: Arc::new(authorization),
        effects: None,
    }))
}
