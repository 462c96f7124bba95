//! `/balances/{id}/at` and snapshots: balances at any moment. `…/lineage`: whose money it is.

use std::sync::Arc;

use actix_web::{
    HttpRequest, HttpResponse,
    web::{self, Data, Path},
};
use rusqlite::types::Value as Stored;
use serde_json::json;
use utoipa::OpenApi;

use super::{
    access::{self, Action, Caller, Resource},
    fault::Fault,
    filter::{apart, ask, respond},
};
use crate::{
    actors::{Engine, EngineError, Target},
    books::{BalanceView, BooksError},
    domain::{books::Allocation, ids::ActorId, time::Timestamp, uuids::BalanceId},
    http::{App, operator::snapshots, programme::query::Params, resource},
    json::{Object, key},
    replay::history::{History, HistoryError},
    search::{
        Then,
        condition::{Condition, Given, Order, Subject, Times},
        field::Collection,
        index::{Index, Question, text_of},
        lineage::{Flow, Lineage},
    },
    wire::Body,
};

/// Adds the routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(resource("/balances/{id}/at").route(web::get().to(at)))
        .service(resource("/balances-snapshots").route(web::post().to(snapshot)))
        .service(resource("/balances/{id}/lineage").route(web::get().to(balance_lineage)))
        .service(resource("/transactions/{id}/lineage").route(web::get().to(transaction_lineage)));
}

#[derive(OpenApi)]
#[openapi(paths(at, snapshot, balance_lineage, transaction_lineage))]
struct Document;

/// Its part of the OpenAPI document.
#[must_use]
pub fn document() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

fn no_balance() -> Fault {
    Fault::not_found("BAL_NOT_FOUND", "balance not found")
}

async fn balance_of(app: &App, caller: &Caller, id: &str) -> Result<BalanceView, Fault> {
    let id: BalanceId = id.parse().map_err(|_| no_balance())?;
    match app.books.balance(&caller.origin, id).await {
        Ok(view) => Ok(view),
        Err(BooksError::NotFound(_)) => Err(no_balance()),
        Err(error) => Err(error.into()),
    }
}

/// What a balance was when a moment ended.
///
/// `from_source=true` reads it from the log itself; else it comes from the index. Both say the same.
#[utoipa::path(
    get, path = "/balances/{id}/at", tag = "ledger",
    params(
        ("id" = String, Path, description = "the balance's id"),
        ("timestamp" = String, Query, description = "RFC 3339"),
        ("from_source" = Option<bool>, Query, description = "true: from the log"),
    ),
    responses(
        (status = 200, description = "`{balance, timestamp, from_source}`", body = serde_json::Value),
        (status = 400, description = "no timestamp, or one that is none"),
        (status = 401, description = "no key, or an unknown one"),
        (status = 403, description = "the key is not for balances:read"),
        (status = 404, description = "no such balance, or not at that time"),
        (status = 503, description = "the index is behind, or busy: try again"),
    ),
)]
pub async fn at(request: HttpRequest, path: Path<String>, app: Data<App>) -> HttpResponse {
    let told = told_at(&request, &path, &app).await;
    respond(&request, &app, told)
}

async fn told_at(request: &HttpRequest, id: &str, app: &App) -> Result<Vec<u8>, Fault> {
    let caller = access::require(request, app, Resource::Balances, Action::Read)?;
    let params = Params::read(request, &["timestamp", "from_source"], &[])?;
    let given = params.one("timestamp").ok_or_else(|| {
        let message = "timestamp is required: RFC 3339, such as 2026-02-24T08:55:26Z";
        Fault::invalid("GEN_MISSING_PARAMETER", "timestamp", message)
    })?;
    // A plus sign that was not encoded is a space by now.
    let moment: Timestamp = given.replace(' ', "+").parse().map_err(|_| {
        let message = "timestamp must be RFC 3339, such as 2026-02-24T08:55:26Z";
        Fault::invalid("BAL_INVALID_TIMESTAMP", "timestamp", message)
    })?;
    let from_source = match params.one("from_source") {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => {
            let message = "from_source must be true or false";
            return Err(Fault::invalid(
                "GEN_VALIDATION_ERROR",
                "from_source",
                message,
            ));
        }
    };
    let view = balance_of(app, &caller, id).await?;
    if moment < view.created_at {
        let message = format!("the balance was made later, at {}", view.created_at);
        return Err(Fault::not_found("BAL_HISTORY_NOT_FOUND", message));
    }
    let then = if from_source {
        from_log(app, &caller, &view, moment).await?
    } else {
        from_index(app, &caller, view.id, moment).await?
    };
    let mut out = Vec::with_capacity(256);
    let mut object = Object::begin(&mut out);
    object.object(key!("balance"), |inner| {
        inner.number(key!("balance"), then.balance());
        inner.plain(key!("balance_id"), &view.id.to_string());
        inner.number(key!("credit_balance"), then.credit);
        inner.plain(key!("currency"), &view.asset.to_string());
        inner.number(key!("debit_balance"), then.debit);
    });
    object.plain(key!("timestamp"), &moment.to_string());
    object.boolean(key!("from_source"), from_source);
    object.end();
    Ok(out)
}

