//! What there is to play with: merchants, wallets, currencies, and the rates that are set.

use actix_web::{HttpRequest, HttpResponse, web::Data};
use serde_json::{Value, json};

use super::{
    super::super::{App, problem::Problem, request_id},
    ORIGIN, answer, player,
};
use crate::domain::rates::is_older;

/// The merchant of a purchase that names none.
pub const DEFAULT_MERCHANT: &str = "grocery";

/// A ready-made merchant: its name here; id, name, category, city, country.
struct TestMerchant {
    key: &'static str,
    fields: [&'static str; 5],
}

const fn shop(key: &'static str, fields: [&'static str; 5]) -> TestMerchant {
    TestMerchant { key, fields }
}

/// Nothing is special about them: what is declined is declined by the rules that hold for all.
const MERCHANTS: [TestMerchant; 12] = [
    shop(
        "grocery",
        ["test-grocery", "TEST GROCERY", "5411", "Bogota", "COL"],
    ),
    shop(
        "restaurant",
        [
            "test-restaurant",
            "TEST RESTAURANT",
            "5812",
            "Bogota",
            "COL",
        ],
    ),
    shop(
        "fuel",
        ["test-fuel", "TEST FUEL", "5541", "Medellin", "COL"],
    ),
    shop("taxi", ["test-taxi", "TEST TAXI", "4121", "Bogota", "COL"]),
    shop(
        "pharmacy",
        ["test-pharmacy", "TEST PHARMACY", "5912", "Cali", "COL"],
    ),
    shop(
        "streaming",
        [
            "test-streaming",
            "TEST STREAMING",
            "4899",
            "Los Gatos",
            "USA",
        ],
    ),
    shop(
        "electronics",
        [
            "test-electronics",
            "TEST ELECTRONICS",
            "5732",
            "Seattle",
            "USA",
        ],
    ),
    shop(
        "hotel",
        ["test-hotel", "TEST HOTEL", "7011", "Madrid", "ESP"],
    ),
    shop(
        "airline",
        ["test-airline", "TEST AIRLINE", "4511", "Miami", "USA"],
    ),
    shop(
        "gambling",
        ["test-gambling", "TEST GAMBLING", "7995", "Las Vegas", "USA"],
    ),
    shop("atm", ["test-atm", "TEST ATM", "6011", "Bogota", "COL"]),
    shop(
        "abroad",
        ["test-abroad", "TEST ABROAD", "5999", "Tokyo", "JPN"],
    ),
];

/// Wallets by the names that fee rules look for.
const WALLETS: [&str; 3] = ["Apple Pay", "Google Pay", "Samsung Pay"];

impl TestMerchant {
    fn view(&self) -> Value {
        let [id, name, mcc, city, country] = self.fields;
        json!({ "id": id, "name": name, "mcc": mcc, "city": city, "country": country })
    }
}

/// A ready-made merchant as processors send one.
///
/// # Errors
///
/// 400 with the names that there are.
pub fn merchant(key: &str) -> Result<Value, Problem> {
    let known = MERCHANTS.iter().find(|merchant| merchant.key == key);
    known.map(TestMerchant::view).ok_or_else(|| {
        let keys: Vec<_> = MERCHANTS.iter().map(|merchant| merchant.key).collect();
        let message = format!("merchant must be an object or one of {}", keys.join(", "));
        Problem::malformed("merchant", message)
    })
}

/// Lists what there is to play with.
#[utoipa::path(
    get, path = "/v1/sandbox/test-data", tag = "sandbox",
    responses(
        (status = 200, description = "merchants, wallets, assets, rates, and the test keys of tokens",
            body = Value),
        (status = 401, description = "no key, or an unknown one"),
        (status = 403, description = "neither the scope programme nor operator"),
        (status = 404, description = "no sandbox for this key"),
        (status = 503, description = "busy: try again"),
    ),
)]
pub async fn get(request: HttpRequest, app: Data<App>) -> HttpResponse {
    let listed = async {
        player(&request, &app)?;
        let view = view(&app).await?;
        let id = request_id(&request, &app);
        Ok(HttpResponse::Ok()
            .insert_header(("x-request-id", id))
            .insert_header(("cache-control", "no-store"))
            .json(view))
    };
    let listed = listed.await;
    answer(&request, &app, listed)
}

async fn view(app: &App) -> Result<Value, Problem> {
    let known = app
        .engine
        .look_at_registry(|registry| registry.rates.clone());
    let known = known.await?;
    let (terms, now) = (app.terms(), app.engine.shared.clock.now());
    let age_max = terms.rate_age_seconds_max;
    let rate = |quote: &crate::domain::rates::Quote| {
        json!({
            "base": quote.base.symbol(), "quote": quote.quote.symbol(),
            "rate": quote.rate.to_string(), "at": quote.at.to_string(),
            "source": *quote.source, "stale": is_older(quote.at, age_max, now),
        })
    };
    let asset = |term: &crate::domain::policy::AssetTerm| {
        json!({
            "asset": term.asset.to_string(),
            "currency": term.pegged.map(|currency| currency.code().to_owned()),
        })
    };
    let merchants = MERCHANTS.iter().map(|merchant| {
        let view = merchant.view();
        (merchant.key.to_owned(), view)
    });
    Ok(json!({
        "holder_urn": format!("did:bloque:{ORIGIN}:demo"),
        "default_merchant": DEFAULT_MERCHANT,
        "merchants": merchants.collect::<serde_json::Map<_, _>>(),
        "wallets": WALLETS,
        "default_asset": terms.default_asset.to_string(),
        "assets": terms.assets.iter().map(asset).collect::<Vec<_>>(),
        "rates": known.quotes().map(rate).collect::<Vec<_>>(),
        "creations": {
            "held": "metadata.sandbox_creation: stays in creation_in_progress until \
                     POST /v1/sandbox/cards/{urn}/activate or …/fail",
            "failed": "metadata.sandbox_creation: goes to creation_failed",
        },
        "tokenization": app.tokens.test_keys(),
    }))
}
