//! `/balance-monitors`: conditions on balances. What becomes of them stands in [`crate::monitors`].

use std::sync::Arc;

use actix_web::{
    HttpRequest, HttpResponse,
    http::StatusCode,
    web::{self, Data, Path},
};
use serde::Deserialize;
use serde_json::{json, value::RawValue};
use utoipa::{OpenApi, ToSchema};

use super::{
    access::{self, Action, Resource},
    face::{self, new_id},
    fault::Fault,
    reply::{Reply, answer, broken, check_text, read},
};
use crate::{
    actors::registrar::Recorded,
    domain::{
        documents::Shelf,
        registry::{Registry, RegistryEvent},
        time::Timestamp,
        uuids::BalanceId,
    },
    http::{App, body::Body, programme::request::outgoing_url, resource},
    monitors::{Base, Cause, Condition, Field, Monitor, Operator, base_of},
};

/// The most monitors of one origin.
const MONITORS_MAX: usize = 10_000;
/// The longest number, in digits.
const DIGITS_MAX: usize = 64;

/// Adds the routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(
            resource("/balance-monitors")
                .route(web::post().to(create))
                .route(web::get().to(list)),
        )
        .service(resource("/balance-monitors/balances/{balance_id}").route(web::get().to(list_of)))
        .service(
            resource("/balance-monitors/{id}")
                .route(web::get().to(get))
                .route(web::put().to(update))
                .route(web::delete().to(delete)),
        );
}

#[derive(OpenApi)]
#[openapi(
    paths(create, list, list_of, get, update, delete),
    components(schemas(NewMonitor, NewCondition))
)]
struct Document;

/// Its part of the OpenAPI document.
#[must_use]
pub fn document() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

/// A monitor as it is to be. What else the clients send is passed over.
#[derive(Deserialize, ToSchema)]
pub struct NewMonitor {
    /// What is watched: bln_…
    balance_id: String,
    /// When it tells.
    condition: NewCondition,
    /// For people.
    description: Option<String>,
    /// Who is told beside the endpoints for webhooks, in Blnk's form.
    call_back_url: Option<String>,
}

/// When it tells.
#[derive(Deserialize, ToSchema)]
pub struct NewCondition {
    /// balance, credit_balance, debit_balance, inflight_balance, inflight_credit_balance,
    /// inflight_debit_balance.
    field: String,
    /// >, <, >=, <=, = or !=.
    operator: String,
    /// In units.
    #[schema(value_type = Option<f64>)]
    value: Option<Box<RawValue>>,
    /// How many smallest units make one; 1, if it is not said.
    #[schema(value_type = Option<f64>)]
    precision: Option<Box<RawValue>>,
    /// The product, in the smallest unit; it stands for both, or must agree.
    #[schema(value_type = Option<i64>)]
    precise_value: Option<Box<RawValue>>,
}

fn wrong(field: &str, message: impl Into<String>) -> Fault {
    Fault::invalid("BAL_VALIDATION_ERROR", field, message)
}

/// A number's digits: of a JSON number, or of a string of one.
fn digits<'a>(field: &str, raw: &'a RawValue) -> Result<&'a str, Fault> {
    let text = raw.get();
    let inner = text
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    let text = inner.unwrap_or(text);
    let is_digit = |byte: u8| byte.is_ascii_digit() || b"+-.eE".contains(&byte);
    let is_number = text.bytes().all(is_digit) && text.len() <= DIGITS_MAX;
    if is_number && serde_json::from_str::<serde_json::Number>(text).is_ok() {
        return Ok(text);
    }
    Err(wrong(field, format!("{field} must be a number")))
}

/// A decimal as a whole number and how many of its digits stand behind the point.
fn parts(text: &str) -> Option<(i128, i32)> {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let exponent: i32 = exponent.parse().ok()?;
    let (whole, places) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let places = places.trim_end_matches('0');
    let number: i128 = format!("{whole}{places}").parse().ok()?;
    let behind = i32::try_from(places.len()).ok()?;
    Some((number, behind.checked_sub(exponent)?))
}

/// The product of two decimals, if it is whole and not too large.
fn product(value: &str, precision: &str) -> Option<i128> {
    let ((one, behind_one), (other, behind_other)) = (parts(value)?, parts(precision)?);
    let mut number = one.checked_mul(other)?;
    let mut behind = behind_one.checked_add(behind_other)?;
    while behind < 0 && number != 0 {
        number = number.checked_mul(10)?;
        behind = behind.checked_add(1)?;
    }
    while behind > 0 && number != 0 {
        if number.checked_rem(10) != Some(0) {
            return None;
        }
        number = number.checked_div(10)?;
        behind = behind.checked_sub(1)?;
    }
    Some(number)
}

