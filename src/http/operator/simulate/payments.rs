//! Purchases, what follows them, and money from the world, as a processor and an operator would send
//! them: a request is filled up with what it leaves out, and then is one of theirs.

use actix_web::{
    HttpRequest, HttpResponse,
    web::{Data, Path},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, value::RawValue};
use utoipa::ToSchema;

use super::{
    super::super::{
        App,
        body::{self, Body},
        network::{
            authorize::{self, card_problem, show},
            money::{self, MoneyRequest},
            request::{AuthorizationRequest, Purpose, StepBody},
            steps,
        },
        problem::Problem,
        request_id,
    },
    answer, bytes_or_empty, own_id, player, test_data,
};
use crate::{
    actors::{Answer, registrar::Principal},
    domain::command::{Command, Simulation, StepRequest},
};

/// A purchase to play: only the card and the amount must be said.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PurchaseRequest {
    /// The card: account URN, account id, card token, or a device token's id.
    #[schema(example = "did:bloque:account:card:usr-…:crd-…")]
    card: String,
    /// A decimal in the currency below.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "25.00")]
    amount: Option<Box<RawValue>>,
    /// The same under the processors' name.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    local_amount: Option<Box<RawValue>>,
    /// ISO 4217; USD if missing.
    #[schema(example = "USD")]
    currency: Option<String>,
    /// The same under the processors' name.
    local_currency: Option<String>,
    /// A name from the test data, such as grocery (the default), or an object as processors send it.
    #[serde(default)]
    #[schema(value_type = Option<Object>, example = "grocery")]
    merchant: Option<Box<RawValue>>,
    /// As processors send it; an online purchase if missing.
    #[schema(value_type = Option<Object>)]
    medium: Option<Map<String, Value>>,
    /// The wallet the purchase is made with, such as Apple Pay.
    #[schema(example = "Apple Pay")]
    wallet: Option<String>,
    /// One is made if missing.
    #[schema(max_length = 128)]
    transaction_id: Option<String>,
    /// PURCHASE if missing.
    transaction_type: Option<String>,
    /// The network's USD settlement amount.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    usd_amount: Option<Box<RawValue>>,
    /// Whether less than asked may be approved.
    partial_approval: Option<bool>,
    /// Whether to hold and capture in one.
    capture: Option<bool>,
}

/// The same as a processor would have sent it.
#[derive(Serialize)]
struct Filled<'a> {
    transaction_id: &'a str,
    card: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    transaction_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    local_amount: Option<&'a RawValue>,
    local_currency: &'a str,
    merchant: &'a RawValue,
    medium: Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usd_amount: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    partial_approval: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    capture: Option<bool>,
}

/// A step to play.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StepRequestBody {
    /// A decimal in the authorization's currency; all that is left if missing.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "10.00")]
    amount: Option<Box<RawValue>>,
    /// The same under the processors' name.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    local_amount: Option<Box<RawValue>>,
    /// If given, must be the authorization's.
    currency: Option<String>,
    /// The same under the processors' name.
    local_currency: Option<String>,
    /// One is made if missing.
    #[schema(max_length = 128)]
    transaction_id: Option<String>,
    /// Of a capture: whether what is left of the hold is released.
    #[serde(rename = "final")]
    is_final: Option<bool>,
}

#[derive(Serialize)]
struct FilledStep<'a> {
    transaction_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    local_amount: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    local_currency: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none", rename = "final")]
    is_final: Option<bool>,
}

/// Money to put into an account.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DepositRequest {
    /// The account: URN or id.
    #[schema(example = "did:bloque:account:card:usr-…:crd-…")]
    account_urn: Option<String>,
    /// The same under the name that purchases use.
    card: Option<String>,
    /// `SYMBOL/DECIMALS`; the house's default asset if missing.
    #[schema(example = "DUSD/6")]
    asset: Option<String>,
    /// Smallest units, as a string of digits.
    #[schema(example = "100000000")]
    amount: String,
    /// One is made if missing.
    #[schema(max_length = 255)]
    reference: Option<String>,
}

