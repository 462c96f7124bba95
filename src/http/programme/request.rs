//! What every handler of the face does first and last: who asks, what the body says, under which
//! key; and the answer with its headers.

use std::sync::Arc;

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, Uri},
    web::Data,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{
    super::{
        App, access,
        body::{self, Body},
        json, mark_replay,
        problem::Problem,
        request_id,
    },
    list::look,
    problem,
};
use crate::{
    actors::{Request, Target, keys::key_of, registrar::Principal},
    domain::{
        command::Command,
        ids::{AccountNo, RecordId},
        money::{Amount, Asset},
        registry::Scope,
    },
    wire::{self, Key, KeyLife},
};

/// The longest address for webhooks.
const URL_BYTES_MAX: usize = 2 << 10;

/// An answer.
pub struct Reply {
    status: StatusCode,
    body: Vec<u8>,
    is_replay: bool,
}

impl Reply {
    /// Renders `view`.
    ///
    /// # Errors
    ///
    /// 500 if it cannot be rendered, which no view of ours does.
    pub fn new(status: StatusCode, view: &impl Serialize) -> Result<Self, Problem> {
        let body = serde_json::to_vec(view).map_err(|error| {
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            Problem::new(status, "render_fault", error.to_string())
        })?;
        Ok(Self {
            status,
            body,
            is_replay: false,
        })
    }

    /// Status, body, and whether an earlier request got it already.
    #[must_use]
    pub fn into_parts(self) -> (StatusCode, Vec<u8>, bool) {
        (self.status, self.body, self.is_replay)
    }

    /// Says whether an earlier request under the same key got this answer already.
    #[must_use]
    pub const fn replayed(mut self, is_replay: bool) -> Self {
        self.is_replay = is_replay;
        self
    }
}

/// Runs a handler and gives its answer, or its error in this face's shape.
pub async fn answer(
    request: &HttpRequest,
    app: &Data<App>,
    handler: impl Future<Output = Result<Reply, Problem>>,
) -> HttpResponse {
    let id = request_id(request, app);
    match handler.await {
        Ok(reply) => {
            let mut response = json(reply.status, &id, reply.body);
            if reply.is_replay {
                mark_replay(&mut response);
            }
            response
        }
        Err(refused) => problem::respond(refused, &id),
    }
}

/// The caller, if the key or token allows this face.
///
/// # Errors
///
/// 401, 403.
pub fn caller(request: &HttpRequest, app: &App) -> Result<Arc<Principal>, Problem> {
    access::require(request, app, Scope::Programme)
}

/// A request that changes something, read but for its meaning.
pub struct Write<T> {
    /// Who asks.
    pub caller: Arc<Principal>,
    /// What it says.
    pub body: T,
    /// The `Idempotency-Key`, if it has one.
    pub idempotency: Option<Idempotency>,
}

/// What an `Idempotency-Key` header says.
#[derive(Clone, Debug)]
pub struct Idempotency {
    text: String,
    /// Tells the request from others under the same key.
    pub fingerprint: u64,
}

impl Idempotency {
    /// The key of the request itself.
    #[must_use]
    pub fn key(&self, origin: &str) -> Key {
        key_of(origin, "idempotency", &self.text)
    }

    /// The keys of one part of it: its own, and its own in this very request. No header can name them:
    /// control characters are refused there.
    #[must_use]
    pub fn part_keys(&self, origin: &str, part: usize) -> [Key; 2] {
        let Self { text, fingerprint } = self;
        [
            key_of(origin, "idempotency", &format!("{text}\n{part}")),
            key_of(
                origin,
                "idempotency",
                &format!("{text}\n{part}\n{fingerprint:x}"),
            ),
        ]
    }
}

/// Reads who asks, the body, and the key.
///
/// # Errors
///
/// 401, 403, 413, 415, or 400 with the field.
pub fn write<T: DeserializeOwned>(
    request: &HttpRequest,
    bytes: Body,
    app: &App,
) -> Result<Write<T>, Problem> {
    write_hiding(request, bytes, app, |_| {})
}

