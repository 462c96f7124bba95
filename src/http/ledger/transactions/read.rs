//! `GET /transactions/{id}`, by reference, and what only has to be answered.

use std::sync::Arc;

use actix_web::{
    HttpRequest, HttpResponse,
    web::{Data, Path},
};

use super::movements::{self, unknown};
use crate::{
    actors::keys::key_of,
    books::{BooksError, view},
    domain::{event::Event, uuids::AnyTransaction},
    http::{
        App,
        ledger::{
            access::{self, Action, Resource},
            face::{Told, answer},
            fault::Fault,
        },
        programme::query::Params,
        write::{Object, key},
    },
    wire::Body,
};

/// Shows a transaction as it is now: of the books, or what another face did.
#[utoipa::path(
    get, path = "/transactions/{id}", tag = "ledger",
    params(("id" = String, Path, description = "the transaction's id")),
    responses(
        (status = 200, description = "the transaction", body = serde_json::Value),
        (status = 401, description = "no key, or an unknown one"),
        (status = 403, description = "the key is not for transactions:read"),
        (status = 404, description = "no such transaction"),
        (status = 503, description = "busy: try again"),
    ),
)]
pub async fn get(request: HttpRequest, path: Path<String>, app: Data<App>) -> HttpResponse {
    answer(&request, &app, one(&request, &path, &app)).await
}

async fn one(request: &HttpRequest, id: &str, app: &App) -> Result<Told, Fault> {
    let caller = access::require(request, app, Resource::Transactions, Action::Read)?;
    let id = id.parse().map_err(|_| unknown())?;
    let body = shown(app, &caller.origin, id).await?;
    Ok(Told::ok(|out| *out = body))
}

/// A transaction as JSON, whatever face it is of.
///
/// # Errors
///
/// 404, also for another origin's.
pub(in crate::http::ledger) async fn shown(
    app: &App,
    origin: &Arc<str>,
    id: AnyTransaction,
) -> Result<Vec<u8>, Fault> {
    match id {
        AnyTransaction::Booked(id) | AnyTransaction::Bulk(id) => {
            let known = app.books.get(origin, id).await?;
            let mut out = Vec::with_capacity(1_024);
            view::transaction_into(&known, &mut out);
            Ok(out)
        }
        AnyTransaction::Authorization(id) => movements::authorization(app, origin, id).await,
        AnyTransaction::Movement { lsn, place } => {
            movements::movement(app, origin, (lsn, place)).await
        }
    }
}

/// Shows the transaction that has a reference.
#[utoipa::path(
    get, path = "/transactions/reference/{reference}", tag = "ledger",
    params(("reference" = String, Path, description = "the reference, percent-encoded")),
    responses(
        (status = 200, description = "the transaction", body = serde_json::Value),
        (status = 401, description = "no key, or an unknown one"),
        (status = 403, description = "the key is not for transactions:read"),
        (status = 404, description = "no such transaction"),
        (status = 503, description = "busy: try again"),
    ),
)]
pub async fn by_reference(
    request: HttpRequest,
    path: Path<String>,
    app: Data<App>,
) -> HttpResponse {
    answer(&request, &app, one_by_reference(&request, &path, &app)).await
}

async fn one_by_reference(
    request: &HttpRequest,
    reference: &str,
    app: &App,
) -> Result<Told, Fault> {
    let caller = access::require(request, app, Resource::Transactions, Action::Read)?;
    match app.books.by_reference(&caller.origin, reference).await {
        Ok(known) => Ok(Told::ok(|out| view::transaction_into(&known, out))),
        Err(BooksError::NotFound(_)) => {
            let id = of_other_faces(app, &caller.origin, reference).await?;
            let body = shown(app, &caller.origin, id).await?;
            Ok(Told::ok(|out| *out = body))
        }
        Err(error) => Err(error.into()),
    }
}

/// What another face did under that reference: an authorization, a deposit, a withdrawal.
async fn of_other_faces(
    app: &App,
    origin: &Arc<str>,
    reference: &str,
) -> Result<AnyTransaction, Fault> {
    let classes = ["authorization", "clearing", "reference"];
    let lsn = classes.iter().find_map(|class| {
        let key = key_of(origin, class, reference);
        app.engine.shared.keys.get(key)
    });
    let lsn = lsn.ok_or_else(unknown)?;
    let durable = app.engine.durability.wait(lsn).await;
    durable.map_err(|halted| Fault::from(crate::actors::EngineError::from(halted)))?;
    let Body::Group(events) = app.engine.entry(lsn)?.body else {
        return Err(unknown());
    };
    if let Some(id) = events.iter().find_map(Event::authorization_id) {
        return Ok(AnyTransaction::Authorization(id));
    }
    let moved = |event: &Event| matches!(event, Event::Deposited(..) | Event::Withdrawn(..));
    let place = events.iter().position(moved).ok_or_else(unknown)?;
    let place = u32::try_from(place).map_err(|_| unknown())?;
    Ok(AnyTransaction::Movement { lsn, place })
}

