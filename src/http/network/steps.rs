//! What follows an authorization: increment, capture, reverse, refund, and a refund's reversal.

use actix_web::{
    HttpRequest, HttpResponse,
    web::{Data, Path},
};

use super::{
    super::{
        App, access,
        body::{self, Body},
        problem::Problem,
        request_id,
    },
    authorize::show,
    request::{StepBody, step_amount},
};
use crate::{
    actors::{Answer, EngineError, Request, Target, keys::key_of, registrar::Principal},
    domain::{
        command::{Command, StepAmount, StepRequest},
        ids::{AuthorizationId, RecordId},
        outcome::Rejection,
        registry::Scope,
    },
    journal::JournalError,
    wire::{self, KeyLife},
};

/// Takes a step on an authorization.
#[utoipa::path(
    post, path = "/v1/authorizations/{id}/{step}", tag = "network",
    params(
        ("id" = String, Path, description = "the auth_ id, or the authorization's transaction_id"),
        ("step" = String, Path, description = "increment, capture, reverse or refund"),
        ("Idempotency-Key" = Option<String>, Header, description = "beside the transaction_id: same key, same answer"),
    ),
    request_body = StepBody,
    responses(
        (status = 200, description = "the authorization in its new form", body = super::schema::AuthorizationAnswer),
        (status = 400, description = "malformed: the field is named"),
        (status = 401, description = "no key, or an unknown one"),
        (status = 403, description = "the key has not the scope network"),
        (status = 404, description = "no such authorization, or no such step"),
        (status = 409, description = "the state does not allow it, or the id was used before"),
        (status = 415, description = "the body is not JSON"),
        (status = 422, description = "an impossible value: the field is named"),
        (status = 503, description = "busy: try again"),
    ),
)]
pub async fn post(
    request: HttpRequest,
    path: Path<(String, String)>,
    body: Body,
    app: Data<App>,
) -> HttpResponse {
    let id = request_id(&request, &app);
    let (authorization, step) = path.into_inner();
    match take(&request, &authorization, &step, body, &app).await {
        Ok(answer) => show(&answer, &id),
        Err(problem) => problem.respond(&id),
    }
}

/// Undoes a refund.
#[utoipa::path(
    post, path = "/v1/refunds/{operation_id}/reverse", tag = "network",
    params(
        ("operation_id" = String, Path, description = "the refund's operation id (op_…)"),
        ("Idempotency-Key" = Option<String>, Header, description = "beside the transaction_id: same key, same answer"),
    ),
    request_body = StepBody,
    responses(
        (status = 200, description = "the authorization in its new form", body = super::schema::AuthorizationAnswer),
        (status = 400, description = "malformed: the field is named"),
        (status = 401, description = "no key, or an unknown one"),
        (status = 403, description = "the key has not the scope network"),
        (status = 404, description = "no such refund"),
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
    let id = request_id(&request, &app);
    match undo(&request, &path, body, &app).await {
        Ok(answer) => show(&answer, &id),
        Err(problem) => problem.respond(&id),
    }
}

async fn take(
    request: &HttpRequest,
    authorization: &str,
    step: &str,
    bytes: Body,
    app: &App,
) -> Result<Answer, Problem> {
    let principal = access::require(request, app, Scope::Network)?;
    command_of(step)?;
    body::require_json(request)?;
    let bytes = body::bytes(bytes)?;
    let parsed: StepBody<'_> = body::parse(&bytes)?;
    let header_key = body::idempotency_key(request)?;
    let step = (authorization, step);
    step_on(app, &principal, step, (&parsed, header_key)).await
}

fn command_of(step: &str) -> Result<fn(StepRequest) -> Command, Problem> {
    match step {
        "increment" => Ok(Command::Increment),
        "capture" => Ok(Command::Capture),
        "reverse" => Ok(Command::Reverse),
        "refund" => Ok(Command::Refund),
        _ => {
            let message = "no such step: increment, capture, reverse or refund";
            Err(Problem::not_found("not_found", message))
        }
    }
}

