//! The ledger face: what the Blnk SDKs call. Source: the wire of those SDKs.

pub mod access;
pub mod balances;
pub mod face;
pub mod fault;
pub mod filter;
mod found;
pub mod history;
pub mod hooks;
pub mod identities;
pub mod keys;
pub mod ledgers;
pub mod metadata;
pub mod monitors;
pub mod reconciliation;
mod reply;
pub mod search;
pub mod transactions;

use actix_web::web;

/// What the face keeps in memory beside the books.
pub struct Desk {
    /// What keys may.
    pub keys: access::KnownKeys,
    /// Calls who is to be called before and after transactions.
    pub hooks: std::sync::Arc<crate::books::hooks::Hooks>,
    /// Whether anybody watches a balance.
    pub monitors: std::sync::Arc<crate::monitors::Wanted>,
}

/// The first parts of the face's paths.
const FIRST_PARTS: [&str; 17] = [
    "ledgers",
    "balances",
    "balances-snapshots",
    "transactions",
    "refund-transaction",
    "identities",
    "balance-monitors",
    "search",
    "multi-search",
    "reconciliation",
    "hooks",
    "api-keys",
    "accounts",
    "metadata",
    "mocked-account",
    "backup",
    "health",
];

/// Whether the path is one of this face's, so that its errors have this face's form.
#[must_use]
pub fn is_its_path(path: &str) -> bool {
    let mut parts = path.trim_start_matches('/').split('/');
    let (first, second, third) = (parts.next(), parts.next(), parts.next());
    let is_of_an_entity = second == Some("metadata") && third.is_none();
    first.is_some_and(|first| FIRST_PARTS.contains(&first)) || is_of_an_entity
}

/// Adds the face's routes.
pub fn routes(config: &mut web::ServiceConfig) {
    // The names of lists and filters come before ids, which they could be.
    config
        .configure(transactions::hot_routes)
        .configure(filter::routes)
        .configure(transactions::routes)
        .configure(history::routes)
        .configure(balances::routes)
        .configure(ledgers::routes)
        .configure(identities::routes)
        .configure(monitors::routes)
        .configure(search::routes)
        .configure(reconciliation::routes)
        .configure(hooks::routes)
        .configure(keys::routes)
        .configure(metadata::routes);
}

/// The face's parts of the OpenAPI document.
#[must_use]
pub fn documents() -> Vec<utoipa::openapi::OpenApi> {
    vec![
        transactions::document(),
        filter::document(),
        history::document(),
        balances::document(),
        ledgers::document(),
        identities::document(),
        monitors::document(),
        search::document(),
        reconciliation::document(),
        hooks::document(),
        keys::document(),
        metadata::document(),
    ]
}
