//! `/identities`: whose balances are, and their tokenized fields.
//!
//! An identity is a document of the registry. Of a tokenized field the document holds a token in its place and
//! the original under the vault's key: nobody who reads the document, a snapshot or the log from then on sees it.
//! The log keeps its history: what stood there in clear before stays in its older records.

pub mod given;
pub mod tokens;

use actix_web::{
    HttpRequest, HttpResponse,
    web::{self, Data, Path},
};
use serde_json::{Map, Value, json};
use utoipa::OpenApi;

use self::given::Given;
use super::{
    access::{self, Action, Resource},
    face::{self, new_id},
    fault::Fault,
    filter,
    reply::{Reply, answer, broken, check_metadata, is_id, read},
};
use crate::{
    actors::registrar::Recorded,
    books::identity::Identity,
    domain::{
        books::merge_into,
        documents::Shelf,
        registry::{Registry, RegistryEvent},
        time::Timestamp,
    },
    http::{App, body::Body, resource},
};

/// Adds the routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(
            resource("/identities")
                .route(web::post().to(create))
                .route(web::get().to(list)),
        )
        .service(
            resource("/identities/{id}")
                .route(web::get().to(get))
                .route(web::put().to(update))
                .route(web::delete().to(delete)),
        )
        .service(resource("/identities/{id}/tokenized-fields").route(web::get().to(tokens::fields)))
        .service(resource("/identities/{id}/tokenize").route(web::post().to(tokens::tokenize)))
        .service(
            resource("/identities/{id}/tokenize/{field}")
                .route(web::post().to(tokens::tokenize_one)),
        )
        .service(
            resource("/identities/{id}/detokenize")
                .route(web::get().to(tokens::detokenize_all))
                .route(web::post().to(tokens::detokenize)),
        )
        .service(
            resource("/identities/{id}/detokenize/{field}")
                .route(web::get().to(tokens::detokenize_one))
                .route(web::post().to(tokens::detokenize_one_by_post)),
        );
}

#[derive(OpenApi)]
#[openapi(
    paths(
        create,
        list,
        get,
        update,
        delete,
        tokens::fields,
        tokens::tokenize,
        tokens::tokenize_one,
        tokens::detokenize,
        tokens::detokenize_all,
        tokens::detokenize_one,
        tokens::detokenize_one_by_post,
    ),
    components(schemas(Given, tokens::Fields))
)]
struct Document;

/// Its part of the OpenAPI document.
#[must_use]
pub fn document() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

/// An identity as callers see it, from its document.
pub(super) fn shown(text: &str) -> Option<Value> {
    Identity::read(text).map(|identity| identity.view())
}

/// 404.
pub(super) fn no_identity() -> Fault {
    Fault::not_found("GEN_NOT_FOUND", "identity not found")
}

/// Whether an origin has that identity, as it is known now.
#[must_use]
pub fn exists(app: &App, origin: &str, id: &str) -> bool {
    let documents = &app.engine.shared.facts.documents;
    documents
        .get(Shelf::LedgerIdentity, &Identity::name_of(origin, id))
        .is_some()
}

/// An identity as it is on disk.
async fn look(app: &App, origin: &str, id: &str) -> Result<Identity, Fault> {
    let name = Identity::name_of(origin, id);
    let find = |registry: &Registry| {
        registry
            .documents
            .get(Shelf::LedgerIdentity, &name)
            .cloned()
    };
    let text = app.engine.look_at_registry(find).await?;
    let text = text.ok_or_else(no_identity)?;
    Identity::read(&text).ok_or_else(|| broken("identity"))
}

fn known(registry: &Registry, name: &str) -> Result<Identity, Fault> {
    let text = registry.documents.get(Shelf::LedgerIdentity, name);
    let text = text.ok_or_else(no_identity)?;
    Identity::read(text).ok_or_else(|| broken("identity"))
}

fn set(name: &str, kept: &Identity, at: Timestamp) -> Result<RegistryEvent, Fault> {
    Ok(RegistryEvent::DocumentSet {
        shelf: Shelf::LedgerIdentity,
        name: name.to_owned(),
        text: Some(kept.text().ok_or_else(|| broken("identity"))?.into()),
        at,
    })
}

