//! `/ledgers`: folders of balances.

use std::sync::Arc;

use actix_web::{
    HttpRequest, HttpResponse,
    web::{self, Data, Path},
};
use serde::Deserialize;
use serde_json::value::RawValue;
use utoipa::OpenApi;

use super::{
    access::{self, Action, Resource},
    face::{self, Told, answer, check_text},
    fault::Fault,
    filter,
};
use crate::{
    actors::registrar::Recorded,
    books::{Ledger, view},
    domain::{
        documents::Shelf,
        registry::{Registry, RegistryEvent},
        time::Timestamp,
    },
    http::{App, body::Body, network::request::Lend, resource},
};

/// Adds the routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(
            resource("/ledgers")
                .route(web::post().to(create))
                .route(web::get().to(filter::list_ledgers)),
        )
        .service(
            resource("/ledgers/{id}")
                .route(web::get().to(get))
                .route(web::put().to(put)),
        );
}

#[derive(OpenApi)]
#[openapi(paths(create, get, put))]
struct Document;

/// Its part of the OpenAPI document.
#[must_use]
pub fn document() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

/// A ledger to make.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LedgerRequest<'a> {
    /// For people; two ledgers may have the same.
    #[serde(borrow)]
    #[schema(value_type = String, max_length = 255, example = "USD Ledger")]
    pub name: Lend<'a>,
    /// Anything of the caller's own.
    #[serde(borrow, default)]
    #[schema(value_type = Option<Object>)]
    pub meta_data: Option<&'a RawValue>,
}

/// A ledger's new name.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LedgerName<'a> {
    /// For people.
    #[serde(borrow)]
    #[schema(value_type = String, max_length = 255)]
    pub name: Lend<'a>,
}

fn unknown() -> Fault {
    Fault::not_found("LGR_NOT_FOUND", "ledger not found")
}

fn check_name(name: &str) -> Result<(), Fault> {
    if name.trim().is_empty() {
        let message = "name field is required";
        return Err(Fault::invalid("GEN_VALIDATION_ERROR", "name", message));
    }
    check_text("GEN_VALIDATION_ERROR", "name", name, 255)
}

fn set(origin: &str, ledger: &Ledger, at: Timestamp) -> Result<RegistryEvent, Fault> {
    let text = ledger.text().ok_or_else(unknown)?;
    Ok(RegistryEvent::DocumentSet {
        shelf: Shelf::Ledger,
        name: Ledger::document_name(origin, &ledger.id),
        text: Some(text.into()),
        at,
    })
}

/// The ledger as the record has it.
fn recorded(done: &Recorded) -> Result<Ledger, Fault> {
    face::recorded(done, Shelf::Ledger, |name, text| {
        Ledger::read(name.rsplit('/').next()?, text)
    })
}

/// A ledger as it is known now.
///
/// # Errors
///
/// 404, also for another origin's.
pub fn known(app: &App, origin: &str, id: &str) -> Result<Ledger, Fault> {
    if id.len() > 64 {
        return Err(unknown());
    }
    let documents = &app.engine.shared.facts.documents;
    let text = documents.get(Shelf::Ledger, &Ledger::document_name(origin, id));
    read(id, text.as_ref()).ok_or_else(unknown)
}

fn read(id: &str, text: Option<&Arc<str>>) -> Option<Ledger> {
    match text {
        Some(text) => Ledger::read(id, text),
        None => Ledger::built_in(id),
    }
}

/// Makes a ledger.
#[utoipa::path(
    post, path = "/ledgers", tag = "ledger",
    request_body = LedgerRequest,
    responses(
        (status = 201, description = "the ledger", body = serde_json::Value),
        (status = 400, description = "malformed: the field is named"),
        (status = 401, description = "no key, or an unknown one"),
        (status = 403, description = "the key is not for ledgers:write"),
        (status = 409, description = "the idempotency key was used for another request"),
        (status = 413, description = "the body is too large"),
        (status = 415, description = "the body is not JSON"),
        (status = 503, description = "busy: try again"),
    ),
)]
pub async fn create(request: HttpRequest, body: Body, app: Data<App>) -> HttpResponse {
    answer(&request, &app, make(&request, body, &app)).await
}

