//! How a client comes to a session: a key exchanged for a token, a holder connected or registered by
//! the programme's key, a holder connected by a one-time code; and the public list of programmes.

use std::sync::Arc;

use actix_web::{
    HttpRequest, HttpResponse,
    http::StatusCode,
    web::{self, Data, Path},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::{
    super::{
        App, access,
        body::{self, Body},
        problem::Problem,
        resource,
    },
    codes, compliance, identities,
    problem::ErrorView,
    request::{Reply, answer, idempotency},
};
use crate::{
    access::{codes::CodeError, token::Grant},
    actors::registrar::{Keyed, Principal},
    domain::{
        compliance::Gate,
        identity::{self, Identity, IdentityKind, IdentityStatus},
        registry::{RegistryEvent, Scope, Scopes},
    },
};

/// Adds the routes of sessions.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(resource("/api/api-keys/exchange").route(web::post().to(exchange)))
        .service(resource("/api/origins").route(web::get().to(origins)))
        .service(resource("/api/origins/{origin}/connect").route(web::post().to(connect)))
        .service(resource("/api/origins/{origin}/register").route(web::post().to(register)))
        .service(resource("/api/origins/{origin}/assert").route(web::get().to(codes::challenge)));
}

/// A key for a token.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExchangeRequest {
    /// The secret key; with `as_identity`, the one in the Authorization header if missing.
    key: Option<String>,
    /// Some of the key's own; all of them if missing or empty.
    scopes: Option<Vec<String>>,
    /// The URN or alias of a holder to act as: for a key with the scope operator.
    as_identity: Option<String>,
}

/// A token.
#[derive(Serialize, ToSchema)]
pub struct TokenView {
    access_token: String,
    /// In seconds.
    expires_in: i64,
    /// Bearer.
    token_type: &'static str,
    /// What it allows.
    scopes: Vec<&'static str>,
}

/// A session.
#[derive(Serialize, ToSchema)]
pub struct SessionResult {
    /// The token, and whose it is.
    #[schema(value_type = Object)]
    result: Value,
    req_id: String,
}

/// What is asserted of a holder.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Assertion {
    /// API_KEY or OTP.
    #[serde(rename = "challengeType")]
    challenge_type: String,
    /// The holder.
    alias: Option<String>,
    /// What proves it.
    value: AssertionValue,
}

/// What proves it: `api_key` and `alias`, or `code`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AssertionValue {
    api_key: Option<String>,
    alias: Option<String>,
    code: Option<String>,
    /// Taken and not looked at: the alias says who it is.
    #[serde(rename = "email")]
    _email: Option<String>,
    /// The same.
    #[serde(rename = "phone")]
    _phone: Option<String>,
}

/// A holder who comes back.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConnectRequest {
    assertion_result: Assertion,
    /// Taken and not kept.
    #[serde(default, rename = "extra_context")]
    #[schema(value_type = Option<Object>)]
    _extra_context: Option<Map<String, Value>>,
}

/// A new holder.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RegisterRequest {
    assertion_result: Assertion,
    /// Taken and not kept.
    #[serde(default, rename = "extra_context")]
    #[schema(value_type = Option<Object>)]
    _extra_context: Option<Map<String, Value>>,
    /// individual or business.
    #[serde(rename = "type")]
    kind: String,
    /// Names and contacts; `email` and `phone` are texts. At most 8 KiB.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    profile: Option<Map<String, Value>>,
}

/// Exchanges a key for a token that ends by itself, and at once when the key ends.
#[utoipa::path(
    post, path = "/api/api-keys/exchange", tag = "programme",
    request_body = ExchangeRequest,
    responses(
        (status = 200, description = "a token", body = TokenView),
        (status = 400, description = "the field is named", body = ErrorView),
        (status = 401, description = "an unknown key", body = ErrorView),
        (status = 403, description = "the key has not that scope, or may not act as a holder", body = ErrorView),
        (status = 404, description = "no such holder", body = ErrorView),
        (status = 413, description = "the body is too large", body = ErrorView),
        (status = 415, description = "the body is not JSON", body = ErrorView),
    ),
)]
pub async fn exchange(request: HttpRequest, body: Body, app: Data<App>) -> HttpResponse {
    answer(&request, &app, exchanged(&request, body, &app)).await
}

