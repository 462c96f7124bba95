//! What processors are told: an authorization, rendered from its record alone, so that a retry reads
//! the same as the first answer.

use std::fmt::Display;

use serde::{Serialize, Serializer, ser::SerializeMap};

use crate::{
    actors::Answer,
    domain::funds::Balance,
    domain::{
        event::{Approved, Declined, Event, Movement, StepKind, Stepped},
        hold::{Authorization, FeeLine, Leg, State},
        ids::{AccountNo, RecordId},
        money::{Amount, Asset, Decimal, LocalAmount},
        outcome::DeclineReason,
        time::Timestamp,
    },
};

/// Writes anything as a JSON string.
pub struct Text<T>(pub T);

impl<T: Display> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// An integer as a JSON string. Every answer has a dozen of them, so these do not go through the
/// formatting machinery; nor do the texts below.
pub struct Int(pub i128);

impl Serialize for Int {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Half the digits of an i128 make for half the work, and nearly every amount fits.
        match i64::try_from(self.0) {
            Ok(small) => serializer.serialize_str(itoa::Buffer::new().format(small)),
            Err(_) => serializer.serialize_str(itoa::Buffer::new().format(self.0)),
        }
    }
}

/// An amount as a JSON string.
const fn units(amount: Amount) -> Int {
    Int(amount.minor())
}

/// A moment as a JSON string.
pub struct Time(pub Timestamp);

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.text().as_str())
    }
}

/// A local amount as a decimal JSON string.
struct Local(LocalAmount);

impl Serialize for Local {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut digits = itoa::Buffer::new();
        let digits = digits.format(self.0.minor.minor());
        let places = usize::from(self.0.currency.digits());
        if places == 0 {
            return serializer.serialize_str(digits);
        }
        let (whole, rest) = digits.split_at(digits.len().saturating_sub(places));
        let mut text = String::with_capacity(digits.len().saturating_add(3));
        text.push_str(if whole.is_empty() { "0" } else { whole });
        text.push('.');
        text.extend(std::iter::repeat_n('0', places.saturating_sub(rest.len())));
        text.push_str(rest);
        serializer.serialize_str(&text)
    }
}

/// A decimal as a JSON number: for reading only, money is always text.
pub struct Number(pub Decimal);

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Both are exact, so their quotient is the float nearest to the decimal.
        let exact = i32::try_from(self.0.mantissa)
            .ok()
            .filter(|_| self.0.scale <= 15);
        let float = exact.map(|mantissa| f64::from(mantissa) / 10_f64.powi(self.0.scale.into()));
        serializer
            .serialize_f64(float.unwrap_or_else(|| self.0.to_string().parse().unwrap_or_default()))
    }
}

/// Balances by asset.
pub struct Balances<'a>(pub &'a [(Asset, Balance)]);

#[derive(Serialize)]
struct BalanceView {
    current: Int,
    pending: Int,
    #[serde(rename = "in")]
    incoming: Int,
    #[serde(rename = "out")]
    outgoing: Int,
}

impl Serialize for Balances<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (asset, balance) in self.0 {
            let view = BalanceView {
                current: Int(balance.current),
                pending: Int(balance.pending),
                incoming: Int(balance.incoming),
                outgoing: Int(balance.outgoing),
            };
            map.serialize_entry(&Text(asset), &view)?;
        }
        map.end()
    }
}

#[derive(Serialize)]
struct LegView<'a> {
    account_urn: &'a str,
    ledger_account_id: String,
    asset: Text<Asset>,
    amount: Int,
}

#[derive(Serialize)]
struct FeeView<'a> {
    fee_name: &'a str,
    amount: Int,
    rate: Number,
}

#[derive(Serialize)]
struct FeeBreakdown<'a> {
    total_fees: Int,
    fees: Vec<FeeView<'a>>,
    settlement: Int,
}

#[derive(Serialize)]
struct OperationView<'a> {
    id: String,
    #[serde(rename = "type")]
    kind: &'static str,
    status: &'static str,
    decline_reason: Option<&'static str>,
    response_code: &'static str,
    transaction_id: &'a str,
    amount: Int,
    local_amount: Local,
    #[serde(skip_serializing_if = "Option::is_none")]
    fee_breakdown: Option<FeeBreakdown<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    over_capture: Option<Int>,
    #[serde(skip_serializing_if = "Option::is_none")]
    adjustment: Option<Int>,
    #[serde(skip_serializing_if = "Option::is_none")]
    suspended: Option<Int>,
    created_at: Time,
}

