//! `PUT /transactions/inflight/{id}`, and many at once.

use std::borrow::Cow;

use actix_web::{
    HttpRequest, HttpResponse,
    web::{Data, Path},
};
use serde::Deserialize;
use serde_json::{Map, Value, value::RawValue};

use super::{
    amounts,
    network::{self, What},
    preview::{Preview, Projector, write_many},
    request::given,
};
use crate::{
    books::{Done, Guard, view},
    domain::{books::Step, ids::TransactionId, money::Amount, uuids::AnyTransaction},
    http::{
        App,
        body::Body,
        ledger::{
            access::{self, Action, Caller, Resource},
            face::{self, Told, answer},
            fault::Fault,
            hooks,
        },
        network::request::Lend,
        write::{Object, key},
    },
};

/// What is to become of what is inflight.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InflightRequest<'a> {
    /// `commit` or `void`.
    #[serde(borrow)]
    #[schema(value_type = String, example = "commit")]
    pub status: Lend<'a>,
    /// How much is committed, in units; all that is left if nothing or zero is said.
    #[serde(borrow, default)]
    #[schema(value_type = Option<f64>)]
    pub amount: Option<&'a RawValue>,
    /// The same in the smallest unit; it stands for `amount`.
    #[serde(borrow, default)]
    #[schema(value_type = Option<i64>)]
    pub precise_amount: Option<&'a RawValue>,
    /// Merged into the child's metadata, which begins as the parent's.
    #[serde(borrow, default)]
    #[schema(value_type = Option<Object>)]
    pub meta_data: Option<&'a RawValue>,
    /// Nothing is queued here.
    #[serde(default)]
    #[expect(dead_code, reason = "taken from clients that send it")]
    skip_queue: Option<bool>,
    /// Whether it is only said what would come of it.
    #[serde(default)]
    pub dry_run: Option<bool>,
}

/// Many commits.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CommitsRequest<'a> {
    /// Those: 1 to 100.
    #[serde(borrow)]
    pub transactions: Vec<CommitItem<'a>>,
    /// Nothing is queued here.
    #[serde(default)]
    #[expect(dead_code, reason = "taken from clients that send it")]
    skip_queue: Option<bool>,
    /// Whether it is only said what would come of it.
    #[serde(default)]
    pub dry_run: Option<bool>,
}

/// One of many commits.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CommitItem<'a> {
    /// Which.
    #[serde(borrow)]
    #[schema(value_type = String)]
    pub transaction_id: Lend<'a>,
    /// How much, in units; all that is left if nothing or zero is said.
    #[serde(borrow, default)]
    #[schema(value_type = Option<f64>)]
    pub amount: Option<&'a RawValue>,
    /// The same in the smallest unit; it stands for `amount`.
    #[serde(borrow, default)]
    #[schema(value_type = Option<i64>)]
    pub precise_amount: Option<&'a RawValue>,
}

/// Many voids.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VoidsRequest<'a> {
    /// Which: 1 to 100.
    #[serde(borrow)]
    #[schema(value_type = Vec<String>)]
    pub transaction_ids: Vec<Lend<'a>>,
    /// Nothing is queued here.
    #[serde(default)]
    #[expect(dead_code, reason = "taken from clients that send it")]
    skip_queue: Option<bool>,
    /// Whether it is only said what would come of it.
    #[serde(default)]
    pub dry_run: Option<bool>,
}

/// The most items of a request.
const ITEMS_MAX: usize = 100;

/// Commits what is inflight, wholly or partly, or lets go what is left. The id may be a transaction's, a
/// bulk's, or that of an authorization of the network face.
#[utoipa::path(
    put, path = "/transactions/inflight/{id}", tag = "ledger",
    params(("id" = String, Path, description = "the transaction's id, or a bulk's")),
    request_body = InflightRequest,
    responses(
        (status = 200, description = "the commit or void; of a bulk the bulk", body = serde_json::Value),
        (status = 400, description = "malformed, more than is left, or not inflight"),
        (status = 401, description = "no key, or an unknown one"),
        (status = 403, description = "the key is not for transactions:write"),
        (status = 404, description = "no such transaction"),
        (status = 409, description = "it was committed or voided before"),
        (status = 413, description = "the body is too large"),
        (status = 415, description = "the body is not JSON"),
        (status = 503, description = "busy: try again"),
    ),
)]
pub async fn put(
    request: HttpRequest,
    path: Path<String>,
    body: Body,
    app: Data<App>,
) -> HttpResponse {
    answer(&request, &app, step(&request, &path, body, &app)).await
}

