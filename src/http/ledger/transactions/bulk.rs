//! `POST /transactions/bulk`: many transactions in one request.

use std::{collections::BTreeSet, sync::Arc};

use actix_web::{HttpRequest, HttpResponse, web::Data};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{
    preview::{Projector, write_many},
    request::{TransactionRequest, ask_of},
};
use crate::{
    books::{Ask, Bulk, Origin},
    http::{
        App,
        body::Body,
        ledger::{
            access::{self, Action, Resource},
            face::{self, Told, answer},
            fault::Fault,
            hooks,
        },
        write::{Object, key},
    },
};

/// The largest body: 10,000 items of about 1.6 kB.
pub(super) const BODY_BYTES_MAX: usize = 16 << 20;
/// The most items.
const ITEMS_MAX: usize = 10_000;

/// Many transactions.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BulkRequest<'a> {
    /// Those: 1 to 10,000.
    #[serde(borrow)]
    #[schema(value_type = Vec<TransactionRequest>)]
    pub transactions: Vec<&'a RawValue>,
    /// Whether all are done or none.
    #[serde(default)]
    pub atomic: Option<bool>,
    /// Whether they are held first.
    #[serde(default)]
    pub inflight: Option<bool>,
    /// Of servers that do it later: here it is done when it is answered.
    #[serde(default)]
    pub run_async: Option<bool>,
    /// Whether one that cannot be done leaves no record.
    #[serde(default)]
    pub skip_queue: Option<bool>,
    /// Whether it is only said what would come of it.
    #[serde(default)]
    pub dry_run: Option<bool>,
}

/// Takes many transactions: each by itself, or with `atomic` all or none. What is held can be committed or
/// let go as a whole by the batch's id.
#[utoipa::path(
    post, path = "/transactions/bulk", tag = "ledger",
    request_body = BulkRequest,
    responses(
        (status = 200, description = "with `dry_run`: what would come of each", body = serde_json::Value),
        (status = 201, description = "`{batch_id, status, transaction_count, message?}`",
            body = serde_json::Value),
        (status = 400, description = "malformed, none, too many, or (atomic) one cannot be done: then none is"),
        (status = 401, description = "no key, or an unknown one"),
        (status = 403, description = "the key is not for transactions:write"),
        (status = 404, description = "no such balance"),
        (status = 409, description = "a reference was used before"),
        (status = 413, description = "the body is too large"),
        (status = 415, description = "the body is not JSON"),
        (status = 503, description = "busy: try again"),
    ),
)]
pub async fn post(request: HttpRequest, body: Body, app: Data<App>) -> HttpResponse {
    answer(&request, &app, make(&request, body, &app)).await
}

/// How many bulks a thread has at work.
const AT_WORK_MAX: usize = 3;

/// The right to work on a bulk on this thread, given back when dropped.
async fn take_turn() -> Option<OwnedSemaphorePermit> {
    thread_local! {
        static TURNS: Arc<Semaphore> = Arc::new(Semaphore::new(AT_WORK_MAX));
    }
    // It is never closed, so the right is always had.
    TURNS.with(Arc::clone).acquire_owned().await.ok()
}

async fn make(request: &HttpRequest, body: Body, app: &Data<App>) -> Result<Told, Fault> {
    let caller = access::require(request, app, Resource::Transactions, Action::Write)?;
    let bytes = face::bytes(request, body)?;
    let guard = face::guard(request)?;
    // Before anything is read: what waits for its turn is one body, not thousands of requests.
    let _turn = take_turn().await;
    let (bulk, how) = read(&bytes)?;
    drop(bytes);
    if how.is_dry {
        return Box::pin(preview(app, &caller.origin, &bulk)).await;
    }
    let is_inflight = bulk.is_inflight;
    let count = bulk.asks.len();
    for (place, ask) in bulk.asks.iter().enumerate() {
        let asked = hooks::before(app, &caller.origin, ask).await;
        asked.map_err(|fault| at(place, fault))?;
    }
    let told_of = told_of(app, &caller.origin, &bulk);
    let done = app.books.take_bulk(&caller.origin, bulk, guard).await?;
    let is_replay = done.is_replay;
    if !is_replay && !told_of.is_empty() {
        actix_rt::spawn(tell(app.clone(), caller.origin, told_of));
    }
    let done = done.value;
    let message = match &done.first_refused {
        Some((place, why)) => Some(format!(
            "{} of {count} were done; the first that was not is at index {place}: {why}",
            done.done
        )),
        None if how.is_async => Some("done already: nothing runs in the background".to_owned()),
        None => None,
    };
    let told = Told::created(|out| {
        let mut object = Object::begin(out);
        object.plain(key!("batch_id"), &done.id.bulk_text());
        object.plain(
            key!("status"),
            if is_inflight { "inflight" } else { "applied" },
        );
        let count = i128::try_from(done.done).unwrap_or(i128::MAX);
        object.number(key!("transaction_count"), count);
        if let Some(message) = message {
            object.text(key!("message"), &message);
        }
        object.end();
    });
    Ok(told.replayed(is_replay))
}

