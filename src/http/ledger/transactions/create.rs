//! `POST /transactions`.

use actix_web::{HttpRequest, HttpResponse, web::Data};

use super::{
    preview::{Preview, Projector},
    request::{TransactionRequest, ask_of},
};
use crate::{
    books::{Ask, Origin, view},
    http::{
        App,
        body::Body,
        ledger::{
            access::{self, Action, Resource},
            face::{self, Told, answer},
            fault::Fault,
            hooks,
        },
    },
};

/// Takes a transaction: it is done when it is answered. One that cannot be done is recorded as rejected,
/// unless `skip_queue` asks for an error.
#[utoipa::path(
    post, path = "/transactions", tag = "ledger",
    request_body = TransactionRequest,
    responses(
        (status = 200, description = "with `dry_run`: what would come of it", body = serde_json::Value),
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
    let (ask, is_dry) = {
        let bytes = face::bytes(request, body)?;
        let parsed: TransactionRequest<'_> = face::read(&bytes)?;
        (ask_of(&parsed)?, parsed.dry_run == Some(true))
    };
    let guard = face::guard(request)?;
    if is_dry {
        let preview = Box::pin(projected(app, &caller.origin, &ask)).await?;
        return Ok(Told::ok(|out| preview.write_into(out)));
    }
    hooks::before(app, &caller.origin, &ask).await?;
    let done = app.books.take(&caller.origin, ask, guard).await?;
    if !done.is_replay {
        hooks::after(app, &caller.origin, &done.value);
    }
    let told = Told::created(|out| view::transaction_into(&done.value, out));
    Ok(told.replayed(done.is_replay))
}

async fn projected(app: &App, origin: &Origin, ask: &Ask) -> Result<Preview, Fault> {
    Projector::new(app, origin).ask(ask).await
}