/// Plays a purchase. The answer is the network face's.
#[utoipa::path(
    post, path = "/v1/sandbox/authorizations", tag = "sandbox",
    request_body = PurchaseRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "same key, same answer")),
    responses(
        (status = 200, description = "approved or declined", body = Value),
        (status = 400, description = "malformed: the field is named"),
        (status = 401, description = "no key, or an unknown one"),
        (status = 403, description = "neither the scope programme nor operator"),
        (status = 404, description = "no such card, or no sandbox for this key"),
        (status = 409, description = "the transaction_id was used for another request"),
        (status = 415, description = "the body is not JSON"),
        (status = 422, description = "an impossible value: the field is named"),
        (status = 503, description = "busy: try again"),
    ),
)]
pub async fn authorize(request: HttpRequest, body: Body, app: Data<App>) -> HttpResponse {
    let played = purchase(&request, body, &app, Purpose::Authorize).await;
    answer(&request, &app, shown(&request, &app, played))
}

/// Plays a clearing that has no authorization. It cannot be declined.
#[utoipa::path(
    post, path = "/v1/sandbox/clearings", tag = "sandbox",
    request_body = PurchaseRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "same key, same answer")),
    responses(
        (status = 200, description = "posted", body = Value),
        (status = 400, description = "malformed: the field is named"),
        (status = 401, description = "no key, or an unknown one"),
        (status = 403, description = "neither the scope programme nor operator"),
        (status = 404, description = "no such card, or no sandbox for this key"),
        (status = 409, description = "the transaction_id was used for another request"),
        (status = 415, description = "the body is not JSON"),
        (status = 422, description = "an impossible value: the field is named"),
        (status = 503, description = "busy: try again"),
    ),
)]
pub async fn clear(request: HttpRequest, body: Body, app: Data<App>) -> HttpResponse {
    let played = purchase(&request, body, &app, Purpose::Clear).await;
    answer(&request, &app, shown(&request, &app, played))
}

/// Plays a step on an authorization; `expire` ends its hold as if its time had run out at this moment.
#[utoipa::path(
    post, path = "/v1/sandbox/authorizations/{id}/{step}", tag = "sandbox",
    params(
        ("id" = String, Path, description = "the auth_ id, or the authorization's transaction_id"),
        ("step" = String, Path, description = "increment, capture, reverse, expire or refund"),
        ("Idempotency-Key" = Option<String>, Header, description = "same key, same answer"),
    ),
    request_body = StepRequestBody,
    responses(
        (status = 200, description = "the authorization in its new form", body = Value),
        (status = 400, description = "malformed: the field is named"),
        (status = 401, description = "no key, or an unknown one"),
        (status = 403, description = "neither the scope programme nor operator"),
        (status = 404, description = "no such authorization or step, or no sandbox for this key"),
        (status = 409, description = "the state does not allow it, or the id was used before"),
        (status = 415, description = "the body is not JSON"),
        (status = 422, description = "an impossible value: the field is named"),
        (status = 503, description = "busy: try again"),
    ),
)]
pub async fn step(
    request: HttpRequest,
    path: Path<(String, String)>,
    body: Body,
    app: Data<App>,
) -> HttpResponse {
    let (authorization, step) = path.into_inner();
    let played = async {
        let principal = player(&request, &app)?;
        let filled = filled_step(&request, body)?;
        let parsed: StepBody<'_> = body::parse(&filled)?;
        let header_key = body::idempotency_key(&request)?;
        let given = (&parsed, header_key);
        if step == "expire" {
            return expire(&app, &principal, &authorization, given).await;
        }
        let step = (authorization.as_str(), step.as_str());
        steps::step_on(&app, &principal, step, given).await
    };
    let played = played.await;
    answer(&request, &app, shown(&request, &app, played))
}

/// Undoes a refund.
#[utoipa::path(
    post, path = "/v1/sandbox/refunds/{operation_id}/reverse", tag = "sandbox",
    params(
        ("operation_id" = String, Path, description = "the refund's operation id (op_…)"),
        ("Idempotency-Key" = Option<String>, Header, description = "same key, same answer"),
    ),
    request_body = StepRequestBody,
    responses(
        (status = 200, description = "the authorization in its new form", body = Value),
        (status = 400, description = "malformed: the field is named"),
        (status = 401, description = "no key, or an unknown one"),
        (status = 403, description = "neither the scope programme nor operator"),
        (status = 404, description = "no such refund, or no sandbox for this key"),
        (status = 409, description = "it is reversed already, or the id was used before"),
        (status = 415, description = "the body is not JSON"),
        (status = 422, description = "an impossible value: the field is named"),
        (status = 503, description = "busy: try again"),
    ),
)]
pub async fn reverse_refund(
    request: HttpRequest,
    path: Path<String>,
    body: Body,
    app: Data<App>,
) -> HttpResponse {
    let played = async {
        let principal = player(&request, &app)?;
        let filled = filled_step(&request, body)?;
        let parsed: StepBody<'_> = body::parse(&filled)?;
        let header_key = body::idempotency_key(&request)?;
        steps::undo_refund(&app, &principal, &path, (&parsed, header_key)).await
    };
    let played = played.await;
    answer(&request, &app, shown(&request, &app, played))
}

