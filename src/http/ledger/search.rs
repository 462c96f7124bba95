//! `/search`, `/multi-search`: words, filters and orders in the grammar that the clients send (Typesense's).

use std::time::Instant;

use actix_web::{
    HttpRequest, HttpResponse,
    http::StatusCode,
    web::{self, Data, Path},
};
use rusqlite::types::Value as Stored;
use serde::Deserialize;
use serde_json::{Map, Value, json, value::RawValue};
use utoipa::OpenApi;

use super::{
    access::{self, Action, Resource},
    fault::Fault,
    filter::{apart, respond, within},
};
use crate::{
    books::view::NO_TIME,
    http::{
        App,
        body::{self, Body},
        resource,
    },
    search::{
        Progress,
        condition::{Condition, pieces},
        field::{Collection, Field, Words},
        grammar,
        index::{Answer, Index, Question, document_value, text_of},
    },
};

/// The longest page.
const PER_PAGE_MAX: u64 = 250;
/// The most searches of one request.
const SEARCHES_MAX: usize = 50;
/// The farthest page.
const PAGE_MAX: u64 = 100_000;

/// Adds the routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(
            resource("/search/reindex")
                .route(web::post().to(start_reindex))
                .route(web::get().to(reindex_progress)),
        )
        .service(resource("/search/{collection}").route(web::post().to(search)))
        .service(resource("/multi-search").route(web::post().to(multi_search)));
}

#[derive(OpenApi)]
#[openapi(paths(search, multi_search, start_reindex, reindex_progress))]
struct Document;

/// Its part of the OpenAPI document.
#[must_use]
pub fn document() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

/// A search as it is asked for. Source: the SDKs' `SearchParams`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked<'a> {
    q: String,
    query_by: Option<String>,
    filter_by: Option<String>,
    sort_by: Option<String>,
    #[serde(borrow, default)]
    page: Option<&'a RawValue>,
    #[serde(borrow, default)]
    per_page: Option<&'a RawValue>,
    /// Only of several at once.
    collection: Option<String>,
}

/// Several. Source: the SDKs' `MultiSearchParams`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Several<'a> {
    #[serde(borrow)]
    searches: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reindex {
    /// Taken and passed over: batches are as large as is good for the rest.
    batch_size: Option<f64>,
}

/// Searches ledgers, balances, transactions or identities.
///
/// `q` is `*` or words, each of which must be in one of the fields of `query_by`, the last as the beginning of a
/// word; words that are nowhere are looked for with a letter or two changed. Sums in documents are texts, times
/// whole seconds since 1970.
#[utoipa::path(
    post, path = "/search/{collection}", tag = "ledger", request_body = serde_json::Value,
    params(("collection" = String, Path, description = "ledgers, balances, transactions or identities")),
    responses(
        (status = 200, description = "a page of hits", body = serde_json::Value),
        (status = 400, description = "a wrong field or text: it is named, with the position"),
        (status = 401, description = "no key, or an unknown one"),
        (status = 403, description = "the key is not for search:read"),
        (status = 404, description = "no such collection"),
        (status = 413, description = "the body is too large"),
        (status = 415, description = "the body is not JSON"),
        (status = 503, description = "the index is behind: try again"),
    ),
)]
pub async fn search(
    request: HttpRequest,
    path: Path<String>,
    given: Body,
    app: Data<App>,
) -> HttpResponse {
    let told = async {
        let caller = access::require(&request, &app, Resource::Search, Action::Read)?;
        let collection = Collection::named(&path).ok_or_else(|| {
            let message = "collection must be ledgers, transactions, balances, or identities";
            Fault::not_found("GEN_NOT_FOUND", message)
        })?;
        body::require_json(&request)?;
        let bytes = body::bytes(given)?;
        let asked: Asked<'_> = body::parse(&bytes)?;
        if asked.collection.is_some() {
            return Err(invalid("collection", "the collection stands in the path"));
        }
        let plan = Plan::read(collection, &asked)?;
        let index = app.search.ready(&caller.origin).await?;
        let origin = caller.origin.clone();
        apart(move || plan.run(&index, &origin)).await
    };
    let told = told.await;
    respond(&request, &app, told)
}

