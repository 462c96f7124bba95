//! `/reconciliation/start`, `/reconciliation/start-instant`, `/reconciliation/{id}`.

use std::{fs, path::PathBuf};

use actix_web::{
    HttpRequest, HttpResponse,
    web::{Data, Path},
};
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};

use super::{
    super::{
        access::{Action, Caller, Resource, require},
        fault::Fault,
    },
    DOCUMENTS_MAX, Told, answer, blocking, broken, busy, find, invalid, keyed, missing, not_found,
    recorded, room, rules, set, time, upload,
};
use crate::{
    actors::registrar::Keyed,
    domain::{documents::Shelf, registry::Registry, time::Timestamp},
    http::{
        App,
        body::{self, Body},
    },
    reconciliation::{
        groups::Strategy,
        rules::Field,
        store::{
            Counts, Files, KeptRule, Run, Status, Upload, is_id, new_id, run_name, upload_name,
        },
    },
};

/// The most rules of a run.
const RULES_OF_RUN_MAX: usize = 32;
/// The most records of an instant reconciliation. Source: the limit that the SDKs keep.
const INSTANT_RECORDS_MAX: usize = 10_000;

/// A reconciliation of an upload.
#[derive(Deserialize, utoipa::ToSchema)]
pub struct StartRun {
    /// The upload's id.
    upload_id: String,
    #[serde(flatten)]
    how: How,
}

/// A reconciliation of records that come with it.
#[derive(Deserialize, utoipa::ToSchema)]
pub struct StartInstant {
    /// The records: 1 to 10,000.
    #[schema(value_type = Vec<ExternalRecord>, min_items = 1, max_items = 10_000)]
    external_transactions: Vec<Box<RawValue>>,
    /// Which side is taken together.
    strategy: Strategy,
    /// Whether its matches do not count for later runs.
    #[serde(default)]
    dry_run: bool,
    /// By what one side is taken together.
    #[serde(default)]
    grouping_criteria: Option<String>,
    /// The rules, in the order in which they are tried.
    matching_rule_ids: Vec<String>,
    /// Whether transactions that earlier runs matched for good take part again; if it is not said, they do in
    /// a dry run only.
    #[serde(default)]
    include_matched: Option<bool>,
}

/// An external record.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "it describes the record")]
pub struct ExternalRecord {
    /// Its id.
    id: String,
    /// How much, in units, as a number or as text.
    amount: f64,
    /// What both sides may know it by.
    reference: String,
    /// Of what.
    currency: String,
    /// For people.
    description: String,
    /// A day, or an RFC 3339 time.
    date: String,
    /// Whose books.
    source: String,
}

/// How a reconciliation is done.
#[derive(Deserialize, utoipa::ToSchema)]
pub struct How {
    /// Which side is taken together.
    strategy: Strategy,
    /// Whether its matches do not count for later runs.
    #[serde(default)]
    dry_run: bool,
    /// By what one side is taken together: amount, currency, reference, description or date.
    #[serde(default)]
    grouping_criteria: Option<String>,
    /// The rules, in the order in which they are tried.
    matching_rule_ids: Vec<String>,
    /// Whether transactions that earlier runs matched for good take part again; if it is not said, they do in
    /// a dry run only.
    #[serde(default)]
    include_matched: Option<bool>,
}

/// Starts the reconciliation of an upload. It runs beside the requests; one at a time.
#[utoipa::path(
    post, path = "/reconciliation/start", tag = "ledger",
    request_body = StartRun,
    params(("Idempotency-Key" = Option<String>, Header, description = "same key: started once")),
    responses(
        (status = 200, description = "started: its id", body = serde_json::Value),
        (status = 400, description = "malformed or impossible: the field is named"),
        (status = 401, description = "no key, or an unknown one"),
        (status = 403, description = "the key does not allow it"),
        (status = 404, description = "no such upload or matching rule"),
        (status = 409, description = "too many reconciliations, or the idempotency key was used otherwise"),
        (status = 413, description = "the body is too large"),
        (status = 415, description = "the body is not JSON"),
        (status = 503, description = "too many reconciliations wait: try again"),
    ),
)]
pub async fn start(request: HttpRequest, body: Body, app: Data<App>) -> HttpResponse {
    let started = async {
        let caller = require(&request, &app, Resource::Reconciliation, Action::Write)?;
        body::require_json(&request)?;
        let bytes = body::bytes(body)?;
        let wanted: StartRun = body::parse(&bytes)?;
        let name = upload_name(&caller.origin, &wanted.upload_id);
        let known = find::<Upload>(&app, Shelf::Reconciliation, &name);
        if !is_id(&wanted.upload_id, "upload_") || known.is_none() {
            return Err(not_found("upload"));
        }
        let run = planned(&app, &caller, wanted.upload_id, wanted.how)?;
        let keyed = keyed(&request, &caller, &bytes)?;
        begin(&app, &caller, run, keyed).await
    };
    answer(&request, &app, started).await
}

