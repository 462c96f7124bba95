//! A card on a device: `POST /api/accounts/{urn}/tokenize/…` as the SDK calls it, and the card's tokens.

use std::sync::Arc;

use actix_web::{
    HttpRequest, HttpResponse,
    http::StatusCode,
    web::{self, Data, Path},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{OpenApi, ToSchema};

use super::{
    super::{
        App,
        body::{self, Body},
        problem::Problem,
        resource,
    },
    compliance, create,
    list::look,
    problem::{ErrorView, no_account},
    request::{self, Reply, Write, account_target, answer, caller, record_id, require_own},
};
use crate::{
    actors::{Answer, EngineError, Request, Target},
    domain::{
        account::{Account, Medium},
        card::{CardChange, DeviceToken, Sealed, TokenStatus, Wallet},
        command::{ChangeAccount, Command},
        compliance::Gate,
        event::Event,
        ids::{AccountNo, DeviceTokenId},
        outcome::Rejection,
    },
    threads,
    tokens::{Asked, Payload, Subject, TokenError, certificate, number},
    vault::Hold,
};

/// This file's routes for the OpenAPI document.
#[derive(OpenApi)]
#[openapi(paths(apple, google, list, patch))]
pub struct Paths;

/// Adds this file's routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(resource("/api/accounts/{urn}/tokenize/apple").route(web::post().to(apple)))
        .service(resource("/api/accounts/{urn}/tokenize/google").route(web::post().to(google)))
        .service(resource("/v1/cards/{urn}/tokens").route(web::get().to(list)))
        .service(resource("/v1/cards/{urn}/tokens/{id}").route(web::patch().to(patch)));
}

/// The longest text that a wallet sends beside certificates.
const TEXT_BYTES_MAX: usize = 512;

/// What PassKit gives an app for in-app provisioning.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AppleRequest {
    /// X.509 certificates, each its DER form in base64, the leaf first.
    certificates: Vec<String>,
    /// Apple's nonce.
    #[schema(max_length = 512)]
    nonce: String,
    /// The device's signature of it.
    #[schema(max_length = 512)]
    nonce_signature: String,
}

/// What Google Pay gives an app for push provisioning.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GoogleRequest {
    /// The device's stable hardware id.
    #[schema(max_length = 512)]
    device_id: String,
    /// The wallet's id.
    #[schema(max_length = 512)]
    wallet_account_id: String,
}

/// A token as its card's programme sees it.
#[derive(Serialize, ToSchema)]
pub struct DeviceTokenView {
    /// `tok_…`: also a name for the card in authorizations.
    id: String,
    /// apple or google.
    #[schema(example = "apple")]
    wallet: &'static str,
    /// The device, as the provider tells devices apart.
    device: String,
    /// The last four digits of the token's own number.
    last_four: String,
    /// What it comes to under the card's status: issued, active, suspended or deactivated.
    #[schema(example = "active")]
    status: &'static str,
    /// What it is by itself.
    #[schema(example = "active")]
    own_status: &'static str,
    /// RFC 3339.
    created_at: String,
    /// RFC 3339.
    updated_at: String,
}

impl DeviceTokenView {
    fn new(token: &DeviceToken, account: &Account) -> Self {
        Self {
            id: token.id.clone(),
            wallet: token.wallet.word(),
            device: token.device.clone(),
            last_four: digits(token.last_four),
            status: token.status.under(account.status).word(),
            own_status: token.status.word(),
            created_at: token.created_at.to_string(),
            updated_at: token.updated_at.to_string(),
        }
    }
}

fn digits(ascii: [u8; 4]) -> String {
    ascii.map(char::from).iter().collect()
}

/// The tokens of a card.
#[derive(Serialize, ToSchema)]
pub struct TokensResult {
    /// In the order of making.
    data: Vec<DeviceTokenView>,
}

/// A token after a change.
#[derive(Serialize, ToSchema)]
pub struct TokenResult {
    /// As it is now.
    token: DeviceTokenView,
    /// The id of the change.
    req_id: String,
}

/// A token's next state.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenPatch {
    /// active, suspended or deactivated.
    #[schema(example = "suspended")]
    status: String,
}

