//! `POST /transactions`.

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web::Data};

use super::request::{TransactionRequest, ask_of};
use crate::{
    books::view,
    http::{
        App,
        body::Body,
        ledger::{
            access::{self, Action, Resource},
            face::{self, Told, answer},
            fault::Fault,
        },
    },
};

/// Takes a transaction: it is done when it is answered. One that cannot be done is recorded as rejected,
/// unless `skip_queue` asks for an error.
#[utoipa::path(
    post, path = "/transactions", tag = "ledger",
    request_body = TransactionRequest,
    responses(
        (status = 201, description = "the transaction as it is now", body = serde_json::Value),
        (status = 400, description = "malformed, impossible, or too little money: `error_detail` says what"),
        (status = 401, description = "no key, or an unknown one"),
        (status = 403, description = "the key is not for transactions:write"),
        (status = 404, description = "no such balance"),
        (status = 409, description = "the reference was used before"),
        (status = 413, description = "the body is too large"),
        (status = 415, description = "the body is not JSON"),
        (status = 503, description = "busy: try again"),
    ),
)]
pub async fn post(request: HttpRequest, body: Body, app: Data<App>) -> HttpResponse {
    answer(&request, &app, make(&request, body, &app)).await
}

async fn make(request: &HttpRequest, body: Body, app: &App) -> Result<Told, Fault> {
    let caller = access::require(request, app, Resource::Transactions, Action::Write)?;
    let ask = {
        let bytes = face::bytes(request, body)?;
        let parsed: TransactionRequest<'_> = face::read(&bytes)?;
        no_dry_run(parsed.dry_run)?;
        ask_of(&parsed)?
    };
    let guard = face::guard(request)?;
    let done = app.books.take(&caller.origin, ask, guard).await?;
    let told = Told::created(|out| view::transaction_into(&done.value, out));
    Ok(told.replayed(done.is_replay))
}

/// Refuses to say what would come of a request: nothing may be done that was only to be tried.
///
/// # Errors
///
/// 400 if it is asked.
pub(super) fn no_dry_run(asked: Option<bool>) -> Result<(), Fault> {
    if asked != Some(true) {
        return Ok(());
    }
    let message =
        "dry_run is not available here: send the request without it to have it done, or not at all";
    Err(Fault {
        status: StatusCode::BAD_REQUEST,
        ..Fault::invalid("GEN_BAD_REQUEST", "dry_run", message)
    })
}
