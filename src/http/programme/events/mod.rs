//! `GET /v1/events`: the log as programmes may read it, by pages, by waiting, or as a stream.

mod stream;

use std::{sync::Arc, time::Duration};

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web::{self, Data, Path},
};
use serde::Serialize;
use serde_json::{json, value::RawValue};
use utoipa::{OpenApi, ToSchema};

use super::{
    super::{App, access, json as json_answer, problem::Problem, request_id, resource},
    query::Params,
};
use crate::{
    actors::registrar::Principal,
    domain::{ids::EventId, registry::Scope},
    outbox::{
        event::{OutEvent, words},
        feed::{self, FeedError, Filter, Page, Reader},
    },
    threads,
};

/// This file's routes for the OpenAPI document.
#[derive(OpenApi)]
#[openapi(paths(list, one), components(schemas(EventView, EventsPage)))]
pub struct Paths;

/// Adds this file's routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(resource("/v1/events").route(web::get().to(list)))
        .service(resource("/v1/events/{id}").route(web::get().to(one)));
}

/// The most events of a page.
const LIMIT_MAX: usize = 1_000;
/// The longest wait, in seconds.
const WAIT_S_MAX: usize = 30;
/// The most names that one request asks for.
const WORDS_MAX: usize = 64;
/// What gathers, after the log has grown, before it is read again: a busy log grows a thousand times a
/// second.
const GATHER: Duration = Duration::from_millis(20);

/// One event.
#[derive(Serialize, ToSchema)]
struct EventView {
    /// `evt_…`: the same whenever and wherever it is told.
    id: String,
    /// What happened.
    #[schema(example = "purchase")]
    event: String,
    /// When.
    created_at: String,
    /// The account it is about, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    account_urn: Option<String>,
    /// The holder it is about, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    holder_urn: Option<String>,
    /// The same for each delivery of it.
    idempotency_key: String,
    /// What a webhook's body is.
    #[schema(value_type = serde_json::Value)]
    data: Box<RawValue>,
}

impl EventView {
    fn new(event: OutEvent) -> Self {
        let payload = RawValue::from_string(event.payload);
        Self {
            id: event.id,
            event: event.event,
            created_at: event.at.to_string(),
            account_urn: event.account.map(|(_, urn)| urn),
            holder_urn: event.holder_urn,
            idempotency_key: event.idempotency_key,
            data: payload.expect("Invariant: payloads are JSON"),
        }
    }
}

/// Some events, oldest first.
#[derive(Serialize, ToSchema)]
struct EventsPage {
    /// The events, in the order of the log.
    data: Vec<EventView>,
    /// Where the next page begins: for the parameter `cursor`, with the same filters.
    next_cursor: String,
    /// Whether there are, or may be, more at this moment.
    has_more: bool,
}

/// Lists what happened, oldest first; only what is on disk.
///
/// With `Accept: text/event-stream` it goes on for ever as server-sent events, each with its cursor as
/// `id`, so that `Last-Event-ID` goes on where a broken connection ended.
#[utoipa::path(
    get, path = "/v1/events", tag = "programme",
    params(
        ("cursor" = Option<String>, Query, description = "events after it; now: only what is still \
            to come; the oldest kept if missing"),
        ("limit" = Option<u32>, Query, description = "1 to 1000; 100 if missing"),
        ("wait" = Option<u32>, Query, description = "seconds to wait for an event if there is none; \
            0 to 30"),
        ("account_urn" = Option<String>, Query, description = "of this account"),
        ("event" = Option<String>, Query, description = "of this name, or card.* for all that begin \
            so; may repeat"),
        ("since" = Option<String>, Query, description = "RFC 3339, inclusive"),
        ("until" = Option<String>, Query, description = "RFC 3339, exclusive"),
        ("Last-Event-ID" = Option<String>, Header, description = "a stream's cursor"),
    ),
    responses(
        (status = 200, description = "a page, or a stream", body = EventsPage),
        (status = 400, description = "a wrong parameter: it is named"),
        (status = 401, description = "no key, or an unknown one"),
        (status = 403, description = "the key has neither the scope programme nor operator"),
        (status = 410, description = "cursor_gone: the log begins later, at details.oldest_cursor"),
        (status = 503, description = "busy, or too many wait: try again"),
    ),
)]
pub async fn list(request: HttpRequest, app: Data<App>) -> HttpResponse {
    let id = request_id(&request, &app);
    let asked = match Asked::read(&request, &app) {
        Ok(asked) => asked,
        Err(problem) => return problem.respond(&id),
    };
    if wants_stream(&request) {
        return match stream::open(&request, &app, asked).await {
            Ok(response) => response,
            Err(problem) => problem.respond(&id),
        };
    }
    match page(&app, asked).await {
        Ok(page) => answer(&id, &page),
        Err(problem) => problem.respond(&id),
    }
}