async fn from_index(
    app: &App,
    caller: &Caller,
    id: BalanceId,
    moment: Timestamp,
) -> Result<Then, Fault> {
    let index = app.search.ready(&caller.origin).await?;
    let origin = caller.origin.clone();
    apart(move || Ok(index.balance_at(&origin, id, moment)?)).await
}

/// The newest record of its group up to that moment that says what the money behind it came to.
async fn from_log(
    app: &App,
    caller: &Caller,
    view: &BalanceView,
    moment: Timestamp,
) -> Result<Then, Fault> {
    let target = Target::Account {
        no: view.account,
        urn: None,
    };
    let origin = Some(caller.origin.clone());
    let lines = app.engine.read(target, origin, |hosted| hosted.lines());
    let lines = lines.await?;
    let engine = app.engine.clone();
    let (id, asset) = (view.id, view.asset);
    apart(move || {
        let read = read_log(&engine, &lines, moment, |events| {
            events.iter().rev().find_map(|event| {
                let after = &event.movement()?.after;
                let own = after.iter().find(|after| after.ledger == id.ledger)?;
                let of = own.balances.iter().find(|(known, _)| *known == asset);
                Some(of.map_or_else(Then::default, |(_, balance)| Then {
                    credit: balance.incoming,
                    debit: balance.outgoing,
                }))
            })
        });
        let read = read.map_err(|error| match error {
            HistoryError::Journal(error) => EngineError::from(error),
            HistoryError::Wire(error) => error.into(),
        })?;
        Ok(read.unwrap_or_default())
    })
    .await
}

fn read_log<T>(
    engine: &Engine,
    lines: &[(ActorId, u64)],
    moment: Timestamp,
    find: impl Fn(&[crate::domain::event::Event]) -> Option<T>,
) -> Result<Option<T>, HistoryError> {
    let mut history = History::new(engine.shared.journal.as_ref(), lines);
    history.skip_to_before(moment.next())?;
    while let Some((_, entry)) = history.older()? {
        if let Body::Group(events) = &entry.body
            && let Some(found) = find(events)
        {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// Takes a snapshot while traffic runs. Balances at a moment do not need one; a start is quicker with it.
#[utoipa::path(
    post, path = "/balances-snapshots", tag = "ledger",
    params(("batch_size" = Option<u64>, Query, description = "taken and passed over")),
    responses(
        (status = 200, description = "`{message}`", body = serde_json::Value),
        (status = 400, description = "batch_size is no whole number"),
        (status = 401, description = "no key, or an unknown one"),
        (status = 403, description = "the key is not for balances:write"),
    ),
)]
pub async fn snapshot(request: HttpRequest, app: Data<App>) -> HttpResponse {
    let told = taken(&request, &app);
    respond(&request, &app, told)
}

fn taken(request: &HttpRequest, app: &App) -> Result<Vec<u8>, Fault> {
    access::require(request, app, Resource::Balances, Action::Write)?;
    let params = Params::read(request, &["batch_size"], &[])?;
    let size = params.one("batch_size").map(str::parse::<u32>);
    if size.is_some_and(|size| size.is_err()) {
        let message = "batch_size must be a whole number, 0 or more";
        return Err(Fault::invalid(
            "GEN_VALIDATION_ERROR",
            "batch_size",
            message,
        ));
    }
    let message = if app.snapshots.is_running() {
        "a snapshot is being taken already"
    } else {
        snapshots::begin(app)?;
        "the snapshot has begun"
    };
    Ok(json!({ "message": message }).to_string().into_bytes())
}

/// From whom a balance's money came, and what of it is left.
///
/// A credit's provider stands in its transaction's `meta_data` as `BLNK_LINEAGE_PROVIDER`. There are no shadow
/// balances here: it is worked out from the transactions.
#[utoipa::path(
    get, path = "/balances/{id}/lineage", tag = "ledger",
    params(("id" = String, Path, description = "the balance's id")),
    responses(
        (status = 200, description = "by provider", body = serde_json::Value),
        (status = 401, description = "no key, or an unknown one"),
        (status = 403, description = "the key is not for balances:read"),
        (status = 404, description = "no such balance"),
        (status = 503, description = "the index is behind, or busy: try again"),
    ),
)]
pub async fn balance_lineage(
    request: HttpRequest,
    path: Path<String>,
    app: Data<App>,
) -> HttpResponse {
    let told = async {
        let caller = access::require(&request, &app, Resource::Balances, Action::Read)?;
        let view = balance_of(&app, &caller, &path).await?;
        let (lineage, _) = follow(&app, &caller, &view, |_| false).await?;
        let id = view.id.to_string();
        let mut out = Vec::with_capacity(512);
        let mut object = Object::begin(&mut out);
        object.plain(key!("balance_id"), &id);
        object.plain(key!("aggregate_balance_id"), &id);
        object.number(key!("total_with_lineage"), lineage.total().minor());
        object.objects(key!("providers"), lineage.providers.iter(), |inner, one| {
            inner.text(key!("provider"), &one.provider);
            inner.number(key!("amount"), one.amount.minor());
            inner.number(key!("available"), one.available().minor());
            inner.number(key!("spent"), one.spent.minor());
            inner.plain(key!("shadow_balance_id"), &id);
        });
        object.end();
        Ok(out)
    };
    let told: Result<Vec<u8>, Fault> = told.await;
    respond(&request, &app, told)
}

