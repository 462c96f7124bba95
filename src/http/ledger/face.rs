//! What the face's routes share: bodies in, answers out.

use std::fmt;

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web::Bytes};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use super::fault::Fault;
use crate::{
    actors::{
        EngineError,
        registrar::{Keyed, Recorded},
    },
    books::Guard,
    domain::{documents::Shelf, registry::RegistryEvent, texts::has_control, uuids},
    http::{
        App,
        body::{self, Body},
        json, mark_replay,
        programme::request::idempotency,
        request_id,
    },
};

/// What a route has to say.
#[derive(Debug)]
pub struct Told {
    /// The status.
    pub status: StatusCode,
    /// JSON.
    pub body: Vec<u8>,
    /// Whether an earlier request got the same.
    pub is_replay: bool,
}

impl Told {
    /// With a status, what `write` writes.
    #[must_use]
    pub fn new(status: StatusCode, write: impl FnOnce(&mut Vec<u8>)) -> Self {
        let mut body = Vec::with_capacity(1_024);
        write(&mut body);
        Self {
            status,
            body,
            is_replay: false,
        }
    }

    /// 200.
    #[must_use]
    pub fn ok(write: impl FnOnce(&mut Vec<u8>)) -> Self {
        Self::new(StatusCode::OK, write)
    }

    /// 201.
    #[must_use]
    pub fn created(write: impl FnOnce(&mut Vec<u8>)) -> Self {
        Self::new(StatusCode::CREATED, write)
    }

    /// The same, marked if an earlier request got it.
    #[must_use]
    pub fn replayed(mut self, is_replay: bool) -> Self {
        self.is_replay = is_replay;
        self
    }
}

/// Answers with what `work` comes to.
pub async fn answer(
    request: &HttpRequest,
    app: &App,
    work: impl Future<Output = Result<Told, Fault>>,
) -> HttpResponse {
    let told = work.await;
    let id = request_id(request, app);
    match told {
        Ok(told) => {
            let mut response = json(told.status, &id, told.body);
            if told.is_replay {
                mark_replay(&mut response);
            }
            response
        }
        Err(fault) => fault.respond(&id),
    }
}

/// The body's bytes, if they say they are JSON.
///
/// # Errors
///
/// 413, 415, or 400 for a body that broke off.
pub fn bytes(request: &HttpRequest, given: Body) -> Result<Bytes, Fault> {
    body::require_json(request)?;
    Ok(body::bytes(given)?)
}

/// Whether there is no body to speak of: nothing, or null.
#[must_use]
pub fn is_nothing(bytes: &[u8]) -> bool {
    matches!(bytes.trim_ascii(), b"" | b"null")
}

/// What protects the request against being done twice.
///
/// # Errors
///
/// 400 for a header that is no plain text.
pub fn guard(request: &HttpRequest) -> Result<Guard, Fault> {
    Ok(Guard {
        idempotency_key: body::idempotency_key(request)?.map(str::to_owned),
    })
}

/// The same for a change of the registry.
///
/// # Errors
///
/// 400 for a header that is no plain text.
pub fn keyed(request: &HttpRequest, origin: &str, bytes: &[u8]) -> Result<Option<Keyed>, Fault> {
    let known = idempotency(request, bytes)?;
    Ok(known.map(|known| Keyed {
        key: known.key(origin),
        fingerprint: known.fingerprint,
    }))
}

/// What is read of the name and text of the document that a record set on a shelf, so that a retry reads the
/// same.
///
/// # Errors
///
/// 409 if the record is about something else.
pub fn recorded<T>(
    recorded: &Recorded,
    wanted: Shelf,
    read: impl Fn(&str, &str) -> Option<T>,
) -> Result<T, Fault> {
    let found = recorded.events.iter().find_map(|event| {
        if let RegistryEvent::DocumentSet {
            shelf, name, text, ..
        } = event
            && *shelf == wanted
        {
            return read(name, text.as_deref()?);
        }
        None
    });
    found.ok_or_else(|| EngineError::KeyConflict.into())
}

/// `prefix` and a UUID of version 4 (RFC 9562).
///
/// # Errors
///
/// 503 without randomness.
pub fn new_id(prefix: &str) -> Result<String, Fault> {
    let mut random = [0_u8; 16];
    getrandom::fill(&mut random).map_err(|error| {
        tracing::error!(%error, "the system gave no randomness");
        Fault::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "GEN_INTERNAL",
            "no randomness: try again",
        )
    })?;
    Ok(uuids::of_chance(prefix, random))
}

