//! Only with `serve --sandbox`: every step of a card's life without a processor. Each goes the way that
//! the network's own request goes; no rule is made a second time.

pub mod cards;
pub mod payments;
pub mod rates;
pub mod test_data;

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web};
use utoipa::OpenApi;

use super::super::{App, access, body, problem::Problem, request_id, resource};
use crate::{
    actors::registrar::Principal,
    domain::{ids::RecordId, registry::Scope},
    wire,
};

/// The one origin whose cards can be played with: a programme's own money stays its own on a sandbox's
/// server too.
pub const ORIGIN: &str = "sandbox";

/// This folder's routes for the OpenAPI document.
#[derive(OpenApi)]
#[openapi(paths(
    payments::authorize,
    payments::clear,
    payments::step,
    payments::reverse_refund,
    payments::deposit,
    cards::end_creation,
    cards::change_token,
    rates::set,
    test_data::get,
))]
pub struct Paths;

/// Adds this folder's routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(resource("/v1/sandbox/authorizations").route(web::post().to(payments::authorize)))
        .service(
            resource("/v1/sandbox/authorizations/{id}/{step}")
                .route(web::post().to(payments::step)),
        )
        .service(
            resource("/v1/sandbox/refunds/{operation_id}/reverse")
                .route(web::post().to(payments::reverse_refund)),
        )
        .service(resource("/v1/sandbox/clearings").route(web::post().to(payments::clear)))
        .service(resource("/v1/sandbox/deposits").route(web::post().to(payments::deposit)))
        .service(
            resource("/v1/sandbox/cards/{urn}/{step}").route(web::post().to(cards::end_creation)),
        )
        .service(
            resource("/v1/sandbox/tokens/{id}/{step}").route(web::post().to(cards::change_token)),
        )
        .service(resource("/v1/sandbox/rates").route(web::post().to(rates::set)))
        .service(resource("/v1/sandbox/test-data").route(web::get().to(test_data::get)));
}

/// Whether a creation of this origin may be played with.
#[must_use]
pub fn is_playground(app: &App, origin: &str) -> bool {
    app.is_sandbox && origin == ORIGIN
}

/// The caller, if it may simulate: the sandbox's key with the scope programme or operator.
///
/// # Errors
///
/// 401, 403, or 404 where there is no sandbox for the caller.
fn player(request: &HttpRequest, app: &App) -> Result<Arc<Principal>, Problem> {
    let principal = access::anyone(request, app)?;
    let may = [Scope::Programme, Scope::Operator];
    if !may.iter().any(|scope| principal.scopes.allow(*scope)) {
        let message = "this key has neither the scope programme nor operator";
        return Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", message));
    }
    if principal.holder.is_some() {
        let message = "a holder's token moves no money of the world: use the origin's key";
        return Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", message));
    }
    if !is_playground(app, &principal.origin) {
        let message = "not found: there is nothing to simulate for this key";
        return Err(Problem::not_found("not_found", message));
    }
    Ok(principal)
}

/// The id of a simulated step whose caller gave none: the same for the same `Idempotency-Key`, so that a
/// retry is one; else one that nobody has.
///
/// # Errors
///
/// 422 for a wrong header, 503 without randomness.
fn own_id(request: &HttpRequest) -> Result<String, Problem> {
    let number = match body::idempotency_key(request)? {
        Some(text) => wire::fingerprint(request.path(), &text),
        None => getrandom::u64().map_err(|_| Problem::busy("no randomness: try again"))?,
    };
    Ok(RecordId(number).text("sim_"))
}

/// The body of a request whose every field may be left out: none at all is an empty object.
///
/// # Errors
///
/// 413, 415, or 400 for a body that broke off.
fn bytes_or_empty(request: &HttpRequest, bytes: body::Body) -> Result<web::Bytes, Problem> {
    let bytes = body::bytes(bytes)?;
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(web::Bytes::from_static(b"{}"));
    }
    body::require_json(request)?;
    Ok(bytes)
}

/// An answer, or its refusal in this face's shape.
fn answer(
    request: &HttpRequest,
    app: &App,
    answered: Result<HttpResponse, Problem>,
) -> HttpResponse {
    answered.unwrap_or_else(|problem| problem.respond(&request_id(request, app)))
}
