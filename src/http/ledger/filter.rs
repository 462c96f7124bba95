//! Lists and filters: `GET /{collection}`, `POST /{collection}/filter`.
//!
//! The resources of the collections themselves are those of who makes things in them, which call the lists.
//! What is found is found in the index; what is told of it, the actors and the registry say.

use std::sync::Arc;

use actix_web::{
    HttpRequest, HttpResponse,
    http::StatusCode,
    web::{self, Data},
};
use serde::Deserialize;
use serde_json::value::RawValue;
use utoipa::OpenApi;

use super::{
    access::{self, Action, Resource},
    fault::Fault,
    found,
};
use crate::{
    http::{
        App,
        body::{self, Body},
        json, request_id, resource,
    },
    search::{
        SearchError,
        condition::{Condition, Given, Order, Subject, Times, Wrong},
        field::Collection,
        index::{Answer, AskError, Question},
    },
    threads,
};

/// The most conditions of one filter.
const CONDITIONS_MAX: usize = 50;
/// The most values of one condition.
const VALUES_MAX: usize = 500;
/// The longest page.
const LIMIT_MAX: u64 = 100;
/// The farthest page: one beyond is never looked at by anyone.
const OFFSET_MAX: u64 = 10_000_000;

/// Adds the routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(resource("/ledgers/filter").route(web::post().to(filter_ledgers)))
        .service(resource("/balances/filter").route(web::post().to(filter_balances)))
        .service(resource("/transactions/filter").route(web::post().to(filter_transactions)))
        .service(resource("/identities/filter").route(web::post().to(filter_identities)));
}

#[derive(OpenApi)]
#[openapi(paths(
    filter_ledgers,
    filter_balances,
    filter_transactions,
    filter_identities,
))]
struct Document;

/// Its part of the OpenAPI document.
#[must_use]
pub fn document() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

/// `GET /ledgers`.
pub async fn list_ledgers(request: HttpRequest, app: Data<App>) -> HttpResponse {
    let listed = list(&request, &app, Collection::Ledgers).await;
    respond(&request, &app, listed)
}

/// `GET /balances`.
pub async fn list_balances(request: HttpRequest, app: Data<App>) -> HttpResponse {
    let listed = list(&request, &app, Collection::Balances).await;
    respond(&request, &app, listed)
}

/// `GET /transactions`.
pub async fn list_transactions(request: HttpRequest, app: Data<App>) -> HttpResponse {
    let listed = list(&request, &app, Collection::Transactions).await;
    respond(&request, &app, listed)
}

/// `GET /identities`.
pub async fn list_identities(request: HttpRequest, app: Data<App>) -> HttpResponse {
    let listed = list(&request, &app, Collection::Identities).await;
    respond(&request, &app, listed)
}

/// Finds ledgers by their fields.
#[utoipa::path(
    post, path = "/ledgers/filter", tag = "ledger", request_body = serde_json::Value,
    responses(
        (status = 200, description = "`{data, total_count?}`", body = serde_json::Value),
        (status = 400, description = "a wrong field, operator or value: it is named"),
        (status = 401, description = "no key, or an unknown one"),
        (status = 403, description = "the key is not for ledgers:read"),
        (status = 413, description = "the body is too large"),
        (status = 415, description = "the body is not JSON"),
        (status = 503, description = "the index is behind, or busy: try again"),
    ),
)]
pub async fn filter_ledgers(request: HttpRequest, body: Body, app: Data<App>) -> HttpResponse {
    let found = filter(&request, body, &app, Collection::Ledgers).await;
    respond(&request, &app, found)
}

/// Finds balances by their fields.
#[utoipa::path(
    post, path = "/balances/filter", tag = "ledger", request_body = serde_json::Value,
    responses(
        (status = 200, description = "`{data, total_count?}`", body = serde_json::Value),
        (status = 400, description = "a wrong field, operator or value: it is named"),
        (status = 401, description = "no key, or an unknown one"),
        (status = 403, description = "the key is not for balances:read"),
        (status = 413, description = "the body is too large"),
        (status = 415, description = "the body is not JSON"),
        (status = 503, description = "the index is behind, or busy: try again"),
    ),
)]
pub async fn filter_balances(request: HttpRequest, body: Body, app: Data<App>) -> HttpResponse {
    let found = filter(&request, body, &app, Collection::Balances).await;
    respond(&request, &app, found)
}

