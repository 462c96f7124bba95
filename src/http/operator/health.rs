//! `/healthz`, `/readyz`, `/metrics`.

use std::sync::atomic::Ordering;

use actix_web::{HttpResponse, web::Data};
use serde_json::json;

use super::super::{App, problem::take_busy};

/// Says that the process lives.
#[utoipa::path(
    get, path = "/healthz", tag = "operator",
    responses((status = 200, description = "the process lives", body = serde_json::Value)),
)]
pub async fn live() -> HttpResponse {
    HttpResponse::Ok().json(json!({ "status": "ok" }))
}

/// Says whether requests are taken.
#[utoipa::path(
    get, path = "/readyz", tag = "operator",
    responses(
        (status = 200, description = "requests are taken", body = serde_json::Value),
        (status = 503, description = "starting, stopping, or short of disk space"),
    ),
)]
pub async fn ready(app: Data<App>) -> HttpResponse {
    let is_ready = app.is_ready.load(Ordering::Relaxed);
    let journal = app.engine.shared.journal.reserve();
    match (is_ready, journal) {
        (true, Ok(_)) => {
            let lsn = app.engine.durability.durable();
            HttpResponse::Ok().json(json!({ "status": "ready", "durable_lsn": lsn }))
        }
        (false, _) => HttpResponse::ServiceUnavailable().json(json!({ "status": "not ready" })),
        (true, Err(error)) => {
            let reason = error.to_string();
            HttpResponse::ServiceUnavailable()
                .json(json!({ "status": "not ready", "reason": reason }))
        }
    }
}

/// Everything counted, in the Prometheus text form.
#[utoipa::path(
    get, path = "/metrics", tag = "operator",
    responses((status = 200, description = "Prometheus text", content_type = "text/plain")),
)]
pub async fn metrics(app: Data<App>) -> HttpResponse {
    let shared = &app.engine.shared;
    let (groups, live) = app.engine.directory.count();
    let gauge = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    shared.metrics.groups.set(gauge(groups));
    shared.metrics.actors.set(gauge(live));
    shared.metrics.busy.inc_by(take_busy());
    shared.metrics.clock_ahead.set(shared.clock.ahead_seconds());
    shared.metrics.in_transit.set(gauge(shared.outgoing.len()));
    shared.metrics.keys.set(gauge(shared.keys.len()));
    // Positions are byte positions: what lies between the two waits for the disk.
    let (appended, durable) = (
        shared.journal.appended().get(),
        shared.journal.durable().get(),
    );
    let queued = i64::try_from(appended.saturating_sub(durable)).unwrap_or(i64::MAX);
    shared.metrics.journal_queued.set(queued);
    HttpResponse::Ok()
        .insert_header(("content-type", "text/plain; version=0.0.4; charset=utf-8"))
        .body(shared.metrics.render())
}
