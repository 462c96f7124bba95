//! How much a holder may send: counted before a transfer is decided, given back if it is refused.
//!
//! The count is a record of its own, durable before the transfer's. A crash between the two leaves it
//! counted: a limit is rather kept too strictly than passed.

use actix_web::http::StatusCode;
use serde_json::json;

use super::{
    super::super::{App, problem::Problem},
    gate, store,
};
use crate::{
    domain::{
        compliance::spent::Exceeded,
        documents::Shelf,
        ids::TransferId,
        money::{Amount, Asset, Currency, Decimal},
        rates::RateTable,
        registry::Registry,
        time::Timestamp,
    },
    wire::Key,
};

/// The longest time that the SDK waits before it asks again, in seconds. Source: Bloque SDK.
const WAIT_MAX_S: i64 = 30;

/// Money that a holder is about to send.
pub struct Leaving {
    /// Who sends it.
    pub holder_urn: String,
    /// Who gets it.
    pub to_urn: String,
    /// What is counted.
    pub asset: Asset,
    /// How much.
    pub amount: Amount,
    /// The key that protects the transfer.
    pub key: Option<Key>,
    /// The transfer, where no key does.
    pub id: TransferId,
}

/// What was counted for a transfer.
pub struct Reserved {
    holder_urn: String,
    id: String,
}

/// Counts a transfer against the limits of its holder's level, once for each key. Nothing is counted
/// where the origin has no limits, or money stays with its holder.
///
/// # Errors
///
/// 429 `E_TIER_LIMIT_EXCEEDED`; 409 `rate_unavailable` for an asset without a known rate to US dollars.
pub async fn reserve(
    app: &App,
    origin: &str,
    leaving: &Leaving,
) -> Result<Option<Reserved>, Problem> {
    let holder = leaving.holder_urn.as_str();
    let stays = holder == leaving.to_urn || gate::is_house(origin, holder);
    let policy = store::policy_now(app, origin)?;
    if stays || !policy.is_some_and(|policy| policy.has_limits()) {
        return Ok(None);
    }
    let shared = &app.engine.shared;
    let id = leaving.key.map_or_else(
        || leaving.id.to_string(),
        |Key([one, other])| format!("{one:016x}{other:016x}"),
    );
    let count = |registry: &Registry, now: Timestamp| {
        // The transfer was recorded since it was looked for: it is counted already.
        if leaving
            .key
            .is_some_and(|key| shared.keys.get(key).is_some())
        {
            return Ok(Vec::new());
        }
        let kept = store::policy_in(registry, origin)?;
        let file = store::file_in(registry, holder)?.unwrap_or_default();
        let cents = cents(leaving, &registry.rates, app, now)?;
        let spans = shared.zone.spans(now);
        let level = file.limiting(&kept.policy);
        let spent = store::spent_in(registry, holder)?;
        let spent = spent.reserved(level, &spans, (&id, cents));
        let spent = spent.map_err(|exceeded| refused(&exceeded, now))?;
        Ok(vec![store::set(Shelf::Consumption, holder, &spent, now)?])
    };
    let recorded = app.engine.change_registry::<Problem>(None, count).await?;
    Ok((!recorded.events.is_empty()).then(|| Reserved {
        holder_urn: holder.to_owned(),
        id,
    }))
}

/// Takes back what was counted for a transfer that was not sent, or came back. If that cannot be
/// recorded now, it stays counted.
pub async fn give_back(app: &App, reserved: Reserved) {
    let Reserved { holder_urn, id } = reserved;
    let undo = |registry: &Registry, now: Timestamp| {
        let spent = store::spent_in(registry, &holder_urn)?;
        let less = spent.clone().given_back(&id);
        if less == spent {
            return Ok(Vec::new());
        }
        Ok(vec![store::set(
            Shelf::Consumption,
            &holder_urn,
            &less,
            now,
        )?])
    };
    if let Err(problem) = app.engine.change_registry::<Problem>(None, undo).await {
        tracing::warn!(
            code = problem.code,
            "a transfer that was not sent stays counted against its holder's limits"
        );
    }
}

/// What it is worth in US cents, rounded up.
fn cents(
    leaving: &Leaving,
    rates: &RateTable,
    app: &App,
    now: Timestamp,
) -> Result<Amount, Problem> {
    let asset = leaving.asset;
    let unknown = |why: String| {
        let message = format!(
            "asset: what {asset} is worth in US dollars is not known, and the limits of this holder \
             count them: {why}"
        );
        let mut problem = Problem::conflict("rate_unavailable", message);
        problem.field = Some("asset".to_owned());
        problem
    };
    let dollar: Currency = "USD".parse().map_err(|_| unknown("no USD".to_owned()))?;
    let mid = rates.mid(asset, dollar, app.terms(), now);
    let mid = mid.map_err(|error| unknown(error.to_string()))?;
    let sum = Decimal {
        mantissa: leaving.amount.minor(),
        scale: asset.decimals(),
    };
    let cents = mid.rate.converted_from(sum, dollar);
    cents.map_err(|error| Problem::money("amount", &error))
}

/// The answer 429. The SDK asks again by itself, up to three times, and waits at most thirty seconds each time: a
/// limit that is free again by then is worth the wait, for another it is told at once and reads
/// `reset_at`.
fn refused(exceeded: &Exceeded, now: Timestamp) -> Problem {
    let window = exceeded.window.word();
    let message = format!(
        "the {window} limit of this holder's verification level is {} US cents, of which {} are used",
        exceeded.limit, exceeded.consumed
    );
    let status = StatusCode::TOO_MANY_REQUESTS;
    let mut problem = Problem::new(status, "E_TIER_LIMIT_EXCEEDED", message);
    let left = exceeded.span.as_ref().map(|span| {
        let micros = span.ends_at.micros().saturating_sub(now.micros());
        micros.div_euclid(1_000_000).saturating_add(1)
    });
    let soon = left.filter(|left| *left <= WAIT_MAX_S);
    problem.retry_after_s = Some(soon.and_then(|left| u32::try_from(left).ok()).unwrap_or(1));
    let span = exceeded.span.as_ref();
    problem.with(json!({
        "window": window,
        "window_key": span.map_or(window, |span| span.key.as_str()),
        "reset_at": span.map(|span| span.ends_at.to_string()),
        "limit_usd_minor_units": exceeded.limit.to_string(),
        "consumed_usd_minor_units": exceeded.consumed.to_string(),
    }))
}
