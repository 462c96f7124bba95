//! `POST /api/mediums/…`: makes a card or a pocket.

use actix_web::{
    HttpRequest, HttpResponse,
    http::StatusCode,
    web::{Data, Path},
};
use serde::Serialize;
use serde_json::Map;
use utoipa::ToSchema;

use super::{
    super::{
        App,
        access::may_see,
        body::Body,
        operator::simulate::cards::{self, Creation},
        problem::Problem,
    },
    card_data::{
        issue::{self, Issued},
        link::Links,
    },
    compliance,
    input::{AccountRequest, check_input, holder_of},
    list::{behind, look_across},
    problem::ErrorView,
    request::{self, Reply, Write, answer, record_id},
    view::AccountView,
};
use crate::{
    actors::{Answer, EngineError, Request, Target, registrar::Principal},
    domain::{
        account::{Account, Medium},
        command::{Command, OpenAccount, Simulation},
        compliance::Gate,
        event::Event,
        ids::{AccountNo, ActorId, LedgerNo},
        outcome::Rejection,
        policy::metadata,
        uuids::BalanceId,
    },
};

/// The answer to a change of an account.
#[derive(Serialize, ToSchema)]
pub struct AccountResult {
    /// What came of it.
    result: AccountEnvelope,
    /// The id of the record; the same when replayed.
    req_id: String,
}

/// An account.
#[derive(Serialize, ToSchema)]
pub struct AccountEnvelope {
    /// The account.
    pub account: AccountView,
}

/// Makes a card.
#[utoipa::path(
    post, path = "/api/mediums/card", tag = "programme",
    request_body = AccountRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "same key, same answer")),
    responses(
        (status = 201, description = "made", body = AccountResult),
        (status = 400, description = "the field is named", body = ErrorView),
        (status = 401, description = "no key, or an unknown one", body = ErrorView),
        (status = 403, description = "no scope programme, another origin's holder, or a verification is \
            required first", body = ErrorView),
        (status = 404, description = "no such ledger account", body = ErrorView),
        (status = 409, description = "the idempotency key was used otherwise", body = ErrorView),
        (status = 413, description = "the body is too large", body = ErrorView),
        (status = 415, description = "the body is not JSON", body = ErrorView),
        (status = 422, description = "no physical cards are issued", body = ErrorView),
        (status = 503, description = "busy: try again", body = ErrorView),
    ),
)]
pub async fn card(request: HttpRequest, body: Body, app: Data<App>) -> HttpResponse {
    answer(&request, &app, create(&request, body, &app, Some("card"))).await
}

/// Makes a card of a programme of its own.
#[utoipa::path(
    post, path = "/api/mediums/card-{programme}", tag = "programme",
    request_body = AccountRequest,
    params(
        ("programme" = String, Path, description = "1 to 64 lower-case letters, digits, dashes"),
        ("Idempotency-Key" = Option<String>, Header, description = "same key, same answer"),
    ),
    responses(
        (status = 201, description = "made", body = AccountResult),
        (status = 400, description = "the field is named", body = ErrorView),
        (status = 401, description = "no key, or an unknown one", body = ErrorView),
        (status = 403, description = "no scope programme, another origin's holder, or a verification is \
            required first", body = ErrorView),
        (status = 404, description = "no such ledger account", body = ErrorView),
        (status = 409, description = "the idempotency key was used otherwise", body = ErrorView),
        (status = 413, description = "the body is too large", body = ErrorView),
        (status = 415, description = "the body is not JSON", body = ErrorView),
        (status = 422, description = "no physical cards are issued", body = ErrorView),
        (status = 503, description = "busy: try again", body = ErrorView),
    ),
)]
pub async fn programme_card(
    request: HttpRequest,
    path: Path<String>,
    body: Body,
    app: Data<App>,
) -> HttpResponse {
    let name = format!("card-{path}");
    answer(&request, &app, create(&request, body, &app, Some(&name))).await
}

