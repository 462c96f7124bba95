//! What becomes of purchases: approved, declined, captured, released, refunded. In the seed page's
//! words and fields.

use std::sync::Arc;

use super::{
    Maker, Subject,
    json::{CardPayload, Number, Programme, Text, breakdown, medium, merchant, text_of},
    words::{
        self, CASHBACK_SURCHARGE, CREDIT_ADJUSTMENT, DEBIT_ADJUSTMENT, PURCHASE,
        lifecycle_of_release, reversal_of,
    },
};
use crate::{
    domain::{
        command::Authorize,
        decision::Ruling,
        event::{Approved, Declined, Event, StepKind, Stepped},
        hold::{Authorization, FeeLine},
        ids::RecordId,
        money::{Amount, Decimal, LocalAmount},
        outcome::DeclineReason,
        posting::Place,
    },
    wire::Body,
};

const AUTHORIZATION: &str = "authorization";
const ADJUSTMENT: &str = "adjustment";

pub(super) fn tell(maker: &mut Maker<'_>, event: &Event) {
    match event {
        Event::AuthorizationApproved(approved) => tell_approved(maker, approved),
        Event::AuthorizationDeclined(declined) => tell_declined(maker, declined),
        Event::AuthorizationStepped(stepped) => tell_stepped(maker, stepped),
        Event::AccountOpened(_)
        | Event::AccountChanged { .. }
        | Event::Deposited(..)
        | Event::Withdrawn(..)
        | Event::TransferredWithin(..)
        | Event::TransferSent(..)
        | Event::TransferReceived(..)
        | Event::TransferSettled(_)
        | Event::TransferReturned(..)
        | Event::Absorbed(_)
        | Event::Booked(_) => {}
    }
}

/// Whether a purchase is held and nobody has said yes yet: then it is no `purchase` so far. Whoever
/// says yes later tells it by [`tell_purchase`].
const fn is_held_back(authorization: &Authorization) -> bool {
    authorization.decision.is_open()
}

fn tell_approved(maker: &mut Maker<'_>, approved: &Approved) {
    let (authorization, request) = (&approved.authorization, &approved.request);
    if is_held_back(authorization) {
        return;
    }
    if !authorization.is_forced {
        tell_purchase(maker, authorization, request);
    }
    tell_captured(maker, authorization, request);
}

/// What was captured in the record that approved: at once, or without an authorization.
fn tell_captured(maker: &mut Maker<'_>, authorization: &Authorization, request: &Authorize) {
    if authorization.captured().is_zero() {
        return;
    }
    let fees = authorization.fees.iter().map(|fee| (fee, fee.charged));
    let captured = Change {
        event: DEBIT_ADJUSTMENT,
        lifecycle: "captured",
        kind: authorization.kind.word(),
        transaction_id: &authorization.transaction_id,
        amount: authorization.captured(),
        local: Some(authorization.local_paid()),
    };
    let mut payload = captured.payload(authorization);
    if authorization.is_forced {
        payload.original_transaction_id = None;
    }
    payload.fee_breakdown = Some(breakdown(fees, authorization.captured()));
    finish(maker, payload, authorization, Some(request));
}

/// A purchase as it was approved, and what cashback sets aside beside it.
fn tell_purchase(maker: &mut Maker<'_>, authorization: &Authorization, request: &Authorize) {
    let fees = authorization.fees.iter().map(|fee| (fee, fee.amount));
    let id = &authorization.transaction_id;
    let payload = CardPayload {
        original_transaction_id: None,
        fee_breakdown: Some(breakdown(fees, authorization.amount())),
        ..purchase(
            authorization,
            id,
            (authorization.amount(), authorization.local),
        )
    };
    finish(maker, payload, authorization, Some(request));
    let parts = authorization
        .surcharges
        .iter()
        .map(|part| (&*part.name, part.kind.word(), part.local));
    let parts: Vec<_> = parts.collect();
    tell_surcharges(maker, authorization, (id, request), &parts);
}

