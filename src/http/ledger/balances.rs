//! `/balances`: balances, one asset of one ledger account each.

use std::sync::Arc;

use actix_web::{
    HttpRequest, HttpResponse,
    http::StatusCode,
    web::{self, Data, Path},
};
use serde::Deserialize;
use serde_json::{Map, Value, value::RawValue};
use utoipa::OpenApi;

use super::{
    access::{self, Action, Resource},
    face::{self, Told, answer, check_text},
    fault::Fault,
    filter, ledgers,
};
use crate::{
    books::{
        BalanceView, BooksError, Done, NewBalance, Origin,
        accounts::{CARDS_LEDGER_ID, GENERAL_LEDGER_ID},
        view,
    },
    domain::{
        books::{Allocation, SetFace},
        documents::Shelf,
        money::Asset,
        uuids::BalanceId,
    },
    http::{App, body::Body, network::request::Lend, programme::query::Params, resource},
};

/// Adds the routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(
            resource("/balances")
                .route(web::post().to(create))
                .route(web::get().to(filter::list_balances)),
        )
        .service(
            resource("/balances/indicator/{indicator}/currency/{currency}")
                .route(web::get().to(by_indicator)),
        )
        .service(resource("/balances/{id}").route(web::get().to(get)))
        .service(resource("/balances/{id}/identity").route(web::put().to(put_identity)));
}

#[derive(OpenApi)]
#[openapi(paths(create, get, by_indicator, put_identity))]
struct Document;

/// Its part of the OpenAPI document.
#[must_use]
pub fn document() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

/// A balance to make.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BalanceRequest<'a> {
    /// The ledger it stands in.
    #[serde(borrow)]
    #[schema(value_type = String)]
    pub ledger_id: Lend<'a>,
    /// What is counted: a code such as `USD`, or an asset such as `DUSD/6`.
    #[serde(borrow)]
    #[schema(value_type = String, example = "USD")]
    pub currency: Lend<'a>,
    /// Whose it is.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>)]
    pub identity_id: Option<Lend<'a>>,
    /// A name that begins with `@`, in the general ledger only.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>, example = "@Fees")]
    pub indicator: Option<Lend<'a>>,
    /// Whether the providers of its money are followed; then it must be somebody's.
    #[serde(default)]
    pub track_fund_lineage: Option<bool>,
    /// `FIFO`, `LIFO` or `PROPORTIONAL`.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>)]
    pub allocation_strategy: Option<Lend<'a>>,
    /// Anything of the caller's own.
    #[serde(borrow, default)]
    #[schema(value_type = Option<Object>)]
    pub meta_data: Option<&'a RawValue>,
}

/// Whose a balance is to be.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct IdentityOf<'a> {
    /// The identity.
    #[serde(borrow)]
    #[schema(value_type = String)]
    pub identity_id: Lend<'a>,
}

const CODE: &str = "BAL_VALIDATION_ERROR";

fn unknown() -> Fault {
    Fault::not_found("BAL_NOT_FOUND", "balance not found")
}

/// Makes a balance. It has nothing: money comes to it by transactions only.
#[utoipa::path(
    post, path = "/balances", tag = "ledger",
    request_body = BalanceRequest,
    responses(
        (status = 201, description = "the balance", body = serde_json::Value),
        (status = 400, description = "malformed or impossible: the field is named"),
        (status = 401, description = "no key, or an unknown one"),
        (status = 403, description = "the key is not for balances:write"),
        (status = 404, description = "no such ledger or identity"),
        (status = 409, description = "the indicator has a balance in that currency"),
        (status = 413, description = "the body is too large"),
        (status = 415, description = "the body is not JSON"),
        (status = 503, description = "busy: try again"),
    ),
)]
pub async fn create(request: HttpRequest, body: Body, app: Data<App>) -> HttpResponse {
    answer(&request, &app, make(&request, body, &app)).await
}

async fn make(request: &HttpRequest, body: Body, app: &App) -> Result<Told, Fault> {
    let caller = access::require(request, app, Resource::Balances, Action::Write)?;
    let (new, indicator) = {
        let bytes = face::bytes(request, body)?;
        let parsed: BalanceRequest<'_> = face::read(&bytes)?;
        let indicator = indicator_of(&parsed)?;
        (new_balance(app, &caller.origin, &parsed)?, indicator)
    };
    let done = match indicator {
        Some(indicator) => Done {
            value: open_by_indicator(app, &caller.origin, &indicator, new).await?,
            is_replay: false,
        },
        None => {
            let guard = face::guard(request)?;
            app.books.open_balance(&caller.origin, new, guard).await?
        }
    };
    Ok(Told::created(|out| view::balance_into(&done.value, out)).replayed(done.is_replay))
}