#[derive(Serialize)]
struct AuthorizationView<'a> {
    id: String,
    transaction_id: &'a str,
    card: &'a str,
    transaction_type: &'static str,
    status: &'static str,
    state: &'static str,
    decline_reason: Option<&'static str>,
    response_code: &'static str,
    asset: Option<Text<Asset>>,
    amount: Option<Int>,
    local_amount: Local,
    approved_local_amount: Option<Local>,
    local_currency: &'a str,
    exchange_rate: Option<Text<Decimal>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    required_usd: Option<Text<Decimal>>,
    legs: Vec<LegView<'a>>,
    fee_breakdown: Option<FeeBreakdown<'a>>,
    captured_amount: Int,
    reversed_amount: Int,
    refunded_amount: Int,
    held_amount: Int,
    forced: bool,
    balance: Balances<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    operation: Option<OperationView<'a>>,
    expires_at: Option<Time>,
    created_at: Time,
}

/// The JSON of an answer about an authorization, and nothing for any other.
#[must_use]
pub fn render(answer: &Answer) -> Option<Vec<u8>> {
    let view = answer
        .events
        .iter()
        .rev()
        .find_map(|event| view_of(event, answer))?;
    let mut out = Vec::with_capacity(1_280);
    serde_json::to_writer(&mut out, &view).ok()?;
    Some(out)
}

fn view_of<'a>(event: &'a Event, answer: &'a Answer) -> Option<AuthorizationView<'a>> {
    match event {
        Event::AuthorizationApproved(approved) => Some(approved_view(approved, answer)),
        Event::AuthorizationDeclined(declined) => Some(declined_view(declined, answer)),
        Event::AuthorizationStepped(stepped) => Some(stepped_view(stepped, answer)),
        Event::AccountOpened(_)
        | Event::AccountChanged { .. }
        | Event::Deposited(..)
        | Event::Withdrawn(..)
        | Event::TransferredWithin(..)
        | Event::TransferSent(..)
        | Event::TransferReceived(..)
        | Event::TransferSettled(_)
        | Event::TransferReturned(..) => None,
    }
}

fn urn(answer: &Answer, no: AccountNo) -> &str {
    let known = answer.urns.iter().find(|(known, _)| *known == no);
    known.map_or("", |(_, urn)| &**urn)
}

fn balances(movement: &Movement) -> Balances<'_> {
    Balances(
        movement
            .after
            .first()
            .map(|after| after.balances.as_slice())
            .unwrap_or_default(),
    )
}

fn approved_view<'a>(approved: &'a Approved, answer: &'a Answer) -> AuthorizationView<'a> {
    authorization_view(&approved.authorization, &approved.movement, answer)
}

fn stepped_view<'a>(stepped: &'a Stepped, answer: &'a Answer) -> AuthorizationView<'a> {
    let mut view = authorization_view(&stepped.authorization, &stepped.movement, answer);
    view.operation = Some(operation_view(stepped, answer));
    view
}