/// Finds transactions of every face by their fields.
#[utoipa::path(
    post, path = "/transactions/filter", tag = "ledger", request_body = serde_json::Value,
    responses(
        (status = 200, description = "`{data, total_count?}`", body = serde_json::Value),
        (status = 400, description = "a wrong field, operator or value: it is named"),
        (status = 401, description = "no key, or an unknown one"),
        (status = 403, description = "the key is not for transactions:read"),
        (status = 413, description = "the body is too large"),
        (status = 415, description = "the body is not JSON"),
        (status = 503, description = "the index is behind, or busy: try again"),
    ),
)]
pub async fn filter_transactions(request: HttpRequest, body: Body, app: Data<App>) -> HttpResponse {
    let found = filter(&request, body, &app, Collection::Transactions).await;
    respond(&request, &app, found)
}

/// Finds identities by their fields. A tokenized field is its token here too.
#[utoipa::path(
    post, path = "/identities/filter", tag = "ledger", request_body = serde_json::Value,
    responses(
        (status = 200, description = "`{data, total_count?}`", body = serde_json::Value),
        (status = 400, description = "a wrong field, operator or value: it is named"),
        (status = 401, description = "no key, or an unknown one"),
        (status = 403, description = "the key is not for identities:read"),
        (status = 413, description = "the body is too large"),
        (status = 415, description = "the body is not JSON"),
        (status = 503, description = "the index is behind, or busy: try again"),
    ),
)]
pub async fn filter_identities(request: HttpRequest, body: Body, app: Data<App>) -> HttpResponse {
    let found = filter(&request, body, &app, Collection::Identities).await;
    respond(&request, &app, found)
}

/// An answer of 200 with a body of JSON, or the fault.
pub(super) fn respond(
    request: &HttpRequest,
    app: &App,
    told: Result<Vec<u8>, Fault>,
) -> HttpResponse {
    let id = request_id(request, app);
    match told {
        Ok(body) => json(StatusCode::OK, &id, body),
        Err(fault) => fault.respond(&id),
    }
}

impl From<Wrong> for Fault {
    fn from(wrong: Wrong) -> Self {
        Self::invalid("GEN_VALIDATION_ERROR", &wrong.field, wrong.message)
    }
}

impl From<AskError> for Fault {
    fn from(error: AskError) -> Self {
        match error {
            AskError::Wrong(wrong) => wrong.into(),
            AskError::Search(error) => error.into(),
        }
    }
}

/// Whose keys may read a collection.
pub(super) const fn resource_of(collection: Collection) -> Resource {
    match collection {
        Collection::Ledgers => Resource::Ledgers,
        Collection::Balances => Resource::Balances,
        Collection::Transactions => Resource::Transactions,
        Collection::Identities => Resource::Identities,
    }
}

/// Asks the index, once it has all that is on disk.
pub(super) async fn ask(app: &App, origin: &Arc<str>, question: Question) -> Result<Answer, Fault> {
    let index = app.search.ready(origin).await?;
    let origin = origin.clone();
    apart(move || Ok(index.ask(&origin, &question)?)).await
}

/// Does what blocks on another thread than those that answer.
pub(super) async fn apart<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    match threads::aside(work).await {
        Ok(done) => done,
        Err(error) => {
            tracing::error!(%error, "a question to the index ended by itself");
            Err(SearchError::Behind { behind: 0 }.into())
        }
    }
}

fn invalid(field: &str, message: impl Into<String>) -> Fault {
    Fault::invalid("GEN_VALIDATION_ERROR", field, message)
}

fn missing(field: &str, message: impl Into<String>) -> Fault {
    Fault::invalid("GEN_MISSING_PARAMETER", field, message)
}

/// How a list is asked for: a part of it, its order, and conditions as `field_operator=value`.
async fn list(request: &HttpRequest, app: &App, collection: Collection) -> Result<Vec<u8>, Fault> {
    let caller = access::require(request, app, resource_of(collection), Action::Read)?;
    let question = listed(request.query_string(), collection)?;
    let answer = ask(app, &caller.origin, question).await?;
    let shown = found::shown(app, &caller.origin, collection, &answer.rows).await?;
    let mut out = Vec::with_capacity(1_024);
    found::list_into(&shown, &mut out);
    Ok(out)
}

fn listed(query: &str, collection: Collection) -> Result<Question, Fault> {
    const PARAMS_MAX: usize = 100;
    let pairs = web::Query::<Vec<(String, String)>>::from_query(query)
        .map_err(|error| invalid("query", error.to_string()))?
        .into_inner();
    if pairs.len() > PARAMS_MAX {
        return Err(invalid("query", "too many parameters"));
    }
    let (mut limit, mut offset, mut order) = (None, None, None);
    let mut sort_by = None;
    let mut conditions = Vec::new();
    for (name, value) in &pairs {
        match name.as_str() {
            "limit" => limit = Some(whole("limit", value)?),
            "offset" => offset = Some(whole("offset", value)?),
            "sort_by" => sort_by = Some(value.as_str()),
            "sort_order" => order = Some(value.as_str()),
            other => conditions.push(by_name(collection, other, value)?),
        }
    }
    let default = match collection {
        Collection::Ledgers | Collection::Balances => 10,
        Collection::Transactions | Collection::Identities => 20,
    };
    Ok(Question {
        collection,
        condition: Condition::All(conditions),
        sort: sorted(collection, sort_by, order)?,
        limit: within("limit", limit.unwrap_or(default), (1, LIMIT_MAX))?,
        offset: within("offset", offset.unwrap_or(0), (0, OFFSET_MAX))?,
        counts: false,
    })
}

