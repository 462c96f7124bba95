//! `POST /v1/authorizations/batch`: many in one request, each with its own result.

use std::sync::Arc;

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web::Data,
};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error, SeqAccess, Visitor},
};
use serde_json::value::RawValue;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{
    super::{
        App, access,
        body::{self, Body},
        problem::Problem,
        request_id,
    },
    authorize::{TELLING, card_problem, engine_request, is_asked, refuse},
    request::{AuthorizationRequest, Purpose},
    view,
};
use crate::{
    actors::{EngineError, Line, Request, Said, registrar::Principal},
    domain::registry::Scope,
};

/// The largest body: 10,000 items of about 1.6 kB.
pub const BODY_BYTES_MAX: usize = 16 << 20;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Array,
    Lines,
}

/// Asks for many authorizations. One failing item never fails its neighbours.
#[utoipa::path(
    post, path = "/v1/authorizations/batch", tag = "network",
    request_body(
        content = Vec<AuthorizationRequest>,
        description = "a JSON array, or one object a line with Content-Type application/x-ndjson",
    ),
    responses(
        (status = 200, description = "one result an item, in order", body = serde_json::Value),
        (status = 400, description = "the body is no list, or an empty one"),
        (status = 401, description = "no key, or an unknown one"),
        (status = 403, description = "the key has not the scope network"),
        (status = 413, description = "too many items, or too large a body"),
        (status = 415, description = "the body is neither JSON nor NDJSON"),
    ),
)]
pub async fn post(request: HttpRequest, body: Body, app: Data<App>) -> HttpResponse {
    let id = request_id(&request, &app);
    match run(&request, body, &app, &id).await {
        Ok(response) => response,
        Err(problem) => refuse(&problem, &app, &id),
    }
}

async fn run(
    request: &HttpRequest,
    bytes: Body,
    app: &App,
    id: &str,
) -> Result<HttpResponse, Problem> {
    let principal = access::require(request, app, Scope::Network)?;
    let form = form_of(request)?;
    let bytes = body::bytes(bytes)?;
    // Before anything is read: what waits for its turn is one body, not a thousand requests.
    let _turn = take_turn().await;
    let items = read(&bytes, form, app, &principal)?;
    drop(bytes);
    let results = decide(items, app).await;
    Ok(show(&results, form, id))
}

/// What each item asks, or what is wrong with it.
fn read(
    bytes: &[u8],
    form: Form,
    app: &App,
    principal: &Principal,
) -> Result<Vec<Result<Request, Problem>>, Problem> {
    if form == Form::Array
        && let Some(items) = read_at_once(bytes, app.batch_items_max)
    {
        require_count(items.len(), app)?;
        let request = |mut item| engine_request(&mut item, principal, None, Purpose::Authorize);
        return Ok(items.into_iter().map(request).collect());
    }
    // One item that cannot be read is not to fail the others: each by itself.
    let items = split(bytes, form)?;
    require_count(items.len(), app)?;
    let request = |item: &[u8]| {
        let mut parsed: AuthorizationRequest<'_> = body::parse(item)?;
        engine_request(&mut parsed, principal, None, Purpose::Authorize)
    };
    Ok(items.into_iter().map(request).collect())
}

/// The items of an array in which all is well; to find what is not, they are read one by one.
fn read_at_once(bytes: &[u8], most: usize) -> Option<Vec<AuthorizationRequest<'_>>> {
    let mut reader = serde_json::Deserializer::from_str(std::str::from_utf8(bytes).ok()?);
    let items = Items { most }.deserialize(&mut reader).ok()?;
    reader.end().ok().map(|()| items)
}

/// At most so many items.
struct Items {
    most: usize,
}

struct Item<'a>(AuthorizationRequest<'a>);

impl<'de: 'a, 'a> Deserialize<'de> for Item<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let item = body::object(deserializer)?;
        item.map(Item)
            .ok_or_else(|| D::Error::custom("null is no item"))
    }
}

impl<'de> DeserializeSeed<'de> for Items {
    type Value = Vec<AuthorizationRequest<'de>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Items {
    type Value = Vec<AuthorizationRequest<'de>>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a list of at most {} items", self.most)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while let Some(Item(item)) = list.next_element()? {
            if items.len() == self.most {
                return Err(A::Error::custom("too many items"));
            }
            items.push(item);
        }
        Ok(items)
    }
}

fn require_count(count: usize, app: &App) -> Result<(), Problem> {
    if count == 0 {
        return Err(Problem::malformed("body", "the batch has no items"));
    }
    if count > app.batch_items_max {
        let most = app.batch_items_max;
        let message = format!("a batch has at most {most} items, was {count}");
        return Err(Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "batch_too_large",
            message,
        ));
    }
    Ok(())
}

/// How many batches a thread has at work: one being read, one on its way to the disk, one being
/// written. More would only push each other's requests out of the processor's caches.
const AT_WORK_MAX: usize = 3;

/// The right to work on a batch on this thread, given back when dropped.
async fn take_turn() -> Option<OwnedSemaphorePermit> {
    thread_local! {
        static TURNS: Arc<Semaphore> = Arc::new(Semaphore::new(AT_WORK_MAX));
    }
    // It is never closed, so the right is always had.
    TURNS.with(Arc::clone).acquire_owned().await.ok()
}