async fn step(request: &HttpRequest, id: &str, body: Body, app: &App) -> Result<Told, Fault> {
    let caller = access::require(request, app, Resource::Transactions, Action::Write)?;
    let bytes = face::bytes(request, body)?;
    let parsed: InflightRequest<'_> = face::read(&bytes)?;
    let wanted = match &*parsed.status {
        "commit" => Wanted::Commit {
            amount: parsed.amount,
            precise: parsed.precise_amount,
        },
        "void" => {
            refuse_sum(&parsed)?;
            Wanted::Void
        }
        _ => {
            let message = "status must be commit or void";
            return Err(Fault::invalid(
                "TXN_INVALID_STATUS_ACTION",
                "status",
                message,
            ));
        }
    };
    let merge = match parsed.meta_data {
        Some(raw) => {
            let text = face::metadata("meta_data", Some(raw))?;
            let read: Map<String, Value> = serde_json::from_str(&text).map_err(|error| {
                Fault::invalid("GEN_VALIDATION_ERROR", "meta_data", error.to_string())
            })?;
            Some(read).filter(|merge| !merge.is_empty())
        }
        None => None,
    };
    let guard = face::guard(request)?;
    if parsed.dry_run == Some(true) {
        let mut projector = Projector::new(app, &caller.origin);
        let preview = preview(app, &caller, (id, wanted), &mut projector);
        let preview = Box::pin(preview).await?;
        return Ok(Told::ok(|out| preview.write_into(out)));
    }
    let done = take(app, &caller, (id, wanted, merge), guard).await?;
    Ok(Told::ok(|out| out.extend_from_slice(&done.value)).replayed(done.is_replay))
}

/// What is let go is all that is left.
fn refuse_sum(parsed: &InflightRequest<'_>) -> Result<(), Fault> {
    let sums = [
        ("amount", parsed.amount),
        ("precise_amount", parsed.precise_amount),
    ];
    for (field, raw) in sums {
        let Some(raw) = raw else { continue };
        let text = amounts::unquoted(raw.get()).unwrap_or(raw.get());
        if amounts::number(text)
            .ok()
            .is_none_or(|sum| sum.mantissa != 0)
        {
            let message = format!("{field} is for commits only: a void lets go all that is left");
            return Err(Fault::invalid("TXN_VALIDATION_ERROR", field, message));
        }
    }
    Ok(())
}

/// What is wanted of what is inflight.
#[derive(Clone, Copy)]
enum Wanted<'a> {
    Commit {
        amount: Option<&'a RawValue>,
        precise: Option<&'a RawValue>,
    },
    Void,
}

