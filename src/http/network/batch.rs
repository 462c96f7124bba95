//! `POST /v1/authorizations/batch`: many in one request, each with its own result.

use std::{mem, sync::Arc, time::Instant};

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web::{Data, Payload},
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::yield_now,
};

use super::{
    super::{App, access, body, problem::Problem, request_id},
    authorize::{TELLING, card_problem, engine_request, is_asked},
    items::{Form, Items, Unreadable, split},
    request::{AuthorizationRequest, Purpose},
    view,
};
use crate::{
    actors::{Answer, EngineError, Replies, Reply, Request, Said, registrar::Principal},
    domain::registry::Scope,
};

/// The largest body: 10,000 items of about 1.6 kB.
pub const BODY_BYTES_MAX: usize = 16 << 20;

/// Asks for many authorizations. One failing item never fails its neighbours. Each is known by its
/// transaction id; an `Idempotency-Key` says nothing here. An item that is to be tried again has the
/// seconds in `error.retry_after`.
#[utoipa::path(
    post, path = "/v1/authorizations/batch", tag = "network",
    request_body(
        content(
            (Vec<AuthorizationRequest> = "application/json"),
            (String = "application/x-ndjson"),
        ),
        description = "a JSON array, or one object a line with Content-Type application/x-ndjson",
    ),
    responses(
        (status = 200, description = "one result an item, in order, in the form of the request", content(
            (Vec<super::schema::AuthorizationResult> = "application/json"),
            (String = "application/x-ndjson"),
        )),
        (status = 400, description = "the body is no list, or an empty one"),
        (status = 401, description = "no key, or an unknown one"),
        (status = 403, description = "the key has not the scope network"),
        (status = 408, description = "the body did not arrive in time"),
        (status = 413, description = "too many items, or too large a body"),
        (status = 415, description = "the body is neither JSON nor NDJSON"),
    ),
)]
pub async fn post(request: HttpRequest, body: Payload, app: Data<App>) -> HttpResponse {
    let id = request_id(&request, &app);
    let begun = Instant::now();
    let answered = run(&request, body, &app, &id).await;
    let histogram = &app.engine.shared.metrics.http_batch;
    histogram.observe(begun.elapsed().as_secs_f64());
    match answered {
        Ok(response) => response,
        Err(problem) => problem.respond(&id),
    }
}

async fn run(
    request: &HttpRequest,
    payload: Payload,
    app: &App,
    id: &str,
) -> Result<HttpResponse, Problem> {
    let principal = access::require(request, app, Scope::Network)?;
    let form = form_of(request)?;
    let bytes = body::read(request, payload, BODY_BYTES_MAX, app).await?;
    // Before anything is read: what waits for its turn is one body, not a thousand requests.
    let _turn = take_turn().await;
    let asked = read(&bytes, form, app, &principal).await?;
    drop(bytes);
    let mut replies = app.engine.send_batch(asked.requests, Some(TELLING)).await;
    settle(replies.others_mut(), app).await;
    Ok(show(replies, asked.refused, form, id))
}

/// How many items are read before other requests have their turn.
const ITEMS_PER_TURN: usize = 64;

/// An item's text is seldom shorter: what room is made for its batch is enough, then.
const ITEM_BYTES: usize = 256;

/// What the items of a batch ask.
#[derive(Default)]
struct Asked {
    count: usize,
    requests: Vec<Request>,
    /// Items with which something is wrong, by their places in the batch.
    refused: Vec<(usize, Problem)>,
}

impl Asked {
    /// For the items of a body of so many bytes.
    fn of(bytes: &[u8], most: usize) -> Self {
        let items = bytes.len() / ITEM_BYTES;
        Self {
            requests: Vec::with_capacity(items.min(most)),
            ..Self::default()
        }
    }

    fn add(&mut self, item: Result<Request, Problem>) {
        match item {
            Ok(request) => self.requests.push(request),
            Err(problem) => self.refused.push((self.count, problem)),
        }
        self.count = self.count.saturating_add(1);
    }

    /// Lets other requests have their turn, every so many items.
    async fn give_way(&self) {
        if self.count.is_multiple_of(ITEMS_PER_TURN) {
            yield_now().await;
        }
    }
}

