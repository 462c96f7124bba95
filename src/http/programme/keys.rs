//! The keys of a programme as the SDK manages them: `/api/api-keys`.

use std::collections::BTreeMap;

use actix_web::{
    HttpRequest, HttpResponse,
    http::StatusCode,
    web::{self, Data, Path},
};
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::{
    super::{
        App, access,
        body::{self, Body, plain_text},
        operator::keys::new_secret,
        problem::Problem,
        resource,
    },
    problem::ErrorView,
    request::{Reply, answer, idempotency, record_id},
    session::{by_key, forbidden, scopes_of},
};
use crate::{
    actors::registrar::{Keyed, Recorded, hash_of, hex},
    domain::{
        registry::{ApiKey, Registry, RegistryEvent, Scope, Scopes},
        time::Timestamp,
    },
    outbox::secrets,
};

/// The most bytes of a key's metadata, as JSON.
const METADATA_BYTES_MAX: usize = 8 << 10;
/// The most domains of a key.
const DOMAINS_MAX: usize = 32;
/// How many new secrets are held for retries.
const FRESH_MAX: usize = 1_024;
/// For how long, in microseconds: ten minutes, longer than any client retries.
const FRESH_MICROS: i64 = 600_000_000;

/// Secrets just made, by the record that made their key, in memory only: so that a request whose answer
/// was lost gets it again. Later, a retry is told that the secret was shown already.
#[derive(Default)]
pub struct FreshSecrets(Mutex<BTreeMap<u64, (Timestamp, String)>>);

impl FreshSecrets {
    fn keep(&self, lsn: u64, secret: &str, now: Timestamp) {
        let mut known = self.0.lock();
        known.retain(|_, (at, _)| at.micros().saturating_add(FRESH_MICROS) > now.micros());
        while known.len() >= FRESH_MAX {
            known.pop_first();
        }
        known.insert(lsn, (now, secret.to_owned()));
    }

    fn get(&self, lsn: u64, now: Timestamp) -> Option<String> {
        let known = self.0.lock();
        let (at, secret) = known.get(&lsn)?;
        let is_fresh = at.micros().saturating_add(FRESH_MICROS) > now.micros();
        is_fresh.then(|| secret.clone())
    }
}

/// Adds the routes of keys. Fixed names come before ids.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(
            resource("/api/api-keys")
                .route(web::post().to(create))
                .route(web::get().to(list)),
        )
        .service(
            resource("/api/api-keys/origins/{origin}/webhook-secret")
                .route(web::put().to(webhook_secret)),
        )
        .service(
            resource("/api/api-keys/{id}")
                .route(web::get().to(get))
                .route(web::delete().to(revoke)),
        )
        .service(resource("/api/api-keys/{id}/rotate").route(web::post().to(rotate)));
}

/// A new key of the caller's origin.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewKey {
    /// For people.
    name: String,
    /// Some of network, operator, programme, ledger: none that the caller has not; programme if none.
    #[serde(default)]
    scopes: Vec<String>,
    /// Where the publishable key is meant to be used: kept, not checked.
    #[serde(default)]
    domains: Vec<String>,
    /// "never", or how many seconds it lives.
    #[schema(value_type = Option<Object>)]
    expiration: Option<Value>,
    /// Anything of the programme's own, at most 8 KiB.
    #[schema(value_type = Option<Object>)]
    metadata: Option<Map<String, Value>>,
}

/// What an origin's webhooks are signed with.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookSecret {
    /// A key of that origin, with the scope programme or operator.
    api_key: String,
    /// 16 to 256 bytes: `whsec_` and base64 of 24 to 64 bytes as Standard Webhooks has it; any other
    /// text signs as its bytes.
    webhook_secret: String,
}

