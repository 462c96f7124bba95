//! `/verification/{token}`: the page where a holder is sent when its programme names no provider. In the
//! sandbox it approves or rejects at a click; elsewhere it says who decides.

use actix_web::{
    HttpRequest, HttpResponse,
    http::StatusCode,
    web::{Data, Path},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::{
    super::{
        super::{
            App,
            body::{self, Body},
            problem::Problem,
            request_id,
        },
        card_data::link::base,
    },
    set::{self, VerificationPatch},
    store,
};
use crate::domain::{compliance::Outcome, registry::Registry, time::Timestamp};

/// What links are signed for.
const PURPOSE: &str = "verification link";

/// How long a link can be opened, in seconds.
pub(super) const LIFETIME_S: i64 = 3_600;

/// A link to a holder's page.
pub(super) struct Link {
    /// The whole address, as the caller reaches the server.
    pub(super) url: String,
    /// What tells the holder.
    pub(super) token: String,
}

impl Link {
    /// A new one, from now on.
    pub(super) fn new(request: &HttpRequest, app: &App, urn: &str) -> Self {
        let until = app.engine.shared.clock.now().plus_seconds(LIFETIME_S);
        let token = sign(&app.vault.key_for(PURPOSE), urn, until.seconds());
        let base = base(request, &app.cards.public_url);
        Self {
            url: format!("{base}/verification/{token}"),
            token,
        }
    }
}

fn mac(key: &[u8; 32], text: &str) -> Hmac<Sha256> {
    let mac = Hmac::<Sha256>::new_from_slice(key);
    let mac = mac.expect("Invariant: HMAC takes keys of every length");
    mac.chain_update(text.as_bytes())
}

fn sign(key: &[u8; 32], urn: &str, until_s: i64) -> String {
    let text = format!("{until_s} {urn}");
    let tag = mac(key, &text).finalize().into_bytes();
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    format!("{}.{}", encode(text.as_bytes()), encode(&tag))
}

/// The holder that a link is for, if it is ours and has not ended.
fn holder(key: &[u8; 32], token: &str, now: Timestamp) -> Option<String> {
    let (text, tag) = token.split_once('.')?;
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
    let tag = URL_SAFE_NO_PAD.decode(tag).ok()?;
    mac(key, &text).verify_slice(&tag).ok()?;
    let (until, urn) = text.split_once(' ')?;
    let until: i64 = until.parse().ok()?;
    (now.seconds() < until).then(|| urn.to_owned())
}

/// Shows a holder's page.
#[utoipa::path(
    get, path = "/verification/{token}", tag = "programme",
    params(("token" = String, Path, description = "as POST /api/compliance gave it")),
    responses(
        (status = 200, description = "the page", body = String, content_type = "text/html"),
        (status = 404, description = "no such link, or no more"),
        (status = 503, description = "busy: try again"),
    ),
)]
pub async fn show(request: HttpRequest, path: Path<String>, app: Data<App>) -> HttpResponse {
    let shown = async {
        let urn = known(&app, &path)?;
        let file = |registry: &Registry| store::file_in(registry, &urn);
        let file = app.engine.look_at_registry(file).await??;
        let outcome = file.unwrap_or_default().outcome;
        Ok(rendered(&urn, outcome, app.is_sandbox))
    };
    respond(&request, &app, shown).await
}

