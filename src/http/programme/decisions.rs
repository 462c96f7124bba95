//! Who is asked before a purchase is final: `/v1/decision-endpoint`.

use std::{sync::Arc, time::Duration};

use actix_web::{
    HttpRequest, HttpResponse,
    http::StatusCode,
    web::{self, Data},
};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::OpenApi;

use super::{
    super::{
        App, access,
        body::{self, Body},
        mark_replay,
        problem::Problem,
        request_id, resource,
    },
    request::{Idempotency, idempotency},
};
use crate::{
    actors::registrar::{Keyed, Principal, Recorded, hex},
    decisions::{
        Figures,
        settings::{BUDGET_MS, Fallback, OVERLAP_S, Secret, Settings, url_fault},
    },
    domain::{
        documents::Shelf,
        registry::{RegistryEvent, Scope},
        time::Timestamp,
    },
};

/// This file's routes for the OpenAPI document.
#[derive(OpenApi)]
#[openapi(paths(get, put, delete, rotate))]
pub struct Paths;

/// Adds this file's routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(
            resource("/v1/decision-endpoint")
                .route(web::get().to(get))
                .route(web::put().to(put))
                .route(web::delete().to(delete)),
        )
        .service(resource("/v1/decision-endpoint/rotate-secret").route(web::post().to(rotate)));
}

/// An endpoint's settings.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EndpointRequest {
    /// Where questions are posted: http or https.
    #[schema(max_length = 2048, example = "https://programme.example/decide")]
    url: String,
    /// Whether any are; true, if it is not said.
    enabled: Option<bool>,
    /// How long a purchase may take with its question, in milliseconds, the server's own share included;
    /// 2000, if it is not said.
    #[schema(minimum = 100, maximum = 2000)]
    budget_ms: Option<u64>,
    /// What is said when no usable answer comes in time; `decline`, if it is not said.
    fallback: Option<Fallback>,
}

/// Shows who is asked before a purchase is final, and how that endpoint did since the server started.
#[utoipa::path(
    get, path = "/v1/decision-endpoint", tag = "programme",
    responses(
        (status = 200, description = "the settings and figures", body = serde_json::Value),
        (status = 401, description = "no key, or an unknown one"),
        (status = 403, description = "a holder's token, or neither the scope programme nor operator"),
        (status = 404, description = "none is set"),
        (status = 503, description = "busy: try again"),
    ),
)]
pub async fn get(request: HttpRequest, app: Data<App>) -> HttpResponse {
    let id = request_id(&request, &app);
    let shown = async {
        let principal = caller(&request, &app)?;
        let origin = &*principal.origin;
        let find = |registry: &crate::domain::registry::Registry| {
            registry.documents.get(Shelf::Decision, origin).cloned()
        };
        let text = app.engine.look_at_registry(find).await?;
        let settings = text.and_then(|text| Settings::parse(&text));
        let settings = settings.ok_or_else(no_endpoint)?;
        let mut view = view(origin, &settings, &app);
        set(
            &mut view,
            "figures",
            figures(&app.decisions.figures(origin)),
        );
        Ok(view)
    };
    answer(shown.await.map(|view| (view, false)), id)
}

/// Sets who is asked before a purchase is final. The first time the answer has the secret that questions
/// are signed with; it is not shown again.
#[utoipa::path(
    put, path = "/v1/decision-endpoint", tag = "programme",
    request_body = EndpointRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "same key, same answer")),
    responses(
        (status = 200, description = "the settings", body = serde_json::Value),
        (status = 400, description = "malformed: the field is named"),
        (status = 401, description = "no key, or an unknown one"),
        (status = 403, description = "a holder's token, or neither the scope programme nor operator"),
        (status = 409, description = "the idempotency key was used otherwise"),
        (status = 413, description = "the body is too large"),
        (status = 415, description = "the body is not JSON"),
        (status = 422, description = "an impossible value: the field is named"),
        (status = 503, description = "busy: try again"),
    ),
)]
pub async fn put(request: HttpRequest, body: Body, app: Data<App>) -> HttpResponse {
    let id = request_id(&request, &app);
    answer(set_endpoint(&request, body, &app).await, id)
}

