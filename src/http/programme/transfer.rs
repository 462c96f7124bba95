//! `POST /api/accounts/{urn}/transfer`: money to another account of the origin.

use std::sync::Arc;

use actix_web::{
    HttpRequest, HttpResponse,
    http::StatusCode,
    web::{Data, Path},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{
    super::{App, body::Body, problem::Problem},
    compliance::{self, Leaving},
    list::{Seen, look_across},
    problem::{ErrorView, no_account},
    request::{self, Reply, Write, account_target, answer, key_space, record_id, require_own},
};
use crate::{
    actors::{
        Answer, EngineError, Request, Target,
        courier::{self, Delivery},
        registrar::Principal,
    },
    domain::{
        command::{Command, Purpose, SendTransfer, Transfer},
        compliance::Gate,
        event::Event,
        ids::{AccountNo, TransferId},
        money::{Amount, Asset},
        outcome::Rejection,
        policy::metadata,
    },
    wire::{Key, KeyLife},
};

/// Money to another account.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TransferRequest {
    /// An account of the same origin.
    destination_account_urn: String,
    /// Smallest units, as a string of digits.
    #[schema(example = "25000000")]
    amount: String,
    /// `SYMBOL/DECIMALS`.
    #[schema(example = "DUSD/6")]
    asset: String,
    /// Anything of the caller's own, at most 32 KiB.
    #[schema(value_type = Option<Object>)]
    metadata: Option<Map<String, Value>>,
}

/// What came of a transfer.
#[derive(Serialize, ToSchema)]
pub struct TransferResult {
    result: TransferView,
    /// The id of the record; the same when replayed.
    req_id: String,
}

/// What came of a transfer, as it is now.
#[derive(Serialize, ToSchema)]
pub struct TransferView {
    /// The transfer's id.
    #[schema(example = "trf_…")]
    queue_id: String,
    /// completed, processing or failed.
    #[schema(example = "completed")]
    status: &'static str,
    /// For people.
    message: &'static str,
}

/// Moves money to another account.
#[utoipa::path(
    post, path = "/api/accounts/{urn}/transfer", tag = "programme",
    request_body = TransferRequest,
    params(
        ("urn" = String, Path, description = "the source's URN, colons as they are, or its id"),
        ("Idempotency-Key" = Option<String>, Header, description = "same key: sent once; the \
            answer says how it stands now"),
    ),
    responses(
        (status = 200, description = "sent: completed, processing, or failed and given back", body = TransferResult),
        (status = 400, description = "the field is named", body = ErrorView),
        (status = 401, description = "no key, or an unknown one", body = ErrorView),
        (status = 403, description = "the key has not the scope programme, or a verification is \
            required first", body = ErrorView),
        (status = 404, description = "no such account; a destination is named as the field", body = ErrorView),
        (status = 409, description = "INSUFFICIENT_FUNDS, account_not_active, rate_unavailable, or \
            the idempotency key was used otherwise", body = ErrorView),
        (status = 413, description = "the body is too large", body = ErrorView),
        (status = 415, description = "the body is not JSON", body = ErrorView),
        (status = 429, description = "E_TIER_LIMIT_EXCEEDED", body = ErrorView),
        (status = 503, description = "busy: try again", body = ErrorView),
    ),
)]
pub async fn post(
    request: HttpRequest,
    path: Path<String>,
    body: Body,
    app: Data<App>,
) -> HttpResponse {
    answer(&request, &app, transfer(&request, &path, body, &app)).await
}

async fn transfer(
    request: &HttpRequest,
    source: &str,
    bytes: Body,
    app: &App,
) -> Result<Reply, Problem> {
    let write: Write<TransferRequest> = request::write(request, bytes, app)?;
    let body = &write.body;
    let (asset, amount) = request::money("", &body.asset, &body.amount, app)?;
    let order = Order {
        source: (None, source),
        destination: (
            Some("destination_account_urn"),
            &body.destination_account_urn,
        ),
        asset,
        amount,
        gate: Gate::Transfer,
        reference: String::new(),
        metadata: object(body.metadata.as_ref(), "metadata")?,
        keys: write
            .idempotency
            .iter()
            .map(|key| (key.key(key_space(&write.caller)), KeyLife::Expiring))
            .collect(),
        fingerprint: write.idempotency.as_ref().map_or(0, |key| key.fingerprint),
    };
    let sent = send(app, &write.caller, order).await?;
    let view = TransferResult {
        result: TransferView {
            queue_id: sent.id.to_string(),
            status: sent.status.word(),
            message: sent.status.message(),
        },
        req_id: record_id(sent.lsn),
    };
    Ok(Reply::new(StatusCode::OK, &view)?.replayed(sent.is_replay))
}

