//! Events as a stream: server-sent events, at the reader's own pace, with nothing piled up for a slow
//! one.
//!
//! Source: HTML Standard, 9.2 Server-sent events.

use std::{
    fmt::Write,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use actix_web::{
    HttpRequest, HttpResponse,
    body::{BodySize, MessageBody},
    http::header,
    web::{Bytes, Data},
};
use tokio::sync::mpsc;

use super::{
    super::super::{App, access, problem::Problem, request_id},
    Asked, EventView, GATHER, first_page, may_read, next_page, too_many,
};
use crate::outbox::feed::{Page, Reader, Waiting};

/// How often a quiet stream says that it lives, and its key is looked at again.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// How long a reader may take for what it was sent before it is let go of.
const SLOW: Duration = Duration::from_secs(20);
/// How much is sent at a time: a reader that takes none holds up to twice as much.
const EVENTS_AT_A_TIME: usize = 100;

/// The chunks of a stream, one waiting at the most.
struct Chunks(mpsc::Receiver<Bytes>);

impl MessageBody for Chunks {
    type Error = std::convert::Infallible;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        self.get_mut()
            .0
            .poll_recv(context)
            .map(|chunk| chunk.map(Ok))
    }
}

/// Begins a stream. What is wrong with it is said before it begins.
pub(super) async fn open(
    request: &HttpRequest,
    app: &Data<App>,
    mut asked: Asked,
) -> Result<HttpResponse, Problem> {
    asked.limit = EVENTS_AT_A_TIME;
    let waiting = app.feed.wait_place().ok_or_else(too_many)?;
    let (reader, page) = first_page(app, asked).await?;
    let (send, receive) = mpsc::channel(1);
    let source = Source {
        app: app.clone(),
        authorization: request.headers().get(header::AUTHORIZATION).cloned(),
        send,
        waiting,
    };
    actix_rt::spawn(source.run(reader, page));
    Ok(HttpResponse::Ok()
        .insert_header(("x-request-id", request_id(request, app)))
        .insert_header((header::CONTENT_TYPE, "text/event-stream"))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header(("x-accel-buffering", "no"))
        .body(Chunks(receive)))
}

/// Where a stream's chunks come from.
struct Source {
    app: Data<App>,
    /// What the request was admitted by: looked at again now and then.
    authorization: Option<header::HeaderValue>,
    send: mpsc::Sender<Bytes>,
    waiting: Waiting,
}

impl Source {
    /// Runs until the reader is gone or too slow, its key has ended, or the server stops.
    async fn run(mut self, mut reader: Reader, mut page: Page) {
        if !self.send("retry: 1000\n\n".to_owned()).await {
            return;
        }
        loop {
            if !page.events.is_empty() {
                let text = frames(&mut page);
                if !self.send(text).await {
                    return;
                }
            }
            if !page.has_more && !self.wait(&page).await {
                return;
            }
            (reader, page) = match next_page(reader, EVENTS_AT_A_TIME).await {
                Ok(next) => next,
                // The reader comes back with its last cursor, and is told then what is wrong.
                Err(_) => return,
            };
        }
    }

    /// Waits for the log to grow; `false` if the stream is to end.
    async fn wait(&mut self, page: &Page) -> bool {
        loop {
            let grown = tokio::select! {
                grown = self.waiting.grown() => Some(grown),
                () = self.send.closed() => Some(false),
                () = actix_rt::time::sleep(HEARTBEAT) => None,
            };
            match grown {
                Some(true) => {
                    actix_rt::time::sleep(GATHER).await;
                    return self.is_admitted();
                }
                Some(false) => return false,
                None => {}
            }
            // The cursor goes on too: what was read and did not fit is not read again.
            let beat = format!(": here\nid: {}\n\n", page.next.text("cur_"));
            if !self.is_admitted() || !self.send(beat).await {
                return false;
            }
        }
    }

    fn is_admitted(&self) -> bool {
        let principal = access::behind(self.authorization.as_ref(), &self.app);
        principal.and_then(may_read).is_ok()
    }

    async fn send(&self, text: String) -> bool {
        let sent = tokio::time::timeout(SLOW, self.send.send(Bytes::from(text))).await;
        matches!(sent, Ok(Ok(())))
    }
}

/// Each event with the cursor behind it.
fn frames(page: &mut Page) -> String {
    let mut text = String::new();
    for event in page.events.drain(..) {
        let behind = crate::domain::ids::EventId {
            lsn: event.lsn,
            place: event.place,
        };
        let view = EventView::new(event);
        let data = serde_json::to_string(&view).unwrap_or_default();
        let _ = write!(
            text,
            "id: {}\nevent: {}\ndata: {data}\n\n",
            behind.text("cur_"),
            view.event
        );
    }
    text
}
