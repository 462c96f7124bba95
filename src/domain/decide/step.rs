//! What every step on an authorization needs: the authorization, and how much the step is about.

use crate::domain::{
    command::{Context, StepAmount, StepRequest},
    event::Event,
    group::Group,
    hold::Authorization,
    ids::AuthorizationId,
    money::{Amount, Currency, LocalAmount, MoneyError},
    outcome::Rejection,
};

/// The authorization: from the state while it holds money, else as fetched from the log. Refused while
/// its programme is being asked: a network knows no approval yet that anything could follow.
pub(super) fn find(
    group: &Group,
    id: AuthorizationId,
    context: &Context<'_>,
) -> Result<Authorization, Rejection> {
    if let Some(open) = group.open.get(&id) {
        if open.is_asked() {
            return Err(Rejection::BeingDecided);
        }
        return Ok(open.current());
    }
    let place = group
        .closed
        .get(&id)
        .ok_or(Rejection::AuthorizationNotFound)?;
    let recalled = context
        .recalled
        .filter(|known| known.id == id && known.last_lsn == *place);
    recalled.cloned().ok_or(Rejection::AuthorizationNotFound)
}

/// The step's amount in the currency's minor unit, or `left` if it names none.
pub(super) fn amount(
    step: &StepRequest,
    currency: Currency,
    left: Amount,
) -> Result<Amount, Rejection> {
    match step.local {
        None => Ok(left),
        Some(given) => explicit(given, currency),
    }
}

/// An amount that was given, above zero.
pub(super) fn explicit(given: StepAmount, currency: Currency) -> Result<Amount, Rejection> {
    if given.currency.is_some_and(|named| named != currency) {
        return Err(Rejection::OtherCurrency { expected: currency });
    }
    let local = LocalAmount::from_decimal(given.value, currency)?;
    if local.minor.is_zero() {
        return Err(Rejection::AmountRequired);
    }
    Ok(local.minor)
}

/// Refuses a step about more than is left.
pub(super) fn require(
    authorization: &Authorization,
    step: &'static str,
    left: Amount,
    asked: Amount,
) -> Result<(), Rejection> {
    let state = authorization.state();
    if left.is_zero() {
        return Err(Rejection::StateForbids { state, step });
    }
    if asked > left {
        let shown = |minor| {
            LocalAmount {
                minor,
                currency: authorization.currency,
            }
            .to_string()
        };
        return Err(Rejection::MoreThanLeft {
            state,
            step,
            left: shown(left),
            asked: shown(asked),
        });
    }
    Ok(())
}

/// The asset amount at a cumulative point of the local amount: exact at the end, rounded down
/// before it.
pub(super) fn cumulative(
    whole: Amount,
    local: Amount,
    local_whole: Amount,
) -> Result<Amount, MoneyError> {
    if local == local_whole {
        Ok(whole)
    } else {
        whole.part_rounded_down(local, local_whole)
    }
}

/// A step's event with the transfers that it sends.
pub(super) fn with(step: Event, sent: Vec<Event>) -> Vec<Event> {
    let mut events = Vec::with_capacity(sent.len().saturating_add(1));
    events.push(step);
    events.extend(sent);
    events
}