/// Starts the reconciliation of the records that come with it. They are kept as an upload.
#[utoipa::path(
    post, path = "/reconciliation/start-instant", tag = "ledger",
    request_body = StartInstant,
    params(("Idempotency-Key" = Option<String>, Header, description = "same key: started once")),
    responses(
        (status = 200, description = "started: its id", body = serde_json::Value),
        (status = 400, description = "malformed or impossible: the field is named"),
        (status = 401, description = "no key, or an unknown one"),
        (status = 403, description = "the key does not allow it"),
        (status = 404, description = "no such matching rule"),
        (status = 409, description = "too many reconciliations, or the idempotency key was used otherwise"),
        (status = 413, description = "the body is too large"),
        (status = 415, description = "the body is not JSON"),
        (status = 503, description = "too many reconciliations wait: try again"),
    ),
)]
pub async fn start_instant(request: HttpRequest, body: Body, app: Data<App>) -> HttpResponse {
    let started = async {
        let caller = require(&request, &app, Resource::Reconciliation, Action::Write)?;
        body::require_json(&request)?;
        let bytes = body::bytes(body)?;
        let wanted: StartInstant = body::parse(&bytes)?;
        let records = wanted.external_transactions;
        if records.is_empty() || records.len() > INSTANT_RECORDS_MAX {
            let field = "external_transactions";
            let message = format!("{field} must have 1 to {INSTANT_RECORDS_MAX} records");
            return Err(invalid(field, message));
        }
        let how = How {
            strategy: wanted.strategy,
            dry_run: wanted.dry_run,
            grouping_criteria: wanted.grouping_criteria,
            matching_rule_ids: wanted.matching_rule_ids,
            include_matched: wanted.include_matched,
        };
        let id = new_id("upload_").map_err(|_| busy("no randomness: try again"))?;
        let run = planned(&app, &caller, id.clone(), how)?;
        let keyed = keyed(&request, &caller, &bytes)?;
        let count = records.len();
        let path = app.reconciliation.files.upload(&id);
        keep(&path, records).await?;
        let done = async {
            upload::count(&path, "instant").await?;
            upload::note(&app, &caller, (&id, "instant", count)).await?;
            begin(&app, &caller, run, keyed).await
        };
        let done = done.await;
        if done.is_err() {
            let unfinished = Files::unfinished(&path);
            blocking(move || fs::remove_file(unfinished)).await?.ok();
        }
        done
    };
    answer(&request, &app, started).await
}

/// Writes records where an upload is written before it is whole.
async fn keep(path: &std::path::Path, records: Vec<Box<RawValue>>) -> Result<(), Fault> {
    let unfinished: PathBuf = Files::unfinished(path);
    let written = blocking(move || {
        let text = serde_json::to_vec(&records)?;
        fs::write(unfinished, text)
    });
    written.await?.map_err(|error| broken(&error))
}

fn grouping(how: &How) -> Result<Option<Field>, Fault> {
    let name = "grouping_criteria";
    let text = how
        .grouping_criteria
        .as_deref()
        .filter(|text| !text.is_empty());
    let Some(text) = text else {
        if how.strategy == Strategy::OneToOne {
            return Ok(None);
        }
        return Err(missing(name));
    };
    let all = [
        Field::Amount,
        Field::Currency,
        Field::Reference,
        Field::Description,
        Field::Date,
    ];
    let found = all.into_iter().find(|field| field.word() == text);
    // One to one groups nothing, whatever the SDKs send along.
    if found.is_none() && how.strategy != Strategy::OneToOne {
        let message = "must be amount, currency, reference, description or date";
        return Err(invalid(name, format!("{name} {message}")));
    }
    Ok(found)
}