async fn exchanged(request: &HttpRequest, bytes: Body, app: &App) -> Result<Reply, Problem> {
    let wanted: ExchangeRequest = read(request, bytes)?;
    let principal = match &wanted.key {
        Some(key) => by_key(key, "key", app)?,
        None if wanted.as_identity.is_some() => access::anyone(request, app)?,
        None => return Err(Problem::malformed("key", "key is missing")),
    };
    // A holder's token is for the holder alone.
    if principal.holder.is_some() {
        return Err(forbidden("key", "a holder's token cannot be exchanged"));
    }
    let mut scopes = asked_scopes(wanted.scopes.as_deref(), &principal)?;
    let mut holder = None;
    if let Some(name) = &wanted.as_identity {
        if !principal.scopes.allow(Scope::Operator) {
            let message = "the key has not the scope operator, which acting as a holder needs";
            return Err(forbidden("as_identity", message));
        }
        let identity = holder_of_key(app, &principal.origin, name, "as_identity").await?;
        scopes = access::holder_scopes(scopes);
        holder = Some(identity.urn());
    }
    Reply::new(StatusCode::OK, &token(app, &principal, holder, scopes))
}

fn asked_scopes(asked: Option<&[String]>, principal: &Principal) -> Result<Scopes, Problem> {
    let asked = asked.unwrap_or_default();
    if asked.is_empty() {
        return Ok(principal.scopes);
    }
    scopes_of(asked, principal)
}

/// Scopes by their words; none that the caller has not.
///
/// # Errors
///
/// 400, 403.
pub(super) fn scopes_of(words: &[String], principal: &Principal) -> Result<Scopes, Problem> {
    let mut scopes = Vec::new();
    for word in words {
        let scope = Scope::ALL.into_iter().find(|scope| scope.word() == word);
        let scope = scope.ok_or_else(|| {
            let message = "scopes must be some of network, operator, programme, ledger";
            Problem::malformed("scopes", message)
        })?;
        if !principal.scopes.allow(scope) {
            let message = format!("scopes: this key has no scope {word}");
            return Err(forbidden("scopes", &message));
        }
        scopes.push(scope);
    }
    Ok(Scopes::of(&scopes))
}

fn token(app: &App, principal: &Principal, holder: Option<String>, scopes: Scopes) -> TokenView {
    let key =
        (!principal.key_id.is_empty()).then(|| (principal.key_id.clone(), principal.generation));
    let grant = Grant {
        origin: principal.origin.to_string(),
        holder,
        scopes,
        key,
    };
    TokenView {
        access_token: app
            .access
            .signer
            .sign(&grant, app.engine.shared.clock.now()),
        expires_in: app.access.signer.lifetime_s(),
        token_type: "Bearer",
        scopes: scopes.words(),
    }
}

fn read<T: serde::de::DeserializeOwned>(request: &HttpRequest, bytes: Body) -> Result<T, Problem> {
    body::require_json(request)?;
    body::parse(&body::bytes(bytes)?)
}

/// 403 at a field.
pub(super) fn forbidden(field: &str, message: &str) -> Problem {
    let mut problem = Problem::new(StatusCode::FORBIDDEN, "forbidden", message);
    problem.field = Some(field.to_owned());
    problem
}

/// Who is behind a key that stands in the body.
///
/// # Errors
///
/// 401 at `field`.
pub(super) fn by_key(key: &str, field: &str, app: &App) -> Result<Arc<Principal>, Problem> {
    access::behind_key(key, app).ok_or_else(|| {
        let mut problem = access::unauthorized(&format!("{field} is unknown or revoked"));
        problem.field = Some(field.to_owned());
        problem
    })
}

/// A holder by URN or alias, who may act. Whoever asks without a key is not told of one who may not.
pub(super) async fn known_holder(
    app: &App,
    origin: &str,
    name: &str,
    field: &str,
) -> Result<Arc<Identity>, Problem> {
    let holder = holder_of_key(app, origin, name, field).await;
    holder.map_err(|problem| match problem.code {
        "identity_disabled" => no_holder(field),
        _ => problem,
    })
}

fn no_holder(field: &str) -> Problem {
    let mut problem = identities::not_found();
    problem.field = Some(field.to_owned());
    problem
}

/// A holder by URN or alias, who may act; the programme's key is told of one who may not.
async fn holder_of_key(
    app: &App,
    origin: &str,
    name: &str,
    field: &str,
) -> Result<Arc<Identity>, Problem> {
    let urn = if name.contains(':') {
        name.to_owned()
    } else {
        identity::urn(origin, name)
    };
    let found = identities::find(app, origin, &urn).await?;
    let holder = found.ok_or_else(|| no_holder(field))?;
    match holder.status {
        IdentityStatus::Active => Ok(holder),
        IdentityStatus::Disabled => {
            let message = "the holder is disabled: set its status to active first";
            let status = StatusCode::FORBIDDEN;
            let mut problem = Problem::new(status, "identity_disabled", message);
            problem.field = Some(field.to_owned());
            Err(problem)
        }
    }
}

