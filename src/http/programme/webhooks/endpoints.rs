//! `/v1/webhook-endpoints`: where a programme's events go.

use actix_web::{
    HttpRequest, HttpResponse,
    http::StatusCode,
    web::{Data, Path},
};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use super::{
    super::{
        super::{
            App,
            body::{self, Body, plain_text},
            problem::Problem,
        },
        request::{idempotency, outgoing_url},
    },
    Told, admit, answer, blocking, endpoint_of, no_endpoint, not_sealed,
};
use crate::{
    actors::registrar::{Keyed, Recorded, hex},
    domain::{
        documents::Shelf,
        registry::{Registry, RegistryEvent},
        time::Timestamp,
    },
    outbox::{
        secrets,
        targets::{Endpoint, Format},
    },
};

/// The most endpoints of one origin.
const ENDPOINTS_MAX: usize = 32;
/// The most names of events an endpoint lists.
const EVENTS_MAX: usize = 64;

/// A new endpoint.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewEndpoint {
    /// Where to: http or https, without a user or password.
    #[schema(example = "https://example.com/webhooks")]
    url: String,
    /// Which events: names, `card.*` for all that begin so, `*` for all; all, if it is not said.
    #[serde(default)]
    events: Option<Vec<String>>,
    /// In which form: standard, if it is not said, or blnk.
    #[serde(default)]
    format: Format,
    /// For people.
    #[serde(default)]
    #[schema(max_length = 256)]
    description: Option<String>,
    /// Whether events are sent from now on; yes, if it is not said.
    #[serde(default)]
    enabled: Option<bool>,
}

/// A change of an endpoint: what is not named stays.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EndpointPatch {
    /// Where to.
    #[serde(default)]
    url: Option<String>,
    /// Which events.
    #[serde(default)]
    events: Option<Vec<String>>,
    /// In which form.
    #[serde(default)]
    format: Option<Format>,
    /// For people; null takes it away.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    description: Option<Option<String>>,
    /// Whether events are sent. What waits for an endpoint that is disabled goes out when it is enabled.
    #[serde(default)]
    enabled: Option<bool>,
}

fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

fn check_events(events: &[String]) -> Result<(), Problem> {
    if events.is_empty() || events.len() > EVENTS_MAX {
        let message = format!("events must have 1 to {EVENTS_MAX} names; [\"*\"] is for all");
        return Err(Problem::malformed("events", message));
    }
    let is_name = |name: &String| {
        let start = name.strip_suffix('*').unwrap_or(name);
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        name.len() <= 64 && !name.is_empty() && start.bytes().all(plain)
    };
    if events.iter().all(is_name) {
        return Ok(());
    }
    let message = "events must be names such as purchase or card.*, or *";
    Err(Problem::malformed("events", message))
}

fn check_description(text: &str) -> Result<(), Problem> {
    if text.is_empty() {
        return Ok(());
    }
    plain_text("description", text, 256)
}

/// Makes an endpoint. Its secret is in the answer, and is not shown again.
#[utoipa::path(
    post, path = "/v1/webhook-endpoints", tag = "programme",
    request_body = NewEndpoint,
    params(("Idempotency-Key" = Option<String>, Header, description = "same key: made once")),
    responses(
        (status = 201, description = "made, with its secret", body = serde_json::Value),
        (status = 400, description = "malformed: the field is named"),
        (status = 401, description = "no key, or an unknown one"),
        (status = 403, description = "neither the scope programme nor operator, or a holder's token"),
        (status = 409, description = "too many endpoints, or the idempotency key was used otherwise"),
        (status = 413, description = "the body is too large"),
        (status = 415, description = "the body is not JSON"),
        (status = 422, description = "an impossible value: the field is named"),
        (status = 503, description = "busy: try again"),
    ),
)]
pub async fn create(request: HttpRequest, body: Body, app: Data<App>) -> HttpResponse {
    answer(&request, &app, make(&request, body, &app)).await
}

