//! Holders: who the session is, what is known of a holder, and its aliases.

use std::sync::Arc;

use actix_web::{
    HttpRequest, HttpResponse,
    http::StatusCode,
    web::{self, Data, Path},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::{
    super::{App, access, body::Body, problem::Problem, resource},
    problem::ErrorView,
    query::Params,
    request::{self, Reply, Write, answer, caller, key_space, record_id},
    session,
};
use crate::{
    actors::registrar::{Keyed, Principal, hash_of, hex},
    domain::{
        identity::{Identity, IdentityError, IdentityKind, IdentityStatus, urn},
        registry::{Registry, RegistryEvent},
        time::Timestamp,
    },
};

/// Adds the routes of holders. Fixed names come before URNs.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(
            resource("/api/identities/me")
                .route(web::get().to(me))
                .route(web::patch().to(patch_me)),
        )
        .service(resource("/api/identities/me/aliases").route(web::get().to(my_aliases)))
        .service(
            resource("/api/identities/{urn}")
                .route(web::get().to(get))
                .route(web::patch().to(patch)),
        )
        .service(resource("/api/identities/{urn}/aliases").route(web::get().to(aliases)))
        .service(resource("/api/aliases").route(web::get().to(resolve)));
}

/// A change of what is known of a holder.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct IdentityPatch {
    /// Keys to set; a null removes its key. At most 8 KiB together.
    #[schema(value_type = Option<Object>)]
    profile: Option<Map<String, Value>>,
    /// Keys to set; a null removes its key. At most 32 KiB together.
    #[schema(value_type = Option<Object>)]
    metadata: Option<Map<String, Value>>,
    /// disabled (its sessions end and it gets none) or active: for the programme's key. Its cards go on.
    #[schema(example = "active")]
    status: Option<String>,
}

/// 404.
#[must_use]
pub fn not_found() -> Problem {
    Problem::not_found("identity_not_found", "identity not found")
}

/// 400 with the field.
#[must_use]
pub fn wrong(error: &IdentityError) -> Problem {
    Problem::malformed(error.field.clone(), error.to_string())
}

/// The holder that an event registered or changed.
#[must_use]
pub fn identity_in(event: &RegistryEvent) -> Option<&Arc<Identity>> {
    match event {
        RegistryEvent::IdentityRegistered(identity) | RegistryEvent::IdentityChanged(identity) => {
            Some(identity)
        }
        RegistryEvent::OriginOpened(_)
        | RegistryEvent::KeyIssued(_)
        | RegistryEvent::KeyRevoked { .. }
        | RegistryEvent::RatesAccepted { .. }
        | RegistryEvent::OriginMetadataChanged { .. }
        | RegistryEvent::ListFetched { .. }
        | RegistryEvent::SigningKeyMade { .. }
        | RegistryEvent::KeyRotated { .. }
        | RegistryEvent::DocumentSet { .. }
        | RegistryEvent::WebhookSecretSet { .. } => None,
    }
}

/// A holder of an origin.
///
/// # Errors
///
/// [`Problem`] if the registry cannot be looked at now.
pub async fn find(app: &App, origin: &str, urn: &str) -> Result<Option<Arc<Identity>>, Problem> {
    let look = |registry: &Registry| registry.identities.get(urn).cloned();
    let found = app.engine.look_at_registry(look).await?;
    Ok(found.filter(|identity| identity.origin == origin))
}

/// The session's own URN: the holder's, or for a key the origin's own.
fn own_urn(caller: &Principal) -> String {
    let holder = caller.holder.as_deref().map(str::to_owned);
    holder.unwrap_or_else(|| urn(&caller.origin, &caller.origin))
}

/// An origin's own identity, until something is said of it.
fn unsaid(registry: &Registry, origin: &str) -> Option<Arc<Identity>> {
    let created_at = registry.origin(origin)?.created_at;
    Some(Arc::new(Identity {
        origin: origin.to_owned(),
        alias: origin.to_owned(),
        kind: IdentityKind::Other,
        status: IdentityStatus::Active,
        profile: "{}".to_owned(),
        metadata: "{}".to_owned(),
        created_at,
        updated_at: created_at,
    }))
}

