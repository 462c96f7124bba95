//! Reads JSON bodies so that whatever is wrong is named by its field.

use std::{
    convert::Infallible,
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use actix_rt::time::{Sleep, sleep, timeout};
use actix_web::{
    FromRequest, HttpRequest,
    dev::Payload,
    http::{StatusCode, header},
    web::{self, Bytes, Data},
};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor, value::MapAccessDeserializer},
};
use serde_json::value::RawValue;

use super::{App, problem::Problem};
use crate::domain::texts::has_control;

/// A request's body, or why it could not be read.
pub struct Body(Result<Bytes, Unread>);

enum Unread {
    Broken(actix_web::Error),
    Late(Duration),
}

impl FromRequest for Body {
    type Error = Infallible;
    type Future = Reading;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Reading {
        let app = request.app_data::<Data<App>>();
        Reading {
            bytes: Bytes::from_request(request, payload),
            within: app.map_or(WITHIN, |app| app.body_within),
            deadline: None,
        }
    }
}

/// Where no settings say how long a body may take.
const WITHIN: Duration = Duration::from_secs(30);
/// How many times as long a batch's may take.
const BATCH_TIMES: u32 = 4;

/// A body on its way.
pub struct Reading {
    bytes: <Bytes as FromRequest>::Future,
    within: Duration,
    /// Set only if something has to be waited for: nearly all bodies come with their heads.
    deadline: Option<Pin<Box<Sleep>>>,
}

impl Future for Reading {
    type Output = Result<Body, Infallible>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let Poll::Ready(bytes) = Pin::new(&mut self.bytes).poll(context) {
            return Poll::Ready(Ok(Body(bytes.map_err(Unread::Broken))));
        }
        let within = self.within;
        let deadline = self.deadline.get_or_insert_with(|| Box::pin(sleep(within)));
        deadline
            .as_mut()
            .poll(context)
            .map(|()| Ok(Body(Err(Unread::Late(within)))))
    }
}

/// The body, if it could be read.
///
/// # Errors
///
/// 413 for one that is too large, 408 for one that took too long, 400 for one that broke off.
pub fn bytes(body: Body) -> Result<Bytes, Problem> {
    body.0.map_err(|unread| match unread {
        Unread::Late(within) => late(within),
        Unread::Broken(error) => {
            let status = error.as_response_error().status_code();
            if status == StatusCode::PAYLOAD_TOO_LARGE {
                return too_large();
            }
            Problem::malformed("body", format!("the body could not be read: {error}"))
        }
    })
}

/// Reads a large body, for whoever was let in: it is not to be kept for others.
///
/// # Errors
///
/// As [`bytes`].
pub async fn read(
    request: &HttpRequest,
    payload: web::Payload,
    bytes_max: usize,
    app: &App,
) -> Result<Bytes, Problem> {
    let length = request.headers().get(header::CONTENT_LENGTH);
    let length = length.and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if length.is_some_and(|length| length > bytes_max) {
        return Err(too_large());
    }
    let within = app.body_within.saturating_mul(BATCH_TIMES);
    let reading = Box::pin(payload.to_bytes_limited(bytes_max));
    match timeout(within, reading).await {
        Err(_) => Err(late(within)),
        Ok(Err(_)) => Err(too_large()),
        Ok(Ok(Err(error))) => {
            let message = format!("the body could not be read: {error}");
            Err(Problem::malformed("body", message))
        }
        Ok(Ok(Ok(bytes))) => Ok(bytes),
    }
}

fn too_large() -> Problem {
    let message = "the body is too large for this route";
    let mut problem = Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large", message);
    problem.field = Some("body".to_owned());
    problem
}

fn late(within: Duration) -> Problem {
    let seconds = within.as_secs();
    let message = format!("the body did not arrive within {seconds} seconds: send it again");
    let mut problem = Problem::new(StatusCode::REQUEST_TIMEOUT, "request_timeout", message);
    problem.field = Some("body".to_owned());
    problem
}

/// Refuses a body that says it is something else than JSON.
///
/// # Errors
///
/// 415.
pub fn require_json(request: &HttpRequest) -> Result<(), Problem> {
    require_plain(request)?;
    let Some(value) = request.headers().get(header::CONTENT_TYPE) else {
        return Ok(());
    };
    if value == "application/json" {
        return Ok(());
    }
    let kind = value
        .to_str()
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default()
        .trim();
    let is_json = kind.eq_ignore_ascii_case("application/json")
        || kind.to_ascii_lowercase().ends_with("+json");
    if is_json && says_utf8(value) {
        return Ok(());
    }
    Err(unsupported("application/json"))
}

/// Refuses a body that says it is packed.
///
/// # Errors
///
/// 415.
pub fn require_plain(request: &HttpRequest) -> Result<(), Problem> {
    match request.headers().get(header::CONTENT_ENCODING) {
        Some(coding) if coding != "identity" => {
            let mut problem = Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported_media_type",
                "send the body as it is, without Content-Encoding",
            );
            problem.field = Some("Content-Encoding".to_owned());
            Err(problem)
        }
        Some(_) | None => Ok(()),
    }
}

/// Whether a `Content-Type` names no other letters than those of JSON.
pub fn says_utf8(value: &header::HeaderValue) -> bool {
    let text = value.to_str().unwrap_or_default();
    let named = text
        .split(';')
        .skip(1)
        .filter_map(|part| part.split_once('='));
    let mut named = named.filter(|(name, _)| name.trim().eq_ignore_ascii_case("charset"));
    named.all(|(_, value)| {
        let letters = value.trim().trim_matches('"');
        ["utf-8", "utf8", "us-ascii"]
            .iter()
            .any(|known| letters.eq_ignore_ascii_case(known))
    })
}