impl NewCondition {
    fn check(&self) -> Result<Condition, Fault> {
        let field = Field::of(&self.field).ok_or_else(|| {
            let message = "condition.field must be balance, credit_balance, debit_balance, \
                           inflight_balance, inflight_credit_balance or inflight_debit_balance";
            wrong("condition.field", message)
        })?;
        let operator = Operator::of(&self.operator).ok_or_else(|| {
            wrong(
                "condition.operator",
                "condition.operator must be >, <, >=, <=, = or !=",
            )
        })?;
        let precise = self.precise_value.as_deref();
        let precise = precise
            .map(|raw| digits("condition.precise_value", raw))
            .transpose()?;
        let precision = match self.precision.as_deref() {
            Some(raw) => digits("condition.precision", raw)?,
            None => "1",
        };
        if parts(precision).is_none_or(|(number, _)| number <= 0) {
            return Err(wrong(
                "condition.precision",
                "condition.precision must be above zero",
            ));
        }
        let value = self.value.as_deref();
        let value = value
            .map(|raw| digits("condition.value", raw))
            .transpose()?;
        let not_whole = || {
            let message = "condition.value times condition.precision must be a whole number of \
                           the smallest unit";
            wrong("condition.value", message)
        };
        let (value, precision, product) = match (value, precise) {
            (Some(value), _) => (
                value,
                precision,
                product(value, precision).ok_or_else(not_whole)?,
            ),
            (None, Some(precise)) => (precise, "1", product(precise, "1").ok_or_else(not_whole)?),
            (None, None) => return Err(wrong("condition.value", "condition.value is required")),
        };
        if precise.is_some_and(|precise| self::product(precise, "1") != Some(product)) {
            let message = "condition.precise_value must be value times precision";
            return Err(wrong("condition.precise_value", message));
        }
        Ok(Condition {
            field,
            operator,
            value: value.to_owned(),
            precision: precision.to_owned(),
            precise_value: product,
        })
    }
}

/// What is asked for, and what its balance is.
struct Checked {
    condition: Condition,
    description: String,
    call_back_url: String,
    balance_id: BalanceId,
    base: Base,
}

async fn check(app: &App, origin: &Arc<str>, wanted: NewMonitor) -> Result<Checked, Fault> {
    let condition = wanted.condition.check()?;
    let description = wanted.description.unwrap_or_default();
    check_text("description", &description, 512)?;
    let call_back_url = wanted.call_back_url.unwrap_or_default();
    if !call_back_url.is_empty() {
        outgoing_url("call_back_url", &call_back_url)?;
    }
    let no_balance = || Fault::not_found("BAL_NOT_FOUND", "balance not found");
    let balance_id: BalanceId = wanted.balance_id.parse().map_err(|_| no_balance())?;
    // Said before it is recorded, so that nothing behind it is passed over.
    app.ledger.monitors.expect();
    if !call_back_url.is_empty() {
        app.engine.shared.indexes.expect_webhooks();
    }
    let base = base_of(&app.engine, Some(origin), balance_id).await?;
    Ok(Checked {
        condition,
        description,
        call_back_url,
        balance_id,
        base: base.ok_or_else(no_balance)?,
    })
}

impl Checked {
    fn monitor(&self, id: &str, created_at: &str, now: Timestamp) -> Monitor {
        Monitor {
            monitor_id: id.to_owned(),
            balance_id: self.balance_id.to_string(),
            condition: self.condition.clone(),
            description: self.description.clone(),
            call_back_url: self.call_back_url.clone(),
            created_at: created_at.to_owned(),
            set_at: now.micros(),
            cause: Cause::Asked,
            crossing: None,
            base: self.base.clone(),
        }
    }
}

fn no_monitor() -> Fault {
    Fault::not_found("BAL_MONITOR_NOT_FOUND", "balance monitor not found")
}

/// The monitor as the record has it.
fn recorded(done: &Recorded) -> Result<Monitor, Fault> {
    face::recorded(done, Shelf::Monitor, |_, text| Monitor::read(text))
}

