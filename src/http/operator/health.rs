//! `/healthz`, `/readyz`, `/metrics`.

use std::sync::atomic::Ordering;

use actix_web::{HttpResponse, web::Data};
use serde_json::json;

use super::super::{App, problem::take_busy};
use crate::journal::{Journal, STALLED};

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
        (status = 503, description = "starting, stopping, short of disk space, or the disk does not answer"),
    ),
)]
pub async fn ready(app: Data<App>) -> HttpResponse {
    let journal = app.engine.shared.journal.as_ref();
    if !app.is_ready.load(Ordering::Relaxed) {
        return HttpResponse::ServiceUnavailable().json(json!({ "status": "not ready" }));
    }
    match refusal(journal) {
        Some(reason) => HttpResponse::ServiceUnavailable()
            .json(json!({ "status": "not ready", "reason": reason })),
        None => {
            let lsn = app.engine.durability.durable();
            HttpResponse::Ok().json(json!({ "status": "ready", "durable_lsn": lsn }))
        }
    }
}

/// Why the journal takes nothing now, or answers nothing.
fn refusal(journal: &dyn Journal) -> Option<String> {
    if let Err(error) = journal.reserve() {
        return Some(error.to_string());
    }
    let time = journal.committing_for().filter(|time| *time >= STALLED)?;
    let seconds = time.as_secs();
    Some(format!(
        "the disk has not answered a commit for {seconds} seconds"
    ))
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
    let committing = shared.journal.committing_for().unwrap_or_default();
    let committing = i64::try_from(committing.as_secs()).unwrap_or(i64::MAX);
    shared.metrics.committing.set(committing);
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

#[cfg(test)]
mod tests {
    use std::{
        sync::Arc,
        thread,
        time::{Duration, Instant},
    };

    use super::*;
    use crate::journal::wal::{WalJournal, WalOptions, faulty::FaultyStorage};

    fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
        let deadline = Instant::now() + STALLED * 4;
        while !done() {
            assert!(Instant::now() < deadline, "{what}");
            thread::sleep(Duration::from_millis(10));
        }
    }

    #[test]
    fn a_disk_that_does_not_answer_is_no_place_to_send_requests() {
        let disk = Arc::new(FaultyStorage::new());
        let (journal, _) = WalJournal::open(WalOptions::new("/d"), disk.clone()).unwrap();
        assert_eq!(refusal(&journal), None);
        disk.hold_syncs(true);
        let place = journal.reserve().unwrap();
        let lsn = journal.append(place, b"a record");
        wait_until("the disk is said not to answer", || {
            refusal(&journal).is_some_and(|why| why.contains("has not answered a commit for"))
        });
        // For a while it may have been a slow disk.
        assert!(journal.committing_for().is_some_and(|time| time >= STALLED));
        assert!(journal.durable() < lsn);
        disk.hold_syncs(false);
        wait_until("the record is on disk", || journal.durable() == lsn);
        wait_until("requests are taken", || refusal(&journal).is_none());
        journal.close().unwrap();
    }
}
