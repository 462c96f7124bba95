//! What an origin says of all its cards, for two faces: `PATCH /api/origins/{origin}/metadata`, whose
//! key stands in the body, and `GET` and `PATCH /v1/origins/{origin}/metadata`.

use actix_web::{
    HttpRequest, HttpResponse,
    http::StatusCode,
    web::{Data, Path},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    App, access,
    body::{self, Body},
    mark_replay,
    problem::Problem,
    programme::{
        problem::ErrorView,
        request::{self, Idempotency, Reply, idempotency},
    },
    request_id,
};
use crate::{
    actors::registrar::{Keyed, Recorded},
    domain::{
        outcome::Rejection,
        policy::origin,
        registry::{RegistryEvent, Scope},
    },
};

/// A change of an origin's metadata by its key.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyedPatch {
    /// A key of that origin, with the scope programme or operator.
    api_key: String,
    /// The keys to set; a null removes its key.
    #[schema(value_type = Object)]
    metadata: Map<String, Value>,
}

/// A change of an origin's metadata.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MetadataPatch {
    /// The keys to set; a null removes its key.
    #[schema(value_type = Object)]
    metadata: Map<String, Value>,
}

/// Changes what an origin says of all its cards, by the key in the body.
#[utoipa::path(
    patch, path = "/api/origins/{origin}/metadata", tag = "programme",
    request_body = KeyedPatch,
    params(
        ("origin" = String, Path, description = "the origin's name"),
        ("Idempotency-Key" = Option<String>, Header, description = "same key, same answer"),
    ),
    responses(
        (status = 200, description = "as it is now", body = serde_json::Value),
        (status = 400, description = "the field is named", body = ErrorView),
        (status = 401, description = "an unknown key", body = ErrorView),
        (status = 403, description = "the key is not of that origin, or has neither the scope \
            programme nor operator", body = ErrorView),
        (status = 409, description = "the idempotency key was used otherwise", body = ErrorView),
        (status = 413, description = "the body is too large", body = ErrorView),
        (status = 415, description = "the body is not JSON", body = ErrorView),
        (status = 503, description = "busy: try again", body = ErrorView),
    ),
)]
pub async fn patch_by_key(
    request: HttpRequest,
    path: Path<String>,
    body: Body,
    app: Data<App>,
) -> HttpResponse {
    request::answer(&request, &app, by_key(&request, &path, body, &app)).await
}

async fn by_key(
    request: &HttpRequest,
    name: &str,
    bytes: Body,
    app: &App,
) -> Result<Reply, Problem> {
    body::require_json(request)?;
    let bytes = body::bytes(bytes)?;
    let wanted: KeyedPatch = body::parse(&bytes)?;
    let problem = |status: StatusCode, code: &'static str, message: &str| {
        let mut problem = Problem::new(status, code, message);
        problem.field = Some("api_key".to_owned());
        Err(problem)
    };
    let Some(principal) = access::behind_key(&wanted.api_key, app) else {
        let message = "unauthorized: api_key is unknown or revoked";
        return problem(StatusCode::UNAUTHORIZED, "unauthorized", message);
    };
    if *principal.origin != *name {
        let message = "api_key is not a key of this origin";
        return problem(StatusCode::FORBIDDEN, "forbidden", message);
    }
    let scopes = principal.scopes;
    if !scopes.allow(Scope::Programme) && !scopes.allow(Scope::Operator) {
        let message = "api_key has neither the scope programme nor operator";
        return problem(StatusCode::FORBIDDEN, "forbidden", message);
    }
    let key = idempotency(request, &bytes)?;
    let recorded = change(app, name, &wanted.metadata, key.as_ref()).await?;
    Ok(Reply::new(StatusCode::OK, &changed(name, &recorded))?.replayed(recorded.is_replay))
}

/// Tells what an origin says of all its cards.
#[utoipa::path(
    get, path = "/v1/origins/{origin}/metadata", tag = "operator",
    params(("origin" = String, Path, description = "the origin's name")),
    responses(
        (status = 200, description = "as it is now", body = serde_json::Value),
        (status = 401, description = "no key, or an unknown one"),
        (status = 403, description = "the key has not the scope operator"),
        (status = 404, description = "no such origin, or another's key without the scope root"),
        (status = 503, description = "busy: try again"),
    ),
)]
pub async fn get(request: HttpRequest, path: Path<String>, app: Data<App>) -> HttpResponse {
    let id = request_id(&request, &app);
    let told = async {
        admit(&request, &path, &app)?;
        let name = path.as_str();
        let find = |registry: &crate::domain::registry::Registry| {
            registry.origin(name).map(|origin| origin.metadata.clone())
        };
        let metadata = app.engine.look_at_registry(find).await?;
        let metadata = metadata.ok_or_else(no_origin)?;
        Ok::<_, Problem>(json!({ "origin_name": name, "metadata": value(&metadata) }))
    };
    match told.await {
        Ok(view) => HttpResponse::Ok()
            .insert_header(("x-request-id", id))
            .json(view),
        Err(problem) => problem.respond(&id),
    }
}

