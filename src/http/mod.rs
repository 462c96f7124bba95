//! The faces: JSON and status codes over one engine. No rules of their own.

pub mod access;
pub mod body;
pub mod ledger;
pub mod network;
pub mod openapi;
pub mod operator;
pub mod origins;
pub mod problem;
pub mod programme;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU64, Ordering},
    },
};

use actix_web::{
    HttpRequest, HttpResponse, Resource,
    body::BoxBody,
    http::{StatusCode, header},
    web::{self, Data},
};
use problem::Problem;

pub(crate) use crate::json as write;
use crate::{actors::Engine, domain::policy::Terms, replay::totals::TrialBalance};

/// What every handler has.
pub struct App {
    /// The engine.
    pub engine: Arc<Engine>,
    /// Tokens and one-time codes.
    pub access: crate::access::Access,
    /// Keys for card data.
    pub vault: Arc<crate::vault::Vault>,
    /// Puts what is sealed under the vault's active key.
    pub resealer: Arc<operator::reseal::Resealer>,
    /// What the settings say of cards.
    pub cards: programme::card_data::CardSettings,
    /// Issues tokens for devices.
    pub tokens: Arc<dyn crate::tokens::TokenProvider>,
    /// Wrong PINs.
    pub pin_tries: network::pin::PinTries,
    /// Asks programmes before a purchase is final.
    pub decisions: Arc<crate::decisions::Decisions>,
    /// Secrets just made, for retries of the requests that made them.
    pub fresh_secrets: programme::keys::FreshSecrets,
    /// Adds up the books.
    pub trial_balance: Arc<TrialBalance>,
    /// The log as events.
    pub feed: Arc<crate::outbox::feed::Feed>,
    /// The ledger's transactions.
    pub books: Arc<crate::books::Books>,
    /// What the ledger face keeps in memory.
    pub ledger: ledger::Desk,
    /// Finds entities by other things than their names.
    pub search: Arc<crate::search::Search>,
    /// Matches external records with transactions.
    pub reconciliation: Arc<crate::reconciliation::runs::Reconciler>,
    /// Takes snapshots.
    pub snapshots: Arc<operator::snapshots::Snapshots>,
    /// Delivers webhooks.
    pub outbox: Arc<crate::outbox::Outbox>,
    /// Whether the sandbox's conveniences are there.
    pub is_sandbox: bool,
    /// How long a body may take to arrive.
    pub body_within: std::time::Duration,
    /// The most items of a batch.
    pub batch_items_max: usize,
    /// A part of every request id made here.
    pub instance: u32,
    /// How many request ids were made.
    pub requests: AtomicU64,
    /// Whether requests are taken: not while starting or stopping.
    pub is_ready: std::sync::atomic::AtomicBool,
}

impl App {
    /// The house's terms.
    #[must_use]
    pub fn terms(&self) -> &Terms {
        &self.engine.shared.terms
    }
}

/// `X-Request-Id`, parsed once.
pub static X_REQUEST_ID: header::HeaderName = header::HeaderName::from_static("x-request-id");
/// `Idempotency-Key`, parsed once.
pub static IDEMPOTENCY_KEY: header::HeaderName = header::HeaderName::from_static("idempotency-key");
static APPLICATION_JSON: header::HeaderValue = header::HeaderValue::from_static("application/json");

/// A request's id: the caller's, if it is a plain short text, else one of ours.
pub fn request_id(request: &HttpRequest, app: &App) -> String {
    let given = request
        .headers()
        .get(&X_REQUEST_ID)
        .and_then(|value| value.to_str().ok());
    let plain = |text: &&str| {
        !text.is_empty()
            && text.len() <= 128
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte))
    };
    given
        .filter(plain)
        .map_or_else(|| own_request_id(app), str::to_owned)
}

