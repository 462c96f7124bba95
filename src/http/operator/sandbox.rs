//! What makes trying out and measuring easy: many funded cards at once, and a route that does nothing.

use std::time::Duration;

use actix_web::{
    HttpRequest, HttpResponse,
    http::header,
    web::{Data, Query},
};
use serde::Deserialize;
use serde_json::json;

use super::super::{
    App, access,
    body::{self, Body},
    problem::Problem,
    programme::card_data::issue,
    request_id,
};
use crate::{
    actors::{Answer, EngineError, Request, Target, keys::key_of},
    domain::{
        command::{Command, MoveMoney, OpenAccount},
        ids::{AccountNo, ActorId, LedgerNo, RecordId},
        money::{Amount, Asset},
        policy::Policy,
        registry::Scope,
    },
    wire::KeyLife,
};

/// The most cards of one request.
const CARDS_MAX: usize = 10_000;
/// The largest answer and body of the echo.
pub const ECHO_BYTES_MAX: usize = 16 << 20;

/// Many funded cards.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SeedRequest {
    /// Whose cards.
    #[schema(example = "did:bloque:sandbox:demo")]
    holder_urn: String,
    /// How many, 1 to 10,000.
    cards: usize,
    /// What is put in.
    #[schema(example = "DUSD/6")]
    asset: String,
    /// How much is put into each, in smallest units.
    #[schema(example = "100000000000")]
    amount: String,
}

/// Makes many funded cards at once.
#[utoipa::path(
    post, path = "/v1/sandbox/seed", tag = "sandbox",
    request_body = SeedRequest,
    responses(
        (status = 201, description = "their URNs", body = serde_json::Value),
        (status = 400, description = "malformed: the field is named"),
        (status = 401, description = "no key, or an unknown one"),
        (status = 403, description = "the key has not the scope operator, or another's holder"),
        (status = 404, description = "this server is no sandbox"),
        (status = 415, description = "the body is not JSON"),
        (status = 422, description = "an impossible value: the field is named"),
        (status = 503, description = "busy: try again"),
    ),
)]
pub async fn seed(request: HttpRequest, body: Body, app: Data<App>) -> HttpResponse {
    let id = request_id(&request, &app);
    match make_cards(&request, body, &app).await {
        Ok(cards) => HttpResponse::Created()
            .insert_header(("x-request-id", id))
            .json(json!({ "cards": cards.iter().map(|urn| &**urn).collect::<Vec<_>>() })),
        Err(problem) => problem.respond(&id),
    }
}

async fn make_cards(
    request: &HttpRequest,
    bytes: Body,
    app: &App,
) -> Result<Vec<std::sync::Arc<str>>, Problem> {
    let principal = access::require(request, app, Scope::Operator)?;
    if !app.is_sandbox {
        let message = "not found: this server was not started with --sandbox";
        return Err(Problem::not_found("not_found", message));
    }
    body::require_json(request)?;
    let bytes = body::bytes(bytes)?;
    let wanted: SeedRequest = body::parse(&bytes)?;
    let asset: Asset = wanted
        .asset
        .parse()
        .map_err(|error| Problem::money("asset", &error))?;
    if app.terms().asset(asset).is_none() {
        return Err(Problem::impossible(
            "asset",
            format!("asset {asset} is not configured"),
        ));
    }
    let amount: Amount = wanted
        .amount
        .parse()
        .map_err(|error| Problem::money("amount", &error))?;
    if !(1..=CARDS_MAX).contains(&wanted.cards) {
        return Err(Problem::impossible(
            "cards",
            format!("cards must be 1 to {CARDS_MAX}"),
        ));
    }
    let mut parts = wanted.holder_urn.splitn(4, ':');
    let is_did = parts.next() == Some("did") && parts.next() == Some("bloque");
    if !is_did || parts.next() != Some(&*principal.origin) || parts.next().is_none_or(str::is_empty)
    {
        let message = format!(
            "holder_urn must be did:bloque:{}:{{alias}}",
            principal.origin
        );
        return Err(Problem::impossible("holder_urn", message));
    }
    let opened = open_all(app, &wanted.holder_urn, wanted.cards).await?;
    if !amount.is_zero() {
        fund_all(app, &principal.origin, &opened, (asset, amount)).await?;
    }
    Ok(opened.into_iter().map(|(_, urn)| urn).collect())
}

