//! `/v1/webhook-deliveries`: which attempts there were, what was given up, and having events again.

use actix_web::{
    HttpRequest, HttpResponse,
    http::StatusCode,
    web::{Data, Path},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    super::{
        super::{
            App,
            body::{self, Body},
            problem::Problem,
        },
        query::Params,
    },
    Told, admit, answer, blocking, endpoint_of, not_written,
};
use crate::{
    domain::ids::EventId,
    outbox::{DeliveryId, Listed, Wanted, attempts::Ending},
};

/// What an endpoint is to get again.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplayRequest {
    /// Events behind this one: an event's id (evt_…) or a cursor (cur_…) of `GET /v1/events`; from the
    /// beginning, if it is not said.
    #[serde(default)]
    since: Option<String>,
    /// Events up to this one; up to now, if it is not said.
    #[serde(default)]
    until: Option<String>,
    /// Only what was given up for this endpoint; then neither `since` nor `until` is said.
    #[serde(default)]
    only_parked: bool,
}

/// Lists attempts, the latest first. Those made last are kept in memory; what was given up
/// (`status=parked`) is durable.
#[utoipa::path(
    get, path = "/v1/webhook-deliveries", tag = "programme",
    params(
        ("endpoint" = Option<String>, Query, description = "an endpoint's id (whe_…), or a URL of accounts"),
        ("account_urn" = Option<String>, Query, description = "of this account"),
        ("event" = Option<String>, Query, description = "an event's name or id"),
        ("status" = Option<String>, Query, description = "delivered, failed or parked"),
        ("limit" = Option<usize>, Query, description = "1 to 200; 50 if it is not said"),
        ("next" = Option<String>, Query, description = "the page before says it"),
    ),
    responses(
        (status = 200, description = "the attempts", body = serde_json::Value),
        (status = 400, description = "the parameter is named"),
        (status = 401, description = "no key, or an unknown one"),
        (status = 403, description = "neither the scope programme nor operator, or a holder's token"),
        (status = 503, description = "busy: try again"),
    ),
)]
pub async fn list(request: HttpRequest, app: Data<App>) -> HttpResponse {
    answer(&request, &app, listed(&request, &app)).await
}

async fn listed(request: &HttpRequest, app: &App) -> Result<Told, Problem> {
    let caller = admit(request, app)?;
    let once = [
        "endpoint",
        "account_urn",
        "event",
        "status",
        "limit",
        "next",
    ];
    let params = Params::read(request, &once, &[])?;
    let limit = params.number("limit", 50, (1, 200))?;
    let words = ["delivered", "failed", "parked"];
    let ending = params.word("status", &words)?.map(|word| match word {
        "delivered" => Ending::Delivered,
        "failed" => Ending::Failed,
        _ => Ending::Parked,
    });
    let next = params.one("next").map(str::parse::<u64>).transpose();
    let next = next.map_err(|_| {
        Problem::malformed("next", "next must be what the page before says under next")
    })?;
    let owned = |name: &str| params.one(name).map(str::to_owned);
    let mut wanted = Wanted {
        origin: caller.origin.to_string(),
        endpoint: owned("endpoint"),
        account_urn: owned("account_urn"),
        event: owned("event"),
        ending,
        before: None,
    };
    let outbox = app.outbox.clone();
    let most = limit.saturating_add(1);
    let is_parked = ending == Some(Ending::Parked);
    let skip = usize::try_from(next.unwrap_or(0)).unwrap_or(usize::MAX);
    let mut found = blocking(move || {
        if is_parked {
            return outbox.parked(&wanted, (skip, most));
        }
        wanted.before = next;
        outbox.attempts(&wanted, most)
    })
    .await?;
    let has_more = found.len() > limit;
    found.truncate(limit);
    let last = found.last().map(|last| last.attempt.number);
    let token = if is_parked {
        Some(skip.saturating_add(limit).to_string())
    } else {
        last.map(|number| number.to_string())
    };
    let views: Vec<_> = found.iter().map(view).collect();
    Ok(Told::ok(
        json!({ "data": views, "next": token.filter(|_| has_more) }),
    ))
}

fn view(listed: &Listed) -> Value {
    let attempt = &listed.attempt;
    let target = &attempt.destination.target;
    let endpoint = target.starts_with("whe_").then_some(target);
    json!({
        "id": listed.id.text(),
        "event_id": attempt.event_id,
        "event": attempt.event_name,
        "account_urn": attempt.account_urn,
        "endpoint": endpoint,
        "url": attempt.url,
        "status": attempt.ending.word(),
        "attempt": attempt.attempt,
        "status_code": attempt.status,
        "latency_ms": attempt.latency_ms,
        "error": attempt.error,
        "at": attempt.at.to_string(),
        "next_attempt_at": attempt.next_at.map(|at| at.to_string()),
    })
}