/// Changes what an origin says of all its cards.
#[utoipa::path(
    patch, path = "/v1/origins/{origin}/metadata", tag = "operator",
    request_body = MetadataPatch,
    params(
        ("origin" = String, Path, description = "the origin's name"),
        ("Idempotency-Key" = Option<String>, Header, description = "same key, same answer"),
    ),
    responses(
        (status = 200, description = "as it is now", body = serde_json::Value),
        (status = 400, description = "malformed: the field is named"),
        (status = 401, description = "no key, or an unknown one"),
        (status = 403, description = "the key has not the scope operator"),
        (status = 404, description = "no such origin, or another's key without the scope root"),
        (status = 409, description = "the idempotency key was used otherwise"),
        (status = 413, description = "the body is too large"),
        (status = 415, description = "the body is not JSON"),
        (status = 503, description = "busy: try again"),
    ),
)]
pub async fn patch(
    request: HttpRequest,
    path: Path<String>,
    body: Body,
    app: Data<App>,
) -> HttpResponse {
    let id = request_id(&request, &app);
    match by_operator(&request, &path, body, &app).await {
        Ok(recorded) => {
            let mut response = HttpResponse::Ok()
                .insert_header(("x-request-id", id))
                .json(changed(&path, &recorded));
            if recorded.is_replay {
                mark_replay(&mut response);
            }
            response
        }
        Err(problem) => problem.respond(&id),
    }
}

async fn by_operator(
    request: &HttpRequest,
    name: &str,
    bytes: Body,
    app: &App,
) -> Result<Recorded, Problem> {
    admit(request, name, app)?;
    body::require_json(request)?;
    let bytes = body::bytes(bytes)?;
    let wanted: MetadataPatch = body::parse(&bytes)?;
    let key = idempotency(request, &bytes)?;
    change(app, name, &wanted.metadata, key.as_ref()).await
}

/// An operator's key is for its own origin; with the scope root, for every one.
fn admit(request: &HttpRequest, name: &str, app: &App) -> Result<(), Problem> {
    let principal = access::require(request, app, Scope::Operator)?;
    if *principal.origin == *name || principal.scopes.allow(Scope::Root) {
        return Ok(());
    }
    Err(no_origin())
}

fn no_origin() -> Problem {
    Problem::not_found("origin_not_found", "origin not found")
}

async fn change(
    app: &App,
    name: &str,
    changes: &Map<String, Value>,
    key: Option<&Idempotency>,
) -> Result<Recorded, Problem> {
    let keyed = key.map(|key| Keyed {
        key: key.key(name),
        fingerprint: key.fingerprint,
    });
    let terms = app.terms();
    app.engine
        .change_registry(keyed, |registry, now| {
            let known = registry.origin(name).ok_or_else(no_origin)?;
            let (metadata, _) = origin::merge(&known.metadata, changes, terms)
                .map_err(|error| Problem::from(Rejection::Metadata(error)))?;
            Ok(vec![RegistryEvent::OriginMetadataChanged {
                origin: name.to_owned(),
                metadata,
                at: now,
            }])
        })
        .await
}

/// What the record says, so that a replay reads the same.
fn changed(name: &str, recorded: &Recorded) -> Value {
    let metadata = recorded.events.iter().find_map(|event| match event {
        RegistryEvent::OriginMetadataChanged { metadata, .. } => Some(value(metadata)),
        RegistryEvent::OriginOpened(_)
        | RegistryEvent::KeyIssued(_)
        | RegistryEvent::KeyRevoked { .. }
        | RegistryEvent::RatesAccepted { .. }
        | RegistryEvent::ListFetched { .. }
        | RegistryEvent::SigningKeyMade { .. }
        | RegistryEvent::IdentityRegistered(_)
        | RegistryEvent::IdentityChanged(_)
        | RegistryEvent::KeyRotated { .. }
        | RegistryEvent::DocumentSet { .. }
        | RegistryEvent::WebhookSecretSet { .. } => None,
    });
    json!({ "origin_name": name, "metadata": metadata, "updated": true })
}

fn value(metadata: &str) -> Value {
    serde_json::from_str(metadata).unwrap_or_default()
}
