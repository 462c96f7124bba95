//! A clearing without an authorization: it cannot be declined, so it posts, below zero if it must.

use std::sync::Arc;

use super::{authorize::draw_up, draft::Draft};
use crate::domain::{
    command::{Authorize, Context},
    event::{Approved, Event},
    explanation::Explanation,
    group::Group,
    outcome::Rejection,
    policy::route,
    posting::Place,
};

/// Whatever the card's state: the merchant was paid by the network, and the network will be paid.
pub(super) fn decide(
    group: &Group,
    request: &Arc<Authorize>,
    context: &Context<'_>,
) -> Result<Event, Rejection> {
    let account = group
        .account(request.account)
        .ok_or(Rejection::AccountNotFound)?;
    if request.local.minor.is_zero() {
        return Err(Rejection::AmountRequired);
    }
    let found = route::force(group, account, context.terms, request.local)?;
    let Some(found) = found else {
        return Err(Rejection::NoAssetForCurrency {
            currency: request.local.currency,
        });
    };
    let mut authorization = draw_up(group, request, found, context)?;
    authorization.is_forced = true;
    let mut draft = Draft::new(group);
    for leg in &authorization.legs {
        let (spendable, held) = (Place::Spendable(leg.ledger), Place::Held(leg.ledger));
        draft.post(spendable, held, authorization.asset, leg.amount)?;
    }
    super::capture::take_all(&mut authorization, &mut draft)?;
    Ok(Event::AuthorizationApproved(Box::new(Approved {
        request: request.clone(),
        authorization: Arc::new(authorization),
        movement: draft.finish(),
        effects: None,
        explanation: Explanation::default(),
    })))
}