/// The programme's key in an assertion, and the alias.
fn proven<'a>(
    assertion: &'a Assertion,
    origin: &str,
    app: &App,
) -> Result<(Arc<Principal>, &'a str), Problem> {
    let value = &assertion.value;
    let missing = |field: &str| Problem::malformed(field, format!("{field} is missing"));
    let field = "assertion_result.value.api_key";
    let key = value.api_key.as_deref().ok_or_else(|| missing(field))?;
    let principal = by_key(key, field, app)?;
    if *principal.origin != *origin {
        return Err(forbidden(field, "the key is not a key of this origin"));
    }
    if !principal.scopes.allow(Scope::Programme) {
        return Err(forbidden(field, "the key has not the scope programme"));
    }
    let field = "assertion_result.value.alias";
    let alias = value.alias.as_deref().or(assertion.alias.as_deref());
    let alias = alias.ok_or_else(|| missing(field))?;
    if assertion
        .alias
        .as_deref()
        .is_some_and(|other| other != alias)
    {
        let message = "assertion_result.alias and assertion_result.value.alias must be the same";
        return Err(Problem::malformed("assertion_result.alias", message));
    }
    Ok((principal, alias))
}

/// Connects a holder: by the programme's key, or by a one-time code.
#[utoipa::path(
    post, path = "/api/origins/{origin}/connect", tag = "programme",
    request_body = ConnectRequest,
    params(("origin" = String, Path, description = "the origin's name")),
    responses(
        (status = 200, description = "result.access_token is the holder's", body = SessionResult),
        (status = 400, description = "the field is named", body = ErrorView),
        (status = 401, description = "an unknown key, or a wrong code", body = ErrorView),
        (status = 403, description = "the key is not of that origin, the holder is disabled, or a \
            verification is required first", body = ErrorView),
        (status = 404, description = "no such holder", body = ErrorView),
        (status = 413, description = "the body is too large", body = ErrorView),
        (status = 415, description = "the body is not JSON", body = ErrorView),
    ),
)]
pub async fn connect(
    request: HttpRequest,
    path: Path<String>,
    body: Body,
    app: Data<App>,
) -> HttpResponse {
    answer(&request, &app, connected(&request, &path, body, &app)).await
}

async fn connected(
    request: &HttpRequest,
    origin: &str,
    bytes: Body,
    app: &App,
) -> Result<Reply, Problem> {
    let wanted: ConnectRequest = read(request, bytes)?;
    let assertion = &wanted.assertion_result;
    match assertion.challenge_type.as_str() {
        "API_KEY" => {
            let (principal, alias) = proven(assertion, origin, app)?;
            let field = "assertion_result.value.alias";
            let holder = holder_of_key(app, origin, alias, field).await?;
            compliance::require(app, &principal, &holder.urn(), Gate::Connect)?;
            session(app, &principal, &holder, StatusCode::OK, request)
        }
        "OTP" => by_code(request, origin, assertion, app).await,
        _ => {
            let message = "assertion_result.challengeType must be API_KEY or OTP";
            Err(Problem::malformed(
                "assertion_result.challengeType",
                message,
            ))
        }
    }
}

async fn by_code(
    request: &HttpRequest,
    origin: &str,
    assertion: &Assertion,
    app: &App,
) -> Result<Reply, Problem> {
    let missing = |field: &str| Problem::malformed(field, format!("{field} is missing"));
    let alias = assertion.alias.as_deref();
    let alias = alias.ok_or_else(|| missing("assertion_result.alias"))?;
    let field = "assertion_result.value.code";
    let code = assertion.value.code.as_deref();
    let code = code.ok_or_else(|| missing(field))?;
    let id = body::idempotency_key(request)?;
    let urn = identity::urn(origin, alias);
    let now = app.engine.shared.clock.now();
    if let Err(error) = app.access.codes.answer(&urn, code, id, now) {
        let mut problem = access::unauthorized(&error.to_string());
        problem.field = Some(field.to_owned());
        if let CodeError::Wrong { attempts_left } = error {
            problem.details = Some(json!({ "attempts_remaining": attempts_left }));
        }
        return Err(problem);
    }
    // No key stands behind a code.
    let nobody = Principal {
        origin: origin.into(),
        scopes: Scopes::of(&[Scope::Programme]),
        key_id: String::new(),
        generation: 0,
        expires_at: None,
        holder: None,
    };
    let holder = known_holder(app, origin, alias, "assertion_result.alias").await?;
    compliance::require(app, &nobody, &holder.urn(), Gate::Connect)?;
    session(app, &nobody, &holder, StatusCode::OK, request)
}