fn tell_surcharges(
    maker: &mut Maker<'_>,
    authorization: &Authorization,
    (id, request): (&str, &Authorize),
    parts: &[(&str, &'static str, Decimal)],
) {
    let zero = Decimal {
        mantissa: 0,
        scale: 0,
    };
    let add = |sum: Decimal, part: &(&str, &str, Decimal)| sum.plus(part.2).unwrap_or(sum);
    let total = parts.iter().fold(zero, add);
    if total.mantissa == 0 {
        return;
    }
    let is_own = id == authorization.transaction_id;
    let payload = CardPayload {
        transaction_id: id,
        original_transaction_id: (!is_own).then_some(&authorization.transaction_id),
        kind: AUTHORIZATION,
        direction: "debit",
        event: CASHBACK_SURCHARGE,
        lifecycle_status: Some("pending_authorization"),
        transaction_type: Some(authorization.kind.word()),
        local_currency: Some(authorization.currency.code().to_owned()),
        surcharge_total: Some(Number::of(total)),
        programs: Some(parts.iter().map(programme).collect()),
        ..CardPayload::default()
    };
    finish(maker, payload, authorization, Some(request));
}

fn programme<'a>((name, kind, local): &(&'a str, &'static str, Decimal)) -> Programme<'a> {
    Programme {
        name,
        kind,
        amount: Number::of(*local),
    }
}

fn tell_declined(maker: &mut Maker<'_>, declined: &Declined) {
    let request = &declined.request;
    let required = request.required_usd().or(declined.explanation.usd);
    let payload = CardPayload {
        authorization_id: declined.id.text(),
        ..rejection(
            declined.reason,
            (&request.transaction_id, request.local),
            required,
        )
    };
    let payload = CardPayload {
        merchant: merchant(&request.merchant),
        medium: medium(&request.medium),
        ..payload
    };
    if let Some(about) = maker.subject(request.account) {
        push(maker, about, payload);
    }
}

fn rejection(
    reason: DeclineReason,
    (id, local): (&str, LocalAmount),
    required: Option<Decimal>,
) -> CardPayload<'_> {
    let is_credit = reason == DeclineReason::CreditNotSupported;
    let is_short = reason == DeclineReason::InsufficientFunds;
    let is_currency = reason == DeclineReason::CurrencyNotSupported;
    CardPayload {
        transaction_id: id,
        kind: AUTHORIZATION,
        direction: if is_credit { "credit" } else { "debit" },
        event: words::rejected(reason),
        local_amount: Some(Number::local(local)),
        local_currency: Some(local.currency.code().to_owned()),
        required_usd: required.filter(|_| is_short).map(Number::of),
        currency: is_currency.then(|| local.currency.code().to_owned()),
        reason: Some(words::reason(reason)),
        ..CardPayload::default()
    }
}

fn tell_stepped(maker: &mut Maker<'_>, stepped: &Stepped) {
    let authorization = &stepped.authorization;
    let first = first_request(maker, authorization.first_lsn);
    let id = stepped.transaction_id.as_str();
    let change = |event, lifecycle, kind| Change {
        event,
        lifecycle,
        kind,
        transaction_id: id,
        amount: stepped.amount,
        local: Some(stepped.local),
    };
    let word = authorization.kind.word();
    match stepped.kind {
        StepKind::Increment => tell_increment(maker, stepped, first.as_deref()),
        StepKind::IncrementDeclined(reason) => {
            tell_increment_declined(maker, stepped, reason, first.as_deref());
        }
        StepKind::Capture => {
            let captured = change(DEBIT_ADJUSTMENT, "captured", word);
            tell_adjustment(maker, stepped, &captured, first.as_deref());
            tell_rest(maker, stepped, first.as_deref());
        }
        StepKind::Reversal | StepKind::Expiry => {
            let own = RecordId(maker.lsn).text("exp_");
            let mut released = release(authorization, stepped.amount, Some(stepped.local));
            released.transaction_id = if id.is_empty() { &own } else { id };
            finish(
                maker,
                released.payload(authorization),
                authorization,
                first.as_deref(),
            );
        }
        StepKind::Refund => {
            let refunded = change(CREDIT_ADJUSTMENT, "refunded", "REFUND");
            tell_adjustment(maker, stepped, &refunded, first.as_deref());
        }
        StepKind::RefundReversal => {
            let undone = change(DEBIT_ADJUSTMENT, "refund_reversed", "REVERSAL_REFUND");
            tell_adjustment(maker, stepped, &undone, first.as_deref());
        }
        StepKind::Concluded(ruling) => {
            if let Some(first) = first.as_deref() {
                tell_concluded(maker, authorization, (ruling, first));
            }
        }
    }
}

/// What the programme, or the fallback for it, said: only now is there a purchase to tell of, or none.
fn tell_concluded(
    maker: &mut Maker<'_>,
    authorization: &Authorization,
    (ruling, request): (Ruling, &Authorize),
) {
    if ruling == Ruling::Approved {
        tell_purchase(maker, authorization, request);
        tell_captured(maker, authorization, request);
        return;
    }
    let declined = authorization.decision.decline_reason();
    let declined = declined.unwrap_or(DeclineReason::DecisionDeclined);
    let own = authorization.decision.conclusion();
    let own = own.and_then(|conclusion| conclusion.reason.as_deref());
    let whose = (&*authorization.transaction_id, request.local);
    let rejected = rejection(declined, whose, None);
    let payload = CardPayload {
        authorization_id: authorization.id.text(),
        reason: own.or(rejected.reason),
        merchant: merchant(&request.merchant),
        medium: medium(&request.medium),
        ..rejected
    };
    if let Some(about) = maker.subject(request.account) {
        push(maker, about, payload);
    }
}

/// A step that moved fees with it.
fn tell_adjustment(
    maker: &mut Maker<'_>,
    stepped: &Stepped,
    change: &Change<'_>,
    first: Option<&Authorize>,
) {
    let authorization = &stepped.authorization;
    let some = |amount: Amount| (!amount.is_zero()).then_some(Text(amount));
    let fees = authorization.fees.iter().zip(stepped.fees.iter().copied());
    let payload = CardPayload {
        fee_breakdown: Some(breakdown(fees, stepped.amount)),
        over_capture: some(stepped.over.tolerated),
        adjustment: some(stepped.over.adjusted),
        suspended: some(stepped.suspended),
        ..change.payload(authorization)
    };
    finish(maker, payload, authorization, first);
}

/// What a final capture let go of.
fn tell_rest(maker: &mut Maker<'_>, stepped: &Stepped, first: Option<&Authorize>) {
    let from_hold = |place: &Place| matches!(place, Place::Held(_));
    let goes_back = stepped.movement.postings.iter().any(|posting| {
        let (from, to) = (&posting.source, &posting.destination);
        from_hold(from) && matches!(to, Place::Spendable(_)) && from.ledger() == to.ledger()
    });
    let authorization = &stepped.authorization;
    // What is less than the asset's smallest unit goes back without a posting.
    let may_go_back = goes_back || !authorization.local_released.is_zero();
    if !may_go_back || authorization.is_open() {
        return;
    }
    // What was let go before this step stands in the record before it.
    let before = before(maker, authorization);
    let (amount, local) = before.map_or((Amount::ZERO, Amount::ZERO), |before| {
        (before.released(), before.local_released)
    });
    let amount = authorization.released().minus_or_zero(amount);
    let local = authorization.local_released.minus_or_zero(local);
    if amount.is_zero() && local.is_zero() {
        return;
    }
    let own = RecordId(maker.lsn).text("rel_");
    let mut released = release(authorization, amount, Some(local));
    released.transaction_id = &own;
    let payload = released.payload(authorization);
    finish(maker, payload, authorization, first);
}

fn tell_increment(maker: &mut Maker<'_>, stepped: &Stepped, first: Option<&Authorize>) {
    let after = &stepped.authorization;
    let id = stepped.transaction_id.as_str();
    let before = before(maker, after);
    let grown = |amount: fn(&Authorization) -> Amount| {
        let before = before.as_deref().map_or(Amount::ZERO, amount);
        amount(after).minus_or_zero(before)
    };
    let amount = grown(Authorization::amount);
    let part = |(place, fee): (usize, &FeeLine)| {
        let before = before.as_deref().and_then(|before| before.fees.get(place));
        before.map_or(fee.amount, |before| fee.amount.minus_or_zero(before.amount))
    };
    let fees = after
        .fees
        .iter()
        .enumerate()
        .map(|(place, fee)| (fee, part((place, fee))));
    let payload = CardPayload {
        fee_breakdown: Some(breakdown(fees, amount)),
        ..purchase(after, id, (amount, stepped.local))
    };
    finish(maker, payload, after, first);
    let Some(first) = first else { return };
    let parts = after.surcharges.iter().enumerate().map(|(place, part)| {
        let before = before
            .as_deref()
            .and_then(|before| before.surcharges.get(place));
        let less = before.map_or(part.local, |before| minus(part.local, before.local));
        (&*part.name, part.kind.word(), less)
    });
    let parts: Vec<_> = parts.filter(|(_, _, local)| local.mantissa != 0).collect();
    tell_surcharges(maker, after, (id, first), &parts);
}

fn minus(one: Decimal, other: Decimal) -> Decimal {
    let negative = Decimal {
        mantissa: other.mantissa.saturating_neg(),
        scale: other.scale,
    };
    one.plus(negative).unwrap_or(one)
}

fn tell_increment_declined(
    maker: &mut Maker<'_>,
    stepped: &Stepped,
    reason: DeclineReason,
    first: Option<&Authorize>,
) {
    let authorization = &stepped.authorization;
    let local = LocalAmount {
        minor: stepped.local,
        currency: authorization.currency,
    };
    let is_usd = local.currency.code() == "USD";
    let usd = Decimal {
        mantissa: local.minor.minor(),
        scale: local.currency.digits(),
    };
    let payload = CardPayload {
        original_transaction_id: Some(&authorization.transaction_id),
        ..rejection(
            reason,
            (&stepped.transaction_id, local),
            is_usd.then_some(usd),
        )
    };
    finish(maker, payload, authorization, first);
}

/// One change of what a purchase took.
struct Change<'a> {
    event: &'static str,
    lifecycle: &'static str,
    kind: &'a str,
    transaction_id: &'a str,
    amount: Amount,
    local: Option<Amount>,
}

