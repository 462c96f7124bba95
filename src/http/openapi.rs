//! The OpenAPI document, generated from the handlers, and the page that shows it.

use actix_web::{HttpResponse, web};
use utoipa::{
    Modify, OpenApi,
    openapi::{
        Content, Header, Object, Ref, RefOr, Response, Schema, Type,
        path::Operation,
        schema::AnyOf,
        security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme},
    },
};
use utoipa_swagger_ui::SwaggerUi;

use super::{ledger, network, operator, origins, programme};

/// Every route.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Cardwright",
        description = "Issues virtual cards and authorizes their payments. Amounts of an asset \
                       are strings of an integer in its smallest unit; local amounts are decimal \
                       strings; times are RFC 3339, UTC.",
    ),
    paths(
        network::authorize::post,
        network::authorize::post_clearing,
        network::authorize::simulate,
        network::batch::post,
        network::find::list,
        network::find::one,
        network::steps::post,
        network::steps::reverse_refund,
        network::money::deposit,
        network::money::withdraw,
        network::pin::verify,
        programme::create::card,
        programme::create::programme_card,
        programme::create::pocket,
        programme::list::list,
        programme::list::get,
        programme::patch::patch,
        programme::balance::get,
        programme::balance::sum,
        programme::controls::get,
        programme::controls::put,
        programme::controls::patch,
        programme::controls::delete,
        programme::movements::get,
        programme::movements::transactions,
        programme::transfer::post,
        programme::batch::post,
        programme::session::exchange,
        programme::session::connect,
        programme::session::register,
        programme::codes::challenge,
        programme::session::origins,
        programme::identities::me,
        programme::identities::patch_me,
        programme::identities::get,
        programme::identities::patch,
        programme::identities::my_aliases,
        programme::identities::aliases,
        programme::identities::resolve,
        programme::keys::create,
        programme::keys::list,
        programme::keys::get,
        programme::keys::revoke,
        programme::keys::rotate,
        programme::keys::webhook_secret,
        origins::patch_by_key,
        operator::rates::list,
        operator::rates::put,
        origins::get,
        origins::patch,
        operator::books::trial_balance,
        operator::snapshots::take,
        operator::snapshots::list,
        operator::keys::open_origin,
        operator::keys::list_origins,
        operator::keys::issue,
        operator::keys::list,
        operator::keys::revoke,
        operator::health::live,
        operator::health::ready,
        operator::health::metrics,
        operator::sandbox::seed,
        operator::sandbox::echo,
    ),
    components(schemas(network::schema::ErrorAnswer, network::schema::LedgerErrorAnswer)),
    tags(
        (name = "network", description = "Authorizations and what follows them; scope network"),
        (name = "programme", description = "Accounts, their money and its movements, as the Bloque \
                                            SDK calls them; scope programme"),
        (name = "operator", description = "Money in and out, books, snapshots; scope operator"),
        (name = "ledger", description = "The same money as ledgers, balances and transactions, as the Blnk \
                                        clients call it: the key goes as X-Blnk-Key or as a bearer, amounts \
                                        are JSON numbers read and written exactly, errors are \
                                        `{error, error_detail: {code, message, details?}}`; scope ledger"),
        (name = "sandbox", description = "Only with serve --sandbox"),
    ),
)]
pub struct Document;

struct Security;

/// Routes that need no key, or have it in the body.
const OPEN: [&str; 14] = [
    "/healthz",
    "/readyz",
    "/metrics",
    "/v1/bench/echo",
    "/api/origins/{origin}/metadata",
    "/api/api-keys/exchange",
    "/api/api-keys/origins/{origin}/webhook-secret",
    "/api/aliases",
    "/api/origins",
    "/api/origins/{origin}/assert",
    "/api/origins/{origin}/connect",
    "/api/origins/{origin}/register",
    "/v1/compliance/webhook/{origin}",
    "/verification/{token}",
];

impl Modify for Security {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        document
            .components
            .get_or_insert_with(Default::default)
            .add_security_scheme("key", scheme);
        let required = || vec![SecurityRequirement::new("key", Vec::<String>::new())];
        for (path, item) in &mut document.paths.paths {
            if OPEN.contains(&path.as_str()) {
                continue;
            }
            let operations = [
                &mut item.get,
                &mut item.post,
                &mut item.put,
                &mut item.patch,
                &mut item.delete,
            ];
            for operation in operations.into_iter().flatten() {
                operation.security = Some(required());
            }
        }
    }
}

/// What is the same for all routes, and would be forgotten on some.
struct Common;