/// Makes a token of the card for an Apple device.
#[utoipa::path(
    post, path = "/api/accounts/{urn}/tokenize/apple", tag = "programme",
    request_body = AppleRequest,
    params(
        ("urn" = String, Path, description = "the card's URN, colons as they are, or its id"),
        ("Idempotency-Key" = Option<String>, Header, description = "same key, same answer"),
    ),
    responses(
        (status = 201, description = "`result.tokenization`: activation_data, encrypted_pass_data, \
            ephemeral_public_key; `result.token`", body = Value),
        (status = 400, description = "the field is named", body = ErrorView),
        (status = 401, description = "no key, or an unknown one", body = ErrorView),
        (status = 403, description = "the key has not the scope programme, or a verification is required \
            first", body = ErrorView),
        (status = 404, description = "no such account", body = ErrorView),
        (status = 409, description = "account_not_active, too_many_tokens, no_card_data; or the \
            idempotency key was used otherwise", body = ErrorView),
        (status = 413, description = "the body is too large", body = ErrorView),
        (status = 415, description = "the body is not JSON", body = ErrorView),
        (status = 503, description = "busy: try again", body = ErrorView),
    ),
)]
pub async fn apple(
    request: HttpRequest,
    path: Path<String>,
    body: Body,
    app: Data<App>,
) -> HttpResponse {
    let made = async {
        let write: Write<AppleRequest> = request::write(&request, body, &app)?;
        let asked = read_apple(&write.body)?;
        tokenize(&write, &path, &app, (Wallet::Apple, asked)).await
    };
    answer(&request, &app, made).await
}

/// Makes a token of the card for an Android device.
#[utoipa::path(
    post, path = "/api/accounts/{urn}/tokenize/google", tag = "programme",
    request_body = GoogleRequest,
    params(
        ("urn" = String, Path, description = "the card's URN, colons as they are, or its id"),
        ("Idempotency-Key" = Option<String>, Header, description = "same key, same answer"),
    ),
    responses(
        (status = 201, description = "`result.tokenization.opc`; `result.token`", body = Value),
        (status = 400, description = "the field is named", body = ErrorView),
        (status = 401, description = "no key, or an unknown one", body = ErrorView),
        (status = 403, description = "the key has not the scope programme, or a verification is required \
            first", body = ErrorView),
        (status = 404, description = "no such account", body = ErrorView),
        (status = 409, description = "account_not_active, too_many_tokens, no_card_data; or the \
            idempotency key was used otherwise", body = ErrorView),
        (status = 413, description = "the body is too large", body = ErrorView),
        (status = 415, description = "the body is not JSON", body = ErrorView),
        (status = 503, description = "busy: try again", body = ErrorView),
    ),
)]
pub async fn google(
    request: HttpRequest,
    path: Path<String>,
    body: Body,
    app: Data<App>,
) -> HttpResponse {
    let made = async {
        let write: Write<GoogleRequest> = request::write(&request, body, &app)?;
        text("device_id", &write.body.device_id)?;
        text("wallet_account_id", &write.body.wallet_account_id)?;
        let asked = Asked::Google {
            device_id: write.body.device_id.clone(),
            wallet_account_id: write.body.wallet_account_id.clone(),
        };
        tokenize(&write, &path, &app, (Wallet::Google, asked)).await
    };
    answer(&request, &app, made).await
}

/// Lists the tokens of a card.
#[utoipa::path(
    get, path = "/v1/cards/{urn}/tokens", tag = "programme",
    params(("urn" = String, Path, description = "the card's URN, colons as they are, or its id")),
    responses(
        (status = 200, description = "in the order of making", body = TokensResult),
        (status = 401, description = "no key, or an unknown one", body = ErrorView),
        (status = 403, description = "the key has not the scope programme", body = ErrorView),
        (status = 404, description = "no such account", body = ErrorView),
        (status = 503, description = "busy: try again", body = ErrorView),
    ),
)]
pub async fn list(request: HttpRequest, path: Path<String>, app: Data<App>) -> HttpResponse {
    let found = async {
        let caller = caller(&request, &app)?;
        let (target, no) = account_target(None, &path)?;
        let seen = look(&app, target, no, &caller).await?;
        let account = seen.ok_or_else(|| no_account(None))?.account;
        let tokens = account.card.iter().flat_map(|file| &file.tokens);
        let data = tokens
            .map(|token| DeviceTokenView::new(token, &account))
            .collect();
        Reply::new(StatusCode::OK, &TokensResult { data })
    };
    answer(&request, &app, found).await
}

