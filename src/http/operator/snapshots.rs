//! `POST /v1/snapshots`, `GET /v1/snapshots`.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use actix_web::{HttpRequest, HttpResponse, web::Data};
use serde_json::json;

use super::super::{App, access, problem::Problem, request_id};
use crate::{
    actors::{Engine, snapshots},
    domain::{registry::Scope, time::Timestamp},
    journal::{JournalError, SnapshotInfo},
    threads,
};

/// Takes snapshots, one at a time, and keeps the last ones.
pub struct Snapshots {
    engine: Arc<Engine>,
    keep: usize,
    is_running: AtomicBool,
}

impl Snapshots {
    /// Keeps the last `keep`.
    #[must_use]
    pub const fn new(engine: Arc<Engine>, keep: usize) -> Self {
        Self {
            engine,
            keep,
            is_running: AtomicBool::new(false),
        }
    }

    /// Takes a snapshot on this thread; nothing if one is being taken already.
    ///
    /// # Errors
    ///
    /// [`JournalError`]; earlier snapshots and the log stay as they are.
    pub fn take(&self) -> Result<Option<SnapshotInfo>, JournalError> {
        if self.is_running.swap(true, Ordering::AcqRel) {
            return Ok(None);
        }
        let taken = self.take_and_retire();
        self.is_running.store(false, Ordering::Release);
        taken.map(Some)
    }

    fn take_and_retire(&self) -> Result<SnapshotInfo, JournalError> {
        let journal = &self.engine.shared.journal;
        let info = snapshots::take(&self.engine)?;
        tracing::info!(
            lsn = info.lsn.get(),
            items = info.items,
            bytes = info.bytes,
            "snapshot taken"
        );
        journal.snapshots().prune(self.keep)?;
        // Only what the oldest kept snapshot no longer needs is retired.
        if let Some(oldest) = journal.snapshots().list()?.last() {
            let retired = journal.retire(oldest.lsn)?;
            if retired > 0 {
                tracing::info!(retired, below = oldest.lsn.get(), "segments retired");
            }
        }
        Ok(info)
    }

    /// Whether one is being taken.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.is_running.load(Ordering::Acquire)
    }
}

/// Begins a snapshot while traffic runs.
#[utoipa::path(
    post, path = "/v1/snapshots", tag = "operator",
    responses(
        (status = 202, description = "begun", body = serde_json::Value),
        (status = 401, description = "no key, or an unknown one"),
        (status = 403, description = "the key has not the scope operator"),
        (status = 409, description = "one is being taken already"),
        (status = 503, description = "no thread could be started: try again"),
    ),
)]
pub async fn take(request: HttpRequest, app: Data<App>) -> HttpResponse {
    let id = request_id(&request, &app);
    if let Err(problem) = access::require(&request, &app, Scope::Operator) {
        return problem.respond(&id);
    }
    if app.snapshots.is_running() {
        let problem = Problem::conflict("snapshot_running", "a snapshot is being taken already");
        return problem.respond(&id);
    }
    let from = app.engine.durability.durable();
    if let Err(problem) = begin(&app) {
        return problem.respond(&id);
    }
    HttpResponse::Accepted()
        .insert_header(("x-request-id", id))
        .json(json!({ "status": "started", "lsn": from }))
}

/// Begins a snapshot on a thread of its own.
///
/// # Errors
///
/// 503 where the system starts no more threads.
pub fn begin(app: &App) -> Result<(), Problem> {
    let snapshots = app.snapshots.clone();
    let started = threads::start(move || {
        if let Err(error) = snapshots.take() {
            tracing::error!(%error, "the snapshot failed; the earlier ones and the log stand");
        }
    });
    started.map_err(|error| {
        tracing::error!(%error, "no thread could be started");
        Problem::busy("the server could start no thread for it: try again")
    })
}

/// Lists the snapshots, newest first.
#[utoipa::path(
    get, path = "/v1/snapshots", tag = "operator",
    responses(
        (status = 200, description = "the snapshots", body = serde_json::Value),
        (status = 401, description = "no key, or an unknown one"),
        (status = 403, description = "the key has not the scope operator"),
    ),
)]
pub async fn list(request: HttpRequest, app: Data<App>) -> HttpResponse {
    let id = request_id(&request, &app);
    let listed = access::require(&request, &app, Scope::Operator).and_then(|_| {
        let listed = app.engine.shared.journal.snapshots().list();
        listed.map_err(|error| Problem::from(crate::actors::EngineError::from(error)))
    });
    match listed {
        Err(problem) => problem.respond(&id),
        Ok(infos) => {
            let data: Vec<_> = infos.iter().map(view).collect();
            HttpResponse::Ok()
                .insert_header(("x-request-id", id))
                .json(json!({ "data": data, "running": app.snapshots.is_running() }))
        }
    }
}

fn view(info: &SnapshotInfo) -> serde_json::Value {
    let created_at = Timestamp::from_micros(info.created_ms.saturating_mul(1_000));
    json!({
        "name": info.name,
        "lsn": info.lsn.get(),
        "items": info.items,
        "bytes": info.bytes,
        "created_at": created_at.to_string(),
    })
}
