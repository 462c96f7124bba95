//! `POST /refund-transaction/{id}`.

use actix_web::{
    HttpRequest, HttpResponse,
    web::{Data, Path},
};
use serde::Deserialize;
use serde_json::{Map, Value, value::RawValue};

use super::{
    movements::unknown,
    network::{self, What},
    preview::Projector,
};
use crate::{
    books::{Back, view},
    domain::uuids::AnyTransaction,
    http::{
        App,
        body::Body,
        ledger::{
            access::{self, Action, Resource},
            face::{self, Told, answer},
            fault::Fault,
            hooks,
        },
        network::request::Lend,
    },
};

/// How a transaction goes back.
#[derive(Deserialize, Default, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RefundRequest<'a> {
    /// Whether too little money is an error that leaves no record.
    #[serde(default)]
    pub skip_queue: Option<bool>,
    /// In place of the description of what goes back.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>)]
    pub description: Option<Lend<'a>>,
    /// Merged into the refund's metadata, which begins as that of what goes back.
    #[serde(borrow, default)]
    #[schema(value_type = Option<Object>)]
    pub meta_data: Option<&'a RawValue>,
    /// Whether it is only said what would come of it.
    #[serde(default)]
    pub dry_run: Option<bool>,
}

/// Takes back what was applied or committed: a new transaction, source and destination swapped.
#[utoipa::path(
    post, path = "/refund-transaction/{id}", tag = "ledger",
    params(("id" = String, Path, description = "the transaction that goes back")),
    request_body = Option<RefundRequest>,
    responses(
        (status = 200, description = "with `dry_run`: what would come of it", body = serde_json::Value),
        (status = 201, description = "the refund", body = serde_json::Value),
        (status = 400, description = "malformed, not applied, gone back before, or too little money"),
        (status = 401, description = "no key, or an unknown one"),
        (status = 403, description = "the key is not for transactions:write"),
        (status = 404, description = "no such transaction"),
        (status = 409, description = "its state does not allow it"),
        (status = 413, description = "the body is too large"),
        (status = 415, description = "the body is not JSON"),
        (status = 503, description = "busy: try again"),
    ),
)]
pub async fn post(
    request: HttpRequest,
    path: Path<String>,
    body: Body,
    app: Data<App>,
) -> HttpResponse {
    answer(&request, &app, refund(&request, &path, body, &app)).await
}

async fn refund(request: &HttpRequest, id: &str, body: Body, app: &App) -> Result<Told, Fault> {
    let caller = access::require(request, app, Resource::Transactions, Action::Write)?;
    let bytes = face::bytes(request, body)?;
    let parsed: RefundRequest<'_> = if face::is_nothing(&bytes) {
        RefundRequest::default()
    } else {
        face::read(&bytes)?
    };
    let back = back_of(&parsed)?;
    let guard = face::guard(request)?;
    let is_dry = parsed.dry_run == Some(true);
    match id.parse::<AnyTransaction>().map_err(|_| unknown())? {
        AnyTransaction::Booked(id) | AnyTransaction::Bulk(id) if is_dry => {
            let mut projector = Projector::new(app, &caller.origin);
            let preview = Box::pin(projector.refund(id)).await?;
            Ok(Told::ok(|out| preview.write_into(out)))
        }
        AnyTransaction::Authorization(_) if is_dry => Err(network::no_dry_run()),
        AnyTransaction::Booked(id) | AnyTransaction::Bulk(id) => {
            let done = app.books.refund(&caller.origin, id, back, guard).await?;
            if !done.is_replay {
                hooks::after(app, &caller.origin, &done.value);
            }
            let told = Told::created(|out| view::transaction_into(&done.value, out));
            Ok(told.replayed(done.is_replay))
        }
        AnyTransaction::Authorization(id) => {
            let done = network::step(app, &caller, (id, What::Refund), guard).await?;
            Ok(Told::created(|out| *out = done.value).replayed(done.is_replay))
        }
        AnyTransaction::Movement { .. } => Err(Fault::invalid(
            "TXN_INVALID_STATUS_ACTION",
            "id",
            "what another face moved goes back through that face",
        )),
    }
}

/// How it goes back.
fn back_of(parsed: &RefundRequest<'_>) -> Result<Back, Fault> {
    let text = face::metadata("meta_data", parsed.meta_data)?;
    let merge: Map<String, Value> = serde_json::from_str(&text)
        .map_err(|error| Fault::invalid("GEN_VALIDATION_ERROR", "meta_data", error.to_string()))?;
    let description = parsed
        .description
        .as_deref()
        .filter(|text| !text.is_empty());
    if description.is_some_and(|text| text.len() > 1_024) {
        let message = "description must have at most 1024 bytes";
        return Err(Fault::invalid(
            "TXN_VALIDATION_ERROR",
            "description",
            message,
        ));
    }
    Ok(Back {
        amount: None,
        skip_queue: parsed.skip_queue.unwrap_or(false),
        description: description.map(str::to_owned),
        merge: Some(merge).filter(|merge| !merge.is_empty()),
    })
}