/// Does it, and says what came of it.
async fn take(
    app: &App,
    caller: &Caller,
    (id, wanted, merge): (&str, Wanted<'_>, Option<Map<String, Value>>),
    guard: Guard,
) -> Result<Done<Vec<u8>>, Fault> {
    let unknown = || Fault::not_found("TXN_NOT_FOUND", "transaction not found");
    match id.parse::<AnyTransaction>().map_err(|_| unknown())? {
        AnyTransaction::Booked(id) | AnyTransaction::Bulk(id) => {
            let step = match wanted {
                Wanted::Void => Step::Void,
                Wanted::Commit { amount, precise } => {
                    Step::Commit(part(app, caller, id, (amount, precise)).await?)
                }
            };
            let done = app
                .books
                .step(&caller.origin, id, step, merge, guard)
                .await?;
            if !done.is_replay {
                hooks::after(app, &caller.origin, &done.value);
            }
            let mut body = Vec::with_capacity(1_024);
            view::transaction_into(&done.value, &mut body);
            Ok(Done {
                value: body,
                is_replay: done.is_replay,
            })
        }
        AnyTransaction::Authorization(id) => {
            let what = match wanted {
                Wanted::Void => What::Void,
                Wanted::Commit { amount, precise } => What::Commit { amount, precise },
            };
            if merge.is_some() {
                let message =
                    "an authorization of the network face has no metadata of the ledger's";
                return Err(Fault::invalid("TXN_VALIDATION_ERROR", "meta_data", message));
            }
            network::step(app, caller, (id, what), guard).await
        }
        AnyTransaction::Movement { .. } => Err(Fault::invalid(
            "TXN_NOT_INFLIGHT",
            "id",
            "the transaction is not inflight: its money has moved",
        )),
    }
}

/// What would come of it.
async fn preview(
    app: &App,
    caller: &Caller,
    (id, wanted): (&str, Wanted<'_>),
    projector: &mut Projector<'_>,
) -> Result<Preview, Fault> {
    let unknown = || Fault::not_found("TXN_NOT_FOUND", "transaction not found");
    let id = match id.parse::<AnyTransaction>().map_err(|_| unknown())? {
        AnyTransaction::Booked(id) | AnyTransaction::Bulk(id) => id,
        AnyTransaction::Authorization(_) | AnyTransaction::Movement { .. } => {
            return Err(network::no_dry_run());
        }
    };
    let step = match wanted {
        Wanted::Void => Step::Void,
        Wanted::Commit { amount, precise } => {
            Step::Commit(part(app, caller, id, (amount, precise)).await?)
        }
    };
    projector.step(id, step).await
}

async fn preview_all(
    app: &App,
    caller: &Caller,
    items: &[(&str, Wanted<'_>)],
) -> Result<Told, Fault> {
    let mut projector = Projector::new(app, &caller.origin);
    let mut all = Vec::with_capacity(items.len());
    for item in items {
        all.push(preview(app, caller, *item, &mut projector).await?);
    }
    Ok(Told::ok(|out| write_many(&all, false, out)))
}

/// How much is committed; all that is left if nothing or zero is said.
async fn part(
    app: &App,
    caller: &Caller,
    id: TransactionId,
    (amount, precise): (Option<&RawValue>, Option<&RawValue>),
) -> Result<Option<Amount>, Fault> {
    let read = if precise.is_some() {
        given((None, None), precise, 1)?
    } else if amount.is_some() {
        // Only the transaction knows what its units are.
        let known = app.books.get(&caller.origin, id).await?;
        given((amount, None), None, known.precision.factor)?
    } else {
        None
    };
    let read = read.map(|(amount, _)| amount);
    Ok(read.filter(|amount| !amount.is_zero()))
}

/// Commits many, each by itself.
#[utoipa::path(
    post, path = "/transactions/inflight/bulk/commit", tag = "ledger",
    request_body = CommitsRequest,
    responses(
        (status = 200, description = "a result for each, in order", body = serde_json::Value),
        (status = 400, description = "malformed, none, or more than 100"),
        (status = 401, description = "no key, or an unknown one"),
        (status = 403, description = "the key is not for transactions:write"),
        (status = 413, description = "the body is too large"),
        (status = 415, description = "the body is not JSON"),
    ),
)]
pub async fn bulk_commit(request: HttpRequest, body: Body, app: Data<App>) -> HttpResponse {
    answer(&request, &app, commit_all(&request, body, &app)).await
}

async fn commit_all(request: &HttpRequest, body: Body, app: &App) -> Result<Told, Fault> {
    let caller = access::require(request, app, Resource::Transactions, Action::Write)?;
    let bytes = face::bytes(request, body)?;
    let parsed: CommitsRequest<'_> = face::read(&bytes)?;
    check_count("transactions", parsed.transactions.len())?;
    let items = parsed.transactions.iter().map(|item| {
        let wanted = Wanted::Commit {
            amount: item.amount,
            precise: item.precise_amount,
        };
        (&*item.transaction_id, wanted)
    });
    let is_dry = parsed.dry_run == Some(true);
    let items = items.collect();
    take_all(app, &caller, (items, is_dry), face::guard(request)?).await
}

/// Lets go many, each by itself.
#[utoipa::path(
    post, path = "/transactions/inflight/bulk/void", tag = "ledger",
    request_body = VoidsRequest,
    responses(
        (status = 200, description = "a result for each, in order", body = serde_json::Value),
        (status = 400, description = "malformed, none, or more than 100"),
        (status = 401, description = "no key, or an unknown one"),
        (status = 403, description = "the key is not for transactions:write"),
        (status = 413, description = "the body is too large"),
        (status = 415, description = "the body is not JSON"),
    ),
)]
pub async fn bulk_void(request: HttpRequest, body: Body, app: Data<App>) -> HttpResponse {
    answer(&request, &app, void_all(&request, body, &app)).await
}