/// Makes a key. The secret is shown once, and again to a retry within ten minutes.
#[utoipa::path(
    post, path = "/api/api-keys", tag = "programme",
    request_body = NewKey,
    params(("Idempotency-Key" = Option<String>, Header, description = "same key: made once")),
    responses(
        (status = 201, description = "made", body = Object),
        (status = 400, description = "the field is named", body = ErrorView),
        (status = 401, description = "no key, or an unknown one", body = ErrorView),
        (status = 403, description = "the key has not the scope operator, or not one it gives", body = ErrorView),
        (status = 409, description = "the idempotency key was used", body = ErrorView),
        (status = 413, description = "the body is too large", body = ErrorView),
        (status = 415, description = "the body is not JSON", body = ErrorView),
        (status = 503, description = "busy: try again", body = ErrorView),
    ),
)]
pub async fn create(request: HttpRequest, body: Body, app: Data<App>) -> HttpResponse {
    answer(&request, &app, make(&request, body, &app)).await
}

async fn make(request: &HttpRequest, bytes: Body, app: &App) -> Result<Reply, Problem> {
    let caller = access::require(request, app, Scope::Operator)?;
    body::require_json(request)?;
    let bytes = body::bytes(bytes)?;
    let wanted: NewKey = body::parse(&bytes)?;
    let template = template(&wanted)?;
    let words = match wanted.scopes.as_slice() {
        [] => &[Scope::Programme.word().to_owned()],
        words => words,
    };
    let scopes: Scopes = scopes_of(words, &caller)?;
    let lives = lives(wanted.expiration.as_ref())?;
    let secret = new_secret("live")?;
    let keyed = keyed(request, &bytes, &caller.origin)?;
    let hash = hash_of(&secret);
    let recorded = app
        .engine
        .change_registry::<Problem>(keyed, |_, now| {
            Ok(vec![RegistryEvent::KeyIssued(ApiKey {
                id: format!("key_{}", hex(hash.get(..8).unwrap_or_default())),
                origin: caller.origin.to_string(),
                hash,
                scopes,
                created_at: now,
                expires_at: lives
                    .map(|micros| Timestamp::from_micros(now.micros().saturating_add(micros))),
                ..template.clone()
            })])
        })
        .await?;
    let key = recorded.events.iter().find_map(issued);
    let key = key.ok_or_else(|| Problem::from(crate::actors::EngineError::KeyConflict))?;
    let secret = shown_once(app, &recorded, secret)?;
    let view = json!({
        "key_id": key.id,
        "secret_key": secret,
        "publishable_key": publishable(&key.id),
        "scopes": key.scopes.words(),
        "req_id": record_id(recorded.lsn),
    });
    Ok(Reply::new(StatusCode::CREATED, &view)?.replayed(recorded.is_replay))
}

fn issued(event: &RegistryEvent) -> Option<&ApiKey> {
    if let RegistryEvent::KeyIssued(key) = event {
        return Some(key);
    }
    None
}

fn template(wanted: &NewKey) -> Result<ApiKey, Problem> {
    plain_text("name", &wanted.name, 128)?;
    if wanted.domains.len() > DOMAINS_MAX {
        let message = format!("domains must have at most {DOMAINS_MAX} items");
        return Err(Problem::malformed("domains", message));
    }
    for domain in &wanted.domains {
        plain_text("domains", domain, 253)?;
    }
    let metadata = Value::Object(wanted.metadata.clone().unwrap_or_default()).to_string();
    if metadata.len() > METADATA_BYTES_MAX {
        let message = format!("metadata must have at most {METADATA_BYTES_MAX} bytes");
        return Err(Problem::malformed("metadata", message));
    }
    Ok(ApiKey {
        id: String::new(),
        origin: String::new(),
        name: wanted.name.clone(),
        hash: [0; 32],
        scopes: Scopes::default(),
        created_at: Timestamp::default(),
        revoked_at: None,
        expires_at: None,
        domains: wanted.domains.clone(),
        metadata,
        generation: 0,
    })
}