/// Watches a balance. What is true already is told of when it becomes true the next time.
#[utoipa::path(
    post, path = "/balance-monitors", tag = "ledger",
    request_body = NewMonitor,
    params(("Idempotency-Key" = Option<String>, Header, description = "same key: made once")),
    responses(
        (status = 201, description = "made", body = Object),
        (status = 400, description = "the field is named", body = Object),
        (status = 401, description = "no key, or one that is unknown or expired", body = Object),
        (status = 403, description = "the key has not the scope balance-monitors:write", body = Object),
        (status = 404, description = "no such balance", body = Object),
        (status = 409, description = "too many monitors, or the idempotency key was used otherwise", body = Object),
        (status = 413, description = "the body is too large", body = Object),
        (status = 415, description = "the body is not JSON", body = Object),
        (status = 503, description = "busy: try again", body = Object),
    ),
)]
pub async fn create(request: HttpRequest, body: Body, app: Data<App>) -> HttpResponse {
    let made = async {
        let caller = access::require(&request, &app, Resource::BalanceMonitors, Action::Write)?;
        let (wanted, keyed) = read::<NewMonitor>(&request, body, &caller)?;
        let checked = check(&app, &caller.origin, wanted).await?;
        let id = new_id("mon_")?;
        let name = Monitor::name_of(&caller.origin, &id);
        let prefix = Monitor::name_of(&caller.origin, "");
        let change = |registry: &Registry, now: Timestamp| {
            if registry.documents.under(Shelf::Monitor, &prefix).count() >= MONITORS_MAX {
                let message = format!("an origin has at most {MONITORS_MAX} balance monitors");
                return Err(Fault::new(StatusCode::CONFLICT, "GEN_CONFLICT", message));
            }
            let monitor = checked.monitor(&id, &now.to_string(), now);
            Ok(vec![
                monitor.set(&name, now).ok_or_else(|| broken("monitor"))?,
            ])
        };
        let done = app.engine.change_registry::<Fault>(keyed, change).await?;
        let monitor = recorded(&done)?;
        Ok(Reply::created(&monitor.view(), done.is_replay))
    };
    answer(&request, &app, made).await
}

async fn all_of(app: &App, origin: &str, balance: Option<&str>) -> Result<Reply, Fault> {
    let prefix = Monitor::name_of(origin, "");
    let own = |registry: &Registry| -> Vec<Arc<str>> {
        let all = registry.documents.under(Shelf::Monitor, &prefix);
        all.map(|(_, text)| text.clone()).collect()
    };
    let texts = app.engine.look_at_registry(own).await?;
    let mut monitors: Vec<_> = texts
        .iter()
        .filter_map(|text| Monitor::read(text))
        .collect();
    monitors.retain(|known| balance.is_none_or(|balance| balance == known.balance_id));
    monitors.sort_by(|one, other| one.created_at.cmp(&other.created_at));
    let views: Vec<_> = monitors.iter().map(Monitor::view).collect();
    Ok(Reply::ok(&views))
}

/// Lists the monitors.
#[utoipa::path(
    get, path = "/balance-monitors", tag = "ledger",
    responses(
        (status = 200, description = "the monitors", body = Vec<serde_json::Value>),
        (status = 401, description = "no key, or one that is unknown or expired", body = Object),
        (status = 403, description = "the key has not the scope balance-monitors:read", body = Object),
        (status = 503, description = "busy: try again", body = Object),
    ),
)]
pub async fn list(request: HttpRequest, app: Data<App>) -> HttpResponse {
    let listed = async {
        let caller = access::require(&request, &app, Resource::BalanceMonitors, Action::Read)?;
        all_of(&app, &caller.origin, None).await
    };
    answer(&request, &app, listed).await
}

/// Lists the monitors of a balance.
#[utoipa::path(
    get, path = "/balance-monitors/balances/{balance_id}", tag = "ledger",
    params(("balance_id" = String, Path, description = "bln_…")),
    responses(
        (status = 200, description = "the monitors; none for a balance that is not there", body = Vec<serde_json::Value>),
        (status = 401, description = "no key, or one that is unknown or expired", body = Object),
        (status = 403, description = "the key has not the scope balance-monitors:read", body = Object),
        (status = 503, description = "busy: try again", body = Object),
    ),
)]
pub async fn list_of(request: HttpRequest, path: Path<String>, app: Data<App>) -> HttpResponse {
    let listed = async {
        let caller = access::require(&request, &app, Resource::BalanceMonitors, Action::Read)?;
        all_of(&app, &caller.origin, Some(&path)).await
    };
    answer(&request, &app, listed).await
}

/// Shows a monitor.
#[utoipa::path(
    get, path = "/balance-monitors/{id}", tag = "ledger",
    params(("id" = String, Path, description = "the monitor's id (mon_…)")),
    responses(
        (status = 200, description = "the monitor", body = Object),
        (status = 401, description = "no key, or one that is unknown or expired", body = Object),
        (status = 403, description = "the key has not the scope balance-monitors:read", body = Object),
        (status = 404, description = "no such monitor", body = Object),
        (status = 503, description = "busy: try again", body = Object),
    ),
)]
pub async fn get(request: HttpRequest, path: Path<String>, app: Data<App>) -> HttpResponse {
    let found = async {
        let caller = access::require(&request, &app, Resource::BalanceMonitors, Action::Read)?;
        let name = Monitor::name_of(&caller.origin, &path);
        let find = |registry: &Registry| registry.documents.get(Shelf::Monitor, &name).cloned();
        let text = app.engine.look_at_registry(find).await?;
        let text = text.ok_or_else(no_monitor)?;
        let monitor = Monitor::read(&text).ok_or_else(|| broken("monitor"))?;
        Ok(Reply::ok(&monitor.view()))
    };
    answer(&request, &app, found).await
}