/// Refuses a text that is too long or has control characters.
///
/// # Errors
///
/// 400 with the field.
pub fn check_text(
    code: &'static str,
    field: &str,
    text: &str,
    len_max: usize,
) -> Result<(), Fault> {
    if text.len() > len_max {
        let message = format!(
            "{field} must have at most {len_max} bytes, was {}",
            text.len()
        );
        return Err(Fault::invalid(code, field, message));
    }
    if has_control(text) {
        let message = format!("{field} must not have control characters");
        return Err(Fault::invalid(code, field, message));
    }
    Ok(())
}

/// The longest metadata, in bytes.
pub const METADATA_BYTES_MAX: usize = 16 << 10;
/// How deep metadata may be.
const METADATA_DEPTH_MAX: u8 = 64;

/// Metadata as the books keep it: a JSON object as text, `{}` for none.
///
/// # Errors
///
/// 400 with the field for anything that is no object, or too large.
pub fn metadata(field: &str, given: Option<&RawValue>) -> Result<String, Fault> {
    let Some(given) = given else {
        return Ok("{}".to_owned());
    };
    let text = given.get();
    let wrong = |message: String| Fault::invalid("GEN_VALIDATION_ERROR", field, message);
    if !text.starts_with('{') {
        return Err(wrong(format!("{field} must be a valid object if provided")));
    }
    if text.len() > METADATA_BYTES_MAX {
        let message = format!("{field} must have at most {METADATA_BYTES_MAX} bytes");
        return Err(wrong(message));
    }
    // Whoever reads it later must not be the first to find out that it cannot be read.
    let mut reader = serde_json::Deserializer::from_str(text);
    Readable(METADATA_DEPTH_MAX)
        .deserialize(&mut reader)
        .map_err(|error| wrong(format!("{field}: {error}")))?;
    Ok(text.to_owned())
}

/// Reads a value to its end and keeps nothing of it: whether a reader could, and how deep it may be.
struct Readable(u8);

impl Readable {
    fn inner<E: Error>(&self) -> Result<u8, E> {
        let left = self.0.checked_sub(1);
        left.ok_or_else(|| E::custom(format!("at most {METADATA_DEPTH_MAX} levels are taken")))
    }
}

impl<'de> DeserializeSeed<'de> for Readable {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Readable {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let inner = self.inner()?;
        while seq.next_element_seed(Self(inner))?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let inner = self.inner()?;
        while map.next_key_seed(Self(inner))?.is_some() {
            map.next_value_seed(Self(inner))?;
        }
        Ok(())
    }
}

/// Reads the body.
///
/// # Errors
///
/// 400 with the field that is wrong, missing or unknown.
pub fn read<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, Fault> {
    Ok(body::parse(bytes)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(text: &str) -> Result<String, String> {
        let raw: &RawValue = serde_json::from_str(text).unwrap();
        metadata("meta_data", Some(raw)).map_err(|fault| fault.message)
    }

    #[test]
    fn metadata_is_an_object_that_can_be_read_again() {
        assert_eq!(
            taken(r#"{"a":{"b":[1,null]}}"#).unwrap(),
            r#"{"a":{"b":[1,null]}}"#
        );
        assert_eq!(metadata("meta_data", None).unwrap(), "{}");
        let deep = |levels: usize| {
            format!(
                "{}{}",
                r#"{"a":"#.repeat(levels),
                "1".to_owned() + &"}".repeat(levels)
            )
        };
        assert!(taken(&deep(60)).is_ok());
        for wrong in [
            "[]",
            "7",
            "\"x\"",
            r#"{"a":"\ud800"}"#,
            r#"{"a":1e999}"#,
            &deep(70),
            &deep(2_000),
            &format!(r#"{{"a":"{}"}}"#, "x".repeat(20_000)),
        ] {
            let refused = taken(wrong).unwrap_err();
            assert!(refused.contains("meta_data"), "{refused}");
        }
    }

    #[test]
    fn ids_are_uuids_of_version_4() {
        let id = new_id("ldg_").unwrap();
        assert_eq!(id.len(), 40);
        assert_eq!(id.as_bytes()[18], b'4');
        assert!(matches!(id.as_bytes()[23], b'8' | b'9' | b'a' | b'b'));
        assert_ne!(id, new_id("ldg_").unwrap());
    }
}