/// Makes a pocket.
#[utoipa::path(
    post, path = "/api/mediums/virtual", tag = "programme",
    request_body = AccountRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "same key, same answer")),
    responses(
        (status = 201, description = "made", body = AccountResult),
        (status = 400, description = "the field is named", body = ErrorView),
        (status = 401, description = "no key, or an unknown one", body = ErrorView),
        (status = 403, description = "no scope programme, another origin's holder, or a verification is \
            required first", body = ErrorView),
        (status = 404, description = "no such ledger account", body = ErrorView),
        (status = 409, description = "the idempotency key was used otherwise", body = ErrorView),
        (status = 413, description = "the body is too large", body = ErrorView),
        (status = 415, description = "the body is not JSON", body = ErrorView),
        (status = 503, description = "busy: try again", body = ErrorView),
    ),
)]
pub async fn pocket(request: HttpRequest, body: Body, app: Data<App>) -> HttpResponse {
    answer(&request, &app, create(&request, body, &app, None)).await
}

async fn create(
    request: &HttpRequest,
    bytes: Body,
    app: &App,
    programme: Option<&str>,
) -> Result<Reply, Problem> {
    let write: Write<AccountRequest> = request::write(request, bytes, app)?;
    let body = &write.body;
    let holder_urn = holder_of(body.holder_urn.as_deref(), &write.caller)?;
    body.webhook_url
        .as_deref()
        .map(request::webhook_url)
        .transpose()?;
    check_input(body.input.as_ref(), programme.is_some())?;
    let known = Map::new();
    let given = body.metadata.as_ref().unwrap_or(&known);
    if !write.is_known(app) {
        let gate = programme.map_or(Gate::CreateVirtual, |_| Gate::CreateCard);
        compliance::require(app, &write.caller, &holder_urn, gate)?;
        compliance::may_set(app, &write.caller, given.keys().map(String::as_str))?;
    }
    let (metadata, policy) = metadata::settle(given, app.terms()).map_err(Rejection::from)?;
    let ledger = body
        .ledger_account_id
        .as_deref()
        .map(shared_ledger)
        .transpose()?;
    if let Some(ledger) = ledger {
        require_own_ledger(app, &write.caller, ledger).await?;
    }
    let no = app.engine.shared.next_number();
    let creation = cards::creation(app, &write.caller, given)?;
    let issued = issued(programme, app, AccountNo(no))?;
    let (medium, card) = match &issued {
        Some(card) => (card.medium.clone(), Some(card.file.clone())),
        None => (Medium::Virtual, None),
    };
    let open = Box::new(OpenAccount {
        card,
        no: AccountNo(no),
        medium,
        holder_urn,
        ledger: ledger.unwrap_or(LedgerNo(no)),
        webhook_url: body.webhook_url.clone(),
        metadata,
        policy,
    });
    let command = match creation {
        Creation::Immediate => Command::OpenAccount(open),
        Creation::Held | Creation::Failing => Command::Simulate(Simulation::OpenHeld(open)),
    };
    let opened = opened(app, &write, ledger, (no, command)).await;
    if let Some(card) = &issued {
        issue::settle(app, card.file.fingerprint, &opened);
    }
    let opened = opened.map_err(|error| match ledger {
        Some(_) => no_ledger(error),
        None => Problem::from(error),
    })?;
    if creation == Creation::Failing {
        fail(app, &opened).await?;
    }
    show(&opened, StatusCode::CREATED, &Links::of(request, app))
}

/// Decides where the account's money lives: with others' or by itself.
async fn opened(
    app: &App,
    write: &Write<AccountRequest>,
    ledger: Option<LedgerNo>,
    (no, command): (u64, Command),
) -> Result<Answer, EngineError> {
    let indexes = &app.engine.shared.indexes;
    let actor = ledger.map_or(ActorId(no), |ledger| indexes.actor_of_ledger(ledger));
    if ledger.is_none() {
        app.engine.directory.create(actor);
    }
    let request = write.engine_request(Target::Actor(actor), command);
    let opened = app.engine.execute(request).await;
    if ledger.is_none() && !matches!(&opened, Ok(answer) if !answer.is_replay) {
        app.engine.directory.discard_if_empty(actor);
    }
    opened
}