/// The same of a body with a secret in it: see [`idempotency_hiding`].
///
/// # Errors
///
/// 401, 403, 413, 415, or 400 with the field.
pub fn write_hiding<T: DeserializeOwned>(
    request: &HttpRequest,
    bytes: Body,
    app: &App,
    hide: impl FnOnce(&mut Value),
) -> Result<Write<T>, Problem> {
    let caller = caller(request, app)?;
    body::require_json(request)?;
    let bytes = body::bytes(bytes)?;
    let parsed = body::parse(&bytes)?;
    Ok(Write {
        caller,
        body: parsed,
        idempotency: idempotency_hiding(request, &bytes, hide)?,
    })
}

/// What the `Idempotency-Key` header says, if there is one, of a request with that body.
///
/// # Errors
///
/// 422 for a header that is no plain text, 400 for a body that is no object.
pub fn idempotency(request: &HttpRequest, bytes: &[u8]) -> Result<Option<Idempotency>, Problem> {
    idempotency_hiding(request, bytes, |_| {})
}

/// The same of a body with a secret in it: `hide` puts something in its place, because the fingerprint
/// stands in the log and a short secret could be found by trying all.
///
/// # Errors
///
/// 422 for a header that is no plain text, 400 for a body that is no object.
pub fn idempotency_hiding(
    request: &HttpRequest,
    bytes: &[u8],
    hide: impl FnOnce(&mut Value),
) -> Result<Option<Idempotency>, Problem> {
    let Some(text) = body::idempotency_key(request)? else {
        return Ok(None);
    };
    let mut body = body::parse(bytes)?;
    hide(&mut body);
    Ok(Some(Idempotency {
        text: text.to_owned(),
        fingerprint: fingerprint(request, &body),
    }))
}

/// Whose idempotency keys a caller uses: two holders may choose the same and get each their own answer.
#[must_use]
pub fn key_space(caller: &Principal) -> &str {
    caller.holder.as_deref().unwrap_or(&caller.origin)
}

/// Refuses an account that is not there for the caller. Whose an account is never changes, so what is
/// seen before a change holds for it. Whether it is the origin's, the change itself sees.
///
/// # Errors
///
/// 404 under `field`; [`Problem`] if it cannot be looked at now.
pub async fn require_own(
    app: &App,
    caller: &Principal,
    name: &str,
    field: Option<&str>,
) -> Result<(), Problem> {
    if caller.holder.is_none() {
        return Ok(());
    }
    let (target, no) = account_target(field, name)?;
    let seen = look(app, target, no, caller).await?;
    seen.map(|_| ()).ok_or_else(|| problem::no_account(field))
}

impl<T> Write<T> {
    /// Whether a record stands for this request's key: it is answered by that, whatever has changed since.
    #[must_use]
    pub fn is_known(&self, app: &App) -> bool {
        let key = self
            .idempotency
            .as_ref()
            .map(|key| key.key(key_space(&self.caller)));
        key.is_some_and(|key| app.engine.shared.keys.get(key).is_some())
    }

    /// The engine's request under this one's key.
    #[must_use]
    pub fn engine_request(&self, target: Target, command: Command) -> Request {
        let key = self
            .idempotency
            .as_ref()
            .map(|key| key.key(key_space(&self.caller)));
        Request {
            target,
            origin: Some(self.caller.origin.clone()),
            command,
            keys: key
                .map(|key| (key, KeyLife::Expiring))
                .into_iter()
                .collect(),
            fingerprint: self.idempotency.as_ref().map_or(0, |key| key.fingerprint),
            recalled: None,
        }
    }
}

fn fingerprint(request: &HttpRequest, body: &Value) -> u64 {
    let mut text = String::new();
    canonical(body, &mut text);
    let class = format!("{} {}", request.method(), request.path());
    wire::fingerprint(&class, &text)
}

/// JSON with the keys of every object in order.
fn canonical(value: &Value, out: &mut String) {
    match value {
        Value::Object(object) => {
            let mut entries: Vec<_> = object.iter().collect();
            entries.sort_unstable_by_key(|(key, _)| *key);
            out.push('{');
            for (key, value) in entries {
                out.push_str(&Value::from(key.as_str()).to_string());
                out.push(':');
                canonical(value, out);
                out.push(',');
            }
            out.push('}');
        }
        Value::Array(list) => {
            out.push('[');
            for value in list {
                canonical(value, out);
                out.push(',');
            }
            out.push(']');
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            out.push_str(&value.to_string());
        }
    }
}

