//! Captured money comes back to those who paid, in proportion; and a refund undone exactly.

use std::sync::Arc;

use super::{draft::Draft, step};
use crate::domain::{
    command::{Context, StepRequest},
    event::{Event, Movement, OverCapture, StepKind, Stepped},
    group::Group,
    hold::{Authorization, Leg, Refund},
    money::{Amount, LocalAmount, MoneyError, apportion, apportion_fees},
    outcome::Rejection,
    posting::{House, Place},
};

/// Never more than was captured; each fee gives back its proportion.
pub(super) fn decide(
    group: &Group,
    request: &StepRequest,
    context: &Context<'_>,
) -> Result<Event, Rejection> {
    let mut authorization = step::find(group, request.authorization, context)?;
    let left = authorization.local_refundable();
    let local = step::amount(request, authorization.currency, left)?;
    step::require(&authorization, "refund", left, local)?;
    let (legs, fees) = shares(&mut authorization, local)?;
    let gone = |leg: &Leg| !group.has_face(leg.ledger);
    let in_suspense: Vec<_> = authorization.legs.iter().map(gone).collect();
    let mut draft = Draft::new(group);
    let suspended = give_back(&authorization, &mut draft, &in_suspense, (&legs, &fees))?;
    authorization.local_refunded = authorization.local_refunded.plus(local)?;
    let amount = crate::domain::money::sum(&legs)?;
    let refund = Refund {
        lsn: 0,
        local,
        legs,
        fees: fees.clone(),
        surcharges: Vec::new(),
        in_suspense,
        is_reversed: false,
    };
    authorization.refunds.push(refund);
    let change = Change {
        local,
        amount,
        fees,
        suspended,
    };
    Ok(stepped(
        request,
        authorization,
        StepKind::Refund,
        change,
        draft.finish(),
    ))
}

/// Takes a refund back from where it went; it posts below zero if it must, as the network will be
/// paid.
pub(super) fn reverse(
    group: &Group,
    request: &StepRequest,
    refund: u64,
    context: &Context<'_>,
) -> Result<Event, Rejection> {
    let mut authorization = step::find(group, request.authorization, context)?;
    let known = authorization
        .refunds
        .iter_mut()
        .find(|known| known.lsn == refund);
    let known = known.ok_or(Rejection::RefundNotFound)?;
    if known.is_reversed {
        return Err(Rejection::RefundAlreadyReversed);
    }
    if let Some(given) = request.local {
        let asked = step::explicit(given, authorization.currency)?;
        if asked != known.local {
            let shown = |minor| {
                LocalAmount {
                    minor,
                    currency: authorization.currency,
                }
                .to_string()
            };
            let (left, asked) = (shown(known.local), shown(asked));
            let state = authorization.state();
            let step = "reverse (a refund is reversed as a whole)";
            return Err(Rejection::MoreThanLeft {
                state,
                step,
                left,
                asked,
            });
        }
    }
    known.is_reversed = true;
    let undone = known.clone();
    let mut draft = Draft::new(group);
    let parts = undone.legs.iter().zip(&undone.in_suspense);
    for (leg, (part, in_suspense)) in authorization.legs.iter_mut().zip(parts) {
        leg.refunded = leg.refunded.minus_or_zero(*part);
        draft.touch(leg.ledger)?;
        draft.post(
            refund_place(leg, *in_suspense),
            Place::House(House::Settlement),
            authorization.asset,
            *part,
        )?;
    }
    for (fee, part) in authorization.fees.iter_mut().zip(&undone.fees) {
        fee.returned = fee.returned.minus_or_zero(*part);
        let treasury = Place::House(House::Treasury(fee.treasury.clone()));
        draft.post(
            Place::House(House::Settlement),
            treasury,
            authorization.asset,
            *part,
        )?;
    }
    authorization.local_refunded = authorization.local_refunded.minus_or_zero(undone.local);
    let amount = crate::domain::money::sum(&undone.legs)?;
    let change = Change {
        local: undone.local,
        amount,
        fees: undone.fees,
        suspended: Amount::ZERO,
    };
    Ok(stepped(
        request,
        authorization,
        StepKind::RefundReversal,
        change,
        draft.finish(),
    ))
}

/// What each leg and each fee gives back for `local` more of the captured amount.
fn shares(
    authorization: &mut Authorization,
    local: Amount,
) -> Result<(Vec<Amount>, Vec<Amount>), MoneyError> {
    let captured = authorization.captured();
    let before = authorization.refunded();
    let local_after = authorization.local_refunded.plus(local)?;
    let cumulative = step::cumulative(captured, local_after, authorization.local_paid())?;
    let cumulative = cumulative.max(before);
    let paid: Vec<_> = authorization.legs.iter().map(Leg::paid).collect();
    let taken: Vec<_> = authorization.legs.iter().map(|leg| leg.refunded).collect();
    let legs = apportion(&paid, &taken, cumulative)?;
    for (leg, part) in authorization.legs.iter_mut().zip(&legs) {
        leg.refunded = leg.refunded.plus(*part)?;
    }
    let charged: Vec<_> = authorization.fees.iter().map(|fee| fee.charged).collect();
    let returned: Vec<_> = authorization.fees.iter().map(|fee| fee.returned).collect();
    let fees = apportion_fees((captured, &charged), (before, &returned), cumulative)?;
    for (fee, part) in authorization.fees.iter_mut().zip(&fees) {
        fee.returned = fee.returned.plus(*part)?;
    }
    Ok((legs, fees))
}

/// Posts a refund; what belongs to an account that is gone goes to suspense and is returned.
fn give_back(
    authorization: &Authorization,
    draft: &mut Draft<'_>,
    in_suspense: &[bool],
    (legs, fees): (&[Amount], &[Amount]),
) -> Result<Amount, MoneyError> {
    let settlement = || Place::House(House::Settlement);
    for (fee, part) in authorization.fees.iter().zip(fees) {
        let treasury = Place::House(House::Treasury(fee.treasury.clone()));
        draft.post(treasury, settlement(), authorization.asset, *part)?;
    }
    let mut suspended = Amount::ZERO;
    for ((leg, part), is_gone) in authorization.legs.iter().zip(legs).zip(in_suspense) {
        draft.touch(leg.ledger)?;
        if *is_gone {
            suspended = suspended.plus(*part)?;
        }
        let place = refund_place(leg, *is_gone);
        draft.post(settlement(), place, authorization.asset, *part)?;
    }
    Ok(suspended)
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
        surcharges: Vec::new(),
        suspended: change.suspended,
        effects: None,
        movement,
        authorization: Arc::new(authorization),
    }))
}
