//! `POST /v1/authorizations`, `POST /v1/clearings`.

use std::{sync::Arc, time::Instant};

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web::Data};

use super::{
    super::{
        App, access,
        body::{self, Body},
        json, mark_replay,
        problem::Problem,
        request_id,
    },
    explain,
    request::{AuthorizationRequest, Purpose, read},
    view,
};
use crate::{
    actors::{Answer, Request, Said, Target, Telling, Ticket, keys::key_of, registrar::Principal},
    domain::{
        command::Command,
        event::Event,
        ids::{AccountNo, DeviceTokenId},
        registry::Scope,
    },
    wire::KeyLife,
};

/// Asks for money to be held.
#[utoipa::path(
    post, path = "/v1/authorizations", tag = "network",
    params(("Idempotency-Key" = Option<String>, Header, description = "beside the transaction_id: same key, same answer")),
    request_body = AuthorizationRequest,
    responses(
        (status = 200, description = "approved or declined", body = super::schema::AuthorizationAnswer),
        (status = 400, description = "malformed: the field is named"),
        (status = 401, description = "no key, or an unknown one"),
        (status = 403, description = "the key has not the scope network"),
        (status = 404, description = "no such card"),
        (status = 409, description = "the transaction_id was used for another request"),
        (status = 413, description = "the body is too large"),
        (status = 415, description = "the body is not JSON"),
        (status = 422, description = "an impossible value: the field is named"),
        (status = 503, description = "busy: try again"),
    ),
)]
pub async fn post(request: HttpRequest, body: Body, app: Data<App>) -> HttpResponse {
    respond(&request, body, &app, Purpose::Authorize).await
}

/// Posts a clearing that has no authorization. It cannot be declined: without a fresh rate for its
/// currency its price is its `usd_amount`, or what the last known rate says.
#[utoipa::path(
    post, path = "/v1/clearings", tag = "network",
    params(("Idempotency-Key" = Option<String>, Header, description = "beside the transaction_id: same key, same answer")),
    request_body = AuthorizationRequest,
    responses(
        (status = 200, description = "posted", body = super::schema::AuthorizationAnswer),
        (status = 400, description = "malformed: the field is named"),
        (status = 401, description = "no key, or an unknown one"),
        (status = 403, description = "the key has not the scope network"),
        (status = 404, description = "no such card"),
        (status = 409, description = "the transaction_id was used for another request"),
        (status = 415, description = "the body is not JSON"),
        (status = 422, description = "an impossible value: the field is named"),
        (status = 503, description = "busy: try again"),
    ),
)]
pub async fn post_clearing(request: HttpRequest, body: Body, app: Data<App>) -> HttpResponse {
    respond(&request, body, &app, Purpose::Clear).await
}

/// Says what a purchase would come to, and why; holds nothing and records nothing. The `id` is null:
/// there is no authorization.
#[utoipa::path(
    post, path = "/v1/authorizations/simulate", tag = "network",
    request_body = AuthorizationRequest,
    responses(
        (status = 200, description = "what would be answered, with `explanation`",
            body = super::schema::AuthorizationAnswer),
        (status = 400, description = "malformed: the field is named"),
        (status = 401, description = "no key, or an unknown one"),
        (status = 403, description = "the key has not the scope network"),
        (status = 404, description = "no such card"),
        (status = 413, description = "the body is too large"),
        (status = 415, description = "the body is not JSON"),
        (status = 422, description = "an impossible value: the field is named"),
        (status = 503, description = "busy: try again"),
    ),
)]
pub async fn simulate(request: HttpRequest, body: Body, app: Data<App>) -> HttpResponse {
    let id = request_id(&request, &app);
    let simulated = async {
        let principal = access::require(&request, &app, Scope::Network)?;
        body::require_json(&request)?;
        let bytes = body::bytes(body)?;
        let mut parsed: AuthorizationRequest<'_> = body::parse(&bytes)?;
        let request = engine_request(&mut parsed, &principal, None, Purpose::Authorize)?;
        let answer = app.engine.simulate(request).await.map_err(card_problem)?;
        explained(&answer, &answer)
    };
    match simulated.await {
        Ok(mut body) => {
            if let Some(object) = body.as_object_mut() {
                object.insert("id".into(), serde_json::Value::Null);
                object.insert("simulated".into(), true.into());
            }
            json(StatusCode::OK, &id, body.to_string().into_bytes())
        }
        Err(problem) => problem.respond(&id),
    }
}

/// An answer with the explanation of the decision in `first`.
///
/// # Errors
///
/// 404 if the answer is about no authorization.
pub fn explained(answer: &Answer, first: &Answer) -> Result<serde_json::Value, Problem> {
    let missing = || Problem::not_found("authorization_not_found", "authorization not found");
    let rendered = view::render(answer).ok_or_else(missing)?;
    let mut body: serde_json::Value = serde_json::from_slice(&rendered).map_err(|_| missing())?;
    if let (Some(object), Some(mut explanation)) = (body.as_object_mut(), explain::explain(first)) {
        if let (Some(asked), Some(inner)) = (object.get("decision"), explanation.as_object_mut()) {
            inner.insert("decision".into(), asked.clone());
        }
        object.insert("explanation".into(), explanation);
    }
    Ok(body)
}

