//! What the face's handlers of settings do first and last: the body, what protects it, the answer.

use actix_web::{HttpRequest, HttpResponse, http::StatusCode};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use super::{access::Caller, face, fault::Fault};
use crate::{
    actors::registrar::Keyed,
    domain::texts::has_control,
    http::{
        App,
        body::{self, Body},
        json, mark_replay, request_id,
    },
};

/// The most bytes of the caller's own data, as JSON.
pub(super) const METADATA_BYTES_MAX: usize = 64 << 10;

/// An answer.
pub(super) struct Reply {
    status: StatusCode,
    body: Vec<u8>,
    is_replay: bool,
}

impl Reply {
    /// Of a status and a view.
    pub(super) fn new(status: StatusCode, view: &impl Serialize) -> Self {
        // No view of ours fails.
        Self {
            status,
            body: serde_json::to_vec(view).unwrap_or_default(),
            is_replay: false,
        }
    }

    /// 200.
    pub(super) fn ok(view: &impl Serialize) -> Self {
        Self::new(StatusCode::OK, view)
    }

    /// 201, perhaps for the second time.
    pub(super) fn created(view: &impl Serialize, is_replay: bool) -> Self {
        Self {
            is_replay,
            ..Self::new(StatusCode::CREATED, view)
        }
    }

    /// 204.
    pub(super) const fn nothing() -> Self {
        Self {
            status: StatusCode::NO_CONTENT,
            body: Vec::new(),
            is_replay: false,
        }
    }
}

/// Runs a handler and gives its answer.
pub(super) async fn answer(
    request: &HttpRequest,
    app: &App,
    handler: impl Future<Output = Result<Reply, Fault>>,
) -> HttpResponse {
    let id = request_id(request, app);
    match handler.await {
        Ok(reply) if reply.status == StatusCode::NO_CONTENT => HttpResponse::NoContent()
            .insert_header(("x-request-id", id))
            .finish(),
        Ok(reply) => {
            let mut response = json(reply.status, &id, reply.body);
            if reply.is_replay {
                mark_replay(&mut response);
            }
            response
        }
        Err(fault) => fault.respond(&id),
    }
}

/// A body and the request's key, if it has one.
pub(super) fn read<T: DeserializeOwned>(
    request: &HttpRequest,
    bytes: Body,
    caller: &Caller,
) -> Result<(T, Option<Keyed>), Fault> {
    body::require_json(request)?;
    let bytes = body::bytes(bytes)?;
    let parsed = body::parse(&bytes)?;
    let keyed = face::keyed(request, &caller.origin, &bytes)?;
    Ok((parsed, keyed))
}

/// Refuses data of the caller's own that is too much.
pub(super) fn check_metadata(data: &Map<String, Value>) -> Result<(), Fault> {
    // Almost all are far too small to be worth writing out.
    let size = serde_json::to_vec(data).map_or(usize::MAX, |text| text.len());
    if size > METADATA_BYTES_MAX {
        let message = format!("meta_data must have at most {METADATA_BYTES_MAX} bytes as JSON");
        return Err(Fault::invalid("GEN_VALIDATION_ERROR", "meta_data", message));
    }
    Ok(())
}

/// Refuses a text that is too long or has control characters.
pub(super) fn check_text(field: &str, text: &str, bytes_max: usize) -> Result<(), Fault> {
    let wrong = |message: String| Err(Fault::invalid("GEN_VALIDATION_ERROR", field, message));
    if text.len() > bytes_max {
        return wrong(format!("{field} must have at most {bytes_max} bytes"));
    }
    if has_control(text) {
        return wrong(format!("{field} must not have control characters"));
    }
    Ok(())
}

/// Whether a text is `prefix` and a UUID.
pub(super) fn is_id(prefix: &str, text: &str) -> bool {
    let Some(rest) = text.strip_prefix(prefix) else {
        return false;
    };
    let is_right = |(at, byte): (usize, u8)| match at {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    };
    rest.len() == 36 && rest.bytes().enumerate().all(is_right)
}

/// 500 for a document that cannot be read or written.
pub(super) fn broken(what: &str) -> Fault {
    tracing::error!(
        what,
        "a document of the ledger face cannot be read or written"
    );
    Fault::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "GEN_INTERNAL",
        "stored data could not be read; the operator's log says where",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_ids_are_ids() {
        let id = face::new_id("idt_").unwrap();
        assert!(is_id("idt_", &id), "{id}");
        assert_eq!(id.as_bytes()[18], b'4', "{id}");
        assert!(!is_id("mon_", &id));
        for wrong in [
            "idt_",
            "idt_0",
            "idt_0000000000000000-0000-0000-0000000000000",
        ] {
            assert!(!is_id("idt_", wrong), "{wrong}");
        }
    }
}