/// The identity as the record has it.
fn recorded(done: &Recorded) -> Result<Identity, Fault> {
    face::recorded(done, Shelf::LedgerIdentity, |_, text| Identity::read(text))
}

/// Makes an identity.
#[utoipa::path(
    post, path = "/identities", tag = "ledger",
    request_body = Given,
    params(("Idempotency-Key" = Option<String>, Header, description = "same key: made once")),
    responses(
        (status = 201, description = "made", body = Object),
        (status = 400, description = "the field is named", body = Object),
        (status = 401, description = "no key, or one that is unknown or expired", body = Object),
        (status = 403, description = "the key has not the scope identities:write", body = Object),
        (status = 409, description = "there is one with that id, or the idempotency key was used otherwise", body = Object),
        (status = 413, description = "the body is too large", body = Object),
        (status = 415, description = "the body is not JSON", body = Object),
        (status = 503, description = "busy: try again", body = Object),
    ),
)]
pub async fn create(request: HttpRequest, body: Body, app: Data<App>) -> HttpResponse {
    let made = async {
        let caller = access::require(&request, &app, Resource::Identities, Action::Write)?;
        let (given, keyed) = read::<Given>(&request, body, &caller)?;
        given.check(true)?;
        let id = match &given.identity_id {
            Some(id) if is_id("idt_", id) => id.to_ascii_lowercase(),
            Some(_) => {
                let message = "identity_id must be idt_ and a UUID";
                let code = "GEN_VALIDATION_ERROR";
                return Err(Fault::invalid(code, "identity_id", message));
            }
            None => new_id("idt_")?,
        };
        let name = Identity::name_of(&caller.origin, &id);
        let change = |registry: &Registry, now: Timestamp| {
            if registry
                .documents
                .get(Shelf::LedgerIdentity, &name)
                .is_some()
            {
                let status = actix_web::http::StatusCode::CONFLICT;
                let message = "there is an identity with that id";
                return Err(Fault::new(status, "GEN_CONFLICT", message));
            }
            let mut kept = Identity::new(&id, now);
            given.put_into(&mut kept, &app.vault, &name)?;
            Ok(vec![set(&name, &kept, now)?])
        };
        let done = app.engine.change_registry::<Fault>(keyed, change).await?;
        let view = recorded(&done)?.view();
        Ok(Reply::created(&view, done.is_replay))
    };
    answer(&request, &app, made).await
}

/// Lists identities: `limit` (20 if it is not said), `offset`, `sort_by`, `sort_order`, and conditions as the
/// other lists take them.
#[utoipa::path(
    get, path = "/identities", tag = "ledger",
    responses(
        (status = 200, description = "the identities", body = Vec<serde_json::Value>),
        (status = 400, description = "the query is wrong", body = Object),
        (status = 401, description = "no key, or one that is unknown or expired", body = Object),
        (status = 403, description = "the key has not the scope identities:read", body = Object),
        (status = 503, description = "busy: try again", body = Object),
    ),
)]
pub async fn list(request: HttpRequest, app: Data<App>) -> HttpResponse {
    filter::list_identities(request, app).await
}

/// Shows an identity. A tokenized field shows its token.
#[utoipa::path(
    get, path = "/identities/{id}", tag = "ledger",
    params(("id" = String, Path, description = "the identity's id (idt_…)")),
    responses(
        (status = 200, description = "the identity", body = Object),
        (status = 401, description = "no key, or one that is unknown or expired", body = Object),
        (status = 403, description = "the key has not the scope identities:read", body = Object),
        (status = 404, description = "no such identity", body = Object),
        (status = 503, description = "busy: try again", body = Object),
    ),
)]
pub async fn get(request: HttpRequest, path: Path<String>, app: Data<App>) -> HttpResponse {
    let found = async {
        let caller = access::require(&request, &app, Resource::Identities, Action::Read)?;
        let kept = look(&app, &caller.origin, &path).await?;
        Ok(Reply::ok(&kept.view()))
    };
    answer(&request, &app, found).await
}

