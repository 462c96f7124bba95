//! `POST /v1/compliance/webhook/{origin}`: a provider says what it has verified. Signed as Standard
//! Webhooks say; taken once for each `webhook-id`.

use std::collections::BTreeMap;

use actix_web::{
    HttpRequest, HttpResponse,
    web::{Data, Path},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use serde::Deserialize;
use serde_json::json;
use sha2::Sha256;
use utoipa::ToSchema;

use super::{
    super::super::{
        App, access,
        body::{self, Body},
        problem::Problem,
    },
    policy::{live_secrets, respond},
    set::{self, VerificationPatch},
    start, store,
};
use crate::{
    actors::{
        keys::key_of,
        registrar::{Keyed, Principal},
    },
    domain::{
        registry::{Registry, Scopes},
        time::Timestamp,
    },
    wire,
};

/// How far a webhook's time may be from ours, in seconds. Source: Standard Webhooks.
const TOLERANCE_S: i64 = 300;
/// How many signatures of one webhook are looked at.
const SIGNATURES_MAX: usize = 8;

/// What a provider has verified.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProviderWord {
    /// The holder.
    urn: String,
    /// approved or rejected: for every requirement of the kinds kyc and kyb.
    status: Option<String>,
    /// By key: satisfied, pending, missing or rejected.
    #[schema(value_type = Option<Object>)]
    requirements: Option<BTreeMap<String, String>>,
}

/// Takes a provider's word on a holder. Headers `webhook-id`, `webhook-timestamp`, `webhook-signature`.
#[utoipa::path(
    post, path = "/v1/compliance/webhook/{origin}", tag = "operator",
    request_body = ProviderWord,
    params(
        ("origin" = String, Path, description = "the origin's name"),
        ("webhook-id" = String, Header, description = "the same for each attempt"),
        ("webhook-timestamp" = String, Header, description = "seconds since the Unix epoch"),
        ("webhook-signature" = String, Header, description = "v1,…; several with spaces between"),
    ),
    responses(
        (status = 200, description = "taken, now or before", body = serde_json::Value),
        (status = 400, description = "malformed: the field is named"),
        (status = 401, description = "no signature of ours, or too old"),
        (status = 404, description = "no holder of this origin"),
        (status = 409, description = "the id was used for another webhook"),
        (status = 413, description = "the body is too large"),
        (status = 415, description = "the body is not JSON"),
        (status = 503, description = "busy: try again"),
    ),
)]
pub async fn post(
    request: HttpRequest,
    path: Path<String>,
    body: Body,
    app: Data<App>,
) -> HttpResponse {
    let taken = async {
        let bytes = body::bytes(body)?;
        let id = verified(&request, &path, &bytes, &app).await?;
        body::require_json(&request)?;
        let word: ProviderWord = body::parse(&bytes)?;
        start::require_seen(&provider(&path), &word.urn)?;
        let keyed = Keyed {
            key: key_of(&path, "compliance webhook", &id),
            fingerprint: wire::fingerprint(
                "compliance webhook",
                &&*String::from_utf8_lossy(&bytes),
            ),
        };
        let urn = word.urn.clone();
        let wanted = VerificationPatch::of_parts(word.status, word.requirements);
        let by = ("provider", Some(keyed));
        let (recorded, file) = set::change(&app, (&path, &urn), &wanted, by).await?;
        let view = json!({ "urn": urn, "status": file.outcome.word() });
        Ok((view, recorded.is_replay))
    };
    respond(&request, &app, taken).await
}

/// Whose word it is: nobody's key, with all of the origin's holders to see.
fn provider(origin: &str) -> Principal {
    Principal {
        origin: origin.into(),
        scopes: Scopes::default(),
        key_id: String::new(),
        generation: 0,
        expires_at: None,
        holder: None,
    }
}

/// The webhook's id, if a secret of the origin signed it, not long ago.
async fn verified(
    request: &HttpRequest,
    origin: &str,
    bytes: &[u8],
    app: &App,
) -> Result<String, Problem> {
    let header = |name: &str| {
        let value = request.headers().get(name)?.to_str().ok()?;
        (!value.is_empty() && value.len() <= 1_024).then_some(value)
    };
    let unsigned = || access::unauthorized("the webhook is not signed by this origin's secret");
    let (Some(id), Some(time), Some(signatures)) = (
        header("webhook-id"),
        header("webhook-timestamp"),
        header("webhook-signature"),
    ) else {
        return Err(unsigned());
    };
    let kept = |registry: &Registry| store::policy_in(registry, origin);
    let mark = app.engine.look_at_registry(kept).await??.secret;
    let mark = mark.ok_or_else(unsigned)?;
    let now = app.engine.shared.clock.now();
    let secrets = live_secrets(&app.vault, origin, &mark, now)?;
    let content = [id.as_bytes(), b".", time.as_bytes(), b".", bytes].concat();
    let is_signed = signatures
        .split(' ')
        .take(SIGNATURES_MAX)
        .filter_map(|one| STANDARD.decode(one.strip_prefix("v1,")?).ok())
        .any(|tag| secrets.iter().any(|secret| is_tag(secret, &content, &tag)));
    if !is_signed {
        return Err(unsigned());
    }
    if !is_recent(time, now) {
        let message = "the webhook-timestamp is more than five minutes away: sign it anew";
        return Err(access::unauthorized(message));
    }
    Ok(id.to_owned())
}

fn is_tag(secret: &[u8], content: &[u8], tag: &[u8]) -> bool {
    let Ok(mac) = Hmac::<Sha256>::new_from_slice(secret) else {
        return false;
    };
    mac.chain_update(content).verify_slice(tag).is_ok()
}

fn is_recent(time: &str, now: Timestamp) -> bool {
    let sent = time.parse::<i64>().ok();
    sent.is_some_and(|sent| sent.abs_diff(now.seconds()) <= TOLERANCE_S.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_that_of_the_standard() {
        // Worked out with Python's hmac.
        let tag = STANDARD
            .decode("XdmZr1Lw2QIrc46pU0n7/A0HcEX9oKQeg+B/wV3KFT0=")
            .expect("base64");
        assert!(is_tag(&[7; 32], b"msg_1.1614265330.{}", &tag));
        assert!(!is_tag(&[8; 32], b"msg_1.1614265330.{}", &tag));
        assert!(!is_tag(&[7; 32], b"msg_2.1614265330.{}", &tag));
    }

    #[test]
    fn five_minutes_either_way() {
        let now = Timestamp::from_micros(1_000_000_000);
        for (time, is_taken) in [
            ("1000", true),
            ("700", true),
            ("1300", true),
            ("699", false),
            ("1301", false),
            ("", false),
            ("x", false),
            ("-1000", false),
        ] {
            assert_eq!(is_recent(time, now), is_taken, "{time}");
        }
    }
}
