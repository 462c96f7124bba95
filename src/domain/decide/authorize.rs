//! A purchase: may the card pay, from what, and what is held.

use std::sync::Arc;

use super::draft::Draft;
use crate::domain::{
    account::{Account, Medium, Status, StatusReason},
    command::{Authorize, Context},
    event::{Approved, Declined, Event},
    explanation::Explanation,
    group::Group,
    hold::{Authorization, TransactionType},
    ids::AuthorizationId,
    money::Amount,
    outcome::{DeclineReason, Rejection},
    policy::{
        fees,
        route::{self, NoRoute, Route},
    },
    posting::Place,
    time::Timestamp,
};

/// Controls come before money, in this order: the card's status, its expiry, the direction of the
/// money; then the currency, then the funds. The first that fails is the reason.
pub(super) fn decide(
    group: &Group,
    request: &Arc<Authorize>,
    context: &Context<'_>,
) -> Result<Event, Rejection> {
    let account = group
        .account(request.account)
        .ok_or(Rejection::AccountNotFound)?;
    if let Some(reason) = control(account, request.kind, context.now) {
        return decline(group, account, request, reason);
    }
    let asked = request.local;
    let route = route::find(group, account, context.terms, asked, request.allow_partial)?;
    match route {
        Ok(route) => approve(group, account, request, route, context),
        Err(NoRoute::Currency) => {
            decline(group, account, request, DeclineReason::CurrencyNotSupported)
        }
        Err(NoRoute::Funds) => decline(group, account, request, DeclineReason::InsufficientFunds),
    }
}

/// What stops a card from spending, before any question of money.
pub(super) fn control(
    account: &Account,
    kind: TransactionType,
    now: Timestamp,
) -> Option<DeclineReason> {
    let stolen = account.status_reason == Some(StatusReason::Stolen);
    match account.status {
        Status::Active => {}
        Status::Frozen => return Some(DeclineReason::CardFrozen),
        Status::Disabled if stolen => return Some(DeclineReason::CardStolen),
        Status::Disabled => return Some(DeclineReason::CardDisabled),
        Status::Deleted => return Some(DeclineReason::CardDeleted),
        Status::CreationInProgress | Status::CreationFailed => {
            return Some(DeclineReason::CardNotActive);
        }
    }
    if let Medium::Card { expiry, .. } = &account.medium
        && now.month() > *expiry
    {
        return Some(DeclineReason::CardExpired);
    }
    (kind == TransactionType::Credit).then_some(DeclineReason::CreditNotSupported)
}

pub(super) fn next_id(group: &Group) -> AuthorizationId {
    AuthorizationId {
        actor: group.id,
        number: group.authorizations.saturating_add(1),
    }
}

fn decline(
    group: &Group,
    account: &Account,
    request: &Arc<Authorize>,
    reason: DeclineReason,
) -> Result<Event, Rejection> {
    let mut draft = Draft::new(group);
    draft.touch(account.ledger)?;
    Ok(Event::AuthorizationDeclined(Box::new(Declined {
        id: next_id(group),
        request: request.clone(),
        reason,
        movement: draft.finish(),
        explanation: Explanation::default(),
    })))
}

fn approve(
    group: &Group,
    account: &Account,
    request: &Arc<Authorize>,
    route: Route,
    context: &Context<'_>,
) -> Result<Event, Rejection> {
    let mut authorization = draw_up(group, request, route, context)?;
    let mut draft = Draft::new(group);
    draft.touch(account.ledger)?;
    for leg in &authorization.legs {
        let (spendable, held) = (Place::Spendable(leg.ledger), Place::Held(leg.ledger));
        draft.post(spendable, held, authorization.asset, leg.amount)?;
    }
    if request.capture {
        super::capture::take_all(&mut authorization, &mut draft)?;
    }
    Ok(Event::AuthorizationApproved(Box::new(Approved {
        request: request.clone(),
        authorization: Arc::new(authorization),
        movement: draft.finish(),
        effects: None,
        explanation: Explanation::default(),
    })))
}

/// The authorization of a route, with nothing captured yet.
pub(super) fn draw_up(
    group: &Group,
    request: &Arc<Authorize>,
    route: Route,
    context: &Context<'_>,
) -> Result<Authorization, Rejection> {
    let debit = route
        .legs
        .iter()
        .try_fold(Amount::ZERO, |sum, leg| sum.plus(leg.amount))?;
    let seconds = context.terms.hold_seconds(request.merchant.mcc);
    Ok(Authorization {
        id: next_id(group),
        account: request.account,
        transaction_id: request.transaction_id.clone(),
        kind: request.kind,
        currency: request.local.currency,
        requested: request.local.minor,
        local: route.local.minor,
        local_captured: Amount::ZERO,
        local_released: Amount::ZERO,
        local_excess: Amount::ZERO,
        local_refunded: Amount::ZERO,
        asset: route.asset,
        rate: route.rate,
        legs: route.legs,
        fees: fees::fees_of(context.terms, debit)?,
        is_partial: route.local.minor < request.local.minor,
        is_forced: false,
        has_expired: false,
        expires_at: context.now.plus_seconds(seconds),
        created_at: context.now,
        surcharges: Vec::new(),
        counted: Vec::new(),
        refunds: Vec::new(),
        first_lsn: 0,
        last_lsn: 0,
    })
}
