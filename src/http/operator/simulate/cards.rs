//! What a card's issuer and a device's wallet do in their own time: a creation ends, a token is put to
//! use.

use actix_web::{
    HttpRequest, HttpResponse,
    http::StatusCode,
    web::{Data, Path},
};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    super::super::{
        App,
        body::{self, Body},
        json, mark_replay,
        problem::Problem,
        programme::{
            card_data::link::Links,
            create,
            request::{Reply, Write, account_target, idempotency},
            tokens::{change, show_change},
        },
        request_id,
    },
    bytes_or_empty, is_playground, player,
};
use crate::{
    actors::registrar::Principal,
    domain::{
        card::{CardChange, TokenStatus},
        command::{Command, Simulation},
        ids::{AccountNo, DeviceTokenId},
    },
};

/// The key of an account's metadata by which its creation is played with.
const KEY: &str = "sandbox_creation";

/// How the creation of an account is to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Creation {
    /// At once, as ever.
    Immediate,
    /// It stays in `creation_in_progress` until somebody says how it ends.
    Held,
    /// It fails, right after it was answered.
    Failing,
}

/// What the metadata of a new account says of its creation: outside the sandbox's origin, nothing.
///
/// # Errors
///
/// 400 with the key.
pub fn creation(
    app: &App,
    caller: &Principal,
    metadata: &Map<String, Value>,
) -> Result<Creation, Problem> {
    let Some(wanted) = metadata.get(KEY) else {
        return Ok(Creation::Immediate);
    };
    if !is_playground(app, &caller.origin) {
        return Ok(Creation::Immediate);
    }
    match wanted.as_str() {
        Some("held") => Ok(Creation::Held),
        Some("failed") => Ok(Creation::Failing),
        Some(_) | None => {
            let field = format!("metadata.{KEY}");
            let message = format!("{field} must be held or failed, in a sandbox");
            Err(Problem::malformed(field, message))
        }
    }
}

/// The command that ends a creation.
#[must_use]
pub const fn ended(account: AccountNo, is_made: bool) -> Command {
    Command::Simulate(Simulation::EndCreation { account, is_made })
}

/// Nothing is said in the body.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// Ends the creation of an account that was made with `metadata.sandbox_creation` held.
#[utoipa::path(
    post, path = "/v1/sandbox/cards/{urn}/{step}", tag = "sandbox",
    params(
        ("urn" = String, Path, description = "the account's URN, colons as they are, or its id"),
        ("step" = String, Path, description = "activate or fail"),
        ("Idempotency-Key" = Option<String>, Header, description = "same key, same answer"),
    ),
    responses(
        (status = 200, description = "`result.account`, as it is now", body = Value),
        (status = 400, description = "the body is not empty"),
        (status = 401, description = "no key, or an unknown one"),
        (status = 403, description = "neither the scope programme nor operator"),
        (status = 404, description = "no such account or step, or no sandbox for this key"),
        (status = 409, description = "illegal_transition: its creation has ended; or the idempotency \
            key was used otherwise"),
        (status = 415, description = "the body is not JSON"),
        (status = 503, description = "busy: try again"),
    ),
)]
pub async fn end_creation(
    request: HttpRequest,
    path: Path<(String, String)>,
    body: Body,
    app: Data<App>,
) -> HttpResponse {
    let (name, step) = path.into_inner();
    let played = async {
        let write = read(&request, body, &app)?;
        let is_made = match step.as_str() {
            "activate" => true,
            "fail" => false,
            _ => return Err(no_step("no such step: activate or fail")),
        };
        let (target, no) = account_target(None, &name)?;
        let asked = write.engine_request(target, ended(no, is_made));
        let ended = app.engine.execute(asked).await?;
        create::show(&ended, StatusCode::OK, &Links::of(&request, &app))
    };
    let played = played.await;
    shown(&request, &app, played)
}

/// Takes a device's token to its next state, as its wallet or network would.
#[utoipa::path(
    post, path = "/v1/sandbox/tokens/{id}/{step}", tag = "sandbox",
    params(
        ("id" = String, Path, description = "tok_…"),
        ("step" = String, Path, description = "activate, suspend or deactivate"),
        ("Idempotency-Key" = Option<String>, Header, description = "same key, same answer"),
    ),
    responses(
        (status = 200, description = "`token`, as it is now", body = Value),
        (status = 400, description = "the body is not empty"),
        (status = 401, description = "no key, or an unknown one"),
        (status = 403, description = "neither the scope programme nor operator"),
        (status = 404, description = "no such token or step, or no sandbox for this key"),
        (status = 409, description = "illegal_transition, with the legal ones; or the idempotency \
            key was used otherwise"),
        (status = 415, description = "the body is not JSON"),
        (status = 503, description = "busy: try again"),
    ),
)]
pub async fn change_token(
    request: HttpRequest,
    path: Path<(String, String)>,
    body: Body,
    app: Data<App>,
) -> HttpResponse {
    let (id, step) = path.into_inner();
    let played = async {
        let write = read(&request, body, &app)?;
        let status = match step.as_str() {
            "activate" => TokenStatus::Active,
            "suspend" => TokenStatus::Suspended,
            "deactivate" => TokenStatus::Deactivated,
            _ => return Err(no_step("no such step: activate, suspend or deactivate")),
        };
        let unknown = || Problem::not_found("token_not_found", "token not found");
        let known: DeviceTokenId = id.parse().map_err(|_| unknown())?;
        let (target, no) = account_target(None, &known.account.card_id())?;
        let change = change(
            no,
            CardChange::SetTokenStatus {
                id: id.clone(),
                status,
            },
        );
        let changed = show_change(&app, write.engine_request(target, change), &id).await;
        changed.map_err(|problem| match problem.code {
            "account_not_found" => unknown(),
            _ => problem,
        })
    };
    let played = played.await;
    shown(&request, &app, played)
}

fn no_step(message: &'static str) -> Problem {
    Problem::not_found("not_found", message)
}

fn read(request: &HttpRequest, bytes: Body, app: &App) -> Result<Write<()>, Problem> {
    let caller = player(request, app)?;
    let bytes = bytes_or_empty(request, bytes)?;
    let _: Nothing = body::parse(&bytes)?;
    Ok(Write {
        caller,
        body: (),
        idempotency: idempotency(request, &bytes)?,
    })
}

fn shown(request: &HttpRequest, app: &App, played: Result<Reply, Problem>) -> HttpResponse {
    let answered = played.map(|reply| {
        let (status, body, is_replay) = reply.into_parts();
        let mut response = json(status, &request_id(request, app), body);
        if is_replay {
            mark_replay(&mut response);
        }
        response
    });
    super::answer(request, app, answered)
}
