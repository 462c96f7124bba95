//! `/v1/origins/{origin}/compliance-policy`: what an origin wants verified before what, and the secret
//! that its provider signs with.

use actix_web::{
    HttpRequest, HttpResponse,
    http::StatusCode,
    web::{Data, Path},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::{
    super::super::{
        App, access,
        body::{self, Body},
        problem::Problem,
        request_id,
    },
    super::request::{Idempotency, idempotency},
    store::{self, Kept, SecretMark},
};
use crate::{
    actors::registrar::{Keyed, Recorded},
    domain::{
        compliance::Policy,
        documents::Shelf,
        registry::{Registry, Scope},
        time::Timestamp,
    },
    vault::{Vault, VaultError},
};

/// How long the secret before is taken beside a new one, in seconds.
const OVERLAP_S: i64 = 86_400;
/// How a secret begins. Source: Standard Webhooks, like the lengths.
const SECRET_PREFIX: &str = "whsec_";
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// A secret for the provider's webhooks.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretRequest {
    /// The provider's own: `whsec_` and 24 to 64 bytes in base64. One is made if it is missing.
    webhook_secret: Option<String>,
}

/// Tells an origin's policy of verification; one that wants nothing, if none was set.
#[utoipa::path(
    get, path = "/v1/origins/{origin}/compliance-policy", tag = "operator",
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
    let told = async {
        admit(&request, &path, &app)?;
        let kept = |registry: &Registry| {
            let is_known = registry.has_origin(&path);
            is_known.then(|| store::policy_in(registry, &path))
        };
        let kept = app.engine.look_at_registry(kept).await?;
        Ok((view(&path, &kept.ok_or_else(no_origin)??), false))
    };
    respond(&request, &app, told).await
}

/// Sets an origin's policy of verification as a whole.
#[utoipa::path(
    put, path = "/v1/origins/{origin}/compliance-policy", tag = "operator",
    request_body = serde_json::Value,
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
        (status = 422, description = "an idempotency key that is no plain text"),
        (status = 503, description = "busy: try again"),
    ),
)]
pub async fn put(
    request: HttpRequest,
    path: Path<String>,
    body: Body,
    app: Data<App>,
) -> HttpResponse {
    let set = async {
        admit(&request, &path, &app)?;
        body::require_json(&request)?;
        let bytes = body::bytes(body)?;
        let policy: Policy = body::parse(&bytes)?;
        policy.check().map_err(|error| {
            let message = error.to_string();
            Problem::malformed(error.field, message)
        })?;
        let key = idempotency(&request, &bytes)?;
        let set = |kept: Kept, _: Timestamp| Kept {
            version: kept.version.saturating_add(1),
            policy: policy.clone(),
            ..kept
        };
        let (recorded, kept) = change(&app, &path, key.as_ref(), set).await?;
        Ok((view(&path, &kept), recorded.is_replay))
    };
    respond(&request, &app, set).await
}

/// Sets another secret for the provider's webhooks, or makes one and shows it. The one before is taken
/// for another day.
#[utoipa::path(
    post, path = "/v1/origins/{origin}/compliance-policy/webhook-secret", tag = "operator",
    request_body = SecretRequest,
    params(
        ("origin" = String, Path, description = "the origin's name"),
        ("Idempotency-Key" = Option<String>, Header, description = "same key, same answer"),
    ),
    responses(
        (status = 200, description = "the secret", body = serde_json::Value),
        (status = 400, description = "malformed: the field is named"),
        (status = 401, description = "no key, or an unknown one"),
        (status = 403, description = "the key has not the scope operator"),
        (status = 404, description = "no such origin, or another's key without the scope root"),
        (status = 409, description = "the idempotency key was used otherwise"),
        (status = 413, description = "the body is too large"),
        (status = 415, description = "the body is not JSON"),
        (status = 422, description = "an idempotency key that is no plain text"),
        (status = 503, description = "busy: try again"),
    ),
)]
pub async fn set_secret(
    request: HttpRequest,
    path: Path<String>,
    body: Body,
    app: Data<App>,
) -> HttpResponse {
    let set = async {
        admit(&request, &path, &app)?;
        body::require_json(&request)?;
        let bytes = body::bytes(body)?;
        let wanted: SecretRequest = body::parse(&bytes)?;
        let secret = match &wanted.webhook_secret {
            Some(text) => read_secret(text)?,
            None => new_secret()?,
        };
        let key = idempotency(&request, &bytes)?;
        // Held until it is recorded, so that its key is not retired before.
        let _hold = app.vault.hold();
        let sealed = app.vault.seal_text(&aad(&path), &secret);
        let sealed = sealed.map_err(|error| unsealed(&error))?;
        let set = |kept: Kept, now: Timestamp| Kept {
            secret: Some(SecretMark {
                sealed: sealed.clone(),
                before: kept.secret.map(|before| before.sealed),
                made_micros: now.micros(),
            }),
            ..kept
        };
        let (recorded, kept) = change(&app, &path, key.as_ref(), set).await?;
        let mark = kept.secret.ok_or_else(no_origin)?;
        let secret = app.vault.open_text(&aad(&path), &mark.sealed);
        let secret = secret.map_err(|error| unsealed(&error))?;
        let view = json!({
            "origin": *path,
            "webhook_secret": format!("{SECRET_PREFIX}{}", STANDARD.encode(&*secret)),
            "webhook_path": format!("/v1/compliance/webhook/{path}"),
        });
        Ok((view, recorded.is_replay))
    };
    respond(&request, &app, set).await
}