/// Replaces a monitor. It begins anew: what is true then is told of when it becomes true the next time.
#[utoipa::path(
    put, path = "/balance-monitors/{id}", tag = "ledger",
    request_body = NewMonitor,
    params(
        ("id" = String, Path, description = "the monitor's id (mon_…)"),
        ("Idempotency-Key" = Option<String>, Header, description = "same key, same answer"),
    ),
    responses(
        (status = 200, description = "as it is now", body = Object),
        (status = 400, description = "the field is named", body = Object),
        (status = 401, description = "no key, or one that is unknown or expired", body = Object),
        (status = 403, description = "the key has not the scope balance-monitors:write", body = Object),
        (status = 404, description = "no such monitor or balance", body = Object),
        (status = 409, description = "the idempotency key was used otherwise", body = Object),
        (status = 413, description = "the body is too large", body = Object),
        (status = 415, description = "the body is not JSON", body = Object),
        (status = 503, description = "busy: try again", body = Object),
    ),
)]
pub async fn update(
    request: HttpRequest,
    path: Path<String>,
    body: Body,
    app: Data<App>,
) -> HttpResponse {
    let updated = async {
        let caller = access::require(&request, &app, Resource::BalanceMonitors, Action::Write)?;
        let (wanted, keyed) = read::<NewMonitor>(&request, body, &caller)?;
        let name = Monitor::name_of(&caller.origin, &path);
        let documents = &app.engine.shared.facts.documents;
        if documents.get(Shelf::Monitor, &name).is_none() {
            return Err(no_monitor());
        }
        let checked = check(&app, &caller.origin, wanted).await?;
        let change = |registry: &Registry, now: Timestamp| {
            let text = registry.documents.get(Shelf::Monitor, &name);
            let known = Monitor::read(text.ok_or_else(no_monitor)?);
            let known = known.ok_or_else(|| broken("monitor"))?;
            let monitor = Monitor {
                crossing: known.crossing,
                ..checked.monitor(&path, &known.created_at, now)
            };
            Ok(vec![
                monitor.set(&name, now).ok_or_else(|| broken("monitor"))?,
            ])
        };
        let done = app.engine.change_registry::<Fault>(keyed, change).await?;
        Ok(Reply::ok(&recorded(&done)?.view()))
    };
    answer(&request, &app, updated).await
}

/// Removes a monitor.
#[utoipa::path(
    delete, path = "/balance-monitors/{id}", tag = "ledger",
    params(("id" = String, Path, description = "the monitor's id (mon_…)")),
    responses(
        (status = 200, description = "removed", body = Object),
        (status = 401, description = "no key, or one that is unknown or expired", body = Object),
        (status = 403, description = "the key has not the scope balance-monitors:delete", body = Object),
        (status = 404, description = "no such monitor", body = Object),
        (status = 503, description = "busy: try again", body = Object),
    ),
)]
pub async fn delete(request: HttpRequest, path: Path<String>, app: Data<App>) -> HttpResponse {
    let removed = async {
        let caller = access::require(&request, &app, Resource::BalanceMonitors, Action::Delete)?;
        let name = Monitor::name_of(&caller.origin, &path);
        let change = |registry: &Registry, at: Timestamp| {
            if registry.documents.get(Shelf::Monitor, &name).is_none() {
                return Err(no_monitor());
            }
            Ok(vec![RegistryEvent::DocumentSet {
                shelf: Shelf::Monitor,
                name: name.clone(),
                text: None,
                at,
            }])
        };
        app.engine.change_registry::<Fault>(None, change).await?;
        Ok(Reply::ok(
            &json!({ "message": "BalanceMonitor deleted successfully" }),
        ))
    };
    answer(&request, &app, removed).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_exact() {
        for (value, precision, expected) in [
            ("0.29", "100", Some(29)),
            ("100", "100", Some(10_000)),
            ("100.00", "100", Some(10_000)),
            ("-1.5", "10", Some(-15)),
            ("1e3", "1e2", Some(100_000)),
            ("0", "1e30", Some(0)),
            ("12", "0.5", Some(6)),
            ("0.005", "100", None),
            ("1e38", "100", None),
            ("1e-400", "1", None),
            (
                "170141183460469231731687303715884105727",
                "1",
                Some(i128::MAX),
            ),
        ] {
            assert_eq!(product(value, precision), expected, "{value} x {precision}");
        }
    }
}
