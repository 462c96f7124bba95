//! `GET /api/origins/{origin}/assert`: sends a holder a one-time code.

use std::sync::Arc;

use actix_web::{
    HttpRequest, HttpResponse,
    http::StatusCode,
    web::{Data, Path},
};
use serde_json::json;

use super::{
    super::{App, problem::Problem},
    identities,
    problem::ErrorView,
    query::Params,
    request::{Reply, answer},
    session::known_holder,
};
use crate::{
    access::{
        codes::{Asking, CodeError, Issued},
        sender::Message,
    },
    domain::identity::{Contact, Identity},
    threads,
};

/// Sends a holder a one-time code.
#[utoipa::path(
    get, path = "/api/origins/{origin}/assert", tag = "programme",
    params(
        ("origin" = String, Path, description = "the origin's name"),
        ("alias" = String, Query, description = "the holder"),
    ),
    responses(
        (status = 200, description = "sent; where to is shown in part", body = Object),
        (status = 400, description = "a wrong parameter: it is named", body = ErrorView),
        (status = 404, description = "no such holder, or none with an e-mail address or telephone", body = ErrorView),
        (status = 429, description = "too many codes: Retry-After says when", body = ErrorView),
        (status = 503, description = "the code could not be sent: try again", body = ErrorView),
    ),
)]
pub async fn challenge(request: HttpRequest, path: Path<String>, app: Data<App>) -> HttpResponse {
    let sent = async {
        let params = Params::read(&request, &["alias"], &[])?;
        let alias = params.one("alias");
        let alias = alias.ok_or_else(|| Problem::malformed("alias", "alias is missing"))?;
        let holder = known_holder(&app, &path, alias, "alias").await?;
        let contact = holder.contact().ok_or_else(identities::not_found)?;
        let address = request.peer_addr().map(|address| address.ip().to_string());
        let from = address.as_deref();
        let issued = send_code(&app, &holder, contact.clone(), from).await?;
        let (name, shown) = match &contact {
            Contact::Phone(number) => ("phone", masked(number)),
            Contact::Email(address) => ("email", masked(address)),
        };
        let view = json!({
            "type": "OTP",
            "value": { name: shown, "expires_at": issued.expires_at.to_string() },
            "params": { "attempts_remaining": issued.attempts_left },
        });
        Reply::new(StatusCode::OK, &view)
    };
    answer(&request, &app, sent).await
}

async fn send_code(
    app: &Data<App>,
    holder: &Identity,
    contact: Contact,
    address: Option<&str>,
) -> Result<Arc<Issued>, Problem> {
    let random = getrandom::u64().map_err(|error| {
        tracing::error!(%error, "the system gave no randomness");
        Problem::busy("no randomness: try again")
    })?;
    let urn = holder.urn();
    let now = app.engine.shared.clock.now();
    let asking = Asking {
        urn: &urn,
        origin: &holder.origin,
        address,
    };
    let issued = app
        .access
        .codes
        .issue(asking, random, now)
        .map_err(|error| {
            let status = StatusCode::TOO_MANY_REQUESTS;
            let mut problem = Problem::new(status, "rate_limited", error.to_string());
            if let CodeError::TooMany { retry_after_s } = error {
                problem.retry_after_s = Some(retry_after_s);
            }
            problem
        })?;
    let issued = Arc::new(issued);
    let (sending, sender) = (issued.clone(), app.access.sender.clone());
    let sent = threads::aside(move || {
        sender.send(&Message {
            urn: &urn,
            contact: &contact,
            code: &sending.code,
            expires_at: sending.expires_at,
        })
    });
    match sent.await {
        Ok(Ok(())) => Ok(issued),
        Ok(Err(error)) => {
            tracing::error!(%error, "a one-time code could not be sent");
            Err(Problem::busy("the code could not be sent: try again"))
        }
        Err(_) => Err(Problem::busy("the server is stopping: try again")),
    }
}

/// The first letter, and what stands behind an at sign or at the end of a number.
fn masked(contact: &str) -> String {
    let first: String = contact.chars().take(1).collect();
    if let Some((_, host)) = contact.split_once('@') {
        return format!("{first}***@{host}");
    }
    let count = contact.chars().count();
    let last: String = contact.chars().skip(count.saturating_sub(2)).collect();
    if count > 4 {
        format!("{first}***{last}")
    } else {
        "***".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contacts_are_shown_in_part() {
        for (contact, shown) in [
            ("ana@example.com", "a***@example.com"),
            ("+573001234567", "+***67"),
            ("123", "***"),
            ("é@x", "é***@x"),
        ] {
            assert_eq!(masked(contact), shown);
        }
    }
}
