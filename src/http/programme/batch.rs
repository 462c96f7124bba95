//! `POST /api/accounts/batch/transfer`: many transfers in one request, each on its own.
//!
//! A part that fails stops no other and takes none back. A transfer is known by the batch's reference
//! and its own: the same again, under whatever `Idempotency-Key`, moves no money twice, so a batch that
//! failed in part is sent again as it is.

use std::collections::BTreeSet;

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web::Data};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{
    super::{
        App,
        body::{Body, plain_text},
        problem::Problem,
    },
    compliance,
    problem::{ErrorView, not_available, translate},
    request::{self, Idempotency, Reply, Write, answer, key_space},
    transfer::{Order, Sent, Standing, object, send},
};
use crate::{
    actors::{EngineError, keys::key_of},
    domain::{
        compliance::Gate,
        ids::RecordId,
        money::{Amount, Asset},
    },
    wire::{self, Key, KeyLife},
};

/// The largest body.
pub const BODY_BYTES_MAX: usize = 2 << 20;
/// The most operations in one request.
const OPERATIONS_MAX: usize = 800;
/// How many operations a chunk has at the most. Source: Bloque SDK.
const CHUNK: usize = 80;

/// Many transfers.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BatchRequest {
    /// 1 to 800, done in order; one that fails stops no other.
    operations: Vec<OperationRequest>,
    /// The caller's reference of the batch; each transfer's metadata has it as `batch_reference`. With
    /// it and its own reference a transfer is sent once.
    reference: String,
    /// Goes into each transfer's metadata, under that of the operation.
    #[schema(value_type = Option<Object>)]
    metadata: Option<Map<String, Value>>,
    /// Not available: a transfer's events go where the accounts' own `webhook_url` says.
    #[schema(value_type = Option<String>)]
    webhook_url: Option<Value>,
}

/// One transfer.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OperationRequest {
    /// The source, an account of the key's origin.
    from_account_urn: String,
    /// The destination, an account of the same origin.
    to_account_urn: String,
    /// The caller's reference of the transfer; no two of a batch have the same.
    reference: String,
    /// Smallest units, as a string of digits.
    amount: String,
    /// `SYMBOL/DECIMALS`.
    asset: String,
    /// Anything of the caller's own.
    #[schema(value_type = Option<Object>)]
    metadata: Option<Map<String, Value>>,
}

/// What came of a batch.
#[derive(Serialize, ToSchema)]
pub struct BatchResult {
    result: BatchView,
    req_id: String,
}

/// What came of a batch, as it is now.
#[derive(Serialize, ToSchema)]
pub struct BatchView {
    /// executed (all arrived), deferred (some are on their way), failed (some failed).
    status: &'static str,
    chunks: Vec<ChunkView>,
    total_operations: usize,
    total_chunks: usize,
    /// Each operation, in order.
    operations: Vec<OperationView>,
}

/// What came of up to 80 operations.
#[derive(Serialize, ToSchema)]
pub struct ChunkView {
    queue_id: String,
    /// completed, processing or failed.
    status: &'static str,
    message: String,
}

/// What came of an operation.
#[derive(Serialize, ToSchema)]
pub struct OperationView {
    reference: String,
    /// The transfer's id, if money left.
    queue_id: Option<String>,
    /// completed, processing or failed.
    status: &'static str,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    message: String,
    /// What the code brings.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    extra_details: Option<Value>,
}

/// Moves money between many accounts: each transfer on its own, in order; one that fails stops no other
/// and takes none back.
///
/// A transfer is sent once for the batch's reference and its own: the batch again sends what was not
/// sent and says of the rest how it stands now. One that was sent otherwise fails with
/// `reference_conflict`.
#[utoipa::path(
    post, path = "/api/accounts/batch/transfer", tag = "programme",
    request_body = BatchRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "same key: each sent once")),
    responses(
        (status = 200, description = "each operation with its result", body = BatchResult),
        (status = 400, description = "the field is named; nothing was sent", body = ErrorView),
        (status = 401, description = "no key, or an unknown one", body = ErrorView),
        (status = 403, description = "the key has not the scope programme, or a verification is \
            required first", body = ErrorView),
        (status = 409, description = "the idempotency key was used otherwise", body = ErrorView),
        (status = 413, description = "the body is too large", body = ErrorView),
        (status = 415, description = "the body is not JSON", body = ErrorView),
        (status = 422, description = "the field is not available yet", body = ErrorView),
        (status = 503, description = "busy: try again", body = ErrorView),
    ),
)]
pub async fn post(request: HttpRequest, body: Body, app: Data<App>) -> HttpResponse {
    answer(&request, &app, batch(&request, body, &app)).await
}