fn session(
    app: &App,
    principal: &Principal,
    holder: &Identity,
    status: StatusCode,
    request: &HttpRequest,
) -> Result<Reply, Problem> {
    let scopes = access::holder_scopes(principal.scopes);
    let token = token(app, principal, Some(holder.urn()), scopes);
    let view = json!({
        "result": {
            "access_token": token.access_token,
            "expires_in": token.expires_in,
            "token_type": token.token_type,
            "urn": holder.urn(),
        },
        "req_id": super::super::request_id(request, app),
    });
    Reply::new(status, &view)
}

/// Registers a holder by the programme's key, and connects it.
#[utoipa::path(
    post, path = "/api/origins/{origin}/register", tag = "programme",
    request_body = RegisterRequest,
    params(
        ("origin" = String, Path, description = "the origin's name"),
        ("Idempotency-Key" = Option<String>, Header, description = "same key: registered once; the \
            token is a new one"),
    ),
    responses(
        (status = 201, description = "result.access_token is the holder's", body = SessionResult),
        (status = 400, description = "the field is named", body = ErrorView),
        (status = 401, description = "an unknown key", body = ErrorView),
        (status = 403, description = "the key is not of that origin", body = ErrorView),
        (status = 409, description = "identity_exists, or the idempotency key was used otherwise", body = ErrorView),
        (status = 413, description = "the body is too large", body = ErrorView),
        (status = 415, description = "the body is not JSON", body = ErrorView),
        (status = 503, description = "busy: try again", body = ErrorView),
    ),
)]
pub async fn register(
    request: HttpRequest,
    path: Path<String>,
    body: Body,
    app: Data<App>,
) -> HttpResponse {
    answer(&request, &app, registered(&request, &path, body, &app)).await
}

async fn registered(
    request: &HttpRequest,
    origin: &str,
    bytes: Body,
    app: &App,
) -> Result<Reply, Problem> {
    body::require_json(request)?;
    let bytes = body::bytes(bytes)?;
    let wanted: RegisterRequest = body::parse(&bytes)?;
    if wanted.assertion_result.challenge_type != "API_KEY" {
        let message = "assertion_result.challengeType must be API_KEY";
        return Err(Problem::malformed(
            "assertion_result.challengeType",
            message,
        ));
    }
    let (principal, alias) = proven(&wanted.assertion_result, origin, app)?;
    let kind = match wanted.kind.as_str() {
        "individual" => IdentityKind::Individual,
        "business" => IdentityKind::Business,
        _ => {
            return Err(Problem::malformed(
                "type",
                "type must be individual or business",
            ));
        }
    };
    let key = idempotency(request, &bytes)?;
    let keyed = key.map(|key| Keyed {
        key: key.key(origin),
        fingerprint: key.fingerprint,
    });
    let profile = wanted.profile.unwrap_or_default();
    let recorded = app
        .engine
        .change_registry(keyed, |registry, now| {
            let identity = Identity::new((origin, alias), kind, &profile, now);
            let identity = identity.map_err(|error| identities::wrong(&error))?;
            // The alias that is the origin's name is the origin itself.
            if alias == origin || registry.identities.get(&identity.urn()).is_some() {
                let message = "there is a holder with this alias: connect it";
                return Err(Problem::conflict("identity_exists", message));
            }
            Ok(vec![RegistryEvent::IdentityRegistered(Arc::new(identity))])
        })
        .await?;
    let holder = recorded.events.iter().find_map(identities::identity_in);
    let holder = holder.ok_or_else(|| Problem::from(crate::actors::EngineError::KeyConflict))?;
    let reply = session(app, &principal, holder, StatusCode::CREATED, request)?;
    Ok(reply.replayed(recorded.is_replay))
}

/// Lists the programmes of this server.
#[utoipa::path(
    get, path = "/api/origins", tag = "programme",
    responses((status = 200, description = "the programmes", body = Vec<serde_json::Value>)),
)]
pub async fn origins(request: HttpRequest, app: Data<App>) -> HttpResponse {
    let listed = async {
        let known = app.engine.look_at_registry(|known| known.origins.clone());
        let known = known.await?;
        let own = known.iter().filter(|origin| origin.name != "root");
        let view = |origin: &crate::domain::registry::Origin| {
            let at = origin.created_at.to_string();
            // What a programme says of its cards is its own.
            json!({
                "namespace": origin.name, "provider": "cardwright", "status": "active",
                "metadata": {}, "created_at": at, "updated_at": at,
            })
        };
        Reply::new(StatusCode::OK, &own.map(view).collect::<Vec<_>>())
    };
    answer(&request, &app, listed).await
}
