//! More is wanted for an authorization that still holds money.

use std::sync::Arc;

use super::{authorize::control, draft::Draft, step, usage};
use crate::domain::{
    command::{Authorize, Context, StepRequest},
    event::{Event, Movement, OverCapture, StepKind, Stepped},
    group::Group,
    hold::{Authorization, Leg},
    merchant::{Merchant, TransactionMedium},
    money::{Amount, LocalAmount, MoneyError, sum},
    outcome::{DeclineReason, Rejection},
    policy::{cashback, controls::Effects, fees, route::Search},
    posting::Place,
};

/// Holds more, or declines; the hold's lifetime stays as it was.
pub(super) fn decide(
    group: &Group,
    request: &StepRequest,
    context: &Context<'_>,
) -> Result<Event, Rejection> {
    let authorization = step::find(group, request.authorization, context)?;
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
    let mut after = authorization.clone();
    after.local = grown.minor;
    after.requested = after.requested.plus(local)?;
    let (more, is_dear) = grow(&mut after, grown)?;
    let account = group
        .account(authorization.account)
        .ok_or(Rejection::AccountNotFound)?;
    let added = LocalAmount {
        minor: local,
        currency: authorization.currency,
    };
    let purchase = purchase_of(&authorization, added);
    let mut draft = Draft::new(group);
    draft.touch(account.ledger)?;
    let search = Search::new(group, account, &purchase, context)?.growing(&authorization);
    let over = usage::over_by_increment(account, &purchase, (added, grown), context)?;
    let reason = control(account, authorization.kind, context.now)
        .or_else(|| over.map(|(reason, _)| reason));
    let legs = match reason {
        Some(reason) => Err(reason),
        None => search
            .more(authorization.asset, more)?
            .ok_or(DeclineReason::InsufficientFunds)
            .and_then(|legs| {
                let reason = DeclineReason::FeesExceedAmount;
                if is_dear { Err(reason) } else { Ok(legs) }
            }),
    };
    let legs = match legs {
        Ok(legs) => legs,
        Err(reason) => {
            let kind = StepKind::IncrementDeclined(reason);
            let effects = None;
            let movement = draft.finish();
            return Ok(stepped(
                request,
                authorization,
                kind,
                (local, more),
                (movement, effects),
            ));
        }
    };
    add_legs(&mut after, &legs, &mut draft)?;
    let mut counted = usage::counted(account, (&purchase, added), context)?;
    let (whose, parts) = ((group, account.no), (&purchase, added));
    counted.extend(usage::counted_by_pockets(whose, &legs, parts, context)?);
    usage::add(&mut after.counted, &counted)?;
    let effects = usage::of_increment((group, account), &counted, context);
    Ok(stepped(
        request,
        after,
        StepKind::Increment,
        (local, more),
        (draft.finish(), effects),
    ))
}

/// What is added, as far as routes and limits look at it: who the merchant is and the wallet stand in
/// the first record, and what they decided then holds.
fn purchase_of(authorization: &Authorization, added: LocalAmount) -> Authorize {
    Authorize {
        account: authorization.account,
        transaction_id: authorization.transaction_id.clone(),
        kind: authorization.kind,
        local: added,
        usd_amount: None,
        merchant: Merchant {
            mcc: authorization.mcc,
            ..Merchant::default()
        },
        medium: TransactionMedium::default(),
        allow_partial: false,
        capture: false,
    }
}

/// Prices the grown purchase at the rate of its approval; returns how much more it needs, and whether
/// its fees would be more than its debit: rounded down on a small one they may have been less.
fn grow(after: &mut Authorization, grown: LocalAmount) -> Result<(Amount, bool), MoneyError> {
    let rate = after.applied_rate()?;
    let debit_before = after.amount();
    let aside_before = after.surcharged();
    let debit = rate.debit(grown, after.asset)?.max(debit_before);
    cashback::regrow(&mut after.surcharges, grown, after.asset, &rate)?;
    fees::regrow(&mut after.fees, debit)?;
    let fees: Vec<_> = after.fees.iter().map(|fee| fee.amount).collect();
    let more = debit
        .minus_or_zero(debit_before)
        .plus(after.surcharged().minus_or_zero(aside_before))?;
    Ok((more, sum(&fees)? > debit))
}

/// Holds what was found: more on a leg that is there, or a new leg.
fn add_legs(
    after: &mut Authorization,
    found: &[Leg],
    draft: &mut Draft<'_>,
) -> Result<(), MoneyError> {
    for new in found {
        let (spendable, held) = (Place::Spendable(new.ledger), Place::Held(new.ledger));
        draft.post(spendable, held, after.asset, new.amount)?;
        let known = after.legs.iter_mut().find(|leg| leg.ledger == new.ledger);
        match known {
            Some(leg) => leg.amount = leg.amount.plus(new.amount)?,
            None => after.legs.push(new.clone()),
        }
    }
    Ok(())
}

fn stepped(
    request: &StepRequest,
    authorization: Authorization,
    kind: StepKind,
    (local, amount): (Amount, Amount),
    (movement, effects): (Movement, Option<Box<Effects>>),
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
        effects,
        movement,
        authorization: Arc::new(authorization),
    }))
}