struct Operation<'a> {
    request: &'a OperationRequest,
    asset: Asset,
    amount: Amount,
    metadata: String,
    fields: (String, String),
}

async fn batch(request: &HttpRequest, bytes: Body, app: &App) -> Result<Reply, Problem> {
    let write: Write<BatchRequest> = request::write(request, bytes, app)?;
    let operations = read(&write.body, app)?;
    let (caller, idempotency) = (&write.caller, write.idempotency.as_ref());
    let space = key_space(caller);
    if let Some(idempotency) = idempotency {
        refuse_other_use(app, space, idempotency, operations.len()).await?;
    }
    require_level(app, &write)?;
    let mut views = Vec::with_capacity(operations.len());
    let (mut batch_id, mut is_replay) = (0, false);
    for (place, operation) in operations.iter().enumerate() {
        let reference = (&*write.body.reference, &*operation.request.reference);
        let mut keys = vec![(reference_key(space, reference), KeyLife::Permanent)];
        if let Some(idempotency) = idempotency {
            let own = idempotency.part_keys(space, place);
            keys.extend(own.map(|key| (key, KeyLife::Expiring)));
        }
        let sent = send(app, caller, order(operation, keys)).await;
        if let Ok(sent) = &sent {
            batch_id = if batch_id == 0 { sent.lsn } else { batch_id };
            is_replay |= sent.is_replay;
        }
        views.push(show(operation.request, sent));
    }
    let view = BatchResult {
        result: summary(views, batch_id),
        req_id: request::record_id(batch_id),
    };
    Ok(Reply::new(StatusCode::OK, &view)?.replayed(is_replay))
}

/// A holder's own batch is refused as a whole: nothing of it could be sent. An origin's key sends for
/// many holders, and each operation is refused by itself.
fn require_level(app: &App, write: &Write<BatchRequest>) -> Result<(), Problem> {
    let (caller, body) = (&write.caller, &write.body);
    let Some(holder) = caller.holder.as_deref() else {
        return Ok(());
    };
    let is_sent = |operation: &OperationRequest| {
        let key = reference_key(key_space(caller), (&body.reference, &operation.reference));
        app.engine.shared.keys.get(key).is_some()
    };
    // Of a batch that comes again, what was sent is answered as it was.
    if body.operations.iter().any(is_sent) {
        return Ok(());
    }
    compliance::require(app, caller, holder, Gate::BatchTransfer)
}

/// Reads everything before anything is sent.
fn read<'a>(body: &'a BatchRequest, app: &App) -> Result<Vec<Operation<'a>>, Problem> {
    if body.webhook_url.is_some() {
        let mut problem = not_available("webhook_url");
        problem.message =
            "webhook_url is not available for a batch: set it on the accounts".to_owned();
        return Err(problem);
    }
    if body.operations.is_empty() || body.operations.len() > OPERATIONS_MAX {
        let message = format!("operations must have 1 to {OPERATIONS_MAX} items");
        return Err(Problem::malformed("operations", message));
    }
    plain_text("reference", &body.reference, 255)?;
    let read = |(place, request): (usize, &'a OperationRequest)| {
        let path = format!("operations[{place}].");
        let (asset, amount) = request::money(&path, &request.asset, &request.amount, app)?;
        plain_text(&format!("{path}reference"), &request.reference, 255)?;
        let mut metadata = body.metadata.clone().unwrap_or_default();
        metadata.extend(request.metadata.clone().unwrap_or_default());
        metadata.insert("batch_reference".into(), body.reference.as_str().into());
        Ok(Operation {
            request,
            asset,
            amount,
            metadata: object(Some(&metadata), &format!("{path}metadata"))?,
            fields: (
                format!("{path}from_account_urn"),
                format!("{path}to_account_urn"),
            ),
        })
    };
    let mut references = BTreeSet::new();
    for (place, operation) in body.operations.iter().enumerate() {
        if !references.insert(&operation.reference) {
            let field = format!("operations[{place}].reference");
            let message = format!("{field} stands in the batch before: each has its own");
            return Err(Problem::malformed(field, message));
        }
    }
    body.operations.iter().enumerate().map(read).collect()
}