async fn make(request: &HttpRequest, bytes: Body, app: &App) -> Result<Told, Problem> {
    let caller = admit(request, app)?;
    body::require_json(request)?;
    let bytes = body::bytes(bytes)?;
    let wanted: NewEndpoint = body::parse(&bytes)?;
    outgoing_url("url", &wanted.url)?;
    let events = wanted.events.unwrap_or_else(|| vec!["*".to_owned()]);
    check_events(&events)?;
    let description = wanted.description.unwrap_or_default();
    check_description(&description)?;
    let mut random = [0_u8; 12];
    getrandom::fill(&mut random).map_err(|_| Problem::busy("no randomness: try again"))?;
    let template = Endpoint {
        id: format!("whe_{}", hex(&random)),
        origin: caller.origin.to_string(),
        url: wanted.url,
        enabled: wanted.enabled.unwrap_or(true),
        events,
        format: wanted.format,
        description,
        created_at: 0,
        updated_at: 0,
        disabled_reason: None,
    };
    let secret = secrets::new_secret().map_err(|error| not_sealed(&error.into()))?;
    let keyed = idempotency(request, &bytes)?.map(|key| Keyed {
        key: key.key(&caller.origin),
        fingerprint: key.fingerprint,
    });
    // The key of the vault is held until what it sealed is recorded.
    let hold = app.vault.hold();
    let change = |registry: &Registry, now: Timestamp| {
        let own = registry.documents.of(Shelf::Endpoint).filter(|(_, text)| {
            Endpoint::read(text).is_some_and(|known| known.origin == template.origin)
        });
        if own.count() >= ENDPOINTS_MAX {
            let message = format!("an origin has at most {ENDPOINTS_MAX} webhook endpoints");
            return Err(Problem::conflict("too_many_endpoints", message));
        }
        let endpoint = Endpoint {
            created_at: now.micros(),
            updated_at: now.micros(),
            ..template.clone()
        };
        let name = (template.id.as_str(), secret.as_str());
        let sealed = secrets::set(&app.vault, registry, name, (now, 0), true);
        Ok(vec![
            set(&endpoint, now),
            sealed.map_err(|error| not_sealed(&error))?,
        ])
    };
    // Said before it is recorded, so that nothing behind it is passed over.
    app.engine.shared.indexes.expect_webhooks();
    let recorded = app.engine.change_registry::<Problem>(keyed, change).await?;
    drop(hold);
    let endpoint = made(&recorded)?;
    app.outbox.endpoint_changed(&endpoint.id);
    let look = |registry: &Registry| secrets::look(&app.vault, registry, &endpoint.id);
    let known = app.engine.look_at_registry(look).await?;
    let known = known.map_err(|error| not_sealed(&error))?;
    let mut shown = view(app, &endpoint);
    if let (Some(object), Some((secret, _))) = (shown.as_object_mut(), known) {
        object.insert("secret".to_owned(), json!(secret));
    }
    Ok(Told {
        is_replay: recorded.is_replay,
        ..Told::with(StatusCode::CREATED, shown)
    })
}

fn set(endpoint: &Endpoint, now: Timestamp) -> RegistryEvent {
    RegistryEvent::DocumentSet {
        shelf: Shelf::Endpoint,
        name: endpoint.id.clone(),
        text: Some(endpoint.text()),
        at: now,
    }
}

/// The endpoint as the record has it.
fn made(recorded: &Recorded) -> Result<Endpoint, Problem> {
    let found = recorded.events.iter().find_map(|event| {
        if let RegistryEvent::DocumentSet { shelf, text, .. } = event
            && *shelf == Shelf::Endpoint
        {
            return Endpoint::read(text.as_ref()?);
        }
        None
    });
    found.ok_or_else(|| crate::actors::EngineError::KeyConflict.into())
}

fn view(app: &App, endpoint: &Endpoint) -> Value {
    let (waiting, parked) = app.outbox.counts(&endpoint.origin, &endpoint.id);
    json!({
        "id": endpoint.id,
        "url": endpoint.url,
        "enabled": endpoint.enabled,
        "disabled_reason": endpoint.disabled_reason,
        "events": endpoint.events,
        "format": endpoint.format,
        "description": endpoint.description,
        "waiting": waiting,
        "parked": parked,
        "created_at": Timestamp::from_micros(endpoint.created_at).to_string(),
        "updated_at": Timestamp::from_micros(endpoint.updated_at).to_string(),
    })
}