/// Approves or rejects, in the sandbox alone.
#[utoipa::path(
    post, path = "/verification/{token}", tag = "sandbox",
    request_body(content = String, content_type = "application/x-www-form-urlencoded",
        description = "outcome=approved or outcome=rejected"),
    params(("token" = String, Path, description = "as POST /api/compliance gave it")),
    responses(
        (status = 200, description = "the page", body = String, content_type = "text/html"),
        (status = 400, description = "the field is named"),
        (status = 404, description = "no such link, or no more; or the server is no sandbox"),
        (status = 413, description = "the body is too large"),
        (status = 503, description = "busy: try again"),
    ),
)]
pub async fn decide(
    request: HttpRequest,
    path: Path<String>,
    body: Body,
    app: Data<App>,
) -> HttpResponse {
    let decided = async {
        let urn = known(&app, &path)?;
        if !app.is_sandbox {
            return Err(no_link());
        }
        let bytes = body::bytes(body)?;
        let outcome = match &*bytes {
            b"outcome=approved" => "approved",
            b"outcome=rejected" => "rejected",
            _ => {
                let message = "outcome must be approved or rejected, as a form's field";
                return Err(Problem::malformed("outcome", message));
            }
        };
        let origin = urn.split(':').nth(2).unwrap_or_default();
        let wanted = VerificationPatch::of_status(outcome);
        let (_, file) = set::change(&app, (origin, &urn), &wanted, ("sandbox", None)).await?;
        Ok(rendered(&urn, file.outcome, true))
    };
    respond(&request, &app, decided).await
}

fn known(app: &App, token: &str) -> Result<String, Problem> {
    let now = app.engine.shared.clock.now();
    holder(&app.vault.key_for(PURPOSE), token, now).ok_or_else(no_link)
}

fn no_link() -> Problem {
    Problem::not_found(
        "link_not_found",
        "verification link not found, or it has ended: ask for another",
    )
}

async fn respond(
    request: &HttpRequest,
    app: &Data<App>,
    page: impl Future<Output = Result<String, Problem>>,
) -> HttpResponse {
    let id = request_id(request, app);
    let policy = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; \
                  frame-ancestors 'none'; base-uri 'none'";
    match page.await {
        Ok(page) => HttpResponse::build(StatusCode::OK)
            .content_type("text/html; charset=utf-8")
            .insert_header(("x-request-id", id))
            .insert_header(("cache-control", "no-store"))
            .insert_header(("content-security-policy", policy))
            .insert_header(("referrer-policy", "no-referrer"))
            .insert_header(("x-content-type-options", "nosniff"))
            .body(page),
        Err(problem) => problem.respond(&id),
    }
}

/// An alias has no letter that HTML reads; see `domain::identity::is_alias`.
fn rendered(urn: &str, outcome: Outcome, is_sandbox: bool) -> String {
    let standing = match outcome {
        Outcome::Approved => "Verified.",
        Outcome::Rejected => "Not accepted.",
        Outcome::AwaitingComplianceVerification => "Not verified yet.",
    };
    let rest = if is_sandbox {
        "<p>This is the sandbox: nobody is checked. Choose how it ends.</p>\
         <form method=\"post\">\
         <button name=\"outcome\" value=\"approved\">Approve</button> \
         <button name=\"outcome\" value=\"rejected\">Reject</button></form>"
    } else {
        "<p>Your programme verifies its customers itself and will be in touch. There is nothing to do \
         on this page.</p>"
    };
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>Verification</title><style>:root{{color-scheme:light dark}}\
         body{{font:1.1rem/1.5 system-ui,sans-serif;max-width:34rem;margin:3rem auto;padding:0 1rem}}\
         button{{font:inherit;padding:.6rem 1.2rem}}</style></head><body><main><h1>Verification</h1>\
         <p><code>{urn}</code></p><p role=\"status\"><strong>{standing}</strong></p>{rest}\
         </main></body></html>"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_for_one_holder_and_an_hour() {
        let key = [3; 32];
        let at = |seconds: i64| Timestamp::from_micros(seconds * 1_000_000);
        let urn = "did:bloque:acme:ana";
        let token = sign(&key, urn, 100);
        assert_eq!(holder(&key, &token, at(99)).as_deref(), Some(urn));
        assert_eq!(holder(&key, &token, at(100)), None);
        assert_eq!(holder(&[4; 32], &token, at(99)), None);
        let (text, tag) = token.split_once('.').expect("two parts");
        let other = URL_SAFE_NO_PAD.encode("100 did:bloque:acme:eva");
        for forged in [
            format!("{other}.{tag}"),
            text.to_owned(),
            format!("{text}."),
        ] {
            assert_eq!(holder(&key, &forged, at(1)), None, "{forged}");
        }
    }
}