fn reference_key(space: &str, (batch, own): (&str, &str)) -> Key {
    // No control characters are in a reference, so this tells any two pairs apart.
    key_of(space, "batch transfer", &format!("{batch}\n{own}"))
}

fn order<'a>(operation: &'a Operation<'a>, keys: Vec<(Key, KeyLife)>) -> Order<'a> {
    let request = operation.request;
    let said = (
        &request.from_account_urn,
        &request.to_account_urn,
        operation.asset.to_string(),
        operation.amount.to_string(),
        &operation.metadata,
    );
    let (from, to) = &operation.fields;
    Order {
        source: (Some(from), &request.from_account_urn),
        destination: (Some(to), &request.to_account_urn),
        asset: operation.asset,
        amount: operation.amount,
        gate: Gate::BatchTransfer,
        reference: request.reference.clone(),
        metadata: operation.metadata.clone(),
        keys,
        fingerprint: wire::fingerprint("batch transfer", &said),
    }
}

/// Refuses the whole before anything is sent, if a part of its key was used for another request.
async fn refuse_other_use(
    app: &App,
    space: &str,
    idempotency: &Idempotency,
    parts: usize,
) -> Result<(), Problem> {
    let keys = &app.engine.shared.keys;
    let mut known = keys.get(idempotency.key(space)).is_some();
    for place in 0..parts {
        let [part, whole] = idempotency.part_keys(space, place);
        known |= keys.get(part) != keys.get(whole);
    }
    if known {
        return Err(EngineError::KeyConflict.into());
    }
    Ok(())
}

fn show(request: &OperationRequest, sent: Result<Sent, Problem>) -> OperationView {
    let reference = request.reference.clone();
    match sent {
        Ok(sent) => OperationView {
            reference,
            queue_id: Some(sent.id.to_string()),
            status: sent.status.word(),
            code: None,
            extra_details: None,
            message: sent.status.message().to_owned(),
        },
        Err(problem) => {
            let mut problem = translate(problem);
            if problem.code == "idempotency_conflict" {
                problem.code = "reference_conflict";
                problem.message =
                    "this reference was used for another transfer of the batch".into();
            }
            OperationView {
                reference,
                queue_id: None,
                status: Standing::Failed.word(),
                code: Some(problem.code),
                message: problem.message,
                extra_details: problem.details,
            }
        }
    }
}

fn summary(operations: Vec<OperationView>, batch_id: u64) -> BatchView {
    let chunk = |(number, part): (usize, &[OperationView])| {
        let (status, message) = outcome(part);
        let id = wire::fingerprint("batch chunk", &(batch_id, number));
        ChunkView {
            queue_id: RecordId(id).text("que_"),
            status,
            message,
        }
    };
    let chunks: Vec<_> = operations.chunks(CHUNK).enumerate().map(chunk).collect();
    let status = match outcome(&operations).0 {
        "completed" => "executed",
        "processing" => "deferred",
        _ => "failed",
    };
    BatchView {
        status,
        total_operations: operations.len(),
        total_chunks: chunks.len(),
        chunks,
        operations,
    }
}

/// Failed if one failed, else processing if one is, else completed.
fn outcome(operations: &[OperationView]) -> (&'static str, String) {
    let count = |word: &str| operations.iter().filter(|one| one.status == word).count();
    let (failed, processing) = (count("failed"), count("processing"));
    let status = match (failed, processing) {
        (0, 0) => "completed",
        (0, _) => "processing",
        _ => "failed",
    };
    let completed = count("completed");
    let mut message = format!("{completed} of {} completed", operations.len());
    if let Some(first) = operations.iter().find(|one| one.status == "failed") {
        message = format!("{message}; {}: {}", first.reference, first.message);
    }
    (status, message)
}