/// Whose money a transaction took.
#[utoipa::path(
    get, path = "/transactions/{id}/lineage", tag = "ledger",
    params(("id" = String, Path, description = "the transaction's id")),
    responses(
        (status = 200, description = "by provider", body = serde_json::Value),
        (status = 401, description = "no key, or an unknown one"),
        (status = 403, description = "the key is not for transactions:read"),
        (status = 404, description = "no such transaction"),
        (status = 503, description = "the index is behind, or busy: try again"),
    ),
)]
pub async fn transaction_lineage(
    request: HttpRequest,
    path: Path<String>,
    app: Data<App>,
) -> HttpResponse {
    let told = told_lineage(&request, &path, &app).await;
    respond(&request, &app, told)
}

async fn told_lineage(request: &HttpRequest, id: &str, app: &App) -> Result<Vec<u8>, Fault> {
    let caller = access::require(request, app, Resource::Transactions, Action::Read)?;
    let row = row_of(app, &caller.origin, id).await?;
    let source = text_of(Collection::Transactions, &row, "source");
    let view = match source.parse::<BalanceId>() {
        Ok(_) => Some(balance_of(app, &caller, source).await?),
        Err(_) => None,
    };
    let tracked = view.filter(|view| view.face.as_ref().is_some_and(|face| face.tracks_lineage));
    let mut out = Vec::with_capacity(512);
    let mut object = Object::begin(&mut out);
    object.plain(key!("transaction_id"), id);
    match tracked {
        Some(view) => {
            let wanted = id.to_owned();
            let of_it = move |flow: &Flow| flow.id == wanted || flow.parent == wanted;
            let (_, taken) = follow(app, &caller, &view, of_it).await?;
            let balance = view.id.to_string();
            object.objects(key!("fund_allocation"), taken.iter(), |inner, part| {
                inner.text(key!("provider"), &part.0);
                inner.number(key!("amount"), part.1.minor());
                inner.plain(key!("balance_id"), &balance);
            });
        }
        None => object.null(key!("fund_allocation")),
    }
    object.json(key!("shadow_transactions"), "[]");
    object.end();
    Ok(out)
}

/// What the index has of a transaction.
async fn row_of(app: &App, origin: &Arc<str>, id: &str) -> Result<Vec<Stored>, Fault> {
    let collection = Collection::Transactions;
    let subject = Subject::named(collection, "transaction_id")?;
    let given = Given::Text(id.to_owned());
    let question = Question {
        collection,
        condition: Condition::Compare(subject, Order::Is, given, Times::Text),
        sort: Vec::new(),
        limit: 1,
        offset: 0,
        counts: false,
    };
    let found = ask(app, origin, question).await?;
    let unknown = || Fault::not_found("TXN_NOT_FOUND", "transaction not found");
    found.rows.into_iter().next().ok_or_else(unknown)
}

/// Follows a balance's money; says what the movements that are wanted took from whom.
async fn follow(
    app: &App,
    caller: &Caller,
    view: &BalanceView,
    is_wanted: impl Fn(&Flow) -> bool + Send + 'static,
) -> Result<(Lineage, Vec<(String, crate::domain::money::Amount)>), Fault> {
    let order = match &view.face {
        Some(face) if face.tracks_lineage => face.allocation,
        Some(_) | None => return Ok((Lineage::default(), Vec::new())),
    };
    let index = app.search.ready(&caller.origin).await?;
    let (origin, id) = (caller.origin.clone(), view.id.to_string());
    apart(move || followed(&index, (&origin, &id), order, is_wanted)).await
}

fn followed(
    index: &Index,
    (origin, id): (&str, &str),
    order: Allocation,
    is_wanted: impl Fn(&Flow) -> bool,
) -> Result<(Lineage, Vec<(String, crate::domain::money::Amount)>), Fault> {
    let flows = index.flows(origin, id)?;
    let mut lineage = Lineage::default();
    let taken = lineage.follow(&flows, order, is_wanted);
    Ok((lineage, taken))
}
