//! What purchases count for against limits, and what they change beside money.

use crate::domain::{
    account::Account,
    command::{Authorize, Context},
    group::Group,
    hold::{Authorization, Counted, Leg},
    ids::AccountNo,
    kept::OpenAuthorization,
    money::{Amount, LocalAmount, MoneyError, sum},
    outcome::DeclineReason,
    policy::{
        controls::{Controls, Effects, Refused, Scope, Shown},
        price::{part_of, value_in},
    },
};

/// The controls that are held against `account`, its origin's first.
fn layers<'a>(account: &'a Account, context: &'a Context<'_>) -> [&'a Controls; 2] {
    [&context.origin.controls, &account.policy.rules().controls]
}

/// What `local` of a purchase counts for against the limits of `account`: once in each currency that
/// a limit counts in, and once without one where purchases are counted.
pub(super) fn counted(
    account: &Account,
    (request, local): (&Authorize, LocalAmount),
    context: &Context<'_>,
) -> Result<Vec<Counted>, MoneyError> {
    let mut counted: Vec<Counted> = Vec::new();
    for controls in layers(account, context) {
        count(
            &mut counted,
            account.no,
            controls,
            (request, local),
            context,
        )?;
    }
    Ok(counted)
}

/// What the parts of a purchase, or of what is added to one, count for against the limits of the
/// pockets that pay them: `legs` pay `local` between them.
pub(super) fn counted_by_pockets(
    (group, card): (&Group, AccountNo),
    legs: &[Leg],
    (request, local): (&Authorize, LocalAmount),
    context: &Context<'_>,
) -> Result<Vec<Counted>, MoneyError> {
    let mut counted = Vec::new();
    if legs.iter().all(|leg| leg.account == card) {
        return Ok(counted);
    }
    let total = sum(&legs.iter().map(|leg| leg.amount).collect::<Vec<_>>())?;
    for leg in legs.iter().filter(|leg| leg.account != card) {
        if let Some(account) = group.account(leg.account) {
            let part = part_of(local, leg.amount, total)?;
            let controls = &account.policy.rules().controls;
            count(&mut counted, account.no, controls, (request, part), context)?;
        }
    }
    Ok(counted)
}

fn count(
    counted: &mut Vec<Counted>,
    account: AccountNo,
    controls: &Controls,
    (request, local): (&Authorize, LocalAmount),
    context: &Context<'_>,
) -> Result<(), MoneyError> {
    for currency in controls.counted_in(context.terms.base_currency) {
        let value = match currency {
            Some(currency) => value_in(request, local, currency, context)?,
            None => None,
        };
        let is_known = |known: &Counted| (known.account, known.currency) == (account, currency);
        if !counted.iter().any(is_known) {
            counted.push(Counted {
                account,
                currency,
                value: value.unwrap_or(Amount::ZERO),
                returned: Amount::ZERO,
                is_void: false,
            });
        }
    }
    Ok(())
}

/// The effects of an approval that counts for `counted`; none for most.
pub(super) fn of_approval(
    (group, account): (&Group, &Account),
    (request, is_asked): (&Authorize, bool),
    counted: &[Counted],
    context: &Context<'_>,
) -> Option<Box<Effects>> {
    let layers = layers(account, context);
    // A purchase that is approved for good makes a lock that hung on an answer one for good.
    let is_fresh = account
        .usage
        .as_ref()
        .is_none_or(|usage| usage.merchant.is_none() || usage.is_tentative && !is_asked);
    let locks_merchant = is_fresh
        && request.merchant.id.is_some()
        && layers.iter().any(|controls| controls.is_merchant_locked);
    let spends_card =
        request.capture && !is_asked && layers.iter().any(|controls| controls.is_single_use);
    if counted.is_empty() && !locks_merchant && !spends_card {
        return None;
    }
    Some(Box::new(Effects {
        calendar: Some(context.calendar).filter(|_| !counted.is_empty()),
        rolling_seconds: rolling_seconds(group, account, counted, context),
        locks_merchant,
        unlocks_merchant: false,
        spends_card,
    }))
}

/// The effects of the programme's answer: a card that was locked to the merchant until the answer is so
/// for good, or no longer, unless another purchase of its own is being asked about; and a single-use
/// card that it captures from is used up.
pub(super) fn of_conclusion(
    group: &Group,
    authorization: &Authorization,
    (is_approved, captures): (bool, bool),
    context: &Context<'_>,
) -> Option<Box<Effects>> {
    let account = group.account(authorization.account)?;
    let usage = account.usage.as_ref();
    let is_tentative = usage.is_some_and(|usage| usage.is_tentative);
    let is_another = |open: &OpenAuthorization| {
        if !open.is_asked() {
            return false;
        }
        let other = open.authorization();
        other.account == authorization.account && other.id != authorization.id
    };
    let locks_merchant = is_approved && is_tentative;
    let unlocks_merchant = !is_approved && is_tentative && !group.open.values().any(is_another);
    let captured = captures.then(|| of_capture(group, account.no, context));
    let spends_card = captured.flatten().is_some();
    (locks_merchant || unlocks_merchant || spends_card).then(|| {
        Box::new(Effects {
            locks_merchant,
            unlocks_merchant,
            spends_card,
            ..Effects::default()
        })
    })
}