/// Lists the endpoints of the caller's origin, without their secrets.
#[utoipa::path(
    get, path = "/v1/webhook-endpoints", tag = "programme",
    responses(
        (status = 200, description = "the endpoints", body = serde_json::Value),
        (status = 401, description = "no key, or an unknown one"),
        (status = 403, description = "neither the scope programme nor operator, or a holder's token"),
        (status = 503, description = "busy: try again"),
    ),
)]
pub async fn list(request: HttpRequest, app: Data<App>) -> HttpResponse {
    let listed = async {
        let caller = admit(&request, &app)?;
        let own = |registry: &Registry| -> Vec<Endpoint> {
            let all = registry.documents.of(Shelf::Endpoint);
            let all = all.filter_map(|(_, text)| Endpoint::read(text));
            all.filter(|known| *known.origin == *caller.origin)
                .collect()
        };
        let mut own = app.engine.look_at_registry(own).await?;
        own.sort_unstable_by_key(|endpoint| endpoint.created_at);
        let views: Vec<_> = own.iter().map(|endpoint| view(&app, endpoint)).collect();
        Ok(Told::ok(json!({ "data": views })))
    };
    answer(&request, &app, listed).await
}

/// Shows an endpoint, without its secret.
#[utoipa::path(
    get, path = "/v1/webhook-endpoints/{id}", tag = "programme",
    params(("id" = String, Path, description = "the endpoint's id (whe_…)")),
    responses(
        (status = 200, description = "the endpoint", body = serde_json::Value),
        (status = 401, description = "no key, or an unknown one"),
        (status = 403, description = "neither the scope programme nor operator, or a holder's token"),
        (status = 404, description = "no such endpoint"),
        (status = 503, description = "busy: try again"),
    ),
)]
pub async fn get(request: HttpRequest, path: Path<String>, app: Data<App>) -> HttpResponse {
    let told = async {
        let caller = admit(&request, &app)?;
        let id = path.as_str();
        let find = |registry: &Registry| {
            let text = registry.documents.get(Shelf::Endpoint, id)?;
            Endpoint::read(text)
        };
        let found = app.engine.look_at_registry(find).await?;
        let endpoint = found.filter(|known| *known.origin == *caller.origin);
        let endpoint = endpoint.ok_or_else(no_endpoint)?;
        Ok(Told::ok(view(&app, &endpoint)))
    };
    answer(&request, &app, told).await
}

/// Changes an endpoint: what is not named stays.
#[utoipa::path(
    patch, path = "/v1/webhook-endpoints/{id}", tag = "programme",
    request_body = EndpointPatch,
    params(
        ("id" = String, Path, description = "the endpoint's id (whe_…)"),
        ("Idempotency-Key" = Option<String>, Header, description = "same key, same answer"),
    ),
    responses(
        (status = 200, description = "as it is now", body = serde_json::Value),
        (status = 400, description = "malformed: the field is named"),
        (status = 401, description = "no key, or an unknown one"),
        (status = 403, description = "neither the scope programme nor operator, or a holder's token"),
        (status = 404, description = "no such endpoint"),
        (status = 409, description = "the idempotency key was used otherwise"),
        (status = 413, description = "the body is too large"),
        (status = 415, description = "the body is not JSON"),
        (status = 422, description = "an impossible value: the field is named"),
        (status = 503, description = "busy: try again"),
    ),
)]
pub async fn patch(
    request: HttpRequest,
    path: Path<String>,
    body: Body,
    app: Data<App>,
) -> HttpResponse {
    answer(&request, &app, change(&request, &path, body, &app)).await
}