/// Says how many queued transactions were taken up again: none, since none is ever queued.
#[utoipa::path(
    post, path = "/transactions/recover", tag = "ledger",
    params(("threshold" = Option<String>, Query, description = "a duration such as 5m")),
    responses(
        (status = 200, description = "`{recovered, threshold}`", body = serde_json::Value),
        (status = 400, description = "the threshold is no duration"),
        (status = 401, description = "no key, or an unknown one"),
        (status = 403, description = "the key is not for transactions:write"),
    ),
)]
pub async fn recover(request: HttpRequest, app: Data<App>) -> HttpResponse {
    let told = async {
        access::require(&request, &app, Resource::Transactions, Action::Write)?;
        let params = Params::read(&request, &["threshold"], &[])?;
        let given = params.one("threshold").unwrap_or("2m");
        let threshold = duration(given).ok_or_else(|| {
            let message = "threshold must be a valid duration string (e.g. 5m, 1h)";
            Fault::invalid("GEN_VALIDATION_ERROR", "threshold", message)
        })?;
        Ok(Told::ok(|out| {
            let mut object = Object::begin(out);
            object.number(key!("recovered"), 0);
            object.plain(key!("threshold"), &threshold);
            object.end();
        }))
    };
    answer(&request, &app, told).await
}

/// Reads a duration as Go writes it (`5m`, `1h30m`, `1.5s`) and writes it as Go does (`5m0s`).
fn duration(text: &str) -> Option<String> {
    let mut nanos = 0_u64;
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let len = rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.')?;
        let (number, behind) = rest.split_at_checked(len)?;
        let len = behind
            .find(|letter: char| letter.is_ascii_digit())
            .unwrap_or(behind.len());
        let (unit, behind) = behind.split_at_checked(len)?;
        let unit = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return None,
        };
        let number = super::amounts::number(number).ok()?;
        let part = super::amounts::precise(number, unit).ok()?;
        nanos = nanos.checked_add(u64::try_from(part.minor()).ok()?)?;
        rest = behind;
    }
    Some(shown_duration(nanos))
}

fn shown_duration(nanos: u64) -> String {
    let seconds = nanos.div_euclid(1_000_000_000);
    let rest = nanos.rem_euclid(1_000_000_000);
    let with = |whole: u64, rest: u64, places: usize, unit: &str| {
        let places = format!("{rest:0places$}");
        let places = places.trim_end_matches('0');
        if places.is_empty() {
            format!("{whole}{unit}")
        } else {
            format!("{whole}.{places}{unit}")
        }
    };
    if seconds == 0 {
        return match nanos {
            0 => "0s".to_owned(),
            1..1_000 => format!("{nanos}ns"),
            1_000..1_000_000 => with(nanos.div_euclid(1_000), nanos.rem_euclid(1_000), 3, "µs"),
            _ => with(
                nanos.div_euclid(1_000_000),
                nanos.rem_euclid(1_000_000),
                6,
                "ms",
            ),
        };
    }
    let (hours, minutes) = (seconds.div_euclid(3_600), seconds.div_euclid(60));
    let last = with(seconds.rem_euclid(60), rest, 9, "s");
    if hours > 0 {
        format!("{hours}h{}m{last}", minutes.rem_euclid(60))
    } else if minutes > 0 {
        format!("{minutes}m{last}")
    } else {
        last
    }
}

/// Says that the server takes requests.
#[utoipa::path(
    get, path = "/health", tag = "ledger",
    responses(
        (status = 200, description = "`{\"status\":\"UP\"}`", body = serde_json::Value),
        (status = 503, description = "starting or stopping"),
    ),
)]
pub async fn health(request: HttpRequest, app: Data<App>) -> HttpResponse {
    let is_ready = app.is_ready.load(std::sync::atomic::Ordering::Acquire);
    let status = if is_ready {
        actix_web::http::StatusCode::OK
    } else {
        actix_web::http::StatusCode::SERVICE_UNAVAILABLE
    };
    let word = if is_ready { "UP" } else { "DOWN" };
    let told = Told::new(status, |out| {
        let mut object = Object::begin(out);
        object.plain(key!("status"), word);
        object.end();
    });
    answer(&request, &app, async { Ok(told) }).await
}

#[cfg(test)]
mod tests {
    use super::duration;

    #[test]
    fn durations_are_told_as_go_tells_them() {
        for (text, expected) in [
            ("2m", Some("2m0s")),
            ("5m", Some("5m0s")),
            ("1h", Some("1h0m0s")),
            ("1h30m", Some("1h30m0s")),
            ("90s", Some("1m30s")),
            ("1.5s", Some("1.5s")),
            ("300ms", Some("300ms")),
            ("1500us", Some("1.5ms")),
            ("7ns", Some("7ns")),
            ("1.5µs", Some("1.5µs")),
            ("0s", Some("0s")),
            (" 5m ", Some("5m0s")),
            ("", None),
            ("5", None),
            ("m", None),
            ("5 m", None),
            ("-5m", None),
            ("5d", None),
            ("99999999999h", None),
        ] {
            assert_eq!(duration(text).as_deref(), expected, "{text}");
        }
    }
}