/// Changes an identity: what is not named stays. A new value of a tokenized field is tokenized too; its token
/// sent back changes nothing.
#[utoipa::path(
    put, path = "/identities/{id}", tag = "ledger",
    request_body = Given,
    params(
        ("id" = String, Path, description = "the identity's id (idt_…)"),
        ("Idempotency-Key" = Option<String>, Header, description = "same key, same answer"),
    ),
    responses(
        (status = 200, description = "as it is now", body = Object),
        (status = 400, description = "the field is named", body = Object),
        (status = 401, description = "no key, or one that is unknown or expired", body = Object),
        (status = 403, description = "the key has not the scope identities:write", body = Object),
        (status = 404, description = "no such identity", body = Object),
        (status = 409, description = "the idempotency key was used otherwise", body = Object),
        (status = 413, description = "the body is too large", body = Object),
        (status = 415, description = "the body is not JSON", body = Object),
        (status = 503, description = "busy: try again", body = Object),
    ),
)]
pub async fn update(
    request: HttpRequest,
    path: Path<String>,
    body: Body,
    app: Data<App>,
) -> HttpResponse {
    let updated = async {
        let caller = access::require(&request, &app, Resource::Identities, Action::Write)?;
        let (given, keyed) = read::<Given>(&request, body, &caller)?;
        given.check(false)?;
        if given.identity_id.as_ref().is_some_and(|id| *id != *path) {
            let message = "identity_id never changes: leave it out";
            let code = "GEN_VALIDATION_ERROR";
            return Err(Fault::invalid(code, "identity_id", message));
        }
        let name = Identity::name_of(&caller.origin, &path);
        // The vault's key is held until what it sealed is recorded.
        let hold = app.vault.hold();
        let change = |registry: &Registry, now: Timestamp| {
            let mut kept = known(registry, &name)?;
            given.put_into(&mut kept, &app.vault, &name)?;
            Ok(vec![set(&name, &kept, now)?])
        };
        let done = app.engine.change_registry::<Fault>(keyed, change).await?;
        drop(hold);
        Ok(Reply::ok(&recorded(&done)?.view()))
    };
    answer(&request, &app, updated).await
}

/// Removes an identity. Balances that name it keep its id.
#[utoipa::path(
    delete, path = "/identities/{id}", tag = "ledger",
    params(("id" = String, Path, description = "the identity's id (idt_…)")),
    responses(
        (status = 200, description = "removed", body = Object),
        (status = 401, description = "no key, or one that is unknown or expired", body = Object),
        (status = 403, description = "the key has not the scope identities:delete", body = Object),
        (status = 404, description = "no such identity", body = Object),
        (status = 503, description = "busy: try again", body = Object),
    ),
)]
pub async fn delete(request: HttpRequest, path: Path<String>, app: Data<App>) -> HttpResponse {
    let removed = async {
        let caller = access::require(&request, &app, Resource::Identities, Action::Delete)?;
        let name = Identity::name_of(&caller.origin, &path);
        let change = |registry: &Registry, at: Timestamp| {
            if registry
                .documents
                .get(Shelf::LedgerIdentity, &name)
                .is_none()
            {
                return Err(no_identity());
            }
            Ok(vec![RegistryEvent::DocumentSet {
                shelf: Shelf::LedgerIdentity,
                name: name.clone(),
                text: None,
                at,
            }])
        };
        app.engine.change_registry::<Fault>(None, change).await?;
        let view = json!({ "message": "Identity deleted successfully" });
        Ok(Reply::ok(&view))
    };
    answer(&request, &app, removed).await
}

/// Merges into an identity's own data; all of it as it is then.
pub(super) async fn merge_metadata(
    app: &App,
    origin: &str,
    id: &str,
    merge: &Map<String, Value>,
) -> Result<Value, Fault> {
    let name = Identity::name_of(origin, id);
    let change = |registry: &Registry, now: Timestamp| {
        let mut kept = known(registry, &name)?;
        merge_into(&mut kept.meta_data, merge);
        check_metadata(&kept.meta_data)?;
        Ok(vec![set(&name, &kept, now)?])
    };
    let done = app.engine.change_registry::<Fault>(None, change).await?;
    Ok(Value::Object(recorded(&done)?.meta_data))
}