/// One event by its id.
#[utoipa::path(
    get, path = "/v1/events/{id}", tag = "programme",
    params(("id" = String, Path, description = "evt_…")),
    responses(
        (status = 200, description = "the event", body = EventView),
        (status = 401, description = "no key, or an unknown one"),
        (status = 403, description = "the key has neither the scope programme nor operator"),
        (status = 404, description = "no such event"),
        (status = 503, description = "busy: try again"),
    ),
)]
pub async fn one(request: HttpRequest, path: Path<String>, app: Data<App>) -> HttpResponse {
    let id = request_id(&request, &app);
    match find(&request, &path, &app).await {
        Ok(event) => answer(&id, &event),
        Err(problem) => problem.respond(&id),
    }
}

async fn find(request: &HttpRequest, text: &str, app: &Data<App>) -> Result<EventView, Problem> {
    let caller = caller(request, app)?;
    let missing = || Problem::not_found("event_not_found", "event not found");
    let wanted = EventId::parse(text, "evt_", "an event id (evt_…)").map_err(|_| missing())?;
    let engine = app.engine.clone();
    let found = threads::aside(move || feed::one(&engine, wanted)).await;
    let found = found.map_err(|_| stopping())?.map_err(problem_of)?;
    let found = found.filter(|event| filter_of(&caller).fits(event));
    found.map(EventView::new).ok_or_else(missing)
}

fn answer(id: &str, view: &impl Serialize) -> HttpResponse {
    match serde_json::to_vec(view) {
        Ok(body) => json_answer(StatusCode::OK, id, body),
        Err(error) => {
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            Problem::new(status, "render_fault", error.to_string()).respond(id)
        }
    }
}

/// A programme's or an operator's key, or a holder's token.
fn caller(request: &HttpRequest, app: &App) -> Result<Arc<Principal>, Problem> {
    may_read(access::anyone(request, app)?)
}

fn may_read(principal: Arc<Principal>) -> Result<Arc<Principal>, Problem> {
    let scopes = principal.scopes;
    if scopes.allow(Scope::Programme) || scopes.allow(Scope::Operator) {
        return Ok(principal);
    }
    let message = "this key has neither the scope programme nor operator";
    Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", message))
}

/// All that the caller may see.
fn filter_of(caller: &Principal) -> Filter {
    Filter {
        origin: caller.origin.to_string(),
        holder: caller.holder.as_deref().map(str::to_owned),
        ..Filter::default()
    }
}

/// What a request asks for.
struct Asked {
    filter: Filter,
    cursor: Option<EventId>,
    limit: usize,
    wait: Duration,
}

impl Asked {
    fn read(request: &HttpRequest, app: &App) -> Result<Self, Problem> {
        const ONCE: [&str; 6] = ["cursor", "limit", "wait", "account_urn", "since", "until"];
        let caller = caller(request, app)?;
        let params = Params::read(request, &ONCE, &["event"])?;
        let account = params.one("account_urn").map(str::parse).transpose();
        let account = account
            .map_err(|error| Problem::malformed("account_urn", format!("account_urn {error}")))?;
        let words: Vec<String> = params.all("event").map(str::to_owned).collect();
        if words.len() > WORDS_MAX {
            let message = format!("event may be given {WORDS_MAX} times");
            return Err(Problem::malformed("event", message));
        }
        if let Some(unknown) = words.iter().find(|word| !is_known(word)) {
            let message = format!("event: there is no event {}", shown(unknown));
            return Err(Problem::malformed("event", message));
        }
        let last = request.headers().get("last-event-id");
        let last = last.filter(|_| wants_stream(request));
        let last = last.map(|value| cursor(app, "Last-Event-ID", value.to_str().unwrap_or("")));
        let given = params.one("cursor").map(|text| cursor(app, "cursor", text));
        let wait = params.number("wait", 0, (0, WAIT_S_MAX))?;
        Ok(Self {
            filter: Filter {
                account,
                words,
                since: params.time("since")?,
                until: params.time("until")?,
                ..filter_of(&caller)
            },
            cursor: last.or(given).transpose()?,
            limit: params.number("limit", 100, (1, LIMIT_MAX))?,
            wait: Duration::from_secs(u64::try_from(wait).unwrap_or(0)),
        })
    }
}