async fn void_all(request: &HttpRequest, body: Body, app: &App) -> Result<Told, Fault> {
    let caller = access::require(request, app, Resource::Transactions, Action::Write)?;
    let bytes = face::bytes(request, body)?;
    let parsed: VoidsRequest<'_> = face::read(&bytes)?;
    check_count("transaction_ids", parsed.transaction_ids.len())?;
    let items = parsed
        .transaction_ids
        .iter()
        .map(|id| (&**id, Wanted::Void));
    let is_dry = parsed.dry_run == Some(true);
    let items = items.collect();
    take_all(app, &caller, (items, is_dry), face::guard(request)?).await
}

fn check_count(field: &str, count: usize) -> Result<(), Fault> {
    if count == 0 {
        let message = format!("{field} must have at least one item");
        return Err(Fault::invalid("TXN_BULK_EMPTY", field, message));
    }
    if count > ITEMS_MAX {
        let message = format!("{field} must have at most {ITEMS_MAX} items, was {count}");
        return Err(Fault::invalid("TXN_BULK_LIMIT_EXCEEDED", field, message));
    }
    Ok(())
}

async fn take_all(
    app: &App,
    caller: &Caller,
    (items, is_dry): (Vec<(&str, Wanted<'_>)>, bool),
    guard: Guard,
) -> Result<Told, Fault> {
    if is_dry {
        return Box::pin(preview_all(app, caller, &items)).await;
    }
    let mut results = Vec::with_capacity(items.len());
    let mut is_replay = guard.idempotency_key.is_some();
    // One after the other: two of the same transaction are decided in their order.
    for (place, (id, wanted)) in items.iter().enumerate() {
        // A retry finds each under a key of its own, which no header can name: it has a control character.
        let key = guard.idempotency_key.as_ref();
        let own = Guard {
            idempotency_key: key.map(|key| format!("{key}\n{place}")),
        };
        let done = take(app, caller, (id, *wanted, None), own).await;
        is_replay &= done.as_ref().is_ok_and(|done| done.is_replay);
        results.push((*id, done.err()));
    }
    let failed = results.iter().filter(|(_, error)| error.is_some()).count();
    let succeeded = results.len().saturating_sub(failed);
    let count = |count: usize| i128::try_from(count).unwrap_or(i128::MAX);
    let told = Told::ok(|out| {
        let mut object = Object::begin(out);
        object.number(key!("succeeded"), count(succeeded));
        object.number(key!("failed"), count(failed));
        object.objects(key!("results"), results.iter(), |inner, (id, error)| {
            inner.text(key!("transaction_id"), &shown(id));
            match error {
                None => inner.plain(key!("status"), "succeeded"),
                Some(fault) => {
                    inner.plain(key!("status"), "failed");
                    inner.plain(key!("code"), fault.code);
                    inner.text(key!("message"), &fault.message);
                }
            }
        });
        object.end();
    });
    Ok(told.replayed(is_replay))
}

/// An id as it was given, if it is not too long to be one.
fn shown(id: &str) -> Cow<'_, str> {
    if id.len() <= 64 {
        return id.into();
    }
    id.chars().take(64).collect::<String>().into()
}