/// The id that a recorded answer carries in its body. It is the record's, so that a replay reads the
/// same; the header `X-Request-Id` has the request's own.
#[must_use]
pub fn record_id(lsn: u64) -> String {
    RecordId(lsn).text("req_")
}

/// Whom an account's name is for: its URN, or its short id.
///
/// # Errors
///
/// 404 for a name that is none of ours, at `field`.
pub fn account_target(field: Option<&str>, name: &str) -> Result<(Target, AccountNo), Problem> {
    let unknown = || problem::no_account(field);
    let no: AccountNo = name.parse().map_err(|_| unknown())?;
    let urn = name.contains(':').then(|| name.into());
    Ok((Target::Account { no, urn }, no))
}

/// Refuses text that no webhook can be sent to. Whether its host may be reached is seen when
/// something is sent.
///
/// # Errors
///
/// 400.
pub fn webhook_url(text: &str) -> Result<(), Problem> {
    outgoing_url("webhook_url", text)
}

/// The same under another field's name.
///
/// # Errors
///
/// 400 with the field.
pub fn outgoing_url(field: &str, text: &str) -> Result<(), Problem> {
    let wrong = |message: String| Err(Problem::malformed(field, message));
    if text.len() > URL_BYTES_MAX {
        return wrong(format!("{field} must have at most {URL_BYTES_MAX} bytes"));
    }
    let is_sound = text.parse::<Uri>().is_ok_and(|uri| {
        let is_http = matches!(uri.scheme_str(), Some("http" | "https"));
        let has_user = uri.authority().is_some_and(|it| it.as_str().contains('@'));
        is_http && !has_user && uri.host().is_some_and(|host| !host.is_empty())
    });
    if is_sound {
        return Ok(());
    }
    let what = "must be a URL such as https://example.com/webhooks, without a user or password";
    wrong(format!("{field} {what}"))
}

/// Reads an amount above zero of an asset that the house knows.
///
/// # Errors
///
/// 400 with the field, under `path`.
pub fn money(path: &str, asset: &str, amount: &str, app: &App) -> Result<(Asset, Amount), Problem> {
    let (asset_field, amount_field) = (format!("{path}asset"), format!("{path}amount"));
    let asset: Asset = asset
        .parse()
        .map_err(|error| Problem::money(&asset_field, &error))?;
    if app.terms().asset(asset).is_none() {
        let message = format!("{asset_field} {asset} is not configured");
        return Err(Problem::impossible(asset_field, message));
    }
    let amount: Amount = amount
        .parse()
        .map_err(|error| Problem::money(&amount_field, &error))?;
    if amount.is_zero() {
        let message = format!("{amount_field} must be above zero");
        return Err(Problem::impossible(amount_field, message));
    }
    Ok((asset, amount))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_keys_does_not_matter() {
        let canon = |text: &str| {
            let mut out = String::new();
            canonical(&serde_json::from_str(text).expect("JSON"), &mut out);
            out
        };
        let one = canon(r#"{"a":1,"b":{"x":[1,2],"y":null}}"#);
        assert_eq!(one, canon(r#" {"b":{"y":null,"x":[1,2]}, "a":1}"#));
        for other in [
            r#"{"a":1,"b":{"x":[2,1],"y":null}}"#,
            r#"{"a":"1","b":{"x":[1,2],"y":null}}"#,
            r#"{"a":1,"b":{"x":[1,2]}}"#,
            r#"{"a":1,"b":{"x":[[1],2],"y":null}}"#,
        ] {
            assert_ne!(one, canon(other), "{other}");
        }
    }

    #[test]
    fn webhook_urls() {
        for good in ["https://a.example/x?y=1", "http://localhost:9000/hook"] {
            assert!(webhook_url(good).is_ok(), "{good}");
        }
        for wrong in [
            "",
            "a.example",
            "/x",
            "ftp://a.example",
            "https://",
            "http:// x",
            "https://me:secret@a.example/x",
        ] {
            assert!(webhook_url(wrong).is_err(), "{wrong}");
        }
        let long = format!("https://a.example/{}", "x".repeat(URL_BYTES_MAX));
        assert!(webhook_url(&long).is_err());
    }
}