/// Takes a token to its next state.
#[utoipa::path(
    patch, path = "/v1/cards/{urn}/tokens/{id}", tag = "programme",
    request_body = TokenPatch,
    params(
        ("urn" = String, Path, description = "the card's URN, colons as they are, or its id"),
        ("id" = String, Path, description = "tok_…"),
        ("Idempotency-Key" = Option<String>, Header, description = "same key, same answer"),
    ),
    responses(
        (status = 200, description = "as it is now", body = TokenResult),
        (status = 400, description = "the field is named", body = ErrorView),
        (status = 401, description = "no key, or an unknown one", body = ErrorView),
        (status = 403, description = "the key has not the scope programme", body = ErrorView),
        (status = 404, description = "no such account, or no such token", body = ErrorView),
        (status = 409, description = "illegal_transition, with the legal ones; or the idempotency \
            key was used otherwise", body = ErrorView),
        (status = 413, description = "the body is too large", body = ErrorView),
        (status = 415, description = "the body is not JSON", body = ErrorView),
        (status = 503, description = "busy: try again", body = ErrorView),
    ),
)]
pub async fn patch(
    request: HttpRequest,
    path: Path<(String, String)>,
    body: Body,
    app: Data<App>,
) -> HttpResponse {
    let changed = async {
        let write: Write<TokenPatch> = request::write(&request, body, &app)?;
        let (name, id) = path.into_inner();
        let status = status(&write.body.status)?;
        let (target, no) = account_target(None, &name)?;
        require_own(&app, &write.caller, &name, None).await?;
        let command = change(
            no,
            CardChange::SetTokenStatus {
                id: id.clone(),
                status,
            },
        );
        show_change(&app, write.engine_request(target, command), &id).await
    };
    answer(&request, &app, changed).await
}

/// Changes a token and shows it.
///
/// # Errors
///
/// [`Problem`].
pub async fn show_change(app: &App, request: Request, id: &str) -> Result<Reply, Problem> {
    let answer = app.engine.execute(request).await?;
    let account = answer.events.iter().rev().find_map(create::account_in);
    let tokens = account.and_then(|account| Some((account, &account.card.as_ref()?.tokens)));
    let found = tokens.and_then(|(account, tokens)| {
        let token = tokens.iter().find(|token| token.id == id)?;
        Some(DeviceTokenView::new(token, account))
    });
    let view = TokenResult {
        token: found.ok_or_else(|| Problem::from(EngineError::KeyConflict))?,
        req_id: record_id(answer.lsn),
    };
    Ok(Reply::new(StatusCode::OK, &view)?.replayed(answer.is_replay))
}

/// The command for one change of what only a card has.
#[must_use]
pub fn change(account: AccountNo, change: CardChange) -> Command {
    Command::ChangeAccount(Box::new(ChangeAccount {
        account,
        status: None,
        status_reason: None,
        metadata: None,
        webhook_url: None,
        card: Some(Box::new(change)),
    }))
}

fn status(word: &str) -> Result<TokenStatus, Problem> {
    let known = TokenStatus::ALL.iter().find(|status| status.word() == word);
    known.copied().ok_or_else(|| {
        let message = "status must be one of active, suspended, deactivated";
        Problem::malformed("status", message)
    })
}

fn text(field: &str, text: &str) -> Result<(), Problem> {
    body::plain_text(field, text, TEXT_BYTES_MAX)
}

fn read_apple(body: &AppleRequest) -> Result<Asked, Problem> {
    text("nonce", &body.nonce)?;
    text("nonce_signature", &body.nonce_signature)?;
    let count = body.certificates.len();
    if count == 0 || count > certificate::CERTIFICATES_MAX {
        let message = "certificates must have from 1 to 5 of them, the leaf first";
        return Err(Problem::malformed("certificates", message));
    }
    let decode = |(place, text): (usize, &String)| {
        let der = STANDARD.decode(text.trim());
        der.map_err(|_| {
            let field = format!("certificates[{place}]");
            let message = format!("{field} must be an X.509 certificate's DER form in base64");
            Problem::malformed(field, message)
        })
    };
    let certificates: Result<_, _> = body.certificates.iter().enumerate().map(decode).collect();
    Ok(Asked::Apple {
        certificates: certificates?,
        nonce: body.nonce.clone(),
        nonce_signature: body.nonce_signature.clone(),
    })
}

