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
    create::{self, AccountResult, no_ledger, require_own_ledger, shared_ledger},
    list::{behind, look},
    problem::{ErrorView, no_account, not_available},
    request::{self, Reply, Write, account_target, answer, require_own},
};
use crate::{
    actors::{EngineError, Target, registrar::Principal},
    domain::{
        account::{Account, Status, StatusReason},
        command::{ChangeAccount, Command, LinkAccount, PatchAccount},
        ids::{AccountNo, LedgerNo},
        outcome::Rejection,
        policy::Link,
    },
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
    /// Not available yet.
    #[schema(value_type = Option<String>)]
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
        (status = 403, description = "the key has not the scope programme", body = ErrorView),
        (status = 404, description = "no such account or ledger account", body = ErrorView),
        (status = 409, description = "illegal_transition, with the legal ones; or the idempotency \
            key was used otherwise", body = ErrorView),
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
    let write: Write<AccountPatch> = request::write(request, bytes, app)?;
    let (target, no) = account_target(None, name)?;
    require_own(app, &write.caller, name, None).await?;
    let link = match write.body.ledger_account_id.as_deref() {
        Some(ledger) => Some(face_of(app, &write.caller, ledger, (&target, no)).await?),
        None => None,
    };
    let command = command(&write.body, no, link)?;
    let answer = app
        .engine
        .execute(write.engine_request(target, command))
        .await;
    let answer = answer.map_err(|error| {
        if matches!(error, EngineError::Rejected(Rejection::LedgerNotFound)) {
            no_ledger(error)
        } else {
            error.into()
        }
    })?;
    create::show(&answer, StatusCode::OK)
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
        key: "ledger_account_id".to_owned(),
    };
    Ok((ledger, link))
}

fn command(
    body: &AccountPatch,
    account: AccountNo,
    link: Option<(LedgerNo, Link)>,
) -> Result<Command, Problem> {
    let input = body.input.as_ref();
    if input.is_some_and(|input| input.pin.is_some()) {
        return Err(not_available("input.pin"));
    }
    let reason = input.and_then(|input| input.status_reason.as_deref());
    if let Some(Some(url)) = &body.webhook_url {
        request::webhook_url(url)?;
    }
    let change = ChangeAccount {
        card: None,
        account,
        status: body.status.as_deref().map(status).transpose()?,
        status_reason: reason.map(status_reason).transpose()?,
        metadata: None,
        webhook_url: body.webhook_url.clone(),
    };
    let changes_face =
        change.status.is_some() || change.status_reason.is_some() || change.webhook_url.is_some();
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
            "body must have metadata, status, webhook_url, ledger_account_id or input.status_reason",
        )),
    }
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
        command(&body, AccountNo(1), None)
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
            (r#"{"input":{"pin":"1234"}}"#, 422, "input.pin"),
        ] {
            let problem = read(text).expect_err(text);
            assert_eq!(problem.status.as_u16(), status, "{text}");
            assert_eq!(problem.field.as_deref(), Some(field), "{text}");
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