/// `field_operator=value`; of `in` and `between` the values have commas between.
fn by_name(collection: Collection, name: &str, value: &str) -> Result<Condition, Fault> {
    let shown: String = name.chars().take(64).collect();
    let none = || invalid(&shown, format!("there is no parameter {shown}"));
    let (field, operator) = name.rsplit_once('_').ok_or_else(none)?;
    if !OPERATORS.contains(&operator) {
        return Err(none());
    }
    let values = match operator {
        "in" | "between" => value.split(',').collect(),
        _ => vec![value],
    };
    let given = values.into_iter().map(|text| Given::Text(text.to_owned()));
    condition(collection, (field, operator), given.collect())
}

/// A whole number, perhaps as a client writes one that it takes for a decimal: `20.0`.
fn whole(field: &str, text: &str) -> Result<u64, Fault> {
    let plain = text.trim();
    let plain = plain.strip_suffix(".0").unwrap_or(plain);
    let is_digits = !plain.is_empty() && plain.bytes().all(|byte| byte.is_ascii_digit());
    let read = plain.parse().ok().filter(|_| is_digits);
    read.ok_or_else(|| invalid(field, format!("{field} must be a whole number, 0 or more")))
}

pub(super) fn within(field: &str, number: u64, (from, to): (u64, u64)) -> Result<usize, Fault> {
    if number < from || number > to {
        return Err(invalid(field, format!("{field} must be {from} to {to}")));
    }
    usize::try_from(number).map_err(|_| invalid(field, "too large"))
}

fn sorted(
    collection: Collection,
    sort_by: Option<&str>,
    order: Option<&str>,
) -> Result<Vec<(Subject, bool)>, Fault> {
    let is_down = match order.map(str::to_ascii_lowercase).as_deref() {
        None | Some("desc") => true,
        Some("asc") => false,
        Some(_) => return Err(invalid("sort_order", "sort_order must be asc or desc")),
    };
    let name = sort_by.unwrap_or("created_at");
    let subject =
        Subject::named(collection, name).map_err(|wrong| invalid("sort_by", wrong.message))?;
    Ok(vec![(subject, is_down)])
}

/// What the clients may ask. Source: the SDKs' filter operators.
const OPERATORS: [&str; 12] = [
    "eq",
    "ne",
    "gt",
    "gte",
    "lt",
    "lte",
    "in",
    "between",
    "like",
    "ilike",
    "isnull",
    "isnotnull",
];

/// One condition of a body. Source: the SDKs' `FilterCondition`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted<'a> {
    field: String,
    operator: String,
    #[serde(borrow, default)]
    value: Option<&'a RawValue>,
    #[serde(borrow, default)]
    values: Option<Vec<&'a RawValue>>,
}

/// A body. Source: the SDKs' `FilterParams`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Filter<'a> {
    #[serde(borrow)]
    filters: Vec<Wanted<'a>>,
    logical_operator: Option<String>,
    sort_by: Option<String>,
    sort_order: Option<String>,
    include_count: Option<bool>,
    #[serde(borrow, default)]
    limit: Option<&'a RawValue>,
    #[serde(borrow, default)]
    offset: Option<&'a RawValue>,
}

async fn filter(
    request: &HttpRequest,
    given: Body,
    app: &App,
    collection: Collection,
) -> Result<Vec<u8>, Fault> {
    let caller = access::require(request, app, resource_of(collection), Action::Read)?;
    body::require_json(request)?;
    let bytes = body::bytes(given)?;
    let question = asked(&body::parse(&bytes)?, collection)?;
    let answer = ask(app, &caller.origin, question).await?;
    let shown = found::shown(app, &caller.origin, collection, &answer.rows).await?;
    let mut out = b"{\"data\":".to_vec();
    found::list_into(&shown, &mut out);
    if let Some(count) = answer.found {
        out.extend_from_slice(format!(",\"total_count\":{count}").as_bytes());
    }
    out.push(b'}');
    Ok(out)
}