/// The token is recorded first. What the wallet is handed is made from the record, so that a retry gets
/// the same and nothing of it is stored.
async fn tokenize<T>(
    write: &Write<T>,
    name: &str,
    app: &App,
    (wallet, asked): (Wallet, Asked),
) -> Result<Reply, Problem> {
    let (target, no) = account_target(None, name)?;
    require_own(app, &write.caller, name, None).await?;
    if !write.is_known(app) {
        let seen = look(app, target.clone(), no, &write.caller).await?;
        let holder = seen.ok_or_else(|| no_account(None))?.account.holder_urn;
        compliance::require(app, &write.caller, &holder, Gate::Tokenize)?;
    }
    let asked = Arc::new(asked);
    let (token, _key) = draw(app, no, (wallet, asked.clone())).await?;
    let command = change(no, CardChange::AddToken(token));
    let answer = app
        .engine
        .execute(write.engine_request(target, command))
        .await?;
    let (mut token, account) = made_in(&answer)?;
    if answer.is_replay {
        token.sealed = sealed_now(app, no, &token).await?;
    }
    let payload = payload(app, (&token, &account), asked).await?;
    let view = json!({
        "result": { "tokenization": shown(&payload), "token": DeviceTokenView::new(&token, &account) },
        "req_id": record_id(answer.lsn),
    });
    Ok(Reply::new(StatusCode::CREATED, &view)?.replayed(answer.is_replay))
}

/// A token that nobody has yet, and the key that it is sealed under, to be held until it is recorded.
async fn draw(
    app: &App,
    account: AccountNo,
    (wallet, asked): (Wallet, Arc<Asked>),
) -> Result<(DeviceToken, Hold), Problem> {
    let now = app.engine.shared.clock.now();
    let number = getrandom::u32().map_err(|_| Problem::busy("no randomness: try again"))?;
    let id = DeviceTokenId { account, number }.to_string();
    let (provider, key) = (app.tokens.clone(), app.vault.hold());
    let drawn = blocking(move || {
        let device = provider.device(&asked, now)?;
        let number = provider.new_number()?;
        let sealed = number::seal(&key, &id, &number)?;
        let token = DeviceToken {
            id,
            wallet,
            device,
            last_four: number.last_four(),
            sealed,
            status: TokenStatus::Issued,
            created_at: now,
            updated_at: now,
        };
        Ok((token, key))
    });
    drawn.await
}

fn made_in(answer: &Answer) -> Result<(DeviceToken, Account), Problem> {
    let made = answer.events.iter().find_map(|event| {
        let Event::AccountChanged { change, account } = event else {
            return None;
        };
        let Some(CardChange::AddToken(token)) = change.card.as_deref() else {
            return None;
        };
        Some((token.clone(), Account::clone(account)))
    });
    made.ok_or_else(|| EngineError::KeyConflict.into())
}

/// A token's number as it is sealed now: the key that the record was written under may be gone.
async fn sealed_now(app: &App, no: AccountNo, token: &DeviceToken) -> Result<Sealed, Problem> {
    let (target, id) = (Target::Account { no, urn: None }, token.id.clone());
    let known = app.engine.read(target, None, move |hosted| {
        let file = hosted.group.account(no)?.card.as_ref()?;
        let known = file.tokens.iter().find(|known| known.id == id)?;
        Some(known.sealed.clone())
    });
    Ok(known.await?.unwrap_or_else(|| token.sealed.clone()))
}

async fn payload(
    app: &App,
    (token, account): (&DeviceToken, &Account),
    asked: Arc<Asked>,
) -> Result<Payload, Problem> {
    let Medium::Card {
        last_four, expiry, ..
    } = account.medium
    else {
        return Err(Problem::from(EngineError::Rejected(Rejection::NotACard)));
    };
    let (provider, vault, token) = (app.tokens.clone(), app.vault.clone(), token.clone());
    let made = blocking(move || {
        let number = number::open(&vault, &token.id, &token.sealed)?;
        let subject = Subject {
            id: &token.id,
            number: number.digits(),
            card_last_four: &digits(last_four),
            expiry,
            created_at: token.created_at,
        };
        provider.payload(&subject, &asked)
    });
    made.await
}

/// Runs what may wait for a provider on a thread where that holds up nobody.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, TokenError> + Send + 'static,
) -> Result<T, Problem> {
    let done = threads::aside(work).await;
    let done = done.map_err(|_| Problem::busy("no thread for the token provider: try again"))?;
    done.map_err(|error| match &error {
        TokenError::Asked { field, .. } => Problem::malformed(field.clone(), error.to_string()),
        TokenError::Unavailable(_) => {
            tracing::warn!(%error, "no token");
            Problem::busy("the token provider is not available: try again")
        }
    })
}

fn shown(payload: &Payload) -> Value {
    match payload {
        Payload::Apple {
            activation_data,
            encrypted_pass_data,
            ephemeral_public_key,
        } => json!({
            "activation_data": activation_data,
            "encrypted_pass_data": encrypted_pass_data,
            "ephemeral_public_key": ephemeral_public_key,
        }),
        Payload::Google { opc } => json!({ "opc": opc }),
    }
}