/// Held money let go. Fees are charged at capture, so nothing of them comes back.
fn release(authorization: &Authorization, amount: Amount, local: Option<Amount>) -> Change<'_> {
    Change {
        event: CREDIT_ADJUSTMENT,
        lifecycle: lifecycle_of_release(authorization.kind),
        kind: reversal_of(authorization.kind),
        transaction_id: &authorization.transaction_id,
        amount,
        local,
    }
}

impl<'a> Change<'a> {
    fn payload(&self, authorization: &'a Authorization) -> CardPayload<'a> {
        let is_credit = self.event == CREDIT_ADJUSTMENT;
        CardPayload {
            transaction_id: self.transaction_id,
            original_transaction_id: Some(&authorization.transaction_id),
            kind: ADJUSTMENT,
            direction: if is_credit { "credit" } else { "debit" },
            event: self.event,
            lifecycle_status: Some(self.lifecycle),
            transaction_type: Some(self.kind),
            ..money(authorization, self.amount, self.local)
        }
    }
}

fn purchase<'a>(
    authorization: &'a Authorization,
    id: &'a str,
    (amount, local): (Amount, Amount),
) -> CardPayload<'a> {
    CardPayload {
        transaction_id: id,
        original_transaction_id: Some(&authorization.transaction_id),
        kind: AUTHORIZATION,
        direction: "debit",
        event: PURCHASE,
        lifecycle_status: Some("pending_authorization"),
        transaction_type: Some(authorization.kind.word()),
        ..money(authorization, amount, Some(local))
    }
}