/// What an origin's secrets are sealed for.
fn aad(origin: &str) -> String {
    format!("compliance-webhook/{origin}")
}

fn read_secret(text: &str) -> Result<Zeroizing<Vec<u8>>, Problem> {
    let bytes = text.strip_prefix(SECRET_PREFIX);
    let bytes = bytes.and_then(|text| STANDARD.decode(text).ok());
    let bytes = bytes.filter(|bytes| SECRET_BYTES.contains(&bytes.len()));
    bytes.map(Zeroizing::new).ok_or_else(|| {
        let message = "webhook_secret must be whsec_ and 24 to 64 bytes in base64";
        Problem::malformed("webhook_secret", message)
    })
}

fn new_secret() -> Result<Zeroizing<Vec<u8>>, Problem> {
    let mut secret = Zeroizing::new(vec![0; 32]);
    getrandom::fill(&mut secret).map_err(|error| {
        tracing::error!(%error, "the system gave no randomness");
        Problem::busy("no randomness: try again")
    })?;
    Ok(secret)
}

fn unsealed(error: &VaultError) -> Problem {
    tracing::error!(%error, "a provider's secret could not be sealed or opened");
    Problem::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "vault_fault",
        "the secret could not be sealed or opened; the operator's log says why",
    )
}

/// The answer of an operator's route.
pub(super) async fn respond(
    request: &HttpRequest,
    app: &Data<App>,
    handler: impl Future<Output = Result<(Value, bool), Problem>>,
) -> HttpResponse {
    let id = request_id(request, app);
    match handler.await {
        Ok((view, is_replay)) => {
            let mut response = HttpResponse::build(StatusCode::OK)
                .insert_header(("x-request-id", id))
                .insert_header(("cache-control", "no-store"))
                .json(view);
            if is_replay {
                super::super::super::mark_replay(&mut response);
            }
            response
        }
        Err(problem) => problem.respond(&id),
    }
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
    key: Option<&Idempotency>,
    change: impl Fn(Kept, Timestamp) -> Kept,
) -> Result<(Recorded, Kept), Problem> {
    let keyed = key.map(|key| Keyed {
        key: key.key(name),
        fingerprint: key.fingerprint,
    });
    let decide = |registry: &Registry, now: Timestamp| {
        if !registry.has_origin(name) {
            return Err(no_origin());
        }
        let kept = change(store::policy_in(registry, name)?, now);
        Ok(vec![store::set(Shelf::CompliancePolicy, name, &kept, now)?])
    };
    let recorded = app.engine.change_registry(keyed, decide).await?;
    let kept = store::recorded(&recorded, Shelf::CompliancePolicy)?.unwrap_or_default();
    Ok((recorded, kept))
}

fn view(origin: &str, kept: &Kept) -> Value {
    let mut view = json!({
        "origin": origin,
        "policy_version": kept.version.to_string(),
        "has_webhook_secret": kept.secret.is_some(),
    });
    if let (Ok(Value::Object(policy)), Some(object)) =
        (serde_json::to_value(&kept.policy), view.as_object_mut())
    {
        object.extend(policy);
    }
    view
}

/// The secrets that a webhook may be signed with now.
///
/// # Errors
///
/// 500 if the vault does not open them.
pub(super) fn live_secrets(
    vault: &Vault,
    origin: &str,
    mark: &SecretMark,
    now: Timestamp,
) -> Result<Vec<Zeroizing<Vec<u8>>>, Problem> {
    let until = Timestamp::from_micros(mark.made_micros).plus_seconds(OVERLAP_S);
    let before = mark.before.as_ref().filter(|_| now < until);
    let open = |sealed| {
        let opened = vault.open_text(&aad(origin), sealed);
        opened.map_err(|error| unsealed(&error))
    };
    [&mark.sealed].into_iter().chain(before).map(open).collect()
}
