//! Who asks, by `X-Blnk-Key`, and may they.

use actix_web::HttpRequest;

use super::fault::Fault;
use crate::{books::Origin, domain::registry::Scope, http::App};

/// What a key of this face may be for. Source: the scopes of the SDKs, `resource:action`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// `ledgers`
    Ledgers,
    /// `balances`
    Balances,
    /// `identities`
    Identities,
    /// `transactions`
    Transactions,
    /// `balance-monitors`
    BalanceMonitors,
    /// `hooks`
    Hooks,
    /// `api-keys`
    ApiKeys,
    /// `search`
    Search,
    /// `reconciliation`
    Reconciliation,
    /// `metadata`
    Metadata,
}

/// What is done with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// `read`
    Read,
    /// `write`
    Write,
    /// `delete`
    Delete,
}

/// Who asks.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The origin whose books they are.
    pub origin: Origin,
    /// The key's id.
    pub key_id: String,
    /// Whether it is the origin's own key, which may do everything here.
    pub is_master: bool,
}

/// The one behind `X-Blnk-Key` (or `Authorization: Bearer`), if they may.
///
/// # Errors
///
/// 401 without a key of ours, 403 if it does not allow it.
pub fn require(
    request: &HttpRequest,
    app: &App,
    _resource: Resource,
    _action: Action,
) -> Result<Caller, Fault> {
    let given = request.headers().get("x-blnk-key");
    let given = given.or_else(|| request.headers().get("authorization"));
    let principal = crate::http::access::behind(given, app)?;
    if !principal.scopes.allow(Scope::Ledger) {
        return Err(Fault::new(
            actix_web::http::StatusCode::FORBIDDEN,
            "AUTH_INSUFFICIENT_PERMISSIONS",
            "this key has no scope ledger",
        ));
    }
    Ok(Caller {
        origin: principal.origin.clone(),
        key_id: principal.key_id.clone(),
        is_master: true,
    })
}