fn is_known(word: &str) -> bool {
    let is_pattern = word.ends_with('*');
    let fits = |known: &&str| feed::matches(word, known);
    is_pattern && word.len() <= 64 || words::ALL.iter().any(fits)
}

fn shown(text: &str) -> String {
    text.chars().take(64).collect()
}

fn cursor(app: &App, name: &str, text: &str) -> Result<EventId, Problem> {
    if text == "now" {
        return Ok(feed::behind(app.engine.durability.durable()));
    }
    EventId::parse(text, "cur_", "a cursor of ours (cur_…) or now")
        .map_err(|error| Problem::malformed(name, format!("{name} {error}")))
}

fn wants_stream(request: &HttpRequest) -> bool {
    let accepts = request.headers().get(header::ACCEPT);
    let accepts = accepts.and_then(|value| value.to_str().ok());
    accepts.is_some_and(|value| value.contains("text/event-stream"))
}

async fn page(app: &Data<App>, asked: Asked) -> Result<EventsPage, Problem> {
    let deadline = tokio::time::Instant::now() + asked.wait;
    let limit = asked.limit;
    // Taken before the log is read, so that nothing is missed between.
    let waiting = if asked.wait.is_zero() {
        None
    } else {
        Some(app.feed.wait_place().ok_or_else(too_many)?)
    };
    let (mut reader, mut page) = first_page(app, asked).await?;
    if let Some(mut waiting) = waiting {
        while page.events.is_empty() && !page.has_more {
            match tokio::time::timeout_at(deadline, waiting.grown()).await {
                Ok(true) => actix_rt::time::sleep(GATHER).await,
                Ok(false) | Err(_) => break,
            }
            (reader, page) = next_page(reader, limit).await?;
        }
    }
    Ok(EventsPage {
        next_cursor: page.next.text("cur_"),
        has_more: page.has_more,
        data: page.events.into_iter().map(EventView::new).collect(),
    })
}

async fn first_page(app: &Data<App>, asked: Asked) -> Result<(Reader, Page), Problem> {
    let engine = app.engine.clone();
    let made = threads::aside(move || {
        let mut reader = Reader::new(engine, asked.filter, asked.cursor)?;
        let page = reader.page(asked.limit)?;
        Ok((reader, page))
    });
    made.await.map_err(|_| stopping())?.map_err(problem_of)
}

async fn next_page(mut reader: Reader, limit: usize) -> Result<(Reader, Page), Problem> {
    let made = threads::aside(move || {
        let page = reader.page(limit)?;
        Ok((reader, page))
    });
    made.await.map_err(|_| stopping())?.map_err(problem_of)
}

fn stopping() -> Problem {
    Problem::busy("the server is stopping: try again")
}

fn too_many() -> Problem {
    Problem::busy("too many wait for events already: try again, or ask without waiting")
}

fn problem_of(error: FeedError) -> Problem {
    match error {
        FeedError::Gone { oldest } => {
            let message = "the log begins behind that cursor: go on at details.oldest_cursor";
            let mut problem = Problem::new(StatusCode::GONE, "cursor_gone", message);
            problem.field = Some("cursor".into());
            problem.with(json!({ "oldest_cursor": oldest.text("cur_") }))
        }
        FeedError::Unreached => Problem::malformed(
            "cursor",
            "cursor is not of this log: it does not reach so far",
        ),
        FeedError::Engine(error) => error.into(),
    }
}
