//! `/v1/cards/{urn}/controls`: the controls of a card or a pocket, and what is left of its limits.
//!
//! They are the `controls` of the account's metadata; these routes are a typed way to them.

pub mod view;

use actix_web::{
    HttpRequest, HttpResponse,
    http::StatusCode,
    web::{Data, Path},
};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use self::view::{ControlsView, UsageView};
use super::{
    super::{App, body::Body, problem::Problem},
    compliance, create,
    list::look,
    problem::{ErrorView, no_account},
    request::{self, Reply, Write, account_target, answer, caller, record_id},
};
use crate::{
    actors::EngineError,
    domain::{
        account::Account,
        command::{ChangeAccount, Command, PatchAccount},
    },
};

/// The key of the metadata.
const KEY: &str = "controls";

/// The controls of an account.
#[derive(Serialize, ToSchema)]
pub struct ControlsResult {
    /// Whose.
    account_urn: String,
    /// The controls.
    controls: ControlsView,
    /// What was counted; only when it is asked for, because an answer to a change is repeated as it
    /// was.
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<UsageView>,
    /// The id of the change.
    #[serde(skip_serializing_if = "Option::is_none")]
    req_id: Option<String>,
}

/// Shows the controls of a card or a pocket, and what is left of each limit.
#[utoipa::path(
    get, path = "/v1/cards/{urn}/controls", tag = "programme",
    params(("urn" = String, Path, description = "the account's URN, colons as they are, or its id")),
    responses(
        (status = 200, description = "the controls, and how each limit stands", body = ControlsResult),
        (status = 401, description = "no key, or an unknown one", body = ErrorView),
        (status = 403, description = "the key has not the scope programme", body = ErrorView),
        (status = 404, description = "no such account", body = ErrorView),
        (status = 503, description = "busy: try again", body = ErrorView),
    ),
)]
pub async fn get(request: HttpRequest, path: Path<String>, app: Data<App>) -> HttpResponse {
    let found = async {
        let caller = caller(&request, &app)?;
        let (target, no) = account_target(None, &path)?;
        let seen = look(&app, target, no, &caller).await?;
        let account = seen.ok_or_else(|| no_account(None))?.account;
        Reply::new(StatusCode::OK, &standing(&account, &app))
    };
    answer(&request, &app, found).await
}

/// Replaces the controls of a card or a pocket. What was counted stays.
#[utoipa::path(
    put, path = "/v1/cards/{urn}/controls", tag = "programme",
    request_body = ControlsView,
    params(
        ("urn" = String, Path, description = "the account's URN, colons as they are, or its id"),
        ("Idempotency-Key" = Option<String>, Header, description = "same key, same answer"),
    ),
    responses(
        (status = 200, description = "as they are now", body = ControlsResult),
        (status = 400, description = "the field is named", body = ErrorView),
        (status = 401, description = "no key, or an unknown one", body = ErrorView),
        (status = 403, description = "the key has not the scope programme", body = ErrorView),
        (status = 404, description = "no such account", body = ErrorView),
        (status = 409, description = "the idempotency key was used otherwise", body = ErrorView),
        (status = 413, description = "the body is too large", body = ErrorView),
        (status = 415, description = "the body is not JSON", body = ErrorView),
        (status = 503, description = "busy: try again", body = ErrorView),
    ),
)]
pub async fn put(
    request: HttpRequest,
    path: Path<String>,
    body: Body,
    app: Data<App>,
) -> HttpResponse {
    let replaced = async {
        let write: Write<Map<String, Value>> = request::write(&request, body, &app)?;
        let whole = Value::Object(write.body.clone());
        change(&write, &path, &app, (None, one(whole))).await
    };
    answer(&request, &app, replaced).await
}

/// Changes some controls of a card or a pocket: each key is replaced as a whole, a null removes it.
/// What was counted stays.
#[utoipa::path(
    patch, path = "/v1/cards/{urn}/controls", tag = "programme",
    request_body = ControlsView,
    params(
        ("urn" = String, Path, description = "the account's URN, colons as they are, or its id"),
        ("Idempotency-Key" = Option<String>, Header, description = "same key, same answer"),
    ),
    responses(
        (status = 200, description = "as they are now", body = ControlsResult),
        (status = 400, description = "the field is named", body = ErrorView),
        (status = 401, description = "no key, or an unknown one", body = ErrorView),
        (status = 403, description = "the key has not the scope programme", body = ErrorView),
        (status = 404, description = "no such account", body = ErrorView),
        (status = 409, description = "the idempotency key was used otherwise", body = ErrorView),
        (status = 413, description = "the body is too large", body = ErrorView),
        (status = 415, description = "the body is not JSON", body = ErrorView),
        (status = 503, description = "busy: try again", body = ErrorView),
    ),
)]
pub async fn patch(
    request: HttpRequest,
    path: Path<String>,
    body: Body,
    app: Data<App>,
) -> HttpResponse {
    let patched = async {
        let write: Write<Map<String, Value>> = request::write(&request, body, &app)?;
        change(&write, &path, &app, (Some(KEY), write.body.clone())).await
    };
    answer(&request, &app, patched).await
}

