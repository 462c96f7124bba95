//! `POST /v1/deposits`, `POST /v1/withdrawals`: money between the world and an account.

use std::{borrow::Cow, collections::BTreeMap};

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web::Data};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{
    super::{
        App, access,
        body::{self, Body},
        json, mark_replay,
        problem::Problem,
        request_id,
    },
    view::{Balances, Int, Text, Time},
};
use crate::{
    actors::{Answer, Request, Target, keys::key_of, registrar::Principal},
    domain::{
        command::{Command, MoveMoney},
        event::{Event, Movement},
        ids::{AccountNo, RecordId},
        money::{Amount, Asset},
        registry::Scope,
    },
    wire::{self, KeyLife},
};

/// A deposit or a withdrawal.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MoneyRequest<'a> {
    /// The account: URN, id or card token.
    #[serde(borrow)]
    #[schema(value_type = String)]
    pub account_urn: Cow<'a, str>,
    /// `SYMBOL/DECIMALS`.
    #[serde(borrow)]
    #[schema(value_type = String, example = "DUSD/6", pattern = r"^[A-Z][A-Z0-9]{0,15}/[0-9]{1,2}$")]
    pub asset: Cow<'a, str>,
    /// Smallest units, as a string of digits.
    #[serde(borrow)]
    #[schema(value_type = String, example = "100000000", pattern = "^[0-9]{1,38}$")]
    pub amount: Cow<'a, str>,
    /// Unique per origin: the idempotency key of the request.
    #[serde(borrow)]
    #[schema(value_type = String, max_length = 255)]
    pub reference: Cow<'a, str>,
    /// Anything of the caller's own.
    #[serde(borrow, default)]
    #[schema(value_type = Option<Object>)]
    pub metadata: Option<&'a RawValue>,
}

/// The longest metadata, in bytes.
const METADATA_BYTES_MAX: usize = 16 << 10;

#[derive(Serialize)]
struct MoneyView<'a> {
    id: String,
    status: &'static str,
    account_urn: &'a str,
    asset: Text<Asset>,
    amount: Int,
    reference: &'a str,
    metadata: &'a RawValue,
    balance: Balances<'a>,
    created_at: Time,
}

/// Puts money into an account.
#[utoipa::path(
    post, path = "/v1/deposits", tag = "operator",
    params(("Idempotency-Key" = Option<String>, Header, description = "beside the reference: same key, same answer")),
    request_body = MoneyRequest,
    responses(
        (status = 201, description = "done", body = super::schema::MoneyAnswer),
        (status = 400, description = "malformed: the field is named"),
        (status = 401, description = "no key, or an unknown one"),
        (status = 403, description = "the key has not the scope operator"),
        (status = 404, description = "no such account"),
        (status = 409, description = "the account is not active, or the reference was used before"),
        (status = 415, description = "the body is not JSON"),
        (status = 422, description = "an impossible value: the field is named"),
        (status = 503, description = "busy: try again"),
    ),
)]
pub async fn deposit(request: HttpRequest, body: Body, app: Data<App>) -> HttpResponse {
    respond(&request, body, &app, "deposit", Command::Deposit).await
}

/// Takes money out of an account.
#[utoipa::path(
    post, path = "/v1/withdrawals", tag = "operator",
    params(("Idempotency-Key" = Option<String>, Header, description = "beside the reference: same key, same answer")),
    request_body = MoneyRequest,
    responses(
        (status = 201, description = "done", body = super::schema::MoneyAnswer),
        (status = 400, description = "malformed: the field is named"),
        (status = 401, description = "no key, or an unknown one"),
        (status = 403, description = "the key has not the scope operator"),
        (status = 404, description = "no such account"),
        (status = 409, description = "too little money, or the reference was used before"),
        (status = 415, description = "the body is not JSON"),
        (status = 422, description = "an impossible value: the field is named"),
        (status = 503, description = "busy: try again"),
    ),
)]
pub async fn withdraw(request: HttpRequest, body: Body, app: Data<App>) -> HttpResponse {
    respond(&request, body, &app, "withdrawal", Command::Withdraw).await
}

async fn respond(
    request: &HttpRequest,
    bytes: Body,
    app: &App,
    class: &str,
    command: fn(MoveMoney) -> Command,
) -> HttpResponse {
    let id = request_id(request, app);
    let moved = transact(request, bytes, app, class, command).await;
    match moved.and_then(|answer| show(&answer, &id)) {
        Ok(response) => response,
        Err(problem) => problem.respond(&id),
    }
}

async fn transact(
    request: &HttpRequest,
    bytes: Body,
    app: &App,
    class: &str,
    command: fn(MoveMoney) -> Command,
) -> Result<Answer, Problem> {
    let principal = access::require(request, app, Scope::Operator)?;
    body::require_json(request)?;
    let bytes = body::bytes(bytes)?;
    let parsed: MoneyRequest<'_> = body::parse(&bytes)?;
    let header_key = body::idempotency_key(request)?;
    transact_as(app, &principal, (&parsed, header_key), (class, command)).await
}

