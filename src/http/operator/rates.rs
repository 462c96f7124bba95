//! `GET` and `PUT /v1/rates`: the exchange rates that purchases are converted with.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web::Data};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor, value::SeqAccessDeserializer},
};
use serde_json::{Value, json, value::RawValue};

use super::super::{
    App, access,
    body::{self, Body},
    mark_replay,
    problem::Problem,
    programme::request::idempotency,
    request_id,
};
use crate::{
    actors::registrar::{Keyed, Recorded},
    domain::{
        quotes::{self, Coming, Draft, DraftError},
        rates::{self, Quote},
        registry::{RegistryEvent, Scope},
        time::Timestamp,
    },
};

/// The longest name of a source.
const SOURCE_BYTES_MAX: usize = 128;

/// New exchange rates: all of them are taken, or none.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RatesRequest<'a> {
    /// Each pair once, in whichever direction; or, beside `base`, an object with a rate for each
    /// quote: `{"base": "USD", "rates": {"COP": "4012.55"}}`.
    #[serde(borrow)]
    #[schema(value_type = Vec<RateRequest>)]
    rates: Wanted<'a>,
    /// The base of all of them, where `rates` is an object.
    #[schema(example = "USD")]
    base: Option<String>,
    /// Who says so; `operator`, if it is not said.
    #[schema(max_length = 128)]
    source: Option<String>,
}

/// One exchange rate.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RateRequest<'a> {
    /// An ISO 4217 code, or the symbol of an asset that is pegged to no currency.
    #[schema(example = "USD")]
    base: String,
    /// The same: in which one unit of the base is priced.
    #[schema(example = "COP")]
    quote: String,
    /// Units of the quote per unit of the base, as a string or a number; exact, at most 30 digits.
    #[serde(borrow)]
    #[schema(value_type = String, example = "4012.55")]
    rate: &'a RawValue,
    /// When it was true, RFC 3339; now, if it is not said.
    #[schema(example = "2026-11-21T12:00:00Z")]
    at: Option<String>,
}

/// The two forms of a list of rates.
enum Wanted<'a> {
    Listed(Vec<RateRequest<'a>>),
    ByQuote(Vec<(String, &'a RawValue)>),
}

impl<'de: 'a, 'a> Deserialize<'de> for Wanted<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = Wanted<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a list of rates, or an object with a rate for each quote")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
                let list = Vec::deserialize(SeqAccessDeserializer::new(list))?;
                Ok(Wanted::Listed(list))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut rates = Vec::new();
                while let Some(rate) = map.next_entry()? {
                    rates.push(rate);
                }
                Ok(Wanted::ByQuote(rates))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// Lists the exchange rates accepted last, one for each pair.
#[utoipa::path(
    get, path = "/v1/rates", tag = "operator",
    responses(
        (status = 200, description = "the rates; a stale one is not used", body = serde_json::Value),
        (status = 401, description = "no key, or an unknown one"),
        (status = 403, description = "the key has not the scope operator"),
        (status = 503, description = "busy: try again"),
    ),
)]
pub async fn list(request: HttpRequest, app: Data<App>) -> HttpResponse {
    let id = request_id(&request, &app);
    match table(&request, &app).await {
        Ok(view) => HttpResponse::Ok()
            .insert_header(("x-request-id", id))
            .json(view),
        Err(problem) => problem.respond(&id),
    }
}

async fn table(request: &HttpRequest, app: &App) -> Result<Value, Problem> {
    access::require(request, app, Scope::Operator)?;
    let engine = &app.engine;
    let rates = engine
        .look_at_registry(|registry| registry.rates.clone())
        .await?;
    let now = engine.shared.clock.now();
    let age_max = app.terms().rate_age_seconds_max;
    let row = |quote: &Quote| {
        let mut row = view(quote);
        if let Some(row) = row.as_object_mut() {
            row.insert("age_s".into(), json!(rates::age_seconds(quote.at, now)));
            let is_stale = rates::is_older(quote.at, age_max, now);
            row.insert("stale".into(), json!(is_stale));
        }
        row
    };
    Ok(json!({
        "base_currency": app.terms().base_currency.code(),
        "age_max_s": age_max,
        "rates": rates.quotes().map(row).collect::<Vec<_>>(),
    }))
}