impl Modify for Common {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        for (path, item) in &mut document.paths.paths {
            let operations = [
                ("get", &mut item.get),
                ("post", &mut item.post),
                ("put", &mut item.put),
                ("patch", &mut item.patch),
                ("delete", &mut item.delete),
            ];
            for (method, operation) in operations {
                if let Some(operation) = operation {
                    operation.operation_id = Some(operation_id(method, path));
                    complete((method, path), operation);
                }
            }
        }
        let schemas = &mut document.components.get_or_insert_default().schemas;
        // What an account of one kind has may fit another kind's description as well.
        if let Some(RefOr::T(Schema::OneOf(kinds))) = schemas.remove("AccountDetails") {
            let mut any = AnyOf::new();
            any.items = kinds.items;
            schemas.insert("AccountDetails".to_owned(), RefOr::T(Schema::AnyOf(any)));
        }
    }
}

/// A name that no other operation has: `get_v1_authorizations_id`.
fn operation_id(method: &str, path: &str) -> String {
    let words = path.split(|c: char| !c.is_ascii_alphanumeric());
    let words: Vec<_> = words.filter(|word| !word.is_empty()).collect();
    format!("{method}_{}", words.join("_"))
}

/// The errors that every route of its face may answer, and how they look.
fn complete((method, path): (&str, &str), operation: &mut Operation) {
    let has_tag = |tag| operation.tags.iter().flatten().any(|known| known == tag);
    // The programme face's own routes under /v1 that answer in its form.
    let is_programme = has_tag("programme") && path.starts_with("/v1/cards/");
    let is_ledger = has_tag("ledger");
    let (is_v1, is_api) = (path.starts_with("/v1/"), path.starts_with("/api/"));
    let name = match (is_ledger, is_v1 && !is_programme, is_v1 || is_api) {
        (true, ..) => "LedgerErrorAnswer",
        (false, true, _) => "ErrorAnswer",
        (false, false, true) => "ErrorView",
        // Health, metrics, pages.
        (false, false, false) => return,
    };
    let mut always = vec![
        ("400", "malformed: the field is named"),
        ("404", "what it names is not there, or another's"),
        ("503", "busy: try again"),
    ];
    if method != "get" {
        always.push(("409", "its state, or an earlier request, stands in the way"));
    }
    if is_v1 {
        always.push(("422", "an impossible value: the field is named"));
    }
    if operation.request_body.is_some() {
        always.push(("408", "the body did not arrive in time"));
        always.push(("413", "the body is too large"));
        always.push(("415", "the body is not JSON in UTF-8"));
    }
    let responses = &mut operation.responses.responses;
    for (status, description) in always {
        let missing = || RefOr::T(Response::new(description));
        responses.entry(status.to_owned()).or_insert_with(missing);
    }
    for (status, response) in responses {
        let RefOr::T(response) = response else {
            continue;
        };
        let id = Header::new(Object::with_type(Type::String));
        (response.headers).insert("X-Request-Id".to_owned(), RefOr::T(id));
        if status == "503" {
            let seconds = Header::new(Object::with_type(Type::Integer));
            (response.headers).insert("Retry-After".to_owned(), RefOr::T(seconds));
        }
        let is_error = status.starts_with(['4', '5']);
        let is_told = response.content.values().any(|content| match content {
            RefOr::T(content) => matches!(content.schema, Some(RefOr::Ref(_))),
            RefOr::Ref(_) => true,
        });
        if is_error && !is_told {
            let content = Content::new(Some(Ref::from_schema_name(name)));
            let json = "application/json".to_owned();
            response.content.insert(json, RefOr::T(content));
        }
    }
}

/// The whole document.
#[must_use]
pub fn document() -> utoipa::openapi::OpenApi {
    let mut document = Document::openapi();
    for part in [
        programme::card_data::Paths::openapi(),
        programme::tokens::Paths::openapi(),
        programme::webhooks::Paths::openapi(),
        programme::events::Paths::openapi(),
        programme::compliance::Paths::openapi(),
        programme::decisions::Paths::openapi(),
        operator::simulate::Paths::openapi(),
        operator::vault_keys::Paths::openapi(),
    ] {
        document.merge(part);
    }
    for part in ledger::documents() {
        document.merge(part);
    }
    Security.modify(&mut document);
    Common.modify(&mut document);
    document
}

/// Adds `/openapi.json` and the reading page under `/docs/`.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::redirect("/docs", "/docs/"))
        .service(SwaggerUi::new("/docs/{_:.*}").url("/openapi.json", document()));
}

/// The document as JSON, for those who want it without a server.
#[must_use]
pub fn json() -> String {
    document().to_pretty_json().unwrap_or_default()
}

/// Says where the document is.
pub async fn index() -> HttpResponse {
    HttpResponse::Ok().json(serde_json::json!({
        "name": "cardwright",
        "version": env!("CARGO_PKG_VERSION"),
        "openapi": "/openapi.json",
        "docs": "/docs/",
    }))
}