/// The text of a metadata object.
///
/// # Errors
///
/// 400 under `field` if it is too large.
pub fn object(object: Option<&Map<String, Value>>, field: &str) -> Result<String, Problem> {
    let Some(object) = object else {
        return Ok("{}".to_owned());
    };
    Ok(metadata::object_text(field, object).map_err(Rejection::from)?)
}

/// A transfer as asked.
pub struct Order<'a> {
    /// The source's name, and the field it stands in.
    pub source: (Option<&'a str>, &'a str),
    /// The destination's.
    pub destination: (Option<&'a str>, &'a str),
    /// What is counted.
    pub asset: Asset,
    /// How much.
    pub amount: Amount,
    /// What the source's holder must be let through.
    pub gate: Gate,
    /// The caller's reference, empty if none.
    pub reference: String,
    /// A JSON object as text.
    pub metadata: String,
    /// The keys that protect it.
    pub keys: Vec<(Key, KeyLife)>,
    /// Tells the request from others under the same key.
    pub fingerprint: u64,
}

/// How a transfer stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The money arrived.
    Completed,
    /// The money is on its way.
    Processing,
    /// The money came back.
    Failed,
}

impl Standing {
    /// The word on the wire.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Processing => "processing",
            Self::Failed => "failed",
        }
    }

    /// For people.
    #[must_use]
    pub const fn message(self) -> &'static str {
        match self {
            Self::Completed => "the money has arrived",
            Self::Processing => "the money has left and will arrive or come back",
            Self::Failed => "the destination could not take the money: it was given back",
        }
    }
}

/// A transfer that was recorded.
pub struct Sent {
    /// Its id.
    pub id: TransferId,
    /// Its record.
    pub lsn: u64,
    /// How it stands.
    pub status: Standing,
    /// Whether it was recorded by an earlier request.
    pub is_replay: bool,
}

/// Sends money, once for each key, and sees how far it came.
///
/// # Errors
///
/// [`Problem`] if nothing was sent.
pub async fn send(app: &App, caller: &Principal, order: Order<'_>) -> Result<Sent, Problem> {
    let (request, leaving) = engine_request(app, caller, order).await?;
    let reserved = match &leaving {
        Some(leaving) => compliance::reserve(app, &caller.origin, leaving).await?,
        None => None,
    };
    let executed = app.engine.execute(request).await;
    let is_unsent = executed.as_ref().is_err_and(is_unsent);
    let sent = match executed {
        Ok(answer) => sent(app, &answer).await,
        Err(error) => Err(refused(error)),
    };
    let came_back = matches!(&sent, Ok(sent) if sent.status == Standing::Failed);
    if let Some(reserved) = reserved.filter(|_| is_unsent || came_back) {
        compliance::give_back(app, reserved).await;
    }
    sent
}

async fn sent(app: &App, answer: &Answer) -> Result<Sent, Problem> {
    let (id, status) = standing(app, answer).await?;
    Ok(Sent {
        id,
        lsn: answer.lsn,
        status,
        is_replay: answer.is_replay,
    })
}

/// Whether it is sure that nothing was sent under the request.
const fn is_unsent(error: &EngineError) -> bool {
    match error {
        EngineError::Rejected(_)
        | EngineError::KeyConflict
        | EngineError::Busy(_)
        | EngineError::Unavailable => true,
        EngineError::Halted(_) | EngineError::Journal(_) | EngineError::Wire(_) => false,
    }
}