async fn respond(request: &HttpRequest, body: Body, app: &App, purpose: Purpose) -> HttpResponse {
    let begun = Instant::now();
    let answered = match prepare(request, body, app, purpose) {
        Ok(ticket) => app.engine.send(ticket).await.map_err(card_problem),
        Err(problem) => Err(problem),
    };
    let answered = match answered {
        Ok(Said::Answer(answer)) => settled(app, answer).await.map(Said::Answer),
        told => told,
    };
    app.engine
        .shared
        .metrics
        .http_request
        .observe(begun.elapsed().as_secs_f64());
    let id = request_id(request, app);
    match answered {
        Ok(Said::Told(text)) => json(StatusCode::OK, &id, text),
        Ok(Said::Answer(answer)) => show(&answer, &id),
        Err(problem) => problem.respond(&id),
    }
}

/// Tells what is final at once.
pub const TELLING: Telling = Telling {
    write: |answer, text| !is_asked(answer) && view::render_into(answer, text),
    bytes: view::ANSWER_BYTES,
};

/// The final answer: at once, or when the purchase's programme has answered.
///
/// # Errors
///
/// [`Problem`] if the programme's answer cannot be recorded now.
pub async fn settled(app: &App, answer: Answer) -> Result<Answer, Problem> {
    if !is_asked(&answer) {
        return Ok(answer);
    }
    // Rare, and large: it is not to make every request's future larger.
    let settled = Box::pin(app.decisions.settle(answer)).await;
    settled.map_err(card_problem)
}

/// Whether the purchase is final only when its programme has answered.
pub fn is_asked(answer: &Answer) -> bool {
    let mut approvals = answer.events.iter().filter_map(Event::approved);
    approvals.any(|approved| approved.authorization.decision.is_open())
}

/// An authorization's answer.
pub fn show(answer: &Answer, request_id: &str) -> HttpResponse {
    let Some(rendered) = view::render(answer) else {
        let what = "the record of this id is not an authorization's";
        return Problem::conflict("idempotency_conflict", what).respond(request_id);
    };
    let mut response = json(StatusCode::OK, request_id, rendered);
    if answer.is_replay {
        mark_replay(&mut response);
    }
    response
}

/// Reads the request, to the point where it is sent to its card. No wait is in here, so that nothing
/// of what was read is held while the answer is waited for.
fn prepare(
    request: &HttpRequest,
    bytes: Body,
    app: &App,
    purpose: Purpose,
) -> Result<Box<Ticket>, Problem> {
    let principal = access::require(request, app, Scope::Network)?;
    body::require_json(request)?;
    let bytes = body::bytes(bytes)?;
    let mut parsed: AuthorizationRequest<'_> = body::parse(&bytes)?;
    let header_key = body::idempotency_key(request)?;
    let request = engine_request(&mut parsed, &principal, header_key, purpose)?;
    Ok(app.engine.ticket(request, TELLING))
}

/// What is not found here is a card.
pub fn card_problem(error: impl Into<Problem>) -> Problem {
    let mut problem = error.into();
    if matches!(problem.code, "account_not_found" | "token_not_found") {
        problem = Problem::not_found("card_not_found", "card not found");
        problem.field = Some("card".to_owned());
        problem.response_code = Some("14");
    }
    problem
}

/// The engine's request for a processor's.
///
/// # Errors
///
/// 4xx with the field.
pub fn engine_request(
    parsed: &mut AuthorizationRequest<'_>,
    principal: &Principal,
    header_key: Option<&str>,
    purpose: Purpose,
) -> Result<Request, Problem> {
    let (target, account) = paying_target(&parsed.card)?;
    let command = read(parsed, account, purpose)?;
    let (class, command_of): (_, fn(Arc<_>) -> Command) = match purpose {
        Purpose::Authorize => ("authorization", Command::Authorize),
        Purpose::Clear => ("clearing", Command::ForcePost),
    };
    let mut keys = Vec::with_capacity(1);
    let own = key_of(&principal.origin, class, &command.transaction_id);
    keys.push((own, KeyLife::Permanent));
    keys.extend(header_key.map(|text| {
        (
            key_of(&principal.origin, "idempotency", text),
            KeyLife::Expiring,
        )
    }));
    Ok(Request {
        target,
        origin: Some(principal.origin.clone()),
        command: command_of(command),
        keys,
        // The record has the whole request: a retry is compared with that.
        fingerprint: 0,
        recalled: None,
    })
}

/// Whom the name that a purchase gives is for: a card's, or that of a device's token, which has its
/// card's number in it.
fn paying_target(name: &str) -> Result<(Target, AccountNo), Problem> {
    if name.starts_with("tok_")
        && let Ok(DeviceTokenId { account: no, .. }) = name.parse()
    {
        return Ok((Target::Account { no, urn: None }, no));
    }
    card_target(name)
}

/// Whom a card's name is for.
///
/// # Errors
///
/// 404 for a name that is none of ours.
pub fn card_target(card: &str) -> Result<(Target, AccountNo), Problem> {
    let unknown = || card_problem(Problem::not_found("account_not_found", "card not found"));
    let no: AccountNo = card.parse().map_err(|_| unknown())?;
    let urn = card.contains(':').then(|| card.into());
    Ok((Target::Account { no, urn }, no))
}
