//! `GET /card-details/{link}`: shows a card's number, expiry and CVV to whoever has the link.

use actix_web::{
    HttpResponse,
    http::StatusCode,
    web::{Data, Path},
};

use super::{
    super::super::App,
    link,
    render::{self, Shown},
};
use crate::{
    actors::{EngineError, Target},
    domain::{account::Account, ids::AccountNo, outcome::Rejection, registry::Registry},
};

/// Shows a card's number to its holder: a page for people, without a key; the link is the permission.
#[utoipa::path(
    get, path = "/card-details/{link}", tag = "programme",
    params(("link" = String, Path, description = "the last part of card_url_details")),
    responses(
        (status = 200, description = "the card's number, expiry and CVV", body = String, content_type = "text/html"),
        (status = 403, description = "the card is not active", body = String, content_type = "text/html"),
        (status = 404, description = "no link of ours", body = String, content_type = "text/html"),
        (status = 410, description = "the link has ended", body = String, content_type = "text/html"),
        (status = 503, description = "busy: try again", body = String, content_type = "text/html"),
    ),
)]
pub async fn show(path: Path<String>, app: Data<App>) -> HttpResponse {
    let now = app.engine.shared.clock.now();
    let Some(led) = link::read(&app.vault, &path, now) else {
        let what = "Check that the address is complete, or open the card again in your app.";
        return render::message(StatusCode::NOT_FOUND, "This link leads nowhere", what);
    };
    let Some(left_s) = led.left_s else {
        let what = "Links to card details last a few minutes. Open the card again in your app to get another.";
        return render::message(StatusCode::GONE, "This link has ended", what);
    };
    match account(&app, led.no).await {
        Ok(Some(account)) if link::is_shown(&account) => shown(&app, &account, left_s).await,
        Ok(_) => {
            let what = "Its details can be seen only while the card is active.";
            render::message(StatusCode::FORBIDDEN, "This card is not active", what)
        }
        Err(error) => {
            tracing::warn!(%error, "a card's page could not be made");
            busy()
        }
    }
}

async fn account(app: &App, no: AccountNo) -> Result<Option<Account>, EngineError> {
    let target = Target::Account { no, urn: None };
    let seen = app.engine.read(target, None, move |hosted| {
        hosted.group.account(no).cloned()
    });
    match seen.await {
        Err(EngineError::Rejected(Rejection::AccountNotFound)) => Ok(None),
        seen => seen,
    }
}

async fn shown(app: &App, account: &Account, left_s: i64) -> HttpResponse {
    let Some(file) = &account.card else {
        return busy();
    };
    let card = match app.vault.open_card(account.no, &file.sealed) {
        Ok(card) => card,
        Err(error) => {
            tracing::error!(%error, account = account.no.0, "card data does not open");
            let what =
                "The card's details cannot be read at this moment. Your provider has been told.";
            return render::message(
                StatusCode::INTERNAL_SERVER_ERROR,
                "Something is wrong",
                what,
            );
        }
    };
    tracing::info!(card = account.no.card_id(), "card details were shown");
    let cvv = app.vault.cvv(&card);
    let shown = Shown {
        name: text_in(&account.metadata, "name"),
        holder: holder(app, &account.holder_urn).await,
        card: &card,
        cvv: &cvv,
        left_s,
    };
    render::card(&shown)
}

fn busy() -> HttpResponse {
    let what = "Please try again in a moment.";
    render::message(StatusCode::SERVICE_UNAVAILABLE, "Busy", what)
}

/// The holder's name, if the programme has told it.
async fn holder(app: &App, urn: &str) -> Option<String> {
    let known = |registry: &Registry| registry.identities.get(urn).cloned();
    let identity = app.engine.look_at_registry(known).await.ok()??;
    let part = |name| text_in(&identity.profile, name);
    let parts: Vec<String> = ["first_name", "last_name"]
        .into_iter()
        .filter_map(part)
        .collect();
    if parts.is_empty() {
        return part("name");
    }
    Some(parts.join(" "))
}

/// A short text in a JSON object.
fn text_in(object: &str, name: &str) -> Option<String> {
    let object: serde_json::Value = serde_json::from_str(object).ok()?;
    let text = object.get(name)?.as_str()?.trim();
    let text: String = text
        .chars()
        .filter(|letter| !letter.is_control())
        .take(60)
        .collect();
    (!text.is_empty()).then_some(text)
}