fn refused(error: EngineError) -> Problem {
    if let EngineError::Rejected(Rejection::Money(error)) = &error {
        return Problem::money("amount", error);
    }
    error.into()
}

async fn engine_request(
    app: &App,
    caller: &Principal,
    order: Order<'_>,
) -> Result<(Request, Option<Leaving>), Problem> {
    let origin = &caller.origin;
    let (source_field, source) = order.source;
    let (destination_field, destination) = order.destination;
    let (source_target, source_no) = account_target(source_field, source)?;
    let (destination_target, destination_no) = account_target(destination_field, destination)?;
    let keys = &app.engine.shared.keys;
    let is_known = order.keys.iter().any(|(key, _)| keys.get(*key).is_some());
    let (mut source_urn, mut destination_urn) = (source.to_owned(), destination.to_owned());
    let (id, mut leaving) = (courier::next_transfer_id(&app.engine.shared), None);
    require_own(app, caller, source, source_field).await?;
    // A retry is answered by its record, whatever has become of the accounts since.
    if !is_known {
        let from = (source_target.clone(), source_no);
        let from = exists(app, origin, from, source_field).await?.account;
        source_urn = from.urn();
        let to = (destination_target, destination_no);
        let to = exists(app, origin, to, destination_field).await?;
        if !to.account.is_open() {
            let status = to.account.status;
            let mut problem = Problem::from(Rejection::AccountNotOpen { status });
            problem.field = destination_field.map(str::to_owned);
            return Err(problem);
        }
        destination_urn = to.account.urn();
        compliance::require(app, caller, &from.holder_urn, order.gate)?;
        leaving = Some(Leaving {
            holder_urn: from.holder_urn,
            to_urn: to.account.holder_urn,
            asset: order.asset,
            amount: order.amount,
            key: order.keys.first().map(|(key, _)| *key),
            id,
        });
    }
    let indexes = &app.engine.shared.indexes;
    let (from, to) = (
        indexes.actor_of(source_no),
        indexes.actor_of(destination_no),
    );
    let transfer = Transfer {
        id,
        source: source_no,
        source_urn,
        source_actor: from,
        destination: destination_no,
        destination_urn,
        destination_actor: to,
        asset: order.asset,
        amount: order.amount,
        reference: order.reference,
        metadata: order.metadata,
        purpose: Purpose::Transfer,
    };
    let request = Request {
        target: source_target,
        origin: Some(origin.clone()),
        command: Command::SendTransfer(Box::new(SendTransfer {
            transfer,
            is_within: from == to,
        })),
        keys: order.keys,
        fingerprint: order.fingerprint,
        recalled: None,
    };
    Ok((request, leaving))
}

async fn exists(
    app: &App,
    origin: &Arc<str>,
    (target, no): (Target, AccountNo),
    field: Option<&str>,
) -> Result<Seen, Problem> {
    let seen = look_across(app, target, no, origin).await?;
    seen.ok_or_else(|| no_account(field))
}

/// How the transfer in a record stands now; one that is under way is taken further.
async fn standing(app: &App, answer: &Answer) -> Result<(TransferId, Standing), Problem> {
    let transfer = answer.events.iter().find_map(transfer_in);
    let (transfer, is_within) = transfer.ok_or_else(|| Problem::from(EngineError::KeyConflict))?;
    let id = transfer.id;
    if is_within {
        return Ok((id, Standing::Completed));
    }
    let standing = match courier::deliver(&app.engine, transfer.clone()).await {
        Ok(Delivery::Arrived) => Standing::Completed,
        Ok(Delivery::Returned) => Standing::Failed,
        Err(error) => {
            tracing::warn!(%id, %error, "a transfer stays in transit");
            Standing::Processing
        }
    };
    Ok((id, standing))
}

fn transfer_in(event: &Event) -> Option<(&Transfer, bool)> {
    match event {
        Event::TransferredWithin(transfer, _) => Some((transfer, true)),
        Event::TransferSent(transfer, _) => Some((transfer, false)),
        Event::AccountOpened(_)
        | Event::AccountChanged { .. }
        | Event::Deposited(..)
        | Event::Withdrawn(..)
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