fn money(authorization: &Authorization, amount: Amount, local: Option<Amount>) -> CardPayload<'_> {
    let currency = authorization.currency;
    let local = local.map(|minor| LocalAmount { minor, currency });
    CardPayload {
        amount: Some(Text(amount)),
        asset: Some(authorization.asset.to_string()),
        local_amount: local.map(Number::local),
        local_currency: Some(currency.code().to_owned()),
        exchange_rate: Some(Number::of(authorization.rate)),
        ..CardPayload::default()
    }
}

/// Adds what is the same in every event of an authorization.
fn finish<'a>(
    maker: &mut Maker<'_>,
    mut payload: CardPayload<'a>,
    authorization: &Authorization,
    first: Option<&'a Authorize>,
) {
    payload.authorization_id = authorization.id.text();
    payload.merchant = first.and_then(|request| merchant(&request.merchant));
    payload.medium = first.and_then(|request| medium(&request.medium));
    if let Some(about) = maker.subject(authorization.account) {
        push(maker, about, payload);
    }
}

fn push(maker: &mut Maker<'_>, about: Subject, mut payload: CardPayload<'_>) {
    payload.created_at = maker.at.to_string();
    let event = payload.event.to_owned();
    let key = format!("{}-{event}-{}", payload.kind, payload.transaction_id);
    let urn = about.account.as_ref().map(|(_, urn)| urn.clone());
    payload.account_urn = urn.unwrap_or_default();
    let text = text_of(&payload);
    maker.push(about, &event, Some(key), text);
}

/// The request behind an authorization: who the merchant is stands in its first record alone.
fn first_request(maker: &Maker<'_>, lsn: u64) -> Option<Arc<Authorize>> {
    let Body::Group(events) = maker.names.earlier(lsn)?.body else {
        return None;
    };
    let mut approved = events.iter().filter_map(Event::approved);
    approved.next().map(|approved| approved.request.clone())
}

/// The authorization as the record before this one left it.
fn before(maker: &Maker<'_>, authorization: &Authorization) -> Option<Arc<Authorization>> {
    let Body::Group(events) = maker.names.earlier(authorization.last_lsn)?.body else {
        return None;
    };
    let of_event = |event: &Event| {
        let approved = event.approved().map(|approved| &approved.authorization);
        let known = approved.or(event.stepped().map(|stepped| &stepped.authorization));
        known.filter(|known| known.id == authorization.id).cloned()
    };
    events.iter().rev().find_map(of_event)
}
