//! More is wanted for an authorization that still holds money.

use std::sync::Arc;

use super::{authorize::control, draft::Draft, step};
use crate::domain::{
    command::{Context, StepRequest},
    event::{Event, Movement, OverCapture, StepKind, Stepped},
    group::Group,
    hold::Authorization,
    money::{Amount, LocalAmount},
    outcome::{DeclineReason, Rejection},
    policy::fees,
    posting::Place,
};

/// Holds more, or declines; the hold's lifetime stays as it was.
pub(super) fn decide(
    group: &Group,
    request: &StepRequest,
    context: &Context<'_>,
) -> Result<Event, Rejection> {
    let mut authorization = step::find(group, request.authorization, context)?;
    if !authorization.is_open() {
        let state = authorization.state();
        return Err(Rejection::StateForbids {
            state,
            step: "increment",
        });
    }
    let given = request.local.ok_or(Rejection::AmountRequired)?;
    let local = step::explicit(given, authorization.currency)?;
    let grown = LocalAmount {
        minor: authorization.local.plus(local)?,
        currency: authorization.currency,
    };
    // Of the whole, less what is there already: so that increments add up exactly.
    let whole = grown.in_asset(authorization.asset)?;
    let more = whole.minus_or_zero(authorization.amount());
    let account = group
        .account(authorization.account)
        .ok_or(Rejection::AccountNotFound)?;
    let mut draft = Draft::new(group);
    draft.touch(account.ledger)?;
    let short = draft.available(account.ledger, authorization.asset) < more;
    let reason = control(account, authorization.kind, context.now)
        .or_else(|| short.then_some(DeclineReason::InsufficientFunds));
    if let Some(reason) = reason {
        let kind = StepKind::IncrementDeclined(reason);
        return Ok(stepped(
            request,
            authorization,
            kind,
            (local, more),
            draft.finish(),
        ));
    }
    if let Some(leg) = authorization.legs.first_mut() {
        leg.amount = leg.amount.plus(more)?;
        let (spendable, held) = (Place::Spendable(leg.ledger), Place::Held(leg.ledger));
        draft.post(spendable, held, authorization.asset, more)?;
    }
    authorization.local = grown.minor;
    authorization.requested = authorization.requested.plus(local)?;
    let debit = authorization.amount();
    fees::regrow(&mut authorization.fees, debit)?;
    Ok(stepped(
        request,
        authorization,
        StepKind::Increment,
        (local, more),
        draft.finish(),
    ))
}

fn stepped(
    request: &StepRequest,
    authorization: Authorization,
    kind: StepKind,
    (local, amount): (Amount, Amount),
    movement: Movement,
) -> Event {
    Event::AuthorizationStepped(Box::new(Stepped {
        kind,
        transaction_id: request.transaction_id.clone(),
        account: authorization.account,
        local,
        amount,
        over: OverCapture::default(),
        fees: Vec::new(),
        surcharges: Vec::new(),
        suspended: Amount::ZERO,
        effects: None,
        movement,
        authorization: Arc::new(authorization),
    }))
}
