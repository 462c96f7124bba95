//! The exchange rates of a sandbox that has none of its own: a small table, so that conversions can be
//! tried at once. Any other rate takes the place of one of these.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, web::Data};
use serde_json::json;

use super::{
    super::super::{App, problem::Problem, request_id},
    answer, player,
};
use crate::{
    actors::{Engine, EngineError},
    domain::{
        policy::Terms,
        quotes::{self, Coming, Draft},
        rates::{Quote, RateTable, SANDBOX_SOURCE},
        registry::{Registry, RegistryEvent},
        time::Timestamp,
    },
};

/// Each pair: one unit of the first costs so much of the second.
pub const TABLE: [(&str, &str, &str); 11] = [
    ("USD", "COP", "4000"),
    ("USD", "MXN", "18"),
    ("USD", "BRL", "5"),
    ("USD", "ARS", "1000"),
    ("USD", "CLP", "950"),
    ("USD", "PEN", "3.75"),
    ("USD", "JPY", "150"),
    ("USD", "CAD", "1.4"),
    ("EUR", "USD", "1.1"),
    ("GBP", "USD", "1.25"),
    ("KSM", "USD", "20"),
];

/// Sets those rates of the table that nobody else said.
#[utoipa::path(
    post, path = "/v1/sandbox/rates", tag = "sandbox",
    responses(
        (status = 200, description = "`set`: how many are as in the table", body = serde_json::Value),
        (status = 401, description = "no key, or an unknown one"),
        (status = 403, description = "neither the scope programme nor operator"),
        (status = 404, description = "no sandbox for this key"),
        (status = 503, description = "busy: try again"),
    ),
)]
pub async fn set(request: HttpRequest, app: Data<App>) -> HttpResponse {
    let done = async {
        player(&request, &app)?;
        let set = record(&app.engine, |_, _| true).await;
        let set = set.map_err(Problem::from)?;
        let id = request_id(&request, &app);
        let view = json!({ "set": set, "source": SANDBOX_SOURCE });
        Ok(HttpResponse::Ok()
            .insert_header(("x-request-id", id))
            .json(view))
    };
    let done = done.await;
    answer(&request, &app, done)
}

/// Sets the table at a start without rates, or with none but these.
///
/// # Errors
///
/// [`EngineError`] if it cannot be recorded.
pub async fn start(engine: &Engine) -> Result<usize, EngineError> {
    let is_own = |quote: &Quote| *quote.source == *SANDBOX_SOURCE;
    record(engine, |table, _| table.quotes().all(is_own)).await
}

/// Keeps what is left of the table from becoming too old.
///
/// # Errors
///
/// [`EngineError`] if it cannot be recorded.
pub async fn renew(engine: &Engine) -> Result<usize, EngineError> {
    record(engine, |_, known| known.is_some()).await
}

/// Records the table's rates of which nobody else said anything, where `wants` agrees: it sees all that
/// is known and what is known of the one.
async fn record(
    engine: &Engine,
    wants: impl Fn(&RateTable, Option<&Quote>) -> bool,
) -> Result<usize, EngineError> {
    let terms = &engine.shared.terms;
    let decide = |registry: &Registry, now: Timestamp| {
        let of_ours = |quote: &Quote| {
            let known = registry.rates.quote(quote.base, quote.quote);
            let is_free = known.is_none_or(|known| *known.source == *SANDBOX_SOURCE);
            is_free && wants(&registry.rates, known)
        };
        let ours: Vec<_> = table(terms, now).into_iter().filter(of_ours).collect();
        let at = (now, terms);
        // The table is sound: what is not taken is of no use here.
        let quotes = quotes::accept(&ours, &registry.rates, at, Coming::Sent).unwrap_or_default();
        let is_any = !quotes.is_empty();
        let event = is_any.then_some(RegistryEvent::RatesAccepted { quotes, at: now });
        Ok::<_, EngineError>(event.into_iter().collect())
    };
    let recorded = engine.change_registry(None, decide).await?;
    let count = |event: &RegistryEvent| {
        if let RegistryEvent::RatesAccepted { quotes, .. } = event {
            quotes.len()
        } else {
            0
        }
    };
    Ok(recorded.events.iter().map(count).sum())
}

/// The table's rates of units that the house knows.
fn table(terms: &Terms, now: Timestamp) -> Vec<Quote> {
    let source: Arc<str> = SANDBOX_SOURCE.into();
    let read = |(base, quote, rate): &(&str, &str, &str)| {
        let at = None;
        let draft = Draft {
            base,
            quote,
            rate,
            at,
        };
        quotes::read(&[draft], &source, now, terms).ok()?.pop()
    };
    TABLE.iter().filter_map(read).collect()
}