/// The identity of that URN, if it is there for the caller.
fn seen_by(caller: &Principal, registry: &Registry, wanted: &str) -> Option<Arc<Identity>> {
    if !access::may_see(caller, wanted) {
        return None;
    }
    let origin = &*caller.origin;
    let known = registry.identities.get(wanted).cloned();
    known
        .filter(|identity| identity.origin == origin)
        .or_else(|| {
            let is_own = wanted == urn(origin, origin);
            is_own.then(|| unsaid(registry, origin)).flatten()
        })
}

async fn look(app: &App, caller: &Principal, wanted: &str) -> Result<Arc<Identity>, Problem> {
    let seen = |registry: &Registry| seen_by(caller, registry, wanted);
    let found = app.engine.look_at_registry(seen).await?;
    found.ok_or_else(not_found)
}

fn view(identity: &Identity) -> Value {
    json!({
        "urn": identity.urn(),
        "origin": identity.origin,
        "alias": identity.alias,
        "type": identity.kind.word(),
        "profile": object(&identity.profile),
        "status": identity.status.word(),
        "metadata": object(&identity.metadata),
        "created_at": identity.created_at.to_string(),
        "updated_at": identity.updated_at.to_string(),
    })
}

fn object(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| json!({}))
}

/// Who the session is: the holder, or for a key the origin itself.
#[utoipa::path(
    get, path = "/api/identities/me", tag = "programme",
    responses(
        (status = 200, description = "the identity", body = Object),
        (status = 401, description = "no key, or an unknown one", body = ErrorView),
        (status = 404, description = "there is no such identity", body = ErrorView),
        (status = 503, description = "busy: try again", body = ErrorView),
    ),
)]
pub async fn me(request: HttpRequest, app: Data<App>) -> HttpResponse {
    let found = async {
        // Whatever a key allows, it may ask whose it is.
        let caller = access::anyone(&request, &app)?;
        let identity = look(&app, &caller, &own_urn(&caller)).await?;
        Reply::new(StatusCode::OK, &view(&identity))
    };
    answer(&request, &app, found).await
}

/// Shows a holder.
#[utoipa::path(
    get, path = "/api/identities/{urn}", tag = "programme",
    params(("urn" = String, Path, description = "the holder's URN, colons as they are")),
    responses(
        (status = 200, description = "the identity", body = Object),
        (status = 401, description = "no key, or an unknown one", body = ErrorView),
        (status = 403, description = "the key has not the scope programme", body = ErrorView),
        (status = 404, description = "there is no such identity", body = ErrorView),
        (status = 503, description = "busy: try again", body = ErrorView),
    ),
)]
pub async fn get(request: HttpRequest, path: Path<String>, app: Data<App>) -> HttpResponse {
    let found = async {
        let caller = caller(&request, &app)?;
        let identity = look(&app, &caller, &path).await?;
        Reply::new(StatusCode::OK, &view(&identity))
    };
    answer(&request, &app, found).await
}

/// Changes what is known of the session's identity.
#[utoipa::path(
    patch, path = "/api/identities/me", tag = "programme",
    request_body = IdentityPatch,
    params(("Idempotency-Key" = Option<String>, Header, description = "same key, same answer")),
    responses(
        (status = 200, description = "as it is now", body = Object),
        (status = 400, description = "the field is named", body = ErrorView),
        (status = 401, description = "no key, or an unknown one", body = ErrorView),
        (status = 403, description = "the key has not the scope programme", body = ErrorView),
        (status = 404, description = "there is no such identity", body = ErrorView),
        (status = 409, description = "the idempotency key was used otherwise", body = ErrorView),
        (status = 413, description = "the body is too large", body = ErrorView),
        (status = 415, description = "the body is not JSON", body = ErrorView),
        (status = 503, description = "busy: try again", body = ErrorView),
    ),
)]
pub async fn patch_me(request: HttpRequest, body: Body, app: Data<App>) -> HttpResponse {
    answer(&request, &app, change(&request, None, body, &app)).await
}