async fn set_endpoint(
    request: &HttpRequest,
    bytes: Body,
    app: &App,
) -> Result<(Value, bool), Problem> {
    let principal = caller(request, app)?;
    body::require_json(request)?;
    let bytes = body::bytes(bytes)?;
    let wanted: EndpointRequest = body::parse(&bytes)?;
    if let Some(fault) = url_fault(&wanted.url, app.decisions.allow_private) {
        return Err(Problem::impossible("url", fault));
    }
    let budget_ms = wanted.budget_ms.unwrap_or(*BUDGET_MS.end());
    if !BUDGET_MS.contains(&budget_ms) {
        let (from, to) = (BUDGET_MS.start(), BUDGET_MS.end());
        let message = format!("budget_ms must be from {from} to {to}");
        return Err(Problem::impossible("budget_ms", message));
    }
    let salt = salt()?;
    let change = |known: Option<Settings>, now: Timestamp| {
        let now = now.to_string();
        let (salt, previous, created_at) = match known {
            Some(known) => (known.salt, known.previous, known.created_at),
            None => (salt.clone(), None, now.clone()),
        };
        Ok(Some(Settings {
            url: wanted.url.clone(),
            enabled: wanted.enabled.unwrap_or(true),
            budget_ms,
            fallback: wanted.fallback.unwrap_or(Fallback::Decline),
            salt,
            previous,
            created_at,
            updated_at: now,
        }))
    };
    let key = idempotency(request, &bytes)?;
    let (recorded, settings) = record(app, &principal, key.as_ref(), change).await?;
    let settings = settings.ok_or_else(no_endpoint)?;
    let mut view = view(&principal.origin, &settings, app);
    if settings.created_at == settings.updated_at {
        set(
            &mut view,
            "secret",
            secret(&principal.origin, &settings, app),
        );
    }
    Ok((view, recorded.is_replay))
}

/// Stops asking. A purchase whose question is out is decided as it was when it was asked.
#[utoipa::path(
    delete, path = "/v1/decision-endpoint", tag = "programme",
    responses(
        (status = 200, description = "nobody is asked any more", body = serde_json::Value),
        (status = 401, description = "no key, or an unknown one"),
        (status = 403, description = "a holder's token, or neither the scope programme nor operator"),
        (status = 404, description = "none is set"),
        (status = 503, description = "busy: try again"),
    ),
)]
pub async fn delete(request: HttpRequest, app: Data<App>) -> HttpResponse {
    let id = request_id(&request, &app);
    let deleted = async {
        let principal = caller(&request, &app)?;
        let remove = |known: Option<Settings>, _| known.map(|_| None).ok_or_else(no_endpoint);
        record(&app, &principal, None, remove).await?;
        Ok((
            json!({ "origin": &*principal.origin, "deleted": true }),
            false,
        ))
    };
    answer(deleted.await, id)
}

/// Makes a new secret for questions, and shows it this once. For a day they bear a signature by the one
/// before as well.
#[utoipa::path(
    post, path = "/v1/decision-endpoint/rotate-secret", tag = "programme",
    params(("Idempotency-Key" = Option<String>, Header, description = "same key, same answer")),
    responses(
        (status = 200, description = "the settings and the secret", body = serde_json::Value),
        (status = 400, description = "a wrong header: it is named"),
        (status = 401, description = "no key, or an unknown one"),
        (status = 403, description = "a holder's token, or neither the scope programme nor operator"),
        (status = 404, description = "none is set"),
        (status = 409, description = "the idempotency key was used otherwise"),
        (status = 503, description = "busy: try again"),
    ),
)]
pub async fn rotate(request: HttpRequest, app: Data<App>) -> HttpResponse {
    let id = request_id(&request, &app);
    let rotated = async {
        let principal = caller(&request, &app)?;
        let salt = salt()?;
        let change = |known: Option<Settings>, now: Timestamp| {
            let known = known.ok_or_else(no_endpoint)?;
            Ok(Some(Settings {
                previous: Some((known.salt, now.plus_seconds(OVERLAP_S).micros())),
                salt: salt.clone(),
                updated_at: now.to_string(),
                ..known
            }))
        };
        let key = idempotency(&request, b"{}")?;
        let (recorded, settings) = record(&app, &principal, key.as_ref(), change).await?;
        let settings = settings.ok_or_else(no_endpoint)?;
        let mut view = view(&principal.origin, &settings, &app);
        set(
            &mut view,
            "secret",
            secret(&principal.origin, &settings, &app),
        );
        Ok((view, recorded.is_replay))
    };
    answer(rotated.await, id)
}