async fn open_all(
    app: &App,
    holder_urn: &str,
    count: usize,
) -> Result<Vec<(AccountNo, std::sync::Arc<str>)>, Problem> {
    let (mut requests, mut issued) = (Vec::with_capacity(count), Vec::with_capacity(count));
    for _ in 0..count {
        let no = app.engine.shared.next_number();
        let card = issue::issue(app, "card", AccountNo(no))?;
        app.engine.directory.create(ActorId(no));
        let open = OpenAccount {
            card: Some(card.file.clone()),
            no: AccountNo(no),
            medium: card.medium.clone(),
            holder_urn: holder_urn.to_owned(),
            ledger: LedgerNo(no),
            webhook_url: None,
            metadata: "{}".to_owned(),
            policy: Policy::default(),
        };
        let open = Command::OpenAccount(Box::new(open));
        requests.push(plain_request(ActorId(no), open));
        issued.push(card);
    }
    let answers = decide_in_parts(app, &requests).await;
    for (answer, card) in answers.iter().zip(&issued) {
        issue::settle(app, card.file.fingerprint, answer);
    }
    let urn_of = |answer: Result<Answer, EngineError>| {
        let urn = answer?.urns.into_iter().next();
        urn.ok_or(EngineError::Unavailable)
    };
    let urns: Result<Vec<_>, EngineError> = answers.into_iter().map(urn_of).collect();
    Ok(urns?)
}

async fn fund_all(
    app: &App,
    origin: &str,
    opened: &[(AccountNo, std::sync::Arc<str>)],
    (asset, amount): (Asset, Amount),
) -> Result<(), Problem> {
    let requests: Vec<Request> = opened
        .iter()
        .map(|(no, _)| {
            let reference = RecordId(no.0).text("seed_");
            let key = key_of(origin, "reference", &reference);
            let metadata = "{}".to_owned();
            let deposit = MoveMoney {
                account: *no,
                asset,
                amount,
                reference,
                metadata,
            };
            let mut request = plain_request(ActorId(no.0), Command::Deposit(deposit));
            request.keys = vec![(key, KeyLife::Permanent)];
            request
        })
        .collect();
    for answer in decide_in_parts(app, &requests).await {
        answer?;
    }
    Ok(())
}

/// How many requests are decided before more are given out.
const PART: usize = 4_096;
/// How often what met a full queue is tried again, and how long after.
const BUSY_TRIES_MAX: usize = 500;
const BUSY_PAUSE: Duration = Duration::from_millis(20);

/// Decides more requests than the disk may keep up with: those that met a full queue again.
async fn decide_in_parts(app: &App, requests: &[Request]) -> Vec<Result<Answer, EngineError>> {
    let mut answers = Vec::with_capacity(requests.len());
    for part in requests.chunks(PART) {
        let mut decided = app.engine.execute_batch(part.to_vec()).await;
        for _ in 0..BUSY_TRIES_MAX {
            let outcomes = decided.iter_mut().zip(part);
            let (places, again): (Vec<_>, Vec<_>) = outcomes
                .filter(|(outcome, _)| matches!(outcome, Err(EngineError::Busy(_))))
                .map(|(outcome, request)| (outcome, request.clone()))
                .unzip();
            if again.is_empty() {
                break;
            }
            actix_rt::time::sleep(BUSY_PAUSE).await;
            let outcomes = app.engine.execute_batch(again).await;
            for (place, outcome) in places.into_iter().zip(outcomes) {
                *place = outcome;
            }
        }
        answers.append(&mut decided);
    }
    answers
}

const fn plain_request(actor: ActorId, command: Command) -> Request {
    Request {
        target: Target::Actor(actor),
        origin: None,
        command,
        keys: Vec::new(),
        fingerprint: 0,
        recalled: None,
    }
}

/// How large an answer.
#[derive(Deserialize, utoipa::IntoParams)]
pub struct EchoQuery {
    /// How many bytes.
    bytes: usize,
}

/// Reads the body and answers so many bytes: what HTTP itself can do on this machine.
#[utoipa::path(
    post, path = "/v1/bench/echo", tag = "sandbox",
    params(EchoQuery),
    request_body(content = serde_json::Value, description = "anything"),
    responses(
        (status = 200, description = "so many bytes of JSON", body = serde_json::Value),
        (status = 400, description = "bytes is no whole number"),
        (status = 404, description = "this server is no sandbox"),
    ),
)]
pub async fn echo(
    body: Body,
    query: Result<Query<EchoQuery>, actix_web::Error>,
    app: Data<App>,
) -> HttpResponse {
    if !app.is_sandbox {
        return HttpResponse::NotFound().finish();
    }
    drop(body);
    let Ok(query) = query else {
        let message = "bytes must be a whole number: how many to answer";
        return Problem::malformed("bytes", message).respond("");
    };
    let bytes = query.bytes.clamp(2, ECHO_BYTES_MAX);
    let mut answer = vec![b'.'; bytes];
    if let (Some(first), true) = (answer.first_mut(), bytes > 1) {
        *first = b'"';
    }
    if let Some(last) = answer.last_mut() {
        *last = b'"';
    }
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "application/json"))
        .body(answer)
}
