//! A clearing without an authorization: it cannot be declined, so it posts, below zero if it must.

use std::sync::Arc;

use super::{
    authorize::{draw_up, hold},
    capture,
    draft::Draft,
    step, usage,
};
use crate::domain::{
    command::{Authorize, Context},
    event::{Approved, Event},
    explanation::Explanation,
    group::Group,
    hold::TransactionType,
    outcome::Rejection,
    policy::route::Search,
};

/// Whatever the card's state: the merchant was paid by the network, and the network will be paid.
pub(super) fn decide(
    group: &Group,
    request: &Arc<Authorize>,
    context: &Context<'_>,
) -> Result<Vec<Event>, Rejection> {
    let account = group
        .account(request.account)
        .ok_or(Rejection::AccountNotFound)?;
    if request.kind == TransactionType::Credit {
        return Err(Rejection::CreditClearing);
    }
    if request.local.minor.is_zero() {
        return Err(Rejection::AmountRequired);
    }
    let mut search = Search::new(group, account, request, context)?;
    let Some(found) = search.force()? else {
        return Err(Rejection::NoAssetForCurrency {
            currency: request.local.currency,
        });
    };
    let (candidates, usd) = search.into_tried();
    let mut authorization = draw_up(group, request, found, context)?;
    authorization.is_forced = true;
    let mut draft = Draft::new(group);
    draft.touch(account.ledger)?;
    hold(&authorization, &mut draft)?;
    let sent = capture::take_all(&mut authorization, &mut draft, group, context)?;
    let effects = usage::of_capture(group, account.no, context);
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