async fn change(request: &HttpRequest, id: &str, bytes: Body, app: &App) -> Result<Told, Problem> {
    let caller = admit(request, app)?;
    body::require_json(request)?;
    let bytes = body::bytes(bytes)?;
    let wanted: EndpointPatch = body::parse(&bytes)?;
    if let Some(url) = &wanted.url {
        outgoing_url("url", url)?;
    }
    if let Some(events) = &wanted.events {
        check_events(events)?;
    }
    if let Some(Some(description)) = &wanted.description {
        check_description(description)?;
    }
    let keyed = idempotency(request, &bytes)?.map(|key| Keyed {
        key: key.key(&caller.origin),
        fingerprint: key.fingerprint,
    });
    let patched = |registry: &Registry, now: Timestamp| {
        let known = registry.documents.get(Shelf::Endpoint, id);
        let known = known.and_then(|text| Endpoint::read(text));
        let known = known.filter(|known| *known.origin == *caller.origin);
        let mut endpoint = known.ok_or_else(no_endpoint)?;
        endpoint.updated_at = now.micros();
        if let Some(url) = &wanted.url {
            endpoint.url.clone_from(url);
        }
        if let Some(events) = &wanted.events {
            endpoint.events.clone_from(events);
        }
        if let Some(description) = &wanted.description {
            endpoint.description = description.clone().unwrap_or_default();
        }
        if let Some(format) = wanted.format {
            endpoint.format = format;
        }
        if let Some(enabled) = wanted.enabled {
            endpoint.enabled = enabled;
            endpoint.disabled_reason = None;
        }
        Ok(vec![set(&endpoint, now)])
    };
    let recorded = app
        .engine
        .change_registry::<Problem>(keyed, patched)
        .await?;
    let endpoint = made(&recorded)?;
    app.outbox.endpoint_changed(id);
    Ok(Told {
        is_replay: recorded.is_replay,
        ..Told::ok(view(app, &endpoint))
    })
}

/// Removes an endpoint, its secret, and all that waits for it.
#[utoipa::path(
    delete, path = "/v1/webhook-endpoints/{id}", tag = "programme",
    params(("id" = String, Path, description = "the endpoint's id (whe_…)")),
    responses(
        (status = 200, description = "removed", body = serde_json::Value),
        (status = 401, description = "no key, or an unknown one"),
        (status = 403, description = "neither the scope programme nor operator, or a holder's token"),
        (status = 404, description = "no such endpoint"),
        (status = 503, description = "busy: try again"),
    ),
)]
pub async fn delete(request: HttpRequest, path: Path<String>, app: Data<App>) -> HttpResponse {
    let removed = async {
        let caller = admit(&request, &app)?;
        let id = path.as_str();
        let gone = |shelf, at| RegistryEvent::DocumentSet {
            shelf,
            name: id.to_owned(),
            text: None,
            at,
        };
        let remove = |registry: &Registry, now: Timestamp| {
            let known = registry.documents.get(Shelf::Endpoint, id);
            let known = known.and_then(|text| Endpoint::read(text));
            let known = known.filter(|known| *known.origin == *caller.origin);
            known.ok_or_else(no_endpoint)?;
            Ok(vec![
                gone(Shelf::Endpoint, now),
                gone(Shelf::WebhookSecrets, now),
            ])
        };
        app.engine.change_registry::<Problem>(None, remove).await?;
        let (outbox, name) = (app.outbox.clone(), path.to_string());
        blocking(move || outbox.endpoint_changed(&name)).await?;
        Ok(Told::ok(json!({ "id": id, "deleted": true })))
    };
    answer(&request, &app, removed).await
}

/// Sends an event `ping` to an endpoint, once, and says what came of it.
#[utoipa::path(
    post, path = "/v1/webhook-endpoints/{id}/test", tag = "programme",
    params(("id" = String, Path, description = "the endpoint's id (whe_…)")),
    responses(
        (status = 200, description = "what came of it", body = serde_json::Value),
        (status = 401, description = "no key, or an unknown one"),
        (status = 403, description = "neither the scope programme nor operator, or a holder's token"),
        (status = 404, description = "no such endpoint"),
        (status = 503, description = "busy: try again"),
    ),
)]
pub async fn test(request: HttpRequest, path: Path<String>, app: Data<App>) -> HttpResponse {
    let tested = async {
        let caller = admit(&request, &app)?;
        let endpoint = endpoint_of(&app, &caller.origin, &path)?;
        let outbox = app.outbox.clone();
        let tested = blocking(move || outbox.test(&endpoint)).await?;
        let tested = tested.map_err(|error| not_sealed(&error))?;
        let is_delivered = tested
            .status
            .is_some_and(|status| (200..300).contains(&status));
        Ok(Told::ok(json!({
            "event_id": tested.event_id,
            "delivered": is_delivered,
            "status_code": tested.status,
            "latency_ms": tested.latency_ms,
            "error": tested.error,
        })))
    };
    answer(&request, &app, tested).await
}