/// Moves money for `principal`.
///
/// # Errors
///
/// 4xx with the field; [`Problem`] if it cannot be moved now.
pub async fn transact_as(
    app: &App,
    principal: &Principal,
    (parsed, header_key): (&MoneyRequest<'_>, Option<&str>),
    (class, command): (&str, fn(MoveMoney) -> Command),
) -> Result<Answer, Problem> {
    let (target, account) = target(&parsed.account_urn)?;
    let moved = read(parsed, account, app)?;
    let fingerprint = fingerprint(class, &moved)?;
    // Deposits and withdrawals share their references: one reference, one movement.
    let mut keys = vec![(
        key_of(&principal.origin, "reference", &moved.reference),
        KeyLife::Permanent,
    )];
    keys.extend(header_key.map(|text| {
        (
            key_of(&principal.origin, "idempotency", text),
            KeyLife::Expiring,
        )
    }));
    let origin = Some(principal.origin.clone());
    let command = command(moved);
    let request = Request {
        target,
        origin,
        command,
        keys,
        fingerprint,
        recalled: None,
    };
    app.engine.execute(request).await.map_err(account_problem)
}

fn target(urn: &str) -> Result<(Target, AccountNo), Problem> {
    super::authorize::card_target(urn)
        .map_err(|_| account_problem(Problem::not_found("account_not_found", "account not found")))
}

/// What is not found here is the account.
fn account_problem(error: impl Into<Problem>) -> Problem {
    let mut problem = error.into();
    if problem.code == "account_not_found" {
        problem.field = Some("account_urn".to_owned());
    }
    problem
}

fn read(parsed: &MoneyRequest<'_>, account: AccountNo, app: &App) -> Result<MoveMoney, Problem> {
    let asset: Asset = parsed
        .asset
        .parse()
        .map_err(|error| Problem::money("asset", &error))?;
    if app.terms().asset(asset).is_none() {
        let message = format!("asset {asset} is not configured");
        return Err(Problem::impossible("asset", message));
    }
    let amount: Amount = parsed
        .amount
        .parse()
        .map_err(|error| Problem::money("amount", &error))?;
    if amount.is_zero() {
        return Err(Problem::impossible("amount", "amount must be above zero"));
    }
    body::plain_text("reference", &parsed.reference, 255)?;
    let metadata = parsed.metadata.map_or("{}", RawValue::get);
    if !metadata.starts_with('{') {
        return Err(Problem::malformed("metadata", "metadata must be an object"));
    }
    if metadata.len() > METADATA_BYTES_MAX {
        let message = format!("metadata must have at most {METADATA_BYTES_MAX} bytes");
        return Err(Problem::impossible("metadata", message));
    }
    Ok(MoveMoney {
        account,
        asset,
        amount,
        reference: parsed.reference.as_ref().to_owned(),
        metadata: metadata.to_owned(),
    })
}

/// Tells a request from others. JSON gives the order of members no meaning: a retry may come in
/// another, so metadata counts with its members in the order of their names.
fn fingerprint(class: &str, moved: &MoveMoney) -> Result<u64, Problem> {
    let sorted: BTreeMap<String, serde_json::Value> = serde_json::from_str(&moved.metadata)
        .map_err(|error| Problem::malformed("metadata", format!("metadata: {error}")))?;
    let metadata = serde_json::to_string(&sorted)
        .map_err(|error| Problem::malformed("metadata", format!("metadata: {error}")))?;
    let known = MoveMoney {
        metadata,
        ..moved.clone()
    };
    Ok(wire::fingerprint(class, &known))
}

/// The answer to a movement of money.
///
/// # Errors
///
/// 409 if the record is about something else.
pub fn show(answer: &Answer, request_id: &str) -> Result<HttpResponse, Problem> {
    let conflict = || {
        Problem::conflict(
            "idempotency_conflict",
            "the reference was used for something else",
        )
    };
    let found = answer.events.iter().find_map(|event| moved_in(event));
    let (prefix, moved, movement) = found.ok_or_else(conflict)?;
    let urn = answer.urns.iter().find(|(no, _)| *no == moved.account);
    let metadata: Box<RawValue> = RawValue::from_string(moved.metadata.clone()).unwrap_or_default();
    let view = MoneyView {
        id: RecordId(answer.lsn).text(prefix),
        status: "completed",
        account_urn: urn.map_or("", |(_, urn)| &**urn),
        asset: Text(moved.asset),
        amount: Int(moved.amount.minor()),
        reference: &moved.reference,
        metadata: &metadata,
        balance: Balances(
            movement
                .after
                .first()
                .map(|after| after.balances.as_slice())
                .unwrap_or_default(),
        ),
        created_at: Time(answer.time),
    };
    let rendered = serde_json::to_vec(&view).map_err(|_| conflict())?;
    let mut response = json(StatusCode::CREATED, request_id, rendered);
    if answer.is_replay {
        mark_replay(&mut response);
    }
    Ok(response)
}

fn moved_in(event: &Event) -> Option<(&'static str, &MoveMoney, &Movement)> {
    match event {
        Event::Deposited(moved, movement) => Some(("dep_", moved, movement)),
        Event::Withdrawn(moved, movement) => Some(("wdr_", moved, movement)),
        Event::AccountOpened(_)
        | Event::AccountChanged { .. }
        | Event::TransferredWithin(..)
        | Event::TransferSent(..)
        | Event::TransferReceived(..)
        | Event::TransferSettled(_)
        | Event::TransferReturned(..)
        | Event::AuthorizationApproved(_)
        | Event::AuthorizationDeclined(_)
        | Event::AuthorizationStepped(_)
        | Event::Absorbed(_)
        | Event::Booked(_) => None,
    }
}