/// The run as it will be recorded, with the rules as they are now.
fn planned(app: &App, caller: &Caller, upload_id: String, how: How) -> Result<Run, Fault> {
    let count = how.matching_rule_ids.len();
    let field = "matching_rule_ids";
    if count == 0 || count > RULES_OF_RUN_MAX {
        let message = format!("{field} must have 1 to {RULES_OF_RUN_MAX} ids");
        return Err(invalid(field, message));
    }
    let mut kept = Vec::with_capacity(count);
    for id in &how.matching_rule_ids {
        let name = rules::name_of(&caller.origin, id);
        let rule: Option<KeptRule> = find(app, Shelf::MatchingRule, &name);
        kept.push(rule.ok_or_else(|| {
            let mut fault = not_found("matching rule");
            let shown: String = id.chars().take(64).collect();
            fault.details = Some(json!({ "field": field, "id": shown }));
            fault
        })?);
    }
    let id = new_id("recon_").map_err(|_| busy("no randomness: try again"))?;
    Ok(Run {
        reconciliation_id: id,
        upload_id,
        strategy: how.strategy,
        grouping_criteria: grouping(&how)?,
        is_dry_run: how.dry_run,
        include_matched: how.include_matched.unwrap_or(how.dry_run),
        rules: kept,
        status: Status::Started,
        counts: Counts::default(),
        error: None,
        started_micros: 0,
        completed_micros: None,
    })
}

/// Records a run and gives it a place among those that wait.
async fn begin(app: &App, caller: &Caller, run: Run, keyed: Option<Keyed>) -> Result<Told, Fault> {
    let place = app.reconciliation.place();
    let place = place.ok_or_else(|| busy("too many reconciliations wait: try again later"))?;
    let name = run_name(&caller.origin, &run.reconciliation_id);
    let change = |registry: &Registry, now: Timestamp| {
        room(
            &registry.documents,
            Shelf::Reconciliation,
            &caller.origin,
            DOCUMENTS_MAX,
        )?;
        let run = Run {
            started_micros: now.micros(),
            ..run.clone()
        };
        Ok(vec![set(Shelf::Reconciliation, &name, Some(&run), now)?])
    };
    let change = app.engine.change_registry::<Fault>(keyed, change).await?;
    let run: Run = recorded(&change, Shelf::Reconciliation)?;
    if !change.is_replay {
        place.take(&caller.origin, &run.reconciliation_id);
    }
    Ok(Told {
        is_replay: change.is_replay,
        ..Told::ok(json!({ "reconciliation_id": run.reconciliation_id }))
    })
}

/// The run of that id, if it is the caller's.
pub(super) async fn run_of(app: &App, caller: &Caller, id: &str) -> Result<Run, Fault> {
    let name = run_name(&caller.origin, id);
    let find = |registry: &Registry| {
        let text = registry.documents.get(Shelf::Reconciliation, &name)?;
        serde_json::from_str::<Run>(text).ok()
    };
    let run = app.engine.look_at_registry(find).await?;
    run.filter(|_| is_id(id, "recon_"))
        .ok_or_else(|| not_found("reconciliation"))
}

pub(super) fn view(run: &Run) -> Value {
    let rule_ids: Vec<_> = run.rules.iter().map(|rule| &rule.rule_id).collect();
    json!({
        "reconciliation_id": run.reconciliation_id,
        "upload_id": run.upload_id,
        "status": run.status.word(),
        "matched_transactions": run.counts.external_matched,
        "unmatched_transactions": run.counts.external_unmatched,
        "is_dry_run": run.is_dry_run,
        "started_at": time(run.started_micros),
        "completed_at": run.completed_micros.map(time),
        "strategy": run.strategy,
        "grouping_criteria": run.grouping_criteria,
        "matching_rule_ids": rule_ids,
        "include_matched": run.include_matched,
        "summary": {
            "external": {
                "matched": run.counts.external_matched,
                "unmatched": run.counts.external_unmatched,
            },
            "internal": {
                "matched": run.counts.internal_matched,
                "unmatched": run.counts.internal_unmatched,
                "matched_earlier": run.counts.internal_earlier,
            },
        },
        "error": run.error,
    })
}

/// Shows a reconciliation.
#[utoipa::path(
    get, path = "/reconciliation/{id}", tag = "ledger",
    params(("id" = String, Path, description = "the reconciliation's id (recon_…)")),
    responses(
        (status = 200, description = "as it is now: started, in_progress, completed or failed", body = serde_json::Value),
        (status = 401, description = "no key, or an unknown one"),
        (status = 403, description = "the key does not allow it"),
        (status = 404, description = "no such reconciliation"),
        (status = 503, description = "busy: try again"),
    ),
)]
pub async fn get(request: HttpRequest, path: Path<String>, app: Data<App>) -> HttpResponse {
    let told = async {
        let caller = require(&request, &app, Resource::Reconciliation, Action::Read)?;
        let run = run_of(&app, &caller, &path).await?;
        Ok(Told::ok(view(&run)))
    };
    answer(&request, &app, told).await
}