/// Takes a step on the authorization of that name for `principal`.
///
/// # Errors
///
/// 4xx with the field; [`Problem`] if it cannot be taken now.
pub async fn step_on(
    app: &App,
    principal: &Principal,
    (authorization, step): (&str, &str),
    (parsed, header_key): (&StepBody<'_>, Option<&str>),
) -> Result<Answer, Problem> {
    let command = command_of(step)?;
    if step == "increment" && parsed.local_amount.is_none() {
        let message = "local_amount must say how much more is wanted";
        return Err(Problem::malformed("local_amount", message));
    }
    if step != "capture" && parsed.is_final.is_some() {
        return Err(Problem::malformed("final", "final is for captures only"));
    }
    let authorization = find(app, principal, authorization).await?;
    let again = || {
        let class = (step, header_key);
        engine_request(parsed, authorization, class, principal, command)
    };
    match app.engine.execute(again()?).await {
        // A reversal that the network sends because it waited too long, most likely: it gets the truth.
        Err(EngineError::Rejected(Rejection::BeingDecided)) => {
            Box::pin(app.decisions.finish(authorization)).await?;
            app.engine.execute(again()?).await.map_err(hide_foreign)
        }
        other => other.map_err(hide_foreign),
    }
}

async fn undo(
    request: &HttpRequest,
    operation: &str,
    bytes: Body,
    app: &App,
) -> Result<Answer, Problem> {
    let principal = access::require(request, app, Scope::Network)?;
    body::require_json(request)?;
    let bytes = body::bytes(bytes)?;
    let parsed: StepBody<'_> = body::parse(&bytes)?;
    let header_key = body::idempotency_key(request)?;
    undo_refund(app, &principal, operation, (&parsed, header_key)).await
}

/// Undoes the refund of that operation id for `principal`.
///
/// # Errors
///
/// 4xx with the field; [`Problem`] if it cannot be undone now.
pub async fn undo_refund(
    app: &App,
    principal: &Principal,
    operation: &str,
    (parsed, header_key): (&StepBody<'_>, Option<&str>),
) -> Result<Answer, Problem> {
    if parsed.is_final.is_some() {
        return Err(Problem::malformed("final", "final is for captures only"));
    }
    let unknown = || Problem::not_found("refund_not_found", "refund not found");
    body::plain_text("transaction_id", &parsed.transaction_id, 128)?;
    let lsn = RecordId::parse(operation, "op_", "a refund's operation id (op_…)")
        .map_err(|_| unknown())?
        .0;
    if lsn > app.engine.durability.durable() {
        return Err(unknown());
    }
    let authorization = match app.engine.recall(lsn) {
        Ok(authorization) => authorization,
        // What was never written by a refund is none; what cannot be read now may be one.
        Err(EngineError::Rejected(_)) => return Err(unknown()),
        Err(EngineError::Journal(JournalError::NotFound { lsn: at }))
            if at > app.engine.shared.journal.oldest() =>
        {
            return Err(unknown());
        }
        Err(error) => return Err(error.into()),
    };
    let command = move |step| Command::ReverseRefund { step, refund: lsn };
    let class = ("refund_reversal", header_key);
    let mut request = engine_request(parsed, authorization.id, class, principal, command)?;
    // Two refunds of one authorization are two requests.
    request.fingerprint = wire::fingerprint(class.0, &(request.fingerprint, lsn));
    let known = app.engine.execute(request).await;
    // A refund of another origin is not found, like one that does not exist.
    known.map_err(|error| match Problem::from(error) {
        problem if problem.code == "account_not_found" => unknown(),
        problem => problem,
    })
}

/// An authorization of another origin is not found, like one that does not exist.
pub fn hide_foreign(error: EngineError) -> Problem {
    let problem = Problem::from(error);
    if problem.code == "account_not_found" {
        return Problem::not_found("authorization_not_found", "authorization not found");
    }
    problem
}

/// The engine's request for a step of that class.
///
/// # Errors
///
/// 4xx with the field.
pub fn engine_request(
    parsed: &StepBody<'_>,
    authorization: AuthorizationId,
    (class, header_key): (&str, Option<&str>),
    principal: &Principal,
    command: impl FnOnce(StepRequest) -> Command,
) -> Result<Request, Problem> {
    body::plain_text("transaction_id", &parsed.transaction_id, 128)?;
    let local = step_amount(parsed)?;
    let step = StepRequest {
        authorization,
        transaction_id: parsed.transaction_id.as_ref().to_owned(),
        local,
        is_final: parsed.is_final,
    };
    let fingerprint = fingerprint(class, &step);
    let mut keys = vec![(
        key_of(&principal.origin, class, &parsed.transaction_id),
        KeyLife::Permanent,
    )];
    keys.extend(header_key.map(|text| {
        (
            key_of(&principal.origin, "idempotency", text),
            KeyLife::Expiring,
        )
    }));
    Ok(Request {
        target: Target::Authorization(authorization),
        origin: Some(principal.origin.clone()),
        command: command(step),
        keys,
        fingerprint,
        recalled: None,
    })
}

/// How many decimal places a sum has in the step that tells it from others, if no more are meant.
const USUAL_PLACES: u8 = 2;

/// Tells a step from others, however its sum is written: `20`, `20.0` and `20.00` are one.
fn fingerprint(class: &str, step: &StepRequest) -> u64 {
    let Some(local) = step.local else {
        return wire::fingerprint(class, step);
    };
    let value = local.value.trimmed();
    let usual = StepRequest {
        local: Some(StepAmount {
            value: value.with_places(USUAL_PLACES).unwrap_or(value),
            ..local
        }),
        ..step.clone()
    };
    wire::fingerprint(class, &usual)
}

/// The authorization that a path names: by its id, or by its transaction id.
///
/// # Errors
///
/// 404.
pub async fn find(
    app: &App,
    principal: &Principal,
    name: &str,
) -> Result<AuthorizationId, Problem> {
    if let Ok(id) = name.parse::<AuthorizationId>() {
        return Ok(id);
    }
    let unknown = || Problem::not_found("authorization_not_found", "authorization not found");
    let record = ["authorization", "clearing"].iter().find_map(|class| {
        app.engine
            .shared
            .keys
            .get(key_of(&principal.origin, class, name))
    });
    let lsn = record.ok_or_else(unknown)?;
    app.engine
        .durability
        .wait(lsn)
        .await
        .map_err(|error| Problem::busy(error.to_string()))?;
    let entry = app.engine.entry(lsn)?;
    let wire::Body::Group(events) = entry.body else {
        return Err(unknown());
    };
    events
        .iter()
        .find_map(crate::domain::event::Event::authorization_id)
        .ok_or_else(unknown)
}