/// Changes what is known of a holder.
#[utoipa::path(
    patch, path = "/api/identities/{urn}", tag = "programme",
    request_body = IdentityPatch,
    params(
        ("urn" = String, Path, description = "the holder's URN, colons as they are"),
        ("Idempotency-Key" = Option<String>, Header, description = "same key, same answer"),
    ),
    responses(
        (status = 200, description = "as it is now", body = Object),
        (status = 400, description = "the field is named", body = ErrorView),
        (status = 401, description = "no key, or an unknown one", body = ErrorView),
        (status = 403, description = "the key has not the scope programme", body = ErrorView),
        (status = 404, description = "there is no such identity", body = ErrorView),
        (status = 409, description = "the idempotency key was used otherwise", body = ErrorView),
        (status = 413, description = "the body is too large", body = ErrorView),
        (status = 415, description = "the body is not JSON", body = ErrorView),
        (status = 503, description = "busy: try again", body = ErrorView),
    ),
)]
pub async fn patch(
    request: HttpRequest,
    path: Path<String>,
    body: Body,
    app: Data<App>,
) -> HttpResponse {
    answer(&request, &app, change(&request, Some(&path), body, &app)).await
}

async fn change(
    request: &HttpRequest,
    named: Option<&str>,
    bytes: Body,
    app: &App,
) -> Result<Reply, Problem> {
    let write: Write<IdentityPatch> = request::write(request, bytes, app)?;
    let caller = &write.caller;
    let wanted = named.map_or_else(|| own_urn(caller), str::to_owned);
    let (profile, metadata) = (&write.body.profile, &write.body.metadata);
    let status = wanted_status(write.body.status.as_deref(), caller, &wanted)?;
    if profile.is_none() && metadata.is_none() && status.is_none() {
        let message = "body must have profile, metadata or status";
        return Err(Problem::malformed("body", message));
    }
    let keyed = write.idempotency.as_ref().map(|key| Keyed {
        key: key.key(key_space(caller)),
        fingerprint: key.fingerprint,
    });
    let nothing = Map::new();
    let change = |registry: &Registry, now: Timestamp| {
        let known = seen_by(caller, registry, &wanted).ok_or_else(not_found)?;
        let profile = profile.as_ref().unwrap_or(&nothing);
        let metadata = metadata.as_ref().unwrap_or(&nothing);
        let patched = known.patched(profile, metadata, now);
        let mut patched = patched.map_err(|error| wrong(&error))?;
        patched.status = status.unwrap_or(patched.status);
        Ok(vec![RegistryEvent::IdentityChanged(Arc::new(patched))])
    };
    let recorded = app.engine.change_registry::<Problem>(keyed, change).await?;
    let identity = recorded.events.iter().find_map(identity_in);
    let identity =
        identity.ok_or_else(|| Problem::from(crate::actors::EngineError::KeyConflict))?;
    let view = json!({
        "result": { "identity": view(identity) },
        "req_id": record_id(recorded.lsn),
    });
    Ok(Reply::new(StatusCode::OK, &view)?.replayed(recorded.is_replay))
}

/// The status that is asked for. A holder sets none, and the programme itself has but one.
fn wanted_status(
    word: Option<&str>,
    caller: &Principal,
    wanted: &str,
) -> Result<Option<IdentityStatus>, Problem> {
    let Some(word) = word else {
        return Ok(None);
    };
    let status = match word {
        "active" => IdentityStatus::Active,
        "disabled" => IdentityStatus::Disabled,
        _ => {
            let message = "status must be active or disabled";
            return Err(Problem::malformed("status", message));
        }
    };
    if caller.holder.is_some() {
        let message = "status is the programme's to set, not the holder's";
        return Err(session::forbidden("status", message));
    }
    if wanted == urn(&caller.origin, &caller.origin) {
        let message = "status: the programme itself is always active";
        return Err(Problem::malformed("status", message));
    }
    Ok(Some(status))
}

fn alias_view(identity: &Identity, (kind, alias): (&str, &str), is_primary: bool) -> Value {
    let urn = identity.urn();
    let id = hash_of(&format!("{urn}\n{kind}\n{alias}"));
    json!({
        "id": format!("als_{}", hex(id.get(..8).unwrap_or_default())),
        "alias": alias,
        "type": kind,
        "urn": urn,
        "origin": identity.origin,
        "details": {},
        "metadata": { "alias": alias },
        "status": identity.status.word(),
        "is_public": is_primary,
        "is_primary": is_primary,
        "created_at": identity.created_at.to_string(),
        "updated_at": identity.updated_at.to_string(),
    })
}

