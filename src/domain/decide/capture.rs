//! Takes held money: the merchant's part to the network, each fee to who earns it, each surcharge to
//! its pocket.

use std::sync::Arc;

use super::{
    draft::Draft,
    earners::{self, Way},
    parts, step, usage,
};
use crate::domain::{
    command::{Context, StepRequest},
    event::{Event, OverCapture, StepKind, Stepped},
    group::Group,
    hold::{Authorization, FeeBasis},
    money::{Amount, MoneyError, apportion_fees, sum},
    outcome::Rejection,
    posting::{House, Place},
};

/// Captures a part, all, or more than is held.
///
/// More than is held still posts, because a clearing cannot be declined: up to the tolerance as part
/// of the capture, beyond it as an adjustment.
pub(super) fn decide(
    group: &Group,
    request: &StepRequest,
    context: &Context<'_>,
) -> Result<Vec<Event>, Rejection> {
    let mut authorization = step::find(group, request.authorization, context)?;
    let left = authorization.local_held();
    if !authorization.is_open() {
        let state = authorization.state();
        return Err(Rejection::StateForbids {
            state,
            step: "capture",
        });
    }
    let local = step::amount(request, authorization.currency, left)?;
    let from_hold = local.min(left);
    let beyond = local.minus_or_zero(from_hold);
    let is_final = request
        .is_final
        .unwrap_or(request.local.is_none() || local >= left);
    let mut draft = Draft::of_card(group, authorization.account)?;
    let before = authorization.captured();
    let surcharges = parts::capture(&mut authorization, &mut draft, group, from_hold)?;
    let over = take_beyond(&mut authorization, &mut draft, beyond, context)?;
    let fees = charge(&mut authorization, before)?;
    let sent = earners::settle(
        &authorization,
        &fees,
        Way::Out,
        (group, &mut draft),
        context,
    )?;
    if is_final {
        let rest = authorization.local_held();
        parts::release(&mut authorization, &mut draft, rest)?;
        usage::give_back(&mut authorization)?;
    }
    let effects = usage::of_capture(group, authorization.account, context);
    let stepped = Event::AuthorizationStepped(Box::new(Stepped {
        kind: StepKind::Capture,
        transaction_id: request.transaction_id.clone(),
        account: authorization.account,
        local,
        amount: authorization.captured().minus_or_zero(before),
        over,
        fees,
        surcharges,
        suspended: Amount::ZERO,
        movement: draft.finish(),
        authorization: Arc::new(authorization),
        effects,
    }));
    Ok(step::with(stepped, sent))
}

/// Captures everything held, in the same record as the hold.
pub(super) fn take_all(
    authorization: &mut Authorization,
    draft: &mut Draft<'_>,
    group: &Group,
    context: &Context<'_>,
) -> Result<Vec<Event>, MoneyError> {
    let before = authorization.captured();
    let local = authorization.local_held();
    parts::capture(authorization, draft, group, local)?;
    let fees = charge(authorization, before)?;
    earners::settle(authorization, &fees, Way::Out, (group, draft), context)
}

fn take_beyond(
    authorization: &mut Authorization,
    draft: &mut Draft<'_>,
    local: Amount,
    context: &Context<'_>,
) -> Result<OverCapture, MoneyError> {
    if local.is_zero() {
        return Ok(OverCapture::default());
    }
    let whole = authorization.amount();
    let in_asset =
        |local_cumulative: Amount| whole.part_rounded_down(local_cumulative, authorization.local);
    let excess_before = authorization.local_excess;
    let excess_after = excess_before.plus(local)?;
    let amount = in_asset(excess_after)?.minus_or_zero(in_asset(excess_before)?);
    let tolerance = context.terms.over_capture.of_rounded_down(whole)?;
    let already = sum(&authorization
        .legs
        .iter()
        .map(|leg| leg.excess)
        .collect::<Vec<_>>())?;
    let tolerated = amount.min(tolerance.minus_or_zero(already));
    authorization.local_excess = excess_after;
    if let Some(leg) = authorization.legs.first_mut() {
        leg.excess = leg.excess.plus(amount)?;
        draft.post(
            Place::Spendable(leg.ledger),
            Place::House(House::Settlement),
            authorization.asset,
            amount,
        )?;
    }
    Ok(OverCapture {
        tolerated,
        adjusted: amount.minus_or_zero(tolerated),
    })
}

/// What each fee gets of what was captured since `before`.
///
/// Cumulative, so that the parts of a fee add up to it exactly; past the authorized debit a
/// percentage goes on, a flat fee does not grow. Percentages of several layers may be more than the
/// whole together: then the later ones give way, so that the settlement is never negative.
fn charge(authorization: &mut Authorization, before: Amount) -> Result<Vec<Amount>, MoneyError> {
    let whole = authorization.amount();
    let captured = authorization.captured();
    let amounts: Vec<_> = authorization.fees.iter().map(|fee| fee.amount).collect();
    let charged: Vec<_> = authorization.fees.iter().map(|fee| fee.charged).collect();
    let inside = apportion_fees((whole, &amounts), (before, &charged), captured.min(whole))?;
    let over = captured.minus_or_zero(whole);
    let mut left = over;
    let mut parts = Vec::with_capacity(inside.len());
    for (fee, inside) in authorization.fees.iter_mut().zip(inside) {
        let beyond = match fee.basis {
            FeeBasis::Percentage => fee.value.of_rounded_down(over)?.min(left),
            FeeBasis::Flat => Amount::ZERO,
        };
        left = left.minus_or_zero(beyond);
        let part = inside.plus(beyond)?;
        fee.charged = fee.charged.plus(part)?;
        parts.push(part);
    }
    Ok(parts)
}