/// Removes the controls of a card or a pocket. What was counted stays.
#[utoipa::path(
    delete, path = "/v1/cards/{urn}/controls", tag = "programme",
    params(
        ("urn" = String, Path, description = "the account's URN, colons as they are, or its id"),
        ("Idempotency-Key" = Option<String>, Header, description = "same key, same answer"),
    ),
    responses(
        (status = 200, description = "none are left", body = ControlsResult),
        (status = 401, description = "no key, or an unknown one", body = ErrorView),
        (status = 403, description = "the key has not the scope programme", body = ErrorView),
        (status = 404, description = "no such account", body = ErrorView),
        (status = 409, description = "the idempotency key was used otherwise", body = ErrorView),
        (status = 503, description = "busy: try again", body = ErrorView),
    ),
)]
pub async fn delete(request: HttpRequest, path: Path<String>, app: Data<App>) -> HttpResponse {
    let removed = async {
        let write = Write {
            caller: caller(&request, &app)?,
            body: (),
            idempotency: request::idempotency(&request, b"{}")?,
        };
        change(&write, &path, &app, (None, one(Value::Null))).await
    };
    answer(&request, &app, removed).await
}

/// The metadata's key with that value.
fn one(value: Value) -> Map<String, Value> {
    Map::from_iter([(KEY.to_owned(), value)])
}

async fn change<T>(
    write: &Write<T>,
    name: &str,
    app: &App,
    (within, merge): (Option<&'static str>, Map<String, Value>),
) -> Result<Reply, Problem> {
    let (target, account) = account_target(None, name)?;
    request::require_own(app, &write.caller, name, None).await?;
    if !write.is_known(app) {
        compliance::may_set(app, &write.caller, [KEY]).map_err(named)?;
    }
    let command = Command::PatchAccount(Box::new(PatchAccount {
        change: ChangeAccount {
            card: None,
            account,
            status: None,
            status_reason: None,
            metadata: None,
            webhook_url: None,
        },
        within,
        merge,
    }));
    let answer = app
        .engine
        .execute(write.engine_request(target, command))
        .await;
    let answer = answer.map_err(|error| named(error.into()))?;
    let account = answer.events.iter().rev().find_map(create::account_in);
    let account = account.ok_or_else(|| Problem::from(EngineError::KeyConflict))?;
    let view = ControlsResult {
        req_id: Some(record_id(answer.lsn)),
        ..shown(account, app)
    };
    Ok(Reply::new(StatusCode::OK, &view)?.replayed(answer.is_replay))
}

/// The field as the caller knows it: these routes say nothing of metadata.
fn named(mut problem: Problem) -> Problem {
    let inner = problem
        .field
        .as_deref()
        .and_then(|field| field.strip_prefix("metadata."));
    if let Some(inner) = inner
        .filter(|inner| inner.starts_with(KEY))
        .map(str::to_owned)
    {
        problem.message = problem.message.replacen("metadata.", "", 1);
        problem.field = Some(inner);
    }
    problem
}

fn shown(account: &Account, app: &App) -> ControlsResult {
    let controls = &account.policy.rules().controls;
    let currency = controls.currency_or(app.terms().base_currency);
    ControlsResult {
        account_urn: account.urn(),
        controls: ControlsView::new(controls, currency),
        usage: None,
        req_id: None,
    }
}

fn standing(account: &Account, app: &App) -> ControlsResult {
    let shared = &app.engine.shared;
    let now = shared.clock.now();
    let controls = &account.policy.rules().controls;
    let currency = controls.currency_or(app.terms().base_currency);
    let usage = account.usage.as_deref();
    let standing = controls.standing(usage, currency, &shared.zone.calendar(now), now);
    ControlsResult {
        usage: Some(UsageView::new(usage, &standing, currency)),
        ..shown(account, app)
    }
}
