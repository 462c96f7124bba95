//! Origins and keys: `POST /v1/origins`, `/v1/api-keys`.

use actix_web::{
    HttpRequest, HttpResponse,
    web::{Data, Path},
};
use serde::Deserialize;
use serde_json::json;

use super::super::{
    App, access,
    body::{self, Body},
    problem::Problem,
    request_id,
};
use crate::{
    actors::registrar::hex,
    domain::registry::{Scope, Scopes},
};

/// A new programme.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OriginRequest {
    /// Lower-case letters, digits and dashes: the third part of its holders' URNs.
    #[schema(example = "acme", pattern = "^[a-z0-9-]{1,63}$")]
    name: String,
}

/// A new key of the caller's origin.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyRequest {
    /// For people.
    #[schema(max_length = 128)]
    name: String,
    /// Some of network, operator, programme, ledger: none that the caller has not.
    scopes: Vec<String>,
}

/// Makes a programme with a first key. The secret is shown once.
#[utoipa::path(
    post, path = "/v1/origins", tag = "operator",
    request_body = OriginRequest,
    responses(
        (status = 201, description = "made", body = serde_json::Value),
        (status = 400, description = "malformed: the field is named"),
        (status = 401, description = "no key, or an unknown one"),
        (status = 403, description = "the key has not the scope root"),
        (status = 409, description = "there is such an origin"),
        (status = 415, description = "the body is not JSON"),
        (status = 422, description = "an impossible value: the field is named"),
    ),
)]
pub async fn open_origin(request: HttpRequest, body: Body, app: Data<App>) -> HttpResponse {
    let id = request_id(&request, &app);
    match open(&request, body, &app).await {
        Ok(view) => HttpResponse::Created()
            .insert_header(("x-request-id", id))
            .json(view),
        Err(problem) => problem.respond(&id),
    }
}

async fn open(request: &HttpRequest, bytes: Body, app: &App) -> Result<serde_json::Value, Problem> {
    access::require(request, app, Scope::Root)?;
    body::require_json(request)?;
    let bytes = body::bytes(bytes)?;
    let wanted: OriginRequest = body::parse(&bytes)?;
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if wanted.name.is_empty() || wanted.name.len() > 63 || !wanted.name.bytes().all(plain) {
        let message = "name must be 1 to 63 lower-case letters, digits and dashes";
        return Err(Problem::impossible("name", message));
    }
    let engine = &app.engine;
    let (registrar, shared) = (&engine.registrar, &engine.shared);
    if !registrar
        .open_origin(&wanted.name, shared, &engine.durability)
        .await?
    {
        let message = format!("there is an origin {}", wanted.name);
        return Err(Problem::conflict("origin_exists", message));
    }
    let scopes = Scopes::of(&[
        Scope::Network,
        Scope::Operator,
        Scope::Programme,
        Scope::Ledger,
    ]);
    let secret = new_secret("live")?;
    let durability = &engine.durability;
    let key_id = registrar
        .issue_key(
            &wanted.name,
            "first key",
            (&secret, scopes),
            shared,
            durability,
        )
        .await?;
    let name = wanted.name;
    Ok(json!({ "origin": name, "api_key": secret, "key_id": key_id, "scopes": scopes.words() }))
}

/// Lists the origins by name.
#[utoipa::path(
    get, path = "/v1/origins", tag = "operator",
    responses(
        (status = 200, description = "the origins", body = serde_json::Value),
        (status = 401, description = "no key, or an unknown one"),
        (status = 403, description = "the key has not the scope root"),
    ),
)]
pub async fn list_origins(request: HttpRequest, app: Data<App>) -> HttpResponse {
    let id = request_id(&request, &app);
    match access::require(&request, &app, Scope::Root) {
        Ok(_) => {
            let data: Vec<_> = app
                .engine
                .registrar
                .origins()
                .into_iter()
                .map(|origin| {
                    json!({ "name": origin.name, "created_at": origin.created_at.to_string() })
                })
                .collect();
            HttpResponse::Ok()
                .insert_header(("x-request-id", id))
                .json(json!({ "data": data }))
        }
        Err(problem) => problem.respond(&id),
    }
}

/// Makes a key. The secret is shown once.
#[utoipa::path(
    post, path = "/v1/api-keys", tag = "operator",
    request_body = KeyRequest,
    responses(
        (status = 201, description = "made", body = serde_json::Value),
        (status = 400, description = "malformed: the field is named"),
        (status = 401, description = "no key, or an unknown one"),
        (status = 403, description = "the key has not the scope operator, or not one it gives"),
        (status = 415, description = "the body is not JSON"),
        (status = 422, description = "an impossible value: the field is named"),
    ),
)]
pub async fn issue(request: HttpRequest, body: Body, app: Data<App>) -> HttpResponse {
    let id = request_id(&request, &app);
    match make(&request, body, &app).await {
        Ok(view) => HttpResponse::Created()
            .insert_header(("x-request-id", id))
            .json(view),
        Err(problem) => problem.respond(&id),
    }
}

