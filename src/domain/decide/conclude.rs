//! What came of asking the programme: the hold stands, or everything about it is undone.

use std::sync::Arc;

use super::{capture, draft::Draft, parts, step, usage};
use crate::domain::{
    command::Context,
    decision::{Conclusion, Decision, Ruling},
    event::{Event, OverCapture, StepKind, Stepped},
    group::Group,
    hold::{Authorization, FeeLine, Surcharge},
    ids::AuthorizationId,
    money::{Amount, MoneyError},
    outcome::Rejection,
};

/// Ends the question. A yes moves nothing, unless the purchase asked to be captured at once: then all of
/// it is, in the same record. A no lets everything go and gives back what was counted against limits, as
/// if the purchase had never been approved.
///
/// The card's state is not looked at again: what was approved before it was frozen stands, as it does
/// without a programme in between.
pub(super) fn decide(
    group: &Group,
    id: AuthorizationId,
    conclusion: &Conclusion,
    context: &Context<'_>,
) -> Result<Vec<Event>, Rejection> {
    let open = group
        .open
        .get(&id)
        .ok_or(Rejection::AuthorizationNotFound)?;
    let mut authorization = open.current();
    let Decision::Asked { captures, .. } = authorization.decision else {
        return Err(Rejection::StateForbids {
            state: authorization.state(),
            step: "decide",
        });
    };
    let is_approved = conclusion.verdict == Ruling::Approved;
    let captures = captures && is_approved;
    authorization.decision = Decision::Concluded(Box::new(conclusion.clone()));
    let mut draft = Draft::of_card(group, authorization.account)?;
    let sent = if captures {
        capture::take_all(&mut authorization, &mut draft, group, context)?
    } else {
        Vec::new()
    };
    if !is_approved {
        let_go(&mut authorization, &mut draft)?;
    }
    let effects = usage::of_conclusion(group, &authorization, (is_approved, captures), context);
    let stepped = Event::AuthorizationStepped(Box::new(Stepped {
        kind: StepKind::Concluded(conclusion.verdict),
        transaction_id: String::new(),
        account: authorization.account,
        local: authorization.local,
        amount: authorization.amount(),
        over: OverCapture::default(),
        fees: posted(captures, authorization.fees.iter().map(charged)),
        surcharges: posted(captures, authorization.surcharges.iter().map(arrived)),
        suspended: Amount::ZERO,
        movement: draft.finish(),
        authorization: Arc::new(authorization),
        effects,
    }));
    Ok(step::with(stepped, sent))
}

fn posted(captures: bool, amounts: impl Iterator<Item = Amount>) -> Vec<Amount> {
    if captures {
        amounts.collect()
    } else {
        Vec::new()
    }
}

const fn charged(fee: &FeeLine) -> Amount {
    fee.charged
}

const fn arrived(surcharge: &Surcharge) -> Amount {
    surcharge.captured
}

/// Releases all that is held; what was counted is no purchase any more.
fn let_go(authorization: &mut Authorization, draft: &mut Draft<'_>) -> Result<(), MoneyError> {
    let held = authorization.local_held();
    parts::release(authorization, draft, held)?;
    usage::give_back(authorization)
}
