//! `PATCH /api/accounts/{urn}`: metadata, status, webhook address, the money in front of which it is.

use actix_web::{
    HttpRequest, HttpResponse,
    http::StatusCode,
    web::{Data, Path},
};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{
    super::{App, body::Body, problem::Problem},
    card_data::link::Links,
    compliance,
    create::{self, AccountResult, no_ledger, require_own_ledger, shared_ledger},
    list::{behind, look},
    problem::{ErrorView, no_account},
    request::{self, Reply, Write, account_target, answer, require_own},
};
use crate::{
    actors::{EngineError, Target, registrar::Principal},
    domain::{
        account::{Account, Status, StatusReason},
        card::CardChange,
        command::{ChangeAccount, Command, LinkAccount, PatchAccount},
        ids::{AccountNo, LedgerNo},
        outcome::Rejection,
        policy::Link,
    },
    vault::{Vault, pin::Pin},
};

/// A change; what is missing stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AccountPatch {
    /// Keys to set; a null removes its key. Inner objects are replaced, not merged.
    #[schema(value_type = Option<Object>)]
    metadata: Option<Map<String, Value>>,
    /// active, frozen, disabled or deleted.
    #[schema(example = "frozen")]
    status: Option<String>,
    /// Where events go from now on; null for nowhere.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    webhook_url: Option<Option<String>>,
    /// The ledger account to go in front of, of the same holder: for an account whose own never had
    /// money, or that shares it with another account, while it holds nothing.
    ledger_account_id: Option<String>,
    /// More about the change.
    input: Option<PatchInput>,
}

/// More about a change.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PatchInput {
    /// CLIENT_INTERNAL_REASON, USER_INTERNAL_REASON, POMELO_INTERNAL_REASON,
    /// PROVIDER_INTERNAL_REASON, LOST, STOLEN, BROKEN or UPGRADE.
    #[schema(example = "LOST")]
    status_reason: Option<String>,
    /// The card's PIN: from 4 to 12 digits. It is kept as a keyed verifier only.
    #[schema(value_type = Option<String>, write_only, example = "4929")]
    pin: Option<Value>,
}

/// A null that was given is not a field that is missing.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// Changes an account.
#[utoipa::path(
    patch, path = "/api/accounts/{urn}", tag = "programme",
    request_body = AccountPatch,
    params(
        ("urn" = String, Path, description = "the account's URN, colons as they are, or its id"),
        ("Idempotency-Key" = Option<String>, Header, description = "same key, same answer"),
    ),
    responses(
        (status = 200, description = "as it is now", body = AccountResult),
        (status = 400, description = "the field is named", body = ErrorView),
        (status = 401, description = "no key, or an unknown one", body = ErrorView),
        (status = 403, description = "the key has not the scope programme, or a key of metadata is \
            the programme's to set", body = ErrorView),
        (status = 404, description = "no such account or ledger account", body = ErrorView),
        (status = 409, description = "illegal_transition, with the legal ones; no_card_data: the card \
            is from before there was a vault; or the idempotency key was used otherwise", body = ErrorView),
        (status = 413, description = "the body is too large", body = ErrorView),
        (status = 415, description = "the body is not JSON", body = ErrorView),
        (status = 422, description = "the field is not available yet", body = ErrorView),
        (status = 503, description = "busy: try again", body = ErrorView),
    ),
)]
pub async fn patch(
    request: HttpRequest,
    path: Path<String>,
    body: Body,
    app: Data<App>,
) -> HttpResponse {
    answer(&request, &app, change(&request, &path, body, &app)).await
}

async fn change(
    request: &HttpRequest,
    name: &str,
    bytes: Body,
    app: &App,
) -> Result<Reply, Problem> {
    let hide = |body: &mut Value| hide_pin(body, &app.vault);
    let write: Write<AccountPatch> = request::write_hiding(request, bytes, app, hide)?;
    let (target, no) = account_target(None, name)?;
    require_own(app, &write.caller, name, None).await?;
    if let Some(metadata) = write
        .body
        .metadata
        .as_ref()
        .filter(|_| !write.is_known(app))
    {
        compliance::may_set(app, &write.caller, metadata.keys().map(String::as_str))?;
    }
    let link = match write.body.ledger_account_id.as_deref() {
        Some(ledger) => Some(face_of(app, &write.caller, ledger, (&target, no)).await?),
        None => None,
    };
    let command = command(&write.body, no, link, &app.vault)?;
    let answer = app.engine.execute(write.engine_request(target, command));
    let answer = answer.await.map_err(refused)?;
    create::show(&answer, StatusCode::OK, &Links::of(request, app))
}

/// Puts something that only this house can make in the place of a PIN.
fn hide_pin(body: &mut Value, vault: &Vault) {
    if let Some(pin) = body.pointer_mut("/input/pin") {
        *pin = Pin::stand_in(&pin.to_string(), vault).into();
    }
}

/// A PIN is all that a change of an account can ask of cards alone.
fn refused(error: EngineError) -> Problem {
    if let EngineError::Rejected(Rejection::NotACard) = error {
        let message = "input.pin is for cards only: the account is a pocket";
        return Problem::malformed("input.pin", message);
    }
    if let EngineError::Rejected(Rejection::LedgerNotFound) = error {
        return no_ledger(error);
    }
    error.into()
}

