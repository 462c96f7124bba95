//! `/api-keys`: keys with scopes and an end.
//!
//! Each is a key of the registry like any other, with the scope `ledger`, and a document beside it that says
//! whose it is and what of this face it may. A key may make none that may more than itself.

use actix_web::{
    HttpRequest, HttpResponse,
    http::StatusCode,
    web::{self, Data, Path, Query},
};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::{OpenApi, ToSchema};

use super::{
    access::{self, Action, Caller, Grants, KeyNote, Resource},
    fault::Fault,
    reply::{Reply, answer, broken, check_text, read},
};
use crate::{
    actors::registrar::{hash_of, hex},
    books::view::NO_TIME,
    domain::{
        documents::Shelf,
        registry::{ApiKey, NO_METADATA, Registry, RegistryEvent, Scope, Scopes},
        time::Timestamp,
    },
    http::{App, body::Body, operator::keys::new_secret, programme::keys::shown_once, resource},
};

/// The most keys of one origin that live at a time.
const KEYS_MAX: usize = 1_000;
/// The most scopes of one key.
const SCOPES_MAX: usize = 64;

/// Adds the routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(
            resource("/api-keys")
                .route(web::post().to(create))
                .route(web::get().to(list)),
        )
        .service(resource("/api-keys/{id}").route(web::delete().to(revoke)));
}

#[derive(OpenApi)]
#[openapi(paths(create, list, revoke), components(schemas(NewLedgerKey)))]
struct Document;

/// Its part of the OpenAPI document.
#[must_use]
pub fn document() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

/// A new key.
#[derive(Deserialize, ToSchema)]
pub struct NewLedgerKey {
    /// For people.
    name: String,
    /// Whose it is, in the caller's words.
    owner: String,
    /// What it may: `resource:action`, `*` for all of either, or `*`.
    scopes: Vec<String>,
    /// When it ends: RFC 3339.
    expires_at: String,
}

/// Whose keys.
#[derive(Deserialize)]
pub struct Owned {
    owner: Option<String>,
}

fn invalid(field: &str, message: impl Into<String>) -> Fault {
    Fault::invalid("APIKEY_INVALID", field, message)
}

fn forbidden(code: &'static str, message: &str) -> Fault {
    Fault::new(StatusCode::FORBIDDEN, code, message)
}

/// Makes a key. The secret is shown once, and again to a retry under the same `Idempotency-Key` within ten
/// minutes.
#[utoipa::path(
    post, path = "/api-keys", tag = "ledger",
    request_body = NewLedgerKey,
    params(("Idempotency-Key" = Option<String>, Header, description = "same key: made once")),
    responses(
        (status = 201, description = "made, with its secret", body = Object),
        (status = 400, description = "the field is named", body = Object),
        (status = 401, description = "no key, or one that is unknown or expired", body = Object),
        (status = 403, description = "no such scope, more than the caller may, or for another owner", body = Object),
        (status = 409, description = "too many keys, or the idempotency key was used otherwise", body = Object),
        (status = 413, description = "the body is too large", body = Object),
        (status = 415, description = "the body is not JSON", body = Object),
        (status = 503, description = "busy: try again", body = Object),
    ),
)]
pub async fn create(request: HttpRequest, body: Body, app: Data<App>) -> HttpResponse {
    answer(&request, &app, make(&request, body, &app)).await
}