async fn make(request: &HttpRequest, body: Body, app: &App) -> Result<Told, Fault> {
    let caller = access::require(request, app, Resource::Ledgers, Action::Write)?;
    let bytes = face::bytes(request, body)?;
    let parsed: LedgerRequest<'_> = face::read(&bytes)?;
    check_name(&parsed.name)?;
    let template = Ledger {
        id: face::new_id("ldg_")?,
        name: parsed.name.to_string(),
        created_at: Timestamp::default(),
        metadata: face::metadata("meta_data", parsed.meta_data)?,
    };
    let keyed = face::keyed(request, &caller.origin, &bytes)?;
    let change = |_: &Registry, now: Timestamp| {
        let ledger = Ledger {
            created_at: now,
            ..template.clone()
        };
        Ok(vec![set(&caller.origin, &ledger, now)?])
    };
    let done = app.engine.change_registry::<Fault>(keyed, change).await?;
    let ledger = recorded(&done)?;
    Ok(Told::created(|out| view::ledger_into(&ledger, out)).replayed(done.is_replay))
}

/// Shows a ledger.
#[utoipa::path(
    get, path = "/ledgers/{id}", tag = "ledger",
    params(("id" = String, Path, description = "the ledger's id, `general_ledger_id` (balances by \
        indicator) or `cards_ledger_id` (cards and pockets)")),
    responses(
        (status = 200, description = "the ledger", body = serde_json::Value),
        (status = 401, description = "no key, or an unknown one"),
        (status = 403, description = "the key is not for ledgers:read"),
        (status = 404, description = "no such ledger"),
        (status = 503, description = "busy: try again"),
    ),
)]
pub async fn get(request: HttpRequest, path: Path<String>, app: Data<App>) -> HttpResponse {
    answer(&request, &app, show(&request, &path, &app)).await
}

async fn show(request: &HttpRequest, id: &str, app: &App) -> Result<Told, Fault> {
    let caller = access::require(request, app, Resource::Ledgers, Action::Read)?;
    let name = Ledger::document_name(&caller.origin, id);
    // What is told stands on disk.
    let look = |registry: &Registry| registry.documents.get(Shelf::Ledger, &name).cloned();
    let text = app.engine.look_at_registry(look).await?;
    let ledger = read(id, text.as_ref()).ok_or_else(unknown)?;
    Ok(Told::ok(|out| view::ledger_into(&ledger, out)))
}

/// Names a ledger anew.
#[utoipa::path(
    put, path = "/ledgers/{id}", tag = "ledger",
    params(("id" = String, Path, description = "the ledger's id")),
    request_body = LedgerName,
    responses(
        (status = 200, description = "the ledger", body = serde_json::Value),
        (status = 400, description = "malformed: the field is named"),
        (status = 401, description = "no key, or an unknown one"),
        (status = 403, description = "the key is not for ledgers:write"),
        (status = 404, description = "no such ledger"),
        (status = 409, description = "the idempotency key was used for another request"),
        (status = 413, description = "the body is too large"),
        (status = 415, description = "the body is not JSON"),
        (status = 503, description = "busy: try again"),
    ),
)]
pub async fn put(
    request: HttpRequest,
    path: Path<String>,
    body: Body,
    app: Data<App>,
) -> HttpResponse {
    answer(&request, &app, rename(&request, &path, body, &app)).await
}

async fn rename(request: &HttpRequest, id: &str, body: Body, app: &App) -> Result<Told, Fault> {
    let caller = access::require(request, app, Resource::Ledgers, Action::Write)?;
    let bytes = face::bytes(request, body)?;
    let parsed: LedgerName<'_> = face::read(&bytes)?;
    check_name(&parsed.name)?;
    if Ledger::BUILT_IN.contains(&id) {
        let message = "this ledger is always there under this name";
        return Err(Fault::invalid("GEN_BAD_REQUEST", "id", message));
    }
    let keyed = face::keyed(request, &caller.origin, &bytes)?;
    let name = Ledger::document_name(&caller.origin, id);
    let change = |registry: &Registry, now: Timestamp| {
        let text = registry.documents.get(Shelf::Ledger, &name);
        let ledger = text.and_then(|text| Ledger::read(id, text));
        let ledger = Ledger {
            name: parsed.name.to_string(),
            ..ledger.ok_or_else(unknown)?
        };
        Ok(vec![set(&caller.origin, &ledger, now)?])
    };
    let done = app.engine.change_registry::<Fault>(keyed, change).await?;
    let ledger = recorded(&done)?;
    Ok(Told::ok(|out| view::ledger_into(&ledger, out)).replayed(done.is_replay))
}