/// The creation fails, as a sandbox was asked to let it; a retry finds it failed already.
async fn fail(app: &App, opened: &Answer) -> Result<(), Problem> {
    let Some(account) = opened.events.iter().find_map(account_in) else {
        return Ok(());
    };
    let request = Request {
        target: Target::Account {
            no: account.no,
            urn: None,
        },
        origin: None,
        command: cards::ended(account.no, false),
        keys: Vec::new(),
        fingerprint: 0,
        recalled: None,
    };
    match app.engine.execute(request).await {
        Ok(_) | Err(EngineError::Rejected(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Renders what a record made of an account, now or again.
///
/// # Errors
///
/// 409 if the record is about something else.
pub fn show(answer: &Answer, status: StatusCode, links: &Links) -> Result<Reply, Problem> {
    let account = answer.events.iter().rev().find_map(account_in);
    let account = account.ok_or_else(|| Problem::from(EngineError::KeyConflict))?;
    let view = AccountResult {
        result: AccountEnvelope {
            account: AccountView::new(account, None, links),
        },
        req_id: record_id(answer.lsn),
    };
    Ok(Reply::new(status, &view)?.replayed(answer.is_replay))
}

/// The account that an event made or changed.
pub(super) fn account_in(event: &Event) -> Option<&Account> {
    match event {
        Event::AccountOpened(account) | Event::AccountChanged { account, .. } => Some(account),
        Event::Deposited(..)
        | Event::Withdrawn(..)
        | Event::TransferredWithin(..)
        | Event::TransferSent(..)
        | Event::TransferReceived(..)
        | Event::TransferSettled(_)
        | Event::TransferReturned(..)
        | Event::AuthorizationApproved(_)
        | Event::AuthorizationDeclined(_)
        | Event::AuthorizationStepped(_)
        | Event::Absorbed(_)
        | Event::Booked(_) => None,
    }
}

/// The ledger account of that name: its own, or that of a balance on it.
///
/// # Errors
///
/// 404.
pub(super) fn shared_ledger(text: &str) -> Result<LedgerNo, Problem> {
    let balance = || text.parse().map(|balance: BalanceId| balance.ledger);
    text.parse()
        .or_else(|_| balance())
        .map_err(|_| no_ledger(Rejection::LedgerNotFound))
}

/// Money that is another holder's is not shared with a holder's token. A ledger balance is the origin's:
/// a holder may go in front of its money only where an account of the holder's stands already.
pub(super) async fn require_own_ledger(
    app: &App,
    caller: &Principal,
    ledger: LedgerNo,
) -> Result<(), Problem> {
    if caller.holder.is_none() {
        return Ok(());
    }
    let accounts = behind(app, &caller.origin, &[ledger].into()).await?;
    let no_such = || no_ledger(Rejection::LedgerNotFound);
    if accounts.is_empty() {
        return Err(no_such());
    }
    let mut has_own = false;
    for (target, no) in accounts {
        let seen = look_across(app, target, no, &caller.origin).await?;
        let seen = seen.ok_or_else(no_such)?.account;
        let is_own = may_see(caller, &seen.holder_urn);
        if !is_own && !matches!(seen.medium, Medium::Balance(_)) {
            return Err(no_such());
        }
        has_own |= is_own;
    }
    if has_own { Ok(()) } else { Err(no_such()) }
}

/// A ledger account that is not there, or is another origin's.
pub(super) fn no_ledger(error: impl Into<EngineError>) -> Problem {
    let problem = Problem::from(error.into());
    if !matches!(
        problem.code,
        "account_not_found" | "ledger_account_not_found"
    ) {
        return problem;
    }
    let message = "ledger_account_id: ledger account not found";
    let mut problem = Problem::not_found("ledger_account_not_found", message);
    problem.field = Some("ledger_account_id".to_owned());
    problem
}

/// A card's number and sealed data; nothing for a pocket.
fn issued(programme: Option<&str>, app: &App, no: AccountNo) -> Result<Option<Issued>, Problem> {
    let Some(programme) = programme else {
        return Ok(None);
    };
    if let Some(name) = programme.strip_prefix("card-") {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if name.is_empty() || name.len() > 64 || !name.bytes().all(plain) {
            let message = "programme must be 1 to 64 lower-case letters, digits and dashes";
            return Err(Problem::malformed("programme", message));
        }
    }
    issue::issue(app, programme, no).map(Some)
}