/// For how many microseconds, if not for ever.
fn lives(expiration: Option<&Value>) -> Result<Option<i64>, Problem> {
    const SECONDS_MAX: i64 = 3_153_600_000;
    let wrong = || {
        let message = "expiration must be \"never\" or a number of seconds from 1 to 3153600000";
        Problem::malformed("expiration", message)
    };
    let Some(value) = expiration else {
        return Ok(None);
    };
    if value == "never" {
        return Ok(None);
    }
    let text = value.as_str().and_then(|text| text.parse().ok());
    let seconds = value.as_i64().or(text).ok_or_else(wrong)?;
    if !(1..=SECONDS_MAX).contains(&seconds) {
        return Err(wrong());
    }
    Ok(Some(seconds.saturating_mul(1_000_000)))
}

fn keyed(request: &HttpRequest, bytes: &[u8], origin: &str) -> Result<Option<Keyed>, Problem> {
    let bytes = if bytes.is_empty() { b"{}" } else { bytes };
    Ok(idempotency(request, bytes)?.map(|key| Keyed {
        key: key.key(origin),
        fingerprint: key.fingerprint,
    }))
}

/// The secret of a record: the one just made, or for a retry the one made then.
pub(in crate::http) fn shown_once(
    app: &App,
    recorded: &Recorded,
    secret: String,
) -> Result<String, Problem> {
    let now = app.engine.shared.clock.now();
    if recorded.is_replay {
        return app.fresh_secrets.get(recorded.lsn, now).ok_or_else(|| {
            let message = "this idempotency key has made a secret, which was shown then and is not \
                           kept: rotate the key";
            Problem::conflict("idempotency_conflict", message)
        });
    }
    app.fresh_secrets.keep(recorded.lsn, &secret, now);
    Ok(secret)
}

/// For the programme's own pages: it names the key and opens nothing.
fn publishable(id: &str) -> String {
    format!("pk_live_{}", id.trim_start_matches("key_"))
}

fn view(key: &ApiKey, app: &App) -> Value {
    let now = app.engine.shared.clock.now();
    let expiration = key.expires_at.map_or(json!("never"), |end| {
        let micros = end.micros().saturating_sub(key.created_at.micros());
        json!(micros.div_euclid(1_000_000))
    });
    let used = app.engine.registrar.last_used(&key.id);
    json!({
        "id": key.id,
        "key_id": key.id,
        "publishable_key": publishable(&key.id),
        "name": key.name,
        "scopes": key.scopes.words(),
        "domains": key.domains,
        "status": key.status(now),
        "expiration": expiration,
        "metadata": serde_json::from_str::<Value>(&key.metadata).unwrap_or_else(|_| json!({})),
        "last_used_at": used.map(|at| at.to_string()),
        "created_at": key.created_at.to_string(),
    })
}

fn no_key() -> Problem {
    Problem::not_found("key_not_found", "key not found")
}

/// Lists the keys of the caller's origin, without their secrets.
#[utoipa::path(
    get, path = "/api/api-keys", tag = "programme",
    responses(
        (status = 200, description = "the keys; last_used_at is since the server started", body = Vec<serde_json::Value>),
        (status = 401, description = "no key, or an unknown one", body = ErrorView),
        (status = 403, description = "the key has not the scope operator", body = ErrorView),
        (status = 503, description = "busy: try again", body = ErrorView),
    ),
)]
pub async fn list(request: HttpRequest, app: Data<App>) -> HttpResponse {
    let listed = async {
        let caller = access::require(&request, &app, Scope::Operator)?;
        let own = |registry: &Registry| -> Vec<ApiKey> {
            let keys = registry.keys.iter();
            keys.filter(|key| *key.origin == *caller.origin)
                .cloned()
                .collect()
        };
        let keys = app.engine.look_at_registry(own).await?;
        let views: Vec<_> = keys.iter().map(|key| view(key, &app)).collect();
        Reply::new(StatusCode::OK, &views)
    };
    answer(&request, &app, listed).await
}