/// Searches several times at once. The results stand in the order of the searches; of one that cannot be, its
/// error stands in its place.
#[utoipa::path(
    post, path = "/multi-search", tag = "ledger", request_body = serde_json::Value,
    responses(
        (status = 200, description = "`{results: […]}`", body = serde_json::Value),
        (status = 400, description = "the body is wrong: the field is named"),
        (status = 401, description = "no key, or an unknown one"),
        (status = 403, description = "the key is not for search:read"),
        (status = 413, description = "the body is too large"),
        (status = 415, description = "the body is not JSON"),
        (status = 503, description = "the index is behind: try again"),
    ),
)]
pub async fn multi_search(request: HttpRequest, given: Body, app: Data<App>) -> HttpResponse {
    let told = async {
        let caller = access::require(&request, &app, Resource::Search, Action::Read)?;
        body::require_json(&request)?;
        let bytes = body::bytes(given)?;
        let several: Several<'_> = body::parse(&bytes)?;
        if several.searches.is_empty() || several.searches.len() > SEARCHES_MAX {
            let message = format!("searches must be 1 to {SEARCHES_MAX}");
            return Err(invalid("searches", message));
        }
        let mut plans = Vec::new();
        for raw in &several.searches {
            let plan = body::parse::<Asked<'_>>(raw.get().as_bytes());
            plans.push(plan.map_err(Fault::from).and_then(|asked| one_of(&asked)));
        }
        let index = app.search.ready(&caller.origin).await?;
        let origin = caller.origin.clone();
        apart(move || run_all(plans, &index, &origin)).await
    };
    let told = told.await;
    respond(&request, &app, told)
}

fn one_of(asked: &Asked<'_>) -> Result<Plan, Fault> {
    let collection = asked.collection.as_deref().and_then(Collection::named);
    let collection = collection.ok_or_else(|| {
        let message = "collection must be ledgers, transactions, balances, or identities";
        invalid("collection", message)
    })?;
    Plan::read(collection, asked)
}

fn run_all(plans: Vec<Result<Plan, Fault>>, index: &Index, origin: &str) -> Result<Vec<u8>, Fault> {
    let mut out = b"{\"results\":[".to_vec();
    for (place, plan) in plans.into_iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        match plan.and_then(|plan| plan.run(index, origin)) {
            Ok(told) => out.extend_from_slice(&told),
            Err(fault) if fault.status.is_server_error() => return Err(fault),
            Err(fault) => {
                let error = json!({ "code": fault.status.as_u16(), "error": fault.message });
                out.extend_from_slice(error.to_string().as_bytes());
            }
        }
    }
    out.extend_from_slice(b"]}");
    Ok(out)
}

fn invalid(field: &str, message: impl Into<String>) -> Fault {
    Fault::invalid("GEN_VALIDATION_ERROR", field, message)
}

/// A search that has been read.
struct Plan {
    question: Question,
    fields: Vec<&'static Field>,
    words: Vec<String>,
    filter: Condition,
    page: u64,
    params: Map<String, Value>,
}

impl Plan {
    fn read(collection: Collection, asked: &Asked<'_>) -> Result<Self, Fault> {
        if asked.q.trim().is_empty() {
            return Err(Fault::invalid(
                "GEN_MISSING_PARAMETER",
                "q",
                "Field \"q\" must be filled: words, or * for everything",
            ));
        }
        let fields = grammar::fields(collection, asked.query_by.as_deref().unwrap_or_default())?;
        let given = asked.filter_by.as_deref().unwrap_or_default();
        let filter = grammar::filter(collection, given).map_err(|error| {
            let mut fault = invalid("filter_by", error.to_string());
            fault.details = Some(json!({ "field": "filter_by", "position": error.position }));
            fault
        })?;
        let sort = grammar::sort(collection, asked.sort_by.as_deref().unwrap_or_default())?;
        let page = number("page", asked.page, 1)?;
        within("page", page, (1, PAGE_MAX))?;
        let per_page = number("per_page", asked.per_page, 10)?;
        let limit = within("per_page", per_page, (1, PER_PAGE_MAX))?;
        let before = page.saturating_sub(1).saturating_mul(per_page);
        let text = if asked.q.trim() == "*" { "" } else { &asked.q };
        let wanted = Condition::words(fields.clone(), text)?;
        let words = text.split_whitespace().map(str::to_owned).collect();
        let mut params = Map::new();
        params.insert("collection_name".into(), collection.word().into());
        params.insert("q".into(), asked.q.clone().into());
        params.insert("page".into(), page.into());
        params.insert("per_page".into(), per_page.into());
        for (name, value) in [
            ("query_by", &asked.query_by),
            ("filter_by", &asked.filter_by),
            ("sort_by", &asked.sort_by),
        ] {
            if let Some(value) = value {
                params.insert(name.into(), value.clone().into());
            }
        }
        Ok(Self {
            question: Question {
                collection,
                condition: Condition::All(vec![wanted, filter.clone()]),
                sort,
                limit,
                offset: usize::try_from(before).unwrap_or(usize::MAX),
                counts: true,
            },
            fields,
            words,
            filter,
            page,
            params,
        })
    }

