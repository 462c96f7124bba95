//! The OpenAPI document, generated from the handlers, and the page that shows it.

use actix_web::{HttpResponse, web};
use utoipa::{
    Modify, OpenApi,
    openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme},
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