/// Shows a key of the caller's origin, without its secret.
#[utoipa::path(
    get, path = "/api/api-keys/{id}", tag = "programme",
    params(("id" = String, Path, description = "the key's public id (key_…)")),
    responses(
        (status = 200, description = "the key", body = Object),
        (status = 401, description = "no key, or an unknown one", body = ErrorView),
        (status = 403, description = "the key has not the scope operator", body = ErrorView),
        (status = 404, description = "no such key", body = ErrorView),
        (status = 503, description = "busy: try again", body = ErrorView),
    ),
)]
pub async fn get(request: HttpRequest, path: Path<String>, app: Data<App>) -> HttpResponse {
    let found = async {
        let caller = access::require(&request, &app, Scope::Operator)?;
        let find = |registry: &Registry| {
            let own = |key: &&ApiKey| *key.origin == *caller.origin && key.id == *path;
            registry.keys.iter().find(own).cloned()
        };
        let key = app.engine.look_at_registry(find).await?;
        Reply::new(StatusCode::OK, &view(&key.ok_or_else(no_key)?, &app))
    };
    answer(&request, &app, found).await
}

/// Revokes a key of the caller's origin, and with it its tokens.
#[utoipa::path(
    delete, path = "/api/api-keys/{id}", tag = "programme",
    params(("id" = String, Path, description = "the key's public id (key_…)")),
    responses(
        (status = 200, description = "revoked", body = Object),
        (status = 401, description = "no key, or an unknown one", body = ErrorView),
        (status = 403, description = "the key has not the scope operator", body = ErrorView),
        (status = 404, description = "no such live key", body = ErrorView),
        (status = 503, description = "busy: try again", body = ErrorView),
    ),
)]
pub async fn revoke(request: HttpRequest, path: Path<String>, app: Data<App>) -> HttpResponse {
    let revoked = async {
        let caller = access::require(&request, &app, Scope::Operator)?;
        let engine = &app.engine;
        let (shared, durability) = (&engine.shared, &engine.durability);
        let registrar = &engine.registrar;
        let done = registrar.revoke_key(&caller.origin, &path, shared, durability);
        if !done.await? {
            return Err(no_key());
        }
        let view = json!({ "id": *path, "key_id": *path, "status": "revoked" });
        Reply::new(StatusCode::OK, &view)
    };
    answer(&request, &app, revoked).await
}

/// Gives a key another secret. The one before and its tokens end at once.
#[utoipa::path(
    post, path = "/api/api-keys/{id}/rotate", tag = "programme",
    params(
        ("id" = String, Path, description = "the key's public id (key_…)"),
        ("Idempotency-Key" = Option<String>, Header, description = "same key: rotated once"),
    ),
    responses(
        (status = 200, description = "the new secret", body = Object),
        (status = 401, description = "no key, or an unknown one", body = ErrorView),
        (status = 403, description = "the key has not the scope operator", body = ErrorView),
        (status = 404, description = "no such live key", body = ErrorView),
        (status = 409, description = "the idempotency key was used", body = ErrorView),
        (status = 503, description = "busy: try again", body = ErrorView),
    ),
)]
pub async fn rotate(
    request: HttpRequest,
    path: Path<String>,
    body: Body,
    app: Data<App>,
) -> HttpResponse {
    let rotated = async {
        let caller = access::require(&request, &app, Scope::Operator)?;
        let bytes = body::bytes(body)?;
        let keyed = keyed(&request, &bytes, &caller.origin)?;
        let secret = new_secret("live")?;
        let change = |registry: &Registry, now: Timestamp| {
            let is_live = |key: &&ApiKey| {
                *key.origin == *caller.origin && key.id == *path && key.status(now) == "active"
            };
            registry.keys.iter().find(is_live).ok_or_else(no_key)?;
            Ok(vec![RegistryEvent::KeyRotated {
                id: path.clone(),
                hash: hash_of(&secret),
                at: now,
            }])
        };
        let recorded = app.engine.change_registry::<Problem>(keyed, change).await?;
        let shown = shown_once(&app, &recorded, secret)?;
        let view = json!({
            "key_id": *path, "secret_key": shown, "req_id": record_id(recorded.lsn),
        });
        Ok(Reply::new(StatusCode::OK, &view)?.replayed(recorded.is_replay))
    };
    answer(&request, &app, rotated).await
}