async fn make(request: &HttpRequest, bytes: Body, app: &App) -> Result<serde_json::Value, Problem> {
    let principal = access::require(request, app, Scope::Operator)?;
    body::require_json(request)?;
    let bytes = body::bytes(bytes)?;
    let wanted: KeyRequest = body::parse(&bytes)?;
    body::plain_text("name", &wanted.name, 128)?;
    let mut scopes = Vec::new();
    for word in &wanted.scopes {
        let scope = Scope::ALL.iter().find(|scope| scope.word() == word);
        let scope = scope.ok_or_else(|| {
            let message = "scopes must be some of network, operator, programme, ledger";
            Problem::impossible("scopes", message)
        })?;
        if !principal.scopes.allow(*scope) {
            let message = format!("this key cannot give the scope {word}, which it has not");
            let status = actix_web::http::StatusCode::FORBIDDEN;
            return Err(Problem::new(status, "forbidden", message));
        }
        scopes.push(*scope);
    }
    if scopes.is_empty() {
        return Err(Problem::impossible(
            "scopes",
            "scopes must name at least one scope",
        ));
    }
    let scopes = Scopes::of(&scopes);
    let secret = new_secret("live")?;
    let engine = &app.engine;
    let key_id = engine
        .registrar
        .issue_key(
            &principal.origin,
            &wanted.name,
            (&secret, scopes),
            &engine.shared,
            &engine.durability,
        )
        .await?;
    Ok(json!({ "key_id": key_id, "secret_key": secret, "scopes": scopes.words() }))
}

/// Lists the keys of the caller's origin, without their secrets.
#[utoipa::path(
    get, path = "/v1/api-keys", tag = "operator",
    responses(
        (status = 200, description = "the keys", body = serde_json::Value),
        (status = 401, description = "no key, or an unknown one"),
        (status = 403, description = "the key has not the scope operator"),
    ),
)]
pub async fn list(request: HttpRequest, app: Data<App>) -> HttpResponse {
    let id = request_id(&request, &app);
    let principal = match access::require(&request, &app, Scope::Operator) {
        Ok(principal) => principal,
        Err(problem) => return problem.respond(&id),
    };
    let keys = app.engine.registrar.keys_of(&principal.origin);
    let data: Vec<_> = keys
        .iter()
        .map(|key| {
            json!({
                "key_id": key.id,
                "name": key.name,
                "scopes": key.scopes.words(),
                "status": if key.revoked_at.is_some() { "revoked" } else { "active" },
                "created_at": key.created_at.to_string(),
            })
        })
        .collect();
    HttpResponse::Ok()
        .insert_header(("x-request-id", id))
        .json(json!({ "data": data }))
}

/// Revokes a key of the caller's origin.
#[utoipa::path(
    delete, path = "/v1/api-keys/{id}", tag = "operator",
    params(("id" = String, Path, description = "the key's public id (key_…)")),
    responses(
        (status = 200, description = "revoked", body = serde_json::Value),
        (status = 401, description = "no key, or an unknown one"),
        (status = 403, description = "the key has not the scope operator"),
        (status = 404, description = "no such live key"),
    ),
)]
pub async fn revoke(request: HttpRequest, path: Path<String>, app: Data<App>) -> HttpResponse {
    let id = request_id(&request, &app);
    let revoked = async {
        let principal = access::require(&request, &app, Scope::Operator)?;
        let engine = &app.engine;
        let (shared, durability) = (&engine.shared, &engine.durability);
        let origin = &principal.origin;
        if engine
            .registrar
            .revoke_key(origin, &path, shared, durability)
            .await?
        {
            return Ok(json!({ "key_id": *path, "status": "revoked" }));
        }
        Err(Problem::not_found("key_not_found", "key not found"))
    };
    match revoked.await {
        Ok(view) => HttpResponse::Ok()
            .insert_header(("x-request-id", id))
            .json(view),
        Err(problem) => problem.respond(&id),
    }
}

/// A secret of 192 random bits.
///
/// # Errors
///
/// 503 if the system gives no randomness.
pub fn new_secret(kind: &str) -> Result<String, Problem> {
    let mut random = [0_u8; 24];
    getrandom::fill(&mut random).map_err(|error| {
        tracing::error!(%error, "the system gave no randomness");
        Problem::busy("no randomness: try again")
    })?;
    Ok(format!("sk_{kind}_{}", hex(&random)))
}