/// `req_`, eight digits of this process, ten of its count.
fn own_request_id(app: &App) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let count = app.requests.fetch_add(1, Ordering::Relaxed);
    let mut id = *b"req_000000000000000000";
    let mut put = |end: usize, digits: usize, number: u64| {
        let mut rest = number;
        for place in id.iter_mut().take(end).rev().take(digits) {
            let digit = usize::try_from(rest & 15).unwrap_or(0);
            *place = DIGITS.get(digit).copied().unwrap_or(b'0');
            rest >>= 4;
        }
    };
    put(12, 8, app.instance.into());
    put(22, 10, count);
    std::str::from_utf8(&id).unwrap_or_default().to_owned()
}

/// A JSON answer.
#[must_use]
pub fn json(status: StatusCode, request_id: &str, body: Vec<u8>) -> HttpResponse {
    let mut response = HttpResponse::with_body(status, BoxBody::new(body));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, APPLICATION_JSON.clone());
    if let Ok(id) = header::HeaderValue::from_str(request_id) {
        headers.insert(X_REQUEST_ID.clone(), id);
    }
    response
}

/// Marks an answer that an earlier request got already.
pub fn mark_replay(response: &mut HttpResponse) {
    response.headers_mut().insert(
        header::HeaderName::from_static("idempotency-replayed"),
        header::HeaderValue::from_static("true"),
    );
}

/// A route's resource, which answers a method it does not take in our form.
#[must_use]
pub fn resource(path: &str) -> Resource {
    web::resource(path).default_service(web::to(method_not_allowed))
}

/// The methods of each route, as the OpenAPI document has them.
static METHODS: LazyLock<BTreeMap<String, String>> = LazyLock::new(|| {
    let methods = |item: utoipa::openapi::PathItem| {
        let known = [
            ("GET", item.get.is_some()),
            ("POST", item.post.is_some()),
            ("PUT", item.put.is_some()),
            ("PATCH", item.patch.is_some()),
            ("DELETE", item.delete.is_some()),
        ];
        let there = known.iter().filter(|(_, is_there)| *is_there);
        there.map(|(word, _)| *word).collect::<Vec<_>>().join(", ")
    };
    let paths = openapi::document().paths.paths;
    let listed = paths.into_iter().map(|(path, item)| (path, methods(item)));
    listed.collect()
});

/// Source: RFC 9110, section 15.5.6, for the header `Allow`.
async fn method_not_allowed(request: HttpRequest, app: Data<App>) -> HttpResponse {
    let route = request.match_pattern().unwrap_or_default();
    let allowed = METHODS.get(&route).map_or("", String::as_str);
    let message = format!("{} is not for this route: {allowed}", request.method());
    let problem = Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        message,
    );
    let mut response = refuse(&request, &app, problem);
    if let Ok(allowed) = header::HeaderValue::from_str(allowed) {
        response.headers_mut().insert(header::ALLOW, allowed);
    }
    response
}

async fn no_route(request: HttpRequest, app: Data<App>) -> HttpResponse {
    let message = "not found: there is no such route; /openapi.json lists them";
    refuse(&request, &app, Problem::not_found("not_found", message))
}

/// An error in the form of the face that the path belongs to.
fn refuse(request: &HttpRequest, app: &Data<App>, problem: Problem) -> HttpResponse {
    let id = request_id(request, app);
    if request.path().starts_with("/api/") {
        programme::problem::respond(problem, &id)
    } else if ledger::is_its_path(request.path()) {
        ledger::fault::Fault::from(problem).respond(&id)
    } else {
        problem.respond(&id)
    }
}

/// Every route. The network face's come first: they are the hot path.
pub fn routes(config: &mut actix_web::web::ServiceConfig) {
    config
        .configure(network::routes)
        .configure(operator::routes)
        .configure(programme::routes)
        .configure(openapi::routes)
        .configure(ledger::routes)
        .route("/", actix_web::web::get().to(openapi::index))
        .default_service(web::to(no_route));
}