/// An account in front of that money: one of the holder whose account is to go there, if there is one.
async fn face_of(
    app: &App,
    caller: &Principal,
    ledger: &str,
    (target, no): (&Target, AccountNo),
) -> Result<(LedgerNo, Link), Problem> {
    let ledger = shared_ledger(ledger)?;
    require_own_ledger(app, caller, ledger).await?;
    let own = look(app, target.clone(), no, caller).await?;
    let own = own.ok_or_else(|| no_account(None))?.account;
    let mut face: Option<Account> = None;
    for (target, no) in behind(app, &caller.origin, &[ledger].into()).await? {
        let seen = look(app, target, no, caller)
            .await?
            .map(|seen| seen.account);
        let Some(seen) = seen.filter(|seen| seen.status != Status::Deleted) else {
            continue;
        };
        if face.is_none() || seen.holder_urn == own.holder_urn {
            face = Some(seen);
        }
    }
    let face = face.ok_or_else(|| no_ledger(Rejection::LedgerNotFound))?;
    let link = Link {
        account: face.no,
        urn: face.urn().into(),
        key: Link::LEDGER_KEY.to_owned(),
    };
    Ok((ledger, link))
}

fn command(
    body: &AccountPatch,
    account: AccountNo,
    link: Option<(LedgerNo, Link)>,
    vault: &Vault,
) -> Result<Command, Problem> {
    let input = body.input.as_ref();
    let pin = input.and_then(|input| input.pin.as_ref());
    let verifier = |pin| read_pin(pin).map(|pin| pin.verifier(vault, account));
    let verifier = pin.map(verifier).transpose()?;
    let reason = input.and_then(|input| input.status_reason.as_deref());
    if let Some(Some(url)) = &body.webhook_url {
        request::webhook_url(url)?;
    }
    let change = ChangeAccount {
        card: verifier.map(|verifier| Box::new(CardChange::SetPin(verifier))),
        account,
        status: body.status.as_deref().map(status).transpose()?,
        status_reason: reason.map(status_reason).transpose()?,
        metadata: None,
        webhook_url: body.webhook_url.clone(),
    };
    let changes_face = change.status.is_some()
        || change.status_reason.is_some()
        || change.webhook_url.is_some()
        || change.card.is_some();
    if let Some((ledger, face)) = link {
        return Ok(Command::LinkAccount(Box::new(LinkAccount {
            change,
            merge: body.metadata.clone(),
            ledger,
            face,
        })));
    }
    match &body.metadata {
        Some(merge) => Ok(Command::PatchAccount(Box::new(PatchAccount {
            change,
            within: None,
            merge: merge.clone(),
        }))),
        None if changes_face => Ok(Command::ChangeAccount(Box::new(change))),
        None => Err(Problem::malformed(
            "body",
            "body must have metadata, status, webhook_url, ledger_account_id, input.status_reason or \
             input.pin",
        )),
    }
}

/// What is wrong is not repeated: it may be a PIN with a slip in it.
fn read_pin(pin: &Value) -> Result<Pin, Problem> {
    pin.as_str().and_then(Pin::parse).ok_or_else(|| {
        let message = "input.pin must be a string of 4 to 12 digits";
        Problem::malformed("input.pin", message)
    })
}

fn status(word: &str) -> Result<Status, Problem> {
    let known = Status::ALL.iter().find(|status| status.word() == word);
    known.copied().ok_or_else(|| {
        let message = "status must be one of active, frozen, disabled, deleted";
        Problem::malformed("status", message)
    })
}

fn status_reason(word: &str) -> Result<StatusReason, Problem> {
    let known = StatusReason::ALL
        .iter()
        .find(|reason| reason.word() == word);
    known.copied().ok_or_else(|| {
        let words: Vec<_> = StatusReason::ALL
            .iter()
            .map(|reason| reason.word())
            .collect();
        let message = format!("input.status_reason must be one of {}", words.join(", "));
        Problem::malformed("input.status_reason", message)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Command, Problem> {
        let body: AccountPatch = super::super::super::body::parse(text.as_bytes())?;
        command(&body, AccountNo(1), None, &Vault::of([1; 32]))
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, status, field) in [
            ("{}", 400, "body"),
            (r#"{"input":{}}"#, 400, "body"),
            (r#"{"status":"gone"}"#, 400, "status"),
            (r#"{"nonsense":1}"#, 400, "nonsense"),
            (r#"{"metadata":[]}"#, 400, "metadata"),
            (r#"{"webhook_url":"x"}"#, 400, "webhook_url"),
            (
                r#"{"input":{"status_reason":"X"}}"#,
                400,
                "input.status_reason",
            ),
            (r#"{"ledger_account_id":1}"#, 400, "ledger_account_id"),
            (r#"{"input":{"pin":"123"}}"#, 400, "input.pin"),
            (r#"{"input":{"pin":1234}}"#, 400, "input.pin"),
            (r#"{"input":{"pin":"12345678901234"}}"#, 400, "input.pin"),
        ] {
            let problem = read(text).expect_err(text);
            assert_eq!(problem.status.as_u16(), status, "{text}");
            assert_eq!(problem.field.as_deref(), Some(field), "{text}");
            assert!(!problem.message.contains("123"), "{}", problem.message);
        }
    }

    #[test]
    fn a_null_takes_the_webhook_away() {
        let webhook = |text: &str| {
            let Command::ChangeAccount(change) = read(text).expect(text) else {
                panic!("{text} is another command");
            };
            change.webhook_url
        };
        assert_eq!(webhook(r#"{"webhook_url":null}"#), Some(None));
        let url = "https://a.example/";
        assert_eq!(
            webhook(&format!(r#"{{"webhook_url":"{url}"}}"#)),
            Some(Some(url.to_owned()))
        );
        assert_eq!(webhook(r#"{"status":"frozen"}"#), None);
    }
}