fn authorization_view<'a>(
    authorization: &'a Authorization,
    movement: &'a Movement,
    answer: &'a Answer,
) -> AuthorizationView<'a> {
    let leg = |leg: &Leg| LegView {
        account_urn: urn(answer, leg.account),
        ledger_account_id: leg.ledger.text(),
        asset: Text(authorization.asset),
        amount: units(leg.amount),
    };
    let amount = authorization.amount();
    let currency = authorization.currency;
    AuthorizationView {
        id: authorization.id.text(),
        transaction_id: &authorization.transaction_id,
        card: urn(answer, authorization.account),
        transaction_type: authorization.kind.word(),
        status: if authorization.is_partial {
            "partially_approved"
        } else {
            "approved"
        },
        state: authorization.state().word(),
        decline_reason: None,
        // 10 is partial approval. Source: ISO 8583 field 39.
        response_code: if authorization.is_partial { "10" } else { "00" },
        asset: Some(Text(authorization.asset)),
        amount: Some(units(amount)),
        local_amount: Local(LocalAmount {
            minor: authorization.requested,
            currency,
        }),
        approved_local_amount: Some(Local(authorization.local_amount())),
        local_currency: authorization.currency.code(),
        exchange_rate: Some(Text(authorization.rate)),
        required_usd: None,
        legs: authorization.legs.iter().map(leg).collect(),
        fee_breakdown: Some(breakdown(
            authorization.fees.iter().map(|fee| (fee, fee.amount)),
            amount,
        )),
        captured_amount: units(authorization.captured()),
        reversed_amount: units(authorization.released()),
        refunded_amount: units(authorization.refunded()),
        held_amount: units(authorization.held()),
        forced: authorization.is_forced,
        balance: balances(movement),
        operation: None,
        expires_at: Some(Time(authorization.expires_at)),
        created_at: Time(authorization.created_at),
    }
}

fn declined_view<'a>(declined: &'a Declined, answer: &'a Answer) -> AuthorizationView<'a> {
    let request = &declined.request;
    let lacks_funds = declined.reason == DeclineReason::InsufficientFunds;
    AuthorizationView {
        id: declined.id.text(),
        transaction_id: &request.transaction_id,
        card: urn(answer, request.account),
        transaction_type: request.kind.word(),
        status: "declined",
        state: State::Declined.word(),
        decline_reason: Some(declined.reason.word()),
        response_code: declined.reason.response_code(),
        asset: None,
        amount: None,
        local_amount: Local(request.local),
        approved_local_amount: None,
        local_currency: request.local.currency.code(),
        exchange_rate: None,
        required_usd: request.required_usd().filter(|_| lacks_funds).map(Text),
        legs: Vec::new(),
        fee_breakdown: None,
        captured_amount: units(Amount::ZERO),
        reversed_amount: units(Amount::ZERO),
        refunded_amount: units(Amount::ZERO),
        held_amount: units(Amount::ZERO),
        forced: false,
        balance: balances(&declined.movement),
        operation: None,
        expires_at: None,
        created_at: Time(answer.time),
    }
}

fn breakdown<'a>(
    fees: impl Iterator<Item = (&'a FeeLine, Amount)>,
    amount: Amount,
) -> FeeBreakdown<'a> {
    let mut total = Amount::ZERO;
    let fees = fees
        .map(|(fee, part)| {
            total = total.saturating_plus(part);
            FeeView {
                fee_name: &fee.name,
                amount: units(part),
                rate: Number(fee.value),
            }
        })
        .collect();
    FeeBreakdown {
        total_fees: units(total),
        fees,
        settlement: units(amount.minus_or_zero(total)),
    }
}

fn operation_view<'a>(stepped: &'a Stepped, answer: &'a Answer) -> OperationView<'a> {
    let declined = match stepped.kind {
        StepKind::IncrementDeclined(reason) => Some(reason),
        StepKind::Increment
        | StepKind::Capture
        | StepKind::Reversal
        | StepKind::Expiry
        | StepKind::Refund
        | StepKind::RefundReversal => None,
    };
    let fees = stepped
        .authorization
        .fees
        .iter()
        .zip(stepped.fees.iter().copied());
    let above_zero = |amount: Amount| (!amount.is_zero()).then(|| units(amount));
    let currency = stepped.authorization.currency;
    OperationView {
        id: RecordId(answer.lsn).text("op_"),
        kind: stepped.kind.word(),
        status: if declined.is_some() {
            "declined"
        } else {
            "approved"
        },
        decline_reason: declined.map(DeclineReason::word),
        response_code: declined.map_or("00", DeclineReason::response_code),
        transaction_id: &stepped.transaction_id,
        amount: units(stepped.amount),
        local_amount: Local(LocalAmount {
            minor: stepped.local,
            currency,
        }),
        fee_breakdown: (!stepped.fees.is_empty()).then(|| breakdown(fees, stepped.amount)),
        over_capture: above_zero(stepped.over.tolerated),
        adjustment: above_zero(stepped.over.adjusted),
        suspended: above_zero(stepped.suspended),
        created_at: Time(answer.time),
    }
}