fn asset_of(currency: &str) -> Result<Asset, Fault> {
    Asset::of_ledger(currency)
        .map_err(|error| Fault::invalid(CODE, "currency", format!("currency: {error}")))
}

fn new_balance(app: &App, origin: &str, parsed: &BalanceRequest<'_>) -> Result<NewBalance, Fault> {
    let asset = asset_of(&parsed.currency)?;
    let ledger = ledgers::known(app, origin, &parsed.ledger_id)?;
    if ledger.id == CARDS_LEDGER_ID {
        let message = "what stands in this ledger are cards and pockets: the programme makes them";
        return Err(Fault::invalid(CODE, "ledger_id", message));
    }
    let identity_id = parsed.identity_id.as_deref().filter(|id| !id.is_empty());
    if let Some(id) = identity_id {
        check_identity(app, origin, id)?;
    }
    let tracks_lineage = parsed.track_fund_lineage.unwrap_or(false);
    if tracks_lineage && identity_id.is_none() {
        let message = "track_fund_lineage requires identity_id";
        return Err(Fault::invalid(CODE, "identity_id", message));
    }
    let allocation = match parsed.allocation_strategy.as_deref() {
        None | Some("" | "FIFO") => Allocation::Fifo,
        Some("LIFO") => Allocation::Lifo,
        Some("PROPORTIONAL") => Allocation::Proportional,
        Some(_) => {
            let message = "allocation_strategy must be one of FIFO, LIFO, or PROPORTIONAL";
            return Err(Fault::invalid(CODE, "allocation_strategy", message));
        }
    };
    Ok(NewBalance {
        asset,
        ledger_id: ledger.id,
        identity_id: identity_id.map(str::to_owned),
        tracks_lineage,
        allocation,
        metadata: face::metadata("meta_data", parsed.meta_data)?,
    })
}

fn check_identity(app: &App, origin: &str, id: &str) -> Result<(), Fault> {
    check_text(CODE, "identity_id", id, 64)?;
    let documents = &app.engine.shared.facts.documents;
    let known = documents.get(Shelf::LedgerIdentity, &format!("{origin}/{id}"));
    if known.is_none() {
        return Err(Fault::not_found("GEN_NOT_FOUND", "identity not found"));
    }
    Ok(())
}

/// The name that begins with `@`, if there is one.
fn indicator_of(parsed: &BalanceRequest<'_>) -> Result<Option<String>, Fault> {
    let Some(indicator) = parsed.indicator.as_deref().filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let wrong = |message: &str| Fault::invalid(CODE, "indicator", message);
    check_text(CODE, "indicator", indicator, 128)?;
    let is_plain = indicator.len() > 1 && !indicator.chars().any(char::is_whitespace);
    if !indicator.starts_with('@') || !is_plain {
        return Err(wrong("indicator must start with @ and have no whitespace"));
    }
    if &*parsed.ledger_id != GENERAL_LEDGER_ID {
        return Err(wrong("indicator is for the ledger general_ledger_id only"));
    }
    Ok(Some(indicator.to_owned()))
}

async fn open_by_indicator(
    app: &App,
    origin: &Origin,
    indicator: &str,
    new: NewBalance,
) -> Result<BalanceView, Fault> {
    match app
        .books
        .known_indicator(origin, indicator, new.asset)
        .await
    {
        Ok(_) => {
            let message = format!("{indicator} has a balance in {} already", new.asset);
            return Err(Fault::new(StatusCode::CONFLICT, "GEN_CONFLICT", message));
        }
        Err(BooksError::NotFound(_)) => {}
        Err(error) => return Err(error.into()),
    }
    let made = app.books.indicator(origin, indicator, new.asset).await?;
    let merge: Map<String, Value> = serde_json::from_str(&new.metadata).unwrap_or_default();
    if merge.is_empty() && new.identity_id.is_none() {
        return Ok(made);
    }
    let set = SetFace {
        identity_id: new.identity_id,
    };
    let merge = Some(merge).filter(|merge| !merge.is_empty());
    app.books.patch_balance(origin, made.id, merge, set).await?;
    Ok(app.books.balance(origin, made.id).await?)
}