/// Sets what an origin's webhooks are signed with, by the key in the body.
#[utoipa::path(
    put, path = "/api/api-keys/origins/{origin}/webhook-secret", tag = "programme",
    request_body = WebhookSecret,
    params(
        ("origin" = String, Path, description = "the origin's name"),
        ("Idempotency-Key" = Option<String>, Header, description = "same key, same answer"),
    ),
    responses(
        (status = 200, description = "set; key is the public id of the key", body = Object),
        (status = 400, description = "the field is named", body = ErrorView),
        (status = 401, description = "an unknown key", body = ErrorView),
        (status = 403, description = "the key is not of that origin, or has not the scope", body = ErrorView),
        (status = 409, description = "the idempotency key was used otherwise", body = ErrorView),
        (status = 413, description = "the body is too large", body = ErrorView),
        (status = 415, description = "the body is not JSON", body = ErrorView),
        (status = 503, description = "busy: try again", body = ErrorView),
    ),
)]
pub async fn webhook_secret(
    request: HttpRequest,
    path: Path<String>,
    body: Body,
    app: Data<App>,
) -> HttpResponse {
    let set = async {
        body::require_json(&request)?;
        let bytes = body::bytes(body)?;
        let wanted: WebhookSecret = body::parse(&bytes)?;
        let caller = by_key(&wanted.api_key, "api_key", &app)?;
        if *caller.origin != **path {
            let message = "api_key is not a key of this origin";
            return Err(forbidden("api_key", message));
        }
        if !caller.scopes.allow(Scope::Programme) && !caller.scopes.allow(Scope::Operator) {
            let message = "api_key has neither the scope programme nor operator";
            return Err(forbidden("api_key", message));
        }
        let secret = &wanted.webhook_secret;
        plain_text("webhook_secret", secret, 256)?;
        if secret.len() < 16 {
            let message = "webhook_secret must have at least 16 bytes";
            return Err(Problem::malformed("webhook_secret", message));
        }
        let keyed = keyed(&request, &bytes, &caller.origin)?;
        let overlap_s = app.outbox.secret_overlap_s();
        // The key of the vault is held until what it sealed is recorded.
        let hold = app.vault.hold();
        let change = |registry: &Registry, now: Timestamp| {
            let names = (path.as_str(), secret.as_str());
            let sealed = secrets::set(&app.vault, registry, names, (now, overlap_s), true);
            let event = sealed.map_err(|error| {
                tracing::error!(%error, "a webhook secret cannot be sealed");
                Problem::busy("the secret cannot be sealed now: try again")
            })?;
            Ok(vec![event])
        };
        let recorded = app.engine.change_registry::<Problem>(keyed, change).await?;
        drop(hold);
        let view = json!({ "origin_name": *path, "key": caller.key_id, "updated": true });
        Ok(Reply::new(StatusCode::OK, &view)?.replayed(recorded.is_replay))
    };
    answer(&request, &app, set).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_long_a_key_lives() {
        let read = |value: Value| lives(Some(&value)).map_err(|problem| problem.field);
        assert_eq!(read(json!("never")), Ok(None));
        assert_eq!(read(json!(60)), Ok(Some(60_000_000)));
        assert_eq!(read(json!("60")), Ok(Some(60_000_000)));
        for wrong in [
            json!(0),
            json!(-1),
            json!("soon"),
            json!(null),
            json!(1.5),
            json!(i64::MAX),
        ] {
            assert_eq!(
                read(wrong.clone()),
                Err(Some("expiration".to_owned())),
                "{wrong}"
            );
        }
    }

    #[test]
    fn a_fresh_secret_is_told_for_ten_minutes() {
        let fresh = FreshSecrets::default();
        let at = |seconds: i64| Timestamp::from_micros(seconds * 1_000_000);
        fresh.keep(1, "one", at(0));
        assert_eq!(fresh.get(1, at(599)).as_deref(), Some("one"));
        assert_eq!(fresh.get(1, at(600)), None);
        assert_eq!(fresh.get(2, at(0)), None);
    }
}