async fn make(request: &HttpRequest, bytes: Body, app: &App) -> Result<Reply, Fault> {
    let caller = access::require(request, app, Resource::ApiKeys, Action::Write)?;
    let (wanted, keyed) = read::<NewLedgerKey>(request, bytes, &caller)?;
    let end = check(&wanted, &caller, app)?;
    let secret = new_secret("ledger")?;
    let hash = hash_of(&secret);
    let id = format!("key_{}", hex(hash.get(..8).unwrap_or_default()));
    let note = KeyNote {
        owner: wanted.owner,
        scopes: wanted.scopes,
    };
    let text = serde_json::to_string(&note).map_err(|_| broken("key"))?;
    let change = |registry: &Registry, now: Timestamp| {
        if end <= now {
            return Err(invalid("expires_at", "expires_at must be in the future"));
        }
        let own = registry
            .keys
            .iter()
            .filter(|key| *key.origin == *caller.origin);
        if own.filter(|key| key.status(now) == "active").count() >= KEYS_MAX {
            let message = format!("an origin has at most {KEYS_MAX} keys: revoke some");
            return Err(Fault::new(StatusCode::CONFLICT, "GEN_CONFLICT", message));
        }
        // The document first: no moment in which the key may everything.
        Ok(vec![
            RegistryEvent::DocumentSet {
                shelf: Shelf::LedgerKey,
                name: id.clone(),
                text: Some(text.as_str().into()),
                at: now,
            },
            RegistryEvent::KeyIssued(ApiKey {
                id: id.clone(),
                origin: caller.origin.to_string(),
                name: wanted.name.clone(),
                hash,
                scopes: Scopes::of(&[Scope::Ledger]),
                created_at: now,
                revoked_at: None,
                expires_at: Some(end),
                domains: Vec::new(),
                metadata: NO_METADATA.to_owned(),
                generation: 0,
            }),
        ])
    };
    let recorded = app.engine.change_registry::<Fault>(keyed, change).await?;
    let key = recorded.events.iter().find_map(issued);
    let key = key.ok_or_else(|| Fault::from(crate::actors::EngineError::KeyConflict))?;
    let note = recorded
        .events
        .iter()
        .find_map(noted)
        .ok_or_else(|| broken("key"))?;
    let secret = shown_once(app, &recorded, secret)?;
    let view = view(app, key, &note, &secret);
    Ok(Reply::created(&view, recorded.is_replay))
}

fn issued(event: &RegistryEvent) -> Option<&ApiKey> {
    if let RegistryEvent::KeyIssued(key) = event {
        return Some(key);
    }
    None
}

fn noted(event: &RegistryEvent) -> Option<KeyNote> {
    if let RegistryEvent::DocumentSet { shelf, text, .. } = event
        && *shelf == Shelf::LedgerKey
    {
        return serde_json::from_str(text.as_deref()?).ok();
    }
    None
}

/// When it ends, if it may be made.
fn check(wanted: &NewLedgerKey, caller: &Caller, app: &App) -> Result<Timestamp, Fault> {
    if wanted.name.is_empty() {
        return Err(invalid("name", "name is required"));
    }
    check_text("name", &wanted.name, 128)?;
    if wanted.owner.is_empty() {
        let message = "owner is required";
        return Err(Fault::invalid("APIKEY_OWNER_REQUIRED", "owner", message));
    }
    check_text("owner", &wanted.owner, 256)?;
    if wanted.scopes.is_empty() || wanted.scopes.len() > SCOPES_MAX {
        let message = format!("scopes must have 1 to {SCOPES_MAX} items");
        return Err(invalid("scopes", message));
    }
    let grants = Grants::of_all(&wanted.scopes).ok_or_else(|| {
        let message = "scopes must be resource:action such as ledgers:read, transactions:* or *";
        invalid("scopes", message)
    })?;
    let end = wanted.expires_at.trim().parse();
    let end = end.map_err(|error| invalid("expires_at", format!("expires_at {error}")))?;
    if let Some(own) = caller.granted(app) {
        if own.owner != wanted.owner {
            let message = "this key may make keys for its own owner only";
            return Err(forbidden("AUTH_CROSS_OWNER_ACCESS", message));
        }
        if !own.grants.hold(grants) {
            let message = "a key may not make one that may more than itself";
            return Err(forbidden("AUTH_SCOPE_ESCALATION", message));
        }
    }
    Ok(end)
}

/// Of a key that lived before this start and was not used since, the last use is not known.
fn view(app: &App, key: &ApiKey, note: &KeyNote, secret: &str) -> Value {
    let used = app.engine.registrar.last_used(&key.id);
    let end = key.expires_at.map(|end| end.to_string());
    let mut view = json!({
        "api_key_id": key.id,
        "key": secret,
        "name": key.name,
        "owner_id": note.owner,
        "scopes": note.scopes,
        "expires_at": end.unwrap_or_else(|| NO_TIME.to_owned()),
        "created_at": key.created_at.to_string(),
        "last_used_at": used.map_or_else(|| NO_TIME.to_owned(), |at| at.to_string()),
        "is_revoked": key.revoked_at.is_some(),
    });
    if let (Some(at), Some(object)) = (key.revoked_at, view.as_object_mut()) {
        object.insert("revoked_at".to_owned(), json!(at.to_string()));
    }
    view
}

/// Whose keys the caller may see: everyone's if none is named and it is the master key's.
fn owner_for(caller: &Caller, app: &App, wanted: Option<String>) -> Result<Option<String>, Fault> {
    let Some(own) = caller.granted(app) else {
        return Ok(wanted);
    };
    if wanted.is_some_and(|wanted| wanted != own.owner) {
        let message = "this key sees the keys of its own owner only";
        return Err(forbidden("AUTH_CROSS_OWNER_ACCESS", message));
    }
    Ok(Some(own.owner.clone()))
}