/// Puts money into an account.
#[utoipa::path(
    post, path = "/v1/sandbox/deposits", tag = "sandbox",
    request_body = DepositRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "same key, same answer")),
    responses(
        (status = 201, description = "done", body = Value),
        (status = 400, description = "malformed: the field is named"),
        (status = 401, description = "no key, or an unknown one"),
        (status = 403, description = "neither the scope programme nor operator"),
        (status = 404, description = "no such account, or no sandbox for this key"),
        (status = 409, description = "the account is not active, or the reference was used before"),
        (status = 415, description = "the body is not JSON"),
        (status = 422, description = "an impossible value: the field is named"),
        (status = 503, description = "busy: try again"),
    ),
)]
pub async fn deposit(request: HttpRequest, body: Body, app: Data<App>) -> HttpResponse {
    let played = async {
        let principal = player(&request, &app)?;
        body::require_json(&request)?;
        let bytes = body::bytes(body)?;
        let wanted: DepositRequest = body::parse(&bytes)?;
        let account = one_of(("account_urn", &wanted.account_urn), ("card", &wanted.card))?;
        let account = account.ok_or_else(|| {
            Problem::malformed("account_urn", "account_urn must say which account")
        })?;
        let default = app.terms().default_asset.to_string();
        let made = own_id(&request)?;
        let money = MoneyRequest {
            account_urn: account.into(),
            asset: wanted.asset.as_deref().unwrap_or(&default).into(),
            amount: wanted.amount.as_str().into(),
            reference: wanted.reference.as_deref().unwrap_or(&made).into(),
            metadata: None,
        };
        let given = (&money, body::idempotency_key(&request)?);
        let moved = money::transact_as(&app, &principal, given, ("deposit", Command::Deposit));
        money::show(&moved.await?, &request_id(&request, &app))
    };
    let played = played.await;
    answer(&request, &app, played)
}

fn shown(
    request: &HttpRequest,
    app: &App,
    played: Result<Answer, Problem>,
) -> Result<HttpResponse, Problem> {
    played.map(|answer| show(&answer, &request_id(request, app)))
}

async fn purchase(
    request: &HttpRequest,
    bytes: Body,
    app: &App,
    purpose: Purpose,
) -> Result<Answer, Problem> {
    let principal = player(request, app)?;
    body::require_json(request)?;
    let bytes = body::bytes(bytes)?;
    let wanted: PurchaseRequest = body::parse(&bytes)?;
    let filled = filled(&wanted, &own_id(request)?)?;
    let mut parsed: AuthorizationRequest<'_> = body::parse(&filled)?;
    let header_key = body::idempotency_key(request)?;
    let request = authorize::engine_request(&mut parsed, &principal, header_key, purpose)?;
    let answer = app.engine.execute(request).await.map_err(card_problem)?;
    authorize::settled(app, answer).await
}