/// 415.
#[must_use]
pub fn unsupported(expected: &str) -> Problem {
    let mut problem = Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "unsupported_media_type",
        format!("send the body as {expected}, in UTF-8"),
    );
    problem.field = Some("Content-Type".to_owned());
    problem
}

/// Reads `bytes`, which must be a JSON object, as `T`.
///
/// # Errors
///
/// 400 with the field that is wrong, missing or unknown.
pub fn parse<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, Problem> {
    require_object(bytes)?;
    parse_any(bytes)
}

/// A derived reader takes a list too, and its items by their places: never meant here.
fn require_object(bytes: &[u8]) -> Result<(), Problem> {
    let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
    if first == Some(&b'{') {
        return Ok(());
    }
    Err(Problem::malformed("body", "the body must be a JSON object"))
}

/// Reads `bytes`, whatever JSON they are, as `T`.
///
/// # Errors
///
/// 400 with the field that is wrong, missing or unknown.
pub fn parse_any<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, Problem> {
    // Checked as a whole: text by text costs a third of all that reading costs.
    let Ok(text) = std::str::from_utf8(bytes) else {
        return Err(not_text::<T>(bytes));
    };
    // The quick way first; the path of the field is found only when something is wrong.
    serde_json::from_str(text).map_err(|quick| explain::<T>(bytes, &quick))
}

fn not_text<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Problem {
    match serde_json::from_slice::<T>(bytes) {
        Err(quick) => explain::<T>(bytes, &quick),
        // What is skipped is not looked at.
        Ok(_) => Problem::malformed("body", "the body is not UTF-8"),
    }
}

fn explain<'a, T: Deserialize<'a>>(bytes: &'a [u8], quick: &serde_json::Error) -> Problem {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let found = serde_path_to_error::deserialize::<_, T>(&mut reader);
    let (path, error) = match found {
        Ok(_) => (String::new(), quick.to_string()),
        Err(error) => (error.path().to_string(), error.inner().to_string()),
    };
    // "?" is where nothing was read yet.
    let path = if [".", "?"].contains(&path.as_str()) {
        String::new()
    } else {
        path
    };
    let named = ["missing field `", "unknown field `"]
        .iter()
        .find_map(|start| {
            let rest = error.split_once(start)?.1;
            rest.split_once('`').map(|(name, _)| name.to_owned())
        });
    let field = match (path.is_empty(), named) {
        (true, None) => "body".to_owned(),
        (false, None) => path,
        (true, Some(name)) => name,
        (false, Some(name)) if path.ends_with(&name) => path,
        (false, Some(name)) => format!("{path}.{name}"),
    };
    let shown: String = error.chars().take(300).collect();
    Problem::malformed(field, shown)
}

/// Reads a member that is an object or null; a list is not taken by its places.
///
/// # Errors
///
/// Whatever is wrong with the member.
pub fn object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    struct Object<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for Object<T> {
        type Value = Option<T>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object")
        }

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
            T::deserialize(MapAccessDeserializer::new(map)).map(Some)
        }
    }
    deserializer.deserialize_any(Object(PhantomData))
}

/// A decimal as a JSON string, or as a JSON number in plain notation: exact either way.
///
/// # Errors
///
/// 400 for anything else.
pub fn decimal_text<'a>(field: &str, raw: &'a RawValue) -> Result<&'a str, Problem> {
    let text = raw.get();
    if let Some(inner) = text
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
    {
        return Ok(inner);
    }
    let is_number = text.starts_with(|c: char| c.is_ascii_digit() || c == '-');
    if is_number && !text.contains(['e', 'E']) {
        return Ok(text);
    }
    Err(Problem::malformed(
        field,
        format!("{field} must be a decimal string such as \"50.00\""),
    ))
}

/// A number as a JSON string, or as a JSON number in whatever notation: its digits as they were
/// sent.
///
/// # Errors
///
/// 400 for anything else.
pub fn number_text<'a>(field: &str, raw: &'a RawValue) -> Result<&'a str, Problem> {
    let text = raw.get();
    let quoted = text.strip_prefix('"');
    if let Some(inner) = quoted.and_then(|rest| rest.strip_suffix('"')) {
        return Ok(inner);
    }
    if text.starts_with(|c: char| c.is_ascii_digit() || c == '-') {
        return Ok(text);
    }
    Err(Problem::malformed(
        field,
        format!("{field} must be a decimal such as \"4012.55\""),
    ))
}

/// Refuses a text that is empty, too long or has control characters.
///
/// # Errors
///
/// 422 with the field.
pub fn plain_text(field: &str, text: &str, len_max: usize) -> Result<(), Problem> {
    if text.is_empty() {
        return Err(Problem::impossible(
            field,
            format!("{field} must not be empty"),
        ));
    }
    if text.len() > len_max {
        return Err(Problem::impossible(
            field,
            format!(
                "{field} must have at most {len_max} bytes, was {}",
                text.len()
            ),
        ));
    }
    if has_control(text) {
        let message = format!("{field} must not have control characters");
        return Err(Problem::impossible(field, message));
    }
    Ok(())
}

/// The `Idempotency-Key` header, if there is one.
///
/// # Errors
///
/// 422 if it is not plain text of at most 255 bytes.
pub fn idempotency_key(request: &HttpRequest) -> Result<Option<&str>, Problem> {
    let Some(value) = request.headers().get(&super::IDEMPOTENCY_KEY) else {
        return Ok(None);
    };
    let text = value.to_str().map_err(|_| {
        let message = "Idempotency-Key must have printable ASCII characters only";
        Problem::impossible("Idempotency-Key", message)
    })?;
    plain_text("Idempotency-Key", text, 255)?;
    Ok(Some(text))
}