/// Shows a balance as it is now.
#[utoipa::path(
    get, path = "/balances/{id}", tag = "ledger",
    params(
        ("id" = String, Path, description = "the balance's id"),
        ("from_source" = Option<bool>, Query, description = "the same answer: there is one source"),
        ("with_queued" = Option<bool>, Query, description = "the same answer: they are always told"),
    ),
    responses(
        (status = 200, description = "the balance", body = serde_json::Value),
        (status = 400, description = "a wrong parameter: it is named"),
        (status = 401, description = "no key, or an unknown one"),
        (status = 403, description = "the key is not for balances:read"),
        (status = 404, description = "no such balance"),
        (status = 503, description = "busy: try again"),
    ),
)]
pub async fn get(request: HttpRequest, path: Path<String>, app: Data<App>) -> HttpResponse {
    answer(&request, &app, show(&request, &path, &app)).await
}

async fn show(request: &HttpRequest, id: &str, app: &App) -> Result<Told, Fault> {
    let caller = access::require(request, app, Resource::Balances, Action::Read)?;
    let params = Params::read(request, &["from_source", "with_queued"], &[])?;
    for name in ["from_source", "with_queued"] {
        params.word(name, &["true", "false"])?;
    }
    let id: BalanceId = id.parse().map_err(|_| unknown())?;
    let known = app.books.balance(&caller.origin, id).await?;
    Ok(Told::ok(|out| view::balance_into(&known, out)))
}

/// Shows the balance of an indicator.
#[utoipa::path(
    get, path = "/balances/indicator/{indicator}/currency/{currency}", tag = "ledger",
    params(
        ("indicator" = String, Path, description = "such as @World, percent-encoded"),
        ("currency" = String, Path, description = "such as USD, percent-encoded"),
    ),
    responses(
        (status = 200, description = "the balance", body = serde_json::Value),
        (status = 400, description = "no such currency can be"),
        (status = 401, description = "no key, or an unknown one"),
        (status = 403, description = "the key is not for balances:read"),
        (status = 404, description = "no such balance"),
        (status = 503, description = "busy: try again"),
    ),
)]
pub async fn by_indicator(
    request: HttpRequest,
    path: Path<(String, String)>,
    app: Data<App>,
) -> HttpResponse {
    let (indicator, currency) = path.into_inner();
    let work = show_indicator(&request, (&indicator, &currency), &app);
    answer(&request, &app, work).await
}

async fn show_indicator(
    request: &HttpRequest,
    (indicator, currency): (&str, &str),
    app: &App,
) -> Result<Told, Fault> {
    let caller = access::require(request, app, Resource::Balances, Action::Read)?;
    let asset = asset_of(currency)?;
    let known = app.books.known_indicator(&caller.origin, indicator, asset);
    let known = known.await?;
    Ok(Told::ok(|out| view::balance_into(&known, out)))
}

/// Says whose a balance is.
#[utoipa::path(
    put, path = "/balances/{id}/identity", tag = "ledger",
    params(("id" = String, Path, description = "the balance's id")),
    request_body = IdentityOf,
    responses(
        (status = 200, description = "`{message}`", body = serde_json::Value),
        (status = 400, description = "malformed: the field is named"),
        (status = 401, description = "no key, or an unknown one"),
        (status = 403, description = "the key is not for balances:write"),
        (status = 404, description = "no such balance or identity"),
        (status = 413, description = "the body is too large"),
        (status = 415, description = "the body is not JSON"),
        (status = 503, description = "busy: try again"),
    ),
)]
pub async fn put_identity(
    request: HttpRequest,
    path: Path<String>,
    body: Body,
    app: Data<App>,
) -> HttpResponse {
    answer(&request, &app, set_identity(&request, &path, body, &app)).await
}

async fn set_identity(
    request: &HttpRequest,
    id: &str,
    body: Body,
    app: &App,
) -> Result<Told, Fault> {
    let caller = access::require(request, app, Resource::Balances, Action::Write)?;
    let bytes = face::bytes(request, body)?;
    let parsed: IdentityOf<'_> = face::read(&bytes)?;
    if parsed.identity_id.is_empty() {
        let message = "identity_id is required";
        return Err(Fault::invalid(
            "GEN_MISSING_PARAMETER",
            "identity_id",
            message,
        ));
    }
    let id: BalanceId = id.parse().map_err(|_| unknown())?;
    let known = app.books.balance(&caller.origin, id).await?;
    if known.face.is_none() {
        let message = "the money of a card or pocket is its holder's";
        return Err(Fault::invalid(CODE, "id", message));
    }
    check_identity(app, &caller.origin, &parsed.identity_id)?;
    let set = SetFace {
        identity_id: Some(parsed.identity_id.to_string()),
    };
    let origin: &Arc<str> = &caller.origin;
    app.books.patch_balance(origin, id, None, set).await?;
    Ok(Told::ok(|out| {
        out.extend_from_slice(br#"{"message":"Balance identity updated successfully"}"#);
    }))
}
