//! Lets held money go: on request, or because its time ran out.

use std::sync::Arc;

use super::{draft::Draft, parts, step, usage};
use crate::domain::{
    command::{Context, StepRequest},
    event::{Event, OverCapture, StepKind, Stepped},
    group::Group,
    hold::Authorization,
    ids::AuthorizationId,
    money::{Amount, MoneyError},
    outcome::Rejection,
};

pub(super) fn decide(
    group: &Group,
    request: &StepRequest,
    context: &Context<'_>,
) -> Result<Event, Rejection> {
    let authorization = step::find(group, request.authorization, context)?;
    let left = if authorization.is_open() {
        authorization.local_held()
    } else {
        Amount::ZERO
    };
    let local = step::amount(request, authorization.currency, left)?;
    step::require(&authorization, "reverse", left, local)?;
    let transaction_id = request.transaction_id.clone();
    Ok(stepped(
        group,
        authorization,
        StepKind::Reversal,
        transaction_id,
        local,
    )?)
}

/// Ends a hold whose time ran out; refused while it has not.
pub(super) fn expire(
    group: &Group,
    id: AuthorizationId,
    context: &Context<'_>,
) -> Result<Event, Rejection> {
    let authorization = group
        .open
        .get(&id)
        .ok_or(Rejection::AuthorizationNotFound)?
        .current();
    // One of which the programme is being asked is ended by what comes of that.
    if authorization.expires_at > context.now || authorization.decision.is_open() {
        return Err(Rejection::StateForbids {
            state: authorization.state(),
            step: "expire",
        });
    }
    Ok(ended(group, authorization, String::new())?)
}

/// Ends a hold whose time runs out at this moment, because a sandbox says so: from now on this is when
/// its time was over.
pub(super) fn expire_now(
    group: &Group,
    request: &StepRequest,
    context: &Context<'_>,
) -> Result<Event, Rejection> {
    let mut authorization = step::find(group, request.authorization, context)?;
    if !authorization.is_open() {
        return Err(Rejection::StateForbids {
            state: authorization.state(),
            step: "expire",
        });
    }
    authorization.expires_at = context.now;
    Ok(ended(group, authorization, request.transaction_id.clone())?)
}

fn ended(
    group: &Group,
    mut authorization: Authorization,
    transaction_id: String,
) -> Result<Event, MoneyError> {
    authorization.has_expired = true;
    let local = authorization.local_held();
    stepped(
        group,
        authorization,
        StepKind::Expiry,
        transaction_id,
        local,
    )
}

fn stepped(
    group: &Group,
    mut authorization: Authorization,
    kind: StepKind,
    transaction_id: String,
    local: Amount,
) -> Result<Event, MoneyError> {
    let mut draft = Draft::of_card(group, authorization.account)?;
    let before = authorization.released();
    parts::release(&mut authorization, &mut draft, local)?;
    usage::give_back(&mut authorization)?;
    Ok(Event::AuthorizationStepped(Box::new(Stepped {
        kind,
        transaction_id,
        account: authorization.account,
        local,
        amount: authorization.released().minus_or_zero(before),
        over: OverCapture::default(),
        fees: Vec::new(),
        surcharges: Vec::new(),
        suspended: Amount::ZERO,
        effects: None,
        movement: draft.finish(),
        authorization: Arc::new(authorization),
    })))
}