fn asked(filter: &Filter<'_>, collection: Collection) -> Result<Question, Fault> {
    if filter.filters.len() > CONDITIONS_MAX {
        let message = format!("filters must be at most {CONDITIONS_MAX}");
        return Err(invalid("filters", message));
    }
    let mut conditions = Vec::new();
    for (place, wanted) in filter.filters.iter().enumerate() {
        conditions.push(wanted.read(place, collection)?);
    }
    let condition = match filter.logical_operator.as_deref() {
        None | Some("and") => Condition::All(conditions),
        Some("or") if conditions.is_empty() => Condition::everything(),
        Some("or") => Condition::Any(conditions),
        Some(_) => {
            let message = "logical_operator must be \"and\" or \"or\"";
            return Err(invalid("logical_operator", message));
        }
    };
    let number = |field, raw: Option<&RawValue>, default| match raw {
        Some(raw) if raw.get() != "null" => whole(field, raw.get()),
        Some(_) | None => Ok(default),
    };
    Ok(Question {
        collection,
        condition,
        sort: sorted(
            collection,
            filter.sort_by.as_deref(),
            filter.sort_order.as_deref(),
        )?,
        limit: within("limit", number("limit", filter.limit, 20)?, (1, LIMIT_MAX))?,
        offset: within(
            "offset",
            number("offset", filter.offset, 0)?,
            (0, OFFSET_MAX),
        )?,
        counts: filter.include_count.unwrap_or(false),
    })
}

impl Wanted<'_> {
    fn read(&self, place: usize, collection: Collection) -> Result<Condition, Fault> {
        let at = |name: &str| format!("filters[{place}].{name}");
        let operator = self.operator.as_str();
        if !OPERATORS.contains(&operator) {
            let message = format!(
                "filters[{place}].operator must be one of {}",
                OPERATORS.join(", ")
            );
            return Err(invalid(&at("operator"), message));
        }
        let needs_many = matches!(operator, "in" | "between");
        let raws: Vec<&RawValue> = match (&self.values, self.value) {
            (Some(values), _) if needs_many => values.clone(),
            (None, Some(value)) if needs_many => serde_json::from_str(value.get())
                .map_err(|_| invalid(&at("values"), "values must be a list"))?,
            (_, value) => value
                .into_iter()
                .filter(|raw| raw.get() != "null")
                .collect(),
        };
        let needs_one = !needs_many && !matches!(operator, "isnull" | "isnotnull");
        if needs_one && raws.is_empty() {
            let message = format!("filters[{place}].value is required for operator {operator}");
            return Err(missing(&at("value"), message));
        }
        if needs_many && raws.is_empty() {
            let message =
                format!("filters[{place}].values must be a non-empty list for operator {operator}");
            return Err(missing(&at("values"), message));
        }
        if raws.len() > VALUES_MAX {
            let message = format!("values must be at most {VALUES_MAX}");
            return Err(invalid(&at("values"), message));
        }
        let mut given = Vec::new();
        for raw in raws {
            given.push(value(raw).ok_or_else(|| {
                invalid(
                    &at("value"),
                    "a value must be a text, a number, true or false",
                )
            })?);
        }
        condition(collection, (&self.field, operator), given)
    }
}

fn value(raw: &RawValue) -> Option<Given> {
    let text = raw.get();
    match text {
        "true" => Some(Given::Flag(true)),
        "false" => Some(Given::Flag(false)),
        _ if text.starts_with('"') => serde_json::from_str(text).ok().map(Given::Text),
        _ if text.starts_with(|c: char| c.is_ascii_digit() || c == '-') => {
            Some(Given::Number(text.to_owned()))
        }
        _ => None,
    }
}

fn condition(
    collection: Collection,
    (name, operator): (&str, &str),
    mut given: Vec<Given>,
) -> Result<Condition, Fault> {
    let subject = Subject::named(collection, name)?;
    let compare = |order, value| Condition::Compare(subject.clone(), order, value, Times::Text);
    let read = match operator {
        "isnull" => Condition::IsNull(subject),
        "isnotnull" => Condition::IsNotNull(subject),
        "in" => {
            let all = given.into_iter();
            Condition::Any(all.map(|value| compare(Order::Is, value)).collect())
        }
        "between" => {
            let (Some(to), Some(from), None) = (given.pop(), given.pop(), given.pop()) else {
                return Err(invalid(name, "between takes two values: from and to"));
            };
            Condition::All(vec![
                compare(Order::AtLeast, from),
                compare(Order::AtMost, to),
            ])
        }
        other => {
            let value = given.pop().unwrap_or(Given::Text(String::new()));
            match other {
                "eq" => compare(Order::Is, value),
                "ne" => compare(Order::IsNot, value),
                "gt" => compare(Order::Above, value),
                "gte" => compare(Order::AtLeast, value),
                "lt" => compare(Order::Below, value),
                "lte" => compare(Order::AtMost, value),
                "like" => Condition::Like(subject, value.text().to_owned(), true),
                _ => Condition::Like(subject, value.text().to_owned(), false),
            }
        }
    };
    Ok(read)
}
