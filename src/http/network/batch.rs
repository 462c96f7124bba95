//! `POST /v1/authorizations/batch`: many in one request, each with its own result.

use std::{mem, sync::Arc};

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
    actors::{Answer, EngineError, Replies, Reply, Request, Said, registrar::Principal},
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
    let asked = read(&bytes, form, app, &principal)?;
    drop(bytes);
    let mut replies = app.engine.send_batch(asked.requests, Some(TELLING)).await;
    settle(replies.others_mut(), app).await;
    Ok(show(replies, asked.refused, form, id))
}

/// What the items of a batch ask.
#[derive(Default)]
struct Asked {
    count: usize,
    requests: Vec<Request>,
    /// Items with which something is wrong, by their places in the batch.
    refused: Vec<(usize, Problem)>,
}

impl Asked {
    fn add(&mut self, item: Result<Request, Problem>) {
        match item {
            Ok(request) => self.requests.push(request),
            Err(problem) => self.refused.push((self.count, problem)),
        }
        self.count = self.count.saturating_add(1);
    }
}

fn read(bytes: &[u8], form: Form, app: &App, principal: &Principal) -> Result<Asked, Problem> {
    if form == Form::Array
        && let Some(asked) = read_at_once(bytes, app.batch_items_max, principal)
    {
        require_count(asked.count, app)?;
        return Ok(asked);
    }
    // One item that cannot be read is not to fail the others: each by itself.
    let items = split(bytes, form)?;
    require_count(items.len(), app)?;
    let mut asked = Asked::default();
    for item in items {
        asked.add(body::parse(item).and_then(|mut parsed| request_of(&mut parsed, principal)));
    }
    Ok(asked)
}

fn request_of(
    item: &mut AuthorizationRequest<'_>,
    principal: &Principal,
) -> Result<Request, Problem> {
    engine_request(item, principal, None, Purpose::Authorize)
}

/// The items of an array that can be read as a whole; to find out why it cannot, they are read one by one.
fn read_at_once(bytes: &[u8], most: usize, principal: &Principal) -> Option<Asked> {
    let mut reader = serde_json::Deserializer::from_str(std::str::from_utf8(bytes).ok()?);
    let items = Items { most, principal };
    let asked = items.deserialize(&mut reader).ok()?;
    reader.end().ok().map(|()| asked)
}

/// At most so many items, each made a request of while its text is at hand.
struct Items<'a> {
    most: usize,
    principal: &'a Principal,
}

struct Item<'a>(AuthorizationRequest<'a>);

impl<'de: 'a, 'a> Deserialize<'de> for Item<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let item = body::object(deserializer)?;
        item.map(Item)
            .ok_or_else(|| D::Error::custom("null is no item"))
    }
}

impl<'de> DeserializeSeed<'de> for Items<'_> {
    type Value = Asked;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Items<'_> {
    type Value = Asked;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a list of at most {} items", self.most)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut asked = Asked::default();
        while let Some(Item(mut item)) = list.next_element()? {
            if asked.count == self.most {
                return Err(A::Error::custom("too many items"));
            }
            asked.add(request_of(&mut item, self.principal));
        }
        Ok(asked)
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

/// Waits for the programmes that are asked, of so many items at a time. The money of all of them is held
/// by then.
async fn settle(answers: &mut [Result<Answer, EngineError>], app: &App) {
    let turns = Arc::new(Semaphore::new(app.decisions.batch_at_once()));
    let mut waiting = Vec::new();
    for answer in answers {
        if !answer.as_ref().is_ok_and(is_asked) {
            continue;
        }
        let Ok(first) = mem::replace(answer, Err(EngineError::Unavailable)) else {
            continue;
        };
        let (decisions, turns) = (app.decisions.clone(), turns.clone());
        let task = actix_rt::spawn(async move {
            // It is never closed.
            let _turn = turns.acquire_owned().await;
            decisions.settle(first).await
        });
        waiting.push((answer, task));
    }
    for (answer, task) in waiting {
        *answer = task.await.unwrap_or(Err(EngineError::Unavailable));
    }
}

fn show(replies: Replies, refused: Vec<(usize, Problem)>, form: Form, id: &str) -> HttpResponse {
    let (open, between, close): (&[u8], &[u8], &[u8]) = match form {
        Form::Array => (b"[", b",", b"]"),
        Form::Lines => (b"", b"\n", b"\n"),
    };
    let mut out = Vec::with_capacity(
        replies
            .bytes()
            .saturating_add(refused.len().saturating_mul(512)),
    );
    out.extend_from_slice(open);
    let mut count = 0_usize;
    let mut add = |outcome: Outcome<'_>| {
        if count > 0 {
            out.extend_from_slice(between);
        }
        show_one(outcome, &mut out);
        count = count.saturating_add(1);
        count
    };
    let mut refused = refused.into_iter().peekable();
    let mut next = 0;
    replies.for_each(|reply| {
        while let Some((_, problem)) = refused.next_if(|(number, _)| *number == next) {
            next = add(Err(problem));
        }
        next = add(match reply {
            Reply::Told(words) => Ok(Said::Told(words)),
            Reply::Other(answer) => answer.map(Said::Answer).map_err(card_problem),
        });
    });
    for (_, problem) in refused {
        add(Err(problem));
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

/// What came of an item.
type Outcome<'a> = Result<Said<&'a [u8]>, Problem>;

fn show_one(outcome: Outcome<'_>, out: &mut Vec<u8>) {
    let failure = match outcome {
        Ok(Said::Told(words)) => {
            out.extend_from_slice(br#"{"status":200,"body":"#);
            out.extend_from_slice(words);
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
            if view::render_into(&answer, out) {
                out.push(b'}');
                return;
            }
            out.truncate(before);
            Problem::conflict("idempotency_conflict", "the id is not an authorization's")
        }
        Err(problem) => problem,
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
