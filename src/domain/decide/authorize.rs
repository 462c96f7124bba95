//! A purchase: may the card pay, from what, and what is held.

use std::sync::Arc;

use super::{capture, draft::Draft, step, usage};
use crate::domain::{
    account::{Account, Medium, Status, StatusReason},
    card::TokenStatus,
    command::{Authorize, Context},
    decision::Decision,
    event::{Approved, Declined, Event},
    explanation::Explanation,
    group::Group,
    hold::{Authorization, TransactionType},
    ids::{AuthorizationId, DeviceTokenId},
    merchant::TOKEN_ID,
    money::Amount,
    outcome::{DeclineReason, Rejection},
    policy::route::{NoRoute, Route, Search},
    posting::Place,
    time::Timestamp,
};

/// Controls come before money, in this order: the card's status, its expiry, the direction of the
/// money, the device's token; single use, merchant lock, category, merchant, country, channel and hours, the origin's
/// before the card's; then the limits, the origin's before the card's; then the currency, the funds
/// and the fees. The first that fails is the reason.
pub(super) fn decide(
    group: &Group,
    request: &Arc<Authorize>,
    context: &Context<'_>,
) -> Result<Vec<Event>, Rejection> {
    let account = group
        .account(request.account)
        .ok_or(Rejection::AccountNotFound)?;
    let purchase = Purchase {
        group,
        account,
        request,
        context,
    };
    let refused = control(account, request.kind, context.now);
    if let Some(reason) = refused.or(token_refused(account, request)?) {
        return purchase.decline(reason, Explanation::default());
    }
    if let Some((reason, refused)) = usage::refused(account, (request, request.local), context)? {
        let explanation = Explanation {
            refused: Some(Box::new(refused)),
            ..Explanation::default()
        };
        return purchase.decline(reason, explanation);
    }
    let mut search = Search::new(group, account, request, context)?;
    match search.find()? {
        Ok(route) => purchase.approve(route, search),
        Err(no_route) => {
            let usd = search.required_usd()?;
            let (candidates, _) = search.into_tried();
            let reason = match no_route {
                NoRoute::Currency => DeclineReason::CurrencyNotSupported,
                NoRoute::Funds => DeclineReason::InsufficientFunds,
                NoRoute::Fees => DeclineReason::FeesExceedAmount,
            };
            let explanation = Explanation {
                refused: None,
                candidates,
                usd,
            };
            purchase.decline(reason, explanation)
        }
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

/// A purchase by a device's token needs one that is in use. Another's names for its tokens, such as a
/// processor's, are none of ours.
fn token_refused(
    account: &Account,
    request: &Authorize,
) -> Result<Option<DeclineReason>, Rejection> {
    let Some(named) = request.medium.get(TOKEN_ID) else {
        return Ok(None);
    };
    let id = named.parse::<DeviceTokenId>().ok();
    if id.is_none_or(|id| id.account != account.no) {
        return Ok(None);
    }
    let tokens = account.card.iter().flat_map(|file| &file.tokens);
    let token = tokens.into_iter().find(|token| token.id == named);
    let token = token.ok_or(Rejection::TokenNotFound)?;
    let is_in_use = token.status == TokenStatus::Active;
    Ok((!is_in_use).then_some(DeclineReason::CardNotActive))
}

pub(super) fn next_id(group: &Group) -> AuthorizationId {
    AuthorizationId {
        actor: group.id,
        number: group.authorizations.saturating_add(1),
    }
}

struct Purchase<'a> {
    group: &'a Group,
    account: &'a Account,
    request: &'a Arc<Authorize>,
    context: &'a Context<'a>,
}

impl Purchase<'_> {
    fn decline(
        &self,
        reason: DeclineReason,
        explanation: Explanation,
    ) -> Result<Vec<Event>, Rejection> {
        let mut draft = Draft::new(self.group);
        draft.touch(self.account.ledger)?;
        Ok(vec![Event::AuthorizationDeclined(Box::new(Declined {
            id: next_id(self.group),
            request: self.request.clone(),
            reason,
            movement: draft.finish(),
            explanation,
        }))])
    }

    fn approve(&self, route: Route, search: Search<'_>) -> Result<Vec<Event>, Rejection> {
        let (candidates, usd) = search.into_tried();
        let (request, context) = (self.request, self.context);
        let mut authorization = draw_up(self.group, request, route, context)?;
        authorization.decision = asked(request, context);
        let is_asked = authorization.decision.is_open();
        let mut draft = Draft::new(self.group);
        draft.touch(self.account.ledger)?;
        hold(&authorization, &mut draft)?;
        let local = authorization.local_amount();
        if !local.minor.is_zero() {
            authorization.counted = usage::counted(self.account, (request, local), context)?;
            let whose = (self.group, self.account.no);
            let legs = &authorization.legs;
            let pockets = usage::counted_by_pockets(whose, legs, (request, local), context)?;
            authorization.counted.extend(pockets);
        }
        let effects = usage::of_approval(
            (self.group, self.account),
            (request, is_asked),
            &authorization.counted,
            context,
        );
        let sent = if request.capture && !is_asked {
            capture::take_all(&mut authorization, &mut draft, self.group, context)?
        } else {
            Vec::new()
        };
        let approved = Event::AuthorizationApproved(Box::new(Approved {
            request: request.clone(),
            authorization: Arc::new(authorization),
            movement: draft.finish(),
            effects,
            explanation: Explanation {
                refused: None,
                candidates,
                usd,
            },
        }));
        Ok(step::with(approved, sent))
    }
}

/// Whether the programme has a word in it. A question about the balance moves nothing and shows
/// nothing that the card's holder may not see.
fn asked(request: &Authorize, context: &Context<'_>) -> Decision {
    match context.origin.asks {
        Some(fallback) if request.kind != TransactionType::BalanceInquiry => Decision::Asked {
            fallback,
            captures: request.capture,
        },
        Some(_) | None => Decision::NotAsked,
    }
}

/// Moves what each leg holds from what may be spent.
pub(super) fn hold(authorization: &Authorization, draft: &mut Draft<'_>) -> Result<(), Rejection> {
    for leg in &authorization.legs {
        let (spendable, held) = (Place::Spendable(leg.ledger), Place::Held(leg.ledger));
        draft.post(spendable, held, authorization.asset, leg.amount)?;
    }
    Ok(())
}

/// The authorization of a route, with nothing captured yet.
pub(super) fn draw_up(
    group: &Group,
    request: &Arc<Authorize>,
    route: Route,
    context: &Context<'_>,
) -> Result<Authorization, Rejection> {
    let seconds = context.terms.hold_seconds(request.merchant.mcc);
    Ok(Authorization {
        id: next_id(group),
        account: request.account,
        transaction_id: request.transaction_id.clone(),
        kind: request.kind,
        mcc: request.merchant.mcc,
        currency: request.local.currency,
        requested: request.local.minor,
        local: route.local.minor,
        local_captured: Amount::ZERO,
        local_released: Amount::ZERO,
        local_excess: Amount::ZERO,
        local_refunded: Amount::ZERO,
        asset: route.asset,
        rate: route.rate,
        exact_rate: route.exact_rate,
        legs: route.legs,
        fees: route.fees,
        is_partial: route.local.minor < request.local.minor,
        is_forced: false,
        has_expired: false,
        expires_at: context.now.plus_seconds(seconds),
        created_at: context.now,
        surcharges: route.surcharges,
        counted: Vec::new(),
        refunds: Vec::new(),
        decision: Decision::NotAsked,
        first_lsn: 0,
        last_lsn: 0,
    })
}