fn queued(view: Value) -> Told {
    Told::with(StatusCode::ACCEPTED, view)
}

/// Sends one event again to where it went, behind what waits there.
#[utoipa::path(
    post, path = "/v1/webhook-deliveries/{id}/replay", tag = "programme",
    params(("id" = String, Path, description = "the delivery's id (whd_…)")),
    responses(
        (status = 202, description = "it waits", body = serde_json::Value),
        (status = 401, description = "no key, or an unknown one"),
        (status = 403, description = "neither the scope programme nor operator, or a holder's token"),
        (status = 404, description = "no such delivery"),
        (status = 503, description = "busy: try again"),
    ),
)]
pub async fn again(request: HttpRequest, path: Path<String>, app: Data<App>) -> HttpResponse {
    let replayed = async {
        let caller = admit(&request, &app)?;
        let unknown = || Problem::not_found("delivery_not_found", "webhook delivery not found");
        let id = DeliveryId::parse(&path).ok_or_else(unknown)?;
        let (outbox, origin) = (app.outbox.clone(), caller.origin.clone());
        let found = blocking(move || outbox.again(&origin, id)).await?;
        if found.map_err(|error| not_written(&error))? {
            return Ok(queued(json!({ "id": id.text(), "status": "queued" })));
        }
        Err(unknown())
    };
    answer(&request, &app, replayed).await
}

/// Sends an endpoint again what was given up for it, or all that it wants of a range of the log.
#[utoipa::path(
    post, path = "/v1/webhook-endpoints/{id}/replay", tag = "programme",
    request_body = ReplayRequest,
    params(("id" = String, Path, description = "the endpoint's id (whe_…)")),
    responses(
        (status = 202, description = "it waits, or is being read", body = serde_json::Value),
        (status = 400, description = "malformed: the field is named"),
        (status = 401, description = "no key, or an unknown one"),
        (status = 403, description = "neither the scope programme nor operator, or a holder's token"),
        (status = 404, description = "no such endpoint"),
        (status = 413, description = "the body is too large"),
        (status = 415, description = "the body is not JSON"),
        (status = 503, description = "busy: try again"),
    ),
)]
pub async fn replay(
    request: HttpRequest,
    path: Path<String>,
    body: Body,
    app: Data<App>,
) -> HttpResponse {
    answer(&request, &app, replayed(&request, &path, body, &app)).await
}

async fn replayed(
    request: &HttpRequest,
    id: &str,
    bytes: Body,
    app: &App,
) -> Result<Told, Problem> {
    let caller = admit(request, app)?;
    let endpoint = endpoint_of(app, &caller.origin, id)?;
    body::require_json(request)?;
    let bytes = body::bytes(bytes)?;
    let wanted: ReplayRequest = body::parse(&bytes)?;
    let (outbox, origin) = (app.outbox.clone(), caller.origin.clone());
    if wanted.only_parked {
        if wanted.since.is_some() || wanted.until.is_some() {
            let message = "only_parked goes without since and until";
            return Err(Problem::malformed("only_parked", message));
        }
        let laid = blocking(move || outbox.parked_again(&origin, &endpoint.id)).await?;
        let count = laid.map_err(|error| not_written(&error))?;
        return Ok(queued(
            json!({ "id": id, "status": "queued", "events": count }),
        ));
    }
    let after = position("since", wanted.since.as_deref())?.unwrap_or(0);
    let durable = app.engine.durability.durable();
    let upto = position("until", wanted.until.as_deref())?.unwrap_or(durable);
    if after >= upto {
        let message = "until must be behind since, and both in the log";
        return Err(Problem::malformed("until", message));
    }
    let upto = upto.min(durable);
    let asked = blocking(move || outbox.range_again(&origin, &endpoint.id, (after, upto))).await?;
    asked.map_err(|error| not_written(&error))?;
    Ok(queued(json!({ "id": id, "status": "reading" })))
}

/// The record's position that an event's id or a cursor names.
fn position(field: &str, text: Option<&str>) -> Result<Option<u64>, Problem> {
    let Some(text) = text else { return Ok(None) };
    let prefix = if text.starts_with("cur_") {
        "cur_"
    } else {
        "evt_"
    };
    let id = EventId::parse(text, prefix, "an event's id (evt_…) or a cursor (cur_…)");
    id.map(|id| Some(id.lsn))
        .map_err(|error| Problem::malformed(field, format!("{field} {error}")))
}