/// A key of the origin, or a token made with one; no holder's.
fn caller(request: &HttpRequest, app: &App) -> Result<Arc<Principal>, Problem> {
    let principal = access::anyone(request, app)?;
    let forbidden = |message: &str| Problem::new(StatusCode::FORBIDDEN, "forbidden", message);
    if principal.holder.is_some() {
        return Err(forbidden("a holder's token does not show or set this"));
    }
    let scopes = principal.scopes;
    if !scopes.allow(Scope::Programme) && !scopes.allow(Scope::Operator) {
        return Err(forbidden(
            "this key has neither the scope programme nor operator",
        ));
    }
    Ok(principal)
}

fn no_endpoint() -> Problem {
    let message = "no decision endpoint is set: purchases are approved by the rules alone";
    Problem::not_found("decision_endpoint_not_found", message)
}

fn salt() -> Result<String, Problem> {
    let mut random = [0_u8; 16];
    let filled = getrandom::fill(&mut random);
    filled.map_err(|_| Problem::busy("the system gave no randomness"))?;
    Ok(hex(&random))
}

/// Changes the document, and returns what the record has of it, so that a replay reads the same.
async fn record(
    app: &App,
    principal: &Principal,
    key: Option<&Idempotency>,
    change: impl Fn(Option<Settings>, Timestamp) -> Result<Option<Settings>, Problem>,
) -> Result<(Recorded, Option<Settings>), Problem> {
    let origin = &*principal.origin;
    let keyed = key.map(|key| Keyed {
        key: key.key(origin),
        fingerprint: key.fingerprint,
    });
    let recorded = app
        .engine
        .change_registry(keyed, |registry, now| {
            let known = registry.documents.get(Shelf::Decision, origin);
            let known = known.and_then(|text| Settings::parse(text));
            let text = match change(known, now)? {
                Some(settings) => Some(text_of(&settings)?),
                None => None,
            };
            Ok::<_, Problem>(vec![RegistryEvent::DocumentSet {
                shelf: Shelf::Decision,
                name: origin.into(),
                text,
                at: now,
            }])
        })
        .await?;
    let settings = recorded.events.iter().find_map(|event| {
        if let RegistryEvent::DocumentSet { text, .. } = event {
            text.as_deref().and_then(Settings::parse)
        } else {
            None
        }
    });
    Ok((recorded, settings))
}

fn text_of(settings: &Settings) -> Result<Arc<str>, Problem> {
    let text = serde_json::to_string(settings);
    let text = text.map_err(|error| Problem::malformed("body", error.to_string()))?;
    Ok(text.into())
}

fn secret(origin: &str, settings: &Settings, app: &App) -> Value {
    Secret::of(origin, &settings.salt, &app.vault).text().into()
}

fn view(origin: &str, settings: &Settings, app: &App) -> Value {
    let previous = settings.previous.as_ref();
    let until = previous.map(|(_, until)| Timestamp::from_micros(*until).to_string());
    json!({
        "origin": origin,
        "url": settings.url,
        "enabled": settings.enabled,
        "budget_ms": settings.budget_ms,
        "answer_within_ms": millis(app.decisions.endpoint_time(settings)),
        "fallback": settings.fallback,
        "previous_secret_until": until,
        "created_at": settings.created_at,
        "updated_at": settings.updated_at,
    })
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn figures(figures: &Figures) -> Value {
    let mut view = json!({});
    let (mut approved, mut declined) = (0_u64, 0_u64);
    for (by, yes, no) in &figures.counts {
        approved = approved.saturating_add(*yes);
        declined = declined.saturating_add(*no);
        set(
            &mut view,
            by.word(),
            json!({ "approved": yes, "declined": no }),
        );
    }
    json!({
        "approved": approved,
        "declined": declined,
        "by": view,
        "latency_us": {
            "p50": figures.p50_us, "p99": figures.p99_us, "max": figures.max_us,
        },
    })
}

fn set(object: &mut Value, name: &str, value: Value) {
    if let Some(object) = object.as_object_mut() {
        object.insert(name.to_owned(), value);
    }
}

fn answer(result: Result<(Value, bool), Problem>, id: String) -> HttpResponse {
    match result {
        Ok((view, is_replay)) => {
            let mut response = HttpResponse::Ok()
                .insert_header(("x-request-id", id))
                .json(view);
            if is_replay {
                mark_replay(&mut response);
            }
            response
        }
        Err(problem) => problem.respond(&id),
    }
}