/// The references of those of which somebody is to be told.
fn told_of(app: &App, origin: &Origin, bulk: &Bulk) -> Vec<String> {
    if !hooks::wants_after(app, origin) {
        return Vec::new();
    }
    let references = bulk.asks.iter().map(|ask| ask.reference.clone());
    references.collect()
}

/// Tells of each that was taken. Nobody waits for that.
async fn tell(app: Data<App>, origin: Origin, references: Vec<String>) {
    for reference in references {
        if let Ok(known) = app.books.by_reference(&origin, &reference).await {
            hooks::after(&app, &origin, &known);
        }
    }
}

async fn preview(app: &App, origin: &Origin, bulk: &Bulk) -> Result<Told, Fault> {
    let mut projector = Projector::new(app, origin);
    let mut all = Vec::with_capacity(bulk.asks.len());
    for (place, ask) in bulk.asks.iter().enumerate() {
        let one = projector.ask(ask).await;
        all.push(one.map_err(|fault| at(place, fault))?);
    }
    Ok(Told::ok(|out| write_many(&all, bulk.is_atomic, out)))
}

/// How a bulk is asked for beside what the books know.
struct How {
    is_async: bool,
    is_dry: bool,
}

fn read(bytes: &[u8]) -> Result<(Bulk, How), Fault> {
    let parsed: BulkRequest<'_> = face::read(bytes)?;
    let count = parsed.transactions.len();
    if count == 0 {
        let message = "transactions must have at least one item";
        return Err(Fault::invalid("TXN_BULK_EMPTY", "transactions", message));
    }
    if count > ITEMS_MAX {
        let message = format!("transactions must have at most {ITEMS_MAX} items, was {count}");
        return Err(Fault::invalid(
            "TXN_BULK_LIMIT_EXCEEDED",
            "transactions",
            message,
        ));
    }
    let is_inflight = parsed.inflight.unwrap_or(false);
    let is_atomic = parsed.atomic.unwrap_or(false);
    let mut asks = Vec::with_capacity(count);
    for (place, raw) in parsed.transactions.iter().enumerate() {
        let item = item(raw, is_inflight).map_err(|fault| at(place, fault))?;
        asks.push(with_marks(item, &parsed));
    }
    check_references(&asks)?;
    let bulk = Bulk {
        asks,
        is_atomic,
        is_inflight,
    };
    let how = How {
        is_async: parsed.run_async.unwrap_or(false),
        is_dry: parsed.dry_run.unwrap_or(false),
    };
    Ok((bulk, how))
}

fn item(raw: &RawValue, is_inflight: bool) -> Result<Ask, Fault> {
    let mut parsed: TransactionRequest<'_> = face::read(raw.get().as_bytes())?;
    if parsed.dry_run == Some(true) {
        let message = "dry_run is said of the whole bulk";
        return Err(Fault::invalid("TXN_VALIDATION_ERROR", "dry_run", message));
    }
    // Said of all, it is said of each.
    parsed.inflight = Some(parsed.inflight.unwrap_or(false) || is_inflight);
    ask_of(&parsed)
}

fn with_marks(mut ask: Ask, parsed: &BulkRequest<'_>) -> Ask {
    ask.marks.skip_queue |= parsed.skip_queue.unwrap_or(false);
    ask.marks.atomic |= parsed.atomic.unwrap_or(false);
    ask
}

/// A fault with the place of its item.
fn at(place: usize, mut fault: Fault) -> Fault {
    fault.message = format!("Transaction at index {place}: {}", fault.message);
    let field = fault
        .details
        .as_ref()
        .and_then(|details| details.get("field"));
    let field = field.and_then(|field| field.as_str()).unwrap_or_default();
    let field = format!("transactions[{place}].{field}");
    fault.details = Some(serde_json::json!({
        "field": field.trim_end_matches('.'),
        "transaction": place,
    }));
    fault
}

fn check_references(asks: &[Ask]) -> Result<(), Fault> {
    let mut known = BTreeSet::new();
    for (place, ask) in asks.iter().enumerate() {
        if !known.insert(ask.reference.as_str()) {
            let message = "all transactions must have unique references within the bulk request";
            let conflict = Fault {
                status: actix_web::http::StatusCode::CONFLICT,
                ..Fault::invalid("TXN_DUPLICATE_REFERENCE", "reference", message)
            };
            return Err(at(place, conflict));
        }
    }
    Ok(())
}