/// How far back the longest rolling window of all counted accounts looks.
fn rolling_seconds(
    group: &Group,
    account: &Account,
    counted: &[Counted],
    context: &Context<'_>,
) -> u32 {
    let of_pockets = counted
        .iter()
        .filter_map(|counted| group.account(counted.account))
        .map(|account| account.policy.rules().controls.rolling_seconds());
    let own = layers(account, context)
        .into_iter()
        .map(Controls::rolling_seconds);
    of_pockets.chain(own).max().unwrap_or(0)
}

/// The effects of an increment: only what it adds to the limits.
pub(super) fn of_increment(
    (group, account): (&Group, &Account),
    counted: &[Counted],
    context: &Context<'_>,
) -> Option<Box<Effects>> {
    (!counted.is_empty()).then(|| {
        Box::new(Effects {
            calendar: Some(context.calendar),
            rolling_seconds: rolling_seconds(group, account, counted, context),
            ..Effects::default()
        })
    })
}

/// The effects of a capture: a single-use card is used up by its first.
pub(super) fn of_capture(
    group: &Group,
    account: AccountNo,
    context: &Context<'_>,
) -> Option<Box<Effects>> {
    let account = group.account(account)?;
    let is_single_use = layers(account, context)
        .iter()
        .any(|controls| controls.is_single_use);
    let is_spent = account.usage.as_ref().is_some_and(|usage| usage.is_spent);
    (is_single_use && !is_spent).then(|| {
        Box::new(Effects {
            spends_card: true,
            ..Effects::default()
        })
    })
}

/// Adds what an increment counts for to what the authorization does.
pub(super) fn add(known: &mut Vec<Counted>, more: &[Counted]) -> Result<(), MoneyError> {
    for more in more {
        let same = known
            .iter_mut()
            .find(|known| (known.account, known.currency) == (more.account, more.currency));
        match same {
            Some(known) => known.value = known.value.plus(more.value)?,
            None => known.push(more.clone()),
        }
    }
    Ok(())
}

/// Gives back to the limits what has been released by now, in proportion; a purchase of which nothing
/// was captured and nothing is held is no purchase any more.
pub(super) fn give_back(authorization: &mut Authorization) -> Result<(), MoneyError> {
    let (released, whole) = (authorization.local_released, authorization.local);
    let is_void = !authorization.is_open() && authorization.local_captured.is_zero();
    for counted in &mut authorization.counted {
        let returned = if released == whole || whole.is_zero() {
            counted.value
        } else {
            counted.value.part_rounded_down(released, whole)?
        };
        counted.returned = returned.max(counted.returned);
        counted.is_void = is_void;
    }
    Ok(())
}

/// The first control of the origin or of `account` that refuses the purchase: rules, then limits; the
/// origin's before the account's.
pub(super) fn refused(
    account: &Account,
    (request, local): (&Authorize, LocalAmount),
    context: &Context<'_>,
) -> Result<Option<(DeclineReason, Refused)>, MoneyError> {
    let scopes = [Scope::Origin, Scope::Account(account.no)];
    let layers = layers(account, context);
    if layers.iter().all(|controls| controls.is_none()) {
        return Ok(None);
    }
    let usage = account.usage.as_deref();
    let shown = Shown::of(request, context.calendar, context.now);
    for (scope, controls) in scopes.into_iter().zip(layers) {
        if let Some(refused) = controls.refuses(scope, &shown, usage) {
            return Ok(Some(refused));
        }
    }
    // A question about the card counts for nothing.
    let is_purchase = !local.minor.is_zero();
    for (scope, controls) in scopes.into_iter().zip(layers) {
        if !controls.has_limits() {
            continue;
        }
        let currency = controls.currency_or(context.terms.base_currency);
        let value = if controls.has_amount_limits() {
            value_in(request, local, currency, context)?
        } else {
            Some(Amount::ZERO)
        };
        let (calendar, now) = (&context.calendar, context.now);
        let over = controls.over_limit(scope, value, is_purchase, usage, currency, calendar, now);
        if over.is_some() {
            return Ok(over);
        }
    }
    Ok(None)
}

/// The first limit that an increment of `more`, to `whole`, would exceed.
pub(super) fn over_by_increment(
    account: &Account,
    request: &Authorize,
    (more, whole): (LocalAmount, LocalAmount),
    context: &Context<'_>,
) -> Result<Option<(DeclineReason, Refused)>, MoneyError> {
    let scopes = [Scope::Origin, Scope::Account(account.no)];
    let usage = account.usage.as_deref();
    for (scope, controls) in scopes.into_iter().zip(layers(account, context)) {
        if !controls.has_amount_limits() {
            continue;
        }
        let currency = controls.currency_or(context.terms.base_currency);
        let total = value_in(request, whole, currency, context)?;
        let value = value_in(request, more, currency, context)?;
        let (calendar, now) = (&context.calendar, context.now);
        let over = controls
            .over_transaction(scope, total, currency)
            .or_else(|| controls.over_limit(scope, value, false, usage, currency, calendar, now));
        if over.is_some() {
            return Ok(over);
        }
    }
    Ok(None)
}