async fn expire(
    app: &App,
    principal: &Principal,
    authorization: &str,
    (parsed, header_key): (&StepBody<'_>, Option<&str>),
) -> Result<Answer, Problem> {
    if parsed.local_amount.is_some() {
        let message = "local_amount is not for expiry: it releases all that is held";
        return Err(Problem::malformed("local_amount", message));
    }
    if parsed.is_final.is_some() {
        return Err(Problem::malformed("final", "final is for captures only"));
    }
    let authorization = steps::find(app, principal, authorization).await?;
    let command = |step: StepRequest| Command::Simulate(Simulation::ExpireNow(step));
    let class = ("expiry", header_key);
    let request = steps::engine_request(parsed, authorization, class, principal, command)?;
    let done = app.engine.execute(request).await;
    done.map_err(steps::hide_foreign)
}

/// One thing under two names: at most one of them may be used.
fn one_of<'a, T: ?Sized, U: std::ops::Deref<Target = T>>(
    (name, value): (&str, &'a Option<U>),
    (other, also): (&str, &'a Option<U>),
) -> Result<Option<&'a T>, Problem> {
    if value.is_some() && also.is_some() {
        let message = format!("{other} says the same as {name}: send one of them");
        return Err(Problem::malformed(other, message));
    }
    Ok(value.as_deref().or(also.as_deref()))
}

fn filled(wanted: &PurchaseRequest, own_id: &str) -> Result<Vec<u8>, Problem> {
    let amounts = (
        ("amount", &wanted.amount),
        ("local_amount", &wanted.local_amount),
    );
    let currencies = (
        ("currency", &wanted.currency),
        ("local_currency", &wanted.local_currency),
    );
    let named = wanted.merchant.as_deref().map(RawValue::get);
    let known = match named {
        None | Some("null") => Some(test_data::merchant(test_data::DEFAULT_MERCHANT)?),
        Some(text) if text.starts_with('"') => {
            let name: String = serde_json::from_str(text).unwrap_or_default();
            Some(test_data::merchant(&name)?)
        }
        Some(_) => None,
    };
    let known = known.map(|known| serde_json::value::to_raw_value(&known));
    let known = known.transpose().map_err(|_| unfilled())?;
    let merchant = known.as_deref().or(wanted.merchant.as_deref());
    let filled = Filled {
        transaction_id: wanted.transaction_id.as_deref().unwrap_or(own_id),
        card: &wanted.card,
        transaction_type: wanted.transaction_type.as_deref(),
        local_amount: one_of(amounts.0, amounts.1)?,
        local_currency: one_of(currencies.0, currencies.1)?.unwrap_or("USD"),
        merchant: merchant.ok_or_else(unfilled)?,
        medium: medium(wanted)?,
        usd_amount: wanted.usd_amount.as_deref(),
        partial_approval: wanted.partial_approval,
        capture: wanted.capture,
    };
    serde_json::to_vec(&filled).map_err(|_| unfilled())
}

fn unfilled() -> Problem {
    Problem::malformed("merchant", "merchant must be a name or an object")
}

/// As the caller says; otherwise an online purchase, or a tap with the wallet.
fn medium(wanted: &PurchaseRequest) -> Result<Map<String, Value>, Problem> {
    const WALLET: &str = "tokenization_wallet_name";
    let (entry_mode, point_type) = if wanted.wallet.is_some() {
        ("CONTACTLESS", "POS")
    } else {
        ("CREDENTIAL_ON_FILE", "ECOMMERCE")
    };
    let mut medium = wanted.medium.clone().unwrap_or_else(|| {
        let pairs = [
            ("entry_mode", entry_mode),
            ("point_type", point_type),
            ("origin", "DOMESTIC"),
            ("network", "VISA"),
        ];
        let pairs = pairs.map(|(name, value)| (name.to_owned(), value.into()));
        Map::from_iter(pairs)
    });
    if let Some(wallet) = &wanted.wallet {
        let known = medium.insert(WALLET.to_owned(), wallet.as_str().into());
        if known.is_some_and(|known| !known.is_null() && known != wallet.as_str()) {
            let message = "wallet is another than medium.tokenization_wallet_name";
            return Err(Problem::impossible("wallet", message));
        }
    }
    Ok(medium)
}

fn filled_step(request: &HttpRequest, bytes: Body) -> Result<Vec<u8>, Problem> {
    let bytes = bytes_or_empty(request, bytes)?;
    let wanted: StepRequestBody = body::parse(&bytes)?;
    let amounts = (
        ("amount", &wanted.amount),
        ("local_amount", &wanted.local_amount),
    );
    let currencies = (
        ("currency", &wanted.currency),
        ("local_currency", &wanted.local_currency),
    );
    let own = own_id(request)?;
    let filled = FilledStep {
        transaction_id: wanted.transaction_id.as_deref().unwrap_or(&own),
        local_amount: one_of(amounts.0, amounts.1)?,
        local_currency: one_of(currencies.0, currencies.1)?,
        is_final: wanted.is_final,
    };
    serde_json::to_vec(&filled).map_err(|_| unfilled())
}