/// The alias that is the URN's, then the contacts.
fn aliases_of(identity: &Identity) -> Vec<Value> {
    let profile = object(&identity.profile);
    let mut views = vec![alias_view(identity, ("alias", &identity.alias), true)];
    for kind in ["email", "phone"] {
        if let Some(contact) = profile.get(kind).and_then(Value::as_str) {
            views.push(alias_view(identity, (kind, contact), false));
        }
    }
    views
}

/// Lists the aliases of the session's identity.
#[utoipa::path(
    get, path = "/api/identities/me/aliases", tag = "programme",
    responses(
        (status = 200, description = "the aliases", body = Vec<serde_json::Value>),
        (status = 401, description = "no key, or an unknown one", body = ErrorView),
        (status = 403, description = "the key has not the scope programme", body = ErrorView),
        (status = 404, description = "there is no such identity", body = ErrorView),
        (status = 503, description = "busy: try again", body = ErrorView),
    ),
)]
pub async fn my_aliases(request: HttpRequest, app: Data<App>) -> HttpResponse {
    let found = async {
        let caller = caller(&request, &app)?;
        let identity = look(&app, &caller, &own_urn(&caller)).await?;
        Reply::new(StatusCode::OK, &aliases_of(&identity))
    };
    answer(&request, &app, found).await
}

/// Lists the aliases of a holder.
#[utoipa::path(
    get, path = "/api/identities/{urn}/aliases", tag = "programme",
    params(("urn" = String, Path, description = "the holder's URN, colons as they are")),
    responses(
        (status = 200, description = "the aliases", body = Vec<serde_json::Value>),
        (status = 401, description = "no key, or an unknown one", body = ErrorView),
        (status = 403, description = "the key has not the scope programme", body = ErrorView),
        (status = 404, description = "there is no such identity", body = ErrorView),
        (status = 503, description = "busy: try again", body = ErrorView),
    ),
)]
pub async fn aliases(request: HttpRequest, path: Path<String>, app: Data<App>) -> HttpResponse {
    let found = async {
        let caller = caller(&request, &app)?;
        let identity = look(&app, &caller, &path).await?;
        Reply::new(StatusCode::OK, &aliases_of(&identity))
    };
    answer(&request, &app, found).await
}

/// Tells whose an alias is. Contacts are not found here.
#[utoipa::path(
    get, path = "/api/aliases", tag = "programme",
    params(("alias" = String, Query, description = "an alias, or a holder's URN, which is one \
        origin's for sure")),
    responses(
        (status = 200, description = "the alias", body = Object),
        (status = 400, description = "a wrong parameter: it is named", body = ErrorView),
        (status = 404, description = "nobody's", body = ErrorView),
        (status = 409, description = "holders of several origins have it: ask for the URN", body = ErrorView),
        (status = 503, description = "busy: try again", body = ErrorView),
    ),
)]
pub async fn resolve(request: HttpRequest, app: Data<App>) -> HttpResponse {
    let found = async {
        let params = Params::read(&request, &["alias"], &[])?;
        let alias = params.one("alias");
        let alias = alias.ok_or_else(|| Problem::malformed("alias", "alias is missing"))?;
        let look = |registry: &Registry| -> Vec<Arc<Identity>> {
            let known = |urn: &str| registry.identities.get(urn).cloned();
            if alias.contains(':') {
                return known(alias).into_iter().collect();
            }
            let origins = registry.origins.iter();
            origins
                .filter_map(|origin| known(&urn(&origin.name, alias)))
                .collect()
        };
        match app.engine.look_at_registry(look).await?.as_slice() {
            [one] => {
                let view = alias_view(one, ("alias", &one.alias), true);
                Reply::new(StatusCode::OK, &view)
            }
            [] => Err(Problem::not_found("alias_not_found", "alias not found")),
            [_, _, ..] => {
                let message = "holders of several origins have this alias: ask for one's URN";
                Err(Problem::conflict("alias_ambiguous", message))
            }
        }
    };
    answer(&request, &app, found).await
}
