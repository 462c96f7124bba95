//! Webhooks as a programme manages them: endpoints, secrets, deliveries, and having them again.

pub mod deliveries;
pub mod endpoints;
pub mod secret;

use std::sync::Arc;

use actix_web::{
    HttpRequest, HttpResponse,
    http::StatusCode,
    web::{self, Data},
};
use serde_json::Value;
use utoipa::OpenApi;

use super::super::{App, access, mark_replay, problem::Problem, request_id, resource};
use crate::{
    actors::registrar::Principal,
    domain::{documents::Shelf, registry::Scope},
    journal::JournalError,
    outbox::{secrets::SecretError, targets::Endpoint},
    threads,
};

/// These files' routes for the OpenAPI document.
#[derive(OpenApi)]
#[openapi(
    paths(
        endpoints::create,
        endpoints::list,
        endpoints::get,
        endpoints::patch,
        endpoints::delete,
        endpoints::test,
        secret::rotate_endpoint,
        secret::get,
        secret::rotate,
        deliveries::list,
        deliveries::again,
        deliveries::replay,
    ),
    components(schemas(
        endpoints::NewEndpoint,
        endpoints::EndpointPatch,
        crate::outbox::targets::Format,
        secret::Rotation,
        deliveries::ReplayRequest,
    ))
)]
pub struct Paths;

/// Adds these files' routes.
pub fn routes(config: &mut web::ServiceConfig) {
    let of = |part: &str| format!("/v1/webhook-endpoints/{{id}}/{part}");
    config
        .service(
            resource("/v1/webhook-endpoints")
                .route(web::post().to(endpoints::create))
                .route(web::get().to(endpoints::list)),
        )
        .service(
            resource("/v1/webhook-endpoints/{id}")
                .route(web::get().to(endpoints::get))
                .route(web::patch().to(endpoints::patch))
                .route(web::delete().to(endpoints::delete)),
        )
        .service(resource(&of("test")).route(web::post().to(endpoints::test)))
        .service(resource(&of("rotate-secret")).route(web::post().to(secret::rotate_endpoint)))
        .service(resource(&of("replay")).route(web::post().to(deliveries::replay)))
        .service(resource("/v1/webhook-secret").route(web::get().to(secret::get)))
        .service(resource("/v1/webhook-secret/rotate").route(web::post().to(secret::rotate)))
        .service(resource("/v1/webhook-deliveries").route(web::get().to(deliveries::list)))
        .service(
            resource("/v1/webhook-deliveries/{id}/replay").route(web::post().to(deliveries::again)),
        );
}

/// What a handler answers with.
struct Told {
    status: StatusCode,
    view: Value,
    is_replay: bool,
}

impl Told {
    const fn ok(view: Value) -> Self {
        Self::with(StatusCode::OK, view)
    }

    const fn with(status: StatusCode, view: Value) -> Self {
        Self {
            status,
            view,
            is_replay: false,
        }
    }
}

/// Runs a handler and gives its answer.
async fn answer(
    request: &HttpRequest,
    app: &Data<App>,
    handler: impl Future<Output = Result<Told, Problem>>,
) -> HttpResponse {
    let id = request_id(request, app);
    match handler.await {
        Ok(told) => {
            let mut response = HttpResponse::build(told.status)
                .insert_header(("x-request-id", id))
                .json(told.view);
            if told.is_replay {
                mark_replay(&mut response);
            }
            response
        }
        Err(problem) => problem.respond(&id),
    }
}

/// The caller: a key or token of a programme or an operator, not a holder's.
fn admit(request: &HttpRequest, app: &App) -> Result<Arc<Principal>, Problem> {
    let principal = access::anyone(request, app)?;
    let forbidden = |message: &str| {
        let status = StatusCode::FORBIDDEN;
        Err(Problem::new(status, "forbidden", message))
    };
    if principal.holder.is_some() {
        return forbidden("webhooks are the programme's: a holder's token cannot manage them");
    }
    let scopes = principal.scopes;
    if !scopes.allow(Scope::Programme) && !scopes.allow(Scope::Operator) {
        return forbidden("this key has neither the scope programme nor operator");
    }
    Ok(principal)
}

/// An endpoint of the caller's origin.
fn endpoint_of(app: &App, origin: &str, id: &str) -> Result<Endpoint, Problem> {
    let text = app.engine.shared.facts.documents.get(Shelf::Endpoint, id);
    let endpoint = text.and_then(|text| Endpoint::read(&text));
    endpoint
        .filter(|endpoint| endpoint.origin == origin)
        .ok_or_else(no_endpoint)
}

fn no_endpoint() -> Problem {
    Problem::not_found("endpoint_not_found", "webhook endpoint not found")
}

fn not_sealed(error: &SecretError) -> Problem {
    tracing::error!(%error, "a webhook secret cannot be used");
    Problem::busy("the webhook secret cannot be used now: try again")
}

fn not_written(error: &JournalError) -> Problem {
    tracing::warn!(%error, "the outbox cannot take this now");
    Problem::busy("the outbox is busy: try again")
}

/// Runs what blocks on a thread for that.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Problem> {
    let done = threads::aside(work).await;
    done.map_err(|_| Problem::busy("too much is going on: try again"))
}
