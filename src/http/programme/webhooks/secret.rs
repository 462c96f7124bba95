//! The secrets that webhooks are signed with: an endpoint's own, and the programme's for the addresses
//! that its accounts name.

use actix_web::{
    HttpRequest, HttpResponse,
    web::{Data, Path},
};
use serde::Deserialize;
use serde_json::json;

use super::{
    super::super::{
        App,
        body::{self, Body},
        problem::Problem,
    },
    Told, admit, answer, endpoint_of, not_sealed,
};
use crate::{
    domain::{registry::Registry, time::Timestamp},
    outbox::secrets::{self, SecretFacts},
};

/// How a secret is replaced.
#[derive(Deserialize, Default, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Rotation {
    /// For how many seconds the secret before signs beside the new one, 0 to 2592000;
    /// webhooks.secret_overlap_s, if it is not said.
    #[serde(default)]
    overlap_s: Option<i64>,
}

/// Gives an endpoint a new secret, which is shown once. The one before signs beside it for a while.
#[utoipa::path(
    post, path = "/v1/webhook-endpoints/{id}/rotate-secret", tag = "programme",
    request_body = Rotation,
    params(("id" = String, Path, description = "the endpoint's id (whe_…)")),
    responses(
        (status = 200, description = "the new secret", body = serde_json::Value),
        (status = 400, description = "malformed: the field is named"),
        (status = 401, description = "no key, or an unknown one"),
        (status = 403, description = "neither the scope programme nor operator, or a holder's token"),
        (status = 404, description = "no such endpoint"),
        (status = 413, description = "the body is too large"),
        (status = 415, description = "the body is not JSON"),
        (status = 422, description = "an impossible value: the field is named"),
        (status = 503, description = "busy: try again"),
    ),
)]
pub async fn rotate_endpoint(
    request: HttpRequest,
    path: Path<String>,
    body: Body,
    app: Data<App>,
) -> HttpResponse {
    let rotated = async {
        let caller = admit(&request, &app)?;
        let endpoint = endpoint_of(&app, &caller.origin, &path)?;
        replace(&request, body, &app, &endpoint.id).await
    };
    answer(&request, &app, rotated).await
}

/// Shows what the webhooks of accounts' own addresses are signed with: the first time with the secret,
/// which is made if there is none yet; later without it.
#[utoipa::path(
    get, path = "/v1/webhook-secret", tag = "programme",
    responses(
        (status = 200, description = "since when it signs; the secret once", body = serde_json::Value),
        (status = 401, description = "no key, or an unknown one"),
        (status = 403, description = "neither the scope programme nor operator, or a holder's token"),
        (status = 503, description = "busy: try again"),
    ),
)]
pub async fn get(request: HttpRequest, app: Data<App>) -> HttpResponse {
    let told = async {
        let caller = admit(&request, &app)?;
        let origin = caller.origin.to_string();
        let (engine, vault, name) = (app.engine.clone(), app.vault.clone(), origin.clone());
        let made = super::blocking(move || secrets::live(&engine, &vault, &name)).await?;
        made.map_err(|error| not_sealed(&error))?;
        let look = |registry: &Registry| secrets::look(&app.vault, registry, &origin);
        let known = app.engine.look_at_registry(look).await?;
        let known = known.map_err(|error| not_sealed(&error))?;
        let (secret, facts) = known.ok_or_else(|| Problem::busy("try again"))?;
        let seen = |registry: &Registry, now: Timestamp| {
            let event = secrets::shown(registry, &origin, now);
            let event = event.map_err(|error| not_sealed(&error))?;
            Ok(event.into_iter().collect())
        };
        let recorded = app.engine.change_registry::<Problem>(None, seen).await?;
        // Of two who ask at once, the one whose record it is sees it.
        let is_first = !recorded.events.is_empty();
        Ok(Told::ok(view(is_first.then_some(secret.as_str()), &facts)))
    };
    answer(&request, &app, told).await
}

/// Gives the programme a new secret for the webhooks of accounts' own addresses, which is shown once.
#[utoipa::path(
    post, path = "/v1/webhook-secret/rotate", tag = "programme",
    request_body = Rotation,
    responses(
        (status = 200, description = "the new secret", body = serde_json::Value),
        (status = 400, description = "malformed: the field is named"),
        (status = 401, description = "no key, or an unknown one"),
        (status = 403, description = "neither the scope programme nor operator, or a holder's token"),
        (status = 413, description = "the body is too large"),
        (status = 415, description = "the body is not JSON"),
        (status = 422, description = "an impossible value: the field is named"),
        (status = 503, description = "busy: try again"),
    ),
)]
pub async fn rotate(request: HttpRequest, body: Body, app: Data<App>) -> HttpResponse {
    let rotated = async {
        let caller = admit(&request, &app)?;
        replace(&request, body, &app, &caller.origin).await
    };
    answer(&request, &app, rotated).await
}

async fn replace(
    request: &HttpRequest,
    bytes: Body,
    app: &App,
    name: &str,
) -> Result<Told, Problem> {
    body::require_json(request)?;
    let bytes = body::bytes(bytes)?;
    let wanted: Rotation = if bytes.is_empty() {
        Rotation::default()
    } else {
        body::parse(&bytes)?
    };
    let overlap_s = wanted
        .overlap_s
        .unwrap_or_else(|| app.outbox.secret_overlap_s());
    if !(0..=2_592_000).contains(&overlap_s) {
        let message = "overlap_s must be from 0 to 2592000";
        return Err(Problem::impossible("overlap_s", message));
    }
    let secret = secrets::new_secret().map_err(|error| not_sealed(&error.into()))?;
    let hold = app.vault.hold();
    let change = |registry: &Registry, now: Timestamp| {
        let names = (name, secret.as_str());
        let event = secrets::set(&app.vault, registry, names, (now, overlap_s), true);
        Ok(vec![event.map_err(|error| not_sealed(&error))?])
    };
    app.engine.change_registry::<Problem>(None, change).await?;
    drop(hold);
    let look = |registry: &Registry| secrets::look(&app.vault, registry, name);
    let known = app.engine.look_at_registry(look).await?;
    let known = known.map_err(|error| not_sealed(&error))?;
    let (_, facts) = known.ok_or_else(|| Problem::busy("try again"))?;
    Ok(Told::ok(view(Some(&secret), &facts)))
}

fn view(secret: Option<&str>, facts: &SecretFacts) -> serde_json::Value {
    let made_at = (facts.made_at.micros() > 0).then(|| facts.made_at.to_string());
    json!({
        "secret": secret,
        "made_at": made_at,
        "previous_valid_until": facts.previous_until.map(|at| at.to_string()),
    })
}