/// Takes exchange rates. A rate replaces what is known of its pair, in whichever direction that was;
/// one that is older than the known one is refused.
#[utoipa::path(
    put, path = "/v1/rates", tag = "operator",
    request_body = RatesRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "same key, same answer")),
    responses(
        (status = 200, description = "all were taken", body = serde_json::Value),
        (status = 400, description = "malformed: the field is named"),
        (status = 401, description = "no key, or an unknown one"),
        (status = 403, description = "the key has not the scope operator"),
        (status = 409, description = "older_rate: the known rate is newer; or the idempotency key \
            was used otherwise"),
        (status = 413, description = "the body is too large"),
        (status = 415, description = "the body is not JSON"),
        (status = 422, description = "an impossible value: the field is named"),
        (status = 503, description = "busy: try again"),
    ),
)]
pub async fn put(request: HttpRequest, body: Body, app: Data<App>) -> HttpResponse {
    let id = request_id(&request, &app);
    match take(&request, body, &app).await {
        Ok(recorded) => {
            let mut response = HttpResponse::build(StatusCode::OK)
                .insert_header(("x-request-id", id))
                .json(taken(&recorded));
            if recorded.is_replay {
                mark_replay(&mut response);
            }
            response
        }
        Err(problem) => problem.respond(&id),
    }
}

async fn take(request: &HttpRequest, bytes: Body, app: &App) -> Result<Recorded, Problem> {
    let principal = access::require(request, app, Scope::Operator)?;
    body::require_json(request)?;
    let bytes = body::bytes(bytes)?;
    let wanted: RatesRequest<'_> = body::parse(&bytes)?;
    let source: Arc<str> = match &wanted.source {
        Some(source) => {
            body::plain_text("source", source, SOURCE_BYTES_MAX)?;
            source.as_str().into()
        }
        None => "operator".into(),
    };
    let keyed = idempotency(request, &bytes)?.map(|key| Keyed {
        key: key.key(&principal.origin),
        fingerprint: key.fingerprint,
    });
    let drafts = drafts(&wanted)?;
    let terms = app.terms();
    let decide = |registry: &crate::domain::registry::Registry, now: Timestamp| {
        let quotes = quotes::read(&drafts, &source, now, terms).map_err(refused)?;
        let quotes = quotes::accept(&quotes, &registry.rates, (now, terms), Coming::Sent)
            .map_err(refused)?;
        Ok(vec![RegistryEvent::RatesAccepted { quotes, at: now }])
    };
    app.engine.change_registry(keyed, decide).await
}

fn drafts<'a>(wanted: &'a RatesRequest<'_>) -> Result<Vec<Draft<'a>>, Problem> {
    let listed = |(place, rate): (usize, &'a RateRequest<'_>)| {
        let field = format!("rates[{place}].rate");
        Ok(Draft {
            base: &rate.base,
            quote: &rate.quote,
            rate: body::number_text(&field, rate.rate)?,
            at: rate.at.as_deref(),
        })
    };
    let rates = match &wanted.rates {
        Wanted::Listed(rates) if wanted.base.is_none() => {
            return rates.iter().enumerate().map(listed).collect();
        }
        Wanted::Listed(_) => {
            let what = "each rate of a list names its own base";
            return Err(Problem::impossible("base", what));
        }
        Wanted::ByQuote(rates) => rates,
    };
    let base = wanted.base.as_deref().ok_or_else(|| {
        let what = "is missing: of what one unit is priced, where rates is an object";
        Problem::malformed("base", what)
    })?;
    let named = |(quote, rate): &'a (String, &'a RawValue)| {
        Ok(Draft {
            base,
            quote,
            rate: body::number_text(&format!("rates.{quote}"), rate)?,
            at: None,
        })
    };
    rates.iter().map(named).collect()
}

fn refused(error: DraftError) -> Problem {
    let message = error.to_string();
    if error.is_older {
        let mut problem = Problem::conflict("older_rate", message);
        problem.field = Some(error.field);
        return problem;
    }
    Problem::impossible(error.field, message)
}

/// What the record says, so that a replay reads the same.
fn taken(recorded: &Recorded) -> Value {
    let quotes: Vec<_> = recorded
        .events
        .iter()
        .flat_map(|event| match event {
            RegistryEvent::RatesAccepted { quotes, .. } => quotes.as_slice(),
            RegistryEvent::OriginOpened(_)
            | RegistryEvent::KeyIssued(_)
            | RegistryEvent::KeyRevoked { .. }
            | RegistryEvent::OriginMetadataChanged { .. }
            | RegistryEvent::ListFetched { .. }
            | RegistryEvent::SigningKeyMade { .. }
            | RegistryEvent::IdentityRegistered(_)
            | RegistryEvent::IdentityChanged(_)
            | RegistryEvent::KeyRotated { .. }
            | RegistryEvent::DocumentSet { .. }
            | RegistryEvent::WebhookSecretSet { .. } => &[],
        })
        .map(view)
        .collect();
    json!({
        "accepted": quotes.len(),
        "accepted_at": recorded.time.to_string(),
        "rates": quotes,
    })
}

fn view(quote: &Quote) -> Value {
    json!({
        "base": quote.base.symbol(),
        "quote": quote.quote.symbol(),
        "rate": quote.rate.to_string(),
        "at": quote.at.to_string(),
        "source": *quote.source,
    })
}