fn query(request: &HttpRequest) -> Result<Option<String>, Fault> {
    let query = Query::<Owned>::from_query(request.query_string());
    let query = query.map_err(|error| {
        Fault::invalid(
            "GEN_MALFORMED_REQUEST",
            "owner",
            format!("the query: {error}"),
        )
    })?;
    Ok(query.into_inner().owner.filter(|owner| !owner.is_empty()))
}

/// Lists the keys that were made here, without their secrets.
#[utoipa::path(
    get, path = "/api-keys", tag = "ledger",
    params(("owner" = Option<String>, Query, description = "only this owner's")),
    responses(
        (status = 200, description = "the keys; last_used_at is since the server started", body = Object),
        (status = 400, description = "the query is wrong", body = Object),
        (status = 401, description = "no key, or one that is unknown or expired", body = Object),
        (status = 403, description = "no such scope, or another owner's", body = Object),
        (status = 503, description = "busy: try again", body = Object),
    ),
)]
pub async fn list(request: HttpRequest, app: Data<App>) -> HttpResponse {
    let listed = async {
        let caller = access::require(&request, &app, Resource::ApiKeys, Action::Read)?;
        let owner = owner_for(&caller, &app, query(&request)?)?;
        let own = |registry: &Registry| -> Vec<(ApiKey, KeyNote)> {
            let keys = registry.keys.iter();
            let keys = keys.filter(|key| *key.origin == *caller.origin);
            keys.filter_map(|key| Some((key.clone(), note_of(registry, &key.id)?)))
                .collect()
        };
        let keys = app.engine.look_at_registry(own).await?;
        let shown = keys
            .iter()
            .filter(|(_, note)| owner.as_ref().is_none_or(|owner| *owner == note.owner));
        let views = shown.map(|(key, note)| view(&app, key, note, "")).collect();
        Ok(Reply::ok(&Value::Array(views)))
    };
    answer(&request, &app, listed).await
}

fn note_of(registry: &Registry, id: &str) -> Option<KeyNote> {
    let text = registry.documents.get(Shelf::LedgerKey, id)?;
    serde_json::from_str(text).ok()
}

/// Revokes a key: it ends at once, and what it was stays listed.
#[utoipa::path(
    delete, path = "/api-keys/{id}", tag = "ledger",
    params(
        ("id" = String, Path, description = "the key's id (key_…)"),
        ("owner" = Option<String>, Query, description = "only if it is this owner's"),
    ),
    responses(
        (status = 204, description = "revoked"),
        (status = 400, description = "the query is wrong", body = Object),
        (status = 401, description = "no key, or one that is unknown or expired", body = Object),
        (status = 403, description = "no such scope, or another owner's", body = Object),
        (status = 404, description = "no such live key", body = Object),
        (status = 503, description = "busy: try again", body = Object),
    ),
)]
pub async fn revoke(request: HttpRequest, path: Path<String>, app: Data<App>) -> HttpResponse {
    let revoked = async {
        let caller = access::require(&request, &app, Resource::ApiKeys, Action::Delete)?;
        let wanted = query(&request)?;
        let is_named = wanted.is_some();
        let owner = owner_for(&caller, &app, wanted)?;
        let change = |registry: &Registry, now: Timestamp| {
            let is_it = |key: &&ApiKey| {
                *key.origin == *caller.origin && key.id == *path && key.revoked_at.is_none()
            };
            let key = registry.keys.iter().find(is_it);
            let note = key.and_then(|key| note_of(registry, &key.id));
            let note = note.ok_or_else(no_key)?;
            if owner.as_ref().is_some_and(|owner| *owner != note.owner) {
                // To a key of another owner it says so; one that was named is not that owner's.
                if is_named {
                    return Err(no_key());
                }
                let message = "this key revokes keys of its own owner only";
                return Err(forbidden("AUTH_CROSS_OWNER_ACCESS", message));
            }
            let id = path.to_string();
            Ok(vec![RegistryEvent::KeyRevoked { id, at: now }])
        };
        app.engine.change_registry::<Fault>(None, change).await?;
        Ok(Reply::nothing())
    };
    answer(&request, &app, revoked).await
}

fn no_key() -> Fault {
    Fault::not_found("APIKEY_NOT_FOUND", "API key not found")
}