    /// Asks, and writes what was found. Blocks.
    fn run(mut self, index: &Index, origin: &str) -> Result<Vec<u8>, Fault> {
        let begun = Instant::now();
        let mut answer = index.ask(origin, &self.question)?;
        if answer.found == Some(0)
            && let Some(nearly) = self.nearly(index)?
        {
            self.question.condition = Condition::All(vec![nearly, self.filter.clone()]);
            answer = index.ask(origin, &self.question)?;
        }
        Ok(self.told(&answer, begun.elapsed().as_millis()))
    }

    /// The same with words that are nearly those that were asked for, if there are any.
    fn nearly(&mut self, index: &Index) -> Result<Option<Condition>, Fault> {
        let (mut parts, mut others) = (Vec::new(), Vec::new());
        for (place, word) in self.words.iter().enumerate() {
            let is_last = place.saturating_add(1) == self.words.len();
            let fields = || self.fields.clone();
            let mut ways = vec![Condition::Words(fields(), vec![word.clone()], is_last)];
            let whole: String = pieces(word).concat();
            let distance = match whole.chars().count() {
                0..=3 => 0,
                4..=7 => 1,
                _ => 2,
            };
            if distance > 0 {
                for near in index.near(self.question.collection, &whole, distance)? {
                    ways.push(Condition::Words(fields(), vec![near.clone()], is_last));
                    others.push(near);
                }
            }
            parts.push(Condition::Any(ways));
        }
        if others.is_empty() {
            return Ok(None);
        }
        self.words.extend(others);
        Ok(Some(Condition::All(parts)))
    }

    fn told(&self, answer: &Answer, elapsed_ms: u128) -> Vec<u8> {
        let mut out = format!(
            "{{\"facet_counts\":[],\"found\":{},\"out_of\":{},\"page\":{},\"request_params\":{},\
             \"search_cutoff\":false,\"search_time_ms\":{elapsed_ms},\"hits\":[",
            answer.found.unwrap_or(0),
            answer.out_of.unwrap_or(0),
            self.page,
            Value::Object(self.params.clone()),
        );
        for (place, row) in answer.rows.iter().enumerate() {
            if place > 0 {
                out.push(',');
            }
            out.push_str("{\"document\":");
            put_document(self.question.collection, row, &mut out);
            let marked = self.marked(row);
            let matched: usize = marked.iter().map(|mark| mark.tokens.len()).sum();
            let highlights: Vec<Value> = marked.iter().map(Mark::listed).collect();
            let highlight: Map<String, Value> = marked.iter().map(Mark::named).collect();
            out.push_str(&format!(
                ",\"highlights\":{},\"highlight\":{},\"text_match\":{matched}}}",
                Value::Array(highlights),
                Value::Object(highlight)
            ));
        }
        out.push_str("]}");
        out.into_bytes()
    }

    /// Where the words stand in a row.
    fn marked(&self, row: &[Stored]) -> Vec<Mark> {
        let wanted: Vec<String> = self.words.iter().flat_map(|word| pieces(word)).collect();
        let mut marks = Vec::new();
        if wanted.is_empty() {
            return marks;
        }
        for field in self
            .fields
            .iter()
            .filter(|field| field.words == Words::Each)
        {
            let text = text_of(self.question.collection, row, field.name);
            if field.name == "meta_data" || text.is_empty() {
                continue;
            }
            let mut tokens = Vec::new();
            let mut snippet = String::with_capacity(text.len());
            for part in text.split_inclusive(|letter: char| !letter.is_alphanumeric()) {
                let word = part.trim_end_matches(|letter: char| !letter.is_alphanumeric());
                let lower = word.to_lowercase();
                let is_wanted = |piece: &String| !lower.is_empty() && lower.starts_with(piece);
                if wanted.iter().any(is_wanted) {
                    tokens.push(word.to_owned());
                    snippet.push_str("<mark>");
                    snippet.push_str(word);
                    snippet.push_str("</mark>");
                    snippet.push_str(part.get(word.len()..).unwrap_or_default());
                } else {
                    snippet.push_str(part);
                }
            }
            if !tokens.is_empty() {
                let field = field.name;
                marks.push(Mark {
                    field,
                    tokens,
                    snippet,
                });
            }
        }
        marks
    }
}