async fn read(
    bytes: &[u8],
    form: Form,
    app: &App,
    principal: &Principal,
) -> Result<Asked, Problem> {
    if form == Form::Array
        && let Ok(asked) = read_array(bytes, app.batch_items_max, principal).await
    {
        require_count(asked.count, app)?;
        return Ok(asked);
    }
    // One item that cannot be read is not to fail the others: each by itself.
    let items = split(bytes, form)?;
    require_count(items.len(), app)?;
    let mut asked = Asked::of(bytes, app.batch_items_max);
    for item in items {
        let item = body::parse(item);
        asked.add(item.and_then(|mut parsed| request_of(&mut parsed, principal)));
        asked.give_way().await;
    }
    Ok(asked)
}

/// Reads an array in which nothing is wrong, each item made a request of while its text is at hand.
async fn read_array(bytes: &[u8], most: usize, principal: &Principal) -> Result<Asked, Unreadable> {
    let mut items = Items::open(bytes)?;
    let mut asked = Asked::of(bytes, most);
    while let Some(mut item) = items.next()? {
        if asked.count == most {
            return Err(Unreadable);
        }
        asked.add(request_of(&mut item, principal));
        asked.give_way().await;
    }
    Ok(asked)
}

fn request_of(
    item: &mut AuthorizationRequest<'_>,
    principal: &Principal,
) -> Result<Request, Problem> {
    engine_request(item, principal, None, Purpose::Authorize)
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
    body::require_plain(request)?;
    let value = request.headers().get(header::CONTENT_TYPE);
    let kind = value
        .and_then(|value| value.to_str().ok())
        .unwrap_or("application/json")
        .split(';')
        .next()
        .unwrap_or_default()
        .trim();
    let kind = match value {
        Some(value) if !body::says_utf8(value) => "of other letters",
        Some(_) | None => kind,
    };
    match kind.to_ascii_lowercase().as_str() {
        "application/x-ndjson" | "application/ndjson" | "application/jsonl" => Ok(Form::Lines),
        "application/json" | "" => Ok(Form::Array),
        _ => Err(body::unsupported(
            "application/json or application/x-ndjson",
        )),
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
    // An item has no headers: what is `Retry-After` for one request stands in its error.
    let error = item
        .get_mut("error")
        .and_then(serde_json::Value::as_object_mut);
    if let (Some(seconds), Some(error)) = (failure.retry_after_s, error) {
        error.insert("retry_after".into(), seconds.into());
    }
    out.extend_from_slice(item.to_string().as_bytes());
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, rc::Rc};

    use super::*;
    use crate::domain::registry::Scopes;

    #[test]
    fn an_item_that_is_to_be_tried_again_says_after_how_long() {
        let mut out = Vec::new();
        show_one(Err(Problem::busy("the queue is full")), &mut out);
        let shown: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(shown["status"], 503);
        assert_eq!(shown["error"]["retry_after"], 1);
    }

    #[test]
    fn others_have_their_turn_while_a_batch_is_read() {
        let item = |number: usize| {
            serde_json::json!({
                "transaction_id": number.to_string(), "card": "crd-0000000000000",
                "local_amount": "1.00", "local_currency": "USD",
            })
        };
        let body = serde_json::Value::from_iter((0..4_000).map(item)).to_string();
        let principal = Principal {
            origin: "sandbox".into(),
            scopes: Scopes::of(&[Scope::Network]),
            key_id: String::new(),
            generation: 1,
            expires_at: None,
            holder: None,
        };
        let turns = Rc::new(Cell::new(0));
        let seen = turns.clone();
        let asked = actix_rt::System::new().block_on(async move {
            let other = actix_rt::spawn(async move {
                loop {
                    seen.set(seen.get() + 1);
                    yield_now().await;
                }
            });
            let asked = read_array(body.as_bytes(), 4_000, &principal).await;
            other.abort();
            asked
        });
        let asked = asked.unwrap();
        assert_eq!((asked.requests.len(), asked.refused.len()), (4_000, 0));
        let turns = turns.get();
        assert!(turns > 20, "others had {turns} turns in 4,000 items");
    }
}
