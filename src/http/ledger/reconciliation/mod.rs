//! `/reconciliation`: external records against transactions.

pub mod report;
pub mod rules;
pub mod runs;
pub mod upload;

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use utoipa::OpenApi;

use super::{access::Caller, face, fault::Fault};
use crate::{
    actors::registrar::{Keyed, Recorded},
    domain::{
        documents::{Documents, Shelf},
        registry::RegistryEvent,
        time::Timestamp,
    },
    http::{App, json as json_answer, mark_replay, programme::request, request_id, resource},
    threads,
};

/// The largest file, in bytes.
const FILE_BYTES_MAX: usize = 64 << 20;
/// The largest body of an instant reconciliation, in bytes.
const INSTANT_BYTES_MAX: usize = 16 << 20;
/// The most rules, and the most uploads and runs, of one origin.
const RULES_MAX: usize = 1_000;
const DOCUMENTS_MAX: usize = 20_000;
const INVALID: &str = "GEN_VALIDATION_ERROR";

/// Adds the routes.
pub fn routes(config: &mut web::ServiceConfig) {
    let post = || web::post();
    config
        .service(resource("/reconciliation/upload").route(post().to(upload::post)))
        .service(
            resource("/reconciliation/matching-rules")
                .route(post().to(rules::create))
                .route(web::get().to(rules::list)),
        )
        .service(
            resource("/reconciliation/matching-rules/{id}")
                .route(web::get().to(rules::get))
                .route(web::put().to(rules::update))
                .route(web::delete().to(rules::delete)),
        )
        .service(resource("/reconciliation/start").route(post().to(runs::start)))
        .service(
            resource("/reconciliation/start-instant")
                .app_data(web::PayloadConfig::new(INSTANT_BYTES_MAX))
                .route(post().to(runs::start_instant)),
        )
        .service(resource("/reconciliation/{id}").route(web::get().to(runs::get)))
        .service(resource("/reconciliation/{id}/report").route(web::get().to(report::get)));
}

#[derive(OpenApi)]
#[openapi(paths(
    upload::post,
    rules::create,
    rules::list,
    rules::get,
    rules::update,
    rules::delete,
    runs::start,
    runs::start_instant,
    runs::get,
    report::get
))]
struct Document;

/// Its part of the OpenAPI document.
#[must_use]
pub fn document() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

/// An answer.
struct Told {
    status: StatusCode,
    view: Value,
    is_replay: bool,
}

impl Told {
    const fn ok(view: Value) -> Self {
        Self {
            status: StatusCode::OK,
            view,
            is_replay: false,
        }
    }
}

async fn answer(
    request: &HttpRequest,
    app: &App,
    work: impl Future<Output = Result<Told, Fault>>,
) -> HttpResponse {
    let told = work.await;
    let id = request_id(request, app);
    match told {
        Ok(told) => {
            let mut response = json_answer(told.status, &id, told.view.to_string().into_bytes());
            if told.is_replay {
                mark_replay(&mut response);
            }
            response
        }
        Err(fault) => fault.respond(&id),
    }
}

fn invalid(field: &str, message: impl Into<String>) -> Fault {
    Fault::invalid(INVALID, field, message)
}

fn missing(field: &str) -> Fault {
    Fault::invalid(
        "GEN_MISSING_PARAMETER",
        field,
        format!("{field} is required"),
    )
}

fn not_found(what: &str) -> Fault {
    Fault::not_found("GEN_NOT_FOUND", format!("{what} not found"))
}

fn broken(error: &dyn std::fmt::Display) -> Fault {
    tracing::error!(%error, "reconciliation: the disk or what is kept failed");
    Fault::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "GEN_INTERNAL",
        "what is kept of reconciliations could not be read or written; the operator's log says why",
    )
}

fn busy(message: &str) -> Fault {
    let status = StatusCode::SERVICE_UNAVAILABLE;
    let mut fault = Fault::new(status, "GEN_RESOURCE_LOCKED", message);
    fault.retry_after_s = Some(1);
    fault
}

/// Work that waits for the disk, away from the threads that serve requests.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Fault> {
    let done = threads::aside(work).await;
    done.map_err(|_| busy("too much is going on: try again"))
}

/// What protects a request against being done twice.
fn keyed(request: &HttpRequest, caller: &Caller, bytes: &[u8]) -> Result<Option<Keyed>, Fault> {
    let known = request::idempotency(request, bytes)?;
    Ok(known.map(|known| Keyed {
        key: known.key(&caller.origin),
        fingerprint: known.fingerprint,
    }))
}

/// The document of that name, if it is one of these.
fn find<T: DeserializeOwned>(app: &App, shelf: Shelf, name: &str) -> Option<T> {
    let text = app.engine.shared.facts.documents.get(shelf, name)?;
    serde_json::from_str(&text).ok()
}

/// The event that sets a document, or removes it.
fn set(
    shelf: Shelf,
    name: &str,
    document: Option<&impl Serialize>,
    at: Timestamp,
) -> Result<RegistryEvent, Fault> {
    let text = document.map(serde_json::to_string).transpose();
    Ok(RegistryEvent::DocumentSet {
        shelf,
        name: name.to_owned(),
        text: text.map_err(|error| broken(&error))?.map(Into::into),
        at,
    })
}

/// The document that a record set.
fn recorded<T: DeserializeOwned>(recorded: &Recorded, wanted: Shelf) -> Result<T, Fault> {
    face::recorded(recorded, wanted, |_, text| serde_json::from_str(text).ok())
}

/// Refuses one document more than an origin may have.
fn room(documents: &Documents, shelf: Shelf, origin: &str, most: usize) -> Result<(), Fault> {
    let is_own = |name: &str| {
        name.strip_prefix(origin)
            .is_some_and(|rest| rest.starts_with('/'))
    };
    let own = documents.of(shelf).filter(|(name, _)| is_own(name));
    if own.count() < most {
        return Ok(());
    }
    let message = format!("an origin has at most {most} of these");
    Err(Fault::new(StatusCode::CONFLICT, "GEN_CONFLICT", message))
}

fn time(micros: i64) -> Value {
    json!(Timestamp::from_micros(micros).to_string())
}