/// Where words stand in a field.
struct Mark {
    field: &'static str,
    tokens: Vec<String>,
    snippet: String,
}

impl Mark {
    fn listed(&self) -> Value {
        json!({
            "field": self.field, "matched_tokens": self.tokens, "snippet": self.snippet,
        })
    }

    fn named(&self) -> (String, Value) {
        let said = json!({ "matched_tokens": self.tokens, "snippet": self.snippet });
        (self.field.to_owned(), said)
    }
}

fn put_document(collection: Collection, row: &[Stored], out: &mut String) {
    let id = text_of(collection, row, collection.id());
    out.push_str("{\"id\":");
    out.push_str(&Value::from(id).to_string());
    for (field, value) in collection.fields().iter().zip(row) {
        if let Some(json) = document_value(field, value) {
            out.push_str(",\"");
            out.push_str(field.name);
            out.push_str("\":");
            out.push_str(&json);
            if field.name == "amount" {
                out.push_str(",\"amount_string\":\"");
                out.push_str(&json);
                out.push('"');
            }
        }
    }
    out.push('}');
}

fn number(field: &str, raw: Option<&RawValue>, default: u64) -> Result<u64, Fault> {
    let Some(raw) = raw.filter(|raw| raw.get() != "null") else {
        return Ok(default);
    };
    let text = raw.get();
    let text = text.strip_suffix(".0").unwrap_or(text);
    let read = text.parse::<u64>();
    read.map_err(|_| invalid(field, format!("{field} must be a whole number above 0")))
}

/// Builds the index again from the log's beginning, while the one that is there answers.
#[utoipa::path(
    post, path = "/search/reindex", tag = "ledger", request_body = Option<serde_json::Value>,
    responses(
        (status = 200, description = "`{message, progress}`", body = serde_json::Value),
        (status = 400, description = "the body is wrong: the field is named"),
        (status = 401, description = "no key, or an unknown one"),
        (status = 403, description = "the key is not for search:write"),
        (status = 409, description = "it is being built already"),
        (status = 413, description = "the body is too large"),
    ),
)]
pub async fn start_reindex(request: HttpRequest, given: Body, app: Data<App>) -> HttpResponse {
    let told = async {
        let caller = access::require(&request, &app, Resource::Search, Action::Write)?;
        let bytes = body::bytes(given)?;
        if !bytes.trim_ascii().is_empty() {
            let given: Reindex = body::parse(&bytes)?;
            let is_wrong = |size: f64| size < 1.0 || size.fract() != 0.0;
            if given.batch_size.is_some_and(is_wrong) {
                let message = "batch_size must be a positive integer if provided";
                return Err(invalid("batch_size", message));
            }
        }
        let (is_new, progress) = app.search.rebuild(&caller.origin);
        if !is_new {
            let message = "the index is being built already";
            let conflict = StatusCode::CONFLICT;
            return Err(Fault::new(conflict, "GEN_CONFLICT", message));
        }
        let told = json!({ "message": "reindex started", "progress": progress_view(&progress) });
        Ok(told.to_string().into_bytes())
    };
    let told = told.await;
    respond(&request, &app, told)
}

/// How far the building of the index is.
#[utoipa::path(
    get, path = "/search/reindex", tag = "ledger",
    responses(
        (status = 200, description = "how far it is", body = serde_json::Value),
        (status = 401, description = "no key, or an unknown one"),
        (status = 403, description = "the key is not for search:read"),
    ),
)]
pub async fn reindex_progress(request: HttpRequest, app: Data<App>) -> HttpResponse {
    let told = access::require(&request, &app, Resource::Search, Action::Read).map(|_| {
        progress_view(&app.search.progress())
            .to_string()
            .into_bytes()
    });
    respond(&request, &app, told)
}

fn progress_view(progress: &Progress) -> Value {
    let started = progress.started_at.map(|at| at.to_string());
    let mut view = json!({
        "status": progress.status(),
        "phase": progress.phase(),
        "total_records": progress.total,
        "processed_records": progress.done,
        "started_at": started.unwrap_or_else(|| NO_TIME.to_owned()),
    });
    if let Some(members) = view.as_object_mut() {
        if let Some(at) = progress.ended_at {
            members.insert("completed_at".into(), at.to_string().into());
        }
        if let Some(error) = &progress.error {
            members.insert("errors".into(), json!([error]));
        }
    }
    view
}