fn form_of(request: &HttpRequest) -> Result<Form, Problem> {
    let kind = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let kind = kind
        .unwrap_or("application/json")
        .split(';')
        .next()
        .unwrap_or_default()
        .trim();
    match kind.to_ascii_lowercase().as_str() {
        "application/x-ndjson" | "application/ndjson" | "application/jsonl" => Ok(Form::Lines),
        "application/json" | "" => Ok(Form::Array),
        _ => Err(body::unsupported(
            "application/json or application/x-ndjson",
        )),
    }
}

fn split(bytes: &[u8], form: Form) -> Result<Vec<&[u8]>, Problem> {
    match form {
        Form::Lines => Ok(bytes
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.iter().all(u8::is_ascii_whitespace))
            .collect()),
        Form::Array => {
            let items: Vec<&RawValue> = body::parse_any(bytes)?;
            Ok(items
                .into_iter()
                .map(|item| item.get().as_bytes())
                .collect())
        }
    }
}

/// What came of an item.
type Outcome<E> = Result<Said<Line>, E>;

async fn decide(items: Vec<Result<Request, Problem>>, app: &App) -> Vec<Outcome<Problem>> {
    let mut results: Vec<Option<Problem>> = Vec::with_capacity(items.len());
    let mut requests = Vec::with_capacity(items.len());
    for item in items {
        match item {
            Ok(request) => {
                requests.push(request);
                results.push(None);
            }
            Err(problem) => results.push(Some(problem)),
        }
    }
    let answers = app.engine.send_batch(requests, Some(TELLING)).await;
    let mut answers = settle(answers, app).await.into_iter();
    let missing = || Err(Problem::busy("the item was not decided: try again"));
    results
        .into_iter()
        .map(|refused| match refused {
            Some(problem) => Err(problem),
            None => answers
                .next()
                .map_or_else(missing, |answer| answer.map_err(card_problem)),
        })
        .collect()
}

/// Waits for the programmes that are asked, of so many items at a time. The money of all of them is held
/// by then.
async fn settle(answers: Vec<Outcome<EngineError>>, app: &App) -> Vec<Outcome<EngineError>> {
    let is_waiting =
        |said: &Outcome<EngineError>| matches!(said, Ok(Said::Answer(answer)) if is_asked(answer));
    if !answers.iter().any(is_waiting) {
        return answers;
    }
    let turns = Arc::new(Semaphore::new(app.decisions.batch_at_once()));
    let mut waiting = Vec::with_capacity(answers.len());
    for answer in answers {
        waiting.push(match answer {
            Ok(Said::Answer(first)) if is_asked(&first) => {
                let (decisions, turns) = (app.decisions.clone(), turns.clone());
                Err(actix_rt::spawn(async move {
                    // It is never closed.
                    let _turn = turns.acquire_owned().await;
                    decisions.settle(first).await.map(Said::Answer)
                }))
            }
            known => Ok(known),
        });
    }
    let mut settled = Vec::with_capacity(waiting.len());
    for one in waiting {
        settled.push(match one {
            Ok(known) => known,
            Err(task) => task.await.unwrap_or(Err(EngineError::Unavailable)),
        });
    }
    settled
}

fn show(results: &[Outcome<Problem>], form: Form, id: &str) -> HttpResponse {
    let mut out = Vec::with_capacity(results.len().saturating_mul(1_024));
    let (open, between, close): (&[u8], &[u8], &[u8]) = match form {
        Form::Array => (b"[", b",", b"]"),
        Form::Lines => (b"", b"\n", b"\n"),
    };
    out.extend_from_slice(open);
    for (place, result) in results.iter().enumerate() {
        if place > 0 {
            out.extend_from_slice(between);
        }
        show_one(result, &mut out);
    }
    out.extend_from_slice(close);
    let kind = match form {
        Form::Array => "application/json",
        Form::Lines => "application/x-ndjson",
    };
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, kind))
        .insert_header(("x-request-id", id))
        .body(out)
}

fn show_one(result: &Outcome<Problem>, out: &mut Vec<u8>) {
    let failure = match result {
        Ok(Said::Told(line)) => {
            out.extend_from_slice(br#"{"status":200,"body":"#);
            out.extend_from_slice(line.bytes());
            out.push(b'}');
            return;
        }
        Ok(Said::Answer(answer)) => {
            let before = out.len();
            out.extend_from_slice(br#"{"status":200,"#);
            if answer.is_replay {
                out.extend_from_slice(br#""replayed":true,"#);
            }
            out.extend_from_slice(br#""body":"#);
            if view::render_into(answer, out) {
                out.push(b'}');
                return;
            }
            out.truncate(before);
            Problem::conflict("idempotency_conflict", "the id is not an authorization's")
        }
        Err(problem) => problem.clone(),
    };
    let mut item = serde_json::json!({
        "status": failure.status.as_u16(),
        "error": failure.error(),
    });
    if let (Some(code), Some(object)) = (failure.response_code, item.as_object_mut()) {
        object.insert("response_code".into(), code.into());
    }
    out.extend_from_slice(item.to_string().as_bytes());
}
